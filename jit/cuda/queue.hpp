#pragma once
/// Streams, and how memory that one has written is handed to another.
///
///   Queue& q = gpu.take_queue("train");
///   uses.wait_to_read(q); … launches on q.stream() … uses.note_read(q.mark());
///
/// A queue is a stream and the order of the work in it. What a memory was last used by is a
/// Position: a queue and a number. Whoever uses the memory next on the same queue waits for
/// nothing; on another one the stream waits, not the host. An event is recorded only then: calls
/// that follow each other on one queue cost none.
#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>

#include "jit/cuda/driver.hpp"
#include "lib/support/small_vector.hpp"

namespace kroton::jit::cuda {

class Gpu;
class Queue;

/// A point in the order of a queue's work.
struct Position {
  Queue* queue = nullptr; ///< null: before all work
  std::uint64_t number = 0;
};

/// Lives as long as its device, so that positions need not keep it. One thread at a time puts work
/// on it; any thread may wait for it.
class Queue {
public:
  explicit Queue(Gpu& gpu);
  Queue(const Queue&) = delete;
  Queue& operator=(const Queue&) = delete;

  Gpu& gpu() const noexcept { return gpu_; }
  Stream stream() const noexcept { return stream_; }

  /// The end of all work that was put on the queue so far.
  Position mark() noexcept {
    return {this, submitted_.fetch_add(1, std::memory_order_seq_cst) + 1};
  }
  /// The end of all work that was marked so far.
  Position last() noexcept { return {this, submitted_.load(std::memory_order_seq_cst)}; }
  /// Work that is put on the queue from now on begins when that of `position` is done.
  void wait_for(const Position& position);
  /// Returns when all work is done that was put on the queue. Throws DeviceError if it failed.
  void synchronize();
  bool is_done(std::uint64_t number) const noexcept {
    return completed_.load(std::memory_order_acquire) >= number;
  }
  /// Whether work was put on it that nobody has waited for yet.
  bool is_busy() const noexcept { return !is_done(submitted_.load(std::memory_order_acquire)); }

  /// Whose work it does, for messages.
  void set_user(std::string user);
  std::string user() const;

private:
  void note_done(std::uint64_t number) noexcept;

  Gpu& gpu_;
  Stream stream_ = nullptr;
  Event event_ = nullptr; ///< recorded when another queue waits
  std::atomic<std::uint64_t> submitted_{0}, completed_{0};
  std::mutex recording_mutex_; ///< of the event and what follows
  std::uint64_t recorded_ = 0;
  mutable std::mutex user_mutex_;
  std::string user_;
};

/// What work a memory is in use by; guarded by whoever owns it.
class Uses {
public:
  /// Lets `queue` wait until the memory may be read, or written.
  void wait_to_read(Queue& queue) const;
  void wait_to_write(Queue& queue) const;
  void note_read(const Position& position);
  void note_write(const Position& position);
  /// Returns when no work uses the memory.
  void synchronize() const;
  /// The queue that all of that work is on; null if there is none, or several.
  Queue* sole_queue() const noexcept;

private:
  Position written_;
  support::SmallVector<Position, 2> read_; ///< since then, one for each queue
};

} // namespace kroton::jit::cuda
