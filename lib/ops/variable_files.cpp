/// Values of shared variables in files.
#include <algorithm>

#include <kroton/safetensors.hpp>

#include "lib/ir/node.hpp"
#include "lib/ops/basic.hpp"
#include "lib/support/error.hpp"

namespace kroton {

std::vector<Shared> shared_variables(const std::vector<Expr>& of) {
  for (const Expr& e : of) detail::require_given(e, "shared_variables", Location{});
  std::vector<Shared> found;
  for (const Expr* e : ir::topological_handles(of)) {
    if (e->node()->op != &ops::shared) continue;
    auto state =
        std::const_pointer_cast<ir::SharedState>(e->node()->params.as<ops::SharedParams>().state);
    if (std::ranges::none_of(found, [&](const Shared& s) { return s.state() == state; }))
      found.emplace_back(*e, std::move(state));
  }
  return found;
}

void save_variables(const std::string& path, const std::vector<Shared>& variables, Location where) {
  NamedArrays arrays;
  for (const Shared& s : variables) {
    detail::require_given(s, "save_variables", where);
    arrays.emplace_back(s.name(), s.get());
  }
  save_safetensors(path, arrays);
}

void load_variables(const std::string& path, const std::vector<Shared>& variables, Location where) {
  for (const Shared& s : variables) detail::require_given(s, "load_variables", where);
  const NamedArrays arrays = load_safetensors(path);
  std::vector<Array> values;
  for (const Shared& s : variables) {
    const Expr& e = s;
    const support::Context place{.place = ir::place_of(where, {&e, 1}),
                                 .hint = "load_safetensors(path) gives all arrays that are there"};
    const auto at = std::ranges::find(arrays, s.name(), &NamedArrays::value_type::first);
    if (at == arrays.end())
      support::fail<FileError>("load_variables", place, "{} has no array for {}", path, s.label());
    const Array& value = at->second;
    if (value.dtype() != s.dtype())
      support::fail<TypeError>("load_variables", place, "{} has {} for {}", path, value.label(),
                               s.label());
    bool fits = value.rank() == s.rank();
    for (std::size_t i = 0; fits && i < value.shape().size(); ++i)
      fits = s.shape()[i].value() == value.shape()[i];
    if (!fits)
      support::fail<ShapeError>("load_variables", place, "{} has {} for {}", path, value.label(),
                                s.label());
    values.push_back(value);
  }
  for (std::size_t i = 0; i < values.size(); ++i) Shared(variables[i]).set(values[i], where);
}

} // namespace kroton
