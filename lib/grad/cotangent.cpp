#include "lib/grad/cotangent.hpp"

#include <cmath>
#include <unordered_set>

#include "lib/ops/build.hpp"

namespace kroton::reverse {
namespace {

using ir::Node;
using ir::Trait;

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
  return n != nullptr && n->op == &ops::constant &&
         ops::float_value(n->type.dtype, n->attrs.bits) == 0;
}

/// True if the derivative by input `i` is a finite number, the same for all elements.
bool is_scaling(const Node& n, std::size_t i) {
  for (const ir::Op* op : {&ops::add, &ops::sub, &ops::neg, &ops::copy, &ops::cast})
    if (n.op == op) return true;
  if (n.op != &ops::mul && (n.op != &ops::div || i != 0)) return false;
  const Node* by = number_behind(n.inputs[1 - i]);
  if (by == nullptr) return false;
  if (by->op == &ops::size) return true;
  const double v = ops::float_value(by->type.dtype, by->attrs.bits);
  return std::isfinite(v) && v != 0;
}

/// True if the derivative is finite at all finite inputs.
bool is_smooth(const ir::Op& op) {
  for (const ir::Op* known :
       {&ops::mul, &ops::tanh, &ops::sigmoid, &ops::softplus, &ops::sinpi, &ops::cospi})
    if (&op == known) return true;
  return false;
}

Expr both(const Expr& a, const Expr& b, Location at) {
  if (!a.node()) return b;
  if (!b.node() || a.is(b)) return a;
  return Operand(a, at) && Operand(b, at);
}

Expr is_not_zero(const Expr& e, Location at) { return Operand(e, at) != Operand(0.0, at); }

/// What the outermost op of a row's result says about where it is zero.
Cotangent taken_apart(const Expr& made, Location at) {
  const Node& n = *made.node();
  if (n.op == &ops::where && is_zero(n.inputs[2]))
    return {.value = n.inputs[1], .support = n.inputs[0], .is_selected = false};
  if (n.op == &ops::where && is_zero(n.inputs[1]))
    return {.value = n.inputs[2], .support = !Operand(n.inputs[0], at), .is_selected = false};
  if (n.op == &ops::unslice || n.op->has(Trait::scatter))
    return {.value = made, .support = is_not_zero(made, at)};
  return {.value = made};
}

/// Gives the nodes that a row has just built the place of the op it differentiates: messages and
/// comments then point at the user's line. What the row was handed keeps its own.
void relocate(const Expr& made, const ir::GradContext& c) {
  std::unordered_set<const Node*> seen{c.output.node().get(), c.grad.node().get()};
  for (const Expr& e : c.inputs) seen.insert(e.node().get());
  std::vector<const Node*> stack{made.node().get()};
  while (!stack.empty()) {
    const Node* n = stack.back();
    stack.pop_back();
    if (!seen.insert(n).second) continue;
    const_cast<Node*>(n)->where = c.where; // nobody else has seen it yet
    for (const Expr& e : n->inputs) stack.push_back(e.node().get());
  }
}

/// Of an elementwise op, whose row was given the unselected value.
Cotangent joined(Cotangent part, const Cotangent& c, const Node& n, std::size_t i) {
  const bool keeps_zeros = is_scaling(n, i) || (c.is_summed && is_smooth(*n.op));
  part.is_selected = part.is_selected && c.is_selected && (keeps_zeros || !c.support.node());
  part.support = both(c.support, part.support, n.where);
  part.is_summed = c.is_summed;
  return part;
}

} // namespace

Expr selected(const Cotangent& c, Location where) {
  if (c.is_selected) return c.value;
  return kroton::where({c.support, where}, {c.value, where}, {0.0, where});
}

Cotangent sum_of(const Cotangent& a, const Cotangent& b, Location where) {
  const auto add = [&](const Expr& l, const Expr& r) -> Expr {
    return Operand(l, where) + Operand(r, where);
  };
  const bool is_summed = a.is_summed || b.is_summed;
  if (a.support.node() && b.support.node() && a.support.is(b.support))
    return {add(a.value, b.value), a.support, a.is_selected && b.is_selected, is_summed};
  Cotangent sum{.value = add(selected(a, where), selected(b, where)), .is_summed = is_summed};
  if (a.support.node() && b.support.node())
    sum.support = Operand(a.support, where) || Operand(b.support, where);
  return sum;
}

std::vector<Cotangent> pull_back(const Node& n, const Expr& output, const Cotangent& c) {
  const bool is_elementwise = n.op->has(Trait::elementwise);
  const Expr given = is_elementwise ? c.value : selected(c, n.where);
  const ir::GradContext context{n.inputs, n.attrs, output, given, n.where};
  const std::vector<Expr> made = n.op->gradient(context);
  KROTON_CHECK(made.size() == n.inputs.size(), "{} gives {} gradients for {} inputs", n.op->name,
               made.size(), n.inputs.size());
  std::vector<Cotangent> parts;
  for (std::size_t i = 0; i < made.size(); ++i) {
    const Expr& input = n.inputs[i];
    parts.push_back({.value = Expr(nullptr)});
    if (!made[i].node()) continue;
    relocate(made[i], context);
    Cotangent part = taken_apart(made[i], n.where);
    const bool is_placed = !is_elementwise && part.support.node();
    if (is_elementwise) part = joined(std::move(part), c, n, i);
    const Expr whole = selected(part, n.where), reduced = ops::sum_to(whole, input, n.where);
    const bool is_reduced = !reduced.is(whole);
    if (is_reduced || (!is_elementwise && c.support.node())) {
      // What arrives was added up or moved: where nothing but zeros did, the gradient is zero.
      const bool has_zeros = part.support.node() || c.support.node();
      part = {.value = reduced,
              .support = has_zeros ? is_not_zero(reduced, n.where) : Expr(nullptr),
              .is_summed =
                  !is_placed && (c.is_summed || is_reduced || n.op->has(Trait::contraction))};
    }
    if (part.value.dtype() != input.dtype())
      part.value = ops::cast_to(part.value, input.dtype(), n.where);
    parts.back() = std::move(part);
  }
  return parts;
}

} // namespace kroton::reverse
