#pragma once
/// The memory that a piece of work has touched.
///
///   Footprint a, b;
///   a.add(at, 64, true);  b.add(at + 60, 4, false);
///   a.conflicts(b);                                      // true
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <map>

namespace kroton::emulator {

class Footprint {
public:
  void add(std::uintptr_t at, std::size_t nbytes, bool is_write) {
    add(is_write ? written_ : read_, at, at + nbytes);
  }
  /// Whether one of the two has written what the other touched.
  bool conflicts(const Footprint& other) const {
    return overlap(written_, other.written_) || overlap(written_, other.read_) ||
           overlap(read_, other.written_);
  }

private:
  using Intervals = std::map<std::uintptr_t, std::uintptr_t>; ///< From begin to end, apart.

  static void add(Intervals& all, std::uintptr_t begin, std::uintptr_t end) {
    if (begin == end) return;
    auto next = all.upper_bound(begin);
    if (next != all.begin() && std::prev(next)->second >= begin) next = std::prev(next);
    for (; next != all.end() && next->first <= end; next = all.erase(next)) {
      begin = next->first < begin ? next->first : begin;
      end = next->second > end ? next->second : end;
    }
    all.emplace_hint(next, begin, end);
  }
  static bool overlap(const Intervals& a, const Intervals& b) {
    for (auto i = a.begin(), j = b.begin(); i != a.end() && j != b.end();) {
      if (i->second <= j->first)
        ++i;
      else if (j->second <= i->first)
        ++j;
      else
        return true;
    }
    return false;
  }

  Intervals read_, written_;
};

} // namespace kroton::emulator
