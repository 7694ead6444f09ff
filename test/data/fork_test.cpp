/// Locks in children of forks.
#include <atomic>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include <unistd.h>

#include "lib/support/at_exit.hpp"
#include "lib/support/fork.hpp"
#include "test/support/catch.hpp"
#include "test/support/process.hpp"

namespace kroton::test {
namespace {

int forks_begun = 0, forks_in_parent = 0, forks_in_child = 0;
const support::ForkHandler counts_forks({.before = [] { ++forks_begun; },
                                         .in_parent = [] { ++forks_in_parent; },
                                         .in_child = [] { ++forks_in_child; }});

/// A forked child that hangs ends by a signal.
template <class F> int in_bounded_child(F body) {
  return wait_for(in_child([&] {
    ::alarm(60);
    return body();
  }));
}

} // namespace

TEST_CASE("the steps of a handler are done once before and once after a fork, on each side",
          "[data][fork]") {
  forks_begun = forks_in_parent = forks_in_child = 0;
  const auto are = [](int begun, int in_parent, int in_child) {
    return forks_begun == begun && forks_in_parent == in_parent && forks_in_child == in_child;
  };
  CHECK(in_bounded_child([&] {
          return are(1, 0, 1) && in_bounded_child([&] { return are(2, 0, 2); }) == 0 &&
                 are(2, 1, 1);
        }) == 0);
  CHECK(are(1, 1, 0));
}

TEST_CASE("a child finds what fork mutexes guard whole, however they are nested and destroyed",
          "[data][fork]") {
  struct Pair {
    support::ForkMutex outer, inner;
    long first = 0, second = 0;
  } pair;
  std::atomic<bool> is_over = false;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 3; ++t)
    threads.emplace_back([&] {
      while (!is_over) {
        const std::lock_guard outer(pair.outer);
        auto temporary = std::make_unique<support::ForkMutex>();
        ++pair.first;
        const std::lock_guard inner(pair.inner), another(*temporary);
        ++pair.second;
      }
    });
  int right = 0;
  constexpr int rounds = 100;
  for (int i = 0; i < rounds; ++i)
    right += in_bounded_child([&] {
               const auto is_whole = [&] {
                 const std::scoped_lock lock(pair.outer, pair.inner);
                 return pair.first == pair.second;
               };
               // The child can fork too, whichever threads of its parent were on their way in.
               return is_whole() && in_bounded_child(is_whole) == 0;
             }) == 0;
  is_over = true;
  CHECK(right == rounds);
}

TEST_CASE("a child registers what is done at exit, as other threads of its parent just did",
          "[data][fork]") {
  constexpr int most = 1'000'000, rounds = 50;
  std::atomic<bool> is_over = false;
  std::jthread other([&] {
    for (int i = 0; i < most && !is_over; ++i) support::at_exit([] {});
  });
  int right = 0;
  for (int i = 0; i < rounds && right == i; ++i)
    right += in_bounded_child([] {
               support::at_exit([] {});
               return true;
             }) == 0;
  is_over = true;
  CHECK(right == rounds);
}

TEST_CASE("a fork does not wait for a process mutex, which is free in the child", "[data][fork]") {
  support::ProcessMutex mutex;
  std::atomic<bool> is_locked = false, may_go = false;
  std::jthread holder([&] {
    const std::lock_guard lock(mutex);
    is_locked = true;
    while (!may_go) std::this_thread::yield();
  });
  while (!is_locked) std::this_thread::yield();
  CHECK(in_bounded_child([&] {
          { const std::lock_guard lock(mutex); }
          // In a child's child too, whose parent holds it.
          mutex.lock();
          const int status = in_bounded_child([&] {
            const std::lock_guard lock(mutex);
            return true;
          });
          mutex.unlock();
          return status == 0;
        }) == 0);
  may_go = true;
  holder.join();
  const std::lock_guard lock(mutex);
}

TEST_CASE("a process mutex lets one thread in at a time, and all of them at last", "[data][fork]") {
  support::ProcessMutex mutex;
  long count = 0;
  constexpr int times = 5000;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < times; ++i) {
          const std::lock_guard lock(mutex);
          const long before = count;
          if (i % 64 == 0) std::this_thread::yield();
          count = before + 1;
        }
      });
  }
  CHECK(count == 4 * times);
}

} // namespace kroton::test
