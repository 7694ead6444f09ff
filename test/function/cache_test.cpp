/// Caches of functions: options, stores of users' own, and fleets of different CPUs.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <map>
#include <mutex>
#include <set>

#include <fmt/format.h>
#include <kroton/core.hpp>

#include "cache/chores.hpp"
#include "cache/entry.hpp"
#include "cache/keyring.hpp"
#include "jit/cpu/target.hpp"
#include "test/cache/store_support.hpp"
#include "test/jit/cpu_support.hpp"
#include "test/support/catch.hpp"
#include "test/support/child.hpp"

using namespace kroton::test;
namespace kt = kroton;
namespace fs = std::filesystem;

namespace {

/// A store of a user's own, shared by all that hold a pointer to it.
class MapLevel final : public kt::CacheLevel {
public:
  std::optional<std::string> find(std::string_view digest) override {
    const std::lock_guard lock(mutex_);
    const auto found = entries_.find(std::string(digest));
    if (found == entries_.end()) return {};
    return found->second;
  }
  void publish(std::string_view digest, std::string_view entry) override {
    const std::lock_guard lock(mutex_);
    entries_[std::string(digest)] = entry;
  }
  std::string describe() const override { return "a map"; }
  std::size_t size() {
    const std::lock_guard lock(mutex_);
    return entries_.size();
  }
  /// Replaces every entry by what `f` makes of it; by none if that is empty.
  template <class F> void change(F f) {
    const std::lock_guard lock(mutex_);
    for (auto& [digest, entry] : entries_) entry = f(entry);
    std::erase_if(entries_, [](const auto& e) { return e.second.empty(); });
  }

private:
  std::mutex mutex_;
  std::map<std::string, std::string> entries_;
};

kt::Function make(const kt::Options& options) {
  const auto x = kt::vector<float>("x");
  return kt::function({x}, {kt::sum(kt::exp(x) * 0.37f)}, options);
}

float run(const kt::Function& f) {
  kt::Array x = kt::Array::zeros<float>({1000});
  for (int i = 0; i < 1000; ++i) x.at<float>({i}) = 0.001f * static_cast<float>(i);
  return f({x})[0].item<float>();
}

kt::CacheOptions options_in(const fs::path& directory) {
  return {.directory = directory.string(), .max_memory_bytes = 0};
}

std::set<std::string> origins_of(const kt::Function& f) {
  std::set<std::string> origins;
  for (const auto& kernel : f.stats().per_kernel) origins.insert(kernel.origin);
  return origins;
}

std::string path_of_self() {
  std::error_code ignored;
  return fs::read_symlink("/proc/self/exe", ignored).string();
}

/// The output of the child test case of that tag on a CPU that qemu imitates.
std::string run_on_cpu(const std::string& cpu, const std::string& tag, const Environment& given) {
  const TempDir dir;
  std::string command = "env -u KROTON_TEST_PATTERN -u KROTON_TEST_RESULTS ";
  for (const auto& [name, value] : given) command += fmt::format("{}='{}' ", name, value);
  command += fmt::format("qemu-x86_64 -cpu {} {} '{}' >{}/output 2>&1", cpu, path_of_self(), tag,
                         dir.path().string());
  const int status = std::system(command.c_str());
  return fmt::format("status={} {}", status, read_file(dir.path() / "output"));
}

bool has_qemu() { return std::system("command -v qemu-x86_64 >/dev/null 2>&1") == 0; }

/// "target=… compiled=0" of a child's output, up to the next space.
std::string field(const std::string& output, const std::string& name) {
  const auto at = output.find(name + "=");
  if (at == output.npos) return "missing from: " + output;
  const auto from = at + name.size() + 1;
  return output.substr(from, output.find_first_of(" \n", from) - from);
}

bool is_mapped(std::string_view library) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find(library) != line.npos) return true;
  return false;
}

} // namespace

TEST_CASE("functions with a cache of their own share it by its options", "[function][cache]") {
  const TempDir dir;
  const kt::CacheOptions cache = options_in(dir.path() / "own");
  const auto before = kt::cache_stats();
  const float expected = run(make({.cache = cache}));
  CHECK(kt::cache_stats(cache).directory == (dir.path() / "own").string());
  CHECK(kt::cache_stats(cache).published > 0);
  CHECK(kt::cache_stats().misses == before.misses);
  const kt::Function again = make({.cache = cache});
  CHECK(origins_of(again) == std::set<std::string>{"disk"});
  CHECK(run(again) == expected);
  const kt::CacheOptions other = options_in(dir.path() / "other");
  CHECK(origins_of(make({.cache = other})) == std::set<std::string>{"compiled"});
}

// Each distinct set of options used to keep a store and a descriptor until the process ended.
TEST_CASE("the store of a set of options is closed with its last function", "[function][cache]") {
  const TempDir dir;
  const auto descriptors = [] {
    kt::cache::Chores::process().wait(); // sweeps hold the directories that they are in
    return std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator());
  };
  std::weak_ptr<kt::CacheLevel> level;
  const auto make_one = [&](int n) {
    const auto map = std::make_shared<MapLevel>();
    level = map;
    kt::CacheOptions cache = options_in(dir.path() / std::to_string(n));
    cache.levels = {map};
    return make({.cache = cache});
  };
  static_cast<void>(make_one(0)); // opens what stays open
  const auto before = descriptors();
  for (int n = 1; n < 20; ++n) {
    const kt::Function f = make_one(n);
    const kt::Function copy = f;
    CHECK_FALSE(level.expired());
  }
  CHECK(descriptors() == before);
  CHECK(level.expired());
}

TEST_CASE("what a cache has seen stays known when its store is closed", "[function][cache]") {
  const TempDir dir;
  const kt::CacheOptions cache = options_in(dir.path() / "own");
  run(make({.cache = cache}));
  const kt::CacheStats first = kt::cache_stats(cache);
  CHECK(first.published > 0);
  CHECK(first.hits_disk == 0);
  run(make({.cache = cache}));
  const kt::CacheStats second = kt::cache_stats(cache);
  CHECK(second.published == first.published);
  CHECK(second.misses == first.misses);
  CHECK(second.hits_disk > 0);
}

TEST_CASE("a store of the user's own serves what another function compiled", "[function][cache]") {
  const TempDir dir;
  const auto map = std::make_shared<MapLevel>();
  kt::CacheOptions first = options_in(dir.path() / "first");
  first.levels = {map};
  first.trusts_unsigned_levels = true;
  kt::CacheOptions second = first;
  second.directory = (dir.path() / "second").string();
  const float expected = run(make({.cache = first}));
  CHECK(map->size() > 0);
  const kt::Function f = make({.cache = second});
  CHECK(origins_of(f) == std::set<std::string>{"a map"});
  CHECK(run(f) == expected);
  const kt::CacheStats stats = kt::cache_stats(second);
  REQUIRE(stats.levels.size() == 1);
  CHECK(stats.levels[0].level == "a map");
  CHECK(stats.levels[0].hits == stats.hits_shared);
}

TEST_CASE("entries that pass every check and cannot be loaded are compiled again",
          "[function][cache][host]") {
  using kt::cache::Artifact, kt::cache::Section;
  const auto object_of = [](const char* text) {
    const auto bytes = compile_text(text).object;
    return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  const std::string asks_outside = object_of("extern \"C\" int system(const char*);\n"
                                             "extern \"C\" void kernel() { system(\"true\"); }");
  const std::string has_no_kernel = object_of("extern \"C\" int f() { return 1; }");
  const std::string starts_early = object_of("int g(int x) { return x; } volatile int s;\n"
                                             "int t = g(s); extern \"C\" void kernel() {}");
  float factor = 0.5f;
  for (const std::string& object : {asks_outside, has_no_kernel, starts_early, std::string("x")})
    for (const bool spoils_plan : {false, true}) {
      const CapturedLog log;
      const TempDir dir;
      const auto map = std::make_shared<MapLevel>();
      kt::CacheOptions cache = options_in(dir.path() / "first");
      cache.levels = {map};
      cache.trusts_unsigned_levels = true;
      factor += 1; // another kernel each time: code in use is not loaded again
      const auto make_scaled = [&](const char* name) {
        cache.directory = (dir.path() / name).string();
        const auto x = kt::vector<float>("x");
        return kt::function({x}, {kt::sum(kt::exp(x) * factor)},
                            {.specialize = kt::Specialize::off, .cache = cache});
      };
      const float expected = run(make_scaled("first"));
      int spoiled = 0;
      map->change([&](std::string entry) {
        auto parsed = *kt::cache::parse_entry(entry).entry;
        if (!spoils_plan && parsed.artifact.find("plan")) return std::string(); // not found
        for (Section& section : parsed.artifact.sections)
          if (section.name == "object") section = {"object", object}, ++spoiled;
        return kt::cache::write_entry(parsed.record, parsed.artifact);
      });
      CHECK(spoiled > 0);
      {
        const kt::Function f = make_scaled("second");
        CHECK(origins_of(f) == std::set<std::string>{"compiled"});
        CHECK_THAT(f.stats().per_kernel[0].miss_reason, contains("entry unusable"));
        CHECK(run(f) == expected);
        CHECK_THAT(log.text(), contains("entry unusable"));
      }
      // What was compiled has taken their place.
      const kt::Function healed = make_scaled("third");
      CHECK(origins_of(healed) == std::set<std::string>{"a map"});
      CHECK(run(healed) == expected);
    }
}

TEST_CASE("kernels that a trusted key signed run from a directory of others", "[function][cache]") {
  const TempDir dir;
  const auto key = kt::cache::SigningKey::generate();
  const fs::path writer = dir.path() / "writer", reader = dir.path() / "reader";
  REQUIRE(kt::cache::write_key_pair(writer, key).empty());
  REQUIRE(kt::cache::trust_key(reader, "farm", key.public_key()).empty());
  kt::CacheOptions farm = options_in(dir.path() / "farm");
  farm.signing_key = kt::cache::signing_key_path(writer).string();
  const float expected = run(make({.cache = farm}));

  kt::CacheOptions job = options_in(dir.path() / "job");
  job.path = {farm.directory};
  const kt::Function distrusting = make({.cache = job});
  CHECK(origins_of(distrusting) == std::set<std::string>{"compiled"});
  CHECK_THAT(distrusting.stats().per_kernel[0].miss_reason, contains("is not trusted"));
  job.directory = (dir.path() / "job2").string();
  job.config_directory = reader.string();
  const kt::Function trusting = make({.cache = job});
  CHECK(origins_of(trusting) == std::set<std::string>{farm.directory});
  CHECK(run(trusting) == expected);
}

TEST_CASE("child: one function for the CPU at hand", "[.fleet]") {
  use_given_cache();
  const kt::Function f = make({});
  const float result = run(f);
  CHECK(result > 635.0f); // 370 (e - 1)
  CHECK(result < 636.0f);
  std::printf("target=%s compiled=%d cached=%d result=%a curl=%d\n",
              kt::jit::CpuTarget::parse("").level.c_str(), f.stats().compiled,
              f.stats().loaded_from_cache, static_cast<double>(result), is_mapped("libcurl"));
}

TEST_CASE("one directory serves CPUs of every level, down to a real v2 machine's",
          "[function][cache][qemu]") {
  const TempDir dir;
  const auto with = [&](const char* target) {
    return Environment{{"KROTON_TEST_CACHE_DIR", dir.path().string()}, {"KROTON_TARGET", target}};
  };
  std::map<std::string, std::string> results;
  for (const char* level : {"x86-64-v2", "x86-64-v3"}) {
    if (!kt::jit::has_cpu_feature(level)) return;
    const auto native = run_child("[.fleet]", with(level));
    CAPTURE(native.output);
    CHECK(field(native.output, "target") == level);
    CHECK(field(native.output, "compiled") != "0");
    CHECK(field(native.output, "curl") == "0");
    results[level] = field(native.output, "result");
  }

  // A list gives every CPU the first level that it can run, whatever the cache holds.
  const char* fleet = "x86-64-v3,x86-64-v2";
  const auto here = run_child("[.fleet]", with(fleet));
  CHECK(field(here.output, "target") == "x86-64-v3");
  CHECK(field(here.output, "compiled") == "0");
  CHECK(field(here.output, "result") == results["x86-64-v3"]);
  Environment older = with(fleet);
  older.emplace_back("KROTON_CPU", "x86-64-v2");
  const auto pretended = run_child("[.fleet]", older);
  CAPTURE(pretended.output);
  CHECK(field(pretended.output, "target") == "x86-64-v2");
  CHECK(field(pretended.output, "compiled") == "0");

  if (!has_qemu()) {
    WARN("qemu-user is not installed: tools/install_deps.sh --test installs it");
    return;
  }
  for (const auto& [cpu, level] :
       {std::pair{"Nehalem", "x86-64-v2"}, std::pair{"Haswell", "x86-64-v3"}})
    for (const char* target : {"", fleet}) {
      const std::string output = run_on_cpu(cpu, "[.fleet]", with(target));
      CAPTURE(cpu, target, output);
      CHECK(field(output, "status") == "0");
      CHECK(field(output, "target") == level);
      CHECK(field(output, "compiled") == "0");
      CHECK(field(output, "result") == results[level]);
    }
}
