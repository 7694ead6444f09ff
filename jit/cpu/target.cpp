#include "jit/cpu/target.hpp"
#include "lib/support/environment.hpp"
#include "lib/support/error.hpp"
#include "lib/support/log.hpp"

#include <algorithm>
#include <array>

#include <llvm/ADT/StringMap.h>
#include <llvm/TargetParser/Host.h>

namespace kroton::jit {
namespace {

struct Level {
  std::string_view name;
  int vector_bytes;
  bool has_fma;
  bool (*is_supported)();
};

/// In rising order; each has all that the ones before it have. v1 is left out: without SSE4.1 there
/// is no vector floor, blend or minimum.
constexpr std::size_t short_name_at = std::string_view("x86-64-").size();
constexpr std::array<Level, 3> levels{{
    {"x86-64-v2", 16, false, [] { return __builtin_cpu_supports("x86-64-v2") != 0; }},
    {"x86-64-v3", 32, true, [] { return __builtin_cpu_supports("x86-64-v3") != 0; }},
    {"x86-64-v4", 64, true, [] { return __builtin_cpu_supports("x86-64-v4") != 0; }},
}};

const Level* find_level(std::string_view name) {
  for (const Level& level : levels)
    if (name == level.name || name == level.name.substr(short_name_at)) return &level;
  return nullptr;
}

/// The level that KROTON_CPU names, for which this CPU is to be taken; null without one.
const Level* level_limit() {
  static const Level* const limit = [] {
    const std::string name = support::variable("KROTON_CPU");
    const Level* level = find_level(name);
    if (!name.empty() && !level)
      support::log(support::Area::jit)
          ->warn("KROTON_CPU={} is not known and has no effect; use x86-64-v2, -v3 or -v4", name);
    return level;
  }();
  return limit;
}

bool is_here(const Level& level) {
  const Level* limit = level_limit();
  return (!limit || &level <= limit) && level.is_supported();
}

CpuTarget from_level(const Level& level) {
  return {std::string(level.name), "generic", {}, level.vector_bytes, level.has_fma};
}

/// What the CPU and the system have switched on. None of a CPU that is taken for one of a level:
/// the level is then all that counts.
const std::vector<std::string>& host_features() {
  static const std::vector<std::string> features = [] {
    std::vector<std::string> names;
    if (level_limit()) return names;
    const llvm::StringMap<bool> map = llvm::sys::getHostCPUFeatures();
    for (const auto& entry : map)
      if (entry.second) names.push_back("+" + entry.first().str());
    std::sort(names.begin(), names.end());
    return names;
  }();
  return features;
}

/// The host's level with all else that the host has. The model is for tuning alone: it would bring
/// features along that a hypervisor may have switched off.
CpuTarget native() {
  CpuTarget target = CpuTarget::host();
  target.tune = llvm::sys::getHostCPUName().str();
  target.features = host_features();
  return target;
}

/// Of names with commas between them.
CpuTarget first_that_runs(std::string_view list) {
  for (std::string_view rest = list; !rest.empty();) {
    const auto name = rest.substr(0, rest.find(','));
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    if (name.empty()) continue;
    if (CpuTarget target = CpuTarget::parse(name); target.runs_here()) return target;
  }
  support::fail<UnsupportedError>("target", {.hint = "end the list with x86-64-v2"},
                                  "this machine cannot run code for any of \"{}\"", list);
}

} // namespace

std::string CpuTarget::describe() const {
  std::string text = level + " tune=" + tune;
  for (const std::string& feature : features) text += " " + feature;
  return text;
}

CpuTarget CpuTarget::host() {
  for (auto level = levels.rbegin(); level != levels.rend(); ++level)
    if (is_here(*level)) return from_level(*level);
  support::fail<UnsupportedError>("jit", {.hint = "run on a CPU with SSE4.2 (any since 2009)"},
                                  "this CPU lacks the instructions of x86-64-v2");
}

CpuTarget CpuTarget::parse(std::string_view text) {
  const std::string wanted = text.empty() ? support::variable("KROTON_TARGET") : std::string(text);
  text = wanted.empty() ? std::string_view("host") : wanted;
  if (text.find(',') != text.npos) return first_that_runs(text);
  if (text == "host") return host();
  if (text == "native") return native();
  if (const Level* level = find_level(text)) return from_level(*level);
  support::fail<UnsupportedError>("target",
                                  {.hint = "one of host, native, x86-64-v2, x86-64-v3, x86-64-v4, "
                                           "cuda, cuda:1"},
                                  "there is no target \"{}\"", text);
}

std::string CpuTarget::requirements() const {
  std::string words = level;
  for (const std::string& feature : features) words += " " + feature.substr(1);
  return words;
}

bool CpuTarget::runs_here() const {
  const auto is_there = [](const std::string& feature) {
    return has_cpu_feature(feature.substr(1));
  };
  return has_cpu_feature(level) && std::all_of(features.begin(), features.end(), is_there);
}

bool has_cpu_feature(std::string_view word) {
  if (const Level* level = find_level(word)) return level->name == word && is_here(*level);
  const auto& features = host_features();
  return std::binary_search(features.begin(), features.end(), "+" + std::string(word));
}

} // namespace kroton::jit
