/// Products that accumulate: c + s * (a @ b) becomes one gemm. Transposes stay in front of
/// products, where lowering turns them into strides.
///
/// gemm applies its scale to each sum once it is complete, so the product is rounded less often
/// than by separate ops: this is the contraction liberty (Options::contract).
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/contraction.hpp"
#include "lib/rewrite/dsl.hpp"
#include "lib/rewrite/rules/rules.hpp"

namespace kroton::rewrite::rules {
namespace {

using namespace dsl;

/// The rank-0 node behind a broadcast; no_node if it is none.
NodeId scalar_behind(const Site& s, NodeId id) {
  while (s.node(id).op == &ops::broadcast_to) id = s.node(id).inputs[0];
  return s.type(id).rank() == 0 ? id : ir::no_node;
}

struct Scaled {
  NodeId product = ir::no_node;
  NodeId alpha = ir::no_node; ///< no_node: 1
  bool is_negative = false;
};

/// Peels scalar factors, divisors and signs off a product; every layer must have no other user.
Scaled peel(Site& s, NodeId id) {
  constexpr int max_layers = 8;
  Scaled r;
  auto scale = [&](const ir::Op& op, NodeId by) {
    if (r.alpha == ir::no_node && &op == &ops::mul)
      r.alpha = by;
    else
      r.alpha =
          s.make(op, {r.alpha == ir::no_node ? s.constant(1, s.type(by).dtype) : r.alpha, by});
  };
  for (int i = 0; i < max_layers && s.uses(id) == 1; ++i) {
    const ir::GraphNode& n = s.node(id);
    if (n.op == &ops::matmul) {
      r.product = id;
      return r;
    }
    if (n.op == &ops::neg) {
      r.is_negative = !r.is_negative;
      id = n.inputs[0];
      continue;
    }
    if (n.op != &ops::mul && n.op != &ops::div) return r;
    const NodeId left = n.inputs[0], right = n.inputs[1];
    if (const NodeId by = scalar_behind(s, right); by != ir::no_node) {
      const ir::Op& op = *n.op;
      id = left;
      scale(op, by);
    } else if (n.op == &ops::mul && scalar_behind(s, left) != ir::no_node) {
      scale(ops::mul, scalar_behind(s, left));
      id = right;
    } else {
      return r;
    }
  }
  return r;
}

NodeId accumulate(Site& s, NodeId so_far, NodeId added, bool is_subtracted) {
  if (!is_float(s.type(so_far).dtype)) return ir::no_node;
  if (!ir::dims::same(s.type(so_far).shape, s.type(s.root()).shape) ||
      !ir::dims::same(s.type(added).shape, s.type(s.root()).shape))
    return ir::no_node;
  Scaled p = peel(s, added);
  if (p.product == ir::no_node) return ir::no_node;
  const DType dtype = s.type(so_far).dtype;
  if (is_subtracted) p.is_negative = !p.is_negative;
  if (p.alpha == ir::no_node)
    p.alpha = s.constant(p.is_negative ? -1 : 1, dtype);
  else if (p.is_negative)
    p.alpha = s.make(ops::neg, {p.alpha});
  const auto inputs = s.node(p.product).inputs;
  return s.make(ops::gemm, {so_far, inputs[0], inputs[1], p.alpha});
}

NodeId add_product(Site& s) { return accumulate(s, s["x"], s["y"], false); }
NodeId subtract_product(Site& s) { return accumulate(s, s["x"], s["y"], true); }

struct Operands {
  Expr w = tensor<float>({4, 5}, "w"), a = tensor<float>({3, 4}, "a"),
       b = tensor<float>({3, 5}, "b"), lr = kroton::scalar<float>("lr");
  Expr product() const { return kroton::dot(kroton::transpose(a), b); }
};

} // namespace

const RuleSet& contraction() {
  static const RuleSet set{"contraction",
                           {
                               rule("add-product", x + y, add_product)
                                   .with(Liberty::contraction)
                                   .on([] {
                                     const Operands o;
                                     return o.w + o.product() / o.lr;
                                   })
                                   .but_not([] {
                                     const Operands o;
                                     return kroton::tensor<float>({5}, "v") + o.product();
                                   }),
                               rule("subtract-product", x - y, subtract_product)
                                   .with(Liberty::contraction)
                                   .on([] {
                                     const Operands o;
                                     return o.w - o.lr * o.product();
                                   })
                                   .but_not([] {
                                     const Operands o;
                                     const Expr p = o.product();
                                     return (o.w - o.lr * p) * kroton::sum(p);
                                   }),
                           }};
  return set;
}

} // namespace kroton::rewrite::rules
