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

/// The most blocks where each has memory of its own in scratch.
constexpr std::int64_t most_blocks = 512;
/// Registers for the elements that a thread keeps.
constexpr int most_kept_words = 32;
/// Threads of a multiprocessor for which there are registers: 64 each.
constexpr int threads_of_multiprocessor = 1024;
/// What a thread of a team of 1 to 16 lanes, of a warp, and of a block of 128 threads keeps at
/// most. Longer rows are walked by blocks of 512.
constexpr int few_elements = 4, most_elements_of_warp = 32, most_elements_of_block = 16;
/// Of a block that keeps a row in shared memory: elements that each thread has in registers, and
/// elements at a time of the others. Two such blocks have a multiprocessor's registers, and where
/// they have its shared memory too, one computes while the other loads.
constexpr int sharing_elements = 16, shared_at_a_time = 8;
/// Elements that a thread adds up in f32, as the prelude's stretch_of has it.
constexpr int stretch = 128;
/// The threads of the largest team.
constexpr int longest_team = 512;

/// How many threads walk a row, and how many elements each has. What a thread has, and in which
/// order, follows from the number of threads alone.
struct Team {
  int threads = 32, elements = 8;
  int at_a_time = 0; ///< > 0: of those that are kept in shared memory
  bool fits = false; ///< as many lanes as the row's length asks for, and at most `threads`
  std::int64_t length() const { return std::int64_t{threads} * elements; }
  int block() const { return threads <= 32 ? 256 : threads; }
  std::string text(const std::string& row_length) const {
    return fits ? fmt::format("fitting_team({}, {})", row_length, elements)
                : fmt::format("team<{}>()", threads);
  }
};

/// The teams for rows that registers can hold, `most_elements` of them a thread, by length: the
/// first that is long enough has a row. A length decides how many threads walk a row, and with it
/// the order of sums, whether it is known or not.
std::vector<Team> teams_for(int most_elements) {
  std::vector<Team> teams{{16, std::min(few_elements, most_elements), 0, true}};
  for (const Team& t : {Team{32, std::min(most_elements_of_warp, most_elements)},
                        Team{128, std::min(most_elements_of_block, most_elements)}})
    if (t.length() > teams.back().length()) teams.push_back(t);
  return teams;
}

/// The team for rows of a known length, if registers can hold them.
std::optional<Team> team_for(std::int64_t length, int most_elements) {
  const std::vector<Team> teams = teams_for(most_elements);
  const auto has_room = [&](const Team& t) { return length <= t.length(); };
  const auto found = std::ranges::find_if(teams, has_room);
  Team team = found != teams.end() ? *found : Team{longest_team, most_elements};
  if (!has_room(team)) return std::nullopt;
  if (team.fits) {
    team.fits = false;
    for (team.threads = 1; team.length() < length;) team.threads *= 2;
  }
  team.elements = static_cast<int>(std::max<std::int64_t>(1, (length - 1) / team.threads + 1));
  return team;
}

class Rows {
public:
  explicit Rows(CudaKernel& k) : k_(k), kernel_(k.kernel()), length_(k.count(k.inner_axes())) {}

  void run() {
    find_kept();
    std::optional<Team> known;
    if (length_.is_static() && !has_partial_folds())
      known = team_for(length_.value(), most_elements());
    is_shared_ = !known && can_share();
    if (length_.is_static() && (known || is_shared_))
      known_length_ = std::to_string(length_.value());
    if (known && known->block() == 256) k_.count_blocks_for_scalars();
    k_.plan_scratch(dims::min(Dim(most_blocks), dims::max(Dim(1), rows())), !known);

    if (known) {
      write_function("rows", true);
      return write_entry("kernel", "rows", *known, unbounded);
    }
    const bool has_short = !length_.is_static() && !has_partial_folds();
    if (has_short || is_shared_) write_function("rows", true);
    write_function("long_rows", false);
    if (has_short)
      for (const Team& t : teams_for(most_elements()))
        write_entry(fmt::format("rows_{}", t.length()), "rows", t, t.length());
    if (is_shared_)
      write_entry("rows_shared", "rows",
                  {longest_team, std::min(sharing_elements, most_elements()), shared_at_a_time},
                  std::int64_t{longest_team} * stretch);
    // Where rows can be kept, those that are not are few.
    write_entry("rows_any", "long_rows", {longest_team, is_shared_ ? 4 : 8}, unbounded);
  }

private:
  static constexpr std::int64_t unbounded = std::numeric_limits<std::int64_t>::max();

  Dim rows() const { return k_.count(k_.row_axes()); }
  /// A known length is a number, whatever it is: it decides the team, and the compiler then knows
  /// which of a thread's elements are within the row.
  std::string inner_count() const {
    return known_length_.empty() ? k_.count_text(k_.inner_axes()) : known_length_;
  }

  /// Reductions that keep some of the inner axes and fold others.
  static bool is_partial(const Reduction& r) { return !r.kept.empty() && !r.reduced.empty(); }
  bool has_partial_folds() const { return std::ranges::any_of(kernel_.reductions, is_partial); }
  static bool is_once_a_row(const Reduction& r) { return r.kept.empty() && r.reduced.empty(); }

  // What is kept of a row from one stage to the next.

  struct Kept {
    std::string name;
    DType dtype = DType::f32;
    int first = 0, last = 0; ///< stages
    bool is_loaded = false;  ///< and not computed
    std::size_t array = 0;   ///< of shared memory
  };

  template <class F> void for_each_element(F f) const {
    for (int stage = 0; stage < static_cast<int>(kernel_.stages.size()); ++stage) {
      const Stage& s = kernel_.stages[static_cast<std::size_t>(stage)];
      for (int id : s.loop.values)
        if (k_.value(id).kind == ValueKind::load && k_.value(id).access->computed.empty())
          f(*k_.value(id).access.get(), k_.value(id).dtype, stage, true);
      for (const Store& o : s.loop.stores) f(o.access, k_.value(o.value).dtype, stage, false);
    }
  }

  void find_kept() {
    for_each_element([&](const Access& a, DType dtype, int stage, bool is_loaded) {
      const auto [it, is_new] =
          kept_.try_emplace(k_.element(a), Kept{{}, dtype, stage, stage, is_loaded});
      it->second.last = stage;
    });
    std::erase_if(kept_, [](const auto& k) { return k.second.first == k.second.last; });
    int number = 0;
    for (auto& [text, kept] : kept_) kept.name = fmt::format("x{}", number++);
    for (int stage = 0; stage < static_cast<int>(kernel_.stages.size()); ++stage)
      for (auto& [text, kept] : kept_)
        if (kept.first == stage) find_shared_array(kept);
  }

  /// An array of shared memory, of what is kept in it up to a stage.
  struct SharedArray {
    DType dtype = DType::f32;
    int last = 0;
  };

  /// What the only store of a stage computes may take the place of what is read there for the last
  /// time: a thread has read an element when it stores that.
  void find_shared_array(Kept& kept) {
    const Stage& first = kernel_.stages[static_cast<std::size_t>(kept.first)];
    const int read_until = kept.first - (kept.is_loaded || first.loop.stores.size() > 1 ? 1 : 0);
    const auto free = std::ranges::find_if(shared_arrays_, [&](const SharedArray& a) {
      return a.dtype == kept.dtype && a.last <= read_until;
    });
    kept.array = static_cast<std::size_t>(free - shared_arrays_.begin());
    if (free == shared_arrays_.end()) shared_arrays_.push_back({kept.dtype, kept.last});
    shared_arrays_[kept.array].last = kept.last;
  }

  /// Whether shared memory can hold what registers cannot: not what folds over the rows have for
  /// each element.
  bool can_share() const {
    return !kept_.empty() && !has_partial_folds() &&
           std::ranges::none_of(kernel_.reductions,
                                [](const Reduction& r) { return r.is_outer && !r.kept.empty(); });
  }

  /// Of each shared array: for the elements that registers do not hold, in whole turns.
  Dim shared_bytes(const Team& t) const {
    const std::int64_t turn = std::int64_t{t.threads} * t.at_a_time;
    const Dim others = dims::max(Dim(0), dims::sub(length_, Dim(t.length())));
    const Dim turns = dims::floor_div(dims::add(others, Dim(turn - 1)), Dim(turn));
    std::int64_t bytes = 0; // a turn has 4,096 elements: arrays begin at multiples of 256 bytes
    for (const SharedArray& a : shared_arrays_)
      bytes += turn * static_cast<std::int64_t>(item_size(a.dtype));
    return dims::mul(turns, Dim(bytes));
  }

  void emit_shared_arrays() {
    k_.line(1, "extern __shared__ u64 row_memory[];");
    k_.line(1, "arena shared{(char*)row_memory};");
    k_.line(1, "const i64 kept_by_threads = E * team.size, turn = (M > 0 ? M : 1) * team.size;");
    k_.line(1, fmt::format("const i64 others = ({} - kept_by_threads + turn - 1) / turn * turn;",
                           inner_count()));
    for (std::size_t i = 0; i < shared_arrays_.size(); ++i)
      k_.line(1, fmt::format("{0}* const others{1} = shared.take<{0}>(others);",
                             CudaKernel::type_name(shared_arrays_[i].dtype), i));
  }

  /// Elements of a thread for which there are registers: those that live from one stage to the next
  /// at the same time with what a stage reads besides, and what folds over the rows have for each
  /// element.
  int most_elements() const {
    int words = 1;
    for (int stage = 0; stage < static_cast<int>(kernel_.stages.size()); ++stage)
      words = std::max(words, std::max(words_kept_after(stage - 1), words_kept_after(stage)) +
                                  words_read_in(stage));
    for (const Reduction& r : kernel_.reductions)
      if (r.is_outer && !r.kept.empty())
        words += words_of(r.accumulator) + (r.op->gives_position() ? words_of(r.result_dtype) : 0);
    return most_kept_words / words;
  }
  int words_kept_after(int stage) const {
    int words = 0;
    for (const auto& [text, kept] : kept_)
      if (kept.first <= stage && stage < kept.last) words += words_of(kept.dtype);
    return words;
  }
  int words_read_in(int stage) const {
    int words = 0;
    for (int id : kernel_.stages[static_cast<std::size_t>(stage)].loop.values)
      if (k_.value(id).kind == ValueKind::load && !kept_.contains(k_.element(k_.value(id).access)))
        words += words_of(k_.value(id).dtype);
    return words;
  }
  static int words_of(DType t) { return item_size(t) == 8 ? 2 : 1; }

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

  void write_entry(const std::string& name, const std::string& function, const Team& team,
                   std::int64_t at_most) {
    // What lies within a row of any length takes registers too.
    const bool is_full = !length_.is_static() && team.elements > most_elements_of_block;
    const int of_multiprocessor =
        is_full ? threads_of_multiprocessor / 2 : threads_of_multiprocessor;
    k_.open_entry(name, team.block(), of_multiprocessor / team.block());
    const std::string more =
        is_shared_ && function == "rows" ? fmt::format(", {}", team.at_a_time) : "";
    k_.line(1, fmt::format("{}<{}{}>({}, {});", function, team.elements, more,
                           team.text(inner_count()), k_.arguments()));
    k_.line(0, "}");
    Launch launch{
        .entry = name,
        .threads = team.block(),
        .units = team.fits ? dims::mul(rows(), CudaKernel::fitting_lanes(length_, team.elements))
                           : rows(),
        .units_per_block = team.fits ? team.block() : team.block() / team.threads,
        .shared_bytes = team.at_a_time > 0 ? shared_bytes(team) : Dim(0),
        .always = k_.has_outer(),
        .length = at_most == unbounded ? Dim(0) : length_,
        .at_most = at_most};
    if (k_.has_outer() || (k_.has_scratch() && function == "long_rows"))
      launch.most_blocks = most_blocks;
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
      if (!is_partial(x)) continue;
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
    return !is_partial(k_.reduction(r)) && !is_once_a_row(k_.reduction(r));
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
        if (kept.first == number) emit_kept(kept);

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

  /// Whether what is kept of a row may lie in shared memory too.
  bool keeps_more() const { return is_short_ && is_shared_; }
  /// The number of an element in its row.
  std::string running_number() const {
    return k_.inner_axes().size() == 1 ? CudaKernel::axis_name(k_.last_axis()) : "j";
  }
  void emit_kept(const Kept& kept) {
    const std::string type = CudaKernel::type_name(kept.dtype);
    k_.line(2, keeps_more() ? fmt::format("kept<{}, E> {}{{others{}, kept_by_threads}};", type,
                                          kept.name, kept.array)
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
      if (kept->first == number && is_read.insert(kept->name).second)
        k_.line(depth, fmt::format("{} = {};", place, k_.masked_load(id, "m").whole()));
      if (v.access->param < 0 || !k_.is_written(v.access)) {
        k_.set_stand_in(id, place);
        continue;
      }
      k_.line(depth, fmt::format("const {} {} = {};", CudaKernel::type_name(v.dtype),
                                 CudaKernel::value_name(id), place));
      k_.set_stand_in(id, CudaKernel::value_name(id));
    }
  }

  void emit_stores(const Block& b, int number, int depth) {
    for (const Store& s : b.stores) {
      const Kept* kept = kept_of(s.access);
      std::string text = k_.operand(s.value).whole();
      k_.note_stored(s.value);
      if (kept && number < kept->last) {
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
  Dim length_; ///< of a row
  std::string known_length_;
  std::map<std::string, Kept> kept_; ///< by the text of the element
  std::vector<SharedArray> shared_arrays_;
  bool is_short_ = true;   ///< what is being written keeps rows
  bool is_shared_ = false; ///< there is a way that keeps parts of rows in shared memory
};

} // namespace

void write_rows(CudaKernel& k) { Rows(k).run(); }

} // namespace kroton::codegen
