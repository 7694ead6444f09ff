/// stats, ls and show: what there is.
#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/kroton/commands.hpp"
#include "tools/kroton/store.hpp"

namespace kroton::tool {
namespace {

std::int64_t used_s(const cache::StoredFile& file) { return file.status.st_mtim.tv_sec; }

/// Text for one field of a record, cut to a line.
std::string one_line(std::string_view value) {
  constexpr std::size_t most = 60;
  std::string line(value.substr(0, std::min(value.find('\n'), most)));
  return line.size() < value.size() ? fmt::format("{}… ({} bytes)", line, value.size()) : line;
}

void sort_entries(std::vector<cache::StoredFile>& files, Order order) {
  std::stable_sort(files.begin(), files.end(),
                   [&](const cache::StoredFile& a, const cache::StoredFile& b) {
                     if (order == Order::used) return used_s(a) > used_s(b);
                     if (order == Order::size) return a.nbytes() > b.nbytes();
                     return a.digest < b.digest;
                   });
}

/// Nothing if it is not signed, or if the signature is not of this entry.
std::optional<cache::PublicKey> valid_signer(const cache::Entry& entry) {
  return entry.signer && entry.has_valid_signature() ? entry.signer : std::nullopt;
}

Json describe(const LoadedEntry& loaded, const Signers& signers) {
  Json json{{"key", loaded.file.digest},
            {"path", loaded.file.path},
            {"nbytes", loaded.file.nbytes()},
            {"used", time_text(used_s(loaded.file))}};
  if (!loaded.fault.empty()) json["fault"] = loaded.fault;
  if (!loaded.entry) return json;
  json["tag"] = loaded.record().tag;
  json["title"] = loaded.title();
  json["requirements"] = loaded.entry->artifact.requirements;
  const auto signer = valid_signer(*loaded.entry);
  json["signer"] = signer ? Json(signer->hex()) : Json(nullptr);
  if (signer) json["signer_name"] = signers.name_of(*signer);
  return json;
}

/// Who signed it, for a column of a table.
std::string signer_text(const cache::Entry& entry, const Signers& signers) {
  constexpr std::size_t most = 16;
  if (!entry.signer) return "-";
  return entry.has_valid_signature() ? signers.name_of(*entry.signer).substr(0, most) : "forged";
}

std::string table_line(const LoadedEntry& loaded, const Signers& signers, const Style& style) {
  const std::string head =
      fmt::format("{}  {:>10}  {:>11}", style.bold(loaded.short_digest()),
                  bytes_text(loaded.file.nbytes()), ago_text(used_s(loaded.file)));
  if (!loaded.fault.empty()) return fmt::format("{}  {}\n", head, style.red(loaded.fault));
  const std::string& requirements = loaded.entry->artifact.requirements;
  return fmt::format("{}  {:<9} {:<16} {:<9}  {}\n", head, printable(loaded.record().tag),
                     signer_text(*loaded.entry, signers),
                     requirements.empty() ? "-" : printable(requirements), loaded.title());
}

} // namespace

int stats(Context& context) {
  const OpenedCache opened = open_cache(context);
  const cache::Inventory all = cache::take_inventory(opened.fd.get());
  cache::FileCount current, others;
  std::map<std::optional<cache::PublicKey>, cache::FileCount> by_signer;
  const auto add = [](cache::FileCount& count, const cache::StoredFile& file) {
    ++count.files;
    count.nbytes += file.nbytes();
  };
  for (const cache::StoredFile& file : all.entries) {
    const bool is_current = file.version == cache::entry_version;
    add(is_current ? current : others, file);
    if (is_current) add(by_signer[named_signer(opened, file)], file);
  }
  const Signers signers;
  const std::pair<const char*, cache::FileCount> rows[] = {
      {"entries", current},    {"other_formats", others}, {"quarantined", all.quarantined},
      {"claims", all.claims},  {"crashes", all.crashes},  {"temporaries", all.temporaries},
      {"unknown", all.unknown}};

  if (context.wants_json) {
    Json json{{"directory", opened.directory.string()}};
    for (const auto& [name, count] : rows)
      json[name] = {{"files", count.files}, {"nbytes", count.nbytes}};
    json["signers"] = Json::array();
    for (const auto& [signer, count] : by_signer)
      if (signer)
        json["signers"].push_back({{"key", signer->hex()},
                                   {"name", signers.name_of(*signer)},
                                   {"files", count.files},
                                   {"nbytes", count.nbytes}});
    context.print_json(json);
    return status::fine;
  }
  context.print(fmt::format("{:<16}{}\n", "directory", opened.directory.string()));
  for (const auto& [name, count] : rows) {
    std::string label = name;
    std::replace(label.begin(), label.end(), '_', ' ');
    if (count.files > 0 || &count == &rows[0].second)
      context.print(
          fmt::format("{:<16}{:>8}  {:>10}\n", label, count.files, bytes_text(count.nbytes)));
  }
  for (const auto& [signer, count] : by_signer)
    if (signer || by_signer.size() > 1)
      context.print(fmt::format("{:<16}{:>8}  {:>10}  {}\n", "signed by", count.files,
                                bytes_text(count.nbytes),
                                signer ? signers.full_name_of(*signer) : "nobody"));
  return status::fine;
}

int list(const ListOptions& options, Context& context) {
  const OpenedCache opened = open_cache(context);
  std::vector<cache::StoredFile> files = find_all(opened, {});
  sort_entries(files, options.order);

  const Signers signers;
  Json json = Json::array();
  std::uint64_t shown = 0;
  bool is_damaged = false;
  for (const cache::StoredFile& file : files) {
    if (options.limit > 0 && shown == options.limit) break;
    const LoadedEntry loaded = load(opened, file);
    if (!options.tag.empty() && loaded.record().tag != options.tag) continue;
    ++shown;
    is_damaged = is_damaged || !loaded.fault.empty();
    if (context.wants_json)
      json.push_back(describe(loaded, signers));
    else
      context.print(table_line(loaded, signers, context.style));
  }
  if (context.wants_json) context.print_json(json);
  return is_damaged ? status::wrong : status::fine;
}

int show(const ShowOptions& options, Context& context) {
  const LoadedEntry loaded = find_in_levels(context, options.key);
  const int status = loaded.fault.empty() ? status::fine : status::wrong;
  const cache::Record record = loaded.record();
  const std::string statistics = loaded.section("statistics").value_or("");
  const Signers signers;

  if (context.wants_json) {
    Json json = describe(loaded, signers);
    json["level"] = loaded.level;
    if (loaded.entry) {
      json["record"] = Json::object();
      for (const cache::Field& field : record.fields)
        json["record"][std::string(field.name)] = field.value;
      json["sections"] = Json::array();
      for (const cache::Section& section : loaded.entry->artifact.sections)
        json["sections"].push_back({{"name", section.name},
                                    {"nbytes", section.bytes.size()},
                                    {"is_compressed", section.encoding != cache::Encoding::plain}});
      json["statistics"] = statistics;
    }
    context.print_json(json);
    return status;
  }

  const auto line = [&](std::string_view name, std::string_view value) {
    context.print_foreign(fmt::format("{:<14}{}", name, value));
    context.print("\n");
  };
  const auto head = [&](const char* text) {
    context.print(context.style.bold(fmt::format("\n{}\n", text)));
  };
  line("key", loaded.file.digest);
  line("file", loaded.place());
  line("size", bytes_text(loaded.file.nbytes()));
  if (used_s(loaded.file) != 0) line("last used", time_text(used_s(loaded.file)));
  if (!loaded.fault.empty())
    context.print(fmt::format("{:<14}{}\n", "fault", context.style.red(printable(loaded.fault))));
  if (!loaded.entry) return status;
  line("requires", loaded.entry->artifact.requirements.empty()
                       ? "nothing"
                       : loaded.entry->artifact.requirements);
  line("signed by", !loaded.entry->signer ? "nobody"
                    : loaded.entry->has_valid_signature()
                        ? signers.full_name_of(*loaded.entry->signer)
                        : "somebody, with a signature that is not of this entry");
  head("record");
  line("tag", record.tag);
  for (const cache::Field& field : record.fields)
    line(field.name, options.is_full ? std::string(field.value) : one_line(field.value));
  head("sections");
  for (const cache::Section& section : loaded.entry->artifact.sections)
    line(section.name, section.encoding == cache::Encoding::plain
                           ? bytes_text(section.bytes.size())
                           : fmt::format("{}, compressed from {}", bytes_text(section.bytes.size()),
                                         bytes_text(section.content_nbytes)));
  if (!statistics.empty()) {
    head("statistics");
    context.print_foreign(statistics);
  }
  return status;
}

} // namespace kroton::tool
