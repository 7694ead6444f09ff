/// vmap: every op over one more axis gives the bits that it gives for each element.
#include <cstring>
#include <unordered_map>

#include <kroton/grad.hpp>
#include <kroton/ops/basic.hpp>
#include <kroton/vmap.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/contraction.hpp"
#include "lib/ops/indexing.hpp"
#include "lib/ops/params.hpp"
#include "lib/ops/table.hpp"
#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"
#include "test/support/inputs.hpp"

namespace kroton::test {
namespace {

using ir::Kind;
using ir::Op;

constexpr std::int64_t elements = 3;

/// `root` with other expressions for its inputs.
Expr rebuilt(const Expr& root, const std::vector<Expr>& inputs, const std::vector<Expr>& by) {
  std::unordered_map<const ir::Node*, Expr> made;
  for (const Expr* e : ir::topological_handles({&root, 1})) {
    const ir::Node& n = *e->node();
    if (made.contains(&n)) continue;
    const auto at = std::ranges::find_if(
        inputs, [&](const Expr& i) { return n.op == &ops::input && i.is(*e); });
    if (at != inputs.end()) {
      made.emplace(&n, by[static_cast<std::size_t>(at - inputs.begin())]);
      continue;
    }
    std::vector<Expr> operands;
    for (const Expr& i : n.inputs) operands.push_back(made.at(i.node().get()));
    made.emplace(&n,
                 operands.empty() ? *e : ir::make(*n.op, std::move(operands), n.params, n.where));
  }
  return made.at(root.node().get());
}

Array evaluated(const Expr& e, const std::vector<Expr>& inputs, const std::vector<Array>& values,
                const Sizes& sizes) {
  const ir::Graph g = ir::Graph::capture({&e, 1});
  ir::Bindings bindings;
  bindings.size_of = sizes;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (const ir::NodeId id = g.find(inputs[i]); id != ir::no_node)
      bindings.values.emplace(id, values[i]);
  return ir::evaluate(g, g.outputs(), bindings)[0].contiguous();
}

/// Compares `e` over an axis of its inputs, of those that `is_mapped` names, with `e` itself.
void check_mapped(const Expr& e, const std::vector<ir::Example::Positions>& positions,
                  const std::vector<Expr>& inputs, const std::vector<bool>& is_mapped) {
  const Sizes sizes{.by_name = {{"n", 3}, {"m", 4}, {"k", 2}, {"l", 3}}};
  Rng rng(7);
  std::vector<Expr> whole;
  std::vector<Array> values;
  MappedAxes axes;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    std::vector<Dim> dims = inputs[i].shape();
    Shape shape;
    if (is_mapped[i]) {
      dims.insert(dims.begin(), Dim(elements));
      shape.push_back(elements);
    }
    for (const Dim& d : inputs[i].shape()) shape.push_back(ir::dims::evaluate(d, sizes));
    whole.push_back(tensor(inputs[i].dtype(), dims, inputs[i].name()));
    axes.push_back(is_mapped[i] ? std::optional<int>(0) : std::nullopt);
    Array a = Array::empty(DType::f64, shape);
    for (std::int64_t k = 0; k < a.numel(); ++k) {
      double& v = a.data<double>()[k];
      v = is_float(inputs[i].dtype()) ? draw(rng, Values::small_special)
                                      : static_cast<double>(rng.below(2));
      for (const ir::Example::Positions& p : positions)
        if (p.input.is(inputs[i])) {
          const std::int64_t size = ir::dims::evaluate(p.size, sizes);
          v = static_cast<double>(rng.below(2 * size) - size);
        }
    }
    values.push_back(a.astype(inputs[i].dtype()));
  }
  const Expr mapped =
      vmap([&](const std::vector<Expr>& v) { return rebuilt(e, inputs, v); }, axes)(whole);
  CHECK(mapped.rank() == e.rank() + 1);
  const Array all = evaluated(mapped, whole, values, sizes);
  REQUIRE(all.shape()[0] == elements);
  for (std::int64_t k = 0; k < elements; ++k) {
    std::vector<Array> one;
    for (std::size_t i = 0; i < values.size(); ++i)
      one.push_back(
          is_mapped[i] ? values[i]
                             .slice(0, k, k + 1)
                             .contiguous()
                             .reshape(Shape(values[i].shape().begin() + 1, values[i].shape().end()))
                       : values[i]);
    const Array expected = evaluated(e, inputs, one, sizes);
    const std::size_t bytes =
        static_cast<std::size_t>(expected.numel()) * item_size(expected.dtype());
    REQUIRE(all.numel() == elements * expected.numel());
    INFO("element " << k << " of " << e.to_string());
    CHECK(
        std::memcmp(static_cast<const std::byte*>(all.raw()) + static_cast<std::size_t>(k) * bytes,
                    expected.raw(), bytes) == 0);
  }
}

void check(const Expr& e, const std::vector<ir::Example::Positions>& positions = {}) {
  const std::vector<Expr> inputs = inputs_of(e);
  if (inputs.empty()) return;
  for (std::size_t k = 0; k < inputs.size(); ++k) {
    std::vector<bool> one(inputs.size(), false);
    one[k] = true;
    check_mapped(e, positions, inputs, one);
  }
  if (inputs.size() > 1) check_mapped(e, positions, inputs, std::vector<bool>(inputs.size(), true));
}

DType dtype_for(const Op& op) {
  switch (op.dtypes) {
  case ir::Dtypes::boolean:
    return DType::bool_;
  case ir::Dtypes::integral:
    return DType::i32;
  case ir::Dtypes::any:
  case ir::Dtypes::numeric:
  case ir::Dtypes::floating:
    break;
  }
  return DType::f32;
}

Expr applied(const Op& op, std::vector<Expr> inputs) {
  if (&op == &ops::where) inputs[0] = tensor(DType::bool_, inputs[0].shape(), "condition");
  ir::Params params;
  if (op.params != nullptr) params = op.params->initial();
  if (&op == &ops::cast) params = ops::CastParams{DType::i32};
  return ir::make(op, std::move(inputs), std::move(params), Location::current());
}

/// Nobody maps what only rewrites make.
bool is_of_rewrites(const Op& op) { return &op == &ops::gemm || &op == &ops::index_add_to; }

void check_elementwise(const Op& op) {
  const std::vector<std::vector<Dim>> shapes{{Dim(4)}, {Dim(2), Dim(4)}, {}};
  for (std::size_t first = 0; first < shapes.size(); ++first) {
    std::vector<Expr> inputs;
    for (int i = 0; i < op.arity; ++i)
      inputs.push_back(tensor(dtype_for(op), shapes[(first + static_cast<std::size_t>(i)) % 3],
                              fmt::format("x{}", i)));
    check(applied(op, std::move(inputs)));
  }
}

} // namespace

TEST_CASE("each op over one more axis gives what it gives for each element", "[vmap]") {
  for (const Op* op : ops::all()) {
    INFO(op->name);
    if (op->examples != nullptr)
      for (const ir::Example& example : op->examples(dtype_for(*op)))
        if (op->kind != Kind::random && !is_of_rewrites(*op))
          check(example.expr, example.positions);
    switch (op->kind) {
    case Kind::elementwise:
      check_elementwise(*op);
      break;
    case Kind::reduction:
      for (const ir::Ints& axes : {ir::Ints{0}, ir::Ints{1}, ir::Ints{0, 2}, ir::Ints{0, 1, 2}})
        check(ir::make(*op, {tensor(dtype_for(*op), {2, 3, 4}, "x")}, ops::AxesParams{axes},
                       Location::current()));
      break;
    case Kind::leaf:
    case Kind::generator:
    case Kind::random:
      break;            // they have no inputs that could be mapped over, or one that may not be
    case Kind::several: // by the examples above
    case Kind::part:
      break;
    case Kind::movement:
    case Kind::pad:
    case Kind::gather:
    case Kind::scatter:
    case Kind::contraction:
    case Kind::library:
      CHECK((op->batched != nullptr || is_of_rewrites(*op)));
      CHECK(op->examples != nullptr);
      break;
    }
  }
}

TEST_CASE("mapped functions can be differentiated, nested and mapped over any axis", "[vmap]") {
  const auto distance = [](const std::vector<Expr>& v) {
    const Expr d = v[0] - v[1];
    return sum(d * d);
  };
  const Expr xs = tensor<double>({4, 3}, "xs"), ys = tensor<double>({2, 3}, "ys");
  const Expr pairs = vmap(vmap(distance, {std::nullopt, 0}), {0, std::nullopt})({xs, ys});
  REQUIRE(pairs.shape().size() == 2);
  CHECK(pairs.shape()[0].is(4));
  CHECK(pairs.shape()[1].is(2));

  const Array x = Array::from(std::vector<double>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}, {4, 3}),
              y = Array::from(std::vector<double>{1, 1, 1, 2, 0, 5}, {2, 3});
  const auto value = [&](const Expr& e) { return evaluated(e, {xs, ys}, {x, y}, {}); };
  const Array d = value(pairs);
  for (std::int64_t i = 0; i < 4; ++i)
    for (std::int64_t j = 0; j < 2; ++j) {
      double expected = 0;
      for (std::int64_t k = 0; k < 3; ++k)
        expected += std::pow(x.data<double>()[i * 3 + k] - y.data<double>()[j * 3 + k], 2);
      CHECK(d.data<double>()[i * 2 + j] == expected);
    }

  // The gradient of each distance to the first of ys, for all xs at once.
  const auto slope = [&](const std::vector<Expr>& v) { return grad(distance(v), v[0]); };
  const Array slopes = value(vmap(slope, {0, std::nullopt})({xs, index(ys, {0})}));
  for (std::int64_t i = 0; i < 12; ++i)
    CHECK(slopes.data<double>()[i] == 2 * (x.data<double>()[i] - y.data<double>()[i % 3]));
  CHECK(value(grad(sum(pairs), xs)).shape() == Shape{4, 3});

  const auto twice = [](const std::vector<Expr>& v) {
    return std::vector<Expr>{2 * v[0], constant(1.0)};
  };
  const std::vector<Expr> results = vmap(twice, {-1}, {1})({xs});
  CHECK(results[0].shape()[1].is(3)); // [4, 3] again: the mapped axis is the result's axis 1
  CHECK(value(results[0]).to_vector<double>() == value(2 * xs).to_vector<double>());
  REQUIRE(results[1].rank() == 1);
  CHECK(results[1].shape()[0].is(3));
}

TEST_CASE("what cannot be mapped says so", "[vmap][errors]") {
  const auto twice = [](const std::vector<Expr>& v) { return 2 * v[0]; };
  const auto x = matrix<float>("x");
  const auto n = vector<std::int64_t>("n");
  CHECK_THAT(message_of([&] { vmap(twice, {2})({x}); }),
             contains("axis 2 of argument 0, x f32[?,?]"));
  CHECK_THAT(message_of([&] { vmap(twice, {std::nullopt})({x}); }),
             contains("no argument is mapped over"));
  CHECK_THAT(message_of([&] { vmap(twice)({scalar<float>("s")}); }),
             contains("the same for every element"));
  CHECK_THAT(message_of([&] { vmap(twice, {0, 0})({x}); }), contains("2 axes for 1 arguments"));
  CHECK_THAT(message_of([&] { vmap(twice, {}, {2, 0})({x}); }), contains("2 axes for 1 results"));
  CHECK_THAT(message_of([&] { vmap(twice, {}, {3})({x}); }), contains("axis 3 for result 0"));
  CHECK_THAT(message_of([&] {
               vmap([](const std::vector<Expr>& v) { return v[0] + v[1]; })(
                   {tensor<float>({3}, "a"), tensor<float>({4}, "b")});
             }),
             contains("mapped axes differ: a f32[3] has 3, argument 1, b f32[4], has 4"));
  CHECK_THAT(
      message_of([&] { vmap([](const std::vector<Expr>& v) { return sum(arange(v[0])); })({n}); }),
      contains("could differ from element to element"));
}

} // namespace kroton::test
