#pragma once
/// How matrix products run on a CPU, decided before any text is written.
///
///   ContractionShape shape{.dtype = DType::f32, .vector_bytes = 64};
///   shape.known.n = 10;                              // other sizes come with a call
///   for (ContractionScheme scheme : possible_schemes(shape))
///     schedule_for_cpu(shape, scheme).to_string();   // "by rows of c: tiles of 8 rows …"
///   contraction_scheme(shape, sizes)                 // which of them a call needs
///
/// The scheme, and with it the order in which each element of c is summed, depends on the sizes of
/// the call alone: what is decided from known sizes and from unknown ones gives the same bits.
#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/support/dtype.hpp"

namespace kroton::codegen {

/// Sizes and strides (in elements) of c = a·b with a m × k, b k × n, and c m × n with
/// adjacent elements in rows.
template <class Size> struct ContractionSizes {
  Size m{}, n{}, k{}, a_row{}, a_col{}, b_row{}, b_col{}, c_row{};

  bool operator==(const ContractionSizes&) const = default;
  /// From a kernel's `sizes`, and in their order.
  static ContractionSizes from_order(const std::array<Size, 8>& s) {
    return {s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[7]};
  }
  std::array<Size, 8> in_order() const { return {m, n, k, a_row, a_col, b_row, b_col, c_row}; }
};

struct ContractionShape {
  DType dtype = DType::f32;
  bool accumulates = false;
  int vector_bytes = 64; ///< of the target's registers
  /// What is known before any call. These become constants of the text.
  ContractionSizes<std::optional<std::int64_t>> known = {};

  int lanes() const { return vector_bytes / static_cast<int>(item_size(dtype)); }
  /// All sizes and strides, if they are known.
  std::optional<ContractionSizes<std::int64_t>> known_sizes() const;
  bool operator==(const ContractionShape&) const = default;
};

enum class ContractionScheme {
  rows,    ///< vectors run along rows of b and c; any sizes and dtypes
  columns, ///< vectors run along columns of a and c: c is narrow and a transposed
  dots,    ///< vectors run along k: c is narrow and k long
  packed,  ///< blocks of a and b are copied to where they stay in the caches: large products
};

/// How a product of these sizes is computed.
ContractionScheme contraction_scheme(const ContractionShape& shape,
                                     const ContractionSizes<std::int64_t>& sizes);

/// What contraction_scheme can say of any sizes that agree with `shape.known`, and perhaps more.
std::vector<ContractionScheme> possible_schemes(const ContractionShape& shape);

/// Accumulators of the innermost loop, rows × vectors of them.
struct ContractionTile {
  int rows = 1;    ///< of c (of b transposed for `columns`)
  int vectors = 1; ///< of columns of c (of rows for `columns`); for `dots`, single columns

  bool operator==(const ContractionTile&) const = default;
};

/// Blocks of a packed product, in elements: k × columns of b stay in the second-level cache, and k
/// terms of a tile's rows of a in the first.
struct PackedBlocks {
  std::int64_t columns, k;
  /// Sums of more than `together` blocks are made for so many rows at a time in work memory, and
  /// what that many blocks come to is added in f64.
  std::int64_t together, rows;
};

struct ProductSchedule {
  ContractionScheme scheme = ContractionScheme::rows;
  /// Chosen so that the accumulators and what they are fed with fit the registers.
  ContractionTile tile;
  /// Of `rows` and `columns`: the whole product is written out, element by element, in the order of
  /// sums that tiles have.
  bool is_written_out = false;
  /// Of `rows`: vectors of a tile for the columns that whole tiles leave; 0 where they leave none.
  int rest_vectors = 0;
  /// Of `rows`: up to so many rows that whole tiles leave are done one by one.
  int single_rows = 0;
  /// Of `rows`: the last tile begins early enough to be whole, and computes rows again.
  bool overlaps = false;
  /// b (for `packed`: a too) is copied to the work memory before it is read.
  bool copies = false;
  /// > 0: Sums are made in blocks of so many terms, one after the other.
  std::int64_t block_terms = 0;
  /// Whether the first of these blocks has a loop of its own.
  bool is_first_block_apart = false;
  /// > 0: Longer sums are made in parts of so many terms, each a product of its own that is
  /// computed in work memory; what the parts come to is added in f64.
  std::int64_t part_terms = 0;
  std::optional<PackedBlocks> packed; ///< of `packed`
  int unit = 1;                       ///< rows of c in a unit of work
  /// Products of elements that are worth a thread; 0: the calling thread does everything.
  std::int64_t grain = 0;

  /// One line, for people.
  std::string to_string() const;
};

/// How a product of this shape runs, by a scheme that is possible for it.
ProductSchedule schedule_for_cpu(const ContractionShape& shape, ContractionScheme scheme);

/// Sums of f32 lose digits with every term that they grow by: so many products at most are added
/// one after the other before their sum is added to those of others.
constexpr std::int64_t most_at_once = 256;
/// The same in dots with one column, of which each lane has a sum of its own.
constexpr std::int64_t most_of_lane = 64;

/// Bytes of work memory for one product by at most `threads` threads.
std::int64_t contraction_work_bytes(const ContractionShape& shape, ContractionScheme scheme,
                                    const ContractionSizes<std::int64_t>& sizes, int threads);

/// The unit by which work memory and padded lines grow.
constexpr std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

} // namespace kroton::codegen
