/// The engine: what it counts, when it stops, and how it scales.
#include <chrono>
#include <cstdio>

#include <kroton/grad.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/rewrite/dsl.hpp"
#include "lib/rewrite/rules/rules.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

using namespace rewrite::dsl;
using rewrite::Engine;
using rewrite::NodeId;
using rewrite::Rule;
using rewrite::Site;

Expr f(const char* name) { return tensor<float>({3, 4}, name); }

std::string message_of(auto&& action) {
  try {
    action();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing was thrown";
}

Expr chain(std::int64_t length) {
  Expr e = f("x");
  for (std::int64_t i = 0; i < length; ++i) e = i % 2 == 0 ? e * 1 : kroton::exp(e);
  return e;
}

} // namespace

TEST_CASE("a rule that uses an unbound name is refused when it is made", "[rewrite]") {
  CHECK_THAT(message_of([] { rewrite::rule("broken", exp(x), log(y)); }),
             contains("rule broken uses y, which its left side exp(x) does not bind"));
}

TEST_CASE("a rule may not put a reduction on its right side without saying over what",
          "[rewrite]") {
  CHECK_THAT(message_of([] { rewrite::rule("broken", exp(x), any(ops::sum, {x})); }),
             contains("rule broken: sum has attributes"));
}

TEST_CASE("commutative ops match in both orders, others in one", "[rewrite]") {
  const Rule r = rewrite::rule("add-exp", exp(x) + y, [](Site& s) { return s["y"]; });
  const Rule q = rewrite::rule("sub-exp", exp(x) - y, [](Site& s) { return s["y"]; });
  const Rule* rules[] = {&r, &q};
  const auto hits = [&](const Expr& e) {
    ir::Graph g = ir::Graph::capture({&e, 1});
    Engine engine(g, {});
    engine.run(rules);
    return engine.applications().size();
  };
  CHECK(hits(kroton::exp(f("a")) + f("b")) == 1);
  CHECK(hits(f("b") + kroton::exp(f("a"))) == 1);
  CHECK(hits(kroton::exp(f("a")) - f("b")) == 1);
  CHECK(hits(f("b") - kroton::exp(f("a"))) == 0);
}

TEST_CASE("a node asked to have one use is matched once its other user is gone", "[rewrite]") {
  const Rule once_only = rewrite::rule("merge", log(once(exp(x))), x, Fp::strict);
  const Rule drop = rewrite::rule("drop", relu(exp(x)), sqrt(x), Fp::strict);
  const Expr e = kroton::exp(f("a"));
  const std::vector<Expr> outputs{kroton::log(e), kroton::relu(e)};
  ir::Graph g = ir::Graph::capture(outputs);
  const Rule* first[] = {&once_only};
  CHECK_FALSE(Engine(g, {}).run(first));
  const Rule* both[] = {&once_only, &drop};
  Engine engine(g, {});
  CHECK(engine.run(both));
  CHECK(engine.applications().size() == 2);
}

TEST_CASE("two rules that chase each other are named", "[rewrite]") {
  const Rule there = rewrite::rule("there", exp(x), log(x)),
             back = rewrite::rule("back", log(x), exp(x));
  const Rule* rules[] = {&there, &back};
  const Expr e = kroton::exp(f("a"));
  ir::Graph g = ir::Graph::capture({&e, 1});
  const std::string text = message_of([&] { Engine(g, {}).run(rules); });
  CHECK_THAT(text, contains("rules "));
  CHECK_THAT(text, contains("there"));
  CHECK_THAT(text, contains("back"));
  CHECK_THAT(text, contains("undo each other"));
  CHECK_THAT(text, contains("engine_test.cpp:"));
}

TEST_CASE("applications stop where they are told to", "[rewrite]") {
  const Expr e = chain(20);
  for (long k : {0L, 1L, 4L}) {
    ir::Graph g = ir::Graph::capture({&e, 1});
    CHECK(rewrite::run_pipeline(g, {.max_applications = k}).applications.size() ==
          static_cast<std::size_t>(k));
  }
}

TEST_CASE("rules are counted, and applications say where", "[rewrite]") {
  const Expr e = f("x") * 1;
  ir::Graph g = ir::Graph::capture({&e, 1});
  const auto report = rewrite::run_pipeline(g, {.is_timed = true});
  REQUIRE(report.applications.size() == 1);
  CHECK(report.applications[0].rule == "mul-one");
  CHECK(report.applications[0].op == "mul");
  CHECK_THAT(support::describe(report.applications[0].where), contains("engine_test.cpp:"));
  bool was_counted = false;
  for (const rewrite::RuleCount& c : report.rules)
    if (c.rule == "mul-one") was_counted = c.tries >= 1 && c.hits == 1 && c.ns > 0;
  CHECK(was_counted);
}

TEST_CASE("passes report what they changed, and injected rules run in every one", "[rewrite]") {
  const rewrite::RuleSet wrong{"wrong", {rewrite::rule("exp-is-log", exp(x), log(x))}};
  const Expr e = kroton::exp(f("x"));
  ir::Graph g = ir::Graph::capture({&e, 1});
  std::vector<std::string> seen;
  rewrite::run_pipeline(
      g, {.on_pass = [&](std::string_view pass, const ir::Graph&) { seen.emplace_back(pass); },
          .extra = &wrong});
  CHECK(seen == std::vector<std::string>{"canonicalize"});
  CHECK_THAT(g.to_string(), contains("log"));
}

TEST_CASE("only what code generation needs is done in plain mode", "[rewrite]") {
  const Expr v = tensor<float>({10}, "v");
  const Expr e = kroton::grad(kroton::sum(kroton::slice(v * 1, {{1, {}}})), v);
  ir::Graph g = ir::Graph::capture({&e, 1});
  const auto report = rewrite::run_pipeline(g, {.minimal = true});
  for (const rewrite::Application& a : report.applications)
    CHECK((a.rule == "unslice" || a.rule == "stop-gradient"));
  CHECK(g.to_string().find("unslice") == std::string::npos);
}

TEST_CASE("a chain of 100,000 nodes is rewritten in near linear time", "[rewrite]") {
  for (std::int64_t n : {10'000, 100'000}) {
    const Expr e = chain(n);
    ir::Graph g = ir::Graph::capture({&e, 1});
    const auto start = std::chrono::steady_clock::now();
    const auto report = rewrite::run_pipeline(g);
    const double us =
        std::chrono::duration<double, std::micro>(std::chrono::steady_clock::now() - start).count();
    std::printf("rewrite: a chain of %ld nodes: %.2f us a node\n", static_cast<long>(n),
                us / static_cast<double>(n));
    CHECK(report.applications.size() == static_cast<std::size_t>(n / 2));
    CHECK(g.numel() == static_cast<std::size_t>(n / 2 + 1));
  }
}

} // namespace kroton::test
