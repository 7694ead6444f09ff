#pragma once
/// The tables that codegen/prelude/embed.py writes; `codegen/prelude/prelude.hpp` is the way to
/// them.
#include <span>
#include <string_view>

namespace kroton::codegen {

struct PreludeEntry {
  std::string_view name;
  std::string_view needs; ///< Names of earlier entries, separated by a space.
  std::string_view text;
};

/// Dependencies stand before what needs them.
extern const std::span<const PreludeEntry> prelude_table, cuda_prelude_table;

} // namespace kroton::codegen
