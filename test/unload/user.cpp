/// A library that uses Kroton, as a plugin of some other program would: host.cpp loads and unloads
/// it.
#include <vector>

#include <kroton/core.hpp>

/// Leaves threads behind: those of the pool, and one that compiles for the sizes of the calls.
extern "C" double compute() {
  namespace kt = kroton;
  constexpr std::int64_t n = 1 << 20;
  const auto x = kt::vector<float>("x");
  const kt::Function f =
      kt::function({x}, sum(x * 2 + 1), {.specialize = kt::Specialize::automatic});
  const kt::Array ones = kt::Array::from(std::vector<float>(n, 1), {n});
  double total = 0;
  for (int i = 0; i < 6; ++i) total += f({ones})[0].to_vector<float>()[0] / n;
  return total;
}
