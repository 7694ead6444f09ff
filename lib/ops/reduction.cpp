/// Reductions: sum, max, min and the positions of the extremes; mean and the softmax family
/// are composed of them.
#include <cmath>
#include <limits>

#include "lib/ir/extended.hpp"
#include <kroton/ops/arithmetic.hpp>
#include <kroton/ops/movement.hpp>
#include <kroton/ops/parts.hpp>
#include <kroton/ops/reduction.hpp>
#include <kroton/ops/statistics.hpp>

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
Array eval_prod(const EvalContext& c) {
  return fold(c, 1, 1, [](auto so_far, auto v) {
    if constexpr (std::is_same_v<decltype(v), Wide>)
      return static_cast<Wide>(static_cast<std::uint64_t>(so_far) * static_cast<std::uint64_t>(v));
    else
      return so_far * v;
  });
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

/// What an element is multiplied by: the product of the others, in a form that has the right
/// derivative too. With P the product of those that are not zero, and s the sum of the zeros, which
/// is 0 and grows as any of them does: of an element that is not zero, P / x if there are no zeros,
/// and s P / x if there is one; of a zero, P if it is the only one, and P (s - x) if there is
/// another.
std::vector<Expr> grad_prod(const GradContext& c) {
  const Location at = c.where;
  const Expr& e = c.inputs[0];
  const auto op = [&](const Expr& v) { return Operand(v, at); };
  const auto over = [&](const Op& fold, const Expr& v) {
    return op(restore_axes(ir::make(fold, {v}, AxesParams{axes_of(c)}, at), axes_of(c), at));
  };
  const Operand zero(0, at), one(1, at), x(e, at);
  const Operand is_zero(x == zero, at);
  const Operand rest(kroton::where(is_zero, one, x), at);
  const Operand product = over(prod, rest.expr);
  const Operand count = over(sum, kroton::cast(is_zero, e.dtype()));
  const Operand zeros = over(sum, kroton::where(is_zero, x, zero));
  const auto by_count = [&](const Operand& none, const Operand& first, const Operand& second) {
    return op(kroton::where(
        op(count == zero), none,
        op(kroton::where(op(count == one), first,
                         op(kroton::where(op(count == Operand(2, at)), second, zero))))));
  };
  const Operand of_zeros = by_count(zero, one, op(zeros - x)),
                of_others = op(by_count(one, zeros, zero).expr / rest);
  const Expr others = op(product * op(kroton::where(is_zero, of_zeros, of_others))).expr;
  return {Operand(spread(c.grad, c), at) * Operand(others, at)};
}

std::vector<Expr> no_gradient(const GradContext&) { return {Expr(nullptr)}; }

constexpr ir::Fold of_sum{
    .combine = Combine::sum, .identity = Identity::zero, .spell = [](DType t) {
      return is_float(t) ? Spelling("sum_{t}({0}, {1})", "{0} + {1}") : "{0} + {1}";
    }};

constexpr ir::Fold of_prod{.combine = Combine::other,
                           .identity = Identity::one,
                           .spell = [](DType) { return Spelling("{0} * {1}"); }};

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
const Op prod{.name = "prod",
              .kind = Kind::reduction,
              .dtypes = Dtypes::numeric,
              .fold = of_prod,
              .params = &ir::params_type<AxesParams>,
              .infer = infer_reduction,
              .eval = eval_prod,
              .gradient = grad_prod,
              .domain = {{0.5, 2}},
              .doc = "the product over axes; integers and bool in i64, unsigned ones in u64"};
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
std::span<const Op* const> reduction_rows() {
  static constexpr const Op* rows[] = {&sum, &prod, &max, &min, &argmax, &argmin};
  return rows;
}

namespace {

/// In the dtype that elements are added up, or multiplied, in.
Expr to_summed(const Operand& a) {
  const Expr e = to_expr(a);
  if (is_float(e.dtype())) return e;
  return cast_to(e, is_unsigned_int(e.dtype()) ? DType::u64 : DType::i64, a.where);
}

Expr to_summed(std::string_view op, const Operand& a, DType dtype) {
  const Expr e = to_expr(a);
  if (is_bool(dtype))
    support::fail<TypeError>(
        op, {.place = ir::place_of(a.where, {&e, 1}), .hint = "any and all give truth values"},
        "cannot fold in bool");
  return cast_to(e, dtype, a.where);
}

/// Whether each element is true: not zero.
Expr truth(const Operand& a) {
  const Expr e = to_expr(a);
  return is_bool(e.dtype()) ? e : Operand(e, a.where) != Operand(0, a.where);
}

/// How many elements are folded into one.
Dim count_of(const Expr& e, std::span<const std::int64_t> axes) {
  Dim count(1);
  for (std::int64_t axis : axes)
    count = ir::dims::mul(count, e.shape()[static_cast<std::size_t>(axis)]);
  return count;
}

/// An array with NaNs: where they are, and what stands there instead.
struct WithoutNans {
  Operand is_nan, rest;
};
WithoutNans without_nans(const Expr& e, double instead, Location at) {
  const Operand x(e, at);
  const Operand is_nan(x != x, at);
  return {is_nan, {kroton::where(is_nan, Operand(instead, at), x), at}};
}

constexpr double inf = std::numeric_limits<double>::infinity();
constexpr double nan = std::numeric_limits<double>::quiet_NaN();

/// The extreme of what is no NaN; NaN where nothing is.
Expr nan_extreme(const Op& op, const Operand& a, const Axes& axes, bool keepdims, double lowest) {
  const Expr e = to_expr(a);
  if (!is_float(e.dtype())) return reduce(op, e, axes, keepdims, a.where);
  const auto [is_nan, rest] = without_nans(e, lowest, a.where);
  const Operand found(reduce(op, rest.expr, axes, keepdims, a.where), a.where);
  return kroton::where({reduce(min, is_nan.expr, axes, keepdims, a.where), a.where}, {nan, a.where},
                       found);
}

Expr nan_position(const Op& op, const Operand& a, int axis, bool keepdims, double lowest) {
  const Expr e = to_expr(a);
  if (!is_float(e.dtype())) return reduce_position(op, a, axis, keepdims);
  const auto [is_nan, rest] = without_nans(e, lowest, a.where);
  const Operand found(reduce_position(op, rest, axis, keepdims), a.where);
  return kroton::where({reduce(min, is_nan.expr, {axis}, keepdims, a.where), a.where},
                       {-1, a.where}, found);
}

/// The sum of squared distances from `middle`, which has dims of 1, over `count` less `ddof`.
Expr mean_square(const Expr& x, const Expr& distance, const Axes& axes, bool keepdims,
                 const Expr& count, std::int64_t ddof, Location at) {
  const Operand d(distance, at);
  const Expr n = cast_to(count, x.dtype(), at);
  const Expr free =
      ddof == 0 ? n : kroton::maximum({Operand(n, at) - Operand(ddof, at), at}, {0, at});
  return Operand(reduce(sum, d * d, axes, keepdims, at), at) / Operand(free, at);
}

} // namespace
} // namespace ops

Expr sum(Operand a, Axes axes, bool keepdims, DType dtype) {
  return ops::reduce(ops::sum, ops::to_summed("sum", a, dtype), axes, keepdims, a.where);
}
Expr mean(Operand a, Axes axes, bool keepdims, DType dtype) {
  return mean({ops::to_summed("mean", a, dtype), a.where}, std::move(axes), keepdims);
}
Expr prod(Operand a, Axes axes, bool keepdims) {
  return ops::reduce(ops::prod, ops::to_summed(a), axes, keepdims, a.where);
}
Expr prod(Operand a, Axes axes, bool keepdims, DType dtype) {
  return ops::reduce(ops::prod, ops::to_summed("prod", a, dtype), axes, keepdims, a.where);
}
Expr any(Operand a, Axes axes, bool keepdims) {
  return ops::reduce(ops::max, ops::truth(a), axes, keepdims, a.where);
}
Expr all(Operand a, Axes axes, bool keepdims) {
  return ops::reduce(ops::min, ops::truth(a), axes, keepdims, a.where);
}
Expr count_nonzero(Operand a, Axes axes, bool keepdims) {
  return sum({ops::truth(a), a.where}, std::move(axes), keepdims);
}
Expr ptp(Operand a, Axes axes, bool keepdims) {
  const Expr e = ops::to_expr(a);
  const Operand top(max({e, a.where}, axes, keepdims), a.where);
  return top - Operand(min({e, a.where}, axes, keepdims), a.where);
}

Expr var(Operand a, Axes axes, bool keepdims, std::int64_t ddof) {
  const Location at = a.where;
  const Expr x = ops::to_floating(a);
  const auto reduced = ops::normalize_axes("var", axes, x, at);
  const Expr distance = Operand(x, at) - Operand(mean({x, at}, axes, true), at);
  return ops::mean_square(x, distance, axes, keepdims, ops::dim_expr(ops::count_of(x, reduced), at),
                          ddof, at);
}
Expr stddev(Operand a, Axes axes, bool keepdims, std::int64_t ddof) {
  return sqrt({var(a, std::move(axes), keepdims, ddof), a.where});
}

Expr norm(Operand a, double order, Axes axes, bool keepdims) {
  const Location at = a.where;
  const Expr e = ops::to_floating(a);
  const Operand x(e, at);
  if (order != order)
    support::fail<ShapeError>(
        "norm", {.place = ir::place_of(at, {&e, 1}), .hint = "2 gives the Euclidean length"},
        "the order is NaN");
  const auto total = [&](const Expr& v) {
    return Operand(ops::reduce(ops::sum, v, axes, keepdims, at), at);
  };
  if (order == 2) return sqrt(total(x * x));
  if (order == 0) return total(ops::cast_to(ops::truth(x), e.dtype(), at)).expr;
  const Operand size(abs(x), at);
  if (order == 1) return total(size.expr).expr;
  if (order == ops::inf) return max(size, std::move(axes), keepdims);
  if (order == -ops::inf) return min(size, std::move(axes), keepdims);
  return pow(total(pow(size, {order, at})), {1 / order, at});
}

Expr average(Operand a, Operand weights, Axes axes, bool keepdims) {
  const Location at = a.where;
  const Expr x = ops::to_floating(a);
  Expr w = ops::to_floating(weights);
  const auto reduced = ops::normalize_axes("average", axes, x, at);
  if (w.rank() == 1 && x.rank() != 1) {
    if (reduced.size() != 1)
      support::fail<ShapeError>(
          "average",
          {.place = ir::place_of(at, {&x, 1}), .hint = "name the axis that the weights belong to"},
          "weights {} are a vector, and there are {} axes", w.label(), reduced.size());
    Axes others;
    for (int i = 0; i < x.rank(); ++i)
      if (i != reduced[0]) others.push_back(i);
    w = expand_dims({w, at}, others);
  } else if (w.rank() != x.rank()) {
    support::fail<ShapeError>(
        "average", {.place = ir::place_of(at, {&x, 1}), .hint = "give weights of the same shape"},
        "weights {} do not fit {}", w.label(), x.label());
  }
  const Operand all(broadcast_to({w, at}, x.shape()), at);
  const Operand weighted(Operand(x, at) * all, at);
  return Operand(sum(weighted, axes, keepdims), at) / Operand(sum(all, axes, keepdims), at);
}

Expr nansum(Operand a, Axes axes, bool keepdims) {
  const Expr e = ops::to_summed(a);
  if (!is_float(e.dtype())) return sum(a, std::move(axes), keepdims);
  return sum(ops::without_nans(e, 0, a.where).rest, std::move(axes), keepdims);
}
Expr nanprod(Operand a, Axes axes, bool keepdims) {
  const Expr e = ops::to_summed(a);
  if (!is_float(e.dtype())) return prod(a, std::move(axes), keepdims);
  return prod(ops::without_nans(e, 1, a.where).rest, std::move(axes), keepdims);
}
Expr nanmax(Operand a, Axes axes, bool keepdims) {
  return ops::nan_extreme(ops::max, a, axes, keepdims, -ops::inf);
}
Expr nanmin(Operand a, Axes axes, bool keepdims) {
  return ops::nan_extreme(ops::min, a, axes, keepdims, ops::inf);
}
Expr nanargmax(Operand a, int axis, bool keepdims) {
  return ops::nan_position(ops::argmax, a, axis, keepdims, -ops::inf);
}
Expr nanargmin(Operand a, int axis, bool keepdims) {
  return ops::nan_position(ops::argmin, a, axis, keepdims, ops::inf);
}
Expr nanmean(Operand a, Axes axes, bool keepdims) {
  const Location at = a.where;
  const Expr x = ops::to_floating(a);
  const auto [is_nan, rest] = ops::without_nans(x, 0, at);
  const Operand count(sum({ops::cast_to(!is_nan, x.dtype(), at), at}, axes, keepdims), at);
  return Operand(sum(rest, axes, keepdims), at) / count;
}
Expr nanvar(Operand a, Axes axes, bool keepdims, std::int64_t ddof) {
  const Location at = a.where;
  const Expr x = ops::to_floating(a);
  const auto [is_nan, rest] = ops::without_nans(x, 0, at);
  const Expr far = rest - Operand(nanmean({x, at}, axes, true), at);
  const Expr distance = where(is_nan, {0, at}, {far, at});
  const Expr count = sum({!is_nan, at}, axes, keepdims);
  const Expr v = ops::mean_square(x, distance, axes, keepdims, count, ddof, at);
  // NumPy gives NaN, not inf, where too few are left.
  return where({Operand(count, at) > Operand(ddof, at), at}, {v, at}, {ops::nan, at});
}
Expr nanstd(Operand a, Axes axes, bool keepdims, std::int64_t ddof) {
  return sqrt({nanvar(a, std::move(axes), keepdims, ddof), a.where});
}

Expr sum(Operand a, Axes axes, bool keepdims) {
  return ops::reduce(ops::sum, ops::to_summed(a), axes, keepdims, a.where);
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
  const Dim count = ops::count_of(e, ops::normalize_axes("mean", axes, e, a.where));
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
