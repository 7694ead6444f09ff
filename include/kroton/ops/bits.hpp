#pragma once
/// Bits of integers, elementwise. Negative numbers are in two's complement.
///
///   auto low = x & 0xff;
///   auto flags = kt::shift_right(x, 8) & 1;
///
/// Two integer dtypes promote as in arithmetic; floats are a TypeError. There are no operators <<
/// and >>: those write to streams, and `std::cout << x << 1` would not say which is meant.
#include <kroton/ops/basic.hpp>

namespace kroton {

/// @name Of bool, logical and, or, exclusive or, and not.
/// @{
Expr bit_and(Operand a, Operand b);
Expr bit_or(Operand a, Operand b);
Expr bit_xor(Operand a, Operand b);
Expr bit_not(Operand a);              ///< each bit the other way
Expr operator&(Operand a, Operand b); ///< bit_and
Expr operator|(Operand a, Operand b); ///< bit_or
Expr operator^(Operand a, Operand b); ///< bit_xor
Expr operator~(Operand a);            ///< bit_not
/// @}

/// @name a shifted by b places. A negative b, or one of at least as many places as a's dtype has,
/// moves all bits out: 0, or -1 for a negative number shifted to the right. bool is taken as i8.
/// @{
Expr shift_left(Operand a, Operand b);
Expr shift_right(Operand a, Operand b); ///< rounds down, as floor_div(a, 2^b)
/// @}

/// How many bits of |a| are set, as u8 (numpy.bitwise_count).
Expr popcount(Operand a);

} // namespace kroton
