#include "codegen/render.hpp"

#include <algorithm>
#include <utility>

#include "codegen/expression.hpp"
#include "codegen/literal.hpp"
#include "codegen/prelude.hpp"
#include "lib/support/error.hpp"

namespace kroton::codegen {
namespace {

/// Loops of a constant length up to this may be written out.
constexpr std::int64_t most_unrolled = 4;

/// Random numbers that are drawn at a time.
constexpr std::int64_t longest_run = 1024;

/// Results of this many bytes and more are not worth a place in the caches.
constexpr std::int64_t streams_from = std::int64_t{16} << 20;

class Renderer : Expressions {
public:
  /// `streaming` are the lanes of a second text, for results larger than the caches.
  Renderer(const Kernel& kernel, Lanes lanes, Lanes streaming)
      : Expressions(kernel, std::move(lanes)), k_(kernel), offsets_(scratch_offsets(kernel)),
        streaming_(std::move(streaming)) {}

  KernelSource run() {
    std::string body = rows_function();
    if (can_stream()) body += Renderer(k_, streaming_, {}).streamed_function();
    body += finish_function();
    body += entry_points();
    std::string head = header();
    const std::string prelude = prelude_for(prelude_names_in(body));
    head += prelude + "\n" + runtime_declaration(k_.is_fallible());
    const int shift = static_cast<int>(std::ranges::count(head, '\n'));
    KernelSource source{head + body, {}};
    for (auto& [line, node] : lines_) source.lines.emplace_back(line + shift, node);
    return source;
  }

private:
  // --- statements -------------------------------------------------------------------------------

  void line(int indent, const std::string& text) {
    out_ += std::string(static_cast<std::size_t>(indent) * 2, ' ') + text + "\n";
    ++line_number_;
  }

  void emit_values(const Block& b, int indent) {
    for (int id : b.values) {
      const Value& v = value(id);
      for (const ComputedTerm& t : v.access.computed)
        line(indent, fmt::format("const i64 p{} = checked(rt, {}, {}, {});", t.site, t.site,
                                 operand(t.value, 0), dim_text(t.bound)));
      if (is_inline(id) || uses(id) == 0) continue;
      if (v.node != ir::no_node) lines_.emplace_back(line_number_ + 1, v.node);
      line(indent,
           fmt::format("const {} {} = {};", lanes().is_vector(id) ? "auto" : type_name(v.dtype),
                       value_name(id), definition(id).text));
    }
  }

  void emit_stores(const Block& b, int indent) {
    for (const Store& s : b.stores) {
      if (const ir::NodeId node = value(s.value).node; node != ir::no_node && is_inline(s.value))
        lines_.emplace_back(line_number_ + 1, node);
      line(indent, fmt::format("{} = {};", element(s.access), operand(s.value, 0)));
    }
  }

  void emit_vector_stores(const Block& b, int axis, int indent) {
    for (const Store& s : b.stores) {
      if (const ir::NodeId node = value(s.value).node; node != ir::no_node && is_inline(s.value))
        lines_.emplace_back(line_number_ + 1, node);
      line(indent, store(s.access, axis, vector_operand(s.value)));
    }
  }

  /// An operand as a vector, whether or not it differs from lane to lane.
  std::string vector_operand(int id) const {
    const std::string text = operand(id, 0);
    return lanes().is_vector(id)
               ? text
               : fmt::format("vec<{}, {}>({})", type_name(value(id).dtype), lanes().count, text);
  }

  void emit_fold(const Reduction& r, const std::string& so_far, const std::string& best,
                 const std::string& value, const std::string& position, int indent) {
    if (r.op->better.empty()) {
      line(indent, fmt::format("{} = {};", so_far, folded(r, false, so_far, value)));
      return;
    }
    line(indent, fmt::format("if ({}) {{", better(r, best, value)));
    line(indent + 1, fmt::format("{} = {};", best, value));
    line(indent + 1, fmt::format("{} = {};", so_far, position));
    line(indent, "}");
  }

  std::string folded(const Reduction& r, bool is_vector, std::string_view so_far,
                     std::string_view value) const {
    return replaced(replaced(fold(r, is_vector), "{0}", so_far), "{1}", value);
  }
  static std::string better(const Reduction& r, std::string_view best, std::string_view value) {
    return replaced(replaced(std::string(r.op->better), "{0}", best), "{1}", value);
  }

  /// Whether stretches of it are folded in a narrower variable first; elements of arrays are not.
  bool has_part(int r) const { return is_stretched(r) && reduction(r).kept.empty(); }

  /// The array that elements are folded into one by one.
  const Access& folded_array(const Reduction& r) const { return r.has_part() ? r.part : r.array; }
  DType folded_dtype(const Reduction& r) const { return r.has_part() ? r.dtype : r.array_dtype; }

  /// The variables (or array elements) that a reduction folds into.
  std::string accumulator(int r) const {
    return reduction(r).has_array() && !reduction(r).kept.empty()
               ? element(folded_array(reduction(r)))
               : result_name(r);
  }
  std::string best_so_far(int r) const {
    if (reduction(r).op->better.empty()) return {};
    return reduction(r).has_array() && !reduction(r).kept.empty() ? element(reduction(r).best)
                                                                  : result_name(r) + "_best";
  }

  void emit_start(int r, int indent) {
    const Reduction& x = reduction(r);
    const bool is_array = !x.kept.empty();
    const bool is_position = !x.op->better.empty();
    const std::string start = is_position ? literal(DType::i64, 0)
                              : is_array  ? limit(x.array_dtype, x.op->neutral)
                                          : limit(x.accumulator, x.op->neutral);
    int depth = indent;
    if (is_array)
      for (int a : x.kept) open_loop(a, depth++);
    const std::string kind =
        is_array ? "" : type_name(is_position ? x.result_dtype : x.accumulator) + " ";
    line(depth,
         fmt::format("{}{} = {};", kind, is_array ? element(x.array) : result_name(r), start));
    if (is_position)
      line(depth, fmt::format("{}{} = {};", is_array ? "" : type_name(x.dtype) + " ",
                              best_so_far(r), limit(x.dtype, x.op->neutral)));
    while (depth > indent) line(--depth, "}");
  }

  std::string loop_over(int axis) const {
    const std::string i = axis_name(axis);
    return fmt::format("for (i64 {0} = 0; {0} < {1}; ++{0}) {{", i,
                       dim_text(k_.axes[static_cast<std::size_t>(axis)]));
  }

  /// Opens a loop inside a row. Clang writes out loops of constant length before it looks for
  /// vectors: a softmax row of 40 then took it a second, and rows of 10 ran slower than in a loop.
  void open_loop(int axis, int indent) {
    const Dim& d = k_.axes[static_cast<std::size_t>(axis)];
    if (d.is_static() && d.value() > most_unrolled)
      line(indent, "#pragma clang loop unroll(disable)");
    line(indent, loop_over(axis));
  }

  /// Whether a reduction is folded for each element of the loop, or once a row.
  bool folds_in_loop(int r) const {
    return !has_inner() || !reduction(r).kept.empty() || !reduction(r).reduced.empty();
  }
  bool has_inner() const { return k_.rows < static_cast<int>(k_.axes.size()); }

  void fold_all(const Stage& s, int indent, bool inside_loop) {
    for (int r : s.reductions) {
      const Reduction& x = reduction(r);
      if (folds_in_loop(r) != inside_loop) continue;
      if (!is_stretched(r) || (!x.kept.empty() && folded_dtype(x) == x.dtype))
        emit_fold(x, accumulator(r), best_so_far(r), operand(x.value, 0), access_index(x.position),
                  indent);
      else if (!x.kept.empty())
        line(indent, fmt::format("{0} = {0} + {1};", accumulator(r), operand(x.value, 2)));
      else if (inside_loop)
        emit_fold(x, result_name(r) + "_part", {}, operand(x.value, 0), {}, indent);
      else
        line(indent, fmt::format("{0} = {0} + {1};", result_name(r), operand(x.value, 2)));
    }
  }

  /// The loop `for (axis from begin to end)` around `body`, in stretches if `s` sums f32 in it.
  template <class Body>
  void emit_loop(const std::vector<Stage>& stages, int axis, const std::string& begin,
                 const std::string& end, bool is_short, int indent, Body body) {
    std::vector<int> parts;
    for (const Stage& s : stages)
      for (int r : s.reductions)
        if (has_part(r) && folds_in_loop(r)) parts.push_back(r);
    const std::string i = axis_name(axis);
    int depth = indent;
    const bool is_split = !parts.empty() && !is_short;
    if (is_split) {
      line(depth++, fmt::format("for (i64 {0}_from = {1}; {0}_from < {2}; {0}_from += {3}) {{", i,
                                begin, end, longest_stretch));
      line(depth, fmt::format("const i64 {0}_to = {0}_from + {1} < {2} ? {0}_from + {1} : {2};", i,
                              longest_stretch, end));
    }
    for (int r : parts)
      line(depth, fmt::format("{} {}_part = {};", type_name(reduction(r).dtype), result_name(r),
                              limit(reduction(r).dtype, reduction(r).op->neutral)));
    line(depth, fmt::format("for (i64 {0} = {1}; {0} < {2}; ++{0}) {{", i,
                            is_split ? i + "_from" : begin, is_split ? i + "_to" : end));
    body(depth + 1);
    line(depth, "}");
    for (int r : parts) line(depth, fmt::format("{0} = {0} + {0}_part;", result_name(r)));
    if (is_split) line(indent, "}");
  }

  // --- loops with vectors ------------------------------------------------------------------------

  /// Vectors that one turn of a loop takes: folds of little work would wait for each other.
  /// A constant length of less than a turn needs none.
  int vectors_a_turn(const std::vector<Stage>& stages, bool is_whole_axis) const {
    int cost = 0, folds = 0;
    for (const Stage& s : stages) {
      for (int id : s.loop.values)
        if (lanes().is_vector(id)) cost += value(id).op ? value(id).op->cost : 1;
      folds += static_cast<int>(s.reductions.size());
    }
    const int wanted = cost <= 6 ? (folds ? 4 : 2) : cost <= 20 && folds ? 2 : 1;
    const Dim& n = k_.axes.back();
    return is_whole_axis && n.is_static() && n.value() < wanted * lanes().count ? 1 : wanted;
  }

  /// Whether the lanes of a vector along `axis` are folded into one number.
  bool folds_lanes(int r, int axis) const {
    return !reduction(r).has_array() || reduction(r).kept.empty() ||
           step_along(reduction(r).array, axis).is(0);
  }
  /// The prelude's type that a loop folds `r` into.
  static std::string_view folder(const Reduction& r) {
    if (r.op->neutral == "zero") return "sums";
    const bool is_max = r.op->neutral == "lowest";
    if (r.op->better.empty()) return is_max ? "maxima" : "minima";
    return is_max ? "first_maxima" : "first_minima";
  }
  static std::string lanes_name(int r) { return result_name(r) + "_in"; }

  void emit_lanes_start(int r, int vectors, int indent) {
    const Reduction& x = reduction(r);
    const std::string start =
        x.op->neutral == "zero" ? "" : fmt::format("({})", limit(x.dtype, x.op->neutral));
    line(indent, fmt::format("{}<{}, {}, {}> {}{};", folder(x), type_name(x.dtype), lanes().count,
                             vectors, lanes_name(r), start));
  }

  void emit_lanes_fold(int r, int axis, int indent) {
    const Reduction& x = reduction(r);
    std::string taken = operand(x.value, 0);
    if (!x.op->better.empty()) {
      taken += ", " + access_index(x.position);
      if (const Dim step = step_along(x.position, axis); !step.is(0))
        taken += fmt::format(" + {}lane_numbers<i64, {}>()",
                             step.is(1) ? "" : dim_text(step) + " * ", lanes().count);
    }
    line(indent, fmt::format("{}.take(m, k, {});", lanes_name(r), taken));
  }

  /// Folds a vector into an array's elements, lane by lane.
  void emit_array_fold(int r, int axis, int indent) {
    const Reduction& x = reduction(r);
    const Access& array = folded_array(x);
    std::string added = operand(x.value, 0);
    // Lanes past the end may hold the next row's elements.
    if (array.scratch >= 0)
      added = fmt::format("where(m, {}, {})", added, limit(x.dtype, x.op->neutral));
    const std::string so_far = elements(array, axis);
    const std::string sum =
        folded_dtype(x) != x.dtype
            ? fmt::format("{} + convert<{}>({})", so_far, type_name(x.accumulator), added)
            : folded(x, true, so_far, added);
    line(indent, store(array, axis, sum));
  }

  /// Folds what a loop's lanes hold into the variable or array element of `r`; with `is_new` it is
  /// defined by it.
  void emit_lanes_end(int r, bool is_new, int indent) {
    const Reduction& x = reduction(r);
    const bool is_position = !x.op->better.empty();
    const std::string to = accumulator(r);
    const std::string all = lanes_name(r) + (is_position ? ".position()" : ".result()");
    if (is_new)
      line(indent, fmt::format("const {} {} = {};",
                               type_name(is_position ? x.result_dtype : x.accumulator), to, all));
    else if (is_stretched(r))
      line(indent, fmt::format("{0} = {0} + {1};", to, all));
    else
      emit_fold(x, to, best_so_far(r), lanes_name(r) + ".result()", all, indent);
  }

  /// Opens the loop `for (axis from begin to end)`; `folds` makes the number of the vector known.
  void open_vector_loop(int axis, int vectors, const std::string& begin, const std::string& end,
                        bool folds, int indent) {
    const Dim& n = k_.axes[static_cast<std::size_t>(axis)];
    const bool is_known = begin == "0" && n.is_static() && end == std::to_string(n.value());
    const std::string head =
        is_known ? fmt::format("in_vectors_of<{}, {}, {}>(", end, lanes().count, vectors)
                 : fmt::format("in_vectors<{}, {}>({}, {}, ", lanes().count, vectors, begin, end);
    line(indent,
         fmt::format("{}[&](i64 {}, auto m, int{}) {{", head, axis_name(axis), folds ? " k" : ""));
  }

  /// Draws the random numbers of a stretch of the loop.
  void emit_run(int id, const std::string& i, int indent) {
    const Value& v = value(id);
    const std::string offset =
        v.access.offset.is(0) ? std::string() : dim_text(v.access.offset) + " + ";
    line(indent, fmt::format("fill_uniform_{}({}, {}_to - {}_from, {}, {}, {}, {}{}_from);",
                             to_string(v.dtype), run_name(id), i, i, operand(v.inputs[0], 0),
                             v.draw, operand(v.inputs[1], 0), offset, i));
  }

  /// As emit_loop, a vector at a time. `defines`: what the loop folds to is not named before.
  void emit_vector_loop(const std::vector<Stage>& stages, int axis, const std::string& begin,
                        const std::string& end, bool is_short, bool defines, int indent) {
    std::vector<int> folds, runs;
    for (const Stage& s : stages)
      for (int id : s.loop.values)
        if (value(id).kind == ValueKind::uniform && lanes().is_vector(id)) runs.push_back(id);
    bool has_parts = false;
    for (const Stage& s : stages)
      for (int r : s.reductions)
        if (folds_in_loop(r) && folds_lanes(r, axis)) {
          folds.push_back(r);
          has_parts = has_parts || is_stretched(r);
        }
    const int vectors = vectors_a_turn(stages, has_inner());
    const std::string i = axis_name(axis);
    const bool is_split = (has_parts && !is_short) || !runs.empty();
    int depth = indent;
    for (int id : runs)
      line(depth, fmt::format("{} {}[{}];", type_name(value(id).dtype), run_name(id), longest_run));
    if (is_split) {
      const std::int64_t step = runs.empty() ? longest_stretch : longest_run;
      line(depth++, fmt::format("for (i64 {0}_from = {1}; {0}_from < {2}; {0}_from += {3}) {{", i,
                                begin, end, step));
      line(depth, fmt::format("const i64 {0}_to = {0}_from + {1} < {2} ? {0}_from + {1} : {2};", i,
                              step, end));
    }
    for (int id : runs) emit_run(id, i, depth);
    for (int r : folds) emit_lanes_start(r, vectors, depth);
    open_vector_loop(axis, vectors, is_split ? i + "_from" : begin, is_split ? i + "_to" : end,
                     !folds.empty(), depth);
    for (const Stage& s : stages) {
      emit_values(s.loop, depth + 1);
      for (int r : s.reductions) {
        if (!folds_in_loop(r)) continue;
        if (folds_lanes(r, axis))
          emit_lanes_fold(r, axis, depth + 1);
        else
          emit_array_fold(r, axis, depth + 1);
      }
      emit_vector_stores(s.loop, axis, depth + 1);
    }
    line(depth, "});");
    for (int r : folds) emit_lanes_end(r, defines && !is_split && !reduction(r).is_outer, depth);
    if (is_split) line(indent, "}");
  }

  void emit_stage(const Stage& s, int indent) {
    emit_values(s.row, indent);
    fold_all(s, indent, false);
    emit_stores(s.row, indent);
    const bool has_loop = !s.loop.stores.empty() || std::ranges::any_of(s.reductions, [&](int r) {
      return folds_in_loop(r);
    });
    if (!has_loop) return;
    const int last = static_cast<int>(k_.axes.size()) - 1;
    const Dim& n = k_.axes.back();
    const bool is_short = n.is_static() && n.value() <= longest_stretch;
    // One vector loop a row, not in stretches, defines what it folds to.
    const bool is_only_loop = lanes().count > 0 && last == k_.rows;
    for (int r : s.reductions)
      if (!reduction(r).is_outer && folds_in_loop(r) &&
          !(is_only_loop && reduction(r).kept.empty() && (is_short || !has_stretches(s))))
        emit_start(r, indent);
    auto body = [&](int depth) {
      emit_values(s.loop, depth);
      fold_all(s, depth, true);
      emit_stores(s.loop, depth);
    };
    if (!has_inner()) return body(indent);
    int depth = indent;
    for (int a = k_.rows; a < last; ++a) open_loop(a, depth++);
    if (lanes().count > 0)
      emit_vector_loop({Stage{{}, s.loop, s.reductions}}, last, "0", dim_text(n), is_short,
                       is_only_loop, depth);
    else
      emit_loop({s}, last, "0", dim_text(n), is_short, depth, body);
    while (depth > indent) line(--depth, "}");
  }

  bool has_stretches(const Stage& s) const {
    return std::ranges::any_of(s.reductions,
                               [&](int r) { return has_part(r) && folds_in_loop(r); });
  }

  // --- functions --------------------------------------------------------------------------------

  std::string parameters() const {
    std::string text;
    if (k_.is_fallible()) text += ", const Runtime* rt";
    for (std::size_t i = 0; i < k_.params.size(); ++i)
      text += fmt::format(", {}{}* __restrict {}", k_.params[i].is_written ? "" : "const ",
                          type_name(k_.params[i].dtype), param_name(static_cast<int>(i)));
    for (std::size_t i = 0; i < sizes().size(); ++i) text += fmt::format(", i64 n{}", i);
    return text;
  }
  std::string scratch_parameters() const {
    std::string text;
    for (std::size_t i = 0; i < k_.scratch.size(); ++i)
      text += fmt::format(", {}* __restrict {}", type_name(k_.scratch[i].dtype),
                          scratch_name(static_cast<int>(i)));
    return text;
  }
  std::string arguments() const {
    std::string text;
    if (k_.is_fallible()) text += ", f.rt";
    for (std::size_t i = 0; i < k_.params.size(); ++i)
      text += fmt::format(", ({}{}*)f.buffers[{}]", k_.params[i].is_written ? "" : "const ",
                          type_name(k_.params[i].dtype), i);
    for (std::size_t i = 0; i < sizes().size(); ++i) text += fmt::format(", f.sizes[{}]", i);
    return text;
  }
  /// Scratch pointers of chunk 0 (`worker` empty) or of a chunk.
  std::string scratch_arguments(const std::string& worker) const {
    std::string text;
    for (std::size_t i = 0; i < k_.scratch.size(); ++i) {
      std::string at = fmt::format("(char*)f.buffers[{}]", k_.params.size());
      if (!worker.empty()) at += fmt::format(" + {} * {}", worker, frame_dim(offsets_.back()));
      if (!offsets_[i].is(0)) at += " + " + frame_dim(offsets_[i]);
      text += fmt::format(", ({}*)({})", type_name(k_.scratch[i].dtype), at);
    }
    return text;
  }
  /// A dim where the arguments have no names yet.
  std::string frame_dim(const Dim& d) const {
    std::string text = dim_text(d);
    return text.starts_with("n") ? fmt::format("f.sizes[{}]", text.substr(1)) : text;
  }

  std::string rows_function() {
    if (k_.axes.empty()) return {};
    line(0, "");
    line(0, fmt::format("static void rows(i64 begin, i64 end{}{}) {{", parameters(),
                        scratch_parameters()));
    emit_values(k_.prologue, 1);
    for (std::size_t r = 0; r < k_.reductions.size(); ++r)
      if (k_.reductions[r].is_outer) emit_start(static_cast<int>(r), 1);
    if (!has_inner() && lanes().count > 0) {
      emit_vector_loop(k_.stages, 0, "begin", "end", false, false, 1);
    } else if (!has_inner()) {
      emit_loop(k_.stages, 0, "begin", "end", false, 1, [&](int depth) {
        for (const Stage& s : k_.stages) emit_stage(s, depth);
      });
    } else {
      emit_row_loop();
    }
    for (std::size_t r = 0; r < k_.reductions.size(); ++r) {
      const Reduction& x = reduction(static_cast<int>(r));
      if (!x.is_outer || !x.kept.empty()) continue;
      line(1, fmt::format("{} = {};", element(x.array), result_name(static_cast<int>(r))));
      if (!x.op->better.empty())
        line(1, fmt::format("{} = {}_best;", element(x.best), result_name(static_cast<int>(r))));
    }
    line(0, "}");
    return std::exchange(out_, {});
  }

  /// Whether the kernel does little but write one array, front to back: then large results are
  /// written past the caches, which saves reading each line before it is overwritten.
  bool can_stream() const {
    constexpr std::int64_t little_work = 24;
    if (streaming_.count == 0 || lanes().count > 0 || has_inner() || k_.axes.size() != 1 ||
        !k_.reductions.empty() || !k_.finish.empty() || k_.stages.size() != 1 ||
        k_.cost > little_work)
      return false;
    const Stage& s = k_.stages[0];
    if (!s.row.stores.empty() || s.loop.stores.size() != 1) return false;
    const Access& a = s.loop.stores[0].access;
    const Param& p = k_.params[static_cast<std::size_t>(a.param)];
    return is_float(p.dtype) && !p.is_read && a.offset.is(0) && a.terms.size() == 1 &&
           a.terms[0].coefficient.is(1) &&
           !(k_.axes[0].is_static() && result_bytes() < streams_from);
  }
  std::int64_t result_bytes() const {
    const Access& a = k_.stages[0].loop.stores[0].access;
    return k_.axes[0].value() *
           static_cast<std::int64_t>(item_size(k_.params[static_cast<std::size_t>(a.param)].dtype));
  }

  /// The rows a vector at a time, each written once.
  std::string streamed_function() {
    const Store& result = k_.stages[0].loop.stores[0];
    line(0, "");
    line(0, fmt::format("static void rows_streamed(i64 begin, i64 end{}) {{", parameters()));
    emit_values(k_.prologue, 1);
    line(1, fmt::format("stream_vectors<{}>({}, begin, end, [&](i64 i0, auto m) {{", lanes().count,
                        param_name(result.access.param)));
    emit_values(k_.stages[0].loop, 2);
    line(2, fmt::format("return {};", vector_operand(result.value)));
    line(1, "});");
    line(0, "}");
    return std::exchange(out_, {});
  }

  /// The rows, in stretches if sums of f32 over them are kept in parts.
  void emit_row_loop() {
    std::vector<int> parts;
    for (std::size_t r = 0; r < k_.reductions.size(); ++r)
      if (k_.reductions[r].has_part()) parts.push_back(static_cast<int>(r));
    if (parts.empty()) return emit_rows("begin", "end", 1);
    const std::string row = row_name();
    line(1, fmt::format("for (i64 {0}_from = begin; {0}_from < end; {0}_from += {1}) {{", row,
                        longest_row_stretch));
    line(2, fmt::format("const i64 {0}_to = {0}_from + {1} < end ? {0}_from + {1} : end;", row,
                        longest_row_stretch));
    for_kept(parts, [&](const Reduction& x) {
      return fmt::format("{} = {};", element(x.part), limit(x.dtype, x.op->neutral));
    });
    emit_rows(row + "_from", row + "_to", 2);
    for_kept(parts, [&](const Reduction& x) {
      return fmt::format("{0} = {0} + {1};", element(x.array), element(x.part));
    });
    line(1, "}");
  }
  template <class Text> void for_kept(const std::vector<int>& reductions, Text text) {
    for (int r : reductions) {
      int depth = 2;
      for (int a : reduction(r).kept) line(depth++, loop_over(a));
      line(depth, text(reduction(r)));
      while (depth > 2) line(--depth, "}");
    }
  }
  std::string row_name() const { return k_.rows == 1 ? "i0" : "row"; }

  void emit_rows(const std::string& begin, const std::string& end, int indent) {
    line(indent, fmt::format("for (i64 {0} = {1}; {0} < {2}; ++{0}) {{", row_name(), begin, end));
    // Several row axes are recovered from the running number, the last one fastest.
    std::string rest = "row";
    for (int a = k_.rows - 1; a >= 0 && k_.rows > 1; --a) {
      const std::string n = dim_text(k_.axes[static_cast<std::size_t>(a)]);
      line(indent + 1, a == 0 ? fmt::format("const i64 i0 = {};", rest)
                              : fmt::format("const i64 i{} = {} % {};", a, rest, n));
      rest = fmt::format("{} / {}", rest, n);
    }
    for (const Stage& s : k_.stages) emit_stage(s, indent + 1);
    line(indent, "}");
  }

  /// A reduction over rows: the chunks' parts are folded in their order. Along `axis` of a loop
  /// with vectors, a vector of results at a time.
  void emit_combine(int r, bool is_vector, int indent) {
    const Reduction& x = reduction(r);
    const bool is_position = !x.op->better.empty();
    auto type = [&](DType t) {
      return is_vector ? fmt::format("vec<{}, {}>", type_name(t), lanes().count) : type_name(t);
    };
    line(indent,
         fmt::format("{} {} = {};", type(is_position ? x.result_dtype : x.accumulator),
                     result_name(r),
                     is_position ? literal(DType::i64, 0) : limit(x.accumulator, x.op->neutral)));
    if (is_position)
      line(indent, fmt::format("{} {}_best = {};", type(x.dtype), result_name(r),
                               limit(x.dtype, x.op->neutral)));
    // A few chunks at most: not worth vectors, nor the compiler's time.
    line(indent, "#pragma clang loop vectorize(disable) unroll(disable)");
    line(indent, "for (i64 c = 0; c < chunks; ++c) {");
    auto part = [&](const Access& a, DType t) {
      const std::string array = fmt::format("(const {}*)((const char*){} + c * {})", type_name(t),
                                            scratch_name(a.scratch), dim_text(offsets_.back()));
      return is_vector
                 ? fmt::format("load_from<{}>({} + {})", lanes().count, array, access_index(a))
                 : fmt::format("({})[{}]", array, access_index(a));
    };
    if (is_position) {
      line(indent + 1,
           fmt::format("const {} part = {};", type_name(x.dtype), part(x.best, x.dtype)));
      emit_fold(x, result_name(r), result_name(r) + "_best", "part", part(x.array, x.result_dtype),
                indent + 1);
    } else if (is_stretched(r)) {
      line(indent + 1, fmt::format("{0} = {0} + {1};", result_name(r),
                                   is_vector && x.array_dtype != x.accumulator
                                       ? fmt::format("convert<{}>({})", type_name(x.accumulator),
                                                     part(x.array, x.array_dtype))
                                       : part(x.array, x.array_dtype)));
    } else {
      line(indent + 1, fmt::format("const {} part = {};", type(x.dtype), part(x.array, x.dtype)));
      line(indent + 1,
           fmt::format("{} = {};", result_name(r), folded(x, is_vector, result_name(r), "part")));
    }
    line(indent, "}");
  }

  std::string finish_function() {
    if (k_.finish.empty()) return {};
    line(0, "");
    line(0,
         fmt::format("static void finish(i64 chunks{}{}) {{", parameters(), scratch_parameters()));
    emit_values(k_.prologue, 1);
    for (const Finish& f : k_.finish) {
      int depth = 1;
      const bool has_vectors = lanes().count > 0 && !f.axes.empty();
      for (int a : f.axes) {
        if (has_vectors && a == f.axes.back())
          open_vector_loop(a, 1, "0", dim_text(k_.axes[static_cast<std::size_t>(a)]), false,
                           depth++);
        else
          open_loop(a, depth++);
      }
      for (int id : f.block.values)
        if (value(id).kind == ValueKind::result)
          emit_combine(value(id).reduction, lanes().is_vector(id), depth);
      emit_values(f.block, depth);
      if (has_vectors) {
        emit_vector_stores(f.block, f.axes.back(), depth);
        line(--depth, "});");
      } else {
        emit_stores(f.block, depth);
      }
      while (depth > 1) line(--depth, "}");
    }
    if (!k_.axes.empty())
      line(0, "}");
    else {
      line(1, "(void)chunks;");
      line(0, "}");
    }
    return std::exchange(out_, {});
  }

  /// Iterations of the row loop, and the fewest that are worth a thread of their own.
  std::string row_count() const {
    std::string text;
    for (int a = 0; a < k_.rows; ++a)
      text += (a ? " * " : "") + frame_dim(k_.axes[static_cast<std::size_t>(a)]);
    return text;
  }
  std::string grain() const {
    // About 20 us of work: five times what handing out chunks costs.
    const std::int64_t elements = std::max<std::int64_t>(256, 65536 / (1 + k_.cost / 8));
    std::string inner;
    for (std::size_t a = static_cast<std::size_t>(k_.rows); a < k_.axes.size(); ++a)
      inner += (inner.empty() ? "" : " * ") + frame_dim(k_.axes[a]);
    return inner.empty() ? std::to_string(elements)
                         : fmt::format("{} / (1 + {}) + 1", elements, inner);
  }

  std::string entry_points() {
    line(0, "");
    line(0, "struct Frame {");
    line(1, "const Runtime* rt;");
    line(1, "void* const* buffers;");
    line(1, "const i64* sizes;");
    line(0, "};");
    if (!k_.axes.empty()) {
      line(0, "");
      const bool uses_worker = !k_.scratch.empty();
      line(0, fmt::format("static void chunk(void* frame, i64 begin, i64 end, int{}) {{",
                          uses_worker ? " worker" : ""));
      line(1, "const Frame& f = *(const Frame*)frame;");
      const std::string call =
          fmt::format("(begin, end{}{});", arguments(), scratch_arguments("worker"));
      if (can_stream()) {
        const Param& p =
            k_.params[static_cast<std::size_t>(k_.stages[0].loop.stores[0].access.param)];
        line(1, fmt::format("if ({} >= {}) return rows_streamed{}", frame_dim(k_.axes[0]),
                            streams_from / static_cast<std::int64_t>(item_size(p.dtype)), call));
      }
      line(1, "rows" + call);
      line(0, "}");
    }
    line(0, "");
    line(0,
         "extern \"C\" void kernel(const Runtime* rt, void* const* buffers, const i64* sizes) {");
    line(1, "Frame f{rt, buffers, sizes};");
    if (!k_.axes.empty()) {
      line(1, fmt::format("const i64 n = {};", row_count()));
      line(1, fmt::format("const i64 grain = {};", grain()));
      line(1, "rt->parallel_for(rt, n, grain, chunk, &f);");
      if (!k_.finish.empty()) {
        line(1, "const i64 wanted = n <= 0 ? 0 : (n - 1) / grain + 1;");
        line(1, "const i64 chunks = wanted < rt->threads ? wanted : rt->threads;");
      }
    }
    if (!k_.finish.empty())
      line(1, fmt::format("finish({}{}{});", k_.axes.empty() ? "0" : "chunks", arguments(),
                          scratch_arguments({})));
    line(0, "}");
    return std::exchange(out_, {});
  }

  std::string header() const {
    std::string text = "// " + k_.title;
    for (std::size_t a = 0; a < k_.axes.size(); ++a)
      text += fmt::format("{} i{} < {}", a == 0 ? " over" : ",", a, dim_text(k_.axes[a]));
    text += k_.axes.empty() ? "\n"
                            : fmt::format("; {} row ax{}\n", k_.rows, k_.rows == 1 ? "is" : "es");
    for (std::size_t i = 0; i < k_.params.size(); ++i)
      text += fmt::format("//   {}: {}, {}\n", param_name(static_cast<int>(i)),
                          to_string(k_.params[i].dtype),
                          k_.params[i].is_read && k_.params[i].is_written ? "read and written"
                          : k_.params[i].is_written                       ? "written"
                                                                          : "read");
    return text;
  }

  const Kernel& k_;
  std::vector<Dim> offsets_;
  Lanes streaming_;
  std::string out_;
  int line_number_ = 0;
  std::vector<std::pair<int, ir::NodeId>> lines_;
};

} // namespace

std::string runtime_declaration(bool is_fallible) {
  std::string text = R"(struct Runtime {
  void* state;
  void (*parallel_for)(const Runtime*, i64 n, i64 grain, void (*body)(void*, i64, i64, int), void* frame);
  void (*fail)(const Runtime*, int site, i64 value, i64 bound);
  void (*gemm_f32)();
  void (*gemm_f64)();
  int threads;
};
)";
  if (is_fallible) {
    text += R"(
// The position that `at` stands for on an axis of `bound`; -1, and a report, if there is none.
static inline i64 checked(const Runtime* rt, int site, i64 at, i64 bound) {
  const i64 position = at < 0 ? at + bound : at;
  if (position >= 0 && position < bound) return position;
  rt->fail(rt, site, at, bound);
  return -1;
}
)";
  }
  return text;
}

KernelSource render(const plan::Kernel& kernel, int vector_bytes) {
  return Renderer(kernel, choose_lanes(kernel, vector_bytes), flat_lanes(kernel, vector_bytes))
      .run();
}

} // namespace kroton::codegen
