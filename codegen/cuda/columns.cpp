/// Folds over rows: a thread has four neighbouring columns, a team of up to a warp has a row, and a
/// block's teams and the blocks share the rows.
#include <algorithm>
#include <set>

#include "codegen/cuda/kernel.hpp"

namespace kroton::codegen {
namespace dims = ir::dims;
namespace {

constexpr int threads = CudaColumns::threads, columns = CudaColumns::columns,
              tile = CudaColumns::tile;

class Columns {
public:
  Columns(CudaKernel& k, const CudaColumns& schedule)
      : k_(k), s_(schedule), kernel_(k.kernel()), stage_(kernel_.stages[0]),
        n0_(k.dim_text(k.axis(0))), n1_(k.dim_text(k.axis(1))) {}

  void run() {
    const Dim tiles =
        dims::max(Dim(1), dims::floor_div(dims::add(k_.axis(1), Dim(tile - 1)), Dim(tile)));
    // Of the rows, those that the teams of a block have.
    constexpr int of_block = CudaColumns::fewest_rows * threads;
    const Dim lanes = CudaKernel::fitting_lanes(k_.axis(1), columns);
    const Dim wanted =
        dims::floor_div(dims::add(dims::mul(k_.axis(0), lanes), Dim(of_block - 1)), Dim(of_block));
    const Dim splits =
        dims::max(Dim(1), dims::min(wanted, dims::floor_div(Dim(CudaColumns::most_blocks), tiles)));
    k_.plan_scratch(splits, false);
    write_entry();
    k_.launches.push_back(
        {.entry = "kernel", .threads = threads, .units = dims::mul(tiles, splits), .always = true});
  }

private:
  bool is_window(int id) const { return std::ranges::find(s_.windows, id) != s_.windows.end(); }
  std::string window_name(int id) const { return fmt::format("w{}", id); }

  /// Whether windows can be read at once; empty if they never can.
  std::string condition() const {
    if (!s_.reads_windows) return "";
    std::vector<std::string> unknown, all;
    for (const Dim& d : s_.multiples) {
      const std::string text = k_.dim_text(d);
      if (!d.is_static() && std::ranges::find(unknown, text) == unknown.end())
        unknown.push_back(text);
    }
    if (!unknown.empty())
      all.push_back(unknown.size() == 1
                        ? fmt::format("{} % {} == 0", unknown[0], columns)
                        : fmt::format("({}) % {} == 0", fmt::join(unknown, " | "), columns));
    std::set<int> params;
    for (int id : s_.windows)
      if (const int p = k_.value(id).access->param; params.insert(p).second)
        all.push_back(fmt::format("is_aligned<{}>(read({}))", columns, k_.param_name(p)));
    return fmt::format("{}", fmt::join(all, " && "));
  }

  void write_entry() {
    k_.open_entry("kernel", threads, s_.blocks_of_multiprocessor);
    k_.line(1, fmt::format("constexpr i32 E = {};", columns));
    k_.line(1, fmt::format("const fitting_team team({}, E);", n1_));
    k_.line(1, fmt::format("const i64 wanted = ({} + {}) / {};", n1_, tile - 1, tile));
    k_.line(1, "const i64 tiles = wanted > 1 ? wanted : 1;");
    k_.line(1, "const i64 splits = gridDim.x / tiles, split = whole_quotient(blockIdx.x, tiles);");
    k_.line(1, fmt::format("const i64 i1 = (blockIdx.x - split * tiles) * {} + team.rank() * E;",
                           tile));
    k_.emit_scratch("splits", false, 1);
    k_.emit_block_count("splits", 1);
    k_.emit_values(kernel_.prologue, 1);
    for (int r : stage_.reductions) k_.emit_start(r, "[E]", 1);
    emit_rows();
    if (const std::string text = condition(); text.empty()) {
      k_.line(1, "fold_rows(constant<false>());");
    } else {
      k_.line(1, fmt::format("if ({})", text));
      k_.line(2, "fold_rows(constant<true>());");
      k_.line(1, "else");
      k_.line(2, "fold_rows(constant<false>());");
    }
    emit_results();
    k_.line(0, "}");
    k_.clear_places();
  }

  void emit_rows() {
    k_.line(1, "const auto fold_rows = [&](auto is_wide) {");
    k_.line(0, fmt::format("#pragma unroll(is_wide.value ? {} : {})", s_.rows_at_once,
                           s_.slow_rows_at_once));
    k_.line(2, fmt::format("for (i64 i0 = split * team.rows() + team.row(); i0 < {}; i0 += splits "
                           "* team.rows()) {{",
                           n0_));
    k_.emit_block(stage_.row, 3);
    for (int id : s_.windows) {
      k_.line(3, fmt::format("const auto {} = neighbours<is_wide.value, E>(&{}, {} - i1);",
                             window_name(id), k_.element(k_.value(id).access), n1_));
      k_.override_text(id, CudaKernel::loaded(k_.value(id), window_name(id) + ".at[e]"));
    }
    k_.line(3, fmt::format("each_neighbour<E>(i1, {}, [&](i64 i1, bool m, i32 e) {{", n1_));
    for (int id : stage_.loop.values)
      if (!is_window(id)) k_.emit_masked_value(id, "m", 4);
    for (int r : stage_.reductions)
      k_.emit_masked_fold(r, CudaKernel::result_name(r) + "[e]", k_.best_name(r) + "[e]", "", 4);
    k_.line(3, "});");
    k_.line(2, "}");
    k_.line(1, "};");
  }

  void emit_results() {
    for (int r : stage_.reductions) {
      k_.line(0, "#pragma unroll");
      k_.line(1, "for (i32 e = 0; e < E; ++e) {");
      k_.emit_combined(r, "team.across", CudaKernel::result_name(r) + "[e]",
                       k_.best_name(r) + "[e]", 2);
      k_.line(1, "}");
    }
    k_.line(1, "if (threadIdx.x < team.size)");
    k_.line(2, fmt::format("each_neighbour<E>(i1, {}, [&](i64 i1, bool m, i32 e) {{", n1_));
    k_.line(3, "if (!m) return;");
    k_.emit_partial_stores(stage_.reductions, "[e]", "split", 3);
    k_.line(2, "});");
  }

  CudaKernel& k_;
  const CudaColumns& s_;
  const Kernel& kernel_;
  const Stage& stage_;
  const std::string n0_, n1_;
};

} // namespace

void write_columns(CudaKernel& k, const CudaColumns& schedule) { Columns(k, schedule).run(); }

} // namespace kroton::codegen
