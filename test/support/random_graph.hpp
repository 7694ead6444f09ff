#pragma once
/// Random expressions: what fuzz tests compare optimised and unoptimised, evaluated and compiled.
///
///   const std::uint64_t seed = replayed_seed().value_or(k);   // KROTON_FUZZ_SEED replays one
///   RandomGraph r = random_graph(seed, {.nodes = 20});
///   // r.inputs, r.outputs; a failure prints the seed
///
/// Functions, folds and ops that move elements or multiply matrices are drawn from `ops::all()`, so
/// that a new row is drawn without being named here.
#include <cstdlib>
#include <optional>
#include <string>
#include <vector>

#include <kroton/expr.hpp>

namespace kroton::test {

struct RandomGraphOptions {
  int nodes = 20;
  DType dtype = DType::f32;
  bool has_unknown_dims = true; ///< else all sizes are static
  bool has_indexing = true;
  bool has_products = true;
};

struct RandomGraph {
  std::vector<Expr> inputs;
  std::vector<Expr> outputs;
};

/// The seed to replay, if the environment names one.
inline std::optional<std::uint64_t> replayed_seed() {
  const char* text = std::getenv("KROTON_FUZZ_SEED");
  if (!text) return std::nullopt;
  return std::strtoull(text, nullptr, 0);
}

RandomGraph random_graph(std::uint64_t seed, RandomGraphOptions options = {});

} // namespace kroton::test
