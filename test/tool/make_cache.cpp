/// Fills the cache of $KROTON_CACHE_DIR for the tests of the command `kroton`: four kernels, two of
/// which differ in one line.
#include <kroton/core.hpp>

namespace kt = kroton;

int main() {
  auto x = kt::matrix<float>("x"), y = kt::matrix<float>("y");
  const std::vector<float> numbers = {1, 2, 3, 4};
  const kt::Array a = kt::Array::from(numbers, {2, 2});
  const kt::Options options{.specialize = kt::Specialize::off};
  kt::function({x, y}, 2.0F * x + y, options)({a, a});
  kt::function({x, y}, 3.0F * x + y, options)({a, a});
  kt::function({x}, kt::softmax(x), options)({a});
  kt::function({x, y}, kt::sum(x * y, {0}), options)({a, a});
  return 0;
}
