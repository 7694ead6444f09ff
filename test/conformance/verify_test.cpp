/// Mode::verify: silent about what is right, and naming the rule or the kernel that is wrong.
#include <algorithm>

#include <kroton/grad.hpp>

#include "jit/compile/capture.hpp"
#include "jit/function/function_state.hpp"
#include "lib/rewrite/dsl.hpp"
#include "test/conformance/arrays.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

using namespace rewrite;

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const InternalError& e) {
    return e.what();
  }
  return "nothing was thrown";
}

/// What a verified call of a sabotaged function says.
std::string verdict(std::vector<Expr> inputs, std::vector<Expr> outputs,
                    const std::vector<Array>& arguments, jit::Sabotage sabotage,
                    std::vector<Update> updates = {}) {
  const Options options{.updates = std::move(updates), .name = "suspect", .mode = Mode::verify};
  jit::FunctionState f(
      jit::make_signature(std::move(inputs), std::move(outputs), options, Location::current()),
      options, std::move(sabotage));
  return message_of([&] { f.call(arguments, nullptr); });
}

jit::Sabotage wrong_rule(const RuleSet& rules) { return {.rules = &rules}; }

jit::Sabotage wrong_text(std::string from, std::string to) {
  return {.kernel = [=](std::string& text) {
    // The prelude comes first, then for a CPU the runtime's table; what the kernel computes
    // follows.
    for (std::size_t at = std::min(text.find("struct Runtime"), text.find("__global__"));
         (at = text.find(from, at)) != std::string::npos; at += to.size())
      text.replace(at, from.size(), to);
  }};
}

Array ramp(const Shape& shape) {
  std::int64_t n = 1;
  for (std::int64_t d : shape) n *= d;
  Array a = Array::empty<float>({n});
  for (std::int64_t i = 0; i < n; ++i) a.data<float>()[i] = 0.25f * static_cast<float>(i % 13) - 1;
  return a.reshape(shape);
}

} // namespace

TEST_CASE("verify finds nothing wrong with good functions", "[conformance][anywhere][verify]") {
  const Expr x = matrix<float>("x"), y = vector<std::int64_t>("y");
  const Shared w = kroton::shared(ramp({5, 3}), "w");
  const Expr p = softmax(dot(x, w));
  const Expr loss = -mean(index(log(p), {arange(y.dim(0)), y}));
  const Expr g = grad(loss, w);
  const Function f = function({x, y}, {argmax(p, 1), loss, sum(p, {0}), max(x, {1})},
                              {.updates = {{w, w - 0.5f * g}}, .mode = Mode::verify});
  const Array before = w.get();
  for (int i = 0; i < 3; ++i)
    CHECK_NOTHROW(f({ramp({4, 5}), Array::from({std::int64_t{0}, std::int64_t{2}, std::int64_t{1},
                                                std::int64_t{2}})}));
  CHECK_FALSE(equal(before, w.get()));
}

TEST_CASE("verify names a rule that changes the result", "[conformance][anywhere][verify]") {
  using namespace rewrite::dsl;
  const RuleSet tanh_is_sigmoid{"sabotage",
                                {rule("wrong-tanh", dsl::tanh(dsl::x), dsl::sigmoid(dsl::x))}};
  const RuleSet lost_minus{"sabotage", {rule("wrong-neg", -dsl::x, dsl::relu(dsl::x))}};
  const RuleSet swapped{"sabotage",
                        {rule("wrong-sub", dsl::exp(dsl::x) - dsl::exp(dsl::y),
                              dsl::exp(dsl::y) - dsl::exp(dsl::x) + 0.0)}};
  const Expr a = matrix<float>("a"), b = matrix<float>("b");
  CHECK_THAT(verdict({a}, {kroton::tanh(a) + 1}, {ramp({2, 6})}, wrong_rule(tanh_is_sigmoid)),
             contains("rule wrong-tanh changes the result: after it rewrote tanh"));
  CHECK_THAT(verdict({a}, {kroton::exp(-a)}, {ramp({2, 6})}, wrong_rule(lost_minus)),
             contains("rule wrong-neg changes the result"));
  CHECK_THAT(verdict({a, b}, {sum(kroton::exp(a)), kroton::exp(a) - kroton::exp(b)},
                     {ramp({2, 6}), ramp({4, 3}).reshape({2, 6})}, wrong_rule(lost_minus)),
             contains("nothing was thrown"));
}

TEST_CASE("verify finds the wrong rule among many good applications",
          "[conformance][anywhere][verify]") {
  const RuleSet wrong{"sabotage", {rule("wrong-sqrt", dsl::sqrt(dsl::x), dsl::abs(dsl::x))}};
  const Expr a = matrix<float>("a");
  Expr e = a;
  for (int i = 0; i < 6; ++i) e = kroton::log(1 + kroton::exp(1 * e + 0));
  e = kroton::sqrt(e) + kroton::log(softmax(e));
  CHECK_THAT(verdict({a}, {e}, {ramp({3, 4})}, wrong_rule(wrong)),
             contains("rule wrong-sqrt changes"));
}

TEST_CASE("verify names the kernel and the op that are wrong", "[conformance][anywhere][verify]") {
  const Expr a = matrix<float>("a"), b = matrix<float>("b");
  const std::vector<Array> two{ramp({3, 6}), ramp({6, 3}).reshape({3, 6})};
  const std::string sum_wrong = verdict({a, b}, {a + b}, two, wrong_text(" + ", " - "));
  CHECK_THAT(sum_wrong, contains("kernel "));
  CHECK_THAT(sum_wrong, contains("computes add wrongly"));
  CHECK_THAT(sum_wrong, contains("elementwise"));
  CHECK_THAT(verdict({a, b}, {a * b}, two, wrong_text(" * ", " + ")),
             contains("computes mul wrongly"));
  CHECK_THAT(
      verdict({a}, {kroton::exp(a)}, {two[0]}, wrong_text("= exp_f32(", "= 2.0f * exp_f32(")),
      contains("computes exp wrongly"));
}

TEST_CASE("verify finds a wrong update", "[conformance][anywhere][verify]") {
  const Expr a = vector<float>("a");
  const Shared w = kroton::shared(ramp({7}), "w");
  CHECK_THAT(verdict({a}, {}, {ramp({7})}, wrong_text(" + ", " - "), {{w, w + a}}),
             contains("computes add wrongly"));
}

} // namespace kroton::test
