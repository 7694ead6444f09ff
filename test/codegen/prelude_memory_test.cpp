// Vectors in memory: what the prelude loads, stores, gathers and folds, and which elements it
// leaves alone.
#include "test/codegen/prelude_kernels.hpp"
#include "test/codegen/prelude_samples.hpp"
#include "test/support/catch.hpp"

#include <cmath>
#include <cstring>
#include <fmt/format.h>
#include <new>

#include <sys/mman.h>
#include <unistd.h>

using namespace kroton;
using kroton::test::SampleStream;

namespace {

/// A number of bytes that end where a page begins that nobody may touch.
class GuardedBytes {
public:
  explicit GuardedBytes(std::size_t count) {
    const std::size_t page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    whole_ = (count + page - 1) / page * page + page;
    pages_ = mmap(nullptr, whole_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (pages_ == MAP_FAILED) throw std::bad_alloc();
    mprotect(static_cast<char*>(pages_) + whole_ - page, page, PROT_NONE);
    data_ = static_cast<unsigned char*>(pages_) + whole_ - page - count;
  }
  ~GuardedBytes() { munmap(pages_, whole_); }
  GuardedBytes(const GuardedBytes&) = delete;
  GuardedBytes& operator=(const GuardedBytes&) = delete;
  unsigned char* data() const { return data_; }

private:
  void* pages_;
  std::size_t whole_;
  unsigned char* data_;
};

/// Each function returns how many elements were wrong. `end` is where an array ends and a guarded
/// page begins.
constexpr std::string_view checks_text = R"(
template <class T> bool is_same(T a, T b) {
  if constexpr (__is_same(T, f32) || __is_same(T, f64))
    return (a != a && b != b) || (a == b && T(1) / a == T(1) / b);
  else
    return a == b;
}

template <class T, int N> i64 wrong_loads(const T* end) {
  i64 wrong = 0;
  for (i64 n = -1; n <= N + 1; ++n) {
    const i64 inside = n < 0 ? 0 : n > N ? N : n;
    const T* p = end - inside;
    const auto m = first_lanes<N>(n);
    const auto v = load_first(p, m, T(1));
    for (i64 lane = 0; lane < N; ++lane) {
      wrong += m[lane] != (lane < inside);
      wrong += !is_same<T>(v[lane], (lane < inside ? p[lane] : T(1)));
    }
  }
  const auto v = load_from<N>(end - N);
  for (i64 lane = 0; lane < N; ++lane) wrong += !is_same<T>(v[lane], (end - N)[lane]);
  return wrong;
}

template <class T, int N> i64 wrong_strided(const T* end, i64 stride) {
  i64 wrong = 0;
  for (i64 n = 1; n <= N; ++n) {
    const T* p = end - 1 - (stride > 0 ? (n - 1) * stride : 0);
    const auto v = load_strided_first(p, stride, first_lanes<N>(n), T(1));
    for (i64 lane = 0; lane < N; ++lane) wrong += !is_same<T>(v[lane], (lane < n ? p[lane * stride] : T(1)));
  }
  const T* p = end - 1 - (stride > 0 ? (N - 1) * stride : 0);
  const auto v = load_strided<N>(p, stride);
  for (i64 lane = 0; lane < N; ++lane) wrong += !is_same<T>(v[lane], p[lane * stride]);
  const auto positions = (N - 1 - lane_numbers<i64, N>()) * stride;
  const auto some = mask_of((lane_numbers<i32, N>() & 1) == 0);
  const auto reversed = gather_from(p, positions, some, T(0));
  for (i64 lane = 0; lane < N; ++lane)
    wrong += !is_same<T>(reversed[lane], (lane % 2 == 0 ? p[(N - 1 - lane) * stride] : T(0)));
  return wrong;
}

template <class T, int N> i64 wrong_stores(const T* from, T* end) {
  i64 wrong = 0;
  const auto v = load_from<N>(from);
  for (i64 n = 0; n <= N; ++n) {
    T* to = end - n;
    for (i64 i = -N; i < n; ++i) to[i] = T(0);
    store_first(to, first_lanes<N>(n), v);
    for (i64 i = -N; i < n; ++i) wrong += !is_same<T>(to[i], (i < 0 ? T(0) : from[i]));
  }
  store_to(end - N, v);
  for (i64 lane = 0; lane < N; ++lane) wrong += !is_same<T>((end - N)[lane], from[lane]);
  return wrong;
}

template <class T, int N> i64 wrong_strided_stores(const T* from, T* end, i64 stride) {
  i64 wrong = 0;
  const auto v = load_from<N>(from);
  for (i64 n = 1; n <= N; ++n) {
    T* to = end - 1 - (n - 1) * stride;
    for (T* p = to; p < end; ++p) *p = T(0);
    store_strided_first(to, stride, first_lanes<N>(n), v);
    for (i64 i = 0; i < end - to; ++i) wrong += !is_same<T>(to[i], (i % stride == 0 ? from[i / stride] : T(0)));
  }
  T* to = end - 1 - (N - 1) * stride;
  for (T* p = to; p < end; ++p) *p = T(0);
  store_strided(to, stride, v);
  for (i64 i = 0; i < end - to; ++i) wrong += !is_same<T>(to[i], (i % stride == 0 ? from[i / stride] : T(0)));
  return wrong;
}

template <class T, int N> i64 wrong_memory(const T* from, T* to, i64 count) {
  return wrong_loads<T, N>(from + count) + wrong_strided<T, N>(from + count, 3) +
         wrong_strided<T, N>(from + count, -2) + wrong_stores<T, N>(from, to + count) +
         wrong_strided_stores<T, N>(from, to + count, 3);
}

template <int N, class T, class Fold> T in_halves(const T* from, Fold fold) {
  T v[N];
  for (i64 i = 0; i < N; ++i) v[i] = from[i];
  for (i64 half = N / 2; half > 0; half /= 2)
    for (i64 i = 0; i < half; ++i) v[i] = fold(v[i], v[i + half]);
  return v[0];
}

template <class T> T maximum(T a, T b) { return a > b ? a : b; }
template <> f32 maximum(f32 a, f32 b) { return maximum_f32(a, b); }
template <> f64 maximum(f64 a, f64 b) { return maximum_f64(a, b); }
template <class T> T minimum(T a, T b) { return a < b ? a : b; }
template <> f32 minimum(f32 a, f32 b) { return minimum_f32(a, b); }
template <> f64 minimum(f64 a, f64 b) { return minimum_f64(a, b); }

template <class T, int N> i64 wrong_folds(const T* from, i64 count) {
  i64 wrong = 0;
  for (i64 i = 0; i + N <= count; ++i) {
    const T* p = from + i;
    const auto v = load_from<N>(p);
    wrong += !is_same<T>(fold_max(v), in_halves<N>(p, maximum<T>));
    wrong += !is_same<T>(fold_min(v), in_halves<N>(p, minimum<T>));
    if constexpr (!__is_same(T, bool)) {
      wrong += !is_same<T>(fold_sum(v), in_halves<N>(p, [](T a, T b) { return T(a + b); }));
      wrong += !is_same<T>(fold_prod(v), in_halves<N>(p, [](T a, T b) { return T(a * b); }));
    }
  }
  return wrong;
}
)";

template <class T> std::vector<T> integer_values(std::size_t count) {
  SampleStream stream(23);
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(stream.bits());
  return values;
}

/// Few NaN, so that most vectors have none, and zeros of both signs.
template <class T> std::vector<T> float_values(std::size_t count) {
  SampleStream stream(29);
  const std::vector<T> special = test::special_values<T>();
  std::vector<T> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = i % 16 == 0   ? special[stream.bits() % special.size()]
                : i % 64 < 32 ? std::copysign(T(0), stream.between_exponents<T>(0, 1))
                              : stream.between_exponents<T>(-3, 3);
  return values;
}

std::vector<unsigned char> bool_values(std::size_t count) {
  SampleStream stream(31);
  std::vector<unsigned char> values(count);
  for (std::size_t i = 0; i < count; ++i)
    values[i] = i % 64 < 32 ? stream.bits() % 2 : i % 128 < 64;
  return values;
}

std::string check_functions(const std::string& dtype, int lanes) {
  return fmt::format("extern \"C\" i64 wrong_memory_{1}(const {0}* from, {0}* to, i64 count) {{\n"
                     "  return wrong_memory<{0}, {1}>(from, to, count);\n}}\n"
                     "extern \"C\" i64 wrong_folds_{1}(const {0}* from, {0}*, i64 count) {{\n"
                     "  return wrong_folds<{0}, {1}>(from, count);\n}}\n",
                     dtype, lanes);
}

template <class T> void check_memory(const std::string& dtype, const std::vector<T>& values) {
  const GuardedBytes from(values.size() * sizeof(T)), to(values.size() * sizeof(T));
  std::memcpy(from.data(), values.data(), values.size() * sizeof(T));
  std::string text(checks_text);
  for (int lanes : {4, 16}) text += check_functions(dtype, lanes);
  for (const jit::CpuTarget& target : test::targets_here()) {
    const jit::Module module = test::build_with_prelude(text, target);
    for (const char* what : {"memory", "folds"})
      for (int lanes : {4, 16}) {
        INFO(target.describe() << ", " << what << ", " << lanes << " lanes of " << dtype);
        auto* wrong = test::function_of<long(const void*, void*, long)>(
            module, fmt::format("wrong_{}_{}", what, lanes));
        CHECK(wrong(from.data(), to.data(), static_cast<long>(values.size())) == 0);
      }
  }
}

} // namespace

TEST_CASE("the prelude loads, stores and folds vectors of every dtype, and touches no element that "
          "its mask leaves out",
          "[codegen][prelude][jit]") {
  constexpr std::size_t count = 300;
  check_memory("i8", integer_values<std::int8_t>(count));
  check_memory("i32", integer_values<std::int32_t>(count));
  check_memory("u16", integer_values<std::uint16_t>(count));
  check_memory("u64", integer_values<std::uint64_t>(count));
  check_memory("f32", float_values<float>(count));
  check_memory("f64", float_values<double>(count));
  check_memory("bool", bool_values(count));
}
