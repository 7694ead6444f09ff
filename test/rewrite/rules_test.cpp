/// Every rule of every family, by one test: what a rule promises is read from its row.
#include <algorithm>
#include <set>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/rewrite/rules/rules.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"

namespace kroton::test {
namespace {

using rewrite::Rule;

constexpr Fp everything = Fp::nnan | Fp::ninf | Fp::nsz | Fp::reassoc | Fp::approx | Fp::refine;

/// Applies one rule alone; the number of applications.
std::size_t apply(ir::Graph& g, const Rule& r, long limit) {
  const Rule* rules[] = {&r};
  rewrite::Engine engine(g, {.fp = everything, .max_applications = limit});
  engine.run(rules);
  return engine.applications().size();
}

ir::Graph captured(const Expr& e) { return ir::Graph::capture({&e, 1}); }

double value_at(const Array& a, std::int64_t i) {
  return a.astype(DType::f64).contiguous().data<double>()[i];
}

bool is_same_value(double a, double b) {
  return (std::isnan(a) && std::isnan(b)) || (a == b && std::signbit(a) == std::signbit(b));
}

/// How far `got` is from `want`, as a share of the spacing of floats there.
double ulps(double got, double want) {
  if (got == want || (std::isnan(got) && std::isnan(want))) return 0;
  if (!std::isfinite(got) || !std::isfinite(want)) return std::numeric_limits<double>::infinity();
  const double spacing = std::max(
      std::ldexp(std::max(std::fabs(want), double(std::numeric_limits<float>::min())), -23), 1e-45);
  return std::fabs(got - want) / spacing;
}

/// What element `i` of the result may depend on: its own row of the inputs, its own element if
/// all ops are elementwise.
struct Reach {
  bool is_finite = true;
  double largest = 0;
  bool is_one_element = false;
};
Reach reach(const ir::Graph& g, const Inputs& inputs, const Array& result, std::int64_t i) {
  Reach r;
  r.is_one_element = std::ranges::all_of(g.order(), [&](ir::NodeId id) {
    return g[id].op->is(ir::Kind::elementwise) || g[id].is_leaf();
  });
  for (const auto& [leaf, a] : inputs.by_leaf) {
    std::int64_t first = 0, last = a.numel();
    if (r.is_one_element && a.shape() == result.shape()) {
      first = i;
      last = i + 1;
    } else if (a.rank() > 0 && result.rank() > 0 && a.shape()[0] == result.shape()[0]) {
      const std::int64_t row = i / (result.numel() / result.shape()[0]),
                         length = a.numel() / a.shape()[0];
      first = row * length;
      last = first + length;
    }
    for (std::int64_t k = first; k < last; ++k) {
      const double v = value_at(a, k);
      r.is_finite = r.is_finite && std::isfinite(v);
      r.largest = std::max(r.largest, std::fabs(v));
    }
  }
  return r;
}

const std::vector<double>& specials() {
  using Limits = std::numeric_limits<float>;
  static const std::vector<double> all{0.0,
                                       -0.0,
                                       1,
                                       -1,
                                       0.5,
                                       -2,
                                       1e-10,
                                       -1e-10,
                                       Limits::min(),
                                       -Limits::min(),
                                       Limits::denorm_min(),
                                       -Limits::denorm_min(),
                                       Limits::max(),
                                       Limits::lowest(),
                                       88.5,
                                       -104,
                                       Limits::infinity(),
                                       -Limits::infinity(),
                                       Limits::quiet_NaN()};
  return all;
}
/// Inputs of 12 elements take turns through all pairs.
constexpr int special_rounds = 19 * 19 / 12 + 1;
void bind_specials(Inputs& inputs, const ir::Graph& g, int round) {
  std::size_t stride = 1;
  for (const ir::NodeId id : g.order()) {
    const ir::GraphNode& n = g[id];
    if (n.op != &ops::input || !is_float(n.type.dtype)) continue;
    Shape shape;
    for (const Dim& d : n.type.shape) shape.push_back(d.is_static() ? d.value() : 3);
    Array a = Array::empty(DType::f64, shape);
    for (std::int64_t i = 0; i < a.numel(); ++i) {
      const auto k = static_cast<std::size_t>(12 * round + i);
      a.data<double>()[i] = specials()[k / stride % specials().size()];
    }
    stride *= specials().size();
    inputs.by_leaf.emplace(n.params.leaf(), a.astype(n.type.dtype));
  }
}

/// Rules that regroup or drop digits: of huge values, nothing useful can be said.
bool may_round(const Rule& r) {
  return grants(r.fp, Fp::reassoc) || grants(r.fp, Fp::approx) ||
         r.liberty != rewrite::Liberty::none;
}

/// True if the rule's words allow `right` where the left side gave `left` and, computed in double
/// precision, `exact`.
bool is_allowed(const Rule& r, double left, double right, double exact, const Reach& from) {
  const bool has_finite_inputs = from.is_finite;
  if (is_same_value(left, right)) return true;
  if (left == right) return grants(r.fp, Fp::nsz) || may_round(r);
  if (grants(r.fp, Fp::nnan) && (std::isnan(left) || !has_finite_inputs)) return true;
  if (grants(r.fp, Fp::ninf) && (std::isinf(left) || std::isinf(right))) return true;
  if (may_round(r) && std::fabs(left - right) <= 1e-5 * std::max(std::fabs(exact), 1.0))
    return true;
  if (!grants(r.fp, Fp::refine)) return false;
  // Where double precision overflows too, it is no yardstick for finite inputs.
  if (!std::isfinite(exact))
    return has_finite_inputs || (!from.is_one_element && std::isinf(exact) && std::isfinite(right));
  if (std::fabs(right - exact) <= 1e-14) return true;
  // A difference of two terms of a row carries their rounding.
  if (!from.is_one_element &&
      std::fabs(right - exact) <= std::ldexp(std::max(from.largest, 1.0), -22))
    return true;
  return ulps(right, exact) <= ulps(left, exact) + 2;
}

} // namespace

TEST_CASE("every rule fires on its example, keeps type and value, and leaves its own result alone",
          "[rewrite]") {
  std::set<std::string_view> names;
  for (const rewrite::RuleSet* family : rewrite::rules::all()) {
    for (const Rule& r : family->rules) {
      INFO("rule " << r.name << ": " << to_string(r.from));
      CHECK(names.insert(r.name).second);
      const Expr left = example_of(r);
      const ir::Graph before = captured(left);
      ir::Graph after = captured(left);
      REQUIRE(apply(after, r, 1) == 1);
      INFO("before\n" << before.to_string() << "after\n" << after.to_string());
      const ir::GraphNode &root = before[before.outputs()[0]], &result = after[after.outputs()[0]];
      CHECK(ir::same(root.type, result.type));

      ir::Graph settled = captured(left);
      CHECK(apply(settled, r, 200) < 200);

      // The last rounds meet every pair of special values.
      for (int round = 0; round < 60 + special_rounds; ++round) {
        const bool is_plain = may_round(r) || !r.except.empty();
        const Values choice[] = {Values::small, is_plain ? Values::small : Values::wide,
                                 !r.except.empty() ? Values::small
                                 : may_round(r)    ? Values::small_special
                                                   : Values::special};
        const Values values = choice[round % 3];
        Rng rng(static_cast<std::uint64_t>(round) + 1);
        Inputs inputs;
        const auto bind = [&](const ir::Graph& g) { return bind_inputs(g, inputs, rng, values); };
        if (round >= 60 && !is_plain) bind_specials(inputs, before, round - 60);
        const auto b = bind(before);
        const Array l = ir::evaluate(before, before.outputs(), b)[0];
        const Array exact = ir::evaluate(before, before.outputs(), b, ir::Precision::widened)[0];
        const Array rr = ir::evaluate(after, after.outputs(), bind(after))[0];
        REQUIRE(l.shape() == rr.shape());
        for (std::int64_t i = 0; i < l.numel(); ++i) {
          const Reach from = reach(before, inputs, l, i);
          const double lv = value_at(l, i), rv = value_at(rr, i), ev = value_at(exact, i);
          if (!is_allowed(r, lv, rv, ev, from)) {
            INFO("round " << round << " element " << i << ": left " << lv << ", right " << rv
                          << ", in double precision " << ev);
            std::string given;
            for (const auto& [leaf, a] : inputs.by_leaf) given += a.to_string() + "\n";
            INFO("inputs\n" << given);
            CHECK(false);
            round = 1000;
            break;
          }
        }
      }
    }
  }
}

TEST_CASE("no rule fires on its near miss", "[rewrite]") {
  int checked = 0;
  for (const rewrite::RuleSet* family : rewrite::rules::all())
    for (const Rule& r : family->rules) {
      if (!r.near_miss) continue;
      ir::Graph g = captured(r.near_miss());
      INFO("rule " << r.name << "\n" << g.to_string());
      CHECK(apply(g, r, 1) == 0);
      ++checked;
    }
  CHECK(checked > 30);
}

TEST_CASE("a rule fires only where the exactness it gives up is granted", "[rewrite]") {
  for (const rewrite::RuleSet* family : rewrite::rules::all())
    for (const Rule& r : family->rules) {
      if (r.fp == Fp::strict || r.is_needed) continue;
      INFO("rule " << r.name);
      ir::Graph g = captured(example_of(r));
      const Rule* rules[] = {&r};
      rewrite::Engine engine(g, {.fp = Fp::strict});
      CHECK_FALSE(engine.run(rules));
    }
}

} // namespace kroton::test
