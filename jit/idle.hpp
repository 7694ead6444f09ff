#pragma once
/// What calls borrow and hand back: the object used last is reached without a lock.
///
///   Idle<Frame> frames;
///   std::unique_ptr<Frame> frame = frames.take();    // null: all are in use, make one
///   frames.give(std::move(frame));
#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace kroton::jit {

template <class T> class Idle {
public:
  Idle() = default;
  Idle(const Idle&) = delete;
  Idle& operator=(const Idle&) = delete;
  ~Idle() { delete last_.load(std::memory_order_acquire); }

  /// One that is not in use, the one given back last if it is there.
  std::unique_ptr<T> take() {
    if (T* last = last_.exchange(nullptr, std::memory_order_acquire))
      return std::unique_ptr<T>(last);
    const std::lock_guard lock(mutex_);
    if (others_.empty()) return nullptr;
    std::unique_ptr<T> other = std::move(others_.back());
    others_.pop_back();
    return other;
  }

  void give(std::unique_ptr<T> object) {
    std::unique_ptr<T> before(last_.exchange(object.release(), std::memory_order_acq_rel));
    if (!before) return;
    const std::lock_guard lock(mutex_);
    others_.push_back(std::move(before));
  }

private:
  std::atomic<T*> last_{nullptr};
  std::mutex mutex_;
  std::vector<std::unique_ptr<T>> others_;
};

} // namespace kroton::jit
