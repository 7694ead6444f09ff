#include "jit/cpu/library.hpp"

#include <cstdlib>

#include "lib/support/error.hpp"

namespace kroton::jit {

const CpuFunction& cpu_function(const ir::Op& op) {
  for (const std::span<const CpuFunction> table :
       {product_functions(), scatter_functions(), linear_algebra_functions(),
        cumulative_functions(), assemble_functions()})
    for (const CpuFunction& f : table)
      if (f.op == &op) return f;
  KROTON_CHECK(false, "{} has no function for the CPU", op.name);
  std::abort();
}

} // namespace kroton::jit
