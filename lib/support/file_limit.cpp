#include "lib/support/file_limit.hpp"

#include <cerrno>
#include <ctime>

#include <pthread.h>

namespace kroton::support {
namespace {

sigset_t only_file_size() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGXFSZ);
  return set;
}

bool is_pending() {
  sigset_t pending;
  return ::sigpending(&pending) == 0 && sigismember(&pending, SIGXFSZ) == 1;
}

} // namespace

FileLimitGuard::FileLimitGuard() {
  const int error = errno;
  const sigset_t blocked = only_file_size();
  is_blocking_ = ::pthread_sigmask(SIG_BLOCK, &blocked, &before_) == 0;
  was_pending_ = is_pending();
  errno = error;
}

FileLimitGuard::~FileLimitGuard() {
  if (!is_blocking_) return;
  const int error = errno;
  // The signal of a write is sent to the thread that writes, and pending signals of a thread are
  // taken before those of its process.
  if (!was_pending_ && is_pending()) {
    const sigset_t blocked = only_file_size();
    const timespec at_once{};
    while (::sigtimedwait(&blocked, nullptr, &at_once) < 0 && errno == EINTR) {
    }
  }
  ::pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  errno = error;
}

} // namespace kroton::support
