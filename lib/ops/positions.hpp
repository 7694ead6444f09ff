#pragma once
/// Arrays of positions, which lookups and scatter-adds have behind their first inputs.
#include <span>
#include <string_view>
#include <vector>

#include "lib/ir/op.hpp"
#include "lib/support/error.hpp"

namespace kroton::ops {

/// Position arrays as i64 of one common shape. Throws TypeError and ShapeError as `op`.
std::vector<Expr> aligned(const std::vector<Expr>& positions, std::string_view op, Location where);

/// `inputs` with another first one.
std::vector<Expr> with_first(const Expr& first, std::span<const Expr> inputs);

/// Calls `f(row of the indexed array, position number)` for every set of positions.
template <class F>
void for_each_row(const ir::EvalContext& c, std::span<const std::int64_t> shape, F f) {
  std::vector<Array> positions;
  for (const Array& p : c.inputs.subspan(1)) positions.push_back(p.astype(DType::i64).contiguous());
  for (std::int64_t i = 0; i < positions[0].numel(); ++i) {
    std::int64_t row = 0;
    for (std::size_t k = 0; k < positions.size(); ++k) {
      std::int64_t p = positions[k].data<std::int64_t>()[i];
      const std::int64_t n = shape[k];
      if (p < -n || p >= n)
        support::fail<IndexError>(
            "index",
            {.hint = fmt::format("positions of an axis of {} run from {} to {}", n, -n, n - 1)},
            "position {} is outside axis {}, which has size {}", p, k, n);
      row = row * n + (p < 0 ? p + n : p);
    }
    f(row, i);
  }
}

/// The elements of the axes from `k` on.
std::int64_t numel_from(std::span<const std::int64_t> shape, std::size_t k);

/// Throws IndexError for a position that is outside its axis; the failure's site is the number of
/// the position array.
void position_failed(const ir::FailureContext& c);

/// Whether a position array has the mapped axis.
bool are_positions_mapped(const ir::BatchContext& c);
/// Adds to `inputs` position arrays of one shape that say which element of the mapped axis, and
/// then the op's own.
void add_positions(const ir::BatchContext& c, std::vector<Expr>& inputs);

} // namespace kroton::ops
