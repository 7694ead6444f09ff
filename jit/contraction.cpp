/// Program's matrix products: a library's, or a kernel of the program's own.
#include <cstring>

#include "codegen/contraction.hpp"
#include "jit/cpu/blas.hpp"
#include "jit/frame.hpp"

namespace kroton::jit {

namespace {

/// From here on a library's product beats the generated one, unless the result is a few columns
/// wide.
constexpr std::int64_t library_from = std::int64_t{1} << 18;

} // namespace

void Program::run_contraction(const BoundStep& s, Frame& f, const Runtime* runtime) const {
  auto size = [&](int slot) { return f.sizes[static_cast<std::size_t>(slot)]; };
  const std::size_t rank = s.shape.size();
  const std::int64_t m = size(s.shape[rank - 2]), n = size(s.shape[rank - 1]), k = size(s.k);
  std::int64_t batches = 1;
  for (std::size_t i = 0; i + 2 < rank; ++i) batches *= size(s.shape[i]);
  const std::size_t item = item_size(s.dtype);
  std::byte* out = f.buffers[static_cast<std::size_t>(s.out)];
  if (s.so_far >= 0 && s.so_far != s.out)
    std::memcpy(out, f.buffers[static_cast<std::size_t>(s.so_far)],
                static_cast<std::size_t>(batches * m * n) * item);
  if (m == 0 || n == 0) return;

  auto element = [&](const BoundOperand& o, std::int64_t batch) {
    std::int64_t at = size(o.offset);
    for (std::size_t i = rank - 2; i-- > 0;) {
      const std::int64_t d = size(s.shape[i]);
      at += batch % d * size(o.strides[i]);
      batch /= d;
    }
    return f.buffers[static_cast<std::size_t>(o.buffer)] + at * static_cast<std::int64_t>(item);
  };
  const long a_row = size(s.a.strides[rank - 2]), a_col = size(s.a.strides[rank - 1]);
  const long b_row = size(s.b.strides[rank - 2]), b_col = size(s.b.strides[rank - 1]);
  const bool accumulates = s.so_far >= 0;
  const std::byte* alpha = accumulates ? f.buffers[static_cast<std::size_t>(s.alpha.buffer)] +
                                             size(s.alpha.offset) * static_cast<std::int64_t>(item)
                                       : nullptr;

  const std::int64_t lanes = vector_bytes_ / static_cast<std::int64_t>(item);
  const bool by_library = is_float(s.dtype) && n > 2 * lanes && m * n * k >= library_from && blas();
  if (!by_library) {
    const codegen::ContractionShape shape{s.dtype, accumulates, vector_bytes_};
    std::byte* work = f.scratch.reserve(
        static_cast<std::size_t>(codegen::contraction_work_bytes(shape, n, k)) + 64);
    const long sizes[] = {m, n, k, a_row, a_col, b_row, b_col};
    for (std::int64_t i = 0; i < batches; ++i) {
      void* buffers[] = {element(s.a, i), element(s.b, i),
                         out + static_cast<std::size_t>(i * m * n) * item,
                         const_cast<std::byte*>(alpha), work};
      s.entry(runtime, buffers, sizes);
    }
    return;
  }
  auto product = [&]<class T>(std::type_identity<T>) {
    T scale = 1;
    if (alpha) std::memcpy(&scale, alpha, sizeof scale);
    for (std::int64_t i = 0; i < batches; ++i)
      gemm(m, n, k, scale, reinterpret_cast<const T*>(element(s.a, i)), a_row, a_col,
           reinterpret_cast<const T*>(element(s.b, i)), b_row, b_col, accumulates ? T(1) : T(0),
           reinterpret_cast<T*>(out) + i * m * n, n, 1);
  };
  if (s.dtype == DType::f32)
    product(std::type_identity<float>{});
  else
    product(std::type_identity<double>{});
}

} // namespace kroton::jit
