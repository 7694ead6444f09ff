#include "test/codegen/prelude_functions.hpp"

#ifndef __clang__
#pragma GCC target("sse4.2")
#pragma GCC optimize("fp-contract=off")
#endif

namespace kroton::test {

namespace {
#include "test/codegen/prelude_functions.inc"
} // namespace

const PreludeFunctions& prelude_functions_v2() {
  static const PreludeFunctions functions = {"x86-64-v2", __builtin_cpu_supports("sse4.2") != 0,
                                             unary_f32,   unary_f64,
                                             binary_f32,  binary_f64};
  return functions;
}

} // namespace kroton::test
