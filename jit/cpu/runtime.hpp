#pragma once
/// Fills the table that kernels are handed, and keeps what they report, for one call.
///
///   CallRuntime runtime(thread_count());
///   kernel(runtime.table(), buffers, sizes);
///   if (auto failure = runtime.failure()) throw …;
#include <atomic>
#include <optional>

#include "jit/run/runtime_abi.hpp"

namespace kroton::jit {

/// A check in a kernel that did not hold.
struct KernelFailure {
  int site;   ///< The check's number in the kernel.
  long value; ///< What was met …
  long bound; ///< … where [0, bound) is right.
};

/// Cheap to make: one for each call of a Function, on the caller's stack.
class CallRuntime {
public:
  /// `threads` is the number of chunks that work is split into at most.
  explicit CallRuntime(int threads) noexcept;
  CallRuntime(const CallRuntime&) = delete;
  CallRuntime& operator=(const CallRuntime&) = delete;

  const Runtime* table() const noexcept { return &table_; }

  /// The first failure to be reported, if any. With several threads at work, which one is first is
  /// not fixed. Not to be called while a kernel runs.
  std::optional<KernelFailure> failure() const noexcept;

private:
  static void record(const Runtime*, int site, long value, long bound);

  Runtime table_;
  std::atomic<bool> has_failed_{false};
  KernelFailure failure_{};
};

} // namespace kroton::jit
