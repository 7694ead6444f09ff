/// Elementwise chains, bound by memory or by arithmetic.
#include "bench/inputs.hpp"
#include "bench/limit/limit.hpp"
#include "bench/settle.hpp"
#include "bench/suites/suites.hpp"

#include <algorithm>

#include <fmt/format.h>
#include <kroton/core.hpp>
#include <kroton/ops/arithmetic.hpp>
#include <kroton/ops/transcendental.hpp>

namespace bench {
namespace {

namespace kt = kroton;

template <class T> using ByHand = void (*)(long n, const T* x, const T* y, T* z);

/// A call has a case and a bound of its own, so small sizes are let off its cost.
Bound bound(double of_limit) { return {.of_limit = of_limit, .aside_ns = 60}; }

/// A function called with outputs that are given, and large ones also without.
std::vector<System> kroton_systems(const kt::Function& f, const std::vector<kt::Array>& arguments,
                                   const kt::Array& into, const Bound& bound) {
  const std::vector<kt::Array> outputs = {into};
  settle(f, arguments, outputs);
  std::vector<System> systems{
      {.name = "kroton", .time = repeat([=] { f.call_into(arguments, outputs); }), .bound = bound}};
  if (into.numel() >= 10'000'000)
    systems.push_back({.name = "kroton, new outputs", .time = repeat([=] { (void)f(arguments); })});
  return systems;
}

template <class T, class Work>
Prepared side_by_side(const std::string& name, const kt::Function& f, std::int64_t n,
                      const Bound& bound, Work by_hand, double rtol) {
  const kt::Array x = inputs<T>({n}, 1), y = inputs<T>({n}, 2), into = kt::Array::zeros<T>({n});
  Prepared prepared;
  prepared.systems = kroton_systems(f, {x, y}, into, bound);
  prepared.checksum = checksum_of(into);
  if (limits()) {
    kt::Array z = kt::Array::zeros<T>({n});
    const auto work = [=, out = z.data<T>()] {
      by_hand(n, x.data<const T>(), y.data<const T>(), out);
      (void)z;
    };
    work();
    require_close(name, into, z, rtol, rtol);
    prepared.systems.push_back({.name = "limit", .time = repeat(work)});
  }
  return prepared;
}

/// An expression of two vectors and the hand-written code for it in both dtypes.
struct Polynomial {
  const char* name;
  kt::Expr (*build)(const kt::Expr& a, const kt::Expr& b);
  ByHand<float> Limits::*f32;
  ByHand<double> Limits::*f64;
  kt::Fp fp = kt::Options().fp;
};

const Polynomial polynomials[] = {
    {"2x + 3y - 1", [](auto& x, auto& y) { return 2 * x + 3 * y - 1; }, &Limits::linear_f32,
     &Limits::linear_f64},
    {"a^2 + b^2 + 2ab", [](auto& a, auto& b) { return a * a + b * b + 2 * a * b; },
     &Limits::square_f32, &Limits::square_f64},
    {"2a + 3b", [](auto& a, auto& b) { return 2 * a + 3 * b; }, &Limits::weighted_f32,
     &Limits::weighted_f64},
    {"a + 1", [](auto& a, auto&) { return a + 1; }, &Limits::successor_f32, &Limits::successor_f64},
    {"2a + b^10", [](auto& a, auto& b) { return 2 * a + kt::pow(b, 10); }, &Limits::tenth_power_f32,
     &Limits::tenth_power_f64,
     // Four products, as by hand, lose digits that a power keeps.
     kt::Fp::refine | kt::Fp::approx},
};

template <class T>
Prepared polynomial(const Polynomial& p, ByHand<T> Limits::*by_hand, const Setting& setting,
                    std::int64_t n) {
  auto a = kt::vector<T>("a"), b = kt::vector<T>("b");
  const kt::Function f = kt::function(
      {a, b}, p.build(a, b), {.name = "polynomial", .fp = p.fp, .threads = setting.threads});
  Bound of_both = bound(1.1);
  of_both.of_peer = 1.05; // where memory is the bound of all, a tie varies by this much
  return side_by_side<T>(p.name, f, n, of_both, limits() ? limits()->*by_hand : nullptr,
                         std::is_same_v<T, float> ? 1e-5 : 1e-12);
}

/// The f64 function stands beside the hand-written f32 one too, whose time is the measure of both.
template <class T>
Prepared activations(const Setting& setting, std::int64_t n, const Bound& bound) {
  constexpr float a = 1.5f, b = 0.25f, c = -2.0f;
  const auto build = [&](kt::Expr x, kt::Expr y) {
    return kt::tanh(a * x + b) * kt::sigmoid(c * y) + kt::log1p(kt::exp(x));
  };
  const auto compile = [&](kt::Expr x, kt::Expr y) {
    return kt::function({x, y}, build(x, y), {.name = "activations", .threads = setting.threads});
  };
  const auto by_hand = [=](long size, const float* x, const float* y, float* z) {
    limits()->activations_f32(size, a, b, c, x, y, z);
  };
  Prepared prepared =
      side_by_side<float>("activations", compile(kt::vector<float>("x"), kt::vector<float>("y")), n,
                          bound, by_hand, 1e-5);
  if constexpr (std::is_same_v<T, double>) {
    const kt::Function f = compile(kt::vector<double>("x"), kt::vector<double>("y"));
    std::ranges::move(kroton_systems(f, {inputs<double>({n}, 1), inputs<double>({n}, 2)},
                                     kt::Array::zeros<double>({n}), bound),
                      prepared.systems.begin());
  }
  return prepared;
}

} // namespace

void add_elementwise_cases(std::vector<Case>& cases) {
  const auto add = [&](const std::string& name, std::initializer_list<int> powers, auto prepare) {
    for (const int power : powers) {
      std::int64_t n = 1;
      for (int i = 0; i < power; ++i) n *= 10;
      cases.push_back({.suite = "elementwise",
                       .name = name,
                       .size = fmt::format("1e{}", power),
                       .prepare = [=](const Setting& s) { return prepare(s, n); },
                       .is_compute_bound = name.starts_with("activations") && power >= 5});
    }
  };
  for (const Polynomial& p : polynomials) {
    const std::string name = p.name;
    add(name + " f32", {3, 4, 5, 6, 7},
        [&p](const Setting& s, std::int64_t n) { return polynomial<float>(p, p.f32, s, n); });
    add(name + " f64", {3, 4, 5, 6, 7},
        [&p](const Setting& s, std::int64_t n) { return polynomial<double>(p, p.f64, s, n); });
  }
  add("activations f32", {3, 5, 7},
      [](const Setting& s, std::int64_t n) { return activations<float>(s, n, bound(1.2)); });
  add("activations f64", {3, 5, 7},
      [](const Setting& s, std::int64_t n) { return activations<double>(s, n, bound(2.6)); });
}

} // namespace bench
