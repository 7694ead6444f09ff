#pragma once
/// Matrices of other libraries as arrays, without copies: Eigen's, xtensor's, std::mdspan. Include
/// it beside theirs; it includes none of them.
///
///   Eigen::MatrixXd m(3, 4);
///   kt::Results r = f(kt::view_of(m));                 // f64[3,4], column-major as Eigen has it
///   std::mdspan grid(memory, 10, 20);
///   f(kt::view_of(grid));                              // f64[10,20]
///
/// Vectors, spans and C arrays are taken by `Array::view`.
#include <cstddef>
#include <type_traits>
#include <utility>

#include <kroton/array.hpp>

namespace kroton {
namespace detail {

/// std::mdspan, and what has its members.
template <class M>
concept MdspanLike = requires(const M& m, std::size_t axis) {
  m.data_handle();
  m.rank();
  m.extent(axis);
  m.stride(axis);
};

/// Eigen's dense matrices, vectors, maps and blocks of them.
template <class M>
concept EigenLike = requires(M& m) {
  typename std::remove_const_t<M>::Scalar;
  m.data();
  m.rows();
  m.cols();
  m.rowStride();
  m.colStride();
  std::remove_const_t<M>::IsVectorAtCompileTime;
};

/// xtensor's containers and views of memory.
template <class M>
concept XtensorLike = requires(M& m) {
  m.data();
  m.dimension();
  m.shape();
  m.strides();
  m.data_offset();
};

} // namespace detail

/// A view of the elements of a matrix, which the caller keeps alive; read-only if they are const.
/// Throws ShapeError as `Array::view` does. Temporaries are not taken: they would be gone.
template <class M>
requires(detail::EigenLike<M> || detail::XtensorLike<M>) Array
    view_of(M& m, Location where = Location::current()) {
  Shape shape, strides;
  const auto add = [&](auto size, auto stride) {
    shape.push_back(static_cast<std::int64_t>(size));
    strides.push_back(static_cast<std::int64_t>(stride));
  };
  if constexpr (detail::EigenLike<M>) {
    if constexpr (bool(std::remove_const_t<M>::IsVectorAtCompileTime)) {
      add(m.rows() * m.cols(), m.cols() == 1 ? m.rowStride() : m.colStride());
    } else {
      add(m.rows(), m.rowStride());
      add(m.cols(), m.colStride());
    }
    return Array::view(m.data(), shape, strides, nullptr, where);
  } else {
    for (std::size_t i = 0; i < m.dimension(); ++i) add(m.shape()[i], m.strides()[i]);
    return Array::view(m.data() + m.data_offset(), shape, strides, nullptr, where);
  }
}
template <class M>
requires(!std::is_lvalue_reference_v<M> && !detail::MdspanLike<M>) Array
    view_of(M&& m, Location where = Location::current())
= delete;
/// The same of a std::mdspan, which is a view itself: it may be a temporary.
template <detail::MdspanLike M> Array view_of(const M& m, Location where = Location::current()) {
  Shape shape, strides;
  for (std::size_t i = 0; i < m.rank(); ++i) {
    shape.push_back(static_cast<std::int64_t>(m.extent(i)));
    strides.push_back(static_cast<std::int64_t>(m.stride(i)));
  }
  return Array::view(m.data_handle(), shape, strides, nullptr, where);
}

} // namespace kroton
