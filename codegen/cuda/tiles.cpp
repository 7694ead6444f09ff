/// Transposes, and what goes with them: a square of what is read along another axis than it is
/// written goes through shared memory, so that both sides reach memory in whole lines.
#include <algorithm>

#include "codegen/cuda/kernel.hpp"

namespace kroton::codegen {
namespace dims = ir::dims;
namespace {

constexpr int threads = CudaTiles::threads, side = CudaTiles::side, passes = side * side / threads;

/// The element of a tile of axes `across` and last; lanes run along the last axis, or with
/// `is_turned` along the other.
void emit_place(CudaKernel& k, int across, bool is_turned) {
  const int last = k.last_axis();
  k.line(0, "#pragma unroll");
  k.line(1, fmt::format("for (i32 pass = 0; pass < {}; ++pass) {{", passes));
  k.line(2, fmt::format("const i32 y = threadIdx.x / {} + pass * {};", side, threads / side));
  k.line(2, fmt::format("const i64 i{0} = i{0}_from + {1}, i{2} = i{2}_from + {3};", across,
                        is_turned ? "x" : "y", last, is_turned ? "y" : "x"));
  k.line(2, fmt::format("if (i{} >= {} || i{} >= {}) continue;", across, k.dim_text(k.axis(across)),
                        last, k.dim_text(k.axis(last))));
}

} // namespace

void write_tiles(CudaKernel& k, const CudaTiles& schedule) {
  const std::vector<int>& turned = schedule.turned;
  const int last = k.last_axis(), across = schedule.across;
  std::vector<int> others = CudaKernel::axes_between(0, last);
  std::erase(others, across);
  const auto tiles_along = [&](int a) {
    return dims::floor_div(dims::add(k.axis(a), Dim(side - 1)), Dim(side));
  };

  k.open_entry("kernel", threads);
  for (int id : turned)
    k.line(1, fmt::format("__shared__ {} t{}[{}][{}];", CudaKernel::type_name(k.value(id).dtype),
                          id, side, side + 1));
  k.emit_values(k.kernel().prologue, 1);
  for (int a : {across, last})
    k.line(1, fmt::format("const i64 tiles{} = ({} + {}) / {};", a, k.dim_text(k.axis(a)), side - 1,
                          side));
  const auto emit_from = [&](const std::string& of, const std::string& rest, int a) {
    k.line(1, fmt::format("const i64 {} = whole_quotient({}, tiles{});", rest, of, a));
    k.line(1,
           fmt::format("const i64 i{0}_from = ({1} - {2} * tiles{0}) * {3};", a, of, rest, side));
  };
  emit_from("blockIdx.x", "row", last);
  emit_from("row", "other", across);
  k.emit_positions(others, "other", 1);
  k.line(1, fmt::format("const i32 x = threadIdx.x % {};", side));

  emit_place(k, across, true);
  for (int id : turned)
    k.line(2, fmt::format("t{}[y][x] = {};", id,
                          CudaKernel::loaded(k.value(id), k.element(k.value(id).access))));
  k.line(1, "}");
  k.line(1, "__syncthreads();");
  emit_place(k, across, false);
  for (int id : turned) k.set_place(k.value(id).access, fmt::format("t{}[x][y]", id));
  for (const Stage& s : k.kernel().stages) {
    k.emit_block(s.row, 2);
    k.emit_block(s.loop, 2);
    k.emit_block_stores(s.loop, "", 2);
  }
  k.clear_places();
  k.line(1, "}");
  k.line(0, "}");
  k.launches.push_back(
      {.entry = "kernel",
       .threads = threads,
       .units = dims::mul(k.count(others), dims::mul(tiles_along(across), tiles_along(last)))});
}

} // namespace kroton::codegen
