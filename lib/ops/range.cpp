#include "lib/ops/range.hpp"

#include <algorithm>
#include <array>

namespace kroton::ops {

using support::Interval;
using support::Wide;

namespace {

Wide magnitude(Wide v) { return v < 0 ? -v : v; }

} // namespace

Interval range_at_ends(const ir::Op& op, const Interval* inputs) {
  const auto arity = static_cast<unsigned>(op.arity);
  std::array<Wide, 3> v{};
  KROTON_CHECK(arity <= v.size(), "{} has {} inputs", op.name, arity);
  Interval result;
  for (unsigned corner = 0; corner < 1U << arity; ++corner) {
    for (unsigned k = 0; k < arity; ++k)
      v[k] = (corner >> k & 1U) != 0 ? inputs[k].high : inputs[k].low;
    const Wide at = op.eval_int(v.data());
    result = corner == 0 ? Interval{at, at} : support::hull(result, {at, at});
  }
  return result;
}

Interval range_of_input(const ir::Op&, const Interval* inputs) { return inputs[0]; }

/// Division by zero gives 0, and no quotient is further from 0 than the dividend.
Interval range_of_floor_div(const ir::Op& op, const Interval* inputs) {
  if (!inputs[1].contains({0, 0})) return range_at_ends(op, inputs);
  const Wide most = std::max(magnitude(inputs[0].low), magnitude(inputs[0].high));
  return {-most, most};
}

/// The remainder has the divisor's sign, and is 0 where that is 0.
Interval range_of_mod(const ir::Op&, const Interval* inputs) {
  const Interval &value = inputs[0], &by = inputs[1];
  if (value.low >= 0 && value.high < by.low) return value;
  return {std::min<Wide>(0, by.low + 1), std::max<Wide>(0, by.high - 1)};
}

Interval range_of_abs(const ir::Op&, const Interval* inputs) {
  const Wide low = magnitude(inputs[0].low), high = magnitude(inputs[0].high);
  return {inputs[0].contains({0, 0}) ? 0 : std::min(low, high), std::max(low, high)};
}

} // namespace kroton::ops
