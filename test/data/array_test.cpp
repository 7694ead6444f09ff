#include <kroton/array.hpp>

#include <algorithm>
#include <array>
#include <cmath>
#include <sstream>

#include "test/support/catch.hpp"

using namespace kroton;

TEST_CASE("an array made by Array::empty is dense, aligned and writable", "[data]") {
  for (std::int64_t n : {0, 1, 17, 3 << 20}) { // the last is large enough for huge pages
    Array a = Array::empty<float>({n, 2});
    CHECK(a.shape() == Shape{n, 2});
    CHECK(a.strides() == Shape{2, 1});
    CHECK(a.rank() == 2);
    CHECK(a.dim(-2) == n);
    CHECK(a.numel() == 2 * n);
    CHECK(a.nbytes() == static_cast<std::size_t>(8 * n));
    CHECK(a.is_contiguous());
    CHECK(a.is_writable());
    CHECK(reinterpret_cast<std::uintptr_t>(a.raw()) % 64 == 0);
  }
}

TEST_CASE("an array made of nothing is f32[0]", "[data]") {
  Array a;
  CHECK(a.label() == "f32[0]");
  CHECK(a.to_vector<float>().empty());
  std::vector<Array> outputs(2);
  CHECK(outputs[1].numel() == 0);
}

TEST_CASE("zeros, full and arange fill by dtype", "[data]") {
  CHECK(Array::zeros<double>({2}).to_vector<double>() == std::vector{0.0, 0.0});
  CHECK(Array::zeros(DType::bool_, {2}).to_vector<bool>() == std::vector{false, false});
  CHECK(Array::full<float>({3}, 0.5f).to_vector<float>() == std::vector{0.5f, 0.5f, 0.5f});
  CHECK(Array::full(DType::i64, {2}, 7).to_vector<std::int64_t>() ==
        std::vector<std::int64_t>{7, 7});
  CHECK(Array::full(DType::f32, {}, 2.5).item<float>() == 2.5f);
  CHECK(Array::arange<std::int32_t>(4).to_vector<std::int32_t>() == std::vector{0, 1, 2, 3});
  CHECK(Array::arange<float>(1, 2, 0.25f).to_vector<float>() ==
        std::vector{1.f, 1.25f, 1.5f, 1.75f});
  CHECK(Array::arange<std::int8_t>(5, -2, -3).to_vector<std::int8_t>() ==
        std::vector<std::int8_t>{5, 2, -1});
  CHECK(Array::arange<std::uint8_t>(250, 255, 2).to_vector<std::uint8_t>() ==
        std::vector<std::uint8_t>{250, 252, 254});
  CHECK(Array::arange<std::int64_t>(3, 3).numel() == 0);
  CHECK(Array::arange<double>(1, 0).numel() == 0);
  CHECK(Array::arange<std::int64_t>(INT64_MIN, INT64_MAX, INT64_MAX).numel() == 3);
}

TEST_CASE("from copies lists, vectors, arrays and spans", "[data]") {
  CHECK(Array::from({1, 2, 3, 4, 5, 6}, {2, 3}).label() == "i32[2,3]");
  CHECK(Array::from({1.0, 2.0}).label() == "f64[2]");
  CHECK(Array::from<float>({1, 2}, {2, 1}).label() == "f32[2,1]");
  CHECK(Array::from<float>({}, {0, 4}).label() == "f32[0,4]");
  std::vector<float> v{1, 2, 3, 4};
  Array copied = Array::from(v, {2, 2});
  v[0] = 9;
  CHECK(copied.at<float>({0, 0}) == 1);
  CHECK(Array::from<float>(v, {4}).label() == "f32[4]");
  CHECK(Array::from(std::span(v)).label() == "f32[4]");
  CHECK(Array::from(std::span<const float>(v), {4, 1}).label() == "f32[4,1]");
  CHECK(Array::from(std::array<std::int64_t, 2>{1, 2}).label() == "i64[2]");
  CHECK(Array::from(std::vector<bool>{true, false}).to_vector<bool>() == std::vector{true, false});
  CHECK(Array::from({true, false}, {1, 2}).label() == "bool[1,2]");
}

TEST_CASE("a literal is a scalar of its own dtype", "[data]") {
  const std::vector<Array> arguments{Array::zeros<float>({2}), 0.5f, std::int64_t{3}, true};
  CHECK(arguments[1].label() == "f32[]");
  CHECK(arguments[1].item<float>() == 0.5f);
  CHECK(arguments[2].label() == "i64[]");
  CHECK(arguments[3].label() == "bool[]");
  CHECK(Array::scalar(2.0).item<double>() == 2.0);
  static_assert(!std::is_convertible_v<const float*, Array>, "a pointer is not a bool");
  static_assert(!std::is_convertible_v<const char*, Array>);
}

TEST_CASE("a copied handle shares its elements, copy() does not", "[data]") {
  Array a = Array::zeros<float>({2});
  Array same = a, own = a.copy();
  a.at<float>({0}) = 5;
  CHECK(same.at<float>({0}) == 5);
  CHECK(own.at<float>({0}) == 0);
  CHECK(a.overlaps(same));
  CHECK_FALSE(a.overlaps(own));
}

TEST_CASE("at reads and writes with negative indices too", "[data]") {
  Array a = Array::arange<std::int32_t>(6).reshape({2, 3});
  CHECK(a.at<std::int32_t>({1, 2}) == 5);
  CHECK(a.at<std::int32_t>({-2, -1}) == 2);
  a.at<std::int32_t>({0, 0}) = 42;
  const Array& read = a;
  CHECK(read.at<std::int32_t>({0, 0}) == 42);
  const std::int64_t index[] = {1, 0};
  CHECK(read.at<std::int32_t>(std::span<const std::int64_t>(index)) == 3);
  CHECK(Array::scalar(3).at<int>({}) == 3);
}

TEST_CASE("item takes any array of one element", "[data]") {
  CHECK(Array::from({7.0f}, {1, 1}).item<float>() == 7);
  CHECK(Array::arange<int>(5).slice(0, 3, 4).item<int>() == 3);
}

TEST_CASE("data of a long long array is that of an i64 one", "[data]") {
  Array a = Array::from(std::vector<long long>{1, 2});
  CHECK(a.data<std::int64_t>() != nullptr);
  CHECK(a.to_vector<long long>() == std::vector<long long>{1, 2});
}

TEST_CASE("to_string is bounded for every shape", "[data]") {
  const Array one = Array::scalar(1.0f);
  for (const std::int64_t dim : {2, 7, 1000000})
    for (const std::size_t rank : {1, 2, 4, 5, 8, 30}) {
      if (std::pow(double(dim), double(rank)) > 1e18) continue;
      const std::string text = one.broadcast_to(Shape(rank, dim)).to_string();
      CAPTURE(dim, rank);
      CHECK(text.size() < 1'000'000);
      CHECK(text.starts_with(std::string(rank, '[') + "1"));
      CHECK(text.ends_with("]"));
      CHECK(std::ranges::count(text, '[') == std::ranges::count(text, ']'));
    }
  // Of axes that do not all fit, the outer ones show less.
  CHECK(one.broadcast_to(Shape(14, 2)).to_string().starts_with("[[[[[[[[[[[[[[1, 1],"));
  CHECK(one.broadcast_to(Shape(14, 2)).to_string().ends_with(" ...]"));
}

TEST_CASE("to_string prints as NumPy does", "[data]") {
  CHECK(Array::scalar(1.5f).to_string() == "1.5");
  CHECK(Array::from({1, 2, 3}).to_string() == "[1, 2, 3]");
  CHECK(Array::from({true, false}).to_string() == "[ true, false]");
  CHECK(Array::from({1, -20, 3, 4}, {2, 2}).to_string() == "[[  1, -20],\n [  3,   4]]");
  CHECK(Array::arange<int>(8).reshape({2, 2, 2}).to_string() ==
        "[[[0, 1],\n  [2, 3]],\n\n [[4, 5],\n  [6, 7]]]");
  CHECK(Array::zeros<float>({0, 3}).to_string() == "[]");
  CHECK(Array::zeros<float>({std::int64_t{1} << 40, 0}).to_string() == "[]");
  CHECK(Array::arange<int>(2000).to_string() == "[   0,    1,    2, ..., 1997, 1998, 1999]");
  CHECK(Array::zeros<int>({100, 20}).to_string() ==
        "[[0, 0, 0, ..., 0, 0, 0],\n [0, 0, 0, ..., 0, 0, 0],\n [0, 0, 0, ..., 0, 0, 0],\n ...,\n"
        " [0, 0, 0, ..., 0, 0, 0],\n [0, 0, 0, ..., 0, 0, 0],\n [0, 0, 0, ..., 0, 0, 0]]");
  CHECK(Array::arange<int>(4).reshape({2, 2}).transpose().to_string() == "[[0, 2],\n [1, 3]]");
  CHECK(Array::from({std::int8_t{-3}, std::int8_t{65}}).to_string() == "[-3, 65]");
  std::ostringstream out;
  out << Array::from({0.1f});
  CHECK(out.str() == "f32[1] [0.1]");
}
