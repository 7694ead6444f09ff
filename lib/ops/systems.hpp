#pragma once
/// The rows of systems of linear equations that are factored first.
///
/// A factor is one array, so that it is computed once for all that are made of it: solutions,
/// determinants, and the solutions of their gradients.
#include "lib/ir/op.hpp"

namespace kroton::ops {

/// lu-factor: a [..., n, n] -> [..., n + 1, n]: the transpose of L U, whose rows are those of a in
/// another order, and below it the row of a that each of them is.
/// factor-solve: a, its factor (that, or a Cholesky factor) and b [..., n, k] -> x. The matrices
/// themselves are there for the gradient alone.
/// lu-determinants: a and its lu-factor -> [..., 3]: the determinant, its sign, and the logarithm
/// of its magnitude.
extern const ir::Op lu_factor, factor_solve, lu_determinants;

/// Of factor-solve.
struct SystemParams {
  bool is_cholesky = false, transposed = false;
  bool gives_nan = false;  ///< for singular matrices, instead of failing
  bool is_inverse = false; ///< b is the identity

  static constexpr std::string_view params_name = "system";
  static constexpr auto fields = std::tuple{ir::field("cholesky", &SystemParams::is_cholesky),
                                            ir::field("transposed", &SystemParams::transposed),
                                            ir::field("nan", &SystemParams::gives_nan),
                                            ir::field("inverse", &SystemParams::is_inverse)};
};

} // namespace kroton::ops
