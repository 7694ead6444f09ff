/// Leaves and generators: inputs, shared variables, constants, sizes, iota.
#include <kroton/shared.hpp>

#include <algorithm>
#include <mutex>
#include <shared_mutex>

#include "lib/ir/variables.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::Attrs;
using ir::EvalContext;
using ir::InferContext;
using ir::Kind;
using ir::Type;

/// attrs.leaf identifies it, attrs.dtype and attrs.dims are its type.
Type infer_leaf(InferContext& c) { return {c.attrs.dtype, c.attrs.dims}; }
Type infer_size(InferContext&) { return {DType::i64, {}}; }
Type infer_iota(InferContext& c) { return {DType::i64, c.attrs.dims}; }

Array eval_constant(const EvalContext& c) {
  Array out = Array::empty(c.dtype, {});
  if (c.dtype == c.declared) {
    std::memcpy(out.raw(), &c.attrs.bits, item_size(c.dtype));
  } else {
    *out.data<double>() = float_value(c.declared, c.attrs.bits);
  }
  return out;
}

Array eval_array(const EvalContext& c) {
  const Array& value = static_cast<const ir::ArrayLeaf*>(c.attrs.leaf.get())->value;
  return value.dtype() == c.dtype ? value : value.astype(c.dtype);
}

Array eval_size(const EvalContext& c) { return Array::scalar<std::int64_t>(c.dims[0]); }

Array eval_iota(const EvalContext& c) { return Array::arange<std::int64_t>(c.shape[0]); }

} // namespace

const Op input{.name = "input", .arity = 0, .kind = Kind::leaf, .infer = infer_leaf};
const Op shared{.name = "shared", .arity = 0, .kind = Kind::leaf, .infer = infer_leaf};
/// attrs.bits is the value, in attrs.dtype.
const Op constant{
    .name = "constant", .arity = 0, .kind = Kind::leaf, .infer = infer_leaf, .eval = eval_constant};
/// attrs.leaf is an ir::ArrayLeaf.
const Op array{
    .name = "array", .arity = 0, .kind = Kind::leaf, .infer = infer_leaf, .eval = eval_array};
/// attrs.dims[0] as an i64 scalar.
const Op size{
    .name = "size", .arity = 0, .kind = Kind::generator, .infer = infer_size, .eval = eval_size};
/// 0 … n-1 with n = attrs.dims[0].
const Op iota{
    .name = "iota", .arity = 0, .kind = Kind::generator, .infer = infer_iota, .eval = eval_iota};

double float_value(DType dtype, std::uint64_t bits) {
  if (!is_float(dtype)) return static_cast<double>(int_value(dtype, bits));
  return support::visit_float(dtype, [&]<class T>(std::type_identity<T>) {
    return static_cast<double>(support::from_bits<T>(bits));
  });
}

ir::Wide int_value(DType dtype, std::uint64_t bits) {
  if (is_float(dtype)) return static_cast<ir::Wide>(float_value(dtype, bits));
  const int unused = 64 - static_cast<int>(item_size(dtype)) * 8;
  if (is_signed_int(dtype)) return static_cast<std::int64_t>(bits << unused) >> unused;
  return (bits << unused) >> unused;
}

std::uint64_t float_bits(DType dtype, double value) {
  if (!is_float(dtype)) return int_bits(dtype, static_cast<ir::Wide>(value));
  return support::visit_float(dtype, [&]<class T>(std::type_identity<T>) {
    return support::to_bits(static_cast<T>(value));
  });
}

std::uint64_t int_bits(DType dtype, ir::Wide value) {
  if (is_float(dtype)) return float_bits(dtype, static_cast<double>(value));
  if (is_bool(dtype)) return value != 0;
  const int unused = 64 - static_cast<int>(item_size(dtype)) * 8;
  return (static_cast<std::uint64_t>(value) << unused) >> unused;
}

Expr scalar_constant(DType dtype, double value, Location where) {
  return ir::make(constant, {}, {.dtype = dtype, .bits = float_bits(dtype, value)}, where);
}

Expr integer_constant(DType dtype, std::int64_t value, Location where) {
  return ir::make(constant, {}, {.dtype = dtype, .bits = int_bits(dtype, value)}, where);
}

Expr to_expr(const Operand& operand, DType dtype) {
  if (!operand.is_literal()) return operand.expr;
  const Literal& l = operand.literal;
  if (l.kind == WeakKind::floating || is_float(dtype))
    return scalar_constant(dtype, l.floating, operand.where);
  const ir::Wide value =
      l.is_unsigned ? ir::Wide(static_cast<std::uint64_t>(l.integer)) : ir::Wide(l.integer);
  const std::uint64_t bits = int_bits(dtype, value);
  if (int_value(dtype, bits) != value && !is_bool(dtype)) {
    support::fail<TypeError>("literal",
                             {.place = support::describe(operand.where),
                              .hint = "cast the expression to a wider dtype first"},
                             "{} does not fit {}",
                             l.is_unsigned ? std::to_string(static_cast<std::uint64_t>(l.integer))
                                           : std::to_string(l.integer),
                             to_string(dtype));
  }
  return ir::make(constant, {}, {.dtype = dtype, .bits = bits}, operand.where);
}

Expr to_expr(const Operand& operand) {
  if (!operand.is_literal()) return operand.expr;
  switch (operand.literal.kind) {
  case WeakKind::bool_:
    return to_expr(operand, DType::bool_);
  case WeakKind::integer:
    return to_expr(operand, DType::i64);
  case WeakKind::floating:
    break;
  }
  return to_expr(operand, DType::f64);
}

Expr to_floating(const Operand& operand) {
  const Expr e = to_expr(operand);
  return is_float(e.dtype()) ? e : cast_to(e, DType::f64, operand.where);
}

Expr dim_expr(const Dim& d, Location where) {
  if (d.is_static()) return integer_constant(DType::i64, d.value(), where);
  return ir::make(size, {}, {.dims = {d}}, where);
}

std::span<const Op* const> leaf_rows() {
  static constexpr const Op* rows[] = {&input, &shared, &constant, &array, &size, &iota};
  return rows;
}

} // namespace ops

Expr Expr::dim(int axis, Location where) const {
  const int r = rank();
  if (axis < -r || axis >= r) {
    support::fail<ShapeError>("dim",
                              {.place = ir::place_of(where, {this, 1}),
                               .hint = r == 0 ? "a scalar has no axes"
                                              : fmt::format("axes run from {} to {}", -r, r - 1)},
                              "axis {} of {}, which has {} axes", axis, label(), r);
  }
  return ops::dim_expr(shape()[static_cast<std::size_t>(axis < 0 ? axis + r : axis)], where);
}

namespace {

Expr make_leaf(const ir::Op& op, DType dtype, std::vector<Dim> shape,
               std::shared_ptr<const void> leaf, std::string name, Location where) {
  if (!ir::is_countable({dtype, shape}))
    support::fail<ShapeError>(
        "tensor",
        {.place = support::describe(where), .hint = "an array has at most 2^63 - 1 bytes"},
        "{} has more bytes than an int64 counts", ir::Type{dtype, shape}.to_string());
  auto node = std::make_shared<ir::Node>();
  node->op = &op;
  node->attrs = {.dims = shape, .dtype = dtype, .leaf = std::move(leaf)};
  node->type = {dtype, std::move(shape)};
  node->name = std::move(name);
  node->where = where;
  return Expr(std::move(node));
}

std::vector<Dim> static_shape(const Array& a) { return {a.shape().begin(), a.shape().end()}; }

} // namespace

Expr tensor(DType dtype, std::vector<Dim> shape, std::string name, Location where) {
  // An unknown dim is this input's alone, and knows which axis it came from.
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i].is_static() || shape[i].node()->kind != ir::DimKind::symbol ||
        !shape[i].node()->name.empty() || !shape[i].node()->origin.empty())
      continue;
    shape[i] = ir::dims::symbol({}, fmt::format("{} axis {}", name.empty() ? "an input" : name, i));
  }
  auto leaf = std::make_shared<ir::InputLeaf>(ir::InputLeaf{name});
  return make_leaf(ops::input, dtype, std::move(shape), std::move(leaf), std::move(name), where);
}

Expr constant(const Array& value, std::string name, Location where) {
  if (value.rank() == 0) {
    const Array own = value.copy(); // whose bools are 0 or 1
    std::uint64_t bits = 0;
    std::memcpy(&bits, own.raw(), item_size(own.dtype()));
    return ir::make(ops::constant, {}, {.dtype = own.dtype(), .bits = bits}, where);
  }
  auto leaf = std::make_shared<ir::ArrayLeaf>(ir::ArrayLeaf{value.copy(where)});
  return make_leaf(ops::array, value.dtype(), static_shape(value), std::move(leaf), std::move(name),
                   where);
}

Shared shared(const Array& value, std::string name, Location where) {
  auto state = ir::make_variable();
  state->name = name;
  state->where = where;
  state->value = value.copy(where);
  Expr e =
      make_leaf(ops::shared, value.dtype(), static_shape(value), state, std::move(name), where);
  return {std::move(e), std::move(state)};
}

Array Shared::get() const {
  ir::wait_for_fork();
  std::shared_lock lock(state_->mutex);
  ir::check_whole(*state_);
  return state_->value.copy(Location{});
}

void Shared::set(const Array& value, Location where) {
  const Expr& self = *this;
  const auto place = ir::place_of(where, {&self, 1});
  if (value.dtype() != dtype()) {
    support::fail<TypeError>(
        "set",
        {.place = place,
         .hint = fmt::format("value.astype(DType::{})", kroton::to_string(dtype()))},
        "{} takes {}, got {}", label(), kroton::to_string(dtype()), value.label());
  }
  ir::wait_for_fork();
  std::unique_lock lock(state_->mutex);
  if (!std::ranges::equal(value.shape(), state_->value.shape()))
    support::fail<ShapeError>(
        "set", {.place = place, .hint = "make a new shared variable for another shape"},
        "{} keeps its shape, got {}", label(), value.label());
  state_->value = value.copy(where);
  ir::set_whole(*state_);
}

} // namespace kroton
