/// What functions do when the driver fails: errors that say so, nothing lost, and the next call
/// works.
#include <string>
#include <thread>
#include <vector>

#include "test/cuda/on_fakes.hpp"

namespace kroton::test {
namespace {

using fake::Live;

/// What is live when Kroton has given back what it only keeps.
Live settled(const OnFakes& fakes) {
  fakes.control.reset();
  for (int i = 0; i < device_count(); ++i) trim({Device::cuda, i});
  return fakes.control.live();
}

float value(const Array& a, std::int64_t at) {
  return a.to_vector<float>()[static_cast<std::size_t>(at)];
}

/// A linear layer that learns: products, a reduction, an update, and calls often enough to be
/// replayed. The outputs of all calls, read.
std::vector<float> train(const std::string& target, bool has_graphs = true,
                         Specialize specialize = Specialize::off) {
  const Expr x = matrix<float>("x"), y = matrix<float>("y");
  const Shared w = shared(ramp({4, 3}, -0.5F, 0.1F), "w");
  const Expr error = dot(x, w) - y, loss = mean(error * error);
  const Function step = function({x, y}, {loss, sum(error, {0})},
                                 {.updates = {{w, w - 0.1F * grad(loss, w)}},
                                  .name = "step",
                                  .target = target,
                                  .specialize = specialize,
                                  .cuda_graphs = has_graphs});
  const Array xs = ramp({6, 4}, -1, 0.1F), ys = ramp({6, 3}, 1, -0.1F);
  std::vector<float> all;
  for (int i = 0; i < 5; ++i)
    for (const Array& out : step({xs, ys}))
      for (float v : out.to_vector<float>()) all.push_back(v);
  for (float v : w.get().to_vector<float>()) all.push_back(v);
  return all;
}

/// What such a call was to give back stays behind, and so does what could be given back in a
/// context alone.
bool is_release(const std::string& call) {
  return call.starts_with("cuCtx") || call.find("Free") != call.npos ||
         call.find("Destroy") != call.npos || call.find("Unload") != call.npos;
}

} // namespace

TEST_CASE("whichever call of the driver fails, the error says so and nothing is lost", "[cuda]") {
  const OnFakes fakes;
  int failed = 0;
  for (const Specialize specialize : {Specialize::off, Specialize::immediately}) {
    const std::vector<float> want = train("cuda", true, specialize);
    Live before = settled(fakes);
    for (int nth = 1;; ++nth) {
      const int error = nth % 2 == 0 ? fake::unknown_error : fake::out_of_memory;
      fakes.control.reset();
      fakes.control.fail_any(nth, error);
      std::string said;
      std::vector<float> got;
      try {
        got = train("cuda", true, specialize);
      } catch (const Error& e) {
        said = e.what();
      }
      const std::string call = fakes.control.failed_call();
      fakes.control.reset();
      if (call.empty()) break;
      ++failed;
      INFO("call " << nth << ", " << call << ": " << said);
      // Some failures can be made up for: then the results are right.
      if (said.empty())
        CHECK(got == want);
      else
        CHECK_THAT(said, contains("cuda:"));
      CHECK(train("cuda", true, specialize) == want);
      const Live after = settled(fakes);
      if (!is_release(call)) CHECK(after == before);
      before = after;
    }
  }
  CHECK(failed > 100);
}

TEST_CASE("a device without enough memory says what was asked and who holds what there is",
          "[cuda]") {
  const OnFakes fakes;
  settled(fakes);
  const Expr x = vector<float>("x");
  const Function f = function({x}, {exp(x)}, {.name = "large", .target = "cuda"});
  const Array small = f({ramp({1000}, 0, 0.001F)})[0];
  fakes.control.set_memory(std::size_t{8} << 20);
  const Array xs = ramp({1 << 22}, 0, 0);
  std::string said;
  try {
    f({xs});
  } catch (const DeviceError& e) {
    said = e.what();
  }
  CHECK_THAT(said, contains("16"));
  CHECK_THAT(said, contains("large"));
  fakes.control.set_memory(std::size_t{256} << 20);
  CHECK(value(f({xs})[0], 1 << 21) == 1);
  CHECK(value(small, 0) == 1);
}

TEST_CASE("a kernel that loses its device is named, with its function", "[cuda]") {
  const OnFakes fakes;
  const Expr x = vector<float>("x");
  const Function f = function({x}, {x * x + 1.0F}, {.name = "squares", .target = "cuda"});
  const Array xs = ramp({100}, 0, 1);
  f({xs})[0].to_vector<float>();
  for (const bool is_deferred : {false, true}) {
    fakes.control.set_deferred(is_deferred);
    fakes.control.fault_kernel();
    std::string said;
    try {
      f({xs})[0].to_vector<float>();
    } catch (const DeviceError& e) {
      said = e.what();
    }
    CHECK_THAT(said, contains("CUDA_ERROR_ILLEGAL_ADDRESS"));
    CHECK_THAT(said, contains("squares"));
    // The context is gone; the process continues without the device.
    CHECK_THROWS_AS(f({xs})[0].to_vector<float>(), DeviceError);
    CHECK(value(function({x}, {x * x + 1.0F}, {.target = "host"})({xs})[0], 3) == 10);
    fakes.control.reset();
    CHECK(value(f({xs})[0], 3) == 10);
  }
}

TEST_CASE("work that is done late gives the same results", "[cuda]") {
  const OnFakes fakes;
  for (const bool has_graphs : {true, false}) {
    fakes.control.reset();
    const std::vector<float> at_once = train("cuda", has_graphs);
    fakes.control.set_deferred(true);
    CHECK(train("cuda", has_graphs) == at_once);
    CHECK((fakes.control.count("cuGraphLaunch") > 0) == has_graphs);
  }
}

TEST_CASE("the order of a kernel's threads changes nothing", "[cuda]") {
  const OnFakes fakes;
  const std::vector<float> forward = train("cuda");
  fakes.control.set_schedule({.order = emulator::Order::reverse});
  CHECK(train("cuda") == forward);
  for (std::uint64_t seed = 1; seed < 4; ++seed) {
    fakes.control.set_schedule({.order = emulator::Order::random, .seed = seed});
    CHECK(train("cuda") == forward);
  }
}

TEST_CASE("functions on two devices do not disturb each other", "[cuda]") {
  const OnFakes fakes;
  REQUIRE(device_count() == 2);
  const std::vector<float> want = train("cuda:0");
  CHECK(train("cuda:1") == want);
  std::vector<float> first, second;
  std::thread other([&] { second = train("cuda:1"); });
  first = train("cuda:0");
  other.join();
  CHECK(first == want);
  CHECK(second == want);
}

TEST_CASE("an array of one device is an argument of a function on another", "[cuda]") {
  const OnFakes fakes;
  for (const bool is_deferred : {false, true}) {
    fakes.control.set_deferred(is_deferred);
    const Expr x = vector<float>("x");
    const Function twice = function({x}, {x + x}, {.target = "cuda:1"}),
                   here = function({x}, {x + 1.0F}, {.target = "host"});
    const Array near = to_device(ramp({50}, 0, 1), parse_device("cuda:0"));
    const Array far = twice({near})[0];
    CHECK(far.device() == parse_device("cuda:1"));
    CHECK(value(here({far})[0], 7) == 15);
    CHECK(value(twice({to_device(far, parse_device("cuda:0"))})[0], 7) == 28);
  }
}

} // namespace kroton::test
