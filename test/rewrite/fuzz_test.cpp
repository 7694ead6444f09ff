/// Random graphs: what the pipeline makes of them has the value of what was written.
#include <kroton/grad.hpp>
#include <kroton/ops/basic.hpp>

#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"
#include "test/support/random_graph.hpp"
#include "test/support/rewrite.hpp"

namespace kroton::test {
namespace {

/// Whether the sizes that values are drawn for are as rules took them to be.
bool holds(const ir::Graph& g) {
  return std::ranges::all_of(g.checks(), [](const ir::DimCheck& c) {
    return ir::dims::evaluate(c.constraint.a, Sizes{}) ==
           ir::dims::evaluate(c.constraint.b, Sizes{});
  });
}

/// Compares in f64, where refining rules and rounding stay far below the tolerance; positions of
/// NaN and infinities must agree wherever the plain graph is finite.
void compare(std::uint64_t seed, const std::vector<Expr>& outputs) {
  const ir::Graph plain = ir::Graph::capture(outputs);
  ir::Graph fast = ir::Graph::capture(outputs);
  rewrite::PipelineReport report = rewrite::run_pipeline(fast);
  if (!holds(fast)) {
    fast = ir::Graph::capture(outputs, ir::Graph::Unify::required);
    report = rewrite::run_pipeline(fast);
  }
  Rng rng(seed ^ 0xABCDEF);
  Inputs inputs;
  const auto want =
      ir::evaluate(plain, plain.outputs(), bind_inputs(plain, inputs, rng, Values::small));
  const auto got =
      ir::evaluate(fast, fast.outputs(), bind_inputs(fast, inputs, rng, Values::small));
  std::string fired;
  for (const auto& a : report.applications) fired += std::string(a.rule) + " ";
  INFO("KROTON_FUZZ_SEED=" << seed << " replays this\n"
                           << plain.to_string() << fast.to_string() << fired);
  REQUIRE(want.size() == got.size());
  for (std::size_t k = 0; k < want.size(); ++k) {
    REQUIRE(want[k].shape() == got[k].shape());
    const Array a = want[k].astype(DType::f64).contiguous(),
                b = got[k].astype(DType::f64).contiguous();
    for (std::int64_t i = 0; i < a.numel(); ++i) {
      const double x = a.data<double>()[i], y = b.data<double>()[i];
      if (std::isnan(x) && std::isnan(y)) continue;
      // A refined form may stay finite where the plain one overflowed.
      if (!std::isfinite(x) || std::fabs(x) > 1e9) continue;
      INFO("output " << k << " element " << i << ": " << x << " became " << y);
      REQUIRE(std::fabs(x - y) <= 1e-7 * std::max(1.0, std::fabs(x)));
    }
  }
}

} // namespace

TEST_CASE("random graphs keep their value when optimised", "[rewrite][fuzz]") {
  const auto replayed = replayed_seed();
  for (std::uint64_t k = 0; k < (replayed ? 1 : 300); ++k) {
    const std::uint64_t seed = replayed.value_or(k + 1);
    for (bool is_dynamic : {true, false}) {
      const RandomGraph r = random_graph(seed, {.nodes = 5 + static_cast<int>(seed % 30),
                                                .dtype = DType::f64,
                                                .has_unknown_dims = is_dynamic});
      compare(seed, r.outputs);
    }
  }
}

TEST_CASE("random gradients keep their value when optimised", "[rewrite][fuzz]") {
  const auto replayed = replayed_seed();
  int differentiated = 0;
  for (std::uint64_t k = 0; k < (replayed ? 1 : 150); ++k) {
    const std::uint64_t seed = replayed.value_or(k + 1);
    const RandomGraph r =
        random_graph(seed, {.nodes = 5 + static_cast<int>(seed % 15), .dtype = DType::f64});
    const Expr cost = sum(r.outputs[0]);
    for (const Expr& input : r.inputs) {
      std::vector<Expr> outputs{cost};
      try {
        outputs.push_back(grad(cost, input));
      } catch (const Error&) {
        continue; // not connected, or an integer
      }
      ++differentiated;
      compare(seed, outputs);
    }
  }
  CHECK((replayed || differentiated > 50));
}

} // namespace kroton::test
