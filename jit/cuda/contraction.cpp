/// The matrix products and library calls of a call on a device.
#include <algorithm>
#include <bit>

#include "jit/cuda/call.hpp"

namespace kroton::jit::cuda {
namespace {

/// Batches that one launch computes: their operands are at equal distances.
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

const bound::DeviceEpilogue::Known* known_epilogue(const bound::DeviceProduct& p) {
  return p.epilogue && p.epilogue->known ? &*p.epilogue->known : nullptr;
}

} // namespace

CudaProgram::Product CudaProgram::product_of(const bound::DeviceProduct& step,
                                             const Frame& f) const {
  const bound::Product& s = step.product;
  const auto at = [&](int slot) { return size(f, slot); };
  const std::size_t rank = s.shape.size(), batch_axes = rank - 2;
  const Shape shape = shape_of(s.shape, f), a = shape_of(s.a.strides, f),
              b = shape_of(s.b.strides, f);
  const auto batch = [&](const Shape& of) { return std::span(of).first(batch_axes); };
  const Run run = regular_run(batch(shape), batch(a), batch(b));
  Product p;
  p.item = item_size(s.known.dtype);
  p.a_offset = at(s.a.offset);
  p.b_offset = at(s.b.offset);
  const std::int64_t m = shape[rank - 2], n = shape[rank - 1], c_row = at(s.out_row);
  p.sizes = {m,           n,     at(s.k),     a[rank - 2], a[rank - 1], b[rank - 2],
             b[rank - 1], c_row, run.batches, run.a_batch, run.b_batch, m * c_row};
  for (std::size_t i = 0; i < batch_axes - run.axes; ++i) p.outer.push_back({shape[i], a[i], b[i]});
  p.runs = 1;
  for (const Product::Axis& axis : p.outer) p.runs *= axis.size;
  p.out_bytes = static_cast<std::size_t>(p.runs * run.batches * m * c_row) * p.item;
  const LtShape large{.dtype = s.known.dtype,
                      .accumulates = s.addend.has_value(),
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
  if (is_for_library(large)) ask_library(step, large, p, f);
  return p;
}

/// Takes the library's product, with the epilogue if it is one that the library has and takes.
void CudaProgram::ask_library(const bound::DeviceProduct& s, const LtShape& shape, Product& p,
                              const Frame& f) const {
  const BlasLt* lt = blaslt();
  if (!lt) return;
  if (const auto* known = known_epilogue(s); known && p.runs == 1) {
    LtShape with = shape;
    with.activation = known->activation;
    with.c_row = size(f, known->out_row);
    with.c_batch = with.m * with.c_row;
    if (known->bias) {
      with.has_bias = true;
      p.bias_offset = size(f, known->bias->offset);
      with.bias_alignment = alignment_of(p.bias_offset, {}, p.item);
    }
    p.by_library = lt->plan(gpu_, with);
    p.has_epilogue = p.by_library != nullptr;
  }
  if (!p.by_library) p.by_library = lt->plan(gpu_, shape);
}

/// See codegen/cuda/contraction.hpp for the kernels' arguments.
void CudaProgram::Call::contract(std::size_t step, const bound::DeviceProduct& product,
                                 Sink& sink) {
  const BoundStep& bound = p_.steps_[step];
  const bound::Product& s = product.product;
  const bound::DeviceEpilogue::Known* known = known_epilogue(product);
  Product& p = f_.products[static_cast<std::size_t>(*bound.product)];
  const auto buffer = [&](int b) { return f_.buffers[static_cast<std::size_t>(b)]; };
  const auto element = [&](Address base, std::int64_t at) {
    return base + static_cast<Address>(at) * p.item;
  };
  if (p.out_bytes == 0) return;
  // A generated kernel that does not keep the product takes what it adds to from where that is.
  const bool is_in_memory = p.by_library || !product.epilogue || product.epilogue->keeps_product;
  const Address out = buffer(p.has_epilogue              ? known->out
                             : is_in_memory || !s.addend ? s.out
                                                         : s.addend->buffer);
  if (s.addend && s.addend->buffer != s.out && is_in_memory)
    p_.gpu_.check(sink.copy(out, buffer(s.addend->buffer), p.out_bytes), "copying on the device");

  LtOperands o;
  if (s.addend) o.alpha = element(buffer(s.addend->alpha.buffer), size(f_, s.addend->alpha.offset));
  if (p.has_epilogue && known->bias) o.bias = element(buffer(known->bias->buffer), p.bias_offset);
  std::vector<void*> parameters{&o.a, &o.b, &o.c};
  if (s.addend) parameters.push_back(&o.alpha);
  Address scratch = f_.scratch_addresses[step];
  if (bound.step->scratch) parameters.push_back(&scratch);
  for (std::int64_t& v : p.sizes) parameters.push_back(&v);
  std::int64_t first = 0; // product of the launch
  void** const of_epilogue = f_.parameters.data() + f_.first_parameter[step];
  if (!bound.epilogue.empty()) {
    parameters.push_back(&first);
    const bound::Arguments& arguments = product.epilogue->arguments;
    parameters.insert(parameters.end(), of_epilogue,
                      of_epilogue + arguments.buffers.size() + arguments.sizes);
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

/// Fills a dense array of a call with zeros.
void CudaProgram::Call::clear(const bound::CallArray& array, Sink& sink) {
  const auto buffer = static_cast<std::size_t>(array.memory.buffer);
  std::size_t nbytes = item_size(p_.bound_.buffers[buffer].dtype);
  for (int slot : array.shape) nbytes *= static_cast<std::size_t>(size(f_, slot));
  if (nbytes > 0) p_.gpu_.check(sink.clear(f_.buffers[buffer], nbytes), "clearing memory");
}

} // namespace kroton::jit::cuda
