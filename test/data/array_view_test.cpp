#include <kroton/array.hpp>

#include "test/support/catch.hpp"

using namespace kroton;
using Ints = std::vector<int>;

TEST_CASE("a view shares the caller's memory", "[data]") {
  std::vector<int> mine{0, 1, 2, 3, 4, 5};
  Array a = Array::view(mine, {2, 3});
  a.at<int>({1, 0}) = 30;
  CHECK(mine[3] == 30);
  mine[0] = 10;
  CHECK(a.at<int>({0, 0}) == 10);
  CHECK(Array::view(mine).label() == "i32[6]");
  CHECK(Array::view(mine.data(), {2, 2}, {3, 1}).to_vector<int>() == Ints{10, 1, 30, 4});
  CHECK(Array::view(mine, {6}, {-1}, 5).to_vector<int>() == Ints{5, 4, 30, 2, 1, 10});
  CHECK(Array::view(mine.data() + 5, {3}, {-2}).to_vector<int>() == Ints{5, 30, 1});
  CHECK(Array::view(DType::i32, mine.data(), {2}).is_writable());
}

TEST_CASE("a view of const memory is read-only, and readable", "[data]") {
  const std::vector<int> mine{1, 2};
  Array a = Array::view(mine);
  CHECK_FALSE(a.is_writable());
  CHECK(a.data<const int>() == mine.data());
  CHECK(a.at<const int>({1}) == 2);
  CHECK(std::as_const(a).raw() == mine.data());
  CHECK(a.copy().is_writable());
  CHECK_FALSE(Array::view(DType::i32, static_cast<const void*>(mine.data()), {2}).is_writable());
}

TEST_CASE("a view keeps its owner alive as long as any handle", "[data]") {
  auto owner = std::make_shared<std::vector<int>>(4, 1);
  std::weak_ptr<std::vector<int>> watch = owner;
  Array a = Array::view(owner->data(), {4}, {}, owner);
  owner.reset();
  Array part = a.slice(0, 1, 2);
  a = Array();
  CHECK_FALSE(watch.expired());
  CHECK(part.item<int>() == 1);
  part = Array();
  CHECK(watch.expired());
}

TEST_CASE("transpose permutes axes", "[data]") {
  Array a = Array::arange<int>(24).reshape({2, 3, 4});
  CHECK(a.transpose().shape() == Shape{4, 3, 2});
  CHECK(a.transpose().at<int>({3, 2, 1}) == 23);
  Array b = a.transpose({1, -1, 0});
  CHECK(b.shape() == Shape{3, 4, 2});
  CHECK(b.strides() == Shape{4, 1, 12});
  CHECK_FALSE(b.is_contiguous());
  CHECK(b.contiguous().is_contiguous());
  CHECK(a.transpose().transpose().is_contiguous());
  CHECK(Array::zeros<int>({1, 5}).transpose().is_contiguous()); // an axis of size 1 strides nowhere
  CHECK(a.overlaps(b));
}

TEST_CASE("slice follows Python", "[data]") {
  const Array a = Array::arange<int>(6);
  CHECK(a.slice(0, 1, 4).to_vector<int>() == Ints{1, 2, 3});
  CHECK(a.slice(0, -2).to_vector<int>() == Ints{4, 5});
  CHECK(a.slice(0, {}, -4).to_vector<int>() == Ints{0, 1});
  CHECK(a.slice(0, {}, {}, 2).to_vector<int>() == Ints{0, 2, 4});
  CHECK(a.slice(0, {}, {}, -1).to_vector<int>() == Ints{5, 4, 3, 2, 1, 0});
  CHECK(a.slice(0, 4, 1, -2).to_vector<int>() == Ints{4, 2});
  CHECK(a.slice(0, 100, -100, -3).to_vector<int>() == Ints{5, 2});
  CHECK(a.slice(0, -100, 100, 4).to_vector<int>() == Ints{0, 4});
  CHECK(a.slice(0, 4, 2).numel() == 0);
  CHECK(a.slice(0, {}, {}, INT64_MIN).to_vector<int>() == Ints{5});
  Array m = Array::arange<int>(12).reshape({3, 4});
  CHECK(m.slice(-1, 1, 3).to_vector<int>() == Ints{1, 2, 5, 6, 9, 10});
  CHECK(m.slice(0, {}, {}, -1).slice(1, {}, {}, -1).at<int>({0, 0}) == 11);
}

TEST_CASE("reshape is a view where strides can say it", "[data]") {
  Array a = Array::arange<int>(24);
  CHECK(a.reshape({2, -1, 4}).shape() == Shape{2, 3, 4});
  CHECK(a.reshape({2, 12}).overlaps(a));
  CHECK(a.slice(0, 0, 1).reshape({}).rank() == 0);
  CHECK(Array::zeros<int>({0, 3}).reshape({3, 0}).shape() == Shape{3, 0});
  CHECK(Array::zeros<int>({0, 3}).reshape({-1, 3}).shape() == Shape{0, 3});

  Array every_second = a.slice(0, {}, {}, -2); // 12 elements, stride -2
  Array cut = every_second.reshape({3, 1, 4});
  CHECK(cut.overlaps(a));
  CHECK(cut.to_vector<int>() == every_second.to_vector<int>());

  Array columns = a.reshape({4, 6}).slice(1, 0, 4);
  CHECK(columns.reshape({2, 2, 2, 2}).overlaps(a));
  CHECK(columns.reshape({2, 2, 2, 2}).to_vector<int>() == columns.to_vector<int>());

  Array transposed = a.reshape({4, 6}).transpose();
  CHECK_FALSE(transposed.reshape({24}).overlaps(a)); // no strides say this: a copy
  CHECK(transposed.reshape({24}).to_vector<int>() == transposed.to_vector<int>());
  CHECK(transposed.reshape({3, 2, 4}).overlaps(a));
  CHECK(transposed.reshape({3, 2, 4}).to_vector<int>() == transposed.to_vector<int>());
}

TEST_CASE("broadcast_to repeats axes of size 1 and is read-only", "[data]") {
  Array a = Array::from({1, 2}, {2, 1});
  Array b = a.broadcast_to({3, 2, 2});
  CHECK(b.strides() == Shape{0, 1, 0});
  CHECK(b.to_vector<int>() == Ints{1, 1, 2, 2, 1, 1, 2, 2, 1, 1, 2, 2});
  CHECK_FALSE(b.is_writable());
  CHECK(a.broadcast_to({2, 1}).is_writable());
  CHECK(Array::scalar(4).broadcast_to({0, 5}).numel() == 0);
}

TEST_CASE("as_strided gives windows, read-only because they repeat elements", "[data]") {
  Array a = Array::arange<int>(4);
  Array windows = a.as_strided({3, 2}, {1, 1});
  CHECK(windows.to_vector<int>() == Ints{0, 1, 1, 2, 2, 3});
  CHECK_FALSE(windows.is_writable());
  CHECK(a.slice(0, 2).as_strided({4}, {}, -2).to_vector<int>() ==
        Ints{0, 1, 2, 3}); // the memory is known
  CHECK(a.as_strided({2}, {-1}, 1).is_writable());
}

TEST_CASE("overlaps compares the memory that is spanned", "[data]") {
  Array a = Array::arange<int>(10);
  CHECK(a.slice(0, 0, 5).overlaps(a.slice(0, 4)));
  CHECK_FALSE(a.slice(0, 0, 5).overlaps(a.slice(0, 5)));
  CHECK(a.slice(0, {}, {}, -1).overlaps(a.slice(0, 0, 1)));
  CHECK_FALSE(a.slice(0, 2, 2).overlaps(a));
}
