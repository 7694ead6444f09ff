// Each function of the prelude on vectors, lane for lane against the same function on scalars,
// compiled as kernels are.
#include "test/codegen/prelude_kernels.hpp"
#include "test/codegen/prelude_samples.hpp"
#include "test/codegen/row_functions.hpp"
#include "test/support/catch.hpp"

#include <cstring>
#include <fmt/format.h>
#include <string>
#include <type_traits>
#include <vector>

using namespace kroton;
using kroton::test::SampleStream;

namespace {

/// Calls `f` for every N elements of the arrays; those that remain are left alone.
constexpr std::string_view apply_text = R"(
template <int N, class R, class T, class Function>
void apply(R* to, const T* a, const T* b, i64 n, Function f) {
  for (i64 i = 0; i + N <= n; i += N) {
    if constexpr (N == 1) {
      to[i] = f(a[i], b[i]);
    } else {
      const auto y = f(load_from<N>(a + i), load_from<N>(b + i));
      static_assert(__is_same(decltype(y), const vec<R, N>));
      store_to(to + i, y);
    }
  }
}
)";

/// An expression of a and b, which hold elements of one dtype, and the dtype of its value.
struct Sample {
  std::string expression, result;
};

constexpr int lane_counts[] = {1, 4, 8, 16};

std::string apply_function(const Sample& sample, const std::string& dtype, std::size_t index,
                           int lanes) {
  return fmt::format("extern \"C\" void apply_{}_{}({}* to, const {}* a, const {}* b, i64 n) {{\n"
                     "  apply<{}>(to, a, b, n, [](auto a, auto b) {{ return {}; }});\n}}\n",
                     index, lanes, sample.result, dtype, dtype, lanes, sample.expression);
}

jit::Module compile(const std::vector<Sample>& samples, const std::string& dtype,
                    const jit::CpuTarget& target) {
  std::string functions(apply_text);
  for (std::size_t i = 0; i < samples.size(); ++i)
    for (int lanes : lane_counts) functions += apply_function(samples[i], dtype, i, lanes);
  return test::build_with_prelude(functions, target);
}

template <class T> struct Arguments { std::vector<T> a, b; };

/// Every pair of special values, then samples of all exponents; a multiple of the longest vector.
template <class T> Arguments<T> float_arguments() {
  Arguments<T> arguments;
  const std::vector<T> special = test::special_values<T>();
  for (T a : special)
    for (T b : special) {
      arguments.a.push_back(a);
      arguments.b.push_back(b);
    }
  SampleStream stream(17);
  while (arguments.a.size() < 40'000 || arguments.a.size() % 16 != 0) {
    arguments.a.push_back(arguments.a.size() % 2 == 0 ? stream.pattern<T>()
                                                      : stream.between_exponents<T>(-20, 9));
    arguments.b.push_back(stream.between_exponents<T>(-3, 4));
  }
  return arguments;
}

template <class T> Arguments<T> integer_arguments() {
  using limits = std::numeric_limits<T>;
  Arguments<T> arguments;
  const std::vector<T> special = {0,
                                  1,
                                  2,
                                  3,
                                  7,
                                  T(-1),
                                  T(-2),
                                  T(-7),
                                  limits::min(),
                                  T(limits::min() + 1),
                                  limits::max(),
                                  T(limits::max() - 1)};
  for (T a : special)
    for (T b : special) {
      arguments.a.push_back(a);
      arguments.b.push_back(b);
    }
  SampleStream stream(19);
  while (arguments.a.size() < 2'000 || arguments.a.size() % 16 != 0) {
    arguments.a.push_back(static_cast<T>(stream.bits() >> (stream.bits() % 64)));
    arguments.b.push_back(static_cast<T>(stream.bits() >> (stream.bits() % 64)));
  }
  return arguments;
}

std::size_t bytes_of(const std::string& dtype) {
  return dtype == "bool" ? 1 : std::stoul(dtype.substr(1)) / 8;
}

template <class T>
std::vector<unsigned char> results(const jit::Module& module, const Sample& sample,
                                   std::size_t index, int lanes, const Arguments<T>& arguments) {
  using Apply = void(void*, const T*, const T*, long);
  std::vector<unsigned char> bytes(arguments.a.size() * bytes_of(sample.result));
  test::function_of<Apply>(module, fmt::format("apply_{}_{}", index, lanes))(
      bytes.data(), arguments.a.data(), arguments.b.data(), static_cast<long>(arguments.a.size()));
  return bytes;
}

template <class T>
void check_lanes(const std::vector<Sample>& samples, const std::string& dtype,
                 const Arguments<T>& arguments) {
  for (const jit::CpuTarget& target : test::targets_here()) {
    const jit::Module module = compile(samples, dtype, target);
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const auto scalars = results(module, samples[i], i, 1, arguments);
      for (int lanes : lane_counts) {
        INFO(target.describe() << ", " << lanes << " lanes of " << dtype << ": "
                               << samples[i].expression);
        const auto vectors = results(module, samples[i], i, lanes, arguments);
        const std::size_t at =
            std::mismatch(scalars.begin(), scalars.end(), vectors.begin()).first - scalars.begin();
        CAPTURE(at,
                arguments.a[std::min(at / bytes_of(samples[i].result), arguments.a.size() - 1)]);
        CHECK(at == scalars.size());
      }
    }
  }
}

/// `{t}` stands for the dtype.
std::vector<Sample> with_dtype(std::initializer_list<std::string_view> expressions,
                               const std::string& dtype) {
  std::vector<Sample> samples;
  for (std::string_view expression : expressions)
    samples.push_back({fmt::format(fmt::runtime(expression), fmt::arg("t", dtype)), dtype});
  return samples;
}

/// What rows name for a dtype, of operands in memory and of one that is a number.
std::vector<Sample> row_samples(const std::string& dtype) {
  const DType t = parse_dtype(dtype);
  const auto functions = is_float(t) ? test::float_functions : test::integer_functions;
  std::vector<Sample> samples;
  const auto add = [&](const ir::Op& op, const std::string& a, const std::string& b) {
    const std::string text = test::spelled(op, t, a, b);
    // Of integers the others are operators, or choices, which are not written so of vectors.
    if (is_float(t) || text.find('_' + dtype + '(') != text.npos) samples.push_back({text, dtype});
  };
  for (const ir::Op* op : functions(1)) add(*op, "a", "");
  for (const ir::Op* op : functions(2)) {
    add(*op, "a", "b");
    for (const char* number : {"1", "2", "3", "100"}) {
      add(*op, "a", dtype + "(" + number + ")");
      add(*op, dtype + "(" + number + ")", "b");
    }
  }
  return samples;
}

/// The functions of floats that other fragments and folds use, and those of rows.
std::vector<Sample> float_samples(const std::string& dtype) {
  std::vector<Sample> samples = with_dtype(
      {"ceil_{t}(a)", "trunc_{t}(a)", "rint_{t}(a)", "copysign_{t}(a, b)", "fma_{t}(a, b, a)",
       "sum_{t}(a, b)", "fma_{t}({t}(2), b, {t}(1))", "copysign_{t}({t}(3), b)"},
      dtype);
  for (Sample& sample : row_samples(dtype)) samples.push_back(std::move(sample));
  return samples;
}

/// Casts of a dtype to all others, comparisons and choices.
std::vector<Sample> conversion_samples(const std::string& dtype) {
  std::vector<Sample> samples;
  for (const char* to : {"i8", "i16", "i32", "i64", "u8", "u16", "u32", "u64"})
    samples.push_back(
        {fmt::format(fmt::runtime(dtype[0] == 'f' ? "to_{}(a)" : "convert<{}>(a)"), to), to});
  for (const char* to : {"f32", "f64"}) samples.push_back({fmt::format("convert<{}>(a)", to), to});
  samples.insert(samples.end(), {{"to_bool(a)", "bool"},
                                 {"mask_of(a < b)", "bool"},
                                 {"mask_of(a < b) & ~to_bool(a) | mask_of(a == a)", "bool"},
                                 {"select(mask_of(a < b), to_bool(a), false)", "bool"},
                                 {"select(mask_of(a < b), a, b)", dtype},
                                 {fmt::format("select(mask_of(a < b), a, {}(1))", dtype), dtype},
                                 {fmt::format("select(true, {}(1), b)", dtype), dtype},
                                 {"select(mask_of(a < b), i8(1), i8(2))", "i8"},
                                 {"convert<f32>(to_bool(a))", "f32"},
                                 {"convert<i64>(mask_of(a < b))", "i64"}});
  return samples;
}

} // namespace

TEST_CASE("prelude functions of f32 give vectors lane for lane what they give scalars",
          "[codegen][prelude][jit]") {
  check_lanes(float_samples("f32"), "f32", float_arguments<float>());
}

TEST_CASE("prelude functions of f64 give vectors lane for lane what they give scalars",
          "[codegen][prelude][jit]") {
  check_lanes(float_samples("f64"), "f64", float_arguments<double>());
}

#define KROTON_EACH_INTEGER(check)                                                                 \
  check(i8, std::int8_t) check(i16, std::int16_t) check(i32, std::int32_t)                         \
      check(i64, std::int64_t) check(u8, std::uint8_t) check(u16, std::uint16_t)                   \
          check(u32, std::uint32_t) check(u64, std::uint64_t)

TEST_CASE("prelude functions of integers give vectors lane for lane what they give scalars",
          "[codegen][prelude][jit]") {
#define KROTON_CHECK_LANES(t, type) check_lanes(row_samples(#t), #t, integer_arguments<type>());
  KROTON_EACH_INTEGER(KROTON_CHECK_LANES)
}

TEST_CASE(
    "prelude casts, comparisons and choices give vectors lane for lane what they give scalars",
    "[codegen][prelude][jit]") {
  check_lanes(conversion_samples("f32"), "f32", float_arguments<float>());
  check_lanes(conversion_samples("f64"), "f64", float_arguments<double>());
  check_lanes(conversion_samples("i8"), "i8", integer_arguments<std::int8_t>());
  check_lanes(conversion_samples("i32"), "i32", integer_arguments<std::int32_t>());
  check_lanes(conversion_samples("u64"), "u64", integer_arguments<std::uint64_t>());
}

TEST_CASE(
    "prelude functions of one f32 give 16 lanes what they give scalars, for all 2^32 arguments",
    "[.slow][prelude][jit]") {
  std::vector<Sample> samples = float_samples("f32");
  std::erase_if(samples, [](const Sample& s) { return !s.expression.ends_with("(a)"); });
  constexpr std::size_t block = 1 << 14; // stays in the cache
  Arguments<float> arguments{std::vector<float>(block), std::vector<float>(block)};
  for (const jit::CpuTarget& target : test::targets_here()) {
    const jit::Module module = compile(samples, "f32", target);
    std::vector<std::size_t> wrong(samples.size(), 0);
    for (std::uint64_t first = 0; first < std::uint64_t(1) << 32; first += block) {
      for (std::size_t i = 0; i < block; ++i)
        arguments.a[i] = std::bit_cast<float>(static_cast<std::uint32_t>(first + i));
      for (std::size_t i = 0; i < samples.size(); ++i)
        wrong[i] += results(module, samples[i], i, 1, arguments) !=
                    results(module, samples[i], i, 16, arguments);
    }
    for (std::size_t i = 0; i < samples.size(); ++i) {
      INFO(target.describe() << ": " << samples[i].expression);
      CHECK(wrong[i] == 0);
    }
  }
}
