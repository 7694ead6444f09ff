#pragma once
/// Differentiation of expressions.
///
///   std::vector<kt::Expr> g = kt::grad(loss, {w, b});      // shaped like w and like b
///   auto [value, slopes] = kt::value_and_grad(loss, {w, b});
///   kt::Expr t = kt::jvp(y, x, dx);                        // how y changes as x does by dx
///   kt::Expr c = kt::vjp(y, x, dy);                        // the gradient of sum(y * dy)
///   kt::verify_grad([](auto& v) { return kt::sum(kt::tanh(v[0])); }, {point});
///
/// Jacobians and Hessians are in kroton/jacobian.hpp.
#include <cstdint>
#include <functional>
#include <span>
#include <utility>
#include <vector>

#include <kroton/expr.hpp>

namespace kroton {

/// What stands for the gradient of one of `wrt` that the cost does not depend on.
enum class Disconnected : std::uint8_t {
  error, ///< GraphError, which names it
  zero,  ///< zeros of its shape
  none,  ///< an Expr without a value: `!g.node()`
};

/// `kt::grad(cost, {w}, {.consider_constant = {target}, .disconnected = kt::Disconnected::zero})`
struct GradOptions {
  /// Expressions whose gradients are known: they are what the second of a pair says, of the dtype
  /// and shape of the first, whatever the cost makes of it. With them the cost may be left out:
  /// `grad({}, {w}, {.known_grads = {{y, dy}}})`.
  std::vector<std::pair<Expr, Expr>> known_grads = {};
  /// Expressions that gradients do not pass through.
  std::vector<Expr> consider_constant = {};
  Disconnected disconnected = Disconnected::error;
};

/// The gradient of the scalar `cost` with respect to each of `wrt`, of the same shape and dtype.
///
/// `wrt` may be inputs, shared variables or computed expressions. Throws ShapeError if the cost
/// is no scalar, TypeError if the cost or one of `wrt` is not floating, GraphError if the cost
/// does not depend on one of `wrt`, UnsupportedError for an op without a gradient on the way.
std::vector<Expr> grad(const Expr& cost, const std::vector<Expr>& wrt,
                       const GradOptions& options = {}, Location where = Location::current());
/// The same for one expression.
Expr grad(const Expr& cost, const Expr& wrt, const GradOptions& options = {},
          Location where = Location::current());

/// A cost and its gradient, as outputs of one function: what both need is computed once.
struct ValueAndGrad {
  Expr value;
  std::vector<Expr> grads; ///< one for each of `wrt`
};
ValueAndGrad value_and_grad(const Expr& cost, const std::vector<Expr>& wrt,
                            const GradOptions& options = {}, Location where = Location::current());

/// Reverse mode: the gradient of the sum of all `outputs[i] * cotangents[i]` with respect to each
/// of `wrt`, zeros where no output depends on it. A cotangent has its output's dtype and shape, or
/// broadcasts to it. Throws TypeError or ShapeError for one that does not fit, and for what `grad`
/// refuses.
std::vector<Expr> vjp(const std::vector<Expr>& outputs, const std::vector<Expr>& wrt,
                      const std::vector<Expr>& cotangents, Location where = Location::current());
Expr vjp(const Expr& output, const Expr& wrt, const Expr& cotangent,
         Location where = Location::current());

/// Forward mode: the derivative of each output along `tangents`, one for each of `wrt`, of its
/// dtype and shape or broadcasting to it: what `outputs` change by, to first order, as `wrt` do by
/// `tangents`. Zeros for an output that depends on none of them. Where derivatives are taken to be
/// zero or one-sided (`relu` at 0, ties of `max`), they are as in `grad`. Throws TypeError or
/// ShapeError for a tangent that does not fit or an output that is not floating, UnsupportedError
/// for an op without a gradient on the way.
std::vector<Expr> jvp(const std::vector<Expr>& outputs, const std::vector<Expr>& wrt,
                      const std::vector<Expr>& tangents, Location where = Location::current());
Expr jvp(const Expr& output, const Expr& wrt, const Expr& tangent,
         Location where = Location::current());

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
