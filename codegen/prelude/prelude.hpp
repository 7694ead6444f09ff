#pragma once
/// The C++ text that generated kernels inline instead of including headers.
///
/// The prelude is cut into fragments. A fragment is named after the function it defines, so the
/// fragment behind a call of `exp_f32(x)` is "exp_f32". Each dialect has its own table of them;
/// what computes with numbers is the same text in both.
///
///   std::string_view names[] = {"exp_f32", "maximum_f32"};
///   std::string text = prelude_for(names);            // both, and all they depend on
///   std::string same = prelude_for(prelude_names_in("y = maximum_f32(exp_f32(a), b);"));
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kroton::codegen {

enum class Dialect : std::uint8_t { cpu, cuda };

/// The text of one fragment, without its dependencies. Throws InternalError for an unknown name.
std::string_view prelude_fragment(std::string_view name, Dialect dialect = Dialect::cpu);

/// The named fragments and everything they depend on, each once, dependencies first. The order is
/// that of the prelude, whatever the order of `names`. Throws InternalError for an unknown name.
std::string prelude_for(std::span<const std::string_view> names, Dialect dialect = Dialect::cpu);

/// Every fragment's name, in the prelude's order.
std::vector<std::string_view> prelude_names(Dialect dialect = Dialect::cpu);

/// The fragments whose names occur as identifiers in `text`, in the prelude's order; "types" is
/// among them when one of its aliases (`f32`, `i64`, …) occurs.
std::vector<std::string_view> prelude_names_in(std::string_view text,
                                               Dialect dialect = Dialect::cpu);

/// A text, and what of the prelude it has.
struct WithoutPrelude {
  std::string text;                    ///< the rest
  std::vector<std::string_view> names; ///< of the fragments that were in it
  /// Lines that were taken out: where in the text as it was, counted from 1, and how many.
  std::vector<std::pair<int, int>> removed;
};
/// `text`, which has the fragments that it needs in the prelude's order, without them.
WithoutPrelude without_prelude(std::string_view text, Dialect dialect = Dialect::cpu);

} // namespace kroton::codegen
