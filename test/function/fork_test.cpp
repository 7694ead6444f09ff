/// Whatever other threads are doing when a process forks, the child calls and compiles as its
/// parent does, and `fork` itself waits for nothing long.
#include <kroton/core.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include <pthread.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jit/cpu/compiler.hpp"
#include "jit/run/background.hpp"
#include "lib/ir/node.hpp"
#include "lib/ir/variables.hpp"
#include "test/support/catch.hpp"
#include "test/support/child.hpp"

namespace kt = kroton;
using kt::Array;
using kt::jit::Background;
using std::chrono::milliseconds;

namespace {

constexpr unsigned patience_s = 120;

/// In a forked child, which ends by a signal if it hangs; its status.
int in_fork(const std::function<bool()>& body) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::alarm(patience_s);
    try {
      ::_exit(body() ? 0 : 2);
    } catch (const std::exception& error) {
      std::fprintf(stderr, "in the child: %s\n", error.what());
    }
    ::_exit(1);
  }
  int status = -1;
  ::waitpid(child, &status, 0);
  return status;
}

Array ones(std::int64_t n) { return Array::full<float>({n}, 1); }

/// A function that no cache has.
kt::Function new_function(int number) {
  auto x = kt::vector<float>("x");
  return kt::function({x}, kt::sum(x * 2.0F) + static_cast<float>(number), {.threads = 1});
}

bool is_right(const kt::Function& f, int number, std::int64_t n) {
  return f({ones(n)})[0].item<float>() == static_cast<float>(2 * n + number);
}

/// Threads that call with sizes that change, update a variable, and compile.
class Busy {
public:
  Busy() {
    threads_.emplace_back([this] {
      for (std::int64_t i = 0; !is_over_; ++i) note(is_right(sums, 0, 1 + i / 5 % 7));
    });
    threads_.emplace_back([this] {
      while (!is_over_) note(is_whole(add({ones(size)})[0]));
    });
    threads_.emplace_back([this] {
      for (int i = 1; !is_over_; ++i) note(is_right(new_function(i), i, 3));
    });
  }
  ~Busy() {
    is_over_ = true;
    threads_.clear();
    Background::process().wait();
  }

  static bool is_whole(const Array& values) {
    return kt::equal(values, Array::full<float>({size}, values.at<float>({0})));
  }

  static constexpr std::int64_t size = 1 << 18;
  const kt::Function sums = new_function(0);
  kt::Shared total = kt::shared(Array::zeros<float>({size}), "total");
  const kt::Function add = [this] {
    auto x = kt::vector<float>("x");
    return kt::function({x}, total, {.updates = {{total, total + x}}, .threads = 1});
  }();
  std::atomic<int> wrong = 0;

private:
  void note(bool is_right) { wrong += !is_right; }

  std::atomic<bool> is_over_ = false;
  std::vector<std::jthread> threads_;
};

/// A number that forked children count in too.
std::atomic<int>& shared_counter() {
  void* memory = ::mmap(nullptr, sizeof(std::atomic<int>), PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  REQUIRE(memory != MAP_FAILED);
  return *new (memory) std::atomic<int>(0);
}

void fork_beside_busy_threads(int rounds) {
  Busy busy;
  std::atomic<int>& torn = shared_counter();
  for (int round = 0; round < rounds; ++round) {
    CAPTURE(round);
    std::this_thread::sleep_for(std::chrono::microseconds(round * 397 % 5000));
    const int status = in_fork([&] {
      bool is_fine = true;
      for (std::int64_t i = 0; i < 12; ++i) is_fine &= is_right(busy.sums, 0, 1 + i / 5 % 7);
      try {
        is_fine &= Busy::is_whole(busy.total.get());
      } catch (const kt::Error&) { // that thread has had no processor for as long as a fork waits
        ++torn;
        busy.total.set(Array::zeros<float>({Busy::size}));
      }
      const float before = busy.add({ones(Busy::size)})[0].at<float>({0});
      is_fine &= busy.total.get().at<float>({0}) == before + 1;
      busy.total.set(Array::zeros<float>({Busy::size}));
      if (round % 4 == 0) is_fine &= is_right(new_function(-1 - round), -1 - round, 4);
      if (round % 8 == 0) Background::process().wait();
      return is_fine;
    });
    REQUIRE(status == 0);
  }
  CHECK(busy.wrong == 0);
  CHECK(torn < rounds / 2);
}

} // namespace

TEST_CASE("children of a process with busy threads call, update and compile",
          "[function][fork][host][threads-in-child]") {
  fork_beside_busy_threads(40);
}

TEST_CASE("hundreds of children of a process with busy threads call, update and compile",
          "[.slow][function][fork][host][threads-in-child]") {
  fork_beside_busy_threads(600);
}

TEST_CASE("fork does not wait for a job in the background, and the child does it",
          "[function][fork][host][threads-in-child]") {
  std::atomic<bool> has_begun = false, may_end = false;
  std::atomic<int> done = 0;
  Background::process().wait();
  Background::process().add([&] {
    has_begun = true;
    const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(patience_s);
    while (!may_end && std::chrono::steady_clock::now() < until)
      std::this_thread::sleep_for(milliseconds(1));
    ++done;
  });
  while (!has_begun) std::this_thread::yield();
  const int status = in_fork([&] {
    const int before = done;
    may_end = true;
    Background::process().wait();
    return before == 0 && done == 1;
  });
  CHECK(status == 0);
  CHECK(done == 0);
  may_end = true;
  Background::process().wait();
  CHECK(done == 1);
}

TEST_CASE("child: forks while another thread makes the first function", "[.first-fork]") {
  kt::test::use_given_cache();
  bool is_first_right = false;
  std::thread first([&] { is_first_right = is_right(new_function(1), 1, 3); });
  std::this_thread::sleep_for(std::chrono::microseconds(std::atoi(std::getenv("KROTON_TEST_US"))));
  CHECK(in_fork([] { return is_right(new_function(2), 2, 3); }) == 0);
  first.join();
  CHECK(is_first_right);
}

TEST_CASE("a process may fork at any time while its first function is made",
          "[function][fork][host][threads-in-child]") {
  for (int us = 0; us < 60'000; us += 4'000) {
    const kt::test::TempDir cache;
    const auto r =
        kt::test::run_child("[.first-fork]", {{"KROTON_TEST_US", std::to_string(us)},
                                              {"KROTON_TEST_CACHE_DIR", cache.path().string()}});
    CAPTURE(us, r.output);
    CHECK(r.status == 0);
  }
}

namespace {

std::atomic<bool> fork_has_begun = false;

/// Holds a fork up, before any handler of Kroton's, until another thread compiles.
void wait_for_first_compilation() {
  fork_has_begun = true;
  while (kt::jit::compilations_under_way() == 0) std::this_thread::yield();
}

} // namespace

TEST_CASE("child: a fork begins before the compiler is loaded and ends while it compiles",
          "[.fork-first]") {
  kt::test::use_given_cache();
  bool is_first_right = false;
  std::thread first([&] {
    while (!fork_has_begun) std::this_thread::yield();
    is_first_right = is_right(new_function(1), 1, 3);
  });
  ::pthread_atfork(wait_for_first_compilation, nullptr, nullptr);
  CHECK(in_fork([] {
          // Of that compilation the child has neither the thread nor its copy of the compiler.
          return kt::jit::compilations_under_way() == 0 && is_right(new_function(2), 2, 3);
        }) == 0);
  first.join();
  CHECK(is_first_right);
}

TEST_CASE("the compiler may be used for the first time while another thread is inside fork",
          "[function][fork][host][threads-in-child]") {
  const kt::test::TempDir cache;
  const auto r =
      kt::test::run_child("[.fork-first]", {{"KROTON_TEST_CACHE_DIR", cache.path().string()}});
  CAPTURE(r.output);
  CHECK(r.status == 0);
}

TEST_CASE("a fork waits for a call that is updating a variable, which is whole in the child",
          "[function][fork][host]") {
  auto w = kt::shared(Array::full<float>({3}, 2), "w");
  const kt::Function look = kt::function({}, kt::sum(w));
  look({});
  std::atomic<bool> has_begun = false;
  std::jthread update([&] { // as a call holds it
    const std::unique_lock writing(w.state()->mutex);
    has_begun = true;
    while (kt::ir::detail::is_forking == 0) std::this_thread::yield();
  });
  while (!has_begun) std::this_thread::yield();
  CHECK(in_fork([&] { return look({})[0].item<float>() == 6; }) == 0);
}

TEST_CASE("a variable that is being updated for long when a process forks is refused in the child",
          "[function][fork][host]") {
  auto w = kt::shared(Array::zeros<float>({3}), "w");
  const kt::Function look = kt::function({}, kt::sum(w));
  const kt::Function step = kt::function({}, std::vector<kt::Expr>{}, {.updates = {{w, w + 1.0F}}});
  step({});
  std::atomic<bool> has_begun = false, is_over = false;
  std::jthread long_update([&] { // as a call holds it
    const std::unique_lock writing(w.state()->mutex);
    has_begun = true;
    while (!is_over) std::this_thread::sleep_for(milliseconds(1));
  });
  while (!has_begun) std::this_thread::yield();
  const int status = in_fork([&] {
    const auto is_refused = [](const auto& use) {
      try {
        use();
      } catch (const kt::Error& error) {
        const std::string text = error.what();
        return text.starts_with("w: ") && text.find("fork") != text.npos &&
               text.find("hint: ") != text.npos;
      }
      return false;
    };
    const bool are_refused = is_refused([&] { look({}); }) && is_refused([&] { step({}); }) &&
                             is_refused([&] { static_cast<void>(w.get()); });
    w.set(Array::full<float>({3}, 5));
    step({});
    return are_refused && look({})[0].item<float>() == 18;
  });
  is_over = true;
  CHECK(status == 0);
}
