/// Sparse Jacobians against dense ones, and how many derivatives they take.
#include <kroton/grad.hpp>
#include <kroton/jacobian.hpp>
#include <kroton/ops/basic.hpp>
#include <kroton/sparse_jacobian.hpp>

#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"

namespace kroton::test {
namespace {

std::vector<double> values(const Expr& e, const Expr& x) {
  const ir::Graph g = ir::Graph::capture({&e, 1});
  ir::Bindings bindings;
  bindings.size_of = Sizes{};
  Shape shape;
  for (const Dim& d : x.shape()) shape.push_back(d.value());
  Array at = Array::empty(DType::f64, shape);
  for (std::int64_t i = 0; i < at.numel(); ++i)
    at.data<double>()[i] = 0.3 + 0.1 * static_cast<double>(i * 7 % 5);
  if (const ir::NodeId id = g.find(x); id != ir::no_node) bindings.values.emplace(id, at);
  const Array a = ir::evaluate(g, g.outputs(), bindings)[0].contiguous();
  return {a.data<double>(), a.data<double>() + a.numel()};
}

void check_dense(const SparseJacobian& j, const Expr& dense, const Expr& x) {
  CHECK(j.starts.size() == static_cast<std::size_t>(j.rows) + 1);
  CHECK(j.starts.back() == static_cast<std::int64_t>(j.columns.size()));
  const std::vector<double> a = values(j.dense(), x), b = values(dense, x);
  REQUIRE(a.size() == b.size());
  for (std::size_t i = 0; i < a.size(); ++i)
    CHECK(a[i] == Approx(b[i]).epsilon(1e-12).margin(1e-14));
}

Expr from(const Expr& x, std::int64_t start, std::int64_t stop) { return x[{Range{start, stop}}]; }

} // namespace

TEST_CASE("the Jacobian of a banded function takes as many derivatives as its band is wide",
          "[grad][sparse]") {
  for (const std::int64_t n : {10, 40}) {
    const Expr x = tensor<double>({n}, "x");
    const Expr y = from(x, 0, n - 2) * exp(from(x, 1, n - 1)) - from(x, 2, n);
    const SparseJacobian j = sparse_jacobian(y, x);
    CHECK(j.colours == 3);
    CHECK(j.rows == n - 2);
    CHECK(j.width == n);
    CHECK(static_cast<std::int64_t>(j.columns.size()) == 3 * (n - 2));
    check_dense(j, jacobian(y, x), x);
  }
}

TEST_CASE("elementwise functions take one derivative", "[grad][sparse]") {
  const Expr x = tensor<double>({3, 4}, "x");
  const SparseJacobian j = sparse_jacobian(exp(transpose(x)) * 2 + 1, x);
  CHECK(j.colours == 1);
  check_dense(j, reshape(jacobian(exp(transpose(x)) * 2 + 1, x), {12, 12}), x);
}

TEST_CASE("rows are taken where they need fewer colours", "[grad][sparse]") {
  const Expr x = tensor<double>({3, 4}, "x");
  const Expr y = sum(x * x, {1});
  const SparseJacobian j = sparse_jacobian(y, x);
  CHECK(!j.is_forward);
  CHECK(j.colours == 1);
  check_dense(j, reshape(jacobian(y, x), {3, 12}), x);
}

TEST_CASE("reads at known positions are followed, contractions are dense", "[grad][sparse]") {
  const Expr x = tensor<double>({5}, "x");
  const Expr at = constant(Array::from(std::vector<std::int64_t>{4, -5, 2, 2}, {4}));
  const Expr y = index(x * x, {at});
  const SparseJacobian j = sparse_jacobian(y, x);
  CHECK(j.columns == std::vector<std::int64_t>{4, 0, 2, 2});
  check_dense(j, jacobian(y, x), x);
  const Expr w = constant(Array::from(std::vector<double>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, {2, 5}));
  const SparseJacobian d = sparse_jacobian(dot(w, x), x);
  CHECK(d.columns.size() == 10);
  CHECK(d.colours == 2);
  check_dense(d, jacobian(dot(w, x), x), x);
}

TEST_CASE("the Hessian of a chain has three bands", "[grad][sparse]") {
  constexpr std::int64_t n = 12;
  const Expr x = tensor<double>({n}, "x");
  const Expr a = from(x, 0, n - 1), b = from(x, 1, n);
  const Expr cost = sum(100 * (b - a * a) * (b - a * a) + (1 - a) * (1 - a));
  const SparseJacobian h = sparse_hessian(cost, x);
  CHECK(h.colours == 3);
  CHECK(h.columns.size() == 3 * n - 2);
  check_dense(h, hessian(cost, x), x);
}

TEST_CASE("what depends on nothing has no elements", "[grad][sparse]") {
  const Expr x = tensor<double>({3}, "x"), y = tensor<double>({2}, "y");
  const SparseJacobian j = sparse_jacobian(y, x);
  CHECK(j.columns.empty());
  CHECK(j.colours == 0);
  CHECK(values(j.dense(), x) == std::vector<double>(6, 0.0));
}

TEST_CASE("a pattern needs sizes", "[grad][sparse]") {
  const Expr x = vector<double>("x");
  CHECK(
      message_of<ShapeError>([&] { sparse_jacobian(x * x, x); }) ==
      "sparse_jacobian: which elements may be zero depends on sizes, and input f64[?] has unknown "
      "ones\n"
      "  at sparse_jacobian_test.cpp:LINE; input from sparse_jacobian_test.cpp:LINE\n"
      "  hint: give inputs known sizes: tensor<double>({100}, \"x\")");
}

} // namespace kroton::test
