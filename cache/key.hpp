#pragma once
/// What an artifact is kept under: a record of everything that decides its content, and the
/// digest of that record.
///
///   Key key = KeyBuilder{"kernel/1"}.add("source", text).add("target", target).build();
///   key.digest.hex();                                   // names the entry
///   explain_difference(old_key.record, key.record);     // {"target"}
///
/// The record reads as text and parses back without guessing, since each value has its length
/// in front:
///
///   kernel/1\n
///   source 11\n
///   a = b + c;\n\n
///   target 9\n
///   x86-64-v3\n
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lib/support/digest.hpp"

namespace kroton::cache {

struct Key {
  std::string record;
  support::Digest digest;
};

/// Writes a record field by field. Bump the number in the tag when the meaning of a field changes.
class KeyBuilder {
public:
  /// `tag` says what kind of artifact this is and which version of its fields: "kernel/1".
  explicit KeyBuilder(std::string_view tag);
  /// Adds one field. Names are unique within a key; names and the tag consist of letters, digits
  /// and "-_./+". Values are any bytes. The order of the fields is part of the key.
  KeyBuilder& add(std::string_view name, std::string_view value) &;
  KeyBuilder&& add(std::string_view name, std::string_view value) && {
    return std::move(add(name, value));
  }
  Key build() const;

private:
  std::string record_;
  std::vector<std::string> names_;
};

struct Field {
  std::string_view name;
  std::string_view value;
};

/// A parsed record; views into the text it was parsed from.
struct Record {
  std::string_view tag;
  std::vector<Field> fields;

  /// The field's value, or nothing.
  std::optional<std::string_view> find(std::string_view name) const;
};

/// The fields of a record, or nothing when the text is not exactly what a KeyBuilder writes.
std::optional<Record> parse_record(std::string_view record);

/// The names of the fields in which two records differ, or that only one of them has, in the order
/// of `a`, then of `b`. "tag" stands for the tag, "record" for a record that does not parse.
std::vector<std::string> explain_difference(std::string_view a, std::string_view b);

} // namespace kroton::cache
