/// Linear algebra that library calls compute.
#include <kroton/ops/contraction.hpp>
#include <kroton/ops/linear_algebra.hpp>
#include <kroton/ops/movement.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "lib/ir/call.hpp"
#include "lib/ir/extended.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/params.hpp"
#include "lib/ops/linear_algebra.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::Dtypes;
using ir::EvalContext;
using ir::GradContext;
using ir::InferContext;
using ir::Kind;
using ir::Layout;
using ir::Property;
using ir::Type;

// ---- what rows of matrices share

/// Requires input `i` to be square matrices, and gives their order.
Dim require_square(InferContext& c, std::size_t i) {
  const auto& shape = c.in(i).shape;
  const std::size_t r = shape.size();
  if (r < 2) c.fail<ShapeError>("leading axes are batches", "takes matrices, got {}", c.label(i));
  return c.require_equal(shape[r - 2], shape[r - 1],
                         fmt::format("takes square matrices, got {}", c.label(i)),
                         "the last two axes are a matrix");
}

std::int64_t batches_of(std::span<const std::int64_t> shape) {
  std::int64_t n = 1;
  for (std::size_t i = 0; i + 2 < shape.size(); ++i) n *= shape[i];
  return n;
}

/// A dense matrix of floats.
struct Matrix {
  std::int64_t rows = 0, cols = 0;
  std::vector<long double> elements;

  Matrix(std::int64_t m, std::int64_t n)
      : rows(m), cols(n), elements(static_cast<std::size_t>(m * n)) {}
  long double& at(std::int64_t i, std::int64_t j) {
    return elements[static_cast<std::size_t>(i * cols + j)];
  }
  long double at(std::int64_t i, std::int64_t j) const {
    return elements[static_cast<std::size_t>(i * cols + j)];
  }
};

/// Matrix number `batch` of a stack of `shape`, whose elements `terms[i]` are.
template <class T>
Matrix matrix_of(const ir::Terms<T>& terms, std::span<const std::int64_t> shape,
                 std::int64_t batch) {
  Matrix m(shape[shape.size() - 2], shape[shape.size() - 1]);
  const std::int64_t first = batch * m.rows * m.cols;
  for (std::size_t i = 0; i < m.elements.size(); ++i)
    m.elements[i] = terms[first + static_cast<std::int64_t>(i)];
  return m;
}

Matrix matrix_of(const Array& stack, std::int64_t batch) {
  const Array dense = stack.astype(DType::f64).contiguous();
  return matrix_of(ir::Terms<double>(dense, Array(), false), dense.shape(), batch);
}

/// `f(batch)` gives the matrices of the result, from the inputs as `Terms`.
template <class F> Array evaluate_matrices(const EvalContext& c, F f) {
  Array out = Array::empty(c.dtype, Shape(c.shape.begin(), c.shape.end()));
  support::visit_dtype(c.dtype, [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_floating_point_v<T>) {
      std::vector<ir::Terms<T>> inputs;
      for (std::size_t i = 0; i < c.inputs.size(); ++i) inputs.emplace_back(c, i);
      const ir::Results<T> to(c, out);
      for (std::int64_t batch = 0; batch < batches_of(c.shape); ++batch) {
        std::vector<Matrix> matrices;
        for (std::size_t i = 0; i < inputs.size(); ++i)
          matrices.push_back(matrix_of(inputs[i], c.inputs[i].shape(), batch));
        const Matrix result = f(matrices);
        const auto numel = static_cast<std::int64_t>(result.elements.size());
        for (std::int64_t i = 0; i < numel; ++i)
          to.set(batch * numel + i, result.elements[static_cast<std::size_t>(i)]);
      }
    }
  });
  return out;
}

long double largest(const Matrix& m) {
  long double most = 0;
  for (long double v : m.elements)
    if (!(std::fabs(v) <= most)) most = std::fabs(v); // NaN too
  return most;
}

/// The largest of `error(matrices)` of all batches.
template <class F>
double worst_error(std::span<const Array> operands, const Array& result, F error) {
  double worst = 0;
  for (std::int64_t batch = 0; batch < batches_of(result.shape()); ++batch) {
    std::vector<Matrix> matrices;
    for (const Array& a : operands) matrices.push_back(matrix_of(a, batch));
    const auto by = static_cast<double>(error(matrices, matrix_of(result, batch)));
    if (!(by <= worst)) worst = by;
  }
  return worst;
}

Expr swapped(const Expr& e, Location where) {
  std::vector<int> order(static_cast<std::size_t>(e.rank()));
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<int>(i);
  std::swap(order[order.size() - 1], order[order.size() - 2]);
  return kroton::transpose({e, where}, order);
}

/// The matrices with zeros outside of a triangle, whose diagonal is part of it unless `is_strict`.
Expr triangle_of(const Expr& e, bool lower, bool is_strict, Location where) {
  const auto positions = [&](int axis) {
    return ir::make(iota, {}, SizeParams{e.shape()[static_cast<std::size_t>(e.rank() + axis)]},
                    where);
  };
  const Operand row(kroton::expand_dims({positions(-2), where}, {-1}), where),
      column(positions(-1), where);
  const Operand &larger = lower ? row : column, &smaller = lower ? column : row;
  const Expr is_inside = is_strict ? larger > smaller : larger >= smaller;
  return kroton::where({is_inside, where}, {e, where}, {0, where});
}

/// The gradient that arrives, in the shape of the op's result.
Expr whole_gradient(const GradContext& c) {
  if (ir::same(c.grad.node()->type, c.output.node()->type)) return c.grad;
  return ir::make(broadcast_to, {c.grad}, ShapeParams{c.output.node()->type.shape}, c.where);
}

// ---- triangular systems: inputs are the matrices and the right sides

/// Triangular, as parameters.
struct TriangularParams {
  bool lower = false, transposed = false, unit_diagonal = false;

  static constexpr std::string_view params_name = "triangular";
  static constexpr auto fields =
      std::tuple{ir::field("lower", &TriangularParams::lower),
                 ir::field("transposed", &TriangularParams::transposed),
                 ir::field("unit_diagonal", &TriangularParams::unit_diagonal)};
};
TriangularParams params_of(const Triangular& t) { return {t.lower, t.transposed, t.unit_diagonal}; }
template <class N> Triangular options_of(const N& n) {
  const TriangularParams& p = n.params.template as<TriangularParams>();
  return {p.lower, p.transposed, p.unit_diagonal};
}

Type infer_solve_triangular(InferContext& c) {
  const Dim n = require_square(c, 0);
  std::vector<Dim> shape = c.in(1).shape;
  const auto& a = c.in(0).shape;
  const std::size_t r = a.size();
  if (shape.size() != r)
    c.fail<ShapeError>("a vector for each matrix is a matrix of one column",
                       "{} and {} have different ranks", c.label(0), c.label(1));
  for (std::size_t i = 0; i + 2 < r; ++i)
    shape[i] = c.require_equal(
        a[i], shape[i], fmt::format("batches differ: {} and {}", c.label(0), c.label(1)), "");
  shape[r - 2] =
      c.require_equal(n, shape[r - 2],
                      fmt::format("{} has matrices of {} rows, {} has right sides of {}",
                                  c.label(0), n.to_string(), c.label(1), shape[r - 2].to_string()),
                      "the right sides are columns: transpose them if they are rows");
  return {c.in(1).dtype, std::move(shape)};
}

Array eval_solve_triangular(const EvalContext& c) {
  const Triangular t = options_of(c);
  return evaluate_matrices(c, [&](std::span<const Matrix> in) {
    const Matrix& a = in[0];
    Matrix x = in[1];
    const std::int64_t n = a.rows;
    const bool is_forward = t.lower != t.transposed;
    for (std::int64_t step = 0; step < n; ++step) {
      const std::int64_t i = is_forward ? step : n - 1 - step;
      for (std::int64_t k = 0; k < x.cols; ++k) {
        long double v = x.at(i, k);
        for (std::int64_t j = is_forward ? 0 : i + 1; j < (is_forward ? i : n); ++j)
          v -= (t.transposed ? a.at(j, i) : a.at(i, j)) * x.at(j, k);
        x.at(i, k) = t.unit_diagonal ? v : v / a.at(i, i);
      }
    }
    return x;
  });
}

std::vector<Dim> numbers_of_solve_triangular(const ir::Graph& graph, ir::NodeId id) {
  const Triangular t = options_of(graph[id]);
  return {Dim(t.lower ? 1 : 0), Dim(t.transposed ? 1 : 0), Dim(t.unit_diagonal ? 1 : 0)};
}

/// Stacks of matrices of floats, all of one dtype and rank, as many operands as `operands`.
bool are_matrices(std::span<const ir::CallType> results, std::span<const ir::CallType> operands,
                  std::size_t count) {
  const auto is_like_result = [&](const ir::CallType& t) {
    return t.dtype == results[0].dtype && t.rank == results[0].rank;
  };
  return results.size() == 1 && operands.size() == count && is_float(results[0].dtype) &&
         results[0].rank >= 2 && std::ranges::all_of(operands, is_like_result);
}

/// Of op(a) x - b, relative to what cancels in it.
double error_of_solve_triangular(std::span<const Array> operands, std::span<const Array> results,
                                 std::span<const std::int64_t> numbers) {
  return worst_error(operands, results[0], [&](std::span<const Matrix> in, const Matrix& x) {
    const bool lower = numbers[0] != 0, transposed = numbers[1] != 0, unit = numbers[2] != 0;
    Matrix a = in[0];
    const Matrix& b = in[1];
    for (std::int64_t i = 0; i < a.rows; ++i)
      for (std::int64_t j = 0; j < a.cols; ++j)
        if (i == j ? unit : lower ? j > i : j < i) a.at(i, j) = i == j ? 1 : 0;
    Matrix residual(b.rows, b.cols);
    for (std::int64_t i = 0; i < b.rows; ++i)
      for (std::int64_t k = 0; k < b.cols; ++k) {
        long double v = -b.at(i, k);
        for (std::int64_t j = 0; j < a.rows; ++j)
          v += (transposed ? a.at(j, i) : a.at(i, j)) * x.at(j, k);
        residual.at(i, k) = v;
      }
    const long double scale =
        static_cast<long double>(a.rows) * largest(a) * largest(x) + largest(b);
    return scale == 0 ? largest(residual) : largest(residual) / scale;
  });
}

/// `value` is the place on the diagonal, `bound` the matrix's number in the stack.
void singular(const ir::FailureContext& c) {
  const ir::GraphNode& n = c.graph[c.node];
  const std::string of =
      n.type.rank() > 2 ? fmt::format(" of matrix {}", c.failure.bound) : std::string();
  support::fail<LinAlgError>(
      "solve_triangular",
      {.place = support::describe(n.where),
       .hint = "a triangular matrix with a zero on its diagonal has no inverse"},
      "the matrix is singular: element {0},{0}{1} is 0, in a call of {2}", c.failure.value, of,
      c.function);
}

const ir::LibraryCall triangular_solve{
    .operands = {Layout::strided},
    .results = {{.layout = Layout::dense, .in_place_of = 1}},
    .numbers = numbers_of_solve_triangular,
    .takes = [](std::span<const ir::CallType> results, std::span<const ir::CallType> operands,
                std::size_t numbers) { return numbers == 3 && are_matrices(results, operands, 2); },
    .backward_error = error_of_solve_triangular};

// ---- Cholesky factors

Type infer_cholesky(InferContext& c) {
  require_square(c, 0);
  return c.in(0);
}

/// Column by column; NaN everywhere where the matrix is not positive definite.
Array eval_cholesky(const EvalContext& c) {
  return evaluate_matrices(c, [](std::span<const Matrix> in) {
    const Matrix& a = in[0];
    Matrix l(a.rows, a.cols);
    for (std::int64_t j = 0; j < a.rows; ++j)
      for (std::int64_t i = j; i < a.rows; ++i) {
        long double v = a.at(i, j);
        for (std::int64_t k = 0; k < j; ++k) v -= l.at(i, k) * l.at(j, k);
        if (i == j && !(v > 0)) {
          std::ranges::fill(l.elements, std::numeric_limits<long double>::quiet_NaN());
          return l;
        }
        l.at(i, j) = i == j ? std::sqrt(v) : v / l.at(j, j);
      }
    return l;
  });
}

/// Of l transpose(l) - a in the lower triangle, relative to a.
double error_of_cholesky(std::span<const Array> operands, std::span<const Array> results,
                         std::span<const std::int64_t>) {
  return worst_error(operands, results[0], [](std::span<const Matrix> in, const Matrix& l) {
    const Matrix& a = in[0];
    Matrix residual(a.rows, a.cols);
    for (std::int64_t i = 0; i < a.rows; ++i)
      for (std::int64_t j = 0; j < a.cols; ++j) {
        long double v = j > i ? l.at(i, j) : -a.at(i, j);
        for (std::int64_t k = 0; k <= j && j <= i; ++k) v += l.at(i, k) * l.at(j, k);
        residual.at(i, j) = v;
      }
    const long double scale = static_cast<long double>(a.rows) * largest(a);
    return scale == 0 ? largest(residual) : largest(residual) / scale;
  });
}

/// `value` is the order of the minor, `bound` the matrix's number in the stack.
void not_positive_definite(const ir::FailureContext& c) {
  const ir::GraphNode& n = c.graph[c.node];
  const std::string of =
      n.type.rank() > 2 ? fmt::format(" of matrix {}", c.failure.bound) : std::string();
  support::fail<LinAlgError>(
      "cholesky",
      {.place = support::describe(n.where),
       .hint = "if rounding alone is to blame, add a small multiple of the identity"},
      "the matrix is not positive definite: the leading minor of order {}{} is not positive, in a "
      "call of {}",
      c.failure.value, of, c.function);
}

/// The lower triangle, with half of the diagonal.
Expr half_of(const Expr& e, Location where) {
  return Operand(0.5, where) * Operand(Operand(triangle_of(e, true, false, where), where) +
                                           Operand(triangle_of(e, true, true, where), where),
                                       where);
}

/// Murray, "Differentiation of the Cholesky decomposition" (2016), equation 10: with
/// s = l^-T half(l^T g) l^-1, that of the matrix is (s + s^T) / 2, and an element that is read
/// stands for two of them, but on the diagonal: half(s + s^T).
std::vector<Expr> gradient_of_cholesky(const GradContext& c) {
  const Location at = c.where;
  const Expr& l = c.output;
  const Triangular transposed{.lower = true, .transposed = true};
  const auto behind = [&](const Expr& e) {
    return kroton::solve_triangular({l, at}, {e, at}, transposed);
  };
  const Expr p = half_of(kroton::matmul({swapped(l, at), at}, {whole_gradient(c), at}), at);
  const Expr s = behind(swapped(behind(p), at));
  const Expr both = Operand(s, at) + Operand(swapped(s, at), at);
  return {half_of(both, at)};
}

const ir::LibraryCall cholesky_factor{
    .operands = {Layout::strided},
    .results = {{.layout = Layout::dense, .in_place_of = 0}},
    .takes = [](std::span<const ir::CallType> results, std::span<const ir::CallType> operands,
                std::size_t numbers) { return numbers == 0 && are_matrices(results, operands, 1); },
    .backward_error = error_of_cholesky};

/// 3 by 3: `on` on the diagonal, `off` beside it.
Expr with_diagonal(double on, const Expr& off) {
  const Expr i = arange(3);
  return kroton::where(kroton::expand_dims(i, {-1}) == i, on, off);
}
std::vector<ir::Example> examples_of_cholesky(DType t) {
  if (!is_float(t)) return {};
  const Expr a = kroton::tanh(tensor(t, {3, 3}, "a"));
  const Expr positive = with_diagonal(8, kroton::dot(a, kroton::transpose(a)));
  return {{kroton::cholesky(positive)}};
}
std::vector<ir::Example> examples_of_solve_triangular(DType t) {
  if (!is_float(t)) return {};
  const Expr a = with_diagonal(4, kroton::tanh(tensor(t, {3, 3}, "a"))), b = tensor(t, {3, 2}, "b");
  return {{kroton::solve_triangular(a, b)},
          {kroton::solve_triangular(a, b, {.lower = true})},
          {kroton::solve_triangular(a, b, {.lower = true, .transposed = true})}};
}

} // namespace

const Op cholesky{
    .name = "cholesky",
    .kind = Kind::library,
    .properties = Property::fallible,
    .dtypes = Dtypes::floating,
    .infer = infer_cholesky,
    .eval = eval_cholesky,
    .batched =
        [](const ir::BatchContext& c) { return ir::make(cholesky, {c.inputs[0]}, {}, c.where); },
    .gradient = gradient_of_cholesky,
    .call = &cholesky_factor,
    .fail = not_positive_definite,
    .examples = examples_of_cholesky,
    .doc =
        "the lower triangular l with l transpose(l) = a, of symmetric positive definite matrices"};

const Op solve_triangular{
    .name = "solve-triangular",
    .arity = 2,
    .kind = Kind::library,
    .properties = Property::fallible,
    .dtypes = Dtypes::floating,
    .params = &ir::params_type<TriangularParams>,
    .infer = infer_solve_triangular,
    .eval = eval_solve_triangular,
    .batched =
        [](const ir::BatchContext& c) {
          return ir::make(solve_triangular, {with_axis(c, 0), with_axis(c, 1)}, c.params, c.where);
        },
    .gradient =
        [](const GradContext& c) {
          const Triangular t = options_of(c);
          Triangular other = t;
          other.transposed = !t.transposed;
          const Expr gb = ir::make(solve_triangular, {c.inputs[0], whole_gradient(c)},
                                   params_of(other), c.where);
          const Expr left = t.transposed ? c.output : gb, right = t.transposed ? gb : c.output;
          const Expr product = kroton::matmul({left, c.where}, {swapped(right, c.where), c.where});
          const Expr ga =
              triangle_of(-Operand(product, c.where), t.lower, t.unit_diagonal, c.where);
          return std::vector{ga, gb};
        },
    .domain = {{0.5, 2}, {}},
    .call = &triangular_solve,
    .fail = singular,
    .examples = examples_of_solve_triangular,
    .doc = "the x with a x = b for triangular matrices a"};

std::span<const Op* const> linear_algebra_rows() {
  static constexpr const Op* rows[] = {&cholesky, &solve_triangular};
  return rows;
}

namespace {

/// Two operands as floats of one dtype, their leading axes broadcast to each other.
std::pair<Expr, Expr> broadcast_batches(std::string_view op, Expr a, Expr b, Location where) {
  const std::vector<Expr> both{a, b};
  const auto batch_type = [](const Expr& e) {
    const auto& shape = e.shape();
    return Type{e.dtype(), std::vector<Dim>(shape.begin(), shape.end() - 2)};
  };
  const Type types[] = {batch_type(a), batch_type(b)};
  const Type* const pointers[] = {&types[0], &types[1]};
  std::vector<ir::Constraint> constraints;
  const ir::Params none;
  ir::InferContext context{solve_triangular, pointers, none, both, where, constraints, op};
  const std::vector<Dim> batches = broadcast_shapes(context);
  const auto stretched = [&](const Expr& e) {
    std::vector<Dim> shape = batches;
    shape.insert(shape.end(), e.shape().end() - 2, e.shape().end());
    return ir::same(ir::DimList(shape), e.node()->type.shape)
               ? e
               : ir::make(broadcast_to, {e}, ShapeParams{std::move(shape)}, where);
  };
  return {stretched(a), stretched(b)};
}

} // namespace
} // namespace ops

Expr cholesky(Operand a) { return ir::make(ops::cholesky, {ops::to_floating(a)}, {}, a.where); }

Expr solve_triangular(Operand a, Operand b, Triangular options) {
  const Location at = a.where;
  Expr x = ops::to_floating(a), y = ops::to_floating(b);
  const std::vector<Expr> given{x, y};
  const DType t = promote(x.dtype(), y.dtype());
  x = ops::cast_to(x, t, at);
  y = ops::cast_to(y, t, at);
  if (x.rank() < 2 || y.rank() < 1)
    support::fail<ShapeError>(
        "solve_triangular", {.place = ir::place_of(at, given), .hint = "leading axes are batches"},
        "takes matrices and right sides, got {} and {}", given[0].label(), given[1].label());
  const bool is_vector = y.rank() == 1;
  if (is_vector) y = expand_dims({y, at}, {-1});
  const auto [left, right] = ops::broadcast_batches("solve_triangular", x, y, at);
  const Expr solution = ir::make(ops::solve_triangular, {left, right}, ops::params_of(options), at);
  return is_vector ? squeeze({solution, at}, {-1}) : solution;
}

} // namespace kroton
