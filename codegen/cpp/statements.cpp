#include "codegen/cpp/statements.hpp"

#include <algorithm>

#include "codegen/loop/literal.hpp"
#include "codegen/schedule/apart.hpp"

namespace kroton::codegen {
void Statements::emit_vector_stores(const Block& b, int axis, int indent) {
  std::vector<const Store*> done;
  for (const Store& s : b.stores) {
    if (std::ranges::find(done, &s) != done.end()) continue;
    const std::vector<const Store*> all = apart_stores(k_, b, s, axis);
    if (all.empty()) {
      note_stored(s.value);
      line(indent, store(s.access, axis, vector_operand(s.value)));
      continue;
    }
    std::string text = fmt::format("store_apart({}, m", place(s.access));
    for (const Store* each : all) {
      note_stored(each->value);
      text += ", " + vector_operand(each->value).whole();
    }
    line(indent, text + ");");
    done.insert(done.end(), all.begin(), all.end());
  }
}

Text Statements::vector_operand(int id) const {
  const Text text = operand(id);
  return lanes().is_vector(id) ? text
                               : atom(fmt::format("vec<{}, {}>({})", type_name(value(id).dtype),
                                                  lanes().count, text.whole()));
}

const Access& Statements::folded_array(const Reduction& r) const {
  return r.has_block_sum() ? r.block_sum : r.array;
}

DType Statements::folded_dtype(const Reduction& r) const {
  return r.has_block_sum() ? r.dtype : r.array_dtype;
}

std::string Statements::accumulator(int r) const {
  return reduction(r).has_array() && !reduction(r).kept.empty()
             ? element(folded_array(reduction(r)))
             : result_name(r);
}

std::string Statements::best_so_far(int r) const {
  if (!reduction(r).op->gives_position()) return {};
  return reduction(r).has_array() && !reduction(r).kept.empty() ? element(reduction(r).best)
                                                                : result_name(r) + "_best";
}

void Statements::emit_start(int r, int indent) {
  const Reduction& x = reduction(r);
  const bool is_array = !x.kept.empty();
  const bool is_position = x.op->gives_position();
  const std::string start = is_position ? literal(DType::i64, 0)
                            : is_array  ? limit(x.array_dtype, x.op->fold->identity)
                                        : limit(x.accumulator, x.op->fold->identity);
  int depth = indent;
  if (is_array)
    for (int a : x.kept) open_loop(a, depth++);
  const std::string kind =
      is_array ? "" : type_name(is_position ? x.result_dtype : x.accumulator) + " ";
  line(depth, fmt::format("{}{} = {};", kind, is_array ? element(x.array) : result_name(r), start));
  if (is_position)
    line(depth, fmt::format("{}{} = {};", is_array ? "" : type_name(x.dtype) + " ", best_so_far(r),
                            limit(x.dtype, x.op->fold->identity)));
  while (depth > indent) line(--depth, "}");
}

void Statements::open_loop(int axis, int indent) {
  if (std::ranges::find(schedule_.rolled, axis) != schedule_.rolled.end())
    line(indent, "#pragma clang loop unroll(disable)");
  line(indent, loop_over(axis));
}

void Statements::fold_all(const Stage& s, int indent, bool inside_loop) {
  for (int r : s.reductions) {
    const Reduction& x = reduction(r);
    if (folds_in_loop(k_, x) != inside_loop || lanes().is_deferred(x.value)) continue;
    if (!is_stretched(r) || (!x.kept.empty() && folded_dtype(x) == x.dtype))
      emit_fold(x, accumulator(r), best_so_far(r), operand(x.value), access_index(x.position),
                indent);
    else if (!x.kept.empty())
      emit_addition(accumulator(r), operand(x.value), indent);
    else if (inside_loop)
      emit_fold(x, result_name(r) + "_part", {}, operand(x.value), access_index(x.position),
                indent);
    else
      emit_addition(result_name(r), operand(x.value), indent);
  }
}

void Statements::emit_loop(const CpuLoop& loop, int axis, const std::string& begin,
                           const std::string& end, int indent,
                           const std::function<void(int indent)>& body) {
  const std::string i = axis_name(axis);
  int depth = indent;
  const bool is_split = loop.stretch > 0;
  if (is_split) depth = open_stretches(loop.stretch, axis, begin, end, indent);
  for (const LoopFold& f : loop.folds) {
    const Reduction& x = reduction(f.reduction);
    line(depth, fmt::format("{} {}_part = {};", type_name(x.dtype), result_name(f.reduction),
                            limit(x.dtype, x.op->fold->identity)));
  }
  const std::string from = is_split ? i + "_from" : begin, to = is_split ? i + "_to" : end;
  if (!loop.pieces.pieces.empty()) {
    emit_calls(loop.pieces, axis, from, to, depth);
  } else {
    line(depth, fmt::format("for (i64 {0} = {1}; {0} < {2}; ++{0}) {{", i, from, to));
    body(depth + 1);
    line(depth, "}");
  }
  for (const LoopFold& f : loop.folds)
    emit_addition(result_name(f.reduction), atom(result_name(f.reduction) + "_part"), depth);
  if (is_split) line(indent, "}");
}

int Statements::open_stretches(std::int64_t stretch, int axis, const std::string& begin,
                               const std::string& end, int indent) {
  const std::string i = axis_name(axis);
  line(indent, fmt::format("for (i64 {0}_from = {1}; {0}_from < {2}; {0}_from += {3}) {{", i, begin,
                           end, stretch));
  line(indent + 1, fmt::format("const i64 {0}_to = {0}_from + {1} < {2} ? {0}_from + {1} : {2};", i,
                               stretch, end));
  return indent + 1;
}

std::string_view Statements::folder(const Reduction& r) {
  const bool is_position = r.op->gives_position();
  switch (r.op->fold->combine) {
  case ir::Combine::sum:
    return "sums";
  case ir::Combine::maximum:
    return is_position ? "first_maxima" : "maxima";
  case ir::Combine::minimum:
    return is_position ? "first_minima" : "minima";
  case ir::Combine::other:
    break;
  }
  KROTON_CHECK(false, "{} is not folded in vectors", r.op->name);
  return {};
}

std::string Statements::lanes_name(int r) { return result_name(r) + "_in"; }

void Statements::emit_lanes_start(const LoopFold& fold, int indent) {
  const Reduction& x = reduction(fold.reduction);
  const bool is_sum = x.op->fold->combine == ir::Combine::sum;
  const std::string start = is_sum ? "" : fmt::format("({})", limit(x.dtype, x.op->fold->identity));
  line(indent, fmt::format("{}<{}, {}, {}> {}{};", folder(x), type_name(x.dtype), lanes().count,
                           fold.parts, lanes_name(fold.reduction), start));
}

void Statements::emit_lanes_fold(int r, int axis, int indent) {
  const Reduction& x = reduction(r);
  std::string taken = operand(x.value).whole();
  if (x.op->gives_position()) taken += ", " + lane_positions(x.position, axis).whole();
  line(indent, fmt::format("{}.take(m, k, {});", lanes_name(r), taken));
}

Text Statements::array_fold(int r, const std::string& so_far) const {
  const Reduction& x = reduction(r);
  Text added = operand(x.value);
  // Lanes past the end may hold the next row's elements; and whether a product is rounded before it
  // is added may not depend on where the array is.
  if (folded_array(x).scratch >= 0 || is_partial_fold(x))
    added =
        atom(fmt::format("where(m, {}, {})", added.whole(), limit(x.dtype, x.op->fold->identity)));
  if (folded_dtype(x) == x.dtype) return folded(x, true, atom(so_far), added);
  return spell(fmt::format("{{0}} + convert<{}>({{1}})", type_name(x.accumulator)),
               {atom(so_far), added});
}

void Statements::open_at_once(const AtOnce& at_once, int axis, const std::string& begin,
                              const std::string& end, int indent) {
  const std::string i = axis_name(axis);
  line(indent, fmt::format("for (i64 {0}_at = {1}; {0}_at < {2}; {0}_at += {3}) {{", i, begin, end,
                           at_once.count));
  line(indent + 1, fmt::format("const i64 {0}_end = {0}_at + {1} < {2} ? {0}_at + {1} : {2};", i,
                               at_once.count, end));
}

bool Statements::open_one_by_one(const AtOnce& at_once, int indent) {
  if (at_once.one_to == 0) return false;
  line(indent, fmt::format("if ({0} >= {1} && {0} < {2}) {{", dim_text(k_.axes.back()),
                           at_once.one_from, at_once.one_to));
  return true;
}

void Statements::emit_column_folds(const AtOnce& rows_at_once, const std::string& begin,
                                   const std::string& end, int indent) {
  open_at_once(rows_at_once, 0, begin, end, indent);
  emit_columns(k_.stages[0], 0, "i0_at", "i0_end", indent + 1);
  line(indent, "}");
}

void Statements::emit_columns(const Stage& s, int axis, const std::string& begin,
                              const std::string& end, int indent) {
  const int last = static_cast<int>(k_.axes.size()) - 1;
  const std::string i = axis_name(axis);
  open_vector_loop(last, 1, "0", dim_text(k_.axes.back()), false, indent);
  for (int r : s.reductions)
    line(indent + 1,
         fmt::format("auto {} = {};", result_name(r), elements(folded_array(reduction(r)), last)));
  line(indent + 1, fmt::format("for (i64 {0} = {1}; {0} < {2}; ++{0}) {{", i, begin, end));
  if (axis < k_.rows) emit_values(s.row, indent + 2);
  emit_values(s.loop, indent + 2);
  for (int r : s.reductions)
    line(indent + 2,
         fmt::format("{} = {};", result_name(r), array_fold(r, result_name(r)).whole()));
  line(indent + 1, "}");
  for (int r : s.reductions)
    line(indent + 1, store(folded_array(reduction(r)), last, atom(result_name(r))));
  line(indent, "});");
}

void Statements::emit_inner_columns(const Stage& s, const AtOnce& at_once, int axis,
                                    const std::string& begin, const std::string& end, int indent) {
  const std::string i = axis_name(axis);
  open_at_once(at_once, axis, begin, end, indent);
  int depth = indent + 1;
  for (int a = axis + 1; a + 1 < static_cast<int>(k_.axes.size()); ++a) open_loop(a, depth++);
  emit_columns(s, axis, i + "_at", i + "_end", depth);
  while (depth > indent) line(--depth, "}");
}

void Statements::for_kept(int r, int indent,
                          const std::function<std::string(const Reduction&)>& text) {
  int depth = indent;
  for (int a : reduction(r).kept) line(depth++, loop_over(a));
  line(depth, text(reduction(r)));
  while (depth > indent) line(--depth, "}");
}

void Statements::emit_block_starts(const std::vector<int>& reductions, int indent) {
  for (int r : reductions)
    for_kept(r, indent, [&](const Reduction& x) {
      return fmt::format("{} = {};", element(x.block_sum), limit(x.dtype, x.op->fold->identity));
    });
}

void Statements::emit_block_ends(const std::vector<int>& reductions, int indent) {
  for (int r : reductions)
    for_kept(r, indent, [&](const Reduction& x) {
      return fmt::format("{0} = {0} + {1};", element(x.array), element(x.block_sum));
    });
}

void Statements::emit_result(int r, int indent) {
  for_kept(r, indent, [&](const Reduction& x) {
    return fmt::format("{} = ({}){};", element(x.result), type_name(x.result_dtype),
                       element(x.array));
  });
}

void Statements::emit_lanes_end(int r, bool is_new, int indent) {
  const Reduction& x = reduction(r);
  const bool is_position = x.op->gives_position();
  const std::string to = accumulator(r);
  const std::string all = lanes_name(r) + (is_position ? ".position()" : ".result()");
  if (is_new)
    line(indent, fmt::format("const {} {} = {};",
                             type_name(is_position ? x.result_dtype : x.accumulator), to, all));
  else if (is_stretched(r))
    emit_addition(to, atom(all), indent);
  else
    emit_fold(x, to, best_so_far(r), atom(lanes_name(r) + ".result()"), atom(all), indent);
}

void Statements::open_vector_loop(int axis, int vectors, const std::string& begin,
                                  const std::string& end, bool folds, int indent) {
  const Dim& n = k_.axes[static_cast<std::size_t>(axis)];
  const bool is_known = begin == "0" && n.is_static() && end == std::to_string(n.value());
  const std::string head =
      is_known ? fmt::format("in_vectors_of<{}, {}, {}>(", end, lanes().count, vectors)
               : fmt::format("in_vectors<{}, {}>({}, {}, ", lanes().count, vectors, begin, end);
  line(indent,
       fmt::format("{}[&](i64 {}, auto m, int{}) {{", head, axis_name(axis), folds ? " k" : ""));
}

void Statements::emit_array(DType dtype, const std::string& name, std::int64_t length, int indent) {
  line(indent, fmt::format("alignas(64) {} {}[{}];", type_name(dtype), name, length));
}

void Statements::emit_saves(int indent) {
  for (int id : lanes().deferred_inputs)
    line(indent, fmt::format("{}[i0 - i0_from] = {};", saved_name(id), operand(id).whole()));
}

void Statements::emit_row_ends(const std::vector<LoopFold>& folds, int indent) {
  if (lanes().deferred.empty()) return;
  for (int id : lanes().deferred_inputs)
    override_text(id, fmt::format("load({} + i, m)", saved_name(id)));
  for (const LoopFold& f : folds) emit_lanes_start(f, indent);
  line(indent, fmt::format("in_vectors<{}, 1>(0, i0_to - i0_from, [&](i64 i, auto m, int k) {{",
                           lanes().count));
  for (int id : lanes().deferred) emit_value(id, indent + 1);
  for (const LoopFold& f : folds) emit_lanes_fold(f.reduction, 0, indent + 1);
  line(indent, "});");
  for (const LoopFold& f : folds) emit_lanes_end(f.reduction, false, indent);
  clear_overrides();
}

void Statements::emit_run(int id, int axis, int indent) {
  const Value& v = value(id);
  const std::string i = axis_name(axis);
  std::string count = fmt::format("{0}_to - {0}_from", i), first = i + "_from";
  if (const Dim each = step_along(v.access, axis); !each.is(1)) {
    count = fmt::format("({}) * {}", count, dim_text(each));
    first += " * " + dim_text(each);
  }
  Access before = v.access;
  std::erase_if(before.terms, [&](const Term& t) { return t.axis >= axis; });
  if (const Text start = access_index(before); start.whole() != "0")
    first = start.whole() + " + " + first;
  line(indent, fmt::format("fill_{}_{}({}, {}, {}, {}, {}, {});", v.bits ? "positive" : "uniform",
                           to_string(v.dtype), run_name(id), count, operand(v.inputs[0]).whole(),
                           draw_name(id), operand(v.inputs[1]).whole(), first));
}

void Statements::emit_vector_loop(const std::vector<Stage>& stages, const CpuLoop& loop, int axis,
                                  const std::string& begin, const std::string& end, bool defines,
                                  int indent) {
  const std::string i = axis_name(axis);
  const bool is_split = loop.stretch > 0;
  int depth = indent;
  for (int id : loop.runs) emit_array(value(id).dtype, run_name(id), loop.stretch, depth);
  if (is_split) depth = open_stretches(loop.stretch, axis, begin, end, indent);
  for (int id : loop.runs) emit_run(id, axis, depth);
  for (const LoopFold& f : loop.folds) emit_lanes_start(f, depth);
  const std::string from = is_split ? i + "_from" : begin, to = is_split ? i + "_to" : end;
  if (!loop.pieces.pieces.empty()) {
    emit_calls(loop.pieces, axis, from, to, depth);
  } else {
    open_vector_loop(axis, loop.vectors, from, to, !loop.folds.empty(), depth);
    for (const Stage& s : stages) emit_vector_body(s, axis, depth + 1);
    line(depth, "});");
  }
  for (const LoopFold& f : loop.folds)
    emit_lanes_end(f.reduction, defines && !is_split && !reduction(f.reduction).is_outer, depth);
  if (is_split) line(indent, "}");
}

void Statements::emit_vector_body(const Stage& s, int axis, int indent) {
  emit_values(s.loop, indent);
  for (int r : s.reductions) {
    if (!folds_in_loop(k_, reduction(r))) continue;
    const Access& array = folded_array(reduction(r));
    if (folds_lanes(reduction(r), axis))
      emit_lanes_fold(r, axis, indent);
    else
      line(indent, store(array, axis, array_fold(r, elements(array, axis))));
  }
  emit_vector_stores(s.loop, axis, indent);
}

void Statements::emit_calls(const Pieces& pieces, int axis, const std::string& begin,
                            const std::string& end, int indent) {
  for (int id : pieces.constant) emit_value(id, indent);
  const std::string i = axis_name(axis);
  line(indent,
       fmt::format("for (i64 {0} = {1}; {0} < {2}; {0} += {3}) {{", i, begin, end, pieces.block));
  line(indent + 1,
       fmt::format("const i64 count = {2} - {0} < {1} ? {2} - {0} : {1};", i, pieces.block, end));
  // The temporaries of a dtype are one array.
  std::vector<std::pair<DType, int>> arrays;
  std::vector<std::string> temporaries;
  for (DType dtype : pieces.temporaries) {
    auto array = std::ranges::find(arrays, dtype, &std::pair<DType, int>::first);
    if (array == arrays.end()) array = arrays.insert(array, {dtype, 0});
    temporaries.push_back(fmt::format("t{}[{}]", array - arrays.begin(), array->second++));
  }
  for (std::size_t a = 0; a < arrays.size(); ++a)
    line(indent + 1, fmt::format("alignas(64) {} t{}[{}][{}];", type_name(arrays[a].first), a,
                                 arrays[a].second, pieces.block));
  for (const Piece& p : pieces.pieces)
    line(indent + 1, fmt::format("{}({});", piece_name(p), call_arguments(p, temporaries)));
  line(indent, "}");
}

std::string Statements::call_arguments(const Piece& piece,
                                       const std::vector<std::string>& temporaries) const {
  std::vector<std::string> all;
  for (const PieceArray& a : piece.arrays)
    all.push_back(a.temporary >= 0 ? temporaries[static_cast<std::size_t>(a.temporary)]
                                   : place(a.access));
  for (const Dim& d : size_arguments(piece.body))
    all.push_back(ir::dims::same(d, piece.body.axes[0]) ? "count" : dim_text(d));
  for (std::uint64_t bits : constant_arguments(piece.body))
    all.push_back(fmt::format("0x{:x}", bits));
  for (const PieceScalar& s : piece.scalars)
    all.push_back(s.value >= 0 ? operand(s.value).whole() : access_index(s.position).whole());
  for (std::size_t i = 0; i < piece.folds.size(); ++i) {
    const PieceFold& f = piece.folds[i];
    const Reduction& x = piece.body.reductions[i];
    if (!x.kept.empty()) continue;
    all.push_back(lanes().count > 0          ? lanes_name(f.reduction)
                  : is_stretched_variable(x) ? result_name(f.reduction) + "_part"
                                             : result_name(f.reduction));
  }
  return fmt::format("{}", fmt::join(all, ", "));
}

std::string Statements::piece_parameters(const Piece& piece) const {
  std::string text;
  for (const PieceScalar& s : piece.scalars)
    text += fmt::format(", {} {}", type_name(value(s.in_piece).dtype), value_name(s.in_piece));
  for (std::size_t i = 0; i < piece.folds.size(); ++i) {
    const int r = static_cast<int>(i);
    const Reduction& x = reduction(r);
    if (!x.kept.empty()) continue;
    if (lanes().count > 0)
      text += fmt::format(", {}<{}, {}, {}>& {}", folder(x), type_name(x.dtype), lanes().count,
                          piece.folds[i].parts, lanes_name(r));
    else if (is_stretched_variable(x))
      text += fmt::format(", {}& {}_part", type_name(x.dtype), result_name(r));
    else
      text += fmt::format(", {}& {}", type_name(x.accumulator), result_name(r));
  }
  return text;
}

void Statements::emit_piece_loop(bool folds) {
  const Stage& s = k_.stages[0];
  const std::string n = dim_text(k_.axes[0]);
  emit_values(k_.prologue, 1);
  if (lanes().count > 0) {
    open_vector_loop(0, 1, "0", n, folds, 1);
    emit_vector_body(s, 0, 2);
    line(1, "});");
    return;
  }
  line(1, loop_over(0));
  emit_values(s.loop, 2);
  fold_all(s, 2, true);
  emit_stores(s.loop, 2);
  line(1, "}");
}

void Statements::emit_stage(const Stage& s, const CpuLoop& loop, int indent) {
  emit_values(s.row, indent);
  fold_all(s, indent, false);
  emit_stores(s.row, indent);
  if (!has_loop(k_, s)) return;
  const int last = static_cast<int>(k_.axes.size()) - 1;
  // One vector loop a row, not in stretches, defines what it folds to.
  const bool is_only_loop = lanes().count > 0 && last == k_.rows;
  for (int r : s.reductions)
    if (!reduction(r).is_outer && folds_in_loop(k_, reduction(r)) &&
        !(is_only_loop && reduction(r).kept.empty() && loop.stretch == 0))
      emit_start(r, indent);
  if (has_inner())
    emit_inner_loops(s, loop, k_.rows, is_only_loop, indent);
  else
    emit_elements(s, indent);
  for (int r : s.reductions)
    if (reduction(r).has_result()) emit_result(r, indent);
}

void Statements::emit_elements(const Stage& s, int indent) {
  emit_values(s.loop, indent);
  fold_all(s, indent, true);
  emit_stores(s.loop, indent);
}

void Statements::emit_inner_loops(const Stage& s, const CpuLoop& loop, int axis, bool is_only_loop,
                                  int indent) {
  const int last = static_cast<int>(k_.axes.size()) - 1;
  const std::string n = dim_text(k_.axes[static_cast<std::size_t>(axis)]), i = axis_name(axis);
  if (axis == last) {
    if (lanes().count > 0)
      emit_vector_loop({Stage{{}, s.loop, s.reductions}}, loop, last, "0", n, is_only_loop, indent);
    else
      emit_loop(loop, last, "0", n, indent, [&](int depth) { emit_elements(s, depth); });
    return;
  }
  const auto ends_here = [&](int r) {
    return is_partial_fold(reduction(r)) && reduction(r).reduced.back() == axis;
  };
  std::vector<int> parts;
  std::ranges::copy_if(s.reductions, std::back_inserter(parts), [&](int r) {
    return ends_here(r) && !reduction(r).is_outer && reduction(r).has_block_sum();
  });
  const bool is_of_columns = loop.columns_at_once.count > 1 && ends_here(s.reductions[0]);
  std::string begin = "0", end = n;
  int depth = indent;
  if (!parts.empty()) {
    depth = open_stretches(loop.column_stretch, axis, "0", n, indent);
    begin = i + "_from", end = i + "_to";
    emit_block_starts(parts, depth);
  }
  const bool has_both = is_of_columns && open_one_by_one(loop.columns_at_once, depth);
  if (!is_of_columns || has_both) {
    const int at = depth + (has_both ? 1 : 0);
    if (parts.empty())
      open_loop(axis, at);
    else
      line(at, fmt::format("for (i64 {0} = {1}; {0} < {2}; ++{0}) {{", i, begin, end));
    emit_inner_loops(s, loop, axis + 1, is_only_loop, at + 1);
    line(at, "}");
  }
  if (has_both) line(depth, "} else {");
  if (is_of_columns)
    emit_inner_columns(s, loop.columns_at_once, axis, begin, end, depth + (has_both ? 1 : 0));
  if (has_both) line(depth, "}");
  emit_block_ends(parts, depth);
  if (!parts.empty()) line(indent, "}");
}

} // namespace kroton::codegen
