/// why: in what two keys differ, so that the one's entry does not serve the other.
#include <algorithm>
#include <limits>
#include <tuple>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/kroton/commands.hpp"
#include "tools/kroton/diff.hpp"
#include "tools/kroton/store.hpp"

namespace kroton::tool {
namespace {

constexpr std::size_t context_lines = 1;
constexpr std::size_t most_lines = 24;

bool is_text(std::string_view value) {
  return std::none_of(value.begin(), value.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t';
  });
}

/// Bytes of `b` between what it has in common with `a` at both ends.
std::size_t nbytes_between_common_ends(std::string_view a, std::string_view b) {
  const std::size_t shorter = std::min(a.size(), b.size());
  std::size_t front = 0, back = 0;
  while (front < shorter && a[front] == b[front]) ++front;
  while (back < shorter - front && a[a.size() - 1 - back] == b[b.size() - 1 - back]) ++back;
  return std::max(a.size(), b.size()) - front - back;
}

/// How far apart two records are: by number of fields first, then by bytes.
std::tuple<std::size_t, std::size_t> distance(const std::string& a, const std::string& b) {
  return {cache::explain_difference(a, b).size(), nbytes_between_common_ends(a, b)};
}

/// The entry of the same tag whose record is the least different one.
LoadedEntry find_nearest(const Context& context, const LoadedEntry& entry) {
  LoadedEntry nearest;
  auto least = std::tuple(std::numeric_limits<std::size_t>::max(), std::size_t{0});
  for (const OpenedCache& opened : open_directories(context))
    for (const cache::StoredFile& file : find_all(opened, {})) {
      if (file.digest == entry.file.digest) continue;
      LoadedEntry other = load(opened, file);
      if (!other.fault.empty() || other.record().tag != entry.record().tag) continue;
      if (const auto d = distance(other.entry->record, entry.entry->record); d < least) {
        least = d;
        nearest = std::move(other);
      }
    }
  if (!nearest.entry)
    throw Failure(status::wrong,
                  fmt::format("there is no other entry with the tag {}", entry.record().tag));
  return nearest;
}

/// The changed lines with what surrounds them, as a unified diff has them.
std::string diff_text(std::string_view a, std::string_view b, bool is_full, const Style& style) {
  const auto lines = diff_lines(a, b);
  std::vector<bool> is_near(lines.size(), false);
  for (std::size_t i = 0; i < lines.size(); ++i)
    if (lines[i].kind != ' ')
      for (std::size_t j = i - std::min(i, context_lines);
           j <= std::min(lines.size() - 1, i + context_lines); ++j)
        is_near[j] = true;
  std::string text;
  std::size_t shown = 0, left = 0;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!is_near[i]) continue;
    if (!is_full && shown == most_lines) {
      ++left;
      continue;
    }
    if (i > 0 && !is_near[i - 1]) text += style.faint("    …") + "\n";
    const std::string line = fmt::format("    {} {}", lines[i].kind, printable(lines[i].text));
    text += (lines[i].kind == '-'   ? style.red(line)
             : lines[i].kind == '+' ? style.green(line)
                                    : line) +
            "\n";
    ++shown;
  }
  if (left > 0)
    text += style.faint(fmt::format("    … {} lines more; --full shows them", left)) + "\n";
  return text;
}

std::optional<std::string_view> value_of(const cache::Record& record, std::string_view name) {
  return name == "tag" ? std::optional(record.tag) : record.find(name);
}

std::string field_text(std::string_view name, std::optional<std::string_view> a,
                       std::optional<std::string_view> b, bool is_full, const Style& style) {
  const std::string head = "  " + style.bold(printable(name)) + ":";
  if (!a || !b) return fmt::format("{} only the {} has it\n", head, a ? "first" : "second");
  if (!is_text(*a) || !is_text(*b))
    return fmt::format("{} {} and {} bytes, which differ\n", head, a->size(), b->size());
  const bool is_short = std::max(a->size(), b->size()) <= 64 && a->find('\n') == a->npos;
  if (is_short && b->find('\n') == b->npos)
    return fmt::format("{} {} / {}\n", head, style.red(printable(*a)), style.green(printable(*b)));
  return head + "\n" + diff_text(*a, *b, is_full, style);
}

} // namespace

int why(const WhyOptions& options, Context& context) {
  const LoadedEntry entry = whole(find_in_levels(context, options.key));
  const LoadedEntry other = options.other.empty() ? find_nearest(context, entry)
                                                  : whole(find_in_levels(context, options.other));
  const auto names = cache::explain_difference(entry.entry->record, other.entry->record);
  const cache::Record a = entry.record(), b = other.record();

  if (context.wants_json) {
    Json differences = Json::array();
    for (const std::string& name : names) {
      Json& json = differences.emplace_back(Json{{"field", name}});
      if (const auto value = value_of(a, name)) json["first"] = *value;
      if (const auto value = value_of(b, name)) json["second"] = *value;
    }
    context.print_json(Json{{"first", entry.file.digest},
                            {"second", other.file.digest},
                            {"differences", std::move(differences)}});
    return status::fine;
  }
  context.print(fmt::format("{} {}\n{} {}\n", context.style.red(entry.short_digest()),
                            entry.title(), context.style.green(other.short_digest()),
                            other.title()));
  if (names.empty()) context.print("the keys are the same\n");
  for (const std::string& name : names)
    context.print(
        field_text(name, value_of(a, name), value_of(b, name), options.is_full, context.style));
  return status::fine;
}

} // namespace kroton::tool
