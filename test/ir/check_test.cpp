/// Each promise of a row and of a graph, broken on purpose: the check finds it and says where.
#include "lib/ir/check.hpp"

#include <functional>

#include <kroton/ops/basic.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/contraction.hpp"
#include "lib/ops/table.hpp"
#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"
#include "test/support/unfamiliar_ops.hpp"

using namespace kroton;
using ir::Graph;
using ir::GraphNode;
using ir::NodeId;
using kroton::test::message_of;

namespace {

const Expr x = matrix<float>("x");

Graph graph_of(const Expr& e) { return Graph::capture({&e, 1}); }

/// The node of `op`, to be broken.
GraphNode& node(Graph& g, const ir::Op& op) {
  for (NodeId id : g.order())
    if (g[id].op == &op) return const_cast<GraphNode&>(g[id]);
  throw std::logic_error("there is none");
}

/// What check_graph says of the graph of `e` after `damage`.
std::string found(const Expr& e, const std::function<void(Graph&)>& damage) {
  Graph g = graph_of(e);
  check_graph(g, "capture");
  damage(g);
  return message_of<InternalError>([&] { check_graph(g, "simplify"); });
}

bool says(const std::string& message, std::string_view what) {
  INFO(message);
  CHECK(message.find(what) != message.npos);
  return message.find(what) != message.npos;
}

std::string found_in_row(const ir::Op& op) {
  return message_of<InternalError>([&] { ir::check_row(op); });
}

} // namespace

TEST_CASE("every row says what its kind needs", "[ir][check]") {
  for (const ir::Op* op : ops::all()) {
    INFO(op->name);
    CHECK_NOTHROW(ir::check_row(*op));
  }
  for (const ir::Op* op : test::unfamiliar_folds()) CHECK_NOTHROW(ir::check_row(*op));
}

TEST_CASE("a row that lacks what its kind needs is named", "[ir][check]") {
  ir::Op silent = ops::exp;
  silent.spelling = {};
  CHECK(says(found_in_row(silent), "the row of exp has no text for kernels"));
  ir::Op loose = ops::sum;
  loose.fold.reset();
  CHECK(says(found_in_row(loose), "the row of sum does not say how it folds"));
  ir::Op folding = ops::transpose;
  folding.fold = ops::sum.fold;
  CHECK(says(found_in_row(folding), "the row of transpose says how it folds"));
  ir::Op rooted = ops::iota;
  rooted.arity = 1;
  CHECK(says(found_in_row(rooted), "the row of iota has inputs"));
  ir::Op blind = ops::matmul;
  blind.eval = nullptr;
  CHECK(says(found_in_row(blind), "the row of matmul has no evaluator"));
  ir::Op untyped = ops::add;
  untyped.infer = nullptr;
  CHECK(says(found_in_row(untyped), "the row of add has no type rule"));
}

TEST_CASE("a reduction that is no fold is refused", "[ir][check]") {
  CHECK(
      says(found_in_row(test::squares), "the row of squares is no fold's: of 3 alone it gives 9"));
  ir::Op wrong = ops::sum;
  wrong.fold = ops::max.fold;
  CHECK(says(found_in_row(wrong), "the row of sum says that its fold starts from"));
}

TEST_CASE("a node whose inputs are not those of its op is found", "[ir][check]") {
  CHECK(says(found(x + exp(x), [](Graph& g) { node(g, ops::exp).inputs = {}; }),
             "after simplify, exp"));
  CHECK(says(found(x + exp(x), [](Graph& g) { node(g, ops::exp).inputs = {}; }),
             "has 0 inputs where its op takes 1"));
}

TEST_CASE("a node that depends on itself is found", "[ir][check]") {
  const auto close_circle = [](Graph& g) { node(g, ops::exp).inputs = {g.outputs()[0]}; };
  CHECK(says(found(log(exp(x)), close_circle), "depends on itself"));
}

TEST_CASE("a node that is read after it was replaced is found", "[ir][check]") {
  const auto replace = [](Graph& g) { node(g, ops::exp).replaced_by = g.find(x); };
  CHECK(says(found(log(exp(x)), replace), "was replaced by node"));
}

TEST_CASE("a node that does not know its users is found", "[ir][check]") {
  CHECK(says(found(log(exp(x)), [](Graph& g) { node(g, ops::exp).users.clear(); }),
             "does not have it among its users"));
}

TEST_CASE("a type that the row does not infer is found", "[ir][check]") {
  CHECK(says(found(log(exp(x)), [](Graph& g) { node(g, ops::exp).type.dtype = DType::f64; }),
             "exp (node 1, f64[?,?]) is inferred to be f32[?,?]"));
  CHECK(says(found(log(exp(x)), [](Graph& g) { node(g, ops::exp).type.shape = {}; }),
             "is inferred to be"));
}

TEST_CASE("axes that an input does not have are found", "[ir][check]") {
  CHECK(says(found(sum(x, {1}), [](Graph& g) { node(g, ops::sum).params = ops::AxesParams{{2}}; }),
             "names the axes [2] of an input of 2 axes"));
  CHECK(says(found(sum(x, {1}),
                   [](Graph& g) {
                     node(g, ops::sum).params = ops::AxesParams{{1, 1}};
                   }),
             "names an axis twice"));
  CHECK(says(found(sum(x),
                   [](Graph& g) {
                     node(g, ops::sum).params = ops::AxesParams{{1, 0}};
                   }),
             "which are not sorted"));
}

TEST_CASE("two nodes that are equal are found", "[ir][check]") {
  const auto equalise = [](Graph& g) {
    node(g, ops::log).op = &ops::exp; // of the same input as the other
  };
  CHECK(says(found(exp(x) + log(x), equalise), "is equal to node"));
}
