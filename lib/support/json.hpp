#pragma once
/// Writes JSON (RFC 8259), indented for people.
///
///   JsonWriter json;
///   json.begin_object();
///   json.member("name", "kernel").member("nbytes", 12).key("parts");
///   json.begin_array().value(true).value(nullptr).end_array();
///   json.end_object();
///   json.text();        // the document, with a line feed at its end
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace kroton::support {

/// The writer puts commas, line feeds and indentation; that begins and ends match, and that members
/// of objects have keys, is up to the caller.
class JsonWriter {
public:
  JsonWriter& begin_object() { return begin('{'); }
  JsonWriter& end_object() { return end('}'); }
  JsonWriter& begin_array() { return begin('['); }
  JsonWriter& end_array() { return end(']'); }

  JsonWriter& key(std::string_view name);

  /// A string. Bytes that are not UTF-8 become U+FFFD, one each.
  JsonWriter& value(std::string_view);
  JsonWriter& value(const char* text) { return value(std::string_view(text)); }
  JsonWriter& value(bool);
  JsonWriter& value(std::nullptr_t);
  JsonWriter& value(std::int64_t);
  JsonWriter& value(std::uint64_t);
  /// The shortest digits that read back as this number; null for infinities and NaN.
  JsonWriter& value(double);
  JsonWriter& value(std::signed_integral auto v) { return value(std::int64_t{v}); }
  JsonWriter& value(std::unsigned_integral auto v) { return value(std::uint64_t{v}); }

  template <class T> JsonWriter& member(std::string_view name, const T& v) {
    return key(name).value(v);
  }

  /// The document so far, and a line feed.
  std::string text() const { return text_ + "\n"; }

private:
  JsonWriter& begin(char bracket);
  JsonWriter& end(char bracket);
  JsonWriter& put(std::string_view token);
  void start_item();
  void start_line();

  std::string text_;
  std::vector<bool> has_items_; ///< Of each open object or array, from the outside in.
  bool is_after_key_ = false;
};

} // namespace kroton::support
