#include "lib/data/strided.hpp"

#include <cstdlib>
#include <numeric>

namespace kroton::data {

std::optional<Shape> reshaped_strides(const Shape& shape, const Shape& strides, const Shape& to) {
  if (is_dense(shape, strides)) return dense_strides(to);
  // Both shapes are cut into the shortest runs of axes with equal products; within a run the old
  // axes must follow each other in memory, and the new ones divide what they span.
  Shape out = dense_strides(to);
  std::size_t a = 0, b = 0;
  while (a < shape.size() && b < to.size()) {
    if (shape[a] == 1) {
      ++a;
      continue;
    }
    if (to[b] == 1) {
      ++b;
      continue;
    }
    std::size_t a_end = a + 1, b_end = b + 1;
    std::int64_t old_size = shape[a], new_size = to[b];
    while (old_size != new_size) {
      if (old_size < new_size)
        old_size *= shape[a_end++];
      else
        new_size *= to[b_end++];
    }
    std::int64_t stride = 0, next = 0;
    bool is_last = true;
    for (std::size_t axis = a_end; axis-- > a;) {
      if (shape[axis] == 1) continue;
      if (is_last)
        stride = strides[axis];
      else if (strides[axis] != next)
        return std::nullopt;
      is_last = false;
      next = strides[axis] * shape[axis];
    }
    for (std::size_t axis = b_end; axis-- > b;) {
      out[axis] = stride;
      stride *= to[axis];
    }
    a = a_end;
    b = b_end;
  }
  return out;
}

Walk make_walk(const Shape& shape, const Shape& to, const Shape& from) {
  std::vector<std::size_t> axes;
  for (std::size_t axis = 0; axis < shape.size(); ++axis)
    if (shape[axis] != 1) axes.push_back(axis);
  std::stable_sort(axes.begin(), axes.end(),
                   [&](std::size_t a, std::size_t b) { return std::abs(to[a]) > std::abs(to[b]); });
  Walk walk;
  for (std::size_t axis : axes) {
    const bool runs_on = !walk.shape.empty() && walk.to.back() == to[axis] * shape[axis] &&
                         walk.from.back() == from[axis] * shape[axis];
    if (runs_on) {
      walk.shape.back() *= shape[axis];
      walk.to.back() = to[axis];
      walk.from.back() = from[axis];
    } else {
      walk.shape.push_back(shape[axis]);
      walk.to.push_back(to[axis]);
      walk.from.push_back(from[axis]);
    }
  }
  if (walk.shape.empty()) walk = {{1}, {1}, {1}};
  return walk;
}

} // namespace kroton::data
