// What loops of vectors are made of: divisions of a row by one number, and folds.
#include "test/codegen/prelude_kernels.hpp"
#include "test/support/catch.hpp"

using namespace kroton;

namespace {

/// Both functions return how many results were wrong.
constexpr std::string_view checks_text = R"(
KROTON_INLINE u64 next_of(u64& state) {
  state = state * 6364136223846793005ul + 1442695040888963407ul;
  return state ^ state >> 31;
}

template <class T, class I> KROTON_INLINE bool is_same(T a, T b) {
  return (a != a && b != b) || __builtin_bit_cast(I, a) == __builtin_bit_cast(I, b);
}

// Quotients are the division's unless they or x are near the ends of the normal numbers.
template <class T, class I> i64 wrong_quotients(u64 seed, T least) {
  const T special[8] = {T(0), -T(0), T(1), T(-3), T(__builtin_inf()), -T(__builtin_inf()), T(__builtin_nan("")), T(0.1)};
  i64 wrong = 0;
  for (i64 i = 0; i < 4096; ++i) {
    const u64 bits = next_of(seed);
    const T d = i % 16 == 0 ? special[bits % 8] : __builtin_bit_cast(T, (I)next_of(seed));
    vec<T, 8> x;
    for (int lane = 0; lane < 8; ++lane)
      x[lane] = lane == 0 ? special[i % 8] : __builtin_bit_cast(T, (I)next_of(seed));
    const auto q = divided(x, d);
    for (int lane = 0; lane < 8; ++lane) {
      const T exact = x[lane] / d;
      const auto is_near_an_end = [&](T v) {
        const T size = v < 0 ? -v : v;
        return (size > 0 && size < least) || (size > 1 / least && size < T(__builtin_inf()));
      };
      if (is_near_an_end(exact) || is_near_an_end(x[lane])) continue;
      wrong += !is_same<T, I>(q[lane], exact);
    }
  }
  return wrong;
}
extern "C" i64 wrong_quotients_f32(u64 seed) { return wrong_quotients<f32, u32>(seed, 0x1p-100f); }
extern "C" i64 wrong_quotients_f64(u64 seed) { return wrong_quotients<f64, u64>(seed, 0x1p-960); }

// How often each element of a range is taken, by one and by two vectors a turn.
template <int U> static i64 wrong_visits() {
  i64 wrong = 0;
  for (i64 from = 0; from < 3; ++from)
    for (i64 to = 0; to < 100; ++to) {
      i32 visits[128] = {};
      in_vectors<16, U>(from, to, [&](i64 i, auto m, int) { store(visits + i, load_ahead(visits + i, m) + 1, m); });
      for (i64 i = 0; i < 128; ++i) wrong += visits[i] != (i >= from && i < to);
    }
  return wrong;
}
extern "C" i64 wrong_visits_one_by_one() { return wrong_visits<1>(); }
extern "C" i64 wrong_visits_in_pairs() { return wrong_visits<2>(); }

// Rows of every length, with NaN and both zeros among few other numbers, so that many are equal.
extern "C" i64 wrong_extremes(u64 seed) {
  const f32 values[8] = {0.0f, -0.0f, 1.0f, -1.0f, 2.0f, -2.0f, __builtin_inff(), -__builtin_nanf("")};
  i64 wrong = 0;
  for (i64 n = 1; n < 80; ++n) {
    f32 x[80];
    const u64 kinds = n % 3 == 0 ? 8 : 7; // NaN in every third row
    for (i64 i = 0; i < n; ++i) x[i] = values[next_of(seed) % kinds];
    maxima<f32, 16, 2> most(-__builtin_inff());
    minima<f32, 16, 2> least(__builtin_inff());
    first_maxima<f32, 16, 2> first_most(-__builtin_inff());
    first_minima<f32, 16, 2> first_least(__builtin_inff());
    in_vectors<16, 2>(0, n, [&](i64 i, auto m, int k) {
      const auto v = load(x + i, m);
      most.take(m, k, v);
      least.take(m, k, v);
      first_most.take(m, k, v, i + lane_numbers<i64, 16>());
      first_least.take(m, k, v, i + lane_numbers<i64, 16>());
    });
    f32 top = -__builtin_inff(), bottom = __builtin_inff(), best = top, worst = bottom;
    i64 top_at = 0, bottom_at = 0;
    for (i64 i = 0; i < n; ++i) {
      top = maximum_f32(top, x[i]);
      bottom = minimum_f32(bottom, x[i]);
      if (x[i] > best || (x[i] != x[i] && best == best)) best = x[i], top_at = i;
      if (x[i] < worst || (x[i] != x[i] && worst == worst)) worst = x[i], bottom_at = i;
    }
    wrong += !is_same<f32, u32>(most.result(), top) + !is_same<f32, u32>(least.result(), bottom);
    wrong += (first_most.position() != top_at) + (first_least.position() != bottom_at);
  }
  return wrong;
}

template <int N, int U> static f32 sum_in_vectors(const f32* x, i64 n) {
  sums<f32, N, 32> all;
  in_vectors<N, U>(0, n, [&](i64 i, auto m, int k) { all.take(m, k, load(x + i, m)); });
  return all.result();
}

// Sums of every length, whatever the lanes and the vectors a turn, against 32 partial sums of single numbers.
extern "C" i64 wrong_sums(u64 seed) {
  i64 wrong = 0;
  for (i64 n = 0; n < 300; ++n) {
    f32 x[300], part[32] = {};
    for (i64 i = 0; i < n; ++i) x[i] = (f32)(next_of(seed) % 100003) / 1007.0f - 40.0f;
    for (i64 i = 0; i < n; ++i) part[i % 32] += x[i];
    for (i64 half = 16; half > 0; half /= 2)
      for (i64 i = 0; i < half; ++i) part[i] += part[i + half];
    const f32 got[] = {sum_in_vectors<8, 1>(x, n),  sum_in_vectors<8, 2>(x, n),  sum_in_vectors<8, 4>(x, n),
                       sum_in_vectors<16, 1>(x, n), sum_in_vectors<16, 2>(x, n), sum_in_vectors<16, 4>(x, n),
                       sum_in_vectors<32, 1>(x, n), sum_in_vectors<32, 2>(x, n)};
    for (f32 sum : got) wrong += !is_same<f32, u32>(sum, part[0]);
  }
  return wrong;
}
)";

} // namespace

TEST_CASE("a row divided by one number has the quotients' digits", "[codegen][prelude][jit]") {
  for (const jit::CpuTarget& target : test::targets_here()) {
    const jit::Module module = test::build_with_prelude(std::string(checks_text), target);
    auto* f32 = test::function_of<long(unsigned long)>(module, "wrong_quotients_f32");
    auto* f64 = test::function_of<long(unsigned long)>(module, "wrong_quotients_f64");
    for (unsigned long seed = 1; seed <= 40; ++seed) {
      INFO(target.describe() << ", seed " << seed);
      CHECK(f32(seed) == 0);
      CHECK(f64(seed) == 0);
    }
  }
}

TEST_CASE("a loop takes each element of its range once", "[codegen][prelude][jit]") {
  for (const jit::CpuTarget& target : test::targets_here()) {
    const jit::Module module = test::build_with_prelude(std::string(checks_text), target);
    INFO(target.describe());
    CHECK(test::function_of<long()>(module, "wrong_visits_one_by_one")() == 0);
    CHECK(test::function_of<long()>(module, "wrong_visits_in_pairs")() == 0);
  }
}

TEST_CASE("extremes of a row and their first places are those of one element after the other",
          "[codegen][prelude][jit]") {
  for (const jit::CpuTarget& target : test::targets_here()) {
    const jit::Module module = test::build_with_prelude(std::string(checks_text), target);
    auto* wrong = test::function_of<long(unsigned long)>(module, "wrong_extremes");
    for (unsigned long seed = 1; seed <= 20; ++seed) {
      INFO(target.describe() << ", seed " << seed);
      CHECK(wrong(seed) == 0);
    }
  }
}

TEST_CASE("a sum is the same bits however many lanes it is added up in",
          "[codegen][prelude][jit]") {
  for (const jit::CpuTarget& target : test::targets_here()) {
    const jit::Module module = test::build_with_prelude(std::string(checks_text), target);
    auto* wrong = test::function_of<long(unsigned long)>(module, "wrong_sums");
    for (unsigned long seed = 1; seed <= 3; ++seed) {
      INFO(target.describe() << ", seed " << seed);
      CHECK(wrong(seed) == 0);
    }
  }
}
