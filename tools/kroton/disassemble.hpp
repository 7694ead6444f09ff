#pragma once
/// The machine code of an object as text, in Intel's syntax, with names for what it refers to.
///
///   for (const CodeText& code : disassemble(*parsed.object)) print(code.section, code.text);
#include <string>
#include <string_view>
#include <vector>

#include "tools/kroton/elf.hpp"

namespace kroton::tool {

struct CodeText {
  std::string_view section;
  std::string text; ///< A line an instruction, and one for each label.
};

/// One text for each section with code. Functions are labelled with their names, targets of
/// branches with .L0, .L1, …; an instruction that the linker completes tells the symbol it will
/// refer to. Bytes that are no instruction become `.byte`.
std::vector<CodeText> disassemble(const ElfObject&);

} // namespace kroton::tool
