#include "codegen/loop/unused.hpp"

#include <algorithm>

namespace kroton::codegen {
namespace {

bool is_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool has_word(std::string_view text, std::string_view word) {
  for (std::size_t at = text.find(word); at != text.npos; at = text.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !is_word(text[at - 1])) && (end == text.size() || !is_word(text[end])))
      return true;
  }
  return false;
}

std::size_t indentation(std::string_view line) {
  return std::min(line.find_first_not_of(' '), line.size());
}

/// The name that a line defines and nothing more; empty if it does something else.
std::string_view defined_name(std::string_view line) {
  line.remove_prefix(indentation(line));
  const std::size_t equals = line.find(" = ");
  if (!line.starts_with("const ") || equals == line.npos || line.find("checked(") != line.npos)
    return {};
  std::size_t begin = equals;
  while (begin > 0 && is_word(line[begin - 1])) --begin;
  return line.substr(begin, equals - begin);
}

std::vector<std::string_view> lines_of(std::string_view text) {
  std::vector<std::string_view> lines;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}

} // namespace

Pruned without_unused(std::string_view text) {
  const std::vector<std::string_view> lines = lines_of(text);
  std::vector<bool> stays(lines.size(), true);
  for (std::size_t i = lines.size(); i-- > 0;) {
    const std::string_view name = defined_name(lines[i]);
    if (name.empty()) continue;
    const std::size_t depth = indentation(lines[i]);
    bool is_used = false;
    // A scope ends with the first line that stands further out; directives stand at the edge.
    for (std::size_t k = i + 1; k < lines.size() && !is_used; ++k) {
      if (lines[k].starts_with('#')) continue;
      if (indentation(lines[k]) < depth) break;
      is_used = stays[k] && has_word(lines[k], name);
    }
    stays[i] = is_used;
  }
  Pruned pruned;
  int number = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    pruned.line.push_back(stays[i] ? ++number : 0);
    if (stays[i]) pruned.text.append(lines[i]).append("\n");
  }
  return pruned;
}

} // namespace kroton::codegen
