#pragma once
/// Reverse-mode differentiation of expressions.
///
///   std::vector<kt::Expr> g = kt::grad(loss, {w, b});      // shaped like w and like b
///   kt::verify_grad([](auto& v) { return kt::sum(kt::tanh(v[0])); }, {point});
#include <functional>
#include <span>
#include <vector>

#include <kroton/expr.hpp>

namespace kroton {

/// The gradient of the scalar `cost` with respect to each of `wrt`, of the same shape and dtype.
///
/// `wrt` may be inputs, shared variables or computed expressions. Throws ShapeError if the cost
/// is no scalar, TypeError if the cost or one of `wrt` is not floating, GraphError if the cost
/// does not depend on one of `wrt`, UnsupportedError for an op without a gradient on the way.
std::vector<Expr> grad(const Expr& cost, const std::vector<Expr>& wrt,
                       Location where = Location::current());
/// The same for one expression.
Expr grad(const Expr& cost, const Expr& wrt, Location where = Location::current());

/// What `verify_grad` found.
struct GradReport {
  double worst = 0;                        ///< the largest relative difference
  std::int64_t argument = 0, position = 0; ///< where
  double analytic = 0, numeric = 0;
};

/// Compares grad with central finite differences at `point` (f64 arrays; f32 is widened), by the
/// reference evaluator. `f` builds a scalar or array expression from its arguments; an array is
/// reduced by a fixed random projection. Throws GraphError, naming argument, position and both
/// values, if they differ by more than `tolerance` (relative to the larger of 1 and the gradient).
GradReport verify_grad(const std::function<Expr(const std::vector<Expr>&)>& f,
                       const std::vector<Array>& point, double tolerance = 1e-6, double step = 1e-5,
                       Location where = Location::current());

} // namespace kroton
