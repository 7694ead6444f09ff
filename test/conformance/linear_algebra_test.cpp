/// Linear algebra through library calls, against the evaluator and against what it has to satisfy.
#include <kroton/core.hpp>
#include <kroton/ops/linear_algebra.hpp>

#include <cmath>

#include "test/conformance/arrays.hpp"
#include "test/conformance/oracle.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

/// Stacks of matrices with elements in [-1, 1] and `diagonal` added to the diagonal.
Array stack_of(DType t, const Shape& shape, double diagonal, std::uint64_t seed) {
  Rng rng(seed);
  Array a = Array::empty(DType::f64, shape);
  const std::int64_t n = shape[shape.size() - 2], k = shape.back();
  for (std::int64_t i = 0; i < a.numel(); ++i)
    a.data<double>()[i] = rng.uniform(-1, 1) + (i / k % n == i % k ? diagonal : 0);
  return a.astype(t);
}

Tolerance near(DType t) {
  return {.of_largest = t == DType::f32 ? 1e-5 : 1e-13, .checks_zero_sign = false};
}

std::vector<Triangular> all_options() {
  std::vector<Triangular> all;
  for (int i = 0; i < 8; ++i) all.push_back({(i & 1) != 0, (i & 2) != 0, (i & 4) != 0});
  return all;
}

} // namespace

TEST_CASE("triangular systems of any order, layout and options are solved",
          "[conformance][linear-algebra]") {
  for (DType t : {DType::f32, DType::f64}) {
    const Expr a = tensor(t, {dim(), dim()}, "a"), b = tensor(t, {dim(), dim()}, "b");
    std::vector<Expr> outputs;
    for (const Triangular& options : all_options()) {
      outputs.push_back(solve_triangular(a, b, options));
      outputs.push_back(solve_triangular(transpose(a), slice(b, {{{}, {}, -1}}), options));
    }
    const Function f = function({a, b}, outputs);
    for (std::int64_t n : {0, 1, 2, 15, 16, 33, 70})
      for (std::int64_t k : {0, 1, 5, 17}) {
        const Array as = stack_of(t, {n, n}, static_cast<double>(n) + 1, 1),
                    bs = stack_of(t, {n, k}, 0, 2);
        const std::vector<Array> got = f({as, bs}), want = reference({a, b}, {as, bs}, outputs);
        for (std::size_t i = 0; i < want.size(); ++i) {
          INFO(to_string(t) << ", " << n << " by " << k << ", output " << i);
          CHECK(difference(got[i], want[i], near(t)) == "");
        }
      }
  }
}

TEST_CASE("stacks of triangular systems broadcast, and go to several threads",
          "[conformance][linear-algebra]") {
  const DType t = DType::f64;
  const Expr a = tensor(t, {3, 1, dim("n"), dim("n")}, "a"), b = tensor(t, {5, dim("n"), 2}, "b"),
             v = tensor(t, {dim("n")}, "v");
  const std::vector<Expr> outputs{solve_triangular(a, b), solve_triangular(a, v, {.lower = true})};
  CHECK(outputs[0].node()->type.to_string() == "f64[3,5,n,2]");
  CHECK(outputs[1].node()->type.to_string() == "f64[3,1,n]");
  for (int threads : {1, 2, 4}) {
    const Function f = function({a, b, v}, outputs, {.threads = threads});
    for (std::int64_t n : {4, 40}) {
      const std::vector<Array> arguments{stack_of(t, {3, 1, n, n}, 9, 1),
                                         stack_of(t, {5, n, 2}, 0, 2),
                                         stack_of(t, {1, n}, 0, 3).reshape({n})};
      const std::vector<Array> got = f(arguments), want = reference({a, b, v}, arguments, outputs);
      for (std::size_t i = 0; i < want.size(); ++i)
        CHECK(difference(got[i], want[i], near(t)) == "");
    }
  }
}

TEST_CASE("a solution may take the right side's memory, unless that is read again",
          "[conformance][linear-algebra]") {
  const Expr a = tensor<double>({20, 20}, "a"), b = tensor<double>({20, 3}, "b");
  const Expr right = exp(b);
  const std::vector<Expr> outputs{exp(solve_triangular(a, right)),
                                  solve_triangular(a, right) + sum(right * right),
                                  solve_triangular(exp(a), exp(a) * 2)};
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Function f = function({a, b}, {outputs[i]});
    const std::vector<Array> arguments{stack_of(DType::f64, {20, 20}, 30, 1),
                                       stack_of(DType::f64, {20, 3}, 0, 2)};
    INFO("output " << i);
    CHECK(difference(f(arguments)[0], reference({a, b}, arguments, {outputs[i]})[0],
                     near(DType::f64)) == "");
  }
  const Shared state = shared(stack_of(DType::f64, {20, 3}, 0, 2), "state");
  const Expr next = solve_triangular(a, state);
  const Array as = stack_of(DType::f64, {20, 20}, 30, 1);
  const Array want = reference({a}, {as}, {next})[0];
  const Function step = function({a}, {sum(a)}, {.updates = {{state, next}}});
  step({as});
  CHECK(difference(state.get(), want, near(DType::f64)) == "");
}

TEST_CASE("a singular matrix is an error that names its element, and changes nothing",
          "[conformance][linear-algebra]") {
  for (std::int64_t n : {3, 30}) {
    const Expr a = tensor<double>({dim(), dim("n"), dim("n")}, "a"), b = tensor<double>({dim("n")});
    const Shared state = shared(Array::full<double>({2}, 1), "state");
    const Function f =
        function({a, b}, {solve_triangular(a, b)}, {.updates = {{state, state + sum(b)}}});
    Array as = stack_of(DType::f64, {4, n, n}, 5, 1);
    as.data<double>()[3 * n * n + 1 * n + 1] = 0;
    as.data<double>()[2 * n * n + 2 * n + 2] = 0;
    try {
      f({as, Array::full<double>({n}, 1)});
      FAIL_CHECK("it was solved");
    } catch (const LinAlgError& e) {
      const std::string text = e.what();
      CHECK(text.find("solve_triangular: the matrix is singular: element 2,2 of matrix 2 is 0") !=
            std::string::npos);
      CHECK(text.find("linear_algebra_test.cpp") != std::string::npos);
    }
    CHECK(equal(state.get(), Array::full<double>({2}, 1)));
    // A diagonal of ones is not read.
    const Function g = function({a, b}, {solve_triangular(a, b, {.unit_diagonal = true})});
    CHECK_NOTHROW(g({as, Array::full<double>({n}, 1)}));
  }
}

TEST_CASE("Cholesky factors of matrices of any order and layout, one by one and in stacks",
          "[conformance][linear-algebra]") {
  for (DType t : {DType::f32, DType::f64}) {
    const Expr a = tensor(t, {dim(), dim("n"), dim("n")}, "a");
    const std::vector<Expr> outputs{cholesky(a), cholesky(transpose(a, {0, 2, 1})),
                                    cholesky(slice(a, {{{}, {}, -1}})), cholesky(exp(a)),
                                    cholesky(a) + sum(a)};
    for (int threads : {1, 3}) {
      const Function f = function({a}, outputs, {.threads = threads});
      for (const Shape& shape : {Shape{1, 0, 0},
                                 {0, 3, 3},
                                 {5, 1, 1},
                                 {3, 2, 2},
                                 {2, 15, 15},
                                 {7, 16, 16},
                                 {2, 70, 70}}) {
        const Array given = stack_of(t, shape, static_cast<double>(shape[1]) + 2, 5);
        const std::vector<Array> got = f({given}), want = reference({a}, {given}, outputs);
        for (std::size_t i = 0; i < want.size(); ++i) {
          INFO(to_string(t) << ", " << shape[0] << " of order " << shape[1] << ", output " << i);
          CHECK(difference(got[i], want[i], near(t)) == "");
        }
      }
    }
  }
  const Expr m = tensor<double>({dim("n"), dim("n")}, "m");
  const Function f = function({m}, {cholesky(m)});
  CHECK(equal(f({Array::from(std::vector<double>{4, 99, 2, 10}, {2, 2})})[0],
              Array::from(std::vector<double>{2, 0, 1, 3}, {2, 2})));
}

TEST_CASE("a matrix that is not positive definite is an error that names its minor",
          "[conformance][linear-algebra]") {
  for (std::int64_t n : {4, 40}) {
    const Expr a = tensor<double>({dim(), dim("n"), dim("n")}, "a");
    const Function f = function({a}, {cholesky(a)}, {.name = "f"});
    const auto error_with = [&](double value) -> std::string {
      Array given = stack_of(DType::f64, {3, n, n}, 60, 1);
      given.data<double>()[1 * n * n + 2 * n + 2] = value;
      try {
        f({given});
      } catch (const LinAlgError& e) {
        return e.what();
      }
      return "";
    };
    for (double value : {-1.0, 0.0, std::nan("")}) {
      const std::string error = error_with(value);
      INFO(error);
      CHECK(error.starts_with("cholesky: the matrix is not positive definite: the leading minor of "
                              "order 3 of matrix 1 is not positive, in a call of f"));
      CHECK(error.find("linear_algebra_test.cpp") != std::string::npos);
    }
    CHECK(error_with(60) == "");
  }
  const Expr m = tensor<float>({2, 2}, "m");
  CHECK_THROWS_AS(function({m}, {cholesky(m)})({Array::zeros<float>({2, 2})}), LinAlgError);
  CHECK_THROWS_AS(cholesky(tensor<float>({2, 3})), ShapeError);
  CHECK_THROWS_AS(cholesky(tensor<float>({3})), ShapeError);
}

TEST_CASE("training through Cholesky factors: the likelihood of a Gaussian process",
          "[conformance][linear-algebra]") {
  const std::int64_t n = 20;
  const Expr k = tensor<double>({n, n}, "k"), y = tensor<double>({n}, "y"),
             scale = scalar<double>("scale");
  const Expr l = cholesky(scale * k);
  const Expr alpha = solve_triangular(l, y, {.lower = true});
  const Expr diagonal = index(l, {arange(n), arange(n)});
  const Expr cost = sum(alpha * alpha) / 2 + sum(log(diagonal));
  const std::vector<Expr> outputs{cost, grad(cost, scale), grad(cost, k)};
  const Array ks = stack_of(DType::f64, {n, n}, 25, 3),
              ys = stack_of(DType::f64, {1, n}, 0, 4).reshape({n}), s = Array::scalar<double>(1.5);
  for (Mode mode : {Mode::fast, Mode::plain, Mode::verify}) {
    const Function f = function({k, y, scale}, outputs, {.mode = mode});
    const std::vector<Array> got = f({ks, ys, s}),
                             want = reference({k, y, scale}, {ks, ys, s}, outputs);
    for (std::size_t i = 0; i < want.size(); ++i)
      CHECK(difference(got[i], want[i], {.of_largest = 1e-11, .checks_zero_sign = false}) == "");
  }
}

TEST_CASE("operands of linear algebra that do not fit are refused",
          "[conformance][linear-algebra]") {
  const Expr a = tensor<double>({3, 3}, "a"), v = tensor<double>({3}, "v");
  CHECK_THROWS_AS(solve_triangular(v, v), ShapeError);
  CHECK_THROWS_AS(solve_triangular(tensor<double>({3, 4}), v), ShapeError);
  CHECK_THROWS_AS(solve_triangular(a, tensor<double>({4})), ShapeError);
  CHECK_THROWS_AS(solve_triangular(tensor<double>({2, 3, 3}), tensor<double>({5, 3, 1})),
                  ShapeError);
  CHECK(solve_triangular(tensor<int>({3, 3}), tensor<float>({3})).dtype() == DType::f64);
  const Expr n = tensor<double>({dim(), dim()}, "n");
  const Function f = function({n, v}, {solve_triangular(n, v)});
  CHECK_THROWS_AS(f({Array::full<double>({3, 4}, 1), Array::full<double>({3}, 1)}), ShapeError);
}

TEST_CASE("verify takes solutions for right that solve their systems, however hard these are",
          "[conformance][linear-algebra]") {
  // Elements grow by 2^n: the solution is far from the exact one, and solves the system.
  const std::int64_t n = 40;
  Array as = Array::zeros(DType::f32, {n, n});
  for (std::int64_t i = 0; i < n; ++i)
    for (std::int64_t j = i; j < n; ++j)
      as.data<float>()[i * n + j] = i == j ? 0.1F + 0.01F * static_cast<float>(i % 7) : -0.1F;
  const Expr a = tensor<float>({n, n}, "a"), b = tensor<float>({n, 2}, "b");
  const Function f = function({a, b}, {solve_triangular(a, b)}, {.mode = Mode::verify});
  CHECK_NOTHROW(f({as, stack_of(DType::f32, {n, 2}, 0, 4)}));
}

} // namespace kroton::test
