#pragma once
/// Operations with several results.
///
///   auto [quotient, remainder] = kt::divmod(a, b);
#include <kroton/ops/basic.hpp>

namespace kroton {

struct MaxAndArgmax {
  Expr max, argmax;
};
/// max and argmax along one axis, in one pass over `a`. Both have a's shape without the axis, or
/// with a dim of 1 there if `keepdims`; `max` has a's dtype, `argmax` is i64 and the position of
/// the first largest element, a NaN counting as largest. The gradient is that of max: elements that
/// are equally large share it. Throws ShapeError for an empty axis, as argmax does.
MaxAndArgmax max_and_argmax(Operand a, int axis = -1, bool keepdims = false);

struct QuotientAndRemainder {
  Expr quotient, remainder;
};
/// floor_div(a, b) and mod(a, b), as Python's divmod. Both have the broadcast shape and the dtype
/// that a and b promote to; bool is refused with TypeError. Integers divided by 0 give 0 and 0. The
/// remainder of floats has the gradient of a - quotient * b, the quotient's being 0.
QuotientAndRemainder divmod(Operand a, Operand b);

struct MantissaAndExponent {
  Expr mantissa, exponent;
};
/// `a` as mantissa * 2^exponent, exactly, with 0.5 <= |mantissa| < 1, as C's frexp; both have a's
/// shape. The mantissa is floating (integers and bool are taken as f64), the exponent i32. Zeros,
/// infinities and NaN are their own mantissas, with exponent 0. The gradient takes the exponent for
/// a constant.
MantissaAndExponent frexp(Operand a);

} // namespace kroton
