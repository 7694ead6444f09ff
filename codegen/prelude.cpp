#include "codegen/prelude.hpp"
#include "codegen/prelude_table.hpp"
#include "lib/support/error.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>

namespace kroton::codegen {

namespace {

std::span<const PreludeEntry> entries() { return {prelude_table, prelude_table_size}; }

/// The table's positions by name.
const std::unordered_map<std::string_view, std::size_t>& positions() {
  static const auto all = [] {
    std::unordered_map<std::string_view, std::size_t> of;
    for (std::size_t i = 0; i < prelude_table_size; ++i) of.emplace(prelude_table[i].name, i);
    return of;
  }();
  return all;
}

std::size_t index_of(std::string_view name) {
  const auto found = positions().find(name);
  if (found == positions().end())
    support::fail<InternalError>("prelude", {}, "no fragment is named '{}'", name);
  return found->second;
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

constexpr std::array<std::string_view, 11> aliases = {
    "KROTON_INLINE", "i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64", "f32", "f64"};

} // namespace

std::string_view prelude_fragment(std::string_view name) { return entries()[index_of(name)].text; }

std::string prelude_for(std::span<const std::string_view> names) {
  std::vector<bool> needed(prelude_table_size, false);
  for (std::string_view name : names) needed[index_of(name)] = true;
  // An entry's dependencies stand before it, so one walk from the end finds them all.
  for (std::size_t i = prelude_table_size; i-- > 0;)
    if (needed[i])
      for_each_word(prelude_table[i].needs,
                    [&](std::string_view need) { needed[index_of(need)] = true; });
  std::string text;
  for (std::size_t i = 0; i < prelude_table_size; ++i) {
    if (!needed[i]) continue;
    if (!text.empty()) text += '\n';
    text += prelude_table[i].text;
  }
  return text;
}

std::vector<std::string_view> prelude_names() {
  std::vector<std::string_view> names;
  for (const PreludeEntry& entry : entries()) names.push_back(entry.name);
  return names;
}

std::vector<std::string_view> prelude_names_in(std::string_view text) {
  std::vector<bool> occurs(prelude_table_size, false);
  for_each_word(text, [&](std::string_view word) {
    if (const auto found = positions().find(word); found != positions().end())
      occurs[found->second] = true;
    else if (std::ranges::find(aliases, word) != aliases.end())
      occurs[index_of("types")] = true;
  });
  std::vector<std::string_view> names;
  for (std::size_t i = 0; i < prelude_table_size; ++i)
    if (occurs[i]) names.push_back(prelude_table[i].name);
  return names;
}

} // namespace kroton::codegen
