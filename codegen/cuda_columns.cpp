/// Folds over rows: the lanes of a warp have neighbouring columns, a block's warps and the blocks
/// share the rows.
#include <algorithm>

#include "codegen/cuda_kernel.hpp"

namespace kroton::codegen {
namespace dims = ir::dims;
namespace {

constexpr int threads = 256, warps = threads / 32;
/// Columns of a thread, 32 apart, and of a block.
constexpr int columns = 4, tile = 32 * columns;
/// Rows that are worth a block, and the blocks that the largest devices can use.
constexpr int fewest_rows = 8 * warps;
constexpr std::int64_t most_blocks = 2048;
/// Below this many columns a team of a few threads walks each row.
constexpr std::int64_t fewest_columns = 32;

} // namespace

bool is_for_columns(const CudaKernel& k) {
  const Kernel& kernel = k.kernel();
  if (kernel.rows != 1 || kernel.axes.size() != 2 || kernel.stages.size() != 1) return false;
  const Stage& s = kernel.stages[0];
  const Dim& n = k.axis(1);
  return !(n.is_static() && n.value() <= fewest_columns) && s.row.stores.empty() &&
         s.loop.stores.empty() && std::ranges::all_of(s.reductions, [&](int r) {
           return k.reduction(r).is_outer && k.reduction(r).reduced.empty() &&
                  !k.reduction(r).kept.empty();
         });
}

void write_columns(CudaKernel& k) {
  const Kernel& kernel = k.kernel();
  const Stage& s = kernel.stages[0];
  const std::string n0 = k.dim_text(k.axis(0)), n1 = k.dim_text(k.axis(1));
  const Dim tiles =
      dims::max(Dim(1), dims::floor_div(dims::add(k.axis(1), Dim(tile - 1)), Dim(tile)));
  const Dim wanted = dims::floor_div(dims::add(k.axis(0), Dim(fewest_rows - 1)), Dim(fewest_rows));
  const Dim splits = dims::max(Dim(1), dims::min(wanted, dims::floor_div(Dim(most_blocks), tiles)));

  k.plan_scratch(splits, false);
  k.open_entry("kernel", threads);
  k.line(1, fmt::format("const i64 wanted = ({} + {}) / {};", n1, tile - 1, tile));
  k.line(1, "const i64 tiles = wanted > 1 ? wanted : 1;");
  k.line(1, "const i64 splits = gridDim.x / tiles, split = whole_quotient(blockIdx.x, tiles);");
  k.line(1, fmt::format("const i64 from = (blockIdx.x - split * tiles) * {};", tile));
  k.emit_scratch("splits", false, 1);
  k.emit_block_count("splits", 1);
  k.emit_values(kernel.prologue, 1);
  k.line(1, fmt::format("constexpr i32 E = {};", columns));
  for (int r : s.reductions) k.emit_start(r, "[E]", 1);

  k.line(0, "#pragma unroll 4");
  k.line(1, fmt::format(
                "for (i64 i0 = split * {0} + threadIdx.x / 32; i0 < {1}; i0 += splits * {0}) {{",
                warps, n0));
  k.emit_block(s.row, 2);
  k.line(2, fmt::format("each<team<32>, E>(from, {}, [&](i64 i1, bool m, i32 e) {{", n1));
  for (int id : s.loop.values) k.emit_masked_value(id, "m", 3);
  for (int r : s.reductions)
    k.emit_masked_fold(r, CudaKernel::result_name(r) + "[e]", k.best_name(r) + "[e]", "", 3);
  k.line(2, "});");
  k.line(1, "}");

  for (int r : s.reductions) {
    k.line(0, "#pragma unroll");
    k.line(1, "for (i32 e = 0; e < E; ++e) {");
    k.emit_combined(r, "team<32>::across", CudaKernel::result_name(r) + "[e]",
                    k.best_name(r) + "[e]", 2);
    k.line(1, "}");
  }
  k.line(1, "if (threadIdx.x < 32)");
  k.line(2, fmt::format("each<team<32>, E>(from, {}, [&](i64 i1, bool m, i32 e) {{", n1));
  k.line(3, "if (!m) return;");
  k.emit_partial_stores(s.reductions, "[e]", "split", 3);
  k.line(2, "});");
  k.line(0, "}");
  k.clear_places();
  k.launches.push_back(
      {.entry = "kernel", .threads = threads, .units = dims::mul(tiles, splits), .always = true});
}

} // namespace kroton::codegen
