// The prelude's random numbers many at a time: the same as one by one, and written where they
// belong.
#include "test/codegen/prelude_kernels.hpp"
#include "test/support/catch.hpp"

using namespace kroton;

namespace {

/// Both functions return how many numbers were wrong.
constexpr std::string_view checks_text = R"(
template <int N> i64 wrong_vectors(u64 first) {
  const vec<u64, N> elements = first + lane_numbers<u64, N>();
  const auto a = uniforms_f32<N>(7, 3, 9, first), b = uniform_f32(7, 3, 9, elements);
  const auto c = uniforms_f64<N>(7, 3, 9, first), d = uniform_f64(7, 3, 9, elements);
  i64 wrong = 0;
  for (i64 lane = 0; lane < N; ++lane) {
    const f32 one_f32 = uniform_f32(7, 3, 9, first + lane);
    const f64 one_f64 = uniform_f64(7, 3, 9, first + lane);
    wrong += (a[lane] != one_f32) + (b[lane] != one_f32) + (c[lane] != one_f64) + (d[lane] != one_f64);
  }
  return wrong;
}

extern "C" i64 wrong_vectors(u64 first) {
  return wrong_vectors<4>(first) + wrong_vectors<8>(first) + wrong_vectors<16>(first);
}

extern "C" i64 wrong_fill(u64 first, i64 n) {
  f32 a[102], p[102];
  f64 b[102];
  for (i64 i = 0; i < 102; ++i) a[i] = b[i] = p[i] = -1;
  fill_uniform_f32(a + 1, n, 7, 3, 9, first);
  fill_positive_f32(p + 1, n, 7, 3, 9, first);
  fill_uniform_f64(b + 1, n, 7, 3, 9, first);
  i64 wrong = 0;
  for (i64 i = -1; i <= 100; ++i) {
    const bool inside = i >= 0 && i < n;
    wrong += a[i + 1] != (inside ? uniform_f32(7, 3, 9, first + i) : -1);
    wrong += p[i + 1] != (inside ? positive_f32(7, 3, 9, first + i) : -1);
    wrong += b[i + 1] != (inside ? uniform_f64(7, 3, 9, first + i) : -1);
  }
  return wrong;
}
)";

} // namespace

TEST_CASE("prelude uniforms made many at a time are those made one by one",
          "[codegen][prelude][jit]") {
  for (const jit::CpuTarget& target : test::targets_here()) {
    const jit::Module module = test::build_with_prelude(std::string(checks_text), target);
    auto* wrong_vectors = test::function_of<long(unsigned long)>(module, "wrong_vectors");
    auto* wrong_fill = test::function_of<long(unsigned long, long)>(module, "wrong_fill");
    // Counters wrap at 2^32 blocks, which are 2^34 elements of f32 and 2^33 of f64.
    for (unsigned long start : {0ul, (1ul << 33) - 9, (1ul << 34) - 9, ~0ul - 50})
      for (unsigned long first = start; first < start + 8; ++first) {
        INFO(target.describe() << " from element " << first);
        CHECK(wrong_vectors(first) == 0);
        for (long n : {0l, 1l, 2l, 3l, 29l, 32l, 63l, 64l, 100l}) CHECK(wrong_fill(first, n) == 0);
      }
  }
}
