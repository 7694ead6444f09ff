#pragma once
/// The inputs, shared variables and arrays of a program by number, so that a plan can name them
/// whatever their addresses and data: inputs first, as arguments are; then updated variables; then
/// the others as a walk over the expressions meets them.
///
///   const Leaves leaves(signature);
///   leaves.number_of(node->params.leaf());     // -1 if it is none of them
///   leaves.array(5)->value;                       // null if leaf 5 is no array
#include <unordered_map>
#include <vector>

#include "jit/compile/signature.hpp"
#include "lib/ir/node.hpp"

namespace kroton::jit {

/// Lives no longer than the signature.
class Leaves {
public:
  explicit Leaves(const Signature& signature);

  int size() const { return static_cast<int>(nodes_.size()); }
  int number_of(const void* leaf) const;
  /// The draws of random streams are numbered as well, as the walk meets them.
  std::size_t draws() const { return draws_.size(); }
  std::int64_t draw(int number) const { return draws_[static_cast<std::size_t>(number)]; }
  /// `draw` is one of the program's.
  int number_of_draw(std::int64_t draw) const { return draw_numbers_.at(draw); }
  const ir::ArrayLeaf* array(int number) const;
  ir::SharedState* shared(int number) const;
  /// The signature's.
  const std::vector<const ir::Node*>& order() const { return order_; }

private:
  void add(const ir::Node& node);
  void add_draw(std::int64_t draw);

  const std::vector<const ir::Node*>& order_;
  std::vector<const ir::Node*> nodes_;
  std::unordered_map<const void*, int> numbers_;
  std::vector<std::int64_t> draws_;
  std::unordered_map<std::int64_t, int> draw_numbers_;
};

} // namespace kroton::jit
