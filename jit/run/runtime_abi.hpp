#pragma once
/// What a generated CPU kernel is handed: the only way out of its own code.
///
///   extern "C" void kernel(const Runtime* rt, void* const* buffers, const long* sizes);
///   rt->parallel_for(rt, n, 4096, body, &frame);
///
/// Generated source carries this declaration as text (it includes no header), so the order and the
/// types of the members are part of the kernel format: append only, and raise
/// `runtime_abi_version`, which is a field of every kernel's key.
#include <cstddef>

namespace kroton::jit {

inline constexpr int runtime_abi_version = 1;

/// `long` is 64 bits on every target that Kroton generates code for.
static_assert(sizeof(long) == 8);

extern "C" {

struct Runtime {
  /// Belongs to whoever filled the table; kernels pass it back by passing the table.
  void* state;

  /// Runs `body(frame, begin, end, worker)` over a split of [0, n) and returns when all of it is
  /// done. The split has `min(threads, ceil(n / grain))` chunks (at least one unless n <= 0, then
  /// none), chunk i being [n*i/chunks, n*(i+1)/chunks); `worker` is i, so a kernel may index
  /// per-worker scratch of `threads` rows with it, and combining the rows in order gives the same
  /// bits whatever the machine was doing. `grain` < 1 counts as 1. A call from inside a body runs
  /// its chunks one after another.
  void (*parallel_for)(const Runtime*, long n, long grain,
                       void (*body)(void* frame, long begin, long end, int worker), void* frame);

  /// Records that the check numbered `site` met `value` where only [0, bound) is right, and
  /// returns: the kernel continues with a value that is safe, the driver raises the error after it.
  void (*fail)(const Runtime*, int site, long value, long bound);

  /// c = alpha * a·b + beta * c, with a m×k, b k×n, c m×n. Element (i, j) of x is at
  /// x[i * x_row + j * x_col] (strides in elements, any sign), so a transpose is a swap of strides.
  /// With beta == 0, c is written without being read. c overlaps neither a nor b.
  void (*gemm_f32)(const Runtime*, long m, long n, long k, float alpha, const float* a, long a_row,
                   long a_col, const float* b, long b_row, long b_col, float beta, float* c,
                   long c_row, long c_col);
  void (*gemm_f64)(const Runtime*, long m, long n, long k, double alpha, const double* a,
                   long a_row, long a_col, const double* b, long b_row, long b_col, double beta,
                   double* c, long c_row, long c_col);

  /// The most chunks `parallel_for` makes. Part of what decides a reduction's order.
  int threads;
};

} // extern "C"

static_assert(offsetof(Runtime, parallel_for) == 8 && offsetof(Runtime, fail) == 16 &&
              offsetof(Runtime, gemm_f32) == 24 && offsetof(Runtime, gemm_f64) == 32 &&
              offsetof(Runtime, threads) == 40 && sizeof(Runtime) == 48);

/// The number of chunks of a parallel_for: a function of its arguments alone.
constexpr long chunk_count(long n, long grain, int threads) noexcept {
  if (n <= 0) return 0;
  if (grain < 1) grain = 1;
  const long wanted = (n - 1) / grain + 1;
  const long most = threads < 1 ? 1 : threads;
  return wanted < most ? wanted : most;
}

struct ChunkRange {
  long begin, end;
};

/// Chunk `i` of `chunks` over [0, n).
constexpr ChunkRange chunk_range(long n, long chunks, long i) noexcept {
  const long each = n / chunks, rest = n % chunks;
  // The products i * rest stay small: both are below the number of chunks.
  return {i * each + i * rest / chunks, (i + 1) * each + (i + 1) * rest / chunks};
}

} // namespace kroton::jit
