/// The same functions on a CUDA device, arguments and results in its memory. Where memory is the
/// bound, the limit is the driver's own copy of as many bytes.
#include <kroton/ops/transcendental.hpp>

#include "bench/device_copy.hpp"
#include "bench/inputs.hpp"
#include "bench/suites/suites.hpp"
#include "bench/training.hpp"
#include "examples/network/model.hpp"

#include <cstdlib>
#include <memory>
#include <thread>

#include <fmt/format.h>

namespace bench {
namespace {

namespace kt = kroton;

/// The device that KROTON_TARGET names, else the first.
kt::Device gpu() {
  const char* target = std::getenv("KROTON_TARGET");
  const bool is_named = target && std::string_view(target).starts_with("cuda");
  return kt::parse_device(is_named ? target : "cuda");
}

kt::Options on_gpu(const char* name) { return {.name = name, .target = kt::to_string(gpu())}; }

std::vector<kt::Array> there(const std::vector<kt::Array>& arrays) {
  std::vector<kt::Array> result;
  for (const kt::Array& a : arrays) result.push_back(kt::to_device(a, gpu()));
  return result;
}

/// Calls that the device works on while the host makes the next ones, up to the end of the last.
std::function<double(long)> calls(const kt::Function& f, const std::vector<kt::Array>& arguments) {
  return [=](long repetitions) {
    const auto start = Clock::now();
    for (long i = 0; i < repetitions; ++i) (void)f(arguments);
    kt::synchronize(gpu());
    return ns_since(start);
  };
}

/// The first calls, after which a version for their sizes and a graph of the step are in use.
void settle_on_gpu(const kt::Function& f, const std::vector<kt::Array>& arguments) {
  const auto end = Clock::now() + std::chrono::seconds(2);
  for (int i = 0; i < 8 || (f.stats().versions.empty() && Clock::now() < end); ++i) {
    (void)f(arguments);
    if (i >= 8) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  kt::synchronize(gpu());
}

/// A function that has to read and write `bytes`, which takes at least `share` of what the device's
/// copy reaches.
Prepared bound_by_memory(const kt::Function& f, const std::vector<kt::Array>& arguments,
                         double bytes, double share) {
  const std::vector<kt::Array> placed = there(arguments);
  Prepared prepared;
  prepared.checksum = checksum_of(f(placed)[0].to_host());
  const DeviceCopy copy(gpu(), static_cast<std::size_t>(bytes / 2));
  prepared.systems = {{.name = "kroton",
                       .time = calls(f, placed),
                       .bound = {.of_limit = 1 / share},
                       .cost = {.bytes = bytes}},
                      {.name = "limit",
                       .time = [=](long repetitions) { return copy.time(repetitions); },
                       .cost = {.bytes = bytes}}};
  return prepared;
}

// ---- elementwise
// ----------------------------------------------------------------------------------

constexpr double elementwise_share = 0.92, rows_share = 0.88;

kt::Expr linear(const kt::Expr& x, const kt::Expr& y) { return 2 * x + 3 * y - 1; }
kt::Expr activations(const kt::Expr& x, const kt::Expr& y) {
  return kt::tanh(1.5f * x + 0.25f) * kt::sigmoid(-2.0f * y) + kt::log1p(kt::exp(x));
}

Prepared elementwise(kt::Expr (*build)(const kt::Expr&, const kt::Expr&), std::int64_t n) {
  auto x = kt::vector<float>("x"), y = kt::vector<float>("y");
  const kt::Function f = kt::function({x, y}, build(x, y), on_gpu("elementwise"));
  return bound_by_memory(f, {inputs<float>({n}, 1), inputs<float>({n}, 2)},
                         12.0 * static_cast<double>(n), elementwise_share);
}

// ---- rows and columns
// -----------------------------------------------------------------------------

struct RowCase {
  const char* name;
  kt::Expr (*build)(const kt::Expr& x, const kt::Expr& gain, const kt::Expr& shift);
  bool is_scaled = false;  ///< takes gain and shift
  bool gives_rows = false; ///< as many elements as x
};

const RowCase row_cases[] = {
    {.name = "softmax f32",
     .build = [](auto& x, auto&, auto&) { return kt::softmax(x); },
     .gives_rows = true},
    {.name = "log-softmax f32",
     .build = [](auto& x, auto&, auto&) { return kt::log_softmax(x); },
     .gives_rows = true},
    {.name = "layer norm f32",
     .build =
         [](auto& x, auto& gain, auto& shift) {
           auto centred = x - kt::mean(x, {1}, true);
           auto variance = kt::mean(centred * centred, {1}, true);
           return centred / kt::sqrt(variance + 1e-5f) * gain + shift;
         },
     .is_scaled = true,
     .gives_rows = true},
    {.name = "sum, axis 0 f32", .build = [](auto& x, auto&, auto&) { return kt::sum(x, {0}); }},
    {.name = "sum, axis 1 f32", .build = [](auto& x, auto&, auto&) { return kt::sum(x, {1}); }},
    {.name = "mean, axis 0 f32", .build = [](auto& x, auto&, auto&) { return kt::mean(x, {0}); }},
    {.name = "mean, axis 1 f32", .build = [](auto& x, auto&, auto&) { return kt::mean(x, {1}); }},
};

Prepared over_rows(const RowCase& what, std::int64_t rows, std::int64_t columns) {
  auto x = kt::matrix<float>("x");
  auto gain = kt::vector<float>("gain"), shift = kt::vector<float>("shift");
  std::vector<kt::Expr> symbols = {x};
  std::vector<kt::Array> arguments = {inputs<float>({rows, columns}, 1)};
  if (what.is_scaled) {
    symbols.insert(symbols.end(), {gain, shift});
    for (const std::uint32_t stream : {2u, 3u})
      arguments.push_back(inputs<float>({columns}, stream));
  }
  const kt::Function f = kt::function(symbols, what.build(x, gain, shift), on_gpu("rows"));
  const double numel = static_cast<double>(rows) * static_cast<double>(columns);
  return bound_by_memory(f, arguments, (what.gives_rows ? 8 : 4) * numel, rows_share);
}

// ---- products and training
// ------------------------------------------------------------------------

Prepared product(std::int64_t n) {
  auto a = kt::matrix<float>("a"), b = kt::matrix<float>("b");
  const kt::Function f = kt::function({a, b}, kt::dot(a, b), on_gpu("product"));
  const std::vector<kt::Array> placed = there({inputs<float>({n, n}, 1), inputs<float>({n, n}, 2)});
  Prepared prepared;
  prepared.checksum = checksum_of(f(placed)[0].to_host());
  prepared.systems = {{.name = "kroton",
                       .time = calls(f, placed),
                       .cost = {.flops = 2 * std::pow(static_cast<double>(n), 3)}}};
  return prepared;
}

/// A perceptron's sizes, input to output.
struct Widths {
  std::int64_t features = 784, hidden = 500, classes = 10;
};

kt::Array weights(const kt::Shape& shape, std::uint32_t stream, float scale) {
  kt::Array w = inputs<float>(shape, stream);
  for (std::int64_t i = 0; i < w.numel(); ++i) w.data<float>()[i] *= scale;
  return w;
}

std::vector<kt::Array> perceptron_start(const Widths& w) {
  return {weights({w.features, w.hidden}, 3, 0.05f), kt::Array::zeros<float>({w.hidden}),
          weights({w.hidden, w.classes}, 4, 0.1f), kt::Array::zeros<float>({w.classes})};
}

std::vector<kt::Array> perceptron_batch(const Widths& w, std::int64_t rows) {
  return {inputs<float>({rows, w.features}, 1),
          labels(rows, static_cast<std::uint32_t>(w.classes), 2)};
}

/// The products of a step: two forward, and of the backward ones all but that for x.
double perceptron_flops(const Widths& w, std::int64_t rows) {
  return 2.0 * static_cast<double>(rows * w.hidden * (2 * w.features + 3 * w.classes));
}

/// A system that starts each round from the same parameters.
System training_system(const kt::Function& step, const std::vector<kt::Array>& arguments,
                       std::function<void()> restart, const Bound& bound) {
  settle_on_gpu(step, arguments);
  return {.name = "kroton",
          .time = calls(step, arguments),
          .before_round = std::move(restart),
          .bound = bound};
}

Prepared perceptron_step(const Widths& widths, std::int64_t rows) {
  const std::vector<kt::Array> start = perceptron_start(widths);
  Training t = perceptron(start, 0.01f, 1);
  t.options.target = kt::to_string(gpu());
  const kt::Function step = t.compile();
  const std::vector<kt::Array> placed = there(perceptron_batch(widths, rows));
  Prepared prepared;
  prepared.checksum = checksum_of(step(placed)[0].to_host());
  const auto restart = [=, parameters = t.parameters]() mutable {
    for (std::size_t i = 0; i < start.size(); ++i) parameters[i].set(start[i]);
  };
  prepared.systems = {training_system(step, placed, restart, {.of_peer = 1.0})};
  prepared.systems[0].cost.flops = perceptron_flops(widths, rows);
  return prepared;
}

Prepared network_step(std::int64_t rows) {
  const std::vector<kt::Array> start = network::start_values(1);
  const auto model = std::make_shared<network::Model>(start);
  const kt::Function step = model->step(on_gpu("network"));
  const std::vector<kt::Array> placed =
      there({inputs<float>({rows, network::features}, 1), labels(rows, network::classes, 2)});
  const auto restart = [=] {
    for (std::size_t i = 0; i < start.size(); ++i) {
      kt::Shared w = model->weights()[i], s = model->squares()[i];
      w.set(start[i]);
      s.set(kt::Array::zeros<float>(start[i].shape()));
    }
  };
  Prepared prepared;
  prepared.systems = {training_system(step, placed, restart, {.of_peer = 0.5})};
  return prepared;
}

/// What the host needs for a step whose work is next to nothing.
Prepared captured_step() {
  const auto w = kt::shared(kt::Array::zeros<float>({32}), "w");
  kt::Options options = on_gpu("captured step");
  options.updates = {{w, 0.5f * w + 1.0f}};
  const kt::Function step = kt::function({}, std::vector<kt::Expr>{}, options);
  settle_on_gpu(step, {});
  Prepared prepared;
  prepared.systems = {{.name = "kroton", .time = calls(step, {}), .bound = {.ns = 6000}}};
  return prepared;
}

// ---- CPU to GPU
// -----------------------------------------------------------------------------------

/// What is compiled for the CPU travels in the cache of a bundle to machines without a compiler: so
/// for a level instead of this CPU, and for any sizes.
kt::Options on_cpu() {
  return {.name = "beside the GPU",
          .target = "x86-64-v4,x86-64-v3,x86-64-v2",
          .specialize = kt::Specialize::off};
}

/// Both functions beside each other, the CPU's with all cores.
Prepared beside_cpu(const std::function<kt::Function(const kt::Options&)>& compile,
                    const std::vector<kt::Array>& arguments) {
  const auto fastest = std::make_shared<std::array<double, 2>>();
  *fastest = {1e30, 1e30};
  const auto watched = [=](std::size_t which, std::function<double(long)> time) {
    return [=](long repetitions) {
      const double ns = time(repetitions);
      double& least = (*fastest)[which];
      least = std::min(least, ns / static_cast<double>(repetitions));
      return ns;
    };
  };
  const kt::Function there_f = compile(on_gpu("beside the CPU"));
  const std::vector<kt::Array> placed = there(arguments);
  settle_on_gpu(there_f, placed);
  Prepared prepared;
  prepared.systems.push_back(
      {.name = "kroton",
       .time = watched(0, calls(there_f, placed)),
       .remark = [=]() -> std::optional<Remark> {
         if ((*fastest)[1] == 1e30) return std::nullopt;
         return Remark{fmt::format("{:.0f} x the CPU's speed", (*fastest)[1] / (*fastest)[0])};
       }});
  try {
    const kt::Function here = compile(on_cpu());
    const std::vector<kt::Array> outputs = here(arguments);
    prepared.systems.push_back(
        {.name = fmt::format("cpu, {} threads", std::thread::hardware_concurrency()),
         .time = watched(1, repeat([=] { here.call_into(arguments, outputs); }))});
  } catch (const kt::CompileError& e) {
    fmt::print("note: no CPU beside the GPU: {}\n", e.text().message);
  }
  return prepared;
}

kt::Function compile_activations(const kt::Options& options) {
  auto x = kt::vector<float>("x"), y = kt::vector<float>("y");
  return kt::function({x, y}, activations(x, y), options);
}

kt::Function compile_perceptron(const Widths& widths, const kt::Options& options) {
  Training t = perceptron(perceptron_start(widths), 0.01f, 0);
  t.options.target = options.target;
  t.options.specialize = options.specialize;
  return t.compile();
}

Prepared activations_beside_cpu(std::int64_t n) {
  return beside_cpu(compile_activations, {inputs<float>({n}, 1), inputs<float>({n}, 2)});
}

Prepared perceptron_beside_cpu(const Widths& widths, std::int64_t rows) {
  return beside_cpu([=](const kt::Options& o) { return compile_perceptron(widths, o); },
                    perceptron_batch(widths, rows));
}

} // namespace

void compile_beside_gpu() {
  compile_activations(on_cpu());
  compile_perceptron({}, on_cpu());
}

std::optional<std::string> missing_gpu() {
  try {
    kt::to_device(kt::Array::scalar(0.0f), gpu());
    return std::nullopt;
  } catch (const kt::Error& e) {
    return e.text().message;
  }
}

void add_gpu_cases(std::vector<Case>& cases, bool is_small) {
  const auto add = [&](const std::string& name, const std::string& size, auto prepare) {
    cases.push_back({.suite = "gpu",
                     .name = name,
                     .size = size,
                     .prepare = [=](const Setting&) { return prepare(); },
                     .has_threads = false});
  };
  const auto of = [&](std::int64_t large, std::int64_t small) { return is_small ? small : large; };

  const std::int64_t n = of(1 << 28, 1 << 12);
  add("2x + 3y - 1 f32", fmt::format("{}", n), [=] { return elementwise(linear, n); });
  add("activations f32", fmt::format("{}", n), [=] { return elementwise(activations, n); });

  using Sizes = std::pair<std::int64_t, std::int64_t>;
  const Sizes many = {of(65536, 64), of(1000, 100)}, wide = {of(8192, 8), of(32768, 3000)},
              square = {of(16384, 64), of(16384, 64)};
  for (const RowCase& what : row_cases)
    for (const auto& [rows, columns] : what.is_scaled    ? std::vector{many, square}
                                       : what.gives_rows ? std::vector{many, wide}
                                                         : std::vector{square})
      add(what.name, fmt::format("{}x{}", rows, columns),
          [&what, rows = rows, columns = columns] { return over_rows(what, rows, columns); });

  const std::int64_t m = of(8192, 64);
  add("product f32", fmt::format("{}x{}x{}", m, m, m), [=] { return product(m); });
  const Widths w = is_small ? Widths{20, 8, 10} : Widths{};
  for (const std::int64_t rows : {of(60, 6), of(600, 12), of(8192, 24)})
    add("perceptron step f32", fmt::format("{}x{}->{}->{}", rows, w.features, w.hidden, w.classes),
        [=] { return perceptron_step(w, rows); });
  for (const std::int64_t rows : {of(128, 8), of(8192, 16)})
    add("network step f32", fmt::format("{}", rows), [=] { return network_step(rows); });
  add("captured step", "32", captured_step);
  const std::int64_t k = of(1 << 24, 1 << 12), rows = of(600, 6);
  add("beside the CPU: W2 f32", fmt::format("{}", k), [=] { return activations_beside_cpu(k); });
  add("beside the CPU: MLP f32", fmt::format("{}", rows),
      [=] { return perceptron_beside_cpu(w, rows); });
  add_gpu_start_cases(cases);
}

} // namespace bench
