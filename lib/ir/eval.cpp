#include "lib/ir/eval.hpp"

#include <algorithm>
#include <ranges>
#include <utility>

#include "lib/ir/extended.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton::ir {
namespace {

bool has_float(std::span<const Array> arrays) {
  return std::ranges::any_of(arrays, [](const Array& a) { return is_float(a.dtype()); });
}

/// Reads element i of a dense array as a V: double, long double or Wide.
template <class V> using Read = V (*)(const void*, std::int64_t);

template <class V> Read<V> reader(DType t) {
  return support::visit_dtype(t, []<class T>(std::type_identity<T>) -> Read<V> {
    return
        [](const void* p, std::int64_t i) { return static_cast<V>(static_cast<const T*>(p)[i]); };
  });
}

constexpr std::size_t max_arity = 4;

/// out[i] = f(the inputs' elements i), which are read as V.
template <class V, class F> void apply(const EvalContext& c, Array& out, F f) {
  const std::size_t arity = c.inputs.size();
  std::vector<Array> dense;
  Read<V> read[max_arity] = {};
  const void* from[max_arity] = {};
  const double* rest[max_arity] = {};
  const auto kept = [&](const Array& a) {
    return std::as_const(dense.emplace_back(a.broadcast_to(out.shape()).contiguous())).raw();
  };
  for (std::size_t k = 0; k < arity; ++k) {
    read[k] = reader<V>(c.inputs[k].dtype());
    from[k] = kept(c.inputs[k]);
    if (!c.rests.empty() && is_float(c.inputs[k].dtype()))
      rest[k] = static_cast<const double*>(kept(c.rests[k]));
  }
  support::visit_dtype(c.dtype, [&]<class T>(std::type_identity<T>) {
    const Results<T> to(c, out);
    V v[max_arity] = {};
    for (std::int64_t i = 0; i < out.numel(); ++i) {
      for (std::size_t k = 0; k < arity; ++k) {
        v[k] = read[k](from[k], i);
        if (rest[k] && rest[k][i] != 0) v[k] += static_cast<V>(rest[k][i]);
      }
      to.set(i, f(v));
    }
  });
}

Array evaluate_elementwise(const EvalContext& c) {
  KROTON_CHECK(c.inputs.size() <= max_arity, "{} has {} inputs", c.op.name, c.inputs.size());
  Array out = Array::empty(c.dtype, Shape(c.shape.begin(), c.shape.end()));
  if (has_float(c.inputs)) {
    KROTON_CHECK(c.op.eval_float, "{} has no evaluator for floats", c.op.name);
    if (c.rests.empty())
      apply<double>(c, out, c.op.eval_float);
    else
      apply<long double>(c, out, c.op.eval_float);
  } else {
    KROTON_CHECK(c.op.eval_int, "{} has no evaluator for integers", c.op.name);
    apply<Wide>(c, out, c.op.eval_int);
  }
  return out;
}

/// Evaluated widened, a float is the sum of both; any other value is `nearest`, and `rest` again.
struct Value {
  Array nearest, rest;
};

/// Whether an op that makes floats of floats only moves them.
bool moves_elements(const Op& op) {
  return op.eval && !op.has(Trait::reduction) && !op.has(Trait::contraction) &&
         !op.has(Trait::scatter);
}

Value evaluate_node(EvalContext c, Precision precision) {
  const auto eval = c.op.eval ? c.op.eval : evaluate_elementwise;
  if (precision == Precision::rounded || !is_float(c.dtype)) {
    const Array value = eval(c);
    return {value, value};
  }
  if (!has_float(c.inputs)) {
    const Array value = eval(c);
    return {value, Array::zeros(value.dtype(), value.shape())};
  }
  Value value;
  if (moves_elements(c.op)) {
    value.nearest = eval(c);
    c.inputs = c.rests;
    value.rest = eval(c);
  } else {
    c.rest = &value.rest;
    value.nearest = eval(c);
  }
  return value;
}

} // namespace

std::vector<Array> evaluate(const Graph& graph, std::span<const NodeId> wanted,
                            const Bindings& bindings, Precision precision) {
  std::unordered_map<NodeId, Value> values;
  const bool is_widened = precision != Precision::rounded;
  auto stored = [&](DType t) { return is_widened && is_float(t) ? DType::f64 : t; };
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
        const Array v = known->second.dtype() == t ? known->second : known->second.astype(t);
        values.emplace(id, Value{v, is_widened && is_float(t) ? Array::zeros(t, v.shape()) : v});
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
    std::vector<Array> inputs, rests;
    for (NodeId i : n.inputs) {
      inputs.push_back(values.at(i).nearest);
      if (is_widened) rests.push_back(values.at(i).rest);
    }
    Shape shape, dims;
    for (const Dim& d : n.type.shape) shape.push_back(size(d));
    for (const Dim& d : n.attrs.dims) dims.push_back(size(d));
    const EvalContext context{.op = *n.op,
                              .inputs = inputs,
                              .attrs = n.attrs,
                              .dtype = stored(n.type.dtype),
                              .declared = n.type.dtype,
                              .shape = shape,
                              .dims = dims,
                              .rests = rests,
                              .flushes = precision == Precision::flushed};
    KROTON_CHECK(n.op->eval || n.op->has(Trait::elementwise), "{} {} has no value", n.op->name,
                 n.name);
    values.emplace(id, evaluate_node(context, precision));
    for (NodeId i : n.inputs)
      if (--uses[i] == 0) values.erase(i);
  }
  std::vector<Array> result;
  for (NodeId id : wanted) result.push_back(values.at(id).nearest);
  return result;
}

} // namespace kroton::ir
