/// Mode::nan_guard: the op that made the first NaN or infinity, where, and of what.
#include <functional>

#include <kroton/core.hpp>

#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

Function guarded(std::vector<Expr> inputs, std::vector<Expr> outputs,
                 std::vector<Update> updates = {}) {
  return function(std::move(inputs), std::move(outputs),
                  {.updates = std::move(updates), .name = "model", .mode = Mode::nan_guard});
}

std::string message_of(const std::function<void()>& f) {
  try {
    f();
  } catch (const NumericError& e) {
    return e.what();
  }
  return "nothing was thrown";
}

const double inf = std::numeric_limits<double>::infinity(),
             nan = std::numeric_limits<double>::quiet_NaN();

} // namespace

TEST_CASE("nan_guard lets finite results and given infinities pass",
          "[conformance][anywhere][nan-guard]") {
  const Expr x = matrix<double>("x");
  const Function f = guarded({x}, {sum(exp(x), {1}), softmax(where(x > 2, x, -inf))});
  const Array a = Array::from<double>({1, 2, 3, 4, 5, 6}, {2, 3});
  CHECK(f(a)[0].to_vector<double>()[0] > 30);
  // Infinities that were given, as masks are, are no fault; nor is a NaN that nothing is made of.
  CHECK(guarded({x}, {exp(x), maximum(x, 0.0)})(Array::from<double>({-inf, 0, 1, inf}, {2, 2}))[0]
            .to_vector<double>()[3] == inf);
  CHECK(guarded({x}, {where(x > 0, log(x), 0.0)})(Array::from<double>({-1, 0, 1, 2}, {2, 2}))[0]
            .to_vector<double>()[0] == 0);
}

TEST_CASE("nan_guard names the op, the place and the operands",
          "[conformance][anywhere][nan-guard]") {
  const Expr x = matrix<double>("x"), y = matrix<double>("y");
  const Array a = Array::from<double>({1, 2, 3, 4, 0, 6}, {2, 3});
  const Array b = Array::from<double>({1, 2, 3, 4, 0, 6}, {2, 3});
  const int line = __LINE__ + 1;
  const Expr l = log(x * 2.0);
  const std::string text = message_of([&] { guarded({x}, {sum(tanh(l) + l)})(a); });
  INFO(text);
  CHECK_THAT(text, contains("log: gives -inf at [1, 1] of f64[2,3]"));
  CHECK_THAT(text, contains("operands that are 0 there"));
  CHECK_THAT(text, contains("nan_guard_test.cpp:" + std::to_string(line)));
  CHECK_THAT(text, contains("in model from"));

  const std::string quotient = message_of([&] { guarded({x, y}, {(x / y) * 0.0})(a, b); });
  INFO(quotient);
  CHECK_THAT(quotient, contains("gives nan at [1, 1]"));

  // A difference of infinities that were given makes a NaN.
  const std::string difference = message_of([&] {
    guarded({x, y}, {x - y})(Array::full<double>({1, 1}, inf), Array::full<double>({1, 1}, inf));
  });
  INFO(difference);
  CHECK_THAT(difference, contains("gives nan at [0, 0]"));
  CHECK_THAT(difference, contains("inf, inf"));
}

TEST_CASE("nan_guard names the argument that had the NaN", "[conformance][anywhere][nan-guard]") {
  const Expr x = vector<float>("x");
  const std::string text = message_of([&] {
    guarded({x}, {sum(x * 2.f)})(Array::from<float>({1, static_cast<float>(nan), 2}));
  });
  INFO(text);
  CHECK_THAT(text, contains("argument x has a NaN"));
}

TEST_CASE("a call that nan_guard stops has updated nothing", "[conformance][anywhere][nan-guard]") {
  Shared w = shared(Array::from<float>({1, 2, 3}), "w");
  Shared v = shared(Array::from<float>({1, 1, 1}), "v");
  const Expr g = scalar<float>("g");
  const Function step = guarded({g}, {sum(sqrt(w - g))}, {{w, w - g}, {v, v + 1.f}});
  step(0.5f);
  CHECK(w.get().to_vector<float>() == std::vector<float>{0.5f, 1.5f, 2.5f});
  const std::string text = message_of([&] { step(1.f); });
  INFO(text);
  CHECK_THAT(text, contains("sqrt: gives nan at [0]"));
  CHECK(w.get().to_vector<float>() == std::vector<float>{0.5f, 1.5f, 2.5f});
  CHECK(v.get().to_vector<float>() == std::vector<float>{2, 2, 2});
}

} // namespace kroton::test
