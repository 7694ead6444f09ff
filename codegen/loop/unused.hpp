#pragma once
/// Generated text without the definitions that nothing in it uses.
///
///   Pruned p = without_unused("  const i64 i0 = j;\n  const i64 i1 = j;\n  y0[i1] = 0;\n");
///   p.text      // "  const i64 i1 = j;\n  y0[i1] = 0;\n"
#include <string>
#include <string_view>
#include <vector>

namespace kroton::codegen {

struct Pruned {
  std::string text;
  std::vector<int> line; ///< the new number of each line, from 1; 0 if it is gone
};

/// Takes out lines `const type name = …;` whose name occurs nowhere in what follows at the same
/// indentation or deeper. What calls `checked` stays: it is there for its report.
Pruned without_unused(std::string_view text);

} // namespace kroton::codegen
