#pragma once
/// The whole text of the error that `f` throws, with source lines as LINE:
///
///   CHECK(message_of<TypeError>([] { parse_dtype("f16"); }) == "parse_dtype: …");
#include <kroton/error.hpp>

#include <cctype>
#include <regex>
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

/// The first place in an error's text that is not one of a test: "program.cpp:85".
inline std::string place_of_the_product(const std::string& text) {
  static const std::regex place("[A-Za-z0-9_]+\\.(?:cpp|hpp|h):[0-9]+");
  for (auto it = std::sregex_iterator(text.begin(), text.end(), place);
       it != std::sregex_iterator(); ++it)
    if (it->str().find("_test.cpp:") == std::string::npos) return it->str();
  return {};
}

/// Says so if the error is not an `E`, or if it names a place that is not the user's.
template <class E = Error, class F> std::string message_of(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    const std::string text = without_lines(e.what());
    const bool is_a_bug =
        dynamic_cast<const InternalError*>(&e) != nullptr; // which names its place
    if (const std::string place = place_of_the_product(e.what()); !place.empty() && !is_a_bug)
      return "names " + place + " of the product: " + text;
    return dynamic_cast<const E*>(&e) != nullptr ? text : "thrown as another class: " + text;
  }
  return "nothing was thrown";
}

} // namespace kroton::test
