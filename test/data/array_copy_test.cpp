#include <kroton/array.hpp>

#include <limits>
#include <random>

#include "test/support/catch.hpp"

using namespace kroton;
using Ints = std::vector<int>;

TEST_CASE("copy_elements writes through any strides", "[data]") {
  Array to = Array::zeros<int>({3, 4});
  copy_elements(to.slice(1, {}, {}, -2), Array::arange<int>(6).reshape({2, 3}).transpose());
  CHECK(to.to_vector<int>() == Ints{0, 3, 0, 0, 0, 4, 0, 1, 0, 5, 0, 2});
  Array::full<int>({4}, 8).copy_to(to.slice(0, 1, 2).reshape({4}));
  CHECK(to.slice(0, 1, 2).to_vector<int>() == Ints{8, 8, 8, 8});
}

TEST_CASE("copy_elements of overlapping arrays is as if the source was copied first", "[data]") {
  Array a = Array::arange<int>(6);
  copy_elements(a.slice(0, 1), a.slice(0, 0, 5));
  CHECK(a.to_vector<int>() == Ints{0, 0, 1, 2, 3, 4});
  copy_elements(a, a.slice(0, {}, {}, -1));
  CHECK(a.to_vector<int>() == Ints{4, 3, 2, 1, 0, 0});
  copy_elements(a, a);
  CHECK(a.to_vector<int>() == Ints{4, 3, 2, 1, 0, 0});
}

TEST_CASE("copies of random views agree with element-by-element reads", "[data]") {
  std::mt19937 random(1);
  const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  const DType dtypes[] = {DType::u8, DType::i16, DType::f32, DType::f64};
  for (int round = 0; round < 300; ++round) {
    const DType dtype = dtypes[pick(4)];
    Shape shape;
    const int long_axis = pick(8); // one axis at most is longer than a tile
    for (int axis = 0, rank = pick(5); axis < rank; ++axis)
      shape.push_back(axis == long_axis ? 40 + pick(40) : pick(6));
    std::int64_t numel = 1;
    for (std::int64_t dim : shape) numel *= dim;
    const Array a = Array::arange<std::int64_t>(numel).astype(dtype).reshape(shape);
    std::vector<int> permutation;
    for (int axis = 0; axis < a.rank(); ++axis) permutation.push_back(axis);
    std::shuffle(permutation.begin(), permutation.end(), random);
    Array b = a.transpose(permutation);
    for (int axis = 0; axis < b.rank(); ++axis)
      if (pick(2) == 0) b = b.slice(axis, {}, {}, pick(2) == 0 ? -1 : 2);

    const Array copied = b.copy();
    std::vector<double> expected;
    for (std::int64_t i = 0; i < b.numel(); ++i) {
      Array one = b;
      std::int64_t rest = i;
      for (int axis = b.rank(); axis-- > 0; rest /= b.dim(axis))
        one = one.slice(axis, rest % b.dim(axis), rest % b.dim(axis) + 1);
      expected.push_back(one.astype<double>().item<double>());
    }
    CAPTURE(round, b.label());
    CHECK(copied.is_contiguous());
    CHECK(copied.astype<double>().to_vector<double>() == expected);
    // Back through the same view: nothing is lost, whatever the order of axes of either side.
    Array again = Array::zeros(dtype, a.shape()).transpose(permutation);
    if (again.shape() == b.shape()) {
      copy_elements(again, b);
      CHECK(equal(again, b));
    }
  }
}

TEST_CASE("a large transposition is right in every element", "[data]") {
  Array a = Array::arange<float>(70 * 90 * 3).reshape({70, 90, 3});
  Array b = a.transpose({1, 0, 2}).copy();
  bool all_right = true;
  for (std::int64_t i = 0; i < 70; ++i)
    for (std::int64_t j = 0; j < 90; ++j)
      for (std::int64_t k = 0; k < 3; ++k)
        all_right &= b.at<float>({j, i, k}) == a.at<float>({i, j, k});
  CHECK(all_right);
  CHECK(equal(a.transpose().copy().transpose(), a));
}

TEST_CASE("astype truncates, wraps and saturates as documented", "[data]") {
  const float inf = std::numeric_limits<float>::infinity(),
              nan = std::numeric_limits<float>::quiet_NaN();
  const Array floats = Array::from({-1.9f, 1.9f, 300.f, -300.f, inf, -inf, nan, -0.0f});
  CHECK(floats.astype<std::int8_t>().to_vector<std::int8_t>() ==
        std::vector<std::int8_t>{-1, 1, 127, -128, 127, -128, 0, 0});
  CHECK(floats.astype<std::uint8_t>().to_vector<std::uint8_t>() ==
        std::vector<std::uint8_t>{0, 1, 255, 0, 255, 0, 0, 0});
  CHECK(floats.astype<bool>().to_vector<bool>() ==
        std::vector{true, true, true, true, true, true, true, false});
  CHECK(Array::from({1e30f, -1e30f}).astype<std::int64_t>().to_vector<std::int64_t>() ==
        std::vector<std::int64_t>{INT64_MAX, INT64_MIN});
  CHECK(Array::from({300, -1}).astype<std::uint8_t>().to_vector<std::uint8_t>() ==
        std::vector<std::uint8_t>{44, 255});
  CHECK(Array::from({true, false}).astype(DType::f32).to_vector<float>() == std::vector{1.f, 0.f});
  const Array same = Array::from({1.f});
  CHECK_FALSE(same.astype<float>().overlaps(same));
  CHECK(Array::arange<int>(4).reshape({2, 2}).transpose().astype<double>().to_vector<double>() ==
        std::vector{0., 2., 1., 3.});
}

TEST_CASE("astype reaches every dtype from every dtype", "[data]") {
  for (int i = 0; i < dtype_count; ++i)
    for (int j = 0; j < dtype_count; ++j) {
      const Array a =
          Array::from({0, 1, 1}).astype(static_cast<DType>(i)).astype(static_cast<DType>(j));
      CHECK(a.dtype() == static_cast<DType>(j));
      CHECK(a.astype<double>().to_vector<double>() == std::vector{0., 1., 1.});
    }
}

TEST_CASE("equal is bit for bit", "[data]") {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  CHECK(equal(Array::from({nan, 1.f}), Array::from({nan, 1.f})));
  CHECK_FALSE(equal(Array::from({0.0f}), Array::from({-0.0f})));
  CHECK_FALSE(equal(Array::from({1}), Array::from({1.0f})));
  CHECK_FALSE(equal(Array::from({1, 2}), Array::from({1, 2}, {2, 1})));
  CHECK(equal(Array::zeros<int>({0}), Array::zeros<int>({0})));
}

TEST_CASE("all_close compares across dtypes within tolerances", "[data]") {
  const double inf = std::numeric_limits<double>::infinity(),
               nan = std::numeric_limits<double>::quiet_NaN();
  CHECK(all_close(Array::from({1.0f}), Array::from({1.000001})));
  CHECK_FALSE(all_close(Array::from({1.0f}), Array::from({1.001})));
  CHECK(all_close(Array::from({1.0f}), Array::from({1.001}), 0, 0.01));
  CHECK(all_close(Array::from({inf, -inf}), Array::from({inf, -inf})));
  CHECK_FALSE(all_close(Array::from({inf}), Array::from({-inf})));
  CHECK_FALSE(all_close(Array::from({1.0}), Array::from({inf})));
  CHECK_FALSE(all_close(Array::from({nan}), Array::from({nan})));
  CHECK_FALSE(all_close(Array::from({1.0}), Array::from({1.0}, {1, 1})));
}
