#pragma once
/// Rows' answers to what integers a result is among; see `ir::Op::range`.
#include "lib/ir/op.hpp"

namespace kroton::ops {

/// Of ops that rise or fall with each input while the others stay: the extremes are where every
/// input is at an end of its interval.
support::Interval range_at_ends(const ir::Op& op, const support::Interval* inputs);

/// Of conversions: the dtype that is wrapped to says the rest.
support::Interval range_of_input(const ir::Op& op, const support::Interval* inputs);

support::Interval range_of_floor_div(const ir::Op& op, const support::Interval* inputs);
support::Interval range_of_mod(const ir::Op& op, const support::Interval* inputs);
support::Interval range_of_abs(const ir::Op& op, const support::Interval* inputs);

} // namespace kroton::ops
