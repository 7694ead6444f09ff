/// Calls that come again: how they are launched, and what of the driver they need.
#include <algorithm>
#include <string>
#include <vector>

#include <kroton/devices.hpp>
#include <kroton/kroton.hpp>

#include "test/cuda/fake/control.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

struct OnFakes {
  fake::Control& control = fake::control();
  OnFakes() { control.reset(); }
  OnFakes(const OnFakes&) = delete;
  OnFakes& operator=(const OnFakes&) = delete;
  ~OnFakes() { control.reset(); }
};

Array ramp(const Shape& shape, float from, float step) {
  Array a = Array::empty<float>(shape);
  for (std::int64_t i = 0; i < a.numel(); ++i)
    a.data<float>()[i] = from + step * static_cast<float>(i);
  return a;
}

std::vector<Array> on_device(const std::vector<Array>& arrays) {
  std::vector<Array> there;
  for (const Array& a : arrays) there.push_back(to_device(a, parse_device("cuda")));
  return there;
}

/// A linear layer and a step of its training: (f32[6,4], f32[6,3]) → the loss.
struct Layer {
  Shared w = shared(ramp({4, 3}, -0.5F, 0.1F), "w");
  std::vector<Array> arguments{ramp({6, 4}, -1, 0.1F), ramp({6, 3}, 1, -0.1F)};

  Function step(const std::string& target) const {
    const Expr x = matrix<float>("x"), y = matrix<float>("y");
    const Expr error = dot(x, w) - y, loss = mean(error * error);
    return function({x, y}, {loss},
                    {.updates = {{w, w - 0.1F * grad(loss, w)}},
                     .name = "step",
                     .target = target,
                     .specialize = Specialize::off});
  }
};

} // namespace

TEST_CASE("a captured step needs two calls of the driver, and one more for host arguments",
          "[cuda]") {
  const OnFakes fakes;
  const Layer layer;
  const Function step = layer.step("cuda");
  const std::vector<Array> there = on_device(layer.arguments);
  constexpr int calls = 20;
  const auto log_of = [&](const std::vector<Array>& arguments) {
    for (int i = 0; i < 6; ++i) step(arguments);
    fakes.control.reset();
    for (int i = 0; i < calls; ++i) step(arguments);
    return fakes.control.log();
  };
  CHECK(log_of(there).size() == 2 * calls);
  CHECK(fakes.control.count("cuGraphLaunch") == calls);
  CHECK(log_of(layer.arguments).size() == 3 * calls);
  CHECK(fakes.control.count("cuMemcpyHtoDAsync_v2") == calls);
}

} // namespace kroton::test
