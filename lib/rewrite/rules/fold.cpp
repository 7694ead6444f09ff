/// Folding: what depends on constants alone is computed now, by the reference evaluator.
#include "lib/ir/eval.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/rewrite/dsl.hpp"
#include "lib/rewrite/rules/rules.hpp"

namespace kroton::rewrite::rules {
namespace {

using namespace dsl;

Array value_of(const Site& s) {
  const NodeId root = s.root();
  ir::Bindings bindings;
  bindings.size_of = [](const ir::DimNode& d) -> std::int64_t {
    support::fail<InternalError>("fold", {}, "the size {} is unknown", d.name);
  };
  return ir::evaluate(s.graph(), {&root, 1}, bindings)[0];
}

NodeId fold_scalar(Site& s) {
  const ir::GraphNode& n = s.node(s.root());
  if (n.type.rank() != 0) return ir::no_node;
  for (NodeId i : n.inputs)
    if (s.node(i).op != &ops::constant) return ir::no_node;
  return s.make(ops::constant, {}, ops::ConstantParams{ops::scalar_in(value_of(s))});
}

bool is_known(const Site& s, NodeId id) {
  return s.node(id).op == &ops::constant || s.node(id).op == &ops::array;
}

/// Arrays with equal elements are better kept as one scalar, so that at least one input must be
/// an array.
NodeId fold_array(Site& s) {
  const ir::GraphNode& n = s.node(s.root());
  if (n.op == &ops::broadcast_to) return ir::no_node;
  bool has_array = false;
  for (NodeId i : n.inputs) {
    if (!is_known(s, i)) return ir::no_node;
    has_array = has_array || s.node(i).op == &ops::array;
  }
  if (!has_array) return ir::no_node;
  std::vector<Dim> shapes = n.type.shape;
  std::int64_t numel = 1;
  for (const Dim& d : shapes) {
    if (!d.is_static() || d.value() > max_folded_numel) return ir::no_node;
    numel *= d.value();
    if (numel > max_folded_numel) return ir::no_node;
  }
  for (NodeId i : n.inputs) {
    const Dim size = ir::dims::product(s.type(i).shape);
    if (!size.is_static() || size.value() > max_folded_numel) return ir::no_node;
  }
  const Array value = value_of(s).contiguous();
  if (value.rank() == 0)
    return s.make(ops::constant, {}, ops::ConstantParams{ops::scalar_in(value)});
  auto leaf = std::make_shared<ir::ArrayLeaf>(ir::ArrayLeaf{value});
  return s.make(ops::array, {},
                ops::ArrayParams{value.dtype(), std::move(shapes), std::move(leaf)});
}

NodeId fold_size(Site& s) {
  const Dim d = s.node(s.root()).params.as<ops::SizeParams>().size;
  if (!d.is_static()) return ir::no_node;
  return s.number(d.value());
}

Expr three() { return kroton::constant(Array::from(std::vector<float>{1, 2, 3}, {3})); }

} // namespace

const RuleSet& fold() {
  static const RuleSet set{
      "fold",
      {
          rule("fold-scalar", any(ir::Kind::elementwise), fold_scalar)
              .on([] { return kroton::constant(2.5f) * 3 + kroton::scalar<float>("x"); })
              .but_not([] { return kroton::scalar<float>("x") * 3; }),
          rule("fold-array", any(ir::Kind::elementwise), fold_array)
              .on([] { return three() * 2 + tensor<float>({3}, "x"); })
              .but_not([] { return three() * tensor<float>({3}, "x"); }),
          rule("fold-reduction", any(ir::Kind::reduction), fold_array).on([] {
            return kroton::sum(three()) * kroton::scalar<float>("x");
          }),
          rule("fold-movement", any(ir::Kind::movement), fold_array).on([] {
            return kroton::reshape(three(), {3, 1}) * tensor<float>({3, 1}, "x");
          }),
          rule("fold-size", any(ops::size, {}), fold_size).on([] {
            const Expr size = ir::make(ops::size, {}, ops::SizeParams{Dim(7)}, Location::current());
            return size * kroton::scalar<std::int64_t>("n");
          }),
      }};
  return set;
}

} // namespace kroton::rewrite::rules
