/// Arrays of bool whose bytes somebody else wrote: true unless they are 0, for every way to read
/// them but a pointer.
#include <kroton/array.hpp>

#include <utility>
#include <vector>

#include "lib/data/dlpack.hpp"
#include "test/support/catch.hpp"

using namespace kroton;

namespace {

const unsigned char foreign[] = {0, 1, 2, 3, 0x7f, 0x80, 0xff, 0};
const std::vector<bool> meant{false, true, true, true, true, true, true, false};

Array view(const Shape& shape = {8}, const Shape& strides = {}) {
  return Array::view(DType::bool_, static_cast<const void*>(foreign), shape, strides);
}

std::vector<int> bytes_of(const Array& a) {
  const auto* bytes = static_cast<const unsigned char*>(std::as_const(a).raw());
  return {bytes, bytes + a.numel()};
}

} // namespace

TEST_CASE("copies of foreign bools hold 0 and 1 alone", "[data]") {
  const std::vector<int> bits(meant.begin(), meant.end());
  CHECK(bytes_of(view().copy()) == bits);
  CHECK(bytes_of(view().astype(DType::bool_)) == bits);
  CHECK(bytes_of(view().astype(DType::u8)) == bits);
  CHECK(bytes_of(view({4, 2}, {1, 4}).contiguous()) == std::vector{0, 1, 1, 1, 1, 1, 1, 0});
  CHECK(bytes_of(view({2, 4}).transpose().contiguous()) == std::vector{0, 1, 1, 1, 1, 1, 1, 0});
  Array rows = Array::zeros<bool>({8, 2});
  copy_elements(rows.slice(1, 0, 1).reshape({8}), view());
  CHECK(bytes_of(rows) == std::vector{0, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 0, 0});
}

TEST_CASE("foreign bools read, convert, compare and print as true or false", "[data]") {
  CHECK(view().to_vector<bool>() == meant);
  CHECK(view().astype<float>().to_vector<float>() == std::vector<float>{0, 1, 1, 1, 1, 1, 1, 0});
  CHECK(view().astype<std::int64_t>().to_vector<std::int64_t>() ==
        std::vector<std::int64_t>{0, 1, 1, 1, 1, 1, 1, 0});
  CHECK(equal(view(), Array::from(meant)));
  CHECK(!equal(view(), Array::zeros<bool>({8})));
  CHECK(all_close(view(), Array::from(meant)));
  CHECK(view().to_string() == Array::from(meant).to_string());
  for (std::size_t i = 0; i < meant.size(); ++i)
    CHECK(view().slice(0, std::int64_t(i), std::int64_t(i) + 1).item<bool>() == meant[i]);
}
