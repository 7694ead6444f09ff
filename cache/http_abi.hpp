#pragma once
/// The boundary between libkroton.so and libkroton-http.so, which alone is linked with libcurl: one
/// exported C function, and plain data on both sides.
///
///   const KrotonHttpApi* api = kroton_http_api();
///   KrotonHttpResult* result = api->perform(&request);
///   …
///   api->release(result);
#include <cstddef>
#include <cstdint>

extern "C" {

enum { kroton_http_abi_version = 1 };

enum KrotonHttpError {
  kroton_http_ok = 0, ///< The store answered; see `status`.
  kroton_http_failed, ///< No whole answer came: another try may go better.
  kroton_http_timed_out,
  kroton_http_too_long,  ///< The answer has more than `max_bytes`.
  kroton_http_refused,   ///< The address, the certificate or a redirect is not acceptable.
  kroton_http_cancelled, ///< `is_cancelled` said so.
};

struct KrotonHttpRequest {
  const char* method; ///< "GET", "HEAD" or "PUT"
  const char* url;
  const char* certificates; ///< a PEM file, or null for the system's
  const char* body;         ///< of a PUT
  std::size_t body_size;
  std::size_t max_bytes; ///< of the answer
  long connect_ms;
  long total_ms;                       ///< of all, redirects included
  int (*is_cancelled)(void* argument); ///< asked about once a second and more often; may be null
  void* cancel_argument;
};

struct KrotonHttpResult {
  KrotonHttpError error;
  long status;        ///< of HTTP; 0 if none came
  const char* reason; ///< for people; never holds the address
  const char* body;
  std::size_t body_size;
  long long content_length; ///< as the answer's head tells it; -1 if it does not
};

struct KrotonHttpApi {
  std::uint32_t abi_version;
  const char* library; ///< "libcurl/8.1.2 OpenSSL/3.0.2"
  /// May be called from many threads at once, and from the child of a fork. Never null.
  KrotonHttpResult* (*perform)(const KrotonHttpRequest*);
  void (*release)(KrotonHttpResult*);
};

using kroton_http_api_fn = const KrotonHttpApi*();
}
