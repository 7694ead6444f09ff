/// Points with their components in whichever axis, beside each component in an array of its own;
/// and sums over axes in the middle.
#include "bench/inputs.hpp"
#include "bench/limit/limit.hpp"
#include "bench/suites/suites.hpp"

#include <memory>
#include <type_traits>

#include <fmt/format.h>
#include <kroton/core.hpp>

namespace bench {
namespace {

namespace kt = kroton;

/// What any order of axes may cost beside the best one.
constexpr double most_of_best = 2;
/// What a middle axis may cost beside a loop by hand.
constexpr double most_of_loop = 1.2;

/// The axes of an array of pairs of points: which of them the components are in.
struct Order {
  const char* name;
  int components;
  bool has_f64 = false;
};
const Order orders[] = {{"pairwise forces f32, [i,j,3]", 2},
                        {"pairwise forces f32, [i,3,j]", 1},
                        {"pairwise forces f32, [3,i,j]", 0},
                        {"pairwise forces f64, [i,j,3]", 2, true}};

template <class T> Prepared prepare_forces(const Order& order, const Setting& setting) {
  constexpr std::int64_t n = 512;
  const bool is_first = order.components == 0;
  const kt::Expr mass = kt::tensor<T>({n}, "mass"),
                 p = is_first ? kt::tensor<T>({3, n}, "points") : kt::tensor<T>({n, 3}, "points");
  // Axis i is that of the point which is pulled, axis j that of the one which pulls.
  const int i = is_first ? 1 : 0, j = order.components == 2 ? 1 : 2;
  const kt::Expr pulled = kt::expand_dims(p, j),
                 pulls = kt::expand_dims(order.components == 1 ? kt::transpose(p) : p, i);
  kt::Axes others;
  for (int axis = 0; axis < 3; ++axis)
    if (axis != j) others.push_back(axis);
  const kt::Expr d = pulls - pulled, square = kt::sum(d * d, order.components, true) + 1.0 / 1024,
                 w = kt::expand_dims(mass, others) / (square * kt::sqrt(square));
  const kt::Function f = kt::function(
      {p, mass}, kt::sum(d * w, j),
      {.name = "forces", .threads = setting.threads, .specialize = kt::Specialize::off});
  const kt::Array points = inputs<T>({3, n}, 1), masses = inputs<T>({n}, 2);
  const std::vector<kt::Array> in{is_first ? points : points.transpose().copy(), masses},
      out = f(in);
  Prepared prepared;
  prepared.systems.push_back({.name = "kroton",
                              .time = repeat([=] { f.call_into(in, out); }),
                              .bound = {.of_limit = most_of_best}});
  if (!limits()) return prepared;
  const auto by_hand = std::make_shared<kt::Array>(kt::Array::empty<T>({3, n}));
  const auto run = [=] {
    const auto call = [&](auto* forces) {
      forces(n, points.data<const T>(), masses.data<const T>(), by_hand->template data<T>());
    };
    if constexpr (std::is_same_v<T, float>)
      call(limits()->forces_f32);
    else
      call(limits()->forces_f64);
  };
  run();
  require_close(order.name, is_first ? out[0] : out[0].transpose(), *by_hand, 1e-2, 1e-2);
  prepared.systems.push_back({.name = "limit", .time = repeat(run)});
  return prepared;
}

struct Middle {
  const char* name;
  std::int64_t outer, n, inner;
  bool has_f64 = false;
};
const Middle middles[] = {{"sum of middle axis f32, narrow", 2, 1'000'000, 3},
                          {"sum of middle axis f32, wide", 4, 100'000, 100},
                          {"sum of middle axis f64", 4, 100'000, 17, true}};

template <class T> Prepared prepare_middle(const Middle& m, const Setting& setting) {
  const kt::Expr x = kt::tensor<T>({kt::dim(), kt::dim(), kt::dim()}, "x");
  const kt::Function f =
      kt::function({x}, kt::sum(x, 1), {.name = "middle", .threads = setting.threads});
  const std::vector<kt::Array> in{inputs<T>({m.outer, m.n, m.inner}, 1)}, out = f(in);
  Prepared prepared;
  prepared.systems.push_back({.name = "kroton",
                              .time = repeat([=] { f.call_into(in, out); }),
                              .bound = {.of_limit = most_of_loop}});
  if (!limits()) return prepared;
  const auto by_hand = std::make_shared<kt::Array>(kt::Array::empty<T>({m.outer, m.inner}));
  const auto run = [=] {
    const auto call = [&](auto* sums) {
      sums(m.outer, m.n, m.inner, in[0].data<const T>(), by_hand->template data<T>());
    };
    if constexpr (std::is_same_v<T, float>)
      call(limits()->middle_sums_f32);
    else
      call(limits()->middle_sums_f64);
  };
  run();
  require_close(m.name, out[0], *by_hand, 1e-4, 1e-2);
  prepared.systems.push_back({.name = "limit", .time = repeat(run)});
  return prepared;
}

} // namespace

void add_short_axes_cases(std::vector<Case>& cases) {
  for (const Order& o : orders)
    cases.push_back({"cliffs", o.name, "512 points", [&o](const Setting& setting) {
                       return o.has_f64 ? prepare_forces<double>(o, setting)
                                        : prepare_forces<float>(o, setting);
                     }});
  for (const Middle& m : middles)
    cases.push_back({"cliffs", m.name, fmt::format("{}x{}x{}", m.outer, m.n, m.inner),
                     [&m](const Setting& setting) {
                       return m.has_f64 ? prepare_middle<double>(m, setting)
                                        : prepare_middle<float>(m, setting);
                     }});
}

} // namespace bench
