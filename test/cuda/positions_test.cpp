/// Calls with positions on a CUDA device: when they wait for it, and that an IndexError comes from
/// the call itself, before anything is updated, whether they wait or not.
#include <atomic>
#include <thread>
#include <utility>
#include <vector>

#include "examples/network/model.hpp"
#include "test/cuda/on_fakes.hpp"
#include "test/support/unfamiliar_ops.hpp"

namespace kroton::test {
namespace {

constexpr std::int64_t classes = 5, features = 4;

Array labels(std::int64_t n, std::int32_t shift = 0) {
  Array y = Array::empty<std::int32_t>({n});
  for (std::int64_t i = 0; i < n; ++i)
    y.data<std::int32_t>()[i] = static_cast<std::int32_t>((i * 7 + shift) % classes);
  return y;
}

Array with(Array y, std::int64_t at, std::int32_t value) {
  y = y.copy();
  y.data<std::int32_t>()[at] = value;
  return y;
}

/// A version for certain sizes, compiled meanwhile, would wait for the device now and then.
Options on_one_version(std::string name = "f") {
  Options options = on_cuda(std::move(name));
  options.specialize = Specialize::off;
  return options;
}

Array to_cuda(const Array& a) { return to_device(a, parse_device("cuda")); }

/// The same on the device, where nobody knows what they are: they come from floats.
Array of_unknown_range(const Array& y) {
  const Expr v = vector<double>("v");
  static const Function f = function({v}, cast(v, DType::i32), on_one_version("unknown"));
  return f({y.astype(DType::f64)})[0];
}

/// A step of softmax regression that also counts its calls.
struct Regression {
  Shared w = shared(ramp({features, classes}, -0.3F), "w");
  Shared steps = shared(Array::zeros<std::int32_t>({}), "steps");
  Function step;

  explicit Regression(const Options& options = on_one_version("train")) : step(compiled(options)) {}
  /// A call that takes the variables to the device.
  void warm_up() const { step({ramp({2, features}), labels(2)}); }
  int steps_done() const { return steps.get().item<std::int32_t>(); }

private:
  Function compiled(Options options) const {
    const Expr x = matrix<float>("x"), y = vector<std::int32_t>("y");
    const Expr loss = -mean(index(log_softmax(dot(x, w)), {arange(y.dim(0)), y}));
    options.updates = {{w, w - 0.1F * grad(loss, w)}, {steps, steps + 1}};
    return function({x, y}, loss, options);
  }
};

/// How often the host waits for what the device is asked to do in a call.
template <class F> int waits(const OnFakes& fakes, F&& call) {
  fakes.control.reset();
  call();
  return fakes.control.count("cuStreamSynchronize");
}

} // namespace

TEST_CASE("a training step with labels of the host waits for nothing and is one graph", "[cuda]") {
  const OnFakes fakes;
  Regression r;
  r.warm_up();
  const Array x = to_cuda(ramp({30, features}));
  for (int i = 0; i < 6; ++i) {
    const Array y = labels(30, i);
    CHECK(waits(fakes, [&] { r.step({x, y}); }) == 0);
  }
  CHECK(fakes.control.count("cuGraphLaunch") == 1);
  CHECK(fakes.control.count("cuLaunchKernel") == 0);
  CHECK(fakes.control.count("cuMemcpyDtoHAsync_v2") == 0);
  CHECK(r.steps_done() == 7);
}

TEST_CASE("labels that cannot be told to be in range are waited for, and may be right", "[cuda]") {
  const OnFakes fakes;
  const Expr x = vector<float>("x"), scale = vector<double>("scale");
  const Function f =
      function({x, scale}, index(x, {cast(scale * 2.0, DType::i64)}), on_one_version());
  const Array xs = ramp({4}), at = Array::from<double>({0.5, 1.5, 0});
  for (int i = 0; i < 3; ++i) {
    Array out;
    CHECK(waits(fakes, [&] { out = f({xs, at})[0]; }) == 1);
    CHECK(out.to_vector<float>() ==
          std::vector{xs.at<float>({1}), xs.at<float>({3}), xs.at<float>({0})});
  }
  CHECK_THROWS_AS(f({xs, Array::from<double>({2.0})}), IndexError);
}

TEST_CASE("positions folded in a way that no stage knows of are looked at", "[cuda]") {
  const OnFakes fakes;
  const Expr x = vector<float>("x"), v = vector<std::int64_t>("v");
  const Expr at = ir::make(product, {v}, ir::AxesParams{{0}}, Location::current());
  const Function f = function({x, v}, index(x, {expand_dims(at, {0})}), on_one_version());
  const Array xs = ramp({classes});
  CHECK(f({xs, Array::from<std::int64_t>({2, 2})})[0].to_host().item<float>() ==
        xs.data<float>()[4]);
  // Each factor is a position, and their product is none.
  for (const Array& factors :
       {Array::from<std::int64_t>({2, 4}), to_cuda(Array::from<std::int64_t>({2, 4}))})
    CHECK_THROWS_AS(f({xs, factors}), IndexError);
}

TEST_CASE("labels on the device are looked at once", "[cuda]") {
  const OnFakes fakes;
  Regression r;
  r.warm_up();
  const Array x = to_cuda(ramp({30, features})), y = of_unknown_range(labels(30));
  CHECK(waits(fakes, [&] { r.step({x, y}); }) == 1);
  for (int i = 0; i < 4; ++i) CHECK(waits(fakes, [&] { r.step({x, y}); }) == 0);
  CHECK(fakes.control.count("cuGraphLaunch") == 1);
  // Another function, and a view, of the same memory.
  Regression other;
  other.warm_up();
  CHECK(waits(fakes, [&] { other.step({x, y}); }) == 0);
  CHECK(waits(fakes, [&] { other.step({x.slice(0, 8, 16), y.slice(0, 8, 16)}); }) == 0);
}

TEST_CASE("many labels on the device are looked at when they come again", "[cuda]") {
  const OnFakes fakes;
  const std::int64_t n = 20000;
  const Expr x = vector<float>("x"), y = vector<std::int32_t>("y");
  const Function f = function({x, y}, index(x, {y}), on_one_version());
  const Array xs = to_cuda(ramp({classes})), ys = of_unknown_range(labels(n));
  CHECK(waits(fakes, [&] { f({xs, ys}); }) == 1);
  CHECK(waits(fakes, [&] { f({xs, ys}); }) == 1);
  for (int i = 0; i < 3; ++i) CHECK(waits(fakes, [&] { f({xs, ys}); }) == 0);
  // New ones each time: the host learns of the call no more than whether it failed.
  for (int i = 0; i < 3; ++i) {
    const Array fresh = of_unknown_range(labels(n, i));
    CHECK(waits(fakes, [&] { f({xs, fresh}); }) == 1);
  }
}

TEST_CASE("who writes labels on the device has them looked at again", "[cuda]") {
  const OnFakes fakes;
  Regression r;
  const Array x = to_cuda(ramp({30, features})), y = to_cuda(labels(30));
  const auto step = [&] { r.step({x, y}); };
  for (int i = 0; i < 3; ++i) step();

  copy_elements(y, labels(30, 1));
  CHECK(waits(fakes, step) == 1);
  CHECK(waits(fakes, step) == 0);

  const Expr v = vector<std::int32_t>("v");
  const Function shifted =
      function({v}, cast(cast(v, DType::f32) + 1.0F, DType::i32), on_one_version());
  shifted.call_into({to_cuda(labels(30))}, {y});
  CHECK_THROWS_AS(step(), IndexError);
  CHECK(r.steps_done() == 5);

  copy_elements(y, labels(30, 2));
  CHECK(waits(fakes, step) == 1);
  CHECK(waits(fakes, step) == 0);
  CHECK(r.steps_done() == 7);
}

TEST_CASE("a position out of range is told by its call, whatever calls came before", "[cuda]") {
  const OnFakes fakes;
  const auto attempt = [&](const Options& options, bool is_on_device) {
    Regression r(options);
    const Array x = ramp({30, features});
    const auto placed = [&](const Array& y) { return is_on_device ? to_cuda(y) : y; };
    const Array good = placed(labels(30)), bad = placed(with(labels(30), 17, 9)),
                negative = placed(with(labels(30), 3, -classes - 1)),
                last = placed(with(labels(30), 3, -classes));
    std::vector<std::string> messages;
    for (const Array* y : {&good, &good, &good, &good, &bad, &negative, &last, &bad, &good})
      messages.push_back(error_of<IndexError>([&] { r.step({x, *y}); }));
    CHECK(r.steps_done() == 6);
    return messages;
  };
  const auto here = attempt(on_cpu(), false);
  CHECK(here[4].find("position 9 is outside axis 1") != std::string::npos);
  CHECK(here[5].find("position -6 is outside axis 1") != std::string::npos);
  CHECK(here[6].empty());
  CHECK(attempt(on_one_version("f"), false) == here);
  CHECK(attempt(on_one_version("f"), true) == here);
}

TEST_CASE("batches out of shared variables are taken without waiting", "[cuda]") {
  const OnFakes fakes;
  network::Model model(network::start_values(1));
  const Shared images = shared(ramp({60, network::features}), "images"),
               answers = shared(labels(60), "labels");
  Options options = on_one_version();
  const Function step = model.step_on(images, answers, 12, options);
  const auto at = [&](std::int64_t first) {
    return waits(fakes, [&] { step({Array::scalar<std::int64_t>(first)}); });
  };
  at(0); // which moves the variables to the device, and looks at the labels
  for (std::int64_t first : {12, 24, 36, 48, 0, 12}) CHECK(at(first) == 0);
  const Array before = model.weights()[0].get();
  const auto message = error_of<IndexError>([&] { step({Array::scalar<std::int64_t>(49)}); });
  CHECK(message.find("position 60 is outside axis 0") != std::string::npos);
  CHECK(equal(model.weights()[0].get(), before));

  Shared(answers).set(with(labels(60), 30, network::classes));
  CHECK_THROWS_AS(at(24), IndexError);
  CHECK_NOTHROW(at(0));
}

TEST_CASE("labels that another library may write are waited for", "[cuda]") {
  const OnFakes fakes;
  Regression r;
  const Array x = to_cuda(ramp({30, features}));
  Array y = to_cuda(labels(30));
  const auto step = [&] { r.step({x, y}); };
  for (int i = 0; i < 3; ++i) step();
  DLManagedTensor* lent = to_dlpack(y);
  for (int i = 0; i < 3; ++i) CHECK(waits(fakes, step) == 1);
  lent->deleter(lent);
  CHECK(waits(fakes, step) == 1);
  CHECK(waits(fakes, step) == 0);

  y = from_dlpack(to_dlpack(to_cuda(labels(30))));
  for (int i = 0; i < 3; ++i) CHECK(waits(fakes, step) == 1);
}

TEST_CASE("labels that were copied to the device, and from there, are known there", "[cuda]") {
  const OnFakes fakes;
  Regression r;
  r.warm_up();
  const Array x = to_cuda(ramp({30, features}));
  const Array there = to_cuda(labels(30)), elsewhere = to_device(there, parse_device("cuda:1"));
  Array copy = of_unknown_range(labels(30));
  copy_elements(copy, there);
  for (const Array& y : {there, to_cuda(elsewhere), to_cuda(labels(60).slice(0, {}, {}, 2)), copy})
    CHECK(waits(fakes, [&] { r.step({x, y}); }) == 0);
  // A part that was written tells nothing of the rest.
  copy_elements(copy.slice(0, 0, 15), there.slice(0, 0, 15));
  CHECK(waits(fakes, [&] { r.step({x, copy}); }) == 1);
  const Array bad = to_cuda(with(labels(30), 17, 9));
  CHECK_THROWS_AS(r.step({x, bad}), IndexError);
}

TEST_CASE("a call that takes another's results for positions waits for neither", "[cuda]") {
  const OnFakes fakes;
  const Expr logits = matrix<float>("logits"), table = matrix<float>("table"),
             at = vector<std::int64_t>("at"), tokens = vector<std::int32_t>("tokens");
  const Function best = function({logits}, argmax(logits, 1), on_one_version("best")),
                 clipped = function({tokens}, cast(minimum(maximum(tokens, 0), 5), DType::i64),
                                    on_one_version("clipped")),
                 next = function({at}, at - 1, on_one_version("next")),
                 lookup = function({table, at}, index(table, {at}), on_one_version("lookup"));
  const Array scores = to_cuda(ramp({8, 6})), rows = to_cuda(ramp({6, 3}));
  const Array any = of_unknown_range(labels(8, 3));
  for (int i = 0; i < 3; ++i) {
    fakes.control.set_deferred(i == 2);
    CHECK(waits(fakes, [&] { lookup({rows, best({scores})[0]}); }) == 0);
    CHECK(waits(fakes, [&] { lookup({rows, next({best({scores})[0]})[0]}); }) == 0);
    CHECK(waits(fakes, [&] { lookup({rows, clipped({any})[0]}); }) == 0);
    CHECK(waits(fakes, [&] { lookup({rows, to_cuda(best({scores})[0])}); }) == 0);
  }
  // What may be out of range is looked at, and what is, is told.
  Array far = best({scores})[0];
  for (int i = 0; i < 7; ++i) far = next({far})[0]; // 5 - 7 is a position, 0 - 7 would be none
  CHECK(waits(fakes, [&] { lookup({rows, far}); }) == 1);
  for (int i = 0; i < 5; ++i) far = next({far})[0];
  CHECK_THROWS_AS(lookup({rows, far}), IndexError);
}

TEST_CASE("results that a function had no way of knowing are not looked at for its own sake",
          "[cuda]") {
  const OnFakes fakes;
  const Expr v = vector<std::int32_t>("v");
  const Function f = function({v}, v + 1, on_one_version());
  const Array there = of_unknown_range(labels(30));
  for (int i = 0; i < 3; ++i) CHECK(waits(fakes, [&] { f({there}); }) == 0);
}

TEST_CASE("a variable that counts is a position that is known", "[cuda]") {
  const OnFakes fakes;
  const Shared row = shared(Array::scalar<std::int64_t>(0), "row");
  const Expr x = matrix<float>("x");
  Options options = on_one_version();
  options.updates = {{row, row + 1}};
  const Function f = function({x}, index(x, {row}), options);
  const Array xs = to_cuda(ramp({6, 3}));
  f({xs}); // which moves the variable
  for (int i = 1; i < 6; ++i) CHECK(waits(fakes, [&] { f({xs}); }) == 0);
  CHECK_THROWS_AS(f({xs}), IndexError);
  CHECK(row.get().item<std::int64_t>() == 6);
  Shared(row).set(Array::scalar<std::int64_t>(5));
  f({xs});
  CHECK_THROWS_AS(f({xs}), IndexError);
}

TEST_CASE("gradients of repeated positions do not wait either", "[cuda]") {
  const OnFakes fakes;
  const Expr x = matrix<float>("x"), at = vector<std::int64_t>("at");
  const Function f =
      function({x, at}, grad(sum(index(x, {at}) * index(x, {at})), x), on_one_version());
  const Array xs = to_cuda(ramp({6, 3})), positions = Array::from<std::int64_t>({1, 5, 1, -1, 0});
  for (int i = 0; i < 3; ++i) CHECK(waits(fakes, [&] { f({xs, positions}); }) == 0);
  CHECK_THROWS_AS(f({xs, Array::from<std::int64_t>({1, 6})}), IndexError);
}

TEST_CASE("steps with labels run from many threads", "[cuda]") {
  const OnFakes fakes;
  Regression r;
  std::atomic<int> failures = 0;
  {
    std::vector<std::jthread> threads;
    for (int t = 0; t < 4; ++t)
      threads.emplace_back([&, t] {
        const Array x = ramp({30, features}), good = labels(30, t), bad = with(good, t, classes);
        for (int i = 0; i < 8; ++i)
          if (!error_of<IndexError>([&] { r.step({x, i % 4 == 3 ? bad : good}); }).empty())
            ++failures;
      });
  }
  CHECK(failures == 8);
  CHECK(r.steps_done() == 24);
}

TEST_CASE("Mode::verify checks positions on a device", "[cuda]") {
  const OnFakes fakes;
  Options options = on_one_version("train");
  options.mode = Mode::verify;
  Regression r(options);
  const Array x = ramp({6, features});
  r.step({x, labels(6)});
  CHECK_THROWS_AS(r.step({x, with(labels(6), 2, classes)}), IndexError);
  CHECK(r.steps_done() == 1);
}

} // namespace kroton::test
