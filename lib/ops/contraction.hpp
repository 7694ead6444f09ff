#pragma once
/// The rows of matrix products that other families' files name, beyond those of basic.hpp.
#include "lib/ir/op.hpp"

namespace kroton::ops {

extern const ir::Op matmul, gemm;

} // namespace kroton::ops
