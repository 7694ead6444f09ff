#include "jit/cpu/target.hpp"
#include "lib/support/error.hpp"

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
  bool (*is_here)();
};

/// In rising order. v1 is left out: without SSE4.1 there is no vector floor, blend or minimum.
constexpr std::array<Level, 3> levels{{
    {"x86-64-v2", 16, false, [] { return __builtin_cpu_supports("x86-64-v2") != 0; }},
    {"x86-64-v3", 32, true, [] { return __builtin_cpu_supports("x86-64-v3") != 0; }},
    {"x86-64-v4", 64, true, [] { return __builtin_cpu_supports("x86-64-v4") != 0; }},
}};

CpuTarget from_level(const Level& level) {
  return {std::string(level.name), "generic", {}, level.vector_bytes, level.has_fma};
}

const std::vector<std::string>& host_features() {
  static const std::vector<std::string> features = [] {
    const llvm::StringMap<bool> map = llvm::sys::getHostCPUFeatures();
    std::vector<std::string> names;
    for (const auto& entry : map)
      if (entry.second) names.push_back("+" + entry.first().str());
    std::sort(names.begin(), names.end());
    return names;
  }();
  return features;
}

bool has(const std::vector<std::string>& sorted, const char* feature) {
  return std::binary_search(sorted.begin(), sorted.end(), feature);
}

CpuTarget native() {
  const std::string model = llvm::sys::getHostCPUName().str();
  const auto& features = host_features();
  const bool has_avx512 = has(features, "+avx512f") && has(features, "+avx512vl");
  return {model, model, features,
          has_avx512              ? 64
          : has(features, "+avx") ? 32
                                  : 16,
          has(features, "+fma")};
}

} // namespace

std::string CpuTarget::describe() const {
  std::string text = level + " tune=" + tune;
  for (const std::string& feature : features) text += " " + feature;
  return text;
}

CpuTarget CpuTarget::host() {
  for (auto level = levels.rbegin(); level != levels.rend(); ++level)
    if (level->is_here()) return from_level(*level);
  support::fail<UnsupportedError>("jit", {.hint = "run on a CPU with SSE4.2 (any since 2009)"},
                                  "this CPU lacks the instructions of x86-64-v2");
}

CpuTarget CpuTarget::parse(std::string_view text) {
  if (text.empty() || text == "host") return host();
  if (text == "native") return native();
  for (const Level& level : levels)
    if (text == level.name || text == level.name.substr(7)) return from_level(level);
  support::fail<UnsupportedError>("target",
                                  {.hint = "one of host, native, x86-64-v2, x86-64-v3, x86-64-v4"},
                                  "there is no CPU target \"{}\"", text);
}

bool CpuTarget::runs_here() const {
  for (const Level& known : levels)
    if (level == known.name && !known.is_here()) return false;
  return std::includes(host_features().begin(), host_features().end(), features.begin(),
                       features.end());
}

} // namespace kroton::jit
