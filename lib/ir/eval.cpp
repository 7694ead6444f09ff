#include "lib/ir/eval.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
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
  const double* remainder[max_arity] = {};
  const auto kept = [&](const Array& a) {
    return std::as_const(dense.emplace_back(a.broadcast_to(out.shape()).contiguous())).raw();
  };
  for (std::size_t k = 0; k < arity; ++k) {
    read[k] = reader<V>(c.inputs[k].dtype());
    from[k] = kept(c.inputs[k]);
    if (!c.remainders.empty() && is_float(c.inputs[k].dtype()))
      remainder[k] = static_cast<const double*>(kept(c.remainders[k]));
  }
  support::visit_dtype(c.dtype, [&]<class T>(std::type_identity<T>) {
    const Results<T> to(c, out);
    V v[max_arity] = {};
    for (std::int64_t i = 0; i < out.numel(); ++i) {
      for (std::size_t k = 0; k < arity; ++k) {
        v[k] = read[k](from[k], i);
        if (remainder[k] && remainder[k][i] != 0) v[k] += static_cast<V>(remainder[k][i]);
      }
      to.set(i, f(v));
    }
  });
}

} // namespace

Array evaluate_elementwise(const EvalContext& c) {
  KROTON_CHECK(c.inputs.size() <= max_arity, "{} has {} inputs", c.op.name, c.inputs.size());
  Array out = Array::empty(c.dtype, Shape(c.shape.begin(), c.shape.end()));
  if (has_float(c.inputs)) {
    KROTON_CHECK(c.op.eval_float, "{} has no evaluator for floats", c.op.name);
    if (c.remainders.empty())
      apply<double>(c, out, c.op.eval_float);
    else
      apply<long double>(c, out, c.op.eval_float);
  } else {
    KROTON_CHECK(c.op.eval_int, "{} has no evaluator for integers", c.op.name);
    apply<Wide>(c, out, c.op.eval_int);
  }
  return out;
}

EvalContext EvalContext::of_result(std::size_t k, const Op& by) const {
  EvalContext c{.op = by,
                .inputs = inputs,
                .params = params,
                .dtype = results[k].dtype,
                .declared = results[k].declared,
                .shape = results[k].shape,
                .size_of = size_of,
                .remainders = remainders};
  c.remainder = results[k].remainder;
  c.flush_denormals = flush_denormals;
  return c;
}

namespace {

/// Evaluated widened, a float is the sum of both; any other value is `nearest`, and `remainder`
/// again.
struct Value {
  Array nearest, remainder;
};

/// How the floats of an op's result come about.
enum class Making : std::uint8_t {
  moved,    ///< they are floats of its inputs, and zeros: parts of them are moved alike
  computed, ///< one by one; the evaluator gives what is missing from an f64
  summed,   ///< from many terms, in an order that nobody promises; the evaluator as before
  whole,    ///< from whole arrays by a function that rounds as it likes; the evaluator as before
};

Making making_of(const Op& op) {
  switch (op.kind) {
  case Kind::leaf:
  case Kind::generator:
  case Kind::random:
  case Kind::movement:
  case Kind::pad:
  case Kind::gather:
    return Making::moved;
  case Kind::elementwise:
    return op.result == Result::cast ? Making::moved : Making::computed;
  case Kind::reduction:
  case Kind::scatter:
  case Kind::contraction:
    return Making::summed;
  case Kind::library:
  case Kind::several: // see evaluate_parts
  case Kind::part:
    break;
  }
  return Making::whole;
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
  if (making_of(c.op) == Making::moved) {
    value.nearest = eval(c);
    c.inputs = c.remainders;
    value.remainder = eval(c);
  } else {
    value.remainder = Array::empty(DType::bool_, {}); // is still there if the evaluator writes none
    c.remainder = &value.remainder;
    value.nearest = eval(c);
    KROTON_CHECK(value.remainder.dtype() == DType::f64 &&
                     value.remainder.shape() == value.nearest.shape(),
                 "the evaluator of {} does not say what is missing from its f64", c.op.name);
  }
  return value;
}

/// The results of a node that has several, each as of a node of its own.
std::vector<Value> evaluate_parts(const EvalContext& c, std::vector<EvalResult> results,
                                  Precision precision) {
  const bool has_remainders = precision != Precision::rounded && has_float(c.inputs);
  std::vector<Value> values(results.size());
  for (std::size_t k = 0; k < results.size(); ++k)
    results[k].remainder =
        has_remainders && is_float(results[k].dtype) ? &values[k].remainder : nullptr;
  EvalContext all = c;
  all.results = results;
  std::vector<Array> arrays = c.op.eval_all(all);
  KROTON_CHECK(arrays.size() == values.size(), "{} gives {} of {} results", c.op.name,
               arrays.size(), values.size());
  for (std::size_t k = 0; k < values.size(); ++k) {
    values[k].nearest = std::move(arrays[k]);
    if (results[k].remainder) continue;
    values[k].remainder = precision != Precision::rounded && is_float(results[k].dtype)
                              ? Array::zeros(results[k].dtype, results[k].shape)
                              : values[k].nearest;
  }
  return values;
}

/// Moves some floats of an array by some units in the last place; see Bindings::nudge.
class Nudger {
public:
  /// `site` tells the nodes of a graph apart.
  Nudger(std::uint64_t nudge, NodeId site)
      : seed_(nudge * 0x9E3779B97F4A7C15u + static_cast<std::uint64_t>(site)),
        moves_all_ends_(nudge % 4 == 0) {}

  /// Those of `a` for which `is_exact(i)` is false; what is 0 or infinite only if `moves_ends(i)`.
  template <class F, class G> Array operator()(const Array& a, F is_exact, G moves_ends) const {
    Array moved = a.contiguous().copy();
    support::visit_dtype(a.dtype(), [&]<class T>(std::type_identity<T>) {
      if constexpr (std::is_floating_point_v<T>) {
        T* v = moved.data<T>();
        for (std::int64_t i = 0; i < moved.numel(); ++i)
          if (!is_exact(i)) v[i] = moved_by(v[i], draw(i), moves_ends(i));
      }
    });
    return moved;
  }

private:
  /// `random` decides the direction and how far: different steps rarely cancel each other.
  template <class T> T moved_by(T v, std::uint64_t random, bool moves_ends) const {
    constexpr T largest = std::numeric_limits<T>::max();
    if (std::isnan(v)) return v;
    const bool is_up = (random & 1) != 0;
    if (std::isfinite(v) && v != 0) {
      const auto steps = 1 + (random >> 1) % most_steps;
      for (std::uint64_t s = 0; s < steps; ++s) v = std::nextafter(v, is_up ? largest : -largest);
      return v;
    }
    if (!moves_ends || (is_up && !moves_all_ends_)) return v;
    return std::copysign(v == 0 ? std::numeric_limits<T>::denorm_min() : largest, v);
  }

  std::uint64_t draw(std::int64_t i) const {
    std::uint64_t h = seed_ ^ (static_cast<std::uint64_t>(i) * 0xBF58476D1CE4E5B9u);
    h = (h ^ (h >> 31)) * 0x94D049BB133111EBu;
    return h >> 40;
  }

  static constexpr std::uint64_t most_steps = 4;

  std::uint64_t seed_;
  bool moves_all_ends_; ///< drawn one by one, many would hardly ever all move
};

/// Elements of arrays that are broadcast to one shape.
class Elements {
public:
  Elements(std::span<const Array> arrays, const Shape& shape) {
    for (const Array& a : arrays)
      dense_.push_back(a.broadcast_to(shape).astype(DType::f64).contiguous());
  }
  /// Whether those at i are whole numbers so small that their sums and products are exact.
  bool are_whole(std::int64_t i) const {
    return all(i, [](double v) { return v == std::trunc(v) && std::fabs(v) < 1 << 20; });
  }
  bool are_finite(std::int64_t i) const {
    return all(i, [](double v) { return std::isfinite(v); });
  }

private:
  template <class F> bool all(std::int64_t i, F f) const {
    return std::ranges::all_of(dense_, [&](const Array& a) { return f(a.data<double>()[i]); });
  }

  std::vector<Array> dense_;
};

/// f of each element of an array of floats; other arrays as they are.
template <class F> Array mapped(const Array& a, F f) {
  if (!is_float(a.dtype())) return a;
  Array result = a.contiguous().copy();
  support::visit_dtype(a.dtype(), [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_floating_point_v<T>) {
      T* v = result.data<T>();
      for (std::int64_t i = 0; i < result.numel(); ++i) v[i] = f(i, v[i]);
    }
  });
  return result;
}

/// Sums and products: each term has a rounding error of its own, and the result another one.
Array evaluate_nudged_sum(EvalContext c, std::uint64_t nudge, NodeId id) {
  const auto never = [](std::int64_t) { return false; };
  std::vector<Array> inputs, magnitudes;
  bool are_all_whole = true;
  const bool multiplies = c.op.fold && c.op.fold->identity == Identity::one;
  for (const Array& a : c.inputs) {
    const Elements elements({&a, 1}, a.shape());
    const auto is_whole = [&](std::int64_t i) { return elements.are_whole(i); };
    are_all_whole = are_all_whole &&
                    std::ranges::all_of(std::views::iota(std::int64_t{0}, a.numel()), is_whole);
    inputs.push_back(Nudger(nudge + inputs.size() + 1, id)(a, is_whole, never));
    // A factor below 1 comes after the larger ones, and after the sums that it multiplies.
    const bool is_factor = multiplies || (c.op.is(Kind::contraction) && a.rank() == 0);
    const int neutral = is_factor ? 1 : 0;
    magnitudes.push_back(mapped(a, [&]<class T>(std::int64_t, T v) {
      return std::isfinite(v) ? std::max(std::fabs(v), T(neutral)) : T(multiplies ? 1 : 0);
    }));
  }
  c.inputs = inputs;
  const Array value = Nudger(nudge, id)(
      evaluate_node(c, Precision::rounded).nearest, [&](std::int64_t) { return are_all_whole; },
      never);
  c.inputs = magnitudes;
  const Array most = evaluate_node(c, Precision::rounded).nearest;
  const Elements bounds({&most, 1}, most.shape());
  // Products of factors below 1 alone may underflow before a large one comes.
  std::optional<Array> least;
  if (multiplies) {
    const Array small = mapped(inputs[0], [&]<class T>(std::int64_t, T v) {
      return std::isfinite(v) && v != 0 ? std::min(std::fabs(v), T(1)) : T(1);
    });
    c.inputs = {&small, 1};
    least = evaluate_node(c, Precision::rounded).nearest.astype(DType::f64).contiguous();
  }
  return mapped(value, [&]<class T>(std::int64_t i, T v) {
    constexpr T infinity = std::numeric_limits<T>::infinity();
    constexpr T ends[] = {0, std::numeric_limits<T>::quiet_NaN(), infinity, -infinity};
    const bool may_vanish = least && std::as_const(*least).data<double>()[i] <
                                         static_cast<double>(std::numeric_limits<T>::min());
    return bounds.are_finite(i) && !may_vanish ? v : ends[nudge % 4];
  });
}

/// Roundings within a function are taken for roundings of its inputs and its result.
Array evaluate_nudged_whole(EvalContext c, std::uint64_t nudge, NodeId id) {
  const auto never = [](std::int64_t) { return false; };
  std::vector<Array> inputs;
  for (const Array& a : c.inputs)
    inputs.push_back(is_float(a.dtype()) ? Nudger(nudge + inputs.size() + 1, id)(a, never, never)
                                         : a);
  c.inputs = inputs;
  return Nudger(nudge, id)(evaluate_node(c, Precision::rounded).nearest, never, never);
}

/// As evaluate_parts does in Precision::rounded, with other roundings.
std::vector<Value> evaluate_nudged_parts(const EvalContext& c, std::vector<EvalResult> results,
                                         std::uint64_t nudge, NodeId id) {
  std::vector<Value> values = evaluate_parts(c, std::move(results), Precision::rounded);
  for (std::size_t k = 0; k < values.size(); ++k) {
    if (!is_float(values[k].nearest.dtype())) continue;
    const Elements elements({&values[k].nearest, 1}, values[k].nearest.shape());
    values[k].nearest = values[k].remainder = Nudger(nudge + k, id)(
        values[k].nearest, [&](std::int64_t i) { return elements.are_whole(i); },
        [](std::int64_t) { return false; });
  }
  return values;
}

/// As evaluate_node does in Precision::rounded, with other roundings.
Array evaluate_nudged(const EvalContext& c, std::uint64_t nudge, NodeId id, bool is_wanted) {
  const Making making = making_of(c.op);
  if (is_float(c.dtype) && making == Making::whole) return evaluate_nudged_whole(c, nudge, id);
  if (is_float(c.dtype) && making == Making::summed) return evaluate_nudged_sum(c, nudge, id);
  const Array value = evaluate_node(c, Precision::rounded).nearest;
  if (!is_float(c.dtype) || !c.op.is(Kind::elementwise)) return value;
  const bool is_cast = c.inputs.size() == 1 && c.inputs[0].dtype() != value.dtype();
  // What also computes with integers and has not two inputs chooses an input, or cuts it off.
  if (c.op.eval_int && c.inputs.size() != 2 && !is_cast) return value;
  const Elements inputs(c.inputs, value.shape()), results({&value, 1}, value.shape());
  return Nudger(nudge, id)(
      value,
      [&](std::int64_t i) { return c.op.eval_int && inputs.are_whole(i) && results.are_whole(i); },
      [&](std::int64_t i) { return !is_wanted && inputs.are_finite(i); });
}

} // namespace

std::vector<Array> evaluate(const Graph& graph, std::span<const NodeId> wanted,
                            const Bindings& bindings, Precision precision) {
  std::unordered_map<NodeId, Value> values;
  std::unordered_map<NodeId, std::vector<Value>> parts; // of nodes with several results
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
        const bool is_kept = known->second.dtype() == t && !is_bool(t);
        const Array v = is_kept ? known->second : known->second.astype(t); // bools of 0 and 1
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
    if (n.op->is(Kind::part)) {
      const NodeId of = n.inputs[0];
      values.emplace(id, parts.at(of)[part_of(n)]);
      if (--uses[of] == 0) parts.erase(of);
      continue;
    }
    std::vector<Array> inputs, remainders;
    for (NodeId i : n.inputs) {
      inputs.push_back(values.at(i).nearest);
      if (is_widened) remainders.push_back(values.at(i).remainder);
    }
    Shape shape;
    for (const Dim& d : n.type.shape) shape.push_back(size(d));
    const EvalContext context{.op = *n.op,
                              .inputs = inputs,
                              .params = n.params,
                              .dtype = stored(n.type.dtype),
                              .declared = n.type.dtype,
                              .shape = shape,
                              .size_of = bindings.size_of,
                              .remainders = remainders,
                              .flush_denormals = precision == Precision::flushed};
    KROTON_CHECK(n.op->eval || n.op->eval_all || n.op->is(Kind::elementwise), "{} {} has no value",
                 n.op->name, n.name);
    try {
      if (!n.type.is_array()) {
        std::vector<EvalResult> results;
        for (const Type& t : *n.type.parts) {
          results.push_back({stored(t.dtype), t.dtype, {}, nullptr});
          for (const Dim& d : t.shape) results.back().shape.push_back(size(d));
        }
        parts.emplace(id,
                      bindings.nudge != 0
                          ? evaluate_nudged_parts(context, std::move(results), bindings.nudge, id)
                          : evaluate_parts(context, std::move(results), precision));
      } else if (bindings.nudge != 0) {
        const Array value = evaluate_nudged(context, bindings.nudge, id,
                                            std::ranges::find(wanted, id) != wanted.end());
        values.emplace(id, Value{value, value});
      } else {
        values.emplace(id, evaluate_node(context, precision));
      }
      if (bindings.watch && n.type.is_array()) bindings.watch(id, context, values.at(id).nearest);
    } catch (const DeviceError& e) { // memory is short: evaluators do not know whose line it is
      support::fail<DeviceError>(e.text().op,
                                 {.place = support::describe(n.where), .hint = e.text().hint}, "{}",
                                 e.text().message);
    }
    for (NodeId i : n.inputs)
      if (--uses[i] == 0) values.erase(i);
  }
  std::vector<Array> result;
  for (NodeId id : wanted) result.push_back(values.at(id).nearest);
  return result;
}

} // namespace kroton::ir
