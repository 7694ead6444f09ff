#include "cache/admission.hpp"

#include <fmt/format.h>

#include "cache/entry.hpp"

namespace kroton::cache {
namespace {

/// The first word that this CPU has not, or nothing.
std::string_view missing_feature(std::string_view requirements, HasFeature has_feature) {
  while (!requirements.empty()) {
    const auto word = requirements.substr(0, requirements.find(' '));
    if (!has_feature || !has_feature(word)) return word.empty() ? "(an empty word)" : word;
    requirements.remove_prefix(std::min(requirements.size(), word.size() + 1));
  }
  return {};
}

} // namespace

std::string why_not_trusted(const Entry& entry, const TrustedKeys& trusted) {
  if (!entry.signer) return "it is not signed";
  if (!trusted.contains(*entry.signer))
    return fmt::format("its signer {:.16} is not trusted", entry.signer->hex());
  if (!entry.has_valid_signature())
    return fmt::format("it was not signed by {:.16}, whose name it bears", entry.signer->hex());
  return {};
}

Admission admit(std::string_view file, const Key& key, const Policy& policy) {
  ParsedEntry parsed = parse_entry(file);
  const auto put_aside = [](std::string_view why) {
    return Admission{nullptr, fmt::format("entry put aside: {}", why), true};
  };
  const auto refuse = [](std::string_view why) {
    return Admission{nullptr, fmt::format("entry unusable: {}", why), false};
  };
  if (parsed.fault == EntryFault::version) return refuse(to_string(parsed.fault));
  if (parsed.fault != EntryFault::none) return put_aside(to_string(parsed.fault));
  if (parsed.entry->record != key.record) return put_aside("it belongs to another key");
  if (policy.trusted)
    if (const std::string why = why_not_trusted(*parsed.entry, *policy.trusted); !why.empty())
      return refuse(why);
  const auto missing = missing_feature(parsed.entry->artifact.requirements, policy.has_feature);
  if (!missing.empty()) return refuse(fmt::format("it needs {}, which this CPU lacks", missing));
  return {std::make_shared<const Artifact>(std::move(parsed.entry->artifact)), {}, false};
}

} // namespace kroton::cache
