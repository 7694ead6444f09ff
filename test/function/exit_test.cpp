/// However and whenever a process ends, threads that compile or call are not in its way, and what
/// it printed is not lost. Calls from destructors and exit handlers give right results.
#include <kroton/core.hpp>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "test/support/catch.hpp"
#include "test/support/child.hpp"

namespace kt = kroton;
namespace fs = std::filesystem;
using kt::Array;
using kt::test::Child;
using kt::test::ChildResult;
using kt::test::TempDir;
using std::chrono::milliseconds;

namespace {

constexpr const char* last_words = "all was printed\n";

/// How a child leaves `main`.
constexpr const char* ways[] = {"return", "exit", "quick_exit", "exit on a thread",
                                "quick_exit on a thread"};

std::string given(const char* name) {
  const char* text = std::getenv(name);
  return text ? text : "";
}

/// A test process has a directory of its own, which `main` would remove if it came to its end.
void use_given_cache_alone() {
  std::error_code ignored;
  fs::remove_all(given("KROTON_CACHE_DIR"), ignored);
  kt::test::use_given_cache();
}

/// Ends the process, unless the way is to return. What was printed is in a buffer till then.
void leave(const std::string& way) {
  std::fputs(last_words, stdout);
  if (way.starts_with("quick_exit")) std::fflush(stdout); // which it does not do
  const auto end = [&way] { way.starts_with("quick_exit") ? std::quick_exit(0) : std::exit(0); };
  if (way.ends_with("on a thread"))
    std::thread(end).join();
  else if (way != "return")
    end();
}

void pause_as_given() {
  std::this_thread::sleep_for(
      std::chrono::microseconds(std::atoi(given("KROTON_TEST_US").c_str())));
}

/// Several kernels and products, so that a version of it takes a while.
kt::Function layers(const char* name) {
  auto x = kt::matrix<float>("x");
  auto a = kt::softmax(kt::tanh(kt::dot(x, x)));
  return kt::function({x}, {kt::mean(a), kt::grad(kt::mean(kt::exp(a)), x)},
                      {.name = name, .threads = 1});
}

/// A function of its own for each number, which no cache has.
float tenfold(int number) {
  auto x = kt::vector<float>("x");
  const kt::Function f = kt::function({x}, kt::sum(x * 10.0F) + static_cast<float>(number));
  return f({Array::from({1.0F, 2.0F})})[0].item<float>() - static_cast<float>(number);
}

void report(const char* who, int number) {
  std::printf("%s: %g\n", who, static_cast<double>(tenfold(number)));
}

/// Compiles and calls when it is destroyed.
struct Caller {
  const char* name;
  int number;
  ~Caller() { report(name, number); }
};

} // namespace

TEST_CASE("child: ends while a version is compiled in the background", "[.exit-background]") {
  use_given_cache_alone();
  const kt::Function f = layers("layers");
  const Array x = Array::full<float>({16, 16}, 0.1F);
  for (int i = 0; i < 8; ++i) (void)f({x});
  pause_as_given();
  leave(given("KROTON_TEST_WAY"));
}

TEST_CASE("child: ends while other threads compile and call", "[.exit-busy]") {
  use_given_cache_alone();
  for (int t = 0; t < 2; ++t)
    std::thread([t] {
      for (int i = 0;; ++i)
        if (tenfold(100 * i + t) != 30) std::abort();
    }).detach();
  pause_as_given();
  leave(given("KROTON_TEST_WAY"));
}

TEST_CASE("child: calls from destructors and handlers", "[.exit-late]") {
  use_given_cache_alone();
  std::atexit([] { report("handler registered before", 1); });
  std::at_quick_exit([] {
    report("quick handler", 2);
    std::fflush(stdout);
  });
  static const Caller before{"static made before", 3};
  thread_local const Caller of_thread{"thread-local", 4};
  CHECK(of_thread.number == 4);
  static const kt::Function f = layers("layers");
  const Array x = Array::full<float>({16, 16}, 0.1F);
  for (int i = 0; i < 8; ++i) (void)f({x});
  static const Caller after{"static made after", 5};
  std::atexit([] { report("handler registered after", 6); });
  std::atexit([] { // a version for certain sizes, while a call waits for it
    auto y = kt::vector<float>("y");
    const kt::Function g =
        kt::function({y}, kt::sum(y), {.specialize = kt::Specialize::immediately});
    std::printf("version: %g\n",
                static_cast<double>(g({Array::from({1.0F, 2.0F})})[0].item<float>()));
  });
  pause_as_given();
  leave(given("KROTON_TEST_WAY"));
}

namespace {

struct Run {
  const char* child;
  std::string way;
  std::chrono::microseconds pause;
};

Child start(const Run& run, const fs::path& cache) {
  return {run.child,
          {{"KROTON_TEST_WAY", run.way},
           {"KROTON_TEST_US", std::to_string(run.pause.count())},
           {"KROTON_TEST_CACHE_DIR", cache.string()}}};
}

void check(const Run& run, const ChildResult& result) {
  CAPTURE(run.child, run.way, run.pause.count(), result.output);
  CHECK(result.status == 0);
  CHECK_THAT(result.output, kt::test::contains(last_words));
}

/// Ends children at these times, each way in turn. With a warm cache the compiler is loaded by the
/// version that is compiled in the background, else by the function.
void sweep(const char* child, std::chrono::microseconds step, std::chrono::microseconds last,
           bool is_warm, bool each_way) {
  const TempDir warm;
  if (is_warm) {
    const auto result = kt::test::run_child("[.exit-background]",
                                            {{"KROTON_SPECIALIZE", "0"},
                                             {"KROTON_TEST_WAY", "return"},
                                             {"KROTON_TEST_CACHE_DIR", warm.path().string()}});
    REQUIRE(result.status == 0);
  }
  std::size_t turn = 0;
  for (auto pause = std::chrono::microseconds(0); pause <= last; pause += step)
    for (std::size_t w = 0; w < (each_way ? std::size(ways) : 1); ++w) {
      const Run run{child, ways[turn++ % std::size(ways)], pause};
      const TempDir cache;
      if (is_warm) fs::copy(warm.path(), cache.path(), fs::copy_options::recursive);
      check(run, start(run, cache.path()).wait());
    }
}

} // namespace

TEST_CASE("a process may end at any time while a version is compiled", "[function][exit]") {
  sweep("[.exit-background]", milliseconds(15), milliseconds(300), true, false);
}

TEST_CASE("a process may end at any time while other threads compile", "[function][exit]") {
  sweep("[.exit-busy]", milliseconds(20), milliseconds(400), false, false);
}

TEST_CASE("processes end in every way at every few milliseconds of a compilation",
          "[.slow][function][exit]") {
  for (const bool is_warm : {true, false})
    sweep("[.exit-background]", milliseconds(4), milliseconds(500), is_warm, true);
  sweep("[.exit-busy]", milliseconds(4), milliseconds(300), false, true);
}

TEST_CASE("calls from destructors and exit handlers are right", "[function][exit]") {
  for (const char* way : ways) {
    const TempDir cache;
    const Run run{"[.exit-late]", way, milliseconds(20)};
    const auto result = start(run, cache.path()).wait();
    check(run, result);
    const bool is_quick = run.way.starts_with("quick_exit");
    const std::vector<const char*> expected =
        is_quick ? std::vector{"quick handler: 30\n"}
                 : std::vector{"handler registered before: 30\n", "static made before: 30\n",
                               "static made after: 30\n", "handler registered after: 30\n",
                               "version: 3\n"};
    for (const char* line : expected) CHECK_THAT(result.output, kt::test::contains(line));
    if (run.way == "return" || run.way == "exit")
      CHECK_THAT(result.output, kt::test::contains("thread-local: 30\n"));
  }
}
