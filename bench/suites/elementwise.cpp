/// Elementwise chains, bound by memory or by arithmetic.
#include "bench/inputs.hpp"
#include "bench/limit/limit.hpp"
#include "bench/suites/suites.hpp"

#include <kroton/kroton.hpp>

namespace bench {
namespace {

namespace kt = kroton;

constexpr Bound bound{.of_limit = 1.3};

/// A function of x and y beside the hand-written `by_hand(x, y, z)`.
template <class T, class ByHand>
Prepared side_by_side(const kt::Function& f, std::int64_t n, ByHand by_hand, double rtol,
                      const std::string& what) {
  const kt::Array x = inputs<T>({n}, 1), y = inputs<T>({n}, 2);
  const kt::Array into = kt::Array::zeros<T>({n});
  f.call_into({x, y}, {into});
  Prepared prepared;
  prepared.checksum = sum_of(into);
  const std::vector<kt::Array> arguments = {x, y}, outputs = {into};
  // Small sizes measure the call besides, which has a case and a bound of its own.
  prepared.systems.push_back({.name = "kroton",
                              .time = repeat([=] { f.call_into(arguments, outputs); }),
                              .bound = n >= 100000 ? bound : Bound{}});
  if (limits()) {
    kt::Array z = kt::Array::zeros<T>({n});
    T* out = z.data<T>();
    by_hand(x.data<const T>(), y.data<const T>(), out);
    require_close(what, into, z, rtol, rtol);
    prepared.systems.push_back({.name = "limit", .time = repeat([=] {
                                                   by_hand(x.data<const T>(), y.data<const T>(),
                                                           out);
                                                   (void)z;
                                                 })});
  }
  return prepared;
}

template <class T> Prepared linear(const Setting& setting, std::int64_t n) {
  auto x = kt::vector<T>("x"), y = kt::vector<T>("y");
  const kt::Function f =
      kt::function({x, y}, 2 * x + 3 * y - 1, {.name = "linear", .threads = setting.threads});
  return side_by_side<T>(
      f, n,
      [n](const T* a, const T* b, T* z) {
        if constexpr (std::is_same_v<T, float>)
          limits()->linear_f32(n, a, b, z);
        else
          limits()->linear_f64(n, a, b, z);
      },
      1e-6, "linear");
}

Prepared activations(const Setting& setting, std::int64_t n) {
  auto x = kt::vector<float>("x"), y = kt::vector<float>("y");
  const float a = 1.5f, b = 0.25f, c = -2.0f;
  const kt::Function f =
      kt::function({x, y}, kt::tanh(a * x + b) * kt::sigmoid(c * y) + kt::log1p(kt::exp(x)),
                   {.name = "activations", .threads = setting.threads});
  return side_by_side<float>(
      f, n,
      [=](const float* p, const float* q, float* z) {
        limits()->activations_f32(n, a, b, c, p, q, z);
      },
      1e-5, "activations");
}

} // namespace

void add_elementwise_cases(std::vector<Case>& cases) {
  const std::pair<const char*, std::int64_t> sizes[] = {
      {"1e3", 1000}, {"1e5", 100000}, {"1e7", 10000000}};
  for (const auto& [size, n] : sizes)
    cases.push_back({"elementwise", "linear f32", size,
                     [n = n](const Setting& s) { return linear<float>(s, n); }});
  for (const auto& [size, n] : sizes)
    cases.push_back({"elementwise", "linear f64", size,
                     [n = n](const Setting& s) { return linear<double>(s, n); }});
  for (const auto& [size, n] : sizes)
    cases.push_back({"elementwise", "activations f32", size,
                     [n = n](const Setting& s) { return activations(s, n); }});
}

} // namespace bench
