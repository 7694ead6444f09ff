/// Softmax over rows, long and short.
#include "bench/inputs.hpp"
#include "bench/limit/limit.hpp"
#include "bench/suites/suites.hpp"

#include <fmt/format.h>
#include <kroton/kroton.hpp>

namespace bench {
namespace {

namespace kt = kroton;

Prepared softmax(const Setting& setting, std::int64_t rows, std::int64_t columns) {
  auto x = kt::matrix<float>("x");
  const kt::Function f =
      kt::function({x}, kt::softmax(x), {.name = "softmax", .threads = setting.threads});
  const kt::Array xs = inputs<float>({rows, columns}, 1);
  const kt::Array into = kt::Array::zeros<float>({rows, columns});
  f.call_into({xs}, {into});

  Prepared prepared;
  prepared.checksum = sum_of(into);
  const std::vector<kt::Array> arguments = {xs}, outputs = {into};
  prepared.systems.push_back(
      {.name = "kroton", .time = repeat([=] { f.call_into(arguments, outputs); })});
  if (const Limits* by_hand = limits()) {
    kt::Array z = kt::Array::zeros<float>({rows, columns});
    const float* from = xs.data<const float>();
    float* to = z.data<float>();
    by_hand->softmax_f32(rows, columns, from, to);
    require_close("softmax", into, z, 1e-5, 1e-7);
    prepared.systems.push_back({.name = "limit", .time = repeat([=] {
                                                   by_hand->softmax_f32(rows, columns, from, to);
                                                   (void)z;
                                                 })});
  }
  return prepared;
}

} // namespace

void add_softmax_cases(std::vector<Case>& cases) {
  for (const auto& [rows, columns] : {std::pair{4096, 1000}, std::pair{128, 10}})
    cases.push_back({"softmax", "softmax f32", fmt::format("{}x{}", rows, columns),
                     [=](const Setting& s) { return softmax(s, rows, columns); }});
}

} // namespace bench
