// Expressions in expressions: parentheses where an operator would take an operand apart, and
// nowhere else.
#include "codegen/loop/expression.hpp"
#include "codegen/loop/literal.hpp"
#include "codegen/loop/text.hpp"
#include "lib/ops/table.hpp"
#include "test/support/catch.hpp"

namespace kroton::codegen {
namespace {

const Text a = atom("a"), b = atom("b"), c = atom("c");

std::string spelled(std::string_view pattern, std::initializer_list<Text> operands) {
  return spell(pattern, operands).whole();
}

} // namespace

TEST_CASE("an operand that binds weaker stands in parentheses", "[codegen][text]") {
  const Text sum = spell("{0} + {1}", {a, b}), product = spell("{0} * {1}", {a, b}),
             choice = spell("{0} ? {1} : {2}", {a, b, c}), minus = spell("-{0}", {a}),
             cast = spell("(f32)({0})", {sum});
  CHECK(spelled("{0} * {1}", {sum, c}) == "(a + b) * c");
  CHECK(spelled("{0} + {1}", {product, c}) == "a * b + c");
  CHECK(spelled("{0} + {1}", {c, choice}) == "c + (a ? b : c)");
  CHECK(spelled("{0} == {1}", {sum, choice}) == "a + b == (a ? b : c)");
  CHECK(spelled("{1} > {0} ? {1} : {0}", {a, choice}) == "(a ? b : c) > a ? (a ? b : c) : a");
  CHECK(spelled("{0} * {1}", {minus, cast}) == "-a * (f32)(a + b)");
  CHECK(spelled("-{0}", {product}) == "-(a * b)");
  CHECK(spelled("(f32){0}", {sum}) == "(f32)(a + b)");
  CHECK(spelled("!{0}", {spell("{0} == {1}", {a, b})}) == "!(a == b)");
}

TEST_CASE("of equals the left one stands alone and the right one in parentheses",
          "[codegen][text]") {
  const Text difference = spell("{0} - {1}", {a, b}), quotient = spell("{0} / {1}", {a, b}),
             both = spell("{0} & {1}", {a, b});
  CHECK(spelled("{0} - {1}", {difference, c}) == "a - b - c");
  CHECK(spelled("{0} - {1}", {c, difference}) == "c - (a - b)");
  CHECK(spelled("{0} * {1}", {quotient, c}) == "a / b * c");
  CHECK(spelled("{0} * {1}", {c, quotient}) == "c * (a / b)");
  CHECK(spelled("{0} & {1}", {both, both}) == "(a & b) & (a & b)");
}

TEST_CASE("what is enclosed needs no parentheses", "[codegen][text]") {
  const Text choice = spell("{0} ? {1} : {2}", {a, b, c});
  CHECK(spelled("pow_f32({0}, {1})", {choice, choice}) == "pow_f32(a ? b : c, a ? b : c)");
  CHECK(spelled("convert<i64>({0})", {choice}) == "convert<i64>(a ? b : c)");
  CHECK(spelled("x[{0}]", {choice}) == "x[a ? b : c]");
  CHECK(spelled("{0}", {choice}) == "a ? b : c");
  CHECK(spell("{0}", {choice}).strength() == Strength::weakest);
  CHECK(spell("f({0} + {1})", {a, b}).strength() == Strength::atom);
  CHECK(spell("({0} > 0) - ({0} < 0)", {choice}).whole() ==
        "((a ? b : c) > 0) - ((a ? b : c) < 0)");
  CHECK(spell("({0} > 0) - ({0} < 0)", {choice}).strength() == Strength::sum);
}

TEST_CASE("two signs never become one operator", "[codegen][text]") {
  const Text one = number("-1"), minus = spell("-{0}", {a});
  CHECK(spelled("-{0}", {minus}) == "-(-a)");
  CHECK(spelled("-{0}", {one}) == "-(-1)");
  CHECK(spelled("{0} - {1}", {minus, one}) == "-a - -1");
  CHECK(spelled("!{0}", {spell("!{0}", {a})}) == "!!a");
  CHECK(spelled("{0} < 0 ? -{0} : {0}", {one}) == "-1 < 0 ? -(-1) : -1");
}

TEST_CASE("numbers know their signs and casts", "[codegen][text]") {
  CHECK(number("5l").strength() == Strength::atom);
  CHECK(number("-5l").strength() == Strength::unary);
  CHECK(number("(u8)5u").strength() == Strength::unary);
  CHECK(number("(-2147483647 - 1)").strength() == Strength::atom);
  CHECK(number("infinity_f32()").strength() == Strength::atom);
  for (const DType t : {DType::bool_, DType::i8, DType::i64, DType::u16, DType::f32, DType::f64})
    for (const ir::Identity identity :
         {ir::Identity::zero, ir::Identity::one, ir::Identity::lowest, ir::Identity::highest}) {
      const std::string text = limit(t, identity);
      INFO(text);
      CHECK(number(text).strength() ==
            (text.starts_with('-') || text.starts_with("(i8)") || text.starts_with("(u16)")
                 ? Strength::unary
                 : Strength::atom));
    }
}

TEST_CASE("every row's spelling takes any expression in each of its places", "[codegen][text]") {
  // An operand in its place, without the parentheses that are of no use, is what it was between
  // parentheses: shown by the strength that the place asks for.
  const auto check_text = [](std::string_view spelling, std::size_t arity) {
    const std::string pattern =
        replaced(replaced(std::string(spelling), "{t}", "f32"), "{o}", "i64");
    INFO(pattern);
    std::vector<Text> operands(arity, spell("{0} ? {1} : {2}", {a, b, c}));
    const std::string weak = spell(pattern, operands).whole();
    for (std::size_t at = weak.find("a ? b : c"); at != weak.npos;
         at = weak.find("a ? b : c", at + 1)) {
      const std::size_t end = at + std::string_view("a ? b : c").size();
      const bool is_open = at == 0 || weak[at - 1] == '(' || weak.substr(at - 2, 2) == ", ";
      const bool is_closed = end == weak.size() || weak[end] == ')' || weak[end] == ',';
      CHECK((is_open && is_closed));
    }
  };
  const auto check = [&](const ir::Spelling& s, std::size_t arity) {
    for (const std::string_view text : {s.text, s.vectors, s.by_number})
      if (!text.empty()) check_text(text, arity);
  };
  for (const ir::Op* op : ops::all()) {
    const auto arity = static_cast<std::size_t>(std::max(op->arity, 2));
    check(op->spelling, arity);
    for (int i = 0; i < dtype_count; ++i) {
      const auto t = static_cast<DType>(i);
      if (op->spell)
        for (int to = 0; to < dtype_count; ++to) check(op->spell(t, static_cast<DType>(to)), arity);
      if (op->fold) check(op->fold->spell(t), 2);
    }
  }
}

} // namespace kroton::codegen
