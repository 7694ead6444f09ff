#include "bench/measure.hpp"

#include <algorithm>
#include <cmath>

#include <fmt/format.h>
#include <kroton/core.hpp>

namespace bench {
namespace {

/// The value below which the share `q` of the samples is, interpolated.
double quantile(std::vector<double> samples, double q) {
  std::ranges::sort(samples);
  const double at = q * static_cast<double>(samples.size() - 1);
  const auto low = static_cast<std::size_t>(at);
  const std::size_t high = std::min(low + 1, samples.size() - 1);
  return samples[low] + (at - static_cast<double>(low)) * (samples[high] - samples[low]);
}

/// How often a system works in a round.
long repetitions_for(const System& system, double round_ns) {
  long repetitions = 1;
  for (;;) {
    const double ns = system.time(repetitions);
    if (ns >= round_ns / 4 || repetitions > (1l << 30))
      return std::max(1l,
                      std::lround(static_cast<double>(repetitions) * round_ns / std::max(ns, 1.0)));
    repetitions *= 4;
  }
}

} // namespace

bool Row::is_over() const {
  return (bound.ns && median_ns > *bound.ns) ||
         (bound.of_limit && bounded && *bounded > *bound.of_limit) ||
         (bound.of_peer && of_peer && *of_peer > *bound.of_peer) ||
         (least_speedup && speedup && *speedup < *least_speedup) ||
         (remark && remark->is_violation);
}

void require_close(std::string_view what, const kroton::Array& ours, const kroton::Array& limit,
                   double rtol, double atol) {
  if (kroton::all_close(ours, limit, rtol, atol)) return;
  throw WrongResult(
      fmt::format("{}: the result {} differs from the hand-written code's", what, ours.label()));
}

Checksum checksum_of(const kroton::Array& a) {
  const kroton::Array wide = a.astype<double>();
  const double* p = wide.data<const double>();
  Checksum result;
  for (std::int64_t i = 0; i < wide.numel(); ++i) {
    result.sum += p[i];
    result.magnitude += std::abs(p[i]);
  }
  return result;
}

std::vector<Row> measure(const Case& what, const Prepared& prepared, const Setting& setting,
                         const Rounds& rounds) {
  const auto& systems = prepared.systems;
  std::vector<long> repetitions;
  for (const System& s : systems) {
    if (s.before_round) s.before_round();
    repetitions.push_back(prepared.is_single_shot ? 1 : repetitions_for(s, rounds.round_ns));
  }

  const auto count =
      static_cast<std::size_t>(prepared.is_single_shot ? rounds.single_shots : rounds.rounds);
  std::vector<std::vector<double>> samples(systems.size());
  for (std::size_t round = 0; round < count; ++round)
    for (std::size_t turn = 0; turn < systems.size(); ++turn) {
      const std::size_t s = (round + turn) % systems.size();
      if (systems[s].before_round) systems[s].before_round();
      if (!prepared.is_single_shot) systems[s].time(repetitions[s] / 2 + 1);
      samples[s].push_back(systems[s].time(repetitions[s]) / static_cast<double>(repetitions[s]));
    }

  /// The median over rounds of one system's time, less `aside_ns`, by another's.
  const auto ratio = [&](std::size_t s, std::size_t other, double aside_ns) {
    std::vector<double> ratios;
    for (std::size_t r = 0; r < count; ++r)
      ratios.push_back((samples[s][r] - aside_ns) / samples[other][r]);
    return quantile(ratios, 0.5);
  };
  std::optional<std::size_t> limit, peer;
  for (std::size_t s = 0; s < systems.size(); ++s) {
    if (systems[s].name == "limit") limit = s;
    if (systems[s].is_peer && (!peer || quantile(samples[s], 0.5) < quantile(samples[*peer], 0.5)))
      peer = s;
  }

  std::vector<Row> rows;
  for (std::size_t s = 0; s < systems.size(); ++s) {
    Row row{.suite = what.suite,
            .name = what.name,
            .size = what.size,
            .threads = setting.threads,
            .system = systems[s].name,
            .median_ns = quantile(samples[s], 0.5),
            .p10_ns = quantile(samples[s], 0.1),
            .p90_ns = quantile(samples[s], 0.9),
            .bound = systems[s].bound};
    row.bytes_per_s = systems[s].cost.bytes / row.median_ns * 1e9;
    row.flops_per_s = systems[s].cost.flops / row.median_ns * 1e9;
    if (limit) {
      row.of_limit = ratio(s, *limit, 0);
      row.bounded = ratio(s, *limit, row.bound.aside_ns);
    }
    if (peer && !systems[s].is_peer) {
      row.of_peer = ratio(s, *peer, 0);
      row.peer = systems[*peer].name;
    }
    if (systems[s].remark) row.remark = systems[s].remark();
    rows.push_back(std::move(row));
  }
  return rows;
}

} // namespace bench
