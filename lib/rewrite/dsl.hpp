#pragma once
/// Patterns as they read: variables by name, and functions that make a pattern of each op.
///
///   using namespace kroton::rewrite::dsl;
///   const Pattern p = log(1 + x);         // x is a hole; + matches in both orders
///   const Pattern q = x - x;              // the same node twice
///   const Pattern r = as("s", any(ops::sum, {once(exp(x))}));   // binds the sum; one user of exp
#include "lib/ops/basic.hpp"
#include "lib/rewrite/pattern.hpp"

namespace kroton::rewrite::dsl {

inline const Pattern x = variable("x"), y = variable("y"), z = variable("z"), a = variable("a"),
                     b = variable("b"), c = constant("c"), d = constant("d");

inline Pattern operator+(Pattern l, Pattern r) {
  return any(ops::add, {std::move(l), std::move(r)});
}
inline Pattern operator-(Pattern l, Pattern r) {
  return any(ops::sub, {std::move(l), std::move(r)});
}
inline Pattern operator*(Pattern l, Pattern r) {
  return any(ops::mul, {std::move(l), std::move(r)});
}
inline Pattern operator/(Pattern l, Pattern r) {
  return any(ops::div, {std::move(l), std::move(r)});
}
inline Pattern operator-(Pattern p) { return any(ops::neg, {std::move(p)}); }
inline Pattern operator!(Pattern p) { return any(ops::logical_not, {std::move(p)}); }
inline Pattern operator&&(Pattern l, Pattern r) {
  return any(ops::logical_and, {std::move(l), std::move(r)});
}
inline Pattern operator||(Pattern l, Pattern r) {
  return any(ops::logical_or, {std::move(l), std::move(r)});
}
inline Pattern operator==(Pattern l, Pattern r) {
  return any(ops::equal, {std::move(l), std::move(r)});
}
inline Pattern operator!=(Pattern l, Pattern r) {
  return any(ops::not_equal, {std::move(l), std::move(r)});
}
inline Pattern exp(Pattern p) { return any(ops::exp, {std::move(p)}); }
inline Pattern expm1(Pattern p) { return any(ops::expm1, {std::move(p)}); }
inline Pattern log(Pattern p) { return any(ops::log, {std::move(p)}); }
inline Pattern log1p(Pattern p) { return any(ops::log1p, {std::move(p)}); }
inline Pattern sqrt(Pattern p) { return any(ops::sqrt, {std::move(p)}); }
inline Pattern tanh(Pattern p) { return any(ops::tanh, {std::move(p)}); }
inline Pattern sigmoid(Pattern p) { return any(ops::sigmoid, {std::move(p)}); }
inline Pattern softplus(Pattern p) { return any(ops::softplus, {std::move(p)}); }
inline Pattern relu(Pattern p) { return any(ops::relu, {std::move(p)}); }
inline Pattern abs(Pattern p) { return any(ops::abs, {std::move(p)}); }
inline Pattern minimum(Pattern l, Pattern r) {
  return any(ops::minimum, {std::move(l), std::move(r)});
}
inline Pattern maximum(Pattern l, Pattern r) {
  return any(ops::maximum, {std::move(l), std::move(r)});
}
inline Pattern where(Pattern k, Pattern l, Pattern r) {
  return any(ops::where, {std::move(k), std::move(l), std::move(r)});
}

} // namespace kroton::rewrite::dsl
