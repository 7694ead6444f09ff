#pragma once
/// Arithmetic on shapes and strides, and loops over strided memory.
///
///   data::dense_strides({2, 3})                        // {3, 1}
///   data::extent({2, 3}, {3, -1})                      // elements -2 to 3
#include <kroton/array.hpp>

namespace kroton::data {

/// "[2,3]".
std::string list(std::span<const std::int64_t> values);
/// "f32[2,3]".
std::string label(DType dtype, const Shape& shape);

/// numel, checked so that numel * item_size is a valid object size too. Throws ShapeError for a
/// negative dim or a product that overflows.
std::int64_t checked_numel(DType dtype, const Shape& shape, const Location& where);

/// Row-major without gaps. Axes of size 0 count as 1, so that no stride is 0.
Shape dense_strides(const Shape& shape);
bool is_dense(const Shape& shape, const Shape& strides);

/// The offsets of the first and last element in memory, relative to element [0, …, 0].
/// Without elements, highest < lowest.
struct Extent {
  std::int64_t lowest = 0;
  std::int64_t highest = 0;
};
/// Nothing if it overflows.
std::optional<Extent> extent(const Shape& shape, const Shape& strides);

/// Whether several indices certainly mean one element, as a stride of 0 makes them. (Strides such
/// as {2, 3} can also meet; finding out in general is a search, and such arrays count as writable.)
bool repeats(const Shape& shape, const Shape& strides);

/// The strides under which the same memory reads as `to`, of the same numel, in the same row-major
/// order of elements; nothing if there are none.
std::optional<Shape> reshaped_strides(const Shape& shape, const Shape& strides, const Shape& to);

/// A loop over two arrays of one shape, as few and as long axes as possible: axes of size 1 are
/// gone, axes that run on in both are merged, and the last has the smallest stride in `to`.
struct Walk {
  Shape shape, to, from; ///< Strides in elements; at least one axis.
};
Walk make_walk(const Shape& shape, const Shape& to, const Shape& from);

/// Calls `row(to_offset, from_offset)` for every index of all axes but the last `inner`.
template <class F> void for_each_row(const Walk& walk, std::size_t inner, F&& row) {
  const std::size_t outer = walk.shape.size() - inner;
  Shape index(outer, 0);
  std::int64_t to = 0, from = 0;
  for (;;) {
    row(to, from);
    std::size_t axis = outer;
    for (; axis-- > 0;) {
      to += walk.to[axis];
      from += walk.from[axis];
      if (++index[axis] < walk.shape[axis]) break;
      to -= walk.to[axis] * walk.shape[axis];
      from -= walk.from[axis] * walk.shape[axis];
      index[axis] = 0;
    }
    if (axis == static_cast<std::size_t>(-1)) return;
  }
}

} // namespace kroton::data
