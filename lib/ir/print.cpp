/// Graphs and expressions as text and as Graphviz.
#include <map>

#include <fmt/format.h>

#include "lib/ir/graph.hpp"
#include "lib/support/number_text.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton {
namespace ir {
namespace {

std::string constant_text(const GraphNode& n) {
  if (is_float(n.type.dtype))
    return support::visit_float(n.type.dtype, [&]<class T>(std::type_identity<T>) {
      return support::number_text(support::from_bits<T>(n.attrs.bits));
    });
  if (is_unsigned_int(n.type.dtype)) return fmt::format("{}", n.attrs.bits);
  if (is_bool(n.type.dtype)) return n.attrs.bits ? "true" : "false";
  const int unused = 64 - static_cast<int>(item_size(n.type.dtype)) * 8;
  return fmt::format("{}", static_cast<std::int64_t>(n.attrs.bits << unused) >> unused);
}

std::string attrs_text(const GraphNode& n) {
  std::string text;
  if (!n.attrs.ints.empty()) text += fmt::format(" ints=[{}]", fmt::join(n.attrs.ints, ","));
  if (!n.is_leaf() && !n.attrs.dims.empty()) text += " dims=" + dims::to_string(n.attrs.dims);
  return text;
}

std::string head(const GraphNode& n) {
  if (n.is_leaf() && !n.name.empty()) return fmt::format("{} {}", n.op->name, n.name);
  if (n.op->name == "constant") return "constant " + constant_text(n);
  return std::string(n.op->name);
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
    text +=
        fmt::format("  %{} = {}{}{} : {}\n", k, head(n), inputs, attrs_text(n), n.type.to_string());
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
        fmt::format("  n{} [label=\"{}{}\\n{}\"{}];\n", k, in_quotes(head(n)), attrs_text(n),
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
  return ir::Graph::capture({this, 1}, ir::Graph::Unify::nothing).to_string();
}
std::string Expr::to_dot() const {
  return ir::Graph::capture({this, 1}, ir::Graph::Unify::nothing).to_dot();
}

} // namespace kroton
