#pragma once
/// The rows of orthogonal factorisations. Several results are one array, the rows of one behind
/// those of the other, so that users read views of it.
#include "lib/ir/op.hpp"

namespace kroton::ops {

/// qr-factor: a [..., m, n], m >= n -> [..., m + n, n]: q, then r.
/// eigh-factor: a [..., n, n] -> [..., 1 + n, n]: the eigenvalues, then the eigenvectors as rows;
/// the former alone without vectors.
/// svd-factor: a [..., m, n] -> [..., 1 + m + n, k], k the smaller: s, u, and the transpose of vh;
/// s alone without vectors.
/// pseudoinverse: a [..., m, n] and the share of the largest singular value that counts as 0 ->
/// [..., n, m].
extern const ir::Op qr_factor, eigh_factor, svd_factor, pseudoinverse;

/// Of eigh-factor and svd-factor.
struct SpectrumParams {
  bool has_vectors = true;
  bool gives_nan = false; ///< for elements that are not finite, instead of failing

  static constexpr std::string_view params_name = "spectrum";
  static constexpr auto fields = std::tuple{ir::field("vectors", &SpectrumParams::has_vectors),
                                            ir::field("nan", &SpectrumParams::gives_nan)};
};

} // namespace kroton::ops
