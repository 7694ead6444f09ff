#pragma once
/// Hidden test cases of this executable as processes of their own, where nothing has been loaded
/// or cached yet.
///
///   TEST_CASE("child: the plugin is missing", "[.no-plugin]") { … }
///   TEST_CASE("…", "[jit]") {
///     const ChildResult r = run_child("[.no-plugin]", {{"KROTON_PLUGIN_DIR", "/nowhere"}});
///     CHECK(r.status == 0);                       // all assertions of the child passed
///   }
///
/// A child has an empty cache of its own, unless it is given another: KROTON_TEST_CACHE_DIR
/// becomes its KROTON_CACHE_DIR once it calls `use_given_cache()`.
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/support/temp_dir.hpp"

namespace kroton::test {

using Environment = std::vector<std::pair<std::string, std::string>>;

struct ChildResult {
  int status = -1;    ///< as waitpid gives it; 0 if the child exited with 0
  std::string output; ///< stdout and stderr
};

/// A child at work; `wait` gives its result.
class Child {
public:
  Child(const std::string& tag, const Environment& environment) : log_(dir_.path() / "output") {
    char self[4096] = {};
    if (readlink("/proc/self/exe", self, sizeof self - 1) <= 0) return;
    pid_ = fork();
    if (pid_ != 0) return;
    for (const char* name : {"KROTON_TEST_RESULTS", "KROTON_TEST_PATTERN"}) unsetenv(name);
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    const int to = open(log_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(to, STDOUT_FILENO);
    dup2(to, STDERR_FILENO);
    execl(self, self, tag.c_str(), nullptr);
    _exit(127);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ > 0) wait();
  }

  ChildResult wait() {
    ChildResult result;
    if (pid_ > 0) waitpid(std::exchange(pid_, -1), &result.status, 0);
    result.output = read_file(log_);
    return result;
  }

private:
  TempDir dir_;
  std::filesystem::path log_;
  pid_t pid_ = -1;
};

inline ChildResult run_child(const std::string& tag, const Environment& environment = {}) {
  return Child(tag, environment).wait();
}

/// In a child, before the first function is made.
inline void use_given_cache() {
  if (const char* given = std::getenv("KROTON_TEST_CACHE_DIR"))
    setenv("KROTON_CACHE_DIR", given, 1);
}

} // namespace kroton::test
