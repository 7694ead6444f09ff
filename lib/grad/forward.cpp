/// Forward mode: tangents from `wrt` to the outputs, by the derivatives that rows give to
/// gradients.
#include <algorithm>
#include <unordered_map>

#include <kroton/grad.hpp>

#include "lib/grad/cotangent.hpp"
#include "lib/grad/reverse.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/custom.hpp"
#include "lib/ops/movement.hpp"
#include "lib/ops/parts.hpp"
#include "lib/ops/substitute.hpp"

namespace kroton {
namespace {

using ir::Kind;
using ir::Node;
using reverse::Cotangent;

[[noreturn]] void refuse(const Node& n, const Expr& e, std::string_view what) {
  support::fail<UnsupportedError>("jvp",
                                  {.place = ir::place_of(n.where, n.inputs),
                                   .hint = "stop_gradient(…) treats it as a constant"},
                                  "{} {}", e.label(), what);
}

/// The results of a node as they are differentiated: itself, or its parts.
std::vector<Expr> results_of(const Expr& e) {
  const Node& n = *e.node();
  if (n.type.is_array()) return {e};
  std::vector<Expr> parts;
  for (std::size_t k = 0; k < n.type.parts->size(); ++k)
    parts.push_back(ops::part_at(e, k, n.where));
  return parts;
}

/// What a node's results change by as its inputs do by `tangents`, each in its input's shape or
/// null, for ops of which only the gradient is known. That is linear in the gradient of the result:
/// g = J' u. So the gradient of sum(g * t) by u is J t, whatever u is. Both are worked out on
/// leaves, so that an op costs what its row makes and not what is below it.
std::vector<Expr> transposed_gradient(const Expr& e, std::span<const Expr> tangents) {
  const Node& n = *e.node();
  std::vector<Expr> inputs, given;
  ops::Replacements back;
  for (const Expr& i : n.inputs) {
    inputs.push_back(ops::fresh_leaf(i));
    back.emplace(inputs.back().node().get(), i);
  }
  const std::vector<Expr> results = results_of(e);
  std::vector<Expr> outputs, directions;
  for (const Expr& r : results) {
    outputs.push_back(ops::fresh_leaf(r));
    back.emplace(outputs.back().node().get(), r);
    const bool is_wanted = is_float(r.dtype());
    given.push_back(is_wanted ? ops::fresh_leaf(r) : Expr(nullptr));
    if (is_wanted) directions.push_back(given.back());
  }
  if (directions.empty()) return std::vector<Expr>(results.size());
  const ir::GradContext context{inputs, n.params, outputs[0], given[0], n.where, outputs, given};
  const std::vector<Expr> made = n.op->gradient(context);
  std::vector<reverse::Start> starts;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!made[i].node() || !tangents[i].node()) continue;
    Expr g = reverse::in_shape_of(ops::sum_to(made[i], inputs[i], n.where), inputs[i], n.where);
    if (g.dtype() != tangents[i].dtype()) g = ops::cast_to(g, tangents[i].dtype(), n.where);
    const Expr leaf = ops::fresh_leaf(tangents[i]);
    back.emplace(leaf.node().get(), tangents[i]);
    starts.push_back({g, leaf});
  }
  std::vector<Expr> pulled = reverse::pulled_back(starts, directions, {}, n.where);
  std::vector<Expr> made_tangents;
  std::size_t next = 0;
  for (std::size_t k = 0; k < results.size(); ++k) {
    made_tangents.emplace_back();
    if (!given[k].node()) continue;
    const Expr t = pulled[next++];
    if (!t.node()) continue;
    for (const Node* at : ir::topological_order({&t, 1}))
      if (std::ranges::any_of(directions, [&](const Expr& u) { return u.node().get() == at; }))
        refuse(n, e,
               "has a gradient that is not linear in what arrives, and no forward derivative");
    made_tangents.back() = ops::replaced(t, back);
  }
  return made_tangents;
}

/// The walk from `wrt` to the outputs.
class Forward {
public:
  void add(const Expr& v, const Expr& tangent) { tangents_[v.node().get()] = {{.value = tangent}}; }

  void run(std::span<const Expr> outputs) {
    for (const Expr* e : ir::topological_handles(outputs)) {
      const Node& n = *e->node();
      if (tangents_.contains(&n)) continue;
      std::vector<Cotangent> found = pushed(*e);
      if (std::ranges::any_of(found, [](const Cotangent& c) { return c.value.node() != nullptr; }))
        tangents_.emplace(&n, std::move(found));
    }
  }

  /// Null if it does not change.
  Expr tangent_of(const Expr& e, Location where) const {
    const Cotangent c = of(e, 0);
    return c.value.node() ? reverse::in_shape_of(reverse::selected(c, where), e, where) : Expr();
  }

private:
  Cotangent of(const Expr& e, std::size_t result) const {
    const auto found = tangents_.find(e.node().get());
    return found == tangents_.end() ? Cotangent{.value = Expr(nullptr)} : found->second[result];
  }

  /// Tangents of a node's results.
  std::vector<Cotangent> pushed(const Expr& e) const {
    const Node& n = *e.node();
    if (ops::passes_tangents(n)) return {of(n.inputs[0], 0)};
    if (n.op->is(Kind::part)) return {of(n.inputs[0], ir::part_of(n))};
    if (n.type.is_array() && !is_float(n.type.dtype)) return {};
    std::vector<Cotangent> given;
    for (const Expr& i : n.inputs) given.push_back(of(i, 0));
    if (std::ranges::none_of(given, [](const Cotangent& c) { return c.value.node() != nullptr; }))
      return {};
    if (!n.op->gradient) refuse(n, e, "has no gradient");
    if (n.op->is(Kind::elementwise)) return {reverse::pushed_forward(n, e, given)};

    std::vector<Expr> whole;
    bool has_support = false, is_summed = n.op->is(Kind::contraction) || n.op->is(Kind::library);
    for (std::size_t i = 0; i < given.size(); ++i) {
      whole.push_back(tangent_of(n.inputs[i], n.where));
      has_support = has_support || given[i].support.node();
      is_summed = is_summed || given[i].is_summed;
    }
    std::vector<Cotangent> made;
    for (const Expr& t : tangents_of_results(e, whole)) {
      made.push_back({.value = t, .is_summed = is_summed});
      if (t.node() && has_support)
        made.back().support = Operand(t, n.where) != Operand(0.0, n.where);
    }
    return made;
  }

  /// Ops that are linear in some inputs are their own derivative.
  static std::vector<Expr> tangents_of_results(const Expr& e, const std::vector<Expr>& tangents) {
    const Node& n = *e.node();
    const auto with = [&](std::size_t i) {
      std::vector<Expr> inputs(n.inputs.begin(), n.inputs.end());
      inputs[i] = tangents[i];
      return ir::make(*n.op, std::move(inputs), n.params, n.where);
    };
    const bool is_view = (n.op->is(Kind::movement) || n.op->is(Kind::pad)) && n.inputs.size() == 1;
    if (n.op == &ops::stop_gradient) return {Expr()};
    if (n.op == &ops::recompute) return {tangents[0].node() ? with(0) : Expr()};
    if (is_view || n.op == &ops::sum || n.op->is(Kind::gather)) return {with(0)};
    if (n.op->is(Kind::contraction) && n.inputs.size() == 2) {
      if (!tangents[0].node()) return {with(1)};
      if (!tangents[1].node()) return {with(0)};
      return {Operand(with(0), n.where) + Operand(with(1), n.where)};
    }
    return transposed_gradient(e, tangents);
  }

  std::unordered_map<const Node*, std::vector<Cotangent>> tangents_;
};

} // namespace

std::vector<Expr> jvp(const std::vector<Expr>& outputs, const std::vector<Expr>& wrt,
                      const std::vector<Expr>& tangents, Location where) {
  for (const Expr& v : wrt) detail::require_given(v, "jvp", where);
  for (const Expr& v : wrt) reverse::check_differentiable("jvp", v, where);
  if (wrt.size() != tangents.size())
    support::fail<GraphError>("jvp",
                              {.place = ir::place_of(where, wrt),
                               .hint = "give one for each expression that is differentiated by"},
                              "{} tangents for {} expressions", tangents.size(), wrt.size());
  for (const Expr& y : outputs) {
    detail::require_given(y, "jvp", where);
    if (!is_float(y.dtype()))
      support::fail<TypeError>(
          "jvp", {.place = ir::place_of(where, {&y, 1}), .hint = "cast it to f32 or f64"},
          "outputs must be floating, got {}", y.label());
  }
  Forward walk;
  for (std::size_t i = 0; i < wrt.size(); ++i) {
    detail::require_given(tangents[i], "jvp", where);
    walk.add(wrt[i], reverse::fitted("jvp", "tangent", tangents[i], wrt[i], where));
  }
  const std::vector<Expr> stable = reverse::stabilized(outputs, wrt);
  walk.run(stable);
  std::vector<Expr> result;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Expr t = walk.tangent_of(stable[i], outputs[i].where());
    result.push_back(t.node() ? t : reverse::zeros_like(outputs[i], where));
  }
  return result;
}

Expr jvp(const Expr& output, const Expr& wrt, const Expr& tangent, Location where) {
  return jvp(std::vector{output}, std::vector{wrt}, std::vector{tangent}, where)[0];
}

} // namespace kroton
