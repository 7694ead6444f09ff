/// Elements that a cost does not depend on have gradient 0, whatever the derivative there is:
/// every elementwise op at arguments where its value or its derivative is infinite or NaN, behind
/// everything that leaves elements out, by walking the table of ops.
#include <kroton/grad.hpp>
#include <kroton/ops/arithmetic.hpp>
#include <kroton/ops/scatter.hpp>
#include <kroton/ops/movement.hpp>
#include <kroton/ops/reduction.hpp>

#include <cmath>
#include <limits>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/table.hpp"
#include "lib/rewrite/pipeline.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"
#include "test/support/params.hpp"

namespace kroton::test {
namespace {

using ir::Kind;
using ir::Op;

constexpr double infinity = std::numeric_limits<double>::infinity();
const double bad_values[] = {0.0, -0.0, 1,      -1,       0.5,       -2.5,
                             1e3, -1e3, 1e-320, infinity, -infinity, std::nan("")};

/// f of x alone: the op's other inputs are numbers within their domains.
struct Function {
  const Op* op;
  std::size_t varied;

  Expr operator()(const Expr& x) const {
    std::vector<Expr> inputs;
    for (std::size_t i = 0; i < static_cast<std::size_t>(op->arity); ++i)
      inputs.push_back(i == varied ? x : ops::scalar_constant(DType::f64, good(i), {}));
    return ir::make(*op, std::move(inputs), elementwise_params(*op, DType::f64),
                    Location::current());
  }
  double good() const { return good(varied); }
  double good(std::size_t i) const {
    static const ir::Domain plain{};
    const ir::Domain& d =
        op->domain.empty() ? plain : op->domain[std::min(i, op->domain.size() - 1)];
    return d.lo + 0.7 * (d.hi - d.lo) + (i == 0 ? 0 : 0.125);
  }
};

std::vector<Function> differentiable() {
  std::vector<Function> all;
  for (const Op* op : ops::all()) {
    if (!op->is(Kind::elementwise) || !op->gradient || op == &ops::where) continue;
    if (op->result == ir::Result::boolean || op->dtypes == ir::Dtypes::boolean) continue;
    if (std::ranges::any_of(op->domain, [](const ir::Domain& d) { return !d.smooth; }))
      continue; // constant between jumps: no gradient
    for (int i = 0; i < op->arity; ++i) all.push_back({op, static_cast<std::size_t>(i)});
  }
  return all;
}

Expr flags(std::vector<bool> values) {
  const auto n = static_cast<std::int64_t>(values.size());
  return constant(Array::from(values, {n}));
}
Expr positions(std::vector<std::int64_t> values) {
  const auto n = static_cast<std::int64_t>(values.size());
  return constant(Array::from(values, {n}));
}

using Cost = Expr (*)(const Function& f, const Expr& x);
struct Form {
  const char* name;
  /// Of x f64[2], depends on f(x[1]) alone.
  Cost cost;
};

Expr second() { return flags({false, true}); }

const Form forms[] = {
    {"where", [](const Function& f, const Expr& x) { return sum(where(second(), f(x), 0.0)); }},
    {"where of an input",
     [](const Function& f, const Expr& x) {
       return sum(where(arange(2) > 0, f(x), stop_gradient(x)));
     }},
    {"the other branch",
     [](const Function& f, const Expr& x) { return sum(where(!second(), 3.0, f(x))); }},
    {"nested where",
     [](const Function& f, const Expr& x) {
       return sum(where(arange(2) >= 0, where(second(), f(x), 1.0), 2.0));
     }},
    {"both branches",
     [](const Function& f, const Expr& x) {
       return sum(where(second(), f(x), where(second(), f(-x), 0.0)));
     }},
    {"where behind products",
     [](const Function& f, const Expr& x) {
       return sum(where(second(), exp(f(x) * 0.25) * f(x) / 3.0, 0.0));
     }},
    {"where behind several uses",
     [](const Function& f, const Expr& x) {
       const Expr v = f(x);
       return sum(where(second(), v, 0.0)) + sum(where(second(), v * v, 0.0));
     }},
    {"the mean of what is chosen",
     [](const Function& f, const Expr& x) {
       return sum(where(second(), f(x), 0.0)) / sum(cast<double>(second()));
     }},
    {"slice",
     [](const Function& f, const Expr& x) {
       return sum(slice(f(x), {{1, 2}}));
     }},
    {"slice by steps",
     [](const Function& f, const Expr& x) {
       return sum(slice(f(x), {{{}, {}, -2}}));
     }},
    {"slice of products",
     [](const Function& f, const Expr& x) {
       const Expr v = f(x);
       return sum(slice(v * v * 0.5, {{1, 2}})) + 2.0 * sum(slice(v, {{1, 2}}));
     }},
    {"index",
     [](const Function& f, const Expr& x) {
       return sum(index(f(x), {positions({1, 1})}));
     }},
    {"index of one", [](const Function& f, const Expr& x) { return index(f(x), {1}); }},
    {"index and where",
     [](const Function& f, const Expr& x) {
       return sum(where(flags({true, false}), index(f(x), {positions({1, 0})}), 0.0));
     }},
    {"scatter",
     [](const Function& f, const Expr& x) {
       return index(index_add({Dim(3)}, {positions({2, 0})}, f(x)), {0});
     }},
    {"reshape, transpose and broadcast",
     [](const Function& f, const Expr& x) {
       const Expr m = transpose(broadcast_to(reshape(f(x), {2, 1}), {2, 3}));
       return sum(where(second(), m, 0.0));
     }},
    {"slice of a broadcast",
     [](const Function& f, const Expr& x) {
       return sum(slice(broadcast_to(reshape(f(x), {2, 1}), {2, 3}), {{1, 2}}));
     }},
    {"rows",
     [](const Function& f, const Expr& x) {
       const Expr m = broadcast_to(reshape(f(x), {2, 1}), {2, 3});
       return sum(where(second(), sum(m, {1}), 0.0));
     }},
    {"cast",
     [](const Function& f, const Expr& x) {
       return cast<double>(sum(where(second(), cast<float>(f(x)), 0.0f)));
     }},
};

/// The gradient by x at those values, and the second derivatives' sum, before the rules and after.
std::vector<Array> slopes(const Expr& cost, const Expr& x, const Array& at, bool with_rules) {
  const Expr first = grad(cost, x);
  const Expr twice =
      grad(sum(first * constant(Array::from(std::vector<double>{2, 3}, {2}))) + 0.0 * sum(x), x);
  const std::vector<Expr> wanted{first, twice};
  ir::Graph g = ir::Graph::capture(wanted);
  if (with_rules) rewrite::run_pipeline(g);
  ir::Bindings bindings;
  bindings.size_of = Sizes{};
  if (const ir::NodeId id = g.find(x); id != ir::no_node) bindings.values.emplace(id, at);
  return ir::evaluate(g, g.outputs(), bindings);
}

double element(const Array& a, std::int64_t i) { return a.contiguous().data<double>()[i]; }

} // namespace

TEST_CASE("what is left out has gradient zero at every argument of every op, to second order",
          "[grad]") {
  const auto functions = differentiable();
  CHECK(functions.size() >= 25);
  for (const Function& f : functions)
    for (const Form& form : forms)
      for (const bool with_rules : {false, true}) {
        const Expr x = tensor<double>({2}, "x");
        const Expr cost = form.cost(f, x);
        const double good = f.good();
        const auto expected =
            slopes(cost, x, Array::from(std::vector<double>{good, good}, {2}), with_rules);
        for (const double bad : bad_values) {
          const auto got =
              slopes(cost, x, Array::from(std::vector<double>{bad, good}, {2}), with_rules);
          INFO(f.op->name << " by input " << f.varied << " at " << bad << ", " << form.name
                          << (with_rules ? ", after the rules" : ""));
          for (std::size_t order = 0; order < 2; ++order) {
            CHECK(element(got[order], 0) == 0);
            CHECK(std::isfinite(element(got[order], 1)));
            CHECK(element(got[order], 1) == element(expected[order], 1));
          }
        }
      }
}

namespace {

/// The gradients of `cost` by `x` at `at`, before the rules and after them; they agree.
std::vector<double> gradient(const Expr& cost, const Expr& x, const std::vector<double>& at) {
  Shape shape;
  for (const Dim& d : x.shape()) shape.push_back(d.value());
  const Expr g = grad(cost, x);
  std::vector<std::vector<double>> found;
  for (const bool with_rules : {false, true}) {
    ir::Graph graph = ir::Graph::capture({&g, 1});
    if (with_rules) rewrite::run_pipeline(graph);
    ir::Bindings bindings;
    bindings.size_of = Sizes{};
    if (const ir::NodeId id = graph.find(x); id != ir::no_node)
      bindings.values.emplace(id, Array::from(at, shape));
    const Array a = ir::evaluate(graph, graph.outputs(), bindings)[0].contiguous();
    found.emplace_back(a.data<double>(), a.data<double>() + a.numel());
  }
  REQUIRE(found[0].size() == found[1].size());
  for (std::size_t i = 0; i < found[0].size(); ++i)
    CHECK((found[0][i] == Approx(found[1][i]).epsilon(1e-14) ||
           (std::isnan(found[0][i]) && std::isnan(found[1][i]))));
  return found[1];
}

using List = std::vector<double>;

} // namespace

TEST_CASE("powers have finite gradients where they are constant", "[grad]") {
  const Expr x = scalar<double>("x");
  CHECK(gradient(pow(x, 0.0), x, {0}) == List{0});
  CHECK(gradient(pow(x, 0.0), x, {-2}) == List{0});
  CHECK(gradient(pow(x, 1.0), x, {0}) == List{1});
  CHECK(gradient(pow(x, 2.0), x, {0}) == List{0});
  CHECK(gradient(pow(x, 0.5), x, {0}) == List{infinity});
  CHECK(gradient(pow(0.0, x), x, {1}) == List{0});
  CHECK(gradient(pow(0.0, x), x, {0}) == List{0});
  CHECK(gradient(pow(2.0, x), x, {0})[0] == Approx(std::log(2.0)));
  const Expr both = tensor<double>({2}, "both");
  const Expr value = sum(pow(slice(both, {{0, 1}}), slice(both, {{1, 2}})));
  CHECK(gradient(value, both, {0, 0}) == List{0, 0});
  CHECK(gradient(value, both, {0, 1}) == List{1, 0});
  CHECK(gradient(value, both, {0, 2}) == List{0, 0});
  // Twice: 2 x y', and what is left of x^0 and x^1.
  CHECK(gradient(grad(pow(x, 2.0), x), x, {0}) == List{2});
  CHECK(gradient(grad(pow(x, 1.0), x), x, {0}) == List{0});
  CHECK(gradient(grad(pow(x, 0.0), x) + 0.0 * x, x, {0}) == List{0});
}

TEST_CASE("no gradient passes through rows of -inf alone", "[grad]") {
  const Expr x = tensor<double>({2, 2}, "x");
  const List at{-infinity, -infinity, 0, 0};
  const Expr weights = constant(Array::from(std::vector<double>{1, 3}, {2}));
  for (const Expr& rows : {logsumexp(x, {1}), log(sum(exp(x), {1})), log(sum(exp(x), {1}, true))})
    CHECK(gradient(sum(rows), x, at) == List{0, 0, 0.5, 0.5});
  for (const Expr& rows : {softmax(x, 1), exp(log_softmax(x, 1))}) {
    const List slopes = gradient(sum(rows * weights), x, at);
    CHECK(slopes[0] == 0);
    CHECK(slopes[1] == 0);
    CHECK(slopes[2] == Approx(-0.5));
    CHECK(slopes[3] == Approx(0.5));
  }
  CHECK(gradient(sum(log_softmax(x, 1) * weights), x, at) == List{0, 0, -1, 1});
  // A row with something in it, and one that nothing is asked of.
  CHECK(gradient(sum(logsumexp(x, {1})), x, {-infinity, 2, 0, 0}) == List{0, 1, 0.5, 0.5});
  const Expr chosen = where(constant(Array::from(std::vector<bool>{false, true}, {2})),
                            sum(softmax(x, 1) * weights, {1}), 0.0);
  CHECK(gradient(sum(chosen), x, at) == List{0, 0, -0.5, 0.5});
  CHECK(std::isnan(gradient(sum(logsumexp(x, {1})), x, {std::nan(""), 0, 0, 0})[0]));
}

TEST_CASE("what extremes do not choose has gradient zero", "[grad]") {
  const Expr x = tensor<double>({2}, "x");
  CHECK(gradient(sum(maximum(sqrt(x), 1.0)), x, {0, 4}) == List{0, 0.25});
  CHECK(gradient(sum(minimum(log(x), 0.5)), x, {infinity, 1}) == List{0, 1});
  CHECK(gradient(sum(minimum(maximum(pow(x, 0.5), 0.5), 3.0)), x, {0, 1}) == List{0, 0.5});
  CHECK(gradient(sum(sqrt(maximum(x, 0.0))), x, {-1, 1}) == List{0, 0.5});
  CHECK(gradient(sum(sqrt(relu(x))), x, {-1, 1}) == List{0, 0.5});
  CHECK(gradient(sum(sqrt(relu(x))), x, {0, 1}) == List{0, 0.5});
  CHECK(gradient(sum(sqrt(abs(x))), x, {0, 1}) == List{0, 0.5});
  CHECK(gradient(max(sqrt(x)), x, {0, 4}) == List{0, 0.25});
  CHECK(gradient(min(-sqrt(x)), x, {0, 4}) == List{0, -0.25});
  CHECK(gradient(sum(where(x > 0.0, sqrt(abs(x)), 0.0)), x, {0, 4}) == List{0, 0.25});
}

TEST_CASE("many uses behind many conditions have one condition in the end", "[grad]") {
  const Expr x = scalar<double>("x"), root = sqrt(x);
  Expr total = where(x > 0.0, root, 0.0);
  for (int i = 1; i < 300; ++i) total = total + where(x > static_cast<double>(i), root * i, 0.0);
  const Expr g = grad(total, x);
  CHECK(gradient(total, x, {0}) == List{0});
  CHECK(gradient(total, x, {4}) == List{(1 + 1 + 2 + 3) / 4.0});
  std::size_t ors = 0;
  for (const ir::Node* n : ir::topological_order({&g, 1})) ors += n->op == &ops::logical_or;
  CHECK(ors < 20);
}

TEST_CASE("factors that are conditions choose", "[grad]") {
  const Expr x = tensor<double>({2}, "x");
  const Expr mask = cast<double>(x > 0.0);
  CHECK(gradient(sum(mask * sqrt(x)), x, {0, 4}) == List{0, 0.25});
  CHECK(gradient(sum(sqrt(x) * mask) / sum(mask), x, {0, 4}) == List{0, 0.25});
}

TEST_CASE("rows that a cost does not depend on have gradient zero through products and reductions",
          "[grad]") {
  const Expr x = tensor<double>({2, 2}, "x");
  const List at{0, 0, 4, 4};
  const Expr w = constant(Array::from(std::vector<double>{1, -1, 2, 1}, {2, 2}));
  const Expr last = constant(Array::from(std::vector<bool>{false, true}, {2}));
  const Expr products = dot(sqrt(x), w);
  CHECK(gradient(sum(index(products, {1})), x, at) == List{0, 0, 0, 0.75});
  CHECK(gradient(sum(slice(products, {{1, 2}})), x, at) == List{0, 0, 0, 0.75});
  CHECK(gradient(sum(where(expand_dims(last, {1}), products, 0.0)), x, at) == List{0, 0, 0, 0.75});
  CHECK(gradient(sum(where(last, mean(sqrt(x), {1}), 0.0)), x, at) == List{0, 0, 0.125, 0.125});
  CHECK(gradient(sum(where(last, max(sqrt(x), {1}), 0.0)), x, {0, 0, 4, 9}) ==
        List{0, 0, 0, 1.0 / 6});
  // One number under many conditions, none of which holds.
  const Expr s = scalar<double>("s");
  const Expr never = where(arange(3) > 5, sqrt(s), 0.0);
  CHECK(gradient(sum(never), s, {-1}) == List{0});
  CHECK(gradient(sum(where(arange(3) > 5, exp(s), 0.0)), s, {1e4}) == List{0});
}

} // namespace kroton::test
