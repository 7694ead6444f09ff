/// What calls for a CUDA device cost the host: with a driver that does nothing, so on any machine,
/// and the driver's own time not counted. Each case is a process of its own (host/host.cpp), since
/// a process has one driver.
#include "bench/process.hpp"
#include "bench/start.hpp"
#include "bench/suites/suites.hpp"

#include <memory>

#include <fmt/format.h>

namespace bench {
namespace {

struct Kind {
  const char *name, *size;
  const char *work, *where; ///< of host.cpp
  Bound bound = {};
};

constexpr Bound small_part = {.ns = 2000}; ///< of the 6 µs that a captured step may take

constexpr Kind kinds[] = {
    {"z = x + y, there", "10", "add", "device", small_part},
    {"z = x + y, from the host", "10", "add", "host", small_part},
    {"z = x + y, there, moving", "10", "add", "moving"},
    {"captured step", "32", "update", "device", small_part},
    {"captured step, network, there", "128", "network", "device", small_part},
    {"captured step, network, from the host", "128", "network", "host", small_part},
    {"captured step, network, there, moving", "128", "network", "moving"},
};

Prepared prepare(const Kind& kind) {
  const std::string driver = beside_this("host/libidle-cuda.so");
  const auto process = std::make_shared<Process>(
      std::vector<std::string>{beside_this("host/host"), kind.work, kind.where},
      std::vector<std::pair<std::string, std::string>>{{"KROTON_CUDA_DRIVER", driver},
                                                       {"KROTON_NVRTC", driver},
                                                       {"KROTON_CUBLASLT", "off"},
                                                       {"KROTON_CACHE", "off"}});
  const auto time = [process](long repetitions) {
    process->write_line(fmt::format("{}", repetitions));
    const auto line = process->read_line();
    if (!line) throw std::runtime_error("host ended without a figure");
    return std::stod(*line);
  };
  Prepared prepared;
  prepared.systems = {{.name = "kroton", .time = time, .bound = kind.bound}};
  return prepared;
}

} // namespace

void add_host_cases(std::vector<Case>& cases) {
  for (const Kind& kind : kinds)
    cases.push_back({.suite = "host",
                     .name = kind.name,
                     .size = kind.size,
                     .prepare = [&](const Setting&) { return prepare(kind); },
                     .has_threads = false});
}

} // namespace bench
