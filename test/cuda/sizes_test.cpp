/// Sizes of calls on a device: refused as on the host where an int64 does not hold them, and where
/// the device has no memory for them; exact comparisons and positions, too.
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "test/cuda/on_fakes.hpp"

namespace kroton::test {
namespace {

constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();

} // namespace

TEST_CASE("a device's calls refuse sizes that an int64 does not hold, and go on", "[cuda][sizes]") {
  const OnFakes fakes;
  const Expr s = scalar<float>("s"), k = scalar<std::int64_t>("k"), j = scalar<std::int64_t>("j");
  const Dim rows = arange(k).shape()[0], columns = arange(j).shape()[0];
  const Expr spread = broadcast_to(s, {rows, columns}) * cast<float>(arange(j));
  const Function f = function(
      {s, k, j}, {sum(exp(spread), {1}), dot(spread, transpose(spread)), reshape(spread, {-1})},
      on_cuda());
  for (const auto& [rows_asked, columns_asked] : std::vector<std::pair<std::int64_t, std::int64_t>>{
           {std::int64_t{1} << 32, std::int64_t{1} << 32},
           {highest, 2},
           {4294967297, 4294967295}}) {
    const std::string text = error_of<ShapeError>([&] {
      f({Array(1.0F), Array(rows_asked), Array(columns_asked)});
    });
    INFO(text);
    CHECK(text.find("more bytes than an int64 counts") != text.npos);
    CHECK(text.find("sizes_test.cpp:") != text.npos);
  }
  const std::string text = error_of<DeviceError>([&] {
    f({Array(1.0F), Array(std::int64_t{1} << 30), Array(std::int64_t{4})});
  });
  INFO(text);
  CHECK(text.find("has no memory for") != text.npos);
  CHECK(f({Array(1.0F), Array(std::int64_t{2}), Array(std::int64_t{3})})[2].to_vector<float>() ==
        std::vector<float>{0, 1, 2, 0, 1, 2});
}

TEST_CASE("a device compares u64 with signed integers exactly and bounds positions in u64",
          "[cuda][sizes]") {
  const OnFakes fakes;
  const Expr a = vector<std::int64_t>("a"), b = vector<std::uint64_t>("b"), x = vector<float>("x");
  const Array left = Array::from<std::int64_t>({-1, 9007199254740993, highest, 0}),
              right = Array::from<std::uint64_t>(
                  {18446744073709551615ULL, 9007199254740992ULL, 9223372036854775808ULL, 0});
  const std::vector<Expr> outputs = {a<b, a <= b, a == b, a != b, a> b, a >= b, b<5, b> - 1};
  const auto got = function({a, b}, outputs, on_cuda())({left, right}),
             wanted = function({a, b}, outputs, on_cpu())({left, right});
  for (std::size_t i = 0; i < outputs.size(); ++i) CHECK(equal(got[i], wanted[i]));
  CHECK(got[0].to_vector<bool>() == std::vector<bool>{true, false, true, false});
  const Function picks = function({x, b}, {index(x, {b})}, on_cuda());
  const Array three = ramp({3});
  CHECK_THROWS_AS(picks({three, Array::from<std::uint64_t>({18446744073709551615ULL})}),
                  IndexError);
  CHECK(picks({three, Array::from<std::uint64_t>({2})})[0].item<float>() == three.at<float>({2}));
}

TEST_CASE("two outputs on a device need memory of their own", "[cuda][sizes]") {
  const OnFakes fakes;
  const Expr x = vector<float>("x");
  const Function f = function({x}, {x + 1, x * 2}, on_cuda());
  const Array a = ramp({6}), given = to_device(Array::zeros<float>({12}), parse_device("cuda"));
  CHECK_THROWS_AS(f.call_into({a}, {given.slice(0, 0, 6), given.slice(0, 5, 11)}), ShapeError);
  f.call_into({a}, {given.slice(0, 0, 12, 2), given.slice(0, 1, 12, 2)});
  CHECK(all_close(given.slice(0, 1, 12, 2), function({x}, {x * 2}, on_cpu())({a})[0]));
}

TEST_CASE("a device's call checks that the axis of argmax is not empty", "[cuda][sizes]") {
  const OnFakes fakes;
  const Expr m = matrix<float>("m");
  const Function f = function({m}, {argmax(m)}, on_cuda());
  CHECK(error_of<ShapeError>([&] {
          f({Array::zeros<float>({2, 0})});
        }).starts_with("argmax: axis 1 of m f32[?,?] is empty in this call of f"));
  CHECK(f({ramp({2, 3})})[0].to_vector<std::int64_t>() == std::vector<std::int64_t>{2, 2});
}

} // namespace kroton::test
