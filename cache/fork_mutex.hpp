#pragma once
/// A mutex that a fork never catches locked by a thread which the child does not have.
///
///   ForkMutex mutex;
///   const std::lock_guard lock(mutex);
///
/// A fork waits until nobody holds one of these, so they are for what takes microseconds: not held
/// while reading, waiting or making, nor while another of them is locked, made or destroyed.
#include <mutex>
#include <optional>
#include <utility>

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

/// A value that is made when first asked for. Threads that ask at once may each make it; the first
/// one's is kept. Nobody waits for another's making, so unlike std::call_once no fork leaves a
/// child waiting for a thread that it does not have.
template <class T> class ForkLazy {
public:
  template <class F> const T& get(F make) {
    {
      const std::lock_guard lock(mutex_);
      if (value_) return *value_;
    }
    T made = make();
    const std::lock_guard lock(mutex_);
    if (!value_) value_.emplace(std::move(made));
    return *value_;
  }

private:
  ForkMutex mutex_;
  std::optional<T> value_;
};

} // namespace kroton::cache
