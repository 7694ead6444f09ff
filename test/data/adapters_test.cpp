/// Matrices of other libraries as arrays: Eigen's where it is installed, and what looks like
/// others.
#include <kroton/adapters.hpp>

#include <array>

#include "test/support/catch.hpp"

#if __has_include(<eigen3/Eigen/Dense>)
#include <eigen3/Eigen/Dense>
#endif

namespace kroton::test {
namespace {

/// The members of std::mdspan<T, std::dextents<int, 2>, std::layout_stride> that matter.
template <class T> struct Grid {
  T* memory;
  std::array<int, 2> extents, steps;

  T* data_handle() const { return memory; }
  static std::size_t rank() { return 2; }
  int extent(std::size_t axis) const { return extents[axis]; }
  int stride(std::size_t axis) const { return steps[axis]; }
};

/// Those of an xtensor view of memory.
struct Tensor {
  float* memory;
  std::array<std::size_t, 2> sizes;
  std::array<std::ptrdiff_t, 2> steps;
  std::size_t offset;

  float* data() { return memory; }
  const float* data() const { return memory; }
  std::size_t dimension() const { return 2; }
  const auto& shape() const { return sizes; }
  const auto& strides() const { return steps; }
  std::size_t data_offset() const { return offset; }
};

} // namespace

TEST_CASE("an mdspan is an array, whatever its layout", "[data][adapters]") {
  double memory[12] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11};
  const Array a = view_of(Grid<double>{memory, {3, 4}, {1, 3}});
  CHECK(a.label() == "f64[3,4]");
  CHECK(a.at<double>({2, 1}) == 5);
  CHECK(a.data<double>() == memory);
  const Array whole = view_of(Grid<const double>{memory, {3, 2}, {4, 2}});
  CHECK(whole.at<double>({1, 1}) == 6);
  CHECK_THROWS(Array(whole).raw());
}

TEST_CASE("an xtensor view is an array", "[data][adapters]") {
  float memory[8] = {0, 1, 2, 3, 4, 5, 6, 7};
  Tensor t{memory, {2, 2}, {4, 1}, 1};
  const Array a = view_of(t);
  CHECK(a.label() == "f32[2,2]");
  CHECK(a.at<float>({1, 1}) == 6);
  const Tensor& fixed = t;
  CHECK_THROWS(view_of(fixed).raw());
}

#if __has_include(<eigen3/Eigen/Dense>)
TEST_CASE("Eigen's matrices, vectors and blocks are arrays", "[data][adapters]") {
  Eigen::MatrixXd m(2, 3);
  m << 1, 2, 3, 4, 5, 6;
  const Array a = view_of(m);
  CHECK(a.label() == "f64[2,3]");
  CHECK(a.at<double>({1, 2}) == 6);
  CHECK(a.data<double>() == m.data());
  Eigen::Matrix<float, 2, 2, Eigen::RowMajor> r;
  r << 1, 2, 3, 4;
  CHECK(view_of(r).at<float>({0, 1}) == 2);
  const Eigen::VectorXf v = Eigen::VectorXf::LinSpaced(4, 0, 3);
  const Array line = view_of(v);
  CHECK(line.label() == "f32[4]");
  CHECK(line.at<float>({3}) == 3);
  auto corner = m.block(0, 1, 2, 2);
  CHECK(view_of(corner).at<double>({1, 0}) == 5);
  Eigen::RowVector3d row(1, 2, 3);
  CHECK(view_of(row).at<double>({2}) == 3);
}
#endif

} // namespace kroton::test
