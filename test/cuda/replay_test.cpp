/// Calls that come again: how they are launched, and what of the driver they need.
#include <algorithm>
#include <string>
#include <vector>

#include <kroton/dlpack.hpp>

#include "examples/network/model.hpp"
#include "jit/cuda/dependencies.hpp"
#include "test/cuda/on_fakes.hpp"

namespace kroton::test {
namespace {

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

TEST_CASE("steps wait for those that they share memory with, and for no others", "[cuda]") {
  using jit::cuda::Access;
  using jit::cuda::Dependencies;
  const auto dependencies = [](const std::vector<std::vector<Access>>& steps) {
    return jit::cuda::dependencies_of(steps);
  };
  const Access write_a{0, 8, true}, read_a{0, 8, false}, write_b{8, 8, true}, read_b{8, 8, false},
      write_c{16, 8, true};
  // Two readers of a, two writers of their own, and what reads both of these.
  CHECK(dependencies({{write_a}, {read_a, write_b}, {read_a, write_c}, {read_b, write_c}}) ==
        Dependencies{{}, {0}, {0}, {2, 1}});
  // Writing waits for the readers, and through them for the first writer.
  CHECK(dependencies({{write_a}, {read_a}, {read_a}, {read_a}, {write_a}}) ==
        Dependencies{{}, {0}, {0}, {0}, {3, 2, 1}});
  CHECK(dependencies({{write_a}, {write_b}, {write_c}}) == Dependencies{{}, {}, {}});
  CHECK(dependencies({{{4, 8, true}}, {write_a}, {write_b}}) == Dependencies{{}, {0}, {0}});
  CHECK(dependencies({{write_a}, {}, {{0, 0, true}}}) == Dependencies{{}, {}, {}});
  // What has next to nothing side by side is a chain.
  CHECK(
      dependencies({{write_a}, {read_a, write_b}, {read_b, write_c}, {{99, 1, true}}, {write_c}}) ==
      Dependencies{{}, {0}, {1}, {2}, {3}});
  CHECK(jit::cuda::longest_path({{}, {0}, {0}, {2, 1}}) == 3);
}

TEST_CASE("arrays that are new in every call are no hindrance to a graph", "[cuda]") {
  const OnFakes fakes;
  const auto losses = [&](const std::string& target, bool is_moving) {
    const Layer layer;
    const Function step = layer.step(target);
    std::vector<std::vector<Array>> places{layer.arguments};
    if (is_moving) places = {};
    while (places.size() < 17 && is_moving) places.push_back(on_device(layer.arguments));
    std::vector<Array> outputs; // kept, so that each is elsewhere
    for (std::size_t i = 0; i < 40; ++i) {
      if (i == 20) fakes.control.reset();
      outputs.push_back(step(places[i % places.size()])[0]);
    }
    std::vector<float> all;
    for (const Array& o : outputs) all.push_back(o.item<float>());
    return all;
  };
  const auto moving = losses("cuda", true);
  CHECK(fakes.control.count("cuGraphLaunch") == 20);
  CHECK(fakes.control.count("cuLaunchKernel") == 0);
  CHECK(fakes.control.count("cuGraphInstantiateWithFlags") <= 2);
  CHECK(fakes.control.count("cuGraphExecKernelNodeSetParams_v2") > 0);
  CHECK(moving == losses("cuda", false));
  const auto here = losses("host", false);
  for (std::size_t i = 0; i < here.size(); ++i) CHECK(moving[i] == Approx(here[i]).epsilon(1e-4));
}

TEST_CASE("a few sets of addresses that alternate have a graph each in the end", "[cuda]") {
  const OnFakes fakes;
  const Layer layer;
  const Function step = layer.step("cuda");
  const std::vector<std::vector<Array>> places{
      on_device(layer.arguments), on_device(layer.arguments), on_device(layer.arguments)};
  for (std::size_t i = 0; i < 60; ++i) step(places[i % 3]);
  fakes.control.reset();
  for (std::size_t i = 0; i < 30; ++i) step(places[i % 3]);
  CHECK(fakes.control.count("cuGraphLaunch") == 30);
  CHECK(fakes.control.count("cuGraphExecKernelNodeSetParams_v2") == 0);
}

TEST_CASE("a library's products are given new addresses too", "[cuda]") {
  const OnFakes fakes;
  const Expr x = matrix<float>("x"), y = matrix<float>("y");
  const auto results = [&](const std::string& target) {
    const Function f = function({x, y}, {dot(x, dot(transpose(x), y)), sum(x, {0})},
                                {.target = target, .specialize = Specialize::off});
    std::vector<Array> all;
    for (int i = 0; i < 4; ++i) {
      const std::vector<Array> arguments{ramp({128, 130}, 0.1F * static_cast<float>(i), 1e-5F),
                                         ramp({128, 140}, 1, -1e-5F)};
      for (const Array& out : f(target == "host" ? arguments : on_device(arguments)))
        all.push_back(out);
    }
    return all;
  };
  const auto there = results("cuda");
  CHECK(fakes.control.count("cublasLtMatmul") >= 4);
  CHECK(fakes.control.count("cuGraphExecChildGraphNodeSetParams") > 0);
  const auto here = results("host");
  for (std::size_t i = 0; i < here.size(); ++i) CHECK(all_close(there[i], here[i], 1e-4));
}

TEST_CASE("a capture that fails holds nobody up who waits for the device", "[cuda]") {
  const OnFakes fakes;
  const Expr x = matrix<float>("x");
  const Function f = function({x}, {dot(x, transpose(x)), x + 1.0F},
                              {.target = "cuda", .specialize = Specialize::off});
  const Array xs = ramp({128, 160}, 0, 1e-5F);
  const Array right = f({xs})[0].to_host();
  fakes.control.fail("cuStreamEndCapture", 1, fake::unknown_error);
  const Array out = f({xs})[0];
  CHECK(fakes.control.failed_call() == "cuStreamEndCapture");
  DLManagedTensor* const given = to_dlpack(out); // waits for all work of the device
  given->deleter(given);
  CHECK(equal(out, right));
  CHECK(equal(f({xs})[0], right));
}

TEST_CASE("independent parts of a training step run side by side, in any order", "[cuda]") {
  const OnFakes fakes;
  const auto losses = [&](std::int64_t batch, const emulator::Schedule& schedule) {
    fakes.control.reset();
    fakes.control.set_schedule(schedule);
    network::Model model(network::start_values(1));
    const Function step = model.step({.target = "cuda", .specialize = Specialize::off});
    Array y = Array::empty<std::int32_t>({batch});
    for (int i = 0; i < batch; ++i) y.data<std::int32_t>()[i] = i % 10;
    const std::vector<Array> arguments = on_device({ramp({batch, 16}, -1, 0.01F), y});
    std::vector<float> all;
    for (int i = 0; i < 5; ++i) all.push_back(step(arguments)[0].item<float>());
    CHECK(fakes.control.fault() == "");
    return all;
  };
  const auto forward = losses(12, {});
  const fake::GraphShape shape = fakes.control.last_graph();
  INFO(shape.nodes << " nodes, " << shape.longest_path << " on the longest path");
  CHECK(shape.longest_path < shape.nodes);
  CHECK(losses(12, {.order = emulator::Order::reverse}) == forward);
  for (std::uint64_t seed = 1; seed < 4; ++seed)
    CHECK(losses(12, {.order = emulator::Order::random, .seed = seed}) == forward);
}

} // namespace kroton::test
