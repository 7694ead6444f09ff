#include "bench/peers.hpp"

#include <cmath>
#include <sstream>

#include <fmt/format.h>

namespace bench {

Peers::Peers(const std::string& python, int threads) {
  const std::string n = std::to_string(threads);
  const std::string is_parallel = threads > 1 ? "true" : "false";
  const std::vector<std::pair<std::string, std::string>> environment = {
      {"OMP_NUM_THREADS", n},     {"OPENBLAS_NUM_THREADS", n},
      {"MKL_NUM_THREADS", n},     {"NUMEXPR_NUM_THREADS", n},
      {"NUMEXPR_MAX_THREADS", n}, {"NUMBA_NUM_THREADS", n},
      {"JAX_PLATFORMS", "cpu"},   {"XLA_FLAGS", "--xla_cpu_multi_thread_eigen=" + is_parallel},
  };
  process_ = std::make_shared<Process>(std::vector<std::string>{python, KROTON_BENCH_PEERS, n},
                                       environment);
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
