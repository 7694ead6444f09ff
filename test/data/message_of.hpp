#pragma once
/// The whole text of the error that `f` throws, with source lines as LINE:
///
///   CHECK(message_of<TypeError>([] { parse_dtype("f16"); }) == "parse_dtype: …");
#include <kroton/error.hpp>

#include <cctype>
#include <string>

namespace kroton::test {

/// "… at some_test.cpp:41" becomes "… at some_test.cpp:LINE".
inline std::string without_lines(std::string text) {
  const std::string mark = "_test.cpp:";
  for (std::size_t at = text.find(mark); at != text.npos; at = text.find(mark, at)) {
    at += mark.size();
    std::size_t end = at;
    while (end < text.size() && std::isdigit(static_cast<unsigned char>(text[end])) != 0) ++end;
    text.replace(at, end - at, "LINE");
  }
  return text;
}

/// Says so if the error is not an `E`.
template <class E = Error, class F> std::string message_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    const std::string text = without_lines(e.what());
    return dynamic_cast<const E*>(&e) != nullptr ? text : "thrown as another class: " + text;
  }
  return "nothing was thrown";
}

} // namespace kroton::test
