// The C library's headers give some of these functions other names in the object file, so what is
// defined here is declared here and nowhere else.
#include "test/survival/faults.hpp"

#include <atomic>
#include <csignal>
#include <cstring>
#include <ctime>

#include <dlfcn.h>

#include <sys/syscall.h>

extern "C" long syscall(long number, ...) noexcept;

namespace kroton::test::faults {
namespace {

// Threads of the library's own may close files while a test arms the next plan.
struct {
  std::atomic<int> at, error;
  std::atomic<bool> kills, is_lasting, is_short;
} plan;
std::atomic<bool> is_armed = false;
std::atomic<int> reached = 0;
std::atomic<std::int64_t> clock_shift_s = 0;

std::atomic<const char*> hanging_part = nullptr;
std::atomic<bool> are_names_hanging = false;

template <class F> void wait_while(F is_so) {
  while (is_so()) {
    const timespec pause{0, 1'000'000};
    ::syscall(SYS_nanosleep, &pause, nullptr);
  }
}

void wait_at(const char* path) {
  wait_while([&] {
    const char* part = hanging_part;
    return part && std::strstr(path, part);
  });
}

/// Whether this operation fails.
bool strike() {
  if (!is_armed) return false;
  const int number = ++reached;
  if (number < plan.at || (number > plan.at && !plan.is_lasting)) return false;
  if (plan.kills) ::syscall(SYS_kill, ::syscall(SYS_getpid), SIGKILL);
  if (plan.error == 0) return false;
  errno = plan.error;
  return true;
}

unsigned long shortened(unsigned long n) { return is_armed && plan.is_short ? (n + 1) / 2 : n; }

/// The system call, unless it is its turn to fail.
template <class... Arguments> long call(long number, Arguments... arguments) {
  return strike() ? -1 : ::syscall(number, arguments...);
}

} // namespace

void arm(const Plan& p) {
  is_armed = false;
  plan.at = p.at;
  plan.error = p.error;
  plan.kills = p.kills;
  plan.is_lasting = p.is_lasting;
  plan.is_short = p.is_short;
  reached = 0;
  is_armed = true;
}

bool disarm() {
  is_armed = false;
  return reached >= plan.at;
}

/// Threads that nobody waits for may look at the text after the test, so it stays.
void hang(const char* part) {
  static char texts[16][256];
  static int next = 0;
  char* text = texts[next++ % 16];
  std::strncpy(text, part, sizeof texts[0] - 1);
  hanging_part = text;
}

void hang_names() { are_names_hanging = true; }

void resume() {
  hanging_part = nullptr;
  are_names_hanging = false;
}

void shift_clock(std::int64_t seconds) { clock_shift_s = seconds; }

} // namespace kroton::test::faults

using namespace kroton::test::faults;

extern "C" {

int open64(const char* path, int flags, unsigned mode) {
  wait_at(path);
  return static_cast<int>(::syscall(SYS_open, path, flags, mode));
}
/// libcurl's, too: test/survival/meson.build exports it.
int getaddrinfo(const char* node, const char* service, const void* hints, void** result) {
  wait_while([] { return are_names_hanging.load(); });
  using Function = int(const char*, const char*, const void*, void**);
  static auto* const next = reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  return next(node, service, hints, result);
}
int openat64(int directory, const char* path, int flags, unsigned mode) {
  wait_at(path);
  return static_cast<int>(call(SYS_openat, directory, path, flags, mode));
}
long read(int fd, void* to, unsigned long n) { return call(SYS_read, fd, to, shortened(n)); }
long write(int fd, const void* from, unsigned long n) {
  return call(SYS_write, fd, from, shortened(n));
}
int fsync(int fd) { return static_cast<int>(call(SYS_fsync, fd)); }
int renameat(int a, const char* from, int b, const char* to) {
  return static_cast<int>(call(SYS_renameat, a, from, b, to));
}
int unlinkat(int directory, const char* path, int flags) {
  return static_cast<int>(call(SYS_unlinkat, directory, path, flags));
}
int mkdirat(int directory, const char* path, unsigned mode) {
  return static_cast<int>(call(SYS_mkdirat, directory, path, mode));
}
int fstat64(int fd, void* status) { return static_cast<int>(call(SYS_fstat, fd, status)); }
int fstatat64(int directory, const char* path, void* status, int flags) {
  return static_cast<int>(call(SYS_newfstatat, directory, path, status, flags));
}
int futimens(int fd, const void* times) {
  return static_cast<int>(call(SYS_utimensat, fd, nullptr, times, 0));
}
/// A close that fails has closed all the same, as on NFS.
int close(int fd) {
  const bool fails = strike();
  const int error = errno;
  const int status = static_cast<int>(::syscall(SYS_close, fd));
  if (!fails) return status;
  errno = error;
  return -1;
}

int clock_gettime(int clock, struct timespec* time) {
  const int status = static_cast<int>(::syscall(SYS_clock_gettime, clock, time));
  if (status == 0 && clock == 0) time->tv_sec += clock_shift_s; // CLOCK_REALTIME
  return status;
}
long time(long* to) {
  struct timespec now {};
  clock_gettime(0, &now);
  if (to) *to = now.tv_sec;
  return now.tv_sec;
}
}
