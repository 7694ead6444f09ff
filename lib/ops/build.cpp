#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"

#include <algorithm>

namespace kroton::ops {
namespace {

using ir::Dtypes;

/// The dtype an elementwise op computes in, given what its operands promote to.
DType computing_dtype(const Op& op, DType common, const std::vector<Expr>& exprs, Location where) {
  auto refuse = [&](std::string_view expected, std::string hint) {
    std::string got;
    for (const Expr& e : exprs)
      got += (got.empty() ? "" : ", ") + (e.node() ? e.label() : std::string("a literal"));
    std::vector<Expr> named;
    for (const Expr& e : exprs)
      if (e.node()) named.push_back(e);
    support::fail<TypeError>(op.name,
                             {.place = ir::place_of(where, named), .hint = std::move(hint)},
                             "takes {}, got {}", expected, got);
  };
  switch (op.dtypes) {
  case Dtypes::any:
    break;
  case Dtypes::numeric:
    if (is_bool(common)) refuse("numbers", "cast(x, DType::i32) counts true as 1");
    break;
  case Dtypes::floating:
    return is_float(common) ? common : DType::f64;
  case Dtypes::integral:
    if (is_float(common)) refuse("integers or bool", "cast the operand first");
    break;
  case Dtypes::boolean:
    if (!is_bool(common)) refuse("bool", "compare first, as in x != 0");
    break;
  }
  return common;
}

} // namespace

Expr elementwise(const Op& op, std::initializer_list<const Operand*> operands) {
  const bool has_condition = &op == &where;
  std::vector<Expr> exprs;
  std::optional<DType> common;
  Location at = (*operands.begin())->where;
  for (const Operand* o : operands) {
    exprs.push_back(o->expr);
    if (!o->is_literal()) at = o->where;
    if (has_condition && exprs.size() == 1) continue;
    if (!o->is_literal()) common = common ? promote(*common, o->expr.dtype()) : o->expr.dtype();
  }
  std::size_t i = 0;
  std::optional<WeakKind> weak;
  for (const Operand* o : operands) {
    if (has_condition && i++ == 0) continue;
    if (o->is_literal()) weak = std::max(weak.value_or(o->literal.kind), o->literal.kind);
  }
  if (weak) common = common ? promote_weak(*weak, *common) : dtype_of_weak(*weak);
  const DType dtype = computing_dtype(op, *common, exprs, at);
  i = 0;
  for (const Operand* o : operands) {
    Expr& e = exprs[i];
    if (has_condition && i++ == 0) {
      e = to_expr(*o, DType::bool_);
      continue;
    }
    if (!has_condition) ++i;
    e = o->is_literal() ? to_expr(*o, dtype) : cast_to(e, dtype, o->where);
  }
  return ir::make(op, std::move(exprs), {}, at);
}

Expr written_as(std::string_view op, const Operand& value, const Expr& to, DType dtype) {
  if (value.is_literal() ? promote_weak(value.literal.kind, dtype) == dtype
                         : promote(value.expr.dtype(), dtype) == dtype)
    return value.is_literal() ? to_expr(value, dtype) : cast_to(value.expr, dtype, value.where);
  const Expr both[] = {to, to_expr(value)};
  support::fail<TypeError>(
      op,
      {.place = ir::place_of(value.where, both),
       .hint = fmt::format("cast(v, DType::{}) says that digits may be lost", to_string(dtype))},
      "{} cannot be written into {}", both[1].label(), to.label());
}

namespace {

/// Whether an array of shape `from` is broadcast to the very dims of `to`.
bool leaves_alone(const ir::DimList& to, const ir::DimList& from) {
  if (to.is(from)) return true;
  if (from.size() > to.size()) return false;
  const std::size_t offset = to.size() - from.size();
  for (std::size_t i = 0; i < from.size(); ++i) {
    const Dim &d = from[i], &own = to[offset + i];
    if (!d.is(1) && (d.node() != own.node() || d.value() != own.value())) return false;
  }
  return true;
}

/// What to write where axis `axis` of input `i`, whose size is not known to be 1, meets another
/// size.
std::string hint_to_broadcast(const ir::InferContext& c, std::size_t i, std::size_t axis) {
  const bool has_name = !c.exprs[i].name().empty();
  const std::string name = has_name ? c.exprs[i].name() : "x";
  std::string items;
  for (std::size_t k = 0; k < axis; ++k) items += "Range{}, ";
  return fmt::format("a size is broadcast only if it is known to be 1 when the function is made: "
                     "expand_dims(index({0}, {{{1}0}}), {{{2}}}) is {0} with axis {2} of size 1{3}",
                     name, items, axis, has_name ? "" : fmt::format(", x being {}", c.label(i)));
}

/// Axis `axis` of input `i` and another of input `j` are both known, and differ.
std::string hint_to_align(const ir::InferContext& c, std::size_t i, std::size_t axis,
                          std::size_t j) {
  const auto &own = c.in(i).shape, &other = c.in(j).shape;
  const bool has_name = !c.exprs[i].name().empty();
  if (own.size() == 1 && other.size() > 1)
    for (std::size_t k = 0; k + 1 < other.size(); ++k)
      if (ir::dims::same(other[k], own[axis])) {
        Axes after;
        for (std::size_t m = k + 1; m < other.size(); ++m) after.push_back(static_cast<int>(m - k));
        return fmt::format("axes are matched from the last; expand_dims({}, {{{}}}) goes along "
                           "axis {} of {}",
                           has_name ? c.exprs[i].name() : c.label(i), fmt::join(after, ", "), k,
                           c.label(j));
      }
  return "axes are matched from the last, and only a size of 1 is broadcast: expand_dims inserts "
         "one";
}

/// Of two inputs that do not broadcast; nothing inside rewrites, where nobody reads it.
std::string hint_of_mismatch(const ir::InferContext& c, std::size_t j, std::size_t axis_j,
                             std::size_t i, std::size_t axis_i) {
  if (c.exprs.empty()) return {};
  if (!c.in(i).shape[axis_i].is_static()) return hint_to_broadcast(c, i, axis_i);
  if (!c.in(j).shape[axis_j].is_static()) return hint_to_broadcast(c, j, axis_j);
  return c.in(j).rank() < c.in(i).rank() ? hint_to_align(c, j, axis_j, i)
                                         : hint_to_align(c, i, axis_i, j);
}

} // namespace

ir::DimList broadcast_shapes(ir::InferContext& c) {
  // Most operands have one shape, or none: the result then shares it.
  for (const ir::Type* t : c.inputs)
    if (std::ranges::all_of(c.inputs,
                            [&](const ir::Type* u) { return leaves_alone(t->shape, u->shape); }))
      return t->shape;
  int rank = 0;
  for (const ir::Type* t : c.inputs) rank = std::max(rank, t->rank());
  std::vector<Dim> shape(static_cast<std::size_t>(rank), Dim(1));
  std::vector<std::size_t> from(shape.size(), 0); // which input gave each dim
  for (std::size_t i = 0; i < c.inputs.size(); ++i) {
    const auto& dims = c.in(i).shape;
    const std::size_t offset = shape.size() - dims.size();
    for (std::size_t k = 0; k < dims.size(); ++k) {
      Dim& d = shape[offset + k];
      if (dims[k].is(1)) continue;
      if (d.is(1)) {
        d = dims[k];
        from[offset + k] = i;
        continue;
      }
      if (ir::dims::same(d, dims[k])) continue;
      const std::size_t j = from[offset + k];
      const std::size_t axis_j = offset + k - (shape.size() - c.in(j).shape.size());
      d = c.require_equal(d, dims[k],
                          fmt::format("dims differ: {} has {} on axis {}, {} has {} on axis {}",
                                      c.label(j), d.to_string(), axis_j, c.label(i),
                                      dims[k].to_string(), k),
                          hint_of_mismatch(c, j, axis_j, i, k));
    }
  }
  return shape;
}

ir::Type infer_elementwise(ir::InferContext& c) {
  const DType dtype = c.in(0).dtype;
  for (std::size_t i = 1; i < c.inputs.size(); ++i)
    KROTON_CHECK(c.in(i).dtype == dtype, "{} of {} and {}", c.op.name, c.label(0), c.label(i));
  return {c.op.result == ir::Result::boolean ? DType::bool_ : dtype, broadcast_shapes(c)};
}

std::vector<std::int64_t> normalize_axes(std::string_view op, const Axes& axes, const Expr& a,
                                         Location where) {
  std::vector<std::int64_t> result;
  if (axes.empty()) {
    for (int i = 0; i < a.rank(); ++i) result.push_back(i);
    return result;
  }
  const ir::Type& type = a.node()->type;
  for (int axis : axes) {
    if (axis < -type.rank() || axis >= type.rank()) {
      support::fail<ShapeError>(
          op,
          {.place = ir::place_of(where, {&a, 1}),
           .hint = type.rank() == 0
                       ? "a scalar has no axes"
                       : fmt::format("axes run from {} to {}", -type.rank(), type.rank() - 1)},
          "axis {} of {}, which has {} axes", axis, a.label(), type.rank());
    }
    result.push_back(axis < 0 ? axis + type.rank() : axis);
  }
  std::ranges::sort(result);
  if (std::ranges::adjacent_find(result) != result.end())
    support::fail<ShapeError>(op,
                              {.place = ir::place_of(where, {&a, 1}),
                               .hint = "name each axis once; negative ones count from the end"},
                              "[{}] names an axis of {} twice", fmt::join(axes, ","), a.label());
  return result;
}

Expr restore_axes(const Expr& reduced, std::span<const std::int64_t> axes, Location where) {
  if (axes.empty()) return reduced;
  std::vector<Dim> shape = reduced.shape();
  for (std::int64_t axis : axes) shape.insert(shape.begin() + axis, Dim(1));
  return ir::make(reshape, {reduced}, ShapeParams{std::move(shape)}, where);
}

Expr sum_to(const Expr& g, const Expr& like, Location where) {
  const auto &from = g.shape(), &to = like.shape();
  if (ir::dims::same(from, to)) return g;
  const std::size_t extra = from.size() - to.size();
  Axes reduced;
  for (std::size_t i = 0; i < from.size(); ++i)
    if (i < extra || (to[i - extra].is(1) && !from[i].is(1)))
      reduced.push_back(static_cast<int>(i));
  if (reduced.empty()) return g;
  Expr s = kroton::sum(Operand(g, where), reduced);
  if (s.rank() == like.rank()) return s;
  return ir::make(reshape, {s}, ShapeParams{to}, where);
}

} // namespace kroton::ops
