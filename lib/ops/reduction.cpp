/// Reductions: sum, max, min and the positions of the extremes; mean and the softmax family
/// are composed of them.
#include <cmath>
#include <limits>

#include "lib/ir/call.hpp"
#include "lib/ir/extended.hpp"
#include <kroton/ops/movement.hpp>
#include <kroton/ops/parts.hpp>
#include <kroton/ops/reduction.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/parts.hpp"
#include "lib/ops/reduction.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::Combine;
using ir::Dtypes;
using ir::EvalContext;
using ir::GradContext;
using ir::Identity;
using ir::InferContext;
using ir::Kind;
using ir::Result;
using ir::Spelling;
using ir::Type;
using ir::Wide;

Type infer_reduction(InferContext& c) {
  const ir::Ints& axes = axes_of(c);
  std::vector<Dim> shape;
  std::size_t next = 0;
  for (std::size_t i = 0; i < c.in(0).shape.size(); ++i) {
    if (next < axes.size() && axes[next] == static_cast<std::int64_t>(i))
      ++next;
    else
      shape.push_back(c.in(0).shape[i]);
  }
  return {c.op.result == Result::position ? DType::i64 : c.in(0).dtype, std::move(shape)};
}

/// The input, or its remainders, seen as [kept, reduced].
Array kept_then_reduced(const EvalContext& c, const Array& a, std::int64_t& kept,
                        std::int64_t& reduced) {
  std::vector<int> order;
  kept = reduced = 1;
  for (int i = 0; i < a.rank(); ++i) {
    if (std::ranges::find(axes_of(c), i) != axes_of(c).end()) continue;
    order.push_back(i);
    kept *= a.shape()[static_cast<std::size_t>(i)];
  }
  for (std::int64_t axis : axes_of(c)) {
    order.push_back(static_cast<int>(axis));
    reduced *= a.shape()[static_cast<std::size_t>(axis)];
  }
  return a.transpose(order);
}

/// Folds rows with `step(so_far, value)` in the widest type of the dtype's kind.
template <class Step>
Array fold(const EvalContext& c, long double float_start, Wide int_start, Step step) {
  std::int64_t kept = 0, reduced = 0;
  const auto rows = [&](const Array& a) { return kept_then_reduced(c, a, kept, reduced); };
  Array out = Array::empty(c.dtype, Shape(c.shape.begin(), c.shape.end()));
  support::visit_dtype(c.dtype, [&]<class T>(std::type_identity<T>) {
    const ir::Terms<T> from(c, 0, rows);
    const ir::Results<T> to(c, out);
    for (std::int64_t i = 0; i < kept; ++i) {
      if constexpr (std::is_floating_point_v<T>) {
        long double so_far = float_start;
        for (std::int64_t j = 0; j < reduced; ++j)
          so_far = step(so_far, static_cast<long double>(from[i * reduced + j]));
        to.set(i, so_far);
      } else {
        Wide so_far = int_start;
        for (std::int64_t j = 0; j < reduced; ++j)
          so_far = step(so_far, static_cast<Wide>(from[i * reduced + j]));
        to.set(i, so_far);
      }
    }
  });
  return out;
}

constexpr long double infinity = std::numeric_limits<long double>::infinity();

Array eval_sum(const EvalContext& c) {
  return fold(c, 0, 0, [](auto so_far, auto v) { return so_far + v; });
}
Array eval_max(const EvalContext& c) {
  return fold(c, -infinity, support::integers_of(c.dtype).low, [](auto so_far, auto v) {
    return (v > so_far || v != v) && so_far == so_far ? v : so_far;
  });
}
Array eval_min(const EvalContext& c) {
  return fold(c, infinity, support::integers_of(c.dtype).high, [](auto so_far, auto v) {
    return (v < so_far || v != v) && so_far == so_far ? v : so_far;
  });
}

template <class Better> Array eval_position(const EvalContext& c, Better better) {
  std::int64_t kept = 0, reduced = 0;
  const Array rows = kept_then_reduced(c, c.inputs[0], kept, reduced).contiguous();
  Array out = Array::empty(DType::i64, Shape(c.shape.begin(), c.shape.end()));
  support::visit_dtype(rows.dtype(), [&]<class T>(std::type_identity<T>) {
    const T* from = rows.data<T>();
    auto* to = out.data<std::int64_t>();
    for (std::int64_t i = 0; i < kept; ++i) {
      const T* row = from + i * reduced;
      std::int64_t best = 0;
      for (std::int64_t j = 1; j < reduced; ++j)
        if (better(row[j], row[best])) best = j;
      to[i] = best;
    }
  });
  return out;
}

Expr spread(const Expr& reduced, const GradContext& c) {
  return kroton::broadcast_to(restore_axes(reduced, axes_of(c), c.where), c.inputs[0].shape());
}

/// Ties share the gradient equally.
std::vector<Expr> grad_extreme(const GradContext& c) {
  const Expr& x = c.inputs[0];
  const Expr is_extreme = x == restore_axes(c.output, axes_of(c), c.where);
  const Expr count =
      ir::make(sum, {kroton::cast(is_extreme, c.grad.dtype())}, AxesParams{axes_of(c)}, c.where);
  return {kroton::where(is_extreme, restore_axes(c.grad / count, axes_of(c), c.where), 0)};
}

std::vector<Expr> no_gradient(const GradContext&) { return {Expr(nullptr)}; }

constexpr ir::Fold of_sum{
    .combine = Combine::sum, .identity = Identity::zero, .spell = [](DType t) {
      return is_float(t) ? Spelling("sum_{t}({0}, {1})", "{0} + {1}") : "{0} + {1}";
    }};

/// Truth values are their own bits. `of_numbers` is of integers.
Spelling extreme(DType t, const char* of_floats, std::string_view of_numbers,
                 std::string_view of_bits) {
  if (is_float(t)) return of_floats;
  return {of_numbers, is_bool(t) ? of_bits : of_numbers};
}
constexpr ir::Fold of_max{
    .combine = Combine::maximum, .identity = Identity::lowest, .spell = [](DType t) {
      return extreme(t, "maximum_{t}({0}, {1})", "{1} > {0} ? {1} : {0}", "{0} | {1}");
    }};
constexpr ir::Fold of_min{
    .combine = Combine::minimum, .identity = Identity::highest, .spell = [](DType t) {
      return extreme(t, "minimum_{t}({0}, {1})", "{1} < {0} ? {1} : {0}", "{0} & {1}");
    }};
constexpr ir::Fold of_argmax{
    .combine = Combine::maximum, .identity = Identity::lowest, .spell = [](DType) {
      return Spelling("{1} > {0} || ({1} != {1} && {0} == {0})", "");
    }};
constexpr ir::Fold of_argmin{
    .combine = Combine::minimum, .identity = Identity::highest, .spell = [](DType) {
      return Spelling("{1} < {0} || ({1} != {1} && {0} == {0})", "");
    }};

std::vector<ir::Example> examples_of_cumsum(DType t) {
  if (is_bool(t)) return {};
  const Expr x = tensor(t, {dim("n"), dim("m")}, "x");
  return {{kroton::cumsum(x)}, {kroton::cumsum(x, 0)}, {kroton::cumsum(kroton::transpose(x), 0)}};
}

} // namespace

const Op sum{.name = "sum",
             .kind = Kind::reduction,
             .dtypes = Dtypes::numeric,
             .fold = of_sum,
             .params = &ir::params_type<AxesParams>,
             .infer = infer_reduction,
             .eval = eval_sum,
             .gradient = [](const GradContext& c) { return std::vector{spread(c.grad, c)}; },
             .domain = {{}},
             .doc = "the sum over axes; integers and bool in i64, unsigned ones in u64"};
const Op max{.name = "max",
             .kind = Kind::reduction,
             .fold = of_max,
             .params = &ir::params_type<AxesParams>,
             .infer = infer_reduction,
             .eval = eval_max,
             .gradient = grad_extreme,
             .domain = {{}},
             .doc = "the largest element over axes; NaN if any is NaN"};
const Op min{.name = "min",
             .kind = Kind::reduction,
             .fold = of_min,
             .params = &ir::params_type<AxesParams>,
             .infer = infer_reduction,
             .eval = eval_min,
             .gradient = grad_extreme,
             .domain = {{}},
             .doc = "the smallest element over axes; NaN if any is NaN"};
const Op argmax{
    .name = "argmax",
    .kind = Kind::reduction,
    .result = Result::position,
    .fold = of_argmax,
    .params = &ir::params_type<AxesParams>,
    .infer = infer_reduction,
    .eval =
        [](const EvalContext& c) {
          return eval_position(
              c, [](auto v, auto best) { return v > best || (v != v && best == best); });
        },
    .gradient = no_gradient,
    .domain = {{-4, 4, false}},
    .doc = "the position (i64) of the first largest element of an axis; NaN counts as largest"};
const Op argmin{
    .name = "argmin",
    .kind = Kind::reduction,
    .result = Result::position,
    .fold = of_argmin,
    .params = &ir::params_type<AxesParams>,
    .infer = infer_reduction,
    .eval =
        [](const EvalContext& c) {
          return eval_position(
              c, [](auto v, auto best) { return v < best || (v != v && best == best); });
        },
    .gradient = no_gradient,
    .domain = {{-4, 4, false}},
    .doc = "the position (i64) of the first smallest element of an axis; NaN counts as smallest"};

namespace {

Expr reduce(const Op& op, const Expr& a, const Axes& axes, bool keepdims, Location where,
            std::vector<ir::Constraint> constraints = {}) {
  if (axes.empty() && a.rank() == 0) return a;
  const auto reduced = normalize_axes(op.name, axes, a, where);
  const Expr r = ir::make(op, {a}, AxesParams{reduced}, where, std::move(constraints));
  return keepdims ? restore_axes(r, reduced, where) : r;
}

Expr reduce_position(const Op& op, const Operand& a, int axis, bool keepdims) {
  const Expr e = to_expr(a);
  if (e.rank() == 0)
    support::fail<ShapeError>(
        op.name,
        {.place = ir::place_of(a.where, {&e, 1}), .hint = "give an array with at least one axis"},
        "needs an axis, got {}", e.label());
  const auto axes = normalize_axes(op.name, {axis}, e, a.where);
  const Dim& d = e.shape()[static_cast<std::size_t>(axes[0])];
  constexpr const char* hint = "there is no position in an empty axis";
  if (d.is(0))
    support::fail<ShapeError>(op.name, {.place = ir::place_of(a.where, {&e, 1}), .hint = hint},
                              "axis {} of {} is empty", axes[0], e.label());
  if (d.is_static()) return reduce(op, e, {axis}, keepdims, a.where);
  // A dim that is its own maximum with 1 is not 0.
  return reduce(op, e, {axis}, keepdims, a.where,
                {{d, ir::dims::max(d, Dim(1)),
                  fmt::format("axis {} of {} is empty", axes[0], e.label()), false, hint}});
}

/// `x`, through which no gradient passes where all elements along the axes of `top`, their largest,
/// are -inf: what is made of e^x has no slope there, though its formula is 0 / 0. Without
/// gradients it is `x` itself.
Expr without_empty_rows(const Expr& x, const Expr& top, Location at) {
  const Operand lowest(-std::numeric_limits<double>::infinity(), at);
  return kroton::where({Operand(top, at) != lowest, at}, {x, at},
                       {kroton::stop_gradient({x, at}), at});
}

} // namespace
namespace {

Array eval_cumsum(const EvalContext& c) {
  const RunningParams& p = c.params.as<RunningParams>();
  Array out = Array::empty(c.dtype, Shape(c.shape.begin(), c.shape.end()));
  const auto axis = static_cast<std::size_t>(p.axis);
  std::int64_t outer = 1, inner = 1;
  for (std::size_t i = 0; i < c.shape.size(); ++i)
    if (i != axis) (i < axis ? outer : inner) *= c.shape[i];
  const std::int64_t n = c.shape[axis];
  support::visit_dtype(c.dtype, [&]<class T>(std::type_identity<T>) {
    using Sum = std::conditional_t<std::is_floating_point_v<T>, long double, Wide>;
    const ir::Terms<T> from(c, 0);
    const ir::Results<T> to(c, out);
    for (std::int64_t line = 0; line < outer * inner; ++line) {
      Sum so_far = 0;
      for (std::int64_t j = 0; j < n; ++j) {
        const std::int64_t place = p.is_reversed ? n - 1 - j : j;
        const std::int64_t at = (line / inner * n + place) * inner + line % inner;
        so_far += static_cast<Sum>(from[at]);
        to.set(at, so_far);
      }
    }
  });
  return out;
}

/// How many elements are before, on and behind the axis, and whether the sums run from its end.
std::vector<Dim> numbers_of_cumsum(const ir::Graph& graph, ir::NodeId id) {
  const ir::GraphNode& n = graph[id];
  const RunningParams& p = n.params.as<RunningParams>();
  const auto axis = static_cast<std::size_t>(p.axis);
  const std::span<const Dim> shape = n.type.shape;
  return {ir::dims::product(shape.first(axis)), shape[axis],
          ir::dims::product(shape.subspan(axis + 1)), Dim(p.is_reversed ? 1 : 0)};
}

const ir::LibraryCall running_sums{
    .operands = {ir::Layout::dense},
    .results = {{ir::Layout::dense}},
    .numbers = numbers_of_cumsum,
    .takes = [](std::span<const ir::CallType> results, std::span<const ir::CallType> operands,
                std::size_t numbers) {
      return results.size() == 1 && operands.size() == 1 && numbers == 4 &&
             results[0].dtype == operands[0].dtype && item_size(results[0].dtype) >= 4;
    }};

} // namespace

const Op cumsum{.name = "cumsum",
                .kind = Kind::library,
                .dtypes = Dtypes::numeric,
                .params = &ir::params_type<RunningParams>,
                .infer = [](InferContext& c) { return c.in(0); },
                .eval = eval_cumsum,
                .batched =
                    [](const ir::BatchContext& c) {
                      RunningParams over = c.params.as<RunningParams>();
                      ++over.axis;
                      return ir::make(cumsum, {c.inputs[0]}, std::move(over), c.where);
                    },
                .gradient =
                    [](const GradContext& c) {
                      RunningParams back = c.params.as<RunningParams>();
                      back.is_reversed = !back.is_reversed;
                      const Expr g = kroton::broadcast_to({c.grad, c.where}, c.output.shape());
                      return std::vector{ir::make(cumsum, {g}, std::move(back), c.where)};
                    },
                .call = &running_sums,
                .examples = examples_of_cumsum,
                .doc = "running sums along an axis"};

std::span<const Op* const> reduction_rows() {
  static constexpr const Op* rows[] = {&sum, &max, &min, &argmax, &argmin, &cumsum};
  return rows;
}

namespace {

/// In the dtype that elements are added up in.
Expr to_summed(const Operand& a) {
  const Expr e = to_expr(a);
  if (is_float(e.dtype())) return e;
  return cast_to(e, is_unsigned_int(e.dtype()) ? DType::u64 : DType::i64, a.where);
}

} // namespace
} // namespace ops

Expr sum(Operand a, Axes axes, bool keepdims) {
  return ops::reduce(ops::sum, ops::to_summed(a), axes, keepdims, a.where);
}

Expr cumsum(Operand a, int axis) {
  const Expr e = ops::to_summed(a);
  if (e.rank() == 0)
    support::fail<ShapeError>(
        "cumsum", {.place = ir::place_of(a.where, {&e, 1}), .hint = "a scalar has no axes"},
        "takes at least one axis, got {}", e.label());
  return ir::make(ops::cumsum, {e},
                  ops::RunningParams{ops::normalize_axes("cumsum", {axis}, e, a.where)[0]},
                  a.where);
}

Expr max(Operand a, Axes axes, bool keepdims) {
  return ops::reduce(ops::max, ops::to_expr(a), axes, keepdims, a.where);
}
Expr min(Operand a, Axes axes, bool keepdims) {
  return ops::reduce(ops::min, ops::to_expr(a), axes, keepdims, a.where);
}
Expr argmax(Operand a, int axis, bool keepdims) {
  return ops::reduce_position(ops::argmax, a, axis, keepdims);
}
Expr argmin(Operand a, int axis, bool keepdims) {
  return ops::reduce_position(ops::argmin, a, axis, keepdims);
}

MaxAndArgmax max_and_argmax(Operand a, int axis, bool keepdims) {
  const Expr both = ops::reduce_position(ops::max_and_argmax, a, axis, false);
  const auto part = [&](std::size_t k) {
    const Expr e = ops::part_at(both, k, a.where);
    return keepdims ? ops::restore_axes(e, ops::axes_of(*both.node()), a.where) : e;
  };
  return {part(0), part(1)};
}

Expr mean(Operand a, Axes axes, bool keepdims) {
  const Expr e = ops::to_floating(a);
  Dim count(1);
  for (std::int64_t axis : ops::normalize_axes("mean", axes, e, a.where))
    count = ir::dims::mul(count, e.shape()[static_cast<std::size_t>(axis)]);
  const Expr n = ops::cast_to(ops::dim_expr(count, a.where), e.dtype(), a.where);
  return Operand(ops::reduce(ops::sum, e, axes, keepdims, a.where), a.where) / Operand(n, a.where);
}

Expr logsumexp(Operand a, Axes axes, bool keepdims) {
  const Location at = a.where;
  const Expr x = ops::to_floating(a);
  const auto reduced = ops::normalize_axes("logsumexp", axes, x, at);
  // Subtracting the largest keeps exp in range; where it is infinite there is nothing to
  // subtract: inf - inf would be NaN.
  const Expr top = max({x, at}, axes, true);
  const Expr shift = stop_gradient(
      {where(
           {Operand(abs({top, at}), at) < Operand(std::numeric_limits<double>::infinity(), at), at},
           {top, at}, {0.0, at}),
       at});
  const Expr rows = ops::without_empty_rows(x, top, at);
  const Expr s =
      log({sum({exp({Operand(rows, at) - Operand(shift, at), at}), at}, axes, true), at});
  const Expr r = Operand(s, at) + Operand(shift, at);
  if (keepdims) return r;
  std::vector<Dim> kept;
  for (int i = 0; i < x.rank(); ++i)
    if (std::ranges::find(reduced, i) == reduced.end())
      kept.push_back(x.shape()[static_cast<std::size_t>(i)]);
  return ir::make(ops::reshape, {r}, ops::ShapeParams{std::move(kept)}, at);
}

Expr softmax(Operand a, int axis) {
  const Location at = a.where;
  const Expr x = ops::to_floating(a);
  ops::normalize_axes("softmax", {axis}, x, at);
  const Expr top = stop_gradient({max({x, at}, {axis}, true), at});
  const Expr rows = ops::without_empty_rows(x, top, at);
  const Expr ex = exp({Operand(rows, at) - Operand(top, at), at});
  // One division a row: the factor is as exact as the quotient to an ulp.
  const Expr scale = Operand(1.0, at) / Operand(sum({ex, at}, {axis}, true), at);
  return Operand(ex, at) * Operand(scale, at);
}

Expr log_softmax(Operand a, int axis) {
  const Location at = a.where;
  const Expr x = ops::to_floating(a);
  ops::normalize_axes("log_softmax", {axis}, x, at);
  const Expr top = stop_gradient({max({x, at}, {axis}, true), at});
  const Expr shifted = Operand(ops::without_empty_rows(x, top, at), at) - Operand(top, at);
  const Expr s = sum({exp({shifted, at}), at}, {axis}, true);
  return Operand(shifted, at) - Operand(log({s, at}), at);
}

} // namespace kroton
