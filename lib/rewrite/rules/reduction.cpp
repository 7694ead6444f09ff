/// Reductions: merged, moved past what does not change their result, or dropped.
#include <algorithm>
#include <limits>

#include <kroton/ops/reduction.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/reduction.hpp"
#include "lib/rewrite/dsl.hpp"
#include "lib/rewrite/rules/facts.hpp"
#include "lib/rewrite/rules/rules.hpp"

namespace kroton::rewrite::rules {
namespace {

using namespace dsl;

/// Both reductions as one, over the axes of both.
NodeId merge(Site& s) {
  const ir::Ints &outer = ops::axes_of(s.node(s.root())), &inner = ops::axes_of(s.node(s["inner"]));
  const int rank = s.type(s["x"]).rank();
  ir::Ints axes = inner;
  std::int64_t left = 0; // the axis' number once the inner ones are gone
  for (std::int64_t axis = 0; axis < rank; ++axis) {
    if (std::ranges::find(inner, axis) != inner.end()) continue;
    if (std::ranges::find(outer, left++) != outer.end()) axes.push_back(axis);
  }
  std::ranges::sort(axes);
  return s.make(*s.node(s.root()).op, {s["x"]}, ops::AxesParams{std::move(axes)});
}

NodeId drop_unit_axes(Site& s) {
  const ir::GraphNode& n = s.node(s.root());
  if (n.op->gives_position()) return ir::no_node;
  const auto& shape = s.type(n.inputs[0]).shape;
  for (std::int64_t axis : ops::axes_of(n))
    if (!shape[static_cast<std::size_t>(axis)].is(1)) return ir::no_node;
  return s.reshape(n.inputs[0], n.type.shape);
}

/// The sum of n equal terms is n times one of them, rounded once. For n known and not 0: inf * 0 is
/// NaN.
NodeId sum_of_equal(Site& s) {
  const ir::GraphNode& n = s.node(s.root());
  const auto whole = s.type(n.inputs[0]).shape;
  const ir::Ints& axes = ops::axes_of(n);
  const NodeId x = s["x"];
  if (!is_float(n.type.dtype) ||
      !is_constant_along(s.graph(), n.inputs[0], axes, static_cast<int>(whole.size())))
    return ir::no_node;
  double count = 1;
  for (std::int64_t axis : axes) {
    const Dim& d = whole[static_cast<std::size_t>(axis)];
    if (!d.is_static() || d.is(0)) return ir::no_node;
    count *= static_cast<double>(d.value());
  }
  std::vector<Dim> kept = s.type(x).shape;
  const auto missing = static_cast<std::int64_t>(whole.size() - kept.size());
  for (auto axis = axes.rbegin(); axis != axes.rend(); ++axis)
    if (*axis >= missing) kept.erase(kept.begin() + (*axis - missing));
  return s.make(ops::mul, {s.broadcast(s.reshape(x, std::move(kept)), n.type.shape),
                           s.constant(count, n.type.dtype)});
}

NodeId sum_of_neg(Site& s) {
  return s.make(ops::neg, {s.make(ops::sum, {s["x"]}, s.node(s.root()).params)});
}

/// Only a scalar is pulled out: an array would need its own reduced shape.
NodeId sum_of_scaled(Site& s) {
  const NodeId by = s["y"];
  if (s.type(by).rank() != 0 || s.type(s["x"]).rank() == 0) return ir::no_node;
  return s.make(ops::mul, {s.make(ops::sum, {s["x"]}, s.node(s.root()).params), by});
}

/// Whether the elements of f(row) have the order of the row's own. (Those of log have not: of a
/// negative number it is NaN, which a position counts as largest; nor those of relu, which makes
/// one of many.)
bool keeps_order(const ir::Op& f) {
  return f.has(ir::Property::increasing) && f.has(ir::Property::injective);
}

/// The position of the extreme of f(row) where f grows; of row / s, row * s with s > 0, row + t
/// and row - t, where s and t do not vary along the row.
NodeId strip_growing(Site& s) {
  const ir::GraphNode& root = s.node(s.root());
  const ir::GraphNode& n = s.node(root.inputs[0]);
  const ir::Ints& axes = ops::axes_of(root);
  const int rank = n.type.rank();
  auto is_row = [&](NodeId id) {
    return s.type(id).rank() == rank && ir::dims::same(s.type(id).shape, n.type.shape);
  };
  auto is_per_row = [&](NodeId id) { return is_constant_along(s.graph(), id, axes, rank); };
  NodeId inner = ir::no_node;
  if (keeps_order(*n.op)) {
    inner = n.inputs[0];
  } else if (!is_float(n.type.dtype)) {
    return ir::no_node;
  } else if (n.op == &ops::div && is_per_row(n.inputs[1]) && is_positive(s.graph(), n.inputs[1])) {
    inner = n.inputs[0];
  } else if (n.op == &ops::sub && is_per_row(n.inputs[1])) {
    inner = n.inputs[0];
  } else if (n.op == &ops::add || n.op == &ops::mul) {
    for (std::size_t side = 0; side < 2; ++side)
      if (is_row(n.inputs[side]) && is_per_row(n.inputs[1 - side]) &&
          (n.op == &ops::add || is_positive(s.graph(), n.inputs[1 - side])))
        inner = n.inputs[side];
  }
  if (inner == ir::no_node || !is_row(inner)) return ir::no_node;
  return s.make(*root.op, {inner}, root.params);
}

/// max(f(x)) is f(max(x)) where f does not decrease. Of an empty axis they differ: max is -inf.
NodeId extreme_of_growing(Site& s) {
  const ir::GraphNode& root = s.node(s.root());
  const ir::GraphNode& n = s.node(root.inputs[0]);
  if (!n.op->has(ir::Property::increasing)) return ir::no_node;
  if (s.uses(root.inputs[0]) != 1) return ir::no_node;
  for (std::int64_t axis : ops::axes_of(root)) {
    const Dim& d = s.type(n.inputs[0]).shape[static_cast<std::size_t>(axis)];
    if (!d.is_static() || d.is(0)) return ir::no_node;
  }
  const ir::Op &f = *n.op, &reduce = *root.op;
  const ir::Params axes = root.params;
  return s.make(f, {s.make(reduce, {n.inputs[0]}, axes)});
}

/// x - mean(x), and its opposite. The mean is rounded, by as much as the whole spread of x where
/// that is far from 0: so what is left of a mean is subtracted once more. Where the mean is not
/// finite the first step does nothing, and the second what there was to do. That step is there
/// twice, with two conditions: being two nodes, it is computed where it is read instead of being
/// kept.
NodeId centre_again(Site& s) {
  const ir::GraphNode& root = s.node(s.root());
  for (std::size_t side = 0; side < 2; ++side) {
    const NodeId x = root.inputs[side];
    const Mean mean = mean_at(s.graph(), root.inputs[1 - side]);
    if (mean.of != x || !ir::dims::same(s.type(x).shape, root.type.shape)) continue;
    const DType dtype = root.type.dtype;
    const ir::Params axes = s.node(mean.sum).params;
    std::vector<Dim> kept = s.type(x).shape;
    for (std::int64_t axis : axes.as<ops::AxesParams>().axes)
      kept[static_cast<std::size_t>(axis)] = Dim(1);
    const ir::Op& divide = *s.node(mean.quotient).op;
    const NodeId row = s.reshape(mean.quotient, kept), size = s.make(ops::abs, {row}),
                 zero = s.constant(0, dtype),
                 infinity = s.constant(std::numeric_limits<double>::infinity(), dtype);
    const auto nearly = [&](NodeId shift) { return s.make(ops::sub, {x, shift}); };
    const NodeId summed =
        nearly(s.make(ops::where, {s.make(ops::less, {size, infinity}), row, zero}));
    const NodeId rest =
        s.make(divide, {s.reshape(s.make(ops::sum, {summed}, axes), kept), mean.count});
    const NodeId used =
        nearly(s.make(ops::where, {s.make(ops::equal, {size, infinity}), zero, row}));
    return side == 0 ? s.make(ops::sub, {used, rest}) : s.make(ops::sub, {rest, used});
  }
  return ir::no_node;
}

/// The sum of the squares of what centre_again made, over the axes of the mean: with d = x - m and
/// r = mean(d), the sum of (d - r)^2 is that of d^2 less r sum(d), and both sums are made in one
/// pass. Little is subtracted, for r is what rounding left of the mean.
NodeId squares_of_centred(Site& s) {
  const ir::Graph& g = s.graph();
  const ir::GraphNode &root = s.node(s.root()), &centred = s.node(s["x"]);
  if (centred.op != &ops::sub) return ir::no_node;
  const auto shift_of = [&](NodeId id) -> const ir::GraphNode* {
    const ir::GraphNode& n = g[id];
    if (n.op != &ops::sub) return nullptr;
    const ir::GraphNode& shift = g[behind_views(g, n.inputs[1])];
    return shift.op == &ops::where ? &shift : nullptr;
  };
  for (std::size_t side = 0; side < 2; ++side) {
    const NodeId used = centred.inputs[side];
    const Mean rest = mean_at(g, centred.inputs[1 - side]);
    if (rest.of == ir::no_node || !same(s.node(rest.sum).params, root.params)) continue;
    const ir::GraphNode *of_used = shift_of(used), *of_summed = shift_of(rest.of);
    if (!of_used || !of_summed || g[used].inputs[0] != g[rest.of].inputs[0] ||
        of_used->inputs[2] != of_summed->inputs[1] || !is_constant(g, of_used->inputs[1], 0) ||
        !is_constant(g, of_summed->inputs[2], 0))
      continue;
    const std::vector<Dim> shape = root.type.shape;
    const NodeId squares =
        s.make(ops::sum, {s.make(ops::mul, {rest.of, rest.of})}, s.node(s.root()).params);
    const NodeId excess =
        s.make(ops::mul, {s.reshape(rest.quotient, shape), s.reshape(rest.sum, shape)});
    return s.make(ops::maximum,
                  {s.make(ops::sub, {squares, excess}), s.constant(0, s.type(squares).dtype)});
  }
  return ir::no_node;
}

constexpr std::string_view nan_rows =
    "a row that holds NaN or inf gives that element's position, where softmax's row of NaN gave 0";

Expr v() { return tensor<float>({3, 4}, "x"); }
Expr v3() { return tensor<float>({2, 3, 4}, "x"); }
Expr centred(const Expr& e) { return e - kroton::mean(e, {1}, true); }
Expr squares(const Expr& e, int axis) { return kroton::sum(e * e, {axis}); }
Expr row() { return tensor<float>({3, 1}, "r"); }

} // namespace

const RuleSet& reduction() {
  static const RuleSet set{
      "reduction",
      {
          rule("sum-sum", any(ops::sum, {as("inner", any(ops::sum, {x}))}), merge)
              .with(Liberty::summation)
              .on([] { return kroton::sum(kroton::sum(v3(), {1}), {1}); }),
          rule("max-max", any(ops::max, {as("inner", any(ops::max, {x}))}), merge).on([] {
            return kroton::max(kroton::max(v3(), {0}), {1});
          }),
          rule("min-min", any(ops::min, {as("inner", any(ops::min, {x}))}), merge).on([] {
            return kroton::min(kroton::min(v3(), {2}), {0});
          }),
          rule("sum-unit-axes", any(ops::sum, {x}), drop_unit_axes)
              .with(Liberty::summation)
              .on([] { return kroton::sum(row(), {1}); })
              .but_not([] { return kroton::sum(v(), {1}); }),
          rule("max-unit-axes", any(ops::max, {x}), drop_unit_axes).on([] {
            return kroton::max(row(), {1});
          }),
          rule("min-unit-axes", any(ops::min, {x}), drop_unit_axes).on([] {
            return kroton::min(row(), {1});
          }),
          rule("sum-equal", any(ops::sum, {any(ops::broadcast_to, {x})}), sum_of_equal, Fp::refine)
              .with(Liberty::summation)
              .on([] {
                return kroton::sum(kroton::broadcast_to(row(), {3, 5}), {1});
              })
              .but_not([] {
                return kroton::sum(kroton::broadcast_to(row(), {3, 5}), {0, 1});
              }),
          rule("sum-neg", any(ops::sum, {-x}), sum_of_neg).with(Liberty::summation),
          rule("sum-scaled", any(ops::sum, {x * y}), sum_of_scaled,
               Fp::reassoc | Fp::nnan | Fp::ninf)
              .on([] { return kroton::sum(v() * kroton::scalar<float>("y"), {1}); })
              .but_not([] { return kroton::sum(v() * row(), {1}); }),
          rule("centre-again", any(ops::sub, {x, y}), centre_again, Fp::refine)
              .on([] { return centred(v()); })
              .but_not([] {
                const Expr e = v();
                return e - kroton::mean(2 * e, {1}, true);
              }),
          rule("squares-of-centred", any(ops::sum, {x * x}), squares_of_centred, Fp::refine)
              .on([] {
                constexpr float inf = std::numeric_limits<float>::infinity();
                const Expr e = v(), m = kroton::mean(e, {1}, true);
                const Expr summed = e - kroton::where(kroton::abs(m) < inf, m, 0.0f),
                           used = e - kroton::where(kroton::abs(m) == inf, 0.0f, m);
                return squares(used - kroton::mean(summed, {1}, true), 1);
              })
              .but_not([] { return squares(centred(v()), 0); })
              .excepting("where the sum of a row's elements overflows, NaN stands for inf"),
          rule("argmax-growing", any(ops::argmax, {any(ir::Kind::elementwise)}), strip_growing,
               Fp::refine)
              .on([] { return kroton::argmax(kroton::softmax(v()), 1); })
              .but_not([] { return kroton::argmax(kroton::relu(v()), 1); })
              .excepting(nan_rows),
          rule("argmin-growing", any(ops::argmin, {any(ir::Kind::elementwise)}), strip_growing,
               Fp::refine)
              .on([] { return kroton::argmin(kroton::exp(v() - row()), 1); })
              .but_not([] { return kroton::argmin(v() / row(), 1); })
              .excepting(nan_rows),
          rule("max-growing", any(ops::max, {any(ir::Kind::elementwise)}), extreme_of_growing)
              .on([] { return kroton::max(kroton::exp(v()), {1}); })
              .but_not([] { return kroton::max(kroton::log(v()), {1}); }),
          rule("min-growing", any(ops::min, {any(ir::Kind::elementwise)}), extreme_of_growing)
              .on([] { return kroton::min(kroton::tanh(v()), {1}); }),
      }};
  return set;
}

} // namespace kroton::rewrite::rules
