#include "tools/kroton/disassemble.hpp"

#include <array>
#include <map>
#include <optional>
#include <set>

#include <Zydis/Zydis.h>
#include <elf.h>
#include <fmt/format.h>

namespace kroton::tool {
namespace {

struct Instruction {
  std::uint64_t offset = 0;
  ZydisDecodedInstruction decoded{};
  std::array<ZydisDecodedOperand, ZYDIS_MAX_OPERAND_COUNT> operands{};
  bool is_code = false;                      ///< Else one byte that no instruction begins with.
  const ElfRelocation* relocation = nullptr; ///< What the linker will write into it.

  std::uint64_t end() const { return offset + (is_code ? decoded.length : 1u); }

  /// Whether it is a jump or a call to a fixed place.
  bool is_branch() const {
    return is_code && decoded.operand_count_visible > 0 &&
           operands[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && operands[0].imm.is_relative;
  }
  /// Where a branch inside the section leads.
  std::optional<std::uint64_t> branch_target() const {
    if (!is_branch() || relocation) return {};
    return end() + static_cast<std::uint64_t>(operands[0].imm.value.s);
  }
};

/// Calls `visit` for each instruction in turn. An Instruction is large, so none are kept.
template <class Visit> void visit_instructions(const ElfSection& section, Visit visit) {
  ZydisDecoder decoder;
  ZydisDecoderInit(&decoder, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
  auto relocation = section.relocations.begin();
  Instruction i;
  for (std::uint64_t at = 0; at < section.bytes.size(); at = i.end()) {
    i.offset = at;
    i.is_code = ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, section.bytes.data() + at,
                                                    section.bytes.size() - at, &i.decoded,
                                                    i.operands.data()));
    i.relocation = nullptr;
    for (; relocation != section.relocations.end() && relocation->offset < i.end(); ++relocation)
      if (relocation->offset >= at) i.relocation = &*relocation;
    visit(i);
  }
}

using Labels = std::map<std::uint64_t, std::string>;

Labels make_labels(const ElfObject& object, std::uint32_t section) {
  Labels labels;
  for (const ElfSymbol& symbol : object.symbols)
    if (symbol.section == section && symbol.is_function) labels.emplace(symbol.offset, symbol.name);
  std::set<std::uint64_t> targets;
  visit_instructions(object.sections[section], [&](const Instruction& i) {
    if (const auto target = i.branch_target()) targets.insert(*target);
  });
  // Numbered in the order of the text; a target inside an instruction stays a number.
  std::size_t n = 0;
  visit_instructions(object.sections[section], [&](const Instruction& i) {
    if (targets.contains(i.offset) && !labels.contains(i.offset))
      labels.emplace(i.offset, fmt::format(".L{}", n++));
  });
  return labels;
}

/// "exp", ".rodata+16". The addends of relative relocations count from the changed bytes, the
/// processor from the instruction's end; what stands here is the distance in the symbol.
std::string referred(const Instruction& i) {
  const ElfRelocation& r = *i.relocation;
  const bool is_absolute = r.type == R_X86_64_64 || r.type == R_X86_64_32 || r.type == R_X86_64_32S;
  const std::uint64_t rest = is_absolute ? 0 : i.end() - r.offset;
  // Modulo 2^64: an object may hold any addend.
  const auto addend = static_cast<std::int64_t>(static_cast<std::uint64_t>(r.addend) + rest);
  return addend == 0 ? std::string(r.symbol) : fmt::format("{}{:+}", r.symbol, addend);
}

/// The label at the address that an operand counts from the instruction pointer, or nothing.
std::string label_of_address(const Instruction& i, const Labels& labels) {
  for (std::size_t o = 0; o < i.decoded.operand_count_visible; ++o) {
    const ZydisDecodedOperand& operand = i.operands[o];
    if (operand.type != ZYDIS_OPERAND_TYPE_MEMORY || operand.mem.base != ZYDIS_REGISTER_RIP)
      continue;
    const auto at = i.end() + static_cast<std::uint64_t>(operand.mem.disp.value);
    if (const auto label = labels.find(at); label != labels.end()) return label->second;
  }
  return {};
}

std::string text_of(const ZydisFormatter& formatter, const ElfSection& section,
                    const Instruction& i, const Labels& labels) {
  if (!i.is_code)
    return fmt::format(".byte 0x{:02x}", static_cast<unsigned char>(section.bytes[i.offset]));
  const char* mnemonic = ZydisMnemonicGetString(i.decoded.mnemonic);
  if (i.is_branch() && i.relocation) return fmt::format("{} {}", mnemonic, referred(i));
  if (const auto target = i.branch_target())
    if (const auto label = labels.find(*target); label != labels.end())
      return fmt::format("{} {}", mnemonic, label->second);
  std::array<char, 256> text{};
  const ZyanU64 address = i.relocation ? ZYDIS_RUNTIME_ADDRESS_NONE : i.offset;
  if (!ZYAN_SUCCESS(ZydisFormatterFormatInstruction(&formatter, &i.decoded, i.operands.data(),
                                                    i.decoded.operand_count_visible, text.data(),
                                                    text.size(), address, nullptr)))
    return mnemonic;
  const std::string name = i.relocation ? referred(i) : label_of_address(i, labels);
  return name.empty() ? text.data() : fmt::format("{}  # {}", text.data(), name);
}

} // namespace

std::vector<CodeText> disassemble(const ElfObject& object) {
  ZydisFormatter formatter;
  ZydisFormatterInit(&formatter, ZYDIS_FORMATTER_STYLE_INTEL);
  std::vector<CodeText> texts;
  for (std::uint32_t s = 0; s < object.sections.size(); ++s) {
    const ElfSection& section = object.sections[s];
    if (!section.is_code || section.bytes.empty()) continue;
    const Labels labels = make_labels(object, s);
    std::string text;
    visit_instructions(section, [&](const Instruction& i) {
      if (const auto label = labels.find(i.offset); label != labels.end())
        text += label->second + ":\n";
      text += fmt::format("  {:6x}  {}\n", i.offset, text_of(formatter, section, i, labels));
    });
    texts.push_back({section.name, std::move(text)});
  }
  return texts;
}

} // namespace kroton::tool
