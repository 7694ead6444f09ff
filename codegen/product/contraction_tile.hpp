#pragma once
/// Sizes of register tiles and cache blocks: what the text of a product and its work memory share.
#include "codegen/product/contraction.hpp"

namespace kroton::codegen {

/// Accumulators of the innermost loop, rows × vectors of them.
struct ContractionTile {
  int rows = 1;    ///< of c (of b transposed for `columns`)
  int vectors = 1; ///< of columns of c (of rows for `columns`); for `dots`, single columns
};

/// Chosen so that the accumulators and what they are fed with fit the registers.
ContractionTile contraction_tile(const ContractionShape& shape, ContractionScheme scheme);

/// Sums of f32 lose digits with every term that they grow by: so many products at most are added
/// one after the other before their sum is added to those of others.
constexpr std::int64_t most_at_once = 256;
/// The same in dots with one column, of which each lane has a sum of its own.
constexpr std::int64_t most_of_lane = 64;

/// Sums of more terms are made in parts, each a product of its own that is computed in work memory;
/// what the parts come to is added in f64. Of `packed` and of integers there are no parts.
std::int64_t most_terms(const ContractionShape& shape, ContractionScheme scheme);

/// Whether sums may be as long as that.
bool may_have_parts(const ContractionShape& shape, ContractionScheme scheme);

/// Blocks of a packed product, in elements: k × columns of b stay in the second-level cache, and k
/// terms of a tile's rows of a in the first.
struct PackedBlocks {
  std::int64_t columns, k;
  /// Sums of more than `together` blocks are made for so many rows at a time in work memory, and
  /// what that many blocks come to is added in f64.
  std::int64_t together, rows;
};
PackedBlocks packed_blocks(const ContractionShape& shape);

/// Whether `rows` reads b as it lies; else panels of it are copied first.
bool reads_right_directly(const ContractionShape& shape);

/// The unit by which work memory and padded lines grow.
constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

} // namespace kroton::codegen
