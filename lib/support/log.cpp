#include "lib/support/log.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <ranges>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/ranges.h>
#include <spdlog/sinks/ansicolor_sink-inl.h>
#include <spdlog/sinks/ansicolor_sink.h>

#include "lib/support/environment.hpp"
#include "lib/support/file_limit.hpp"
#include "lib/support/fork.hpp"

namespace kroton::support {
namespace {

constexpr std::array<std::string_view, 6> area_names{"graph",   "rewrite", "plan",
                                                     "codegen", "cache",   "jit"};

/// What KROTON_LOG asks for: "debug,jit,cache".
struct Wanted {
  spdlog::level::level_enum level = spdlog::level::warn;
  std::vector<std::string> areas; ///< empty: all
  std::vector<std::string> unknown;
};

Wanted parse(std::string_view text) {
  Wanted wanted;
  bool is_level = true; // the first word is
  for (const auto part : std::views::split(text, ',')) {
    std::string word(part.begin(), part.end());
    if (is_level) {
      const auto level = spdlog::level::from_str(word);
      if (level == spdlog::level::off && word != "off") // what spdlog takes any other word for
        wanted.unknown.push_back(std::move(word));
      else
        wanted.level = level;
    } else if (std::ranges::find(area_names, word) == area_names.end()) {
      wanted.unknown.push_back(std::move(word));
    } else {
      wanted.areas.push_back(std::move(word));
    }
    is_level = false;
  }
  return wanted;
}

/// Of the sink's lock, which is held while a line is written, however long somebody takes to read.
struct Console {
  using mutex_t = ProcessMutex;
  static mutex_t& mutex() {
    static mutex_t instance;
    return instance;
  }
};

/// Standard error, which may be a file that has reached the limit on the length of files.
class Sink : public spdlog::sinks::ansicolor_stderr_sink<Console> {
public:
  void log(const spdlog::details::log_msg& message) override {
    const FileLimitGuard guard;
    spdlog::sinks::ansicolor_stderr_sink<Console>::log(message);
  }
};

struct Loggers {
  std::array<std::shared_ptr<spdlog::logger>, area_names.size()> by_area;

  Loggers() {
    const std::string text = variable("KROTON_LOG");
    const Wanted wanted = text.empty() ? Wanted{} : parse(text);
    const auto sink = std::make_shared<Sink>();
    for (std::size_t i = 0; i < area_names.size(); ++i) {
      const std::string name(area_names[i]);
      by_area[i] = std::make_shared<spdlog::logger>(name, sink);
      by_area[i]->set_pattern("%L kroton.%n: %v");
      const bool is_on =
          wanted.areas.empty() || std::ranges::find(wanted.areas, name) != wanted.areas.end();
      by_area[i]->set_level(is_on ? wanted.level : spdlog::level::warn);
    }
    if (wanted.unknown.empty()) return;
    spdlog::logger logger("log", sink);
    logger.set_pattern("%L kroton.%n: %v");
    logger.warn("KROTON_LOG={}: {} is not known and has no effect; use a level (trace, debug, "
                "info, warning, error, critical, off), then areas ({})",
                text, fmt::join(wanted.unknown, ", "), fmt::join(area_names, ", "));
  }
};

} // namespace

spdlog::logger* log(Area area) {
  static const Loggers loggers;
  return loggers.by_area[static_cast<std::size_t>(area)].get();
}

} // namespace kroton::support
