/// Memory of arrays: what is kept, how much, and that nobody sees what was there before.
#include <kroton/array.hpp>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

#include "lib/data/memory.hpp"
#include "test/support/catch.hpp"

namespace kt = kroton;
namespace data = kroton::data;
using kt::Array;

namespace {

constexpr std::size_t mebibyte = std::size_t{1} << 20;

} // namespace

TEST_CASE("memory that no machine has is refused whether or not the system would promise it",
          "[data][memory]") {
  for (const std::size_t n : {std::size_t{1} << 47, std::size_t{1} << 63, ~std::size_t{0}})
    CHECK(data::take_memory(n) == nullptr);
}

TEST_CASE("memory is aligned whatever its size", "[data][memory]") {
  for (const std::size_t n : {std::size_t{0}, std::size_t{1}, std::size_t{65}, mebibyte,
                              4 * mebibyte, 5 * mebibyte + 1}) {
    std::byte* p = data::take_memory(n);
    REQUIRE(p);
    CHECK(reinterpret_cast<std::uintptr_t>(p) % (n >= data::smallest_block ? 2 * mebibyte : 64) ==
          0);
    std::memset(p, 1, n);
    data::give_memory(p, n);
  }
  CHECK(data::take_memory(std::size_t{1} << 50) == nullptr);
  data::give_memory(nullptr, 10);
}

TEST_CASE("a large block is kept for the next one of its size", "[data][memory]") {
  std::byte* p = data::take_memory(9 * mebibyte);
  const std::size_t before = data::kept_memory().nbytes;
  data::give_memory(p, 9 * mebibyte);
  CHECK(data::kept_memory().nbytes == before + 10 * mebibyte); // whole huge pages
  std::byte* q = data::take_memory(9 * mebibyte + 5);
  CHECK(p == q);
  CHECK(data::kept_memory().nbytes == before);
  data::give_memory(q, 9 * mebibyte + 5);
}

TEST_CASE("what is kept stays below its limit", "[data][memory]") {
  const std::size_t limit = data::kept_memory().limit;
  REQUIRE(limit >= 64 * mebibyte);
  std::vector<std::byte*> blocks;
  for (std::size_t sum = 0; sum <= 2 * limit; sum += 32 * mebibyte)
    blocks.push_back(data::take_memory(32 * mebibyte));
  for (std::byte* b : blocks) {
    data::give_memory(b, 32 * mebibyte);
    CHECK(data::kept_memory().nbytes <= limit);
  }
  std::byte* larger = data::take_memory(limit + mebibyte);
  REQUIRE(larger);
  data::give_memory(larger, limit + mebibyte); // goes back to the system at once
  CHECK(data::kept_memory().nbytes <= limit);
}

TEST_CASE("zeros are zeros in memory that was used before", "[data][memory]") {
  constexpr std::int64_t n = 2 << 20;
  const void* where = nullptr;
  {
    Array a = Array::full<float>({n}, 3.0F);
    where = a.raw();
  }
  const Array b = Array::zeros<float>({n});
  CHECK(b.raw() == where);
  const float* p = b.data<float>();
  CHECK(std::all_of(p, p + n, [](float v) { return v == 0; }));
}

TEST_CASE("views keep a block from being reused", "[data][memory]") {
  Array a = Array::full<float>({2 << 20}, 1.0F);
  const Array view = a.slice(0, 10, 20);
  a = Array::from({0.0F});
  const Array other = Array::full<float>({2 << 20}, 2.0F);
  CHECK(view.to_vector<float>() == std::vector<float>(10, 1.0F));
  CHECK(other.at<float>({15}) == 2);
}

TEST_CASE("views keep a small array's elements, which lie behind it", "[data][memory]") {
  Array view = Array::from({1, 2, 3, 4}, {2, 2}).transpose();
  const Array row = view.slice(0, 1, 2);
  view = Array::from({9});
  CHECK(row.to_vector<int>() == std::vector<int>{2, 4});
  CHECK(Array::from({1, 2, 3, 4, 5, 6}).reshape({2, 3}).slice(1, 1, 3).to_vector<int>() ==
        std::vector<int>{2, 3, 5, 6});
}

TEST_CASE("threads share what is kept", "[data][memory]") {
  std::vector<std::jthread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const std::size_t n = static_cast<std::size_t>(4 + i % 3 * 2) * mebibyte;
        std::byte* p = data::take_memory(n);
        p[0] = p[n - 1] = static_cast<std::byte>(t);
        std::this_thread::yield();
        if (p[0] != static_cast<std::byte>(t) || p[n - 1] != static_cast<std::byte>(t)) ++wrong;
        data::give_memory(p, n);
      }
    });
  threads.clear();
  CHECK(wrong == 0);
}

TEST_CASE("a child of fork has memory of its own", "[data][memory]") {
  data::give_memory(data::take_memory(8 * mebibyte), 8 * mebibyte);
  const pid_t child = fork();
  if (child == 0) {
    std::byte* p = data::take_memory(8 * mebibyte);
    if (p) std::memset(p, 7, 8 * mebibyte);
    _exit(p ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
}
