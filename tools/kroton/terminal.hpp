#pragma once
/// How results look: colours and progress where there is a terminal, plain text where not.
///
///   const Style style(stdout);
///   print(style.bold("3f2a91c04d7e") + "  " + bytes_text(18'432));     // "18.0 KiB"
///   Progress progress("verifying", 10'000);
///   for (…) progress.advance();
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>

namespace kroton::tool {

/// Whether the stream is a terminal that understands escape sequences.
bool is_terminal(std::FILE*);

/// Colours, for a terminal and unless NO_COLOR is set (no-color.org); else the text as it is.
class Style {
public:
  explicit Style(std::FILE* stream);

  bool is_coloured() const { return is_coloured_; }
  std::string bold(std::string_view text) const { return in("1", text); }
  std::string faint(std::string_view text) const { return in("2", text); }
  std::string red(std::string_view text) const { return in("31", text); }
  std::string green(std::string_view text) const { return in("32", text); }
  std::string yellow(std::string_view text) const { return in("33", text); }

private:
  std::string in(std::string_view code, std::string_view text) const;
  bool is_coloured_;
};

/// A line on stderr that tells how far a long task is; nothing if stderr is no terminal, nor for
/// a task that takes less than a moment.
class Progress {
public:
  Progress(std::string_view what, std::uint64_t total);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void advance();

private:
  using Clock = std::chrono::steady_clock;
  void draw() const;

  std::string what_;
  std::uint64_t total_;
  std::uint64_t done_ = 0;
  bool is_shown_;
  bool is_drawn_ = false;
  Clock::time_point next_;
};

/// "812 B", "18.0 KiB", "1.2 GiB".
std::string bytes_text(std::uint64_t nbytes);
/// How long ago a time in seconds since 1970 was: "5 min ago", "12 d ago"; "in the future".
std::string ago_text(std::int64_t time_s);
/// A time in seconds since 1970 as in RFC 3339: "2026-05-04T10:11:12Z".
std::string time_text(std::int64_t time_s);

/// `text` with everything that a terminal would obey, but line feeds and tabs, and what is no UTF-8
/// written as \x1b: what an entry holds may have been written by anybody.
std::string printable(std::string_view text);

} // namespace kroton::tool
