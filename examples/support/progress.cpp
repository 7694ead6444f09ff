#include "examples/support/progress.hpp"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace examples {
namespace {

constexpr int bar_width = 24;
constexpr std::int64_t most_lines = 10;
constexpr double seconds_between_draws = 0.05;

/// "0.4 s", "12 s", "3:05", "1:02:09".
std::string duration_text(double seconds) {
  char text[32];
  const auto whole = static_cast<long>(seconds + 0.5);
  if (seconds < 9.95)
    std::snprintf(text, sizeof text, "%.1f s", seconds);
  else if (whole < 60)
    std::snprintf(text, sizeof text, "%ld s", whole);
  else if (whole < 3600)
    std::snprintf(text, sizeof text, "%ld:%02ld", whole / 60, whole % 60);
  else
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
  return text;
}

std::string count_text(std::int64_t step, std::int64_t total) {
  const std::string end = std::to_string(total), now = std::to_string(step);
  return std::string(end.size() - std::min(end.size(), now.size()), ' ') + now + "/" + end;
}

std::chrono::duration<double> steady_now() {
  return std::chrono::steady_clock::now().time_since_epoch();
}

} // namespace

bool is_terminal(int file) {
  const char* kind = std::getenv("TERM");
  return ::isatty(file) == 1 && kind != nullptr && std::strcmp(kind, "dumb") != 0;
}

Progress::Progress(std::ostream& out, std::int64_t total, bool is_terminal, int columns,
                   Clock clock)
    : out_(out), total_(std::max<std::int64_t>(total, 1)), is_terminal_(is_terminal),
      columns_(columns), clock_(clock ? std::move(clock) : Clock(steady_now)), start_(clock_()) {}

Progress::~Progress() {
  if (has_open_line_) out_ << '\n' << std::flush;
}

double Progress::elapsed() const { return (clock_() - start_).count(); }

bool Progress::is_due(std::int64_t step) const {
  if (is_terminal_) return elapsed() >= next_draw_;
  // Line i of 10 is due when i tenths are done; the tenth is left to finish().
  return lines_ < most_lines - 1 && step * most_lines >= total_ * (lines_ + 1) && step < total_;
}

void Progress::update(std::int64_t step, std::string_view text) {
  if (!is_due(step)) return;
  const double now = elapsed();
  next_draw_ = now + seconds_between_draws;
  lines_ = step * most_lines / total_;
  const double left =
      step > 0 ? now / static_cast<double>(step) * static_cast<double>(total_ - step) : 0;
  draw(step, text, step > 0 ? duration_text(left) + " left" : "");
}

void Progress::finish(std::string_view text) {
  draw(total_, text, duration_text(elapsed()));
  if (is_terminal_) out_ << '\n' << std::flush;
  has_open_line_ = false;
}

void Progress::draw(std::int64_t step, std::string_view text, std::string_view time) {
  std::string line = count_text(step, total_);
  if (is_terminal_) {
    const auto filled =
        static_cast<std::size_t>(std::clamp<std::int64_t>(step * bar_width / total_, 0, bar_width));
    line = "[" + std::string(filled, '#') + std::string(bar_width - filled, '.') + "] " + line;
  }
  for (std::string_view part : {text, time})
    if (!part.empty()) line += "  " + std::string(part);
  if (!is_terminal_) {
    out_ << line << '\n' << std::flush;
    return;
  }
  // A line that wraps could not be rewritten.
  if (columns_ > 1 && line.size() >= static_cast<std::size_t>(columns_))
    line.resize(static_cast<std::size_t>(columns_) - 1);
  // To the line's start, the text, and away with what a longer one left behind.
  out_ << '\r' << line << "\x1b[K" << std::flush;
  has_open_line_ = true;
}

} // namespace examples
