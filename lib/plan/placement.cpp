#include "lib/plan/placement.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include "lib/support/error.hpp"

namespace kroton::plan {
namespace dims = ir::dims;
namespace {

class Placer {
public:
  Placer(const Graph& graph, const Padding& padding, const Results& results,
         std::span<const StepUse> uses)
      : g_(graph), padding_(padding), uses_(uses), dies_in_(uses.size()) {
    for (std::size_t i = 0; i < results.outputs.size(); ++i)
      output_of_[results.outputs[i]] = static_cast<int>(i);
    for (std::size_t i = 0; i < results.updates.size(); ++i)
      update_of_[results.updates[i].value] = {results.updates[i].variable, static_cast<int>(i)};
    if (results.keeps_variables) last_fallible_ = static_cast<int>(uses.size());
    for (std::size_t s = 0; s < uses.size(); ++s) {
      for (NodeId id : uses[s].reads) last_read_[id] = static_cast<int>(s);
      if (uses[s].can_fail) last_fallible_ = std::max(last_fallible_, static_cast<int>(s));
    }
    for (const auto& [id, last] : last_read_)
      dies_in_[static_cast<std::size_t>(last)].push_back(id);
    find_beginnings();
  }

  Placement run(std::span<const NodeId> leaves) {
    for (NodeId id : leaves) add_buffer(id, BufferKind::leaf, -1);
    for (const StepUse& use : uses_) {
      std::vector<Alias>& aliases = placement_.aliases.emplace_back();
      for (const StoredNode& stored : use.stores) {
        if (placement_.buffer_of.contains(stored.id)) continue; // another part of a join
        const auto over = std::ranges::find_if(
            stored.may_overwrite, [&](NodeId old) { return is_free_for(old, stored.id); });
        if (over == stored.may_overwrite.end()) {
          add_buffer_of_its_own(stored.id);
        } else {
          overwrite(*over, stored.id);
          aliases.push_back({stored.id, *over});
        }
      }
      free_slots_of_the_dead();
      ++step_;
    }
    return std::move(placement_);
  }

private:
  /// What a call overwrites on the way to a result is computed where the result will be; else the
  /// call would have to copy it there.
  void find_beginnings() {
    for (std::size_t s = uses_.size(); s-- > 0;)
      for (const StoredNode& stored : uses_[s].stores) {
        const NodeId result = result_of(stored.id);
        const ir::LibraryCall* call = g_[stored.id].op->call;
        if (!has_place(result) || !call || !call->results.front().in_place_of) continue;
        for (NodeId old : stored.may_overwrite)
          if (!g_[old].is_leaf() && !has_place(result_of(old)) &&
              last_read_[old] == static_cast<int>(s) && has_same_layout(old, stored.id)) {
            begins_[old] = result;
            break;
          }
      }
  }
  /// The result in whose memory a value is on the way to it; the value itself if there is none.
  NodeId result_of(NodeId value) const {
    const auto it = begins_.find(value);
    return it == begins_.end() ? value : it->second;
  }
  /// Whether memory that is not the arena's is meant for it.
  bool has_place(NodeId result) const {
    return output_of_.contains(result) || update_of_.contains(result);
  }
  bool has_same_layout(NodeId a, NodeId b) const {
    const ir::Type &s = g_[a].type, &t = g_[b].type;
    return s.dtype == t.dtype && dims::same(s.shape, t.shape) && padding_.has(a) == padding_.has(b);
  }

  Buffer& buffer(NodeId id) {
    return placement_.buffers[static_cast<std::size_t>(placement_.buffer_of.at(id))];
  }

  void add_buffer(NodeId id, BufferKind kind, int index) {
    const ir::Type& t = g_[id].type;
    placement_.buffer_of[id] = static_cast<int>(placement_.buffers.size());
    placement_.buffers.push_back({id, kind, index, t.dtype, t.shape, padding_.strides(id)});
  }

  void add_buffer_of_its_own(NodeId id) {
    const NodeId result = result_of(id);
    if (const auto it = output_of_.find(result); it != output_of_.end())
      return add_buffer(id, BufferKind::output, it->second);
    if (const auto it = update_of_.find(result); it != update_of_.end())
      return add_buffer(id, BufferKind::update, it->second.second);
    add_buffer(id, BufferKind::temp, take_slot(padding_.bytes(id)));
  }

  /// Whether nobody needs what is in `old` after this step, so that `value` may take its place.
  bool is_free_for(NodeId old, NodeId value) {
    const auto last = last_read_.find(old);
    if (last == last_read_.end() || last->second != step_ || overwritten_.contains(old))
      return false;
    const ir::Type &old_type = g_[old].type, &new_type = g_[value].type;
    if (old_type.dtype != new_type.dtype ||
        !dims::same(dims::product(old_type.shape), dims::product(new_type.shape)))
      return false;
    const bool is_padded = padding_.has(value);
    if (is_padded != padding_.has(old) ||
        (is_padded && !dims::same(old_type.shape, new_type.shape)))
      return false;
    const Buffer& b = buffer(old);
    const NodeId result = result_of(value);
    if (!g_[old].is_leaf() && result_of(old) != old) return result_of(old) == result;
    if (b.kind == BufferKind::temp) return !has_place(result);
    // A shared variable's memory takes its own new value once nothing can fail any more.
    const auto update = update_of_.find(result);
    return b.kind == BufferKind::leaf && update != update_of_.end() &&
           update->second.first == old && last_fallible_ <= step_ &&
           !uses_[static_cast<std::size_t>(step_)].can_fail;
  }

  void overwrite(NodeId old, NodeId value) {
    overwritten_.insert(old);
    Buffer& b = buffer(old);
    // A slot of the arena lives on under the new value's name.
    if (b.kind == BufferKind::leaf) b.index = update_of_.at(result_of(value)).second;
    placement_.buffer_of[value] = placement_.buffer_of.at(old);
  }

  int take_slot(const Dim& bytes) {
    std::vector<Dim>& slots = placement_.slots;
    const auto fits = [&](int s) {
      const Dim& have = slots[static_cast<std::size_t>(s)];
      return dims::same(have, bytes) ||
             (have.is_static() && bytes.is_static() && bytes.value() <= have.value());
    };
    if (const auto it = std::ranges::find_if(free_slots_, fits); it != free_slots_.end()) {
      const int slot = *it;
      free_slots_.erase(it);
      return slot;
    }
    // Slots of one size share its dims.
    const bool is_same = !slots.empty() && dims::same(slots.back(), bytes);
    slots.push_back(is_same ? slots.back() : bytes);
    return static_cast<int>(slots.size()) - 1;
  }

  void free_slots_of_the_dead() {
    for (NodeId id : dies_in_[static_cast<std::size_t>(step_)]) {
      if (!placement_.buffer_of.contains(id) || overwritten_.contains(id)) continue;
      if (const Buffer& b = buffer(id); b.kind == BufferKind::temp) free_slots_.push_back(b.index);
    }
  }

  const Graph& g_;
  const Padding& padding_;
  const std::span<const StepUse> uses_;
  std::map<NodeId, int> output_of_;
  std::map<NodeId, std::pair<NodeId, int>> update_of_; ///< new value → (variable, update number)
  std::map<NodeId, NodeId> begins_; ///< what is in a result's memory before it → the result
  std::map<NodeId, int> last_read_;
  std::vector<std::vector<NodeId>> dies_in_; ///< what each step is the last to read
  int last_fallible_ = -1; ///< the last step after which the call may end without a result
  int step_ = 0;
  std::vector<int> free_slots_;
  std::set<NodeId> overwritten_;
  Placement placement_;
};

} // namespace

Placement place(const Graph& graph, const Padding& padding, std::span<const NodeId> leaves,
                const Results& results, std::span<const StepUse> uses) {
  return Placer(graph, padding, results, uses).run(leaves);
}

} // namespace kroton::plan
