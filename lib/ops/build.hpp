#pragma once
/// What the public functions are built with: promotion, literals, axes.
#include <cstring>

#include <kroton/ops/basic.hpp>

#include "lib/ops/table.hpp"

namespace kroton::ops {

using ir::Op;

/// Applies an elementwise op: promotes the operands as its row says and casts them.
Expr elementwise(const Op& op, std::initializer_list<const Operand*> operands);
/// The expression behind an operand; a literal alone gets the dtype of its kind.
Expr to_expr(const Operand& operand);
Expr to_expr(const Operand& operand, DType dtype);
/// The same, integers and bool as f64.
Expr to_floating(const Operand& operand);
/// A rank-0 constant of `dtype`; the value is rounded to it.
Expr scalar_constant(DType dtype, double value, Location where);
Expr integer_constant(DType dtype, std::int64_t value, Location where);
Expr cast_to(const Expr& e, DType dtype, Location where);

/// A rank-0 constant.
Expr constant_of(const ir::Scalar& value, Location where);
/// The only element of an array.
ir::Scalar scalar_in(const Array& value);

/// The value of a rank-0 constant's bits.
double float_value(DType dtype, std::uint64_t bits);
ir::Wide int_value(DType dtype, std::uint64_t bits);
inline double float_value(const ir::Scalar& s) { return float_value(s.dtype, s.bits()); }
inline ir::Wide int_value(const ir::Scalar& s) { return int_value(s.dtype, s.bits()); }
std::uint64_t float_bits(DType dtype, double value);
std::uint64_t int_bits(DType dtype, ir::Wide value);

/// One result of an expression that has several.
Expr part_at(const Expr& several, std::size_t index, Location where);

/// Axes made non-negative, sorted, checked; all of them when empty.
std::vector<std::int64_t> normalize_axes(std::string_view op, const Axes& axes, const Expr& a,
                                         Location where);
/// `reduced` (without the axes) with dims of 1 put back at `axes`.
Expr restore_axes(const Expr& reduced, std::span<const std::int64_t> axes, Location where);
/// Sums `g` down to the shape of `like`, undoing broadcasting.
Expr sum_to(const Expr& g, const Expr& like, Location where);
/// The scalar i64 expression of a dim.
Expr dim_expr(const Dim& d, Location where);
/// The size that a scalar expression gives, 0 where it is negative. Throws UnsupportedError, as
/// `op`, for one that is not made of sizes, numbers and integer scalar inputs.
Dim size_of(std::string_view op, const Expr& e, Location where);
/// The same, which may be negative.
Dim signed_size_of(std::string_view op, const Expr& e, Location where);
/// `value` as it is written into an array of `dtype`: a literal adapts, another dtype is converted
/// where `dtype` is what both promote to. Throws TypeError, as `op`, where it is not.
Expr written_as(std::string_view op, const Operand& value, const Expr& to, DType dtype);

/// The shape of a broadcast result; requires dims that are not 1 to be equal.
ir::DimList broadcast_shapes(ir::InferContext& context);
/// Infer functions shared by rows.
ir::Type infer_elementwise(ir::InferContext& context);

} // namespace kroton::ops
