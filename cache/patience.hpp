#pragma once
/// How long one level of the cache may hold a process up, in one look-up and in all together.
///
///   Patience patience(5s);
///   … ask for no longer than patience.left() …
///   if (patience.is_lost(took)) switch_off();
#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>

namespace kroton::cache {

/// Safe to use from many threads at once.
class Patience {
public:
  /// A look-up that takes no longer than this holds nobody up.
  static constexpr std::chrono::milliseconds brief{100};

  explicit Patience(std::chrono::milliseconds limit) : limit_(limit) {}

  std::chrono::milliseconds limit() const { return limit_; }

  /// What the next look-up may take.
  std::chrono::milliseconds left() const {
    return std::min(limit_, limit_ - std::chrono::milliseconds(held_up_ms_) + brief);
  }

  /// Counts a look-up. True once all of them together have taken the limit beyond `brief` each.
  bool is_lost(std::chrono::nanoseconds took) {
    const auto excess = std::chrono::duration_cast<std::chrono::milliseconds>(took - brief).count();
    if (excess > 0) held_up_ms_ += excess;
    return held_up_ms_ >= limit_.count();
  }

private:
  const std::chrono::milliseconds limit_;
  std::atomic<std::int64_t> held_up_ms_ = 0;
};

} // namespace kroton::cache
