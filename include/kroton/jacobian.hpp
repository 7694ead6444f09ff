#pragma once
/// Derivatives of many numbers by many: Jacobians, Hessians, and products with them.
///
///   kt::Expr j = kt::jacobian(y, x);                           // y f64[m], x f64[n] -> f64[m,n]
///   kt::Expr h = kt::hessian(cost, x);                         // f64[n,n]
///   kt::Expr hv = kt::hessian_vector_product(cost, x, v);      // f64[n], without the matrix
#include <cstdint>
#include <vector>

#include <kroton/expr.hpp>

namespace kroton {

/// How a Jacobian is worked out: one column at a time is forward mode, one row at a time reverse
/// mode, all of them in one go (`vmap`).
enum class JacobianMode : std::uint8_t {
  automatic, ///< forward where `wrt` is known to have no more elements than the output
  forward,
  reverse,
};

/// The derivative of each element of `output` by each of `wrt`: of shape `output.shape() +
/// wrt.shape()`, zeros where there is none. Throws TypeError unless both are floating and of one
/// dtype with a gradient between them, UnsupportedError for an op without a gradient, or that
/// cannot be mapped (`vmap`), on the way.
Expr jacobian(const Expr& output, const Expr& wrt, JacobianMode mode = JacobianMode::automatic,
              Location where = Location::current());

/// The second derivatives of the scalar `cost`: of shape `wrt.shape() + wrt.shape()`. Throws as
/// `grad` and `jacobian` do.
Expr hessian(const Expr& cost, const Expr& wrt, Location where = Location::current());

/// The product of the Hessian of the scalar `cost` with `vector`, of `wrt`'s dtype and shape: the
/// derivative of the gradient along it, at the price of about two gradients. Of several `wrt` the
/// Hessian is that of all their elements together, and there is a vector, and a product, for each.
/// Throws as `grad` and `jvp` do.
Expr hessian_vector_product(const Expr& cost, const Expr& wrt, const Expr& vector,
                            Location where = Location::current());
std::vector<Expr> hessian_vector_product(const Expr& cost, const std::vector<Expr>& wrt,
                                         const std::vector<Expr>& vectors,
                                         Location where = Location::current());

} // namespace kroton
