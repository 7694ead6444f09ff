/// Graphs and expressions as text and as Graphviz.
#include <map>

#include <fmt/format.h>

#include "lib/ir/graph.hpp"
#include "lib/support/number_text.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton {
namespace ir {
namespace {

std::string number_text(const Scalar& value) {
  if (is_float(value.dtype))
    return support::visit_float(value.dtype, [&]<class T>(std::type_identity<T>) {
      return support::number_text(support::from_bits<T>(value.bits()));
    });
  if (is_unsigned_int(value.dtype)) return fmt::format("{}", value.bits());
  if (is_bool(value.dtype)) return value.bits() ? "true" : "false";
  const int unused = 64 - static_cast<int>(item_size(value.dtype)) * 8;
  return fmt::format("{}", static_cast<std::int64_t>(value.bits() << unused) >> unused);
}

/// The fields of a node's parameters: " axes=[0,2]". Of a leaf only a constant's value, for its
/// type and name are printed anyway.
class FieldText : public FieldVisitor {
public:
  explicit FieldText(const GraphNode& n) : is_leaf_(n.is_leaf()) { n.params.visit(*this); }

  std::string take() { return std::move(text_); }

  void visit(std::string_view name, const bool& value) override { add(name, value); }
  void visit(std::string_view name, const std::int64_t& value) override { add(name, value); }
  void visit(std::string_view name, const Ints& value) override {
    add(name, fmt::format("[{}]", fmt::join(value, ",")));
  }
  void visit(std::string_view name, const DType& value) override {
    add(name, kroton::to_string(value));
  }
  void visit(std::string_view, const Scalar& value) override { text_ += " " + number_text(value); }
  void visit(std::string_view name, const Draw& value) override { add(name, value.number); }
  void visit(std::string_view name, const Dim& value) override { add(name, value.to_string()); }
  void visit(std::string_view name, const DimList& value) override {
    add(name, dims::to_string(value));
  }
  void visit(std::string_view, const InputIdentity&) override {}
  void visit(std::string_view, const SharedIdentity&) override {}
  void visit(std::string_view, const ArrayIdentity&) override {}

private:
  template <class T> void add(std::string_view name, const T& value) {
    if (!is_leaf_) text_ += fmt::format(" {}={}", name, value);
  }

  bool is_leaf_;
  std::string text_;
};

std::string head(const GraphNode& n) {
  return n.is_leaf() && !n.name.empty() ? fmt::format("{} {}", n.op->name, n.name)
                                        : std::string(n.op->name);
}

/// For a quoted string of Graphviz.
std::string in_quotes(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

} // namespace

std::string Graph::to_string() const {
  std::string text;
  std::map<NodeId, int> number;
  for (NodeId id : order()) {
    const GraphNode& n = (*this)[id];
    const int k = static_cast<int>(number.size());
    number.emplace(id, k);
    std::string inputs;
    for (NodeId i : n.inputs)
      inputs += fmt::format("{}%{}", inputs.empty() ? " " : ", ", number.at(i));
    text += fmt::format("  %{} = {}{}{} : {}\n", k, head(n), inputs, FieldText(n).take(),
                        n.type.to_string());
  }
  text += "  return";
  for (std::size_t i = 0; i < outputs_.size(); ++i)
    text += fmt::format("{}%{}", i == 0 ? " " : ", ", number.at(outputs_[i]));
  return text + "\n";
}

std::string Graph::to_dot() const {
  std::string text =
      "digraph kroton {\n  rankdir=TB;\n  node [shape=box, fontname=\"monospace\"];\n";
  std::map<NodeId, int> number;
  for (NodeId id : order()) {
    const GraphNode& n = (*this)[id];
    const int k = static_cast<int>(number.size());
    number.emplace(id, k);
    text +=
        fmt::format("  n{} [label=\"{}{}\\n{}\"{}];\n", k, in_quotes(head(n)), FieldText(n).take(),
                    n.type.to_string(), n.is_leaf() ? ", style=filled, fillcolor=lightgrey" : "");
    for (std::size_t i = 0; i < n.inputs.size(); ++i)
      text += fmt::format("  n{} -> n{};\n", number.at(n.inputs[i]), k);
  }
  for (std::size_t i = 0; i < outputs_.size(); ++i)
    text += fmt::format("  out{} [label=\"output {}\", shape=plaintext];\n  n{} -> out{};\n", i, i,
                        number.at(outputs_[i]), i);
  return text + "}\n";
}

} // namespace ir

std::string Expr::to_string() const {
  detail::require_given(*this, "Expr", Location{});
  return ir::Graph::capture({this, 1}, ir::Graph::Unify::nothing).to_string();
}
std::string Expr::to_dot() const {
  detail::require_given(*this, "Expr", Location{});
  return ir::Graph::capture({this, 1}, ir::Graph::Unify::nothing).to_dot();
}
std::ostream& operator<<(std::ostream& out, const Dim& d) { return out << d.to_string(); }

} // namespace kroton
