#pragma once
/// The table that codegen/prelude/embed.py writes; `codegen/prelude.hpp` is the way to it.
#include <cstddef>
#include <string_view>

namespace kroton::codegen {

struct PreludeEntry {
  std::string_view name;
  std::string_view needs; ///< Names of earlier entries, separated by a space.
  std::string_view text;
};

/// Dependencies stand before what needs them.
extern const PreludeEntry prelude_table[];
extern const std::size_t prelude_table_size;

} // namespace kroton::codegen
