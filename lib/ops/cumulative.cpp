/// Running folds: sums, products, extremes, and recurrences of first order, which gradients of the
/// others are.
#include <cmath>
#include <limits>

#include <kroton/ops/cumulative.hpp>

#include "lib/ir/call.hpp"
#include "lib/ir/extended.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/cumulative.hpp"
#include "lib/ops/movement.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::Dtypes;
using ir::EvalContext;
using ir::GradContext;
using ir::InferContext;
using ir::Kind;
using ir::Layout;
using ir::Type;
using ir::Wide;

const RunningParams& running(const GradContext& c) { return c.params.as<RunningParams>(); }

/// What elements are folded in.
template <class T>
using Folded = std::conditional_t<std::is_floating_point_v<T>, long double, Wide>;

/// Folds each line with `first(i)`, the element's own value, and `next(so_far, i)`, where input k's
/// element is `terms[k][i]`.
template <class First, class Next> Array fold_lines(const EvalContext& c, First first, Next next) {
  const RunningParams& p = c.params.as<RunningParams>();
  Array out = Array::empty(c.dtype, Shape(c.shape.begin(), c.shape.end()));
  const auto axis = static_cast<std::size_t>(p.axis);
  std::int64_t outer = 1, inner = 1;
  for (std::size_t i = 0; i < c.shape.size(); ++i)
    if (i != axis) (i < axis ? outer : inner) *= c.shape[i];
  const std::int64_t n = c.shape[axis];
  support::visit_dtype(c.dtype, [&]<class T>(std::type_identity<T>) {
    std::vector<ir::Terms<T>> terms;
    for (std::size_t k = 0; k < c.inputs.size(); ++k) terms.emplace_back(c, k);
    const ir::Results<T> to(c, out);
    for (std::int64_t line = 0; line < outer * inner; ++line) {
      Folded<T> so_far = 0;
      for (std::int64_t j = 0; j < n; ++j) {
        const std::int64_t place = p.is_reversed ? n - 1 - j : j;
        const std::int64_t at = (line / inner * n + place) * inner + line % inner;
        const auto term = [&](std::size_t k) { return static_cast<Folded<T>>(terms[k][at]); };
        so_far = j == 0 ? first(term) : next(so_far, term);
        to.set(at, so_far);
      }
    }
  });
  return out;
}

Array eval_cumsum(const EvalContext& c) {
  return fold_lines(
      c, [](auto term) { return term(0); }, [](auto sum, auto term) { return sum + term(0); });
}
/// Integers wrap.
Array eval_cumprod(const EvalContext& c) {
  return fold_lines(
      c, [](auto term) { return term(0); },
      [](auto product, auto term) {
        const auto v = term(0);
        if constexpr (std::is_floating_point_v<decltype(v)>)
          return product * v;
        else
          return static_cast<Wide>(static_cast<std::uint64_t>(product) *
                                   static_cast<std::uint64_t>(v));
      });
}
Array eval_cummax(const EvalContext& c) {
  return fold_lines(
      c, [](auto term) { return term(0); },
      [](auto so_far, auto term) {
        const auto v = term(0);
        return (v > so_far || v != v) && so_far == so_far ? v : so_far;
      });
}
Array eval_cummin(const EvalContext& c) {
  return fold_lines(
      c, [](auto term) { return term(0); },
      [](auto so_far, auto term) {
        const auto v = term(0);
        return (v < so_far || v != v) && so_far == so_far ? v : so_far;
      });
}
Array eval_linear_recurrence(const EvalContext& c) {
  return fold_lines(
      c, [](auto term) { return term(1); },
      [](auto so_far, auto term) {
        const auto a = term(0);
        if constexpr (std::is_floating_point_v<decltype(a)>)
          return a * so_far + term(1);
        else
          return static_cast<Wide>(static_cast<std::uint64_t>(a) *
                                       static_cast<std::uint64_t>(so_far) +
                                   static_cast<std::uint64_t>(term(1)));
      });
}

/// How many elements are before, on and behind the axis, and whether the fold runs from its end.
std::vector<Dim> numbers_of_lines(const ir::Graph& graph, ir::NodeId id) {
  const ir::GraphNode& n = graph[id];
  const RunningParams& p = n.params.as<RunningParams>();
  const auto axis = static_cast<std::size_t>(p.axis);
  const std::span<const Dim> shape = n.type.shape;
  return {ir::dims::product(shape.first(axis)), shape[axis],
          ir::dims::product(shape.subspan(axis + 1)), Dim(p.is_reversed ? 1 : 0)};
}

template <std::size_t inputs>
bool takes(std::span<const ir::CallType> results, std::span<const ir::CallType> operands,
           std::size_t numbers) {
  return results.size() == 1 && operands.size() == inputs && numbers == 4 &&
         results[0].dtype == operands[0].dtype && results[0].dtype == operands.back().dtype;
}

const ir::LibraryCall call_of_fold{.operands = {Layout::dense},
                                   .results = {{Layout::dense}},
                                   .numbers = numbers_of_lines,
                                   .takes = takes<1>};
const ir::LibraryCall call_of_recurrence{.operands = {Layout::dense},
                                         .results = {{Layout::dense}},
                                         .numbers = numbers_of_lines,
                                         .takes = takes<2>};

Type infer_running(InferContext& c) { return c.in(0); }

Type infer_linear_recurrence(InferContext& c) {
  KROTON_CHECK(c.in(0).dtype == c.in(1).dtype && ir::dims::same(c.in(0).shape, c.in(1).shape),
               "a recurrence of {} and {}", c.in(0).to_string(), c.in(1).to_string());
  return c.in(0);
}

Expr batched_running(const ir::BatchContext& c) {
  RunningParams over = c.params.as<RunningParams>();
  ++over.axis;
  std::vector<Expr> inputs;
  for (std::size_t i = 0; i < c.inputs.size(); ++i) inputs.push_back(with_axis(c, i));
  return ir::make(c.op, ir::Exprs(inputs.begin(), inputs.end()), over, c.where);
}

/// `e` moved by one position along an axis, forwards or backwards; 0 comes in.
Expr shifted(const Expr& e, std::int64_t axis, bool forwards, Location where) {
  std::vector<Range> kept(static_cast<std::size_t>(e.rank()));
  kept[static_cast<std::size_t>(axis)] = forwards ? Range{{}, -1} : Range{1, {}};
  const Expr part = kroton::slice({e, where}, kept);
  std::vector<Dim> starts(static_cast<std::size_t>(e.rank()), Dim(0));
  // Nothing is left of one element, and there is no position 1 to put it at.
  if (forwards)
    starts[static_cast<std::size_t>(axis)] =
        ir::dims::min(Dim(1), e.shape()[static_cast<std::size_t>(axis)]);
  return ir::make(unslice, {part},
                  SliceParams{std::move(starts), ir::Ints(static_cast<std::size_t>(e.rank()), 1),
                              e.node()->type.shape},
                  where);
}

Expr recurrence(const Expr& a, const Expr& b, std::int64_t axis, bool is_reversed, Location where) {
  return ir::make(linear_recurrence, {a, b}, RunningParams{axis, is_reversed}, where);
}

Expr whole(const Expr& g, const GradContext& c) {
  return kroton::broadcast_to({g, c.where}, c.output.shape());
}

std::vector<Expr> gradient_of_cumsum(const GradContext& c) {
  RunningParams back = running(c);
  back.is_reversed = !back.is_reversed;
  return {ir::make(cumsum, {whole(c.grad, c)}, back, c.where)};
}

/// With s[i] = a[i] s[i-1] + b[i], b[i] counts as much as g[i] and what it adds to s[i+1].
std::vector<Expr> gradient_of_recurrence(const GradContext& c) {
  const RunningParams& p = running(c);
  const Expr from_behind = shifted(c.inputs[0], p.axis, p.is_reversed, c.where);
  const Expr gb = recurrence(from_behind, whole(c.grad, c), p.axis, !p.is_reversed, c.where);
  const Expr before = shifted(c.output, p.axis, !p.is_reversed, c.where);
  return {Operand(gb, c.where) * Operand(before, c.where), gb};
}

/// The product of what is before x[i], times what it is multiplied with behind: no division.
std::vector<Expr> gradient_of_cumprod(const GradContext& c) {
  const RunningParams& p = running(c);
  const Location at = c.where;
  const Expr behind = recurrence(shifted(c.inputs[0], p.axis, p.is_reversed, at), whole(c.grad, c),
                                 p.axis, !p.is_reversed, at);
  // 1 comes in instead of 0: the shift of y - 1, plus 1, would round.
  const auto& shape = c.output.shape();
  const Dim& n = shape[static_cast<std::size_t>(p.axis)];
  std::vector<Dim> along(shape.size(), Dim(1));
  along[static_cast<std::size_t>(p.axis)] = n;
  const Expr position =
      ir::make(reshape, {ir::make(iota, {}, SizeParams{n}, at)}, ShapeParams{std::move(along)}, at);
  const Expr first = p.is_reversed
                         ? Operand(position, at) == Operand(Operand(dim_expr(n, at), at) - 1, at)
                         : Operand(position, at) == Operand(0, at);
  const Expr before = kroton::where({first, at}, Operand(1, at),
                                    {shifted(c.output, p.axis, !p.is_reversed, at), at});
  return {Operand(before, at) * Operand(behind, at)};
}

/// An element that is the extreme so far gets the gradients of all results up to the next such one.
std::vector<Expr> gradient_of_extreme(const GradContext& c) {
  const RunningParams& p = running(c);
  const Location at = c.where;
  const Operand x(c.inputs[0], at), y(c.output, at);
  const Expr begins = Operand(x == y, at) || Operand(x != x, at);
  const Expr continues = kroton::cast({!Operand(begins, at), at}, c.grad.dtype());
  const Expr sums = recurrence(shifted(continues, p.axis, p.is_reversed, at), whole(c.grad, c),
                               p.axis, !p.is_reversed, at);
  return {kroton::where({begins, at}, {sums, at}, Operand(0, at))};
}

template <Expr (*f)(Operand, int)> std::vector<ir::Example> examples_of(DType t) {
  const Expr x = tensor(t, {dim("n"), dim("m")}, "x");
  if (is_bool(t) && f(x, 0).dtype() != t) return {};
  return {{f(x, -1)}, {f(x, 0)}, {f(kroton::transpose(x), 0)}};
}
std::vector<ir::Example> examples_of_recurrence(DType t) {
  if (is_bool(t)) return {};
  const Dim n = dim("n"), m = dim("m");
  const Expr a = tensor(t, {n, m}, "a"), b = tensor(t, {n, m}, "b");
  return {{kroton::linear_recurrence(a, b)}, {kroton::linear_recurrence(a, b, 0, true)}};
}

} // namespace

const Op cumsum{.name = "cumsum",
                .kind = Kind::library,
                .dtypes = Dtypes::numeric,
                .params = &ir::params_type<RunningParams>,
                .infer = infer_running,
                .eval = eval_cumsum,
                .batched = batched_running,
                .gradient = gradient_of_cumsum,
                .call = &call_of_fold,
                .examples = examples_of<kroton::cumsum>,
                .doc = "running sums along an axis"};
const Op cumprod{.name = "cumprod",
                 .kind = Kind::library,
                 .dtypes = Dtypes::numeric,
                 .params = &ir::params_type<RunningParams>,
                 .infer = infer_running,
                 .eval = eval_cumprod,
                 .batched = batched_running,
                 .gradient = gradient_of_cumprod,
                 .domain = {{-1.5, 1.5}},
                 .call = &call_of_fold,
                 .examples = examples_of<kroton::cumprod>,
                 .doc = "running products along an axis"};
const Op cummax{.name = "cummax",
                .kind = Kind::library,
                .params = &ir::params_type<RunningParams>,
                .infer = infer_running,
                .eval = eval_cummax,
                .batched = batched_running,
                .gradient = gradient_of_extreme,
                .call = &call_of_fold,
                .examples = examples_of<kroton::cummax>,
                .doc = "the largest element so far along an axis; NaN from the first NaN on"};
const Op cummin{.name = "cummin",
                .kind = Kind::library,
                .params = &ir::params_type<RunningParams>,
                .infer = infer_running,
                .eval = eval_cummin,
                .batched = batched_running,
                .gradient = gradient_of_extreme,
                .call = &call_of_fold,
                .examples = examples_of<kroton::cummin>,
                .doc = "the smallest element so far along an axis; NaN from the first NaN on"};
const Op linear_recurrence{.name = "linear-recurrence",
                           .arity = 2,
                           .kind = Kind::library,
                           .dtypes = Dtypes::numeric,
                           .params = &ir::params_type<RunningParams>,
                           .infer = infer_linear_recurrence,
                           .eval = eval_linear_recurrence,
                           .batched = batched_running,
                           .gradient = gradient_of_recurrence,
                           .domain = {{-1.25, 1.25}, {}},
                           .call = &call_of_recurrence,
                           .examples = examples_of_recurrence,
                           .doc = "s[i] = a[i] s[i-1] + b[i] along an axis",
                           .function = "linear_recurrence"};

std::span<const Op* const> cumulative_rows() {
  static constexpr const Op* rows[] = {&cumsum, &cumprod, &cummax, &cummin, &linear_recurrence};
  return rows;
}

namespace {

/// In the dtype that sums and products of elements are made in.
Expr to_wide(const Expr& e, Location where) {
  if (is_float(e.dtype())) return e;
  return cast_to(e, is_unsigned_int(e.dtype()) ? DType::u64 : DType::i64, where);
}

std::int64_t axis_of(std::string_view op, const Expr& e, int axis, Location where) {
  if (e.rank() == 0)
    support::fail<ShapeError>(
        op, {.place = ir::place_of(where, {&e, 1}), .hint = "a scalar has no axes"},
        "takes at least one axis, got {}", e.label());
  return normalize_axes(op, {axis}, e, where)[0];
}

Expr run(const Op& op, const Expr& e, int axis, Location where) {
  return ir::make(op, {e}, RunningParams{axis_of(op.name, e, axis, where)}, where);
}

/// Neighbours along an axis: all but the first, and all but the last.
std::pair<Expr, Expr> neighbours(const Expr& e, std::int64_t axis, Location where) {
  std::vector<Range> later(static_cast<std::size_t>(e.rank())), earlier = later;
  later[static_cast<std::size_t>(axis)] = {1, {}};
  earlier[static_cast<std::size_t>(axis)] = {{}, -1};
  return {kroton::slice({e, where}, later), kroton::slice({e, where}, earlier)};
}

} // namespace
} // namespace ops

Expr cumsum(Operand a, int axis) {
  return ops::run(ops::cumsum, ops::to_wide(ops::to_expr(a), a.where), axis, a.where);
}
Expr cumprod(Operand a, int axis) {
  return ops::run(ops::cumprod, ops::to_wide(ops::to_expr(a), a.where), axis, a.where);
}
Expr cummax(Operand a, int axis) { return ops::run(ops::cummax, ops::to_expr(a), axis, a.where); }
Expr cummin(Operand a, int axis) { return ops::run(ops::cummin, ops::to_expr(a), axis, a.where); }

Expr logcumsumexp(Operand a, int axis) {
  const Location at = a.where;
  const Expr x = ops::to_floating(a);
  const std::int64_t along = ops::axis_of("logcumsumexp", x, axis, at);
  // The sum so far is s e^top. Nothing is known to be infinite but top: where it is, it is the
  // result.
  const Expr top = ir::make(ops::stop_gradient, {cummax({x, at}, static_cast<int>(along))}, {}, at);
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const Expr is_infinite = Operand(abs({top, at}), at) == Operand(infinity, at);
  const Expr base = where({is_infinite, at}, Operand(0, at), {top, at});
  const Expr before = ops::shifted(top, along, true, at);
  const Expr decay = exp({Operand(before, at) - Operand(base, at), at});
  const Expr term = exp({Operand(x, at) - Operand(base, at), at});
  const Expr sum = ops::recurrence(decay, term, along, false, at);
  const Expr finite = where({is_infinite, at}, Operand(1, at), {sum, at});
  return where({is_infinite, at}, {top, at},
               {Operand(base, at) + Operand(log({finite, at}), at), at});
}

Expr linear_recurrence(Operand a, Operand b, int axis, bool reverse) {
  const Location at = a.where;
  // Both of the shape and dtype that they broadcast and are promoted to.
  const auto either = [&](bool first) {
    return where({ops::integer_constant(DType::bool_, first ? 1 : 0, at), at}, a, b);
  };
  const Expr x = ops::to_wide(either(true), at), y = ops::to_wide(either(false), at);
  return ops::recurrence(x, y, ops::axis_of("linear_recurrence", y, axis, at), reverse, at);
}

Expr diff(Operand a, int n, int axis) {
  const Location at = a.where;
  Expr e = ops::to_expr(a);
  const std::int64_t along = ops::axis_of("diff", e, axis, at);
  if (n < 0)
    support::fail<ShapeError>("diff",
                              {.place = ir::place_of(at, {&e, 1}), .hint = "give 0 or more"},
                              "cannot take {} differences", n);
  for (; n > 0; --n) {
    const auto [later, earlier] = ops::neighbours(e, along, at);
    e = is_bool(e.dtype()) ? Operand(later, at) != Operand(earlier, at)
                           : Operand(later, at) - Operand(earlier, at);
  }
  return e;
}

Expr trapezoid(Operand y, Operand dx, int axis) {
  const Location at = y.where;
  const Expr e = ops::to_floating(y);
  const std::int64_t along = ops::axis_of("trapezoid", e, axis, at);
  const auto [later, earlier] = ops::neighbours(e, along, at);
  const Expr twice =
      sum({Operand(later, at) + Operand(earlier, at), at}, {static_cast<int>(along)});
  return Operand(Operand(twice, at) * Operand(0.5, at), at) * dx;
}

} // namespace kroton
