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
    const Array& value =
        std::ranges::find(constants_, buffer, &std::pair<int, Array>::first)->second;
    leaf.constant = interval_of(value);
  }
  for (const RangeCode::Result& r : bound_.ranges.results)
    range_results_.push_back({&*std::ranges::find(sources_, r.buffer, &Source::buffer),
                              bound_.buffers[static_cast<std::size_t>(r.buffer)].dtype, r.value});
}

/// Works out what this call's positions and results are among.
void CudaProgram::Call::find_intervals() {
  const RangeCode& ranges = p_.bound_.ranges;
  f_.leaf_intervals.clear();
  for (std::size_t i = 0; i < p_.range_leaves_.size(); ++i) {
    const RangeLeaf& leaf = p_.range_leaves_[i];
    const bool is_checked = i < static_cast<std::size_t>(ranges.checked_leaves);
    f_.leaf_intervals.push_back(
        leaf.source ? interval_of_source(*leaf.source, leaf.dtype, is_checked) : leaf.constant);
  }
  ranges.run(f_.sizes, f_.leaf_intervals, f_.intervals);
}

/// Of an argument that is on the host, its elements' interval; of what is on a device, that of
/// the whole memory. What is not known is looked at only if positions are checked by it.
Interval CudaProgram::Call::interval_of_source(const Source& source, DType dtype,
                                               bool is_checked) const {
  const auto staged = std::ranges::find(f_.staged, source.buffer, &CudaFrame::Staged::buffer);
  if (staged != f_.staged.end())
    return is_checked ? interval_of(staged->host) : support::integers_of(dtype);
  const Memory* memory = memory_of(
      source.state ? source.state->value : arguments_[static_cast<std::size_t>(source.index)]);
  if (!memory) return support::integers_of(dtype);
  return (is_checked ? memory->interval(dtype) : memory->known_interval(dtype))
      .value_or(support::integers_of(dtype));
}

/// Whether the host can tell that no position is out of range. Then nobody needs to look at the
/// failure records, and the call need not wait for the steps that fill them.
bool CudaProgram::Call::are_positions_in_range() const {
  return p_.bound_.ranges.holds(f_.sizes, f_.intervals);
}

/// What is known of the integers that the call leaves behind is told to their memory when the work
/// that writes them is noted there.
void CudaProgram::Call::find_known_results() {
  for (const RangeResult& r : p_.range_results_) {
    const Interval interval = f_.intervals[static_cast<std::size_t>(r.value)];
    if (interval == support::integers_of(r.dtype)) continue;
    const auto i = static_cast<std::size_t>(r.source->index);
    const bool is_output = r.source->kind == BoundPlan::Source::output;
    if (is_output && given_) continue; // given arrays may overlap
    const Array& array = is_output                                     ? results_[i]
                         : r.source->kind == BoundPlan::Source::update ? p_.updates_[i].spare
                                                                       : r.source->state->value;
    Memory* const memory = memory_of(array);
    if (memory && memory->nbytes() == array.nbytes())
      f_.known_results.push_back({memory, r.dtype, interval});
  }
}

} // namespace kroton::jit::cuda
