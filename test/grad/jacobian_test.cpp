/// Jacobians, Hessians and products with them, against derivatives worked out by hand.
#include <kroton/grad.hpp>
#include <kroton/jacobian.hpp>
#include <kroton/ops/basic.hpp>
#include <kroton/vmap.hpp>

#include <cmath>

#include "lib/ir/node.hpp"
#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"

namespace kroton::test {
namespace {

std::vector<double> values(const Expr& e, const std::vector<std::pair<Expr, Array>>& at,
                           std::int64_t size = 3) {
  const ir::Graph g = ir::Graph::capture({&e, 1});
  ir::Bindings bindings;
  bindings.size_of = [=](const ir::DimNode&) { return size; };
  for (const auto& [input, v] : at)
    if (const ir::NodeId id = g.find(input); id != ir::no_node) bindings.values.emplace(id, v);
  const Array a = ir::evaluate(g, g.outputs(), bindings)[0].astype(DType::f64).contiguous();
  return {a.data<double>(), a.data<double>() + a.numel()};
}

Array array(std::vector<double> v, Shape shape) { return Array::from(v, shape); }

constexpr JacobianMode modes[] = {JacobianMode::automatic, JacobianMode::forward,
                                  JacobianMode::reverse};

} // namespace

TEST_CASE("the Jacobian of a product is its matrix, in both modes", "[grad][jacobian]") {
  const Expr x = vector<double>("x"), w = tensor<double>({2, x.shape()[0]}, "w");
  const Array ws = array({1, 2, 3, 4, 5, 6}, {2, 3}), xs = array({1, 1, 1}, {3});
  for (const JacobianMode mode : modes) {
    const Expr j = jacobian(dot(w, x), x, mode);
    CHECK(j.rank() == 2);
    CHECK(values(j, {{w, ws}, {x, xs}}) == std::vector<double>{1, 2, 3, 4, 5, 6});
  }
}

TEST_CASE("Jacobians have the output's axes, then those of what they are taken by",
          "[grad][jacobian]") {
  const Expr x = tensor<double>({2, 3}, "x"), s = scalar<double>("s");
  const Array xs = array({1, 2, 3, 4, 5, 6}, {2, 3});
  for (const JacobianMode mode : modes) {
    const Expr y = sum(x * x, {1});
    CHECK(jacobian(y, x, mode).node()->type.to_string() == "f64[2,2,3]");
    CHECK(values(jacobian(y, x, mode), {{x, xs}}) ==
          std::vector<double>{2, 4, 6, 0, 0, 0, 0, 0, 0, 8, 10, 12});
    CHECK(jacobian(sum(x), x, mode).node()->type.to_string() == "f64[2,3]");
    CHECK(jacobian(x * s, s, mode).node()->type.to_string() == "f64[2,3]");
    CHECK(values(jacobian(x * s, s, mode), {{x, xs}, {s, Array::scalar(2.0)}}) ==
          std::vector<double>{1, 2, 3, 4, 5, 6});
    CHECK(jacobian(s * s, s, mode).rank() == 0);
    CHECK(values(jacobian(s * s, s, mode), {{s, Array::scalar(2.0)}})[0] == 4);
    // Of what does not depend on it.
    CHECK(values(jacobian(sum(x, {1}), s, mode), {{x, xs}}) == std::vector<double>{0, 0});
  }
}

TEST_CASE("Jacobians of empty arrays are empty", "[grad][jacobian]") {
  const Expr x = vector<double>("x");
  for (const JacobianMode mode : modes)
    CHECK(values(jacobian(exp(x), x, mode), {{x, array({}, {0})}}, 0).empty());
}

TEST_CASE("the Hessian is the matrix of second derivatives", "[grad][jacobian]") {
  const Expr x = vector<double>("x");
  const Array xs = array({1, 2, 3}, {3});
  // (sum x^2)^2: 8 x x' + 4 (sum x^2) I.
  const Expr r = sum(x * x), h = hessian(r * r, x);
  CHECK(values(h, {{x, xs}}) == std::vector<double>{64, 16, 24, 16, 56 + 32, 48, 24, 48, 56 + 72});
  const Expr v = vector<double>("v");
  const Array vs = array({1, -1, 2}, {3});
  CHECK(values(hessian_vector_product(r * r, x, v), {{x, xs}, {v, vs}}) ==
        std::vector<double>{64 - 16 + 48, 16 - 88 + 96, 24 - 48 + 256});
  CHECK(hessian(sum(dot(tensor<double>({2, 2}, "a"), tensor<double>({2}, "b"))),
                tensor<double>({2}, "c"))
            .node()
            ->type.to_string() == "f64[2,2]");
}

TEST_CASE("a product with the Hessian of several is that of all together", "[grad][jacobian]") {
  const Expr x = scalar<double>("x"), y = scalar<double>("y");
  const std::vector<std::pair<Expr, Array>> at{{x, Array::scalar(2.0)}, {y, Array::scalar(3.0)}};
  const std::vector<Expr> p =
      hessian_vector_product(x * x * y, {x, y}, {constant(1.0), constant(10.0)});
  CHECK(values(p[0], at)[0] == 6 + 40);
  CHECK(values(p[1], at)[0] == 4);
}

TEST_CASE("Jacobians can be mapped and differentiated", "[grad][jacobian]") {
  const Expr all = tensor<double>({2, 3}, "all");
  const Array xs = array({1, 2, 3, 4, 5, 6}, {2, 3});
  const auto diagonal = [](const std::vector<Expr>& v) {
    return sum(jacobian(v[0] * v[0] * v[0], v[0]), {1});
  };
  CHECK(values(vmap(diagonal)({all}), {{all, xs}}) == std::vector<double>{3, 12, 27, 48, 75, 108});
  CHECK(values(grad(sum(vmap(diagonal)({all})), all), {{all, xs}}) ==
        std::vector<double>{6, 12, 18, 24, 30, 36});
}

TEST_CASE("jacobian refuses what has no derivative", "[grad][jacobian]") {
  const Expr x = vector<double>("x"), i = vector<int>("i");
  CHECK(message_of<TypeError>([&] {
          jacobian(x, i);
        }).starts_with("jacobian: cannot differentiate with respect to i i32[?]\n"));
  CHECK(message_of<TypeError>([&] {
          jacobian(argmax(x), x);
        }).starts_with("jacobian: the output must be floating, got argmax i64[]\n"));
}

} // namespace kroton::test
