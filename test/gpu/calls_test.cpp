/// Calls, one after the other and from many threads: order, shared variables, repeated steps,
/// memory and errors.
#include <future>

#include "bench/training.hpp"
#include "examples/network/model.hpp"
#include "test/gpu/support.hpp"
#include "test/support/catch.hpp"

namespace kt = kroton;
using kt::Array;
using kt::Expr;
using kt::test::gpu;
using kt::test::on_gpu;

namespace {

/// Sum, and a count of calls, in a shared variable.
struct Counter {
  explicit Counter(bool is_recorded = true) {
    kt::Options options;
    options.updates = {{total, total + kt::sum(x)}, {calls, calls + 1}};
    options.cuda_graphs = is_recorded;
    add = on_gpu({x}, {total * 2.0f}, options);
  }

  Expr x = kt::vector<float>("x");
  kt::Shared total = kt::shared(Array::zeros<float>({}), "total");
  kt::Shared calls = kt::shared(Array::zeros<std::int64_t>({}), "calls");
  kt::Function add = on_gpu({x}, {x});
};

} // namespace

TEST_CASE("updates are seen by the next call, recorded or not", "[gpu][kernels]") {
  for (const bool is_recorded : {true, false}) {
    Counter counter(is_recorded);
    const Array ones = kt::to_device(Array::full<float>({100}, 1), gpu());
    std::vector<Array> results;
    for (int i = 0; i < 20; ++i) results.push_back(counter.add({ones})[0]);
    for (int i = 0; i < 20; ++i)
      CHECK(std::as_const(results[static_cast<std::size_t>(i)]).item<float>() ==
            200 * static_cast<float>(i));
    CHECK(counter.total.get().item<float>() == 2000);
    CHECK(counter.calls.get().item<std::int64_t>() == 20);
    counter.total.set(Array::scalar(5.0f));
    CHECK(counter.add({ones})[0].item<float>() == 10);
    CHECK(counter.total.get().item<float>() == 105);
  }
}

TEST_CASE("repeated calls see new arguments in the same and in other memory", "[gpu]") {
  const Expr x = kt::vector<float>("x");
  const kt::Function f = on_gpu({x}, {kt::sum(x * x), x + 1.0f});
  const Array kept = kt::to_device(Array::zeros<float>({64}), gpu());
  for (int i = 0; i < 12; ++i) {
    const auto value = static_cast<float>(i);
    const Array host = Array::full<float>({64}, value);
    copy_elements(kept, host);
    for (const Array& argument : {kept, host, kt::to_device(host, gpu())}) {
      const std::vector<Array> results = f({argument});
      CHECK(results[0].item<float>() == 64 * value * value);
      CHECK(results[1].at<float>({63}) == value + 1);
    }
  }
}

TEST_CASE("sizes may change from call to call", "[gpu]") {
  const Expr x = kt::matrix<float>("x");
  const kt::Function f = on_gpu({x}, {kt::sum(x, {1}), kt::dot(x, kt::transpose(x))});
  for (int round = 0; round < 3; ++round)
    for (const std::int64_t n : {3, 0, 17, 64, 3, 129}) {
      const Array a = Array::full<float>({n, 8}, 0.5f);
      const std::vector<Array> results = f({a});
      CHECK(equal(results[0], Array::full<float>({n}, 4)));
      CHECK(equal(results[1], Array::full<float>({n, n}, 2)));
    }
}

TEST_CASE("functions on the same variables keep the order of their calls", "[gpu]") {
  const kt::Shared w = kt::shared(Array::full<float>({1000}, 1), "w");
  const Expr none = kt::scalar<float>("s");
  const kt::Function twice = on_gpu({}, {}, {.updates = {{w, 2 * w}}});
  const kt::Function more = on_gpu({none}, {}, {.updates = {{w, w + none}}});
  float expected = 1;
  for (int i = 0; i < 10; ++i) {
    (void)twice(std::vector<Array>{});
    (void)more({Array::scalar(1.0f)});
    expected = 2 * expected + 1;
  }
  CHECK(equal(w.get(), Array::full<float>({1000}, expected)));
}

TEST_CASE("many threads call one function", "[gpu]") {
  Counter counter;
  const Expr x = kt::vector<float>("x");
  const kt::Function f = on_gpu({x}, {kt::sum(x) + x});
  std::atomic<int> right = 0;
  const auto work = [&](int thread) {
    for (int i = 0; i < 25; ++i) {
      const auto value = static_cast<float>(thread * 100 + i);
      const Array result = f({Array::full<float>({32}, value)})[0];
      right += result.at<float>({31}) == 33 * value;
      (void)counter.add({Array::full<float>({10}, 1)});
    }
  };
  std::vector<std::future<void>> threads;
  for (int t = 0; t < 4; ++t) threads.push_back(std::async(std::launch::async, work, t));
  for (std::future<void>& t : threads) CHECK_NOTHROW(t.get());
  CHECK(right == 100);
  CHECK(counter.total.get().item<float>() == 1000);
}

TEST_CASE("a training step gives what the reference gives", "[gpu][kernels]") {
  bench::Training t = bench::training(Array::full<float>({20, 4}, 0.1f), Array::zeros<float>({4}));
  t.options.target = kt::to_string(gpu());
  const kt::Function step = t.compile();
  Array x = Array::empty<float>({50, 20}), y = Array::empty<std::int32_t>({50});
  for (std::int64_t i = 0; i < x.numel(); ++i)
    x.data<float>()[i] = static_cast<float>(i * 7 % 23) / 11 - 1;
  for (std::int64_t i = 0; i < 50; ++i)
    y.data<std::int32_t>()[i] = static_cast<std::int32_t>(i % 4);
  for (int i = 0; i < 6; ++i) {
    std::vector<Expr> wanted = t.outputs;
    for (const auto& [variable, value] : t.options.updates) wanted.push_back(value);
    const std::vector<Array> want = kt::test::reference(t.inputs, {x, y}, wanted);
    const std::vector<Array> got = step({x, y});
    CHECK(kt::test::difference(got[1], want[1], {.of_largest = 1e-5}) == "");
    for (std::size_t p = 0; p < t.parameters.size(); ++p)
      CHECK(kt::test::difference(t.parameters[p].get(), want[2 + p], {.of_largest = 1e-4}) == "");
  }
}

TEST_CASE("a network with dropout learns on the device", "[gpu]") {
  network::Model model(network::start_values(1));
  const kt::Function step = model.step({.target = kt::to_string(gpu())});
  Array x = Array::empty<float>({64, network::features}), y = Array::empty<std::int32_t>({64});
  for (std::int64_t i = 0; i < x.numel(); ++i)
    x.data<float>()[i] = static_cast<float>(i * 13 % 29) / 14 - 1;
  for (std::int64_t i = 0; i < 64; ++i)
    y.data<std::int32_t>()[i] = static_cast<std::int32_t>(i % 3);
  const float first = step({x, y})[0].item<float>();
  float last = first;
  for (int i = 0; i < 60; ++i) last = step({x, y})[0].item<float>();
  CHECK(std::isfinite(last));
  CHECK(last < first);
}

TEST_CASE("a position out of range is an error of the call, and updates nothing", "[gpu][error]") {
  const kt::Shared w = kt::shared(Array::zeros<float>({10}), "w");
  const Expr i = kt::vector<std::int64_t>("i");
  const kt::Function f = on_gpu({i}, {kt::index(w, {i})}, {.updates = {{w, w + 1.0f}}});
  CHECK(f({Array::from<std::int64_t>({9, -10})})[0].numel() == 2);
  CHECK_THROWS_AS(f({Array::from<std::int64_t>({0, 10})})[0].to_host(), kt::IndexError);
  CHECK(equal(w.get(), Array::full<float>({10}, 1)));
  CHECK(f({Array::from<std::int64_t>({3})})[0].item<float>() == 1);
}

TEST_CASE("memory that nobody uses is kept for the next array, and given back when asked",
          "[gpu]") {
  const auto in_use = [] { return kt::device_memory_stats(gpu()).in_use; };
  const std::size_t before = in_use();
  constexpr std::int64_t mebibytes = 16;
  {
    const Array a = kt::to_device(Array::zeros<float>({mebibytes << 18}), gpu());
    CHECK(in_use() >= before + (mebibytes << 20));
  }
  CHECK(in_use() == before);
  CHECK(kt::device_memory_stats(gpu()).kept >= mebibytes << 20);
  kt::synchronize(gpu());
  CHECK(kt::trim(gpu()) >= mebibytes << 20);
  CHECK(kt::device_memory_stats(gpu()).kept == 0);
}

TEST_CASE("what the device has no memory for is an error that can be survived", "[gpu][error]") {
  const Expr x = kt::vector<float>("x");
  const kt::Function f = on_gpu({x}, {kt::broadcast_to(x, {1 << 20, 1 << 20}) + x});
  CHECK_THROWS_AS(f({Array::zeros<float>({1 << 20})}), kt::DeviceError);
  CHECK(on_gpu({x}, {x + 1.0f})({Array::zeros<float>({3})})[0].at<const float>({2}) == 1);
}

TEST_CASE("a device that is not there is an error that counts those that are", "[gpu][error]") {
  const Expr x = kt::vector<float>("x");
  CHECK_THROWS_AS(kt::function({x}, {x + 1.0f}, {.target = "cuda:99"}), kt::DeviceError);
  CHECK_THROWS_AS(kt::to_device(Array::zeros<float>({3}), {kt::Device::cuda, 99}), kt::DeviceError);
}
