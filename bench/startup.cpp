/// One start of a program that trains, measured from its inside. Prints a line:
///   nanoseconds, whether Clang was loaded (0 or 1), kernels compiled, largest resident set in KB,
///   nanoseconds of CPU time of the whole process and all its threads
///
///   startup result      from the first line of main to the first result of the training step
///   startup first       function() alone, the first thing the process compiles
///   startup loaded      function() in a process that compiled something else before
///   startup memory      function() when the process has compiled the same before
#include "bench/training.hpp"

#include <chrono>
#include <cstdio>
#include <fstream>
#include <string>
#include <string_view>

#include <sys/resource.h>

namespace kt = kroton;
using Clock = std::chrono::steady_clock;

namespace {

bool is_clang_loaded() {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (line.find("libclang") != line.npos || line.find("libLLVM") != line.npos) return true;
  return false;
}

/// Another function, so that the compiler is there and its pages have been touched.
void compile_something_else() {
  auto x = kt::vector<float>("x");
  kt::function({x}, kt::sum(kt::sqrt(x * x + 1.0f)), {.threads = 1});
}

} // namespace

int main(int argc, char** argv) {
  auto start = Clock::now();
  const std::string_view mode = argc > 1 ? argv[1] : "result";
  if (mode == "loaded") compile_something_else();
  const bench::Training t =
      bench::training(kt::Array::zeros<float>({784, 10}), kt::Array::zeros<float>({10}));
  if (mode == "memory") (void)t.compile();
  if (mode != "result") start = Clock::now();
  const kt::Function train = t.compile();
  if (mode == "result") {
    const auto xs = kt::Array::full<float>({600, 784}, 0.5f);
    const auto ys = kt::Array::zeros<std::int32_t>({600});
    if (!(train({xs, ys})[1].item<float>() > 0)) return 1;
  }
  const auto ns = std::chrono::nanoseconds(Clock::now() - start).count();

  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto cpu_ns = [](const timeval& t) {
    return t.tv_sec * 1'000'000'000ll + t.tv_usec * 1000ll;
  };
  std::printf("%lld %d %d %ld %lld\n", static_cast<long long>(ns), is_clang_loaded() ? 1 : 0,
              train.stats().compiled, usage.ru_maxrss,
              cpu_ns(usage.ru_utime) + cpu_ns(usage.ru_stime));
}
