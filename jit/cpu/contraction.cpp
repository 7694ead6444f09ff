/// CpuProgram's matrix products: kernels of the program's own, or a library that the user named.
#include <algorithm>
#include <cstring>

#include "jit/cpu/blas.hpp"
#include "jit/cpu/program.hpp"
#include "lib/ops/contraction.hpp"
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

/// The function that the row of a product names: `out` holds what is added to, if there is a
/// factor.
void multiply(const CallArray& a, const CallArray& b, const CallArray& out,
              const CallArray* factor) {
  const auto product = [&]<class T>(std::type_identity<T>) {
    const auto elements = [](const CallArray& x) { return reinterpret_cast<T*>(x.data); };
    gemm(out.shape[0], out.shape[1], a.shape[1], factor ? *elements(*factor) : T(1), elements(a),
         a.strides[0], a.strides[1], elements(b), b.strides[0], b.strides[1], factor ? T(1) : T(0),
         elements(out), out.strides[0], 1);
  };
  if (out.dtype == DType::f32)
    product(std::type_identity<float>{});
  else
    product(std::type_identity<double>{});
}

constexpr CpuFunction functions[] = {
    {&ops::matmul, nullptr,
     [](CpuCall& c) { multiply(c.operands[0], c.operands[1], c.results[0], nullptr); }},
    {&ops::gemm, nullptr,
     [](CpuCall& c) { multiply(c.operands[1], c.operands[2], c.results[0], &c.operands[3]); }},
};

} // namespace

std::span<const CpuFunction> product_functions() { return functions; }

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
  std::byte* const alpha = s.addend ? f.buffers[static_cast<std::size_t>(s.addend->alpha.buffer)] +
                                          size(s.addend->alpha.offset) * item
                                    : nullptr;
  const codegen::ContractionShape& shape = s.known;
  if (is_for_library(shape, sizes)) {
    const std::array a_shape{sizes.m, sizes.k}, a_strides{sizes.a_row, sizes.a_col},
        b_shape{sizes.k, sizes.n}, b_strides{sizes.b_row, sizes.b_col}, c_shape{sizes.m, sizes.n},
        c_strides{sizes.c_row, std::int64_t{1}};
    const auto run = [&](const ir::Op& op, std::span<const CallArray> operands,
                         const CallArray& result) {
      CpuCall call{{&result, 1}, operands, {}, threads_, runtime};
      cpu_function(op).run(call);
    };
    for (std::int64_t i = 0; i < batches; ++i) {
      const CallArray a{shape.dtype, a_shape, a_strides, element(s.a, i)},
          b{shape.dtype, b_shape, b_strides, element(s.b, i)},
          c{shape.dtype, c_shape, c_strides, out + i * bytes};
      if (alpha)
        run(ops::gemm, std::array{c, a, b, CallArray{shape.dtype, {}, {}, alpha}}, c);
      else
        run(ops::matmul, std::array{a, b}, c);
    }
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
    void* buffers[] = {element(s.a, i), element(s.b, i), out + i * bytes, alpha, work};
    entry(runtime, buffers, arguments.data());
  }
}

} // namespace kroton::jit
