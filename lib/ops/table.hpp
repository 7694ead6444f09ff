#pragma once
/// The rows of all ops, in a fixed order: what passes, tests and the fuzzer walk.
///
///   for (const ir::Op* op : ops::all()) …
#include <span>

#include "lib/ir/op.hpp"

namespace kroton::ops {

/// The rows of each family, at the end of its file.
std::span<const ir::Op* const> leaf_rows();
std::span<const ir::Op* const> arithmetic_rows();
std::span<const ir::Op* const> logic_rows();
std::span<const ir::Op* const> transcendental_rows();
std::span<const ir::Op* const> trigonometric_rows();
std::span<const ir::Op* const> powers_rows();
std::span<const ir::Op* const> rounding_rows();
std::span<const ir::Op* const> bits_rows();
std::span<const ir::Op* const> activation_rows();
std::span<const ir::Op* const> reduction_rows();
std::span<const ir::Op* const> movement_rows();
std::span<const ir::Op* const> contraction_rows();
std::span<const ir::Op* const> linear_algebra_rows();
std::span<const ir::Op* const> systems_rows();
std::span<const ir::Op* const> decompositions_rows();
std::span<const ir::Op* const> indexing_rows();
std::span<const ir::Op* const> scatter_rows();
std::span<const ir::Op* const> put_rows();
std::span<const ir::Op* const> assemble_rows();
std::span<const ir::Op* const> joining_rows();
std::span<const ir::Op* const> special_rows();
std::span<const ir::Op* const> sorting_rows();
std::span<const ir::Op* const> fourier_rows();
std::span<const ir::Op* const> cumulative_rows();
std::span<const ir::Op* const> random_rows();
std::span<const ir::Op* const> variates_rows();
std::span<const ir::Op* const> parts_rows();

/// Every op, in a fixed order.
std::span<const ir::Op* const> all();
/// The row of that name; nullptr if there is none.
const ir::Op* find(std::string_view name);

} // namespace kroton::ops
