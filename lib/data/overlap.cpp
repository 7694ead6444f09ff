#include "lib/data/overlap.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "lib/data/device_memory.hpp"

namespace kroton::data {
namespace {

/// A distance that is gone between `low` and `high` times.
struct Stride {
  std::int64_t bytes; ///< above 0
  std::int64_t low, high;
};

/// Whether some number of steps of each stride, from `first` on, covers `distance`.
class Search {
public:
  explicit Search(std::vector<Stride> strides) : strides_(std::move(strides)) {
    // Longest first: what the shorter ones can make up for then leaves few choices of each.
    std::ranges::sort(strides_, std::greater{}, &Stride::bytes);
    reach_.resize(strides_.size() + 1);
    for (std::size_t i = strides_.size(); i-- > 0;)
      reach_[i] = {reach_[i + 1].first + strides_[i].low * strides_[i].bytes,
                   reach_[i + 1].second + strides_[i].high * strides_[i].bytes};
  }

  bool can_cover(std::int64_t distance, std::size_t first = 0) {
    if (distance < reach_[first].first || distance > reach_[first].second) return false;
    if (first == strides_.size()) return true;
    if (--steps_left_ < 0) return true;
    const Stride& w = strides_[first];
    const auto [rest_low, rest_high] = reach_[first + 1];
    // distance - n * stride must be in what the rest reaches.
    const std::int64_t from = std::max(w.low, ceil_div(distance - rest_high, w.bytes)),
                       to = std::min(w.high, floor_div(distance - rest_low, w.bytes));
    for (std::int64_t n = from; n <= to; ++n)
      if (can_cover(distance - n * w.bytes, first + 1)) return true;
    return false;
  }

private:
  static std::int64_t floor_div(std::int64_t a, std::int64_t b) {
    return a / b - (a % b < 0 ? 1 : 0);
  }
  static std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return -floor_div(-a, b); }

  std::vector<Stride> strides_;
  std::vector<std::pair<std::int64_t, std::int64_t>> reach_; ///< of the strides from each on
  int steps_left_ = 10'000;
};

void add_strides(std::vector<Stride>& strides, const Array& a, bool is_forward) {
  const auto item = static_cast<std::int64_t>(item_size(a.dtype()));
  for (std::size_t axis = 0; axis < a.shape().size(); ++axis) {
    const std::int64_t last = a.shape()[axis] - 1;
    std::int64_t stride = a.strides()[axis] * item;
    if (stride == 0 || last == 0) continue;
    const bool goes_up = (stride > 0) == is_forward;
    strides.push_back({std::abs(stride), goes_up ? 0 : -last, goes_up ? last : 0});
  }
  // The bytes of an element.
  strides.push_back({1, is_forward ? 0 : 1 - item, is_forward ? item - 1 : 0});
}

} // namespace

bool share_elements(const Array& a, const Array& b) {
  if (!a.overlaps(b)) return false;
  if (a.is_contiguous() && b.is_contiguous()) return true;
  // A byte of a is one of b: its distance from a's first, less that from b's, is b - a.
  std::vector<Stride> strides;
  add_strides(strides, a, true);
  add_strides(strides, b, false);
  return Search(std::move(strides)).can_cover(address_of(b) - address_of(a));
}

} // namespace kroton::data
