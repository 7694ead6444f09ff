#include "codegen/prelude/prelude.hpp"
#include "codegen/prelude/prelude_table.hpp"
#include "lib/support/error.hpp"

#include <kroton/dtype.hpp>

#include <algorithm>
#include <unordered_map>

namespace kroton::codegen {

namespace {

/// A dialect's table, and its positions by name.
struct Table {
  explicit Table(std::span<const PreludeEntry> table) : entries(table) {
    for (std::size_t i = 0; i < entries.size(); ++i) positions.emplace(entries[i].name, i);
  }
  std::size_t index_of(std::string_view name) const {
    const auto found = positions.find(name);
    if (found == positions.end())
      support::fail<InternalError>("prelude", {}, "no fragment is named '{}'", name);
    return found->second;
  }

  std::span<const PreludeEntry> entries;
  std::unordered_map<std::string_view, std::size_t> positions;
};

const Table& table_of(Dialect dialect) {
  static const Table cpu(prelude_table), cuda(cuda_prelude_table);
  return dialect == Dialect::cpu ? cpu : cuda;
}

template <class Visit> void for_each_word(std::string_view text, Visit visit) {
  auto is_word = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
  };
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i;
    while (end < text.size() && is_word(text[end])) ++end;
    if (end > i) visit(text.substr(i, end - i));
    i = end + 1;
  }
}

/// Whether the fragment "types" declares a word.
bool is_alias(std::string_view word) {
  return word == "KROTON_INLINE" || std::ranges::any_of(dtype_rows, [&](const DTypeRow& row) {
           return row.name == word && row.name != row.cpp_name;
         });
}

} // namespace

std::string_view prelude_fragment(std::string_view name, Dialect dialect) {
  const Table& table = table_of(dialect);
  return table.entries[table.index_of(name)].text;
}

std::string prelude_for(std::span<const std::string_view> names, Dialect dialect) {
  const Table& table = table_of(dialect);
  std::vector<bool> needed(table.entries.size(), false);
  for (std::string_view name : names) needed[table.index_of(name)] = true;
  // An entry's dependencies stand before it, so one walk from the end finds them all.
  for (std::size_t i = needed.size(); i-- > 0;)
    if (needed[i])
      for_each_word(table.entries[i].needs,
                    [&](std::string_view need) { needed[table.index_of(need)] = true; });
  std::string text;
  for (std::size_t i = 0; i < needed.size(); ++i) {
    if (!needed[i]) continue;
    if (!text.empty()) text += '\n';
    text += table.entries[i].text;
  }
  return text;
}

std::vector<std::string_view> prelude_names(Dialect dialect) {
  std::vector<std::string_view> names;
  for (const PreludeEntry& entry : table_of(dialect).entries) names.push_back(entry.name);
  return names;
}

std::vector<std::string_view> prelude_names_in(std::string_view text, Dialect dialect) {
  const Table& table = table_of(dialect);
  std::vector<bool> occurs(table.entries.size(), false);
  for_each_word(text, [&](std::string_view word) {
    if (const auto found = table.positions.find(word); found != table.positions.end())
      occurs[found->second] = true;
    else if (is_alias(word))
      occurs[table.index_of("types")] = true;
  });
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < occurs.size(); ++i)
    if (occurs[i]) names.push_back(table.entries[i].name);
  return names;
}

WithoutPrelude without_prelude(std::string_view text, Dialect dialect) {
  WithoutPrelude rest;
  std::size_t at = 0; // what is before it has been looked at
  int line = 1;
  for (const PreludeEntry& entry : table_of(dialect).entries) {
    const std::size_t found = text.find(entry.text, at);
    if (found == text.npos) continue;
    // With the line that is left empty behind it.
    std::size_t end = found + entry.text.size();
    if (end < text.size() && text[end] == '\n') ++end;
    const auto lines_in = [&](std::size_t from, std::size_t to) {
      return static_cast<int>(std::count(text.begin() + static_cast<std::ptrdiff_t>(from),
                                         text.begin() + static_cast<std::ptrdiff_t>(to), '\n'));
    };
    rest.text += text.substr(at, found - at);
    line += lines_in(at, found);
    rest.names.push_back(entry.name);
    rest.removed.emplace_back(line, lines_in(found, end));
    line += rest.removed.back().second;
    at = end;
  }
  rest.text += text.substr(at);
  return rest;
}

} // namespace kroton::codegen
