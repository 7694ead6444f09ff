/// Products that sum over an axis.
#include "lib/ir/call.hpp"
#include "lib/ir/extended.hpp"
#include <kroton/ops/contraction.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/contraction.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::BatchContext;
using ir::Dtypes;
using ir::EvalContext;
using ir::GradContext;
using ir::InferContext;
using ir::Kind;
using ir::Type;
using ir::Wide;

/// The shape of a @ b for inputs `i` and `i + 1`: batches, rows of a, columns of b.
std::vector<Dim> product_shape(InferContext& c, std::size_t i) {
  const auto &a = c.in(i).shape, &b = c.in(i + 1).shape;
  KROTON_CHECK(a.size() == b.size() && a.size() >= 2, "matmul of {} and {}", c.label(i),
               c.label(i + 1));
  const std::size_t r = a.size();
  std::vector<Dim> shape;
  for (std::size_t k = 0; k + 2 < r; ++k) {
    shape.push_back(
        a[k].is(1) ? b[k]
        : b[k].is(1)
            ? a[k]
            : c.require_equal(a[k], b[k],
                              fmt::format("batch dims differ: {} has {} on axis {}, {} has {}",
                                          c.label(i), a[k].to_string(), k, c.label(i + 1),
                                          b[k].to_string()),
                              "only a dim known to be 1 is broadcast"));
  }
  c.require_equal(a[r - 1], b[r - 2],
                  fmt::format("contracted axes differ: {} has {} on axis {}, {} has {} on axis {}",
                              c.label(i), a[r - 1].to_string(), r - 1, c.label(i + 1),
                              b[r - 2].to_string(), r - 2),
                  "transpose one of them, or swap them");
  shape.push_back(a[r - 2]);
  shape.push_back(b[r - 1]);
  return shape;
}

Type infer_matmul(InferContext& c) { return {c.in(0).dtype, product_shape(c, 0)}; }

/// Inputs: so far, a, b, alpha (a scalar).
Type infer_gemm(InferContext& c) {
  auto shape = product_shape(c, 1);
  for (std::size_t i = 0; i < shape.size(); ++i)
    shape[i] = c.require_equal(
        c.in(0).shape[i], shape[i],
        fmt::format("{} cannot take the product of {} and {}", c.label(0), c.label(1), c.label(2)),
        "");
  return {c.in(0).dtype, std::move(shape)};
}

/// Of inputs `first` and `first + 1`.
Array multiply(const EvalContext& c, std::size_t first) {
  const Shape shape(c.shape.begin(), c.shape.end());
  Shape a_shape = shape, b_shape = shape;
  const auto r = shape.size();
  const std::int64_t k = c.inputs[first].shape()[r - 1];
  a_shape[r - 1] = b_shape[r - 2] = k;
  const auto as_a = [&](const Array& v) { return v.broadcast_to(a_shape); };
  const auto as_b = [&](const Array& v) { return v.broadcast_to(b_shape); };
  Array out = Array::empty(c.dtype, shape);
  const std::int64_t m = shape[r - 2], n = shape[r - 1];
  std::int64_t batches = 1;
  for (std::size_t i = 0; i + 2 < r; ++i) batches *= shape[i];
  support::visit_dtype(c.dtype, [&]<class T>(std::type_identity<T>) {
    // f32 products are exact in double; f64 ones are summed in extended precision.
    using Sum = std::conditional_t<std::is_same_v<T, double>, long double,
                                   std::conditional_t<std::is_same_v<T, float>, double, Wide>>;
    const ir::Terms<T> a(c, first, as_a), b(c, first + 1, as_b);
    const ir::Results<T> to(c, out);
    std::vector<Sum> row(static_cast<std::size_t>(n));
    for (std::int64_t i = 0; i < batches * m; ++i) {
      std::ranges::fill(row, Sum(0));
      const std::int64_t batch = (i / m) * k * n;
      for (std::int64_t p = 0; p < k; ++p)
        for (std::int64_t j = 0; j < n; ++j)
          row[static_cast<std::size_t>(j)] +=
              static_cast<Sum>(a[i * k + p]) * static_cast<Sum>(b[batch + p * n + j]);
      for (std::int64_t j = 0; j < n; ++j) to.set(i * n + j, row[static_cast<std::size_t>(j)]);
    }
  });
  return out;
}

Array eval_matmul(const EvalContext& c) { return multiply(c, 0); }

Array eval_gemm(const EvalContext& c) {
  Array remainder;
  EvalContext inner = c;
  if (c.remainder != nullptr) inner.remainder = &remainder;
  const Array product = multiply(inner, 1);
  Array out = Array::empty(c.dtype, product.shape());
  support::visit_dtype(c.dtype, [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_floating_point_v<T>) {
      const ir::Terms<T> so_far(c, 0), alpha(c, 3), terms(product, remainder, c.remainder != nullptr);
      const ir::Results<T> to(c, out);
      for (std::int64_t i = 0; i < out.numel(); ++i)
        to.set(i,
               static_cast<long double>(so_far[i]) + static_cast<long double>(alpha[0]) * terms[i]);
    }
  });
  return out;
}

Expr swapped(const Expr& e, Location where) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(e.rank()));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<std::int64_t>(i);
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  return ir::make(transpose, {e}, OrderParams{std::move(order)}, where);
}

/// See lib/plan's ContractionStep for what products are told.
const ir::LibraryCall product{.operands = {ir::Layout::strided}, .results = {{ir::Layout::rows}}};
const ir::LibraryCall added_product{.operands = {ir::Layout::dense, ir::Layout::strided},
                                    .results = {{.layout = ir::Layout::dense, .in_place_of = 0}}};

/// Inputs `i` and `i + 1`. The axis is one more batch axis; if only the left one has it, and there
/// are no others, its rows join those of the product, which is then one product still.
Expr product_over(const BatchContext& c, std::size_t i) {
  const Expr &a = c.inputs[i], &b = c.inputs[i + 1];
  if (c.has_axis[i + 1] || b.rank() != 2)
    return ir::make(matmul, {with_axis_or_one(c, i), with_axis_or_one(c, i + 1)}, {}, c.where);
  const Dim m = a.shape()[1];
  const Expr rows =
      ir::make(reshape, {a}, ShapeParams{{ir::dims::mul(c.size, m), a.shape()[2]}}, c.where);
  const Expr product = ir::make(matmul, {rows, b}, {}, c.where);
  return ir::make(reshape, {product}, ShapeParams{{c.size, m, b.shape()[1]}}, c.where);
}

Expr batched_matmul(const BatchContext& c) { return product_over(c, 0); }

using ir::Example;

std::vector<Example> examples_of_matmul(DType t) {
  if (is_bool(t)) return {};
  const Dim n = dim("n"), m = dim("m"), k = dim("k"), l = dim("l");
  const Expr a = tensor(t, {n, k}, "a"), b = tensor(t, {k, m}, "b"),
             turned = tensor(t, {m, k}, "c"), v = tensor(t, {k}, "v"),
             p = tensor(t, {l, n, k}, "p"), q = tensor(t, {l, k, m}, "q"),
             one = tensor(t, {1, k, 3}, "one");
  const Expr reversed = kroton::slice(a, {{{}, {}, -1}, {{}, {}, -1}});
  return {{dot(a, b)},
          {dot(a, kroton::transpose(turned))},
          {dot(reversed, b)},
          {kroton::transpose(dot(kroton::transpose(b), kroton::transpose(a)))},
          {dot(a, v)},
          {dot(v, b)},
          {dot(v, v)},
          {kroton::matmul(p, q)},
          {kroton::matmul(p, b)},
          {kroton::matmul(p, one)}};
}
std::vector<Example> examples_of_gemm(DType t) {
  if (!is_float(t)) return {};
  const Dim n = dim("n"), m = dim("m"), k = dim("k");
  const Expr c = tensor(t, {n, m}, "c"), a = tensor(t, {n, k}, "a"), b = tensor(t, {k, m}, "b"),
             s = tensor(t, {}, "s");
  return {{ir::make(gemm, {c, a, b, s}, {}, Location::current())},
          {c + dot(a, b)},
          {c - dot(a, b) * s}};
}

} // namespace

/// [batches…, m, k] @ [batches…, k, n]; ranks are equal, batch dims of 1 broadcast.
const Op matmul{
    .name = "matmul",
    .arity = 2,
    .kind = Kind::contraction,
    .dtypes = Dtypes::numeric,
    .infer = infer_matmul,
    .eval = eval_matmul,
    .batched = batched_matmul,
    .gradient =
        [](const GradContext& c) {
          const Expr ga = ir::make(matmul, {c.grad, swapped(c.inputs[1], c.where)}, {}, c.where);
          const Expr gb = ir::make(matmul, {swapped(c.inputs[0], c.where), c.grad}, {}, c.where);
          return std::vector{sum_to(ga, c.inputs[0], c.where), sum_to(gb, c.inputs[1], c.where)};
        },
    .domain = {{}},
    .call = &product,
    .examples = examples_of_matmul,
    .doc = "the matrix product of the last two axes; leading axes are batches and broadcast"};
/// so_far + alpha * (a @ b): what `w - lr * dot(x, d)` becomes. Made by rewrites only.
const Op gemm{.name = "gemm",
              .arity = 4,
              .kind = Kind::contraction,
              .dtypes = Dtypes::floating,
              .infer = infer_gemm,
              .eval = eval_gemm,
              .domain = {{}},
              .call = &added_product,
              .examples = examples_of_gemm,
              .doc = "c + s a b: a matrix, plus a scaled product"};

std::span<const Op* const> contraction_rows() {
  static constexpr const Op* rows[] = {&matmul, &gemm};
  return rows;
}

} // namespace ops

namespace {

/// The sizes that a product of `a` and `b` sums over must be equal: checked here, where the user's
/// own operands are known, or left to the call.
std::vector<ir::Constraint> contracted_axes(std::string_view op, const Expr& a, const Expr& b,
                                            Location where) {
  const int axis_a = a.rank() - 1, axis_b = std::max(b.rank() - 2, 0);
  const Dim &ka = a.shape()[static_cast<std::size_t>(axis_a)],
            &kb = b.shape()[static_cast<std::size_t>(axis_b)];
  if (ir::dims::same(ka, kb)) return {};
  std::string hint = "transpose one of them, or swap them";
  if (b.rank() == 2 && a.rank() == 1)
    hint = fmt::format("{2}({0}, {1})", b.name().empty() ? "b" : b.name(),
                       a.name().empty() ? "a" : a.name(), op);
  if (a.rank() == 2 && b.rank() == 1) {
    const std::string an = a.name().empty() ? "a" : a.name(),
                      bn = b.name().empty() ? "b" : b.name();
    hint = fmt::format("{2}({1}, {0}) or {2}(transpose({0}), {1})", an, bn, op);
  }
  std::string what =
      fmt::format("contracted axes differ: {} has {} on axis {}, {} has {} on axis {}", a.label(),
                  ka.to_string(), axis_a, b.label(), kb.to_string(), axis_b);
  const std::vector<Expr> both{a, b};
  if (ka.is_static() && kb.is_static())
    support::fail<ShapeError>(op, {.place = ir::place_of(where, both), .hint = std::move(hint)},
                              "{}", what);
  return {{ka, kb, std::move(what), false, std::move(hint), std::string(op)}};
}

std::pair<Expr, Expr> promoted(const Operand& a, const Operand& b, Location where) {
  const Expr x = ops::to_expr(a), y = ops::to_expr(b);
  DType t = promote(x.dtype(), y.dtype());
  if (is_bool(t)) t = DType::i64;
  return {ops::cast_to(x, t, where), ops::cast_to(y, t, where)};
}

Expr with_axis(const Expr& e, std::size_t at, Location where) {
  std::vector<Dim> shape = e.shape();
  shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(at), Dim(1));
  return ir::make(ops::reshape, {e}, ops::ShapeParams{std::move(shape)}, where);
}

} // namespace

Expr dot(Operand a, Operand b) {
  const Location at = a.where;
  const std::vector<Expr> given{ops::to_expr(a), ops::to_expr(b)};
  const auto [x, y] = promoted(given[0], given[1], at);
  if (x.rank() == 0 || y.rank() == 0) return Operand(x, at) * Operand(y, at);
  if (x.rank() > 2 || y.rank() > 2)
    support::fail<ShapeError>(
        "dot", {.place = ir::place_of(at, given), .hint = "matmul treats leading axes as batches"},
        "takes ranks up to 2, got {} and {}", given[0].label(), given[1].label());
  auto contracted = contracted_axes("dot", given[0], given[1], at);
  const Expr left = x.rank() == 1 ? with_axis(x, 0, at) : x,
             right = y.rank() == 1 ? with_axis(y, 1, at) : y;
  const Expr product = ir::make(ops::matmul, {left, right}, {}, at, std::move(contracted));
  if (x.rank() == 2 && y.rank() == 2) return product;
  std::vector<Dim> shape;
  if (x.rank() == 2) shape.push_back(product.shape()[0]);
  if (y.rank() == 2) shape.push_back(product.shape()[1]);
  return ir::make(ops::reshape, {product}, ops::ShapeParams{std::move(shape)}, at);
}

Expr matmul(Operand a, Operand b) {
  const Location at = a.where;
  const std::vector<Expr> given{ops::to_expr(a), ops::to_expr(b)};
  auto [x, y] = promoted(given[0], given[1], at);
  if (x.rank() == 0 || y.rank() == 0)
    support::fail<ShapeError>(
        "matmul", {.place = ir::place_of(at, given), .hint = "use * to multiply by a scalar"},
        "takes at least one axis, got {} and {}", given[0].label(), given[1].label());
  auto contracted = contracted_axes("matmul", given[0], given[1], at);
  if (x.rank() == 1 && y.rank() <= 2) return dot({x, at}, {y, at});
  if (y.rank() == 1 && x.rank() <= 2) return dot({x, at}, {y, at});
  const bool a_is_vector = x.rank() == 1, b_is_vector = y.rank() == 1;
  if (a_is_vector) x = with_axis(x, 0, at);
  if (b_is_vector) y = with_axis(y, 1, at);
  while (x.rank() < y.rank()) x = with_axis(x, 0, at);
  while (y.rank() < x.rank()) y = with_axis(y, 0, at);
  const Expr product = ir::make(ops::matmul, {x, y}, {}, at, std::move(contracted));
  if (!a_is_vector && !b_is_vector) return product;
  std::vector<Dim> shape = product.shape();
  shape.erase(shape.end() - (a_is_vector ? 2 : 1));
  return ir::make(ops::reshape, {product}, ops::ShapeParams{std::move(shape)}, at);
}

} // namespace kroton
