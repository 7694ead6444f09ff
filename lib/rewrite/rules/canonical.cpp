/// One form for each thing, so that other rules need to know only one. Exact.
#include "lib/ops/build.hpp"
#include "lib/rewrite/dsl.hpp"
#include "lib/rewrite/rules/rules.hpp"

namespace kroton::rewrite::rules {
namespace {

using namespace dsl;

NodeId constant_right(Site& s) {
  const ir::GraphNode& n = s.node(s.root());
  if (!n.op->has(ir::Property::commutative) || n.inputs.size() != 2) return ir::no_node;
  const NodeId l = n.inputs[0], r = n.inputs[1];
  if (!constant_behind(s.graph(), l) || constant_behind(s.graph(), r)) return ir::no_node;
  return s.make(*n.op, {r, l}, n.params);
}

Expr f(const char* name) { return tensor<float>({3, 4}, name); }

} // namespace

const RuleSet& canonical() {
  static const RuleSet set{
      "canonical",
      {
          rule("constant-right", any(ir::Kind::elementwise), constant_right)
              .on([] { return 2 * f("x"); })
              .but_not([] { return 2 - f("x"); }),
          rule("neg-neg", -(-x), x),
          rule("add-neg", x + -y, x - y),
          rule("sub-neg", x - -y, x + y),
          rule("mul-neg-neg", -x * -y, x * y),
          rule("div-neg-neg", -x / -y, x / y),
          rule("mul-minus-one", x * -1, -x),
          rule("div-minus-one", x / -1, -x),
          rule("minus-zero-minus", -0.0 - x, -x).but_not([] { return 0.0 - f("x"); }),
          rule("not-not", !!x, x),
          rule("neg-where", -where(z, x, c), where(z, -x, -c)).on([] {
            return -kroton::where(f("z") > 0, f("x"), 0.0);
          }),
      }};
  return set;
}

} // namespace kroton::rewrite::rules
