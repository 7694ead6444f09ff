/// stats, ls and show: what there is.
#include <algorithm>

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

std::string signer_text(const cache::Entry& entry) {
  if (!entry.signer) return "";
  return entry.has_valid_signature() ? entry.signer->hex() : "";
}

void sort_entries(std::vector<cache::StoredFile>& files, Order order) {
  std::stable_sort(files.begin(), files.end(),
                   [&](const cache::StoredFile& a, const cache::StoredFile& b) {
                     if (order == Order::used) return used_s(a) > used_s(b);
                     if (order == Order::size) return a.nbytes() > b.nbytes();
                     return a.digest < b.digest;
                   });
}

Json describe(const LoadedEntry& loaded) {
  Json json{{"key", loaded.file.digest},
            {"path", loaded.file.path},
            {"nbytes", loaded.file.nbytes()},
            {"used", time_text(used_s(loaded.file))}};
  if (!loaded.fault.empty()) json["fault"] = loaded.fault;
  if (!loaded.entry) return json;
  json["tag"] = loaded.record().tag;
  json["title"] = loaded.title();
  json["requirements"] = loaded.entry->artifact.requirements;
  const std::string signer = signer_text(*loaded.entry);
  json["signer"] = signer.empty() ? Json(nullptr) : Json(signer);
  return json;
}

std::string table_line(const LoadedEntry& loaded, const Style& style) {
  const std::string head =
      fmt::format("{}  {:>10}  {:>11}", style.bold(loaded.short_digest()),
                  bytes_text(loaded.file.nbytes()), ago_text(used_s(loaded.file)));
  if (!loaded.fault.empty()) return fmt::format("{}  {}\n", head, style.red(loaded.fault));
  return fmt::format(
      "{}  {:<9} {:<6} {:<9}  {}\n", head, loaded.record().tag,
      loaded.entry->signer ? "signed" : "-",
      loaded.entry->artifact.requirements.empty() ? "-" : loaded.entry->artifact.requirements,
      loaded.title());
}

} // namespace

int stats(Context& context) {
  const OpenedCache opened = open_cache(context);
  const cache::Inventory all = cache::take_inventory(opened.fd.get());
  cache::FileCount current, others;
  for (const cache::StoredFile& file : all.entries) {
    cache::FileCount& count = file.version == cache::entry_version ? current : others;
    ++count.files;
    count.nbytes += file.nbytes();
  }
  const std::pair<const char*, cache::FileCount> rows[] = {
      {"entries", current},   {"other_formats", others},        {"quarantined", all.quarantined},
      {"claims", all.claims}, {"temporaries", all.temporaries}, {"unknown", all.unknown}};

  if (context.wants_json) {
    Json json{{"directory", opened.directory.string()}};
    for (const auto& [name, count] : rows)
      json[name] = {{"files", count.files}, {"nbytes", count.nbytes}};
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
  return status::fine;
}

int list(const ListOptions& options, Context& context) {
  const OpenedCache opened = open_cache(context);
  std::vector<cache::StoredFile> files = find_all(opened, {});
  sort_entries(files, options.order);

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
      json.push_back(describe(loaded));
    else
      context.print(table_line(loaded, context.style));
  }
  if (context.wants_json) context.print_json(json);
  return is_damaged ? status::wrong : status::fine;
}

int show(const ShowOptions& options, Context& context) {
  const LoadedEntry loaded = find_in_levels(context, options.key);
  const int status = loaded.fault.empty() ? status::fine : status::wrong;
  const cache::Record record = loaded.record();
  const std::string statistics = loaded.section("statistics").value_or("");

  if (context.wants_json) {
    Json json = describe(loaded);
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
    context.print(fmt::format("{:<14}", name));
    context.print_foreign(value);
    context.print("\n");
  };
  const auto head = [&](const char* text) {
    context.print(context.style.bold(fmt::format("\n{}\n", text)));
  };
  line("key", loaded.file.digest);
  line("file", loaded.place());
  line("size", bytes_text(loaded.file.nbytes()));
  if (used_s(loaded.file) != 0) line("last used", time_text(used_s(loaded.file)));
  if (!loaded.fault.empty()) line("fault", context.style.red(loaded.fault));
  if (!loaded.entry) return status;
  line("requires", loaded.entry->artifact.requirements.empty()
                       ? "nothing"
                       : loaded.entry->artifact.requirements);
  line("signed by", !loaded.entry->signer ? "nobody"
                    : loaded.entry->has_valid_signature()
                        ? loaded.entry->signer->hex()
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
