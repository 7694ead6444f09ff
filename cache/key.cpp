#include "cache/key.hpp"

#include <algorithm>
#include <charconv>

#include "lib/support/error.hpp"

namespace kroton::cache {
namespace {

bool is_name(std::string_view text) {
  const auto is_allowed = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view("-_./+").find(c) != std::string_view::npos;
  };
  return !text.empty() && std::all_of(text.begin(), text.end(), is_allowed);
}

/// Takes the bytes up to `end` and `end` itself off the front of `rest`.
std::optional<std::string_view> take_until(std::string_view& rest, char end) {
  const auto at = rest.find(end);
  if (at == rest.npos) return {};
  const auto taken = rest.substr(0, at);
  rest.remove_prefix(at + 1);
  return taken;
}

/// The number as `std::to_string` writes it: no sign, no leading zero, in range.
std::optional<std::size_t> parse_length(std::string_view text) {
  std::size_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return {};
  if (text.size() > 1 && text.front() == '0') return {};
  return value;
}

} // namespace

KeyBuilder::KeyBuilder(std::string_view tag) {
  KROTON_CHECK(is_name(tag), "'{}' cannot be the tag of a key", tag);
  record_.append(tag) += '\n';
}

KeyBuilder& KeyBuilder::add(std::string_view name, std::string_view value) & {
  KROTON_CHECK(is_name(name), "'{}' cannot be the name of a field", name);
  KROTON_CHECK(std::find(names_.begin(), names_.end(), name) == names_.end(),
               "the key has a field '{}' already", name);
  names_.emplace_back(name);
  record_.append(name) += ' ';
  record_.append(std::to_string(value.size())) += '\n';
  record_.append(value) += '\n';
  return *this;
}

Key KeyBuilder::build() const { return {record_, support::digest_of(record_)}; }

std::optional<std::string_view> Record::find(std::string_view name) const {
  for (const Field& field : fields)
    if (field.name == name) return field.value;
  return {};
}

std::optional<Record> parse_record(std::string_view rest) {
  Record record;
  const auto tag = take_until(rest, '\n');
  if (!tag || !is_name(*tag)) return {};
  record.tag = *tag;
  while (!rest.empty()) {
    const auto name = take_until(rest, ' ');
    if (!name || !is_name(*name) || record.find(*name)) return {};
    const auto length_text = take_until(rest, '\n');
    if (!length_text) return {};
    const auto length = parse_length(*length_text);
    if (!length || *length >= rest.size() || rest[*length] != '\n') return {};
    record.fields.push_back({*name, rest.substr(0, *length)});
    rest.remove_prefix(*length + 1);
  }
  return record;
}

std::vector<std::string> explain_difference(std::string_view a, std::string_view b) {
  if (a == b) return {};
  const auto before = parse_record(a), after = parse_record(b);
  if (!before || !after) return {"record"};
  std::vector<std::string> names;
  if (before->tag != after->tag) names.emplace_back("tag");
  for (const Field& field : before->fields)
    if (after->find(field.name) != field.value) names.emplace_back(field.name);
  for (const Field& field : after->fields)
    if (!before->find(field.name)) names.emplace_back(field.name);
  // Same fields in another order: the records differ and no single field does.
  if (names.empty()) names.emplace_back("record");
  return names;
}

} // namespace kroton::cache
