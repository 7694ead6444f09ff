/// Rows, each walked by a team of threads: a part of a warp, a warp, or a block.
///
/// Short rows are kept in registers: each thread has E elements of the row, and what one stage
/// reads or computes and a later one reads again is an array of E. Of longer rows the other
/// elements are kept in shared memory, as far as the device has enough. Rows beyond that, and
/// reductions that keep some inner axes and fold others, are walked in memory, once a stage.
#include <algorithm>
#include <map>
#include <set>

#include "codegen/cuda/kernel.hpp"
#include "codegen/loop/literal.hpp"

namespace kroton::codegen {
namespace dims = ir::dims;
namespace {

class Rows {
public:
  Rows(CudaKernel& k, const CudaRows& schedule)
      : k_(k), kernel_(k.kernel()), s_(schedule), length_(k.count(k.inner_axes())) {
    std::set<std::string> texts;
    for (const CudaKept& kept : s_.kept) texts.insert(k_.element(kept.access));
    for (const CudaKept& kept : s_.kept) {
      const std::string text = k_.element(kept.access);
      const auto number = std::distance(texts.begin(), texts.find(text));
      kept_.emplace(text, Kept{kept, fmt::format("x{}", number)});
    }
  }

  void run() {
    if (length_.is_static() && (s_.is_known || s_.is_shared))
      known_length_ = std::to_string(length_.value());
    k_.plan_scratch(dims::min(Dim(CudaRows::most_blocks), dims::max(Dim(1), rows())), !s_.is_known);
    if (std::ranges::any_of(s_.ways, &CudaRows::Way::keeps)) write_function("rows", true);
    if (!s_.is_known) write_function("long_rows", false);
    for (const CudaRows::Way& way : s_.ways) write_entry(way);
  }

private:
  Dim rows() const { return k_.count(k_.row_axes()); }
  /// A known length is a number, whatever it is: it decides the team, and the compiler then knows
  /// which of a thread's elements are within the row.
  std::string inner_count() const {
    return known_length_.empty() ? k_.count_text(k_.inner_axes()) : known_length_;
  }

  static bool is_once_a_row(const Reduction& r) { return r.kept.empty() && r.reduced.empty(); }

  // What is kept of a row from one stage to the next.

  struct Kept {
    CudaKept what;
    std::string name;
  };

  /// Of each shared array: for the elements that registers do not hold, in whole turns.
  Dim shared_bytes(const CudaTeam& t) const {
    const std::int64_t turn = std::int64_t{t.threads} * t.at_a_time;
    const Dim others = dims::max(Dim(0), dims::sub(length_, Dim(t.length())));
    const Dim turns = dims::floor_div(dims::add(others, Dim(turn - 1)), Dim(turn));
    std::int64_t bytes = 0; // a turn has 4,096 elements: arrays begin at multiples of 256 bytes
    for (const CudaSharedArray& a : s_.shared_arrays)
      bytes += turn * static_cast<std::int64_t>(item_size(a.dtype));
    return dims::mul(turns, Dim(bytes));
  }

  void emit_shared_arrays() {
    k_.line(1, "extern __shared__ u64 row_memory[];");
    k_.line(1, "arena shared{(char*)row_memory};");
    k_.line(1, "const i64 kept_by_threads = E * team.size, turn = (M > 0 ? M : 1) * team.size;");
    k_.line(1, fmt::format("const i64 others = ({} - kept_by_threads + turn - 1) / turn * turn;",
                           inner_count()));
    for (std::size_t i = 0; i < s_.shared_arrays.size(); ++i)
      k_.line(1, fmt::format("{0}* const others{1} = shared.take<{0}>(others);",
                             CudaKernel::type_name(s_.shared_arrays[i].dtype), i));
  }

  // Functions and entries.

  void write_function(const std::string& name, bool is_short) {
    is_short_ = is_short;
    k_.line(0, "");
    k_.line(0,
            keeps_more() ? "template <i32 E, i32 M, class Team>" : "template <i32 E, class Team>");
    k_.line(0, fmt::format("KROTON_INLINE void {}(Team team, {}) {{", name, k_.parameters()));
    k_.emit_scratch("gridDim.x", !is_short, 1);
    if (keeps_more()) emit_shared_arrays();
    if (k_.has_outer()) k_.emit_block_count("gridDim.x", 1);
    k_.emit_values(kernel_.prologue, 1);
    for (int r : outer()) emit_outer_start(r);
    const std::string row = kernel_.rows == 1 ? CudaKernel::axis_name(0) : "row";
    k_.line(1, fmt::format("for (i64 {0} = team.first_row(); {0} < {1}; {0} += team.row_step()) {{",
                           row, k_.count_text(k_.row_axes())));
    k_.emit_positions(k_.row_axes(), row, 2);
    for (std::size_t i = 0; i < kernel_.stages.size(); ++i) emit_stage(static_cast<int>(i));
    k_.line(1, "}");
    for (int r : outer()) emit_outer_end(r);
    if (k_.counts_blocks()) write_last_block(k_, "Team::block::fold");
    k_.line(0, "}");
    k_.clear_places();
  }

  static std::string name_of(const CudaRows& schedule, const CudaRows::Way& way) {
    if (schedule.is_known) return "kernel";
    if (!way.keeps) return "rows_any";
    return way.team.at_a_time > 0 ? "rows_shared" : fmt::format("rows_{}", way.team.length());
  }
  std::string text_of(const CudaTeam& team) const {
    return team.fits ? fmt::format("fitting_team({}, {})", inner_count(), team.elements)
                     : fmt::format("team<{}>()", team.threads);
  }

  void write_entry(const CudaRows::Way& way) {
    const CudaTeam& team = way.team;
    const std::string name = name_of(s_, way);
    k_.open_entry(name, team.block(), way.blocks_of_multiprocessor);
    const std::string more = s_.is_shared && way.keeps ? fmt::format(", {}", team.at_a_time) : "";
    k_.line(1, fmt::format("{}<{}{}>({}, {});", way.keeps ? "rows" : "long_rows", team.elements,
                           more, text_of(team), k_.arguments()));
    k_.line(0, "}");
    Launch launch{
        .entry = name,
        .threads = team.block(),
        .units = team.fits ? dims::mul(rows(), CudaKernel::fitting_lanes(length_, team.elements))
                           : rows(),
        .units_per_block = team.fits ? team.block() : team.block() / team.threads,
        .shared_bytes = team.at_a_time > 0 ? shared_bytes(team) : Dim(0),
        .always = k_.has_outer(),
        .selector = way.at_most == CudaRows::unbounded ? Dim(0) : length_,
        .selector_limit = way.at_most};
    if (k_.has_outer() || (k_.has_scratch() && !way.keeps))
      launch.most_blocks = CudaRows::most_blocks;
    k_.launches.push_back(std::move(launch));
  }

  // Stages.

  void emit_stage(int number) {
    const Stage& s = kernel_.stages[static_cast<std::size_t>(number)];
    k_.emit_block(s.row, 2);
    for (int r : s.reductions)
      if (is_once_a_row(k_.reduction(r))) {
        if (!k_.reduction(r).is_outer) k_.emit_start(r, "", 2);
        k_.emit_masked_fold(r, CudaKernel::result_name(r), k_.best_name(r), "", 2);
      }
    emit_row_stores(s);
    emit_partial_folds(s);
    emit_loop(s, number);
  }

  void emit_row_stores(const Stage& s) {
    if (s.row.stores.empty()) return;
    // The other threads have read what the first one overwrites.
    if (std::ranges::any_of(kernel_.stages,
                            [&](const Stage& o) { return k_.may_overwrite(s.row, o.row); }))
      k_.line(2, "team.sync();");
    k_.line(2, "if (team.rank() == 0) {");
    k_.emit_block_stores(s.row, "", 3);
    k_.line(2, "}");
  }

  /// Each thread has elements that are kept, and walks what is folded into them.
  void emit_partial_folds(const Stage& s) {
    bool has_any = false;
    for (int r : s.reductions) {
      const Reduction& x = k_.reduction(r);
      if (!is_partial_fold(x)) continue;
      if (!has_any) k_.line(2, "team.sync();");
      has_any = true;
      const std::string n = k_.count_text(x.kept), name = CudaKernel::result_name(r);
      k_.line(2, fmt::format("for (i64 j = team.rank(); j < {}; j += team.size) {{", n));
      k_.emit_positions(x.kept, "j", 3);
      k_.emit_start(r, "", 3);
      int depth = 3;
      for (int a : x.reduced) k_.line(depth++, k_.loop_over(a));
      k_.emit_block(needed_for(x.value, s.loop), depth);
      k_.emit_masked_fold(r, name, k_.best_name(r), "", depth);
      while (depth > 3) k_.line(--depth, "}");
      emit_partial_result(r);
      k_.line(2, "}");
    }
    if (has_any && !s.loop.stores.empty()) k_.line(2, "team.sync();");
  }

  /// The values of a block that `id` is made of.
  Block needed_for(int id, const Block& b) const {
    std::set<int> needed{id};
    Block found;
    for (auto it = b.values.rbegin(); it != b.values.rend(); ++it) {
      if (!needed.contains(*it)) continue;
      const Value& v = k_.value(*it);
      needed.insert(v.inputs.begin(), v.inputs.end());
      for (const ComputedTerm& t : v.access->computed) needed.insert(t.value);
      found.values.insert(found.values.begin(), *it);
    }
    return found;
  }

  void emit_partial_result(int r) {
    const Reduction& x = k_.reduction(r);
    const std::string name = CudaKernel::result_name(r);
    if (!x.is_outer) return k_.line(3, fmt::format("{} = {};", k_.element(x.array), name));
    const std::string so_far = k_.partial(x.array, "blockIdx.x");
    if (!k_.is_position(r))
      return k_.line(
          3, fmt::format("{} = {};", so_far, k_.joined(r, atom(so_far), atom(name)).whole()));
    const std::string t = CudaKernel::type_name(x.dtype), best = k_.partial(x.best, "blockIdx.x");
    k_.line(3, fmt::format("const auto all = {}(ranked<{}>{{{}, {}}}, ranked<{}>{{{}, {}}});",
                           k_.combiner(r), t, best, so_far, t, k_.best_name(r), name));
    k_.line(3, fmt::format("{} = all.value;", best));
    k_.line(3, fmt::format("{} = all.at;", so_far));
  }

  bool is_folded_in_loop(int r) const {
    return !is_partial_fold(k_.reduction(r)) && !is_once_a_row(k_.reduction(r));
  }
  /// A sum of f32 in a variable of f64: what a thread has at once is added up in f32 first.
  bool has_part(int r) const { return k_.is_stretched(r) && k_.reduction(r).kept.empty(); }

  void emit_loop(const Stage& s, int number) {
    std::vector<int> folds;
    std::ranges::copy_if(s.reductions, std::back_inserter(folds),
                         [&](int r) { return is_folded_in_loop(r); });
    if (s.loop.stores.empty() && folds.empty()) return;
    for (int r : folds)
      if (!k_.reduction(r).is_outer && k_.reduction(r).kept.empty()) k_.emit_start(r, "", 2);
    if (is_short_)
      for (const auto& [text, kept] : kept_)
        if (kept.what.first == number) emit_kept(kept);

    const std::string n = inner_count(), j = running_number();
    const int depth = is_short_ ? 2 : 3;
    if (!is_short_)
      k_.line(2, fmt::format("for (i64 from = 0; from < {}; from += stretch_of(team)) {{", n));
    for (int r : folds)
      if (has_part(r))
        k_.line(depth,
                fmt::format("{} {}_part = {};", CudaKernel::type_name(k_.reduction(r).dtype),
                            CudaKernel::result_name(r),
                            limit(k_.reduction(r).dtype, k_.reduction(r).op->fold->identity)));
    const std::string each = keeps_more() ? "each_of_row<E, M>(team, "
                             : is_short_  ? "each<E>(team, 0, "
                                          : "each_of_stretch<E>(team, from, ";
    k_.line(depth, fmt::format("{}{}, [&](i64 {}, bool m, i32 e) {{", each, n, j));
    k_.emit_positions(k_.inner_axes(), j, depth + 1);
    emit_values(s.loop, number, depth + 1);
    for (int r : folds) emit_fold(r, depth + 1);
    emit_stores(s.loop, number, depth + 1);
    k_.line(depth, "});");
    for (int r : folds)
      if (has_part(r))
        k_.line(depth, fmt::format("{0} = {0} + {0}_part;", CudaKernel::result_name(r)));
    if (!is_short_) k_.line(2, "}");
    for (int r : folds)
      if (!k_.reduction(r).is_outer && k_.reduction(r).kept.empty())
        k_.emit_combined(r, "team.fold", CudaKernel::result_name(r), k_.best_name(r), 2);
  }

  /// Whether what is kept of a row may be in shared memory too.
  bool keeps_more() const { return is_short_ && s_.is_shared; }
  /// The number of an element in its row.
  std::string running_number() const {
    return k_.inner_axes().size() == 1 ? CudaKernel::axis_name(k_.last_axis()) : "j";
  }
  void emit_kept(const Kept& kept) {
    const std::string type = CudaKernel::type_name(kept.what.dtype);
    k_.line(2, keeps_more() ? fmt::format("kept<{}, E> {}{{others{}, kept_by_threads}};", type,
                                          kept.name, kept.what.array)
                            : fmt::format("{} {}[E];", type, kept.name));
  }
  std::string place_of(const Kept& kept) const {
    return keeps_more() ? fmt::format("{}.at({}, e)", kept.name, running_number())
                        : kept.name + "[e]";
  }

  const Kept* kept_of(const Access& a) const {
    if (!is_short_) return nullptr;
    const auto it = kept_.find(k_.element(a));
    return it == kept_.end() ? nullptr : &it->second;
  }

  /// The values of a stage's loop. What a later stage needs again is kept.
  void emit_values(const Block& b, int number, int depth) {
    std::set<std::string> is_read;
    for (int id : b.values) {
      const Value& v = k_.value(id);
      const Kept* kept =
          v.kind == ValueKind::load && v.access->computed.empty() ? kept_of(v.access) : nullptr;
      if (!kept) {
        k_.emit_masked_value(id, "m", depth);
        continue;
      }
      const std::string place = place_of(*kept);
      if (kept->what.first == number && is_read.insert(kept->name).second)
        k_.line(depth, fmt::format("{} = {};", place, k_.masked_load(id, "m").whole()));
      if (v.access->param < 0 || !k_.is_written(v.access)) {
        k_.override_text(id, place);
        continue;
      }
      k_.line(depth, fmt::format("const {} {} = {};", CudaKernel::type_name(v.dtype),
                                 CudaKernel::value_name(id), place));
      k_.override_text(id, CudaKernel::value_name(id));
    }
  }

  void emit_stores(const Block& b, int number, int depth) {
    for (const Store& s : b.stores) {
      const Kept* kept = kept_of(s.access);
      std::string text = k_.operand(s.value).whole();
      k_.note_stored(s.value);
      if (kept && number < kept->what.last) {
        k_.line(depth, fmt::format("{} = {};", place_of(*kept), text));
        text = place_of(*kept);
      }
      if (s.access.scratch < 0 || !is_short_)
        k_.line(depth, fmt::format("if (m) {} = {};", k_.element(s.access), text));
    }
  }

  void emit_fold(int r, int depth) {
    const Reduction& x = k_.reduction(r);
    const std::string name = CudaKernel::result_name(r);
    if (has_part(r)) {
      const std::string part = name + "_part";
      return k_.line(depth,
                     fmt::format("if (m) {} = {};", part,
                                 k_.folded(x, false, atom(part), k_.operand(x.value)).whole()));
    }
    if (x.kept.empty()) return k_.emit_masked_fold(r, name, k_.best_name(r), "m", depth);
    if (!x.is_outer) { // nothing is folded: an axis of one element went
      k_.emit_start(r, "", depth);
      k_.emit_masked_fold(r, name, k_.best_name(r), "", depth);
      return k_.line(depth, fmt::format("if (m) {} = {};", k_.element(x.array), name));
    }
    if (is_short_) return k_.emit_masked_fold(r, name + "[e]", k_.best_name(r) + "[e]", "m", depth);
    k_.emit_masked_fold(r, k_.partial(x.array, "blockIdx.x"),
                        k_.is_position(r) ? k_.partial(x.best, "blockIdx.x") : "", "m", depth);
  }

  // Folds over the rows.

  std::vector<int> outer() const {
    std::vector<int> found;
    for (std::size_t r = 0; r < kernel_.reductions.size(); ++r)
      if (kernel_.reductions[r].is_outer) found.push_back(static_cast<int>(r));
    return found;
  }

  void emit_outer_start(int r) {
    const Reduction& x = k_.reduction(r);
    if (x.kept.empty() || is_short_) return k_.emit_start(r, x.kept.empty() ? "" : "[E]", 1);
    k_.line(1, fmt::format("for (i64 j = team.rank(); j < {}; j += team.size) {{",
                           k_.count_text(x.kept)));
    k_.emit_positions(x.kept, "j", 2);
    k_.line(2, fmt::format("{} = {};", k_.partial(x.array, "blockIdx.x"), k_.neutral(r)));
    if (k_.is_position(r))
      k_.line(2, fmt::format("{} = {};", k_.partial(x.best, "blockIdx.x"),
                             limit(x.dtype, x.op->fold->identity)));
    k_.line(1, "}");
  }

  void emit_outer_end(int r) {
    const Reduction& x = k_.reduction(r);
    const std::string name = CudaKernel::result_name(r), best = k_.best_name(r);
    if (x.kept.empty()) {
      // Every thread of a team has what the team folded once a row.
      if (is_once_a_row(x)) {
        k_.line(1, "if (team.rank() != 0) {");
        k_.line(2, fmt::format("{} = {};", name, k_.neutral(r)));
        if (k_.is_position(r))
          k_.line(2, fmt::format("{} = {};", best, limit(x.dtype, x.op->fold->identity)));
        k_.line(1, "}");
      }
      k_.emit_combined(r, "Team::block::fold", name, best, 1);
      k_.line(1, "if (threadIdx.x == 0) {");
      k_.emit_partial_stores({r}, "", "blockIdx.x", 2);
      k_.line(1, "}");
      return;
    }
    if (!is_short_) return;
    const std::string j = x.kept.size() == 1 ? CudaKernel::axis_name(x.kept[0]) : "j";
    k_.line(1, fmt::format("each<E>(team, 0, {}, [&](i64 {}, bool m, i32 e) {{", inner_count(), j));
    k_.emit_combined(r, "team.across", name + "[e]", best + "[e]", 2);
    k_.line(2, "if (!m || threadIdx.x >= team.size) return;");
    k_.emit_positions(x.kept, j, 2);
    k_.emit_partial_stores({r}, "[e]", "blockIdx.x", 2);
    k_.line(1, "});");
  }

  CudaKernel& k_;
  const Kernel& kernel_;
  const CudaRows& s_;
  Dim length_; ///< of a row
  std::string known_length_;
  std::map<std::string, Kept> kept_; ///< by the text of the element
  bool is_short_ = true;             ///< what is being written keeps rows
};

} // namespace

void write_rows(CudaKernel& k, const CudaRows& schedule) { Rows(k, schedule).run(); }

} // namespace kroton::codegen
