/// One start of a program, measured from its inside. Prints a line:
///   nanoseconds, whether Clang was loaded (0 or 1), kernels compiled, largest resident set in KB,
///   nanoseconds of CPU time of the whole process and all its threads, nanoseconds that making the
///   context of the device that KROTON_TARGET names took, which is done first and not measured else
///
///   startup result PROGRAM      from the first line of main to the first result
///   startup first PROGRAM       function() alone, the first thing the process compiles
///   startup loaded PROGRAM      function() in a process that compiled something else before
///   startup memory PROGRAM      function() when the process has compiled the same before
///   startup grow SHAPE-NODES    building an expression, its gradient, rewriting and planning; the
///                               resident set is what that added
///
/// PROGRAM is regression (a training step of softmax regression), network (one of the network
/// 16-30-30-10), activations (an elementwise chain), or KIND-MANY (see many_of). SHAPE is chain,
/// tree or recurrence (a layer of matrix product, bias and tanh, again and again).
#include <kroton/ops/transcendental.hpp>

#include "bench/resident.hpp"
#include "bench/training.hpp"
#include "examples/network/model.hpp"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <sys/resource.h>

namespace kt = kroton;
using Clock = std::chrono::steady_clock;

namespace {

bool is_clang_loaded() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find("libkroton-clang") != line.npos) return true;
  return false;
}

/// Another function, so that the compiler is there and its pages have been touched.
void compile_something_else() {
  auto x = kt::vector<float>("x");
  kt::function({x}, kt::sum(kt::sqrt(x * x + 1.0f)), {.threads = 1});
}

/// A function that is not compiled yet, and arguments for it.
struct Program {
  std::function<kt::Function()> compile;
  std::vector<kt::Array> arguments;
};

Program regression() {
  const bench::Training t =
      bench::training(kt::Array::zeros<float>({784, 10}), kt::Array::zeros<float>({10}));
  return {[t] { return t.compile(); },
          {kt::Array::full<float>({600, 784}, 0.5f), kt::Array::zeros<std::int32_t>({600})}};
}

Program network_step() {
  auto model = std::make_shared<network::Model>(network::start_values(1));
  return {[model] { return model->step({.threads = 1}); },
          {kt::Array::full<float>({32, network::features}, 0.5f),
           kt::Array::zeros<std::int32_t>({32})}};
}

Program activations() {
  auto x = kt::vector<float>("x"), y = kt::vector<float>("y");
  auto z = kt::tanh(1.5f * x + 0.25f) * kt::sigmoid(-2 * y) + kt::log1p(kt::exp(x));
  const kt::Array ones = kt::Array::full<float>({1000}, 1.0f);
  return {[=] {
            return kt::function({x, y}, z, {.name = "activations", .threads = 1});
          },
          {ones, ones}};
}

/// The i-th of many constants.
float constant(int i) { return 1.25f + 0.5f * static_cast<float>(i); }

/// `many` things of one kind: "outputs" and "reductions" of one input, "inputs" with an output
/// each, "softmaxes" and "layers" one after the other, "updates" of variables by RMSProp.
Program many_of(std::string_view kind, int many) {
  const kt::Expr x = kt::matrix<float>("x");
  const kt::Array xs = kt::Array::full<float>({32, 32}, 0.5f);
  std::vector<kt::Expr> inputs{x}, outputs;
  std::vector<kt::Array> arguments{xs};
  kt::Options options{.name = std::string(kind), .threads = 1};
  kt::Expr chain = x;
  const auto w = kt::shared(kt::Array::full<float>({32, 32}, 0.01f), "w");
  for (int i = 0; i < many; ++i) {
    const float c = constant(i);
    if (kind == "outputs") {
      outputs.push_back(kt::tanh(x * c));
    } else if (kind == "reductions") {
      outputs.push_back(kt::sum(kt::tanh(x * c), {i % 2}));
    } else if (kind == "inputs") {
      inputs.push_back(kt::matrix<float>("y"));
      arguments.push_back(xs);
      outputs.push_back(kt::tanh(inputs.back() * c));
    } else if (kind == "softmaxes") {
      chain = kt::softmax(chain * c);
    } else if (kind == "layers") {
      chain = kt::tanh(kt::dot(chain, w) + c);
    } else {
      const auto p = kt::shared(kt::Array::full<float>({8 + i % 4, 32}, 0.5f), "p"),
                 v = kt::shared(kt::Array::zeros<float>({8 + i % 4, 32}), "v");
      const kt::Expr g = 2 * p * kt::mean(x);
      const kt::Expr square = 0.9f * v + 0.1f * g * g;
      options.updates.push_back({v, square});
      options.updates.push_back({p, p - 0.01f / c * g / (kt::sqrt(square) + 1e-6f)});
    }
  }
  if (outputs.empty()) outputs.push_back(kt::sum(chain));
  return {[=] { return kt::function(inputs, outputs, options); }, arguments};
}

Program make(std::string_view name) {
  if (const auto dash = name.find('-'); dash != name.npos)
    return many_of(name.substr(0, dash), std::stoi(std::string(name.substr(dash + 1))));
  return name == "network" ? network_step() : name == "activations" ? activations() : regression();
}

kt::Expr chain(const kt::Expr& x, long nodes) {
  kt::Expr e = x;
  for (long i = 0; i < nodes; ++i)
    e = i % 4 == 0 ? kt::tanh(e) : i % 4 == 1 ? e * 0.5f : i % 4 == 2 ? kt::sigmoid(e) : e + x;
  return e;
}

/// A balanced sum of products of x and constants.
kt::Expr tree(const kt::Expr& x, long nodes) {
  std::vector<kt::Expr> level;
  for (long i = 0; i < nodes / 2; ++i)
    level.push_back(x * (1.0f + 1.0f / static_cast<float>(i + 1)));
  while (level.size() > 1) {
    std::vector<kt::Expr> next;
    for (std::size_t i = 0; i + 1 < level.size(); i += 2) next.push_back(level[i] + level[i + 1]);
    if (level.size() % 2 != 0) next.push_back(level.back());
    level = std::move(next);
  }
  return level.front();
}

kt::Expr recurrence(const kt::Expr& x, long nodes) {
  const auto w = kt::shared(kt::Array::full<float>({8, 8}, 0.1f), "w");
  const auto b = kt::shared(kt::Array::zeros<float>({8}), "b");
  kt::Expr h = x;
  for (long i = 0; i < nodes / 3; ++i) h = kt::tanh(kt::dot(h, w) + b);
  return h;
}

/// Prints the line of one start for "chain-1000" and the like.
int grow(const std::string& what) {
  const auto dash = what.find('-');
  const std::string shape = what.substr(0, dash);
  const long nodes = std::stol(what.substr(dash + 1));
  const long before_kb = bench::resident_kb();
  const auto start = Clock::now();
  const kt::Expr x = kt::matrix<float>("x");
  const kt::Expr in = kt::tensor<float>({4, 8}, "x");
  const kt::Expr& input = shape == "recurrence" ? in : x;
  const kt::Expr cost = kt::sum(shape == "chain"  ? chain(input, nodes)
                                : shape == "tree" ? tree(input, nodes)
                                                  : recurrence(input, nodes));
  const kt::Expr gradient = kt::grad(cost, input);
  const std::chrono::duration<double, std::nano> expression = Clock::now() - start;
  const kt::Function f = kt::function({input}, {cost, gradient}, {.threads = 1});
  (void)f.graph(); // worked out now if the function came from the cache
  const kt::FunctionStats s = f.stats();
  std::printf("%.0f %d %d %ld 0\n", expression.count() + 1e6 * (s.rewrite_ms + s.plan_ms),
              is_clang_loaded() ? 1 : 0, s.compiled, bench::resident_kb() - before_kb);
  return 0;
}

/// In nanoseconds; 0 where the target is the CPU.
double make_context() {
  const char* target = std::getenv("KROTON_TARGET");
  if (!target || !std::string_view(target).starts_with("cuda")) return 0;
  const auto start = Clock::now();
  kt::to_device(kt::Array::scalar(0.0f), kt::parse_device(target));
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

} // namespace

int main(int argc, char** argv) {
  const double context_ns = make_context();
  auto start = Clock::now();
  const std::string_view mode = argc > 1 ? argv[1] : "result";
  if (mode == "grow") return grow(argc > 2 ? argv[2] : "chain-1000");
  if (mode == "loaded") compile_something_else();
  const Program program = make(argc > 2 ? argv[2] : "regression");
  if (mode == "memory") (void)program.compile();
  if (mode != "result") start = Clock::now();
  const kt::Function f = program.compile();
  if (mode == "result") (void)f(program.arguments);
  const auto ns = std::chrono::nanoseconds(Clock::now() - start).count();

  const long resident_kb = bench::resident_kb();
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto cpu_ns = [](const timeval& t) {
    return t.tv_sec * 1'000'000'000ll + t.tv_usec * 1000ll;
  };
  std::printf("%lld %d %d %ld %lld %.0f\n", static_cast<long long>(ns), is_clang_loaded() ? 1 : 0,
              f.stats().compiled, resident_kb, cpu_ns(usage.ru_utime) + cpu_ns(usage.ru_stime),
              context_ns);
}
