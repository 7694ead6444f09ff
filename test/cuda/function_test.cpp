/// Functions for a CUDA device, on the fakes of its libraries: the whole way from expressions to
/// results, with the kernels run by the emulator.
#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include <kroton/ops/contraction.hpp>
#include <kroton/ops/linear_algebra.hpp>

#include "examples/network/model.hpp"
#include "test/cuda/on_fakes.hpp"
#include "test/support/temp_dir.hpp"

namespace kroton::test {
namespace {

/// Softmax regression, five steps; the losses and what the variables come to.
struct Trained {
  std::vector<float> losses;
  Array w, b;
};
Trained train(const Options& options) {
  auto x = matrix<float>("x");
  auto y = vector<std::int32_t>("y");
  auto w = shared(ramp({20, 5}, -0.3F), "w");
  auto b = shared(Array::zeros<float>({5}), "b");
  const Expr p = softmax(dot(x, w) + b);
  const Expr loss = -mean(index(log(p), {arange(y.dim(0)), y}));
  const auto g = grad(loss, {w, b});
  Options o = options;
  o.updates = {{w, w - 0.1F * g[0]}, {b, b - 0.1F * g[1]}};
  o.name = "train";
  const Function step = function({x, y}, {argmax(p, 1), loss}, o);
  const Array xs = ramp({30, 20}, -3, 0.01F);
  Array ys = Array::empty<std::int32_t>({30});
  for (int i = 0; i < 30; ++i) ys.data<std::int32_t>()[i] = i * 7 % 5;
  Trained t;
  std::vector<Array> out;
  for (int i = 0; i < 5; ++i) {
    out = step({xs, ys});
    t.losses.push_back(out[1].item<float>());
  }
  t.w = w.get();
  t.b = b.get();
  return t;
}

} // namespace

TEST_CASE("what has no implementation for a device is refused when its function is compiled",
          "[cuda]") {
  const OnFakes fakes;
  const Expr a = tensor<float>({3, 3}, "a");
  const Expr x = solve_triangular(a, a);
  const std::string error = error_of<UnsupportedError>([&] { function({a}, {exp(x)}, on_cuda()); });
  CHECK(error.starts_with("solve-triangular: there is no implementation for CUDA devices yet"));
  CHECK(error.find("function_test.cpp") != std::string::npos);
  CHECK(error.find("Options::target = \"host\"") != std::string::npos);
  CHECK_NOTHROW(function({a}, {exp(x)}, on_cpu()));
}

TEST_CASE("an elementwise function runs on a device, and its result stays there", "[cuda]") {
  const OnFakes fakes;
  const Expr x = vector<float>("x"), y = vector<float>("y");
  const Function f = function({x, y}, {2.0F * x + 3.0F * y - 1.0F}, on_cuda());
  const Array xs = ramp({1000}), ys = ramp({1000}, 5, -0.02F);
  const std::vector<Array> out = f({xs, ys});
  CHECK(out[0].device() == parse_device("cuda"));
  const Function g = function({x, y}, {2.0F * x + 3.0F * y - 1.0F}, on_cpu());
  CHECK(all_close(out[0], g({xs, ys})[0], 1e-6));
}

TEST_CASE("kernels that differ in constants share one text on a device", "[cuda][growth]") {
  const OnFakes fakes;
  const Expr x = matrix<float>("x"), w = matrix<float>("w"), i = vector<std::int32_t>("i"),
             d = vector<double>("d");
  const auto outputs_of = [&](int layers) {
    std::vector<Expr> outputs;
    Expr layer = x;
    for (int k = 0; k < layers; ++k) {
      const float c = 2.75F + static_cast<float>(k);
      outputs.push_back(tanh(x * c));
      outputs.push_back(sum(exp(-x * c), {1}));
      outputs.push_back(where(i > 10 + k, i, 100 + k));
      outputs.push_back(d / (3.25 + k));
      layer = tanh(dot(layer, w) * c);
    }
    outputs.push_back(layer);
    return outputs;
  };
  Options options = on_cuda();
  options.specialize = Specialize::off;
  const std::vector<Expr> outputs = outputs_of(20);
  const Function f = function({x, w, i, d}, outputs, options);
  // Sixteen more of each kind, and as many products, are at most a third piece of each kind.
  CHECK(function({x, w, i, d}, outputs_of(36), options).stats().kernels <= f.stats().kernels + 4);
  Array is = Array::empty<std::int32_t>({40}), ds = Array::empty<double>({17});
  for (int k = 0; k < 40; ++k) is.data<std::int32_t>()[k] = k;
  for (int k = 0; k < 17; ++k) ds.data<double>()[k] = 0.5 * k;
  const std::vector<Array> arguments = {ramp({6, 5}), ramp({5, 5}, -0.3F, 0.02F), is, ds};
  const std::vector<Array> out = f(arguments),
                           expected = function({x, w, i, d}, outputs, on_cpu())(arguments);
  for (std::size_t k = 0; k < out.size(); ++k) CHECK(all_close(out[k], expected[k], 1e-5));
}

TEST_CASE("a softmax runs on a device", "[cuda]") {
  const OnFakes fakes;
  const Expr x = matrix<float>("x");
  const Array xs = ramp({7, 300});
  const Array out = function({x}, {softmax(x)}, on_cuda())({xs})[0];
  CHECK(all_close(out, function({x}, {softmax(x)}, on_cpu())({xs})[0], 1e-5));
}

TEST_CASE("a training step on a device does what it does on the CPU", "[cuda]") {
  const OnFakes fakes;
  const Trained there = train(on_cuda()), here = train(on_cpu());
  for (std::size_t i = 0; i < here.losses.size(); ++i)
    CHECK(there.losses[i] == Approx(here.losses[i]).epsilon(1e-5));
  CHECK(all_close(there.w, here.w, 1e-4, 1e-6));
  CHECK(all_close(there.b, here.b, 1e-4, 1e-6));
}

TEST_CASE("what repeats is launched as a graph, and computes the same", "[cuda]") {
  const OnFakes fakes;
  const Trained replayed = train(on_cuda());
  CHECK(fakes.control.count("cuGraphLaunch") > 0);
  fakes.control.reset();
  Options stepwise = on_cuda();
  stepwise.cuda_graphs = false;
  const Trained launched = train(stepwise);
  CHECK(fakes.control.count("cuGraphLaunch") == 0);
  CHECK(equal(replayed.w, launched.w));
  CHECK(replayed.losses == launched.losses);
}

TEST_CASE("the network with dropout and RMSProp trains on a device as on the CPU", "[cuda]") {
  const OnFakes fakes;
  const auto losses = [](const Options& options) {
    network::Model model(network::start_values(1));
    const Function step = model.step(options);
    const Array x = ramp({12, 16}, -1, 0.01F);
    Array y = Array::empty<std::int32_t>({12});
    for (int i = 0; i < 12; ++i) y.data<std::int32_t>()[i] = i % 10;
    std::vector<float> all;
    for (int i = 0; i < 6; ++i) all.push_back(step({x, y})[0].item<float>());
    return all;
  };
  const auto there = losses(on_cuda()), here = losses(on_cpu());
  for (std::size_t i = 0; i < here.size(); ++i) CHECK(there[i] == Approx(here[i]).epsilon(1e-4));
}

TEST_CASE("a position out of range changes nothing on a device either", "[cuda]") {
  const OnFakes fakes;
  const auto attempt = [](const Options& options) {
    const Expr x = matrix<float>("x"), at = vector<std::int64_t>("at");
    const auto total = shared(Array::zeros<float>({3}), "total");
    Options o = options;
    o.updates = {{total, total + 1.0F}};
    const Function f = function({x, at}, {sum(index(x, {at}))}, o);
    const std::string message = error_of<IndexError>([&] {
      f({ramp({4, 3}), Array::from<std::int64_t>({0, 3, 9, 1})});
    });
    CHECK(total.get().at<float>({0}) == 0);
    const Array right = f({ramp({4, 3}), Array::from<std::int64_t>({0, -1})})[0];
    CHECK(total.get().at<float>({0}) == 1);
    return std::pair{message, right.item<float>()};
  };
  const auto there = attempt(on_cuda()), here = attempt(on_cpu());
  CHECK_FALSE(here.first.empty());
  CHECK(there.first == here.first);
  CHECK(there.second == Approx(here.second));
}

TEST_CASE("gradients of repeated positions are added up on a device", "[cuda]") {
  const OnFakes fakes;
  const Expr x = matrix<float>("x"), at = vector<std::int64_t>("at");
  const Expr g = grad(sum(index(x, {at}) * index(x, {at})), x);
  const std::vector<Array> arguments{ramp({6, 3}), Array::from<std::int64_t>({1, 5, 1, 1, 0})};
  CHECK(all_close(function({x, at}, {g}, on_cuda())(arguments)[0],
                  function({x, at}, {g}, on_cpu())(arguments)[0]));
}

TEST_CASE("batched products of every layout run on a device", "[cuda]") {
  const OnFakes fakes;
  const Expr a = tensor<float>({dim(), dim(), dim(), dim()}, "a"),
             b = tensor<float>({dim(), dim(), dim()}, "b");
  // The second operand is the same for all of the first batch axis, so batches are not regular.
  const Expr c = matmul(a, b), d = matmul(transpose(a, {1, 0, 3, 2}), expand_dims(b, {1}));
  const std::vector<Array> arguments{ramp({2, 3, 4, 5}), ramp({3, 5, 6}, 1, -0.02F)};
  CHECK(all_close(function({a, b}, {c}, on_cuda())(arguments)[0],
                  function({a, b}, {c}, on_cpu())(arguments)[0], 1e-5));
  const std::vector<Array> others{ramp({2, 3, 5, 4}), ramp({3, 5, 6}, 1, -0.02F)};
  CHECK(all_close(function({a, b}, {d}, on_cuda())(others)[0],
                  function({a, b}, {d}, on_cpu())(others)[0], 1e-5));
}

TEST_CASE("large products go to the library, also those that accumulate", "[cuda]") {
  const OnFakes fakes;
  const auto results = [](const Options& options) {
    const Expr x = matrix<float>("x"), y = matrix<float>("y");
    const auto w = shared(ramp({130, 140}, 0, 0.001F), "w");
    Options o = options;
    o.updates = {{w, w - 0.5F * dot(transpose(x), y)}};
    const Function f = function({x, y}, {dot(x, dot(transpose(x), y))}, o);
    const Array out = f({ramp({128, 130}, 0, 1e-5F), ramp({128, 140}, 1, -1e-5F)})[0];
    return std::pair{out.to_host(), w.get()};
  };
  const auto there = results(on_cuda());
  CHECK(fakes.control.count("cublasLtMatmul") >= 2);
  const auto here = results(on_cpu());
  CHECK(all_close(there.first, here.first, 1e-4));
  CHECK(all_close(there.second, here.second, 1e-4, 1e-4));
}

TEST_CASE("arguments may lie anywhere, in any layout", "[cuda]") {
  const OnFakes fakes;
  const Expr x = matrix<float>("x"), y = matrix<float>("y");
  const Function f = function({x, y}, {x - 2.0F * y}, on_cuda());
  const Array a = ramp({6, 8}), b = ramp({8, 6}, 3).transpose();
  const Array right = function({x, y}, {x - 2.0F * y}, on_cpu())({a, b})[0];
  const Device first = parse_device("cuda"), second = parse_device("cuda:1");
  CHECK(equal(f({to_device(a, first), b})[0], right));
  CHECK(equal(f({to_device(a, second), to_device(b, first)})[0], right));
  // A view that begins in the middle of 16 bytes, and one that is not dense.
  const Array wide = to_device(ramp({7, 9}), first);
  const Array there = wide.slice(0, 1).slice(1, 1), host = ramp({7, 9}).slice(0, 1).slice(1, 1);
  CHECK(equal(f({there, there})[0], f({host, host})[0]));
  Array given = to_device(Array::zeros<float>({6, 8}), second), mine = Array::zeros<float>({6, 8});
  f.call_into({a, b}, {given});
  CHECK(equal(given, right));
  f.call_into({a, b}, {mine});
  CHECK(equal(mine, right));
  Array own = to_device(a, first);
  f.call_into({own, b}, {own});
  CHECK(equal(own, right));
}

TEST_CASE("calls do not wait for each other's work, and readers do", "[cuda]") {
  const OnFakes fakes;
  fakes.control.set_deferred(true);
  const Expr x = vector<float>("x");
  const Function f = function({x}, {2.0F * x}, on_cuda("f")),
                 g = function({x}, {x + 1.0F}, on_cuda("g"));
  const Array xs = ramp({100});
  f({xs});
  fakes.control.reset();
  fakes.control.set_deferred(true);
  Array at = xs;
  for (int i = 0; i < 3; ++i) at = g({f({at})[0]})[0];
  CHECK(fakes.control.count("cuStreamSynchronize") == 0);
  Array right = xs.copy();
  for (std::int64_t i = 0; i < 100; ++i)
    for (int n = 0; n < 3; ++n) right.data<float>()[i] = 2 * right.data<float>()[i] + 1;
  CHECK(equal(at, right));
}

TEST_CASE("a shared variable follows the functions that use it", "[cuda]") {
  const OnFakes fakes;
  auto total = shared(Array::zeros<float>({4}), "total");
  const Expr x = vector<float>("x");
  const auto adding = [&](const std::string& target) {
    return function({x}, std::vector<Expr>{}, {.updates = {{total, total + x}}, .target = target});
  };
  const Function here = adding("host"), there = adding("cuda"), elsewhere = adding("cuda:1");
  const Array one = Array::full<float>({4}, 1);
  for (const Function& f : {here, there, elsewhere, there, here, elsewhere}) f({one});
  CHECK(equal(total.get(), Array::full<float>({4}, 6)));
  total.set(Array::full<float>({4}, 10));
  there({one});
  CHECK(equal(total.get(), Array::full<float>({4}, 11)));
}

TEST_CASE("memory comes again, and is given back on request", "[cuda]") {
  const OnFakes fakes;
  const Device device = parse_device("cuda");
  const Expr x = vector<float>("x");
  const Function f = function({x}, {2.0F * x}, on_cuda());
  const Array xs = ramp({10000});
  f({xs});
  const DeviceMemoryStats before = device_memory_stats(device);
  for (int i = 0; i < 5; ++i) f({xs});
  const DeviceMemoryStats after = device_memory_stats(device);
  CHECK(after.taken == before.taken + 5);
  CHECK(after.reused == before.reused + 5);
  CHECK(trim(device) == after.kept);
  CHECK(device_memory_stats(device).kept == 0);
}

TEST_CASE("Mode::verify checks functions on devices", "[cuda]") {
  const OnFakes fakes;
  Options o = on_cuda();
  o.mode = Mode::verify;
  const Expr x = matrix<float>("x");
  const Function f = function({x}, {softmax(x), sum(x * x, {0})}, o);
  CHECK(f({ramp({5, 9})})[0].shape() == Shape{5, 9});
}

TEST_CASE("a device that is not there is named", "[cuda]") {
  const OnFakes fakes;
  const Expr x = vector<float>("x");
  const std::string message =
      error_of<DeviceError>([&] { function({x}, {x + 1.0F}, {.target = "cuda:7"}); });
  CHECK(message.find("there is no device cuda:7") != message.npos);
  CHECK(doctor().find("cuda:1") != std::string::npos);
}

TEST_CASE("functions for devices come whole out of the cache", "[cuda]") {
  const OnFakes fakes;
  const TempDir dir;
  const Expr x = matrix<float>("x");
  const auto made = [&](std::uint64_t max_bytes) { // each a cache of its own on one directory
    Options o = on_cuda();
    o.specialize = Specialize::off;
    o.cache = CacheOptions{.directory = dir.path().string(), .max_bytes = max_bytes};
    return function({x}, {softmax(dot(x, transpose(x)))}, o);
  };
  const Array xs = ramp({6, 4});
  const Function first = made(1 << 20), second = made(2 << 20);
  CHECK(first.stats().compiled > 0);
  CHECK(second.stats().compiled == 0);
  CHECK(second.stats().plan_origin == "disk");
  CHECK(equal(first({xs})[0], second({xs})[0]));
  CHECK(second.source().find("__global__") != std::string::npos);
}

TEST_CASE("many threads may call functions for a device at once", "[cuda]") {
  const OnFakes fakes;
  auto total = shared(Array::zeros<float>({4}), "total");
  const Expr x = vector<float>("x");
  const Function add =
      function({x}, {2.0F * x}, {.updates = {{total, total + x}}, .target = "cuda"});
  const Array one = Array::full<float>({4}, 1), two = Array::full<float>({4}, 2);
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&] {
        for (int i = 0; i < 10; ++i)
          if (equal(add({one})[0], two)) ++right;
      });
  }
  CHECK(right == 40);
  CHECK(equal(total.get(), Array::full<float>({4}, 40)));
}

} // namespace kroton::test
