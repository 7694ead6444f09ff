#pragma once
/// Arrays put behind each other, and one array taken apart again.
///
///   auto both = kt::concatenate({x, y}, 1);       // f32[n,a] and f32[n,b] to f32[n,a+b]
///   auto thirds = kt::split(both, 3, 1);          // three of f32[n,(a+b)/3]
///
/// Arrays that are joined are promoted to one dtype. What computes a part of a joined array writes
/// it to its place there. The parts that an array is split into are views.
#include <cstdint>
#include <utility>
#include <vector>

#include <kroton/ops/basic.hpp>

namespace kroton {

/// The arrays behind each other along `axis`, as numpy.concatenate's. All have the same rank, of 1
/// or more, and the same dims but for that axis, whose dims are added up. Throws ShapeError if
/// there are none, or if they do not fit: at once where that can be told, else when the function is
/// called.
Expr concatenate(const std::vector<Expr>& arrays, int axis = 0,
                 Location where = Location::current());
/// The arrays along a new axis: k arrays of f32[n,m] are f32[k,n,m], or f32[n,m,k] if `axis` is -1.
/// All have the same shape; axes are those of the result. Throws as concatenate does.
Expr stack(const std::vector<Expr>& arrays, int axis = 0, Location where = Location::current());
/// Arrays of rank 1 as rows, others behind each other along their first axis.
Expr vstack(const std::vector<Expr>& arrays, Location where = Location::current());
/// Arrays behind each other along their second axis, those of rank 1 along their only one.
Expr hstack(const std::vector<Expr>& arrays, Location where = Location::current());
/// Arrays behind each other along their third axis: of rank 1 they are [1,n,1] before, of rank 2
/// [n,m,1].
Expr dstack(const std::vector<Expr>& arrays, Location where = Location::current());
/// Arrays of rank 1 as the columns of a matrix; matrices are put beside each other.
Expr column_stack(const std::vector<Expr>& arrays, Location where = Location::current());

/// `sections` parts of one length along `axis`, as views. Throws ShapeError if the axis does not
/// divide into them, when the function is called if its size is not known before.
std::vector<Expr> split(Operand a, std::int64_t sections, int axis = 0);
/// The same for any size: as many of the first parts as there is a remainder are longer by one.
std::vector<Expr> array_split(Operand a, std::int64_t sections, int axis = 0);
/// The parts before, between and behind positions of `axis`, in ascending order, as numpy.split's
/// with a list: `split_at(x, {2, 5})` is x[:2], x[2:5] and x[5:]. Positions are those of a Range:
/// negative ones count from the end, and those outside are clamped.
std::vector<Expr> split_at(Operand a, const std::vector<std::int64_t>& positions, int axis = 0);

/// What `pad` puts around an array, as numpy.pad's modes.
enum class PadMode : std::uint8_t {
  constant,  ///< a number
  edge,      ///< the element at the end: a a | a b c | c c
  reflect,   ///< mirrored at the element at the end: c b | a b c | b a
  symmetric, ///< mirrored behind it: b a | a b c | c b
  wrap,      ///< the other end: b c | a b c | a b
};
/// `a` with elements put before and behind it along each axis: f32[n,m] with {{1, 2}, {0, 3}} is
/// f32[n+3,m+3]. One pair stands for all axes. `value`, a scalar, is what mode constant puts there.
/// Padding may be longer than the axis. Throws ShapeError for negative widths or another number of
/// pairs, and, for modes but constant, if the axis is empty: IndexError in the call where its size
/// is not known before.
Expr pad(Operand a, const std::vector<std::pair<std::int64_t, std::int64_t>>& widths,
         PadMode mode = PadMode::constant, Operand value = 0);

} // namespace kroton
