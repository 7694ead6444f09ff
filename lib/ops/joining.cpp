/// Joins: arrays that consist of others, and arrays taken apart.
#include <algorithm>

#include <kroton/ops/arithmetic.hpp>
#include <kroton/ops/joining.hpp>
#include <kroton/ops/movement.hpp>

#include "lib/ir/dim_normal.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/joining.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::BatchContext;
using ir::EvalContext;
using ir::GradContext;
using ir::InferContext;
using ir::Kind;
using ir::Type;
namespace dims = ir::dims;

Type infer_join(InferContext& c) {
  const auto& p = c.params.as<JoinParams>();
  KROTON_CHECK(!c.inputs.empty() && p.starts.size() == p.shape.size() * c.inputs.size(),
               "{} parts of rank {} have {} starts", c.inputs.size(), p.shape.size(),
               p.starts.size());
  for (std::size_t k = 0; k < c.inputs.size(); ++k)
    KROTON_CHECK(c.in(k).dtype == c.in(0).dtype && c.in(k).shape.size() == p.shape.size(),
                 "a part {} of {}", c.label(k), c.label(0));
  return {c.in(0).dtype, p.shape};
}

Array eval_join(const EvalContext& c) {
  const auto& p = c.params.as<JoinParams>();
  Array out = Array::zeros(c.dtype, Shape(c.shape.begin(), c.shape.end()));
  const Shape strides = out.strides();
  for (std::size_t k = 0; k < c.inputs.size(); ++k) {
    if (c.inputs[k].numel() == 0) continue;
    std::int64_t offset = 0;
    for (std::size_t i = 0; i < strides.size(); ++i)
      offset += c.size(p.starts_of(k)[i]) * strides[i];
    copy_elements(out.as_strided(c.inputs[k].shape(), strides, offset), c.inputs[k]);
  }
  return out;
}

std::vector<Dim> listed(std::span<const Dim> dims) { return {dims.begin(), dims.end()}; }

std::vector<Expr> grad_join(const GradContext& c) {
  const auto& p = c.params.as<JoinParams>();
  const Expr g = dims::same(c.grad.node()->type.shape, p.shape)
                     ? c.grad
                     : ir::make(broadcast_to, {c.grad}, ShapeParams{p.shape}, c.where);
  std::vector<Expr> grads;
  for (std::size_t k = 0; k < c.inputs.size(); ++k)
    grads.push_back(part_from(g, listed(p.starts_of(k)), c.inputs[k].shape(), c.where));
  return grads;
}

Expr batched_join(const BatchContext& c) {
  const auto& p = c.params.as<JoinParams>();
  std::vector<Expr> inputs;
  std::vector<Dim> starts;
  for (std::size_t k = 0; k < c.inputs.size(); ++k) {
    inputs.push_back(with_axis(c, k));
    starts.emplace_back(0);
    starts.insert(starts.end(), p.starts_of(k).begin(), p.starts_of(k).end());
  }
  return ir::make(join, std::move(inputs), JoinParams{std::move(starts), behind(c.size, p.shape)},
                  c.where);
}

std::vector<ir::Example> examples_of_join(DType t) {
  const Dim n = dim("n"), m = dim("m"), k = dim("k");
  const Expr x = tensor(t, {n, m}, "x"), y = tensor(t, {k, m}, "y"), z = tensor(t, {n, k}, "z"),
             v = tensor(t, {n}, "v"), c = tensor(t, {2, 3}, "c"), o = tensor(t, {}, "o");
  return {{concatenate({x, y, x})},
          {concatenate({z, x}, 1)},
          {concatenate({c, kroton::transpose(kroton::transpose(c)), c}, -1)},
          {stack({v, v})},
          {stack({v, v, v}, -1)},
          {stack({o, o})},
          {concatenate({concatenate({x, z}, 1), concatenate({x, z}, 1)}, 0)}};
}

} // namespace

const Op join{.name = "join",
              .arity = -1,
              .kind = Kind::pad,
              .params = &ir::params_type<JoinParams>,
              .infer = infer_join,
              .eval = eval_join,
              .batched = batched_join,
              .gradient = grad_join,
              .examples = examples_of_join,
              .doc = "arrays behind each other, each element one of one of them",
              .function = "concatenate"};

std::span<const Op* const> joining_rows() {
  static constexpr const Op* rows[] = {&join};
  return rows;
}

Expr joined_along(std::size_t axis, const std::vector<Expr>& arrays, Location where,
                  std::vector<ir::Constraint> constraints) {
  if (arrays.size() == 1 && constraints.empty()) return arrays[0];
  std::vector<Dim> shape = arrays[0].shape(), starts;
  Dim all(0);
  for (const Expr& e : arrays) {
    for (std::size_t i = 0; i < shape.size(); ++i) {
      starts.push_back(i == axis ? all : Dim(0));
      if (i != axis && e.shape()[i].is_static()) shape[i] = e.shape()[i];
    }
    all = dims::normal(dims::add(all, e.shape()[axis]));
  }
  shape[axis] = all;
  return ir::make(join, {arrays.begin(), arrays.end()},
                  JoinParams{std::move(starts), std::move(shape)}, where, std::move(constraints));
}

Expr part_from(const Expr& e, std::vector<Dim> starts, std::vector<Dim> shape, Location where) {
  ir::Ints steps(starts.size(), 1);
  return ir::make(slice, {e}, SliceParams{std::move(starts), std::move(steps), std::move(shape)},
                  where);
}

namespace {

/// The arrays in the dtype that all of them promote to.
std::vector<Expr> promoted(std::string_view op, const std::vector<Expr>& arrays, Location where) {
  if (arrays.empty())
    support::fail<ShapeError>(op,
                              {.place = ir::place_of(where, {}), .hint = "give at least one array"},
                              "there is no array to join");
  for (const Expr& e : arrays) detail::require_given(e, "concatenate", where);
  DType common = arrays[0].dtype();
  for (const Expr& e : arrays) common = promote(common, e.dtype());
  std::vector<Expr> same;
  for (const Expr& e : arrays) same.push_back(cast_to(e, common, where));
  return same;
}

/// The arrays, all of one dtype, behind each other along `axis`; `op` is what the user called.
Expr joined(std::string_view op, const std::vector<Expr>& arrays, int axis, Location where) {
  const Expr& first = arrays[0];
  const auto place = [&] { return ir::place_of(where, arrays); };
  if (first.rank() == 0)
    support::fail<ShapeError>(op, {.place = place(), .hint = "stack joins scalars"},
                              "takes arrays of at least one axis, got {}", first.label());
  for (const Expr& e : arrays)
    if (e.rank() != first.rank())
      support::fail<ShapeError>(op, {.place = place(), .hint = "give arrays of one rank"},
                                "ranks differ: {} and {}", first.label(), e.label());
  const auto along = static_cast<std::size_t>(normalize_axes(op, {axis}, first, where)[0]);
  std::vector<ir::Constraint> constraints;
  for (std::size_t k = 1; k < arrays.size(); ++k)
    for (std::size_t i = 0; i < first.shape().size(); ++i) {
      const Dim &a = first.shape()[i], &b = arrays[k].shape()[i];
      if (i == along || dims::same(a, b)) continue;
      const std::string hint = fmt::format("only axis {} may differ", along);
      std::string what = fmt::format("dims differ: {} has {} on axis {}, {} has {}", first.label(),
                                     a.to_string(), i, arrays[k].label(), b.to_string());
      if (a.is_static() && b.is_static())
        support::fail<ShapeError>(op, {.place = place(), .hint = hint}, "{}", what);
      constraints.push_back({a, b, std::move(what), false, hint, std::string(op)});
    }
  return joined_along(along, arrays, where, std::move(constraints));
}

/// Each array by itself made what is joined.
template <class F> std::vector<Expr> each(const std::vector<Expr>& arrays, F f) {
  std::vector<Expr> made;
  for (const Expr& e : arrays) made.push_back(f(e));
  return made;
}

/// With axes of size 1 in front until there are `rank`.
Expr at_least(int rank, const Expr& e, Location where) {
  Axes added;
  for (int i = e.rank(); i < rank; ++i) added.push_back(i - e.rank());
  return added.empty() ? e : kroton::expand_dims({e, where}, added);
}

std::size_t axis_to_split(std::string_view op, const Expr& e, int axis, Location where) {
  if (e.rank() == 0)
    support::fail<ShapeError>(
        op, {.place = ir::place_of(where, {&e, 1}), .hint = "a scalar has no axes"},
        "takes at least one axis, got {}", e.label());
  return static_cast<std::size_t>(normalize_axes(op, {axis}, e, where)[0]);
}

void require_sections(std::string_view op, std::int64_t sections, const Expr& e, Location where) {
  if (sections < 1)
    support::fail<ShapeError>(
        op, {.place = ir::place_of(where, {&e, 1}), .hint = "ask for one part at least"},
        "cannot split {} into {} parts", e.label(), sections);
}

/// Parts of these lengths, one behind the other.
std::vector<Expr> parts_of(const Expr& e, std::size_t axis, const std::vector<Dim>& lengths,
                           Location where) {
  std::vector<Expr> parts;
  Dim start(0);
  for (const Dim& length : lengths) {
    std::vector<Dim> starts(e.shape().size(), Dim(0)), shape = e.shape();
    starts[axis] = start;
    shape[axis] = length;
    parts.push_back(part_from(e, std::move(starts), std::move(shape), where));
    start = dims::normal(dims::add(start, length));
  }
  return parts;
}

// ---- pad

/// Where an axis of `n` elements has what its padding puts at positions `first`, `first` + 1, … ,
/// `length` of them; positions are those of the axis, continued on both sides.
Expr positions_of_pad(PadMode mode, const Dim& n, const Expr& first, std::int64_t length,
                      Location where) {
  const auto at = [&](const Expr& e) { return Operand(e, where); };
  const auto number = [&](std::int64_t v) {
    return Operand(integer_constant(DType::i64, v, where));
  };
  const auto size = [&](const Dim& d) { return at(dim_expr(d, where)); };
  const Expr i = at(ir::make(iota, {}, SizeParams{Dim(length)}, where)) + at(first);
  // A mirrored axis repeats after twice its elements, or all of them but the ends.
  const auto mirrored = [&](const Dim& half) {
    const Dim period = dims::max(dims::mul(half, Dim(2)), Dim(1));
    const Expr p = kroton::mod(at(i), size(period));
    const Dim top = mode == PadMode::reflect ? period : dims::sub(period, Dim(1));
    return kroton::minimum(at(p), at(size(top) - at(p)));
  };
  switch (mode) {
  case PadMode::constant:
    break;
  case PadMode::edge:
    return kroton::minimum(at(kroton::maximum(at(i), number(0))), at(size(n) - number(1)));
  case PadMode::reflect: {
    const Expr p = mirrored(dims::max(dims::sub(n, Dim(1)), Dim(0)));
    return n.is(1) ? Expr(at(p) * number(0)) : kroton::minimum(at(p), at(size(n) - number(1)));
  }
  case PadMode::symmetric:
    return mirrored(n);
  case PadMode::wrap:
    return kroton::mod(at(i), size(dims::max(n, Dim(1))));
  }
  KROTON_CHECK(false, "positions are asked of a padding by constants");
  return {};
}

/// The elements of a short padding, as slices; an empty list where it has none.
struct Ends {
  std::vector<Expr> before, behind;
};

/// What stands before and behind an axis, if that is one slice each: padding that is known to be
/// no longer than the axis.
std::optional<Ends> ends_of_pad(const Expr& e, std::size_t axis, PadMode mode, std::int64_t before,
                                std::int64_t behind, Location where) {
  const Dim& n = e.shape()[axis];
  const std::int64_t needed = mode == PadMode::edge      ? 1
                              : mode == PadMode::reflect ? std::max(before, behind) + 1
                                                         : std::max(before, behind);
  if ((n.is_static() ? n.value() : dims::lower_bound(n).value_or(0)) < needed) return std::nullopt;
  // `count` elements from `start` on, `step` apart.
  const auto run = [&](const Dim& start, std::int64_t step, std::int64_t count) {
    std::vector<Dim> starts(e.shape().size(), Dim(0)), shape = e.shape();
    ir::Ints steps(starts.size(), 1);
    starts[axis] = start;
    steps[axis] = step;
    shape[axis] = Dim(mode == PadMode::edge ? 1 : count);
    const Expr part =
        ir::make(slice, {e}, SliceParams{std::move(starts), std::move(steps), shape}, where);
    if (mode != PadMode::edge) return part;
    shape[axis] = Dim(count);
    return ir::make(broadcast_to, {part}, ShapeParams{std::move(shape)}, where);
  };
  const auto from_end = [&](std::int64_t k) { return dims::normal(dims::sub(n, Dim(k))); };
  Ends ends;
  switch (mode) {
  case PadMode::constant:
    return std::nullopt;
  case PadMode::edge:
    if (before > 0) ends.before = {run(Dim(0), 1, before)};
    if (behind > 0) ends.behind = {run(from_end(1), 1, behind)};
    break;
  case PadMode::reflect:
    if (before > 0) ends.before = {run(Dim(before), -1, before)};
    if (behind > 0) ends.behind = {run(from_end(2), -1, behind)};
    break;
  case PadMode::symmetric:
    if (before > 0) ends.before = {run(Dim(before - 1), -1, before)};
    if (behind > 0) ends.behind = {run(from_end(1), -1, behind)};
    break;
  case PadMode::wrap:
    if (before > 0) ends.before = {run(from_end(before), 1, before)};
    if (behind > 0) ends.behind = {run(Dim(0), 1, behind)};
    break;
  }
  return ends;
}

/// The array inside of a frame of one number: the frame's sides, for each axis, reach over the
/// whole of the axes before and the array's own part of those behind.
Expr framed(const Expr& e, const std::vector<std::pair<std::int64_t, std::int64_t>>& widths,
            const Expr& value, Location where) {
  const std::size_t rank = e.shape().size();
  std::vector<Dim> whole, inner_starts;
  for (std::size_t i = 0; i < rank; ++i) {
    whole.push_back(dims::normal(dims::add(e.shape()[i], Dim(widths[i].first + widths[i].second))));
    inner_starts.emplace_back(widths[i].first);
  }
  std::vector<Expr> parts{e};
  std::vector<Dim> starts = inner_starts;
  const auto add = [&](std::vector<Dim> from, std::vector<Dim> shape) {
    parts.push_back(ir::make(broadcast_to, {value}, ShapeParams{std::move(shape)}, where));
    starts.insert(starts.end(), from.begin(), from.end());
  };
  for (std::size_t i = 0; i < rank; ++i) {
    // Sides of axis i: all of what lies in the array along the axes before, everything along those
    // behind.
    std::vector<Dim> from(rank, Dim(0)), shape = whole;
    for (std::size_t j = 0; j < i; ++j) {
      from[j] = inner_starts[j];
      shape[j] = e.shape()[j];
    }
    const auto [before, behind] = widths[i];
    if (before > 0) {
      shape[i] = Dim(before);
      add(from, shape);
    }
    if (behind > 0) {
      from[i] = dims::normal(dims::add(e.shape()[i], Dim(before)));
      shape[i] = Dim(behind);
      add(from, shape);
    }
  }
  if (parts.size() == 1) return e;
  return ir::make(join, {parts.begin(), parts.end()},
                  JoinParams{std::move(starts), std::move(whole)}, where);
}

} // namespace
} // namespace ops

Expr concatenate(const std::vector<Expr>& arrays, int axis, Location where) {
  return ops::joined("concatenate", ops::promoted("concatenate", arrays, where), axis, where);
}

Expr stack(const std::vector<Expr>& arrays, int axis, Location where) {
  const auto same = ops::promoted("stack", arrays, where);
  const int rank = same[0].rank() + 1;
  if (axis < -rank || axis >= rank)
    support::fail<ShapeError>(
        "stack",
        {.place = ir::place_of(where, arrays),
         .hint = fmt::format("axes of the result run from {} to {}", -rank, rank - 1)},
        "cannot stack {} along axis {}", same[0].label(), axis);
  const int along = axis < 0 ? axis + rank : axis;
  for (const Expr& e : same)
    if (e.rank() != rank - 1)
      support::fail<ShapeError>("stack",
                                {.place = ir::place_of(where, arrays),
                                 .hint = "give arrays of one shape, or concatenate them"},
                                "ranks differ: {} and {}", same[0].label(), e.label());
  return ops::joined("stack",
                     ops::each(same,
                               [&](const Expr& e) {
                                 return expand_dims({e, where}, {along});
                               }),
                     along, where);
}

Expr vstack(const std::vector<Expr>& arrays, Location where) {
  const auto rows = ops::each(ops::promoted("vstack", arrays, where),
                              [&](const Expr& e) { return ops::at_least(2, e, where); });
  return ops::joined("vstack", rows, 0, where);
}

Expr hstack(const std::vector<Expr>& arrays, Location where) {
  const auto same = ops::each(ops::promoted("hstack", arrays, where),
                              [&](const Expr& e) { return ops::at_least(1, e, where); });
  return ops::joined("hstack", same, same[0].rank() == 1 ? 0 : 1, where);
}

Expr dstack(const std::vector<Expr>& arrays, Location where) {
  const auto deep = ops::each(ops::promoted("dstack", arrays, where), [&](const Expr& e) {
    const Expr rows = ops::at_least(2, e, where);
    return rows.rank() == 2 ? expand_dims({rows, where}, {2}) : rows;
  });
  return ops::joined("dstack", deep, 2, where);
}

Expr column_stack(const std::vector<Expr>& arrays, Location where) {
  const auto columns = ops::each(ops::promoted("column_stack", arrays, where), [&](const Expr& e) {
    const Expr line = ops::at_least(1, e, where);
    return line.rank() == 1 ? expand_dims({line, where}, {1}) : line;
  });
  return ops::joined("column_stack", columns, 1, where);
}

std::vector<Expr> split(Operand a, std::int64_t sections, int axis) {
  const Expr e = ops::to_expr(a);
  const std::size_t along = ops::axis_to_split("split", e, axis, a.where);
  ops::require_sections("split", sections, e, a.where);
  const Dim& n = e.shape()[along];
  const std::string what =
      fmt::format("axis {} of {} does not divide into {} parts", along, e.label(), sections);
  constexpr const char* hint = "array_split takes any size";
  if (n.is_static() && n.value() % sections != 0)
    support::fail<ShapeError>("split", {.place = ir::place_of(a.where, {&e, 1}), .hint = hint},
                              "{}", what);
  const Dim length = ir::dims::normal(ir::dims::floor_div(n, Dim(sections)));
  std::vector<Expr> parts = ops::parts_of(
      e, along, std::vector<Dim>(static_cast<std::size_t>(sections), length), a.where);
  if (n.is_static()) return parts;
  std::vector<Expr> checked;
  for (const Expr& p : parts) {
    const ir::Node& node = *p.node();
    checked.push_back(ir::make(
        ops::slice, {e}, node.params, a.where,
        {{n, ir::dims::mul(length, Dim(sections)), what, false, hint, std::string("split")}}));
  }
  return checked;
}

std::vector<Expr> array_split(Operand a, std::int64_t sections, int axis) {
  const Expr e = ops::to_expr(a);
  const std::size_t along = ops::axis_to_split("array_split", e, axis, a.where);
  ops::require_sections("array_split", sections, e, a.where);
  std::vector<Dim> lengths;
  for (std::int64_t i = 0; i < sections; ++i)
    lengths.push_back(ir::dims::normal(ir::dims::floor_div(
        ir::dims::add(e.shape()[along], Dim(sections - 1 - i)), Dim(sections))));
  return ops::parts_of(e, along, lengths, a.where);
}

std::vector<Expr> split_at(Operand a, const std::vector<std::int64_t>& positions, int axis) {
  const Expr e = ops::to_expr(a);
  const std::size_t along = ops::axis_to_split("split_at", e, axis, a.where);
  std::vector<Expr> parts;
  std::optional<std::int64_t> start;
  for (std::size_t i = 0; i <= positions.size(); ++i) {
    std::vector<Range> ranges(along + 1);
    ranges[along] = {start, i < positions.size() ? std::optional(positions[i]) : std::nullopt};
    parts.push_back(slice({e, a.where}, ranges));
    if (i < positions.size()) start = positions[i];
  }
  return parts;
}

Expr pad(Operand a, const std::vector<std::pair<std::int64_t, std::int64_t>>& widths, PadMode mode,
         Operand value) {
  Expr e = ops::to_expr(a);
  const auto rank = static_cast<std::size_t>(e.rank());
  if (widths.size() != rank && widths.size() != 1)
    support::fail<ShapeError>("pad",
                              {.place = ir::place_of(a.where, {&e, 1}),
                               .hint = "give a pair for each axis, or one for all of them"},
                              "{} pairs of widths for {}", widths.size(), e.label());
  auto all = widths;
  all.resize(rank, widths.empty() ? std::pair<std::int64_t, std::int64_t>{} : widths[0]);
  for (const auto& [before, behind] : all)
    if (before < 0 || behind < 0)
      support::fail<ShapeError>(
          "pad", {.place = ir::place_of(a.where, {&e, 1}), .hint = "slice takes elements away"},
          "a width of {} is negative", std::min(before, behind));
  if (mode == PadMode::constant) {
    const Expr v = ops::to_expr(value, e.dtype());
    if (v.rank() != 0)
      support::fail<ShapeError>(
          "pad", {.place = ir::place_of(value.where, {&v, 1}), .hint = "give one number"},
          "value should be a scalar, got {}", v.label());
    return ops::framed(e, all, v, a.where);
  }
  for (std::size_t i = 0; i < rank; ++i) {
    const auto [before, behind] = all[i];
    if (before == 0 && behind == 0) continue;
    const Dim n = e.shape()[i];
    if (n.is(0))
      support::fail<ShapeError>(
          "pad", {.place = ir::place_of(a.where, {&e, 1}), .hint = "pad it with a constant"},
          "axis {} of {} is empty", i, e.label());
    if (const auto ends = ops::ends_of_pad(e, i, mode, before, behind, a.where)) {
      std::vector<Expr> parts = ends->before;
      parts.push_back(e);
      parts.insert(parts.end(), ends->behind.begin(), ends->behind.end());
      e = ops::joined_along(i, parts, a.where);
      continue;
    }
    // What is put there is looked up.
    const auto looked_up = [&](const Expr& first, std::int64_t length) {
      std::vector<IndexItem> items(i, Range{});
      items.emplace_back(ops::positions_of_pad(mode, n, first, length, a.where));
      return index({e, a.where}, std::move(items), a.where);
    };
    std::vector<Expr> parts;
    if (before > 0)
      parts.push_back(looked_up(ops::integer_constant(DType::i64, -before, a.where), before));
    parts.push_back(e);
    if (behind > 0) parts.push_back(looked_up(ops::dim_expr(n, a.where), behind));
    e = ops::joined_along(i, parts, a.where);
  }
  return e;
}

} // namespace kroton
