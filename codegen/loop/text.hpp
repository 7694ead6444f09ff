#pragma once
/// Expressions as C++ text that know how strongly they bind, so that one can stand in another.
///
///   const Text sum = spell("{0} + {1}", {atom("a"), atom("b")});
///   spell("{0} * {1}", {sum, atom("c")}).whole()              // "(a + b) * c"
///   spell("exp_f32({0})", {sum}).whole()                      // "exp_f32(a + b)"
///
/// A Text cannot be formatted into a string as it is: either `spell` puts it into an expression, in
/// parentheses where it needs them, or `whole` says that it stands where no operator is next to it.
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace kroton::codegen {

/// How strongly the outermost operator of an expression binds, the weakest first.
enum class Strength : std::uint8_t {
  weakest, ///< choices, comparisons and logic; among each other they stand in parentheses
  sum,
  product,
  unary, ///< signs, negations and casts
  atom,  ///< names, numbers, calls, elements of arrays
};

class Text {
public:
  Text(std::string text, Strength strength) : text_(std::move(text)), strength_(strength) {}

  /// For a statement, an argument of a call or an index.
  const std::string& whole() const { return text_; }
  /// For a place that takes expressions of at least this strength.
  std::string within(Strength needed) const {
    return strength_ >= needed ? text_ : "(" + text_ + ")";
  }
  Strength strength() const { return strength_; }
  bool operator==(const Text&) const = default;

private:
  std::string text_;
  Strength strength_;
};

/// A name, a call or an element, as it is.
inline Text atom(std::string text) { return {std::move(text), Strength::atom}; }
/// A number as C++ text: a sign or a cast may be in front of it.
Text number(std::string text);

/// `pattern`, an expression, with operands in its places {0}, {1}, …: in parentheses where the
/// operators of the pattern that are next to a place would take them apart. Operators with two
/// operands stand between spaces; `(name){0}` is a cast.
Text spell(std::string_view pattern, std::span<const Text> operands);
inline Text spell(std::string_view pattern, std::initializer_list<Text> operands) {
  return spell(pattern, std::span<const Text>(operands.begin(), operands.size()));
}

/// How often a pattern has the place of an operand.
int places_of(std::string_view pattern, std::size_t operand);

} // namespace kroton::codegen
