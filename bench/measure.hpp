#pragma once
/// Rounds, medians and spread.
///
///   std::vector<Row> rows = measure(c, prepared, setting, {.rounds = 25});
#include "bench/case.hpp"

namespace bench {

struct Row {
  std::string suite, name, size;
  int threads = 1;
  std::string system;
  double median_ns = 0, p10_ns = 0, p90_ns = 0;
  std::optional<double> of_limit; ///< the median over rounds of our time by the limit's
  std::optional<double> bounded;  ///< the same, less what the bound sets aside
  std::optional<double> of_peer;  ///< as of_limit, by the time of `peer`
  std::string peer;               ///< the fastest of the other libraries, if there are any
  std::optional<double> speedup;  ///< one thread's median by ours
  std::optional<double> least_speedup;
  double bytes_per_s = 0, flops_per_s = 0; ///< by the median; 0 where the work is not told
  Bound bound = {};
  std::optional<Remark> remark = {};

  bool is_over() const;
};

struct Rounds {
  int rounds = 25;
  int single_shots = 9;  ///< rounds of cases that start processes or compile
  double round_ns = 4e6; ///< how long each system works in a round, at least one repetition
};

/// Measures all systems round by round, in turns, so that whatever else the machine does meets all
/// of them alike; the order turns too. Before its time is taken each works untimed for half as
/// long, since the caches are full of the arrays of whoever was before.
std::vector<Row> measure(const Case& what, const Prepared& prepared, const Setting& setting,
                         const Rounds& rounds);

} // namespace bench
