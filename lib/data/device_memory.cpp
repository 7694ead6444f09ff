#include "lib/data/device_memory.hpp"

#include "lib/data/memory.hpp"
#include "lib/data/strided.hpp"
#include "lib/support/error.hpp"
#include "lib/support/log.hpp"

namespace kroton {

/// The way into an Array from here.
struct detail::ArrayAccess {
  static const ArrayRep& rep(const Array& a) noexcept { return *a.rep_; }
  static Array make(std::shared_ptr<const ArrayRep> rep) { return Array(std::move(rep)); }
  [[noreturn]] static void not_writable(const Array& a, const char* op, const Location& where) {
    a.not_writable(op, where);
  }
};

namespace data {
namespace {

using detail::ArrayAccess;

/// The memory that a view was made in, wherever its elements are now.
DeviceMemory& origin(const Array& a) { return *ArrayAccess::rep(a).device_memory; }

/// The stretch of memory from the first to the last element of a view on a device.
struct Span {
  std::size_t offset = 0; ///< In bytes, in the memory.
  std::int64_t numel = 0; ///< Gaps included.
  std::int64_t first = 0; ///< Of element [0, …, 0], in elements from the start of the span.
};

/// Of a view that has elements.
Span span_of(const Array& a) {
  const Extent reach = *extent(a.shape(), a.strides()); // checked when the view was made
  const std::byte* const lowest =
      address_of(a) + reach.lowest * static_cast<std::int64_t>(item_size(a.dtype()));
  return {.offset = static_cast<std::size_t>(lowest - origin(a).address()),
          .numel = reach.highest - reach.lowest + 1,
          .first = -reach.lowest};
}

/// A span's elements in host memory of their own.
Array fetched(const Array& a, const Span& span, const Location& where) {
  Array out = Array::empty(a.dtype(), {span.numel}, where);
  origin(a).fetch(static_cast<std::byte*>(out.raw()), span.offset, out.nbytes());
  return out;
}

void fill(const Array& to, std::size_t offset, const Array& dense) {
  DeviceMemory& memory = origin(to);
  memory.drop_mirror();
  memory.fill(static_cast<const std::byte*>(dense.raw()), offset, dense.nbytes());
}

} // namespace

DeviceMemory::~DeviceMemory() { give_memory(mirror_, mirror_nbytes_); }

const std::byte* DeviceMemory::mirror() const {
  if (state_.load(std::memory_order_acquire) != State::on_device) return mirror_;
  const std::lock_guard lock(mutex_);
  fetch_all();
  return mirror_;
}

void DeviceMemory::fetch_all() const {
  if (state_.load(std::memory_order_relaxed) != State::on_device) return;
  if (mirror_ == nullptr) {
    mirror_ = take_memory(nbytes());
    if (mirror_ == nullptr)
      support::fail<DeviceError>("array", {}, "no host memory for {} bytes of {}", nbytes(),
                                 to_string(device()));
    mirror_nbytes_ = nbytes();
  }
  fetch(mirror_, 0, mirror_nbytes_);
  state_.store(State::mirrored, std::memory_order_release);
}

std::byte* DeviceMemory::move_to_host() {
  if (is_on_host()) return mirror_;
  const std::lock_guard lock(mutex_);
  if (is_on_host()) return mirror_;
  if (lent_ > 0) return nullptr;
  fetch_all();
  state_.store(State::on_host, std::memory_order_release);
  support::log(support::Area::jit)
      ->debug("{} bytes on {} were moved to the host: their elements may be written there",
              nbytes(), to_string(device()));
  return mirror_;
}

bool DeviceMemory::lend() {
  const std::lock_guard lock(mutex_);
  if (is_on_host()) return false;
  ++lent_;
  return true;
}

void DeviceMemory::take_back() noexcept {
  const std::lock_guard lock(mutex_);
  --lent_;
}

Array device_array(std::shared_ptr<DeviceMemory> memory, DType dtype, Shape shape, Location where) {
  auto rep = std::make_shared<detail::ArrayRep>();
  rep->dtype = dtype;
  rep->numel = checked_numel(dtype, shape, where);
  const std::size_t nbytes = static_cast<std::size_t>(rep->numel) * item_size(dtype);
  KROTON_CHECK(nbytes <= memory->nbytes(), "{} does not fit into {} bytes", label(dtype, shape),
               memory->nbytes());
  rep->strides = dense_strides(shape);
  rep->shape = std::move(shape);
  rep->data = rep->first = memory->address();
  rep->last = rep->first + nbytes;
  rep->device_memory = memory.get();
  rep->owner = std::move(memory);
  return ArrayAccess::make(std::move(rep));
}

DeviceMemory* device_memory(const Array& array) noexcept {
  DeviceMemory* const memory = ArrayAccess::rep(array).device_memory;
  return memory == nullptr || memory->is_on_host() ? nullptr : memory;
}

std::byte* address_of(const Array& array) noexcept { return ArrayAccess::rep(array).data; }

void copy_from_device(Array& to, const Array& from, const Location& where) {
  if (to.is_contiguous() && from.is_contiguous())
    origin(from).fetch(static_cast<std::byte*>(to.raw(where)), span_of(from).offset, from.nbytes());
  else
    copy_elements(to, from.to_host(where), where);
}

void copy_to_device(const Array& to, const Array& from, const Location& where) {
  if (!to.is_writable()) ArrayAccess::not_writable(to, "copy", where);
  if (to.numel() == 0) return;
  const bool is_same = address_of(to) == address_of(from) && to.device() == from.device();
  if (is_same && to.strides() == from.strides()) return;
  if (const DeviceMemory* source = device_memory(from); source && !to.overlaps(from)) {
    const DeviceCopy copy{.walk = make_walk(to.shape(), to.strides(), from.strides()),
                          .item = item_size(to.dtype()),
                          .to = address_of(to),
                          .from = address_of(from)};
    if (origin(to).copy_from(*source, copy)) return;
  }
  const Array source = from.to_host(where);
  const Span span = span_of(to);
  if (to.is_contiguous()) return fill(to, span.offset, source.contiguous(where));
  // What is between the elements stays as it is.
  const Array around = fetched(to, span, where);
  copy_elements(around.as_strided(to.shape(), to.strides(), span.first, where), source, where);
  fill(to, span.offset, around);
}

} // namespace data

const std::byte* Array::mirrored_data() const {
  const data::DeviceMemory& memory = *rep_->device_memory;
  return memory.mirror() + (rep_->data - memory.address());
}

std::byte* Array::moved_data(const char* op, const Location& where) const {
  if (!rep_->is_writable) not_writable(op, where);
  data::DeviceMemory& memory = *rep_->device_memory;
  std::byte* const all = memory.move_to_host();
  if (all == nullptr) not_writable(op, where);
  return all + (rep_->data - memory.address());
}

Device Array::memory_device() const noexcept {
  const data::DeviceMemory& memory = *rep_->device_memory;
  return memory.is_on_host() ? Device{} : memory.device();
}

const std::byte* Array::memory_place() const noexcept {
  const data::DeviceMemory& memory = *rep_->device_memory;
  return memory.is_on_host() ? memory.mirror() + (rep_->data - memory.address()) : rep_->data;
}

Array Array::to_host(Location where) const {
  if (data::device_memory(*this) == nullptr) return *this;
  if (numel() == 0) return empty(dtype(), shape(), where);
  const data::Span span = data::span_of(*this);
  const Array around = data::fetched(*this, span, where);
  const Array view = around.as_strided(shape(), strides(), span.first, where);
  return view.contiguous(where);
}

} // namespace kroton
