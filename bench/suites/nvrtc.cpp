/// What the first compilation of a function for a CUDA device and its first call wait for, where
/// there is no device: NVRTC, which needs none.
#include "bench/suites/suites.hpp"
#include "bench/training.hpp"
#include "examples/network/model.hpp"
#include "jit/compile/capture.hpp"
#include "jit/cuda/nvrtc.hpp"
#include "jit/cuda/texts.hpp"
#include "jit/function/recipe.hpp"

#include <algorithm>
#include <atomic>
#include <ctime>
#include <memory>
#include <set>
#include <thread>

#include <fmt/format.h>

namespace bench {
namespace {

namespace kt = kroton;
namespace cuda = kt::jit::cuda;

constexpr std::string_view architecture = "sm_90";

/// The texts that function() compiles, and those that a call with batches of `rows` then wants;
/// each once, the longest first, as they are compiled.
std::vector<std::string> texts_of(const std::vector<kt::Expr>& inputs,
                                  const std::vector<kt::Expr>& outputs, const kt::Options& options,
                                  std::int64_t rows) {
  const kt::jit::Recipe recipe{
      kt::jit::make_signature(inputs, outputs, options, kt::Location::current()), options};
  const kt::jit::Derivation d = recipe.plan({}, true);
  std::set<std::string> distinct;
  for (std::int64_t size : {cuda::expected_size, rows})
    for (const kt::jit::KernelText& t : cuda::render_for_device(d.plan, {}, size).kernels)
      if (!t.is_deferred) distinct.insert(*t.text);
  std::vector<std::string> texts(distinct.begin(), distinct.end());
  std::ranges::stable_sort(texts, std::greater{}, &std::string::size);
  return texts;
}

std::vector<std::string> regression() {
  const Training t = training(kt::Array::zeros<float>({784, 10}), kt::Array::zeros<float>({10}));
  return texts_of(t.inputs, t.outputs, t.options, 600);
}

std::vector<std::string> perceptron_784_500_10() {
  const Training t =
      perceptron({kt::Array::zeros<float>({784, 500}), kt::Array::zeros<float>({500}),
                  kt::Array::zeros<float>({500, 10}), kt::Array::zeros<float>({10})},
                 0.1f, 1);
  return texts_of(t.inputs, t.outputs, t.options, 600);
}

std::vector<std::string> network_step() {
  network::Model model(network::start_values(1));
  const network::Training t = model.training();
  return texts_of(t.inputs, {t.loss}, t.options, 128);
}

double cpu_ns() {
  timespec t{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return 1e9 * static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_nsec);
}

std::size_t threads() { return std::max(1u, std::thread::hardware_concurrency()); }

/// On as many threads as functions are compiled on. Returns the time that the longest of them took,
/// which is what a function waits for where each has a CPU.
double compile(const std::vector<std::string>& texts) {
  std::atomic<std::size_t> next = 0;
  std::vector<double> took(texts.size());
  const auto work = [&] {
    for (std::size_t i; (i = next++) < texts.size();) {
      const auto start = Clock::now();
      cuda::compile_with_nvrtc(
          {.source = texts[i], .name = "kernel", .arguments = cuda::nvrtc_arguments(architecture)});
      took[i] = ns_since(start);
    }
  };
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < std::min(texts.size(), threads()); ++i) others.emplace_back(work);
  work();
  others.clear();
  return std::ranges::max(took);
}

Prepared prepare(std::vector<std::string> (*make)(), const Bound& bound) {
  struct State {
    std::vector<std::string> texts;
    double least_cpu_ns = 1e18, least_longest_ns = 1e18;
  };
  auto state = std::make_shared<State>(State{make()});
  compile({"extern \"C\" __global__ void nothing() {}\n"}); // opens the library
  Prepared prepared;
  prepared.systems.push_back(
      {.name = "kroton",
       .time =
           [=](long) {
             const double cpu = cpu_ns();
             const auto start = Clock::now();
             const double longest = compile(state->texts);
             const double took = ns_since(start);
             state->least_longest_ns = std::min(state->least_longest_ns, longest);
             state->least_cpu_ns = std::min(state->least_cpu_ns, cpu_ns() - cpu);
             return took;
           },
       .bound = bound,
       .remark = [=]() -> std::optional<Remark> {
         return Remark{fmt::format("{} kernels for {}, {:.0f} ms of CPU, {} threads; "
                                   "the longest {:.0f} ms",
                                   state->texts.size(), architecture, state->least_cpu_ns / 1e6,
                                   threads(), state->least_longest_ns / 1e6)};
       }});
  prepared.is_single_shot = true;
  return prepared;
}

} // namespace

std::optional<std::string> missing_nvrtc() {
  const std::string problem = cuda::nvrtc_problem();
  return problem.empty() ? std::nullopt : std::optional(problem);
}

void add_nvrtc_cases(std::vector<Case>& cases) {
  const auto add = [&](const std::string& size, std::vector<std::string> (*make)(),
                       const Bound& bound) {
    cases.push_back({.suite = "nvrtc",
                     .name = "compile, cold",
                     .size = size,
                     .prepare = [=](const Setting&) { return prepare(make, bound); },
                     .has_threads = false});
  };
  add("regression 600", regression, {.ns = 250e6});
  add("perceptron 600", perceptron_784_500_10, {});
  add("network 128", network_step, {.ns = 250e6});
}

} // namespace bench
