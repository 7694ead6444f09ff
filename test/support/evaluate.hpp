#pragma once
/// Values for a graph's inputs, and the reference evaluator's answer.
///
///   Rng rng(seed);
///   auto bindings = bind_inputs(graph, rng, Values::special);
///   auto out = ir::evaluate(graph, graph.outputs(), bindings);
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <string>

#include "lib/ir/eval.hpp"
#include "lib/ops/basic.hpp"

namespace kroton::test {

struct Rng {
  std::uint64_t state;
  explicit Rng(std::uint64_t seed) : state(seed * 0x9E3779B97F4A7C15ull + 0x1234567) {}
  std::uint64_t next() {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state * 0x2545F4914F6CDD1Dull;
  }
  /// In [0, n).
  std::int64_t below(std::int64_t n) {
    return static_cast<std::int64_t>((next() >> 33) % static_cast<std::uint64_t>(n));
  }
  double uniform(double lo, double hi) {
    return lo + (hi - lo) * static_cast<double>(next() >> 11) * 0x1p-53;
  }
};

enum class Values {
  small,         ///< finite, within [-4, 4]
  wide,          ///< finite, also huge, tiny, denormal and zeros of both signs
  special,       ///< also NaN and infinities
  small_special, ///< as small, and NaN, infinities and zeros of both signs
};

inline double draw(Rng& rng, Values values) {
  using Limits = std::numeric_limits<float>;
  const double wide[] = {0.0,
                         -0.0,
                         1,
                         -1,
                         1e4,
                         -1e4,
                         Limits::max(),
                         Limits::lowest(),
                         Limits::min(),
                         -Limits::min(),
                         Limits::denorm_min(),
                         -Limits::denorm_min(),
                         1e-10,
                         -1e-10,
                         0.5,
                         2,
                         88.5,
                         -104};
  const double special[] = {Limits::infinity(), -Limits::infinity(), Limits::quiet_NaN()};
  const auto choice = rng.below(10);
  const bool may_be_special = values == Values::special || values == Values::small_special;
  if (may_be_special && choice < 2) return special[rng.below(3)];
  if (values == Values::small_special && choice < 4) return choice == 2 ? 0.0 : -0.0;
  if ((values == Values::wide || values == Values::special) && choice < 6)
    return wide[rng.below(18)];
  return rng.uniform(-4, 4);
}

/// Sizes of unknown dims, remembered by node, so that two graphs of the same inputs agree.
struct Sizes {
  std::map<std::string, std::int64_t> by_name;
  std::int64_t otherwise = 3;
  std::int64_t operator()(const ir::DimNode& d) const {
    const auto it = by_name.find(d.name);
    return it == by_name.end() ? otherwise : it->second;
  }
};

/// Arrays for inputs, shared variables and arrays without a value, by the leaf that stands behind
/// them.
struct Inputs {
  std::map<const void*, Array> by_leaf;

  const Array& of(const ir::GraphNode& n, Rng& rng, Values values, const Sizes& sizes) {
    const auto found = by_leaf.find(n.params.leaf());
    if (found != by_leaf.end()) return found->second;
    Shape shape;
    for (const Dim& d : n.type.shape) shape.push_back(ir::dims::evaluate(d, sizes));
    Array wide = Array::empty(DType::f64, shape);
    for (std::int64_t i = 0; i < wide.numel(); ++i)
      wide.data<double>()[i] = is_float(n.type.dtype)  ? draw(rng, values)
                               : is_bool(n.type.dtype) ? static_cast<double>(rng.below(2))
                                                       : static_cast<double>(rng.below(5) - 2);
    return by_leaf.emplace(n.params.leaf(), wide.astype(n.type.dtype)).first->second;
  }
};

inline ir::Bindings bind_inputs(const ir::Graph& g, Inputs& inputs, Rng& rng, Values values,
                                const Sizes& sizes = {}) {
  ir::Bindings bindings;
  bindings.size_of = sizes;
  for (ir::NodeId id : g.order()) {
    const ir::GraphNode& n = g[id];
    if (n.op == &ops::input || n.op == &ops::shared)
      bindings.values.emplace(id, inputs.of(n, rng, values, sizes));
  }
  return bindings;
}

} // namespace kroton::test
