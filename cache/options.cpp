/// From the environment to what a cache is asked to be, and from that to levels.
#include <cstdlib>
#include <system_error>

#include <kroton/cache.hpp>

#include "cache/bounded_level.hpp"
#include "cache/http.hpp"
#include "cache/keyring.hpp"
#include "cache/read_only.hpp"
#include "cache/store.hpp"
#include "lib/support/environment.hpp"
#include "lib/support/log.hpp"

namespace kroton {
namespace {

namespace fs = std::filesystem;
using support::Area;
using support::log;
using support::variable;

std::vector<std::string> split(std::string_view text, char at) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const auto part = text.substr(0, text.find(at));
    if (!part.empty()) parts.emplace_back(part);
    text.remove_prefix(std::min(text.size(), part.size() + 1));
  }
  return parts;
}

/// Why KROTON_CACHE keeps everything in memory, or nothing.
std::string why_memory_only() {
  const std::string mode = variable("KROTON_CACHE");
  if (mode == "off" || mode == "memory") return "KROTON_CACHE=" + mode;
  if (!mode.empty() && mode != "on")
    log(Area::cache)
        ->warn("KROTON_CACHE={} is not known and has no effect; use on, memory or off", mode);
  return {};
}

/// A relative XDG_CACHE_HOME or HOME counts as unset, as the XDG specification wants it: the cache
/// would move with the working directory.
fs::path user_directory() {
  const fs::path own = variable("KROTON_CACHE_DIR"), xdg = variable("XDG_CACHE_HOME"),
                 home = variable("HOME");
  std::error_code ignored;
  if (!own.empty()) return fs::absolute(own, ignored);
  if (xdg.is_absolute()) return xdg / "kroton";
  if (home.is_absolute()) return home / ".cache" / "kroton";
  return {};
}

constexpr const char* no_directory = "none of KROTON_CACHE_DIR, XDG_CACHE_HOME and HOME is set";
constexpr const char* not_believed =
    "this program has more rights than whoever started it, and so reads no environment variables";

fs::path signing_key(const fs::path& config) {
  const std::string key = variable("KROTON_SIGNING_KEY");
  if (!key.empty()) return key == "off" ? fs::path() : fs::path(key);
  return config.empty() ? fs::path() : cache::signing_key_path(config);
}

void read_trust(CacheOptions& options) {
  for (const std::string& word : split(variable("KROTON_CACHE_UNSIGNED"), ',')) {
    if (word == "path")
      options.trusts_unsigned_path = true;
    else if (word == "url")
      options.trusts_unsigned_url = true;
    else
      log(Area::cache)
          ->warn("KROTON_CACHE_UNSIGNED={} is not known and has no effect; use path, url or both",
                 word);
  }
}

void read_timeout(CacheOptions& options) {
  const std::string text = variable("KROTON_CACHE_TIMEOUT_MS");
  if (text.empty()) return;
  char* end = nullptr;
  const long ms = std::strtol(text.c_str(), &end, 10);
  if (*end != 0 || ms < 1 || ms > 600'000) {
    log(Area::cache)
        ->warn("KROTON_CACHE_TIMEOUT_MS={} has no effect; use a number from 1 to 600000", text);
    return;
  }
  options.url_timeout_ms = ms;
  options.url_connect_timeout_ms = std::min(options.url_connect_timeout_ms, options.url_timeout_ms);
}

/// Without the `memory_only` that KROTON_CACHE may ask for.
CacheOptions read_environment() {
  CacheOptions options;
  const fs::path config = cache::config_directory();
  options.directory = user_directory().string();
  options.path = split(variable("KROTON_CACHE_PATH"), ':');
  options.url = variable("KROTON_CACHE_URL");
  options.certificates = variable("KROTON_CACHE_CA");
  if (options.certificates.empty()) options.certificates = variable("CURL_CA_BUNDLE");
  options.config_directory = config.string();
  options.signing_key = signing_key(config).string();
  read_trust(options);
  read_timeout(options);
  return options;
}

} // namespace

CacheOptions CacheOptions::from_environment() {
  CacheOptions options = read_environment();
  options.memory_only = !why_memory_only().empty();
  return options;
}

namespace cache {

std::string why_open_url(const CacheOptions& options) {
  if (!options.trusts_unsigned_url || scheme_of(options.url) != "http") return {};
  return "believed unsigned over plain http: whoever is on the way to it can make this process run "
         "code; use https, or let entries be signed (kroton cache keygen)";
}

namespace {

void warn_of_open_url(const CacheOptions& options) {
  if (const std::string why = why_open_url(options); !why.empty())
    log(Area::cache)->warn("{}: {}", without_secrets(options.url), why);
}

} // namespace

Store::Options Store::Options::from(const CacheOptions& wanted) {
  Options options;
  options.max_bytes = wanted.max_bytes;
  options.max_memory_bytes = wanted.max_memory_bytes;
  options.memory_only = wanted.memory_only;
  if (wanted.memory_only) return options;
  options.directory = wanted.directory;
  options.signing_key = wanted.signing_key;
  options.config = wanted.config_directory;
  Bounds bounds{.timeout = std::chrono::milliseconds(wanted.url_timeout_ms),
                .max_bytes = wanted.max_url_bytes};
  bounds.is_read_only = true;
  for (const std::string& path : wanted.path) {
    const Ownership ownership = wanted.trusts_unsigned_path ? Ownership::checked : Ownership::any;
    options.shared.push_back(
        {std::make_shared<BoundedLevel>(
             std::make_shared<ReadOnlyDirectory>(path, ownership, bounds.max_bytes), bounds),
         wanted.trusts_unsigned_path});
  }
  bounds.is_read_only = false;
  if (!wanted.url.empty()) {
    warn_of_open_url(wanted);
    options.shared.push_back(
        {std::make_shared<HttpLevel>(HttpOptions{
             .url = wanted.url,
             .certificates = wanted.certificates,
             .max_bytes = wanted.max_url_bytes,
             .connect_timeout = std::chrono::milliseconds(wanted.url_connect_timeout_ms),
             .timeout = std::chrono::milliseconds(wanted.url_timeout_ms),
         }),
         wanted.trusts_unsigned_url});
  }
  for (const auto& level : wanted.levels)
    options.shared.push_back(
        {std::make_shared<BoundedLevel>(level, bounds), wanted.trusts_unsigned_levels});
  return options;
}

Store::Options Store::Options::from_environment() {
  CacheOptions wanted = read_environment();
  const std::string why = why_memory_only();
  wanted.memory_only = !why.empty();
  Options options = from(wanted);
  options.memory_only_reason = why;
  if (!wanted.memory_only && wanted.directory.empty()) {
    const bool is_trusted = support::is_environment_trusted();
    options.memory_only_reason = is_trusted ? no_directory : not_believed;
    log(Area::cache)
        ->warn("caching in memory only: {}; {}", options.memory_only_reason,
               is_trusted ? "set KROTON_CACHE_DIR to a directory of your own"
                          : "it may name a directory in Options::cache");
  }
  return options;
}

} // namespace cache
} // namespace kroton
