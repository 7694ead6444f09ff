#include "codegen/schedule/cpu.hpp"

#include <algorithm>
#include <bit>
#include <span>

#include "lib/support/match.hpp"

namespace kroton::codegen {
namespace {

using namespace plan;

/// Results of this many bytes and more are not worth a place in the caches.
constexpr std::int64_t streams_from = std::int64_t{16} << 20;
/// Loops of a constant length up to this may be written out.
constexpr std::int64_t most_unrolled = 4;
/// Random numbers that are drawn at a time.
constexpr std::int64_t longest_run = 1024;
/// Rows that are folded into arrays at once.
constexpr int most_rows_at_once = 8;
/// Bytes of a row from which on there are several at once,
constexpr std::int64_t page = 4096;
/// and vectors up to which there are: those of fewer would wait for what they have just stored.
constexpr std::int64_t vectors_of_short_rows = 4;

class Decider {
public:
  Decider(const Kernel& kernel, int vector_bytes)
      : k_(kernel), vector_bytes_(vector_bytes), lanes_(choose_lanes(kernel, vector_bytes)) {}

  CpuSchedule run() {
    CpuSchedule s{.axes = k_.axes.size(),
                  .lanes = lanes_,
                  .form = ScalarForm{},
                  .rolled = rolled(),
                  .chunks = chunks()};
    if (k_.axes.empty()) return s;
    if (has_inner(k_))
      s.form = rows();
    else if (k_.stages.size() == 1)
      s.form = FlatForm{in_pieces(k_.stages[0], loop_of(k_.stages, false), 0), streaming()};
    else
      s.form = FlatForm{loop_of(k_.stages, false), streaming()};
    return s;
  }

private:
  const Value& value(int id) const { return k_.values[static_cast<std::size_t>(id)]; }
  const Reduction& reduction(int r) const { return k_.reductions[static_cast<std::size_t>(r)]; }
  int last_axis() const { return static_cast<int>(k_.axes.size()) - 1; }

  std::vector<int> rolled() const {
    std::vector<int> axes;
    for (std::size_t a = 0; a < k_.axes.size(); ++a)
      if (k_.axes[a].is_static() && k_.axes[a].value() > most_unrolled)
        axes.push_back(static_cast<int>(a));
    return axes;
  }

  Chunks chunks() const {
    // About 20 us of work: five times what handing out chunks costs.
    Chunks c{.elements = std::max<std::int64_t>(256, 65536 / (1 + k_.cost / 8))};
    if (depends_on_chunks()) c.ordered_elements = 8192;
    return c;
  }
  /// Whether the result of a fold over the rows depends on their order, which is then that of the
  /// chunks: floats are rounded, and of a fold that we know nothing of we do not know it.
  bool depends_on_chunks() const {
    return std::ranges::any_of(k_.reductions, [](const Reduction& r) {
      switch (r.op->fold->combine) {
      case ir::Combine::sum:
      case ir::Combine::other:
        return r.is_outer && is_float(r.dtype);
      case ir::Combine::maximum:
      case ir::Combine::minimum:
        break;
      }
      return false;
    });
  }

  // Loops over the last axis.

  /// The loop that walks these stages at once; `is_short`: it is no longer than a stretch.
  CpuLoop loop_of(std::span<const Stage> stages, bool is_short) const {
    CpuLoop loop;
    bool has_parts = false;
    for (const Stage& s : stages)
      for (int r : s.reductions) {
        if (!folds_in_loop(k_, reduction(r)) || !is_folded_apart(reduction(r))) continue;
        loop.folds.push_back({r});
        has_parts = has_parts || is_stretched(reduction(r));
      }
    if (lanes_.count > 0) {
      for (const Stage& s : stages)
        std::ranges::copy_if(s.loop.values, std::back_inserter(loop.runs),
                             [&](int id) { return is_run(id) && !lanes_.is_drawn_by_rows(id); });
      loop.vectors = vectors_a_turn(stages);
      const Dim& n = k_.axes.back();
      const std::int64_t longest = has_inner(k_) && n.is_static() ? n.value() : longest_stretch;
      for (LoopFold& f : loop.folds)
        f.parts = parts_of(reduction(f.reduction), loop.vectors, longest);
    }
    // A row's sum has the stretches that it has without random numbers.
    if (!loop.runs.empty() || (has_parts && !is_short))
      loop.stretch = loop.runs.empty() || has_inner(k_) ? longest_stretch : longest_run;
    return loop;
  }
  /// The loop cut into pieces, if it is long. `first_function` is the number of their first one.
  CpuLoop in_pieces(const Stage& stage, CpuLoop loop, int first_function) const {
    if (!loop.runs.empty()) return loop;
    loop.pieces = cut_into_pieces(k_, stage, lanes_, first_function);
    for (Piece& p : loop.pieces.pieces)
      for (PieceFold& f : p.folds)
        if (const auto fold = std::ranges::find(loop.folds, f.reduction, &LoopFold::reduction);
            fold != loop.folds.end())
          f.parts = fold->parts;
    return loop;
  }
  /// Whether a loop folds it in variables of its own.
  bool is_folded_apart(const Reduction& r) const {
    return lanes_.count > 0 ? folds_lanes(r, last_axis()) : is_stretched_variable(r);
  }
  bool is_run(int id) const { return value(id).kind == ValueKind::uniform && lanes_.is_vector(id); }
  /// Folds of little work would wait for each other. A constant length of less than a turn needs
  /// none of that.
  int vectors_a_turn(std::span<const Stage> stages) const {
    int cost = 0, folds = 0;
    for (const Stage& s : stages) {
      for (int id : s.loop.values)
        if (lanes_.is_vector(id)) cost += value(id).op ? value(id).op->cost : 1;
      folds += static_cast<int>(s.reductions.size());
    }
    const int wanted = cost <= 6 ? (folds ? 4 : 2) : cost <= 20 && folds ? 2 : 1;
    const Dim& n = k_.axes.back();
    return has_inner(k_) && n.is_static() && n.value() < wanted * lanes_.count ? 1 : wanted;
  }
  /// `longest`: the most elements that the loop is known to have.
  std::int64_t parts_of(const Reduction& r, int vectors, std::int64_t longest) const {
    if (r.op->fold->combine != ir::Combine::sum) return vectors;
    if (!is_float(r.dtype)) return std::int64_t{vectors} * lanes_.count;
    // Partial sums beyond the loop's length are zeros, which add nothing.
    return std::max<std::int64_t>(
        lanes_.count, std::min<std::int64_t>(lanes_.partial_sums(r.dtype),
                                             std::bit_ceil(static_cast<std::uint64_t>(longest))));
  }

  // Rows.

  RowForm rows() const {
    RowForm form;
    const Dim& n = k_.axes.back();
    const bool is_short = n.is_static() && n.value() <= longest_stretch;
    int functions = 0;
    bool has_pieces = false;
    for (const Stage& s : k_.stages) {
      CpuLoop& loop = form.stages.emplace_back();
      if (has_loop(k_, s)) {
        loop = in_pieces(s, loop_of({&s, 1}, is_short), functions);
        for (const Piece& p : loop.pieces.pieces) functions = std::max(functions, p.function + 1);
        has_pieces = has_pieces || !loop.pieces.pieces.empty();
      }
      add_column_folds(s, loop);
    }
    if (folds_columns() && !has_pieces) form.rows_at_once = at_once(k_.stages[0]);
    for (const Stage& s : k_.stages) {
      std::ranges::copy_if(s.loop.values, std::back_inserter(form.runs),
                           [&](int id) { return lanes_.is_drawn_by_rows(id); });
      for (int r : s.reductions)
        if (lanes_.is_deferred(reduction(r).value))
          form.of_deferred.push_back({r, parts_of(reduction(r), 1, longest_row_stretch)});
    }
    if (!form.runs.empty() || !lanes_.deferred.empty() ||
        std::ranges::any_of(k_.reductions,
                            [](const Reduction& r) { return r.is_outer && r.has_block_sum(); }))
      form.stretch = longest_row_stretch;
    return form;
  }
  AtOnce at_once(const Stage& s) const {
    const auto item = static_cast<std::int64_t>(item_size(reduction(s.reductions[0]).dtype));
    const AtOnce several{most_rows_at_once, vectors_of_short_rows * vector_bytes_ / item,
                         page / item};
    const Dim& n = k_.axes.back();
    if (!n.is_static()) return several;
    return several.one_from <= n.value() && n.value() < several.one_to ? AtOnce{}
                                                                       : AtOnce{most_rows_at_once};
  }
  void add_column_folds(const Stage& s, CpuLoop& loop) const {
    const auto is_summed = [&](int r) {
      return !reduction(r).is_outer && reduction(r).has_block_sum();
    };
    if (std::ranges::any_of(s.reductions, is_summed)) loop.column_stretch = longest_row_stretch;
    if (lanes_.count > 0 && loop.runs.empty() && loop.pieces.pieces.empty() &&
        folds_inner_columns(s))
      loop.columns_at_once = at_once(s);
  }
  /// Whether a stage does nothing but fold along its first inner axes into arrays over the others,
  /// lane by lane.
  bool folds_inner_columns(const Stage& s) const {
    if (s.reductions.empty() || !s.loop.stores.empty()) return false;
    const Reduction& first = reduction(s.reductions[0]);
    return std::ranges::all_of(s.reductions, [&](int r) {
      const Reduction& x = reduction(r);
      return is_partial_fold(x) && !x.is_outer && x.reduced == first.reduced &&
             x.reduced.back() < x.kept.front() && !folds_lanes(x, last_axis());
    });
  }
  /// Whether the rows of a matrix do nothing but fold into arrays, lane by lane.
  bool folds_columns() const {
    if (lanes_.count == 0 || k_.rows != 1 || k_.axes.size() != 2 || k_.stages.size() != 1)
      return false;
    const Stage& s = k_.stages[0];
    const auto is_load = [&](int id) {
      return value(id).kind == ValueKind::load && value(id).access->computed.empty();
    };
    const auto is_drawn_in_loop = [&](int id) {
      return is_run(id) && !lanes_.is_drawn_by_rows(id);
    };
    return s.row.stores.empty() && s.loop.stores.empty() &&
           std::ranges::all_of(s.row.values, is_load) &&
           std::ranges::none_of(s.loop.values, is_drawn_in_loop) &&
           std::ranges::all_of(s.reductions, [&](int r) {
             return reduction(r).is_outer && folds_in_loop(k_, reduction(r)) &&
                    !folds_lanes(reduction(r), 1);
           });
  }

  // Flat loops.

  /// Whether the kernel does little but write one array, front to back: then large results are
  /// written past the caches, which saves reading each line before it is overwritten.
  std::optional<Streaming> streaming() const {
    constexpr std::int64_t little_work = 24;
    const auto is_random = [](const Value& v) { return v.kind == ValueKind::uniform; };
    if (k_.axes.size() != 1 || std::ranges::any_of(k_.values, is_random) ||
        !k_.reductions.empty() || !k_.finish.empty() || k_.stages.size() != 1 ||
        k_.cost > little_work)
      return std::nullopt;
    const Stage& s = k_.stages[0];
    if (!s.row.stores.empty() || s.loop.stores.size() != 1) return std::nullopt;
    const Access& a = s.loop.stores[0].access;
    const Param& p = k_.params[static_cast<std::size_t>(a.param)];
    const std::int64_t from = streams_from / static_cast<std::int64_t>(item_size(p.dtype));
    if (!is_float(p.dtype) || p.is_read || !a.offset.is(0) || a.terms.size() != 1 ||
        !a.terms[0].coefficient.is(1) || (k_.axes[0].is_static() && k_.axes[0].value() < from))
      return std::nullopt;
    Lanes lanes = flat_lanes(k_, vector_bytes_);
    if (lanes.count == 0) return std::nullopt;
    return Streaming{std::move(lanes), from};
  }

  const Kernel& k_;
  const int vector_bytes_;
  const Lanes lanes_;
};

std::string describe(const Lanes& lanes, int axis) {
  return lanes.count > 0 ? fmt::format("{} lanes along axis {}", lanes.count, axis)
                         : fmt::format("a plain loop along axis {}", axis);
}

/// "8 rows at once, one of 64 to 1024 columns".
std::string describe(const AtOnce& a, std::string_view what) {
  std::string text = fmt::format(", {} {} at once", a.count, what);
  if (a.one_to > 0) text += fmt::format(", one of {} to {} columns", a.one_from, a.one_to - 1);
  return text;
}

/// ", in 5 pieces (2 functions) over blocks of 256 elements, which leave 3 arrays to each other".
std::string describe(const Pieces& pieces) {
  if (pieces.pieces.empty()) return "";
  std::vector<int> functions;
  for (const Piece& p : pieces.pieces)
    if (std::ranges::find(functions, p.function) == functions.end())
      functions.push_back(p.function);
  return fmt::format(", in {} pieces ({} function{}) over blocks of {} elements, which leave {} "
                     "array{} to each other",
                     pieces.pieces.size(), functions.size(), functions.size() == 1 ? "" : "s",
                     pieces.block, pieces.temporaries.size(),
                     pieces.temporaries.size() == 1 ? "" : "s");
}

/// ", 4 vectors a turn, stretches of 4096".
std::string describe(const CpuLoop& loop) {
  std::string text;
  if (loop.vectors > 1) text += fmt::format(", {} vectors a turn", loop.vectors);
  std::int64_t parts = 1;
  for (const LoopFold& f : loop.folds) parts = std::max(parts, f.parts);
  if (parts > 1) text += fmt::format(", {} partial results", parts);
  if (loop.stretch > 0) text += fmt::format(", stretches of {}", loop.stretch);
  if (!loop.runs.empty()) text += ", random numbers drawn for each";
  if (loop.columns_at_once.count > 1) text += describe(loop.columns_at_once, "rows of columns");
  if (loop.column_stretch > 0)
    text += fmt::format(", columns in stretches of {}", loop.column_stretch);
  return text + describe(loop.pieces);
}

std::string describe(const RowForm& form) {
  std::string text;
  if (form.rows_at_once.count > 1) {
    text += describe(form.rows_at_once, "rows");
  } else {
    for (std::size_t s = 0; s < form.stages.size(); ++s)
      if (const std::string loop = describe(form.stages[s]); !loop.empty())
        text += form.stages.size() == 1 ? loop : fmt::format(", stage {}:{}", s, loop.substr(1));
  }
  if (form.stretch > 0) text += fmt::format("; blocks of {} rows", form.stretch);
  if (!form.runs.empty()) text += ", random numbers drawn for each";
  if (!form.of_deferred.empty()) text += ", ends of rows computed after each";
  return text;
}

} // namespace

std::string CpuSchedule::to_string() const {
  const int last = static_cast<int>(axes) - 1;
  const std::string walk = support::match(
      form, [](const ScalarForm&) { return std::string("scalars, no loop"); },
      [&](const FlatForm& flat) {
        std::string text = describe(lanes, last) + describe(flat.loop);
        if (flat.streaming)
          text += fmt::format("; from {} elements on {} lanes that store past the caches",
                              flat.streaming->from, flat.streaming->lanes.count);
        return text;
      },
      [&](const RowForm& rows) { return describe(lanes, last) + describe(rows); });
  if (axes == 0) return walk;
  if (chunks.ordered_elements > 0)
    return fmt::format("{}; chunks of at least {} elements joined in order, in parallel above {}",
                       walk, chunks.ordered_elements, chunks.elements);
  return fmt::format("{}; chunks of at least {} elements in parallel", walk, chunks.elements);
}

std::vector<const CpuLoop*> loops_of(const CpuSchedule& schedule) {
  std::vector<const CpuLoop*> loops;
  support::match(
      schedule.form, [](const ScalarForm&) {}, [&](const FlatForm& f) { loops = {&f.loop}; },
      [&](const RowForm& f) {
        for (const CpuLoop& l : f.stages) loops.push_back(&l);
      });
  return loops;
}

CpuSchedule schedule_for_cpu(const Kernel& kernel, int vector_bytes) {
  return Decider(kernel, vector_bytes).run();
}

} // namespace kroton::codegen
