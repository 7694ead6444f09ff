/// How the environment chooses the cache's directory.
#include <cstdlib>
#include <system_error>

#include "cache/keyring.hpp"
#include "cache/store.hpp"
#include "lib/support/log.hpp"

namespace kroton::cache {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value ? value : "";
}

} // namespace

Store::Options Store::Options::from_environment() {
  Options options;
  const std::string mode = variable("KROTON_CACHE");
  if (mode == "off" || mode == "memory") {
    options.memory_only = true;
    options.memory_only_reason = "KROTON_CACHE=" + mode;
    return options;
  }
  if (!mode.empty() && mode != "on")
    support::log(support::Area::cache)
        ->warn("KROTON_CACHE={} is not known and has no effect; use on, memory or off", mode);

  const std::string key = variable("KROTON_SIGNING_KEY");
  if (key != "off")
    if (const auto config = config_directory(); !key.empty() || !config.empty())
      options.signing_key = key.empty() ? signing_key_path(config) : std::filesystem::path(key);

  // A relative XDG_CACHE_HOME or HOME counts as unset, as the XDG specification wants it: the cache
  // would move with the working directory.
  const std::filesystem::path own = variable("KROTON_CACHE_DIR"), xdg = variable("XDG_CACHE_HOME"),
                              home = variable("HOME");
  if (!own.empty()) {
    std::error_code error;
    options.directory = std::filesystem::absolute(own, error);
  } else if (xdg.is_absolute()) {
    options.directory = xdg / "kroton";
  } else if (home.is_absolute()) {
    options.directory = home / ".cache" / "kroton";
  } else {
    options.memory_only = true;
    options.memory_only_reason = "none of KROTON_CACHE_DIR, XDG_CACHE_HOME and HOME is set";
    support::log(support::Area::cache)
        ->warn("caching in memory only: {}; set KROTON_CACHE_DIR to a directory of your own",
               options.memory_only_reason);
  }
  return options;
}

} // namespace kroton::cache
