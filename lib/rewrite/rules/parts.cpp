/// Parts of ops with several results become the ops that they are. Exact, and needed: these ops
/// have no kernels of their own.
#include <kroton/ops/parts.hpp>

#include "lib/ops/arithmetic.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/parts.hpp"
#include "lib/ops/reduction.hpp"
#include "lib/rewrite/dsl.hpp"
#include "lib/rewrite/rules/rules.hpp"

namespace kroton::rewrite::rules {
namespace {

using namespace dsl;

/// `first` or `second` of the inputs and parameters of the node that the root is a part of.
NodeId become(Site& s, const ir::Op& first, const ir::Op& second) {
  const ir::GraphNode& several = s.node(s["several"]);
  return s.make(ir::part_of(s.node(s.root())) == 0 ? first : second, several.inputs,
                several.params);
}

NodeId part_of_frexp(Site& s) {
  const NodeId of_dtype = become(s, ops::frexp_mantissa, ops::frexp_exponent);
  const DType dtype = s.type(s.root()).dtype;
  return s.type(of_dtype).dtype == dtype ? of_dtype
                                         : s.make(ops::cast, {of_dtype}, ops::CastParams{dtype});
}

Expr m() { return tensor<float>({3, 4}, "x"); }

} // namespace

const RuleSet& parts() {
  static const RuleSet set{
      "parts",
      {
          rule("max-and-argmax-part",
               any(ops::part, {as("several", any(ops::max_and_argmax, {x}))}),
               [](Site& s) { return become(s, ops::max, ops::argmax); })
              .needed()
              .on([] { return kroton::max_and_argmax(m(), 1).argmax; }),
          rule("divmod-part", any(ops::part, {as("several", any(ops::divmod, {x, y}))}),
               [](Site& s) { return become(s, ops::floor_div, ops::mod); })
              .needed()
              .on([] { return kroton::divmod(m(), tensor<float>({4}, "y")).remainder; }),
          rule("frexp-part", any(ops::part, {as("several", any(ops::frexp, {x}))}), part_of_frexp)
              .needed()
              .on([] { return kroton::frexp(m()).exponent; }),
      }};
  return set;
}

} // namespace kroton::rewrite::rules
