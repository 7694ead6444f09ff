/// Each promise of a kernel, a group and a plan, broken on purpose: the check finds it and says
/// where.
#include "lib/plan/check.hpp"

#include <functional>
#include <string>

#include <kroton/ops/basic.hpp>
#include <kroton/shared.hpp>

#include "lib/ops/basic.hpp"
#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"
#include "test/support/unfamiliar_ops.hpp"

using namespace kroton;
using namespace kroton::plan;
using kroton::test::message_of;

namespace {

struct Planned {
  PlanOptions options;
  Plan plan;
};

Planned planned(const std::vector<Expr>& outputs,
                const std::vector<std::pair<Shared, Expr>>& updates = {}) {
  std::vector<Expr> roots = outputs;
  for (const auto& u : updates) roots.push_back(u.second);
  ir::Graph g = ir::Graph::capture(roots);
  PlanOptions options;
  options.outputs = outputs.size();
  for (const auto& u : updates) options.updated.push_back(g.find(u.first));
  return {options, make_plan(std::move(g), options)};
}

std::string problem(const Planned& p) {
  return message_of<InternalError>([&] { check_plan(p.plan, p.options); });
}

/// What check_plan says of a plan after `damage`.
std::string found(Planned p, const std::function<void(Plan&)>& damage) {
  check_plan(p.plan, p.options);
  damage(p.plan);
  return problem(p);
}

/// What check_kernel says of the first kernel of a function after `damage`.
std::string found_in_kernel(const Expr& e, const std::function<void(Kernel&)>& damage) {
  Kernel k = planned({e}).plan.kernels.at(0);
  check_kernel(k);
  damage(k);
  return message_of<InternalError>([&] { check_kernel(k); });
}

/// What check_group says of the first group of a function after `damage`.
std::string found_in_group(const Expr& e, const std::function<void(Group&)>& damage) {
  Planned p = planned({e});
  Group& group = p.plan.groups.at(0);
  check_group(p.plan.graph, group);
  damage(group);
  return message_of<InternalError>([&] { check_group(p.plan.graph, group); });
}

bool says(const std::string& message, std::string_view what) {
  INFO(message);
  CHECK(message.find(what) != message.npos);
  return message.find(what) != message.npos;
}

const Expr x = matrix<float>("x"), y = matrix<float>("y");
/// A row kernel with a value a row, inner reductions and results that later stages read.
const Expr rows = softmax(x), columns = sum(x * y, {0}),
           taken = index(x, {vector<std::int64_t>("at")});
/// Two products, one after the other, and a kernel between: steps that hand arrays on in the arena.
const Expr chain = dot(exp(dot(x, x)), x);

Value& value(Kernel& k, ValueKind kind) { return *std::ranges::find(k.values, kind, &Value::kind); }
Value& op(Kernel& k, const ir::Op& wanted) {
  return *std::ranges::find(k.values, &wanted, &Value::op);
}
int number_of(const Kernel& k, const Value& v) { return static_cast<int>(&v - k.values.data()); }

Member& member(Group& g, const std::function<bool(const Member&)>& is_wanted) {
  return *std::ranges::find_if(g.members, is_wanted);
}

} // namespace

TEST_CASE("a kernel computes each of its values in one block", "[plan][check]") {
  CHECK(says(
      found_in_kernel(
          rows, [](Kernel& k) { k.stages[0].loop.values.push_back(k.stages[0].loop.values[0]); }),
      "in two places"));
  CHECK(says(
      found_in_kernel(rows, [](Kernel& k) { k.values.push_back({.kind = ValueKind::constant}); }),
      "which no block computes"));
}

TEST_CASE("a kernel reads values only where they are in scope", "[plan][check]") {
  // What the first stage's loop computes, in the last stage.
  CHECK(says(
      found_in_kernel(rows,
                      [](Kernel& k) {
                        Value& last =
                            k.values[static_cast<std::size_t>(k.stages.back().loop.values.back())];
                        REQUIRE(last.kind == ValueKind::op);
                        last.inputs[0] = k.stages[0].loop.values.front();
                      }),
      "which is not in scope"));
  CHECK(says(found_in_kernel(rows,
                             [](Kernel& k) {
                               k.stages.back().loop.stores[0].value =
                                   k.stages[0].loop.values.front();
                             }),
             "where it is not in scope"));
  CHECK(says(found_in_kernel(taken,
                             [](Kernel& k) {
                               for (Value& v : k.values)
                                 if (Access* a = v.access.get())
                                   for (ComputedTerm& t : a->computed) t.value = number_of(k, v);
                             }),
             "which is not in scope"));
}

TEST_CASE("a kernel reads results only once they are folded", "[plan][check]") {
  CHECK(
      says(found_in_kernel(
               rows, [](Kernel& k) { std::swap(k.stages[0].reductions, k.stages[2].reductions); }),
           "where it is not folded yet"));
  CHECK(says(found_in_kernel(columns, [](Kernel& k) { k.reductions[0].is_outer = false; }),
             "the reduction kernel"));
  CHECK(says(found_in_kernel(rows, [](Kernel& k) { k.stages[0].reductions.clear(); }), "folded"));
  CHECK(says(found_in_kernel(rows, [](Kernel& k) { k.stages[0].reductions.push_back(7); }),
             "folds the reduction 7, which it does not have"));
  CHECK(says(found_in_kernel(rows, [](Kernel& k) { k.stages[1].reductions.push_back(0); }),
             "in two stages"));
}

TEST_CASE("a kernel's accesses name arrays and axes that there are", "[plan][check]") {
  const auto load = [](auto change) {
    return [change](Kernel& k) { change(*value(k, ValueKind::load).access.get()); };
  };
  CHECK(says(found_in_kernel(rows, load([](Access& a) { a.param = 9; })), "in parameter 9"));
  CHECK(says(found_in_kernel(rows, load([](Access& a) { a.scratch = 0; })), "scratch array 0"));
  CHECK(says(found_in_kernel(rows, load([](Access& a) { a.terms[0].axis = 5; })),
             "along axis 5, whose loop is not around it"));
  CHECK(
      says(found_in_kernel(rows, load([](Access& a) { a.terms.push_back(a.terms[0]); })), "twice"));
}

TEST_CASE("the dtypes in a kernel agree", "[plan][check]") {
  CHECK(says(found_in_kernel(rows, [](Kernel& k) { value(k, ValueKind::load).dtype = DType::f64; }),
             "in an array of f32"));
  CHECK(says(found_in_kernel(rows, [](Kernel& k) { k.params[0].dtype = DType::i32; }),
             "in an array of i32"));
  CHECK(says(found_in_kernel(rows, [](Kernel& k) { op(k, ops::exp).dtype = DType::f64; }),
             "f64 of f32"));
  CHECK(says(found_in_kernel(rows, [](Kernel& k) { k.reductions[0].dtype = DType::f64; }),
             "which is of f64"));
  CHECK(says(found_in_kernel(rows, [](Kernel& k) { k.reductions[0].result_dtype = DType::i64; }),
             "gives i64 instead of f32"));
}

TEST_CASE("an op in a kernel has as many operands as its row says, and is elementwise",
          "[plan][check]") {
  CHECK(says(found_in_kernel(rows, [](Kernel& k) { value(k, ValueKind::op).inputs = {}; }),
             "of 0 values instead of"));
  CHECK(says(found_in_kernel(rows, [](Kernel& k) { value(k, ValueKind::op).op = &ops::transpose; }),
             "(transpose), which is not elementwise"));
  CHECK(
      says(found_in_kernel(rows, [](Kernel& k) { k.reductions[0].op = &ops::exp; }), "by no fold"));
}

TEST_CASE("a kernel's parameters are read and written as they say", "[plan][check]") {
  CHECK(says(found_in_kernel(rows, [](Kernel& k) { k.params[0].is_read = !k.params[0].is_read; }),
             "parameter 0, which says otherwise"));
  CHECK(says(
      found_in_kernel(rows, [](Kernel& k) { k.params[0].is_written = !k.params[0].is_written; }),
      "parameter 0, which says otherwise"));
}

TEST_CASE("each computed position of a kernel has a failure site", "[plan][check]") {
  CHECK(
      says(found_in_kernel(taken, [](Kernel& k) { k.sites.clear(); }), "with the failure site 0"));
  CHECK(says(found_in_kernel(taken, [](Kernel& k) { k.sites.emplace_back(k.sites[0]); }),
             "which no position reports to"));
}

TEST_CASE("a group's members are laid out as kernels rely on", "[plan][check]") {
  const auto is_reduction = [](const Member& m) { return m.is_reduction; };
  const auto is_value = [](const Member& m) { return !m.is_reduction; };
  CHECK(says(found_in_group(rows, [](Group& g) { std::swap(g.members.front(), g.members.back()); }),
             "before"));
  CHECK(says(found_in_group(rows, [&](Group& g) { member(g, is_value).domain = {1}; }),
             "without all row axes"));
  CHECK(says(found_in_group(rows, [&](Group& g) { ++member(g, is_reduction).level; }),
             "in stage 1 instead of 0"));
  CHECK(says(found_in_group(rows, [&](Group& g) { member(g, is_reduction).is_reduction = false; }),
             "for none"));
  CHECK(says(found_in_group(rows, [&](Group& g) { member(g, is_reduction).is_outer = true; }),
             "before all rows are done"));
  CHECK(says(found_in_group(rows, [&](Group& g) { member(g, is_reduction).reduced = {}; }),
             "which keeps inner axes"));
}

TEST_CASE("one element is not folded by what is no fold", "[plan][check]") {
  const Expr u = tensor<std::int64_t>({3, 1}, "u");
  const auto over_one = [&](const ir::Op& op) {
    return ir::make(op, {u}, ir::AxesParams{{1}}, Location::current());
  };
  const auto message = message_of<InternalError>([&] { planned({over_one(test::squares)}); });
  CHECK(says(message, "the row of squares is no fold's: of 3 alone it gives 9 instead of 3"));
  CHECK(planned({over_one(test::bits_or)}).plan.kernels.at(0).reductions.empty());
}

TEST_CASE("each stored node is computed by exactly one step", "[plan][check]") {
  CHECK(says(found(planned({chain}), [](Plan& p) { p.steps.push_back(p.steps.front()); }),
             "which another step"));
  CHECK(
      says(found(planned({chain}), [](Plan& p) { p.steps.erase(p.steps.begin() + 1); }), "step 1"));
  CHECK(says(found(planned({x + 1, rows}), [](Plan& p) { p.steps.pop_back(); }), "are run"));
}

TEST_CASE("a step reads only what earlier steps have computed", "[plan][check]") {
  CHECK(says(found(planned({chain}), [](Plan& p) { std::swap(p.steps[0], p.steps[1]); }), "reads"));
}

TEST_CASE("a step reads nothing that has been written over", "[plan][check]") {
  const Expr a = dot(x, x), b = dot(a, x), c = dot(b, x);
  const Planned p = planned({dot(c, a)});
  const auto buffer_of = [](Plan& plan, std::size_t step) -> Buffer& {
    Buffer& filled = plan.buffers[static_cast<std::size_t>(plan.steps[step].filled[0])];
    REQUIRE(filled.kind == BufferKind::temp);
    return filled;
  };
  // c over a, which the last step reads; b over a while it is computed from it.
  CHECK(says(found(p, [&](Plan& q) { buffer_of(q, 2).index = buffer_of(q, 0).index; }),
             "step 3 (no kernel) reads buffer"));
  CHECK(says(found(p, [&](Plan& q) { buffer_of(q, 1).index = buffer_of(q, 0).index; }),
             "which it reads"));
}

TEST_CASE("a step says what it reads and writes", "[plan][check]") {
  const auto of_kernel = [](auto change) {
    return [change](Plan& p) {
      for (Step& s : p.steps)
        if (s.kernel()) return change(s);
    };
  };
  CHECK(says(found(planned({x + 1}), of_kernel([](Step& s) { s.reads.clear(); })),
             "does not say so"));
  CHECK(says(found(planned({x + 1}), of_kernel([](Step& s) { s.writes.clear(); })),
             "does not say so"));
  CHECK(says(found(planned({x + 1}), of_kernel([](Step& s) { s.reads[0] = 7; })),
             "has the buffer 7"));
  CHECK(says(found(planned({x + 1}), of_kernel([](Step& s) { s.filled.clear(); })),
             "1 nodes into 0 buffers"));
  CHECK(says(found(planned({x + y}), of_kernel([](Step& s) {
                     auto& k = std::get<KernelStep>(s.what);
                     k.buffers[1] = k.buffers[0];
                   })),
             "to two parameters"));
  CHECK(
      says(found(planned({taken}), of_kernel([](Step& s) { s.is_fallible = false; })), "may fail"));
}

TEST_CASE("a step writes over what its aliases say, and can", "[plan][check]") {
  const auto change = [](auto f) {
    return [f](Plan& p) {
      for (Step& s : p.steps)
        if (!s.aliases.empty()) return f(p, s);
      FAIL("no step writes over anything");
    };
  };
  const Shared w = shared(Array::zeros<float>({8}), "w");
  const Planned kernel = planned({chain}), variable = planned({}, {{w, w * 2 + 1}});
  for (const Planned& p : {kernel, variable}) {
    CHECK(says(found(p, change([](Plan&, Step& s) { s.aliases.clear(); })), "and does not say so"));
    CHECK(says(found(p, change([](Plan&, Step& s) { s.aliases[0].over = s.aliases[0].value; })),
               "which does not lie there"));
    CHECK(says(found(p, change([](Plan&, Step& s) { s.aliases[0].value = s.aliases[0].over; })),
               "which it does not compute"));
    // The kernel reads another element than it writes.
    CHECK(says(found(p, change([](Plan& q, Step& s) {
                       Kernel& k = q.kernels[static_cast<std::size_t>(s.kernel()->kernel)];
                       value(k, ValueKind::load).access.get()->offset = Dim(1);
                     })),
               "which it still reads then"));
  }
  CHECK(says(found(planned({x + 1}),
                   [](Plan& p) {
                     Step& s = p.steps[0];
                     s.aliases.push_back({s.computes[0], p.buffers[0].node});
                   }),
             "which does not lie there"));
}

TEST_CASE("buffers fit their nodes and slots", "[plan][check]") {
  const auto temp = [](auto change) {
    return [change](Plan& p) {
      for (Buffer& b : p.buffers)
        if (b.kind == BufferKind::temp) return change(p, b);
      FAIL("the plan has no temporary array");
    };
  };
  CHECK(says(found(planned({chain}), temp([](Plan&, Buffer& b) { b.dtype = DType::f64; })),
             "and holds"));
  CHECK(says(found(planned({chain}), temp([](Plan&, Buffer& b) { b.index = 8; })), "in slot 8"));
  CHECK(says(found(planned({chain}), temp([](Plan& p, Buffer& b) {
                     p.slots[static_cast<std::size_t>(b.index)] = Dim(4);
                   })),
             "its slot"));
  CHECK(says(found(planned({chain}), temp([](Plan&, Buffer& b) { b.strides = {}; })), "strides"));
}

TEST_CASE("outputs and new values lie where the driver looks for them", "[plan][check]") {
  CHECK(says(found(planned({x + 1, x * y}),
                   [](Plan& p) {
                     for (Buffer& b : p.buffers)
                       if (b.kind == BufferKind::output) b.index = 0;
                   }),
             "output 1 is"));
  const Shared w = shared(Array::zeros<float>({8}), "w");
  CHECK(says(found(planned({}, {{w, w * 2 + 1}}),
                   [](Plan& p) {
                     for (Buffer& b : p.buffers) b.index = -1;
                   }),
             "update 0 is"));
}

TEST_CASE("nothing fails once a variable has been written over", "[plan][check]") {
  const Shared w = shared(Array::zeros<float>({8}), "w");
  CHECK(
      says(found(planned({}, {{w, w * 2 + 1}}), [](Plan& p) { p.steps.back().is_fallible = true; }),
           "may fail when a shared variable has been written over"));
}
