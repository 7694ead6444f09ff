#include "lib/rewrite/rule.hpp"

#include <algorithm>
#include <map>

#include "lib/ir/dim_normal.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"

namespace kroton::rewrite {
namespace {

void assign_slots(Pattern& p, std::vector<std::string_view>& names) {
  for (Pattern& i : p.inputs) assign_slots(i, names);
  if (p.name.empty()) return;
  auto it = std::ranges::find(names, p.name);
  if (it == names.end()) it = names.insert(names.end(), p.name);
  p.slot = static_cast<int>(it - names.begin());
}

void refuse_unbound(const Pattern& p, const Rule& r) {
  for (const Pattern& i : p.inputs) refuse_unbound(i, r);
  KROTON_CHECK(p.kind != Pattern::Kind::any_of_kind, "rule {}: the right side must name its ops",
               r.name);
  KROTON_CHECK(p.kind != Pattern::Kind::op || p.op->is(ir::Kind::elementwise),
               "rule {}: {} has attributes, build it in a function", r.name, p.op->name);
  if (p.kind != Pattern::Kind::variable && p.kind != Pattern::Kind::any_constant) return;
  if (std::ranges::find(r.names, p.name) == r.names.end())
    support::fail<InternalError>("rewrite", {},
                                 "rule {} uses {}, which its left side {} does not bind", r.name,
                                 p.name, to_string(r.from));
}

Rule make_rule(std::string_view name, Pattern from, Fp fp) {
  Rule r;
  r.name = name;
  assign_slots(from, r.names);
  KROTON_CHECK(r.names.size() <= Bound::max_slots, "rule {} binds {} names", name, r.names.size());
  r.variants = commuted(from);
  r.from = std::move(from);
  r.fp = fp;
  return r;
}

/// Builds the right side; a constant takes the dtype of the operand beside it.
NodeId build(const Pattern& p, Site& s, DType dtype) {
  if (p.kind == Pattern::Kind::constant) return s.constant(p.value, dtype);
  if (p.kind != Pattern::Kind::op) return s[p.name];
  ir::NodeIds inputs(p.inputs.size(), ir::no_node);
  DType common = dtype;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (p.inputs[i].kind != Pattern::Kind::constant) {
      inputs[i] = build(p.inputs[i], s, dtype);
      if (!(p.op == &ops::where && i == 0)) common = s.type(inputs[i]).dtype;
    }
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i] == ir::no_node) inputs[i] = build(p.inputs[i], s, common);
  return s.make(*p.op, std::move(inputs));
}

Expr example(const Pattern& p, DType dtype, std::map<std::string_view, Expr>& made) {
  if (!p.name.empty())
    if (const auto it = made.find(p.name); it != made.end()) return it->second;
  const Location here = Location::current();
  Expr e(nullptr);
  switch (p.kind) {
  case Pattern::Kind::constant:
    e = ops::scalar_constant(dtype, p.value, here);
    break;
  case Pattern::Kind::any_constant:
    e = ops::scalar_constant(dtype, 2.5, here);
    break;
  case Pattern::Kind::variable:
    e = tensor(dtype, {3, 4}, std::string(p.name));
    break;
  case Pattern::Kind::any_of_kind:
    support::fail<InternalError>("rewrite", {}, "a rule on a kind of op needs an example");
  case Pattern::Kind::op: {
    std::vector<Expr> inputs;
    const DType of_inputs = p.op->dtypes == ir::Dtypes::boolean   ? DType::bool_
                            : p.op->result == ir::Result::boolean ? DType::f32
                                                                  : dtype;
    for (const Pattern& i : p.inputs)
      inputs.push_back(
          example(i, p.op == &ops::where && inputs.empty() ? DType::bool_ : of_inputs, made));
    ir::Params params;
    if (p.op->is_reduction()) params = ops::AxesParams{{1}};
    e = ir::make(*p.op, std::move(inputs), std::move(params), here);
    break;
  }
  }
  if (!p.name.empty()) made.emplace(p.name, e);
  return e;
}

} // namespace

NodeId Site::operator[](std::string_view name) const {
  const auto it = std::ranges::find(rule_.names, name);
  KROTON_CHECK(it != rule_.names.end(), "rule {} does not bind {}", rule_.name, name);
  return bound_.nodes[it - rule_.names.begin()];
}

NodeId Site::make(const ir::Op& op, ir::NodeIds inputs, ir::Params params) {
  return graph_.add(op, std::move(inputs), std::move(params), graph_[root_].where);
}

NodeId Site::constant(double value, DType dtype) {
  return make(ops::constant, {},
              ops::ConstantParams{ir::scalar_of(dtype, ops::float_bits(dtype, value))});
}

NodeId Site::number(std::int64_t value) {
  return make(ops::constant, {},
              ops::ConstantParams{ir::scalar_of(DType::i64, static_cast<std::uint64_t>(value))});
}

NodeId Site::reshape(NodeId id, ir::DimList shape) {
  return ir::same(type(id).shape, shape)
             ? id
             : make(ops::reshape, {id}, ops::ShapeParams{std::move(shape)});
}

NodeId Site::broadcast(NodeId id, ir::DimList shape) {
  return ir::same(type(id).shape, shape)
             ? id
             : make(ops::broadcast_to, {id}, ops::ShapeParams{std::move(shape)});
}

bool Site::is_positive(const Dim& d) {
  if (d.is_static()) return d.value() > 0;
  const auto least = ir::dims::lower_bound(d);
  return (least && *least > 0) || graph_.assume_equal(ir::dims::min(d, Dim(1)), Dim(1));
}

Rule Rule::with(Liberty l) && {
  liberty = l;
  return std::move(*this);
}
Rule Rule::needed() && {
  is_needed = true;
  return std::move(*this);
}
Rule Rule::on(Expr (*make)()) && {
  example = make;
  return std::move(*this);
}
Rule Rule::but_not(Expr (*make)()) && {
  near_miss = make;
  return std::move(*this);
}
Rule Rule::excepting(std::string_view what) && {
  except = what;
  return std::move(*this);
}

Rule rule(std::string_view name, Pattern from, Pattern to, Fp fp) {
  Rule r = make_rule(name, std::move(from), fp);
  refuse_unbound(to, r);
  r.to = std::move(to);
  return r;
}

Rule rule(std::string_view name, Pattern from, Build build, Fp fp) {
  Rule r = make_rule(name, std::move(from), fp);
  r.build = build;
  return r;
}

NodeId instantiate(const Rule& r, Site& site) {
  return r.build ? r.build(site) : build(r.to, site, site.type(site.root()).dtype);
}

Expr example_of(const Rule& r) {
  if (r.example) return r.example();
  std::map<std::string_view, Expr> made;
  const bool is_boolean =
      r.from.kind == Pattern::Kind::op && r.from.op->dtypes == ir::Dtypes::boolean;
  return example(r.from, is_boolean ? DType::bool_ : DType::f32, made);
}

} // namespace kroton::rewrite
