#pragma once
/// Which loops of a kernel are written with explicit vectors, and which of its values are vectors.
///
///   Lanes lanes = choose_lanes(kernel, 64);
///   lanes.count                // elements of a vector; 0: all loops are plain ones
///   lanes.is_vector(value)     // differs from lane to lane
///
/// A loop over the last inner axis of a row, or over the last axis of a finish block, takes `count`
/// elements at a time. What such a loop computes along that axis is a vector; all else stays
/// scalar.
#include <algorithm>
#include <vector>

#include "codegen/schedule/facts.hpp"

namespace kroton::codegen {

struct Lanes {
  int count = 0;
  int bytes = 0;         ///< of the target's vectors
  std::vector<int> axis; ///< of each value: the axis it is a vector along, or -1
  /// Of each value: whether it is the first load of an array that rows walk from end to end, which
  /// may be beyond the caches.
  std::vector<bool> is_streaming_load;

  /// Expensive values, one a row, that only reductions over the rows use. They are computed for a
  /// stretch of rows at once, a vector of rows at a time, from `deferred_inputs`, which are stored
  /// for each row. Computed row by row, their latency would be that of every row.
  std::vector<int> deferred, deferred_inputs;

  /// Random numbers that are drawn for a stretch of rows at once: they are as many as they are in
  /// the rows, one after the other, and the rows are short. Others are drawn for a stretch of the
  /// loop that uses them.
  std::vector<int> drawn_by_rows;

  /// Into how many partial sums a loop adds up elements of a dtype: enough to keep four vectors of
  /// the target busy, whatever else the loop does, so that the order of sums of floats does not
  /// depend on that.
  int partial_sums(DType t) const {
    return std::max(count, 4 * bytes / static_cast<int>(item_size(t)));
  }

  bool is_deferred(int value) const { return std::ranges::find(deferred, value) != deferred.end(); }
  bool is_drawn_by_rows(int value) const {
    return std::ranges::find(drawn_by_rows, value) != drawn_by_rows.end();
  }
  bool is_vector(int value) const {
    return count > 0 && axis[static_cast<std::size_t>(value)] >= 0;
  }
};

/// `vector_bytes` is the width of the target's registers.
Lanes choose_lanes(const plan::Kernel& kernel, int vector_bytes);

/// Lanes of a flat kernel, whether or not they are worth the while.
Lanes flat_lanes(const plan::Kernel& kernel, int vector_bytes);

} // namespace kroton::codegen
