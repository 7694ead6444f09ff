/// Identities of elementary functions: symmetries, whole numbers, functions and their inverses,
/// bits.
#include <kroton/ops/bits.hpp>
#include <kroton/ops/rounding.hpp>

#include "lib/ops/arithmetic.hpp"
#include "lib/ops/bits.hpp"
#include "lib/ops/powers.hpp"
#include "lib/ops/rounding.hpp"
#include "lib/ops/trigonometric.hpp"
#include "lib/rewrite/dsl.hpp"
#include "lib/rewrite/rules/rules.hpp"

namespace kroton::rewrite::rules {
namespace {

using namespace dsl;

Pattern of(const ir::Op& op, Pattern p) { return any(op, {std::move(p)}); }

/// f(-x) = -f(x), which the functions keep bit for bit.
Rule odd(std::string_view name, const ir::Op& op) { return rule(name, of(op, -x), -of(op, x)); }
/// f(-x) = f(x), likewise.
Rule even(std::string_view name, const ir::Op& op) { return rule(name, of(op, -x), of(op, x)); }
Rule even_of_abs(std::string_view name, const ir::Op& op) {
  return rule(name, of(op, abs(x)), of(op, x));
}
/// A whole number is its own rounding.
Rule whole(std::string_view name, const ir::Op& outer, const ir::Op& inner) {
  return rule(name, of(outer, of(inner, x)), of(inner, x));
}

Expr i(const char* name) { return tensor<std::int32_t>({3, 4}, name); }

} // namespace

const RuleSet& functions() {
  static const RuleSet set{
      "functions",
      {
          odd("sin-neg", ops::sin),
          odd("tan-neg", ops::tan),
          odd("asin-neg", ops::asin),
          odd("atan-neg", ops::atan),
          odd("sinh-neg", ops::sinh),
          odd("asinh-neg", ops::asinh),
          odd("atanh-neg", ops::atanh),
          odd("cbrt-neg", ops::cbrt),
          odd("round-neg", ops::round),
          odd("trunc-neg", ops::trunc),
          even("cos-neg", ops::cos),
          even("cosh-neg", ops::cosh),
          even_of_abs("cos-abs", ops::cos),
          even_of_abs("cosh-abs", ops::cosh),
          rule("floor-neg", of(ops::floor, -x), -of(ops::ceil, x)),
          rule("ceil-neg", of(ops::ceil, -x), -of(ops::floor, x)),
          whole("floor-floor", ops::floor, ops::floor),
          whole("floor-ceil", ops::floor, ops::ceil),
          whole("floor-round", ops::floor, ops::round),
          whole("floor-trunc", ops::floor, ops::trunc),
          whole("ceil-floor", ops::ceil, ops::floor),
          whole("ceil-ceil", ops::ceil, ops::ceil),
          whole("ceil-round", ops::ceil, ops::round),
          whole("ceil-trunc", ops::ceil, ops::trunc),
          whole("round-floor", ops::round, ops::floor),
          whole("round-ceil", ops::round, ops::ceil),
          whole("round-round", ops::round, ops::round),
          whole("round-trunc", ops::round, ops::trunc),
          whole("trunc-floor", ops::trunc, ops::floor),
          whole("trunc-ceil", ops::trunc, ops::ceil),
          whole("trunc-round", ops::trunc, ops::round),
          whole("trunc-trunc", ops::trunc, ops::trunc),
          // Adding 0 gives the zero the sign that it has on the left.
          rule("log2-exp2", of(ops::log2, of(ops::exp2, x)), x + 0.0, Fp::refine),
          rule("exp2-log2", of(ops::exp2, of(ops::log2, x)), x, Fp::nnan | Fp::approx),
          rule("sqrt-square", sqrt(x * x), abs(x), Fp::refine),
          rule("sin-over-cos", of(ops::sin, x) / of(ops::cos, x), of(ops::tan, x), Fp::refine),
          rule("bit-and-self", any(ops::bit_and, {x, x}), x)
              .on([] {
                const Expr v = i("x");
                return v & v;
              })
              .but_not([] { return i("x") & i("y"); }),
          rule("bit-or-self", any(ops::bit_or, {x, x}), x)
              .on([] {
                const Expr v = i("x");
                return v | v;
              })
              .but_not([] { return i("x") | i("y"); }),
          rule("bit-xor-self", any(ops::bit_xor, {x, x}), Pattern(0))
              .on([] {
                const Expr v = i("x");
                return v ^ v;
              })
              .but_not([] { return i("x") ^ i("y"); }),
          rule("bit-and-zero", any(ops::bit_and, {x, 0}), Pattern(0))
              .on([] { return i("x") & 0; })
              .but_not([] { return i("x") & 1; }),
          rule("bit-or-zero", any(ops::bit_or, {x, 0}), x)
              .on([] { return i("x") | 0; })
              .but_not([] { return i("x") | 1; }),
          rule("bit-xor-zero", any(ops::bit_xor, {x, 0}), x)
              .on([] { return i("x") ^ 0; })
              .but_not([] { return i("x") ^ 1; }),
      }};
  return set;
}

} // namespace kroton::rewrite::rules
