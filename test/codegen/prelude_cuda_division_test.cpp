// CUDA's quick divisions give the bits of IEEE's whatever the instruction rcp.approx gives within
// the ulp that is promised of it: its result is tried with all errors that it may have.
#include "codegen/prelude/prelude.hpp"
#include "test/codegen/prelude_kernels.hpp"
#include "test/support/catch.hpp"

#include <bit>
#include <cstdint>
#include <string>

#include <fmt/format.h>

using namespace kroton;

namespace {

/// What the fragments take of CUDA. `ulps` says which number the instruction gives: the nearest, or
/// where that stays within an ulp of the exact quotient the one before or after it.
constexpr std::string_view cuda_text = R"(
static int ulps;
static inline float fmaf(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
static inline float fabsf(float x) { return __builtin_fabsf(x); }
static inline float copysignf(float x, float sign) { return __builtin_copysignf(x, sign); }
static inline unsigned __float_as_uint(float x) { return __builtin_bit_cast(unsigned, x); }
static inline float __uint_as_float(unsigned x) { return __builtin_bit_cast(float, x); }
#define __device__
#define __forceinline__ inline
)";

constexpr std::string_view functions_text = R"(
/// How many f32 from the pattern `first` on, `step` apart, are given other bits than by IEEE's divisions.
extern "C" long wrong_quotients(unsigned first, unsigned last, unsigned step, int error) {
  cuda::ulps = error;
  long wrong = 0;
  for (unsigned x = first; x <= last; x += step) {
    const float z = __builtin_bit_cast(float, x);
    wrong += __builtin_bit_cast(unsigned, cuda::bounded_quotient_f32(z, 1.0f + z)) !=
             __builtin_bit_cast(unsigned, z / (1.0f + z));
  }
  return wrong;
}
extern "C" long wrong_tanhs(unsigned first, unsigned last, unsigned step, int error) {
  cuda::ulps = error;
  long wrong = 0;
  for (unsigned x = first; x <= last; x += step) {
    const float a = __builtin_bit_cast(float, x);
    wrong += __builtin_bit_cast(unsigned, cuda::tanh_f32(a)) != __builtin_bit_cast(unsigned, cpu::tanh_f32(a));
  }
  return wrong;
}
)";

std::string with_any_reciprocal(std::string text) {
  const std::string_view fragment =
      codegen::prelude_fragment("rough_reciprocal_f32", codegen::Dialect::cuda);
  text.replace(text.find(fragment), fragment.size(),
               R"(KROTON_INLINE f32 rough_reciprocal_f32(f32 x) {
  const f32 nearest = 1.0f / x, rest = fmaf(-x, nearest, 1.0f);
  const bool is_allowed = (ulps > 0 && rest >= 0.0f) || (ulps < 0 && rest <= 0.0f);
  return from_bits_f32(bits_f32(nearest) + (is_allowed ? ulps : 0));
}
)");
  return text;
}

/// The functions with the divisions of CUDA's prelude and with those of the CPU's.
jit::Module divisions(const jit::CpuTarget& target) {
  const std::string_view names[] = {"tanh_f32", "sigmoid_f32"};
  const auto cuda = codegen::prelude_for(names, codegen::Dialect::cuda);
  const auto cpu = codegen::prelude_for(names, codegen::Dialect::cpu);
  return test::build(
      fmt::format("namespace cpu {{\n{}}}\n#undef KROTON_INLINE\nnamespace cuda {{\n{}{}}}\n{}",
                  cpu, cuda_text, with_any_reciprocal(cuda), functions_text),
      target);
}

void check(unsigned step) {
  const jit::CpuTarget target = jit::CpuTarget::parse("v3");
  if (!target.runs_here()) return; // it has no fused multiply-add
  const jit::Module module = divisions(target);
  using Count = long (*)(std::uint32_t, std::uint32_t, std::uint32_t, int);
  const auto wrong = [&](const char* function, float first, float last, int error) {
    return reinterpret_cast<Count>(module.symbol(function))(
        std::bit_cast<std::uint32_t>(first), std::bit_cast<std::uint32_t>(last), step, error);
  };
  for (int error : {-1, 0, 1}) {
    INFO("the reciprocal is off by " << error << " ulp");
    CHECK(wrong("wrong_quotients", 0.0f, 1.0f, error) == 0);
    CHECK(wrong("wrong_tanhs", 0.5f, 10.0f, error) == 0); // it divides within these bounds
  }
}

} // namespace

TEST_CASE("sigmoid and tanh divide on CUDA as IEEE does", "[codegen][prelude][jit]") { check(997); }

TEST_CASE("sigmoid and tanh divide on CUDA as IEEE does, for all arguments",
          "[.slow][prelude][jit]") {
  check(1);
}
