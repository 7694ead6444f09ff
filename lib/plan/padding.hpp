#pragma once
/// How the arrays of a plan are in memory: row-major, some with rows that begin at cache lines.
///
///   Padding padding = choose_padding(graph, groups);
///   padding.strides(id)                 // {32, 1} for a padded f32[n,30], {30, 1} for a dense one
///
/// The masked store that ends a dense row of a few vectors is over the beginning of the next row,
/// and a load from there waits until the store has left the core: a tanh of 30 columns takes 40
/// cycles a vector instead of 16. Arrays that only the steps of a plan see have rows of whole lines
/// instead. Nothing that is computed depends on it, nor does the order of sums.
#include <set>

#include "lib/plan/group.hpp"

namespace kroton::plan {

class Padding {
public:
  explicit Padding(const Graph& graph);

  void add(NodeId id) { padded_.insert(id); }
  bool has(NodeId id) const { return padded_.contains(id); }
  /// In elements, one for each axis.
  ir::DimList strides(NodeId id) const;
  /// Bytes of the memory of a node, the ends of padded rows included.
  Dim bytes(NodeId id) const;

private:
  /// A shape without padding. Worked out once: nodes share shapes.
  struct Dense {
    ir::DimList strides;
    Dim numel{1};
  };

  const Graph& graph_;
  support::FlatMap<const Dim*, Dense> dense_; ///< by where the shape is
  std::set<NodeId> padded_;
};

/// Pads what steps compute for other steps, has short rows, and is read or written row by row by
/// one of `groups`. Outputs, new values of shared variables, and arrays that a step needs dense
/// (library calls as their rows say, reshapes) stay as they are.
Padding choose_padding(const Graph& graph, const std::vector<Group>& groups);

/// Row-major strides of a shape.
std::vector<Dim> dense_strides(std::span<const Dim> shape);

} // namespace kroton::plan
