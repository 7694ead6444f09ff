/// Arrays put together, moved and folded, beside programs that move as many bytes from front to
/// back: an elementwise function of an array of the result's size, and for reductions the sum.
#include "bench/inputs.hpp"
#include "bench/suites/suites.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <kroton/core.hpp>
#include <kroton/ops/joining.hpp>
#include <kroton/ops/movement.hpp>
#include <kroton/ops/statistics.hpp>

namespace bench {
namespace {

namespace kt = kroton;

/// 2 x + 1, so that parts are computed.
kt::Expr computed(const kt::Expr& x) { return x * 2.f + 1.f; }

struct Arrangement {
  const char* name;
  kt::Shape shape, of_limit; ///< of the array, and of that which the limit reads
  kt::Expr (*make)(const kt::Expr&);
  kt::Expr (*limit)(const kt::Expr&);
};

kt::Expr sum_of_rows(const kt::Expr& x) { return kt::sum(x, {1}); }

const Arrangement arrangements[] = {
    {"concatenate 2, axis 0",
     {1024, 1024},
     {2048, 1024},
     [](const kt::Expr& x) {
       return kt::concatenate({computed(x), kt::sqrt(x * x)});
     },
     computed},
    {"concatenate 2, axis 1",
     {1024, 1024},
     {1024, 2048},
     [](const kt::Expr& x) {
       return kt::concatenate({computed(x), kt::sqrt(x * x)}, 1);
     },
     computed},
    {"concatenate 4, axis 1",
     {2048, 300},
     {2048, 1200},
     [](const kt::Expr& x) {
       return kt::concatenate({computed(x), x, x + 1.f, kt::abs(x)}, 1);
     },
     computed},
    {"roll, axis 1",
     {1500, 1000},
     {1500, 1000},
     [](const kt::Expr& x) { return kt::roll(x, 37, 1); },
     computed},
    {"flip, both axes",
     {1500, 1000},
     {1500, 1000},
     [](const kt::Expr& x) { return kt::flip(x); },
     computed},
    {"pad with zeros",
     {1500, 1000},
     {1502, 1002},
     [](const kt::Expr& x) {
       return kt::pad(x, {{1, 1}});
     },
     computed},
    {"pad, reflected, any size",
     {1500, 1000},
     {1502, 1002},
     [](const kt::Expr& x) {
       return kt::pad(x, {{1, 1}}, kt::PadMode::reflect);
     },
     computed},
    {"tile 2x2",
     {750, 500},
     {1500, 1000},
     [](const kt::Expr& x) {
       return kt::tile(x, {2, 2});
     },
     computed},
    {"var of rows",
     {1500, 1000},
     {1500, 1000},
     [](const kt::Expr& x) { return kt::var(x, {1}); },
     sum_of_rows},
    {"norm of rows",
     {1500, 1000},
     {1500, 1000},
     [](const kt::Expr& x) { return kt::norm(x, 2, {1}); },
     sum_of_rows},
    {"prod of rows",
     {1500, 1000},
     {1500, 1000},
     [](const kt::Expr& x) { return kt::prod(x, {1}); },
     sum_of_rows},
    {"prod of columns",
     {1500, 1000},
     {1500, 1000},
     [](const kt::Expr& x) { return kt::prod(x, {0}); },
     [](const kt::Expr& x) { return kt::sum(x, {0}); }},
};

Prepared prepare_arrangement(const Arrangement& a, const Setting& setting) {
  const auto compiled = [&](kt::Expr (*make)(const kt::Expr&)) {
    const kt::Expr x = kt::matrix<float>("x");
    return kt::function(
        {x}, make(x),
        {.name = "arrangement", .threads = setting.threads, .specialize = kt::Specialize::off});
  };
  const kt::Function f = compiled(a.make), limit = compiled(a.limit);
  const std::vector<kt::Array> arguments = {inputs<float>(a.shape, 7)},
                               of_limit = {inputs<float>(a.of_limit, 7)};
  const std::vector<kt::Array> outputs = f(arguments), others = limit(of_limit);
  Prepared prepared;
  prepared.systems.push_back(
      {.name = "kroton", .time = repeat([=] { f.call_into(arguments, outputs); })});
  prepared.systems.push_back(
      {.name = "limit", .time = repeat([=] { limit.call_into(of_limit, others); })});
  return prepared;
}

} // namespace

void add_arrangement_cases(std::vector<Case>& cases) {
  for (const Arrangement& a : arrangements)
    cases.push_back({"arrangement", a.name, fmt::format("{}", fmt::join(a.shape, "x")),
                     [&a](const Setting& setting) { return prepare_arrangement(a, setting); }});
}

} // namespace bench
