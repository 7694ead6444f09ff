/// What a hit may ask of the system: on a network file system the rest is slow, or wrong.
#include <algorithm>
#include <array>
#include <csignal>
#include <vector>

#include <fcntl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>

#include "cache/store.hpp"
#include "test/cache/store_support.hpp"
#include "test/support/catch.hpp"
#include "test/support/process.hpp"

using namespace kroton::cache;
using namespace kroton::test;

namespace {

struct Call {
  long number;
  std::array<long, 6> arguments;
};

/// The system calls of a child that asked to be traced and stopped itself, until its end.
std::vector<Call> calls_of(pid_t child) {
  std::vector<Call> calls;
  int status = wait_for(child);
  REQUIRE(WIFSTOPPED(status));
  REQUIRE(::ptrace(PTRACE_SETOPTIONS, child, nullptr, PTRACE_O_TRACESYSGOOD) == 0);
  while (true) {
    REQUIRE(::ptrace(PTRACE_SYSCALL, child, nullptr, nullptr) == 0);
    status = wait_for(child);
    if (!WIFSTOPPED(status)) break;
    __ptrace_syscall_info info{};
    REQUIRE(::ptrace(PTRACE_GET_SYSCALL_INFO, child, sizeof info, &info) > 0);
    if (info.op != PTRACE_SYSCALL_INFO_ENTRY) continue;
    Call call{static_cast<long>(info.entry.nr), {}};
    std::ranges::copy(info.entry.args, call.arguments.begin());
    calls.push_back(call);
  }
  CHECK(status == 0);
  return calls;
}

bool is_one_of(long number, std::initializer_list<long> numbers) {
  return std::ranges::find(numbers, number) != numbers.end();
}

bool locks(const Call& call) {
  return call.number == SYS_flock ||
         (call.number == SYS_fcntl &&
          is_one_of(call.arguments[1], {F_SETLK, F_SETLKW, F_OFD_SETLK, F_OFD_SETLKW}));
}

bool maps_file(const Call& call) {
  return call.number == SYS_mmap && static_cast<int>(call.arguments[4]) != -1;
}

bool changes_files(const Call& call) {
  if (call.number == SYS_openat) return (call.arguments[2] & (O_ACCMODE | O_CREAT)) != O_RDONLY;
  return is_one_of(call.number,
                   {SYS_open, SYS_creat, SYS_write, SYS_pwrite64, SYS_rename, SYS_renameat,
                    SYS_renameat2, SYS_unlink, SYS_unlinkat, SYS_link, SYS_linkat, SYS_symlinkat,
                    SYS_mkdir, SYS_mkdirat, SYS_utimensat, SYS_fsync, SYS_ftruncate});
}

} // namespace

// Without the second sync a power failure may take the name of an entry that counts as kept.
TEST_CASE("an entry is on the disk before its name, and its name before it counts", "[survival]") {
  const TempDir dir;
  const std::vector<Call> calls = calls_of(in_child([&] {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    Store store(disk_options(dir.path()));
    ::raise(SIGSTOP);
    store.publish(key_of("a"), artifact_of("code"));
    return store.stats().published == 1;
  }));
  std::vector<long> order;
  for (const Call& call : calls)
    if (is_one_of(call.number, {SYS_mkdirat, SYS_fsync, SYS_write, SYS_renameat, SYS_renameat2}))
      order.push_back(call.number == SYS_renameat2 ? SYS_renameat : call.number);
  CHECK(order == std::vector<long>{SYS_mkdirat, SYS_fsync, SYS_mkdirat, SYS_fsync, // folders
                                   SYS_write, SYS_fsync, SYS_renameat, SYS_fsync});
}

TEST_CASE("a hit reads one file whole: it lists, locks, maps and writes nothing", "[survival]") {
  const TempDir dir;
  const Artifact code = artifact_of(std::string(10'000, 'c'));
  Store(disk_options(dir.path())).publish(key_of("a"), code);
  const std::vector<Call> calls = calls_of(in_child([&] {
    ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
    Store store(disk_options(dir.path()));
    ::raise(SIGSTOP);
    const Lookup lookup = store.get_or_make(key_of("a"), [] { return Artifact{}; });
    return lookup.outcome == Outcome::disk && *lookup.artifact == code;
  }));
  int opened = 0;
  for (const Call& call : calls) {
    CAPTURE(call.number, call.arguments);
    CHECK(call.number != SYS_getdents64);
    CHECK_FALSE(locks(call));
    CHECK_FALSE(maps_file(call));
    CHECK_FALSE(changes_files(call));
    opened += call.number == SYS_openat;
  }
  CHECK(opened == 1);
}
