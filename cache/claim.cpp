#include "cache/claim.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <ctime>
#include <mutex>
#include <set>

#include <fcntl.h>
#include <unistd.h>

#include "lib/support/fork.hpp"
#include "lib/support/at_exit.hpp"

namespace kroton::cache {
namespace {

constexpr std::uint64_t max_token_bytes = 256;

/// How long a claim without a token is believed. Its writer writes the token at once, or is dead.
constexpr std::chrono::milliseconds max_empty_age{100};

/// Whether the process that wrote the token ran on this machine and is gone. False when in doubt.
bool is_writer_gone(std::string_view token) {
  const std::string here = host_name() + "-";
  if (!token.starts_with(here)) return false;
  token.remove_prefix(here.size());
  pid_t pid = 0;
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), pid);
  if (error != std::errc{} || pid <= 0 || end == token.data() + token.size() || *end != '-')
    return false;
  return ::kill(pid, 0) != 0 && errno == ESRCH;
}

/// The difference counts both ways: a claim from the future comes from a clock that was set back.
bool is_old(const struct stat& status, std::chrono::milliseconds max_age) {
  struct timespec now {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  const auto age_ms = (now.tv_sec - status.st_mtim.tv_sec) * std::int64_t{1000} +
                      (now.tv_nsec - status.st_mtim.tv_nsec) / 1'000'000;
  return std::abs(age_ms) > max_age.count();
}

} // namespace

/// The claims of this process, for the moment when it begins to exit: threads that hold one are not
/// waited for then.
class Claim::Held {
public:
  /// Never destroyed: threads may claim until the very end of the process.
  static Held& process() {
    static auto& instance = *new Held;
    return instance;
  }

  void add(const Claim* claim) {
    const std::lock_guard lock(mutex_);
    claims_.insert(claim);
  }
  void remove(const Claim* claim) {
    const std::lock_guard lock(mutex_);
    claims_.erase(claim);
  }

private:
  Held() {
    support::at_exit([] { process().release_all(); });
  }
  void release_all() {
    const std::lock_guard lock(mutex_);
    for (const Claim* claim : claims_)
      if (claim->process_ == ::getpid()) claim->release(); // no parent's
  }

  support::ForkMutex mutex_;
  std::set<const Claim*> claims_;
};

Claim::Claim(std::shared_ptr<const Fd> directory, std::string path, std::string token)
    : directory_(std::move(directory)), path_(std::move(path)), token_(std::move(token)),
      process_(::getpid()) {
  Held::process().add(this);
}

Claim::~Claim() {
  Held::process().remove(this);
  release();
}

void Claim::release() const {
  // Between the look and the removal another process may take over; its work is then repeated
  // by somebody at worst.
  if (read_file(directory_->get(), path_.c_str(), max_token_bytes).bytes == token_)
    ::unlinkat(directory_->get(), path_.c_str(), 0);
}

ClaimAttempt try_claim(const std::shared_ptr<const Fd>& directory, const std::string& path,
                       std::chrono::milliseconds max_age) {
  std::string dead;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const auto [fd, error] =
        open_at(directory->get(), path.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600);
    if (fd) {
      std::string token = unique_suffix();
      // Without its whole token nobody could tell whose claim it is, its holder included.
      if (const int failure = write_all(fd.get(), token)) {
        ::unlinkat(directory->get(), path.c_str(), 0);
        return {nullptr, false, failure};
      }
      return {std::make_unique<Claim>(directory, path, std::move(token)), false, 0,
              std::move(dead)};
    }
    if (error != EEXIST) return {nullptr, false, error};
    const FileBytes other = read_file(directory->get(), path.c_str(), max_token_bytes);
    if (other.error == ENOENT) continue; // released just now
    const bool is_gone = other.error == 0 && !other.is_foreign && is_writer_gone(other.bytes);
    if (other.error == 0 && !other.is_foreign && !is_gone &&
        !is_old(other.status, other.bytes.empty() ? std::min(max_age, max_empty_age) : max_age))
      return {nullptr, true};
    const bool is_removed = ::unlinkat(directory->get(), path.c_str(), 0) == 0;
    if (!is_removed && errno != ENOENT) return {nullptr, false, errno};
    if (is_removed && is_gone) dead = other.bytes; // by whoever removes it alone
  }
  return {nullptr, true};
}

} // namespace kroton::cache
