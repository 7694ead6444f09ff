#pragma once
/// A mutex that a fork never catches locked by a thread which the child does not have.
///
///   ForkMutex mutex;
///   const std::lock_guard lock(mutex);
///
/// A fork waits until nobody holds one of these, so they are for what takes microseconds: not held
/// while reading, waiting or making, nor while another of them is locked, made or destroyed.
#include <mutex>

namespace kroton::cache {

class ForkMutex {
public:
  ForkMutex();
  ForkMutex(const ForkMutex&) = delete;
  ForkMutex& operator=(const ForkMutex&) = delete;
  ~ForkMutex();

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }

private:
  std::mutex mutex_;
};

} // namespace kroton::cache
