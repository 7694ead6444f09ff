/// Joins: joins of joins become one, what is computed of a join is computed of its parts, slices
/// read the part that they are of. Exact, but for the order of sums.
#include <algorithm>

#include <kroton/ops/joining.hpp>
#include <kroton/ops/statistics.hpp>

#include "lib/ir/dim_normal.hpp"
#include "lib/ops/arithmetic.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/joining.hpp"
#include "lib/ops/reduction.hpp"
#include "lib/rewrite/dsl.hpp"
#include "lib/rewrite/rules/rules.hpp"

namespace kroton::rewrite::rules {
namespace {

using namespace dsl;
namespace dims = ir::dims;

/// Of larger joins the parts are not taken one by one: each of them would be a few nodes more.
constexpr std::size_t most_parts = 8;

const ops::JoinParams& params_of(const Site& s, NodeId join) {
  return s.node(join).params.as<ops::JoinParams>();
}

Dim sum_of(const Dim& a, const Dim& b) { return dims::normal(dims::add(a, b)); }
Dim difference_of(const Dim& a, const Dim& b) { return dims::normal(dims::sub(a, b)); }

/// Whether a is known to be no smaller than b.
bool is_at_least(const Dim& a, const Dim& b) {
  const Dim d = difference_of(a, b);
  return (d.is_static() ? d.value() : dims::lower_bound(d).value_or(-1)) >= 0;
}

/// Parts that are joins nobody else reads give their own parts.
NodeId flatten(Site& s) {
  const ir::GraphNode& n = s.node(s.root());
  const std::size_t rank = n.type.shape.size();
  const auto is_inner = [&](NodeId part) {
    return s.node(part).op == &ops::join && s.uses(part) == 1;
  };
  if (std::ranges::none_of(n.inputs, is_inner)) return ir::no_node;
  const ops::JoinParams outer = params_of(s, s.root());
  ir::NodeIds inputs;
  std::vector<Dim> starts;
  for (std::size_t k = 0; k < n.inputs.size(); ++k) {
    const auto from = outer.starts_of(k);
    if (!is_inner(n.inputs[k])) {
      inputs.push_back(n.inputs[k]);
      starts.insert(starts.end(), from.begin(), from.end());
      continue;
    }
    const ops::JoinParams& inner = params_of(s, n.inputs[k]);
    const ir::NodeIds& parts = s.node(n.inputs[k]).inputs;
    for (std::size_t j = 0; j < parts.size(); ++j) {
      inputs.push_back(parts[j]);
      for (std::size_t i = 0; i < rank; ++i)
        starts.push_back(sum_of(from[i], inner.starts_of(j)[i]));
    }
  }
  return s.make(ops::join, std::move(inputs), ops::JoinParams{std::move(starts), outer.shape});
}

/// A slice that is known to be of one part reads that.
NodeId slice_part(Site& s) {
  const NodeId joined = s["joined"];
  const ops::SliceParams taken = s.node(s.root()).params.as<ops::SliceParams>();
  const ops::JoinParams& p = params_of(s, joined);
  const ir::NodeIds& parts = s.node(joined).inputs;
  const std::size_t rank = p.shape.size();
  if (std::ranges::any_of(taken.steps, [](std::int64_t step) { return step < 1; }))
    return ir::no_node;
  for (std::size_t k = 0; k < parts.size(); ++k) {
    const auto from = p.starts_of(k);
    const ir::DimList& own = s.type(parts[k]).shape;
    bool is_inside = true;
    std::vector<Dim> starts;
    for (std::size_t i = 0; i < rank && is_inside; ++i) {
      starts.push_back(difference_of(taken.starts[i], from[i]));
      if (from[i].is(0) && dims::same(own[i], p.shape[i])) continue; // all of the axis
      const Dim last = dims::add(taken.starts[i],
                                 dims::mul(dims::sub(taken.shape[i], Dim(1)), Dim(taken.steps[i])));
      is_inside = is_at_least(taken.starts[i], from[i]) &&
                  is_at_least(dims::add(from[i], own[i]), dims::add(last, Dim(1)));
    }
    if (is_inside)
      return s.make(ops::slice, {parts[k]},
                    ops::SliceParams{std::move(starts), taken.steps, taken.shape});
  }
  return ir::no_node;
}

/// Slices of one array, each as far from its place in the join as the others, are one slice.
NodeId join_slices(Site& s) {
  const ir::GraphNode& n = s.node(s.root());
  const ops::JoinParams& p = params_of(s, s.root());
  NodeId of = ir::no_node;
  std::vector<Dim> starts;
  for (std::size_t k = 0; k < n.inputs.size(); ++k) {
    const ir::GraphNode& part = s.node(n.inputs[k]);
    if (part.op != &ops::slice || (k > 0 && part.inputs[0] != of)) return ir::no_node;
    of = part.inputs[0];
    const auto& taken = part.params.as<ops::SliceParams>();
    for (std::size_t i = 0; i < p.shape.size(); ++i) {
      const Dim start = difference_of(taken.starts[i], p.starts_of(k)[i]);
      if (taken.steps[i] != 1 || (k > 0 && !dims::same(start, starts[i]))) return ir::no_node;
      if (k == 0) starts.push_back(start);
    }
  }
  const ir::DimList shape = p.shape;
  ir::Ints steps(shape.size(), 1);
  return s.make(ops::slice, {of}, ops::SliceParams{std::move(starts), std::move(steps), shape});
}

/// f(join(a, b), join(c, d)) is join(f(a, c), f(b, d)), so that f joins what computes the parts.
/// Operands are scalars, or joins of parts of the same shapes that nobody else reads.
NodeId join_after_elementwise(Site& s) {
  const ir::GraphNode& root = s.node(s.root());
  NodeId first = ir::no_node;
  for (NodeId i : root.inputs) {
    if (s.type(i).rank() == 0) continue;
    const ir::GraphNode& n = s.node(i);
    if (n.op != &ops::join || s.uses(i) != 1 || n.inputs.size() > most_parts ||
        !dims::same(n.type.shape, root.type.shape))
      return ir::no_node;
    if (first == ir::no_node) first = i;
    const ir::GraphNode& like = s.node(first);
    if (n.inputs.size() != like.inputs.size() ||
        !dims::same(params_of(s, i).starts, params_of(s, first).starts))
      return ir::no_node;
    for (std::size_t k = 0; k < n.inputs.size(); ++k)
      if (!dims::same(s.type(n.inputs[k]).shape, s.type(like.inputs[k]).shape)) return ir::no_node;
  }
  if (first == ir::no_node) return ir::no_node;
  const ir::NodeIds operands = root.inputs;
  const ir::Op& op = *root.op;
  const ir::Params params = root.params;
  const ops::JoinParams places = params_of(s, first);
  ir::NodeIds parts;
  for (std::size_t k = 0; k < s.node(first).inputs.size(); ++k) {
    ir::NodeIds inputs;
    for (NodeId i : operands) inputs.push_back(s.type(i).rank() == 0 ? i : s.node(i).inputs[k]);
    parts.push_back(s.make(op, std::move(inputs), params));
  }
  return s.make(ops::join, std::move(parts), places);
}

/// The fold of a join over the axes along which it is one is the fold of its parts' folds.
NodeId fold_parts(Site& s, const ir::Op& step) {
  const ir::GraphNode& root = s.node(s.root());
  const NodeId joined = root.inputs[0];
  const ir::NodeIds parts = s.node(joined).inputs;
  if (s.uses(joined) != 1 || parts.size() > most_parts) return ir::no_node;
  const ops::JoinParams& p = params_of(s, joined);
  const ir::Ints& axes = ops::axes_of(root);
  for (std::size_t k = 0; k < parts.size(); ++k)
    for (std::size_t i = 0; i < p.shape.size(); ++i)
      if (std::ranges::find(axes, static_cast<std::int64_t>(i)) == axes.end() &&
          !(p.starts_of(k)[i].is(0) && dims::same(s.type(parts[k]).shape[i], p.shape[i])))
        return ir::no_node;
  const ir::Op& fold = *root.op;
  const ir::Params params = root.params;
  NodeId so_far = ir::no_node;
  for (NodeId part : parts) {
    const NodeId folded = s.make(fold, {part}, params);
    so_far = so_far == ir::no_node ? folded : s.make(step, {so_far, folded});
  }
  return so_far;
}

Expr m(const char* name = "x") { return tensor<float>({3, 4}, name); }
Expr beside() { return kroton::concatenate({m(), m("y")}, 1); }

} // namespace

const RuleSet& joining() {
  static const RuleSet set{
      "joining",
      {
          rule("join-join", any(ops::join, {}), flatten)
              .on([] {
                return kroton::concatenate({beside(), beside()});
              })
              .but_not([] {
                const Expr j = beside();
                return kroton::concatenate({j, j});
              }),
          rule("slice-of-join", any(ops::slice, {as("joined", any(ops::join, {}))}), slice_part)
              .on([] {
                return kroton::slice(beside(), {{1, {}}, {5, 8}});
              })
              .but_not([] {
                return kroton::slice(beside(), {{1, {}}, {3, 8}});
              }),
          rule("join-of-slices", any(ops::join, {}), join_slices)
              .on([] {
                const auto parts = kroton::split_at(m(), {1, 2}, 1);
                return kroton::concatenate({parts[1], parts[2]}, 1);
              })
              .but_not([] {
                const auto parts = kroton::split_at(m(), {1, 2}, 1);
                return kroton::concatenate({parts[2], parts[1]}, 1);
              }),
          rule("join-after-elementwise", any(ir::Kind::elementwise), join_after_elementwise)
              .on([] { return kroton::exp(beside()); })
              .but_not([] {
                return beside() + tensor<float>({3, 8}, "z");
              }),
          rule("max-of-join", any(ops::max, {any(ops::join, {})}),
               [](Site& s) { return fold_parts(s, ops::maximum); })
              .on([] { return kroton::max(beside(), {1}); })
              .but_not([] { return kroton::max(beside(), {0}); }),
          rule("min-of-join", any(ops::min, {any(ops::join, {})}),
               [](Site& s) { return fold_parts(s, ops::minimum); })
              .on([] { return kroton::min(beside(), {1}); })
              .but_not([] { return kroton::min(beside(), {0}); }),
          rule("sum-of-join", any(ops::sum, {any(ops::join, {})}),
               [](Site& s) { return fold_parts(s, ops::add); })
              .with(Liberty::summation)
              .on([] { return kroton::sum(beside(), {1}); })
              .but_not([] { return kroton::sum(beside(), {0}); }),
          rule("prod-of-join", any(ops::prod, {any(ops::join, {})}),
               [](Site& s) { return fold_parts(s, ops::mul); })
              .with(Liberty::summation)
              .on([] { return kroton::prod(beside(), {1}); })
              .but_not([] { return kroton::prod(beside(), {0}); }),
      }};
  return set;
}

} // namespace kroton::rewrite::rules
