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

using ir::EvalContext;
using ir::InferContext;
using ir::Kind;
using ir::Type;

template <class P> Type infer_leaf(InferContext& c) {
  const P& p = c.params.as<P>();
  return {p.dtype, p.shape};
}
Type infer_constant(InferContext& c) { return {c.params.as<ConstantParams>().value.dtype, {}}; }
Type infer_size(InferContext&) { return {DType::i64, {}}; }
Type infer_iota(InferContext& c) { return {DType::i64, {c.params.as<SizeParams>().size}}; }

Array eval_constant(const EvalContext& c) {
  const ir::Scalar& value = c.params.as<ConstantParams>().value;
  Array out = Array::empty(c.dtype, {});
  if (c.dtype == c.declared)
    std::memcpy(out.raw(), value.words.data(), item_size(c.dtype));
  else
    *out.data<double>() = float_value(value);
  return out;
}

Array eval_array(const EvalContext& c) {
  const Array& value = c.params.as<ArrayParams>().leaf->value;
  return value.dtype() == c.dtype ? value : value.astype(c.dtype);
}

Array eval_size(const EvalContext& c) {
  return Array::scalar<std::int64_t>(c.size(c.params.as<SizeParams>().size));
}

Array eval_iota(const EvalContext& c) { return Array::arange<std::int64_t>(c.shape[0]); }

using ir::Example;

/// 0, 1, … in a dtype.
Array counted(DType t, std::int64_t rows, std::int64_t columns) {
  return Array::arange<std::int64_t>(rows * columns).reshape({rows, columns}).astype(t);
}

/// 0, of an array that gives an example its sizes.
Expr nothing_of(const Expr& x) { return kroton::sum(kroton::cast(x != x, DType::i64)); }

std::vector<Example> examples_of_input(DType t) {
  const Expr x = tensor(t, {dim("n"), dim("m")}, "x");
  return {{x}, {x + 1}};
}
std::vector<Example> examples_of_shared(DType t) {
  return {{kroton::shared(counted(t, 2, 3), "w")}};
}
std::vector<Example> examples_of_constant(DType t) {
  const Expr x = tensor(t, {dim("n"), dim("m")}, "x"),
             three = kroton::constant(Array::scalar<std::int64_t>(3).astype(t));
  return {{three}, {kroton::where(x == x, kroton::broadcast_to(three, x.shape()), x)}};
}
std::vector<Example> examples_of_array(DType t) {
  const Expr baked = kroton::constant(counted(t, 3, 2));
  return {{baked}, {kroton::transpose(baked)}};
}
std::vector<Example> examples_of_size(DType t) {
  const Expr x = tensor(t, {dim("n"), dim("m")}, "x");
  return {{x.dim(1) + nothing_of(x)}, {x.dim(0) * 2 + x.dim(-1) + nothing_of(x)}};
}
std::vector<Example> examples_of_iota(DType t) {
  const Expr x = tensor(t, {dim("n"), dim("m")}, "x");
  return {{arange(x.dim(0)) + nothing_of(x)}, {arange(7, -3, -2)}};
}

} // namespace

const Op input{.name = "input",
               .arity = 0,
               .kind = Kind::leaf,
               .params = &ir::params_type<InputParams>,
               .infer = infer_leaf<InputParams>,
               .examples = examples_of_input,
               .doc = "an input of the function"};
const Op shared{.name = "shared",
                .arity = 0,
                .kind = Kind::leaf,
                .params = &ir::params_type<SharedParams>,
                .infer = infer_leaf<SharedParams>,
                .examples = examples_of_shared,
                .doc = "a shared variable's value"};
const Op constant{.name = "constant",
                  .arity = 0,
                  .kind = Kind::leaf,
                  .params = &ir::params_type<ConstantParams>,
                  .infer = infer_constant,
                  .eval = eval_constant,
                  .examples = examples_of_constant,
                  .doc = "a number"};
const Op array{.name = "array",
               .arity = 0,
               .kind = Kind::leaf,
               .params = &ir::params_type<ArrayParams>,
               .infer = infer_leaf<ArrayParams>,
               .eval = eval_array,
               .examples = examples_of_array,
               .doc = "an array that is part of the expression"};
/// A dim as an i64 scalar.
const Op size{.name = "size",
              .arity = 0,
              .kind = Kind::generator,
              .params = &ir::params_type<SizeParams>,
              .infer = infer_size,
              .eval = eval_size,
              .examples = examples_of_size,
              .doc = "the size of an axis, as an i64 scalar"};
/// 0 … size-1.
const Op iota{.name = "iota",
              .arity = 0,
              .kind = Kind::generator,
              .params = &ir::params_type<SizeParams>,
              .infer = infer_iota,
              .eval = eval_iota,
              .examples = examples_of_iota,
              .doc = "0, 1, … n - 1 as i64",
              .function = "arange"};

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

Expr constant_of(const ir::Scalar& value, Location where) {
  return ir::make(constant, {}, ConstantParams{value}, where);
}

ir::Scalar scalar_in(const Array& value) {
  const Array own = value.copy(); // whose bools are 0 or 1
  ir::Scalar scalar{.dtype = own.dtype()};
  std::memcpy(scalar.words.data(), own.raw(), item_size(own.dtype()));
  return scalar;
}

Expr scalar_constant(DType dtype, double value, Location where) {
  return constant_of(ir::scalar_of(dtype, float_bits(dtype, value)), where);
}

Expr integer_constant(DType dtype, std::int64_t value, Location where) {
  return constant_of(ir::scalar_of(dtype, int_bits(dtype, value)), where);
}

Expr to_expr(const Operand& operand, DType dtype) {
  if (!operand.is_literal()) return operand.expr;
  const Literal& l = operand.literal;
  if (l.kind >= WeakKind::floating || is_float(dtype))
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
  return constant_of(ir::scalar_of(dtype, bits), operand.where);
}

Expr to_expr(const Operand& operand) {
  if (!operand.is_literal()) return operand.expr;
  return to_expr(operand, dtype_of_weak(operand.literal.kind));
}

Expr to_floating(const Operand& operand) {
  const Expr e = to_expr(operand);
  return is_float(e.dtype()) ? e : cast_to(e, DType::f64, operand.where);
}

std::span<const Op* const> leaf_rows() {
  static constexpr const Op* rows[] = {&input, &shared, &constant, &array, &size, &iota};
  return rows;
}

} // namespace ops

namespace {

template <class P> Expr make_leaf(const ir::Op& op, P params, std::string name, Location where) {
  ir::Type type{params.dtype, params.shape};
  if (!ir::is_countable(type))
    support::fail<ShapeError>(
        "tensor",
        {.place = support::describe(where), .hint = "an array has at most 2^63 - 1 bytes"},
        "{} has more bytes than an int64 counts", type.to_string());
  auto node = std::make_shared<ir::Node>();
  node->op = &op;
  node->params = std::move(params);
  node->type = std::move(type);
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
  return make_leaf(ops::input, ops::InputParams{dtype, std::move(shape), std::move(leaf)},
                   std::move(name), where);
}

Expr constant(const Array& value, std::string name, Location where) {
  if (value.rank() == 0) return ops::constant_of(ops::scalar_in(value), where);
  auto leaf = std::make_shared<ir::ArrayLeaf>(ir::ArrayLeaf{value.copy(where)});
  return make_leaf(ops::array,
                   ops::ArrayParams{value.dtype(), static_shape(value), std::move(leaf)},
                   std::move(name), where);
}

Shared shared(const Array& value, std::string name, Location where) {
  auto state = ir::make_variable();
  state->name = name;
  state->where = where;
  state->value = value.copy(where);
  Expr e = make_leaf(ops::shared, ops::SharedParams{value.dtype(), static_shape(value), state},
                     std::move(name), where);
  return {std::move(e), std::move(state)};
}

Array Shared::get() const {
  detail::require_given(*this, "get", Location{});
  ir::wait_for_fork();
  std::shared_lock lock(state_->mutex);
  ir::check_whole(*state_);
  return state_->value.copy(Location{});
}

void Shared::set(const Array& value, Location where) {
  const Expr& self = *this;
  detail::require_given(self, "set", where);
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
