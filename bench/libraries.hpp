#pragma once
/// Matrix products of the libraries on this machine.
///
///   for (const Library& l : libraries(1)) l.f32({.m = 2, …});
#include <functional>
#include <string>
#include <vector>

namespace bench {

/// c = a·b, or c += alpha a·b, of row-major matrices: a is m × k (stored k × m if transposed), b is
/// k × n (stored n × k), c is m × n, all dense.
template <class T> struct Product {
  long m, n, k;
  bool is_a_transposed, is_b_transposed;
  T alpha;
  bool accumulates;
  const T *a, *b;
  T* c;
};

struct Library {
  std::string name; ///< such as "OpenBLAS SkylakeX"
  std::function<void(const Product<float>&)> f32;
  std::function<void(const Product<double>&)> f64; ///< empty if it has none
};

/// OpenBLAS with the kernels that suit this CPU (of its own accord it takes new ones for old ones),
/// BLIS, MKL and oneDNN, as far as the dynamic linker finds them, set to use that many threads.
std::vector<Library> libraries(int threads);

} // namespace bench
