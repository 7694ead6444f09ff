#include "cache/http.hpp"

#include <mutex>
#include <stdexcept>

#include <dlfcn.h>
#include <fmt/format.h>

#include "cache/chores.hpp"
#include "cache/entry.hpp"
#include "cache/layout.hpp"
#include "lib/support/digest.hpp"
#include "lib/support/library.hpp"
#include "lib/support/log.hpp"
#include "lib/support/plugin.hpp"

namespace kroton::cache {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;
using support::Area;
using support::log;

constexpr const char* plugin_file = "libkroton-http.so";
constexpr int max_failures = 3; ///< in a row

/// A look-up that takes no longer than this holds nobody up.
constexpr milliseconds brief{100};

/// Stands in an address where a name of 64 hexadecimal digits is to stand.
constexpr std::string_view digest_place = "{digest}";

struct Plugin {
  const KrotonHttpApi* api = nullptr;
  std::string problem;
};

Plugin open_plugin() {
  const support::PluginPlace place = support::find_plugin(plugin_file);
  if (place.path.empty()) return {nullptr, place.problem};
  const support::LoadedLibrary library = support::load_library(place.path);
  if (!library.handle) return {nullptr, library.problem};
  auto* get = reinterpret_cast<kroton_http_api_fn*>(::dlsym(library.handle, "kroton_http_api"));
  const KrotonHttpApi* api = get ? get() : nullptr;
  if (!api || api->abi_version != kroton_http_abi_version)
    return {nullptr, fmt::format("{} is of another version of Kroton", place.path.string())};
  log(Area::cache)->debug("loaded {} ({})", place.path.string(), api->library);
  finish_chores_before_exit();
  return {api, {}};
}

/// Loaded by the first request and kept for good.
const Plugin& plugin() {
  static const Plugin& instance = *new Plugin(open_plugin());
  return instance;
}

using Result = std::unique_ptr<KrotonHttpResult, void (*)(KrotonHttpResult*)>;

/// "HTTP status 503", "Timeout was reached".
std::string reason_of(const KrotonHttpResult& result) {
  if (result.error == kroton_http_ok) return fmt::format("HTTP status {}", result.status);
  return result.error == kroton_http_too_long ? "the entry is too long" : result.reason;
}

bool is_success(const KrotonHttpResult& result) {
  return result.error == kroton_http_ok && result.status >= 200 && result.status < 300;
}

bool is_absent(const KrotonHttpResult& result) {
  return result.error == kroton_http_ok && (result.status == 404 || result.status == 410);
}

/// Whether the same request might go better at once: a broken connection or a server's own trouble,
/// not a time-out, which would only be waited for again.
bool is_worth_another_try(const KrotonHttpResult& result) {
  return result.error == kroton_http_failed ||
         (result.error == kroton_http_ok && result.status >= 500);
}

} // namespace

std::string scheme_of(std::string_view url) {
  const auto end = std::min(url.find("://"), url.size());
  if (end == url.size()) return {};
  std::string scheme;
  for (const char c : url.substr(0, end)) {
    const bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (!is_letter &&
        (scheme.empty() || !((c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.')))
      return {};
    scheme += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return scheme;
}

std::string without_secrets(std::string_view url) {
  const std::string scheme = scheme_of(url);
  const auto host = scheme.empty() ? 0 : scheme.size() + 3;
  // A password may hold any character that a path can hold, if nobody has encoded it.
  const auto at = url.rfind('@');
  const auto shown = url.substr(at == url.npos || at < host ? host : at + 1);
  return std::string(url.substr(0, host)) + std::string(shown.substr(0, shown.find_first_of("?#")));
}

/// The store as lookups and uploads see it; lives until the last of them has ended.
class HttpLevel::Client {
public:
  explicit Client(HttpOptions options)
      : options_(std::move(options)), shown_(without_secrets(options_.url)) {
    while (options_.url.ends_with('/')) options_.url.pop_back();
    const std::string scheme = scheme_of(options_.url);
    if (scheme != "http" && scheme != "https")
      refusal_ = "its address begins with neither http:// nor https://";
    else if (options_.url.find_first_of("?#") != options_.url.npos)
      refusal_ = "an address with a query or a fragment names no store; in a password, write / ? # "
                 "and @ as %2F %3F %23 and %40";
    if (!refusal_.empty()) switch_off(refusal_);
  }

  const std::string& shown() const { return shown_; }
  bool is_off() const { return is_off_; }
  bool takes_uploads() const { return !is_off_ && !is_read_only_; }

  std::optional<std::string> get(std::string_view digest) {
    const auto start = Clock::now();
    const auto most = std::min(options_.timeout, patience() + brief);
    const Result result = perform("GET", digest, {}, most, nullptr);
    lose_patience(Clock::now() - start);
    if (is_absent(*result)) {
      failures_ = 0;
      return {};
    }
    if (!is_success(*result)) fail(*result);
    failures_ = 0;
    return std::string(result->body, result->body_size);
  }

  HttpAnswer ask(const char* method, std::string_view digest, std::string_view body) {
    const Result result = perform(method, digest, body, options_.timeout, nullptr);
    return {is_success(*result), is_absent(*result), reason_of(*result),
            std::string(result->body, result->body_size), result->content_length};
  }

  /// Uploads an entry unless the store has one of this length already.
  void put(std::string_view digest, std::string_view entry, const Chores::Stop& is_over) {
    if (!takes_uploads()) return;
    const Result head = perform("HEAD", digest, {}, options_.timeout, &is_over);
    if (is_success(*head) && head->content_length == static_cast<long long>(entry.size())) return;
    if (head->error != kroton_http_ok) return give_up_upload(digest, *head);
    const Result result = perform("PUT", digest, entry, options_.timeout, &is_over);
    if (!is_success(*result)) return give_up_upload(digest, *result);
    log(Area::cache)->debug("{}: uploaded {:.12}, {} bytes", shown_, digest, entry.size());
  }

private:
  Result perform(const char* method, std::string_view digest, std::string_view body,
                 milliseconds timeout, const Chores::Stop* is_over) {
    if (!refusal_.empty()) throw std::runtime_error(refusal_);
    const Plugin& loaded = plugin();
    if (!loaded.api) {
      switch_off(loaded.problem);
      throw std::runtime_error(loaded.problem);
    }
    const std::string url = url_of(digest);
    const auto deadline = Clock::now() + timeout;
    KrotonHttpRequest request{
        .method = method,
        .url = url.c_str(),
        .certificates = options_.certificates.empty() ? nullptr : options_.certificates.c_str(),
        .body = body.data(),
        .body_size = body.size(),
        .max_bytes = options_.max_bytes,
        .connect_ms = options_.connect_timeout.count(),
        .total_ms = timeout.count(),
        .is_cancelled = is_over ? &asks_stop : nullptr,
        .cancel_argument = const_cast<Chores::Stop*>(is_over)};
    Result result(loaded.api->perform(&request), loaded.api->release);
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now());
    if (!is_worth_another_try(*result) || left <= milliseconds(0)) return result;
    log(Area::cache)->debug("{}: {}; trying once more", shown_, reason_of(*result));
    request.total_ms = left.count();
    return {loaded.api->perform(&request), loaded.api->release};
  }

  /// As in a directory, or where the address has a place for it. There the format version cannot
  /// stand in the path, so it is part of what the name is a digest of.
  std::string url_of(std::string_view digest) const {
    const std::string path = entry_path(digest);
    const auto at = options_.url.find(digest_place);
    if (at == options_.url.npos) return options_.url + "/" + path;
    return std::string(options_.url)
        .replace(at, digest_place.size(), support::digest_of(path).hex());
  }

  /// How long all look-ups together may still hold the process up.
  milliseconds patience() const { return options_.timeout - milliseconds(held_up_ms_.load()); }

  void lose_patience(Clock::duration took) {
    const auto excess = std::chrono::duration_cast<milliseconds>(took - brief).count();
    if (excess <= 0) return;
    held_up_ms_ += excess;
    if (patience() <= milliseconds(0))
      switch_off(fmt::format("it has held up look-ups for {} ms", options_.timeout.count()));
  }

  static int asks_stop(void* is_over) { return (*static_cast<const Chores::Stop*>(is_over))(); }

  [[noreturn]] void fail(const KrotonHttpResult& result) {
    const std::string reason = reason_of(result);
    if (result.error == kroton_http_timed_out || result.error == kroton_http_refused ||
        ++failures_ >= max_failures)
      switch_off(reason);
    throw std::runtime_error(reason);
  }

  void give_up_upload(std::string_view digest, const KrotonHttpResult& result) {
    const bool is_cancelled = result.error == kroton_http_cancelled;
    if (!is_cancelled && !is_read_only_.exchange(true))
      log(Area::cache)
          ->info("{}: not uploading any more: {:.12}: {}", shown_, digest, reason_of(result));
  }

  void switch_off(std::string_view reason) {
    if (!is_off_.exchange(true))
      log(Area::cache)->warn("{}: switched off for this process: {}", shown_, reason);
  }

  HttpOptions options_;
  const std::string shown_;
  std::string refusal_; ///< Why the address is none; set by the constructor.
  std::atomic<int> failures_ = 0;
  std::atomic<std::int64_t> held_up_ms_ = 0;
  std::atomic<bool> is_off_ = false;
  std::atomic<bool> is_read_only_ = false;
};

HttpLevel::HttpLevel(HttpOptions options) : client_(std::make_shared<Client>(std::move(options))) {}

HttpLevel::~HttpLevel() = default;

std::optional<std::string> HttpLevel::find(std::string_view digest) {
  if (client_->is_off()) return {};
  return client_->get(digest);
}

void HttpLevel::publish(std::string_view digest, std::string_view entry) {
  if (!client_->takes_uploads()) return;
  const bool is_queued = Chores::process().add(
      entry.size(), [client = client_, digest = std::string(digest),
                     entry = std::string(entry)](const Chores::Stop& is_over) {
        try {
          client->put(digest, entry, is_over);
        } catch (const std::exception& e) {
          log(Area::cache)->info("{}: {:.12} not uploaded: {}", client->shown(), digest, e.what());
        }
      });
  if (!is_queued)
    log(Area::cache)->info("{}: {:.12} not uploaded: too many wait", client_->shown(), digest);
}

std::string HttpLevel::describe() const { return client_->shown(); }

HttpAnswer HttpLevel::ask(const char* method, std::string_view digest, std::string_view body) {
  return client_->ask(method, digest, body);
}

void HttpLevel::flush() { Chores::process().wait(); }

} // namespace kroton::cache
