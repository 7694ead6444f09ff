#include "bench/libraries.hpp"

#include <cstdlib>
#include <initializer_list>
#include <map>
#include <utility>

#include <dlfcn.h>

namespace bench {
namespace {

using Variables = std::initializer_list<std::pair<const char*, std::string>>;

/// Opens a library apart from all others, so that one file can be there with several settings, which
/// libraries read from the environment while they load.
void* open_apart(std::initializer_list<const char*> files, const Variables& settings) {
  for (const auto& [name, value] : settings) setenv(name, value.c_str(), 1);
  void* handle = nullptr;
  for (const char* file : files)
    if (!handle) handle = dlmopen(LM_ID_NEWLM, file, RTLD_NOW | RTLD_LOCAL);
  for (const auto& [name, value] : settings) unsetenv(name);
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

std::vector<Library> open_all(int threads) {
  const std::string n = std::to_string(threads);
  std::vector<Library> all;
  const auto add = [&](std::string name, void* handle) {
    if (!handle) return;
    Library library{std::move(name), cblas<float>(handle, "cblas_sgemm"),
                    cblas<double>(handle, "cblas_dgemm")};
    if (!library.f32) library.f32 = onednn(handle);
    if (library.f32) all.push_back(std::move(library));
  };
  for (const auto& [kernels, is_here] :
       {std::pair("SkylakeX", __builtin_cpu_supports("x86-64-v4") != 0),
        std::pair("Haswell", __builtin_cpu_supports("x86-64-v3") != 0)})
    if (is_here)
      add(std::string("OpenBLAS ") + kernels,
          open_apart({"libopenblas.so.0", "libopenblas.so"},
                     {{"OPENBLAS_CORETYPE", kernels}, {"OPENBLAS_NUM_THREADS", n}}));
  add("BLIS", open_apart({"libblis.so.4", "libblis.so.3"}, {{"BLIS_NUM_THREADS", n}}));
  add("MKL", open_apart({"libmkl_rt.so.3", "libmkl_rt.so.2", "libmkl_rt.so"},
                        {{"MKL_NUM_THREADS", n},
                         {"MKL_THREADING_LAYER", threads == 1 ? "SEQUENTIAL" : "GNU"}}));
  add("oneDNN", open_apart({"libdnnl.so.3", "libdnnl.so.2"}, {{"OMP_NUM_THREADS", n}}));
  return all;
}

} // namespace

const std::vector<Library>& libraries(int threads) {
  static std::map<int, std::vector<Library>> opened;
  const auto [it, is_new] = opened.try_emplace(threads);
  if (is_new) it->second = open_all(threads);
  return it->second;
}

} // namespace bench
