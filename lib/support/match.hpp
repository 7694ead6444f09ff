#pragma once
/// Visits a variant with one function for each alternative; leaving one out, or giving a function
/// that takes anything, does not compile. So whoever adds an alternative is led to every place that
/// has to know it.
///
///   const std::string text = match(shape,
///                                  [](const Circle& c) { return describe(c); },
///                                  [](const Square& s) { return describe(s); });
#include <type_traits>
#include <utility>
#include <variant>

namespace kroton::support {

template <class... F> struct Overloaded : F... { using F::operator()...; };

/// No function that is written for the alternatives of a variant takes it.
struct NoAlternative {};

template <class Variant, class... F> decltype(auto) match(Variant&& variant, F&&... functions) {
  using Functions = Overloaded<std::remove_cvref_t<F>...>;
  static_assert(!std::is_invocable_v<Functions&, NoAlternative&>,
                "name the alternatives: a function that takes anything hides new ones");
  return std::visit(Functions{std::forward<F>(functions)...}, std::forward<Variant>(variant));
}

} // namespace kroton::support
