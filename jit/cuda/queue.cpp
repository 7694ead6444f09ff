#include "jit/cuda/queue.hpp"

#include <utility>

#include "jit/cuda/gpu.hpp"

namespace kroton::jit::cuda {

Queue::Queue(Gpu& gpu) : gpu_(gpu) {
  const Gpu::Current current(gpu);
  gpu.check(driver().cuStreamCreate(&stream_, stream_non_blocking), "making a stream");
  gpu.check(driver().cuEventCreate(&event_, event_disable_timing), "making an event");
}

void Queue::wait_for(const Position& position) {
  Queue* other = position.queue;
  if (!other || other == this || other->is_done(position.number)) return;
  const std::lock_guard lock(other->recording_mutex_);
  if (other->recorded_ < position.number) {
    const Gpu::Current current(other->gpu_);
    const std::uint64_t covered = other->submitted_.load(std::memory_order_acquire);
    other->gpu_.check(driver().cuEventRecord(other->event_, other->stream_), "recording an event");
    other->recorded_ = covered;
  }
  gpu_.check(driver().cuStreamWaitEvent(stream_, other->event_, 0), "waiting for an event");
}

void Queue::synchronize() {
  const Gpu::Current current(gpu_);
  const std::uint64_t number = submitted_.load(std::memory_order_acquire);
  gpu_.check(driver().cuStreamSynchronize(stream_), "waiting for a stream");
  note_done(number);
}

void Queue::note_done(std::uint64_t number) noexcept {
  std::uint64_t known = completed_.load(std::memory_order_relaxed);
  while (known < number &&
         !completed_.compare_exchange_weak(known, number, std::memory_order_acq_rel)) {
  }
}

void Queue::set_user(std::string user) {
  const std::lock_guard lock(user_mutex_);
  user_ = std::move(user);
}

std::string Queue::user() const {
  const std::lock_guard lock(user_mutex_);
  return user_;
}

void Uses::wait_to_read(Queue& queue) const { queue.wait_for(written_); }

void Uses::wait_to_write(Queue& queue) const {
  queue.wait_for(written_);
  for (const Position& p : read_) queue.wait_for(p);
}

void Uses::note_read(const Position& position) {
  for (Position& p : read_)
    if (p.queue == position.queue) {
      p = position;
      return;
    }
  read_.push_back(position);
}

void Uses::note_write(const Position& position) {
  written_ = position;
  read_.clear();
}

Queue* Uses::sole_queue() const noexcept {
  Queue* queue = written_.queue;
  for (const Position& p : read_) {
    if (queue && p.queue != queue) return nullptr;
    queue = p.queue;
  }
  return queue;
}

void Uses::synchronize() const {
  const auto wait = [](const Position& p) {
    if (p.queue && !p.queue->is_done(p.number)) p.queue->synchronize();
  };
  wait(written_);
  for (const Position& p : read_) wait(p);
}

} // namespace kroton::jit::cuda
