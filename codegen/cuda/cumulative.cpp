/// Running sums as CUDA C++. Arguments:
///   pointers  out, x
///   i64       outer, n, inner (elements before, on and behind the axis), from_end (0 or 1)
///
/// A block has a line where elements of a line are neighbours: it adds up 256 of them at a time,
/// and carries the sum on. Otherwise a thread has a line, and its neighbours have the lines beside
/// it. f32 is added up in f64.
#include "codegen/cuda/library.hpp"
#include "codegen/cuda/pattern.hpp"
#include "codegen/loop/expression.hpp"

namespace kroton::codegen {
namespace dims = ir::dims;
namespace {

constexpr std::string_view text = R"(
extern "C" __global__ void __launch_bounds__(256) cumsum_rows(global<{T}> out, global<const {T}> x, i64 outer, i64 n, i64 inner, i64 from_end) {
  __shared__ {S} sums[256];
  const i32 mine = threadIdx.x;
  for (i64 line = blockIdx.x; line < outer; line += gridDim.x) {
    {S} carried = 0;
    for (i64 first = 0; first < n; first += 256) {
      const i64 at = first + mine, place = line * n + (from_end ? n - 1 - at : at);
      sums[mine] = at < n ? ({S})x[place] : ({S})0;
      __syncthreads();
      for (i32 distance = 1; distance < 256; distance *= 2) {
        const {S} before = mine >= distance ? sums[mine - distance] : ({S})0;
        __syncthreads();
        sums[mine] += before;
        __syncthreads();
      }
      if (at < n) out[place] = ({T})(carried + sums[mine]);
      carried += sums[255];
      __syncthreads();
    }
  }
}

extern "C" __global__ void __launch_bounds__(256) cumsum_lines(global<{T}> out, global<const {T}> x, i64 outer, i64 n, i64 inner, i64 from_end) {
  const i64 all = outer * inner;
  for (i64 line = (i64)blockIdx.x * 256 + threadIdx.x; line < all; line += (i64)gridDim.x * 256) {
    const i64 row = line / inner, origin = row * n * inner + (line - row * inner);
    {S} sum = 0;
    for (i64 j = 0; j < n; ++j) {
      const i64 place = origin + (from_end ? n - 1 - j : j) * inner;
      sum += ({S})x[place];
      out[place] = ({T})sum;
    }
  }
}
)";

} // namespace

CudaCall render_cuda_cumsum(const plan::Plan& plan, const plan::LibraryStep& step) {
  constexpr std::int64_t most_blocks = 65536;
  const DType dtype = plan.buffers[static_cast<std::size_t>(step.results[0].memory.buffer)].dtype;
  // Integers wrap.
  const std::string sum = is_float(dtype) ? "f64" : item_size(dtype) == 4 ? "u32" : "u64";
  CudaCall call{
      with_prelude(fmt::format("// running sums of {}\n", to_string(dtype)),
                   with_values(text, {{"{T}", Expressions::type_name(dtype)}, {"{S}", sum}}))};
  const Dim &outer = step.numbers[0], &inner = step.numbers[2];
  call.text.launches = {{.entry = "cumsum_rows",
                         .units = dims::mul(outer, inner),
                         .most_blocks = most_blocks,
                         .selector = inner,
                         .selector_limit = 1},
                        {.entry = "cumsum_lines",
                         .units = dims::mul(outer, inner),
                         .units_per_block = 256,
                         .most_blocks = most_blocks}};
  return call;
}

} // namespace kroton::codegen
