#pragma once
/// Matrix products of the libraries on this machine, each with its settings.
///
///   for (const Library* l : libraries(threads)) l->product_f32(product);
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
  std::string name; ///< with the setting: "OpenBLAS SkylakeX"
  std::function<void(const Product<float>&)> f32;
  std::function<void(const Product<double>&)> f64; ///< empty if it has none
};

/// OpenBLAS with each kind of kernels that this CPU runs, BLIS, MKL and oneDNN, as far as the dynamic
/// linker finds them, set to that many threads.
const std::vector<Library>& libraries(int threads);

} // namespace bench
