/// eval, givens, named outputs, defaults and arguments that are converted.
#include <kroton/core.hpp>

#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"

namespace kt = kroton;

namespace kroton::test {
namespace {

kt::Array floats(std::vector<float> v) { return kt::Array::from(v); }

std::vector<float> values(const kt::Array& a) {
  const kt::Array dense = a.contiguous();
  return {dense.data<float>(), dense.data<float>() + dense.numel()};
}

} // namespace

TEST_CASE("an expression is evaluated without a function", "[function][eval]") {
  const auto x = kt::vector<float>("x"), y = kt::scalar<float>("y");
  const kt::Expr e = 2 * x + y;
  CHECK(values(e.eval({{x, floats({1, 2})}, {y, 0.5f}})) == std::vector<float>{2.5f, 4.5f});
  CHECK(values(e.eval({{x, floats({1, 2, 3})}, {y, 1.0f}})) == std::vector<float>{3, 5, 7});
  CHECK(values(e.eval({{y, 1.0f}, {x, floats({1})}})) == std::vector<float>{3});
  CHECK(kt::sum(kt::constant(floats({1, 2, 4}))).eval().item<float>() == 7);
  // Computed expressions and shared variables may be given values.
  const kt::Expr h = kt::exp(x), z = h * 3;
  CHECK(values(z.eval({{h, floats({2})}})) == std::vector<float>{6});
  const kt::Shared w = kt::shared(floats({10}), "w");
  CHECK(values((w + 1).eval()) == std::vector<float>{11});
  CHECK(values((w + 1).eval({{w, floats({5})}})) == std::vector<float>{6});
  w.get();
}

TEST_CASE("eval says what is missing", "[function][eval]") {
  const auto x = kt::vector<float>("x");
  CHECK(message_of<kt::GraphError>([&] { (x * 2).eval(); }) ==
        "eval: the outputs need an input that is not given: x f32[?] (from "
        "convenience_test.cpp:LINE)\n"
        "  at convenience_test.cpp:LINE\n"
        "  hint: add it to the inputs, or make it a constant or a shared variable");
  CHECK(message_of<kt::TypeError>([&] {
          (x * 2).eval({{x, kt::Array::from({1.0})}});
        }).starts_with("eval: argument 0 is x f32[?], got f64[1]\n"));
  CHECK_THROWS_AS(kt::Expr().eval(), kt::GraphError);
}

TEST_CASE("more expressions than are kept are evaluated all the same", "[function][eval]") {
  const auto x = kt::scalar<float>("x");
  std::vector<kt::Expr> all;
  for (int i = 0; i < 20; ++i) all.push_back(x + static_cast<float>(i));
  for (int round = 0; round < 2; ++round)
    for (int i = 0; i < 20; ++i)
      CHECK(all[static_cast<std::size_t>(i)].eval({{x, 1.0f}}).item<float>() ==
            1 + static_cast<float>(i));
}

TEST_CASE("givens stand for what outputs and updates are made of", "[function][givens]") {
  const auto x = kt::vector<float>("x"), other = kt::vector<float>("other");
  kt::Shared total = kt::shared(kt::Array::scalar(0.0f), "total");
  const kt::Expr h = kt::exp(x);
  const kt::Function f = kt::function(
      {other}, {x * 2, h},
      {.updates = {{total, total + kt::sum(x)}}, .givens = {{x, other + 1}, {h, other}}});
  const kt::Results r = f(floats({1, 2}));
  CHECK(values(r[0]) == std::vector<float>{4, 6});
  CHECK(values(r[1]) == std::vector<float>{1, 2});
  CHECK(total.get().item<float>() == 5);
}

TEST_CASE("results have names", "[function][names]") {
  const auto x = kt::vector<float>("x");
  const kt::Function f =
      kt::function({x}, {kt::sum(x), x * 2}, {.output_names = {"total", "twice"}});
  const kt::Results r = f(floats({1, 2}));
  CHECK(r["total"].item<float>() == 3);
  CHECK(values(r["twice"]) == std::vector<float>{2, 4});
  CHECK(values(r[1]) == std::vector<float>{2, 4});
  CHECK(message_of<kt::GraphError>([&] { r["mean"]; }) ==
        "call: no output is named mean: total, twice are\n"
        "  hint: function(…, {.output_names = {…}}) names outputs");
  const kt::Results unnamed = kt::function({x}, {x * 2})(floats({1}));
  CHECK(message_of<kt::GraphError>([&] {
          unnamed["a"];
        }).starts_with("call: no output is named a: none has a name\n"));
  CHECK(message_of<kt::GraphError>([&] {
          kt::function({x}, {x * 2, x}, {.output_names = {"a"}});
        }).starts_with("function: 1 names for 2 outputs\n"));
  CHECK(message_of<kt::GraphError>([&] {
          kt::function({x}, {x * 2, x}, {.output_names = {"a", "a"}});
        }).starts_with("function: two outputs are named a\n"));
}

TEST_CASE("inputs have default values", "[function][defaults]") {
  const auto x = kt::vector<float>("x"), rate = kt::scalar<float>("rate"),
             shift = kt::scalar<float>("shift");
  const kt::Function f =
      kt::function({x, rate, shift}, x * rate + shift, {.defaults = {{shift, 1.0f}, {rate, 2.0f}}});
  CHECK(values(f(floats({1, 2}))) == std::vector<float>{3, 5});
  CHECK(values(f(floats({1, 2}), 3.0f)) == std::vector<float>{4, 7});
  CHECK(values(f(floats({1, 2}), 3.0f, 0.0f)) == std::vector<float>{3, 6});
  CHECK(message_of<kt::ShapeError>([&] {
          f();
        }).starts_with("function: takes 3 arguments (x f32[?], rate f32[], shift f32[]), got 0\n"));
  CHECK(message_of<kt::GraphError>([&] {
          kt::function({rate, x}, x * rate, {.defaults = {{rate, 2.0f}}});
        }).starts_with("function: rate f32[] has a default and is none of the last inputs"));
  CHECK(message_of<kt::TypeError>([&] {
          kt::function({x, rate}, x * rate, {.defaults = {{rate, 2.0}}});
        }).starts_with("function: the default of rate f32[] is f64[]\n"));
  CHECK(message_of<kt::ShapeError>([&] {
          kt::function({x, rate}, x * rate, {.defaults = {{rate, floats({2})}}});
        }).starts_with("function: the default of rate f32[] is f32[1]\n"));
}

TEST_CASE("arguments are converted where that is asked for", "[function][defaults]") {
  const auto x = kt::vector<float>("x"), n = kt::scalar<std::int32_t>("n");
  const kt::Function strict = kt::function({x, n}, x * kt::cast<float>(n)),
                     lenient =
                         kt::function({x, n}, x * kt::cast<float>(n), {.allow_downcast = true});
  const kt::Array doubles = kt::Array::from({1.5, 2.0});
  CHECK_THROWS_AS(strict(doubles, 3), kt::TypeError);
  CHECK(values(lenient(doubles, 3)) == std::vector<float>{4.5f, 6});
  CHECK(values(lenient(floats({1}), std::int64_t(2))) == std::vector<float>{2});
  CHECK_THROWS_AS(lenient(1.0f, 2), kt::ShapeError);
  kt::Array out = kt::Array::empty<float>({2});
  lenient.call_into({doubles, 2}, {out});
  CHECK(values(out) == std::vector<float>{3, 4});
}

} // namespace kroton::test
