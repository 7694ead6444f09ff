#pragma once
/// Which elements of an expression depend on which of another.
///
///   Pattern p = pattern_of(y, x, where);           // p[i]: the elements of x that y's i-th
///   depends on
#include <cstdint>
#include <vector>

#include <kroton/expr.hpp>

namespace kroton::reverse {

/// For each element in row-major order, the numbers of the elements it may depend on, ascending.
using Pattern = std::vector<std::vector<std::int64_t>>;

/// Of expressions of known sizes. Throws ShapeError, as `op`, for others on the way.
Pattern pattern_of(std::string_view op, const Expr& output, const Expr& wrt, Location where);

} // namespace kroton::reverse
