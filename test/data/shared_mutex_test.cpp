#include <atomic>
#include <mutex>
#include <shared_mutex>
#include <thread>
#include <vector>

#include "lib/support/shared_mutex.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {

TEST_CASE("a writer is alone, and every reader sees whole what writers wrote", "[data]") {
  support::SharedMutex mutex;
  long first = 0, second = 0; // equal whenever nobody writes
  std::atomic<int> wrong = 0;
  constexpr int writes = 2000;
  std::vector<std::jthread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < writes; ++i) {
        const std::unique_lock lock(mutex);
        ++first;
        if (i % 64 == 0) std::this_thread::yield();
        ++second;
      }
    });
    threads.emplace_back([&] {
      for (int i = 0; i < writes; ++i) {
        const std::shared_lock lock(mutex);
        if (first != second) ++wrong;
      }
    });
  }
  threads.clear();
  CHECK(wrong == 0);
  CHECK(first == 3 * writes);
  CHECK(second == first);
}

TEST_CASE("readers hold a lock side by side, and the last one lets a writer that waits go on",
          "[data]") {
  support::SharedMutex mutex;
  std::atomic<bool> has_written = false;
  mutex.lock_shared();
  std::jthread writer([&] {
    const std::unique_lock lock(mutex);
    has_written = true;
  });
  for (int i = 0; i < 1000; ++i) { // some of them while the writer waits
    std::jthread([&] { const std::shared_lock lock(mutex); }).join();
    if (i % 100 == 0) std::this_thread::yield();
  }
  CHECK(!has_written);
  mutex.unlock_shared();
  writer.join();
  CHECK(has_written);
}

TEST_CASE("everyone who waits for a writer goes on", "[data]") {
  support::SharedMutex mutex;
  int written = 0;
  std::atomic<int> begun = 0, sum = 0;
  mutex.lock();
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&, writes = t % 2 == 0] {
      ++begun;
      if (writes) {
        const std::unique_lock lock(mutex);
        ++written;
      } else {
        const std::shared_lock lock(mutex);
        sum += written >= 100 ? 1 : 0;
      }
    });
  while (begun < 8) std::this_thread::yield();
  written = 100;
  mutex.unlock();
  threads.clear();
  CHECK(written == 104);
  CHECK(sum == 4);
}

} // namespace kroton::test
