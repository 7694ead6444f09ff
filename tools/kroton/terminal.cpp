#include "tools/kroton/terminal.hpp"

#include <algorithm>
#include <array>
#include <ctime>

#include <fmt/format.h>
#include <unistd.h>

#include "lib/support/environment.hpp"

namespace kroton::tool {

using namespace std::chrono_literals;

bool is_terminal(std::FILE* stream) {
  const std::string kind = support::variable("TERM");
  return ::isatty(::fileno(stream)) == 1 && !kind.empty() && kind != "dumb";
}

Style::Style(std::FILE* stream) {
  is_coloured_ = is_terminal(stream) && support::variable("NO_COLOR").empty();
}

std::string Style::in(std::string_view code, std::string_view text) const {
  return is_coloured_ ? fmt::format("\x1b[{}m{}\x1b[0m", code, text) : std::string(text);
}

Progress::Progress(std::string_view what, std::uint64_t total)
    : what_(what), total_(total), is_shown_(is_terminal(stderr)), next_(Clock::now() + 200ms) {}

Progress::~Progress() {
  if (is_drawn_) std::fputs("\r\x1b[K", stderr);
}

void Progress::advance() {
  ++done_;
  if (!is_shown_ || Clock::now() < next_) return;
  next_ = Clock::now() + 50ms;
  is_drawn_ = true;
  draw();
}

void Progress::draw() const {
  constexpr std::uint64_t width = 24;
  const std::uint64_t filled = total_ == 0 ? width : std::min(width, done_ * width / total_);
  const std::string line = fmt::format("\r{} [{}{}] {}/{}\x1b[K", what_, std::string(filled, '#'),
                                       std::string(width - filled, ' '), done_, total_);
  std::fputs(line.c_str(), stderr);
  std::fflush(stderr);
}

std::string bytes_text(std::uint64_t nbytes) {
  if (nbytes < 1024) return fmt::format("{} B", nbytes);
  double value = static_cast<double>(nbytes);
  std::string_view unit;
  for (const std::string_view next : {"KiB", "MiB", "GiB", "TiB"}) {
    if (value < 1023.95 && !unit.empty()) break;
    value /= 1024;
    unit = next;
  }
  return fmt::format("{:.1f} {}", value, unit);
}

std::string ago_text(std::int64_t time_s) {
  constexpr std::int64_t day_s = 86400;
  const std::int64_t age = std::int64_t{::time(nullptr)} - time_s;
  if (age < -60) return "in the future";
  if (age < 60) return "just now";
  if (age < 3600) return fmt::format("{} min ago", age / 60);
  if (age < 2 * day_s) return fmt::format("{} h ago", age / 3600);
  return fmt::format("{} d ago", age / day_s);
}

std::string time_text(std::int64_t time_s) {
  const std::time_t time = time_s;
  std::tm parts{};
  std::array<char, 32> text{};
  if (!::gmtime_r(&time, &parts) ||
      std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
    return fmt::format("{} s", time_s);
  return text.data();
}

namespace {

/// How many bytes the UTF-8 character at the beginning of `text` has; 0 if there is none.
std::size_t character_nbytes(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const std::size_t n = byte(0) < 0x80                      ? 1
                        : byte(0) >= 0xc2 && byte(0) < 0xe0 ? 2
                        : byte(0) >= 0xe0 && byte(0) < 0xf0 ? 3
                        : byte(0) >= 0xf0 && byte(0) < 0xf5 ? 4
                                                            : 0;
  if (n == 0 || n > text.size()) return 0;
  for (std::size_t i = 1; i < n; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  return n;
}

} // namespace

std::string printable(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  const auto escape = [&](char c) {
    out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
  };
  while (!text.empty()) {
    const std::size_t n = character_nbytes(text);
    const auto c = static_cast<unsigned char>(text[0]);
    // U+0080 to U+009F, the second set of control characters, are c2 80 to c2 9f in UTF-8.
    if (n == 2 && c == 0xc2 && static_cast<unsigned char>(text[1]) < 0xa0) {
      out += text[0];
      escape(text[1]);
    } else if (n == 0 || (c < 0x20 && c != '\n' && c != '\t') || c == 0x7f) {
      escape(text[0]);
    } else {
      out += text.substr(0, n);
    }
    text.remove_prefix(std::max<std::size_t>(n, 1));
  }
  return out;
}

} // namespace kroton::tool
