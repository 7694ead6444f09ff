#pragma once
/// Arrays that are put together from parts: what gradients of many reads of one array are.
///
///   const Part part{value, {starts, steps, lengths}};
///   const Expr g = ops::assemble_parts({Dim(4), Dim(8)}, {part, …}, where);
#include <span>
#include <vector>

#include "lib/ir/op.hpp"
#include "lib/ops/params.hpp"

namespace kroton::ops {

extern const ir::Op assemble;

/// A call of assemble takes at most so many parts: kernels of devices have their places as
/// arguments.
constexpr std::size_t most_parts = 16;

/// assemble: the window of each part, one after the other, an entry for each axis of the base.
struct AssembleParams {
  ir::DimList starts = {};
  ir::Ints steps = {};
  ir::DimList lengths = {};
  /// Parts are added to what is there. Otherwise they take its place, and no two windows have an
  /// element in common.
  bool adds = true;

  static constexpr std::string_view params_name = "assemble";
  static constexpr auto fields =
      std::tuple{field("starts", &AssembleParams::starts), field("steps", &AssembleParams::steps),
                 field("lengths", &AssembleParams::lengths), field("adds", &AssembleParams::adds)};
};

/// The elements of an array that a part stands for: along each axis, `lengths` of them from
/// `starts` on, `steps` apart.
struct Window {
  std::vector<Dim> starts;
  ir::Ints steps;
  std::vector<Dim> lengths;
};
/// Of a node of assemble, or the context of one, whose base has `rank` axes.
Window window_of(const AssembleParams& params, std::size_t part, std::size_t rank);

/// True if no two of the windows are known to have an element in common: along some axis, each
/// ends before the next begins, or any two of them are apart along some axis.
bool are_disjoint(std::span<const Window> windows);

struct Part {
  Expr value; ///< as many elements as the window, in row-major order
  Window window;
};
/// Zeros of `shape`, to which the parts are added. All have the same dtype, and there is one at
/// least.
Expr assemble_parts(const std::vector<Dim>& shape, std::vector<Part> parts, Location where);
/// The arrays behind each other along their first axis: at least one, whose other dims are equal.
Expr join_first(const std::vector<Expr>& arrays, Location where);

} // namespace kroton::ops
