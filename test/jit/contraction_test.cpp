/// The texts of matrix products, compiled and called as the driver calls them.
#include <algorithm>
#include <cstring>
#include <map>
#include <random>

#include "codegen/product/contraction.hpp"
#include "jit/cpu/runtime.hpp"
#include "test/jit/cpu_support.hpp"
#include "test/support/catch.hpp"

using namespace kroton;
using namespace kroton::codegen;

namespace {

using Size = std::int64_t;
using Sizes = ContractionSizes<Size>;

enum class Layout { straight, transposed, strided };

struct Case {
  Size m, n, k;
  Layout a, b;
  bool accumulates = false;
  Size padding = 0; ///< elements behind each row of c
};

Sizes sizes_of(const Case& c) {
  Sizes s{.m = c.m, .n = c.n, .k = c.k, .c_row = c.n + c.padding};
  const auto strides = [](Layout layout, Size rows, Size cols) {
    return layout == Layout::straight     ? std::pair(cols, Size{1})
           : layout == Layout::transposed ? std::pair(Size{1}, rows)
                                          : std::pair(2 * cols + 3, Size{2});
  };
  std::tie(s.a_row, s.a_col) = strides(c.a, c.m, c.k);
  std::tie(s.b_row, s.b_col) = strides(c.b, c.k, c.n);
  return s;
}

ContractionShape known_shape(DType dtype, const jit::CpuTarget& target, const Case& c) {
  const Sizes s = sizes_of(c);
  return {dtype,
          c.accumulates,
          target.vector_bytes,
          {s.m, s.n, s.k, s.a_row, s.a_col, s.b_row, s.b_col, s.c_row}};
}

/// What is known when all dims are symbols: that the elements of dense operands are adjacent.
ContractionShape open_shape(DType dtype, const jit::CpuTarget& target, const Case& c) {
  ContractionShape shape{dtype, c.accumulates, target.vector_bytes};
  if (c.a == Layout::straight) shape.known.a_col = 1;
  if (c.a == Layout::transposed) shape.known.a_row = 1;
  if (c.b == Layout::straight) shape.known.b_col = 1;
  if (c.b == Layout::transposed) shape.known.b_row = 1;
  return shape;
}

/// Modules of the texts met so far: open shapes are met often.
class Kernels {
public:
  explicit Kernels(std::string_view target) : target(jit::CpuTarget::parse(target)) {}

  using Entry = void(const jit::Runtime*, void* const*, const Size*);
  Entry* get(const ContractionShape& shape, ContractionScheme scheme) {
    const std::string text = render_contraction(shape, schedule_for_cpu(shape, scheme)).text;
    auto it = modules_.find(text);
    if (it == modules_.end()) it = modules_.emplace(text, test::build(text, target)).first;
    return test::function_of<Entry>(it->second, "kernel");
  }

  const jit::CpuTarget target;

private:
  std::map<std::string, jit::Module> modules_;
};

template <class T> struct Operands {
  explicit Operands(const Case& c) : sizes(sizes_of(c)) {
    std::minstd_rand random(7);
    const auto fill = [&](std::vector<T>& v, Size length) {
      v.resize(static_cast<std::size_t>(length));
      for (T& x : v) x = static_cast<T>(static_cast<int>(random() % 17) - 8);
    };
    fill(a, (2 * c.k + 3) * (c.m + 1) + 3);
    fill(b, (2 * c.n + 3) * (c.k + 1) + 3);
    fill(so_far, c.m * sizes.c_row + 64); // with what must not be written to behind it
  }

  /// Small integers: every order of summation gives the same, exactly.
  std::vector<T> expected(bool accumulates) const {
    std::vector<T> c = so_far;
    for (Size i = 0; i < sizes.m; ++i)
      for (Size j = 0; j < sizes.n; ++j) {
        T sum = 0;
        for (Size p = 0; p < sizes.k; ++p)
          sum = static_cast<T>(sum +
                               a[static_cast<std::size_t>(i * sizes.a_row + p * sizes.a_col)] *
                                   b[static_cast<std::size_t>(p * sizes.b_row + j * sizes.b_col)]);
        T& to = c[static_cast<std::size_t>(i * sizes.c_row + j)];
        to = static_cast<T>(accumulates ? to + alpha * sum : sum);
      }
    return c;
  }

  std::vector<T> run(Kernels& kernels, const ContractionShape& shape, ContractionScheme scheme,
                     int threads = 1) const {
    std::vector<T> c = so_far;
    const auto bytes =
        static_cast<std::size_t>(contraction_work_bytes(shape, scheme, sizes, threads));
    std::vector<std::byte> work(bytes + 128, std::byte{0x5a});
    auto* aligned = reinterpret_cast<std::byte*>(
        (reinterpret_cast<std::uintptr_t>(work.data()) + 63) / 64 * 64);
    void* buffers[] = {const_cast<T*>(a.data()), const_cast<T*>(b.data()), c.data(),
                       const_cast<T*>(&alpha), aligned};
    jit::CallRuntime runtime(threads);
    kernels.get(shape, scheme)(runtime.table(), buffers, sizes.in_order().data());
    const bool is_within = std::all_of(aligned + bytes, work.data() + work.size(),
                                       [](std::byte x) { return x == std::byte{0x5a}; });
    CHECK(is_within);
    return c;
  }

  Sizes sizes;
  T alpha = 2;
  std::vector<T> a, b, so_far;
};

template <class T> void check(Kernels& kernels, const Case& c) {
  CAPTURE(c.m, c.n, c.k, static_cast<int>(c.a), static_cast<int>(c.b), c.accumulates);
  const Operands<T> operands(c);
  const ContractionShape known = known_shape(dtype_of<T>, kernels.target, c),
                         open = open_shape(dtype_of<T>, kernels.target, c);
  const ContractionScheme scheme = contraction_scheme(known, operands.sizes);
  CHECK(possible_schemes(known) == std::vector{scheme});
  CHECK(std::ranges::count(possible_schemes(open), scheme) == 1);
  const std::vector<T> expected = operands.expected(c.accumulates);
  CHECK(operands.run(kernels, known, scheme) == expected);
  CHECK(operands.run(kernels, open, scheme) == expected);
}

constexpr Case cases[] = {
    {1, 1, 1, Layout::straight, Layout::straight},
    {32, 30, 16, Layout::straight, Layout::straight},
    {5, 33, 0, Layout::straight, Layout::straight},
    {13, 47, 9, Layout::transposed, Layout::straight, true},
    {32, 30, 10, Layout::straight, Layout::transposed},
    {3, 70, 20, Layout::strided, Layout::strided, true},
    {1, 150, 40, Layout::straight, Layout::straight},
    {30, 10, 32, Layout::transposed, Layout::straight},
    {53, 10, 37, Layout::transposed, Layout::straight, true},
    {33, 10, 200, Layout::straight, Layout::straight},
    {21, 7, 133, Layout::straight, Layout::transposed, true},
    {9, 1, 300, Layout::straight, Layout::straight},
    {32, 30, 16, Layout::straight, Layout::straight, false, 2},
    {33, 10, 200, Layout::straight, Layout::straight, false, 6},
    {30, 10, 32, Layout::transposed, Layout::straight, false, 6},
};

constexpr Case large_cases[] = {
    {270, 261, 260, Layout::straight, Layout::straight},
    {193, 90, 1100, Layout::transposed, Layout::transposed, true},
    {60, 530, 590, Layout::strided, Layout::strided},
    {95, 405, 520, Layout::transposed, Layout::straight, false, 11},
    {33, 70, 8001, Layout::straight, Layout::straight, false, 3},
    {17, 600, 4000, Layout::transposed, Layout::straight, true, 1},
    {2100, 33, 3900, Layout::straight, Layout::transposed},
};

/// Sums that are made in blocks and in parts, by each scheme but the packed one.
constexpr Case long_cases[] = {
    {1, 1, 9001, Layout::straight, Layout::straight},
    {3, 20, 5000, Layout::straight, Layout::straight, true, 3},
    {19, 21, 4097, Layout::straight, Layout::transposed, true},
    {4, 4, 12288, Layout::transposed, Layout::straight, false, 2},
    {40, 3, 4100, Layout::transposed, Layout::straight, true, 2},
    {21, 7, 8195, Layout::straight, Layout::straight, true, 1},
    {21, 7, 8192, Layout::straight, Layout::transposed},
    {5, 33, 1300, Layout::strided, Layout::strided},
    {70, 3, 700, Layout::transposed, Layout::straight},
};

} // namespace

TEST_CASE("products are right for every scheme, with sizes known and unknown",
          "[jit][contraction]") {
  Kernels kernels("host");
  for (const Case& c : cases) {
    check<float>(kernels, c);
    check<double>(kernels, c);
  }
  for (const Case& c : large_cases) check<float>(kernels, c);
  for (const Case& c : long_cases) check<float>(kernels, c);
  for (std::size_t i : {1, 2, 3, 5}) check<double>(kernels, long_cases[i]);
  check<double>(kernels, large_cases[1]);
}

TEST_CASE("products of integers wrap", "[jit][contraction]") {
  Kernels kernels("host");
  check<std::int8_t>(kernels, {9, 70, 40, Layout::straight, Layout::transposed});
  check<std::int64_t>(kernels, {9, 11, 40, Layout::transposed, Layout::straight});
}

TEST_CASE("products are right on targets with narrower vectors", "[jit][contraction]") {
  for (const char* target : {"v2", "v3"}) {
    if (!jit::CpuTarget::parse(target).runs_here()) continue;
    CAPTURE(target);
    Kernels kernels(target);
    for (std::size_t i : {2, 3, 4, 8, 9}) check<float>(kernels, cases[i]);
    check<double>(kernels, cases[8]);
    for (std::size_t i : {2, 3, 4, 5}) check<float>(kernels, long_cases[i]);
    check<float>(kernels, large_cases[1]);
  }
}

TEST_CASE("sums have one order, whatever is known and however many threads there are",
          "[jit][contraction]") {
  Kernels kernels("host");
  for (Case c : {Case{32, 30, 30, Layout::straight, Layout::transposed, true},
                 Case{600, 10, 784, Layout::straight, Layout::straight},
                 Case{784, 10, 600, Layout::transposed, Layout::straight, true},
                 Case{200, 400, 1300, Layout::straight, Layout::straight},
                 Case{7, 50, 9000, Layout::straight, Layout::transposed, true},
                 Case{9, 5, 30000, Layout::transposed, Layout::straight},
                 Case{70, 80, 9000, Layout::straight, Layout::straight, true},
                 Case{90, 5, 9000, Layout::straight, Layout::straight, true},
                 Case{1, 1, 100000, Layout::straight, Layout::straight}}) {
    CAPTURE(c.m, c.n, c.k);
    Operands<float> operands(c);
    std::minstd_rand random(3);
    for (auto* v : {&operands.a, &operands.b})
      for (float& x : *v) x = static_cast<float>(random()) / 2147483648.0f - 0.5f;
    const ContractionShape known = known_shape(DType::f32, kernels.target, c),
                           open = open_shape(DType::f32, kernels.target, c);
    const ContractionScheme scheme = contraction_scheme(known, operands.sizes);
    const auto one = operands.run(kernels, known, scheme);
    const auto has_same_bits = [&](const std::vector<float>& other) {
      return std::memcmp(one.data(), other.data(), one.size() * sizeof(float)) == 0;
    };
    CHECK(has_same_bits(operands.run(kernels, open, scheme)));
    CHECK(has_same_bits(operands.run(kernels, known, scheme, 3)));
    CHECK(has_same_bits(operands.run(kernels, open, scheme, 2)));
  }
}

namespace {

/// The largest error of an element, relative to the sum of its products' magnitudes, among the
/// first elements of c. Elements of a and b are `first`, or from [first, first + 1).
double largest_error(Kernels& kernels, const Case& c, float first, bool is_random) {
  Operands<float> operands(c);
  std::minstd_rand random(5);
  for (auto* v : {&operands.a, &operands.b})
    for (float& x : *v)
      x = first + (is_random ? static_cast<float>(random()) / 2147483648.0f : 0.0f);
  const ContractionShape open = open_shape(DType::f32, kernels.target, c);
  const std::vector<float> is =
      operands.run(kernels, open, contraction_scheme(open, operands.sizes));
  const Sizes& s = operands.sizes;
  double largest = 0;
  for (Size i = 0; i < std::min<Size>(c.m, 3); ++i)
    for (Size j = 0; j < std::min<Size>(c.n, 3); ++j) {
      double sum = 0, magnitude = 0;
      for (Size p = 0; p < c.k; ++p) {
        const double term =
            static_cast<double>(operands.a[static_cast<std::size_t>(i * s.a_row + p * s.a_col)]) *
            static_cast<double>(operands.b[static_cast<std::size_t>(p * s.b_row + j * s.b_col)]);
        sum += term;
        magnitude += std::abs(term);
      }
      const double error = std::abs(is[static_cast<std::size_t>(i * s.c_row + j)] - sum);
      largest = std::max(largest, error / magnitude);
    }
  return largest;
}

/// Products with these k that have at most `most` products of elements, in each layout.
void check_errors(std::initializer_list<Size> ks, Size most) {
  using enum Layout;
  for (const char* target : {"host", "v3"}) {
    if (!jit::CpuTarget::parse(target).runs_here()) continue;
    Kernels kernels(target);
    for (const Size k : ks)
      for (const auto& [m, n] : {std::pair<Size, Size>{1, 1},
                                 {1, 4},
                                 {4, 1},
                                 {4, 4},
                                 {2, 40},
                                 {20, 3},
                                 {17, 33},
                                 {64, 64}}) {
        if (m * n * k > most) continue;
        for (const Layout a : {straight, transposed})
          for (const Layout b : {straight, transposed}) {
            CAPTURE(target, m, n, k, static_cast<int>(a), static_cast<int>(b));
            const Case c{m, n, k, a, b};
            const bool has_one_column = n == 1 && a == straight; // vectors run along k
            CHECK(largest_error(kernels, c, 0.1f, false) < (has_one_column ? 1e-6 : 2e-6));
            CHECK(largest_error(kernels, c, 1.0f, true) < 2e-6);
            CHECK(largest_error(kernels, c, -0.5f, true) < 1e-6);
          }
      }
  }
}

} // namespace

TEST_CASE("sums of many products are as right as sums of few", "[jit][contraction]") {
  check_errors({1, 100, 513, 4096, 4097, 100'000, Size{1} << 20}, Size{1} << 22);
}

TEST_CASE("sums of very many products are as right as sums of few", "[jit][contraction][.slow]") {
  check_errors({10'000, 1'000'000, Size{1} << 22, Size{1} << 24}, Size{1} << 28);
}

TEST_CASE("what is not known decides which texts a product needs", "[jit][contraction]") {
  using enum ContractionScheme;
  ContractionShape shape{.dtype = DType::f32, .vector_bytes = 64};
  CHECK(possible_schemes(shape) == std::vector{rows, columns, dots, packed});
  shape.known.n = 10;
  shape.known.a_col = 1;
  CHECK(possible_schemes(shape) == std::vector{rows, dots});
  shape.known.k = 30;
  CHECK(possible_schemes(shape) == std::vector{rows});
  shape.known.n = shape.known.k = 500;
  CHECK(possible_schemes(shape) == std::vector{rows, packed});
  shape.known.m = 100;
  CHECK(possible_schemes(shape) == std::vector{packed});
  shape.dtype = DType::i32;
  CHECK(possible_schemes(shape) == std::vector{rows});
}
