#include "test/codegen/prelude_functions.hpp"

#ifndef __clang__
#pragma GCC target("avx2,fma,bmi,bmi2")
#pragma GCC optimize("fp-contract=off")
#ifndef __FMA__
#define __FMA__ 1 // which g++ before 13 leaves undefined after such a pragma
#endif
#endif

namespace kroton::test {

namespace {
#include "test/codegen/prelude_functions.inc"
} // namespace

const PreludeFunctions& prelude_functions_v3() {
  static const PreludeFunctions functions = {
      "x86-64-v3", __builtin_cpu_supports("fma") && __builtin_cpu_supports("avx2"),
      unary_f32,   unary_f64,
      binary_f32,  binary_f64};
  return functions;
}

} // namespace kroton::test
