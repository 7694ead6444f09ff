/// Systems of equations, determinants and inverses, against what defines them.
#include <kroton/core.hpp>
#include <kroton/ops/contraction.hpp>
#include <kroton/ops/linear_algebra.hpp>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "lib/ops/systems.hpp"
#include "lib/plan/plan.hpp"
#include "lib/rewrite/pipeline.hpp"
#include "test/conformance/arrays.hpp"
#include "test/conformance/oracle.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

/// Elements in [-1, 1], and `diagonal` added to the diagonals.
Array random_stack(DType t, const Shape& shape, double diagonal, std::uint64_t seed) {
  Rng rng(seed);
  Array a = Array::empty(DType::f64, shape);
  const std::int64_t n = shape[shape.size() - 2], k = shape.back();
  for (std::int64_t i = 0; i < a.numel(); ++i)
    a.data<double>()[i] = rng.uniform(-1, 1) + (i / k % n == i % k ? diagonal : 0);
  return a.astype(t);
}

Tolerance near(DType t) {
  return {.of_largest = t == DType::f32 ? 1e-4 : 1e-12, .checks_zero_sign = false};
}

/// Leibniz' sum over permutations.
double determinant(const Array& a) {
  const std::int64_t n = a.shape()[0];
  std::vector<std::int64_t> p(static_cast<std::size_t>(n));
  std::iota(p.begin(), p.end(), 0);
  double sum = 0;
  do {
    double term = 1;
    for (std::int64_t i = 0; i < n; ++i) {
      term *= a.data<double>()[i * n + p[static_cast<std::size_t>(i)]];
      for (std::int64_t j = 0; j < i; ++j)
        if (p[static_cast<std::size_t>(j)] > p[static_cast<std::size_t>(i)]) term = -term;
    }
    sum += term;
  } while (std::ranges::next_permutation(p).found);
  return sum;
}

/// How many steps of the compiled outputs are of this op.
std::ptrdiff_t steps_of(const ir::Op& op, const std::vector<Expr>& outputs) {
  ir::Graph g = ir::Graph::capture(outputs, ir::Graph::Unify::required);
  rewrite::run_pipeline(g);
  const plan::Plan plan = plan::make_plan(std::move(g), {.outputs = outputs.size()});
  return std::ranges::count_if(plan.steps, [&](const plan::Step& s) {
    const auto* call = std::get_if<plan::LibraryStep>(&s.what);
    return call != nullptr && call->op == &op;
  });
}

std::string error_of(const Function& f, const std::vector<Array>& arguments) {
  try {
    f(arguments);
  } catch (const LinAlgError& e) {
    return e.what();
  }
  return "";
}

} // namespace

TEST_CASE("systems of any order and layout are solved, alone and in stacks",
          "[conformance][linear-algebra]") {
  for (DType t : {DType::f32, DType::f64}) {
    const Expr a = tensor(t, {dim(), dim("n"), dim("n")}, "a"),
               b = tensor(t, {dim("n"), dim()}, "b");
    const Expr turned = transpose(a, {0, 2, 1}), even = matmul(a, turned);
    const std::vector<Expr> outputs{
        matmul(a, solve(a, b)), matmul(turned, solve(turned, slice(b, {{{}, {}, -1}}))),
        matmul(even, solve(even, b, {.positive_definite = true})), matmul(inv(a), a)};
    for (int threads : {1, 3}) {
      const Function f = function({a, b}, outputs, {.threads = threads});
      for (const Shape& s :
           {Shape{1, 0, 2}, {0, 3, 2}, {3, 1, 1}, {3, 4, 1}, {2, 7, 0}, {2, 16, 5}, {2, 40, 17}}) {
        INFO(to_string(t) << " " << s[0] << ", " << s[1] << ", " << s[2]);
        const Array as = random_stack(t, {s[0], s[1], s[1]}, 3, 1),
                    bs = random_stack(t, {s[1], s[2]}, 0, 2);
        const std::vector<Array> got = f({as, bs});
        const Array want = bs.broadcast_to({s[0], s[1], s[2]}).contiguous();
        const Tolerance close{.of_largest = t == DType::f32 ? 2e-3 : 1e-11,
                              .checks_zero_sign = false};
        CHECK(difference(got[0], want, close) == "");
        CHECK(difference(got[1],
                         reference({a, b}, {as, bs}, {slice(b, {{{}, {}, -1}})})[0]
                             .broadcast_to({s[0], s[1], s[2]})
                             .contiguous(),
                         close) == "");
        CHECK(difference(got[2], want, close) == "");
        const Array one = reference({a}, {as}, {matrix_power(a, 0)})[0];
        CHECK(difference(got[3], one,
                         {.of_largest = close.of_largest, .checks_zero_sign = false}) == "");
        if (s[1] > 16) continue;
        const std::vector<Expr> plain{solve(a, b),          inv(a),  det(a),  slogdet(a).sign,
                                      slogdet(a).logabsdet, lu(a).l, lu(a).u, lu(a).p};
        const Function g = function({a, b}, plain);
        const std::vector<Array> by_calls = g({as, bs}),
                                 by_rows = reference({a, b}, {as, bs}, plain);
        for (std::size_t i = 0; i < plain.size(); ++i) {
          INFO("output " << i);
          CHECK(difference(by_calls[i], by_rows[i],
                           {.of_largest = t == DType::f32 ? 1e-3 : 1e-11,
                            .checks_zero_sign = false}) == "");
        }
      }
    }
  }
}

TEST_CASE("matrices of each small order, in any layout, and with pivots that are denormal",
          "[conformance][linear-algebra]") {
  for (DType t : {DType::f32, DType::f64}) {
    const Expr a = tensor(t, {3, dim("n"), dim("n")}, "a"), b = tensor(t, {dim("n"), 2}, "b");
    const Expr turned = transpose(a, {0, 2, 1});
    const std::vector<Expr> outputs{
        solve(a, b), solve(turned, b), cholesky(a), cholesky(turned), inv(slice(a, {{{}, {}, -1}})),
        lu(a).u};
    const Function f = function({a, b}, outputs);
    for (std::int64_t n = 0; n <= 10; ++n) {
      const Array as = random_stack(t, {3, n, n}, static_cast<double>(n) + 2, 1),
                  bs = random_stack(t, {n, 2}, 0, 2);
      const std::vector<Array> got = f({as, bs}), want = reference({a, b}, {as, bs}, outputs);
      for (std::size_t i = 0; i < want.size(); ++i) {
        INFO(to_string(t) << ", order " << n << ", output " << i);
        CHECK(difference(got[i], want[i], near(t)) == "");
      }
    }
  }
  const Expr a = tensor<double>({2, 2}, "a"), b = tensor<double>({2}, "b");
  const Array x = function({a, b}, {solve(a, b)})(
      {Array::from(std::vector<double>{1e-310, 0, 5e-311, 1}, {2, 2}),
       Array::from(std::vector<double>{1e-310, 1}, {2})})[0];
  CHECK(x.at<double>({0}) == Approx(1));
  CHECK(x.at<double>({1}) == Approx(1));
}

TEST_CASE("batches of systems broadcast, and the matrices are factored once each",
          "[conformance][linear-algebra]") {
  const Expr a = tensor<double>({3, 1, 4, 4}, "a"), b = tensor<double>({5, 4, 2}, "b"),
             v = tensor<double>({4}, "v");
  CHECK(solve(a, b).node()->type.to_string() == "f64[3,5,4,2]");
  CHECK(solve(a, v).node()->type.to_string() == "f64[3,1,4]");
  const Array as = random_stack(DType::f64, {3, 1, 4, 4}, 3, 1),
              bs = random_stack(DType::f64, {5, 4, 2}, 0, 2),
              vs = random_stack(DType::f64, {1, 4}, 0, 3).reshape({4});
  const std::vector<Expr> outputs{solve(a, b), solve(a, v)};
  const std::vector<Array> got = function({a, b, v}, outputs)({as, bs, vs}),
                           want = reference({a, b, v}, {as, bs, vs}, outputs);
  for (std::size_t i = 0; i < 2; ++i) CHECK(difference(got[i], want[i], near(DType::f64)) == "");

  // Solutions, gradients of any order and determinants rest on one factor.
  const Expr m = tensor<double>({20, 20}, "m"), r = tensor<double>({20}, "r");
  const Expr cost = sum(tanh(solve(m, r))) + slogdet(m).logabsdet;
  const std::vector<Expr> g = grad(cost, {m, r});
  CHECK(steps_of(ops::lu_factor, {cost, g[0], g[1], grad(sum(g[0] * g[0]), r)}) == 1);
  CHECK(steps_of(ops::lu_factor, {det(m), inv(m), solve(m, r)}) == 1);
}

TEST_CASE("determinants are Leibniz' sums, and signs and logarithms of them",
          "[conformance][linear-algebra]") {
  const Expr a = tensor<double>({dim("n"), dim("n")}, "a");
  const auto [sign, log_of] = slogdet(a);
  const Function f = function({a}, {det(a), sign, log_of});
  for (std::int64_t n : {1, 2, 3, 4, 5})
    for (std::uint64_t seed = 0; seed < 6; ++seed) {
      const Array as = random_stack(DType::f64, {n, n}, 0, seed);
      const double want = determinant(as);
      const std::vector<Array> got = f({as});
      CHECK(got[0].item<double>() == Approx(want).epsilon(1e-10));
      CHECK(got[1].item<double>() == (want < 0 ? -1 : 1));
      CHECK(got[2].item<double>() == Approx(std::log(std::fabs(want))).epsilon(1e-10));
    }
  const std::vector<Array> none = f({Array::zeros<double>({0, 0})});
  CHECK(none[0].item<double>() == 1);
  CHECK(none[2].item<double>() == 0);
  const std::vector<Array> flat = f({Array::full<double>({3, 3}, 1)});
  CHECK(flat[0].item<double>() == 0);
  CHECK(flat[1].item<double>() == 0);
  CHECK(flat[2].item<double>() == -std::numeric_limits<double>::infinity());
  // 40 of 1e-20: the determinant underflows, its logarithm does not.
  Array small = Array::zeros(DType::f64, {40, 40});
  for (std::int64_t i = 0; i < 40; ++i) small.data<double>()[i * 41] = -1e-20;
  const std::vector<Array> of_small = f({small});
  CHECK(of_small[0].item<double>() == 0);
  CHECK(of_small[1].item<double>() == 1);
  CHECK(of_small[2].item<double>() == Approx(40 * std::log(1e-20)));
}

TEST_CASE("p l u is the matrix, and powers are products", "[conformance][linear-algebra]") {
  const Expr a = tensor<double>({2, 20, 20}, "a");
  const auto [p, l, u] = lu(a);
  const std::vector<Expr> outputs{matmul(p, matmul(l, u)), matrix_power(a, 5),
                                  matmul(matrix_power(a, -3), matrix_power(a, 3)), l};
  const Array as = random_stack(DType::f64, {2, 20, 20}, 0, 1);
  const std::vector<Array> got = function({a}, outputs)({as});
  CHECK(difference(got[0], as, near(DType::f64)) == "");
  const Expr square = matmul(a, a);
  CHECK(difference(got[1], reference({a}, {as}, {matmul(matmul(square, square), a)})[0],
                   near(DType::f64)) == "");
  CHECK(difference(got[2], reference({a}, {as}, {matrix_power(a, 0)})[0],
                   {.of_largest = 1e-8, .checks_zero_sign = false}) == "");
  for (std::int64_t i = 0; i < got[3].numel(); ++i)
    CHECK(std::fabs(std::as_const(got[3]).data<double>()[i]) <= 1); // pivots are the largest
  CHECK(matrix_power(tensor<int>({3, 3}), 2).dtype() == DType::i32);
  CHECK(matrix_power(tensor<int>({3, 3}), -2).dtype() == DType::f64);
}

TEST_CASE("a singular matrix is an error that names pivot, matrix and place, or NaN on request",
          "[conformance][linear-algebra]") {
  for (std::int64_t n : {3, 30}) {
    const Expr a = tensor<double>({dim(), dim("n"), dim("n")}, "a"), b = tensor<double>({dim("n")});
    Array as = random_stack(DType::f64, {4, n, n}, 5, 1);
    for (std::int64_t j = 0; j < n; ++j) as.data<double>()[2 * n * n + j * n + 1] = 0; // a column
    const Array bs = Array::full<double>({n}, 1);
    const std::string error = error_of(function({a, b}, {solve(a, b)}, {.name = "f"}), {as, bs});
    INFO(error);
    CHECK(error.starts_with(
        "solve: the matrix is singular: pivot 1 of matrix 2 is 0, in a call of f"));
    CHECK(error.find("systems_test.cpp") != std::string::npos);
    CHECK(error_of(function({a}, {inv(a)}), {as}).starts_with("inv: the matrix is singular"));

    const Function with_nan = function({a, b}, {solve(a, b, {.on_error = OnError::nan}),
                                                cholesky(a, OnError::nan), inv(a, OnError::nan)});
    const std::vector<Array> got = with_nan({as, bs});
    for (std::int64_t i = 0; i < 4; ++i) {
      CHECK(std::isnan(std::as_const(got[0]).data<double>()[i * n]) == (i == 2));
      CHECK(std::isnan(std::as_const(got[2]).data<double>()[i * n * n]) == (i == 2));
    }
    for (std::int64_t i = 0; i < n * n; ++i) as.data<double>()[n * n + i] *= -1;
    CHECK(std::isnan(std::as_const(with_nan({as, bs})[1]).data<double>()[n * n]));
  }
  CHECK_THROWS_AS(solve(tensor<float>({2, 3}), tensor<float>({2})), ShapeError);
  CHECK_THROWS_AS(solve(tensor<float>({3, 3}), tensor<float>({2})), ShapeError);
  CHECK_THROWS_AS(solve(tensor<float>({3}), tensor<float>({3})), ShapeError);
  CHECK_THROWS_AS(det(tensor<float>({2, 3})), ShapeError);
  CHECK_THROWS_AS(inv(tensor<float>({2, 3})), ShapeError);
  CHECK_THROWS_AS(matrix_power(tensor<float>({2, 3}), 2), ShapeError);
  CHECK_THROWS_AS(solve(tensor<float>({2, 3, 3}), tensor<float>({5, 3, 1})), ShapeError);
  CHECK(solve(tensor<int>({3, 3}), tensor<int>({3})).dtype() == DType::f64);
}

TEST_CASE("gradients through systems and determinants, of first and second order",
          "[conformance][linear-algebra]") {
  const Array a = random_stack(DType::f64, {2, 3, 3}, 3, 1),
              b = random_stack(DType::f64, {3, 2}, 0, 2);
  using Builder = Expr (*)(const std::vector<Expr>&);
  const Builder builders[] = {
      [](const std::vector<Expr>& v) { return solve(v[0], v[1]); },
      [](const std::vector<Expr>& v) { return solve(v[0], v[1], {.positive_definite = true}); },
      [](const std::vector<Expr>& v) { return inv(v[0]) + sum(v[1]); },
      [](const std::vector<Expr>& v) { return det(v[0]) * sum(v[1]); },
      [](const std::vector<Expr>& v) { return slogdet(v[0]).logabsdet * sum(v[1] * v[1]); },
      [](const std::vector<Expr>& v) { return lu(v[0]).l * lu(v[0]).u + sum(v[1]); },
      [](const std::vector<Expr>& v) { return matrix_power(v[0], 3) + sum(v[1]); },
  };
  for (std::size_t i = 0; i < std::size(builders); ++i) {
    INFO("function " << i);
    const Builder f = builders[i];
    CHECK(verify_grad(f, {a, b}).worst <= 1e-6);
    const auto df = [&](const std::vector<Expr>& v) {
      const Expr e = f(v);
      return grad(sum(e * e), v[0]);
    };
    CHECK(verify_grad(df, {a, b}, 1e-5).worst <= 1e-5);
  }
}

TEST_CASE("exponentials of matrices are their series, however large they are",
          "[conformance][linear-algebra]") {
  for (DType t : {DType::f32, DType::f64}) {
    const Expr a = tensor(t, {3, dim("n"), dim("n")}, "a");
    const Function f = function({a}, {expm(a)});
    for (double size : {0.01, 1.0, 20.0}) {
      const std::int64_t n = 4;
      Array as = random_stack(DType::f64, {3, n, n}, 0, 1);
      for (std::int64_t i = 0; i < as.numel(); ++i)
        as.data<double>()[i] *= size * static_cast<double>(i / 16); // the first is 0
      const Array given = as.astype(t), wide = given.astype(DType::f64);
      Array want = Array::zeros(DType::f64, as.shape());
      for (std::int64_t b = 0; b < 3; ++b) {
        // The series of the matrix over 2^12, squared 12 times.
        std::vector<long double> x(16), power(16), sum(16);
        const auto times = [](const std::vector<long double>& l,
                              const std::vector<long double>& r) {
          std::vector<long double> p(16);
          for (std::size_t i = 0; i < 64; ++i)
            p[i / 16 * 4 + i % 4] += l[i / 4] * r[i / 4 % 4 * 4 + i % 4];
          return p;
        };
        for (std::size_t i = 0; i < 16; ++i) {
          x[i] = static_cast<long double>(
                     wide.data<const double>()[b * 16 + static_cast<std::int64_t>(i)]) /
                 4096;
          power[i] = sum[i] = i % 5 == 0 ? 1 : 0;
        }
        for (int k = 1; k < 30; ++k) {
          power = times(power, x);
          for (std::size_t i = 0; i < 16; ++i) sum[i] += power[i] /= k;
        }
        for (int k = 0; k < 12; ++k) sum = times(sum, sum);
        for (std::size_t i = 0; i < 16; ++i)
          want.data<double>()[b * 16 + static_cast<std::int64_t>(i)] = static_cast<double>(sum[i]);
      }
      const Array got = f({given})[0];
      for (std::int64_t b = 0; b < 3; ++b)
        CHECK(difference(
                  got.slice(0, b, b + 1).contiguous(),
                  want.slice(0, b, b + 1).contiguous().astype(t),
                  {.of_largest = t == DType::f32 ? 2e-4 : 1e-12, .checks_zero_sign = false}) == "");
    }
  }
  const Array a = random_stack(DType::f64, {3, 3}, 0, 2);
  const auto f = [](const std::vector<Expr>& v) { return expm(3 * v[0]); };
  CHECK(verify_grad(f, {a}, 1e-5).worst <= 1e-5);
  const auto df = [](const std::vector<Expr>& v) { return grad(sum(tanh(expm(v[0]))), v[0]); };
  CHECK(verify_grad(df, {a}, 1e-5).worst <= 1e-5);
}

TEST_CASE("blocks stand behind each other on the diagonal", "[conformance][linear-algebra]") {
  const Expr a = tensor<float>({2, 1}, "a"), n = tensor<float>({dim(), dim()}, "n"),
             v = tensor<int>({2}, "v");
  const Expr whole = block_diag({a, n, v});
  CHECK(whole.dtype() == DType::f32);
  const Array got = function({a, n, v}, {whole})({Array::from(std::vector<float>{1, 2}, {2, 1}),
                                                  Array::from(std::vector<float>{3, 4}, {1, 2}),
                                                  Array::from(std::vector<int>{5, 6}, {2})})[0];
  CHECK(equal(got, Array::from(std::vector<float>{1, 0, 0, 0, 0, 2, 0, 0, 0, 0,
                                                  0, 3, 4, 0, 0, 0, 0, 0, 5, 6},
                               {4, 5})));
  CHECK_THROWS_AS(block_diag({}), ShapeError);
  CHECK_THROWS_AS(block_diag({tensor<float>({2, 2, 2})}), ShapeError);
}

TEST_CASE("verify takes solutions for right that solve their systems",
          "[conformance][linear-algebra]") {
  // Hilbert's matrix: no digit of the solution is certain.
  const std::int64_t n = 12;
  Array as = Array::zeros(DType::f64, {n, n});
  for (std::int64_t i = 0; i < n * n; ++i)
    as.data<double>()[i] = 1 / static_cast<double>(i / n + i % n + 1);
  const Expr a = tensor<double>({n, n}, "a"), b = tensor<double>({n, 2}, "b");
  const Function f = function({a, b}, {solve(a, b), det(a)}, {.mode = Mode::verify});
  CHECK_NOTHROW(f({as, random_stack(DType::f64, {n, 2}, 0, 4)}));
}

} // namespace kroton::test
