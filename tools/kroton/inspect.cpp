/// inspect: what an entry holds, for people to read.
#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/kroton/commands.hpp"
#include "tools/kroton/disassemble.hpp"
#include "tools/kroton/elf.hpp"
#include "tools/kroton/store.hpp"

namespace kroton::tool {
namespace {

/// The machine code of one object as text, and what it asks the linker for.
std::string assembly_of(const cache::Section& section) {
  const auto bytes = cache::content_of(section);
  if (!bytes) return "; the object cannot be decoded\n";
  const ParsedElf parsed = parse_elf(*bytes);
  if (!parsed.object) return fmt::format("; the object: {}\n", parsed.fault);
  std::string text;
  for (const CodeText& code : disassemble(*parsed.object))
    text += fmt::format("; section {}\n{}", code.section, code.text);
  for (const ElfSymbol& symbol : parsed.object->symbols)
    if (symbol.is_undefined) text += fmt::format("; defined elsewhere: {}\n", symbol.name);
  return text;
}

/// The machine code of all objects: a kernel has one, a plan one for each of its kernels.
std::string assembly_text(const cache::Artifact& artifact) {
  const auto is_object = [](const cache::Section& s) { return s.name == "object"; };
  const auto count = std::count_if(artifact.sections.begin(), artifact.sections.end(), is_object);
  std::string text;
  int number = 0;
  for (const cache::Section& section : artifact.sections) {
    if (!is_object(section)) continue;
    if (count > 1) text += fmt::format("; object {} of {}\n", ++number, count);
    text += assembly_of(section);
  }
  return text;
}

/// Who signed the entry; empty if nobody did.
std::string signer_text(const cache::Entry& entry) {
  if (!entry.signer) return {};
  if (!entry.has_valid_signature()) return "somebody, with a signature that is not of this entry";
  return Signers().full_name_of(*entry.signer);
}

} // namespace

int inspect(const InspectOptions& options, Context& context) {
  const LoadedEntry loaded = whole(find_in_levels(context, options.key));

  struct Part {
    const char* name;
    bool is_wanted;
    std::string text;
  };
  std::vector<Part> parts = {{"record", options.record, {}},
                             {"summary", options.summary, {}},
                             {"source", options.source, {}},
                             {"assembly", options.assembly, {}},
                             {"log", options.log, {}}};
  int wanted = 0;
  for (const Part& part : parts) wanted += part.is_wanted;
  for (Part& part : parts) part.is_wanted = part.is_wanted || wanted == 0;
  const auto text_of = [&](std::string_view name) {
    if (name == "record") return loaded.entry->record;
    if (name == "source") return loaded.source();
    if (name == "assembly") return assembly_text(loaded.entry->artifact);
    return loaded.section(name).value_or("");
  };
  for (Part& part : parts)
    if (part.is_wanted) part.text = text_of(part.name);

  const std::string signer = signer_text(*loaded.entry);

  if (context.wants_json) {
    Json json{{"key", loaded.file.digest}};
    if (!signer.empty()) json["signed_by"] = signer;
    for (const Part& part : parts)
      if (part.is_wanted) json[part.name] = part.text;
    context.print_json(json);
  } else {
    for (const Part& part : parts) {
      if (!part.is_wanted || (part.text.empty() && wanted == 0)) continue;
      if (wanted != 1) context.print(context.style.bold(fmt::format("== {}\n", part.name)));
      context.print_foreign(part.text);
      if (!part.text.empty() && part.text.back() != '\n') context.print("\n");
    }
    if (wanted == 0 && !signer.empty())
      context.print(context.style.bold("== signed by\n") + signer + "\n");
  }
  if (loaded.fault.empty()) return status::fine;
  context.warn(fmt::format("{}: {}", loaded.place(), loaded.fault));
  return status::wrong;
}

} // namespace kroton::tool
