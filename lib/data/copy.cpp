#include <cstring>
#include <limits>

#include <kroton/array.hpp>

#include "lib/data/device_memory.hpp"
#include "lib/data/strided.hpp"
#include "lib/support/error.hpp"
#include "lib/support/truth.hpp"

namespace kroton {
namespace {

using support::describe;
using support::fail;

/// The side of the blocks of a transposing copy: whole cache lines of every element size.
constexpr std::int64_t tile = 32;

/// Copies elements of `T`'s size, whatever their type.
template <class T>
void copy_walk(const data::Walk& walk, void* to_memory, const void* from_memory) {
  T* const to = static_cast<T*>(to_memory);
  const T* const from = static_cast<const T*>(from_memory);
  const std::size_t last = walk.shape.size() - 1;
  const std::int64_t n = walk.shape[last], to_step = walk.to[last], from_step = walk.from[last];
  if (to_step == 1 && from_step == 1) {
    data::for_each_row(walk, 1, [&](std::int64_t t, std::int64_t f) {
      std::memcpy(to + t, from + f, static_cast<std::size_t>(n) * sizeof(T));
    });
    return;
  }
  if (last == 0 || std::abs(from_step) <= std::abs(walk.from[last - 1])) {
    data::for_each_row(walk, 1, [&](std::int64_t t, std::int64_t f) {
      for (std::int64_t i = 0; i < n; ++i) to[t + i * to_step] = from[f + i * from_step];
    });
    return;
  }
  // Through a block of our own, so that both sides are read and written along their dense axis;
  // rows a power of two apart would otherwise push each other out of the L1 cache.
  const std::int64_t m = walk.shape[last - 1], to_row = walk.to[last - 1],
                     from_row = walk.from[last - 1];
  T block[tile][tile];
  data::for_each_row(walk, 2, [&](std::int64_t t, std::int64_t f) {
    for (std::int64_t i0 = 0; i0 < m; i0 += tile)
      for (std::int64_t j0 = 0; j0 < n; j0 += tile) {
        const std::int64_t rows = std::min(tile, m - i0), columns = std::min(tile, n - j0);
        const T* in = from + f + i0 * from_row + j0 * from_step;
        T* out = to + t + i0 * to_row + j0 * to_step;
        for (std::int64_t j = 0; j < columns; ++j)
          for (std::int64_t i = 0; i < rows; ++i) block[i][j] = in[i * from_row + j * from_step];
        for (std::int64_t i = 0; i < rows; ++i)
          for (std::int64_t j = 0; j < columns; ++j) out[i * to_row + j * to_step] = block[i][j];
      }
  });
}

/// Moves the axis along which `from` is densest next to the last one, so that a copy between two
/// orders of axes is a series of transposed matrices.
void pair_dense_axes(data::Walk& walk) {
  if (walk.shape.size() < 3) return;
  const std::size_t target = walk.shape.size() - 2;
  std::size_t densest = 0;
  for (std::size_t axis = 1; axis <= target; ++axis)
    if (std::abs(walk.from[axis]) <= std::abs(walk.from[densest])) densest = axis;
  for (Shape* row : {&walk.shape, &walk.to, &walk.from})
    std::rotate(row->begin() + static_cast<std::ptrdiff_t>(densest),
                row->begin() + static_cast<std::ptrdiff_t>(densest) + 1,
                row->begin() + static_cast<std::ptrdiff_t>(target) + 1);
}

template <class To, class From> To cast(From value) {
  if constexpr (std::same_as<To, support::Truth>)
    return value != From{};
  else if constexpr (std::floating_point<From> && std::integral<To>) {
    // As floats both limits are exact or the next power of two, so the comparisons lose nothing.
    constexpr From low = static_cast<From>(std::numeric_limits<To>::min());
    constexpr From high = static_cast<From>(std::numeric_limits<To>::max());
    if (!(value > low)) return value <= low ? std::numeric_limits<To>::min() : To{0};
    return value >= high ? std::numeric_limits<To>::max() : static_cast<To>(value);
  } else
    return static_cast<To>(value);
}

/// Calls `f` with a null pointer to the C++ type of an element of `dtype`.
template <class F> void with_type(DType dtype, F&& f) {
  switch (dtype) {
  case DType::bool_:
    return f(static_cast<support::Truth*>(nullptr));
  case DType::i8:
    return f(static_cast<std::int8_t*>(nullptr));
  case DType::i16:
    return f(static_cast<std::int16_t*>(nullptr));
  case DType::i32:
    return f(static_cast<std::int32_t*>(nullptr));
  case DType::i64:
    return f(static_cast<std::int64_t*>(nullptr));
  case DType::u8:
    return f(static_cast<std::uint8_t*>(nullptr));
  case DType::u16:
    return f(static_cast<std::uint16_t*>(nullptr));
  case DType::u32:
    return f(static_cast<std::uint32_t*>(nullptr));
  case DType::u64:
    return f(static_cast<std::uint64_t*>(nullptr));
  case DType::f32:
    return f(static_cast<float*>(nullptr));
  case DType::f64:
    return f(static_cast<double*>(nullptr));
  }
  KROTON_CHECK(false, "dtype {} has no C++ type", static_cast<int>(dtype));
}

/// Of one dtype and shape, on the host and apart from each other.
void copy_bytes(Array to, const Array& from) {
  void* const target = to.raw();
  if (to.is_contiguous() && from.is_contiguous()) {
    std::memcpy(target, from.raw(), to.nbytes());
    return;
  }
  data::Walk walk = data::make_walk(to.shape(), to.strides(), from.strides());
  pair_dense_axes(walk);
  switch (item_size(to.dtype())) {
  case 1:
    return copy_walk<std::uint8_t>(walk, target, from.raw());
  case 2:
    return copy_walk<std::uint16_t>(walk, target, from.raw());
  case 4:
    return copy_walk<std::uint32_t>(walk, target, from.raw());
  case 8:
    return copy_walk<std::uint64_t>(walk, target, from.raw());
  }
}

/// What is copied from others may hold any bytes; a copy holds 0 and 1 alone.
void make_truth_values(const Array& bools) {
  Array to = bools;
  if (to.is_contiguous()) return support::make_truth_values(to.raw(), to.nbytes());
  Array dense = Array::empty(to.dtype(), to.shape());
  copy_bytes(dense, to);
  make_truth_values(dense);
  copy_bytes(to, dense);
}

} // namespace

void copy_elements(Array to, const Array& from, Location where) {
  if (to.dtype() != from.dtype())
    fail<TypeError>(
        "copy",
        {.place = describe(where),
         .hint = fmt::format("convert with astype(DType::{})",
                             to.dtype() == DType::bool_ ? "bool_" : to_string(to.dtype()))},
        "the elements of {} do not fit into {}: the dtypes differ", from.label(), to.label());
  if (to.shape() != from.shape())
    fail<ShapeError>(
        "copy", {.place = describe(where), .hint = "broadcast_to or reshape makes shapes equal"},
        "the elements of {} do not fit into {}: the shapes differ", from.label(), to.label());
  if (data::device_memory(to)) return data::copy_to_device(to, from, where);
  void* const target = to.raw(where);
  if (to.numel() == 0) return;
  if (data::device_memory(from)) {
    data::copy_from_device(to, from, where);
    if (is_bool(to.dtype())) make_truth_values(to);
    return;
  }
  if (target == from.raw() && to.strides() == from.strides()) return;
  if (to.overlaps(from)) return copy_elements(std::move(to), from.copy(where), where);
  copy_bytes(to, from);
  if (is_bool(to.dtype())) make_truth_values(to);
}

Array Array::astype(DType to, Location where) const {
  if (to == dtype()) return copy(where);
  const Array dense = to_host(where).contiguous(where);
  Array out = empty(to, shape(), where);
  with_type(dtype(), [&](auto* from_type) {
    with_type(to, [&](auto* to_type) {
      using From = std::remove_pointer_t<decltype(from_type)>;
      using To = std::remove_pointer_t<decltype(to_type)>;
      const From* in = static_cast<const From*>(std::as_const(dense).raw());
      To* result = static_cast<To*>(out.raw());
      for (std::int64_t i = 0; i < numel(); ++i) result[i] = cast<To>(in[i]);
    });
  });
  return out;
}

bool equal(const Array& a, const Array& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  const auto dense = [](const Array& x) {
    return is_bool(x.dtype()) ? x.copy(Location{}) : x.contiguous(Location{});
  };
  const Array dense_a = dense(a), dense_b = dense(b);
  return a.numel() == 0 || std::memcmp(dense_a.raw(), dense_b.raw(), a.nbytes()) == 0;
}

bool all_close(const Array& a, const Array& b, double rtol, double atol) {
  if (a.shape() != b.shape()) return false;
  const Array wide_a = a.astype(DType::f64, Location{}), wide_b = b.astype(DType::f64, Location{});
  const double* x = wide_a.data<double>();
  const double* y = wide_b.data<double>();
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    const bool close = x[i] == y[i] || (std::isfinite(y[i]) &&
                                        std::abs(x[i] - y[i]) <= atol + rtol * std::abs(y[i]));
    if (!close) return false;
  }
  return true;
}

} // namespace kroton
