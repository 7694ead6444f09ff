#include "jit/cpu/library.hpp"

#include <cstdlib>
#include <cstring>

#include "lib/support/error.hpp"

namespace kroton::jit {

const CpuFunction& cpu_function(const ir::Op& op) {
  for (const std::span<const CpuFunction> table :
       {product_functions(), scatter_functions(), linear_algebra_functions(),
        cumulative_functions(), assemble_functions(), variate_functions(),
        decomposition_functions(), sorting_functions(), fourier_functions()})
    for (const CpuFunction& f : table)
      if (f.op == &op) return f;
  KROTON_CHECK(false, "{} has no function for the CPU", op.name);
  std::abort();
}

void copy_unless_in_place(const CpuCall& c) {
  constexpr long grain = long{1} << 18; // bytes that are worth a thread
  struct Copy {
    std::byte* to;
    const std::byte* from;
  } copy{c.results[0].data, c.operands[0].data};
  const auto bytes =
      static_cast<std::int64_t>(item_size(c.results[0].dtype)) * c.results[0].numel();
  if (copy.to == copy.from || bytes == 0) return;
  const auto body = [](void* given, long begin, long end, int) {
    const Copy& f = *static_cast<const Copy*>(given);
    std::memcpy(f.to + begin, f.from + begin, static_cast<std::size_t>(end - begin));
  };
  c.runtime->parallel_for(c.runtime, bytes, grain, body, &copy);
}

} // namespace kroton::jit
