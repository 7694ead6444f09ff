/// inspect: what an entry holds, for people to read.
#include <fmt/format.h>

#include "tools/kroton/commands.hpp"
#include "tools/kroton/disassemble.hpp"
#include "tools/kroton/elf.hpp"
#include "tools/kroton/store.hpp"

namespace kroton::tool {
namespace {

/// The machine code as text, and what it asks the linker for.
std::string assembly_text(const LoadedEntry& loaded) {
  if (!loaded.entry->artifact.find("object")) return {};
  const auto bytes = loaded.section("object");
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

} // namespace

int inspect(const InspectOptions& options, Context& context) {
  const OpenedCache opened = open_cache(context);
  const LoadedEntry loaded = load(opened, find_one(opened, options.key));
  if (!loaded.entry)
    throw Failure(loaded.is_unread ? status::failed : status::wrong,
                  fmt::format("{}: {}", loaded.file.path, loaded.fault));

  struct Part {
    const char* name;
    bool is_wanted;
    std::string text;
  };
  std::vector<Part> parts = {{"record", options.record, {}},
                             {"source", options.source, {}},
                             {"assembly", options.assembly, {}},
                             {"log", options.log, {}}};
  int wanted = 0;
  for (const Part& part : parts) wanted += part.is_wanted;
  for (Part& part : parts) part.is_wanted = part.is_wanted || wanted == 0;
  if (parts[0].is_wanted) parts[0].text = loaded.entry->record;
  if (parts[1].is_wanted) parts[1].text = loaded.source();
  if (parts[2].is_wanted) parts[2].text = assembly_text(loaded);
  if (parts[3].is_wanted) parts[3].text = loaded.section("log").value_or("");

  if (context.wants_json) {
    support::JsonWriter json;
    json.begin_object().member("key", loaded.file.digest);
    for (const Part& part : parts)
      if (part.is_wanted) json.member(part.name, part.text);
    context.print(json.end_object());
  } else {
    for (const Part& part : parts) {
      if (!part.is_wanted || (part.text.empty() && wanted == 0)) continue;
      if (wanted != 1) context.print(context.style.bold(fmt::format("== {}\n", part.name)));
      context.print_foreign(part.text);
      if (!part.text.empty() && part.text.back() != '\n') context.print("\n");
    }
  }
  if (loaded.fault.empty()) return status::fine;
  context.warn(fmt::format("{}: {}", loaded.file.path, loaded.fault));
  return status::wrong;
}

} // namespace kroton::tool
