#include "jit/run/pool.hpp"
#include "test/support/catch.hpp"
#include "test/support/child.hpp"

#include <array>
#include <atomic>
#include <numeric>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace kroton::jit;

namespace {

/// Sums 1/(i+1) per chunk and adds the chunks up in order: the bits depend on the split.
struct Sum {
  std::array<float, 64> rows{};
  static void body(void* frame, long begin, long end, int worker) {
    float sum = 0;
    for (long i = begin; i < end; ++i) sum += 1.0f / float(i + 1);
    static_cast<Sum*>(frame)->rows[std::size_t(worker)] = sum;
  }
  float total() const { return std::accumulate(rows.begin(), rows.end(), 0.0f); }
};

float sum_on(Pool& pool, long n, int threads) {
  Sum sum;
  pool.parallel_for(n, 10, threads, Sum::body, &sum);
  return sum.total();
}

} // namespace

TEST_CASE("chunks cover the range once, in order, without gaps", "[jit]") {
  for (long n : {0L, 1L, 7L, 100L, 4097L, 1L << 40})
    for (int threads : {1, 2, 3, 7, 64}) {
      const long chunks = chunk_count(n, 4, threads);
      CHECK(chunks <= threads);
      long at = 0;
      for (long i = 0; i < chunks; ++i) {
        const ChunkRange range = chunk_range(n, chunks, i);
        CHECK(range.begin == at);
        CHECK(range.end > range.begin);
        at = range.end;
      }
      CHECK(at == n);
    }
  CHECK(chunk_count(-3, 1, 4) == 0);
  CHECK(chunk_count(10, 0, 4) == 4);
  CHECK(chunk_count(4096, 4096, 8) == 1);
  CHECK(chunk_count(4097, 4096, 8) == 2);
}

TEST_CASE("each index is visited once", "[jit]") {
  Pool pool(4);
  for (int round = 0; round < 500; ++round) {
    std::vector<int> seen(1000);
    pool.parallel_for(
        1000, 10, 4,
        [](void* frame, long begin, long end, int) {
          for (long i = begin; i < end; ++i)
            ++(*static_cast<std::vector<int>*>(frame))[std::size_t(i)];
        },
        &seen);
    REQUIRE(seen == std::vector<int>(1000, 1));
  }
}

TEST_CASE("a sum has the same bits each time and on any pool", "[jit]") {
  Pool one(1), two(2), four(4);
  for (int threads : {1, 2, 3, 8}) {
    const float expected = sum_on(one, 100000, threads);
    for (int round = 0; round < 100; ++round) {
      REQUIRE(sum_on(two, 100000, threads) == expected);
      REQUIRE(sum_on(four, 100000, threads) == expected);
    }
  }
}

TEST_CASE("callers at the same time get the same bits as alone", "[jit]") {
  Pool pool(3);
  const float expected = sum_on(pool, 50000, 5);
  std::atomic<int> wrong{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 4; ++t)
    callers.emplace_back([&] {
      for (int round = 0; round < 200; ++round)
        if (sum_on(pool, 50000, 5) != expected) ++wrong;
    });
  for (std::thread& caller : callers) caller.join();
  CHECK(wrong == 0);
}

TEST_CASE("a call inside a body runs its chunks on the spot", "[jit]") {
  Pool pool(2);
  struct Frame {
    Pool& pool;
    std::array<float, 8> sums{};
  } frame{pool};
  const float expected = sum_on(pool, 1000, 3);
  pool.parallel_for(
      8, 1, 8,
      [](void* opaque, long begin, long end, int) {
        auto& f = *static_cast<Frame*>(opaque);
        for (long i = begin; i < end; ++i) f.sums[std::size_t(i)] = sum_on(f.pool, 1000, 3);
      },
      &frame);
  for (float sum : frame.sums) CHECK(sum == expected);
}

TEST_CASE("work below the grain stays on the calling thread", "[jit]") {
  Pool pool(4);
  std::thread::id ran_on;
  pool.parallel_for(
      100, 100, 4,
      [](void* frame, long, long, int) {
        *static_cast<std::thread::id*>(frame) = std::this_thread::get_id();
      },
      &ran_on);
  CHECK(ran_on == std::this_thread::get_id());
}

namespace {

/// Whether two chunks of a job ran at the same time: each waits for the other to begin.
bool runs_two_at_once(Pool& pool) {
  std::atomic<int> begun{0};
  const auto body = [](void* frame, long, long, int) {
    auto& n = *static_cast<std::atomic<int>*>(frame);
    ++n;
    while (n < 2) std::this_thread::yield();
  };
  pool.parallel_for(2, 1, 2, body, &begun);
  return begun == 2;
}

int status_of_child(bool (*body)()) {
  const pid_t child = fork();
  if (child == 0) {
    alarm(60); // a job that never ends
    _exit(body() ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

} // namespace

TEST_CASE("child: forks while its pool sleeps and while it works", "[.pool-fork]") {
  REQUIRE(runs_two_at_once(Pool::process()));
  CHECK(status_of_child([] { return runs_two_at_once(Pool::process()); }) == 0);

  static std::atomic<int> begun{0};
  static std::atomic<bool> may_end{false};
  std::thread caller([] {
    const auto body = [](void*, long, long, int) {
      ++begun;
      while (!may_end) std::this_thread::yield();
    };
    Pool::process().parallel_for(2, 1, 2, body, nullptr);
  });
  while (begun < 2) std::this_thread::yield();
  CHECK(status_of_child([] { return runs_two_at_once(Pool::process()); }) == 0);
  may_end = true;
  caller.join();
  CHECK(runs_two_at_once(Pool::process()));
}

TEST_CASE("a child of fork has a pool with threads of its own", "[jit][fork][threads-in-child]") {
  const auto r = kroton::test::run_child("[.pool-fork]", {{"KROTON_THREADS", "2"}});
  CAPTURE(r.output);
  CHECK(r.status == 0);
}
