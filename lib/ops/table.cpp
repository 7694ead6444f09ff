#include "lib/ops/table.hpp"

namespace kroton::ops {

std::span<const ir::Op* const> all() {
  static const std::vector<const ir::Op*> table = [] {
    std::vector<const ir::Op*> rows;
    for (const auto family :
         {leaf_rows(),           arithmetic_rows(),     logic_rows(),       powers_rows(),
          transcendental_rows(), trigonometric_rows(),  rounding_rows(),    bits_rows(),
          activation_rows(),     special_rows(),        reduction_rows(),   cumulative_rows(),
          movement_rows(),       joining_rows(),        contraction_rows(), linear_algebra_rows(),
          systems_rows(),        decompositions_rows(), fourier_rows(),     sorting_rows(),
          indexing_rows(),       scatter_rows(),        put_rows(),         assemble_rows(),
          random_rows(),         variates_rows(),       parts_rows()})
      rows.insert(rows.end(), family.begin(), family.end());
    return rows;
  }();
  return table;
}

const ir::Op* find(std::string_view name) {
  for (const ir::Op* op : all())
    if (op->name == name) return op;
  return nullptr;
}

} // namespace kroton::ops
