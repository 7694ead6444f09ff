/// Orthogonal factorisations, and what is made of them.
#include "lib/ops/decompositions.hpp"

#include <kroton/ops/linear_algebra.hpp>
#include <kroton/ops/movement.hpp>

#include <algorithm>
#include <limits>

#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/matrices.hpp"
#include "lib/ops/movement.hpp"

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

constexpr long double nan = std::numeric_limits<long double>::quiet_NaN();

const Dim& rows_in(const Expr& e) { return e.shape()[e.shape().size() - 2]; }
const Dim& cols_in(const Expr& e) { return e.shape().back(); }

/// A row of the matrices, or a column: vectors of all of them with an axis of size 1.
Operand as_row(const Expr& v, Location at) { return {kroton::expand_dims({v, at}, {-2}), at}; }
Operand as_column(const Expr& v, Location at) { return {kroton::expand_dims({v, at}, {-1}), at}; }
Expr only_row(const Expr& e, Location at) { return kroton::squeeze({e, at}, {-2}); }

/// A stack with this vector on the diagonals.
Expr with_diagonal(const Expr& v, const Expr& like, Location at) {
  const Expr wide =
      ir::make(broadcast_to, {as_row(v, at).expr}, ShapeParams{like.node()->type.shape}, at);
  return diagonal_of(wide, at);
}

/// 1 / (d[j] - d[i]) at i, j; 0 where both are equal.
Expr reciprocal_gaps(const Expr& d, Location at) {
  const Expr gap = as_row(d, at) - as_column(d, at);
  const Expr is_none = Operand(gap, at) == Operand(0, at);
  const Operand safe(kroton::where({is_none, at}, {1, at}, {gap, at}), at);
  return kroton::where({is_none, at}, {0, at}, {Operand(1, at) / safe, at});
}

// ---- q r

Type infer_qr(InferContext& c) {
  require_matrices(c, 0);
  const auto& shape = c.in(0).shape;
  const Dim &m = shape[shape.size() - 2], &n = shape.back();
  return with_matrix(c.in(0), ir::dims::add(m, n), n);
}

Array eval_qr(const EvalContext& c) {
  return evaluate_matrices(c, [](std::span<const Matrix> in) {
    Matrix a = in[0], packed(a.rows + a.cols, a.cols);
    std::vector<long double> tau(static_cast<std::size_t>(a.cols));
    factor_qr(a.view(), tau.data());
    make_q(a.view(), tau.data(), packed.view().rows_from(0, a.rows));
    for (std::int64_t i = 0; i < a.cols; ++i)
      for (std::int64_t j = i; j < a.cols; ++j) packed.at(a.rows + i, j) = a.at(i, j);
    return packed;
  });
}

/// How far columns are from orthonormal.
long double deviation(const Matrix& q) {
  Matrix one(q.cols, q.cols);
  for (std::int64_t i = 0; i < q.cols; ++i) one.at(i, i) = 1;
  return distance(product_of(transposed(q), q), one,
                  static_cast<long double>(std::max<std::int64_t>(q.rows, 1)));
}

double error_of_qr(std::span<const Array> operands, std::span<const Array> results,
                   std::span<const std::int64_t>) {
  return worst_error(operands, results[0], [](std::span<const Matrix> in, const Matrix& packed) {
    const Matrix& a = in[0];
    const Matrix q = rows_of(packed, 0, a.rows), r = rows_of(packed, a.rows, a.cols);
    return std::max(deviation(q),
                    distance(product_of(q, r), a, static_cast<long double>(a.rows) * largest(a)));
  });
}

/// Walter and Lehmann, "Algorithmic differentiation of linear algebra functions" (2018): with
/// m = r gr^T - gq^T q, that of a is (gq + q copy(m)) r^-T, where copy mirrors the lower triangle.
std::vector<Expr> gradient_of_qr(const GradContext& c) {
  const Location at = c.where;
  const Expr &a = c.inputs[0], g = whole_gradient(c);
  const Dim &m = rows_in(a), &n = cols_in(a);
  const Expr q = rows_of(c.output, Dim(0), m, at), r = rows_of(c.output, m, n, at),
             gq = rows_of(g, Dim(0), m, at),
             gr = triangle_of(rows_of(g, m, n, at), false, false, at);
  const Expr s =
      Operand(product(r, swapped(gr, at), at), at) - Operand(product(swapped(gq, at), q, at), at);
  const Expr mirrored = Operand(triangle_of(s, true, false, at), at) +
                        Operand(swapped(triangle_of(s, true, true, at), at), at);
  const Expr before = Operand(gq, at) + Operand(product(q, mirrored, at), at);
  return {swapped(kroton::solve_triangular({r, at}, {swapped(before, at), at}), at)};
}

const ir::LibraryCall qr_call{
    .operands = {Layout::strided},
    .results = {{.layout = Layout::dense}},
    .takes = [](std::span<const ir::CallType> results, std::span<const ir::CallType> operands,
                std::size_t numbers) { return numbers == 0 && are_matrices(results, operands, 1); },
    .backward_error = error_of_qr};

// ---- eigenvalues of symmetric matrices

template <class N> const SpectrumParams& spectrum_of(const N& n) {
  return n.params.template as<SpectrumParams>();
}
std::vector<Dim> numbers_of_spectrum(const ir::Graph& graph, ir::NodeId id) {
  const SpectrumParams& p = spectrum_of(graph[id]);
  return {Dim(p.has_vectors ? 1 : 0), Dim(p.gives_nan ? 1 : 0)};
}
bool takes_spectrum(std::span<const ir::CallType> results, std::span<const ir::CallType> operands,
                    std::size_t numbers) {
  return numbers == 2 && are_matrices(results, operands, 1);
}

/// `bound` is the matrix's number in the stack.
template <const char* const& function> void not_converged(const ir::FailureContext& c) {
  const ir::GraphNode& n = c.graph[c.node];
  const std::string of =
      n.type.rank() > 2 ? fmt::format(" of matrix {}", c.failure.bound) : std::string();
  support::fail<LinAlgError>(
      function,
      {.place = support::describe(n.where), .hint = "it has elements that are NaN or infinite"},
      "the iteration{} does not converge, in a call of {}", of, c.function);
}
constexpr const char *eigh_name = "eigh", *svd_name = "svd", *pinv_name = "pinv";

Type infer_eigh(InferContext& c) {
  const Dim n = require_square(c, 0);
  return with_matrix(c.in(0), spectrum_of(c).has_vectors ? ir::dims::add(n, Dim(1)) : Dim(1), n);
}

Array eval_eigh(const EvalContext& c) {
  const bool has_vectors = spectrum_of(c).has_vectors;
  return evaluate_matrices(c, [&](std::span<const Matrix> in) {
    Matrix a = in[0], vectors(a.rows, a.rows), packed(has_vectors ? a.rows + 1 : 1, a.rows);
    if (!factor_eigh(a.view(), packed.elements.data(), vectors.view())) {
      std::ranges::fill(packed.elements, nan);
    } else if (has_vectors) {
      for (std::int64_t i = 0; i < a.rows; ++i)
        for (std::int64_t j = 0; j < a.rows; ++j) packed.at(1 + j, i) = vectors.at(i, j);
    }
    return packed;
  });
}

double error_of_eigh(std::span<const Array> operands, std::span<const Array> results,
                     std::span<const std::int64_t> numbers) {
  return worst_error(operands, results[0],
                     [&](std::span<const Matrix> in, const Matrix& packed) -> long double {
                       Matrix a = in[0];
                       const std::int64_t n = a.rows;
                       for (std::int64_t i = 0; i < n; ++i)
                         for (std::int64_t j = i + 1; j < n; ++j) a.at(i, j) = a.at(j, i);
                       const long double scale = static_cast<long double>(n) * largest(a);
                       if (numbers[0] == 0) { // values: those of another method
                         Matrix vectors(n, n), values(1, n);
                         if (!factor_eigh(a.view(), values.elements.data(), vectors.view()))
                           return nan;
                         return distance(packed, values, scale);
                       }
                       const Matrix v = transposed(rows_of(packed, 1, n));
                       Matrix scaled = v;
                       for (std::int64_t i = 0; i < n; ++i)
                         for (std::int64_t j = 0; j < n; ++j) scaled.at(i, j) *= packed.at(0, j);
                       return std::max(deviation(v), distance(product_of(a, v), scaled, scale));
                     });
}

/// v (diag(gw) + gaps * (v^T gv)) v^T, of which an element of the triangle that is read has two.
std::vector<Expr> gradient_of_eigh(const GradContext& c) {
  const Location at = c.where;
  const Expr& a = c.inputs[0];
  const Dim& n = cols_in(a);
  const bool has_vectors = spectrum_of(c).has_vectors;
  SpectrumParams whole = spectrum_of(c);
  whole.has_vectors = true;
  const Expr packed = has_vectors ? c.output : ir::make(eigh_factor, {a}, whole, at);
  const Expr g = whole_gradient(c);
  const Expr w = only_row(rows_of(packed, Dim(0), Dim(1), at), at),
             v = swapped(rows_of(packed, Dim(1), n, at), at),
             gw = only_row(rows_of(g, Dim(0), Dim(1), at), at);
  Expr inner = with_diagonal(gw, v, at);
  if (has_vectors) {
    const Expr gv = swapped(rows_of(g, Dim(1), n, at), at);
    inner = Operand(inner, at) + Operand(Operand(reciprocal_gaps(w, at), at) *
                                             Operand(product(swapped(v, at), gv, at), at),
                                         at);
  }
  const Expr s = product(v, product(inner, swapped(v, at), at), at);
  const Expr mirrored = triangle_of(swapped(s, at), true, true, at);
  return {Operand(triangle_of(s, true, false, at), at) + Operand(mirrored, at)};
}

const ir::LibraryCall eigh_call{.operands = {Layout::strided},
                                .results = {{.layout = Layout::dense}},
                                .numbers = numbers_of_spectrum,
                                .takes = takes_spectrum,
                                .backward_error = error_of_eigh};

// ---- singular values

Type infer_svd(InferContext& c) {
  require_matrices(c, 0);
  const auto& shape = c.in(0).shape;
  const Dim &m = shape[shape.size() - 2], &n = shape.back();
  return with_matrix(
      c.in(0), spectrum_of(c).has_vectors ? ir::dims::add(ir::dims::add(m, n), Dim(1)) : Dim(1),
      ir::dims::min(m, n));
}

struct Singular {
  Matrix u, v;
  std::vector<long double> values;
  bool has_converged;
};
Singular singular_values(const Matrix& a) {
  const bool is_wide = a.rows < a.cols;
  Singular s{is_wide ? transposed(a) : a, Matrix(0, 0), {}, true};
  s.v = Matrix(s.u.cols, s.u.cols);
  s.values.resize(static_cast<std::size_t>(s.u.cols));
  s.has_converged = factor_svd(s.u.view(), s.values.data(), s.v.view());
  if (!is_wide) return s;
  std::swap(s.u, s.v);
  for (std::int64_t j = 0; j < s.v.cols; ++j) // signs are v's
    if (is_to_be_negated(s.v.view(), j)) {
      scale_column(s.u.view(), j, -1.0L);
      scale_column(s.v.view(), j, -1.0L);
    }
  return s;
}

Array eval_svd(const EvalContext& c) {
  const bool has_vectors = spectrum_of(c).has_vectors;
  return evaluate_matrices(c, [&](std::span<const Matrix> in) {
    const Matrix& a = in[0];
    const std::int64_t k = std::min(a.rows, a.cols);
    Matrix packed(has_vectors ? 1 + a.rows + a.cols : 1, k);
    const Singular s = singular_values(a);
    if (!s.has_converged) {
      std::ranges::fill(packed.elements, nan);
      return packed;
    }
    for (std::int64_t j = 0; j < k; ++j) {
      packed.at(0, j) = s.values[static_cast<std::size_t>(j)];
      for (std::int64_t i = 0; has_vectors && i < a.rows; ++i) packed.at(1 + i, j) = s.u.at(i, j);
      for (std::int64_t i = 0; has_vectors && i < a.cols; ++i)
        packed.at(1 + a.rows + i, j) = s.v.at(i, j);
    }
    return packed;
  });
}

double error_of_svd(std::span<const Array> operands, std::span<const Array> results,
                    std::span<const std::int64_t> numbers) {
  return worst_error(
      operands, results[0], [&](std::span<const Matrix> in, const Matrix& packed) -> long double {
        const Matrix& a = in[0];
        const long double scale = static_cast<long double>(std::max(a.rows, a.cols)) * largest(a);
        if (numbers[0] == 0) {
          const Singular s = singular_values(a);
          if (!s.has_converged) return nan;
          Matrix values(1, packed.cols);
          values.elements = s.values;
          return distance(packed, values, scale);
        }
        const Matrix u = rows_of(packed, 1, a.rows), v = rows_of(packed, 1 + a.rows, a.cols);
        Matrix scaled = u;
        for (std::int64_t i = 0; i < u.rows; ++i)
          for (std::int64_t j = 0; j < u.cols; ++j) scaled.at(i, j) *= packed.at(0, j);
        return std::max(
            {deviation(u), deviation(v), distance(product_of(scaled, transposed(v)), a, scale)});
      });
}

/// Townsend, "Differentiating the singular value decomposition" (2016).
std::vector<Expr> gradient_of_svd(const GradContext& c) {
  const Location at = c.where;
  const Expr& a = c.inputs[0];
  const Dim &m = rows_in(a), &n = cols_in(a);
  const bool has_vectors = spectrum_of(c).has_vectors;
  SpectrumParams whole = spectrum_of(c);
  whole.has_vectors = true;
  const Expr packed = has_vectors ? c.output : ir::make(svd_factor, {a}, whole, at);
  const Expr g = whole_gradient(c);
  const Dim first_of_v = ir::dims::add(m, Dim(1));
  const auto s_of = [&](const Expr& e) { return only_row(rows_of(e, Dim(0), Dim(1), at), at); };
  const auto u_of = [&](const Expr& e) { return rows_of(e, Dim(1), m, at); };
  const auto v_of = [&](const Expr& e) { return rows_of(e, first_of_v, n, at); };
  const Expr s = s_of(packed), u = u_of(packed), v = v_of(packed), gs = s_of(g);
  const Expr ut = swapped(u, at), vt = swapped(v, at);
  if (!has_vectors) return {product(u * as_row(gs, at), vt, at)};
  const Expr gu = u_of(g), gv = v_of(g);
  const auto skewed = [&](const Expr& e) {
    return Operand(Operand(e, at) - Operand(swapped(e, at), at), at);
  };
  const Operand gaps(reciprocal_gaps(Operand(s, at) * Operand(s, at), at), at);
  const Expr of_u = gaps * skewed(product(ut, gu, at)), of_v = gaps * skewed(product(vt, gv, at));
  const Expr inner = Operand(Operand(of_u, at) * as_row(s, at), at) +
                     Operand(as_column(s, at) * Operand(of_v, at), at);
  const Expr whole_inner = Operand(inner, at) + Operand(with_diagonal(gs, of_u, at), at);
  const Expr is_zero = Operand(s, at) == Operand(0, at);
  const Operand safe(kroton::where({is_zero, at}, {1, at}, {s, at}), at);
  const Expr reciprocal = kroton::where({is_zero, at}, {0, at}, {Operand(1, at) / safe, at});
  // What gu and gv have outside of the spaces that u and v span.
  const Expr gu_s = Operand(gu, at) * as_row(reciprocal, at),
             gv_s = Operand(gv, at) * as_row(reciprocal, at);
  const Expr u_beyond = Operand(gu_s, at) - Operand(product(u, product(ut, gu_s, at), at), at);
  const Expr v_beyond = Operand(gv_s, at) - Operand(product(v, product(vt, gv_s, at), at), at);
  const Expr left = Operand(product(u, whole_inner, at), at) + Operand(u_beyond, at);
  return {Operand(product(left, vt, at), at) + Operand(product(u, swapped(v_beyond, at), at), at)};
}

const ir::LibraryCall svd_call{.operands = {Layout::strided},
                               .results = {{.layout = Layout::dense}},
                               .numbers = numbers_of_spectrum,
                               .takes = takes_spectrum,
                               .backward_error = error_of_svd};

// ---- pseudoinverses

Type infer_pseudoinverse(InferContext& c) {
  require_matrices(c, 0);
  KROTON_CHECK(c.in(1).shape.empty(), "a threshold of {}", c.label(1));
  const auto& shape = c.in(0).shape;
  return with_matrix(c.in(0), shape.back(), shape[shape.size() - 2]);
}

Matrix pseudoinverse_of(const Matrix& a, long double rcond) {
  const Singular s = singular_values(a);
  Matrix p(a.cols, a.rows);
  if (!s.has_converged) {
    std::ranges::fill(p.elements, nan);
    return p;
  }
  for (std::size_t k = 0; k < s.values.size() && s.values[k] > rcond * s.values[0]; ++k)
    for (std::int64_t i = 0; i < p.rows; ++i)
      for (std::int64_t j = 0; j < p.cols; ++j)
        p.at(i, j) += s.v.at(i, static_cast<std::int64_t>(k)) *
                      s.u.at(j, static_cast<std::int64_t>(k)) / s.values[k];
  return p;
}

Array eval_pseudoinverse(const EvalContext& c) {
  Array out = Array::empty(c.dtype, Shape(c.shape.begin(), c.shape.end()));
  support::visit_dtype(c.dtype, [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_floating_point_v<T>) {
      const ir::Terms<T> matrices(c, 0), rcond(c, 1);
      const ir::Results<T> to(c, out);
      const std::int64_t each = c.shape[c.shape.size() - 2] * c.shape.back();
      for (std::int64_t batch = 0; batch < batches_of(c.shape); ++batch) {
        const Matrix p =
            pseudoinverse_of(matrix_of(matrices, c.inputs[0].shape(), batch), rcond[0]);
        for (std::int64_t i = 0; i < each; ++i)
          to.set(batch * each + i, p.elements[static_cast<std::size_t>(i)]);
      }
    }
  });
  return out;
}

/// Golub and Pereyra (1973), at constant rank: of p = a^+ and g it is
/// -p^T g p^T + (1 - a p) g^T p p^T + p^T p g^T (1 - p a).
std::vector<Expr> gradient_of_pseudoinverse(const GradContext& c) {
  const Location at = c.where;
  const Expr &a = c.inputs[0], &p = c.output, pt = swapped(p, at),
             gt = swapped(whole_gradient(c), at);
  const Expr first = product(pt, product(swapped(gt, at), pt, at), at),
             h = product(product(gt, p, at), pt, at), k = product(pt, product(p, gt, at), at);
  const Expr h_beyond = Operand(h, at) - Operand(product(a, product(p, h, at), at), at),
             k_beyond = Operand(k, at) - Operand(product(product(k, p, at), a, at), at);
  return {Operand(Operand(h_beyond, at) + Operand(k_beyond, at), at) - Operand(first, at),
          Expr(nullptr)};
}

const ir::LibraryCall pseudoinverse_call{
    .operands = {Layout::strided, Layout::dense},
    .results = {{.layout = Layout::dense}},
    .takes = [](std::span<const ir::CallType> results, std::span<const ir::CallType> operands,
                std::size_t numbers) {
      return numbers == 0 && operands.size() == 2 && are_matrices(results, operands.first(1), 1) &&
             operands[1].rank == 0 && operands[1].dtype == results[0].dtype;
    }};

/// Matrices whose singular values are well apart.
Expr sample(DType t, std::int64_t m, std::int64_t n, const char* name) {
  const Expr i = arange(m), j = arange(n);
  const Expr main = kroton::where(kroton::expand_dims(i, {-1}) == j, 2 * j + 3, 0);
  return Operand(0.3) * kroton::tanh(tensor(t, {m, n}, name)) +
         cast_to(main, t, Location::current());
}
std::vector<ir::Example> examples_of_qr(DType t) {
  if (!is_float(t)) return {};
  return {{kroton::qr(sample(t, 4, 3, "a")).q}, {kroton::qr(sample(t, 4, 3, "a")).r}};
}
std::vector<ir::Example> examples_of_eigh(DType t) {
  if (!is_float(t)) return {};
  const Expr a = sample(t, 3, 3, "a");
  return {{kroton::eigh(a).values}, {kroton::eigh(a).vectors}, {kroton::eigvalsh(a)}};
}
std::vector<ir::Example> examples_of_svd(DType t) {
  if (!is_float(t)) return {};
  const auto [u, s, vh] = kroton::svd(sample(t, 4, 3, "a"));
  return {{u},
          {s},
          {vh},
          {kroton::svd(sample(t, 2, 3, "a")).u},
          {kroton::svdvals(sample(t, 3, 4, "a"))}};
}
std::vector<ir::Example> examples_of_pseudoinverse(DType t) {
  if (!is_float(t)) return {};
  return {{kroton::pinv(sample(t, 4, 3, "a"))}, {kroton::pinv(sample(t, 2, 3, "a"))}};
}

} // namespace

const Op qr_factor{
    .name = "qr-factor",
    .kind = Kind::library,
    .dtypes = Dtypes::floating,
    .infer = infer_qr,
    .eval = eval_qr,
    .batched =
        [](const ir::BatchContext& c) { return ir::make(qr_factor, {c.inputs[0]}, {}, c.where); },
    .gradient = gradient_of_qr,
    .call = &qr_call,
    .examples = examples_of_qr,
    .doc = "the factors of a = q r, in one array",
    .function = "qr"};

const Op eigh_factor{.name = "eigh-factor",
                     .kind = Kind::library,
                     .properties = Property::fallible,
                     .dtypes = Dtypes::floating,
                     .params = &ir::params_type<SpectrumParams>,
                     .infer = infer_eigh,
                     .eval = eval_eigh,
                     .batched =
                         [](const ir::BatchContext& c) {
                           return ir::make(eigh_factor, {c.inputs[0]}, c.params, c.where);
                         },
                     .gradient = gradient_of_eigh,
                     .call = &eigh_call,
                     .fail = not_converged<eigh_name>,
                     .examples = examples_of_eigh,
                     .doc = "eigenvalues and eigenvectors of symmetric matrices, in one array",
                     .function = "eigh"};

const Op svd_factor{.name = "svd-factor",
                    .kind = Kind::library,
                    .properties = Property::fallible,
                    .dtypes = Dtypes::floating,
                    .params = &ir::params_type<SpectrumParams>,
                    .infer = infer_svd,
                    .eval = eval_svd,
                    .batched =
                        [](const ir::BatchContext& c) {
                          return ir::make(svd_factor, {c.inputs[0]}, c.params, c.where);
                        },
                    .gradient = gradient_of_svd,
                    .call = &svd_call,
                    .fail = not_converged<svd_name>,
                    .examples = examples_of_svd,
                    .doc = "singular values and vectors, in one array",
                    .function = "svd"};

const Op pseudoinverse{
    .name = "pseudoinverse",
    .arity = 2,
    .kind = Kind::library,
    .properties = Property::fallible,
    .dtypes = Dtypes::floating,
    .infer = infer_pseudoinverse,
    .eval = eval_pseudoinverse,
    .batched =
        [](const ir::BatchContext& c) {
          KROTON_CHECK(!c.has_axis[1], "{}", "a threshold for each element");
          return ir::make(pseudoinverse, {with_axis(c, 0), c.inputs[1]}, {}, c.where);
        },
    .gradient = gradient_of_pseudoinverse,
    .call = &pseudoinverse_call,
    .fail = not_converged<pinv_name>,
    .examples = examples_of_pseudoinverse,
    .doc = "the pseudoinverse, by singular values",
    .function = "pinv"};

std::span<const Op* const> decompositions_rows() {
  static constexpr const Op* rows[] = {&qr_factor, &eigh_factor, &svd_factor, &pseudoinverse};
  return rows;
}

namespace {

/// Matrices of floats.
Expr matrices(std::string_view function, const Operand& a) {
  const Expr e = to_floating(a);
  if (e.rank() < 2)
    support::fail<ShapeError>(function,
                              {.place = ir::place_of(a.where, {&e, 1}),
                               .hint = "the last two axes are a matrix, leading ones are batches"},
                              "takes matrices, got {}", e.label());
  return e;
}

/// What counts as 0 beside the largest singular value, as a scalar of the matrices' dtype.
Expr threshold(const Expr& a, std::optional<double> rcond, Location at) {
  if (rcond) return scalar_constant(a.dtype(), *rcond, at);
  const double epsilon = a.dtype() == DType::f32 ? std::numeric_limits<float>::epsilon()
                                                 : std::numeric_limits<double>::epsilon();
  const Expr most = dim_expr(ir::dims::max(rows_in(a), cols_in(a)), at);
  return Operand(cast_to(most, a.dtype(), at), at) * Operand(epsilon, at);
}

} // namespace
} // namespace ops

QR qr(Operand a) {
  const Location at = a.where;
  const Expr x = ops::matrices("qr", a);
  const Dim &m = ops::rows_in(x), &n = ops::cols_in(x), k = ir::dims::min(m, n);
  if (ir::dims::same(k, n)) {
    const Expr both = ir::make(ops::qr_factor, {x}, {}, at);
    return {ops::rows_of(both, Dim(0), m, at), ops::rows_of(both, m, n, at)};
  }
  // Of more columns than rows the first decide; q^T a is r for all of them.
  const Expr first = ops::swapped(ops::rows_of(ops::swapped(x, at), Dim(0), k, at), at);
  const Expr q = ops::rows_of(ir::make(ops::qr_factor, {first}, {}, at), Dim(0), m, at);
  const Expr r = ops::product(ops::swapped(q, at), x, at);
  return {q, ops::triangle_of(r, false, false, at)};
}

Eigh eigh(Operand a, OnError on_error) {
  const Location at = a.where;
  const Expr x = ops::require_square("eigh", ops::to_floating(a), at);
  const Expr both = ir::make(ops::eigh_factor, {x},
                             ops::SpectrumParams{.gives_nan = on_error == OnError::nan}, at);
  return {ops::only_row(ops::rows_of(both, Dim(0), Dim(1), at), at),
          ops::swapped(ops::rows_of(both, Dim(1), ops::cols_in(x), at), at)};
}

Expr eigvalsh(Operand a, OnError on_error) {
  const Location at = a.where;
  const Expr x = ops::require_square("eigvalsh", ops::to_floating(a), at);
  return ops::only_row(
      ir::make(ops::eigh_factor, {x},
               ops::SpectrumParams{.has_vectors = false, .gives_nan = on_error == OnError::nan},
               at),
      at);
}

SVD svd(Operand a, OnError on_error) {
  const Location at = a.where;
  const Expr x = ops::matrices("svd", a);
  const Expr all = ir::make(ops::svd_factor, {x},
                            ops::SpectrumParams{.gives_nan = on_error == OnError::nan}, at);
  const Dim &m = ops::rows_in(x), &n = ops::cols_in(x);
  return {ops::rows_of(all, Dim(1), m, at),
          ops::only_row(ops::rows_of(all, Dim(0), Dim(1), at), at),
          ops::swapped(ops::rows_of(all, ir::dims::add(m, Dim(1)), n, at), at)};
}

Expr svdvals(Operand a, OnError on_error) {
  const Location at = a.where;
  return ops::only_row(
      ir::make(ops::svd_factor, {ops::matrices("svdvals", a)},
               ops::SpectrumParams{.has_vectors = false, .gives_nan = on_error == OnError::nan},
               at),
      at);
}

Expr pinv(Operand a, std::optional<double> rcond) {
  const Expr x = ops::matrices("pinv", a);
  return ir::make(ops::pseudoinverse, {x, ops::threshold(x, rcond, a.where)}, {}, a.where);
}

Expr lstsq(Operand a, Operand b, std::optional<double> rcond) {
  const Location at = a.where;
  Expr x = ops::matrices("lstsq", a), y = ops::to_floating(b);
  const DType t = promote(x.dtype(), y.dtype());
  x = ops::cast_to(x, t, at);
  y = ops::cast_to(y, t, at);
  return ops::product(pinv({x, at}, rcond), y, at);
}

Expr matrix_rank(Operand a, std::optional<double> rtol) {
  const Location at = a.where;
  const Expr x = ops::matrices("matrix_rank", a), s = svdvals({x, at});
  const Expr least =
      Operand(max({s, at}, {-1}, true), at) * Operand(ops::threshold(x, rtol, at), at);
  return sum({Operand(s, at) > Operand(least, at), at}, {-1});
}

Expr cond(Operand a) {
  const Location at = a.where;
  const Expr s = svdvals({ops::matrices("cond", a), at});
  return Operand(max({s, at}, {-1}), at) / Operand(min({s, at}, {-1}), at);
}

} // namespace kroton
