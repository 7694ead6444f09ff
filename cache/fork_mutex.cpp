#include "cache/fork_mutex.hpp"

#include <algorithm>
#include <vector>

#include <pthread.h>

namespace kroton::cache {
namespace {

struct Registry {
  std::mutex mutex;
  std::vector<ForkMutex*> mutexes;
};

/// Never destroyed: stores may be used until the very end of the process.
Registry& registry() {
  static auto& instance = *new Registry;
  return instance;
}

void lock_all() {
  registry().mutex.lock();
  for (ForkMutex* mutex : registry().mutexes) mutex->lock();
}

void unlock_all() {
  for (ForkMutex* mutex : registry().mutexes) mutex->unlock();
  registry().mutex.unlock();
}

/// While the library is loaded, so before any other handler of Kroton's: handlers that run before a
/// fork do so in the reverse order, and those that wait for a job must not find its locks taken.
const int is_registered = ::pthread_atfork(&lock_all, &unlock_all, &unlock_all);

} // namespace

ForkMutex::ForkMutex() {
  static_cast<void>(is_registered);
  const std::lock_guard lock(registry().mutex);
  registry().mutexes.push_back(this);
}

ForkMutex::~ForkMutex() {
  const std::lock_guard lock(registry().mutex);
  std::erase(registry().mutexes, this);
}

} // namespace kroton::cache
