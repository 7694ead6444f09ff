#pragma once
/// The rows of special functions.
#include <span>

#include "lib/ir/op.hpp"

namespace kroton::ops {

std::span<const ir::Op* const> special_rows();

/// Those that other families' files name.
extern const ir::Op log1mexp, logit;

} // namespace kroton::ops
