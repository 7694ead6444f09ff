/// Transposes, and what goes with them: a square of what is read along another axis than it is
/// written goes through shared memory, so that both sides reach memory in whole lines.
#include <algorithm>

#include "codegen/cuda/kernel.hpp"

namespace kroton::codegen {
namespace dims = ir::dims;
namespace {

constexpr int threads = 256, side = 32, passes = side * side / threads;

/// The axis other than the last that a load walks element by element, where the last one does not;
/// -1 if there is none.
int turned_axis(const CudaKernel& k, const Value& v) {
  const int last = k.last_axis();
  if (v.kind != ValueKind::load || v.access->param < 0 || !v.access->computed.empty() ||
      k.is_written(v.access))
    return -1;
  const Dim step = step_along(v.access, last);
  if (step.is(0) || step.is(1) || step.is(-1)) return -1;
  for (int a = 0; a < last; ++a) {
    const Dim other = step_along(v.access, a);
    if (other.is(1) || other.is(-1)) return a;
  }
  return -1;
}

/// The loads that are turned, all of them along the axis of the first.
std::vector<int> turned_loads(const CudaKernel& k) {
  std::vector<int> found;
  for (const Stage& s : k.kernel().stages)
    for (int id : s.loop.values) {
      const int a = turned_axis(k, k.value(id));
      if (a >= 0 && (found.empty() || a == turned_axis(k, k.value(found[0])))) found.push_back(id);
    }
  return found;
}

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

bool is_for_tiles(const CudaKernel& k) {
  constexpr std::size_t most = 4; // of shared memory
  if (!k.has_inner() || !is_for_elements(k)) return false;
  const std::size_t turned = turned_loads(k).size();
  const bool stores_rows = std::ranges::all_of(k.kernel().stages, [&](const Stage& s) {
    return std::ranges::all_of(
        s.loop.stores, [&](const Store& o) { return step_along(o.access, k.last_axis()).is(1); });
  });
  return turned > 0 && turned <= most && stores_rows;
}

void write_tiles(CudaKernel& k) {
  const std::vector<int> turned = turned_loads(k);
  const int last = k.last_axis(), across = turned_axis(k, k.value(turned[0]));
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
