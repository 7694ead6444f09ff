/// What a call knows of its positions before it has run.
#include <algorithm>
#include <optional>
#include <utility>

#include "jit/cuda/call.hpp"

namespace kroton::jit::cuda {

using support::Interval;

/// Needs the constants' values.
void CudaProgram::bind_ranges() {
  for (int buffer : bound_.ranges.leaves) {
    RangeLeaf& leaf = range_leaves_.emplace_back();
    leaf.dtype = bound_.buffers[static_cast<std::size_t>(buffer)].dtype;
    const auto source = std::ranges::find(sources_, buffer, &Source::buffer);
    if (source != sources_.end()) {
      leaf.source = &*source;
      continue;
    }
    const Array value =
        std::ranges::find(constants_, buffer, &std::pair<int, Array>::first)->second.contiguous();
    leaf.constant = interval_of(leaf.dtype, value.raw(), static_cast<std::size_t>(value.numel()));
  }
}

/// Whether the host can tell that no position is out of range. Then nobody needs to look at the
/// failure records, and the call need not wait for the steps that fill them.
bool CudaProgram::Call::are_positions_in_range() {
  f_.leaf_intervals.clear();
  for (const RangeLeaf& leaf : p_.range_leaves_)
    f_.leaf_intervals.push_back(leaf.source ? interval_of_source(*leaf.source, leaf.dtype)
                                            : leaf.constant);
  const RangeCode& ranges = p_.bound_.ranges;
  ranges.run(f_.sizes, f_.leaf_intervals, f_.intervals);
  return ranges.holds(f_.sizes, f_.intervals);
}

/// Of an argument that lies on the host, its elements' interval; of what lies on a device, that of
/// the whole memory.
Interval CudaProgram::Call::interval_of_source(const Source& source, DType dtype) const {
  const auto staged = std::ranges::find(f_.staged, source.buffer, &CudaFrame::Staged::buffer);
  if (staged != f_.staged.end()) {
    const Array& host = staged->host;
    return interval_of(dtype, host.raw(), static_cast<std::size_t>(host.numel()));
  }
  const Memory* memory = memory_of(
      source.state ? source.state->value : arguments_[static_cast<std::size_t>(source.index)]);
  const std::optional<Interval> known = memory ? memory->interval(dtype) : std::nullopt;
  return known.value_or(support::integers_of(dtype));
}

} // namespace kroton::jit::cuda
