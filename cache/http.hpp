#pragma once
/// A level in an HTTP store: anything that answers GET, HEAD and PUT for paths, such as nginx with
/// WebDAV, or one that serves a cache directory as it is.
///
///   HttpLevel level({.url = "https://cache.example/kernels"});
///   level.find(digest_hex);        // GET https://cache.example/kernels/v2/ab/ab….kro
///
/// An address with "{digest}" in it has one name of 64 hexadecimal digits there instead, for stores
/// with flat names: "http://cache.example/ac/{digest}" is an action cache of bazel-remote's.
///
/// A dead or slow store costs one time-out: after it, after failures in a row, or when look-ups
/// have held the process up for as long in all, the level is switched off for the process. Uploads
/// happen in the background.
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include <kroton/cache.hpp>

#include "cache/http_abi.hpp"

namespace kroton::cache {

struct HttpOptions {
  std::string url;
  std::string certificates = {}; ///< A PEM file; empty: the system's.
  std::uint64_t max_bytes = std::uint64_t{64} << 20;
  std::chrono::milliseconds connect_timeout{1000};
  /// For a lookup, its second try included, and for what all lookups may take beyond 100 ms each.
  std::chrono::milliseconds timeout{5000};
};

/// "https" for "HTTPS://cache.example"; empty if the address does not begin with a scheme.
std::string scheme_of(std::string_view url);

/// The address without name, password, query and fragment: what may be logged. Everything up to the
/// last "@" counts as name and password.
std::string without_secrets(std::string_view url);

/// What makes the URL of these options one through which strangers can plant code, with the remedy;
/// nothing if entries from there must be signed or come over https.
std::string why_open_url(const CacheOptions&);

/// What came of one request.
struct HttpAnswer {
  bool is_success = false; ///< The store answered with a status of 200 to 299.
  bool is_absent = false;  ///< It has nothing of this name: 404 or 410.
  std::string reason;      ///< For people: "HTTP status 503", "Timeout was reached".
  std::string body;
  long long content_length = -1; ///< As the answer's head tells it; -1 if it does not.
};

class HttpLevel final : public CacheLevel {
public:
  /// Touches no network and loads nothing.
  explicit HttpLevel(HttpOptions options);
  ~HttpLevel() override;

  /// Throws std::runtime_error when the store fails; finds nothing once it is switched off.
  std::optional<std::string> find(std::string_view digest) override;
  /// Queues an upload and returns at once. The queue is bounded: what does not fit is not uploaded.
  void publish(std::string_view digest, std::string_view entry) override;
  std::string describe() const override;

  /// One request for an entry, for those who examine the store: "GET", "HEAD", or "PUT" with a
  /// body. Throws std::runtime_error when no request can be made here.
  HttpAnswer ask(const char* method, std::string_view digest, std::string_view body = {});

  /// Returns when all uploads queued so far have ended.
  void flush();

private:
  class Client;
  const std::shared_ptr<Client> client_; // shared with the uploads under way
};

} // namespace kroton::cache
