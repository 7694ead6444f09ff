/// The matrix products and scatter-adds of a call on a device.
#include <array>

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

} // namespace

/// See codegen/cuda_contraction.hpp for the kernels' arguments.
void CudaProgram::Call::contract(std::size_t step, Stream stream) {
  const BoundStep& bound = p_.steps_[step];
  const BoundPlan::Step& s = *bound.step;
  const auto size = [&](int slot) { return Program::size(f_, slot); };
  const auto sizes_of = [&](const std::vector<int>& slots) { return shape_of(slots, f_); };
  const std::size_t rank = s.shape.size(), batch_axes = rank - 2;
  const Shape shape = sizes_of(s.shape), a_strides = sizes_of(s.a.strides),
              b_strides = sizes_of(s.b.strides);
  const auto item = item_size(s.product.dtype);
  const auto element = [&](const BoundPlan::Operand& o) {
    return f_.buffers[static_cast<std::size_t>(o.buffer)] +
           static_cast<std::size_t>(size(o.offset)) * item;
  };
  const std::int64_t m = shape[rank - 2], n = shape[rank - 1], c_row = size(s.out_row);
  std::int64_t batches = 1;
  for (std::size_t i = 0; i < batch_axes; ++i) batches *= shape[i];
  const Address out = f_.buffers[static_cast<std::size_t>(s.out)];
  const auto out_bytes = static_cast<std::size_t>(batches * m * c_row) * item;
  if (out_bytes == 0 || n == 0) return;
  if (s.so_far >= 0 && s.so_far != s.out)
    p_.gpu_.check(driver().cuMemcpyDtoDAsync_v2(out, f_.buffers[static_cast<std::size_t>(s.so_far)],
                                                out_bytes, stream),
                  "copying on the device");

  const Run run =
      regular_run(std::span(shape).first(batch_axes), std::span(a_strides).first(batch_axes),
                  std::span(b_strides).first(batch_axes));
  const std::size_t outer_axes = batch_axes - run.axes;
  std::array<std::int64_t, 12> sizes{m,
                                     n,
                                     size(s.k),
                                     a_strides[rank - 2],
                                     a_strides[rank - 1],
                                     b_strides[rank - 2],
                                     b_strides[rank - 1],
                                     c_row,
                                     run.batches,
                                     run.a_batch,
                                     run.b_batch,
                                     m * c_row};
  Address a = 0, b = 0, c = 0, alpha = s.so_far >= 0 ? element(s.alpha) : 0;
  std::vector<void*> parameters{&a, &b, &c};
  if (s.so_far >= 0) parameters.push_back(&alpha);
  if (s.scratch >= 0) parameters.push_back(&f_.scratch_address);
  for (std::int64_t& v : sizes) parameters.push_back(&v);
  for (std::int64_t i = 0; i < batches / run.batches; ++i) {
    std::int64_t a_at = 0, b_at = 0;
    for (std::int64_t rest = i, axis = static_cast<std::int64_t>(outer_axes); axis-- > 0;) {
      const auto x = static_cast<std::size_t>(axis);
      a_at += rest % shape[x] * a_strides[x];
      b_at += rest % shape[x] * b_strides[x];
      rest /= shape[x];
    }
    a = element(s.a) + static_cast<Address>(a_at) * item;
    b = element(s.b) + static_cast<Address>(b_at) * item;
    c = out + static_cast<Address>(i * run.batches * m * c_row) * item;
    for (std::size_t k = 0; k < bound.stages.size(); ++k)
      launch(step, bound.first_stage + k, parameters.data(), stream);
  }
}

/// What a scatter-add adds to.
void CudaProgram::Call::clear_result(std::size_t step, Stream stream) {
  const int out = p_.steps_[step].step->out;
  const BoundPlan::BufferType& t = p_.bound_.buffers[static_cast<std::size_t>(out)];
  std::size_t nbytes = item_size(t.dtype);
  for (int slot : t.shape) nbytes *= static_cast<std::size_t>(size(f_, slot));
  if (nbytes > 0)
    p_.gpu_.check(
        driver().cuMemsetD8Async(f_.buffers[static_cast<std::size_t>(out)], 0, nbytes, stream),
        "clearing memory");
}

} // namespace kroton::jit::cuda
