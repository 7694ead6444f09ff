#include "bench/peers.hpp"

#include <cmath>
#include <filesystem>
#include <sstream>

#include <fmt/format.h>

namespace bench {

namespace {

namespace fs = std::filesystem;
using Environment = std::vector<std::pair<std::string, std::string>>;

/// Beside the program, where that was moved, else in the tree that it was built from.
std::string script() {
  const fs::path beside = fs::read_symlink("/proc/self/exe").parent_path() / "peers/peers.py";
  return fs::exists(beside) ? beside.string() : KROTON_BENCH_PEERS;
}

Environment with_threads(int threads) {
  const std::string n = std::to_string(threads);
  const std::string is_parallel = threads > 1 ? "true" : "false";
  return {
      {"OMP_NUM_THREADS", n},     {"OPENBLAS_NUM_THREADS", n},
      {"MKL_NUM_THREADS", n},     {"NUMEXPR_NUM_THREADS", n},
      {"NUMEXPR_MAX_THREADS", n}, {"NUMBA_NUM_THREADS", n},
      {"JAX_PLATFORMS", "cpu"},   {"XLA_FLAGS", "--xla_cpu_multi_thread_eigen=" + is_parallel},
  };
}

/// The device's memory is shared with this process: none is taken in advance.
Environment on_gpu() {
  return {{"JAX_PLATFORMS", "cuda"}, {"XLA_PYTHON_CLIENT_PREALLOCATE", "false"}};
}

} // namespace

Peers::Peers(const std::string& python, int threads) {
  process_ =
      std::make_shared<Process>(std::vector<std::string>{python, script(), std::to_string(threads)},
                                threads == 0 ? on_gpu() : with_threads(threads));
  const auto line = process_->read_line();
  if (!line) throw std::runtime_error("peers: " + python + " ended without a word");
  greeting_ = *line;
}

std::string Peers::ask(const std::string& question) {
  process_->write_line(question);
  const auto answer = process_->read_line();
  if (!answer) throw std::runtime_error("peers: the process ended at \"" + question + "\"");
  return *answer;
}

std::vector<System> Peers::prepare(const Case& what, const std::optional<Checksum>& checksum) {
  std::istringstream answer(ask(fmt::format("prepare {} {}", what.name, what.size)));
  std::vector<System> systems;
  std::string name;
  double sum = 0;
  while (answer >> name >> sum) {
    if (checksum && !(std::abs(sum - checksum->sum) <= 1e-5 * checksum->magnitude + 1e-6))
      throw WrongResult(fmt::format("{} {}: {}'s elements sum to {}, ours to {}", what.name,
                                    what.size, name, sum, checksum->sum));
    systems.push_back({.name = name,
                       .time =
                           [this, name](long repetitions) {
                             return std::stod(ask(fmt::format("round {} {}", name, repetitions)));
                           },
                       .is_peer = true});
  }
  return systems;
}

} // namespace bench
