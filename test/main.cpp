/// The main function of every test executable.
///
/// - KROTON_CACHE_DIR is a fresh directory of this process, removed at the end: no test reads or
///   writes the user's cache, and none sees what another executable left behind.
/// - KROTON_CHECK_STAGES is 1, unless it is set: what each stage of the compiler hands on is
/// checked.
/// - KROTON_TEST_PATTERN narrows the run to test cases whose name contains it ("[tag]" selects by
///   tag); `./dev test PATTERN` sets it.
/// - KROTON_TEST_RESULTS names a file that gets a line for each test case, "start NAME" and then
///   "passed NAME" or "failed NAME", so that tools/run_tests.py can count even after a crash.
#define CATCH_CONFIG_RUNNER
#include "test/support/catch.hpp"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <system_error>
#include <vector>

#include <unistd.h>

namespace {

const pid_t main_process = getpid();

class TemporaryCache {
public:
  TemporaryCache() {
    std::string name = (std::filesystem::temp_directory_path() / "kroton-test-XXXXXX").string();
    if (!mkdtemp(name.data())) {
      std::fprintf(stderr, "cannot create %s: %s\n", name.c_str(), std::strerror(errno));
      std::exit(2);
    }
    path_ = name;
    setenv("KROTON_CACHE_DIR", path_.c_str(), 1);
  }
  TemporaryCache(const TemporaryCache&) = delete;
  TemporaryCache& operator=(const TemporaryCache&) = delete;
  ~TemporaryCache() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }

private:
  std::filesystem::path path_;
};

#if __has_include(<catch2/catch_all.hpp>)
using ListenerBase = Catch::EventListenerBase;
const std::string& name_of(const Catch::TestCaseStats& s) { return s.testInfo->name; }
#else
using ListenerBase = Catch::TestEventListenerBase;
const std::string& name_of(const Catch::TestCaseStats& s) { return s.testInfo.name; }
#endif

/// Writes KROTON_TEST_RESULTS, flushing each line so that a crash loses none.
class ResultWriter : public ListenerBase {
public:
  using ListenerBase::ListenerBase;

  void testCaseStarting(const Catch::TestCaseInfo& info) override {
    ListenerBase::testCaseStarting(info);
    write("start", info.name);
  }
  void testCaseEnded(const Catch::TestCaseStats& stats) override {
    ListenerBase::testCaseEnded(stats);
    write(stats.totals.testCases.failed != 0 ? "failed" : "passed", name_of(stats));
  }

private:
  static void write(const char* what, const std::string& name) {
    if (const char* path = std::getenv("KROTON_TEST_RESULTS"))
      std::ofstream(path, std::ios::app) << what << ' ' << name << '\n';
  }
};

CATCH_REGISTER_LISTENER(ResultWriter)

/// The Catch2 filter for KROTON_TEST_PATTERN: hidden tests stay out unless the slow run asks.
std::string filter_for(const std::string& pattern, bool slow) {
  std::string which;
  if (pattern.front() == '[') {
    which = pattern;
  } else {
    for (const char c : pattern) {
      if (c == ',' || c == '[' || c == ']' || c == '"' || c == '\\') which += '\\';
      which += c;
    }
    which = "*" + which + "*";
  }
  return (slow ? "[slow]" : "~[.]") + which;
}

} // namespace

/// Asked by the leak sanitizer, where there is one, at the end of a process. A forked child lacks
/// the threads of its parent, whose stacks hold what would seem lost in it: only the parent is
/// checked.
extern "C" int __lsan_is_turned_off() { return getpid() != main_process; }

int main(int argc, char** argv) {
  const TemporaryCache cache;
  setenv("KROTON_CHECK_STAGES", "1", 0);
  if (const char* path = std::getenv("KROTON_TEST_RESULTS")) std::ofstream(path, std::ios::trunc);
  std::vector<const char*> args(argv, argv + argc);
  std::string filter;
  if (const char* pattern = std::getenv("KROTON_TEST_PATTERN"); pattern && *pattern) {
    const bool slow = std::strcmp(args.back(), "[slow]") == 0;
    if (slow) args.pop_back();
    filter = filter_for(pattern, slow);
    args.push_back(filter.c_str());
  }

  Catch::Session session;
#if __has_include(<catch2/catch_all.hpp>)
  session.configData().allowZeroTests = true;
#endif
  const int bad_arguments = session.applyCommandLine(static_cast<int>(args.size()), args.data());
  return bad_arguments != 0 ? bad_arguments : session.run();
}
