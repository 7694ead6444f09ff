#pragma once
/// Texts that use the prelude, compiled as kernels are, for every x86-64 level that this machine
/// has.
///
///   for (const jit::CpuTarget& target : targets_here()) {
///     const jit::Module m = build_with_prelude("extern \"C\" f32 f(f32 x) { return exp_f32(x); }",
///     target); function_of<float(float)>(m, "f")(1.0f);
///   }
#include "codegen/prelude/prelude.hpp"
#include "test/jit/cpu_support.hpp"

#include <string>
#include <vector>

namespace kroton::test {

inline std::vector<jit::CpuTarget> targets_here() {
  std::vector<jit::CpuTarget> targets;
  for (const char* name : {"v2", "v3", "v4"})
    if (jit::CpuTarget target = jit::CpuTarget::parse(name); target.runs_here())
      targets.push_back(target);
  return targets;
}

inline jit::Module build_with_prelude(const std::string& text, const jit::CpuTarget& target) {
  return build(codegen::prelude_for(codegen::prelude_names_in(text)) + text, target);
}

} // namespace kroton::test
