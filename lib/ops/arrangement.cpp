/// Movement that is composed of views, joins, choices and lookups.
#include <algorithm>
#include <numeric>

#include <kroton/ops/joining.hpp>
#include <kroton/ops/movement.hpp>

#include "lib/ir/dim_normal.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/joining.hpp"

namespace kroton {
namespace ops {
namespace {

namespace dims = ir::dims;

[[noreturn]] void fail_rank(std::string_view op, const Expr& e, Location where,
                            std::string_view wanted) {
  support::fail<ShapeError>(
      op,
      {.place = ir::place_of(where, {&e, 1}), .hint = "reshape or expand_dims give it more axes"},
      "takes {}, got {}", wanted, e.label());
}

/// An axis counted from the front.
std::size_t axis_of(std::string_view op, int axis, const Expr& e, Location where) {
  if (e.rank() == 0) fail_rank(op, e, where, "an array of at least one axis");
  return static_cast<std::size_t>(normalize_axes(op, {axis}, e, where)[0]);
}

/// Axes in the order in which they were given.
std::vector<std::size_t> axes_in_order(std::string_view op, const Axes& axes, const Expr& e,
                                       Location where) {
  normalize_axes(op, axes, e, where); // refuses an axis that is there twice
  std::vector<std::size_t> all;
  for (int axis : axes) all.push_back(axis_of(op, axis, e, where));
  return all;
}

Expr transposed(const Expr& e, std::vector<std::int64_t> order, Location where) {
  return ir::make(transpose, {e}, OrderParams{{order.begin(), order.end()}}, where);
}

Expr reshaped(const Expr& e, std::vector<Dim> shape, Location where) {
  return ir::make(reshape, {e}, ShapeParams{std::move(shape)}, where);
}

/// Slices in front of and behind the place that moves to the beginning.
Expr rolled(const Expr& e, std::size_t axis, std::int64_t shift, Location where) {
  const Dim n = e.shape()[axis], size = dims::max(n, Dim(1));
  // How many elements of the end come to the beginning: the shift modulo the size.
  const std::int64_t distance = shift < 0 ? -shift : shift;
  const Dim rest =
      dims::sub(Dim(distance), dims::mul(dims::floor_div(Dim(distance), size), size)); // of |shift|
  Dim end = n.is(0) ? Dim(0) : rest;
  if (shift < 0) // as many as are left, none if that is all
    end = dims::sub(dims::sub(n, rest), dims::mul(dims::floor_div(dims::sub(n, rest), size), size));
  end = dims::normal(end);
  if (end.is(0)) return e;
  const Dim kept = dims::normal(dims::sub(n, end));
  std::vector<Dim> starts(e.shape().size(), Dim(0)), last = e.shape(), first = e.shape();
  first[axis] = kept;
  last[axis] = end;
  const Expr front = part_from(e, starts, std::move(first), where);
  starts[axis] = kept;
  const Expr behind = part_from(e, std::move(starts), std::move(last), where);
  const Expr both = joined_along(axis, {behind, front}, where);
  return ir::make(reshape, {both}, ShapeParams{e.shape()}, where);
}

/// So many copies are stored by one kernel, which reads the array once.
constexpr std::int64_t most_tiles = 16;

/// A join of as many copies as `repetitions` say.
Expr tiled(const Expr& e, const std::vector<std::int64_t>& repetitions, Location where) {
  const std::vector<Dim>& own = e.shape();
  std::vector<Dim> starts, whole;
  for (std::size_t i = 0; i < own.size(); ++i)
    whole.push_back(dims::normal(dims::mul(own[i], Dim(repetitions[i]))));
  std::vector<Expr> parts;
  std::vector<std::int64_t> at(own.size(), 0);
  for (bool is_done = false; !is_done;) {
    parts.push_back(e);
    for (std::size_t i = 0; i < own.size(); ++i)
      starts.push_back(dims::normal(dims::mul(own[i], Dim(at[i]))));
    is_done = true;
    for (std::size_t i = own.size(); is_done && i-- > 0;) {
      is_done = ++at[i] == repetitions[i];
      if (is_done) at[i] = 0;
    }
  }
  return ir::make(join, {parts.begin(), parts.end()},
                  JoinParams{std::move(starts), std::move(whole)}, where);
}

/// `e` where `row + k` compares with the column as `keeps_lower` says, else 0.
Expr triangle(std::string_view op, const Operand& a, std::int64_t k, bool keeps_lower) {
  const Expr e = to_expr(a);
  const Location at = a.where;
  if (e.rank() < 2) fail_rank(op, e, at, "an array of at least two axes");
  const auto count = [&](std::size_t from_end) {
    return kroton::arange({dim_expr(e.shape()[e.shape().size() - from_end], at), at});
  };
  Expr row = kroton::expand_dims({count(2), at}, {1});
  if (k != 0) row = Operand(row, at) + Operand(k, at);
  const Operand r(row, at), c(count(1), at);
  const Expr zero = cast_to(integer_constant(DType::i64, 0, at), e.dtype(), at);
  return kroton::where({keeps_lower ? r >= c : r <= c, at}, {e, at}, {zero, at});
}

} // namespace
} // namespace ops

Expr moveaxis(Operand a, Axes from, Axes to) {
  const Expr e = ops::to_expr(a);
  if (from.size() != to.size())
    support::fail<ShapeError>(
        "moveaxis",
        {.place = ir::place_of(a.where, {&e, 1}), .hint = "say for each axis where it goes"},
        "{} axes go to {} places", from.size(), to.size());
  if (from.empty()) return e;
  const auto sources = ops::axes_in_order("moveaxis", from, e, a.where),
             targets = ops::axes_in_order("moveaxis", to, e, a.where);
  const auto rank = static_cast<std::size_t>(e.rank());
  std::vector<std::int64_t> order(rank, -1);
  for (std::size_t i = 0; i < sources.size(); ++i)
    order[targets[i]] = static_cast<std::int64_t>(sources[i]);
  std::size_t next = 0;
  for (std::int64_t& axis : order) {
    if (axis >= 0) continue;
    while (std::ranges::find(sources, next) != sources.end()) ++next;
    axis = static_cast<std::int64_t>(next++);
  }
  return ops::transposed(e, std::move(order), a.where);
}

Expr swapaxes(Operand a, int first, int second) {
  const Expr e = ops::to_expr(a);
  const std::size_t i = ops::axis_of("swapaxes", first, e, a.where),
                    j = ops::axis_of("swapaxes", second, e, a.where);
  std::vector<std::int64_t> order(static_cast<std::size_t>(e.rank()));
  std::iota(order.begin(), order.end(), 0);
  std::swap(order[i], order[j]);
  return ops::transposed(e, std::move(order), a.where);
}

Expr ravel(Operand a) {
  const Expr e = ops::to_expr(a);
  return ops::reshaped(e, {ir::dims::product(e.shape())}, a.where);
}

Expr atleast_1d(Operand a) {
  const Expr e = ops::to_expr(a);
  return e.rank() >= 1 ? e : expand_dims({e, a.where}, {0});
}
Expr atleast_2d(Operand a) {
  const Expr e = atleast_1d(a);
  return e.rank() >= 2 ? e : expand_dims({e, a.where}, {0});
}
Expr atleast_3d(Operand a) {
  const Expr e = atleast_2d(a);
  return e.rank() >= 3 ? e : expand_dims({e, a.where}, {2});
}

std::vector<Expr> broadcast_arrays(const std::vector<Expr>& arrays, Location where) {
  std::vector<Dim> shape;
  for (const Expr& e : arrays) {
    const std::vector<Dim>& own = e.shape();
    if (own.size() > shape.size()) shape.insert(shape.begin(), own.size() - shape.size(), Dim(1));
    for (std::size_t i = 0; i < own.size(); ++i)
      if (Dim& d = shape[shape.size() - own.size() + i]; d.is(1)) d = own[i];
  }
  std::vector<Expr> all;
  for (const Expr& e : arrays) all.push_back(broadcast_to({e, where}, shape));
  return all;
}

Expr flip(Operand a, Axes axes) {
  const Expr e = ops::to_expr(a);
  std::vector<Range> ranges(static_cast<std::size_t>(e.rank()));
  for (std::int64_t axis : ops::normalize_axes("flip", axes, e, a.where))
    ranges[static_cast<std::size_t>(axis)].step = -1;
  return slice({e, a.where}, std::move(ranges));
}
Expr flipud(Operand a) {
  const Expr e = ops::to_expr(a);
  if (e.rank() < 1) ops::fail_rank("flipud", e, a.where, "an array of at least one axis");
  return flip({e, a.where}, {0});
}
Expr fliplr(Operand a) {
  const Expr e = ops::to_expr(a);
  if (e.rank() < 2) ops::fail_rank("fliplr", e, a.where, "an array of at least two axes");
  return flip({e, a.where}, {1});
}

Expr rot90(Operand a, std::int64_t turns, std::pair<int, int> axes) {
  const Expr e = ops::to_expr(a);
  if (e.rank() < 2) ops::fail_rank("rot90", e, a.where, "an array of at least two axes");
  ops::normalize_axes("rot90", {axes.first, axes.second}, e, a.where);
  const Operand x(e, a.where);
  switch (((turns % 4) + 4) % 4) {
  case 1:
    return swapaxes({flip(x, {axes.second}), a.where}, axes.first, axes.second);
  case 2:
    return flip(x, {axes.first, axes.second});
  case 3:
    return flip({swapaxes(x, axes.first, axes.second), a.where}, {axes.second});
  default:
    return e;
  }
}

Expr roll(Operand a, std::int64_t shift, int axis) {
  const Expr e = ops::to_expr(a);
  return ops::rolled(e, ops::axis_of("roll", axis, e, a.where), shift, a.where);
}
Expr roll(Operand a, std::int64_t shift) {
  const Expr e = ops::to_expr(a);
  return ops::reshaped(ops::rolled(ravel({e, a.where}), 0, shift, a.where), e.shape(), a.where);
}
Expr roll(Operand a, const std::vector<std::int64_t>& shifts, Axes axes) {
  Expr e = ops::to_expr(a);
  if (shifts.size() != axes.size())
    support::fail<ShapeError>(
        "roll", {.place = ir::place_of(a.where, {&e, 1}), .hint = "give a shift for each axis"},
        "{} shifts along {} axes", shifts.size(), axes.size());
  for (std::size_t i = 0; i < shifts.size(); ++i) e = roll({e, a.where}, shifts[i], axes[i]);
  return e;
}

Expr tile(Operand a, std::vector<std::int64_t> repetitions) {
  Expr e = ops::to_expr(a);
  for (std::int64_t r : repetitions)
    if (r < 0)
      support::fail<ShapeError>(
          "tile", {.place = ir::place_of(a.where, {&e, 1}), .hint = "0 gives an empty array"},
          "cannot repeat {} {} times", e.label(), r);
  const auto rank = std::max<std::size_t>(repetitions.size(), e.shape().size());
  repetitions.insert(repetitions.begin(), rank - repetitions.size(), 1);
  std::vector<Dim> own = e.shape();
  own.insert(own.begin(), rank - own.size(), Dim(1));
  const std::int64_t copies = std::accumulate(
      repetitions.begin(), repetitions.end(), std::int64_t{1}, [](std::int64_t l, std::int64_t r) {
        return std::min(l, ops::most_tiles + 1) * std::min(r, ops::most_tiles + 1);
      });
  if (copies > 1 && copies <= ops::most_tiles)
    return ops::tiled(ops::reshaped(e, own, a.where), repetitions, a.where);
  std::vector<Dim> apart, repeated, together;
  for (std::size_t i = 0; i < rank; ++i) {
    const Dim r(repetitions[i]);
    if (!r.is(1)) {
      apart.emplace_back(1);
      repeated.push_back(r);
    }
    apart.push_back(own[i]);
    repeated.push_back(own[i]);
    together.push_back(ir::dims::normal(ir::dims::mul(own[i], r)));
  }
  e = ops::reshaped(e, std::move(apart), a.where);
  e = broadcast_to({e, a.where}, std::move(repeated));
  return ops::reshaped(e, std::move(together), a.where);
}

Expr repeat(Operand a, std::int64_t repetitions, int axis) {
  const Expr e = ops::to_expr(a);
  const std::size_t along = ops::axis_of("repeat", axis, e, a.where);
  if (repetitions < 0)
    support::fail<ShapeError>(
        "repeat", {.place = ir::place_of(a.where, {&e, 1}), .hint = "0 gives an empty array"},
        "cannot repeat the elements of {} {} times", e.label(), repetitions);
  std::vector<Dim> together = e.shape(), repeated = e.shape();
  repeated.insert(repeated.begin() + static_cast<std::ptrdiff_t>(along) + 1, Dim(repetitions));
  together[along] = ir::dims::normal(ir::dims::mul(together[along], Dim(repetitions)));
  const Expr apart = expand_dims({e, a.where}, {static_cast<int>(along) + 1});
  return ops::reshaped(broadcast_to({apart, a.where}, std::move(repeated)), std::move(together),
                       a.where);
}
Expr repeat(Operand a, std::int64_t repetitions) {
  return repeat({ravel(a), a.where}, repetitions, 0);
}

Expr tril(Operand a, std::int64_t k) { return ops::triangle("tril", a, k, true); }
Expr triu(Operand a, std::int64_t k) { return ops::triangle("triu", a, k, false); }

Expr diagonal(Operand a, std::int64_t offset, int first, int second) {
  Expr e = ops::to_expr(a);
  const Location at = a.where;
  if (e.rank() < 2) ops::fail_rank("diagonal", e, at, "an array of at least two axes");
  ops::normalize_axes("diagonal", {first, second}, e, at);
  e = moveaxis({e, at}, {first, second}, {0, 1});
  const std::int64_t down = std::max<std::int64_t>(-offset, 0),
                     right = std::max<std::int64_t>(offset, 0);
  namespace dims = ir::dims;
  const auto left = [&](std::size_t axis, std::int64_t gone) {
    return dims::max(dims::sub(e.shape()[axis], Dim(gone)), Dim(0));
  };
  const Expr i =
      arange({ops::dim_expr(dims::normal(dims::min(left(0, down), left(1, right))), at), at});
  const auto from = [&](std::int64_t start) {
    return IndexItem(start == 0 ? i : Operand(i, at) + Operand(start, at));
  };
  const Expr d = index({e, at}, {from(down), from(right)}, at);
  return d.rank() == 1 ? d : moveaxis({d, at}, {0}, {-1});
}

Expr trace(Operand a, std::int64_t offset, int first, int second) {
  return sum({diagonal(a, offset, first, second), a.where}, {-1});
}

Expr diag(Operand a, std::int64_t k) {
  const Expr e = ops::to_expr(a);
  const Location at = a.where;
  if (e.rank() == 2) return diagonal({e, at}, k);
  if (e.rank() != 1) ops::fail_rank("diag", e, at, "a vector or a matrix");
  const std::int64_t distance = k < 0 ? -k : k;
  const Dim n = ir::dims::normal(ir::dims::add(e.shape()[0], Dim(distance)));
  // Along the axis on which the diagonal begins at 0.
  const Expr line = distance == 0 ? e : pad({e, at}, {{0, distance}});
  const Expr i = arange({ops::dim_expr(n, at), at});
  const Expr row = expand_dims({i, at}, {1});
  const Expr moved = k == 0 ? row : Operand(row, at) + Operand(k, at);
  const Expr value = k >= 0 ? expand_dims({line, at}, {1}) : line;
  const Expr zero = ops::cast_to(ops::integer_constant(DType::i64, 0, at), e.dtype(), at);
  return where({Operand(moved, at) == Operand(i, at), at}, {value, at}, {zero, at});
}

} // namespace kroton
