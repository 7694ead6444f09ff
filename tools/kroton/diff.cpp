#include "tools/kroton/diff.hpp"

#include <algorithm>
#include <span>

namespace kroton::tool {
namespace {

using Lines = std::span<const std::string_view>;

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    lines.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

/// Where the path on diagonal `k` stands among the ends of the paths on -limit - 1 to limit + 1.
std::size_t index_of(int k, int limit) {
  const int index = k + limit + 1;
  return static_cast<std::size_t>(index);
}

/// The shortest edit script, found by following from each diagonal k = x - y the furthest path
/// that d edits reach, for d = 0, 1, …; `trace[d]` keeps the ends of those paths. Empty when d
/// would exceed `max_edits`.
std::vector<std::vector<int>> furthest_paths(Lines a, Lines b, int max_edits) {
  const int n = static_cast<int>(a.size()), m = static_cast<int>(b.size());
  const int limit = std::min(n + m, max_edits);
  std::vector<std::vector<int>> trace;
  std::vector<int> ends(2 * static_cast<std::size_t>(limit) + 3, 0);
  const auto end_at = [&](int k) -> int& { return ends[index_of(k, limit)]; };
  for (int d = 0; d <= limit; ++d) {
    for (int k = -d; k <= d; k += 2) {
      const bool is_down = k == -d || (k != d && end_at(k - 1) < end_at(k + 1));
      int x = d == 0 ? 0 : is_down ? end_at(k + 1) : end_at(k - 1) + 1;
      int y = x - k;
      while (x < n && y < m && a[static_cast<std::size_t>(x)] == b[static_cast<std::size_t>(y)])
        ++x, ++y;
      end_at(k) = x;
      if (x >= n && y >= m) {
        trace.push_back(ends);
        return trace;
      }
    }
    trace.push_back(ends);
  }
  return {};
}

/// Walks the paths back from the end of both texts; the lines come out last first.
std::vector<DiffLine> walk_back(Lines a, Lines b, const std::vector<std::vector<int>>& trace,
                                int max_edits) {
  int x = static_cast<int>(a.size()), y = static_cast<int>(b.size());
  const int limit = std::min(x + y, max_edits);
  std::vector<DiffLine> lines;
  for (int d = static_cast<int>(trace.size()) - 1; d > 0; --d) {
    const auto& before = trace[static_cast<std::size_t>(d - 1)];
    const auto end_at = [&](int k) { return before[index_of(k, limit)]; };
    const int k = x - y;
    const bool is_down = k == -d || (k != d && end_at(k - 1) < end_at(k + 1));
    const int from = is_down ? k + 1 : k - 1;
    const int start_x = end_at(from), start_y = start_x - from;
    while (x > start_x + (is_down ? 0 : 1) && y > start_y + (is_down ? 1 : 0))
      --y, lines.push_back({' ', a[static_cast<std::size_t>(--x)]});
    if (is_down)
      lines.push_back({'+', b[static_cast<std::size_t>(--y)]});
    else
      lines.push_back({'-', a[static_cast<std::size_t>(--x)]});
  }
  while (x > 0) lines.push_back({' ', a[static_cast<std::size_t>(--x)]});
  return lines;
}

} // namespace

std::vector<DiffLine> diff_lines(std::string_view a, std::string_view b, int max_edits) {
  const auto a_lines = split(a), b_lines = split(b);
  Lines left(a_lines), right(b_lines);
  std::vector<DiffLine> result, tail;
  while (!left.empty() && !right.empty() && left.front() == right.front()) {
    result.push_back({' ', left.front()});
    left = left.subspan(1), right = right.subspan(1);
  }
  while (!left.empty() && !right.empty() && left.back() == right.back()) {
    tail.push_back({' ', left.back()});
    left = left.first(left.size() - 1), right = right.first(right.size() - 1);
  }
  if (const auto trace = furthest_paths(left, right, max_edits); !trace.empty()) {
    const auto middle = walk_back(left, right, trace, max_edits);
    result.insert(result.end(), middle.rbegin(), middle.rend());
  } else {
    for (const auto line : left) result.push_back({'-', line});
    for (const auto line : right) result.push_back({'+', line});
  }
  result.insert(result.end(), tail.rbegin(), tail.rend());
  return result;
}

} // namespace kroton::tool
