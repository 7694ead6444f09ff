/// Many threads, many processes, one cache: everybody gets the right result, and nothing is
/// compiled twice that need not be.
#include <kroton/core.hpp>

#include <atomic>
#include <barrier>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <set>
#include <thread>

#include <sys/stat.h>

#include "test/support/catch.hpp"
#include "test/support/child.hpp"

namespace kt = kroton;
namespace fs = std::filesystem;
using kt::Array;
using kt::Expr;
using kt::test::Child;
using kt::test::run_child;
using kt::test::TempDir;

namespace {

constexpr int threads = 8;

/// Runs `work(i)` on eight threads that start together; rethrows nothing: work reports itself.
template <class F> void together(F work) {
  std::barrier start(threads);
  std::vector<std::jthread> all;
  for (int i = 0; i < threads; ++i)
    all.emplace_back([&, i] {
      start.arrive_and_wait();
      work(i);
    });
}

/// A function of several kernels and a matrix product, as a user's training step has.
kt::Function training_step(const char* name = "step") {
  auto x = kt::matrix<float>("x");
  auto y = kt::vector<std::int32_t>("y");
  auto w = kt::shared(Array::zeros<float>({6, 4}), "w");
  auto b = kt::shared(Array::zeros<float>({4}), "b");
  auto p = kt::softmax(kt::dot(x, w) + b);
  auto loss = -kt::mean(kt::index(kt::log(p), {kt::arange(y.dim(0)), y}));
  auto g = kt::grad(loss, {w, b});
  return kt::function({x, y}, {kt::argmax(p, 1), loss},
                      {.updates = {{w, w - 0.5f * g[0]}, {b, b - 0.5f * g[1]}}, .name = name});
}

/// The loss after three steps: 0.6 or so, the same in every process.
float train(const kt::Function& step) {
  Array x = Array::empty<float>({12, 6});
  Array y = Array::empty<std::int32_t>({12});
  for (std::int64_t i = 0; i < 12; ++i) {
    y.at<std::int32_t>({i}) = static_cast<std::int32_t>(i % 4);
    for (std::int64_t j = 0; j < 6; ++j) x.at<float>({i, j}) = j == i % 4 ? 1.5f : 0.25f;
  }
  float loss = 0;
  for (int i = 0; i < 3; ++i) loss = step({x, y})[1].item<float>();
  return loss;
}

bool is_right(float loss) { return loss > 0.75f && loss < 1.25f; }

std::vector<fs::path> entries(const fs::path& cache) {
  std::vector<fs::path> all;
  std::error_code error;
  for (const auto& item : fs::recursive_directory_iterator(cache / "v2", error))
    if (item.path().extension() == ".kro") all.push_back(item.path());
  std::sort(all.begin(), all.end());
  return all;
}

/// "loss=… compiled=3" of a child's output.
std::string field(const std::string& output, const std::string& name) {
  const auto at = output.find(name + "=");
  if (at == output.npos) return "missing from: " + output;
  const auto from = at + name.size() + 1;
  return output.substr(from, output.find_first_of(" \n", from) - from);
}

bool is_mapped(const char* library) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find(library) != line.npos) return true;
  return false;
}

} // namespace

TEST_CASE("eight threads call one Function", "[function][threads]") {
  auto x = kt::matrix<float>("x");
  const kt::Function f =
      kt::function({x}, {kt::softmax(kt::dot(x, kt::transpose(x))), kt::sum(x, {0})});
  std::vector<Array> inputs, expected;
  for (int i = 0; i < threads; ++i) {
    inputs.push_back(Array::full<float>({3 + i, 5}, 0.1f * static_cast<float>(i)));
    expected.push_back(f({inputs.back()})[0]);
  }
  std::atomic<int> wrong{0};
  together([&](int i) {
    const auto n = static_cast<std::size_t>(i);
    Array soft = Array::empty<float>({3 + i, 3 + i}), sums = Array::empty<float>({5});
    for (int k = 0; k < 200; ++k) {
      if (k % 2 == 0)
        soft = f({inputs[n]})[0];
      else
        f.call_into({inputs[n]}, {soft, sums});
      wrong += !kt::equal(soft, expected[n]);
    }
  });
  CHECK(wrong == 0);
  CHECK(f.stats().calls == threads * 201);
}

TEST_CASE("calls that apply updates take turns", "[function][threads]") {
  auto x = kt::vector<std::int64_t>("x");
  auto total = kt::shared(Array::zeros<std::int64_t>({64}), "total");
  auto calls = kt::shared(Array::scalar<std::int64_t>(0), "calls");
  const kt::Function add =
      kt::function({x}, {total, calls}, {.updates = {{total, total + x}, {calls, calls + 1}}});
  const kt::Function look = kt::function({}, {kt::min(total), kt::max(total), calls});
  std::atomic<int> torn{0};
  std::vector<std::set<std::int64_t>> seen(threads);
  together([&](int i) {
    for (int k = 0; k < 100; ++k) {
      const auto before = add({Array::full<std::int64_t>({64}, 1)});
      seen[static_cast<std::size_t>(i)].insert(before[1].item<std::int64_t>());
      torn += before[0].at<std::int64_t>({0}) != before[1].item<std::int64_t>();
      const auto now = look({});
      torn += now[0].item<std::int64_t>() != now[2].item<std::int64_t>() ||
              now[1].item<std::int64_t>() != now[2].item<std::int64_t>();
    }
  });
  CHECK(torn == 0);
  CHECK(calls.get().item<std::int64_t>() == threads * 100);
  CHECK(total.get().at<std::int64_t>({63}) == threads * 100);
  std::set<std::int64_t> all;
  for (const auto& s : seen) all.insert(s.begin(), s.end());
  CHECK(all.size() == threads * 100); // every call saw another state: as if in some order
}

TEST_CASE("functions that share variables in opposite order do not wait for each other",
          "[function][threads]") {
  auto a = kt::shared(Array::scalar<std::int64_t>(0), "a"),
       b = kt::shared(Array::scalar<std::int64_t>(0), "b");
  const kt::Function one = kt::function({}, b, {.updates = {{a, a + b + 1}}});
  const kt::Function two = kt::function({}, a, {.updates = {{b, b + 1}}});
  together([&](int i) {
    for (int k = 0; k < 200; ++k) (i % 2 == 0 ? one : two)({});
  });
  CHECK(b.get().item<std::int64_t>() == threads / 2 * 200);
}

TEST_CASE("child: eight threads build one function", "[.build-together]") {
  std::vector<kt::FunctionStats> stats(threads);
  std::vector<float> losses(threads);
  together([&](int i) {
    const auto n = static_cast<std::size_t>(i);
    const kt::Function f = training_step();
    stats[n] = f.stats();
    losses[n] = train(f);
  });
  int compiled = 0;
  for (const auto& s : stats) {
    compiled += s.compiled;
    CHECK(s.kernels == stats[0].kernels);
    CHECK(s.compiled + s.loaded_from_cache == s.kernels);
  }
  CHECK(compiled == stats[0].kernels); // each kernel once
  for (const float l : losses) CHECK(l == losses[0]);
  CHECK(is_right(losses[0]));
}

TEST_CASE("eight threads that build one function compile each kernel once", "[function][threads]") {
  const auto r = run_child("[.build-together]");
  CAPTURE(r.output);
  CHECK(r.status == 0);
}

TEST_CASE("child: builds and runs the training step", "[.train]") {
  const auto start = std::chrono::steady_clock::now();
  kt::test::use_given_cache();
  const kt::Function f = training_step();
  const float loss = train(f);
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  const kt::FunctionStats s = f.stats();
  CHECK(is_right(loss));
  std::set<std::string> origins;
  for (const auto& k : s.per_kernel) origins.insert(k.origin);
  std::string all;
  for (const auto& o : origins) all += (all.empty() ? "" : ",") + o;
  std::printf("loss=%a kernels=%d compiled=%d cached=%d origins=%s compiler=%d ms=%.2f\n",
              static_cast<double>(loss), s.kernels, s.compiled, s.loaded_from_cache, all.c_str(),
              is_mapped("libkroton-clang"), took.count());
  const kt::CacheStats c = kt::cache_stats();
  std::printf("directory=%s published=%d quarantined=%d disk=%d\n", c.directory.c_str(),
              static_cast<int>(c.published), static_cast<int>(c.quarantined),
              static_cast<int>(c.hits_disk));
  for (const auto& k : s.per_kernel)
    if (!k.miss_reason.empty()) std::printf("reason: %s\n", k.miss_reason.c_str());
}

namespace {

/// What a process leaves in an empty cache: an entry for each kernel, and one for the plan.
std::size_t entries_of(const kt::test::ChildResult& r) {
  return static_cast<std::size_t>(std::stoi(field(r.output, "kernels"))) + 1;
}

} // namespace

TEST_CASE("a warm start compiles nothing and loads no compiler", "[function][cache][host]") {
  const TempDir dir;
  const kt::test::Environment with_cache{
      {"KROTON_TEST_CACHE_DIR", (dir.path() / "new" / "cache").string()}};
  const auto cold = run_child("[.train]", with_cache), warm = run_child("[.train]", with_cache);
  CAPTURE(cold.output, warm.output);
  CHECK(cold.status == 0);
  CHECK(warm.status == 0);
  CHECK(field(cold.output, "compiled") == field(cold.output, "kernels"));
  CHECK(field(cold.output, "origins") == "compiled");
  CHECK(field(cold.output, "compiler") == "1");
  CHECK(field(warm.output, "compiled") == "0");
  CHECK(field(warm.output, "cached") == field(cold.output, "kernels"));
  CHECK(field(warm.output, "origins") == "disk");
  CHECK(field(warm.output, "compiler") == "0");
  CHECK(field(warm.output, "loss") == field(cold.output, "loss"));
  CHECK(entries(dir.path() / "new" / "cache").size() == entries_of(cold));
  struct stat status {};
  REQUIRE(stat((dir.path() / "new" / "cache").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
  std::printf(
      "training step, from nothing to the third result: cold %s ms, warm in a new process %s ms\n",
      field(cold.output, "ms").c_str(), field(warm.output, "ms").c_str());
}

TEST_CASE("64 processes on one empty cache compile each kernel about once", "[function][cache]") {
  constexpr int processes = 64;
  const TempDir dir;
  std::vector<std::unique_ptr<Child>> children;
  for (int i = 0; i < processes; ++i)
    children.push_back(std::make_unique<Child>(
        "[.train]", kt::test::Environment{{"KROTON_TEST_CACHE_DIR", dir.path().string()}}));
  std::set<std::string> losses;
  int compiled = 0, kernels = 0;
  std::size_t expected = 0;
  for (auto& child : children) {
    const auto r = child->wait();
    expected = entries_of(r);
    CAPTURE(r.output);
    CHECK(r.status == 0);
    losses.insert(field(r.output, "loss"));
    compiled += std::stoi(field(r.output, "compiled"));
    kernels = std::stoi(field(r.output, "kernels"));
  }
  CHECK(losses.size() == 1);
  CHECK(entries(dir.path()).size() == expected);
  std::printf("%d processes, %d kernels: %d compilations\n", processes, kernels, compiled);
  // A claim is believed for five seconds; a machine with 64 processes may let one stand that long.
  CHECK(compiled >= kernels);
  CHECK(compiled <= 4 * kernels);
}

TEST_CASE("damaged entries are compiled again and repaired", "[function][cache]") {
  const TempDir dir;
  const kt::test::Environment with_cache{{"KROTON_TEST_CACHE_DIR", dir.path().string()}};
  const auto cold = run_child("[.train]", with_cache);
  REQUIRE(cold.status == 0);
  const auto all = entries(dir.path());
  const auto kernels = field(cold.output, "kernels");
  struct Damage {
    const char* what;
    void (*apply)(std::string&);
    bool is_content; ///< such entries are set aside for people to look at
  };
  const Damage kinds[] = {
      {"empty", [](std::string& s) { s.clear(); }, true},
      {"cut in half", [](std::string& s) { s.resize(s.size() / 2); }, true},
      {"without its last byte", [](std::string& s) { s.pop_back(); }, true},
      {"one bit flipped in the code", [](std::string& s) { s[s.size() * 3 / 4] ^= 1; }, true},
      {"of a later version", [](std::string& s) { s[8] = 3; }, true},
      {"another kernel's", [](std::string& s) { s.insert(s.begin() + 40, 'x'); }, true},
      {"no entry at all", [](std::string& s) { s = "hello\n"; }, true},
  };
  for (const Damage& d : kinds) {
    for (const auto& path : all) {
      std::string bytes = kt::test::read_file(path);
      d.apply(bytes);
      kt::test::write_file(path, bytes);
    }
    const auto repaired = run_child("[.train]", with_cache),
               warm = run_child("[.train]", with_cache);
    CAPTURE(d.what, repaired.output, warm.output);
    CHECK(repaired.status == 0);
    CHECK(field(repaired.output, "compiled") == kernels);
    CHECK(field(repaired.output, "loss") == field(cold.output, "loss"));
    CHECK(field(warm.output, "compiled") == "0");
    CHECK(field(warm.output, "loss") == field(cold.output, "loss"));
    CHECK(entries(dir.path()) == all);
  }
}

TEST_CASE("entries that stand for each other are not believed", "[function][cache]") {
  const TempDir dir;
  const kt::test::Environment with_cache{{"KROTON_TEST_CACHE_DIR", dir.path().string()}};
  const auto cold = run_child("[.train]", with_cache);
  REQUIRE(cold.status == 0);
  const auto all = entries(dir.path());
  REQUIRE(all.size() >= 2);
  const std::string first = kt::test::read_file(all.front());
  for (std::size_t i = 0; i + 1 < all.size(); ++i)
    kt::test::write_file(all[i], kt::test::read_file(all[i + 1]));
  kt::test::write_file(all.back(), first);
  const auto again = run_child("[.train]", with_cache);
  CAPTURE(again.output);
  CHECK(field(again.output, "compiled") == field(cold.output, "kernels"));
  CHECK(field(again.output, "loss") == field(cold.output, "loss"));
}

TEST_CASE("a cache that cannot be written serves nobody and hinders nobody", "[function][cache]") {
  const TempDir dir;
  const auto warm_dir = dir.path() / "warm";
  REQUIRE(run_child("[.train]", {{"KROTON_TEST_CACHE_DIR", warm_dir.string()}}).status == 0);

  kt::test::write_file(dir.path() / "file", "no directory");
  const fs::path places[] = {dir.path() / "file", dir.path() / "file" / "below", "/proc/nowhere"};
  for (const auto& place : places) {
    const auto r = run_child("[.train]", {{"KROTON_TEST_CACHE_DIR", place.string()}});
    CAPTURE(r.output);
    CHECK(r.status == 0);
    CHECK(field(r.output, "compiled") == field(r.output, "kernels"));
    CHECK(field(r.output, "published") == "0");
    CHECK_THAT(r.output, kt::test::contains("KROTON_CACHE_DIR")); // the remedy is logged
  }
  // Anybody could have planted code in it.
  fs::permissions(warm_dir, fs::perms::all);
  const auto open = run_child("[.train]", {{"KROTON_TEST_CACHE_DIR", warm_dir.string()}});
  CAPTURE(open.output);
  CHECK(open.status == 0);
  CHECK(field(open.output, "cached") == "0");
  CHECK_THAT(open.output, kt::test::contains("writable by others"));
}

TEST_CASE("a read-only cache is no hindrance", "[function][cache]") {
  if (geteuid() == 0) return; // root may write everywhere
  const TempDir dir;
  REQUIRE(run_child("[.train]", {{"KROTON_TEST_CACHE_DIR", dir.path().string()}}).status == 0);
  fs::permissions(dir.path(), fs::perms::owner_read | fs::perms::owner_exec);
  const auto r = run_child("[.train]", {{"KROTON_TEST_CACHE_DIR", dir.path().string()}});
  fs::permissions(dir.path(), fs::perms::owner_all);
  CAPTURE(r.output);
  CHECK(r.status == 0);
}

TEST_CASE("the cache may be kept in memory alone", "[function][cache]") {
  const TempDir dir;
  for (const char* mode : {"memory", "off"}) {
    const auto r = run_child(
        "[.train]", {{"KROTON_TEST_CACHE_DIR", dir.path().string()}, {"KROTON_CACHE", mode}});
    CAPTURE(r.output);
    CHECK(r.status == 0);
    CHECK(field(r.output, "directory").empty());
    CHECK(entries(dir.path()).empty());
    CHECK_THAT(r.output, kt::test::contains(std::string("KROTON_CACHE=") + mode));
  }
}

TEST_CASE("child: a second function of a process finds the first one's kernels", "[.twice]") {
  const kt::Function first = training_step("first"), second = training_step("second");
  CHECK(first.stats().compiled == first.stats().kernels);
  CHECK(second.stats().compiled == 0);
  CHECK(second.stats().loaded_from_cache == second.stats().kernels);
  for (const auto& k : second.stats().per_kernel) {
    CHECK(k.origin == "memory");
    CHECK(!k.is_compiled);
    CHECK(k.miss_reason.empty());
  }
  CHECK(train(first) == train(second));
}

TEST_CASE("names do not split the cache", "[function][cache]") {
  const auto r = run_child("[.twice]");
  CAPTURE(r.output);
  CHECK(r.status == 0);
}

TEST_CASE("child: a function without a compiler", "[.no-compiler]") {
  auto x = kt::vector<float>("x");
  try {
    kt::function({x}, x + 1);
    FAIL("nothing was thrown");
  } catch (const kt::CompileError& e) {
    CHECK(std::string(e.what()) ==
          "jit: no compiler: libkroton-clang.so is in none of /nonexistent\n"
          "  hint: set KROTON_PLUGIN_DIR to the folder that holds it, or install Kroton again");
  }
}

TEST_CASE("without the compiler plugin the error says what to do", "[function][errors][host]") {
  const auto r = run_child("[.no-compiler]", {{"KROTON_PLUGIN_DIR", "/nonexistent"}});
  CAPTURE(r.output);
  CHECK(r.status == 0);
}

TEST_CASE("a warm cache needs no compiler plugin", "[function][cache][host]") {
  const TempDir dir;
  REQUIRE(run_child("[.train]", {{"KROTON_TEST_CACHE_DIR", dir.path().string()}}).status == 0);
  const auto r = run_child("[.train]", {{"KROTON_TEST_CACHE_DIR", dir.path().string()},
                                        {"KROTON_PLUGIN_DIR", "/nonexistent"}});
  CAPTURE(r.output);
  CHECK(r.status == 0);
}
