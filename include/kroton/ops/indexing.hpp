#pragma once
/// Indexing beyond the basic ops.
///
///   auto y = kt::one_hot(labels, 10);   // i64[n] to f32[n,10]
#include <kroton/ops/basic.hpp>

namespace kroton {

/// What is done about a position outside its axis, which has n elements.
enum class Bounds : std::uint8_t {
  raise, ///< IndexError that names position, axis and size, when the function is called
  clip,  ///< negative ones become 0, others n - 1
  wrap,  ///< the remainder of the division by n, as `mod` has it
};
/// NumPy's take: the elements at the positions along one axis, which the positions' axes take the
/// place of: f32[n,m] at i64[k,l] of axis 0 is f32[k,l,m]. Without an axis a counts as one row of
/// elements. With Bounds::raise negative positions count from the end. Of an axis without elements
/// nothing can be taken: IndexError in any mode.
Expr take(Operand a, Operand positions, int axis, Bounds mode = Bounds::raise);
Expr take(Operand a, Operand positions, Bounds mode = Bounds::raise);
/// NumPy's take_along_axis: result[i, …] = a[i, …] with the index along `axis` replaced by
/// positions[i, …], what argmax and argsort give. Positions have a's axes, and the shape of a but
/// for `axis`; where either is known to have size 1 it is broadcast. The result has the positions'
/// broadcast shape.
Expr take_along_axis(Operand a, Operand positions, int axis, Bounds mode = Bounds::raise);

/// dtype[…, classes]: 1 where the last axis' position equals the label, else 0 (so a label outside
/// 0 … classes - 1 gives zeros alone).
Expr one_hot(Operand labels, std::int64_t classes, DType dtype = DType::f32);
/// The same with a number of classes that the function's arguments say: `one_hot(y, x.dim(1))`.
Expr one_hot(Operand labels, Dim classes, DType dtype = DType::f32);

} // namespace kroton
