#pragma once
/// Arrays of which some elements are written.
///
///   auto y = kt::set_at(x, {labels, kt::Range{0, 3}}, 0.f);   // x[labels, 0:3] = 0
#include <kroton/ops/indexing.hpp>

namespace kroton {

/// @name a with elements written where `index(a, items)` reads them; the array of a's dtype and
/// shape is a new one, in a's place where nobody needs a any more, as in the update of a shared
/// variable.
///
/// v broadcasts to the shape of `index(a, items)`, and has a dtype that is converted to a's without
/// loss, or is a number. Items are those of `index`, and one of them may be a mask, a bool array
/// with the sizes of the axes that it is for: `set_at(a, {a < 0}, 0)`. v then has, as in NumPy, an
/// axis of size 1 or none in the place of what the mask selects.
/// Positions that occur several times count several times, in row-major order, on any number of
/// threads; one outside its axis raises IndexError when the function is called, and nothing is
/// written. All throw TypeError for dtypes, ShapeError for shapes, and UnsupportedError for a mask
/// beside positions that are not known or another mask.
/// @{
/// v itself: of several at one position, the last one. Their gradient is 0 for those before.
Expr set_at(Operand a, std::vector<IndexItem> items, Operand v,
            Location where = Location::current());
/// a + v. No bool.
Expr add_at(Operand a, std::vector<IndexItem> items, Operand v,
            Location where = Location::current());
/// The larger, or smaller, of a and v, NaN if one is NaN. All that are equal to it, a's element
/// among them, have equal parts of the gradient.
Expr max_at(Operand a, std::vector<IndexItem> items, Operand v,
            Location where = Location::current());
Expr min_at(Operand a, std::vector<IndexItem> items, Operand v,
            Location where = Location::current());
/// a * v. No bool. The gradient of v is exact where elements are 0, the second one is not.
Expr mul_at(Operand a, std::vector<IndexItem> items, Operand v,
            Location where = Location::current());
/// @}
/// NumPy's put_along_axis: a with v where `take_along_axis(a, positions, axis)` reads.
Expr put_along_axis(Operand a, Operand positions, Operand v, int axis, Bounds mode = Bounds::raise);

} // namespace kroton
