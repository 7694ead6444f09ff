#include "codegen/loop/text.hpp"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "lib/support/error.hpp"

namespace kroton::codegen {
namespace {

enum class Kind : std::uint8_t { place, operand, infix, prefix, open, close, comma };

/// A part of a pattern, as far as what is next to a place matters.
struct Token {
  Kind kind;
  std::string_view text;
  Strength strength = Strength::atom; ///< of an operator
  std::size_t place = 0;
  int depth = 0; ///< how many parentheses are open around it
};

bool is_in(std::string_view all, char c) { return all.find(c) != all.npos; }

/// What a name or a number begins with. One continues to the next space or parenthesis:
/// "convert<f32>".
bool begins_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

/// The length of the place {N} at the beginning of a text, or 0.
std::size_t place_length(std::string_view text) {
  const std::size_t end = text.find('}');
  return text[0] == '{' && end != text.npos ? end + 1 : 0;
}

std::size_t place_number(std::string_view place) {
  std::size_t n = 0;
  for (char c : place.substr(1, place.size() - 2)) n = n * 10 + static_cast<std::size_t>(c - '0');
  return n;
}

Strength strength_of(std::string_view infix) {
  if (infix == "*" || infix == "/" || infix == "%") return Strength::product;
  return infix == "+" || infix == "-" ? Strength::sum : Strength::weakest;
}

/// The length of the cast at the beginning of a text where an operand may stand, or 0: a type in
/// parentheses that an operand follows without a space.
std::size_t cast_length(std::string_view text) {
  const std::size_t end = text.find(')');
  return text[0] == '(' && end + 1 < text.size() &&
                 std::ranges::none_of(text.substr(1, end - 1),
                                      [](char c) { return is_in(" ([{,", c); }) &&
                 !is_in(" )],", text[end + 1])
             ? end + 1
             : 0;
}

/// The part of a pattern at its beginning. `follows_operand`: an operator has an operand on its
/// left.
Token next_token(std::string_view rest, bool follows_operand) {
  if (const std::size_t length = place_length(rest); length > 0) {
    const std::string_view place = rest.substr(0, length);
    return {Kind::place, place, Strength::atom, place_number(place)};
  }
  const std::string_view first = rest.substr(0, 1);
  if (begins_word(rest[0])) {
    const auto end = std::ranges::find_if(rest, [](char c) { return is_in(" ()[],{", c); });
    return {Kind::operand, rest.substr(0, static_cast<std::size_t>(end - rest.begin()))};
  }
  if (const std::size_t length = follows_operand ? 0 : cast_length(rest); length > 0)
    return {Kind::prefix, rest.substr(0, length), Strength::unary};
  if (is_in("([", rest[0])) return {Kind::open, first};
  if (is_in(")]", rest[0])) return {Kind::close, first};
  if (rest[0] == ',') return {Kind::comma, first};
  if (!follows_operand) return {Kind::prefix, first, Strength::unary};
  const std::string_view infix = rest.substr(0, rest.find(' '));
  return {Kind::infix, infix, strength_of(infix)};
}

std::vector<Token> tokens_of(std::string_view pattern) {
  std::vector<Token> tokens;
  int depth = 0;
  bool follows_operand = false;
  for (std::size_t at = 0; at < pattern.size();) {
    if (pattern[at] == ' ') {
      ++at;
      continue;
    }
    Token t = next_token(pattern.substr(at), follows_operand);
    follows_operand = t.kind == Kind::place || t.kind == Kind::operand || t.kind == Kind::close;
    depth -= t.kind == Kind::close;
    t.depth = depth;
    depth += t.kind == Kind::open;
    at += t.text.size();
    tokens.push_back(t);
  }
  return tokens;
}

Strength stronger(Strength s) {
  return static_cast<Strength>(static_cast<int>(s) + (s < Strength::atom ? 1 : 0));
}

/// What an operator asks of its left operand; a - b - c is (a - b) - c.
Strength of_left(const Token& infix) {
  return infix.strength == Strength::weakest ? stronger(infix.strength) : infix.strength;
}

/// What is asked of an expression in the place of token i.
Strength needed_at(const std::vector<Token>& tokens, std::size_t i) {
  Strength needed = Strength::weakest;
  if (i > 0 && tokens[i - 1].kind == Kind::prefix) needed = tokens[i - 1].strength;
  if (i > 0 && tokens[i - 1].kind == Kind::infix) needed = stronger(tokens[i - 1].strength);
  if (i + 1 == tokens.size()) return needed;
  if (tokens[i + 1].kind == Kind::infix) needed = std::max(needed, of_left(tokens[i + 1]));
  if (tokens[i + 1].kind == Kind::open) needed = Strength::atom;
  return needed;
}

} // namespace

Text number(std::string text) {
  const bool has_prefix = text.starts_with('-') || cast_length(text) > 0;
  return {std::move(text), has_prefix ? Strength::unary : Strength::atom};
}

Text spell(std::string_view pattern, std::span<const Text> operands) {
  const std::vector<Token> tokens = tokens_of(pattern);
  if (tokens.size() == 1 && tokens[0].kind == Kind::place) return operands[tokens[0].place];
  std::string text;
  Strength strength = Strength::atom;
  const char* copied = pattern.data();
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    const Token& t = tokens[i];
    if (t.depth == 0 && (t.kind == Kind::infix || t.kind == Kind::prefix))
      strength = std::min(strength, t.strength);
    if (t.kind != Kind::place) continue;
    KROTON_CHECK(t.place < operands.size(), "\"{}\" has {} operands", pattern, operands.size());
    text.append(copied, t.text.data());
    copied = t.text.data() + t.text.size();
    const std::string operand = operands[t.place].within(needed_at(tokens, i));
    // Two signs next to each other would be another operator.
    const bool is_signed = text.ends_with('-') && operand.starts_with('-');
    text += is_signed ? "(" + operand + ")" : operand;
  }
  text.append(copied, pattern.data() + pattern.size());
  return {std::move(text), strength};
}

int places_of(std::string_view pattern, std::size_t operand) {
  const std::string place = fmt::format("{{{}}}", operand);
  int n = 0;
  for (std::size_t at = pattern.find(place); at != pattern.npos; at = pattern.find(place, at + 1))
    ++n;
  return n;
}

} // namespace kroton::codegen
