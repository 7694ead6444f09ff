#include "lib/data/device_memory.hpp"

#include "lib/data/memory.hpp"
#include "lib/data/strided.hpp"
#include "lib/support/error.hpp"

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
  return {.offset = static_cast<std::size_t>(lowest - device_memory(a)->address()),
          .numel = reach.highest - reach.lowest + 1,
          .first = -reach.lowest};
}

/// A span's elements in host memory of their own.
Array fetched(const Array& a, const Span& span, const Location& where) {
  Array out = Array::empty(a.dtype(), {span.numel}, where);
  device_memory(a)->fetch(static_cast<std::byte*>(out.raw()), span.offset, out.nbytes());
  return out;
}

void fill(const Array& to, std::size_t offset, const Array& dense) {
  DeviceMemory& memory = *device_memory(to);
  memory.drop_mirror();
  memory.fill(static_cast<const std::byte*>(dense.raw()), offset, dense.nbytes());
}

} // namespace

DeviceMemory::~DeviceMemory() { give_memory(mirror_, mirror_nbytes_); }

const std::byte* DeviceMemory::mirror() const {
  if (is_mirrored_.load(std::memory_order_acquire)) return mirror_;
  const std::lock_guard lock(mutex_);
  if (is_mirrored_.load(std::memory_order_relaxed)) return mirror_;
  if (mirror_ == nullptr) {
    mirror_ = take_memory(nbytes());
    if (mirror_ == nullptr)
      support::fail<DeviceError>("array", {}, "no host memory for {} bytes of {}", nbytes(),
                                 to_string(device()));
    mirror_nbytes_ = nbytes();
  }
  fetch(mirror_, 0, mirror_nbytes_);
  is_mirrored_.store(true, std::memory_order_release);
  return mirror_;
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
  return ArrayAccess::rep(array).device_memory;
}

std::byte* address_of(const Array& array) noexcept { return ArrayAccess::rep(array).data; }

void copy_from_device(Array& to, const Array& from, const Location& where) {
  if (to.is_contiguous() && from.is_contiguous())
    device_memory(from)->fetch(static_cast<std::byte*>(to.raw(where)), span_of(from).offset,
                               from.nbytes());
  else
    copy_elements(to, from.to_host(where), where);
}

void copy_to_device(const Array& to, const Array& from, const Location& where) {
  if (!to.is_writable()) ArrayAccess::not_writable(to, "copy", where);
  if (to.numel() == 0) return;
  const bool is_same = address_of(to) == address_of(from) && to.device() == from.device();
  if (is_same && to.strides() == from.strides()) return;
  const Array source = from.to_host(where);
  const Span span = span_of(to);
  if (to.is_contiguous()) return fill(to, span.offset, source.contiguous(where));
  // What lies between the elements stays as it is.
  const Array around = fetched(to, span, where);
  copy_elements(around.as_strided(to.shape(), to.strides(), span.first, where), source, where);
  fill(to, span.offset, around);
}

} // namespace data

const std::byte* Array::mirrored_data() const {
  const data::DeviceMemory& memory = *rep_->device_memory;
  return memory.mirror() + (rep_->data - memory.address());
}

Device Array::memory_device() const noexcept { return rep_->device_memory->device(); }

Array Array::to_host(Location where) const {
  if (rep_->device_memory == nullptr) return *this;
  if (numel() == 0) return empty(dtype(), shape(), where);
  const data::Span span = data::span_of(*this);
  const Array around = data::fetched(*this, span, where);
  const Array view = around.as_strided(shape(), strides(), span.first, where);
  return view.contiguous(where);
}

} // namespace kroton
