#pragma once
/// The functions of the CPU that library calls run: ours, or those of a library that was opened.
///
///   const CpuFunction& f = cpu_function(ops::index_add);
///   CpuCall call{results, operands, numbers};
///   call.workspace = memory_of(f.workspace ? f.workspace(call) : 0);
///   f.run(call);
///   if (call.failure) …
///
/// Which op has which function is a line in a table of the file that the function stands in.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "jit/run/runtime_abi.hpp"
#include "lib/ir/call.hpp"

namespace kroton::jit {

/// An array as the row's layout says; strides in elements.
struct CallArray {
  DType dtype = DType::f32;
  std::span<const std::int64_t> shape, strides;
  std::byte* data = nullptr; ///< the first element

  std::int64_t numel() const {
    std::int64_t n = 1;
    for (std::int64_t d : shape) n *= d;
    return n;
  }
};

struct CpuCall {
  std::span<const CallArray> results, operands;
  std::span<const std::int64_t> numbers; ///< see ir::LibraryCall
  int threads = 1;                       ///< that the function may use
  const Runtime* runtime = nullptr;      ///< for `parallel_for`
  std::byte* workspace = nullptr;
  std::optional<ir::Failure> failure = std::nullopt; ///< set by the function if it fails
};

struct CpuFunction {
  const ir::Op* op = nullptr;
  /// The bytes that the function works in, aligned to 64; the arrays have no memory yet. Null: it
  /// needs none.
  std::size_t (*workspace)(const CpuCall&) = nullptr;
  void (*run)(CpuCall&) = nullptr;
};

/// Every op with a `call` has one; those of products are of use where a CBLAS is.
const CpuFunction& cpu_function(const ir::Op& op);

/// Copies the first operand's elements to the first result, unless it is there already.
void copy_unless_in_place(const CpuCall& call);

/// The tables.
std::span<const CpuFunction> product_functions();
std::span<const CpuFunction> scatter_functions();
std::span<const CpuFunction> linear_algebra_functions();
std::span<const CpuFunction> decomposition_functions();
std::span<const CpuFunction> cumulative_functions();
std::span<const CpuFunction> assemble_functions();
std::span<const CpuFunction> sorting_functions();
std::span<const CpuFunction> variate_functions();
std::span<const CpuFunction> fourier_functions();

} // namespace kroton::jit
