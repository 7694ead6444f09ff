/// What a call costs when there is nearly nothing to compute.
#include "bench/inputs.hpp"
#include "bench/limit/limit.hpp"
#include "bench/suites/suites.hpp"

#include <kroton/core.hpp>

namespace bench {
namespace {

namespace kt = kroton;

Prepared add_ten(const Setting& setting) {
  constexpr std::int64_t n = 10;
  auto x = kt::vector<float>("x"), y = kt::vector<float>("y");
  const kt::Function f = kt::function({x, y}, x + y, {.name = "add", .threads = setting.threads});
  const kt::Array xs = inputs<float>({n}, 1), ys = inputs<float>({n}, 2);
  const kt::Array into = kt::Array::empty<float>({n});
  f.call_into({xs, ys}, {into});

  Prepared prepared;
  prepared.checksum = checksum_of(into);
  const std::vector<kt::Array> arguments = {xs, ys}, outputs = {into};
  prepared.systems.push_back({.name = "kroton",
                              .time = repeat([=] { f.call_into(arguments, outputs); }),
                              .bound = {.ns = 60}});
  prepared.systems.push_back({.name = "kroton, new outputs",
                              .time = repeat([=] { (void)f(arguments); }),
                              .bound = {.ns = 150}});
  if (const Limits* by_hand = limits()) {
    kt::Array z = kt::Array::empty<float>({n});
    const float *p = xs.data<const float>(), *q = ys.data<const float>();
    float* r = z.data<float>();
    by_hand->add_f32(n, p, q, r);
    require_close("z = x + y", into, z, 0, 0);
    prepared.systems.push_back({.name = "limit", .time = repeat([=] {
                                                   by_hand->add_f32(n, p, q, r);
                                                   (void)z;
                                                 })});
  }
  return prepared;
}

} // namespace

void add_call_cases(std::vector<Case>& cases) {
  cases.push_back({"call", "z = x + y", "10", add_ten});
}

} // namespace bench
