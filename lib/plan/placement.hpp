#pragma once
/// Decides where each value lives: the caller's outputs, a shared variable's own memory, or a
/// slot of the arena that is reused once its value has been read for the last time.
#include <map>
#include <optional>
#include <set>

#include "lib/plan/lower.hpp"
#include "lib/plan/plan.hpp"

namespace kroton::plan {

/// Told first who reads what when (`is_read`, steps in order), then asked step by step.
class Placement {
public:
  Placement(Plan& plan, std::size_t outputs, const Padding& padding)
      : plan_(plan), outputs_(outputs), padding_(padding) {}

  void add_leaf(NodeId id);
  void is_output(NodeId id, int index);
  /// `id` is the new value of the leaf `shared` (no_node if the graph does not read it).
  void is_update(NodeId id, NodeId shared, int index);
  void is_read(NodeId storage, int step, bool is_fallible);

  void begin_step(int step, bool is_fallible);
  int buffer_of(NodeId storage) const { return buffer_of_.at(storage); }
  /// Places a node; in the memory of `in_place` if that may be overwritten now.
  int place_node(NodeId id, std::optional<NodeId> in_place);
  /// Places what a kernel stores, none of it in the memory of `held`, and gives the buffer of each
  /// parameter; parameters that come to share memory become one.
  std::vector<int> place_kernel(Lowered& lowered, const std::vector<NodeId>& stored,
                                const std::set<NodeId>& held = {});
  void end_step();

private:
  bool may_overwrite(NodeId storage, NodeId by) const;
  int add_buffer(NodeId id, BufferKind kind, int index);
  int take_slot(const Dim& bytes);

  Plan& plan_;
  std::size_t outputs_;
  const Padding& padding_;
  std::map<NodeId, int> buffer_of_;
  std::map<NodeId, int> output_of_;
  std::map<NodeId, std::pair<NodeId, int>> update_of_; ///< new value → (shared leaf, update number)
  std::map<NodeId, int> last_read_;
  std::map<int, std::vector<NodeId>> ends_at_; ///< what each step is the last to read
  int last_fallible_ = -1;
  int step_ = 0;
  bool step_is_fallible_ = false;
  std::vector<int> free_slots_;
  std::set<NodeId> overwritten_;
};

} // namespace kroton::plan
