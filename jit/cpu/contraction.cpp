/// CpuProgram's matrix products: kernels of the program's own, or a library that the user named.
#include <algorithm>
#include <cstring>

#include "jit/cpu/blas.hpp"
#include "jit/cpu/program.hpp"
#include "lib/support/saturate.hpp"

namespace kroton::jit {
namespace {

using codegen::ContractionScheme;
using support::saturating_mul;

/// Below this many products of elements no library is called.
constexpr std::int64_t library_from = std::int64_t{1} << 18;

bool is_for_library(const codegen::ContractionShape& shape,
                    const codegen::ContractionSizes<std::int64_t>& s) {
  return is_float(shape.dtype) && saturating_mul(saturating_mul(s.m, s.n), s.k) >= library_from &&
         s.n > 2 * shape.lanes() && blas();
}

void library_product(const codegen::ContractionShape& shape,
                     const codegen::ContractionSizes<std::int64_t>& s, const void* a, const void* b,
                     void* c, const void* alpha) {
  const auto product = [&]<class T>(std::type_identity<T>) {
    gemm(s.m, s.n, s.k, alpha ? *static_cast<const T*>(alpha) : T(1), static_cast<const T*>(a),
         s.a_row, s.a_col, static_cast<const T*>(b), s.b_row, s.b_col, alpha ? T(1) : T(0),
         static_cast<T*>(c), s.c_row, 1);
  };
  if (shape.dtype == DType::f32)
    product(std::type_identity<float>{});
  else
    product(std::type_identity<double>{});
}

} // namespace

void CpuProgram::run_product(const ProductCode& code, CpuFrame& f, const Runtime* runtime) const {
  const bound::Product& s = code.product;
  auto size = [&](int slot) { return f.sizes[static_cast<std::size_t>(slot)]; };
  const std::size_t rank = s.shape.size();
  // What the kernel is handed is written once: copied in pairs right after it was written element
  // by element, it would wait for the stores.
  const std::array<std::int64_t, 8> arguments{size(s.shape[rank - 2]),
                                              size(s.shape[rank - 1]),
                                              size(s.k),
                                              size(s.a.strides[rank - 2]),
                                              size(s.a.strides[rank - 1]),
                                              size(s.b.strides[rank - 2]),
                                              size(s.b.strides[rank - 1]),
                                              size(s.out_row)};
  const auto sizes = codegen::ContractionSizes<std::int64_t>::from_order(arguments);
  std::int64_t batches = 1;
  for (std::size_t i = 0; i + 2 < rank; ++i) batches *= size(s.shape[i]);
  const auto item = static_cast<std::int64_t>(item_size(s.known.dtype));
  const std::int64_t bytes = sizes.m * sizes.c_row * item; // of one batch's result
  std::byte* out = f.buffers[static_cast<std::size_t>(s.out)];
  if (s.addend && s.addend->buffer != s.out)
    std::memcpy(out, f.buffers[static_cast<std::size_t>(s.addend->buffer)],
                static_cast<std::size_t>(batches * bytes));
  if (bytes == 0) return;

  auto element = [&](const bound::Operand& o, std::int64_t batch) {
    std::int64_t at = size(o.offset);
    for (std::size_t i = rank - 2; i-- > 0;) {
      const std::int64_t d = size(s.shape[i]);
      at += batch % d * size(o.strides[i]);
      batch /= d;
    }
    return f.buffers[static_cast<std::size_t>(o.buffer)] + at * item;
  };
  const void* alpha = s.addend ? f.buffers[static_cast<std::size_t>(s.addend->alpha.buffer)] +
                                     size(s.addend->alpha.offset) * item
                               : nullptr;
  const codegen::ContractionShape& shape = s.known;
  if (is_for_library(shape, sizes)) {
    for (std::int64_t i = 0; i < batches; ++i)
      library_product(shape, sizes, element(s.a, i), element(s.b, i), out + i * bytes, alpha);
    return;
  }
  const ContractionScheme scheme =
      code.scheme ? *code.scheme : codegen::contraction_scheme(shape, sizes);
  const KernelEntry entry = code.schemes[static_cast<std::size_t>(scheme)];
  const std::int64_t work_bytes =
      code.work_bytes ? *code.work_bytes
                      : codegen::contraction_work_bytes(shape, scheme, sizes, threads_);
  std::byte* work =
      work_bytes > 0 ? f.scratch.reserve(static_cast<std::size_t>(work_bytes)) : nullptr;
  for (std::int64_t i = 0; i < batches; ++i) {
    void* buffers[] = {element(s.a, i), element(s.b, i), out + i * bytes, const_cast<void*>(alpha),
                       work};
    entry(runtime, buffers, arguments.data());
  }
}

} // namespace kroton::jit
