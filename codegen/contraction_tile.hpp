#pragma once
/// Sizes of register tiles and cache blocks: what the text of a product and its work memory share.
#include "codegen/contraction.hpp"

namespace kroton::codegen {

/// Accumulators of the innermost loop, rows × vectors of them.
struct ContractionTile {
  int rows = 1;    ///< of c (of b transposed for `columns`)
  int vectors = 1; ///< of columns of c (of rows for `columns`); for `dots`, single columns
};

/// Chosen so that the accumulators and what they are fed with fit the registers.
ContractionTile contraction_tile(const ContractionShape& shape, ContractionScheme scheme);

/// Blocks of a packed product, in elements: k × columns of b stay in the second-level cache, and k
/// terms of a tile's rows of a in the first.
struct PackedBlocks {
  std::int64_t columns, k;
};
PackedBlocks packed_blocks(const ContractionShape& shape);

/// Whether `rows` reads b as it lies; else panels of it are copied first.
bool reads_right_directly(const ContractionShape& shape);

/// The unit by which work memory and padded lines grow.
constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

} // namespace kroton::codegen
