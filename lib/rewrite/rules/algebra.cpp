/// Identities. Without flags they hold bit for bit under IEEE, NaN, infinities and signed zeros
/// included; the rest say what they give up.
#include <cmath>

#include <kroton/ops/arithmetic.hpp>

#include "lib/ops/arithmetic.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/rewrite/dsl.hpp"
#include "lib/rewrite/rules/rules.hpp"
#include "lib/support/dtype.hpp"

namespace kroton::rewrite::rules {
namespace {

using namespace dsl;

Pattern pow(Pattern base, Pattern exponent) {
  return any(ops::pow, {std::move(base), std::move(exponent)});
}

/// Without a sign -x is 2^n - x, which is its own absolute value.
NodeId abs_of_neg(Site& s) {
  return is_unsigned_int(s.type(s.root()).dtype) ? ir::no_node : s.make(ops::abs, {s["x"]});
}

bool is_integral(const Site& s) { return !is_float(s.type(s.root()).dtype); }

NodeId zero_of_integers(Site& s) {
  return is_integral(s) ? s.constant(0, s.type(s.root()).dtype) : ir::no_node;
}
/// x == x where there is no NaN.
NodeId true_of_integers(Site& s) {
  return is_float(s.type(s["x"]).dtype) ? ir::no_node : s.constant(1, DType::bool_);
}
NodeId false_of_integers(Site& s) {
  return is_float(s.type(s["x"]).dtype) ? ir::no_node : s.constant(0, DType::bool_);
}

double value_of(const Site& s, std::string_view name) {
  const ir::GraphNode& n = *constant_behind(s.graph(), s[name]);
  return ops::float_value(ops::constant_in(n));
}

bool is_normal(double v, DType t) {
  const DTypeRow& row = row_of(t);
  const double smallest = std::ldexp(1.0, row.min_exponent - 1),
               largest = std::ldexp(2 - std::ldexp(1.0, 1 - row.digits), row.max_exponent - 1);
  return std::fabs(v) >= smallest && std::fabs(v) <= largest;
}

/// x / 2^k is x * 2^-k, exactly, when 2^-k is a normal number.
NodeId reciprocal_of_power(Site& s) {
  const double by = value_of(s, "c");
  int exponent = 0;
  const DType t = s.type(s.root()).dtype;
  if (std::fabs(std::frexp(by, &exponent)) != 0.5 || !is_normal(by, t) || !is_normal(1 / by, t))
    return ir::no_node;
  return s.make(ops::mul, {s["x"], s.constant(1 / by, t)});
}
NodeId reciprocal(Site& s) {
  const double by = value_of(s, "c");
  const DType t = s.type(s.root()).dtype;
  if (!is_normal(by, t) || !is_normal(1 / by, t)) return ir::no_node;
  return s.make(ops::mul, {s["x"], s.constant(1 / by, t)});
}

/// x^n as products, for n in 2…16, by squaring.
NodeId power(Site& s, std::int64_t n) {
  NodeId result = ir::no_node, square = s["x"];
  for (; n != 0; n /= 2) {
    if (n % 2 == 1) result = result == ir::no_node ? square : s.make(ops::mul, {result, square});
    if (n > 1) square = s.make(ops::mul, {square, square});
  }
  return result;
}
NodeId small_power(Site& s) {
  const double n = value_of(s, "c");
  if (n != std::floor(n) || std::fabs(n) < 2 || std::fabs(n) > 16) return ir::no_node;
  if (n > 0) return power(s, static_cast<std::int64_t>(n));
  if (is_integral(s)) return ir::no_node;
  return s.make(ops::div,
                {s.constant(1, s.type(s.root()).dtype), power(s, static_cast<std::int64_t>(-n))});
}
NodeId small_power_of_integers(Site& s) { return is_integral(s) ? small_power(s) : ir::no_node; }
NodeId inverse(Site& s) {
  return is_integral(s) ? ir::no_node
                        : s.make(ops::div, {s.constant(1, s.type(s.root()).dtype), s["x"]});
}

/// The root's op again, on x and the two constants' own result.
NodeId regroup(Site& s) {
  const ir::Op& op = *s.node(s.root()).op;
  return s.make(op, {s["x"], s.make(op, {s["c"], s["d"]})});
}
NodeId regroup_integers(Site& s) { return is_integral(s) ? regroup(s) : ir::no_node; }

/// relu keeps NaN and gives +0 for both zeros, as maximum(x, +0) does.
NodeId relu_of_floats(Site& s) {
  return is_integral(s) ? ir::no_node : s.make(ops::relu, {s["x"]});
}

NodeId cast_identity(Site& s) {
  return s.type(s["x"]).dtype == s.type(s.root()).dtype ? s["x"] : ir::no_node;
}
NodeId compose_casts(Site& s) {
  const NodeId middle = s.node(s.root()).inputs[0];
  const DType from = s.type(s["x"]).dtype, between = s.type(middle).dtype,
              to = s.type(s.root()).dtype;
  if (!support::holds_all(between, from)) return ir::no_node;
  // What does not fit is the nearest value that does if it comes from a float, else it wraps.
  if (is_float(between) && is_integer(from) && is_integer(to) && !support::holds_all(to, from))
    return ir::no_node;
  return from == to ? s["x"] : s.make(ops::cast, {s["x"]}, ops::CastParams{to});
}

Expr i(const char* name) { return tensor<std::int32_t>({3, 4}, name); }
Expr f(const char* name) { return tensor<float>({3, 4}, name); }
Expr k(const char* name) { return tensor<bool>({3, 4}, name); }

std::vector<Rule> exact() {
  return {
      rule("mul-one", x * 1, x).but_not([] { return f("x") * 2; }),
      rule("div-one", x / 1, x),
      rule("add-minus-zero", x + -0.0, x).but_not([] { return f("x") + 0.0; }),
      rule("sub-zero", x - 0.0, x).but_not([] { return f("x") - -0.0; }),
      rule("mul-zero-integer", x * 0, zero_of_integers).on([] { return i("x") * 0; }).but_not([] {
        return f("x") * 0;
      }),
      rule("sub-self-integer", x - x, zero_of_integers)
          .on([] {
            const Expr v = i("x");
            return v - v;
          })
          .but_not([] {
            const Expr v = f("x");
            return v - v;
          }),
      rule("equal-self-integer", x == x, true_of_integers)
          .on([] {
            const Expr v = i("x");
            return v == v;
          })
          .but_not([] {
            const Expr v = f("x");
            return v == v;
          }),
      rule("not-equal-self-integer", x != x, false_of_integers)
          .on([] {
            const Expr v = i("x");
            return v != v;
          })
          .but_not([] {
            const Expr v = f("x");
            return v != v;
          }),
      rule("add-add-integer", (x + c) + d, regroup_integers)
          .on([] { return (i("x") + 3) + 4; })
          .but_not([] { return (f("x") + 3) + 4; }),
      rule("mul-mul-integer", (x * c) * d, regroup_integers)
          .on([] { return (i("x") * 3) * 4; })
          .but_not([] { return (f("x") * 3) * 4; }),
      rule("div-power-of-two", x / c, reciprocal_of_power)
          .on([] { return f("x") / 8; })
          .but_not([] { return f("x") / 3; }),
      rule("pow-one", pow(x, 1), x),
      rule("pow-zero", pow(x, 0), 1),
      rule("pow-zero-minus", pow(x, -0.0), 1),
      rule("pow-small-integer", pow(x, c), small_power_of_integers)
          .on([] { return kroton::pow(i("x"), 3); })
          .but_not([] { return kroton::pow(i("x"), 17); }),
      rule("minimum-self", minimum(x, x), x),
      rule("maximum-self", maximum(x, x), x),
      rule("maximum-zero", maximum(x, 0.0), relu_of_floats).but_not([] {
        return kroton::maximum(f("x"), -0.0);
      }),
      rule("relu-relu", relu(relu(x)), relu(x)),
      rule("abs-abs", abs(abs(x)), abs(x)),
      rule("abs-neg", abs(-x), abs_of_neg).on([] { return kroton::abs(-f("x")); }).but_not([] {
        return kroton::abs(-tensor<std::uint8_t>({3, 4}, "x"));
      }),
      rule("where-true", where(1, x, y), x),
      rule("where-false", where(0, x, y), y),
      rule("where-same", where(z, x, x), x).on([] {
        const Expr v = f("x");
        return kroton::where(k("z"), v, v);
      }),
      rule("where-not", where(!z, x, y), where(z, y, x)),
      rule("and-true", x && 1, x),
      rule("and-false", x && 0, Pattern(0)),
      rule("and-self", x && x, x),
      rule("or-true", x || 1, 1),
      rule("or-false", x || 0, x),
      rule("or-self", x || x, x),
      rule("not-equal", !(x == y), x != y),
      rule("not-not-equal", !(x != y), x == y),
      rule("cast-identity", any(ops::cast, {x}), cast_identity)
          .on([] {
            return ir::make(ops::cast, {f("x")}, ops::CastParams{DType::f32}, Location::current());
          })
          .but_not([] { return kroton::cast(f("x"), DType::f64); }),
      rule("cast-cast", any(ops::cast, {any(ops::cast, {x})}), compose_casts)
          .on([] { return kroton::cast(kroton::cast(f("x"), DType::f64), DType::i32); })
          .but_not([] { return kroton::cast(kroton::cast(f("x"), DType::i32), DType::f32); }),
  };
}

std::vector<Rule> inexact() {
  return {
      rule("square", pow(x, 2), x * x, Fp::refine),
      rule("pow-minus-one", pow(x, -1), inverse, Fp::refine),
      rule("pow-small", pow(x, c), small_power, Fp::approx)
          .on([] { return kroton::pow(f("x"), 3); })
          .but_not([] { return kroton::pow(f("x"), 2.5f); }),
      rule("div-constant", x / c, reciprocal, Fp::approx),
      rule("add-zero", x + 0.0, x, Fp::nsz),
      rule("sub-minus-zero", x - -0.0, x, Fp::nsz),
      rule("zero-minus", 0.0 - x, -x, Fp::nsz),
      rule("neg-sub", -(x - y), y - x, Fp::nsz),
      rule("mul-zero", x * 0.0, 0.0, Fp::nnan | Fp::ninf | Fp::nsz),
      rule("sub-self", x - x, 0.0, Fp::nnan | Fp::ninf),
      rule("div-self", x / x, 1.0, Fp::nnan | Fp::ninf),
      rule("equal-self", x == x, 1, Fp::nnan),
      rule("exp-log", exp(log(x)), x, Fp::nnan | Fp::approx),
      rule("add-add-constants", (x + c) + d, regroup, Fp::reassoc),
      rule("mul-mul-constants", (x * c) * d, regroup, Fp::reassoc),
      rule("exp-times-exp", exp(x) * exp(y), exp(x + y),
           Fp::reassoc | Fp::approx | Fp::nnan | Fp::ninf),
      rule("square-of-sqrt", sqrt(x) * sqrt(x), x, Fp::nnan | Fp::approx | Fp::nsz),
  };
}

} // namespace

const RuleSet& algebra() {
  static const RuleSet set = [] {
    RuleSet made{"algebra", exact()};
    for (Rule& r : inexact()) made.rules.push_back(std::move(r));
    return made;
  }();
  return set;
}

} // namespace kroton::rewrite::rules
