#include "jit/cpu/runtime.hpp"
#include "jit/cpu/blas.hpp"
#include "jit/run/pool.hpp"

namespace kroton::jit {
namespace {

void parallel_for(const Runtime* runtime, long n, long grain, ParallelBody body, void* frame) {
  // The pool is asked for only when there is something to split: a small call starts no threads.
  if (chunk_count(n, grain, runtime->threads) > 1)
    Pool::process().parallel_for(n, grain, runtime->threads, body, frame);
  else if (n > 0)
    body(frame, 0, n, 0);
}

template <class T>
void gemm_entry(const Runtime*, long m, long n, long k, T alpha, const T* a, long a_row, long a_col,
                const T* b, long b_row, long b_col, T beta, T* c, long c_row, long c_col) {
  gemm(m, n, k, alpha, a, a_row, a_col, b, b_row, b_col, beta, c, c_row, c_col);
}

} // namespace

CallRuntime::CallRuntime(int threads) noexcept
    : table_{this,
             parallel_for,
             record,
             gemm_entry<float>,
             gemm_entry<double>,
             threads < 1 ? 1 : threads} {}

void CallRuntime::record(const Runtime* runtime, int site, long value, long bound) {
  auto* self = static_cast<CallRuntime*>(runtime->state);
  if (!self->has_failed_.exchange(true, std::memory_order_relaxed))
    self->failure_ = {site, value, bound};
}

std::optional<KernelFailure> CallRuntime::failure() const noexcept {
  if (!has_failed_.load(std::memory_order_acquire)) return std::nullopt;
  return failure_;
}

} // namespace kroton::jit
