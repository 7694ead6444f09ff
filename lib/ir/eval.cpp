#include "lib/ir/eval.hpp"

#include <ranges>
#include <utility>

#include "lib/support/visit_dtype.hpp"

namespace kroton::ir {
namespace {

/// Reads element i of a dense array as a double.
using ReadFloat = double (*)(const void*, std::int64_t);
using ReadInt = Wide (*)(const void*, std::int64_t);

ReadFloat float_reader(DType t) {
  return support::visit_dtype(t, []<class T>(std::type_identity<T>) -> ReadFloat {
    return [](const void* p, std::int64_t i) {
      return static_cast<double>(static_cast<const T*>(p)[i]);
    };
  });
}
ReadInt int_reader(DType t) {
  return support::visit_dtype(t, []<class T>(std::type_identity<T>) -> ReadInt {
    return [](const void* p, std::int64_t i) {
      return static_cast<Wide>(static_cast<const T*>(p)[i]);
    };
  });
}

constexpr std::size_t max_arity = 4;

Array evaluate_elementwise(const EvalContext& c) {
  const std::size_t arity = c.inputs.size();
  KROTON_CHECK(arity <= max_arity, "{} has {} inputs", c.op.name, arity);
  const Shape shape(c.shape.begin(), c.shape.end());
  std::vector<Array> dense;
  bool is_floating = false;
  for (const Array& a : c.inputs) {
    dense.push_back(a.broadcast_to(shape).contiguous());
    is_floating = is_floating || is_float(a.dtype());
  }
  Array out = Array::empty(c.dtype, shape);
  const std::int64_t n = out.numel();
  const void* from[max_arity] = {};
  for (std::size_t k = 0; k < arity; ++k) from[k] = std::as_const(dense[k]).raw();
  support::visit_dtype(c.dtype, [&]<class T>(std::type_identity<T>) {
    T* to = out.data<T>();
    if (is_floating) {
      KROTON_CHECK(c.op.eval_float, "{} has no evaluator for floats", c.op.name);
      ReadFloat read[max_arity] = {};
      for (std::size_t k = 0; k < arity; ++k) read[k] = float_reader(dense[k].dtype());
      double v[max_arity] = {};
      for (std::int64_t i = 0; i < n; ++i) {
        for (std::size_t k = 0; k < arity; ++k) v[k] = read[k](from[k], i);
        to[i] = static_cast<T>(c.op.eval_float(v));
      }
    } else {
      KROTON_CHECK(c.op.eval_int, "{} has no evaluator for integers", c.op.name);
      ReadInt read[max_arity] = {};
      for (std::size_t k = 0; k < arity; ++k) read[k] = int_reader(dense[k].dtype());
      Wide v[max_arity] = {};
      for (std::int64_t i = 0; i < n; ++i) {
        for (std::size_t k = 0; k < arity; ++k) v[k] = read[k](from[k], i);
        to[i] = static_cast<T>(c.op.eval_int(v));
      }
    }
  });
  return out;
}

} // namespace

std::vector<Array> evaluate(const Graph& graph, std::span<const NodeId> wanted,
                            const Bindings& bindings, Precision precision) {
  std::unordered_map<NodeId, Array> values;
  auto stored = [&](DType t) {
    return precision == Precision::widened && is_float(t) ? DType::f64 : t;
  };
  auto size = [&](const Dim& d) { return dims::evaluate(d, bindings.size_of); };

  // Known values cut the graph: what only they need is not computed.
  std::vector<NodeId> order;
  {
    std::unordered_map<NodeId, bool> done;
    std::vector<std::pair<NodeId, bool>> stack;
    for (auto it = wanted.rbegin(); it != wanted.rend(); ++it) stack.emplace_back(*it, false);
    while (!stack.empty()) {
      const auto [id, inputs_done] = stack.back();
      stack.pop_back();
      if (done.contains(id)) continue;
      if (const auto known = bindings.values.find(id); known != bindings.values.end()) {
        const DType t = stored(known->second.dtype());
        values.emplace(id, known->second.dtype() == t ? known->second : known->second.astype(t));
        done.emplace(id, true);
      } else if (inputs_done) {
        order.push_back(id);
        done.emplace(id, true);
      } else {
        stack.emplace_back(id, true);
        for (NodeId i : std::views::reverse(graph[id].inputs)) stack.emplace_back(i, false);
      }
    }
  }

  std::unordered_map<NodeId, int> uses;
  for (NodeId id : order)
    for (NodeId i : graph[id].inputs) ++uses[i];
  for (NodeId id : wanted) ++uses[id];

  for (NodeId id : order) {
    const GraphNode& n = graph[id];
    std::vector<Array> inputs;
    for (NodeId i : n.inputs) inputs.push_back(values.at(i));
    Shape shape, dims;
    for (const Dim& d : n.type.shape) shape.push_back(size(d));
    for (const Dim& d : n.attrs.dims) dims.push_back(size(d));
    const EvalContext context{*n.op,        inputs, n.attrs, stored(n.type.dtype),
                              n.type.dtype, shape,  dims};
    KROTON_CHECK(n.op->eval || n.op->has(Trait::elementwise), "{} {} has no value", n.op->name,
                 n.name);
    values.emplace(id, n.op->eval ? n.op->eval(context) : evaluate_elementwise(context));
    for (NodeId i : n.inputs)
      if (--uses[i] == 0) values.erase(i);
  }
  std::vector<Array> result;
  for (NodeId id : wanted) result.push_back(values.at(id));
  return result;
}

} // namespace kroton::ir
