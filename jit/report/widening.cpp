#include "jit/report/widening.hpp"

#include <algorithm>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "lib/ir/op.hpp"
#include "lib/ops/basic.hpp"
#include "lib/support/error.hpp"

namespace kroton::jit {
namespace {

/// What the user gave where the op has a conversion of it.
const Expr& given(const Expr& input) {
  const ir::Node& n = *input.node();
  return n.is_implied ? n.inputs[0] : input;
}

bool is_number(const Expr& e) { return e.node()->op == &ops::constant; }

std::string text_of(const Expr& e) {
  return is_number(e) ? fmt::format("the number {}", e.to_string()) : e.label();
}

/// Why an op with such operands gives a float of `wide`, and what to write instead; nothing if one
/// is narrower than another only where the user said so.
std::optional<std::string> reason(const ir::Node& n, DType wide) {
  std::vector<const Expr*> integers, narrow, same, numbers;
  bool is_any_converted = false;
  for (const Expr& input : n.inputs) {
    const Expr& e = given(input);
    is_any_converted = is_any_converted || !e.is(input);
    if (is_number(e) && e.dtype() == wide)
      numbers.push_back(&e);
    else if (e.dtype() == wide)
      same.push_back(&e);
    else if (is_float(e.dtype()))
      narrow.push_back(&e);
    else if (!e.is(input))
      integers.push_back(&e);
  }
  const auto name = to_string(wide);
  if (!narrow.empty() && !same.empty())
    return fmt::format("{} meets {}; cast(…, DType::{}) keeps it narrow", text_of(*narrow[0]),
                       text_of(*same[0]), to_string(narrow[0]->dtype()));
  if (!narrow.empty() && !integers.empty())
    return fmt::format("{} meets {} under NumPy's promotion", text_of(*narrow[0]),
                       text_of(*integers[0]));
  if (!is_any_converted && same.empty() && numbers.size() > 1)
    return fmt::format("no operand but numbers has a dtype, and a double counts as {}; write 1.f "
                       "for f32",
                       name);
  const bool is_for_floats = n.op->dtypes == ir::Dtypes::floating;
  if (!integers.empty() && same.empty() && !numbers.empty() && !is_for_floats)
    return fmt::format("{} meets a number that counts as {}; write 1.f for f32",
                       text_of(*integers[0]), name);
  if (!integers.empty() && same.empty())
    return fmt::format(
        "{} is an integer, of which {} gives {}; cast(…, DType::f32) first gives f32",
        text_of(*integers[0]), n.op->name, name);
  return std::nullopt;
}

} // namespace

std::vector<std::string> widenings(const Signature& signature) {
  std::vector<std::string> lines;
  std::set<std::string> seen;
  for (const ir::Node* n : signature.order) {
    if (n->op == &ops::cast || n->inputs.empty() || !n->type.is_array()) continue;
    // Comparisons give bool, and yet compute in what their operands promote to.
    const DType wide = is_bool(n->type.dtype) ? n->inputs.back().dtype() : n->type.dtype;
    if (!is_float(wide) || item_size(wide) <= item_size(DType::f32)) continue;
    const auto why = reason(*n, wide);
    if (!why) continue;
    std::string line = fmt::format("{} gives {} at {}: {}", n->op->name, to_string(wide),
                                   support::describe(n->where), *why);
    if (seen.insert(line).second) lines.push_back(std::move(line));
  }
  return lines;
}

} // namespace kroton::jit
