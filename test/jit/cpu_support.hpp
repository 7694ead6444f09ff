#pragma once
/// Compiles and loads a piece of C++ for a test.
///
///   Module m = build("extern \"C\" int f() { return 3; }");
///   call<int()>(m, "f")
#include <string_view>

#include "jit/cpu/compiler.hpp"
#include "jit/cpu/loader.hpp"

namespace kroton::test {

inline jit::CompileOutput compile_text(std::string_view text,
                                       const jit::CpuTarget& target = jit::CpuTarget::host()) {
  return jit::compiler().compile(
      {.source = text, .name = "probe", .arguments = jit::compile_arguments(target)});
}

inline jit::Module build(std::string_view text,
                         const jit::CpuTarget& target = jit::CpuTarget::host()) {
  return jit::Module::load(compile_text(text, target).object, "probe");
}

template <class F> F* function_of(const jit::Module& module, std::string_view name) {
  return reinterpret_cast<F*>(module.symbol(name));
}

/// z = 2x + 3y - 1 with a tail, as generated code would write it.
inline constexpr std::string_view elementwise_text = R"(
extern "C" void z(const float* __restrict x, const float* __restrict y, float* __restrict out, long n) {
  for (long i = 0; i < n; ++i) out[i] = 2.0f * x[i] + 3.0f * y[i] - 1.0f;
}
)";

} // namespace kroton::test
