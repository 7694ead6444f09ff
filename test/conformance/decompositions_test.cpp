/// Orthogonal factorisations, against what defines them.
#include <kroton/core.hpp>
#include <kroton/ops/contraction.hpp>
#include <kroton/ops/linear_algebra.hpp>

#include <cmath>

#include "test/conformance/arrays.hpp"
#include "test/conformance/oracle.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

Array random_stack(DType t, const Shape& shape, std::uint64_t seed) {
  Rng rng(seed);
  Array a = Array::empty(DType::f64, shape);
  for (std::int64_t i = 0; i < a.numel(); ++i) a.data<double>()[i] = rng.uniform(-1, 1);
  return a.astype(t);
}

Tolerance near(DType t) {
  return {.of_largest = t == DType::f32 ? 2e-5 : 1e-13, .checks_zero_sign = false};
}

/// Of columns: all products of two of them.
Expr gram(const Expr& q) { return matmul(einsum("bij->bji", {q}), q); }
Expr ones_like_gram(const Expr& q) { return matrix_power(gram(q), 0); }

} // namespace

TEST_CASE("q r, eigenvectors and singular vectors multiply to the matrix, and are orthonormal",
          "[conformance][linear-algebra]") {
  for (DType t : {DType::f32, DType::f64}) {
    const Expr a = tensor(t, {dim("b"), dim("m"), dim("n")}, "a"),
               s = tensor(t, {dim("b"), dim("n"), dim("n")}, "s");
    const auto [q, r] = qr(a);
    const auto [w, v] = eigh(s);
    const auto [u, values, vh] = svd(a);
    const Expr symmetric = einsum("bij->bji", {s}) + s;
    const auto [w2, v2] = eigh(symmetric);
    const std::vector<Expr> outputs{matmul(q, r),
                                    gram(q),
                                    ones_like_gram(q),
                                    einsum("bik,bk,bkj->bij", {u, values, vh}),
                                    gram(u),
                                    gram(einsum("bij->bji", {vh})),
                                    einsum("bik,bk,bjk->bij", {v2, w2, v2}),
                                    symmetric,
                                    svdvals(a),
                                    values,
                                    eigvalsh(symmetric),
                                    w2,
                                    r};
    const Function f = function({a, s}, outputs);
    for (const Shape& shape :
         {Shape{2, 3, 3}, {1, 5, 2}, {2, 2, 5}, {3, 1, 1}, {1, 30, 20}, {2, 20, 33}, {0, 3, 2}}) {
      INFO(to_string(t) << " " << shape[0] << ", " << shape[1] << ", " << shape[2]);
      const Array as = random_stack(t, shape, 1),
                  ss = random_stack(t, {shape[0], shape[2], shape[2]}, 2);
      const std::vector<Array> got = f({as, ss});
      CHECK(difference(got[0], as, near(t)) == "");
      CHECK(difference(got[1], got[2], near(t)) == "");
      CHECK(difference(got[3], as, near(t)) == "");
      CHECK(difference(got[4], got[2], near(t)) == "");
      CHECK(difference(got[5], got[2], near(t)) == "");
      CHECK(difference(got[6], got[7], near(t)) == "");
      CHECK(difference(got[8], got[9], near(t)) == "");
      CHECK(difference(got[10], got[11], near(t)) == "");
      const Array k = got[9].contiguous();
      for (std::int64_t i = 0; i + 1 < k.numel(); ++i)
        if ((i + 1) % k.shape()[1] != 0)
          CHECK(k.astype(DType::f64).data<double>()[i] >=
                k.astype(DType::f64).data<double>()[i + 1]);
      if (shape[1] <= 5) { // signs and all: what the rows' own evaluators give
        const std::vector<Expr> parts{q, r, w, v, u, vh};
        const std::vector<Array> by_calls = function({a, s}, parts)({as, ss}),
                                 by_rows = reference({a, s}, {as, ss}, parts);
        for (std::size_t i = 0; i < parts.size(); ++i) {
          INFO("part " << i);
          CHECK(difference(by_calls[i], by_rows[i],
                           {.of_largest = t == DType::f32 ? 1e-3 : 1e-10,
                            .checks_zero_sign = false}) == "");
        }
      }
    }
  }
}

TEST_CASE("pseudoinverses satisfy Penrose's equations, of any rank",
          "[conformance][linear-algebra]") {
  for (DType t : {DType::f32, DType::f64}) {
    const Expr a = tensor(t, {dim("b"), dim("m"), dim("k")}, "a"),
               c = tensor(t, {dim("b"), dim("k"), dim("n")}, "c"), b = tensor(t, {dim("m")}, "y");
    const Expr low = matmul(a, c), p = pinv(low); // of rank k
    const Expr lp = matmul(low, p), pl = matmul(p, low);
    const std::vector<Expr> outputs{matmul(lp, low),
                                    low,
                                    matmul(pl, p),
                                    p,
                                    einsum("bij->bji", {lp}),
                                    lp,
                                    einsum("bij->bji", {pl}),
                                    pl,
                                    lstsq(low, b),
                                    matmul(p, b),
                                    matrix_rank(low)};
    const Function f = function({a, c, b}, outputs);
    for (const Shape& s :
         {Shape{2, 4, 2, 3}, {1, 3, 3, 3}, {1, 2, 2, 5}, {1, 24, 20, 20}, {1, 20, 17, 30}}) {
      const Array as = random_stack(t, {s[0], s[1], s[2]}, 1),
                  cs = random_stack(t, {s[0], s[2], s[3]}, 2), bs = random_stack(t, {s[1]}, 3);
      const std::vector<Array> got = f({as, cs, bs});
      for (std::size_t i = 0; i < 10; i += 2) {
        INFO(to_string(t) << " " << s[1] << ", " << s[2] << ", " << s[3] << ", equation " << i / 2);
        CHECK(difference(
                  got[i], got[i + 1],
                  {.of_largest = t == DType::f32 ? 2e-2 : 1e-9, .checks_zero_sign = false}) == "");
      }
      CHECK(got[10].contiguous().data<std::int64_t>()[0] == s[2]);
    }
  }
  const Expr x = tensor<double>({2, 2}, "x");
  const std::vector<Array> got = function({x}, {cond(x), pinv(x, 0.3)})(
      {Array::from(std::vector<double>{4, 0, 0, 1}, {2, 2})});
  CHECK(got[0].item<double>() == Approx(4));
  CHECK(difference(got[1], Array::from(std::vector<double>{0.25, 0, 0, 0}, {2, 2}),
                   near(DType::f64)) == "");
}

TEST_CASE("gradients of orthogonal factorisations, of first and second order",
          "[conformance][linear-algebra]") {
  using Builder = Expr (*)(const std::vector<Expr>&);
  // Weights tell the elements apart; signs cancel in the products.
  const Builder builders[] = {
      [](const std::vector<Expr>& v) { return qr(v[0]).q * v[0] + sum(v[1]); },
      [](const std::vector<Expr>& v) { return qr(v[0]).r * v[1]; },
      [](const std::vector<Expr>& v) { return svd(v[0]).u * v[0] + sum(v[1]); },
      [](const std::vector<Expr>& v) { return svd(v[0]).vh * v[1]; },
      [](const std::vector<Expr>& v) { return svdvals(v[0]) * v[1]; },
      [](const std::vector<Expr>& v) { return svd(transpose(v[0])).u * v[1]; },
      [](const std::vector<Expr>& v) { return eigh(v[1]).vectors * v[1] + sum(v[0]); },
      [](const std::vector<Expr>& v) { return eigh(v[1]).values * v[1] + sum(v[0]); },
      [](const std::vector<Expr>& v) { return eigvalsh(v[1]) * v[1] + sum(v[0]); },
      [](const std::vector<Expr>& v) { return pinv(v[0]) * sum(v[1]); },
      [](const std::vector<Expr>& v) { return lstsq(v[0], v[0] * v[0]) * v[1]; },
  };
  const Array a = Array::from(std::vector<double>{3, .2, -.4, .5, 2, .3, .1, -.6, 1, .7, .2, -.3},
                              {4, 3}),
              b = Array::from(std::vector<double>{1, .2, -.4, .5, 2.5, .3, .1, -.6, 4}, {3, 3});
  for (std::size_t i = 0; i < std::size(builders); ++i) {
    INFO("function " << i);
    const Builder f = builders[i];
    CHECK(verify_grad(f, {a, b}).worst <= 1e-6);
    const auto df = [&](const std::vector<Expr>& v) {
      const Expr e = f(v);
      return grad(sum(e * e), v[i >= 6 && i <= 8 ? 1 : 0]);
    };
    CHECK(verify_grad(df, {a, b}, 2e-5).worst <= 2e-5);
  }
}

TEST_CASE("elements that are not finite are an error that names the matrix, or NaN on request",
          "[conformance][linear-algebra]") {
  for (std::int64_t n : {3, 20}) {
    const Expr a = tensor<double>({3, n, n}, "a");
    Array as = random_stack(DType::f64, {3, n, n}, 1);
    as.data<double>()[n * n + n] = std::nan("");
    const auto message = [&](const Expr& e) -> std::string {
      try {
        function({a}, {e}, {.name = "f"})({as});
      } catch (const LinAlgError& error) {
        return error.what();
      }
      return "";
    };
    for (const auto& [e, name] :
         {std::pair{eigh(a).vectors, "eigh"}, {svd(a).u, "svd"}, {pinv(a), "pinv"}}) {
      const std::string text = message(e);
      INFO(text);
      CHECK(text.starts_with(std::string(name) +
                             ": the iteration of matrix 1 does not converge, in a call of f"));
      CHECK(text.find("decompositions_test.cpp") != std::string::npos);
    }
    const std::vector<Array> got =
        function({a}, {eigvalsh(a, OnError::nan), svdvals(a, OnError::nan)})({as});
    for (const Array& g : got)
      for (std::int64_t i = 0; i < 3; ++i)
        CHECK(std::isnan(g.contiguous().data<double>()[i * n]) == (i == 1));
  }
  CHECK_THROWS_AS(eigh(tensor<float>({2, 3})), ShapeError);
  CHECK_THROWS_AS(qr(tensor<float>({3})), ShapeError);
  CHECK_THROWS_AS(svd(tensor<float>({3})), ShapeError);
  CHECK(svd(tensor<int>({2, 3})).u.node()->type.to_string() == "f64[2,2]");
  CHECK(qr(tensor<float>({2, 3})).r.node()->type.to_string() == "f32[2,3]");
  CHECK(pinv(tensor<float>({5, 2, 3})).node()->type.to_string() == "f32[5,3,2]");
}

} // namespace kroton::test
