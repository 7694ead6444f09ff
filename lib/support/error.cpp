#include "lib/support/error.hpp"

namespace kroton {

Error::Error(ErrorText text) : text_(std::move(text)) {
  what_ = text_.op.empty() ? text_.message : text_.op + ": " + text_.message;
  if (!text_.place.empty()) what_ += "\n  at " + text_.place;
  if (!text_.hint.empty()) what_ += "\n  hint: " + text_.hint;
}

namespace support {

std::string describe(const Location& where) {
  std::string_view file = where.file_name();
  if (file.empty()) return {};
  if (auto slash = file.rfind('/'); slash != file.npos) file.remove_prefix(slash + 1);
  return fmt::format("{}:{}", file, where.line());
}

void broken_promise(const char* condition, const char* file, int line, std::string detail) {
  std::string_view name = file;
  if (auto slash = name.rfind('/'); slash != name.npos) name.remove_prefix(slash + 1);
  fail<InternalError>(
      "kroton",
      {.place = fmt::format("{}:{}", name, line),
       .hint = "this is a bug in Kroton; please report it with the program that caused it"},
      "{} ({})", detail, condition);
}

} // namespace support
} // namespace kroton
