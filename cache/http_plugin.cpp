/// libkroton-http.so: requests through libcurl, which nothing else of Kroton is linked with, so
/// that a program without an HTTP store does not load it.
#include "cache/http_abi.hpp"

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <curl/curl.h>
#include <strings.h>
#include <unistd.h>

namespace {

constexpr long max_redirects = 3;

using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

/// Connections that are kept for the next request. A child of fork leaves its parent's alone, with
/// their lock: closing one would end it for the parent too.
class Handles {
public:
  /// Never destroyed: requests may run until the very end of the process.
  static Handles& process() {
    static constinit std::atomic<Handles*> current{nullptr};
    Handles* known = current.load();
    if (known && known->process_ == ::getpid()) return *known;
    auto made = std::make_unique<Handles>();
    return current.compare_exchange_strong(known, made.get()) ? *made.release() : *known;
  }

  Handle take() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        Handle handle = std::move(idle_.back());
        idle_.pop_back();
        return handle;
      }
    }
    return {curl_easy_init(), &curl_easy_cleanup};
  }

  void give_back(Handle handle) {
    const std::lock_guard lock(mutex_);
    if (idle_.size() < max_idle) idle_.push_back(std::move(handle));
  }

private:
  static constexpr std::size_t max_idle = 8;
  std::mutex mutex_;
  std::vector<Handle> idle_;
  const pid_t process_ = ::getpid();
};

struct Result : KrotonHttpResult {
  std::string bytes;
  std::string text;
  std::size_t max_bytes = 0;
  bool is_too_long = false;
};

std::size_t receive(char* data, std::size_t, std::size_t count, void* argument) {
  auto& result = *static_cast<Result*>(argument);
  if (count > result.max_bytes - result.bytes.size()) {
    result.is_too_long = true;
    return 0; // ends the transfer
  }
  result.bytes.append(data, count);
  return count;
}

std::size_t send(char* data, std::size_t, std::size_t count, void* argument) {
  auto& rest = *static_cast<std::string_view*>(argument);
  const std::size_t n = rest.copy(data, count);
  rest.remove_prefix(n);
  return n;
}

int report_progress(void* argument, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  const auto& request = *static_cast<const KrotonHttpRequest*>(argument);
  return request.is_cancelled(request.cancel_argument);
}

/// Redirects stay with HTTP, and with HTTPS where that was asked for. Names and passwords in the
/// address are not sent to another host.
void set_protocols(CURL* curl, std::string_view url) {
  constexpr std::string_view secure = "https:";
  const bool is_secure =
      url.size() > secure.size() && ::strncasecmp(url.data(), secure.data(), secure.size()) == 0;
#if LIBCURL_VERSION_NUM >= 0x075500
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS_STR, is_secure ? "https" : "http,https");
#else
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS, long{CURLPROTO_HTTP | CURLPROTO_HTTPS});
  curl_easy_setopt(curl, CURLOPT_REDIR_PROTOCOLS,
                   is_secure ? long{CURLPROTO_HTTPS} : long{CURLPROTO_HTTP | CURLPROTO_HTTPS});
#endif
  curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 1L);
  curl_easy_setopt(curl, CURLOPT_MAXREDIRS, max_redirects);
}

void set_request(CURL* curl, const KrotonHttpRequest& request, Result& result,
                 std::string_view& body) {
  const std::string_view method = request.method;
  curl_easy_reset(curl); // keeps connections
  curl_easy_setopt(curl, CURLOPT_URL, request.url);
  set_protocols(curl, request.url);
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L); // signals belong to the program
#if LIBCURL_VERSION_NUM >= 0x075700
  curl_easy_setopt(curl, CURLOPT_QUICK_EXIT, 1L); // a name server that is silent is not waited for
#endif
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, request.connect_ms);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, request.total_ms);
  curl_easy_setopt(curl, CURLOPT_USERAGENT, "kroton");
  if (request.certificates) curl_easy_setopt(curl, CURLOPT_CAINFO, request.certificates);
  if (request.is_cancelled) {
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, &report_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, &request);
  }
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &receive);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &result);
  if (method == "HEAD") {
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  } else if (method == "PUT") {
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, &send);
    curl_easy_setopt(curl, CURLOPT_READDATA, &body);
    curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request.body_size));
  }
}

KrotonHttpError error_of(CURLcode code, const Result& result) {
  if (result.is_too_long) return kroton_http_too_long;
  switch (code) {
  case CURLE_OK:
    return kroton_http_ok;
  case CURLE_OPERATION_TIMEDOUT:
    return kroton_http_timed_out;
  case CURLE_ABORTED_BY_CALLBACK:
    return kroton_http_cancelled;
  case CURLE_UNSUPPORTED_PROTOCOL:
  case CURLE_URL_MALFORMAT:
  case CURLE_TOO_MANY_REDIRECTS:
  case CURLE_PEER_FAILED_VERIFICATION:
  case CURLE_SSL_CACERT_BADFILE:
    return kroton_http_refused;
  default:
    return kroton_http_failed;
  }
}

void fill(Result& result, CURL* curl, CURLcode code) {
  result.error = error_of(code, result);
  // Texts of codes, never of the transfer: those may hold the address.
  result.text = curl_easy_strerror(code);
  curl_off_t length = -1;
  if (curl) {
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &result.status);
    curl_easy_getinfo(curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
  }
  result.content_length = length;
  result.reason = result.text.c_str();
  result.body = result.bytes.data();
  result.body_size = result.bytes.size();
}

KrotonHttpResult* perform(const KrotonHttpRequest* request) {
  auto result = std::make_unique<Result>();
  result->max_bytes = request->max_bytes;
  Handle curl = Handles::process().take();
  CURLcode code = CURLE_FAILED_INIT;
  if (curl) {
    std::string_view body(request->body, request->body_size);
    set_request(curl.get(), *request, *result, body);
    code = curl_easy_perform(curl.get());
  }
  fill(*result, curl.get(), code);
  if (curl) Handles::process().give_back(std::move(curl));
  return result.release();
}

/// Not that of curl_version, which makes libldap look this machine's own name up.
const char* version() {
  static const std::string text = [] {
    const curl_version_info_data& info = *curl_version_info(CURLVERSION_NOW);
    return std::string("libcurl/") + info.version + " " +
           (info.ssl_version ? info.ssl_version : "without TLS");
  }();
  return text.c_str();
}

void release(KrotonHttpResult* result) { delete static_cast<Result*>(result); }

} // namespace

extern "C" __attribute__((visibility("default"))) const KrotonHttpApi* kroton_http_api() {
  static const bool is_ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
  static const KrotonHttpApi api{kroton_http_abi_version, version(), &perform, &release};
  return is_ready ? &api : nullptr;
}
