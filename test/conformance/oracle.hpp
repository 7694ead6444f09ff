#pragma once
/// The reference evaluator's answer to a call of a compiled function, and how far two arrays
/// differ.
///
///   const auto want = reference({x}, {xs}, {exp(x)});
///   CHECK(difference(f({xs})[0], want[0], {.ulps = 1.25}) == "");
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <kroton/core.hpp>

#include "lib/ir/eval.hpp"
#include "lib/ops/basic.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton::test {

/// The size that `wanted` has in a call with `arguments`.
inline std::int64_t size_in_call(const ir::Graph& g, const ir::DimNode& wanted,
                                 const std::vector<Expr>& inputs,
                                 const std::vector<Array>& arguments) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (wanted.kind == ir::DimKind::scalar && inputs[i].node()->params.leaf() == wanted.leaf.get())
      return arguments[i].astype(DType::i64).item<std::int64_t>();
    for (std::size_t a = 0; a < inputs[i].shape().size(); ++a) {
      const Dim d = g.canonical(inputs[i].shape()[a]);
      if (!d.is_static() &&
          (d.node().get() == &wanted || (!wanted.name.empty() && d.node()->name == wanted.name)))
        return arguments[i].shape()[a];
    }
  }
  throw std::logic_error("no input has the dim " + wanted.origin);
}

/// What `outputs` are for `arguments` and the shared variables' present values, op by op.
inline std::vector<Array> reference(const std::vector<Expr>& inputs,
                                    const std::vector<Array>& arguments,
                                    const std::vector<Expr>& outputs,
                                    ir::Precision precision = ir::Precision::rounded) {
  const ir::Graph g = ir::Graph::capture(outputs, ir::Graph::Unify::required);
  ir::Bindings bindings;
  for (ir::NodeId id : g.order()) {
    const ir::GraphNode& n = g[id];
    if (n.op == &ops::input) {
      for (std::size_t i = 0; i < inputs.size(); ++i)
        if (inputs[i].node()->params.leaf() == n.params.leaf())
          bindings.values.emplace(id, arguments[i]);
    } else if (n.op == &ops::shared) {
      bindings.values.emplace(id, n.params.as<ops::SharedParams>().state->value.copy());
    }
  }
  bindings.size_of = [&](const ir::DimNode& d) { return size_in_call(g, d, inputs, arguments); };
  return ir::evaluate(g, g.outputs(), bindings, precision);
}

/// How far apart floats may be; whole numbers and bools never differ.
struct Tolerance {
  double ulps = 0;              ///< of the wanted element, denormal ones included
  double of_largest = 0;        ///< or this share of the array's largest finite value
  double within = 0;            ///< or this much
  const Array* exact = nullptr; ///< ulps are counted from here if given: f64, not rounded
  bool checks_zero_sign = true;
  bool checks_special = true; ///< else elements that are not finite on the wanted side are skipped
};

template <class T> double ulp_of(double v) {
  if (!std::isfinite(v)) return std::numeric_limits<double>::denorm_min();
  const int lowest = std::numeric_limits<T>::min_exponent - 1;
  const int e = v == 0 ? lowest : std::max(std::ilogb(v), lowest);
  return std::ldexp(1.0, e - (std::numeric_limits<T>::digits - 1));
}

/// Empty if `got` is `want`; else where they first differ.
inline std::string difference(const Array& got, const Array& want, const Tolerance& t = {}) {
  if (got.dtype() != want.dtype() || got.shape() != want.shape())
    return fmt::format("{} instead of {}", got.label(), want.label());
  const Array a = got.contiguous(), b = want.contiguous();
  const Array exact = t.exact ? t.exact->contiguous() : Array();
  std::string text;
  support::visit_dtype(got.dtype(), [&]<class T>(std::type_identity<T>) {
    const T *x = std::as_const(a).template data<T>(), *y = std::as_const(b).template data<T>();
    double largest = 0;
    if constexpr (std::is_floating_point_v<T>)
      for (std::int64_t i = 0; i < b.numel(); ++i)
        if (std::isfinite(y[i])) largest = std::max(largest, std::fabs(double(y[i])));
    for (std::int64_t i = 0; i < a.numel(); ++i) {
      bool is_equal = x[i] == y[i];
      if constexpr (std::is_floating_point_v<T>) {
        if (is_equal && x[i] == 0 && t.checks_zero_sign)
          is_equal = std::signbit(x[i]) == std::signbit(y[i]);
        else if (std::isnan(x[i]) && std::isnan(y[i]))
          is_equal = true;
        else if (!t.checks_special && !std::isfinite(y[i]))
          is_equal = true;
        else if (!is_equal && std::isfinite(x[i])) {
          const double from =
              t.exact ? std::as_const(exact).template data<double>()[i] : double(y[i]);
          const double by = std::fabs(double(x[i]) - from);
          is_equal = by <= t.ulps * ulp_of<T>(from) ||
                     (std::isfinite(y[i]) && by <= std::max(t.of_largest * largest, t.within));
        }
      }
      if (is_equal) continue;
      text = fmt::format("element {} of {}: {} instead of {}", i, got.label(), x[i], y[i]);
      return;
    }
  });
  return text;
}

} // namespace kroton::test
