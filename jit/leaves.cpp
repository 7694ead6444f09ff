#include "jit/leaves.hpp"

#include "lib/ops/basic.hpp"
#include "lib/ops/random.hpp"

namespace kroton::jit {

Leaves::Leaves(const Signature& signature) : order_(signature.order) {
  for (const Expr& e : signature.inputs) add(*e.node());
  for (const Update& u : signature.updates) add(*u.first.node());
  for (const ir::Node* n : order_) {
    if (n->attrs.leaf) add(*n);
    if (n->op == &ops::uniform) add_draw(n->attrs.ints[0]);
  }
}

void Leaves::add_draw(std::int64_t draw) {
  if (draw_numbers_.emplace(draw, draws_.size()).second) draws_.push_back(draw);
}

void Leaves::add(const ir::Node& node) {
  if (numbers_.emplace(node.attrs.leaf.get(), size()).second) nodes_.push_back(&node);
}

int Leaves::number_of(const void* leaf) const {
  const auto it = numbers_.find(leaf);
  return it == numbers_.end() ? -1 : it->second;
}

const ir::ArrayLeaf* Leaves::array(int number) const {
  const ir::Node& n = *nodes_[static_cast<std::size_t>(number)];
  return n.op == &ops::array ? static_cast<const ir::ArrayLeaf*>(n.attrs.leaf.get()) : nullptr;
}

ir::SharedState* Leaves::shared(int number) const {
  const ir::Node& n = *nodes_[static_cast<std::size_t>(number)];
  if (n.op != &ops::shared) return nullptr;
  return const_cast<ir::SharedState*>(static_cast<const ir::SharedState*>(n.attrs.leaf.get()));
}

} // namespace kroton::jit
