/// The matrix products and scatter-adds of a call on a device.
#include <algorithm>
#include <bit>

#include "jit/cuda/call.hpp"

namespace kroton::jit::cuda {
namespace {

/// Batches that one launch computes: their operands lie at equal distances.
struct Run {
  std::int64_t batches = 1;
  std::int64_t a_batch = 0, b_batch = 0; ///< in elements
  std::size_t axes = 0;                  ///< innermost batch axes that it covers
};

/// Of the batch axes, innermost first, as many as can be walked as one.
Run regular_run(std::span<const std::int64_t> shape, std::span<const std::int64_t> a,
                std::span<const std::int64_t> b) {
  Run run;
  for (std::size_t i = shape.size(); i-- > 0; ++run.axes) {
    if (shape[i] == 1) continue;
    if (run.batches == 1) {
      run.a_batch = a[i];
      run.b_batch = b[i];
    } else if (a[i] != run.a_batch * run.batches || b[i] != run.b_batch * run.batches) {
      break;
    }
    run.batches *= shape[i];
  }
  return run;
}

/// Bytes that divide the place of every matrix of an operand, 16 at most.
unsigned alignment_of(std::int64_t offset, std::span<const std::int64_t> batch_strides,
                      std::size_t item) {
  std::uint64_t bits = kernel_alignment | static_cast<std::uint64_t>(offset) * item;
  for (std::int64_t s : batch_strides) bits |= static_cast<std::uint64_t>(s) * item;
  return 1U << std::countr_zero(bits);
}

} // namespace

CudaProgram::Product CudaProgram::product_of(const BoundPlan::Step& s, const Frame& f) const {
  const auto at = [&](int slot) { return size(f, slot); };
  const std::size_t rank = s.shape.size(), batch_axes = rank - 2;
  const Shape shape = shape_of(s.shape, f), a = shape_of(s.a.strides, f),
              b = shape_of(s.b.strides, f);
  const auto batch = [&](const Shape& of) { return std::span(of).first(batch_axes); };
  const Run run = regular_run(batch(shape), batch(a), batch(b));
  Product p;
  p.item = item_size(s.product.dtype);
  p.a_offset = at(s.a.offset);
  p.b_offset = at(s.b.offset);
  const std::int64_t m = shape[rank - 2], n = shape[rank - 1], c_row = at(s.out_row);
  p.sizes = {m,           n,     at(s.k),     a[rank - 2], a[rank - 1], b[rank - 2],
             b[rank - 1], c_row, run.batches, run.a_batch, run.b_batch, m * c_row};
  for (std::size_t i = 0; i < batch_axes - run.axes; ++i) p.outer.push_back({shape[i], a[i], b[i]});
  p.runs = 1;
  for (const Product::Axis& axis : p.outer) p.runs *= axis.size;
  p.out_bytes = static_cast<std::size_t>(p.runs * run.batches * m * c_row) * p.item;
  const LtShape large{.dtype = s.product.dtype,
                      .accumulates = s.so_far >= 0,
                      .allows_tf32 = allows_tf32_,
                      .m = m,
                      .n = n,
                      .k = at(s.k),
                      .a_row = a[rank - 2],
                      .a_col = a[rank - 1],
                      .b_row = b[rank - 2],
                      .b_col = b[rank - 1],
                      .c_row = c_row,
                      .batches = run.batches,
                      .a_batch = run.a_batch,
                      .b_batch = run.b_batch,
                      .c_batch = m * c_row,
                      .a_alignment = alignment_of(p.a_offset, batch(a), p.item),
                      .b_alignment = alignment_of(p.b_offset, batch(b), p.item)};
  if (is_for_library(large)) ask_library(s, large, p, f);
  return p;
}

/// Takes the library's product, with the epilogue if it is one that the library has and takes.
void CudaProgram::ask_library(const BoundPlan::Step& s, const LtShape& shape, Product& p,
                              const Frame& f) const {
  const BlasLt* lt = blaslt();
  if (!lt) return;
  if (s.known.out >= 0 && p.runs == 1) {
    LtShape with = shape;
    with.activation = s.known.activation;
    with.c_row = size(f, s.known.out_row);
    with.c_batch = with.m * with.c_row;
    if (s.known.bias >= 0) {
      with.has_bias = true;
      p.bias_offset = size(f, s.known.bias_offset);
      with.bias_alignment = alignment_of(p.bias_offset, {}, p.item);
    }
    p.by_library = lt->plan(gpu_, with);
    p.has_epilogue = p.by_library != nullptr;
  }
  if (!p.by_library) p.by_library = lt->plan(gpu_, shape);
}

/// See codegen/cuda_contraction.hpp for the kernels' arguments.
void CudaProgram::Call::contract(std::size_t step, Sink& sink) {
  const BoundStep& bound = p_.steps_[step];
  const BoundPlan::Step& s = *bound.step;
  Product& p = f_.products[static_cast<std::size_t>(bound.product)];
  const auto buffer = [&](int b) { return f_.buffers[static_cast<std::size_t>(b)]; };
  const auto element = [&](Address base, std::int64_t at) {
    return base + static_cast<Address>(at) * p.item;
  };
  if (p.out_bytes == 0) return;
  // A generated kernel that does not keep the product takes what it adds to from where that lies.
  const bool is_in_memory = p.by_library || s.keeps_product;
  const Address out = buffer(p.has_epilogue                 ? s.known.out
                             : is_in_memory || s.so_far < 0 ? s.out
                                                            : s.so_far);
  if (s.so_far >= 0 && s.so_far != s.out && is_in_memory)
    p_.gpu_.check(sink.copy(out, buffer(s.so_far), p.out_bytes), "copying on the device");

  LtOperands o{.alpha =
                   s.so_far < 0 ? 0 : element(buffer(s.alpha.buffer), size(f_, s.alpha.offset))};
  if (p.has_epilogue && s.known.bias >= 0) o.bias = element(buffer(s.known.bias), p.bias_offset);
  std::vector<void*> parameters{&o.a, &o.b, &o.c};
  if (s.so_far >= 0) parameters.push_back(&o.alpha);
  Address scratch = f_.scratch_addresses[step];
  if (s.scratch >= 0) parameters.push_back(&scratch);
  for (std::int64_t& v : p.sizes) parameters.push_back(&v);
  std::int64_t first = 0; // product of the launch
  void** const of_epilogue = f_.parameters.data() + f_.first_parameter[step];
  if (!bound.epilogue.empty()) {
    parameters.push_back(&first);
    parameters.insert(parameters.end(), of_epilogue, of_epilogue + s.buffers.size() + s.sizes);
  }
  for (std::int64_t i = 0; i < p.runs; ++i) {
    std::int64_t a_at = p.a_offset, b_at = p.b_offset, rest = i;
    for (auto axis = p.outer.rbegin(); axis != p.outer.rend(); ++axis) {
      a_at += rest % axis->size * axis->a_stride;
      b_at += rest % axis->size * axis->b_stride;
      rest /= axis->size;
    }
    o.a = element(buffer(s.a.buffer), a_at);
    o.b = element(buffer(s.b.buffer), b_at);
    o.c = out + static_cast<Address>(i) * (p.out_bytes / static_cast<std::size_t>(p.runs));
    if (p.by_library) {
      p_.gpu_.check(
          sink.put([&](Stream stream) { p.by_library->launch(p_.gpu_, o, scratch, stream); }),
          "multiplying matrices");
      continue;
    }
    first = i * p.batches();
    for (std::size_t k = 0; k < bound.stages.size(); ++k)
      launch(bound.first_stage + k, parameters.data(), sink);
  }
  if (!p.by_library || p.has_epilogue) return;
  for (std::size_t k = 0; k < bound.epilogue.size(); ++k)
    launch(bound.first_stage + bound.stages.size() + k, of_epilogue, sink);
}

/// What a scatter-add adds to.
void CudaProgram::Call::clear_result(std::size_t step, Sink& sink) {
  const int out = p_.steps_[step].step->out;
  const BoundPlan::BufferType& t = p_.bound_.buffers[static_cast<std::size_t>(out)];
  std::size_t nbytes = item_size(t.dtype);
  for (int slot : t.shape) nbytes *= static_cast<std::size_t>(size(f_, slot));
  if (nbytes > 0)
    p_.gpu_.check(sink.clear(f_.buffers[static_cast<std::size_t>(out)], nbytes), "clearing memory");
}

} // namespace kroton::jit::cuda
