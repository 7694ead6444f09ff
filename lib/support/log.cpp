#include "lib/support/log.hpp"

#include <array>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>

#include <spdlog/sinks/stdout_color_sinks.h>

namespace kroton::support {
namespace {

constexpr std::array<std::string_view, 6> area_names{"graph",   "rewrite", "plan",
                                                     "codegen", "cache",   "jit"};

struct Loggers {
  std::array<std::shared_ptr<spdlog::logger>, area_names.size()> by_area;

  Loggers() {
    auto level = spdlog::level::warn;
    std::string wanted;
    if (const char* text = std::getenv("KROTON_LOG")) {
      std::string_view rest = text;
      auto comma = rest.find(',');
      level = spdlog::level::from_str(std::string(rest.substr(0, comma)));
      if (comma != rest.npos) wanted = "," + std::string(rest.substr(comma + 1)) + ",";
    }
    auto sink = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
    for (std::size_t i = 0; i < area_names.size(); ++i) {
      const std::string name(area_names[i]);
      by_area[i] = std::make_shared<spdlog::logger>(name, sink);
      by_area[i]->set_pattern("%L kroton.%n: %v");
      const bool is_on = wanted.empty() || wanted.find("," + name + ",") != wanted.npos;
      by_area[i]->set_level(is_on ? level : spdlog::level::warn);
    }
  }
};

} // namespace

spdlog::logger* log(Area area) {
  static const Loggers loggers;
  return loggers.by_area[static_cast<std::size_t>(area)].get();
}

} // namespace kroton::support
