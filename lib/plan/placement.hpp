#pragma once
/// Decides where each value is: the caller's outputs, a shared variable's own memory, or a
/// slot of the arena that is reused once its value has been read for the last time; and which
/// values are written over others.
///
///   const Placement p = place(graph, padding, leaves, results, uses);
///   p.buffer_of.at(id);        // the buffer of a node that has memory of its own
///   p.aliases[step];           // what the step writes over what it reads
///
/// It knows of a step only what StepUse says, and changes nothing.
#include <map>
#include <span>
#include <vector>

#include "lib/plan/padding.hpp"
#include "lib/plan/plan.hpp"

namespace kroton::plan {

/// A node that a step stores. Of a join it may be a part, and other steps store the others.
struct StoredNode {
  NodeId id = ir::no_node;
  /// The nodes in whose memory the step could store it, best first. Whether anybody else still
  /// needs them is for the placement to find out.
  std::vector<NodeId> may_overwrite = {};
};

/// What a step does to memory.
struct StepUse {
  std::vector<NodeId> reads;      ///< the nodes whose memory it reads
  std::vector<StoredNode> stores; ///< in the order in which they get their buffers
  bool can_fail = false;
};

/// What is handed to the caller and to shared variables.
struct Results {
  /// A new value and the leaf that stands for its variable: no_node if the graph does not read it.
  struct Update {
    NodeId value = ir::no_node, variable = ir::no_node;
  };
  std::vector<NodeId> outputs;
  std::vector<Update> updates;
  bool keeps_variables = false; ///< no new value takes its variable's memory while the call runs
};

struct Placement {
  std::vector<Buffer> buffers; ///< those of the leaves first, then in the order of stores
  std::vector<Dim> slots;      ///< bytes of each slot of the arena
  std::map<NodeId, int> buffer_of;
  std::vector<std::vector<Alias>> aliases; ///< of each step
};

/// `uses` are the steps in their order.
Placement place(const Graph& graph, const Padding& padding, std::span<const NodeId> leaves,
                const Results& results, std::span<const StepUse> uses);

} // namespace kroton::plan
