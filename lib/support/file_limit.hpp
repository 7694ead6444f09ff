#pragma once
/// Writing under a limit on the length of files (`ulimit -f`, which batch systems set). The system
/// sends SIGXFSZ to a thread that writes beyond it, which ends the process by default; what Kroton
/// writes by itself must not do so.
///
///   const FileLimitGuard guard;
///   if (::write(fd, bytes, n) < 0) return errno;     // EFBIG
#include <csignal>

namespace kroton::support {

/// While it lives, SIGXFSZ is blocked in this thread; what the thread's own writes raised meanwhile
/// is taken back before the thread's mask is restored. The disposition, which belongs to the
/// program, is left alone, and so is a signal that was pending before. Guards may be nested.
/// errno is preserved.
class FileLimitGuard {
public:
  FileLimitGuard();
  FileLimitGuard(const FileLimitGuard&) = delete;
  FileLimitGuard& operator=(const FileLimitGuard&) = delete;
  ~FileLimitGuard();

private:
  sigset_t before_;
  bool was_pending_ = false;
  bool is_blocking_ = false;
};

} // namespace kroton::support
