/// Movement: the same elements in another place.
#include <cstdlib>
#include <limits>

#include <kroton/ops/movement.hpp>

#include "lib/ir/dim_normal.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/movement.hpp"
#include "lib/ops/range.hpp"
#include "lib/support/visit_dtype.hpp"

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

Type infer_reshape(InferContext& c) {
  const ir::DimList& shape = c.params.as<ShapeParams>().shape;
  const Dim before = dims::product(c.in(0).shape), after = dims::product(shape);
  c.require_equal(before, after,
                  fmt::format("{} has {} elements, the new shape {} has {}", c.label(0),
                              before.to_string(), dims::to_string(shape), after.to_string()),
                  "the number of elements stays: one dim may be -1, it is computed from the rest "
                  "and must come out even");
  return {c.in(0).dtype, shape};
}

Type infer_transpose(InferContext& c) {
  std::vector<Dim> shape;
  for (std::int64_t axis : c.params.as<OrderParams>().order)
    shape.push_back(c.in(0).shape[static_cast<std::size_t>(axis)]);
  return {c.in(0).dtype, std::move(shape)};
}

Type infer_broadcast(InferContext& c) {
  const ir::DimList &from = c.in(0).shape, &to = c.params.as<ShapeParams>().shape;
  if (from.size() > to.size())
    c.fail<ShapeError>("squeeze drops axes of size 1", "{} has more axes than {}", c.label(0),
                       dims::to_string(to));
  std::vector<Dim> shape = to;
  bool has_changed = false;
  for (std::size_t i = 0; i < from.size(); ++i) {
    Dim& d = shape[to.size() - from.size() + i];
    if (from[i].is(1) || dims::same(d, from[i])) continue;
    d = c.require_equal(d, from[i],
                        fmt::format("axis {} of {} has {}, which cannot become {} of {}", i,
                                    c.label(0), from[i].to_string(), d.to_string(),
                                    dims::to_string(to)),
                        "only a dim known to be 1 is broadcast");
    has_changed = true;
  }
  return {c.in(0).dtype, has_changed ? ir::DimList(std::move(shape)) : to};
}

/// Of slice and unslice.
Type infer_slice(InferContext& c) { return {c.in(0).dtype, c.params.as<SliceParams>().shape}; }

Array eval_reshape(const EvalContext& c) {
  return c.inputs[0].reshape(Shape(c.shape.begin(), c.shape.end()));
}
Array eval_transpose(const EvalContext& c) {
  const ir::Ints& order = c.params.as<OrderParams>().order;
  return c.inputs[0].transpose(std::vector<int>(order.begin(), order.end()));
}
Array eval_broadcast(const EvalContext& c) {
  return c.inputs[0].broadcast_to(Shape(c.shape.begin(), c.shape.end()));
}

/// The part of `whole` that has the given starts, steps and lengths.
Array window(const Array& whole, const EvalContext& c, const Shape& lengths) {
  const SliceParams& p = c.params.as<SliceParams>();
  Shape strides = whole.strides();
  std::int64_t offset = 0;
  for (std::size_t i = 0; i < strides.size(); ++i) {
    if (lengths[i] > 0) offset += c.size(p.starts[i]) * strides[i];
    strides[i] *= p.steps[i];
  }
  if (std::ranges::find(lengths, 0) != lengths.end()) return Array::empty(whole.dtype(), lengths);
  return whole.as_strided(lengths, strides, offset);
}

Array eval_slice(const EvalContext& c) {
  return window(c.inputs[0], c, Shape(c.shape.begin(), c.shape.end())).copy();
}
Array eval_unslice(const EvalContext& c) {
  Array out = Array::zeros(c.dtype, Shape(c.shape.begin(), c.shape.end()));
  if (c.inputs[0].numel() > 0) copy_elements(window(out, c, c.inputs[0].shape()), c.inputs[0]);
  return out;
}
Array eval_identity(const EvalContext& c) { return c.inputs[0]; }

/// The gradient of slice and unslice: each is the other's, with the shape of its own input.
std::vector<Expr> grad_slice(const GradContext& c, const Op& other) {
  SliceParams params = c.params.as<SliceParams>();
  params.shape = c.inputs[0].node()->type.shape;
  return {ir::make(other, {c.grad}, std::move(params), c.where)};
}

Expr batched_reshape(const BatchContext& c) {
  return ir::make(reshape, {c.inputs[0]},
                  ShapeParams{behind(c.size, c.params.as<ShapeParams>().shape)}, c.where);
}
Expr batched_transpose(const BatchContext& c) {
  ir::Ints order{0};
  for (std::int64_t axis : c.params.as<OrderParams>().order) order.push_back(axis + 1);
  return ir::make(transpose, {c.inputs[0]}, OrderParams{std::move(order)}, c.where);
}
/// Axes that are new stand between the axis and the input's own.
Expr batched_broadcast(const BatchContext& c) {
  const std::vector<Dim> to = c.params.as<ShapeParams>().shape;
  const Expr& e = c.inputs[0];
  std::vector<Dim> from = e.shape();
  from.insert(from.begin() + 1, to.size() + 1 - from.size(), Dim(1));
  const Expr aligned = ir::make(reshape, {e}, ShapeParams{std::move(from)}, c.where);
  return ir::make(broadcast_to, {aligned}, ShapeParams{behind(c.size, to)}, c.where);
}
/// Of slice and unslice.
Expr batched_slice(const BatchContext& c) {
  SliceParams params = c.params.as<SliceParams>();
  params.starts = behind(Dim(0), params.starts);
  params.steps.insert(params.steps.begin(), 1);
  params.shape = behind(c.size, params.shape);
  return ir::make(c.op, {c.inputs[0]}, std::move(params), c.where);
}

using ir::Example;

std::vector<Example> examples_of_reshape(DType t) {
  const Dim n = dim("n"), m = dim("m");
  const Expr x = tensor(t, {n, m}, "x"), c = tensor(t, {4, 6}, "c"), o = tensor(t, {}, "o");
  return {{kroton::reshape(x, {-1})},
          {kroton::reshape(c, {3, 8})},
          {kroton::reshape(kroton::transpose(c), {2, 12})},
          {kroton::reshape(o, {1, 1})},
          {kroton::expand_dims(x, {0, 2})},
          {squeeze(kroton::expand_dims(x, {0, 2}), {0})}};
}
std::vector<Example> examples_of_transpose(DType t) {
  const Expr x = tensor(t, {dim("n"), dim("m")}, "x"), k = tensor(t, {3, 2, 5}, "k");
  std::vector<Example> examples{{kroton::transpose(x)}};
  for (const std::vector<int>& order :
       {std::vector<int>{0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}})
    examples.push_back({kroton::transpose(k, order)});
  return examples;
}
std::vector<Example> examples_of_broadcast_to(DType t) {
  const Dim n = dim("n"), m = dim("m");
  const Expr v = tensor(t, {n}, "v"), o = tensor(t, {}, "o"), x = tensor(t, {n, m}, "x");
  const auto as_wide_as_x = [&](const Expr& e) {
    return kroton::where(x == x, kroton::broadcast_to(e, x.shape()), x);
  };
  return {{kroton::broadcast_to(o, {Dim(2), Dim(3)})},
          {kroton::broadcast_to(v, {Dim(2), n})},
          {kroton::broadcast_to(kroton::expand_dims(v, {1}), {n, Dim(3)})},
          {as_wide_as_x(o)},
          {as_wide_as_x(kroton::expand_dims(v, {1}))}};
}
std::vector<Example> examples_of_slice(DType t) {
  const Expr x = tensor(t, {dim("n"), dim("m")}, "x"), c = tensor(t, {4, 6}, "c");
  const std::vector<std::vector<Range>> slices{
      {{1, {}}},    {{{}, -1}},  {{{}, {}, -1}}, {{-2, {}, -1}}, {{{}, {}, 2}, {1, {}, 3}},
      {{2, 0, -1}}, {{100, {}}}, {{-100, 100}},  {{3, 1}},       {{{}, {}, -2}, {-1, {}, -3}}};
  std::vector<Example> examples;
  for (const auto& ranges : slices) {
    examples.push_back({kroton::slice(x, ranges)});
    examples.push_back({kroton::slice(c, ranges)});
  }
  examples.push_back({kroton::slice(kroton::slice(x, {{{}, {}, -1}}), {{1, {}, 2}})});
  return examples;
}
std::vector<Example> examples_of_unslice(DType t) {
  if (is_bool(t)) return {};
  const Expr c = tensor(t, {4, 6}, "c");
  const auto put_back = [&](SliceParams params) {
    return ir::make(unslice, {c}, std::move(params), Location::current());
  };
  return {{put_back({{1, 2}, {2, 1}, {9, 10}})}, {put_back({{7, 5}, {-2, -1}, {9, 6}})}};
}
std::vector<Example> examples_of_stop_gradient(DType t) {
  return {{kroton::stop_gradient(tensor(t, {dim("n"), dim("m")}, "x"))}};
}
std::vector<Example> examples_of_copy(DType t) {
  const Expr x = tensor(t, {dim("n"), dim("m")}, "x");
  return {{ir::make(copy, {kroton::transpose(x)}, CopyParams{}, Location::current())}};
}

} // namespace

const Op reshape{.name = "reshape",
                 .kind = Kind::movement,
                 .params = &ir::params_type<ShapeParams>,
                 .infer = infer_reshape,
                 .eval = eval_reshape,
                 .batched = batched_reshape,
                 .gradient =
                     [](const GradContext& c) {
                       return std::vector{ir::make(reshape, {c.grad},
                                                   ShapeParams{c.inputs[0].node()->type.shape},
                                                   c.where)};
                     },
                 .examples = examples_of_reshape,
                 .doc = "the same elements, in order, under another shape"};
const Op transpose{.name = "transpose",
                   .kind = Kind::movement,
                   .params = &ir::params_type<OrderParams>,
                   .infer = infer_transpose,
                   .eval = eval_transpose,
                   .batched = batched_transpose,
                   .gradient =
                       [](const GradContext& c) {
                         const ir::Ints& order = c.params.as<OrderParams>().order;
                         ir::Ints inverse(order.size());
                         for (std::size_t i = 0; i < order.size(); ++i)
                           inverse[static_cast<std::size_t>(order[i])] =
                               static_cast<std::int64_t>(i);
                         return std::vector{ir::make(transpose, {c.grad},
                                                     OrderParams{std::move(inverse)}, c.where)};
                       },
                   .examples = examples_of_transpose,
                   .doc = "the axes in another order"};
const Op broadcast_to{
    .name = "broadcast-to",
    .kind = Kind::movement,
    .params = &ir::params_type<ShapeParams>,
    .infer = infer_broadcast,
    .eval = eval_broadcast,
    .batched = batched_broadcast,
    .gradient =
        [](const GradContext& c) { return std::vector{sum_to(c.grad, c.inputs[0], c.where)}; },
    .examples = examples_of_broadcast_to,
    .doc = "elements repeated along axes of size 1 and new leading ones"};
const Op slice{.name = "slice",
               .kind = Kind::movement,
               .params = &ir::params_type<SliceParams>,
               .infer = infer_slice,
               .eval = eval_slice,
               .batched = batched_slice,
               .gradient = [](const GradContext& c) { return grad_slice(c, unslice); },
               .examples = examples_of_slice,
               .doc = "start:stop:step of each axis"};
/// Zeros with the input placed at every step-th position from the starts: slice's gradient.
const Op unslice{.name = "unslice",
                 .kind = Kind::pad,
                 .params = &ir::params_type<SliceParams>,
                 .infer = infer_slice,
                 .eval = eval_unslice,
                 .batched = batched_slice,
                 .gradient = [](const GradContext& c) { return grad_slice(c, slice); },
                 .examples = examples_of_unslice,
                 .doc = "the elements at the positions of a slice of zeros, the gradient of slice"};
const Op stop_gradient{
    .name = "stop-gradient",
    .kind = Kind::movement,
    .infer = [](InferContext& c) { return c.in(0); },
    .eval = eval_identity,
    .batched =
        [](const BatchContext& c) { return ir::make(c.op, {c.inputs[0]}, c.params, c.where); },
    .gradient = [](const GradContext&) { return std::vector{Expr(nullptr)}; },
    .domain = {{-4, 4, false}},
    .examples = examples_of_stop_gradient,
    .doc = "a, through which no gradient flows"};
/// The input's elements in a buffer of their own; the planner puts one where a view must become
/// dense.
const Op copy{.name = "copy",
              .kind = Kind::elementwise,
              .spelling = "{0}",
              .params = &ir::params_type<CopyParams>,
              .infer = infer_elementwise,
              .eval_float = [](const auto* v) { return v[0]; },
              .eval_int = [](const ir::Wide* v) { return v[0]; },
              .range = range_at_ends,
              .gradient = [](const GradContext& c) { return std::vector{c.grad}; },
              .domain = {{}},
              .examples = examples_of_copy,
              .doc = "the same elements in memory of their own"};

std::span<const Op* const> movement_rows() {
  static constexpr const Op* rows[] = {&reshape, &transpose,     &broadcast_to, &slice,
                                       &unslice, &stop_gradient, &copy};
  return rows;
}

} // namespace ops

Expr reshape(Operand a, std::vector<NewDim> shape) {
  const Expr e = ops::to_expr(a);
  std::vector<Dim> target, known_dims;
  std::optional<std::size_t> rest;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const NewDim& d = shape[i];
    if (d.given < -1 || (d.is_rest && rest))
      support::fail<ShapeError>(
          "reshape",
          {.place = ir::place_of(a.where, {&e, 1}),
           .hint = "one dim may be -1, it is computed from the rest"},
          "{}: {}", d.given < -1 ? "a size cannot be negative" : "more than one dim is computed",
          d.given);
    target.push_back(d.dim);
    if (d.is_rest)
      rest = i;
    else
      known_dims.push_back(d.dim);
  }
  if (rest) {
    const Dim all = ir::dims::product(e.shape());
    const Dim known =
        ir::with_place("reshape", a.where, {&e, 1}, [&] { return ir::dims::product(known_dims); });
    if (known.is(0) || (known.is_static() && all.is_static() && all.value() % known.value() != 0))
      support::fail<ShapeError>("reshape",
                                {.place = ir::place_of(a.where, {&e, 1}),
                                 .hint = "name every dim, or change the ones that are known"},
                                "{} elements of {} do not divide by {}", all.to_string(), e.label(),
                                known.to_string());
    target[*rest] = ir::dims::normal(ir::dims::floor_div(all, known));
  }
  return ir::make(ops::reshape, {e}, ops::ShapeParams{std::move(target)}, a.where);
}

Expr transpose(Operand a, std::vector<int> permutation) {
  const Expr e = ops::to_expr(a);
  const int rank = e.rank();
  std::vector<std::int64_t> order;
  if (permutation.empty())
    for (int i = rank - 1; i >= 0; --i) order.push_back(i);
  for (int axis : permutation) order.push_back(axis < 0 ? axis + rank : axis);
  std::vector<bool> seen(static_cast<std::size_t>(rank), false);
  bool is_permutation = static_cast<int>(order.size()) == rank;
  for (std::int64_t axis : order) {
    if (axis < 0 || axis >= rank || seen[static_cast<std::size_t>(axis)])
      is_permutation = false;
    else
      seen[static_cast<std::size_t>(axis)] = true;
  }
  if (!is_permutation)
    support::fail<ShapeError>("transpose",
                              {.place = ir::place_of(a.where, {&e, 1}),
                               .hint = "name each axis once, or none to reverse them"},
                              "[{}] is no permutation of the {} axes of {}",
                              fmt::join(permutation, ","), rank, e.label());
  return ir::make(ops::transpose, {e}, ops::OrderParams{std::move(order)}, a.where);
}

Expr broadcast_to(Operand a, std::vector<Dim> shape) {
  return ir::make(ops::broadcast_to, {ops::to_expr(a)}, ops::ShapeParams{std::move(shape)},
                  a.where);
}

Expr expand_dims(Operand a, Axes axes) {
  const Expr e = ops::to_expr(a);
  const int rank = e.rank() + static_cast<int>(axes.size());
  std::vector<bool> is_new(static_cast<std::size_t>(rank), false);
  for (int axis : axes) {
    const int i = axis < 0 ? axis + rank : axis;
    if (i < 0 || i >= rank || is_new[static_cast<std::size_t>(i)])
      support::fail<ShapeError>(
          "expand_dims",
          {.place = ir::place_of(a.where, {&e, 1}),
           .hint = fmt::format("axes of the result run from {} to {}, each once", -rank, rank - 1)},
          "cannot insert axis {} into {}", axis, e.label());
    is_new[static_cast<std::size_t>(i)] = true;
  }
  std::vector<Dim> shape;
  auto next = e.shape().begin();
  for (bool n : is_new) shape.push_back(n ? Dim(1) : *next++);
  return ir::make(ops::reshape, {e}, ops::ShapeParams{std::move(shape)}, a.where);
}

Expr squeeze(Operand a, Axes axes) {
  const Expr e = ops::to_expr(a);
  std::vector<Dim> shape;
  std::vector<std::int64_t> dropped;
  if (!axes.empty()) dropped = ops::normalize_axes("squeeze", axes, e, a.where);
  for (std::size_t i = 0; i < e.shape().size(); ++i) {
    const Dim& d = e.shape()[i];
    const bool is_named = std::ranges::find(dropped, static_cast<std::int64_t>(i)) != dropped.end();
    if (is_named && !d.is(1))
      support::fail<ShapeError>("squeeze",
                                {.place = ir::place_of(a.where, {&e, 1}),
                                 .hint = "only axes known to have size 1 can go"},
                                "axis {} of {} has size {}", i, e.label(), d.to_string());
    if (axes.empty() ? !d.is(1) : !is_named) shape.push_back(d);
  }
  return ir::make(ops::reshape, {e}, ops::ShapeParams{std::move(shape)}, a.where);
}

namespace {

namespace dims = ir::dims;

/// Longer steps along an axis of unknown size are gathered: a step times the distance of two
/// elements could be more than an int64 counts, where the step leaves the axis at once.
constexpr std::int64_t longest_step = std::int64_t{1} << 20;
constexpr std::int64_t lowest_position = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t highest_position = std::numeric_limits<std::int64_t>::max();

std::int64_t magnitude(std::int64_t step) {
  return step == lowest_position ? highest_position : std::abs(step);
}

/// A position of a slice, clamped into [0, size].
Dim clamp_position(std::int64_t p, const Dim& size) {
  if (p >= 0) return dims::min(size, Dim(p));
  return p == lowest_position ? Dim(0) : dims::max(dims::sub(size, Dim(-p)), Dim(0));
}

/// One past it, clamped into [0, size]: what a slice that goes down counts in, so that nothing is
/// negative.
Dim clamp_one_past(std::int64_t p, const Dim& size) {
  if (p >= 0) return p == highest_position ? size : dims::min(size, Dim(p + 1));
  return dims::max(dims::sub(size, Dim(-(p + 1))), Dim(0));
}

/// A position of a slice that a size says, counted from the front where it is negative, then moved
/// by `by`, clamped into [0, size].
Dim clamp_size(const Dim& position, const Dim& size, std::int64_t by) {
  const auto least = dims::lower_bound(position);
  Dim at = dims::min(position, size); // first, so that nothing exceeds an int64
  if (!least || *least < 0) {
    at = dims::max(at, dims::sub(Dim(0), dims::add(size, Dim(1))));
    // 1 where it is negative, else 0.
    const Dim is_negative = dims::min(Dim(1), dims::max(dims::sub(Dim(0), at), Dim(0)));
    at = dims::add(at, dims::mul(size, is_negative));
  }
  return dims::min(dims::max(dims::add(at, Dim(by)), Dim(0)), size);
}

Dim clamped(const Bound& b, const Dim& size, Location where) {
  return b.number ? clamp_position(*b.number, size)
                  : clamp_size(ops::signed_size_of("slice", b.size, where), size, 0);
}
Dim clamped_one_past(const Bound& b, const Dim& size, Location where) {
  return b.number ? clamp_one_past(*b.number, size)
                  : clamp_size(ops::signed_size_of("slice", b.size, where), size, 1);
}

} // namespace

ops::AxisSlice ops::axis_slice(const Range& r, const Dim& n, Location where) {
  AxisSlice s{.step = r.step};
  Dim span(0); // from the first position to the end
  if (r.step > 0) {
    s.start = r.start.is_given() ? clamped(r.start, n, where) : Dim(0);
    const Dim stop = r.stop.is_given() ? clamped(r.stop, n, where) : n;
    span = dims::max(dims::sub(stop, s.start), Dim(0));
  } else {
    // From one past `start` (missing: n) down to one past `stop` (missing: 0).
    const Dim from = r.start.is_given() ? clamped_one_past(r.start, n, where) : n;
    const Dim to = r.stop.is_given() ? clamped_one_past(r.stop, n, where) : Dim(0);
    span = dims::max(dims::sub(from, to), Dim(0));
    s.start = dims::max(dims::sub(from, Dim(1)), Dim(0));
  }
  const Dim size(magnitude(r.step));
  // The first form reads better in generated code; only the second holds for any step.
  s.length = !span.is_static() && size.value() <= longest_step
                 ? dims::floor_div(dims::add(span, Dim(size.value() - 1)), size)
                 : dims::add(dims::floor_div(dims::sub(span, Dim(1)), size), Dim(1));
  // Slices of one length have equal dims, however they are written.
  s.start = dims::normal(s.start);
  s.length = dims::normal(s.length);
  // A longer step leaves the axis as well.
  if (n.is_static()) {
    const std::int64_t most = std::max<std::int64_t>(n.value(), 1);
    s.step = std::clamp(r.step, -most, most);
  }
  return s;
}

namespace {

/// The elements of `e` that `s` names along an axis, each looked up by its position.
Expr gathered(const Expr& e, std::size_t axis, const ops::AxisSlice& s, Location where) {
  const Expr i = ir::make(ops::iota, {}, ops::SizeParams{s.length}, where);
  const Expr moved = Operand(i, where) * Operand(s.step, where);
  std::vector<IndexItem> items(axis, Range{});
  items.emplace_back(Operand(ops::dim_expr(s.start, where), where) + Operand(moved, where));
  return index({e, where}, std::move(items), where);
}

} // namespace

Expr slice(Operand a, std::vector<Range> ranges) {
  Expr e = ops::to_expr(a);
  if (static_cast<int>(ranges.size()) > e.rank())
    support::fail<ShapeError>(
        "slice",
        {.place = ir::place_of(a.where, {&e, 1}), .hint = "give at most one range for each axis"},
        "{} ranges for {}", ranges.size(), e.label());
  const std::vector<Dim> whole = e.shape();
  std::vector<std::int64_t> steps;
  std::vector<Dim> starts, lengths;
  for (std::size_t i = 0; i < whole.size(); ++i) {
    const Range r = i < ranges.size() ? ranges[i] : Range{};
    if (r.step == 0)
      support::fail<ShapeError>("slice",
                                {.place = ir::place_of(a.where, {&e, 1}),
                                 .hint = "use a step of 1, or -1 to go backwards"},
                                "the step of axis {} is 0", i);
    ops::AxisSlice s = ops::axis_slice(r, whole[i], a.where);
    if (magnitude(s.step) > longest_step && !whole[i].is_static()) {
      e = gathered(e, i, s, a.where);
      s = {.start = Dim(0), .length = e.shape()[i], .step = 1};
    }
    steps.push_back(s.step);
    starts.push_back(s.start);
    lengths.push_back(s.length);
  }
  return ir::make(ops::slice, {e},
                  ops::SliceParams{std::move(starts), std::move(steps), std::move(lengths)},
                  a.where);
}

Expr stop_gradient(Operand a) {
  return ir::make(ops::stop_gradient, {ops::to_expr(a)}, {}, a.where);
}

} // namespace kroton
