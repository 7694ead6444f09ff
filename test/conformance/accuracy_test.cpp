/// Sums that grow beyond the digits of their terms: of products, of rows added at one position, and
/// of data far from 0. Each is held to what exact sums give, not to the reference evaluator.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <functional>
#include <limits>
#include <utility>

#include <kroton/core.hpp>
#include <kroton/ops/scatter.hpp>

#include "test/support/catch.hpp"

using namespace kroton;

namespace {

using Size = std::int64_t;

/// An array of T whose element i is `element(i)`.
template <class T> Array filled(const Shape& shape, const std::function<double(Size)>& element) {
  Array a = Array::empty<T>(shape);
  for (Size i = 0; i < a.numel(); ++i) a.data<T>()[i] = static_cast<T>(element(i));
  return a;
}

/// Not random: 0, 1, 2 and 3 in an order without a period that a kernel may have.
double small_integer(Size i) { return static_cast<double>((i * i / 7 + i) % 4); }

/// The largest error of variances, in parts of the right ones, and of the centred elements, in
/// parts of the spread 3. Rows have `n` elements; they are along the axis.
struct Errors {
  double variance = 0, centred = 0;
};

template <class T> Errors errors_far_from_zero(double offset, Size n, int axis, bool is_known) {
  constexpr Size rows = 5;
  const Shape shape = axis == 1 ? Shape{rows, n} : Shape{n, rows};
  const Array a = filled<T>(shape, [&](Size i) { return offset + small_integer(i); });
  const Expr x = is_known ? tensor(dtype_of<T>, {shape[0], shape[1]}, "x")
                          : tensor(dtype_of<T>, {dim(), dim()}, "x");
  const Expr centred = x - mean(x, {axis}, true);
  const Function f =
      function({x}, {mean(centred * centred, {axis}), centred, mean(x, {axis}, true) - x},
               {.specialize = Specialize::off});
  const std::vector<Array> got = f({a});
  Errors worst;
  for (Size row = 0; row < rows; ++row) {
    const auto place = [&](Size i) { return axis == 1 ? row * n + i : i * rows + row; };
    long double mean = 0, variance = 0; // of what is added to the offset: exact
    for (Size i = 0; i < n; ++i) mean += small_integer(place(i));
    mean /= static_cast<long double>(n);
    for (Size i = 0; i < n; ++i) {
      const long double d = small_integer(place(i)) - mean;
      variance += d * d;
      for (const double sign : {1.0, -1.0}) {
        const auto c = static_cast<double>(got[sign > 0 ? 1 : 2].data<T>()[place(i)]);
        worst.centred = std::max(worst.centred, std::abs(c - sign * static_cast<double>(d)) / 3);
      }
    }
    variance /= static_cast<long double>(n);
    const auto right = static_cast<double>(variance),
               error = std::abs(static_cast<double>(got[0].data<T>()[row]) - right);
    worst.variance = std::max(worst.variance, right > 0 ? error / right : error);
  }
  return worst;
}

template <class T> void check_far_from_zero(std::initializer_list<double> offsets) {
  const double bound = 16 * std::numeric_limits<T>::epsilon();
  for (const double offset : offsets)
    for (const Size n : {1, 2, 3, 4, 7, 10, 16, 64, 100, 257, 1000, 5000})
      for (const int axis : {0, 1})
        for (const bool is_known : {false, true}) {
          CAPTURE(to_string(dtype_of<T>), offset, n, axis, is_known);
          const Errors e = errors_far_from_zero<T>(offset, n, axis, is_known);
          CHECK(e.variance < bound);
          CHECK(e.centred < bound);
        }
}

} // namespace

TEST_CASE("variances and centred rows keep their digits however far the data are from 0",
          "[conformance][anywhere][accuracy]") {
  check_far_from_zero<float>({1e3, 3e6, 1e7});
  check_far_from_zero<double>({1e12, 1e15});
}

TEST_CASE("a row that has no finite mean is centred as it was", "[conformance][accuracy]") {
  const float inf = std::numeric_limits<float>::infinity();
  const Expr x = matrix<float>("x");
  const Function f = function({x}, x - mean(x, {1}, true));
  const Array a = Array::from<float>({1, inf, -inf, 2, 3e38F, 3e38F}, {3, 2});
  const Array got = f({a})[0];
  CHECK(got.at<float>({0, 0}) == -inf);
  CHECK(std::isnan(got.at<float>({0, 1})));
  CHECK(std::isnan(got.at<float>({1, 0})));
  CHECK(got.at<float>({1, 1}) == inf);
  CHECK(got.at<float>({2, 0}) == -inf);
}

TEST_CASE("a gradient through a variance has the digits of the variance",
          "[conformance][accuracy]") {
  const Expr x = matrix<float>("x");
  const Expr centred = x - mean(x, {1}, true);
  const Expr normal = centred / sqrt(mean(centred * centred, {1}, true) + 1e-5F);
  const Expr cost = sum(normal * normal * normal);
  const Function f = function({x}, grad(cost, x));
  const Array near = filled<float>({4, 50}, small_integer),
              far = filled<float>({4, 50}, [](Size i) { return 3e6 + small_integer(i); });
  const Array want = f({near})[0], got = f({far})[0];
  for (Size i = 0; i < want.numel(); ++i) {
    CAPTURE(i);
    CHECK(std::abs(got.data<float>()[i] - want.data<float>()[i]) < 1e-5F);
  }
}

namespace {

/// The largest error of sums of 0.1 that are added to a table of zeros, in parts of the right ones.
double error_of_scatter(Size rows, Size count, Size width, bool is_known) {
  const auto size = [&](Size n) { return is_known ? Dim(n) : dim(); };
  const Expr table = tensor(DType::f32, {size(rows), size(width)}, "table"),
             positions = tensor(DType::i64, {size(count)}, "positions"),
             added = tensor(DType::f32, {positions.shape()[0], table.shape()[1]}, "added");
  const Function f =
      function({table, positions, added}, table + index_add(table.shape(), {positions}, added),
               {.specialize = Specialize::off});
  // Half of them at one position, a quarter at another; the others at the ends and all over.
  const auto position_of = [&](Size i) {
    return i % 2 == 0 ? rows / 2 : i % 4 == 1 ? 0 : i * 7 % rows;
  };
  const Array to = Array::zeros<float>({rows, width}),
              at = filled<std::int64_t>(
                  {count}, [&](Size i) { return static_cast<double>(position_of(i)); }),
              what = filled<float>({count, width},
                                   [&](Size i) { return 0.1 + static_cast<double>(i % width); });
  const Array got = f({to, at, what})[0];
  std::vector<double> right(static_cast<std::size_t>(rows * width));
  for (Size i = 0; i < count; ++i)
    for (Size j = 0; j < width; ++j)
      right[static_cast<std::size_t>(position_of(i) * width + j)] +=
          static_cast<double>(what.data<float>()[i * width + j]);
  double worst = 0;
  for (Size i = 0; i < rows * width; ++i) {
    const double want = right[static_cast<std::size_t>(i)];
    const double error = std::abs(static_cast<double>(got.data<float>()[i]) - want);
    worst = std::max(worst, want > 0 ? error / want : error);
  }
  return worst;
}

} // namespace

TEST_CASE("many rows that are added at one position lose no digits",
          "[conformance][anywhere][accuracy]") {
  CHECK(error_of_scatter(1, 33, 3, true) < 5e-7);
  CHECK(error_of_scatter(3, 300, 3, false) < 5e-7);
  CHECK(error_of_scatter(40, 4500, 2, true) < 5e-7);
  CHECK(error_of_scatter(3000, 4200, 1, false) < 5e-7);
  CHECK(error_of_scatter(30'000, 3000, 2, false) < 5e-7);
}

TEST_CASE("very many rows that are added at one position lose no digits",
          "[conformance][accuracy]") {
  CHECK(error_of_scatter(1, 1'000'000, 1, true) < 2e-7);
  CHECK(error_of_scatter(3, 300'000, 2, false) < 2e-7);
  CHECK(error_of_scatter(3000, 40'000, 3, false) < 2e-7);
  CHECK(error_of_scatter(5'000'000, 200'000, 1, false) < 2e-7);
}

namespace {

/// The largest error of the first elements of a product of a with b, in parts of the right ones. a
/// is 0.1 everywhere, or from [0.5, 1.5); b is 1 or 2.
double error_of_product(Size m, Size n, Size k, bool is_known, bool is_constant,
                        bool is_a_transposed = false, bool is_b_transposed = false) {
  const auto size = [&](Size d) { return is_known ? Dim(d) : dim(); };
  const Shape of_a = is_a_transposed ? Shape{k, m} : Shape{m, k},
              of_b = is_b_transposed ? Shape{n, k} : Shape{k, n};
  const Expr x = tensor(DType::f32, {size(of_a[0]), size(of_a[1])}, "a"),
             y = tensor(DType::f32, {size(of_b[0]), size(of_b[1])}, "b");
  const Function f =
      function({x, y}, dot(is_a_transposed ? transpose(x) : x, is_b_transposed ? transpose(y) : y),
               {.specialize = Specialize::off});
  std::uint32_t random = 1;
  const Array a = filled<float>(of_a, [&](Size) {
    random = random * 1664525U + 1013904223U;
    return is_constant ? 0.1 : 0.5 + static_cast<double>(random) / 4294967296.0;
  });
  const Array b = filled<float>(of_b, [](Size i) { return i % 3 == 0 ? 2 : 1; });
  const Array c = f({a, b})[0];
  double worst = 0;
  for (Size i = 0; i < std::min<Size>(m, 3); ++i)
    for (Size j = 0; j < std::min<Size>(n, 3); ++j) {
      double sum = 0;
      for (Size p = 0; p < k; ++p)
        sum += static_cast<double>(a.data<float>()[is_a_transposed ? p * m + i : i * k + p]) *
               static_cast<double>(b.data<float>()[is_b_transposed ? j * k + p : p * n + j]);
      worst =
          std::max(worst, std::abs(static_cast<double>(c.data<float>()[i * n + j]) - sum) / sum);
    }
  return worst;
}

void check_products(std::initializer_list<std::array<Size, 3>> sizes) {
  for (const auto& [m, n, k] : sizes)
    for (const bool is_known : {false, true})
      for (const bool is_constant : {false, true}) {
        CAPTURE(m, n, k, is_known, is_constant);
        CHECK(error_of_product(m, n, k, is_known, is_constant) < 1e-5);
      }
}

} // namespace

TEST_CASE("long products keep their digits", "[conformance][anywhere][accuracy]") {
  check_products({{1, 1, 50'000}, {1, 40, 20'000}, {4, 1, 70'000}, {3, 3, 9000}, {20, 20, 5000}});
}

TEST_CASE("products of any length and shape keep their digits", "[conformance][accuracy][.slow]") {
  check_products({{1, 1, Size{1} << 25},
                  {4, 1, 10'000'000},
                  {1, 4, 10'000'000},
                  {4, 4, 3'000'000},
                  {70, 1, 200'000},
                  {64, 64, 100'000},
                  {200, 300, 10'000}});
  for (const bool is_a_transposed : {false, true})
    for (const bool is_b_transposed : {false, true})
      for (const auto& [m, n, k] : {std::array<Size, 3>{1, 1, 1'000'000},
                                    {4, 4, 1'000'000},
                                    {4, 40, 200'000},
                                    {40, 4, 200'000},
                                    {70, 90, 20'000}}) {
        CAPTURE(m, n, k, is_a_transposed, is_b_transposed);
        CHECK(error_of_product(m, n, k, false, true, is_a_transposed, is_b_transposed) < 4e-6);
      }
}

TEST_CASE("the dot of two long vectors has the digits of the sum of their products",
          "[conformance][accuracy]") {
  constexpr Size n = Size{1} << 22;
  const Expr v = vector<float>("v"), w = vector<float>("w");
  const Function f = function({v, w}, {dot(v, w), sum(v * w)});
  const std::vector<Array> got =
      f({filled<float>({n}, [](Size) { return 0.1; }), filled<float>({n}, [](Size) { return 1; })});
  const double right = static_cast<double>(0.1F) * static_cast<double>(n);
  for (const Array& a : got)
    CHECK(std::abs(static_cast<double>(a.data<float>()[0]) / right - 1) < 1e-6);
}

namespace {

/// How an operand reads the array that it is a view of.
enum class Read { dense, reversed_axes, every_other, backwards };

/// Sums over some axes of a tensor. Of what each element of the result adds up, the first is 2^24
/// and all others are 1, which plain f32 would lose.
class SumOverAxes {
public:
  SumOverAxes(Shape shape, std::vector<int> axes, Read read)
      : shape_(std::move(shape)), axes_(std::move(axes)), read_(read) {
    array_ = Array::empty<float>(shape_of_array());
    for (Size i = 0; i < array_.numel(); ++i) array_.data<float>()[i] = 1;
    walk([&](float& element, bool is_first) { element = is_first ? 0x1p24F : 1; });
    for (const int axis : axes_) added_ *= shape_[static_cast<std::size_t>(axis)];
  }

  std::vector<Array> run(bool is_known, bool is_mean = false) const {
    std::vector<Dim> dims;
    for (const Size n : array_.shape()) dims.push_back(is_known ? Dim(n) : dim());
    const Expr x = tensor(DType::f32, dims, "x");
    const Expr y = view_of(x);
    const Function f =
        function({x}, is_mean ? mean(y, axes_) : sum(y, axes_), {.specialize = Specialize::off});
    return f({array_});
  }
  /// In parts of the right sum.
  double error(const Array& got) const {
    const double right = 0x1p24 + static_cast<double>(added_ - 1);
    double worst = 0;
    for (Size i = 0; i < got.numel(); ++i)
      worst = std::max(worst, std::abs(static_cast<double>(got.data<float>()[i]) / right - 1));
    return worst;
  }

private:
  Shape shape_of_array() const {
    Shape shape = shape_;
    if (read_ == Read::reversed_axes) std::ranges::reverse(shape);
    if (read_ == Read::every_other)
      for (Size& n : shape) n = 2 * n + 1;
    return shape;
  }
  Expr view_of(const Expr& x) const {
    if (read_ == Read::reversed_axes) return transpose(x);
    if (read_ == Read::dense) return x;
    const std::vector<Range> ranges(shape_.size(), read_ == Read::every_other ? Range{1, {}, 2}
                                                                              : Range{{}, {}, -1});
    return slice(x, ranges);
  }
  /// Calls `f` with each element that is read.
  template <class F> void walk(F f) {
    const Shape& own = array_.shape();
    Shape position(shape_.size(), 0);
    for (bool is_done = array_.numel() == 0; !is_done;) {
      Size at = 0;
      for (std::size_t i = 0; i < own.size(); ++i) {
        const std::size_t a = read_ == Read::reversed_axes ? own.size() - 1 - i : i;
        const Size p = read_ == Read::every_other ? 2 * position[a] + 1
                       : read_ == Read::backwards ? own[i] - 1 - position[a]
                                                  : position[a];
        at = at * own[i] + p;
      }
      f(array_.data<float>()[at], std::ranges::all_of(axes_, [&](int a) {
          return position[static_cast<std::size_t>(a)] == 0;
        }));
      is_done = true;
      for (std::size_t a = shape_.size(); is_done && a-- > 0;) {
        is_done = ++position[a] == shape_[a];
        if (is_done) position[a] = 0;
      }
    }
  }

  Shape shape_;
  std::vector<int> axes_;
  Read read_;
  Size added_ = 1;
  Array array_;
};

/// Shapes of a rank whose reduced axes have some 20,000 elements together.
std::vector<Shape> shapes_for(int rank, const std::vector<int>& axes) {
  const std::array<Shape, 4> lengths = {Shape{20'000}, Shape{160, 125}, Shape{20, 25, 40},
                                        Shape{20, 5, 10, 20}};
  const auto filled_up = [&](const Shape& reduced, Size kept) {
    Shape shape(static_cast<std::size_t>(rank), kept);
    for (std::size_t i = 0; i < axes.size(); ++i)
      shape[static_cast<std::size_t>(axes[i])] = reduced[i];
    return shape;
  };
  std::vector<Shape> shapes = {filled_up(lengths[axes.size() - 1], 3)};
  if (axes.size() == 1) shapes.push_back(filled_up({20'000}, rank == 2 ? 70 : 5));
  if (axes.size() == 2) shapes.push_back(filled_up({6000, 3}, 2));
  return shapes;
}

std::vector<std::vector<int>> axes_of(int rank) {
  std::vector<std::vector<int>> all;
  for (int bits = 1; bits < 1 << rank; ++bits) {
    std::vector<int> axes;
    for (int a = 0; a < rank; ++a)
      if (bits >> a & 1) axes.push_back(a);
    all.push_back(std::move(axes));
  }
  return all;
}

void check_sums(int rank, const std::vector<int>& axes, std::initializer_list<Read> reads) {
  for (const Shape& shape : shapes_for(rank, axes))
    for (const Read read : reads) {
      CAPTURE(shape, axes, read);
      const SumOverAxes sum(shape, axes, read);
      const Array any = sum.run(false)[0], known = sum.run(true)[0];
      // The partial sum that holds 2^24 loses what else it adds up: at most a stretch's 256.
      CHECK(sum.error(any) < 256 * 0x1p-24);
      CHECK(sum.error(known) < 256 * 0x1p-24);
    }
}

} // namespace

TEST_CASE("sums over any axes keep their digits", "[conformance][accuracy]") {
  for (int rank = 1; rank <= 3; ++rank)
    for (const std::vector<int>& axes : axes_of(rank))
      check_sums(rank, axes, {Read::dense, Read::reversed_axes});
  for (const std::vector<int>& axes : {std::vector<int>{1}, {0, 2}, {1, 3}, {1, 2}})
    check_sums(4, axes, {Read::dense, Read::every_other, Read::backwards});
}

TEST_CASE("sums over any axes, however they are read", "[conformance][accuracy][.slow]") {
  for (int rank = 1; rank <= 4; ++rank)
    for (const std::vector<int>& axes : axes_of(rank))
      check_sums(rank, axes,
                 {Read::dense, Read::reversed_axes, Read::every_other, Read::backwards});
}

TEST_CASE("a mean over a long middle axis keeps its digits", "[conformance][accuracy]") {
  const Expr x = tensor(DType::f32, {2, dim(), 3}, "x"),
             y = tensor(DType::f32, {2, dim(), 40}, "y");
  const Function f = function({x, y}, {mean(x, {1}), sum(y, {1}), mean(y * y, {0, 1})},
                              {.specialize = Specialize::off});
  const auto tenth = [](Size) { return 0.1; };
  const std::vector<Array> got =
      f({filled<float>({2, 1'000'000, 3}, tenth), filled<float>({2, 100'000, 40}, tenth)});
  const auto each = static_cast<double>(0.1F);
  const std::array<double, 3> right = {each, each * 100'000, each * each};
  for (std::size_t k = 0; k < right.size(); ++k)
    for (Size i = 0; i < got[k].numel(); ++i)
      CHECK(std::abs(static_cast<double>(got[k].data<float>()[i]) / right[k] - 1) < 1e-6);
}
