#include "cache/crash.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cache/entry.hpp"

namespace kroton::cache {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::uint64_t max_notes_bytes = 64 << 10;
constexpr std::string_view verdict_tag = "died of ";

/// Signals by which a process ends itself when it does what it must not.
constexpr std::array own_faults{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};

void append_line(const Fd& directory, const std::string& path, std::string line) {
  const auto [fd, error] =
      open_at(directory.get(), path.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  line += '\n';
  if (fd) static_cast<void>(write_all(fd.get(), line));
}

/// The child's part; ends it.
[[noreturn]] void make_and_tell(const std::function<Artifact()>& make, int to) {
  // No core file, nobody else's handler, and no life of its own after the parent's.
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  for (const int number : own_faults) ::signal(number, SIG_DFL);
  ::signal(SIGPIPE, SIG_IGN);
  try {
    ::_exit(write_all(to, write_entry("", make())) == 0 ? 0 : 1);
  } catch (...) {
    ::_exit(1);
  }
}

/// A child, of which is known what it told and how it ended.
struct Ended {
  std::string told;
  int status = 0; ///< As waitpid gives it; 0 if somebody else has waited for it.
};

/// Hears a child out until it has ended, or ends it at the deadline.
Ended hear_out(pid_t child, int from, Clock::time_point deadline) {
  Ended ended;
  std::array<char, 64 << 10> buffer;
  bool is_gone = false;
  while (ended.told.size() <= max_entry_bytes && Clock::now() < deadline) {
    constexpr int pause_ms = 5;
    pollfd polled{from, POLLIN, 0};
    const bool is_readable = ::poll(&polled, 1, pause_ms) > 0;
    const auto n = is_readable ? ::read(from, buffer.data(), buffer.size()) : 0;
    if (n > 0) {
      ended.told.append(buffer.data(), static_cast<std::size_t>(n));
      continue;
    }
    if (is_gone) return ended;
    // A closed pipe is readable all the time until the child is gone, which is a moment.
    if (is_readable) ::usleep(1000);
    const pid_t waited = ::waitpid(child, &ended.status, WNOHANG);
    is_gone = waited == child || (waited < 0 && errno == ECHILD);
  }
  if (is_gone) return ended;
  ::kill(child, SIGKILL);
  while (::waitpid(child, &ended.status, 0) < 0 && errno == EINTR) {
  }
  return ended;
}

} // namespace

CrashNotes read_crash_notes(const Fd& directory, const std::string& path) {
  CrashNotes notes;
  const FileBytes file = read_file(directory.get(), path.c_str(), max_notes_bytes);
  std::string_view text = file.bytes;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.starts_with(verdict_tag))
      notes.verdict = line.substr(verdict_tag.size());
    else
      ++notes.deaths;
    text.remove_prefix(std::min(text.size(), line.size() + 1));
  }
  return notes;
}

void note_death(const Fd& directory, const std::string& path, std::string_view token) {
  append_line(directory, path, std::string(token));
}

void note_verdict(const Fd& directory, const std::string& path, std::string_view verdict) {
  append_line(directory, path, std::string(verdict_tag) + std::string(verdict));
}

Trial try_in_child(const std::function<Artifact()>& make, std::chrono::milliseconds limit) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return {};
  const Fd from(ends[0]);
  Fd to(ends[1]);
  ::fcntl(from.get(), F_SETFL, O_NONBLOCK);
  const pid_t child = ::fork();
  if (child == 0) make_and_tell(make, to.get());
  if (child < 0) return {};
  static_cast<void>(to.close());
  const Ended ended = hear_out(child, from.get(), Clock::now() + limit);
  if (ParsedEntry parsed = parse_entry(ended.told); parsed.entry)
    return {std::move(parsed.entry->artifact), {}};
  const int number = WIFSIGNALED(ended.status) ? WTERMSIG(ended.status) : 0;
  if (std::ranges::find(own_faults, number) == own_faults.end()) return {};
  return {{}, fmt::format("signal {}, {}", number, ::strsignal(number))};
}

} // namespace kroton::cache
