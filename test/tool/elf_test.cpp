#include "tools/kroton/elf.hpp"

#include <elf.h>

#include <cstring>
#include <fstream>
#include <random>
#include <sstream>

#include "test/support/catch.hpp"
#include "tools/kroton/disassemble.hpp"

using namespace kroton::tool;

namespace {

template <class T> void append(std::string& out, const T& value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// A relocatable object with a function `f` that loads a constant, calls `g`, which is elsewhere,
/// loops and returns.
std::string small_object() {
  const std::string code("\xc5\xfa\x10\x05\x00\x00\x00\x00" // vmovss xmm0, [rip + constant]
                         "\xe8\x00\x00\x00\x00"             // call g
                         "\xff\xc8"                         // dec eax
                         "\x75\xfc"                         // jnz to the line above
                         "\xc3",                            // ret
                         18);
  const std::string strings("\0f\0g\0constant\0", 14);
  const std::string names("\0.text\0.rodata\0.symtab\0.strtab\0.rela.text\0", 42);
  std::string symbols, relocations;
  append(symbols, Elf64_Sym{});
  append(symbols, Elf64_Sym{1, ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), 0, 1, 0, code.size()});
  append(symbols, Elf64_Sym{3, ELF64_ST_INFO(STB_GLOBAL, STT_NOTYPE), 0, SHN_UNDEF, 0, 0});
  append(symbols, Elf64_Sym{5, ELF64_ST_INFO(STB_LOCAL, STT_OBJECT), 0, 2, 0, 4});
  append(relocations, Elf64_Rela{9, ELF64_R_INFO(2, R_X86_64_PLT32), -4});
  append(relocations, Elf64_Rela{4, ELF64_R_INFO(3, R_X86_64_PC32), -4});

  std::string file(sizeof(Elf64_Ehdr), '\0'), table;
  const auto add = [&](Elf64_Word name, Elf64_Word type, Elf64_Xword flags,
                       const std::string& bytes, Elf64_Word link = 0, Elf64_Word info = 0) {
    append(table, Elf64_Shdr{name, type, flags, 0, file.size(), bytes.size(), link, info, 1, 0});
    file += bytes;
  };
  append(table, Elf64_Shdr{});
  add(1, SHT_PROGBITS, SHF_ALLOC | SHF_EXECINSTR, code);
  add(7, SHT_PROGBITS, SHF_ALLOC, "four");
  add(15, SHT_SYMTAB, 0, symbols, 4);
  add(23, SHT_STRTAB, 0, strings);
  add(31, SHT_RELA, 0, relocations, 3, 1);
  add(0, SHT_STRTAB, 0, names);

  Elf64_Ehdr header{};
  std::memcpy(header.e_ident, ELFMAG, SELFMAG);
  header.e_ident[EI_CLASS] = ELFCLASS64;
  header.e_ident[EI_DATA] = ELFDATA2LSB;
  header.e_type = ET_REL;
  header.e_machine = EM_X86_64;
  header.e_shoff = file.size();
  header.e_shentsize = sizeof(Elf64_Shdr);
  header.e_shnum = 7;
  header.e_shstrndx = 6;
  std::memcpy(file.data(), &header, sizeof header);
  return file + table;
}

/// Parses and disassembles; what matters is that it comes back.
std::size_t work_through(std::string_view object) {
  const ParsedElf parsed = parse_elf(object);
  CHECK(parsed.object.has_value() == parsed.fault.empty());
  std::size_t length = 0;
  if (parsed.object)
    for (const CodeText& code : disassemble(*parsed.object)) length += code.text.size();
  return length;
}

} // namespace

TEST_CASE("an object's code is told with the names of what it refers to", "[tool]") {
  const std::string file = small_object();
  const ParsedElf parsed = parse_elf(file);
  REQUIRE(parsed.object);
  CHECK(parsed.object->symbols.size() == 4);
  CHECK(parsed.object->symbols[2].is_undefined);
  const auto texts = disassemble(*parsed.object);
  REQUIRE(texts.size() == 1);
  CHECK(texts[0].section == ".text");
  CHECK(texts[0].text == "f:\n"
                         "       0  vmovss xmm0, dword ptr [rip]  # constant\n"
                         "       8  call g\n"
                         ".L0:\n"
                         "       d  dec eax\n"
                         "       f  jnz .L0\n"
                         "      11  ret\n");
}

TEST_CASE("what is no object for x86-64 is refused with the reason", "[tool]") {
  CHECK(parse_elf("").fault == "not an ELF file");
  CHECK(parse_elf("\x7f"
                  "ELF")
            .fault == "not an ELF file");
  std::string file = small_object();
  file[EI_CLASS] = ELFCLASS32;
  CHECK(parse_elf(file).fault == "not an ELF file for x86-64");
  file = small_object();
  file[offsetof(Elf64_Ehdr, e_type)] = ET_DYN;
  CHECK(parse_elf(file).fault == "not a relocatable object");
  file = small_object();
  CHECK(parse_elf(std::string_view(file).substr(0, file.size() - 1)).fault ==
        "its section table lies outside");
}

TEST_CASE("no damage to an object leads outside of it", "[tool]") {
  const std::string file = small_object();
  CHECK(work_through(file) > 0);
  for (std::size_t n = 0; n < file.size(); ++n) {
    work_through(std::string(file, 0, n)); // a copy, so that reading beyond it shows
    for (const char fill : {'\x00', '\x01', '\x7f', '\xff'}) {
      std::string damaged = file;
      damaged[n] = fill;
      work_through(damaged);
    }
  }
  std::mt19937 random(7);
  for (int i = 0; i < 20'000; ++i) {
    std::string damaged = file;
    for (auto k = random() % 6; k > 0; --k)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    work_through(damaged);
  }
}
