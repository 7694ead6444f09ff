#include "cache/http.hpp"

#include <algorithm>
#include <stdexcept>
#include <thread>

#include <dlfcn.h>
#include <fmt/format.h>

#include "cache/bounded_call.hpp"
#include "cache/chores.hpp"
#include "cache/entry.hpp"
#include "cache/layout.hpp"
#include "cache/patience.hpp"
#include "lib/support/at_exit.hpp"
#include "lib/support/fork.hpp"
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

/// libcurl keeps to its time-outs itself, but for look-ups of names and while it is loaded. What
/// it says of them is better than that it said nothing, so it is given this much longer.
constexpr milliseconds grace{20};

/// Stands in an address where a name of 64 hexadecimal digits is to stand.
constexpr std::string_view digest_place = "{digest}";

struct Plugin {
  const KrotonHttpApi* api = nullptr;
  std::string problem;
};

/// The requests that are under way, so that the end of the process comes after them: what libcurl
/// uses is torn down then. Those that nobody waits for any more are asked to give up, and are not
/// waited for longer than they need for that.
class Requests {
public:
  static bool is_over() { return is_over_; }

  /// A request that is under way while it lives.
  class Guard {
  public:
    Guard() { ++count_; }
    Guard(const Guard&) = delete;
    Guard& operator=(const Guard&) = delete;
    ~Guard() { --count_; }
  };

  static void finish() {
    constexpr milliseconds most{500};
    is_over_ = true;
    const auto deadline = Clock::now() + most;
    while (count_ > 0 && Clock::now() < deadline) std::this_thread::sleep_for(milliseconds(2));
  }

private:
  inline static std::atomic<int> count_ = 0;
  inline static std::atomic<bool> is_over_ = false;
  inline static const support::ForkHandler forgets_in_child_{{.in_child = [] { count_ = 0; }}};
};

Plugin open_plugin() {
  const support::PluginPlace place = support::find_plugin(plugin_file);
  if (place.path.empty()) return {nullptr, place.problem};
  const support::LoadedLibrary library = support::load_library(place.path);
  if (!library.handle) return {nullptr, library.problem};
  auto* get = reinterpret_cast<kroton_http_api_fn*>(::dlsym(library.handle, "kroton_http_api"));
  const KrotonHttpApi* api = nullptr;
  if (get) {
    const support::ForkBlocker blocker; // libcurl sets itself up
    api = get();
  }
  if (!api || api->abi_version != kroton_http_abi_version)
    return {nullptr, fmt::format("{} is of another version of Kroton", place.path.string())};
  log(Area::cache)->debug("loaded {} ({})", place.path.string(), api->library);
  support::at_exit(&Requests::finish);
  finish_chores_before_exit();
  return {api, {}};
}

/// Loaded by the first request and kept for good.
const Plugin& plugin() {
  static const Plugin& instance = *new Plugin(open_plugin());
  return instance;
}

using Result = std::unique_ptr<const KrotonHttpResult, void (*)(const KrotonHttpResult*)>;

/// A request with all that it refers to, which may outlive whoever made it.
struct Request {
  const char* method;
  std::string url, certificates;
  std::shared_ptr<const std::string> body;
  std::uint64_t max_bytes;
  milliseconds connect_timeout;
  Clock::time_point deadline;
  std::atomic<bool> is_given_up = false;

  static int is_cancelled(void* request) {
    return static_cast<const Request*>(request)->is_given_up || Requests::is_over();
  }
};

Result perform(const KrotonHttpApi& api, Request& request) {
  const Requests::Guard guard;
  const auto left = std::chrono::duration_cast<milliseconds>(request.deadline - Clock::now());
  const KrotonHttpRequest asked{
      .method = request.method,
      .url = request.url.c_str(),
      .certificates = request.certificates.empty() ? nullptr : request.certificates.c_str(),
      .body = request.body ? request.body->data() : nullptr,
      .body_size = request.body ? request.body->size() : 0,
      .max_bytes = request.max_bytes,
      .connect_ms = request.connect_timeout.count(),
      .total_ms = std::max<long>(left.count(), 1), // 0 would be for ever
      .is_cancelled = &Request::is_cancelled,
      .cancel_argument = &request};
  return {api.perform(&asked), [](const KrotonHttpResult* r) {
            plugin().api->release(const_cast<KrotonHttpResult*>(r));
          }};
}

/// What stands for the answer to a request that did not end by itself.
Result no_answer(KrotonHttpError error) {
  static constexpr KrotonHttpResult timed_out{
      kroton_http_timed_out, 0, "Timeout was reached", nullptr, 0, -1},
      cancelled{kroton_http_cancelled, 0, "given up", nullptr, 0, -1};
  return {error == kroton_http_timed_out ? &timed_out : &cancelled, [](const KrotonHttpResult*) {}};
}

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
      : options_(std::move(options)), shown_(without_secrets(options_.url)),
        patience_(options_.timeout) {
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
    const Result result = request("GET", digest, nullptr, patience_.left(), nullptr);
    if (patience_.is_lost(Clock::now() - start))
      switch_off(fmt::format("it has held up look-ups for {} ms", options_.timeout.count()));
    if (is_absent(*result)) {
      failures_ = 0;
      return {};
    }
    if (!is_success(*result)) fail(*result);
    failures_ = 0;
    return std::string(result->body, result->body_size);
  }

  HttpAnswer ask(const char* method, std::string_view digest, std::string_view body) {
    const Result result = request(method, digest, std::make_shared<const std::string>(body),
                                  options_.timeout, nullptr);
    return {is_success(*result), is_absent(*result), reason_of(*result),
            std::string(result->body, result->body_size), result->content_length};
  }

  /// Uploads an entry unless the store has one of this length already.
  void put(std::string_view digest, const std::shared_ptr<const std::string>& entry,
           const Chores::Stop& is_over) {
    if (!takes_uploads()) return;
    const Result head = request("HEAD", digest, nullptr, options_.timeout, is_over);
    if (is_success(*head) && head->content_length == static_cast<long long>(entry->size())) return;
    if (head->error != kroton_http_ok) return give_up_upload(digest, *head);
    const Result result = request("PUT", digest, entry, options_.timeout, is_over);
    if (!is_success(*result)) return give_up_upload(digest, *result);
    log(Area::cache)->debug("{}: uploaded {:.12}, {} bytes", shown_, digest, entry->size());
  }

private:
  /// Makes a request, and once more if that may help. It ends when the time is up, whatever libcurl
  /// and the system are waiting for, and when `is_over` says so.
  Result request(const char* method, std::string_view digest,
                 std::shared_ptr<const std::string> body, milliseconds timeout,
                 const Chores::Stop& is_over) {
    if (!refusal_.empty()) throw std::runtime_error(refusal_);
    const auto deadline = Clock::now() + timeout;
    const auto made =
        std::make_shared<Request>(method, url_of(digest), options_.certificates, std::move(body),
                                  options_.max_bytes, options_.connect_timeout, deadline);
    Result result = attempt(made, is_over);
    if (!is_worth_another_try(*result) || Clock::now() >= deadline) return result;
    log(Area::cache)->debug("{}: {}; trying once more", shown_, reason_of(*result));
    return attempt(made, is_over);
  }

  Result attempt(const std::shared_ptr<Request>& made, const Chores::Stop& is_over) {
    struct Answer {
      std::string problem; ///< Why there is no plugin; else there is a result.
      Result result = no_answer(kroton_http_cancelled);
    };
    const auto left = std::chrono::duration_cast<milliseconds>(made->deadline - Clock::now());
    auto answer = call_within(
        left + grace,
        [made]() -> Answer {
          const Plugin& loaded = plugin();
          if (!loaded.api) return {loaded.problem};
          return {{}, perform(*loaded.api, *made)};
        },
        is_over);
    if (!answer) {
      made->is_given_up = true;
      return no_answer(is_over && is_over() ? kroton_http_cancelled : kroton_http_timed_out);
    }
    if (answer->problem.empty()) return std::move(answer->result);
    switch_off(answer->problem);
    throw std::runtime_error(answer->problem);
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
  Patience patience_;
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
      entry.size(),
      [client = client_, digest = std::string(digest),
       entry = std::make_shared<const std::string>(entry)](const Chores::Stop& is_over) {
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
