/// Systems of linear equations of any kind, determinants and inverses.
#include <kroton/ops/linear_algebra.hpp>
#include <kroton/ops/movement.hpp>

#include <algorithm>
#include <limits>
#include <optional>

#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/linear_algebra.hpp"
#include "lib/ops/matrices.hpp"
#include "lib/ops/systems.hpp"

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

/// The order of the matrices.
const Dim& order_of(const Expr& e) { return e.shape().back(); }

Expr identity(const Dim& n, DType dtype, Location where) {
  const Expr i = ir::make(iota, {}, SizeParams{n}, where);
  const Operand column(kroton::expand_dims({i, where}, {-1}), where), row(i, where);
  return cast_to(column == row, dtype, where);
}

// ---- LU factors

/// The parts of an lu-factor.
Expr lower_of(const Expr& factor, Location at) {
  const Expr lu = swapped(rows_of(factor, Dim(0), order_of(factor), at), at);
  return Operand(triangle_of(lu, true, true, at), at) +
         Operand(identity(order_of(factor), factor.dtype(), at), at);
}
Expr upper_of(const Expr& factor, Location at) {
  return triangle_of(swapped(rows_of(factor, Dim(0), order_of(factor), at), at), false, false, at);
}

Type infer_lu_factor(InferContext& c) {
  const Dim n = require_square(c, 0);
  return with_matrix(c.in(0), ir::dims::add(n, Dim(1)), n);
}

Array eval_lu_factor(const EvalContext& c) {
  return evaluate_matrices(c, [](std::span<const Matrix> in) {
    Matrix lu = in[0];
    const std::int64_t n = lu.rows;
    std::vector<std::int64_t> from(static_cast<std::size_t>(n));
    factor_lu(lu.view(), from.data());
    Matrix factor(n + 1, n);
    for (std::int64_t i = 0; i < n; ++i) {
      for (std::int64_t j = 0; j < n; ++j) factor.at(j, i) = lu.at(i, j);
      factor.at(n, i) = static_cast<long double>(from[static_cast<std::size_t>(i)]);
    }
    return factor;
  });
}

struct Factors {
  Matrix lower, upper;
  std::vector<std::size_t> from;
};
Factors factors_of(const Matrix& factor) {
  const std::int64_t n = factor.cols;
  Factors f{Matrix(n, n), Matrix(n, n), {}};
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < n; ++j) (j < i ? f.lower : f.upper).at(i, j) = factor.at(j, i);
    f.lower.at(i, i) = 1;
    f.from.push_back(static_cast<std::size_t>(factor.at(n, i)));
  }
  return f;
}

/// Of L U - P a, relative to what is added up for it.
double error_of_lu_factor(std::span<const Array> operands, std::span<const Array> results,
                          std::span<const std::int64_t>) {
  return worst_error(
      operands, results[0], [](std::span<const Matrix> in, const Matrix& factor) -> long double {
        const Matrix& a = in[0];
        const Factors f = factors_of(factor);
        Matrix permuted(a.rows, a.cols);
        std::vector<bool> is_taken(f.from.size(), false);
        for (std::int64_t i = 0; i < a.rows; ++i) {
          const std::size_t from = f.from[static_cast<std::size_t>(i)];
          if (from >= is_taken.size() || is_taken[from])
            return std::numeric_limits<long double>::infinity();
          is_taken[from] = true;
          for (std::int64_t j = 0; j < a.cols; ++j)
            permuted.at(i, j) = a.at(static_cast<std::int64_t>(from), j);
        }
        return distance(product_of(f.lower, f.upper), permuted,
                        static_cast<long double>(a.rows) * largest(f.lower) * largest(f.upper));
      });
}

/// With p a = l u, where g is the gradient by l below the diagonal and by u elsewhere, that by p a
/// is l^-T m u^-T, m being l^T g below the diagonal and g u^T elsewhere. That by a is then
/// a^-T (u^T m u^-T).
std::vector<Expr> gradient_of_lu_factor(const GradContext& c) {
  const Location at = c.where;
  const Expr &a = c.inputs[0], &factor = c.output;
  const Expr g = swapped(rows_of(whole_gradient(c), Dim(0), order_of(a), at), at);
  const Expr lower = lower_of(factor, at), upper = upper_of(factor, at);
  const Expr below = triangle_of(product(swapped(lower, at), triangle_of(g, true, true, at), at),
                                 true, true, at),
             above = triangle_of(product(triangle_of(g, false, false, at), swapped(upper, at), at),
                                 false, false, at);
  const Expr m = Operand(below, at) + Operand(above, at);
  const Expr behind = swapped(kroton::solve_triangular({upper, at}, {swapped(m, at), at}), at);
  return {ir::make(factor_solve, {a, factor, product(swapped(upper, at), behind, at)},
                   SystemParams{.transposed = true}, at)};
}

const ir::LibraryCall lu_call{
    .operands = {Layout::strided},
    .results = {{.layout = Layout::dense}},
    .takes = [](std::span<const ir::CallType> results, std::span<const ir::CallType> operands,
                std::size_t numbers) { return numbers == 0 && are_matrices(results, operands, 1); },
    .backward_error = error_of_lu_factor};

// ---- systems with a factor

template <class N> const SystemParams& system_of(const N& n) {
  return n.params.template as<SystemParams>();
}

Type infer_factor_solve(InferContext& c) {
  const Dim n = require_square(c, 0);
  const auto &a = c.in(0).shape, &b = c.in(2).shape;
  const std::size_t r = a.size();
  KROTON_CHECK(b.size() == r && c.in(1).shape.size() == r, "systems of {}, {} and {}", c.label(0),
               c.label(1), c.label(2));
  std::vector<Dim> shape = b;
  for (std::size_t i = 0; i + 2 < r; ++i)
    shape[i] = c.require_equal(
        a[i], shape[i], fmt::format("batches differ: {} and {}", c.label(0), c.label(2)), "");
  shape[r - 2] =
      c.require_equal(n, shape[r - 2],
                      fmt::format("{} has matrices of {} rows, {} has right sides of {}",
                                  c.label(0), n.to_string(), c.label(2), shape[r - 2].to_string()),
                      "the right sides are columns: transpose them if they are rows");
  return {c.in(2).dtype, std::move(shape)};
}

/// Solves in place. `lower` says which triangle is read.
void substitute(const Matrix& a, Matrix& x, bool lower, bool has_units) {
  const std::int64_t n = a.rows;
  for (std::int64_t step = 0; step < n; ++step) {
    const std::int64_t i = lower ? step : n - 1 - step;
    for (std::int64_t k = 0; k < x.cols; ++k) {
      long double v = x.at(i, k);
      for (std::int64_t j = lower ? 0 : i + 1; j < (lower ? i : n); ++j)
        v -= a.at(i, j) * x.at(j, k);
      x.at(i, k) = has_units ? v : v / a.at(i, i);
    }
  }
}

Array eval_factor_solve(const EvalContext& c) {
  const SystemParams& p = system_of(c);
  return evaluate_matrices(c, [&](std::span<const Matrix> in) {
    const Matrix& b = in[2];
    Matrix x = b;
    if (p.is_cholesky) {
      substitute(in[1], x, true, false);
      substitute(transposed(in[1]), x, false, false);
      return x;
    }
    const Factors f = factors_of(in[1]);
    for (std::int64_t i = 0; p.gives_nan && i < b.rows; ++i)
      if (f.upper.at(i, i) == 0) {
        std::ranges::fill(x.elements, std::numeric_limits<long double>::quiet_NaN());
        return x;
      }
    if (p.transposed) {
      Matrix y = b;
      substitute(transposed(f.upper), y, true, false);
      substitute(transposed(f.lower), y, false, true);
      for (std::int64_t i = 0; i < b.rows; ++i)
        for (std::int64_t k = 0; k < b.cols; ++k)
          x.at(static_cast<std::int64_t>(f.from[static_cast<std::size_t>(i)]), k) = y.at(i, k);
      return x;
    }
    for (std::int64_t i = 0; i < b.rows; ++i)
      for (std::int64_t k = 0; k < b.cols; ++k)
        x.at(i, k) = b.at(static_cast<std::int64_t>(f.from[static_cast<std::size_t>(i)]), k);
    substitute(f.lower, x, true, true);
    substitute(f.upper, x, false, false);
    return x;
  });
}

std::vector<Dim> numbers_of_factor_solve(const ir::Graph& graph, ir::NodeId id) {
  const SystemParams& p = system_of(graph[id]);
  return {Dim(p.is_cholesky ? 1 : 0), Dim(p.transposed ? 1 : 0), Dim(p.gives_nan ? 1 : 0)};
}

/// Of a x - b, relative to what the factors' products add up.
double error_of_factor_solve(std::span<const Array> operands, std::span<const Array> results,
                             std::span<const std::int64_t> numbers) {
  return worst_error(operands, results[0], [&](std::span<const Matrix> in, const Matrix& x) {
    const Matrix a = numbers[1] != 0 ? transposed(in[0]) : in[0];
    const long double of_factor = largest(in[1]), n = static_cast<long double>(a.rows);
    if (numbers[0] != 0) {
      Matrix symmetric = a; // the lower triangle alone is read
      for (std::int64_t i = 0; i < a.rows; ++i)
        for (std::int64_t j = i + 1; j < a.rows; ++j) symmetric.at(i, j) = a.at(j, i);
      return distance(product_of(symmetric, x), in[2],
                      n * of_factor * of_factor * largest(x) + largest(in[2]));
    }
    Matrix lu = rows_of(in[1], 0, a.rows);
    return distance(product_of(a, x), in[2], n * n * largest(lu) * largest(x) + largest(in[2]));
  });
}

/// `value` is the pivot, `bound` the matrix's number in the stack.
void singular(const ir::FailureContext& c) {
  const ir::GraphNode& n = c.graph[c.node];
  const std::string of =
      n.type.rank() > 2 ? fmt::format(" of matrix {}", c.failure.bound) : std::string();
  support::fail<LinAlgError>(
      system_of(n).is_inverse ? "inv" : "solve",
      {.place = support::describe(n.where),
       .hint = "OnError::nan gives NaN instead; lstsq and pinv take singular matrices"},
      "the matrix is singular: pivot {}{} is 0, in a call of {}", c.failure.value, of, c.function);
}

/// x = a^-1 b: the gradient by b is a^-T g, by a that times -x^T.
std::vector<Expr> gradient_of_factor_solve(const GradContext& c) {
  const Location at = c.where;
  SystemParams p = system_of(c);
  p.is_inverse = false;
  const bool is_transposed = p.transposed;
  p.transposed = !p.is_cholesky && !p.transposed;
  const Expr gb = ir::make(factor_solve, {c.inputs[0], c.inputs[1], whole_gradient(c)}, p, at);
  const Expr &left = is_transposed ? c.output : gb, &right = is_transposed ? gb : c.output;
  const Expr ga = -Operand(product(left, swapped(right, at), at), at);
  if (!p.is_cholesky) return {ga, Expr(nullptr), gb};
  // An element of the triangle that is read stands for two, but on the diagonal.
  const Expr mirrored = triangle_of(swapped(ga, at), true, true, at);
  return {Operand(triangle_of(ga, true, false, at), at) + Operand(mirrored, at), Expr(nullptr), gb};
}

const ir::LibraryCall solve_call{
    .operands = {Layout::strided},
    .results = {{.layout = Layout::dense}},
    .numbers = numbers_of_factor_solve,
    .takes = [](std::span<const ir::CallType> results, std::span<const ir::CallType> operands,
                std::size_t numbers) { return numbers == 3 && are_matrices(results, operands, 3); },
    .backward_error = error_of_factor_solve};

// ---- determinants

Type infer_lu_determinants(InferContext& c) {
  static_cast<void>(require_square(c, 0));
  std::vector<Dim> shape(c.in(0).shape.begin(), c.in(0).shape.end() - 2);
  shape.emplace_back(3);
  return {c.in(0).dtype, std::move(shape)};
}

Array eval_lu_determinants(const EvalContext& c) {
  const auto& given = c.inputs[1].shape();
  Array out = Array::empty(c.dtype, Shape(c.shape.begin(), c.shape.end()));
  support::visit_dtype(c.dtype, [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_floating_point_v<T>) {
      const ir::Terms<T> factors(c, 1);
      const ir::Results<T> to(c, out);
      for (std::int64_t batch = 0; batch < batches_of(given); ++batch) {
        const Determinants<long double> d =
            determinants_of(matrix_of(factors, given, batch).view());
        to.set(3 * batch, d.determinant);
        to.set(3 * batch + 1, d.sign);
        to.set(3 * batch + 2, d.log_magnitude);
      }
    }
  });
  return out;
}

/// Of the determinant d and its logarithm: d a^-T and a^-T.
std::vector<Expr> gradient_of_lu_determinants(const GradContext& c) {
  const Location at = c.where;
  const Expr g = whole_gradient(c);
  const auto nth = [&](const Expr& e, std::int64_t i) {
    std::vector<Range> ranges(static_cast<std::size_t>(e.rank()));
    ranges.back() = {i, i + 1};
    return Operand(kroton::expand_dims({kroton::slice({e, at}, ranges), at}, {-1}), at);
  };
  const Expr scale = nth(g, 0) * nth(c.output, 0) + nth(g, 2);
  const Expr& a = c.inputs[0];
  const Expr right = Operand(scale, at) * Operand(identity(order_of(a), a.dtype(), at), at);
  return {ir::make(factor_solve, {a, c.inputs[1], right}, SystemParams{.transposed = true}, at),
          Expr(nullptr)};
}

const ir::LibraryCall determinants_call{
    .operands = {Layout::strided},
    .results = {{.layout = Layout::dense}},
    .takes = [](std::span<const ir::CallType> results, std::span<const ir::CallType> operands,
                std::size_t numbers) {
      return numbers == 0 && results.size() == 1 && operands.size() == 2 &&
             is_float(results[0].dtype) && results[0].rank >= 1 &&
             std::ranges::all_of(operands, [&](const ir::CallType& t) {
               return t.dtype == results[0].dtype && t.rank == results[0].rank + 1;
             });
    }};

/// 3 by 3, far from singular.
Expr regular(DType t) {
  const Expr i = arange(3);
  return kroton::tanh(tensor(t, {3, 3}, "a")) +
         cast_to(kroton::where(kroton::expand_dims(i, {-1}) == i, 4, 0), t, Location::current());
}
std::vector<ir::Example> examples_of_lu_factor(DType t) {
  if (!is_float(t)) return {};
  return {{ir::make(lu_factor, {regular(t)}, {}, Location::current())}};
}
std::vector<ir::Example> examples_of_factor_solve(DType t) {
  if (!is_float(t)) return {};
  const Expr a = regular(t), b = tensor(t, {3, 2}, "b");
  return {{kroton::solve(a, b)},
          {kroton::solve(kroton::transpose(a), b)},
          {kroton::inv(a)},
          {kroton::solve(kroton::dot(a, kroton::transpose(a)), b, {.positive_definite = true})}};
}
std::vector<ir::Example> examples_of_lu_determinants(DType t) {
  if (!is_float(t)) return {};
  const Expr a = regular(t);
  return {{kroton::det(a)}, {kroton::slogdet(a).logabsdet}};
}

} // namespace

const Op lu_factor{
    .name = "lu-factor",
    .kind = Kind::library,
    .dtypes = Dtypes::floating,
    .infer = infer_lu_factor,
    .eval = eval_lu_factor,
    .batched =
        [](const ir::BatchContext& c) { return ir::make(lu_factor, {c.inputs[0]}, {}, c.where); },
    .gradient = gradient_of_lu_factor,
    .call = &lu_call,
    .examples = examples_of_lu_factor,
    .doc = "the factors of p a = l u, and p, in one array",
    .function = "lu"};

const Op factor_solve{.name = "factor-solve",
                      .arity = 3,
                      .kind = Kind::library,
                      .properties = Property::fallible,
                      .dtypes = Dtypes::floating,
                      .params = &ir::params_type<SystemParams>,
                      .infer = infer_factor_solve,
                      .eval = eval_factor_solve,
                      .batched =
                          [](const ir::BatchContext& c) {
                            return ir::make(factor_solve,
                                            {with_axis(c, 0), with_axis(c, 1), with_axis(c, 2)},
                                            c.params, c.where);
                          },
                      .gradient = gradient_of_factor_solve,
                      .call = &solve_call,
                      .fail = singular,
                      .examples = examples_of_factor_solve,
                      .doc = "the x with a x = b, by a factor of a",
                      .function = "solve"};

const Op lu_determinants{
    .name = "lu-determinants",
    .arity = 2,
    .kind = Kind::library,
    .dtypes = Dtypes::floating,
    .infer = infer_lu_determinants,
    .eval = eval_lu_determinants,
    .batched =
        [](const ir::BatchContext& c) {
          return ir::make(lu_determinants, {with_axis(c, 0), with_axis(c, 1)}, {}, c.where);
        },
    .gradient = gradient_of_lu_determinants,
    .call = &determinants_call,
    .examples = examples_of_lu_determinants,
    .doc = "the determinant, its sign and the logarithm of its magnitude, by lu-factor",
    .function = "slogdet"};

std::span<const Op* const> systems_rows() {
  static constexpr const Op* rows[] = {&lu_factor, &factor_solve, &lu_determinants};
  return rows;
}

namespace {

Expr square(std::string_view function, const Operand& a) {
  return require_square(function, to_floating(a), a.where);
}

Expr factor_of(const Expr& a, Location where) { return ir::make(lu_factor, {a}, {}, where); }

/// One of the three of lu-determinants.
Expr determinant(const Expr& a, std::int64_t which, Location where) {
  const Expr all = ir::make(lu_determinants, {a, factor_of(a, where)}, {}, where);
  std::vector<Range> ranges(static_cast<std::size_t>(all.rank()));
  ranges.back() = {which, which + 1};
  return kroton::squeeze({kroton::slice({all, where}, ranges), where}, {-1});
}

} // namespace
} // namespace ops

LU lu(Operand a) {
  const Location at = a.where;
  const Expr matrix = ops::square("lu", a), factor = ops::factor_of(matrix, at);
  const Dim& n = ops::order_of(matrix);
  const Expr i = ir::make(ops::iota, {}, ops::SizeParams{n}, at);
  const Operand row(expand_dims({i, at}, {-1}), at),
      from(cast({ops::rows_of(factor, n, Dim(1), at), at}, DType::i64), at);
  return {ops::cast_to(row == from, matrix.dtype(), at), ops::lower_of(factor, at),
          ops::upper_of(factor, at)};
}

Expr solve(Operand a, Operand b, Solve options) {
  const Location at = a.where;
  Expr x = ops::square("solve", a), y = ops::to_floating(b);
  const std::vector<Expr> given{x, y};
  const DType t = promote(x.dtype(), y.dtype());
  x = ops::cast_to(x, t, at);
  y = ops::cast_to(y, t, at);
  if (y.rank() < 1)
    support::fail<ShapeError>("solve", {.place = ir::place_of(at, given)},
                              "takes matrices and right sides, got {} and {}", given[0].label(),
                              given[1].label());
  const bool is_vector = y.rank() == 1;
  if (is_vector) y = expand_dims({y, at}, {-1});
  const bool gives_nan = options.on_error == OnError::nan;
  const Expr factor =
      options.positive_definite ? cholesky({x, at}, options.on_error) : ops::factor_of(x, at);
  const std::vector<Dim> batches = ops::common_batches("solve", x, y, at);
  const Expr solution = ir::make(
      ops::factor_solve,
      {ops::over_batches(x, batches, at), ops::over_batches(factor, batches, at),
       ops::over_batches(y, batches, at)},
      ops::SystemParams{.is_cholesky = options.positive_definite, .gives_nan = gives_nan}, at);
  return is_vector ? squeeze({solution, at}, {-1}) : solution;
}

Expr inv(Operand a, OnError on_error) {
  const Location at = a.where;
  const Expr x = ops::square("inv", a);
  const std::vector<Dim> batches(x.shape().begin(), x.shape().end() - 2);
  const Expr one = ops::over_batches(ops::identity(ops::order_of(x), x.dtype(), at), batches, at);
  return ir::make(ops::factor_solve, {x, ops::factor_of(x, at), one},
                  ops::SystemParams{.gives_nan = on_error == OnError::nan, .is_inverse = true}, at);
}

Expr det(Operand a) { return ops::determinant(ops::square("det", a), 0, a.where); }

SignAndLogDet slogdet(Operand a) {
  const Expr x = ops::square("slogdet", a);
  return {ops::determinant(x, 1, a.where), ops::determinant(x, 2, a.where)};
}

Expr matrix_power(Operand a, std::int64_t n) {
  const Location at = a.where;
  Expr x = ops::require_square("matrix_power", n < 0 ? ops::to_floating(a) : ops::to_expr(a), at);
  if (n < 0) x = inv({x, at});
  const std::vector<Dim> batches(x.shape().begin(), x.shape().end() - 2);
  std::optional<Expr> power;
  for (auto rest = static_cast<std::uint64_t>(n < 0 ? -(n + 1) : n) + (n < 0 ? 1 : 0); rest > 0;
       rest >>= 1) {
    if ((rest & 1) != 0) power = power ? ops::product(*power, x, at) : x;
    if (rest > 1) x = ops::product(x, x, at);
  }
  return power ? *power
               : ops::over_batches(ops::identity(ops::order_of(x), x.dtype(), at), batches, at);
}

} // namespace kroton
