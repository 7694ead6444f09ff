#include "codegen/schedule/cuda.hpp"

#include <algorithm>
#include <numeric>

#include "lib/support/match.hpp"

namespace kroton::codegen {
namespace dims = ir::dims;
namespace {

using namespace plan;

const Value& value(const Kernel& k, int id) { return k.values[static_cast<std::size_t>(id)]; }
int last_axis(const Kernel& k) { return static_cast<int>(k.axes.size()) - 1; }
bool has_outer(const Kernel& k) { return std::ranges::any_of(k.reductions, &Reduction::is_outer); }

/// The last block of an entry can continue with what all have folded if that is scalars alone.
bool ends_in_scalars(const Kernel& k) {
  return has_outer(k) && !k.finish.empty() &&
         std::ranges::all_of(k.finish, [](const Finish& f) { return f.axes.empty(); });
}

/// `counts_blocks`: the entry can find out which block is the last.
CudaFinish finish_of(const Kernel& k, bool counts_blocks) {
  if (k.finish.empty()) return CudaFinish::none;
  if (counts_blocks && ends_in_scalars(k)) return CudaFinish::last_block;
  const Finish* scalars = nullptr;
  bool has_arrays = false;
  for (const Finish& f : k.finish) {
    if (f.axes.empty()) scalars = &f;
    has_arrays = has_arrays || !f.axes.empty();
  }
  if (!has_arrays) return CudaFinish::scalars;
  // A block stores what other threads may still want to read.
  const bool overwrites = scalars && (may_overwrite(k, scalars->block, scalars->block) ||
                                      may_overwrite(k, scalars->block, k.prologue));
  return overwrites ? CudaFinish::arrays_and_scalars : CudaFinish::arrays;
}

// Elements.

/// What is folded in windows, whatever their place allows and is known of it, so that the order is
/// a matter of the number of elements alone: so many neighbours of a thread, twice at a time.
/// Blocks whose results are folded afterwards: enough for the largest devices at full load.
constexpr int folded_elements = 4;
constexpr std::int64_t elements_of_folding_block = 2 * folded_elements * CudaElements::threads;
constexpr std::int64_t most_folding_blocks = 1024;
/// Work from which on the memory waits for the threads: one window under way is enough then …
constexpr std::int64_t much_work = 24;
/// … and from which on the text would be too long with several elements a turn.
constexpr std::int64_t too_much_work = 160;
/// Blocks of a multiprocessor beyond which threads take several windows: what each does once is
/// little beside them then, and the last blocks to run are few among many.
constexpr int most_blocks_of_multiprocessor = 128;

bool is_for_elements(const Kernel& k) {
  constexpr int little_work = 8; // that may be done again for each element of a row
  if (!has_inner(k)) return true;
  int row_cost = 0;
  for (const Stage& s : k.stages) {
    if (!s.row.stores.empty()) return false;
    for (int id : s.row.values)
      if (value(k, id).op) row_cost += value(k, id).op->cost;
  }
  return k.reductions.empty() && row_cost <= little_work;
}

class ElementsDecider {
public:
  explicit ElementsDecider(const Kernel& kernel) : k_(kernel) {}

  CudaElements run() {
    find_windows();
    const bool folds = has_outer(k_);
    if (k_.cost <= too_much_work && !e_.windows.empty())
      e_.width = folds ? folded_width() : widest();
    e_.turns = k_.cost > much_work || e_.width == 1 || e_.windows.size() > 6 ? 1 : 2;
    e_.elements_of_block = folds ? elements_of_folding_block
                                 : std::int64_t{CudaElements::threads} * e_.width * e_.turns;
    if (folds)
      e_.most_blocks = most_folding_blocks;
    else
      e_.most_blocks_of_multiprocessor = most_blocks_of_multiprocessor;
    return std::move(e_);
  }

private:
  template <class F> void for_each_access(F f) const {
    const auto block = [&](const Block& b) {
      for (int id : b.values)
        if (value(k_, id).kind == ValueKind::load) f(*value(k_, id).access.get(), false);
      for (const Store& s : b.stores) f(s.access, true);
    };
    for (const Stage& s : k_.stages) {
      block(s.row);
      block(s.loop);
    }
  }

  bool can_be_window(const Access& a) const {
    return a.param >= 0 && a.computed.empty() && step_along(a, last_axis(k_)).is(1);
  }

  void find_windows() {
    for_each_access([&](const Access& a, bool is_store) {
      if (!can_be_window(a)) return;
      auto it = std::ranges::find_if(
          e_.windows, [&](const CudaWindow& w) { return is_same_element(w.access, a); });
      if (it == e_.windows.end()) it = e_.windows.insert(it, CudaWindow{a});
      (is_store ? it->is_written : it->is_read) = true;
    });
    for (CudaWindow& w : e_.windows) w.is_only_place = is_only_place(w.access);
    // What is written is read in the same order by the same thread, or not through windows.
    std::erase_if(e_.windows, [&](const CudaWindow& w) {
      return is_written(k_, w.access) && !w.is_only_place;
    });
  }

  /// Whether the loop uses one element of a parameter at a time.
  bool is_only_place(const Access& wanted) const {
    bool is_only = true;
    for_each_access([&](const Access& a, bool) {
      is_only = is_only && (a.param != wanted.param || is_same_element(a, wanted));
    });
    return is_only;
  }

  /// Elements of the widest windows that all arrays and rows, as far as they are known, allow.
  int widest() const {
    std::size_t bytes = 2;
    for (const CudaWindow& w : e_.windows)
      bytes = std::max(bytes, item_size(k_.params[static_cast<std::size_t>(w.access.param)].dtype));
    int width = static_cast<int>(16 / bytes);
    for (const Dim& d : multiples_of_windows(k_, e_.windows))
      while (d.is_static() && d.value() % width != 0) width /= 2;
    return width;
  }

  /// 1 if windows are known to reach over the ends of rows.
  int folded_width() const {
    const auto ends_in_window = [](const Dim& d) {
      return d.is_static() && d.value() % folded_elements != 0;
    };
    return std::ranges::any_of(multiples_of_windows(k_, e_.windows), ends_in_window)
               ? 1
               : folded_elements;
  }

  const Kernel& k_;
  CudaElements e_;
};

// Tiles.

/// The axis other than the last that a load walks element by element, where the last one does not;
/// -1 if there is none.
int turned_axis(const Kernel& k, const Value& v) {
  const int last = last_axis(k);
  if (v.kind != ValueKind::load || v.access->param < 0 || !v.access->computed.empty() ||
      is_written(k, v.access))
    return -1;
  const Dim step = step_along(v.access, last);
  if (step.is(0) || step.is(1) || step.is(-1)) return -1;
  for (int a = 0; a < last; ++a) {
    const Dim other = step_along(v.access, a);
    if (other.is(1) || other.is(-1)) return a;
  }
  return -1;
}

/// Squares for elementwise kernels, if there are loads that are turned: all along the axis of the
/// first.
std::optional<CudaTiles> tiles_for(const Kernel& k) {
  constexpr std::size_t most = 4; // of shared memory
  if (!has_inner(k) || !is_for_elements(k)) return std::nullopt;
  CudaTiles t;
  for (const Stage& s : k.stages)
    for (int id : s.loop.values) {
      const int a = turned_axis(k, value(k, id));
      if (a < 0 || (!t.turned.empty() && a != t.across)) continue;
      t.across = a;
      t.turned.push_back(id);
    }
  const bool stores_rows = std::ranges::all_of(k.stages, [&](const Stage& s) {
    return std::ranges::all_of(
        s.loop.stores, [&](const Store& o) { return step_along(o.access, last_axis(k)).is(1); });
  });
  if (t.turned.empty() || t.turned.size() > most || !stores_rows) return std::nullopt;
  return t;
}

// Columns.

bool is_for_columns(const Kernel& k) {
  if (k.rows != 1 || k.axes.size() != 2 || k.stages.size() != 1) return false;
  const Stage& s = k.stages[0];
  return s.row.stores.empty() && s.loop.stores.empty() &&
         std::ranges::all_of(s.reductions, [&](int id) {
           const Reduction& r = k.reductions[static_cast<std::size_t>(id)];
           return r.is_outer && r.reduced.empty() && !r.kept.empty();
         });
}

CudaColumns columns_of(const Kernel& k) {
  CudaColumns c;
  const Stage& stage = k.stages[0];
  c.multiples.push_back(k.axes[1]);
  for (int id : stage.loop.values) {
    const Value& v = value(k, id);
    if (v.kind != ValueKind::load || v.access->param < 0 || !v.access->computed.empty() ||
        !step_along(v.access, 1).is(1) || !is_used(k, id))
      continue;
    c.windows.push_back(id);
    c.multiples.push_back(v.access->offset);
    for (const Term& t : v.access->terms)
      if (t.axis == 0) c.multiples.push_back(t.coefficient);
  }
  c.reads_windows = !c.windows.empty() && std::ranges::all_of(c.multiples, [](const Dim& d) {
    return !d.is_static() || d.value() % CudaColumns::columns == 0;
  });
  // For so many there are registers, unless positions are kept beside what is folded.
  const bool has_positions = std::ranges::any_of(stage.reductions, [&](int r) {
    return k.reductions[static_cast<std::size_t>(r)].op->gives_position();
  });
  if (!has_positions) c.blocks_of_multiprocessor = 6;
  return c;
}

// Rows.

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

/// The teams for rows that registers can hold, `most_elements` of them a thread, by length: the
/// first that is long enough has a row. A length decides how many threads walk a row, and with it
/// the order of sums, whether it is known or not.
std::vector<CudaTeam> teams_for(int most_elements) {
  std::vector<CudaTeam> teams{{16, std::min(few_elements, most_elements), 0, true}};
  for (const CudaTeam& t : {CudaTeam{32, std::min(most_elements_of_warp, most_elements)},
                            CudaTeam{128, std::min(most_elements_of_block, most_elements)}})
    if (t.length() > teams.back().length()) teams.push_back(t);
  return teams;
}

/// The team for rows of a known length, if registers can hold them.
std::optional<CudaTeam> team_for(std::int64_t length, int most_elements) {
  const std::vector<CudaTeam> teams = teams_for(most_elements);
  const auto has_room = [&](const CudaTeam& t) { return length <= t.length(); };
  const auto found = std::ranges::find_if(teams, has_room);
  CudaTeam team = found != teams.end() ? *found : CudaTeam{longest_team, most_elements};
  if (!has_room(team)) return std::nullopt;
  if (team.fits) {
    team.fits = false;
    for (team.threads = 1; team.length() < length;) team.threads *= 2;
  }
  team.elements = static_cast<int>(std::max<std::int64_t>(1, (length - 1) / team.threads + 1));
  return team;
}

class RowsDecider {
public:
  explicit RowsDecider(const Kernel& kernel) : k_(kernel) {
    for (int a = k_.rows; a <= last_axis(k_); ++a)
      length_ = dims::mul(length_, k_.axes[static_cast<std::size_t>(a)]);
  }

  CudaRows run() {
    find_kept();
    std::optional<CudaTeam> known;
    if (length_.is_static() && !has_partial_folds())
      known = team_for(length_.value(), most_elements());
    r_.is_known = known.has_value();
    r_.is_shared = !known && can_share();
    if (known) {
      add(*known, CudaRows::unbounded, true);
      return std::move(r_);
    }
    if (has_short_ways())
      for (const CudaTeam& t : teams_for(most_elements())) add(t, t.length(), true);
    if (r_.is_shared)
      add({longest_team, std::min(sharing_elements, most_elements()), shared_at_a_time},
          std::int64_t{longest_team} * stretch, true);
    // Where rows can be kept, those that are not are few.
    add({longest_team, r_.is_shared ? 4 : 8}, CudaRows::unbounded, false);
    return std::move(r_);
  }

private:
  bool has_partial_folds() const { return std::ranges::any_of(k_.reductions, is_partial_fold); }
  bool has_short_ways() const { return !length_.is_static() && !has_partial_folds(); }

  void add(const CudaTeam& team, std::int64_t at_most, bool keeps) {
    // What is within a row of any length takes registers too.
    const bool is_full = !length_.is_static() && team.elements > most_elements_of_block;
    const int threads = is_full ? threads_of_multiprocessor / 2 : threads_of_multiprocessor;
    r_.ways.push_back({team, at_most, keeps, threads / team.block()});
  }

  template <class F> void for_each_element(F f) const {
    for (int stage = 0; stage < stages(); ++stage) {
      const Stage& s = k_.stages[static_cast<std::size_t>(stage)];
      for (int id : s.loop.values)
        if (value(k_, id).kind == ValueKind::load && value(k_, id).access->computed.empty())
          f(*value(k_, id).access.get(), value(k_, id).dtype, stage, true);
      for (const Store& o : s.loop.stores) f(o.access, value(k_, o.value).dtype, stage, false);
    }
  }
  int stages() const { return static_cast<int>(k_.stages.size()); }

  void find_kept() {
    for_each_element([&](const Access& a, DType dtype, int stage, bool is_loaded) {
      const auto it = std::ranges::find_if(
          r_.kept, [&](const CudaKept& k) { return is_same_element(k.access, a); });
      if (it == r_.kept.end())
        r_.kept.push_back({a, dtype, stage, stage, is_loaded});
      else
        it->last = stage;
    });
    std::erase_if(r_.kept, [](const CudaKept& k) { return k.first == k.last; });
    std::ranges::stable_sort(r_.kept, {}, [&](const CudaKept& k) { return array_of(k.access); });
    for (int stage = 0; stage < stages(); ++stage)
      for (CudaKept& kept : r_.kept)
        if (kept.first == stage) find_shared_array(kept);
  }
  /// Orders arrays: what is only read, working arrays, what is only written, what is both.
  std::pair<int, int> array_of(const Access& a) const {
    if (a.scratch >= 0) return {1, a.scratch};
    const Param& p = k_.params[static_cast<std::size_t>(a.param)];
    return {!p.is_written ? 0 : p.is_read ? 3 : 2, a.param};
  }

  /// What the only store of a stage computes may take the place of what is read there for the last
  /// time: a thread has read an element when it stores that.
  void find_shared_array(CudaKept& kept) {
    const Stage& first = k_.stages[static_cast<std::size_t>(kept.first)];
    const int read_until = kept.first - (kept.is_loaded || first.loop.stores.size() > 1 ? 1 : 0);
    std::vector<CudaSharedArray>& arrays = r_.shared_arrays;
    const auto free = std::ranges::find_if(arrays, [&](const CudaSharedArray& a) {
      return a.dtype == kept.dtype && a.last <= read_until;
    });
    kept.array = static_cast<std::size_t>(free - arrays.begin());
    if (free == arrays.end()) arrays.push_back({kept.dtype, kept.last});
    arrays[kept.array].last = kept.last;
  }

  /// Whether shared memory can hold what registers cannot: not what folds over the rows have for
  /// each element.
  bool can_share() const {
    return !r_.kept.empty() && !has_partial_folds() &&
           std::ranges::none_of(k_.reductions,
                                [](const Reduction& r) { return r.is_outer && !r.kept.empty(); });
  }

  /// Elements of a thread for which there are registers: those that live from one stage to the next
  /// at the same time with what a stage reads besides, and what folds over the rows have for each
  /// element.
  int most_elements() const {
    int words = 1;
    for (int stage = 0; stage < stages(); ++stage)
      words = std::max(words, std::max(words_kept_after(stage - 1), words_kept_after(stage)) +
                                  words_read_in(stage));
    for (const Reduction& r : k_.reductions)
      if (r.is_outer && !r.kept.empty())
        words += words_of(r.accumulator) + (r.op->gives_position() ? words_of(r.result_dtype) : 0);
    return most_kept_words / words;
  }
  int words_kept_after(int stage) const {
    int words = 0;
    for (const CudaKept& kept : r_.kept)
      if (kept.first <= stage && stage < kept.last) words += words_of(kept.dtype);
    return words;
  }
  int words_read_in(int stage) const {
    int words = 0;
    for (int id : k_.stages[static_cast<std::size_t>(stage)].loop.values) {
      const Value& v = value(k_, id);
      const auto is_this = [&](const CudaKept& k) { return is_same_element(k.access, v.access); };
      if (v.kind == ValueKind::load && std::ranges::none_of(r_.kept, is_this))
        words += words_of(v.dtype);
    }
    return words;
  }
  static int words_of(DType t) { return item_size(t) == 8 ? 2 : 1; }

  const Kernel& k_;
  Dim length_{1}; ///< of a row
  CudaRows r_;
};

std::string describe(const CudaTeam& t, bool keeps) {
  const std::string threads =
      t.fits ? fmt::format("up to {} threads", t.threads)
             : fmt::format("{} thread{}", t.threads, t.threads == 1 ? "" : "s");
  if (!keeps) return fmt::format("{}, in memory {} elements at a time", threads, t.elements);
  return fmt::format("{} with {} element{} each in registers{}", threads, t.elements,
                     t.elements == 1 ? "" : "s",
                     t.at_a_time > 0 ? ", the others in shared memory" : "");
}

std::string describe(const CudaElements& e) {
  std::string text = "an element a thread at a time";
  if (e.width > 1) text = fmt::format("{} neighbours a thread at a time", e.width);
  if (e.turns > 1) text += fmt::format(", {} times", e.turns);
  text += fmt::format("; {} elements a block of {} threads", e.elements_of_block, e.threads);
  if (e.most_blocks > 0) text += fmt::format(", at most {} blocks", e.most_blocks);
  return text;
}

std::string describe(const CudaRows& r) {
  std::string text;
  for (const CudaRows::Way& w : r.ways) {
    if (!text.empty()) text += "; ";
    text += w.at_most != CudaRows::unbounded ? fmt::format("rows of up to {} elements", w.at_most)
            : r.ways.size() > 1              ? "others"
                                             : "rows";
    text += " by " + describe(w.team, w.keeps);
  }
  return text;
}

} // namespace

std::vector<Dim> multiples_of_windows(const Kernel& kernel, std::span<const CudaWindow> windows) {
  std::vector<Dim> found;
  const auto add = [&](const Dim& d) {
    if (std::ranges::none_of(found, [&](const Dim& x) { return dims::same(x, d); }))
      found.push_back(d);
  };
  const int last = last_axis(kernel);
  if (has_inner(kernel)) add(kernel.axes.back());
  for (const CudaWindow& w : windows) {
    if (!w.access.offset.is(0)) add(w.access.offset);
    for (const Term& t : w.access.terms)
      if (t.axis != last) add(t.coefficient);
  }
  return found;
}

std::string CudaSchedule::to_string() const {
  std::string text = support::match(
      form, [](const CudaScalars&) { return std::string("no loop"); },
      [](const CudaElements& e) { return describe(e); },
      [](const CudaTiles& t) {
        return fmt::format(
            "squares of {} x {} of axis {} and the last through shared memory, for {} "
            "load{}",
            t.side, t.side, t.across, t.turned.size(), t.turned.size() == 1 ? "" : "s");
      },
      [](const CudaColumns& c) {
        return fmt::format("{} columns a thread, up to {} a block, {} rows at once; rows shared by "
                           "at most {} blocks",
                           c.columns, c.tile,
                           c.reads_windows ? c.rows_at_once : c.slow_rows_at_once, c.most_blocks);
      },
      [](const CudaRows& r) { return describe(r); });
  switch (finish) {
  case CudaFinish::none:
    break;
  case CudaFinish::last_block:
    text += "; the last block ends the fold";
    break;
  case CudaFinish::scalars:
    text += "; then scalars by one block";
    break;
  case CudaFinish::arrays:
    text += "; then what was folded, a launch";
    break;
  case CudaFinish::arrays_and_scalars:
    text += "; then what was folded, two launches";
    break;
  }
  return text;
}

CudaSchedule schedule_for_cuda(const Kernel& kernel) {
  CudaSchedule s{.form = CudaScalars{}};
  bool counts_blocks = false;
  if (kernel.axes.empty()) {
    // The finish is all there is.
  } else if (std::optional<CudaTiles> tiles = tiles_for(kernel)) {
    s.form = *std::move(tiles);
  } else if (is_for_elements(kernel)) {
    s.form = ElementsDecider(kernel).run();
    counts_blocks = true;
  } else if (is_for_columns(kernel)) {
    s.form = columns_of(kernel);
  } else {
    CudaRows rows = RowsDecider(kernel).run();
    counts_blocks = rows.is_known && rows.ways[0].team.block() == 256;
    s.form = std::move(rows);
  }
  s.finish = finish_of(kernel, counts_blocks);
  return s;
}

} // namespace kroton::codegen
