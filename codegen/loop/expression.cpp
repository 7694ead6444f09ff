#include "codegen/loop/expression.hpp"

#include <algorithm>

#include "codegen/loop/literal.hpp"
#include "codegen/schedule/apart.hpp"
#include "lib/support/error.hpp"

namespace kroton::codegen {
namespace dims = ir::dims;
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

std::string Expressions::constant_name(int id) const {
  const auto is_constant = [](const Value& v) { return v.kind == ValueKind::constant; };
  return fmt::format("c{}", std::count_if(k_.values.begin(), k_.values.begin() + id, is_constant));
}

std::vector<std::string> Expressions::number_names() const {
  std::vector<std::string> names;
  for (std::size_t i = 0; i < sizes_.size(); ++i) names.push_back(fmt::format("n{}", i));
  for (std::size_t i = 0; i < k_.values.size(); ++i)
    if (k_.values[i].kind == ValueKind::uniform) names.push_back(draw_name(static_cast<int>(i)));
  for (std::size_t i = 0; i < k_.values.size(); ++i)
    if (k_.values[i].kind == ValueKind::constant)
      names.push_back(constant_name(static_cast<int>(i)));
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
      if (reads_of(reduction(r)) > 1) use(id, nullptr);
    }
  }
  for (const Finish& f : k_.finish) block(f.block);
  // Operands that a spelling names twice are computed once; those that are rounded first have
  // names.
  for (const Value& v : k_.values) {
    if (v.kind != ValueKind::op) continue;
    for (std::size_t i = 0; i < v.inputs.size(); ++i)
      if (v.bits != 0 || places_of(spelling_of(v).text, i) > 1)
        ++uses_[static_cast<std::size_t>(v.inputs[i])];
  }
}

ir::Spelling Expressions::spelling_of(const Value& v) const {
  return v.op->spelled(v.inputs.empty() ? v.dtype : value(v.inputs.back()).dtype, v.dtype);
}

Text Expressions::access_index(const Access& a) const {
  Text sum = atom("0");
  bool is_empty = true;
  const auto add = [&](Text term) {
    // The sign of a term is that of the sum.
    if (is_empty)
      sum = std::move(term);
    else if (term.whole().starts_with('-'))
      sum = spell("{0} - {1}", {sum, {term.whole().substr(1), term.strength()}});
    else
      sum = spell("{0} + {1}", {sum, term});
    is_empty = false;
  };
  const auto product = [&](const std::string& variable, const Dim& c) {
    const Text d = number(dim_text(c));
    if (c.is(1)) return atom(variable);
    if (d.whole() == "-1") return spell("-{0}", {atom(variable)});
    return d.strength() == Strength::atom ? spell("{0} * {1}", {atom(variable), d})
                                          : spell("{0} * {1}", {d, atom(variable)});
  };
  if (!a.offset.is(0)) add(number(dim_text(a.offset)));
  for (const Term& t : a.terms) add(product(axis_name(t.axis), t.coefficient));
  for (const ComputedTerm& t : a.computed)
    if (!t.coefficient.is(0)) add(product(position_name(checked_at(t)), t.coefficient));
  return sum;
}

Text Expressions::lane_positions(const Access& a, int axis) const {
  const Dim step = step_along(a, axis);
  if (step.is(0)) return access_index(a);
  const Text lanes = atom(fmt::format("lane_numbers<i64, {}>()", lanes_.count));
  return spell(
      "{0} + {1}",
      {access_index(a), step.is(1) ? lanes : spell("{0} * {1}", {number(dim_text(step)), lanes})});
}

std::string Expressions::element(const Access& a) const {
  const std::string array =
      a.scratch >= 0 ? scratch_name(a.scratch) : names_[static_cast<std::size_t>(a.param)];
  return fmt::format("{}[{}]", array, access_index(a).whole());
}

std::string Expressions::loaded(const Value& v, std::string element) {
  const bool is_any_byte = is_bool(v.dtype) && v.access->param >= 0;
  return is_any_byte ? fmt::format("truth({})", element) : element;
}

Text Expressions::guarded(const Access& a, const std::string& loaded, const std::string& none,
                          const std::string& mask) const {
  std::string condition = mask;
  for (const ComputedTerm& t : a.computed)
    if (!t.is_inside)
      condition +=
          fmt::format("{}{} >= 0", condition.empty() ? "" : " && ", position_name(checked_at(t)));
  if (condition.empty()) return atom(loaded);
  return {fmt::format("{} ? {} : {}", condition, loaded, none), Strength::weakest};
}

std::string Expressions::place(const Access& a) const {
  const std::string array =
      a.scratch >= 0 ? scratch_name(a.scratch) : names_[static_cast<std::size_t>(a.param)];
  const std::string index = access_index(a).whole();
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

std::string Expressions::store(const Access& a, int axis, const Text& value) const {
  const Dim step = step_along(a, axis);
  if (a.scratch >= 0 && step.is(1))
    return fmt::format("store_to({}, {});", place(a), value.whole());
  if (step.is(1)) return fmt::format("store({}, {}, m);", place(a), value.whole());
  return fmt::format("store_every({}, {}, {}, m);", place(a), dim_text(step), value.whole());
}

Text Expressions::folded(const Reduction& r, bool is_vector, const Text& so_far,
                         const Text& value) const {
  const ir::Spelling spelling = r.op->fold->spell(r.dtype);
  const std::string pattern(is_vector ? spelling.vectors : spelling.text);
  KROTON_CHECK(!pattern.empty(), "{} is not folded in vectors of {}", r.op->name,
               type_name(r.dtype));
  return spell(replaced(pattern, "{t}", type_name(r.dtype)), {so_far, value});
}

Text Expressions::better(const Reduction& r, const Text& best, const Text& value) {
  return spell(r.op->fold->spell(r.dtype).text, {best, value});
}

int Expressions::reads_of(const Reduction& r) {
  // Of a position, the value becomes the best one besides.
  return places_of(r.op->fold->spell(r.dtype).text, 1) + (r.op->gives_position() ? 1 : 0);
}

Text Expressions::vector_definition(int id) const {
  const Value& v = value(id);
  const int axis = lanes_.axis[static_cast<std::size_t>(id)], n = lanes_.count;
  switch (v.kind) {
  case ValueKind::index:
    return lane_positions(v.access, axis);
  case ValueKind::load:
    if (lanes_.is_streaming_load[static_cast<std::size_t>(id)])
      return atom(fmt::format("load_ahead({}, m)", place(v.access)));
    if (const auto apart = apart_load(k_, id, axis))
      return atom(
          fmt::format("load_apart<{}, {}>({}, m)", apart->count, apart->number, place(v.access)));
    if (v.access->computed.empty()) return atom(elements(v.access, axis));
    return guarded(v.access, elements(v.access, axis),
                   fmt::format("vec<{}, {}>({})", type_name(v.dtype), n, literal(v.dtype, 0)));
  case ValueKind::uniform:
    if (lanes_.is_drawn_by_rows(id))
      return atom(fmt::format("load({0} + ({1} - {1}_from) * {2} + {3}, m)", run_name(id),
                              axis_name(axis - 1), dim_text(k_.axes.back()), axis_name(axis)));
    return atom(
        fmt::format("load_from<{0}>({1} + {2} - {2}_from)", n, run_name(id), axis_name(axis)));
  default:
    break;
  }
  const ir::Spelling spelling = spelling_of(v);
  KROTON_CHECK(!spelling.vectors.empty(), "{} is not written for vectors", v.op->name);
  return spelled(v, lanes_.is_vector(v.inputs.back()) ? spelling.vectors : spelling.by_number);
}

Text Expressions::definition(int id) const {
  if (lanes_.is_vector(id) && value(id).kind != ValueKind::result) return vector_definition(id);
  const Value& v = value(id);
  switch (v.kind) {
  case ValueKind::literal:
    return number(literal(v.dtype, v.bits));
  case ValueKind::constant:
    return number(from_argument(v.dtype, constant_name(id)));
  case ValueKind::size:
    return number(dim_text(v.access->offset));
  case ValueKind::index:
    return access_index(v.access);
  case ValueKind::load:
    if (v.access->computed.empty()) return atom(loaded(v, element(v.access)));
    return guarded(v.access, loaded(v, element(v.access)), literal(v.dtype, 0));
  case ValueKind::uniform:
    return atom(fmt::format("{}_{}({}, {}, {}, {})", v.bits ? "positive" : "uniform",
                            to_string(v.dtype), operand(v.inputs[0]).whole(), draw_name(id),
                            operand(v.inputs[1]).whole(), access_index(v.access).whole()));
  case ValueKind::result: {
    const Text result = atom(result_name(v.reduction));
    if (!is_stretched(v.reduction)) return result;
    return spell(replaced(lanes_.is_vector(id) ? "convert<{t}>({0})" : "({t}){0}", "{t}",
                          type_name(v.dtype)),
                 {result});
  }
  case ValueKind::op:
    break;
  }
  return spelled(v, spelling_of(v).text);
}

Text Expressions::spelled(const Value& v, std::string_view pattern) const {
  std::vector<Text> operands;
  for (int i : v.inputs) operands.push_back(operand(i));
  const DType in = v.inputs.empty() ? v.dtype : value(v.inputs.back()).dtype;
  return spell(
      replaced(replaced(std::string(pattern), "{t}", type_name(in)), "{o}", type_name(v.dtype)),
      operands);
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
  constexpr int longest_inline = 80;
  if (v.kind == ValueKind::op)
    return (is_float(v.dtype) || is_bool(v.dtype) || item_size(v.dtype) >= 4) &&
           length_of(id) < longest_inline;
  return false;
}

int Expressions::length_of(int id) const {
  const Value& v = value(id);
  constexpr int of_name = 3, of_term = 5, of_call = 12;
  const int place = of_term * static_cast<int>(v.access->terms.size());
  if (v.kind == ValueKind::load) return 1 + place + (lanes_.is_vector(id) ? of_call : 0);
  if (v.kind == ValueKind::index) return of_name + place;
  if (v.kind != ValueKind::op) return of_name;
  int length = static_cast<int>(spelling_of(v).text.size());
  for (int i : v.inputs) length += (is_inline(i) ? length_of(i) : of_name) - of_name;
  return length;
}

Text Expressions::operand(int id) const {
  if (const auto it = overrides_.find(id); it != overrides_.end()) return atom(it->second);
  return is_inline(id) ? definition(id) : atom(value_name(id));
}

} // namespace kroton::codegen
