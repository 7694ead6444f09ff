#pragma once
/// Other libraries, measured by a Python process that works when it is told to, so that their
/// rounds stand between ours.
///
///   Peers peers(python, 1);
///   for (System& s : peers.prepare(c, prepared.checksum))
///   prepared.systems.push_back(std::move(s));
///
/// The process is bench/peers/peers.py, which says what is written and answered.
#include <memory>

#include "bench/case.hpp"
#include "bench/process.hpp"

namespace bench {

class Peers {
public:
  /// With 0 threads the libraries work on the GPU. Throws std::runtime_error if the process does
  /// not start.
  Peers(const std::string& python, int threads);

  /// "numpy 2.3.5, numexpr 2.14.1; missing: torch".
  const std::string& greeting() const { return greeting_; }
  /// The libraries that have this case. Throws WrongResult if one computes something else.
  std::vector<System> prepare(const Case& what, const std::optional<Checksum>& checksum);

private:
  std::string ask(const std::string& question);

  std::shared_ptr<Process> process_;
  std::string greeting_;
};

} // namespace bench
