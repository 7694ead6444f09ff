/// Sums of slices of arrays whose sizes only calls tell, beside the same with known sizes, which is
/// the limit here: what is not known may cost a fifth more.
#include "bench/inputs.hpp"
#include "bench/suites/suites.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <kroton/core.hpp>

namespace bench {
namespace {

namespace kt = kroton;

constexpr double most_of_known = 1.2;

/// The elements from `k` on, `side - 1` fewer than there are.
kt::Range tap(std::int64_t k, std::int64_t side) {
  return {k, k + 1 == side ? std::nullopt : std::optional<std::int64_t>(k + 1 - side)};
}

/// A filter of side × side numbers.
kt::Expr filter(const kt::Expr& x, std::int64_t side) {
  const auto term = [&](std::int64_t r, std::int64_t c) {
    return kt::slice(x, {tap(r, side), tap(c, side)}) *
           (0.01 * static_cast<double>(r * side + c + 1));
  };
  kt::Expr sum = term(0, 0);
  for (std::int64_t i = 1; i < side * side; ++i) sum = sum + term(i / side, i % side);
  return sum;
}

/// Each second element and its neighbours.
kt::Expr halved(const kt::Expr& x) {
  return 0.5 * kt::slice(x, {{1, -1, 2}}) +
         0.25 * (kt::slice(x, {{0, -2, 2}}) + kt::slice(x, {{2, {}, 2}}));
}

/// The gradient of how rough a field is along its middle axis.
kt::Expr roughness_gradient(const kt::Expr& x) {
  const kt::Expr step = kt::slice(x, {{}, {1, {}}}) - kt::slice(x, {{}, {{}, -1}});
  return kt::grad(kt::sum(step * step), x);
}

struct Stencil {
  const char* name;
  kt::DType dtype;
  kt::Shape shape;
  kt::Expr (*make)(const kt::Expr&);
};

const Stencil stencils[] = {
    {"filter 7x7 f32, any size",
     kt::DType::f32,
     {1500, 1200},
     [](const kt::Expr& x) { return filter(x, 7); }},
    {"filter 3x3 f64, any size, of a transpose",
     kt::DType::f64,
     {900, 1100},
     [](const kt::Expr& x) { return filter(kt::transpose(x), 3); }},
    {"every second f32, any size", kt::DType::f32, {2'000'001}, halved},
    {"gradient of differences f32, any size", kt::DType::f32, {40, 300, 128}, roughness_gradient},
};

template <class T> Prepared prepare_stencil(const Stencil& s, const Setting& setting) {
  const auto compiled = [&](std::vector<kt::Dim> dims) {
    const kt::Expr x = kt::tensor(s.dtype, std::move(dims), "x");
    return kt::function(
        {x}, s.make(x),
        {.name = "stencil", .threads = setting.threads, .specialize = kt::Specialize::off});
  };
  std::vector<kt::Dim> unknown;
  for (std::size_t i = 0; i < s.shape.size(); ++i) unknown.push_back(kt::dim());
  const kt::Function f = compiled(unknown), known = compiled({s.shape.begin(), s.shape.end()});
  const std::vector<kt::Array> arguments = {inputs<T>(s.shape, 7)};
  const std::vector<kt::Array> outputs = f(arguments), expected = known(arguments);
  require_close(s.name, outputs[0], expected[0], 1e-6, 1e-6);
  Prepared prepared;
  prepared.systems.push_back({.name = "kroton",
                              .time = repeat([=] { f.call_into(arguments, outputs); }),
                              .bound = {.of_limit = most_of_known}});
  prepared.systems.push_back(
      {.name = "limit", .time = repeat([=] { known.call_into(arguments, expected); })});
  return prepared;
}

} // namespace

void add_stencil_cases(std::vector<Case>& cases) {
  for (const Stencil& s : stencils)
    cases.push_back({"cliffs", s.name, fmt::format("{}", fmt::join(s.shape, "x")),
                     [&s](const Setting& setting) {
                       return s.dtype == kt::DType::f32 ? prepare_stencil<float>(s, setting)
                                                        : prepare_stencil<double>(s, setting);
                     }});
}

} // namespace bench
