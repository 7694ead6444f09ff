#include "lib/support/library.hpp"

#include <cerrno>
#include <system_error>
#include <utility>

#include <dlfcn.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <unistd.h>

#include "lib/support/fork.hpp"
#include "lib/support/trust.hpp"

namespace kroton::support {
namespace {

LoadedLibrary open_library(const std::string& path) {
  // A child that was forked while the dynamic linker is at work could never load anything.
  const ForkBlocker blocker;
  if (void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE))
    return {.handle = handle, .problem = {}};
  const char* reason = ::dlerror();
  return {.problem = reason ? reason : path + " could not be loaded"};
}

class Fd {
public:
  explicit Fd(int fd) : fd_(fd) {}
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const noexcept { return fd_; }
  int release() noexcept { return std::exchange(fd_, -1); }

private:
  int fd_;
};

} // namespace

LoadedLibrary load_library(const std::string& file) {
  std::string path = file;
  if (file.find('/') != file.npos) {
    CodeFile examined = examine_code(file);
    if (!examined.problem.empty()) return {nullptr, std::move(examined.problem), true};
    path = examined.path.string();
  }
  return open_library(path);
}

LoadedLibrary load_library_again(const std::string& file) {
  const CodeFile examined = examine_code(file);
  if (!examined.problem.empty()) return {nullptr, examined.problem, true};
  const auto failed = [&] {
    return LoadedLibrary{
        .problem = fmt::format("cannot copy {}: {}", file, std::generic_category().message(errno))};
  };
  const Fd from(::open(examined.path.c_str(), O_RDONLY | O_CLOEXEC));
  Fd to(from.get() < 0 ? -1 : ::memfd_create("kroton", MFD_CLOEXEC));
  if (to.get() < 0) return failed();
  constexpr std::size_t at_once = std::size_t{1} << 30;
  ssize_t copied = 1;
  while (copied > 0) copied = ::sendfile(to.get(), from.get(), nullptr, at_once);
  if (copied < 0) return failed();
  LoadedLibrary library = open_library(fmt::format("/proc/self/fd/{}", to.get()));
  // The linker knows it by that name too, which is to be no other's.
  if (library.handle) static_cast<void>(to.release());
  return library;
}

} // namespace kroton::support
