/// What the environment makes of a cache, and what options do.
#include <kroton/cache.hpp>

#include "cache/store.hpp"
#include "test/cache/store_support.hpp"
#include "test/support/catch.hpp"
#include "test/support/variable.hpp"

using namespace kroton::cache;
using namespace kroton::test;
using namespace std::chrono_literals;
using kroton::CacheOptions;

namespace {

Artifact fresh() { return artifact_of("fresh"); }

/// A store of the user's own that has nothing.
struct EmptyLevel final : kroton::CacheLevel {
  std::optional<std::string> find(std::string_view) override { return {}; }
  void publish(std::string_view, std::string_view) override {}
  std::string describe() const override { return "an empty level"; }
};

/// None of the variables that say something of shared levels and keys.
struct NoSharedLevels {
  Variable path{"KROTON_CACHE_PATH", {}}, url{"KROTON_CACHE_URL", {}},
      unsigned_levels{"KROTON_CACHE_UNSIGNED", {}}, timeout{"KROTON_CACHE_TIMEOUT_MS", {}},
      certificates{"KROTON_CACHE_CA", {}}, curl{"CURL_CA_BUNDLE", {}},
      config{"KROTON_CONFIG_DIR", {}}, xdg{"XDG_CONFIG_HOME", {}}, key{"KROTON_SIGNING_KEY", {}},
      home{"HOME", "/home/u"};
};

} // namespace

TEST_CASE("the environment chooses the directory", "[cache]") {
  const CapturedLog log;
  const Variable mode("KROTON_CACHE", {}), home("HOME", "/home/u"), xdg("XDG_CACHE_HOME", {}),
      own("KROTON_CACHE_DIR", {});
  CHECK(Store::Options::from_environment().directory == "/home/u/.cache/kroton");
  {
    const Variable relative("XDG_CACHE_HOME", "cache");
    CHECK(Store::Options::from_environment().directory == "/home/u/.cache/kroton");
  }
  const Variable xdg_set("XDG_CACHE_HOME", "/x");
  CHECK(Store::Options::from_environment().directory == "/x/kroton");
  const Variable own_set("KROTON_CACHE_DIR", "/k");
  CHECK(Store::Options::from_environment().directory == "/k");
  CHECK_FALSE(Store::Options::from_environment().memory_only);
  CHECK(log.text().empty());
  for (const char* value : {"off", "memory"}) {
    const Variable off("KROTON_CACHE", value);
    Store store(Store::Options::from_environment());
    CHECK(store.get_or_make(key_of("a"), fresh).miss_reason ==
          std::string("KROTON_CACHE=") + value);
  }
  CHECK(log.text().empty());
  const Variable unknown("KROTON_CACHE", "of");
  CHECK(Store::Options::from_environment().directory == "/k");
  CHECK_THAT(log.text(), contains("KROTON_CACHE=of is not known"));
}

TEST_CASE("without a home the cache is in memory and says so", "[cache]") {
  const CapturedLog log;
  const Variable mode("KROTON_CACHE", {}), home("HOME", {}), xdg("XDG_CACHE_HOME", {}),
      own("KROTON_CACHE_DIR", {});
  const auto options = Store::Options::from_environment();
  CHECK(options.directory.empty());
  CHECK_THAT(Store(options).look_up(key_of("a")).miss_reason, contains("none of KROTON_CACHE_DIR"));
  CHECK_THAT(log.text(), contains("none of KROTON_CACHE_DIR, XDG_CACHE_HOME and HOME is set"));
}

TEST_CASE("the environment names shared levels, whom they are believed from, and time-outs",
          "[cache]") {
  const CapturedLog log;
  const NoSharedLevels none;
  const CacheOptions plain = CacheOptions::from_environment();
  CHECK(plain.path.empty());
  CHECK(plain.url.empty());
  CHECK_FALSE((plain.trusts_unsigned_path || plain.trusts_unsigned_url));
  CHECK(plain.url_timeout_ms == 5000);
  CHECK(plain.url_connect_timeout_ms == 1000);

  const Variable path("KROTON_CACHE_PATH", ":/image/kernels::/net/kernels:"),
      url("KROTON_CACHE_URL", "https://cache.example/kernels"), curl("CURL_CA_BUNDLE", "/curl.pem"),
      trusted("KROTON_CACHE_UNSIGNED", "path,url"), timeout("KROTON_CACHE_TIMEOUT_MS", "300");
  const CacheOptions options = CacheOptions::from_environment();
  CHECK(options.path == std::vector<std::string>{"/image/kernels", "/net/kernels"});
  CHECK(options.url == "https://cache.example/kernels");
  CHECK(options.certificates == "/curl.pem");
  CHECK((options.trusts_unsigned_path && options.trusts_unsigned_url));
  CHECK(options.url_timeout_ms == 300);
  CHECK(options.url_connect_timeout_ms == 300); // no longer than the whole
  const Variable certificates("KROTON_CACHE_CA", "/own.pem"),
      of_url("KROTON_CACHE_UNSIGNED", "url"), long_timeout("KROTON_CACHE_TIMEOUT_MS", "60000");
  CHECK(CacheOptions::from_environment().certificates == "/own.pem");
  CHECK_FALSE(CacheOptions::from_environment().trusts_unsigned_path);
  CHECK(CacheOptions::from_environment().url_timeout_ms == 60000);
  CHECK(CacheOptions::from_environment().url_connect_timeout_ms == 1000);
  CHECK(log.text().empty());
}

TEST_CASE("the environment says where keys are", "[cache]") {
  const NoSharedLevels none;
  const auto check = [](const char* config, const char* key) {
    CHECK(CacheOptions::from_environment().config_directory == config);
    CHECK(CacheOptions::from_environment().signing_key == key);
  };
  check("/home/u/.config/kroton", "/home/u/.config/kroton/keys/signing.key");
  const Variable xdg("XDG_CONFIG_HOME", "/x");
  check("/x/kroton", "/x/kroton/keys/signing.key");
  {
    const Variable relative("KROTON_CONFIG_DIR", "keys-here");
    check("/x/kroton", "/x/kroton/keys/signing.key");
  }
  const Variable own("KROTON_CONFIG_DIR", "/k");
  check("/k", "/k/keys/signing.key");
  const Variable file("KROTON_SIGNING_KEY", "/secret");
  check("/k", "/secret");
  const Variable off("KROTON_SIGNING_KEY", "off");
  check("/k", "");
}

TEST_CASE("values that the environment cannot have take no effect and are told of", "[cache]") {
  const NoSharedLevels none;
  for (const char* text : {"0", "-1", "600001", "5s", " ", "99999999999999999999"}) {
    CAPTURE(text);
    const CapturedLog log;
    const Variable timeout("KROTON_CACHE_TIMEOUT_MS", text);
    CHECK(CacheOptions::from_environment().url_timeout_ms == 5000);
    CHECK_THAT(log.text(), contains(std::string("KROTON_CACHE_TIMEOUT_MS=") + text +
                                    " has no effect; use a number from 1 to 600000"));
  }
  const CapturedLog log;
  const Variable trusted("KROTON_CACHE_UNSIGNED", "all,url");
  CHECK(CacheOptions::from_environment().trusts_unsigned_url);
  CHECK_FALSE(CacheOptions::from_environment().trusts_unsigned_path);
  CHECK_THAT(log.text(), contains("KROTON_CACHE_UNSIGNED=all is not known"));
}

TEST_CASE("a store asks its directories, its HTTP store and its own levels in this order",
          "[cache]") {
  CacheOptions wanted{.path = {"/first", "/second"},
                      .url = "https://me:secret@cache.example/kernels",
                      .levels = {std::make_shared<EmptyLevel>()},
                      .trusts_unsigned_levels = true};
  const Store::Options options = Store::Options::from(wanted);
  REQUIRE(options.shared.size() == 4);
  const char* names[] = {"/first", "/second", "https://cache.example/kernels", "an empty level"};
  for (std::size_t i = 0; i < options.shared.size(); ++i) {
    CHECK(options.shared[i].level->describe() == names[i]);
    CHECK(options.shared[i].is_trusted_unsigned == (i == 3));
  }
  wanted.memory_only = true;
  CHECK(Store::Options::from(wanted).shared.empty());
}
