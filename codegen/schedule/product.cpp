#include "codegen/schedule/product.hpp"

#include <algorithm>
#include <bit>
#include <limits>

#include <fmt/format.h>

#include "lib/support/saturate.hpp"

namespace kroton::codegen {
namespace {

using support::saturating_add;
using support::saturating_mul;
using Size = std::int64_t;

/// Accumulators that leave room for the operands among the 32 vector registers of AVX-512, or the
/// 16 of older targets; without FMA a product takes one more.
int accumulators(const ContractionShape& shape) {
  return shape.vector_bytes >= 64 ? 24 : shape.vector_bytes >= 32 ? 12 : 8;
}

/// The size of equal pieces of n, none of them above `most`; the last may be smaller.
int balanced(Size n, Size most) {
  return static_cast<int>(ceil_div(n, std::max<Size>(ceil_div(n, most), 1)));
}

/// Up to how many columns the schemes for narrow results are considered, and from which k on
/// vectors along k are.
constexpr Size narrow = 16, long_k = 128;

/// From here on copying both sides to where they are read in order pays, unless most of a tile were
/// padding. Below, tiles made for known sizes are faster (192 GFLOP/s instead of 181 at 256 square,
/// of 200 that an Intel Xeon of 2023 can do), those for any sizes as fast.
bool is_large(Size m, Size n, Size k) {
  return m >= 16 && n >= 32 && k >= 16 &&
         saturating_mul(saturating_mul(m, n), k) > Size{256} * 256 * 256;
}

// Costs, counted in products of vectors. Lanes of a vector change places at a cost of
// `transposing`.
constexpr Size transposing = 5;

Size cost_of_rows(Size m, Size n, Size k, Size lanes) {
  return saturating_mul(saturating_mul(m, ceil_div(n, lanes)), k);
}

Size cost_of_columns(Size m, Size n, Size k, Size lanes) {
  return saturating_mul(ceil_div(m, lanes),
                        saturating_add(saturating_mul(n, k), transposing * lanes));
}

Size cost_of_dots(Size m, Size n, Size k, Size lanes, bool copies) {
  const Size steps = ceil_div(k, lanes);
  const Size rows =
      saturating_mul(m, saturating_add(saturating_mul(n, steps), transposing * lanes));
  return copies ? saturating_add(rows, saturating_mul(transposing * lanes, steps)) : rows;
}

ContractionTile rows_tile(const ContractionShape& shape) {
  const auto& s = shape.known;
  const Size m = s.m.value_or(0), vectors = ceil_div(s.n.value_or(0), shape.lanes());
  const int most = accumulators(shape);
  ContractionTile t;
  // Few rows leave registers to more vectors; powers of two, as whose multiples Clang splits them.
  const Size wanted = m > 0 && 2 * m < most ? std::clamp<Size>(most / m, 2, 8) : 2;
  t.vectors = static_cast<int>(std::bit_floor(static_cast<std::size_t>(wanted)));
  if (vectors > 0)
    t.vectors =
        std::min(t.vectors, static_cast<int>(std::bit_ceil(static_cast<std::size_t>(vectors))));
  int rows = std::min(most / t.vectors, most * 2 / 3);
  // Rows whose distance or number is not known need a pointer each.
  if (m == 0 || !s.a_row) rows = std::min(rows, shape.vector_bytes >= 64 ? 8 : 4);
  t.rows = m > 0 ? balanced(m, rows) : rows;
  return t;
}

ContractionTile tile_of(const ContractionShape& shape, ContractionScheme scheme) {
  const auto& s = shape.known;
  const int most = accumulators(shape);
  const Size few = std::max<Size>(s.n.value_or(5), 1); // columns, for the narrow schemes
  switch (scheme) {
  case ContractionScheme::rows:
    return rows_tile(shape);
  case ContractionScheme::columns: {
    const int rows = balanced(few, std::min(most, shape.lanes()));
    const Size wide = ceil_div(s.m.value_or(most * shape.lanes()), shape.lanes());
    const Size most_vectors = std::min<Size>(s.n ? most / rows : 2, std::max<Size>(wide, 1));
    return {rows, most_vectors >= 4 ? 4 : most_vectors >= 2 ? 2 : 1};
  }
  case ContractionScheme::dots: {
    const int columns = balanced(few, std::min({12, most / 2, shape.lanes()}));
    const auto rows = static_cast<int>(std::clamp<Size>(s.m.value_or(8), 1, 8));
    return {std::clamp(most / columns, 1, rows), columns};
  }
  case ContractionScheme::packed:
    return {most / 2, 2};
  }
  return {};
}

/// The most terms of a part; of `packed` and of integers there are no parts.
std::int64_t most_terms(const ContractionShape& shape, ContractionScheme scheme) {
  constexpr Size most = 4096, no_limit = std::numeric_limits<Size>::max();
  if (!is_float(shape.dtype) || scheme == ContractionScheme::packed) return no_limit;
  // Of a dot each lane has a sum of its own.
  return scheme == ContractionScheme::dots ? std::min(most, most_at_once * shape.lanes()) : most;
}

/// Whether sums may be as long as that.
bool may_have_parts(const ContractionShape& shape, ContractionScheme scheme) {
  const Size most = most_terms(shape, scheme);
  return most < std::numeric_limits<Size>::max() && shape.known.k.value_or(most + 1) > most;
}

PackedBlocks packed_blocks(const ContractionShape& shape) {
  return {.columns = 2048 / static_cast<Size>(item_size(shape.dtype)),
          .k = 384,
          .together = 10,
          .rows = 2048};
}

/// Whether `rows` reads b as it is; else panels of it are copied first.
bool reads_right_directly(const ContractionShape& shape) {
  // A line's last vector is loaded with a mask, which SSE has not.
  return shape.known.b_col == 1 && shape.vector_bytes >= 32;
}

bool copies(const ContractionShape& shape, ContractionScheme scheme) {
  switch (scheme) {
  case ContractionScheme::rows:
    return !reads_right_directly(shape);
  case ContractionScheme::columns:
    return false;
  case ContractionScheme::dots:
    return shape.known.b_row != 1;
  case ContractionScheme::packed:
    return true;
  }
  return true;
}

/// Products of elements below which splitting costs more than it gains; about 5 µs.
constexpr Size grain = Size{1} << 19;

/// Rows left over from tiles that are done one by one, where their number is not known.
constexpr int most_single_rows = 2;

/// Vectors of a tile whose masks stay in registers in more than one loop.
constexpr int most_masked = 4;

/// What whole tiles leave of rows and columns.
void decide_rests(ProductSchedule& s, const ContractionShape& shape) {
  const auto &m = shape.known.m, &n = shape.known.n;
  const Size rest = n ? ceil_div(*n, shape.lanes()) % s.tile.vectors : s.tile.vectors > 1 ? 1 : 0;
  if (rest > 0) s.rest_vectors = static_cast<int>(std::bit_ceil(static_cast<std::size_t>(rest)));
  s.overlaps = m && *m % s.tile.rows != 0 && !shape.accumulates;
  // Where so many rows as a tile has may be too many.
  if (is_float(shape.dtype) && !m && s.tile.rows > 2 * most_single_rows)
    s.single_rows = most_single_rows;
}

/// Products of elements that a text may write out: those of matrices of 4 x 4 and less, for which
/// setting tiles up takes longer than the products.
constexpr Size most_written_out = 128;
/// From so many columns on a row of c is a vector worth having.
constexpr Size columns_of_vectors = 5;

bool is_written_out(const ContractionShape& shape, ContractionScheme scheme) {
  const auto sizes = shape.known_sizes();
  return is_float(shape.dtype) && sizes && sizes->n < columns_of_vectors &&
         (scheme == ContractionScheme::rows || scheme == ContractionScheme::columns) &&
         saturating_mul(saturating_mul(sizes->m, sizes->n), sizes->k) <= most_written_out;
}

} // namespace

ContractionScheme contraction_scheme(const ContractionShape& shape,
                                     const ContractionSizes<Size>& s) {
  if (!is_float(shape.dtype)) return ContractionScheme::rows;
  if (s.n <= narrow) {
    const Size lanes = shape.lanes();
    if (s.a_row == 1 && s.a_col != 1 &&
        cost_of_columns(s.m, s.n, s.k, lanes) < cost_of_rows(s.m, s.n, s.k, lanes))
      return ContractionScheme::columns;
    if (s.a_col == 1 && s.k >= long_k &&
        cost_of_dots(s.m, s.n, s.k, lanes, s.b_row != 1) < cost_of_rows(s.m, s.n, s.k, lanes))
      return ContractionScheme::dots;
  }
  return is_large(s.m, s.n, s.k) ? ContractionScheme::packed : ContractionScheme::rows;
}

std::optional<ContractionSizes<Size>> ContractionShape::known_sizes() const {
  const auto all = known.in_order();
  if (!std::ranges::all_of(all, [](const auto& size) { return size.has_value(); })) return {};
  return ContractionSizes<Size>{*known.m,     *known.n,     *known.k,     *known.a_row,
                                *known.a_col, *known.b_row, *known.b_col, *known.c_row};
}

std::vector<ContractionScheme> possible_schemes(const ContractionShape& shape) {
  const auto& s = shape.known;
  if (const auto sizes = shape.known_sizes()) return {contraction_scheme(shape, *sizes)};
  if (!is_float(shape.dtype)) return {ContractionScheme::rows};
  constexpr Size many = Size{1} << 20; // beyond every threshold
  const bool is_narrow = s.n.value_or(1) <= narrow;
  const bool may_be_columns = is_narrow && s.a_row.value_or(1) == 1 && s.a_col.value_or(many) != 1;
  const bool may_be_dots = is_narrow && s.a_col.value_or(1) == 1 && s.k.value_or(many) >= long_k;
  const bool may_be_large = is_large(s.m.value_or(many), s.n.value_or(many), s.k.value_or(many));
  const bool is_surely_large = is_large(s.m.value_or(1), s.n.value_or(1), s.k.value_or(1));
  std::vector<ContractionScheme> schemes;
  if (!is_surely_large) schemes.push_back(ContractionScheme::rows);
  if (may_be_columns) schemes.push_back(ContractionScheme::columns);
  if (may_be_dots) schemes.push_back(ContractionScheme::dots);
  if (may_be_large) schemes.push_back(ContractionScheme::packed);
  return schemes;
}

ProductSchedule schedule_for_cpu(const ContractionShape& shape, ContractionScheme scheme) {
  const auto& known = shape.known;
  if (is_written_out(shape, scheme)) return {.scheme = scheme, .is_written_out = true};
  ProductSchedule s{
      .scheme = scheme, .tile = tile_of(shape, scheme), .copies = copies(shape, scheme)};
  const bool is_in_vectors =
      scheme == ContractionScheme::rows || scheme == ContractionScheme::columns;
  if (is_float(shape.dtype) && is_in_vectors && known.k.value_or(most_at_once + 1) > most_at_once)
    s.block_terms = most_at_once;
  s.is_first_block_apart = s.block_terms > 0 && s.tile.vectors <= most_masked;
  if (may_have_parts(shape, scheme)) s.part_terms = most_terms(shape, scheme);
  if (scheme == ContractionScheme::rows) decide_rests(s, shape);
  if (scheme == ContractionScheme::packed) s.packed = packed_blocks(shape);
  s.unit = scheme == ContractionScheme::columns ? s.tile.vectors * shape.lanes() : s.tile.rows;
  // Parts are shared among threads whatever the work.
  const bool is_little = scheme != ContractionScheme::packed && s.part_terms == 0 && known.m &&
                         known.n && known.k && *known.m * *known.n * *known.k < 2 * grain;
  if (!is_little) s.grain = grain;
  return s;
}

std::string ProductSchedule::to_string() const {
  if (is_written_out) return "written out, element by element; on the calling thread";
  std::string text;
  switch (scheme) {
  case ContractionScheme::rows:
    text = fmt::format("vectors along rows of c, tiles of {} rows x {} vector{}", tile.rows,
                       tile.vectors, tile.vectors == 1 ? "" : "s");
    if (rest_vectors > 0) text += fmt::format(", {} for what columns are left", rest_vectors);
    if (overlaps) text += ", the last one overlapping";
    if (single_rows > 0) text += fmt::format(", up to {} rows left done one by one", single_rows);
    break;
  case ContractionScheme::columns:
    text = fmt::format("vectors along columns of c, tiles of {} columns x {} vector{}", tile.rows,
                       tile.vectors, tile.vectors == 1 ? "" : "s");
    break;
  case ContractionScheme::dots:
    text = fmt::format("vectors along k, tiles of {} rows x {} columns", tile.rows, tile.vectors);
    break;
  case ContractionScheme::packed:
    text =
        fmt::format("blocks of {} terms x {} columns packed for the caches, tiles of {} rows x {} "
                    "vectors",
                    packed->k, packed->columns, tile.rows, tile.vectors);
    break;
  }
  if (copies && !packed) text += "; b copied first";
  if (block_terms > 0) text += fmt::format("; sums in blocks of {} terms", block_terms);
  if (part_terms > 0) text += fmt::format("; longer sums in parts of {} terms", part_terms);
  return text + (grain > 0
                     ? fmt::format("; {} rows a unit, chunks of at least {} products in parallel",
                                   unit, grain)
                     : "; on the calling thread");
}

std::int64_t contraction_work_bytes(const ContractionShape& shape, ContractionScheme scheme,
                                    const ContractionSizes<Size>& s, int threads) {
  const Size lanes = shape.lanes();
  const auto padded = [](Size n, Size to) { return ceil_div(n, to) * to; };
  const Size of_part = most_terms(shape, scheme), k = std::min(s.k, of_part);
  Size elements = 0;
  switch (scheme) {
  case ContractionScheme::rows:
    if (!reads_right_directly(shape))
      elements = saturating_mul(padded(s.n, tile_of(shape, scheme).vectors * lanes), k);
    break;
  case ContractionScheme::columns:
    break;
  case ContractionScheme::dots:
    if (shape.known.b_row != 1) elements = saturating_mul(padded(k, lanes), s.n);
    break;
  case ContractionScheme::packed: {
    const ContractionTile tile = tile_of(shape, scheme);
    const PackedBlocks most = packed_blocks(shape);
    const Size width = tile.vectors * lanes, panels = most.columns / width;
    elements =
        panels * (width * std::min(s.k, most.k) + lanes) + threads * tile.rows * (most.k + lanes);
    const Size depth = ceil_div(s.k, ceil_div(s.k, most.k));
    if (ceil_div(s.k, depth) > most.together) {
      const Size columns = padded(ceil_div(s.n, ceil_div(s.n, most.columns)), width);
      const Size f64s = static_cast<Size>(sizeof(double) / item_size(shape.dtype));
      elements += std::min(s.m, most.rows) * columns * (1 + f64s);
    }
    break;
  }
  }
  if (s.k > of_part) {
    const Size results = saturating_mul(ceil_div(s.k, of_part), saturating_mul(s.m, s.n));
    elements = saturating_add(padded(results, lanes), saturating_mul<Size>(threads, elements));
  }
  return saturating_mul(elements, static_cast<Size>(item_size(shape.dtype)));
}

} // namespace kroton::codegen
