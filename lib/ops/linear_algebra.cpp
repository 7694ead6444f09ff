/// Linear algebra that library calls compute.
#include <kroton/ops/linear_algebra.hpp>
#include <kroton/ops/movement.hpp>

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/linear_algebra.hpp"
#include "lib/ops/matrices.hpp"
#include "lib/ops/params.hpp"

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

/// Of cholesky.
struct CholeskyParams {
  bool gives_nan = false; ///< for matrices that are not positive definite, instead of failing

  static constexpr std::string_view params_name = "cholesky";
  static constexpr auto fields = std::tuple{ir::field("nan", &CholeskyParams::gives_nan)};
};

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
       .hint = "if rounding alone is to blame, add a small multiple of the identity; "
               "OnError::nan gives NaN instead"},
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
  const Expr p = half_of(product(swapped(l, at), whole_gradient(c), at), at);
  const Expr s = behind(swapped(behind(p), at));
  const Expr both = Operand(s, at) + Operand(swapped(s, at), at);
  return {half_of(both, at)};
}

const ir::LibraryCall cholesky_factor{
    .operands = {Layout::strided},
    .results = {{.layout = Layout::dense, .in_place_of = 0}},
    .numbers =
        [](const ir::Graph& graph, ir::NodeId id) {
          return std::vector<Dim>{Dim(graph[id].params.as<CholeskyParams>().gives_nan ? 1 : 0)};
        },
    .takes = [](std::span<const ir::CallType> results, std::span<const ir::CallType> operands,
                std::size_t numbers) { return numbers == 1 && are_matrices(results, operands, 1); },
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
    .params = &ir::params_type<CholeskyParams>,
    .infer = infer_cholesky,
    .eval = eval_cholesky,
    .batched =
        [](const ir::BatchContext& c) {
          return ir::make(cholesky, {c.inputs[0]}, c.params, c.where);
        },
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
          const Expr product = ops::product(left, swapped(right, c.where), c.where);
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

} // namespace ops

Expr cholesky(Operand a, OnError on_error) {
  return ir::make(ops::cholesky, {ops::to_floating(a)},
                  ops::CholeskyParams{on_error == OnError::nan}, a.where);
}

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
  const std::vector<Dim> batches = ops::common_batches("solve_triangular", x, y, at);
  const Expr solution = ir::make(
      ops::solve_triangular, {ops::over_batches(x, batches, at), ops::over_batches(y, batches, at)},
      ops::params_of(options), at);
  return is_vector ? squeeze({solution, at}, {-1}) : solution;
}

} // namespace kroton
