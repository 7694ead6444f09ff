#include "tools/kroton/elf.hpp"

#include <algorithm>
#include <cstring>
#include <type_traits>
#include <utility>

#include <elf.h>
#include <fmt/format.h>

namespace kroton::tool {
namespace {

/// A part of the file; nothing if it is not inside.
std::optional<std::string_view> part(std::string_view file, std::uint64_t offset,
                                     std::uint64_t length) {
  if (offset > file.size() || length > file.size() - offset) return {};
  return file.substr(offset, length);
}

/// The structures that fill `bytes`; copied, since nothing in a file need be aligned.
template <class T> std::vector<T> read_table(std::string_view bytes) {
  static_assert(std::is_trivially_copyable_v<T>);
  std::vector<T> table(bytes.size() / sizeof(T));
  std::copy_n(bytes.begin(), table.size() * sizeof(T), reinterpret_cast<char*>(table.data()));
  return table;
}

/// The text at an offset of a string table; nothing if it has no end there.
std::optional<std::string_view> text_at(std::string_view strings, std::uint64_t offset) {
  if (offset >= strings.size()) return {};
  const auto end = strings.find('\0', offset);
  if (end == strings.npos) return {};
  return strings.substr(offset, end - offset);
}

class Parser {
public:
  explicit Parser(std::string_view file) : file_(file) {}

  ParsedElf parse() {
    for (const auto step : {&Parser::read_header, &Parser::read_sections, &Parser::read_symbols,
                            &Parser::read_relocations})
      if (std::string fault = (this->*step)(); !fault.empty()) return {{}, std::move(fault)};
    return {std::move(object_), {}};
  }

private:
  std::string read_header() {
    const auto bytes = part(file_, 0, sizeof(Elf64_Ehdr));
    if (!bytes || !bytes->starts_with(ELFMAG)) return "not an ELF file";
    std::memcpy(&header_, bytes->data(), sizeof header_);
    if (header_.e_ident[EI_CLASS] != ELFCLASS64 || header_.e_ident[EI_DATA] != ELFDATA2LSB ||
        header_.e_machine != EM_X86_64)
      return "not an ELF file for x86-64";
    return header_.e_type == ET_REL ? "" : "not a relocatable object";
  }

  std::string read_sections() {
    const auto table =
        part(file_, header_.e_shoff, std::uint64_t{header_.e_shnum} * sizeof(Elf64_Shdr));
    if (!table || header_.e_shentsize != sizeof(Elf64_Shdr) || header_.e_shnum == 0)
      return "its section table lies outside";
    headers_ = read_table<Elf64_Shdr>(*table);
    for (const Elf64_Shdr& h : headers_) {
      const bool is_empty = h.sh_type == SHT_NOBITS || h.sh_type == SHT_NULL;
      const auto bytes = is_empty ? std::string_view{} : part(file_, h.sh_offset, h.sh_size);
      if (!bytes) return fmt::format("section {} lies outside", object_.sections.size());
      object_.sections.push_back({{}, *bytes, (h.sh_flags & SHF_EXECINSTR) != 0, {}});
    }
    if (header_.e_shstrndx >= headers_.size()) return "its section names lie outside";
    const std::string_view names = object_.sections[header_.e_shstrndx].bytes;
    for (std::size_t i = 1; i < headers_.size(); ++i) {
      const auto name = text_at(names, headers_[i].sh_name);
      if (!name) return fmt::format("the name of section {} lies outside", i);
      object_.sections[i].name = *name;
    }
    return {};
  }

  std::string read_symbols() {
    for (std::size_t i = 0; i < headers_.size(); ++i) {
      if (headers_[i].sh_type != SHT_SYMTAB) continue;
      if (headers_[i].sh_link >= headers_.size()) return "its symbol names lie outside";
      const std::string_view names = object_.sections[headers_[i].sh_link].bytes;
      for (const Elf64_Sym& s : read_table<Elf64_Sym>(object_.sections[i].bytes)) {
        const bool is_inside = s.st_shndx < headers_.size();
        auto name = text_at(names, s.st_name);
        if (!name) return fmt::format("the name of symbol {} lies outside", object_.symbols.size());
        if (ELF64_ST_TYPE(s.st_info) == STT_SECTION && is_inside)
          name = object_.sections[s.st_shndx].name;
        object_.symbols.push_back(
            {*name, is_inside ? s.st_shndx : 0u, s.st_value, ELF64_ST_BIND(s.st_info) != STB_LOCAL,
             ELF64_ST_TYPE(s.st_info) == STT_FUNC, s.st_shndx == SHN_UNDEF && !name->empty()});
      }
      return {}; // an object has one symbol table
    }
    return {};
  }

  std::string read_relocations() {
    for (std::size_t i = 0; i < headers_.size(); ++i) {
      if (headers_[i].sh_type != SHT_RELA) continue;
      if (headers_[i].sh_info >= headers_.size())
        return "relocations of a section that is not there";
      auto& relocations = object_.sections[headers_[i].sh_info].relocations;
      for (const Elf64_Rela& r : read_table<Elf64_Rela>(object_.sections[i].bytes)) {
        const std::uint64_t symbol = ELF64_R_SYM(r.r_info);
        if (symbol >= object_.symbols.size()) return "a relocation to a symbol that is not there";
        relocations.push_back({r.r_offset, static_cast<std::uint32_t>(ELF64_R_TYPE(r.r_info)),
                               object_.symbols[symbol].name, r.r_addend});
      }
      std::stable_sort(
          relocations.begin(), relocations.end(),
          [](const ElfRelocation& a, const ElfRelocation& b) { return a.offset < b.offset; });
    }
    return {};
  }

  std::string_view file_;
  Elf64_Ehdr header_{};
  std::vector<Elf64_Shdr> headers_;
  ElfObject object_;
};

} // namespace

ParsedElf parse_elf(std::string_view object) { return Parser(object).parse(); }

std::string relocation_name(std::uint32_t type) {
  static constexpr std::pair<std::uint32_t, std::string_view> names[] = {
      {R_X86_64_64, "64"},
      {R_X86_64_PC32, "PC32"},
      {R_X86_64_PLT32, "PLT32"},
      {R_X86_64_GOTPCREL, "GOTPCREL"},
      {R_X86_64_32, "32"},
      {R_X86_64_32S, "32S"},
      {R_X86_64_PC64, "PC64"},
      {R_X86_64_GOTPCRELX, "GOTPCRELX"},
      {R_X86_64_REX_GOTPCRELX, "REX_GOTPCRELX"},
  };
  for (const auto& [known, name] : names)
    if (known == type) return fmt::format("R_X86_64_{}", name);
  return fmt::format("R_X86_64_{}", type);
}

} // namespace kroton::tool
