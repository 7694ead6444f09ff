#include "lib/grad/cotangent.hpp"
#include "lib/ops/arithmetic.hpp"
#include "lib/ops/assemble.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/custom.hpp"
#include "lib/ops/indexing.hpp"
#include "lib/ops/movement.hpp"
#include "lib/ops/transcendental.hpp"

#include <cmath>
#include <map>
#include <unordered_set>

#include "lib/ops/build.hpp"

namespace kroton::reverse {
namespace {

using ir::Kind;
using ir::Node;

/// The scalar constant or size behind a node, seen through what keeps its elements; null if it is
/// none.
const Node* number_behind(const Expr& e) {
  const Node* n = e.node().get();
  while (n->op == &ops::cast || n->op == &ops::broadcast_to || n->op == &ops::reshape)
    n = n->inputs[0].node().get();
  return n->op == &ops::constant || n->op == &ops::size ? n : nullptr;
}

bool is_zero(const Expr& e) {
  const Node* n = number_behind(e);
  return n != nullptr && n->op == &ops::constant && ops::float_value(ops::constant_in(*n)) == 0;
}

/// True if the derivative by input `i` is a finite number, the same for all elements.
bool is_scaling(const Node& n, std::size_t i) {
  for (const ir::Op* op : {&ops::add, &ops::sub, &ops::neg, &ops::copy, &ops::cast})
    if (n.op == op) return true;
  if (n.op != &ops::mul && (n.op != &ops::div || i != 0)) return false;
  const Node* by = number_behind(n.inputs[1 - i]);
  if (by == nullptr) return false;
  if (by->op == &ops::size) return true;
  const double v = ops::float_value(ops::constant_in(*by));
  return std::isfinite(v) && v != 0;
}

/// Signs are looked for this many nodes deep.
constexpr int max_depth = 10;

enum class Sign : std::uint8_t { unknown, not_negative, positive };

/// What is known of all elements' sign; NaN aside.
Sign sign_of(const Expr& e, int depth = max_depth) {
  const Node& n = *e.node();
  const auto of = [&](std::size_t i) { return sign_of(n.inputs[i], depth - 1); };
  if (depth == 0) return Sign::unknown;
  if (n.op == &ops::constant) {
    const double v = ops::float_value(ops::constant_in(n));
    return v > 0 ? Sign::positive : v == 0 ? Sign::not_negative : Sign::unknown;
  }
  if (n.op == &ops::exp || n.op == &ops::sigmoid || n.op == &ops::softplus || n.op == &ops::size)
    return Sign::positive;
  if (n.op == &ops::abs || n.op == &ops::relu) return Sign::not_negative;
  if (n.op == &ops::sqrt || n.op == &ops::sum || n.op == &ops::cast || n.op == &ops::max ||
      n.op == &ops::min || n.op->is(Kind::movement))
    return of(0);
  if (n.op == &ops::mul && n.inputs[0].is(n.inputs[1])) return std::max(of(0), Sign::not_negative);
  if (n.op == &ops::maximum || n.op == &ops::add) {
    const Sign a = of(0), b = of(1);
    if (n.op == &ops::maximum) return std::max(a, b);
    return a == Sign::unknown || b == Sign::unknown ? Sign::unknown : std::max(a, b);
  }
  if (n.op == &ops::mul || n.op == &ops::div || n.op == &ops::minimum)
    return std::min(of(0), of(1));
  return Sign::unknown;
}

/// True for x - max(x), of which no element is above 0.
bool is_shifted_by_max(const Expr& e) {
  if (e.node()->op != &ops::sub) return false;
  const Node* at = e.node()->inputs[1].node().get();
  for (int i = 0; i < max_depth && at->op != &ops::max; ++i) {
    if (at->op != &ops::where && !at->op->is(Kind::movement)) return false;
    at = at->inputs[at->op == &ops::where ? 1 : 0].node().get();
  }
  return at->op == &ops::max;
}

/// True if the derivatives are finite at all finite inputs that may come.
bool is_smooth(const Node& n) {
  for (const ir::Op* known : {&ops::mul, &ops::tanh, &ops::tanh_slope, &ops::sigmoid,
                              &ops::softplus, &ops::sinpi, &ops::cospi})
    if (n.op == known) return true;
  if (n.op == &ops::exp) return is_shifted_by_max(n.inputs[0]);
  if (n.op == &ops::div) return sign_of(n.inputs[1]) == Sign::positive;
  if (n.op == &ops::log || n.op == &ops::sqrt || n.op == &ops::pow)
    return sign_of(n.inputs[0]) == Sign::positive;
  return n.op == &ops::log1p && sign_of(n.inputs[0]) != Sign::unknown;
}

Expr both(const Expr& a, const Expr& b, Location at) {
  if (!a.node()) return b;
  if (!b.node() || a.is(b)) return a;
  return Operand(a, at) && Operand(b, at);
}

/// True for a condition that is made of many, by which choosing would cost more than by a value.
bool is_long(const Expr& condition) {
  const Node* n = condition.node().get();
  for (int i = 0; i < max_depth; ++i, n = n->inputs[0].node().get())
    if (n->op != &ops::logical_or) return false;
  return true;
}

Expr is_not_zero(const Expr& e, Location at) { return Operand(e, at) != Operand(0.0, at); }

/// What the outermost op of a row's result says about where it is zero.
Cotangent taken_apart(const Expr& made, Location at) {
  const Node& n = *made.node();
  if (n.op == &ops::where && is_zero(n.inputs[2]))
    return {.value = n.inputs[1], .support = n.inputs[0], .pending = n.inputs[0]};
  if (n.op == &ops::where && is_zero(n.inputs[1])) {
    const Expr other = !Operand(n.inputs[0], at);
    return {.value = n.inputs[2], .support = other, .pending = other};
  }
  if (n.op == &ops::unslice || n.op->is(Kind::scatter))
    return {.value = made, .support = is_not_zero(made, at)};
  return {.value = made};
}

/// Gives the nodes that a row has just built the place of the op it differentiates: messages and
/// comments then point at the user's line. What the row was handed keeps its own.
void relocate(const Expr& made, const ir::GradContext& c) {
  std::unordered_set<const Node*> seen;
  for (const std::span<const Expr> handed : {c.outputs, c.grads, c.inputs})
    for (const Expr& e : handed) seen.insert(e.node().get());
  std::vector<const Node*> stack{made.node().get()};
  while (!stack.empty()) {
    const Node* n = stack.back();
    stack.pop_back();
    if (!seen.insert(n).second) continue;
    const_cast<Node*>(n)->where = c.where; // nobody else has seen it yet
    for (const Expr& e : n->inputs) stack.push_back(e.node().get());
  }
}

/// Of an elementwise op, whose row was given the value before the pending choice.
Cotangent joined(Cotangent part, const Cotangent& c, const Node& n, std::size_t i) {
  const bool keeps_zeros =
      part.value.is(c.value) || is_scaling(n, i) || (c.is_summed && is_smooth(n));
  part.pending = both(keeps_zeros ? c.pending : c.support, part.pending, n.where);
  part.support = both(c.support, part.support, n.where);
  part.is_summed = c.is_summed;
  return part;
}

} // namespace

Expr selected(const Cotangent& c, Location where) {
  if (!c.pending.node()) return c.value;
  return kroton::where({c.pending, where}, {c.value, where}, {0.0, where});
}

namespace {

Cotangent added(const Cotangent& a, const Cotangent& b, Location where) {
  const auto is_same = [](const Expr& l, const Expr& r) { return l.node() == r.node(); };
  const bool is_summed = a.is_summed || b.is_summed;
  if (a.support.node() && is_same(a.support, b.support) && is_same(a.pending, b.pending))
    return {Operand(a.value, where) + Operand(b.value, where), a.support, a.pending, is_summed};
  Cotangent sum{.value = Operand(selected(a, where), where) + Operand(selected(b, where), where),
                .is_summed = is_summed};
  if (a.support.node() && b.support.node())
    sum.support = is_same(a.support, b.support) ? a.support
                  : is_long(a.support) || is_long(b.support)
                      ? is_not_zero(sum.value, where)
                      : Operand(a.support, where) || Operand(b.support, where);
  return sum;
}

/// The sum of what slices of one array give to it.
Expr together_from_slices(std::span<const Contribution* const> reads, Location where) {
  std::vector<ops::Part> parts;
  for (const Contribution* c : reads) {
    const Node& n = *c->gradient.value.node();
    const auto& p = n.params.as<ops::SliceParams>();
    parts.push_back({n.inputs[0], {p.starts, p.steps, n.inputs[0].shape()}});
  }
  return ops::assemble_parts(reads[0]->gradient.value.shape(), std::move(parts), where);
}

/// The sum of what looking positions of one array's first axes up gives to it: all are looked up
/// one after the other.
Expr together_from_lookups(std::span<const Contribution* const> reads, Location where) {
  const std::size_t inputs = reads[0]->gradient.value.node()->inputs.size();
  std::vector<Expr> joined;
  for (std::size_t i = 0; i < inputs; ++i) {
    std::vector<Expr> flat;
    for (const Contribution* c : reads) {
      const Node& n = *c->gradient.value.node();
      const auto axes = static_cast<std::ptrdiff_t>(n.inputs[1].rank());
      const std::vector<Dim> own = n.inputs[i].shape();
      std::vector<Dim> shape{
          ir::dims::product(std::span(own).first(static_cast<std::size_t>(axes)))};
      shape.insert(shape.end(), own.begin() + axes, own.end());
      flat.push_back(
          ir::make(ops::reshape, {n.inputs[i]}, ops::ShapeParams{std::move(shape)}, where));
    }
    joined.push_back(ops::join_first(flat, where));
  }
  const Node& first = *reads[0]->gradient.value.node();
  return ir::make(ops::index_add, std::move(joined), first.params, where);
}

} // namespace

Cotangent sum_of(const std::vector<Contribution>& contributions) {
  std::vector<const Contribution*> slices;
  std::map<std::size_t, std::vector<const Contribution*>> lookups; // by how many axes are indexed
  std::vector<Contribution> sum;
  const auto add = [&](Cotangent c, Location where) {
    if (sum.empty())
      sum.push_back({std::move(c), where});
    else
      sum[0].gradient = added(sum[0].gradient, c, where);
  };
  for (const Contribution& c : contributions) {
    const Node& made = *c.gradient.value.node();
    if (made.op == &ops::unslice && !c.gradient.pending.node())
      slices.push_back(&c);
    else if (made.op == &ops::index_add && !c.gradient.pending.node())
      lookups[made.inputs.size()].push_back(&c);
    else
      add(c.gradient, c.where);
  }
  const auto add_reads = [&](std::span<const Contribution* const> reads,
                             Expr (*together)(std::span<const Contribution* const>, Location)) {
    if (reads.empty()) return;
    const Location where = reads.back()->where;
    if (reads.size() == 1) return add(reads[0]->gradient, where);
    const Expr all = together(reads, where);
    const auto is_summed = [](const Contribution* c) { return c->gradient.is_summed; };
    add({.value = all,
         .support = is_not_zero(all, where),
         .is_summed = std::ranges::any_of(reads, is_summed)},
        where);
  };
  add_reads(slices, together_from_slices);
  for (const auto& [inputs, reads] : lookups) add_reads(reads, together_from_lookups);
  return std::move(sum[0].gradient);
}

std::vector<Cotangent> pull_back(const Node& n, std::span<const Expr> outputs,
                                 std::span<const Cotangent> cotangents) {
  const Cotangent& c = cotangents[0]; // of an elementwise op, the only one
  const bool is_elementwise = n.op->is(Kind::elementwise);
  std::vector<Expr> given;
  for (const Cotangent& one : cotangents)
    given.push_back(is_elementwise || !one.value.node() ? one.value : selected(one, n.where));
  const bool has_support = std::ranges::any_of(
      cotangents, [](const Cotangent& one) { return one.support.node() != nullptr; });
  const bool is_summed = std::ranges::any_of(cotangents, &Cotangent::is_summed);
  const ir::GradContext context{n.inputs, n.params, outputs[0], given[0], n.where, outputs, given};
  const std::vector<Expr> made = n.op->gradient(context);
  KROTON_CHECK(made.size() == n.inputs.size(), "{} gives {} gradients for {} inputs", n.op->name,
               made.size(), n.inputs.size());
  std::vector<Cotangent> parts;
  for (std::size_t i = 0; i < made.size(); ++i) {
    const Expr& input = n.inputs[i];
    parts.push_back({.value = Expr(nullptr)});
    if (!made[i].node()) continue;
    // What a user's rule gives has places of its own.
    if (n.op != &ops::custom_gradient) relocate(made[i], context);
    Cotangent part = taken_apart(made[i], n.where);
    const bool is_placed = !is_elementwise && part.support.node();
    if (is_elementwise) part = joined(std::move(part), c, n, i);
    const Expr whole = selected(part, n.where), reduced = ops::sum_to(whole, input, n.where);
    const bool is_reduced = !reduced.is(whole);
    if (is_reduced || (!is_elementwise && has_support)) {
      // What arrives was added up or moved: where nothing but zeros did, the gradient is zero.
      const bool has_zeros = part.support.node() || has_support;
      part = {.value = reduced,
              .support = has_zeros ? is_not_zero(reduced, n.where) : Expr(nullptr),
              .is_summed = !is_placed && (is_summed || is_reduced || n.op->is(Kind::contraction) ||
                                          n.op->is(Kind::library))};
    }
    if (part.value.dtype() != input.dtype())
      part.value = ops::cast_to(part.value, input.dtype(), n.where);
    parts.back() = std::move(part);
  }
  return parts;
}

Cotangent pushed_forward(const Node& n, const Expr& output, std::span<const Cotangent> tangents) {
  Cotangent all{.value = Expr(nullptr)};
  for (std::size_t i = 0; i < tangents.size(); ++i) {
    const Cotangent& c = tangents[i];
    if (!c.value.node()) continue;
    const ir::GradContext context{n.inputs, n.params,     output,       c.value,
                                  n.where,  {&output, 1}, {&c.value, 1}};
    const std::vector<Expr> made = n.op->gradient(context);
    if (!made[i].node()) continue;
    relocate(made[i], context);
    Cotangent part = joined(taken_apart(made[i], n.where), c, n, i);
    if (part.value.dtype() != n.type.dtype)
      part.value = ops::cast_to(part.value, n.type.dtype, n.where);
    all = all.value.node() ? added(all, part, n.where) : std::move(part);
  }
  return all;
}

} // namespace kroton::reverse
