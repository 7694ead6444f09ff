#include "codegen/expression.hpp"

#include <algorithm>

#include "codegen/literal.hpp"
#include "lib/support/error.hpp"

namespace kroton::codegen {
namespace dims = ir::dims;
namespace {

int strength_of(std::string_view spelling) {
  if (spelling == "{0}") return 9;
  if (spelling.starts_with("("))
    return spelling.ends_with(")") && spelling.find(") ") == spelling.npos ? 3 : 1;
  if (spelling.starts_with("{0}")) {
    if (spelling.find(" * ") != spelling.npos || spelling.find(" / ") != spelling.npos) return 2;
    if (spelling.find(" + ") != spelling.npos || spelling.find(" - ") != spelling.npos) return 1;
    return 0;
  }
  return spelling.starts_with("-") || spelling.starts_with("!") ? 3 : 9;
}

std::size_t count(std::string_view text, std::string_view what) {
  std::size_t n = 0;
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + 1)) ++n;
  return n;
}

} // namespace

std::string replaced(std::string text, std::string_view what, std::string_view with) {
  for (std::size_t at = text.find(what); at != text.npos; at = text.find(what, at + with.size()))
    text.replace(at, what.size(), with);
  return text;
}

Expressions::Expressions(const Kernel& kernel, Lanes lanes)
    : k_(kernel), lanes_(std::move(lanes)), sizes_(size_arguments(kernel)) {
  name_params();
  find_checks();
  count_uses();
}

void Expressions::name_params() {
  int read = 0, written = 0, both = 0;
  for (const Param& p : k_.params)
    names_.push_back(p.is_read && p.is_written ? fmt::format("z{}", both++)
                     : p.is_written            ? fmt::format("y{}", written++)
                                               : fmt::format("a{}", read++));
}

std::string Expressions::dim_text(const Dim& d) const {
  for (std::size_t i = 0; i < sizes_.size(); ++i)
    if (dims::same(sizes_[i], d)) return fmt::format("n{}", i);
  const bool is_negative = !d.is_static() && d.node()->kind == ir::DimKind::negative;
  if (d.is_static() && d.value() <= largest_literal_dim) return std::to_string(d.value());
  if (is_negative && d.node()->a.value() <= largest_literal_dim)
    return "-" + std::to_string(d.node()->a.value());
  KROTON_CHECK(false, "dim {} is no argument of the kernel", d.to_string());
  return {};
}

void Expressions::find_checks() {
  checks_.resize(k_.sites.size());
  std::vector<const ComputedTerm*> in_scope;
  const auto find = [&](const Block& b) {
    for (int id : b.values)
      for (const ComputedTerm& t : value(id).access->computed) {
        const auto same = std::ranges::find_if(in_scope, [&](const ComputedTerm* c) {
          return c->value == t.value && dims::same(c->bound, t.bound);
        });
        checks_[static_cast<std::size_t>(t.site)] = same == in_scope.end() ? t.site : (*same)->site;
        if (same == in_scope.end()) in_scope.push_back(&t);
      }
  };
  find(k_.prologue);
  const std::size_t of_call = in_scope.size();
  for (const Stage& s : k_.stages) {
    find(s.row);
    const std::size_t of_row = in_scope.size();
    find(s.loop);
    in_scope.resize(of_row);
  }
  for (const Finish& f : k_.finish) {
    in_scope.resize(of_call);
    find(f.block);
  }
}

std::string Expressions::draw_name(int id) const {
  const auto is_drawn = [](const Value& v) { return v.kind == ValueKind::uniform; };
  return fmt::format("d{}", std::count_if(k_.values.begin(), k_.values.begin() + id, is_drawn));
}

std::vector<std::string> Expressions::number_names() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < sizes_.size(); ++i) names.push_back(fmt::format("n{}", i));
  for (std::size_t i = 0; i < k_.values.size(); ++i)
    if (k_.values[i].kind == ValueKind::uniform) names.push_back(draw_name(static_cast<int>(i)));
  return names;
}

void Expressions::count_uses() {
  uses_.assign(k_.values.size(), 0);
  inline_.assign(k_.values.size(), std::nullopt);
  home_.assign(k_.values.size(), nullptr);
  use_block_.assign(k_.values.size(), nullptr);
  auto use = [&](int id, const Block* where) {
    const auto i = static_cast<std::size_t>(id);
    ++uses_[i];
    use_block_[i] = uses_[i] == 1 ? where : nullptr;
  };
  auto block = [&](const Block& b) {
    for (int id : b.values) {
      const Value& v = value(id);
      home_[static_cast<std::size_t>(id)] = &b;
      for (int i : v.inputs) use(i, &b);
      for (const ComputedTerm& t : v.access->computed)
        if (checked_at(t) == t.site) use(t.value, &b);
    }
    for (const Store& s : b.stores) use(s.value, &b);
  };
  block(k_.prologue);
  for (const Stage& s : k_.stages) {
    block(s.row);
    block(s.loop);
    for (int r : s.reductions) {
      const int id = reduction(r).value;
      use(id, home_[static_cast<std::size_t>(id)]);
      // A fold may read what it folds more than once.
      if (!reduction(r).op->better.empty()) use(id, nullptr);
    }
  }
  for (const Finish& f : k_.finish) block(f.block);
  // Operands that a spelling names twice are computed once.
  for (const Value& v : k_.values) {
    if (v.kind != ValueKind::op) continue;
    const std::string spelling(spelling_of(v));
    for (std::size_t i = 0; i < v.inputs.size(); ++i)
      if (count(spelling, fmt::format("{{{}}}", i)) > 1)
        ++uses_[static_cast<std::size_t>(v.inputs[i])];
  }
}

std::string_view Expressions::spelling_of(const Value& v) const {
  const DType in = v.inputs.empty() ? v.dtype : value(v.inputs.back()).dtype;
  return v.op->spell ? v.op->spell(in, v.dtype) : v.op->spelling;
}

std::string Expressions::access_index(const Access& a) const {
  std::string text;
  auto plus = [&](const std::string& term) {
    if (term.starts_with("-") && !text.empty())
      text += " - " + term.substr(1);
    else
      text += (text.empty() ? "" : " + ") + term;
  };
  auto product = [&](const std::string& variable, const Dim& c) {
    if (c.is(1)) return variable;
    const std::string d = dim_text(c);
    return d == "-1" ? "-" + variable
                     : fmt::format("{} * {}", d.starts_with("-") ? d : variable,
                                   d.starts_with("-") ? variable : d);
  };
  if (!a.offset.is(0)) plus(dim_text(a.offset));
  for (const Term& t : a.terms) plus(product(axis_name(t.axis), t.coefficient));
  for (const ComputedTerm& t : a.computed)
    if (!t.coefficient.is(0)) plus(product(position_name(checked_at(t)), t.coefficient));
  return text.empty() ? "0" : text;
}

std::string Expressions::element(const Access& a) const {
  const std::string array =
      a.scratch >= 0 ? scratch_name(a.scratch) : names_[static_cast<std::size_t>(a.param)];
  return fmt::format("{}[{}]", array, access_index(a));
}

std::string Expressions::is_inside(const Access& a) const {
  std::string text;
  for (const ComputedTerm& t : a.computed)
    text += fmt::format("{}{} >= 0", text.empty() ? "" : " && ", position_name(checked_at(t)));
  return text;
}

std::string Expressions::place(const Access& a) const {
  const std::string array =
      a.scratch >= 0 ? scratch_name(a.scratch) : names_[static_cast<std::size_t>(a.param)];
  const std::string index = access_index(a);
  return index == "0"             ? array
         : index.starts_with("-") ? fmt::format("{} - {}", array, index.substr(1))
                                  : fmt::format("{} + {}", array, index);
}

std::string Expressions::elements(const Access& a, int axis) const {
  const Dim step = step_along(a, axis);
  // Scratch arrays are padded to whole vectors.
  if (a.scratch >= 0 && step.is(1)) return fmt::format("load_from<{}>({})", lanes_.count, place(a));
  if (step.is(1)) return fmt::format("load({}, m)", place(a));
  return fmt::format("load_every({}, {}, m)", place(a), dim_text(step));
}

std::string Expressions::store(const Access& a, int axis, const std::string& value) const {
  const Dim step = step_along(a, axis);
  if (a.scratch >= 0 && step.is(1)) return fmt::format("store_to({}, {});", place(a), value);
  if (step.is(1)) return fmt::format("store({}, {}, m);", place(a), value);
  return fmt::format("store_every({}, {}, {}, m);", place(a), dim_text(step), value);
}

std::string Expressions::fold(const Reduction& r, bool is_vector) const {
  std::string text(r.op->spell_fold(r.dtype));
  if (is_vector && r.op->neutral == "zero") text = "{0} + {1}";
  if (is_vector && is_bool(r.dtype)) text = r.op->neutral == "lowest" ? "{0} | {1}" : "{0} & {1}";
  return replaced(std::move(text), "{t}", type_name(r.dtype));
}

bool Expressions::is_drawn_for_rows(int id) const {
  constexpr std::int64_t longest_row = 64;
  const Dim& n = k_.axes.back();
  return k_.axes.size() == 2 && k_.rows == 1 && n.is_static() && n.value() <= longest_row &&
         step_along(value(id).access, 0).is(n.value());
}

Expressions::Text Expressions::vector_definition(int id) const {
  const Value& v = value(id);
  const int axis = lanes_.axis[static_cast<std::size_t>(id)], n = lanes_.count;
  switch (v.kind) {
  case ValueKind::index: {
    const Dim step = step_along(v.access, axis);
    const std::string numbers = fmt::format("lane_numbers<i64, {}>()", n);
    return {fmt::format("{} + {}", access_index(v.access),
                        step.is(1) ? numbers : fmt::format("{} * {}", dim_text(step), numbers)),
            1};
  }
  case ValueKind::load:
    if (lanes_.is_walk[static_cast<std::size_t>(id)])
      return {fmt::format("load_ahead({}, m)", place(v.access)), 9};
    if (v.access->computed.empty()) return {elements(v.access, axis), 9};
    return {fmt::format("{} ? {} : vec<{}, {}>({})", is_inside(v.access), elements(v.access, axis),
                        type_name(v.dtype), n, literal(v.dtype, 0)),
            0};
  case ValueKind::uniform:
    if (is_drawn_for_rows(id))
      return {fmt::format("load({0} + ({1} - {1}_from) * {2} + {3}, m)", run_name(id),
                          axis_name(axis - 1), dim_text(k_.axes.back()), axis_name(axis)),
              9};
    return {fmt::format("load_from<{0}>({1} + {2} - {2}_from)", n, run_name(id), axis_name(axis)),
            9};
  default:
    break;
  }
  const DType in = value(v.inputs.back()).dtype;
  std::string text(spelling_of(v));
  if (text == "({o})({0})") return spelled(v, "convert<{o}>({0})");
  if (text == "{0} ? {1} : {2}") return spelled(v, "select({0}, {1}, {2})");
  if (text == "{0} / {1}" && is_float(v.dtype) && !lanes_.is_vector(v.inputs[1]))
    return spelled(v, "divided({0}, {1})");
  if (is_bool(v.dtype) && !is_bool(in) && text.starts_with("{0} ")) {
    const Text comparison = spelled(v, std::move(text));
    return {fmt::format("mask_of({})", comparison.text), 9};
  }
  return spelled(v, std::move(text));
}

Expressions::Text Expressions::definition(int id) const {
  if (lanes_.is_vector(id) && value(id).kind != ValueKind::result) return vector_definition(id);
  const Value& v = value(id);
  switch (v.kind) {
  case ValueKind::literal: {
    std::string text = literal(v.dtype, v.bits);
    const int strength = text.starts_with("-") || text.starts_with("(") ? 3 : 9;
    return {std::move(text), strength};
  }
  case ValueKind::size:
    return {dim_text(v.access->offset), v.access->offset.is_static() ? 9 : 3};
  case ValueKind::index: {
    std::string text = access_index(v.access);
    return {text, text.find(' ') == text.npos ? 9 : 1};
  }
  case ValueKind::load: {
    if (v.access->computed.empty()) return {element(v.access), 9};
    return {
        fmt::format("{} ? {} : {}", is_inside(v.access), element(v.access), literal(v.dtype, 0)),
        0};
  }
  case ValueKind::uniform:
    return {fmt::format("{}_{}({}, {}, {}, {})", v.bits ? "positive" : "uniform",
                        to_string(v.dtype), operand(v.inputs[0], 0), draw_name(id),
                        operand(v.inputs[1], 0), access_index(v.access)),
            9};
  case ValueKind::result:
    if (is_stretched(v.reduction) && lanes_.is_vector(id))
      return {fmt::format("convert<{}>({})", type_name(v.dtype), result_name(v.reduction)), 9};
    if (is_stretched(v.reduction))
      return {fmt::format("({}){}", type_name(v.dtype), result_name(v.reduction)), 3};
    return {result_name(v.reduction), 9};
  case ValueKind::op:
    break;
  }
  return spelled(v, std::string(spelling_of(v)));
}

Expressions::Text Expressions::spelled(const Value& v, std::string text) const {
  const bool is_copy = text == "{0}";
  const int strength = strength_of(text);
  const bool is_call = strength == 9 && !is_copy;
  // Calls and casts hold whole expressions; in operators the right side needs more strength.
  for (std::size_t i = 0; i < v.inputs.size(); ++i) {
    const std::string place = fmt::format("{{{}}}", i);
    const bool is_enclosed = is_call || text.find("(" + place + ")") != text.npos;
    const int needed = is_enclosed ? 0 : i == 0 && strength > 0 ? strength : strength + 1;
    text = replaced(std::move(text), place, operand(v.inputs[i], needed));
  }
  const DType in = v.inputs.empty() ? v.dtype : value(v.inputs.back()).dtype;
  text = replaced(replaced(std::move(text), "{t}", type_name(in)), "{o}", type_name(v.dtype));
  return {std::move(text), is_copy ? 0 : strength};
}

bool Expressions::is_inline(int id) const {
  std::optional<bool>& known = inline_[static_cast<std::size_t>(id)];
  if (!known) known = decide_inline(id);
  return *known;
}

bool Expressions::decide_inline(int id) const {
  const Value& v = value(id);
  const auto i = static_cast<std::size_t>(id);
  if (v.kind == ValueKind::literal || v.kind == ValueKind::result) return true;
  if (v.kind == ValueKind::size || v.kind == ValueKind::index) return true;
  if (uses_[i] != 1 || use_block_[i] != home_[i]) return false;
  if (v.kind == ValueKind::load)
    // What this kernel also writes must be read before it is written.
    return v.access->computed.empty() && v.access->param >= 0 &&
           !k_.params[static_cast<std::size_t>(v.access->param)].is_written;
  // Narrow integers wrap when they are stored to a variable, not in the middle of an expression.
  if (v.kind == ValueKind::op)
    return (is_float(v.dtype) || is_bool(v.dtype) || item_size(v.dtype) >= 4) &&
           definition(id).text.size() < 76;
  return false;
}

std::string Expressions::operand(int id, int needed) const {
  if (const auto it = stand_ins_.find(id); it != stand_ins_.end()) return it->second;
  if (!is_inline(id)) return value_name(id);
  Text t = definition(id);
  return t.strength >= needed ? t.text : "(" + t.text + ")";
}

} // namespace kroton::codegen
