#pragma once
/// Reads what `inspect` shows of a compiled kernel: sections, symbols and relocations of an ELF
/// object for x86-64 (System V ABI, AMD64 supplement).
///
///   ParsedElf parsed = parse_elf(bytes);
///   if (!parsed.object) print(parsed.fault);
///   for (const ElfSection& section : parsed.object->sections) …
///
/// Every offset and length is checked before it is used: an object may come from anywhere.
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace kroton::tool {

struct ElfSymbol {
  std::string_view name;     ///< A section's symbol has the section's name.
  std::uint32_t section = 0; ///< Index into ElfObject::sections; 0 when it is in none of them.
  std::uint64_t offset = 0;  ///< In its section.
  bool is_global = false;
  bool is_function = false;
  bool is_undefined = false; ///< Left to the linker.
};

struct ElfRelocation {
  std::uint64_t offset = 0; ///< In the section that it changes.
  std::uint32_t type = 0;   ///< R_X86_64_…
  std::string_view symbol;
  std::int64_t addend = 0;
};

struct ElfSection {
  std::string_view name;
  std::string_view bytes; ///< Empty for one that takes no room in the file.
  bool is_code = false;
  std::vector<ElfRelocation> relocations; ///< By offset.
};

/// Views into the bytes that were parsed.
struct ElfObject {
  std::vector<ElfSection> sections; ///< As numbered in the file; the first is empty.
  std::vector<ElfSymbol> symbols;
};

struct ParsedElf {
  std::optional<ElfObject> object;
  std::string fault; ///< Why there is none.
};

/// Allocates no more than a small multiple of the object's length.
ParsedElf parse_elf(std::string_view object);

/// "R_X86_64_PC32", or its number.
std::string relocation_name(std::uint32_t type);

} // namespace kroton::tool
