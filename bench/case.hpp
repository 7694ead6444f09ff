#pragma once
/// What is measured: cases, each prepared into systems that do the same work side by side.
///
///   Case{.suite = "softmax", .name = "softmax", .size = "128x10",
///        .prepare = [](const Setting& s) {
///     return Prepared{.systems = {{.name = "kroton", .time = repeat([…] { … })}, …}};
///   }}
#include <chrono>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <kroton/array.hpp>

namespace bench {

/// What a case may depend on.
struct Setting {
  int threads = 1;
};

/// What a figure must stay below; see the issue that set it.
struct Bound {
  std::optional<double> ns = {};       ///< median
  std::optional<double> of_limit = {}; ///< median of the ratios to the hand-written code
  /// Nanoseconds of each sample that do not count for `of_limit`: the call in a small case, which
  /// has a bound of its own.
  double aside_ns = 0;
  std::optional<double> of_peer = {}; ///< median of the ratios to the best peer
};

/// A sample that is no time alone, such as a process: what is worth telling besides.
struct Remark {
  std::string text;
  bool is_violation = false;
};

/// What one repetition has to move and to compute, whoever does it; 0 where that is not told.
struct Cost {
  double bytes = 0; ///< read from memory and written to it, each once
  double flops = 0;
};

struct System {
  std::string name;
  /// Does the work `repetitions` times and returns the nanoseconds it took, all together.
  std::function<double(long repetitions)> time;
  std::function<void()> before_round = {}; ///< not measured
  Bound bound = {};
  std::function<std::optional<Remark>()> remark = {}; ///< asked for after the last round
  bool is_peer = false;                               ///< another library
  Cost cost = {};
};

/// What results of other libraries are compared by: one that was added up in another order differs
/// by a small part of the magnitude.
struct Checksum {
  double sum = 0, magnitude = 0; ///< of the elements, and of their absolute values
};
Checksum checksum_of(const kroton::Array& a);

struct Prepared {
  std::vector<System> systems;
  /// Each round is one repetition and none is spent on warming up: starts and compilations.
  bool is_single_shot = false;
  std::optional<Checksum> checksum = {}; ///< of the result; none where results are random
};

struct Case {
  std::string suite, name, size;
  std::function<Prepared(const Setting&)> prepare;
  bool has_threads = true;       ///< whether it is another case with more threads
  bool is_compute_bound = false; ///< whether n threads must be nearly n times as fast as one
};

/// A result that differs from the hand-written code's.
struct WrongResult : std::runtime_error {
  using std::runtime_error::runtime_error;
};
/// Throws WrongResult unless both agree to `rtol` (and `atol`).
void require_close(std::string_view what, const kroton::Array& ours, const kroton::Array& limit,
                   double rtol, double atol);

using Clock = std::chrono::steady_clock;
inline double ns_since(Clock::time_point start) {
  return std::chrono::duration<double, std::nano>(Clock::now() - start).count();
}

/// A System's `time` from one piece of work. The loop around it is compiled with it, so that a call
/// of a few nanoseconds can be measured.
template <class Work> std::function<double(long)> repeat(Work work) {
  return [work = std::move(work)](long repetitions) mutable {
    const auto start = Clock::now();
    for (long i = 0; i < repetitions; ++i) work();
    return ns_since(start);
  };
}

} // namespace bench
