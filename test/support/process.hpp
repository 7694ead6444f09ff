#pragma once
/// Pieces of a test in processes of their own.
///
///   const pid_t child = in_child([&] { return Store(options).find(key) != nullptr; });
///   CHECK(wait_for(child) == 0);         // it returned true
#include <sys/wait.h>
#include <unistd.h>

namespace kroton::test {

/// Runs `body` in a forked process that ends without running destructors of this one, with status
/// 0 if it returned true.
template <class F> pid_t in_child(F body) {
  const pid_t pid = ::fork();
  if (pid != 0) return pid;
  int status = 1;
  try {
    status = body() ? 0 : 2;
  } catch (...) {
  }
  ::_exit(status);
}

/// What waitpid tells of it.
inline int wait_for(pid_t pid) {
  int status = -1;
  ::waitpid(pid, &status, 0);
  return status;
}

} // namespace kroton::test
