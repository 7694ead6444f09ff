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
#include "lib/rewrite/rules/scaled.hpp"

namespace kroton::rewrite::rules {
namespace {

using namespace dsl;

NodeId accumulate(Site& s, NodeId so_far, NodeId added, bool is_subtracted) {
  if (!is_float(s.type(so_far).dtype)) return ir::no_node;
  if (!ir::dims::same(s.type(so_far).shape, s.type(s.root()).shape) ||
      !ir::dims::same(s.type(added).shape, s.type(s.root()).shape))
    return ir::no_node;
  const Scaled p = peel(s, added, ops::matmul);
  if (p.node == ir::no_node) return ir::no_node;
  const NodeId alpha = factor_of(s, p, s.type(so_far).dtype, is_subtracted);
  const auto inputs = s.node(p.node).inputs;
  return s.make(ops::gemm, {so_far, inputs[0], inputs[1], alpha});
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
