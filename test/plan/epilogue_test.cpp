#include "lib/plan/epilogue.hpp"

#include <set>

#include <kroton/ops/activation.hpp>
#include <kroton/random.hpp>
#include <kroton/shared.hpp>

#include "lib/plan/known_epilogue.hpp"
#include "lib/plan/plan.hpp"
#include "test/support/catch.hpp"
#include "test/support/random_graph.hpp"

using namespace kroton;
using namespace kroton::plan;

namespace {

Plan plan_with_epilogues(const std::vector<Expr>& outputs,
                         const std::vector<std::pair<Shared, Expr>>& updates = {}) {
  std::vector<Expr> roots = outputs;
  for (const auto& u : updates) roots.push_back(u.second);
  ir::Graph g = ir::Graph::capture(roots);
  PlanOptions options{.outputs = outputs.size(), .has_epilogues = true};
  for (const auto& u : updates) options.updated.push_back(g.find(u.first));
  return make_plan(std::move(g), options);
}

std::vector<const Epilogue*> epilogues(const Plan& p) {
  std::vector<const Epilogue*> found;
  for (const Step& s : p.steps)
    if (const auto* c = std::get_if<ContractionStep>(&s.what); c && c->epilogue)
      found.push_back(&*c->epilogue);
  return found;
}

bool has_epilogue(const std::vector<Expr>& outputs) {
  return !epilogues(plan_with_epilogues(outputs)).empty();
}

struct Operands {
  Expr x = matrix<float>("x"), w = matrix<float>("w"), b = vector<float>("b");
  Expr product = dot(x, w);
};

} // namespace

TEST_CASE("what follows from each element of a product is computed in its step", "[plan]") {
  const Operands o;
  const Plan p = plan_with_epilogues({tanh(o.product + o.b)});
  REQUIRE(p.steps.size() == 1);
  const auto& c = std::get<ContractionStep>(p.steps[0].what);
  REQUIRE(c.epilogue);
  CHECK_FALSE(c.epilogue->keeps_product);
  CHECK(p.kernels.size() == 1);
  CHECK(c.epilogue->kernel.buffers[static_cast<std::size_t>(c.epilogue->product)] == c.out);
  CHECK(p.steps[0].computes.size() == 1);
  // What the product leaves for the kernel is nothing that the step reads.
  CHECK(std::ranges::find(p.steps[0].reads, c.out) == p.steps[0].reads.end());
  CHECK(p.to_string().find("x?, then kernel 0 (elementwise, 2 nodes)") != std::string::npos);
}

TEST_CASE("without epilogues a product is a step of its own", "[plan]") {
  const Operands o;
  const Plan p = make_plan(ir::Graph::capture(std::vector{tanh(o.product + o.b)}), {.outputs = 1});
  CHECK(p.steps.size() == 2);
}

TEST_CASE("a product that others read too is kept", "[plan]") {
  const Operands o;
  const Plan p = plan_with_epilogues({tanh(o.product), dot(o.product, transpose(o.w))});
  REQUIRE(epilogues(p).size() == 1);
  CHECK(epilogues(p)[0]->keeps_product);
  const Plan returned = plan_with_epilogues({tanh(o.product), o.product});
  REQUIRE(epilogues(returned).size() == 1);
  CHECK(epilogues(returned)[0]->keeps_product);
  CHECK(returned.steps.size() == 1);
}

TEST_CASE("epilogues draw random numbers, give several values and read other products", "[plan]") {
  const Operands o;
  Random rng(1);
  CHECK(has_epilogue({o.product * rng.uniform(o.product.shape(), DType::f32)}));
  const Plan p = plan_with_epilogues({tanh(o.product), o.product * 2});
  CHECK(p.steps.size() == 1);
  CHECK(plan_with_epilogues({o.product * dot(o.x, exp(o.w))}).steps.size() == 3);
}

TEST_CASE("what needs more than an element of the product is none of its epilogues", "[plan]") {
  const Operands o;
  CHECK_FALSE(has_epilogue({softmax(o.product)}));
  CHECK_FALSE(has_epilogue({sum(exp(o.product), {0})}));
  CHECK_FALSE(has_epilogue({exp(transpose(o.product))}));
  CHECK_FALSE(has_epilogue({exp(slice(o.product, {{{}, {}, -1}}))}));
  CHECK_FALSE(has_epilogue({exp(reshape(o.product, {-1}))}));
  CHECK_FALSE(has_epilogue({o.product + tensor<float>({3, dim(), dim()}, "batched")}));
  const Expr square = dot(tensor<float>({4, 4}, "s"), tensor<float>({4, 4}, "t"));
  CHECK_FALSE(has_epilogue({square + transpose(square)}));
  const Expr at = vector<std::int64_t>("at");
  CHECK_FALSE(has_epilogue({o.product * index(o.x, {at})}));
}

TEST_CASE("a kernel that another step leads to is no epilogue", "[plan]") {
  const Operands o;
  // The column sums are needed for each element, and need the whole product.
  const Plan p = plan_with_epilogues({o.product - sum(o.product, {0})});
  CHECK(epilogues(p).empty());
  // Through a second product: the kernel follows that one, and reads the first.
  const Expr s = tensor<float>({4, 4}, "s"), first = dot(s, exp(s)), second = dot(first, s);
  const Plan q = plan_with_epilogues({first * second});
  REQUIRE(epilogues(q).size() == 1);
  CHECK(std::holds_alternative<ContractionStep>(q.steps.back().what));
  CHECK_FALSE(epilogues(q)[0]->keeps_product);
  // Two products, two kernels, each needing the other's product: one of them joins.
  const Expr a = dot(s, s + 1), b = dot(s, s + 2);
  const Expr of_a = tanh(a) + transpose(b), of_b = tanh(b) + transpose(a);
  CHECK(plan_with_epilogues({of_a, of_b}).steps.size() >= 3);
}

TEST_CASE("an epilogue writes nothing that the product reads", "[plan]") {
  const Shared w = shared(Array::zeros<float>({8, 8}), "w"),
               v = shared(Array::zeros<float>({8, 8}), "v");
  const Expr x = tensor<float>({8, 8}, "x");
  const auto kind_of_update = [](const Plan& p) {
    const Step& s = p.steps.back();
    REQUIRE(std::holds_alternative<ContractionStep>(s.what));
    REQUIRE(s.filled.size() == 1);
    return p.buffers[static_cast<std::size_t>(s.filled[0])].kind;
  };
  CHECK(kind_of_update(plan_with_epilogues({}, {{w, w * exp(dot(x, v))}})) == BufferKind::leaf);
  CHECK(kind_of_update(plan_with_epilogues({}, {{w, w * exp(dot(x, w))}})) == BufferKind::update);
}

TEST_CASE("steps of random programs with epilogues can run in their order", "[plan]") {
  std::size_t found = 0;
  for (std::uint64_t seed = 1; seed <= 150; ++seed) {
    const test::RandomGraph r = test::random_graph(seed, {.nodes = 40});
    const Plan p = plan_with_epilogues(r.outputs);
    found += epilogues(p).size();
    INFO("seed " << seed << "\n" << p.graph.to_string() << p.to_string());
    std::set<int> filled;
    for (std::size_t b = 0; b < p.buffers.size(); ++b)
      if (p.buffers[b].kind == BufferKind::leaf) filled.insert(static_cast<int>(b));
    for (const Step& s : p.steps) {
      filled.insert(s.filled.begin(), s.filled.end()); // some read what they have stored
      for (int b : s.reads) REQUIRE(filled.contains(b));
    }
  }
  CHECK(found > 20);
}

namespace {

/// What the epilogue of the only product is known as; "" if as nothing.
std::string known_as(const std::vector<Expr>& outputs) {
  const Plan p = plan_with_epilogues(outputs);
  for (const Step& s : p.steps)
    if (const auto* c = std::get_if<ContractionStep>(&s.what); c && c->epilogue)
      if (const auto known =
              known_epilogue(p.kernels[static_cast<std::size_t>(c->epilogue->kernel.kernel)],
                             c->epilogue->product, c->shape.back()))
        return known->to_string();
  return "";
}

} // namespace

TEST_CASE("epilogues that libraries have are known as such", "[plan]") {
  for (const DType t : {DType::f32, DType::f64}) {
    const Expr p = dot(tensor(t, {dim(), dim()}, "x"), tensor(t, {dim(), dim()}, "w")),
               b = tensor(t, {dim()}, "b");
    CHECK(known_as({p + b}) == "product + bias");
    CHECK(known_as({b + p}) == "product + bias");
    CHECK(known_as({relu(p)}) == "relu(product)");
    CHECK(known_as({relu(p + b)}) == "relu(product + bias)");
    CHECK(known_as({gelu(p)}) == "gelu(product)");
    CHECK(known_as({gelu(p + b)}) == "gelu(product + bias)");
    CHECK(known_as({relu(p + slice(b, {{1, {}, 1}}))}) == "relu(product + bias)");
  }
}

TEST_CASE("epilogues that only look like those of libraries are known as nothing", "[plan]") {
  const Operands o;
  const Expr p = o.product, square = tensor<float>({8, 8}, "s");
  CHECK(known_as({tanh(p + o.b)}) == "");
  CHECK(known_as({p - o.b}) == "");
  CHECK(known_as({p * o.b}) == "");
  CHECK(known_as({p + expand_dims(o.b, {1})}) == "");
  CHECK(known_as({relu(p + 1)}) == "");
  CHECK(known_as({relu(p + slice(o.b, {{{}, {}, 2}}))}) == "");
  CHECK(known_as({relu(p) + o.b}) == "");
  CHECK(known_as({relu(p), tanh(p)}) == "");
  CHECK(known_as({p * sigmoid(1.7F * p)}) == "");
  CHECK(known_as({p * sigmoid(p * (1.5F + 0.07F * p * p))}) == "");
  CHECK(known_as({relu(dot(square, square) + square)}) == "");
  CHECK(known_as({cast(relu(p), DType::f64)}) == "");
}
