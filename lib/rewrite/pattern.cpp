#include "lib/rewrite/pattern.hpp"

#include <algorithm>
#include <cmath>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"

namespace kroton::rewrite {

std::string to_string(const Pattern& p) {
  switch (p.kind) {
  case Pattern::Kind::variable:
  case Pattern::Kind::any_constant:
    return std::string(p.name);
  case Pattern::Kind::constant:
    return fmt::format("{}", p.value);
  case Pattern::Kind::any_of_kind:
    return p.name.empty() ? "any" : std::string(p.name);
  case Pattern::Kind::op:
    break;
  }
  std::string text = std::string(p.op->name) + "(";
  for (const Pattern& i : p.inputs) text += (text.ends_with('(') ? "" : ", ") + to_string(i);
  return text + ")";
}

std::vector<Pattern> commuted(const Pattern& p) {
  std::vector<Pattern> result{p};
  result[0].inputs.clear();
  for (const Pattern& input : p.inputs) {
    std::vector<Pattern> longer;
    for (const Pattern& so_far : result)
      for (const Pattern& choice : commuted(input)) {
        longer.push_back(so_far);
        longer.back().inputs.push_back(choice);
      }
    result = std::move(longer);
  }
  if (p.kind == Pattern::Kind::op && p.op->has(ir::Property::commutative) && p.inputs.size() == 2) {
    const std::size_t n = result.size();
    for (std::size_t i = 0; i < n; ++i) {
      result.push_back(result[i]);
      std::swap(result.back().inputs[0], result.back().inputs[1]);
    }
  }
  return result;
}

int depth(const Pattern& p) {
  int deepest = 0;
  for (const Pattern& i : p.inputs) deepest = std::max(deepest, depth(i));
  return deepest + 1;
}

const ir::GraphNode* constant_behind(const ir::Graph& g, ir::NodeId id) {
  const ir::GraphNode* n = &g[id];
  while (n->op == &ops::broadcast_to || n->op == &ops::reshape) n = &g[n->inputs[0]];
  return n->op == &ops::constant ? n : nullptr;
}

bool is_constant(const ir::Graph& g, ir::NodeId id, double value) {
  const ir::GraphNode* n = constant_behind(g, id);
  if (!n) return false;
  if (!is_float(n->type.dtype))
    return static_cast<double>(ops::int_value(ops::constant_in(*n))) == value;
  const double v = ops::float_value(ops::constant_in(*n));
  return v == value && std::signbit(v) == std::signbit(value);
}

bool match(const ir::Graph& g, const Pattern& p, ir::NodeId id, std::span<const int> uses,
           Bound& bound) {
  switch (p.kind) {
  case Pattern::Kind::constant:
    return is_constant(g, id, p.value);
  case Pattern::Kind::variable:
    break;
  case Pattern::Kind::any_constant:
    if (!constant_behind(g, id)) return false;
    break;
  case Pattern::Kind::any_of_kind:
    if (!g[id].op->is(p.op_kind)) return false;
    break;
  case Pattern::Kind::op: {
    const ir::GraphNode& n = g[id];
    if (n.op != p.op || n.inputs.size() < p.inputs.size()) return false;
    if (p.is_single_use && uses[static_cast<std::size_t>(id)] != 1) return false;
    for (std::size_t i = 0; i < p.inputs.size(); ++i)
      if (!match(g, p.inputs[i], n.inputs[i], uses, bound)) return false;
    break;
  }
  }
  if (p.slot < 0) return true;
  ir::NodeId& at = bound.nodes[p.slot];
  if (at == ir::no_node) at = id;
  return at == id;
}

namespace dsl {

Pattern variable(std::string_view name) {
  Pattern p;
  p.name = name;
  return p;
}
Pattern constant(std::string_view name) {
  Pattern p = variable(name);
  p.kind = Pattern::Kind::any_constant;
  return p;
}
Pattern any(const ir::Op& op, std::vector<Pattern> inputs) {
  Pattern p;
  p.kind = Pattern::Kind::op;
  p.op = &op;
  p.inputs = std::move(inputs);
  return p;
}
Pattern any(ir::Kind kind) {
  Pattern p;
  p.kind = Pattern::Kind::any_of_kind;
  p.op_kind = kind;
  return p;
}
Pattern as(std::string_view name, Pattern p) {
  p.name = name;
  return p;
}
Pattern once(Pattern p) {
  p.is_single_use = true;
  return p;
}

} // namespace dsl
} // namespace kroton::rewrite
