/// Expressions as formulas: what `std::cout << e` prints.
#include <map>
#include <ostream>
#include <unordered_map>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/support/number_text.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::Node;

/// What of a text may stand beside an operator without parentheses: the higher, the more tightly it
/// binds.
constexpr int of_call = 9, of_prefix = 7, of_product = 6, of_sum = 5, of_order = 4, of_equality = 3,
              of_and = 2, of_or = 1;

struct Operator {
  const ir::Op* op;
  const char* text;
  int strength;
};
constexpr Operator operators[] = {
    {&mul, "*", of_product},
    {&div, "/", of_product},
    {&add, "+", of_sum},
    {&sub, "-", of_sum},
    {&less, "<", of_order},
    {&less_equal, "<=", of_order},
    {&greater, ">", of_order},
    {&equal, "==", of_equality},
    {&greater_equal, ">=", of_order},
    {&not_equal, "!=", of_equality},
    {&logical_and, "&&", of_and},
    {&logical_or, "||", of_or},
};

/// A text that is longer gets a line of its own.
constexpr std::size_t longest = 100;
/// Of more lines, those in the middle are left out.
constexpr std::size_t most_lines = 40;

/// "axes=[0,2]": the fields of a node's parameters.
class Fields : public ir::FieldVisitor {
public:
  explicit Fields(const ir::Params& params) { params.visit(*this); }
  std::vector<std::string> take() { return std::move(all_); }

  void visit(std::string_view name, const bool& value) override { add(name, value); }
  void visit(std::string_view name, const std::int64_t& value) override { add(name, value); }
  void visit(std::string_view name, const ir::Ints& value) override {
    add(name, fmt::format("[{}]", fmt::join(value, ",")));
  }
  void visit(std::string_view name, const DType& value) override {
    add(name, kroton::to_string(value));
  }
  void visit(std::string_view, const ir::Scalar&) override {}
  void visit(std::string_view, const ir::Draw&) override {}
  void visit(std::string_view name, const Dim& value) override { add(name, value.to_string()); }
  void visit(std::string_view name, const ir::DimList& value) override {
    add(name, ir::dims::to_string(value));
  }
  void visit(std::string_view, const ir::InputIdentity&) override {}
  void visit(std::string_view, const ir::SharedIdentity&) override {}
  void visit(std::string_view, const ir::ArrayIdentity&) override {}

private:
  template <class T> void add(std::string_view name, const T& value) {
    all_.push_back(fmt::format("{}={}", name, value));
  }

  std::vector<std::string> all_;
};

std::string number_of(const ir::Scalar& s) {
  if (is_bool(s.dtype)) return s.bits() != 0 ? "true" : "false";
  if (is_float(s.dtype))
    return s.dtype == DType::f32 ? support::number_text(static_cast<float>(float_value(s)))
                                 : support::number_text(float_value(s));
  const ir::Wide value = int_value(s);
  return value < 0 ? fmt::format("{}", static_cast<std::int64_t>(value))
                   : fmt::format("{}", static_cast<std::uint64_t>(value));
}

class Formula {
public:
  std::string of(const Expr& root) {
    const std::vector<const Expr*> order = ir::topological_handles({&root, 1});
    for (const Expr* e : order)
      for (const Expr& i : e->node()->inputs) ++uses_[i.node().get()];
    for (const Expr* e : order) add(*e->node(), e == order.back());
    std::string text;
    const std::size_t shown = most_lines / 2;
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      if (lines_.size() > most_lines && i == shown) {
        text += fmt::format("… {} lines …\n", lines_.size() - 2 * shown);
        i = lines_.size() - shown;
      }
      text += lines_[i] + (i + 1 < lines_.size() ? "\n" : "");
    }
    return text;
  }

private:
  struct Text {
    std::string text;
    int strength;
  };

  void add(const Node& n, bool is_root) {
    Text made = text_of(n);
    const std::string type = n.type.to_string();
    if (is_root) {
      lines_.push_back(fmt::format("{} : {}", made.text, type));
      return;
    }
    const bool is_small = n.inputs.empty() || n.op->is(ir::Kind::part) || n.is_implied;
    if (!is_small && (uses_[&n] > 1 || made.text.size() > longest)) {
      const std::string name = fmt::format("t{}", ++named_);
      lines_.push_back(fmt::format("{} = {} : {}", name, made.text, type));
      made = {name, of_call};
    }
    texts_.insert_or_assign(&n, std::move(made));
  }

  std::string operand(const Node& n, std::size_t i, int least) const {
    const Text& t = texts_.at(n.inputs[i].node().get());
    return t.strength < least ? fmt::format("({})", t.text) : t.text;
  }

  Text text_of(const Node& n) {
    if (n.op == &constant) {
      const std::string number = number_of(constant_in(n));
      return {number, number.starts_with('-') ? of_prefix : of_call};
    }
    if (n.op == &size) return {n.params.as<SizeParams>().size.to_string(), of_call};
    if (n.op->is(ir::Kind::leaf)) {
      if (!n.name.empty()) return {n.name, of_call};
      const auto [at, is_new] = unnamed_.emplace(n.params.leaf(), unnamed_.size() + 1);
      return {fmt::format("{}{}", n.op->name, at->second), of_call};
    }
    if (n.is_implied && n.inputs.size() == 1) return texts_.at(n.inputs[0].node().get());
    if (n.op == &neg) return {"-" + operand(n, 0, of_prefix), of_prefix};
    if (n.op == &logical_not) return {"!" + operand(n, 0, of_prefix), of_prefix};
    for (const Operator& o : operators)
      if (n.op == o.op)
        return {fmt::format("{} {} {}", operand(n, 0, o.strength), o.text,
                            operand(n, 1, o.strength + 1)),
                o.strength};
    std::vector<std::string> arguments;
    for (std::size_t i = 0; i < n.inputs.size(); ++i) arguments.push_back(operand(n, i, 0));
    if (n.op == &cast)
      return {fmt::format("{}({})", kroton::to_string(n.type.dtype), arguments[0]), of_call};
    for (std::string& field : Fields(n.params).take()) arguments.push_back(std::move(field));
    std::string name(n.op->function.empty() ? n.op->name : n.op->function);
    for (char& c : name)
      if (c == '-') c = '_';
    return {fmt::format("{}({})", name, fmt::join(arguments, ", ")), of_call};
  }

  std::unordered_map<const Node*, int> uses_;
  std::unordered_map<const Node*, Text> texts_;
  std::map<const void*, std::size_t> unnamed_;
  std::vector<std::string> lines_;
  int named_ = 0;
};

} // namespace
} // namespace ops

std::ostream& operator<<(std::ostream& out, const Expr& e) {
  detail::require_given(e, "Expr", Location{});
  return out << ops::Formula().of(e);
}

} // namespace kroton
