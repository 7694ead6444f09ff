#pragma once
/// Arrays that consist of others.
///
///   const Expr both = joined_along(0, {a, b}, where);
#include <span>
#include <vector>

#include "lib/ir/op.hpp"
#include "lib/ops/params.hpp"

namespace kroton::ops {

/// Each element of the result is one of one of the inputs. No kernel computes it: what computes an
/// input writes it to its place in the result (lib/plan/prepare).
extern const ir::Op join;

/// join: the first position of each input along each axis, one input after the other, and the shape
/// of the result. Inputs have the rank of the result; together they cover it, and no two have an
/// element in common.
struct JoinParams {
  ir::DimList starts = {};
  ir::DimList shape = {};

  static constexpr std::string_view params_name = "join";
  static constexpr auto fields =
      std::tuple{field("starts", &JoinParams::starts), field("shape", &JoinParams::shape)};

  std::span<const Dim> starts_of(std::size_t input) const {
    return std::span<const Dim>(starts).subspan(input * shape.size(), shape.size());
  }
};

/// Arrays of one dtype and rank behind each other along an axis.
Expr joined_along(std::size_t axis, const std::vector<Expr>& arrays, Location where,
                  std::vector<ir::Constraint> constraints = {});
/// The elements from `starts` on, as many as `shape` says.
Expr part_from(const Expr& e, std::vector<Dim> starts, std::vector<Dim> shape, Location where);

} // namespace kroton::ops
