/// Rejection samplers on the CPU.
#include <bit>
#include <cmath>
#include <mutex>

#include "jit/cpu/library.hpp"
#include "lib/ops/variates.hpp"

namespace kroton::jit {
namespace {

/// So many numbers are worth a thread.
constexpr long grain = 512;

const double* operand(const CpuCall& c, std::size_t i) {
  return reinterpret_cast<const double*>(c.operands[i].data);
}

/// Of the failures that threads meet, that of the first element.
class FirstFailure {
public:
  void offer(std::int64_t element, std::int32_t site, double value) {
    const std::lock_guard lock(mutex_);
    if (!failure_ || element < failure_->bound)
      failure_ = ir::Failure{1, site, std::bit_cast<std::int64_t>(value), element};
  }
  const std::optional<ir::Failure>& get() const { return failure_; }

private:
  std::mutex mutex_;
  std::optional<ir::Failure> failure_;
};

/// `f(element, failures)` for each of n elements.
template <class F> void for_each_element(CpuCall& c, std::int64_t n, const F& f) {
  struct Frame {
    const F& f;
    FirstFailure failures;
  } frame{f, {}};
  const auto body = [](void* given, long begin, long end, int) {
    Frame& s = *static_cast<Frame*>(given);
    for (long e = begin; e < end; ++e) s.f(e, s.failures);
  };
  c.runtime->parallel_for(c.runtime, n, grain, body, &frame);
  c.failure = frame.failures.get();
}

/// NaN is what no parameters give, but wrong ones.
template <double (*draw)(double, double)> void of_one_parameter(CpuCall& c) {
  auto* to = reinterpret_cast<double*>(c.results[0].data);
  const double *keys = operand(c, 0), *parameters = operand(c, 1);
  for_each_element(c, c.results[0].numel(), [=](long e, FirstFailure& failures) {
    to[e] = draw(keys[e], parameters[e]);
    if (std::isnan(to[e])) failures.offer(e, 0, parameters[e]);
  });
}

void binomial(CpuCall& c) {
  auto* to = reinterpret_cast<double*>(c.results[0].data);
  const double *keys = operand(c, 0), *trials = operand(c, 1), *p = operand(c, 2);
  for_each_element(c, c.results[0].numel(), [=](long e, FirstFailure& failures) {
    to[e] = ops::binomial_variate(keys[e], trials[e], p[e]);
    if (!std::isnan(to[e])) return;
    const bool is_p = !(p[e] >= 0 && p[e] <= 1);
    failures.offer(e, is_p ? 1 : 0, is_p ? p[e] : trials[e]);
  });
}

void multinomial(CpuCall& c) {
  auto* to = reinterpret_cast<double*>(c.results[0].data);
  const double *keys = operand(c, 0), *trials = operand(c, 1), *weights = operand(c, 2);
  const auto k = static_cast<std::size_t>(c.results[0].shape.back());
  for_each_element(c, c.operands[0].numel(), [=](long e, FirstFailure& failures) {
    const std::span<const double> row(weights + static_cast<std::size_t>(e) * k, k);
    const auto wrong = ops::multinomial_variate(keys[e], trials[e], row,
                                                {to + static_cast<std::size_t>(e) * k, k});
    if (wrong < 0) return;
    const bool is_weight = static_cast<std::size_t>(wrong) < k;
    failures.offer(e, is_weight ? 0 : 1,
                   is_weight ? row[static_cast<std::size_t>(wrong)] : trials[e]);
  });
}

constexpr CpuFunction functions[] = {
    {&ops::log_gamma_variates, nullptr, of_one_parameter<ops::log_gamma_variate>},
    {&ops::poisson_variates, nullptr, of_one_parameter<ops::poisson_variate>},
    {&ops::binomial_variates, nullptr, binomial},
    {&ops::multinomial_variates, nullptr, multinomial},
};

} // namespace

std::span<const CpuFunction> variate_functions() { return functions; }

} // namespace kroton::jit
