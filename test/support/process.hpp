#pragma once
/// Pieces of a test in processes of their own.
///
///   const pid_t child = in_child([&] { return Store(options).find(key) != nullptr; });
///   CHECK(wait_for(child) == 0);         // it returned true
///   CHECK(run_together(64, [&](int i) { return … }) == 64);
#include <filesystem>
#include <vector>

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

/// Starts `n` processes that begin `body(i)` in the same moment, and waits for them; the number of
/// those that returned true.
template <class F> int run_together(int n, F body) {
  int barrier[2];
  if (::pipe(barrier) != 0) return 0;
  std::vector<pid_t> children;
  for (int i = 0; i < n; ++i)
    children.push_back(in_child([&] {
      ::close(barrier[1]);
      char nothing;
      static_cast<void>(!::read(barrier[0], &nothing, 1)); // returns when the parent lets go
      return body(i);
    }));
  ::close(barrier[0]);
  ::close(barrier[1]);
  int succeeded = 0;
  for (const pid_t child : children) succeeded += wait_for(child) == 0;
  return succeeded;
}

/// In a child: permissions do not bind root, so root becomes somebody else, to whom the directory
/// is given. False if that fails; true if the process was not root's anyway.
inline bool become_owner_of(const std::filesystem::path& directory) {
  constexpr int somebody = 12345;
  return ::geteuid() != 0 || (::chown(directory.c_str(), somebody, somebody) == 0 &&
                              ::setresgid(somebody, somebody, somebody) == 0 &&
                              ::setresuid(somebody, somebody, somebody) == 0);
}

} // namespace kroton::test
