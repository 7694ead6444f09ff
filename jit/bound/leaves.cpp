#include "jit/bound/leaves.hpp"

#include "lib/ops/basic.hpp"

namespace kroton::jit {

namespace {

/// The draws among a node's parameters.
class Draws : public ir::FieldVisitor {
public:
  explicit Draws(const std::function<void(std::int64_t)>& found) : found_(found) {}

  void visit(std::string_view, const ir::Draw& draw) override { found_(draw.number); }
  void visit(std::string_view, const bool&) override {}
  void visit(std::string_view, const std::int64_t&) override {}
  void visit(std::string_view, const ir::Ints&) override {}
  void visit(std::string_view, const DType&) override {}
  void visit(std::string_view, const ir::Scalar&) override {}
  void visit(std::string_view, const Dim&) override {}
  void visit(std::string_view, const ir::DimList&) override {}
  void visit(std::string_view, const ir::InputIdentity&) override {}
  void visit(std::string_view, const ir::SharedIdentity&) override {}
  void visit(std::string_view, const ir::ArrayIdentity&) override {}

private:
  const std::function<void(std::int64_t)>& found_;
};

} // namespace

Leaves::Leaves(const Signature& signature) : order_(signature.order) {
  for (const Expr& e : signature.inputs) add(*e.node());
  for (const Update& u : signature.updates) add(*u.first.node());
  const std::function<void(std::int64_t)> found = [this](std::int64_t draw) { add_draw(draw); };
  Draws draws(found);
  for (const ir::Node* n : order_) {
    if (n->params.leaf()) add(*n);
    n->params.visit(draws);
  }
}

void Leaves::add_draw(std::int64_t draw) {
  if (draw_numbers_.emplace(draw, draws_.size()).second) draws_.push_back(draw);
}

void Leaves::add(const ir::Node& node) {
  if (numbers_.emplace(node.params.leaf(), size()).second) nodes_.push_back(&node);
}

int Leaves::number_of(const void* leaf) const {
  const auto it = numbers_.find(leaf);
  return it == numbers_.end() ? -1 : it->second;
}

const ir::ArrayLeaf* Leaves::array(int number) const {
  const ir::Node& n = *nodes_[static_cast<std::size_t>(number)];
  return n.op == &ops::array ? n.params.as<ops::ArrayParams>().leaf.get() : nullptr;
}

ir::SharedState* Leaves::shared(int number) const {
  const ir::Node& n = *nodes_[static_cast<std::size_t>(number)];
  if (n.op != &ops::shared) return nullptr;
  return const_cast<ir::SharedState*>(n.params.as<ops::SharedParams>().state.get());
}

} // namespace kroton::jit
