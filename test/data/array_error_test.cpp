#include <kroton/array.hpp>

#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"

using namespace kroton;
using test::message_of;

namespace {
const std::string here = "\n  at array_error_test.cpp:LINE";
}

TEST_CASE("an error says where the user called", "[data][error]") {
  const Array a = Array::zeros<float>({2});
  std::string text;
  const int line = __LINE__ + 2;
  try {
    a.item<float>();
  } catch (const ShapeError& e) {
    text = e.text().place;
  }
  CHECK(text == "array_error_test.cpp:" + std::to_string(line));
}

TEST_CASE("shapes that cannot be are refused", "[data][error]") {
  CHECK(message_of<ShapeError>([] {
          Array::zeros<float>({2, -3});
        }) == "array: axis 1 of f32[2,-3] has a negative dim" + here);
  CHECK(message_of<ShapeError>([] {
          Array::empty(DType::f64, {1LL << 31, 1LL << 30});
        }) == "array: f64[2147483648,1073741824] has more bytes than an int64 counts" + here);
  CHECK(message_of<ShapeError>([] {
          Array::empty<std::int8_t>({INT64_MAX, 0, 2});
        }) == "array: i8[9223372036854775807,0,2] has more bytes than an int64 counts" + here);
  CHECK(message_of<DeviceError>([] { Array::empty<std::int8_t>({INT64_MAX}); }) ==
        "array: no memory for i8[9223372036854775807]: 9223372036854775807 bytes" + here);
}

TEST_CASE("from and arange name the counts", "[data][error]") {
  CHECK(message_of<ShapeError>([] {
          Array::from({1, 2, 3}, {2, 2});
        }) == "from: i32[2,2] has 4 elements, but 3 values were given" + here);
  CHECK(message_of<ShapeError>([] { Array::from({1.0f}, {0}); }) ==
        "from: f32[0] has 0 elements, but 1 value was given" + here);
  CHECK(message_of<ShapeError>([] { Array::arange<int>(0, 5, 0); }) ==
        "arange: from 0 to 5 in steps of 0 is not a finite number of elements" + here);
  CHECK(message_of<ShapeError>([] { Array::arange<double>(0, 0.5, 0); }) ==
        "arange: from 0 to 0.5 in steps of 0 is not a finite number of elements" + here);
  CHECK(message_of<ShapeError>([] { Array::full(DType::f32, {2}, Array::zeros<float>({3})); }) ==
        "item: f32[3] has 3 elements, not one" + here +
            "\n  hint: at<T>({i, …}) reads one of several elements");
}

TEST_CASE("accessors name both dtypes", "[data][error]") {
  Array a = Array::zeros<float>({2, 2});
  CHECK(message_of<TypeError>([&] { a.data<double>(); }) ==
        "data: the array is f32[2,2], but f64 (double) was asked for" + here +
            "\n  hint: ask for float, or convert with astype(DType::f64)");
  CHECK(message_of<TypeError>([&] { std::as_const(a).data<bool>(); }) ==
        "data: the array is f32[2,2], but bool (bool) was asked for" + here +
            "\n  hint: ask for float, or convert with astype(DType::bool_)");
  CHECK(message_of<TypeError>([&] {
          a.at<int>({0, 0});
        }) == "at: the array is f32[2,2], but i32 (std::int32_t) was asked for" + here +
                  "\n  hint: ask for float, or convert with astype(DType::i32)");
  CHECK(message_of<TypeError>([&] { a.to_vector<std::uint8_t>(); }) ==
        "to_vector: the array is f32[2,2], but u8 (std::uint8_t) was asked for" + here +
            "\n  hint: ask for float, or convert with astype(DType::u8)");
  CHECK(message_of<TypeError>([] { Array::scalar(1).item<float>(); }) ==
        "item: the array is i32[], but f32 (float) was asked for" + here +
            "\n  hint: ask for std::int32_t, or convert with astype(DType::f32)");
  CHECK(message_of<ShapeError>([&] { a.item<float>(); }) ==
        "item: f32[2,2] has 4 elements, not one" + here +
            "\n  hint: at<T>({i, …}) reads one of several elements");
}

TEST_CASE("a read-only array refuses to be written", "[data][error]") {
  const std::vector<float> mine(3);
  Array a = Array::view(mine);
  const std::string rest =
      " f32[3] is read-only: it views const memory or repeats its elements" + here +
      "\n  hint: a const Array or data<const T>() reads it; copy() makes one that can be written";
  CHECK(message_of<TypeError>([&] { a.data<float>(); }) == "data:" + rest);
  CHECK(message_of<TypeError>([&] { a.raw(); }) == "raw:" + rest);
  CHECK(message_of<TypeError>([&] { a.at<float>({0}); }) == "at:" + rest);
  CHECK(message_of<TypeError>([&] { copy_elements(a, Array::zeros<float>({3})); }) ==
        "raw:" + rest);
}

TEST_CASE("an index outside is named with its axis", "[data][error]") {
  const Array a = Array::zeros<float>({2, 3});
  CHECK(message_of<IndexError>([&] {
          a.at<float>({1, 3});
        }) == "at: index 3 is outside axis 1 of f32[2,3], which has 3" + here);
  CHECK(message_of<IndexError>([&] {
          a.at<float>({-3, 0});
        }) == "at: index -3 is outside axis 0 of f32[2,3], which has 2" + here);
  CHECK(message_of<IndexError>([&] { a.at<float>({1}); }) ==
        "at: f32[2,3] takes 2 indices, but 1 was given: [1]" + here);
  CHECK(message_of<IndexError>([] {
          Array::from({1.0f}).at<float>({0, 0});
        }) == "at: f32[1] takes 1 index, but 2 were given: [0,0]" + here);
}

TEST_CASE("an axis that is not there is named", "[data][error]") {
  CHECK(message_of<ShapeError>([] {
          Array::zeros<float>({2, 3}).dim(2);
        }) == "dim: f32[2,3] has no axis 2" + here + "\n  hint: axes run from -2 to 1");
  CHECK(message_of<ShapeError>([] { Array::scalar(1).dim(0); }) ==
        "dim: i32[] has no axis 0" + here + "\n  hint: a scalar has no axes");
  CHECK(message_of<ShapeError>([] { Array::zeros<float>({2}).slice(-2, 0); }) ==
        "slice: f32[2] has no axis -2" + here + "\n  hint: axes run from -1 to 0");
}

TEST_CASE("views refuse what they cannot show", "[data][error]") {
  const Array a = Array::zeros<float>({2, 3});
  CHECK(message_of<ShapeError>([&] {
          a.transpose({0, 0});
        }) == "transpose: [0,0] is not a permutation of the 2 axes of f32[2,3]" + here +
                  "\n  hint: name every axis once");
  CHECK(message_of<ShapeError>([&] { a.transpose({1}); }) ==
        "transpose: [1] is not a permutation of the 2 axes of f32[2,3]" + here +
            "\n  hint: name every axis once");
  CHECK(message_of<ShapeError>([&] { a.slice(1, 0, 2, 0); }) ==
        "slice: the step along axis 1 of f32[2,3] is 0" + here);
  CHECK(message_of<ShapeError>([&] {
          a.reshape({4, 2});
        }) == "reshape: f32[2,3] has 6 elements, but f32[4,2] has 8" + here);
  CHECK(message_of<ShapeError>([&] {
          a.reshape({4, -1});
        }) == "reshape: no dim in place of -1 gives [4,-1] the 6 elements of f32[2,3]" + here);
  CHECK(message_of<ShapeError>([&] {
          a.reshape({-1, -1});
        }) == "reshape: no dim in place of -1 gives [-1,-1] the 6 elements of f32[2,3]" + here);
  CHECK(message_of<ShapeError>([] {
          Array::zeros<int>({0}).reshape({0, -1});
        }) == "reshape: no dim in place of -1 gives [0,-1] the 0 elements of i32[0]" + here);
  CHECK(message_of<ShapeError>([&] {
          a.broadcast_to({2, 4});
        }) ==
        "broadcast_to: f32[2,3] does not broadcast to [2,4]" + here +
            "\n  hint: axes are matched from the last; each must be equal, or 1 in the array");
  CHECK(message_of<ShapeError>([&] { a.broadcast_to({3}); }) ==
        "broadcast_to: f32[2,3] does not broadcast to [3]" + here +
            "\n  hint: axes are matched from the last; each must be equal, or 1 in the array");
}

TEST_CASE("a view of known memory may not reach outside", "[data][error]") {
  std::vector<float> v(6);
  const std::string hint =
      "\n  hint: a negative stride needs an offset: of the element with index 0";
  CHECK(message_of<ShapeError>([&] {
          Array::view(v, {2, 4});
        }) == "view: f32[2,4] with strides [4,1] and offset 0 reaches elements 0 to 7, but the "
              "memory holds elements 0 to 5" +
                  here + hint);
  CHECK(message_of<ShapeError>([&] { Array::view(v, {6}, {-1}); }) ==
        "view: f32[6] with strides [-1] and offset 0 reaches elements -5 to 0, but the memory "
        "holds elements 0 to 5" +
            here + hint);
  CHECK(message_of<ShapeError>([&] { Array::view(v, {3}, {INT64_MAX}); }) ==
        "view: f32[3] with strides [9223372036854775807] and offset 0 reaches too far to count, "
        "but the memory holds "
        "elements 0 to 5" +
            here + hint);
  CHECK(message_of<ShapeError>([&] {
          Array::view(v, {2, 3}, {1});
        }) == "view: f32[2,3] has rank 2, but there are 1 strides: [1]" + here +
                  "\n  hint: give one stride per axis, or none for dense row-major");
  CHECK(message_of<ShapeError>([] { Array::view(static_cast<float*>(nullptr), {2}); }) ==
        "view: a null pointer was given for the elements of f32[2]" + here);
  CHECK(message_of<ShapeError>([&] { Array::view(v.data(), {3}, {INT64_MAX}); }) ==
        "view: strides [9223372036854775807] of f32[3] reach beyond what an int64 counts" + here);
  void* const odd = reinterpret_cast<void*>(0x1001);
  CHECK(message_of<ShapeError>([&] { Array::view(DType::f32, odd, {1}); }) ==
        "view: the elements of f32[1] must be aligned to 4 bytes, and address 0x1001 is not" +
            here + "\n  hint: copy the elements to memory that is aligned");
}

TEST_CASE("copies name both sides", "[data][error]") {
  Array to = Array::zeros<float>({2});
  CHECK(message_of<TypeError>([&] { copy_elements(to, Array::zeros<int>({2})); }) ==
        "copy: the elements of i32[2] do not fit into f32[2]: the dtypes differ" + here +
            "\n  hint: convert with astype(DType::f32)");
  CHECK(message_of<ShapeError>([&] { Array::zeros<float>({1}).copy_to(to); }) ==
        "copy: the elements of f32[1] do not fit into f32[2]: the shapes differ" + here +
            "\n  hint: broadcast_to or reshape makes shapes equal");
}
