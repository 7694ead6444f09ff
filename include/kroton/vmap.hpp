#pragma once
/// A function of single elements, over one more axis.
///
///   auto distance = [](const std::vector<kt::Expr>& v) {       // of two points, f32[3] each
///     return kt::sqrt(kt::sum(kt::pow(v[0] - v[1], 2)));       // f32[]
///   };
///   kt::Expr d = kt::vmap(distance)({xs, ys});                 // xs, ys f32[n,3] -> d f32[n]
///   kt::Expr e = kt::vmap(distance, {0, {}})({xs, origin});    // origin f32[3] for all of them
///   kt::Expr m = kt::vmap(kt::vmap(distance, {{}, 0}), {0, {}})({xs, ys}); // f32[n,n], all pairs
#include <functional>
#include <optional>
#include <type_traits>
#include <utility>
#include <vector>

#include <kroton/expr.hpp>

namespace kroton {

/// The axis of each argument that is mapped over; nothing where the argument is the same for every
/// element. Negative axes count from the end. Arguments that are not named have theirs in front.
using MappedAxes = std::vector<std::optional<int>>;

namespace detail {

std::vector<Expr> map_over(const std::function<std::vector<Expr>(const std::vector<Expr>&)>& f,
                           const MappedAxes& in_axes, const std::vector<int>& out_axes,
                           const std::vector<Expr>& arguments, Location where);

} // namespace detail

/// What applies `f` to each element along the mapped axes of its arguments, all at once.
///
/// `f` is called once for each call of the result, with expressions of one element each: an
/// argument of shape [n, s…] mapped over axis 0 is given to it as [s…]. It returns an Expr or a
/// vector of them; what it returns gets the mapped axis at `out_axes` (0 where none is given), also
/// where it does not depend on a mapped argument. Nothing loops: every op is replaced by the same
/// op over one more axis, so the result can be differentiated, mapped again, and is fused like any
/// other expression. Random numbers that `f` draws are the same for every element; draw them
/// outside and map over them where they should differ.
///
/// The call throws ShapeError if no argument is mapped, an axis is none of its argument's, or
/// mapped axes are known to differ in size (sizes that are not known are checked when the compiled
/// function is called); UnsupportedError for an op that cannot be mapped, and for a size computed
/// from a mapped argument.
template <class F>
auto vmap(F f, MappedAxes in_axes = {}, std::vector<int> out_axes = {},
          Location where = Location::current()) {
  using Result = std::invoke_result_t<const F&, const std::vector<Expr>&>;
  return [f = std::move(f), in_axes = std::move(in_axes), out_axes = std::move(out_axes),
          where](const std::vector<Expr>& arguments) -> Result {
    const auto as_vector = [&](const std::vector<Expr>& v) {
      if constexpr (std::is_same_v<Result, Expr>)
        return std::vector<Expr>{f(v)};
      else
        return f(v);
    };
    std::vector<Expr> results = detail::map_over(as_vector, in_axes, out_axes, arguments, where);
    if constexpr (std::is_same_v<Result, Expr>)
      return results[0];
    else
      return results;
  };
}

} // namespace kroton
