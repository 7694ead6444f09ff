/// What every rewrite rule fires on, compiled: what the rule makes of it has a kernel, and that has
/// the value of what was written.
#include "lib/rewrite/rules/rules.hpp"
#include "test/support/inputs.hpp"
#include "test/conformance/oracle.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"

namespace kroton::test {
namespace {

Array drawn(const Expr& e, Rng& rng) {
  Shape shape;
  for (const Dim& d : e.shape()) shape.push_back(ir::dims::evaluate(d, Sizes{}));
  Array wide = Array::empty(DType::f64, shape);
  for (std::int64_t i = 0; i < wide.numel(); ++i)
    wide.data<double>()[i] = is_float(e.dtype())  ? draw(rng, Values::small)
                             : is_bool(e.dtype()) ? static_cast<double>(rng.below(2))
                                                  : static_cast<double>(rng.below(5) - 2);
  return wide.astype(e.dtype());
}

} // namespace

TEST_CASE("what rewrite rules fire on, compiled, has the value of what was written",
          "[conformance][anywhere][rules]") {
  constexpr Fp everything = Fp::nnan | Fp::ninf | Fp::nsz | Fp::reassoc | Fp::approx | Fp::refine;
  for (const rewrite::RuleSet* family : rewrite::rules::all())
    for (const rewrite::Rule& r : family->rules) {
      const Expr written = example_of(r);
      const std::vector<Expr> inputs = inputs_of(written);
      INFO("rule " << r.name);
      Rng rng(11);
      std::vector<Array> arguments;
      for (const Expr& e : inputs) arguments.push_back(drawn(e, rng));
      const Array want = reference(inputs, arguments, {written})[0];
      const Function f = function(inputs, written, {.fp = everything});
      CHECK(difference(f(arguments)[0], want,
                       {.ulps = 4,
                        .of_largest = 1e-5,
                        .checks_zero_sign = false,
                        .checks_special = false}) == "");
    }
}

} // namespace kroton::test
