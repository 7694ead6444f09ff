#include "jit/cuda/memory.hpp"

#include <algorithm>
#include <thread>
#include <typeinfo>
#include <utility>
#include <vector>

#include "jit/bound/ranges.hpp"
#include "lib/data/strided.hpp"

namespace kroton::jit::cuda {

using support::Interval;

namespace {

/// Bytes that the host fetches in about the time that waiting for a step takes it.
constexpr std::size_t cheap_to_fetch = std::size_t{64} << 10;
constexpr std::size_t fetched_at_once = std::size_t{4} << 20;

} // namespace

Memory::Memory(Gpu& gpu, std::size_t nbytes, int owner)
    : gpu_(gpu), nbytes_(nbytes), block_(gpu.pool().take(nbytes, owner)) {}

Memory::Memory(Gpu& gpu, Address address, std::size_t nbytes, std::shared_ptr<void> owner)
    : gpu_(gpu), nbytes_(nbytes), block_{.address = address, .nbytes = nbytes},
      foreign_owner_(std::move(owner)) {}

Memory::~Memory() {
  if (Gpu::is_forked()) return; // whose threads may have been in the middle of using it
  end_steady();
  if (!foreign_owner_) {
    gpu_.pool().give(std::move(block_));
    return;
  }
  try {
    block_.uses.synchronize();
  } catch (const Error&) { // whoever used the memory is told
  }
}

void Memory::fetch(std::byte* to, std::size_t offset, std::size_t nbytes) const {
  if (nbytes == 0) return;
  const Gpu::Current current(gpu_);
  const std::lock_guard lock(gpu_.copy_mutex());
  Queue& queue = gpu_.copy_queue();
  wait_to_read(queue);
  gpu_.check(driver().cuMemcpyDtoHAsync_v2(to, block_.address + offset, nbytes, queue.stream()),
             "copying to the host");
  queue.mark();
  queue.synchronize();
}

void Memory::fill(const std::byte* from, std::size_t offset, std::size_t nbytes) {
  drop_mirror();
  if (nbytes == 0) return;
  const Gpu::Current current(gpu_);
  const std::lock_guard lock(gpu_.copy_mutex());
  Queue& queue = gpu_.copy_queue();
  wait_to_write(queue);
  gpu_.check(driver().cuMemcpyHtoDAsync_v2(block_.address + offset, from, nbytes, queue.stream()),
             "copying to the device");
  note_write(queue.mark());
  queue.synchronize();
}

void Memory::synchronize() const {
  const Gpu::Current current(gpu_);
  gpu_.synchronize();
  // Refused while any thread captures a stream, which takes it no longer than launching its work.
  Result result = driver().cuCtxSynchronize();
  for (; result == Result::stream_capture_unsupported; result = driver().cuCtxSynchronize())
    std::this_thread::yield();
  gpu_.check(result, "waiting for the device");
}

/// Needs the lock. A call whose end was marked before is among what `last` tells; one that marks it
/// later finds that the memory is not steady any more, and notes it.
void Memory::end_steady() const {
  if (Queue* const queue = steady_.exchange(nullptr, std::memory_order_seq_cst))
    block_.uses.note_write(queue->last());
}

void Memory::wait(Queue& queue, void (Uses::*how)(Queue&) const) const {
  const std::lock_guard lock(mutex_);
  end_steady();
  (block_.uses.*how)(queue);
}

/// The second use by a queue that nobody else has used the memory before or since makes it steady.
void Memory::note(const Position& position, void (Uses::*how)(const Position&)) const {
  const std::lock_guard lock(mutex_);
  end_steady();
  const Queue* const before = block_.uses.sole_queue();
  (block_.uses.*how)(position);
  if (before == position.queue && block_.uses.sole_queue() == before)
    steady_.store(position.queue, std::memory_order_seq_cst);
}

std::optional<Interval> Memory::known_interval(DType dtype) const {
  if (is_lent()) return std::nullopt;
  const std::lock_guard lock(mutex_);
  const bool is_known = elements_.dtype == dtype && elements_.version == version();
  return is_known ? elements_.interval : std::nullopt;
}

void Memory::know_interval(DType dtype, const Interval& interval) {
  const std::lock_guard lock(mutex_);
  elements_ = {.dtype = dtype, .version = version(), .were_asked_for = true, .interval = interval};
}

/// After all its elements were copied from there.
void Memory::take_interval_of(const Memory& other) {
  Elements of_other;
  {
    const std::lock_guard lock(other.mutex_);
    of_other = other.elements_;
  }
  if (of_other.version == other.version() && of_other.interval && !other.is_lent())
    know_interval(of_other.dtype, *of_other.interval);
}

std::optional<Interval> Memory::interval(DType dtype) const {
  if (is_lent() || nbytes_ % item_size(dtype) != 0) return std::nullopt;
  if (const auto known = known_interval(dtype)) return known;
  const std::uint64_t now = version();
  {
    const std::lock_guard lock(mutex_);
    if (elements_.dtype != dtype || elements_.version != now)
      elements_ = {.dtype = dtype, .version = now};
    const bool is_worth_it = nbytes_ <= cheap_to_fetch || elements_.were_asked_for;
    elements_.were_asked_for = true;
    if (!is_worth_it) return std::nullopt;
  }
  const Interval found = fetched_interval(dtype);
  const std::lock_guard lock(mutex_);
  elements_ = {.dtype = dtype, .version = now, .were_asked_for = true, .interval = found};
  return found;
}

Interval Memory::fetched_interval(DType dtype) const {
  std::vector<std::byte> piece(std::min(nbytes_, fetched_at_once));
  Interval found = interval_of(dtype, nullptr, 0);
  for (std::size_t at = 0; at < nbytes_; at += piece.size()) {
    const std::size_t nbytes = std::min(piece.size(), nbytes_ - at);
    fetch(piece.data(), at, nbytes);
    const Interval here = interval_of(dtype, piece.data(), nbytes / item_size(dtype));
    found = at == 0 ? here : support::hull(found, here);
  }
  return found;
}

Memory* memory_of(const Array& array) noexcept {
  data::DeviceMemory* const memory = data::device_memory(array);
  return memory && typeid(*memory) == typeid(Memory) ? static_cast<Memory*>(memory) : nullptr;
}

Place place_of(const Array& array) noexcept {
  const auto address = reinterpret_cast<Address>(data::address_of(array));
  const bool is_usable = array.is_contiguous() && address % kernel_alignment == 0;
  return {memory_of(array), is_usable ? address : 0};
}

Array new_array(Gpu& gpu, DType dtype, Shape shape, int owner) {
  const std::int64_t numel = data::checked_numel(dtype, shape, Location{});
  const std::size_t nbytes = static_cast<std::size_t>(numel) * item_size(dtype);
  return data::device_array(std::make_shared<Memory>(gpu, nbytes, owner), dtype, std::move(shape),
                            Location{});
}

Staging::~Staging() {
  try {
    const Gpu::Current current(queue_.gpu());
    for (const Part& p : parts_) {
      if (p.copied) driver().cuEventDestroy_v2(p.copied);
      if (p.memory) driver().cuMemFreeHost(p.memory);
    }
  } catch (const DeviceError&) {
    // Without its context the device takes nothing back.
  }
}

std::byte* Staging::next(std::size_t nbytes) {
  Part* part = &parts_[current_];
  if (part->used + nbytes > part->nbytes) {
    if (part->used > 0) leave(*part);
    current_ = (current_ + 1) % parts_.size();
    part = &parts_[current_];
    enter(*part, nbytes);
  }
  return part->memory + std::exchange(part->used, part->used + nbytes);
}

void Staging::leave(Part& part) {
  Gpu& gpu = queue_.gpu();
  if (!part.copied)
    gpu.check(driver().cuEventCreate(&part.copied, event_disable_timing), "making an event");
  gpu.check(driver().cuEventRecord(part.copied, queue_.stream()), "recording an event");
}

void Staging::enter(Part& part, std::size_t nbytes) {
  Gpu& gpu = queue_.gpu();
  if (part.used > 0) gpu.check(driver().cuEventSynchronize(part.copied), "waiting for a copy");
  part.used = 0;
  if (part.nbytes >= nbytes) return;
  if (part.memory)
    gpu.check(driver().cuMemFreeHost(std::exchange(part.memory, nullptr)), "freeing memory");
  part.nbytes = 0;
  void* memory = nullptr;
  const std::size_t size = std::max(nbytes, least_part);
  gpu.check(driver().cuMemAllocHost_v2(&memory, size), "allocating pinned memory");
  part.memory = static_cast<std::byte*>(memory);
  part.nbytes = size;
}

} // namespace kroton::jit::cuda
