#include "lib/ops/ops.hpp"

namespace kroton::ops {

std::span<const Op* const> all() {
  static constexpr const Op* table[] = {
      &input,         &shared,       &constant,   &array,       &size,          &iota,
      &add,           &sub,          &mul,        &div,         &floor_div,     &mod,
      &neg,           &abs,          &sign,       &floor,       &pow,           &minimum,
      &maximum,       &equal,        &not_equal,  &less,        &less_equal,    &greater,
      &greater_equal, &logical_and,  &logical_or, &logical_not, &where,         &cast,
      &exp,           &expm1,        &log,        &log1p,       &sqrt,          &tanh,
      &tanh_slope,    &sigmoid,      &softplus,   &relu,        &sinpi,         &cospi,
      &sum,           &max,          &min,        &argmax,      &argmin,        &reshape,
      &transpose,     &broadcast_to, &slice,      &unslice,     &stop_gradient, &copy,
      &matmul,        &gemm,         &gather,     &index_add,   &uniform,
  };
  return table;
}

const Op* find(std::string_view name) {
  for (const Op* op : all())
    if (op->name == name) return op;
  return nullptr;
}

} // namespace kroton::ops
