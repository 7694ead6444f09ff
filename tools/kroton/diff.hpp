#pragma once
/// The difference between two texts, line by line (Myers, An O(ND) Difference Algorithm, 1986).
///
///   for (const DiffLine& line : diff_lines("a\nb\n", "a\nc\n")) …     // ' ' a, '-' b, '+' c
#include <string_view>
#include <vector>

namespace kroton::tool {

struct DiffLine {
  char kind = ' '; ///< ' ' in both, '-' in the first only, '+' in the second only.
  std::string_view text;
};

/// Views into the two texts. Texts that differ in more than `max_edits` lines are given as all of
/// the one followed by all of the other, but for what they have in common at both ends; that bounds
/// the time to the texts' length times the number of edits.
std::vector<DiffLine> diff_lines(std::string_view a, std::string_view b, int max_edits = 400);

} // namespace kroton::tool
