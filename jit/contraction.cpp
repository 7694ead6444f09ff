/// Program's matrix products: kernels of the program's own, or a library that the user named.
#include <algorithm>
#include <cstring>

#include "jit/cpu/blas.hpp"
#include "jit/frame.hpp"

namespace kroton::jit {
namespace {

using codegen::ContractionScheme;

/// Below this many products of elements no library is called.
constexpr std::int64_t library_from = std::int64_t{1} << 18;

bool is_for_library(const codegen::ContractionShape& shape,
                    const codegen::ContractionSizes<std::int64_t>& s) {
  return is_float(shape.dtype) && s.m * s.n * s.k >= library_from && s.n > 2 * shape.lanes() &&
         blas();
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

/// What is known of a product while its function is compiled.
codegen::ContractionShape product_shape(const plan::ContractionStep& step, int vector_bytes) {
  const auto known = [](const Dim& d) {
    return d.is_static() ? std::optional(d.value()) : std::nullopt;
  };
  const std::size_t rank = step.shape.size();
  return {step.dtype,
          step.c.has_value(),
          vector_bytes,
          {known(step.shape[rank - 2]), known(step.shape[rank - 1]), known(step.k),
           known(step.a.strides[rank - 2]), known(step.a.strides[rank - 1]),
           known(step.b.strides[rank - 2]), known(step.b.strides[rank - 1]), known(step.out_row)}};
}

} // namespace

void Program::render_contractions() {
  for (const plan::Step& step : plan_.steps) {
    const auto* c = std::get_if<plan::ContractionStep>(&step.what);
    if (!c) continue;
    const codegen::ContractionShape shape = product_shape(*c, vector_bytes_);
    if (std::ranges::find(contraction_texts_, shape, &ContractionTexts::shape) !=
        contraction_texts_.end())
      continue;
    ContractionTexts& texts = contraction_texts_.emplace_back(shape);
    for (ContractionScheme scheme : codegen::possible_schemes(shape)) {
      texts.of_scheme[static_cast<std::size_t>(scheme)] = static_cast<int>(texts_.size());
      texts_.push_back({codegen::render_contraction(shape, scheme).text, "contraction"});
      notes_.emplace_back();
    }
  }
}

void Program::bind_contraction(const plan::ContractionStep& c, BoundStep& s) {
  s.product = product_shape(c, vector_bytes_);
  const auto texts = std::ranges::find(contraction_texts_, s.product, &ContractionTexts::shape);
  for (std::size_t i = 0; i < s.schemes.size(); ++i)
    if (const int text = texts->of_scheme[i]; text >= 0)
      s.schemes[i] = loaded_[static_cast<std::size_t>(text)].entry;
  if (const auto schemes = codegen::possible_schemes(s.product); schemes.size() == 1)
    s.scheme = schemes.front();
  if (const auto sizes = s.product.known_sizes())
    s.work_bytes = codegen::contraction_work_bytes(s.product, *s.scheme, *sizes, threads_);
  s.a = bind(c.a);
  s.b = bind(c.b);
  if (c.alpha) s.alpha = bind(*c.alpha);
  s.out = c.out;
  s.so_far = c.c.value_or(-1);
  s.out_row = sizes_.slot(c.out_row);
  s.shape = slots_of(c.shape);
  s.k = sizes_.slot(c.k);
}

void Program::run_contraction(const BoundStep& s, Frame& f, const Runtime* runtime) const {
  auto size = [&](int slot) { return f.sizes[static_cast<std::size_t>(slot)]; };
  const std::size_t rank = s.shape.size();
  const codegen::ContractionSizes<std::int64_t> sizes{size(s.shape[rank - 2]),
                                                      size(s.shape[rank - 1]),
                                                      size(s.k),
                                                      size(s.a.strides[rank - 2]),
                                                      size(s.a.strides[rank - 1]),
                                                      size(s.b.strides[rank - 2]),
                                                      size(s.b.strides[rank - 1]),
                                                      size(s.out_row)};
  std::int64_t batches = 1;
  for (std::size_t i = 0; i + 2 < rank; ++i) batches *= size(s.shape[i]);
  const auto item = static_cast<std::int64_t>(item_size(s.product.dtype));
  const std::int64_t bytes = sizes.m * sizes.c_row * item; // of one batch's result
  std::byte* out = f.buffers[static_cast<std::size_t>(s.out)];
  if (s.so_far >= 0 && s.so_far != s.out)
    std::memcpy(out, f.buffers[static_cast<std::size_t>(s.so_far)],
                static_cast<std::size_t>(batches * bytes));
  if (bytes == 0) return;

  auto element = [&](const BoundOperand& o, std::int64_t batch) {
    std::int64_t at = size(o.offset);
    for (std::size_t i = rank - 2; i-- > 0;) {
      const std::int64_t d = size(s.shape[i]);
      at += batch % d * size(o.strides[i]);
      batch /= d;
    }
    return f.buffers[static_cast<std::size_t>(o.buffer)] + at * item;
  };
  const void* alpha = s.so_far < 0 ? nullptr
                                   : f.buffers[static_cast<std::size_t>(s.alpha.buffer)] +
                                         size(s.alpha.offset) * item;
  const codegen::ContractionShape& shape = s.product;
  if (is_for_library(shape, sizes)) {
    for (std::int64_t i = 0; i < batches; ++i)
      library_product(shape, sizes, element(s.a, i), element(s.b, i), out + i * bytes, alpha);
    return;
  }
  const ContractionScheme scheme = s.scheme ? *s.scheme : codegen::contraction_scheme(shape, sizes);
  const KernelEntry entry = s.schemes[static_cast<std::size_t>(scheme)];
  const std::int64_t work_bytes =
      s.work_bytes >= 0 ? s.work_bytes
                        : codegen::contraction_work_bytes(shape, scheme, sizes, threads_);
  std::byte* work =
      work_bytes > 0 ? f.scratch.reserve(static_cast<std::size_t>(work_bytes)) : nullptr;
  const auto arguments = sizes.in_order();
  for (std::int64_t i = 0; i < batches; ++i) {
    void* buffers[] = {element(s.a, i), element(s.b, i), out + i * bytes, const_cast<void*>(alpha),
                       work};
    entry(runtime, buffers, arguments.data());
  }
}

} // namespace kroton::jit
