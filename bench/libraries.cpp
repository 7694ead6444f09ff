#include "bench/libraries.hpp"

#include <cstdlib>
#include <initializer_list>
#include <utility>

#include <dlfcn.h>

namespace bench {
namespace {

struct Variable {
  const char *name, *value;
};

/// Opens the first of the files that is there. Libraries read settings from the environment while
/// they load; what the user set is left alone.
void* open_with(Variable setting, std::initializer_list<const char*> files) {
  const bool is_ours = setting.name && setenv(setting.name, setting.value, 0) == 0;
  void* handle = nullptr;
  for (const char* file : files)
    if (!handle) handle = dlopen(file, RTLD_NOW | RTLD_LOCAL);
  // MKL reads its variable when it is first called.
  if (is_ours && !handle) unsetenv(setting.name);
  return handle;
}

template <class T>
using Gemm = void (*)(int order, int trans_a, int trans_b, int m, int n, int k, T alpha, const T* a,
                      int lda, const T* b, int ldb, T beta, T* c, int ldc);

template <class T> std::function<void(const Product<T>&)> cblas(void* handle, const char* name) {
  const auto gemm = reinterpret_cast<Gemm<T>>(dlsym(handle, name));
  if (!gemm) return {};
  return [gemm](const Product<T>& p) {
    constexpr int row_major = 101, straight = 111, transposed = 112;
    gemm(row_major, p.is_a_transposed ? transposed : straight,
         p.is_b_transposed ? transposed : straight, static_cast<int>(p.m), static_cast<int>(p.n),
         static_cast<int>(p.k), p.alpha, p.a, static_cast<int>(p.is_a_transposed ? p.m : p.k), p.b,
         static_cast<int>(p.is_b_transposed ? p.k : p.n), p.accumulates ? T(1) : T(0), p.c,
         static_cast<int>(p.n));
  };
}

std::function<void(const Product<float>&)> onednn(void* handle) {
  using Sgemm = int (*)(char, char, long, long, long, float, const float*, long, const float*, long,
                        float, float*, long);
  const auto gemm = reinterpret_cast<Sgemm>(dlsym(handle, "dnnl_sgemm"));
  if (!gemm) return {};
  return [gemm](const Product<float>& p) {
    gemm(p.is_a_transposed ? 'T' : 'N', p.is_b_transposed ? 'T' : 'N', p.m, p.n, p.k, p.alpha, p.a,
         p.is_a_transposed ? p.m : p.k, p.b, p.is_b_transposed ? p.k : p.n,
         p.accumulates ? 1.0f : 0.0f, p.c, p.n);
  };
}

struct Opened {
  Library products;
  void (*set_threads)(int);
};

std::vector<Opened> open_all() {
  std::vector<Opened> all;
  const auto add = [&](std::string name, void* handle, const char* set_threads) {
    if (!handle) return;
    Library products{std::move(name), cblas<float>(handle, "cblas_sgemm"),
                     cblas<double>(handle, "cblas_dgemm")};
    if (!products.f32) products.f32 = onednn(handle);
    if (products.f32)
      all.push_back(
          {std::move(products), reinterpret_cast<void (*)(int)>(dlsym(handle, set_threads))});
  };
  const char* kernels = __builtin_cpu_supports("x86-64-v4") ? "SkylakeX" : "Haswell";
  add(std::string("OpenBLAS ") + kernels,
      open_with({"OPENBLAS_CORETYPE", kernels}, {"libopenblas.so.0", "libopenblas.so"}),
      "openblas_set_num_threads");
  add("BLIS", open_with({}, {"libblis.so.4", "libblis.so.3"}), "bli_thread_set_num_threads");
  add("MKL",
      open_with({"MKL_THREADING_LAYER", "GNU"},
                {"libmkl_rt.so.3", "libmkl_rt.so.2", "libmkl_rt.so"}),
      "MKL_Set_Num_Threads");
  add("oneDNN", open_with({}, {"libdnnl.so.3", "libdnnl.so.2"}), "omp_set_num_threads");
  return all;
}

} // namespace

std::vector<Library> libraries(int threads) {
  static const std::vector<Opened> opened = open_all();
  std::vector<Library> all;
  for (const Opened& o : opened) {
    if (o.set_threads) o.set_threads(threads);
    all.push_back(o.products);
  }
  return all;
}

} // namespace bench
