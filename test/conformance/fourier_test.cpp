/// Fourier transforms of every length against sums as they are defined.
#include <cmath>
#include <numbers>

#include <kroton/core.hpp>
#include <kroton/grad.hpp>
#include <kroton/ops/fourier.hpp>

#include "test/conformance/arrays.hpp"
#include "test/conformance/oracle.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

Array numbers(DType t, const Shape& shape, std::uint64_t seed) {
  Rng rng(seed);
  Array a = Array::empty<double>(shape);
  for (std::int64_t i = 0; i < a.numel(); ++i) a.data<double>()[i] = rng.uniform(-1, 1);
  return a.astype(t);
}

/// The largest difference of two arrays.
double distance(const Array& a, const Array& b) {
  REQUIRE(a.shape() == b.shape());
  const auto x = a.astype(DType::f64).to_vector<double>(),
             y = b.astype(DType::f64).to_vector<double>();
  double most = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double d = std::abs(x[i] - y[i]);
    most = d > most || d != d ? d : most;
  }
  return most;
}

/// The sums for lines of a [lines, n] array: parts, real or imaginary.
Array sums(const Array& re, const Array& im, bool wants_re, double sign) {
  const auto x = re.astype(DType::f64).to_vector<double>(),
             y = im.astype(DType::f64).to_vector<double>();
  Array out = Array::empty<double>(re.shape());
  const std::int64_t n = re.shape()[1];
  for (std::int64_t i = 0; i < out.numel(); ++i) {
    const std::int64_t first = i / n * n, k = i % n;
    long double s = 0;
    for (std::int64_t j = 0; j < n; ++j) {
      const long double angle = sign * 2 * std::numbers::pi_v<long double> *
                                static_cast<long double>(j * k % n) / static_cast<long double>(n);
      const auto at = static_cast<std::size_t>(first + j);
      const long double c = std::cos(angle), d = std::sin(angle);
      s += wants_re ? x[at] * c - y[at] * d : x[at] * d + y[at] * c;
    }
    out.data<double>()[i] = static_cast<double>(s);
  }
  return out;
}

} // namespace

TEST_CASE("transforms of every length equal their sums", "[conformance][fourier]") {
  for (DType t : {DType::f32, DType::f64}) {
    const Expr x = tensor(t, {dim(), dim("n")}, "x"), y = tensor(t, {dim(), dim("n")}, "y");
    const Spectrum z = fft({x, y}), back = ifft(z), half = rfft(x);
    const Function f =
        function({x, y}, {z.re, z.im, back.re, back.im, half.re, half.im, irfft(half, x.dim(1)),
                          ifft({x, y}, -1, FourierNorm::forward).re});
    CHECK(z.re.dtype() == t);
    std::vector<std::int64_t> lengths{64, 97, 100, 128, 337};
    for (std::int64_t n = 1; n <= 40; ++n) lengths.push_back(n);
    for (const std::int64_t n : lengths) {
      INFO(to_string(t) << " of length " << n);
      const Shape shape{n % 11 + 1, n};
      const Array a = numbers(t, shape, 1), b = numbers(t, shape, 2);
      const auto got = f({a, b});
      const double within =
          (t == DType::f32 ? 0x1p-23 : 0x1p-52) * std::sqrt(static_cast<double>(n)) * 8;
      CHECK(distance(got[0], sums(a, b, true, -1)) <= within);
      CHECK(distance(got[1], sums(a, b, false, -1)) <= within);
      CHECK(distance(got[2], a) <= within);
      CHECK(distance(got[3], b) <= within);
      const Array none = Array::zeros(t, shape);
      const Array re = sums(a, none, true, -1), im = sums(a, none, false, -1);
      REQUIRE(got[4].shape() == Shape{shape[0], n / 2 + 1});
      for (std::int64_t i = 0; i < shape[0]; ++i)
        for (std::int64_t k = 0; k <= n / 2; ++k) {
          const auto at = static_cast<std::size_t>(i * (n / 2 + 1) + k);
          const std::int64_t there = i * n + k;
          CHECK(std::abs(got[4].astype(DType::f64).to_vector<double>()[at] -
                         re.data<double>()[there]) <= within);
          CHECK(std::abs(got[5].astype(DType::f64).to_vector<double>()[at] -
                         im.data<double>()[there]) <= within);
        }
      CHECK(distance(got[6], a) <= within);
      CHECK(distance(got[7], sums(a, b, true, 1)) <= within);
    }
  }
}

TEST_CASE("transforms along other axes, of views, and their gradients", "[conformance][fourier]") {
  const Expr x = matrix<double>("x"), y = matrix<double>("y");
  const Spectrum first = fft({x, y}, 0), turned = fft({transpose(x), transpose(y)}),
                 both = ifft2(fft2({x, y}, {-2, -1}, FourierNorm::ortho), {-2, -1},
                              FourierNorm::ortho);
  const Expr power = sum(first.re * first.re + first.im * first.im);
  const auto got =
      function({x, y}, {first.re, transpose(turned.re), both.re, both.im, grad(power, x), power,
                        sum(x * x + y * y), ifftshift(fftshift(x))})(
          {numbers(DType::f64, {6, 5}, 1), numbers(DType::f64, {6, 5}, 2)});
  const Array a = numbers(DType::f64, {6, 5}, 1), b = numbers(DType::f64, {6, 5}, 2);
  CHECK(distance(got[0], got[1]) <= 1e-14);
  CHECK(distance(got[2], a) <= 1e-14);
  CHECK(distance(got[3], b) <= 1e-14);
  const Array twice = function({x}, 2 * 6 * x)({a})[0]; // by Parseval's theorem
  CHECK(distance(got[4], twice) <= 1e-13);
  CHECK(std::abs(got[5].item<double>() - 6 * got[6].item<double>()) <= 1e-12);
  CHECK(distance(got[7], a) == 0);
}

TEST_CASE("frequencies and errors of transforms", "[conformance][fourier]") {
  const auto got = function({}, {fftfreq(5, 0.5), rfftfreq(4), fftshift(arange(5))})({});
  CHECK(distance(got[0], Array::from<double>({0, 0.4, 0.8, -0.8, -0.4}, {5})) <= 1e-15);
  CHECK(distance(got[1], Array::from<double>({0, 0.25, 0.5}, {3})) == 0);
  CHECK(distance(got[2], Array::from<std::int64_t>({3, 4, 0, 1, 2}, {5})) == 0);
  CHECK_THROWS_AS(rfft(scalar<double>("x")), ShapeError);
  CHECK_THROWS_AS(rfft(tensor(DType::f64, {3, 0}, "x")), ShapeError);
  const Expr x = vector<double>("x");
  const Function f = function({x}, rfft(x).re);
  CHECK_THROWS_AS(f({Array::zeros(DType::f64, {0})}), ShapeError);
}

} // namespace kroton::test
