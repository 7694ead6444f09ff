#include "lib/support/json.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace kroton::support {
namespace {

/// The length of the UTF-8 sequence that `text` begins with; 0 if it begins with none. Overlong
/// forms, surrogates and what lies beyond U+10FFFF are none (RFC 3629, section 4).
std::size_t sequence_length(std::string_view text) {
  const auto byte = [&](std::size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const unsigned lead = byte(0);
  if (lead < 0x80) return 1;
  const std::size_t n = lead >= 0xc2 && lead <= 0xdf   ? 2
                        : lead >= 0xe0 && lead <= 0xef ? 3
                        : lead >= 0xf0 && lead <= 0xf4 ? 4
                                                       : 0;
  const unsigned least = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
  const unsigned most = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
  if (n == 0 || byte(1) < least || byte(1) > most) return 0;
  for (std::size_t i = 2; i < n; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  return n;
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    const std::size_t n = sequence_length(text);
    const char c = text.front();
    if (n == 0)
      out += "\xef\xbf\xbd"; // U+FFFD
    else if (c == '"' || c == '\\')
      (out += '\\') += c;
    else if (c == '\n')
      out += "\\n";
    else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f)
      out += fmt::format("\\u{:04x}", static_cast<int>(c));
    else
      out += text.substr(0, n);
    text.remove_prefix(std::max<std::size_t>(n, 1));
  }
  out += '"';
}

} // namespace

JsonWriter& JsonWriter::key(std::string_view name) {
  start_item();
  append_string(text_, name);
  text_ += ": ";
  is_after_key_ = true;
  return *this;
}

JsonWriter& JsonWriter::value(std::string_view text) {
  start_item();
  append_string(text_, text);
  return *this;
}

JsonWriter& JsonWriter::value(bool v) { return put(v ? "true" : "false"); }
JsonWriter& JsonWriter::value(std::nullptr_t) { return put("null"); }
JsonWriter& JsonWriter::value(std::int64_t v) { return put(fmt::format("{}", v)); }
JsonWriter& JsonWriter::value(std::uint64_t v) { return put(fmt::format("{}", v)); }
JsonWriter& JsonWriter::value(double v) {
  return put(std::isfinite(v) ? fmt::format("{}", v) : "null");
}

JsonWriter& JsonWriter::put(std::string_view token) {
  start_item();
  text_ += token;
  return *this;
}

JsonWriter& JsonWriter::begin(char bracket) {
  start_item();
  text_ += bracket;
  has_items_.push_back(false);
  return *this;
}

JsonWriter& JsonWriter::end(char bracket) {
  const bool had_items = has_items_.back();
  has_items_.pop_back();
  if (had_items) start_line();
  text_ += bracket;
  return *this;
}

/// What stands between the last item and the next; nothing between a key and its value.
void JsonWriter::start_item() {
  if (std::exchange(is_after_key_, false) || has_items_.empty()) return;
  if (has_items_.back()) text_ += ',';
  has_items_.back() = true;
  start_line();
}

void JsonWriter::start_line() { (text_ += '\n').append(2 * has_items_.size(), ' '); }

} // namespace kroton::support
