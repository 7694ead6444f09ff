#include "lib/plan/padding.hpp"

#include <algorithm>

#include "lib/ir/call.hpp"

namespace kroton::plan {
namespace dims = ir::dims;
namespace {

constexpr std::int64_t line = 64; ///< bytes of a cache line, and of the longest vectors
/// Rows of more lines gain little, and distances of powers of two would put them in few sets of the
/// first-level cache.
constexpr std::int64_t most_lines = 4;

std::int64_t items_of_line(DType dtype) {
  return line / static_cast<std::int64_t>(item_size(dtype));
}

/// Whether rows of this type gain by padding: they are some vectors long, and at least half full.
bool has_short_rows(const ir::Type& type) {
  if (type.rank() < 2 || !type.shape.back().is_static()) return false;
  const std::int64_t n = type.shape.back().value(), items = items_of_line(type.dtype);
  return 2 * n >= items && n % items != 0 && n <= most_lines * items;
}

class Chooser {
public:
  Chooser(const Graph& graph, const std::vector<Group>& groups)
      : graph_(graph), groups_(groups), padding_(graph) {}

  Padding run() {
    find_dense();
    for (const Group& group : groups_) {
      const bool walks_rows = !is_flat(group, edges_);
      // The order of a reduction's sum is that of its loops: one inner axis is one whatever the
      // distance of rows, several may be walked as one if rows are dense.
      // Unrolled axes are read a vector of neighbours at a time.
      const bool has_fixed_order =
          group.unrolled.empty() &&
          (static_cast<int>(group.axes.size()) == group.rows + 1 ||
           std::ranges::none_of(group.members, [](const Member& m) { return m.is_reduction; }));
      for (const Member& m : group.members) {
        consider(m.id, walks_rows, has_fixed_order);
        for (const Edge& e : edges_.of(m.id)) consider(e.view.base, walks_rows, has_fixed_order);
      }
    }
    for (NodeId id : rowwise_)
      if (!dense_.contains(id)) padding_.add(id);
    return std::move(padding_);
  }

private:
  void consider(NodeId id, bool walks_rows, bool has_fixed_order) {
    if (!has_fixed_order) dense_.insert(id);
    if (walks_rows && has_short_rows(graph_[id].type) &&
        (is_fusable(graph_, id) || graph_[id].op->call))
      rowwise_.insert(id);
  }

  /// What the caller sees, and what steps expect to be dense.
  void find_dense() {
    dense_.insert(graph_.outputs().begin(), graph_.outputs().end());
    for (NodeId id : graph_.order()) {
      const ir::GraphNode& n = graph_[id];
      if (is_alias(graph_, id)) dense_.insert(storage_of(graph_, id));
      const ir::LibraryCall* call = n.op->call;
      if (!call) continue;
      for (std::size_t i = 0; i < n.inputs.size(); ++i)
        if (call->layout_of(i) == ir::Layout::dense) dense_.insert(storage_of(graph_, n.inputs[i]));
      if (call->results.front().layout == ir::Layout::dense) dense_.insert(id);
    }
  }

  const Graph& graph_;
  const std::vector<Group>& groups_;
  EdgeCache edges_{graph_};
  std::set<NodeId> rowwise_, dense_;
  Padding padding_;
};

} // namespace

std::vector<Dim> dense_strides(std::span<const Dim> shape) {
  std::vector<Dim> strides(shape.size(), Dim(1));
  for (std::size_t i = shape.size(); i-- > 1;) strides[i - 1] = dims::mul(strides[i], shape[i]);
  return strides;
}

Padding::Padding(const Graph& graph) : graph_(graph) {
  for (std::size_t i = 0; i < graph.numel(); ++i) {
    const ir::DimList& shape = graph[static_cast<NodeId>(i)].type.shape;
    if (shape.empty() || dense_.contains(shape.data())) continue;
    std::vector<Dim> strides = dense_strides(shape);
    Dim numel = dims::mul(strides.front(), shape.front());
    dense_.emplace(shape.data(), {std::move(strides), std::move(numel)});
  }
}

ir::DimList Padding::strides(NodeId id) const {
  const ir::Type& t = graph_[id].type;
  if (t.shape.empty()) return {};
  if (!has(id)) return dense_.find(t.shape.data())->strides;
  const std::int64_t items = items_of_line(t.dtype);
  std::vector<Dim> shape = t.shape;
  shape.back() = Dim((shape.back().value() + items - 1) / items * items);
  return dense_strides(shape);
}

Dim Padding::bytes(NodeId id) const {
  const ir::Type& t = graph_[id].type;
  const Dim item(static_cast<std::int64_t>(item_size(t.dtype)));
  if (t.shape.empty()) return item;
  if (!has(id)) return dims::mul(dense_.find(t.shape.data())->numel, item);
  return dims::mul(dims::mul(strides(id).front(), t.shape.front()), item);
}

Padding choose_padding(const Graph& graph, const std::vector<Group>& groups) {
  return Chooser(graph, groups).run();
}

} // namespace kroton::plan
