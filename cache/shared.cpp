#include "cache/shared.hpp"

#include <exception>

#include <fmt/format.h>

#include "lib/support/log.hpp"

namespace kroton::cache {

using support::Area;
using support::log;

SharedLevels::SharedLevels(std::vector<SharedLevel> levels, HasFeature has_feature,
                           std::filesystem::path config)
    : has_feature_(has_feature), config_(std::move(config)) {
  for (SharedLevel& shared : levels) {
    levels_.push_back(std::make_unique<Level>());
    levels_.back()->name = shared.level->describe();
    levels_.back()->shared = std::move(shared);
  }
}

const TrustedKeys& SharedLevels::trusted_keys() {
  return trusted_.get([&] {
    TrustedKeys trusted = load_trusted_keys(config_);
    for (const std::string& problem : trusted.problems)
      log(Area::cache)->warn("key not trusted: {}", problem);
    return trusted;
  });
}

/// What one level has to offer for the key; its bytes go to `entry`.
Admission SharedLevels::ask(Level& level, const Key& key, const std::string& hex,
                            std::string& entry) {
  try {
    std::optional<std::string> found = level.shared.level->find(hex);
    if (!found) {
      ++level.misses;
      return {};
    }
    entry = std::move(*found);
  } catch (const std::exception& e) {
    ++level.failed;
    const bool is_first = !level.has_warned.exchange(true);
    log(Area::cache)
        ->log(is_first ? spdlog::level::warn : spdlog::level::debug, "{}: {}", level.name,
              e.what());
    return {nullptr, e.what()};
  }
  Admission admission =
      admit(entry, key,
            {.trusted = level.shared.is_trusted_unsigned ? nullptr : &trusted_keys(),
             .has_feature = has_feature_});
  ++(admission.artifact ? level.hits : level.refused);
  if (!admission.artifact)
    log(Area::cache)->info("{}: key {:.12}: {}", level.name, hex, admission.reason);
  return admission;
}

void SharedLevels::hand(Level& level, const std::string& hex, std::string_view entry) {
  try {
    level.shared.level->publish(hex, entry);
  } catch (const std::exception& e) {
    ++level.failed;
    log(Area::cache)->info("{}: key {:.12} not kept: {}", level.name, hex, e.what());
  }
}

SharedFind SharedLevels::find(const Key& key) {
  SharedFind result;
  if (levels_.empty()) return result;
  const std::string hex = key.digest.hex();
  for (std::size_t i = 0; i < levels_.size(); ++i) {
    Admission admission = ask(*levels_[i], key, hex, result.entry);
    if (admission.artifact) {
      for (std::size_t before = 0; before < i; ++before) hand(*levels_[before], hex, result.entry);
      result.artifact = std::move(admission.artifact);
      result.level = levels_[i]->name;
      result.miss_reason.clear();
      return result;
    }
    if (!admission.reason.empty())
      result.miss_reason += fmt::format("{}{}: {}", result.miss_reason.empty() ? "" : "; ",
                                        levels_[i]->name, admission.reason);
  }
  result.entry.clear();
  return result;
}

void SharedLevels::publish(const support::Digest& digest, std::string_view entry) {
  const std::string hex = digest.hex();
  for (const auto& level : levels_) hand(*level, hex, entry);
}

std::vector<CacheLevelStats> SharedLevels::stats() const {
  std::vector<CacheLevelStats> stats;
  for (const auto& level : levels_)
    stats.push_back({level->name, level->hits, level->misses, level->refused, level->failed});
  return stats;
}

} // namespace kroton::cache
