#include "jit/cpu/runtime.hpp"
#include "jit/run/pool.hpp"
#include "test/jit/cpu_support.hpp"
#include "test/support/catch.hpp"

#include <vector>

using namespace kroton::jit;
using namespace kroton::test;

namespace {

/// The declaration of jit/run/runtime_abi.hpp as generated source carries it, and a kernel that
/// uses all.
constexpr std::string_view kernel_text = R"(
struct Runtime {
  void* state;
  void (*parallel_for)(const Runtime*, long n, long grain,
                       void (*body)(void* frame, long begin, long end, int worker), void* frame);
  void (*fail)(const Runtime*, int site, long value, long bound);
  void (*gemm_f32)(const Runtime*, long m, long n, long k, float alpha, const float* a, long a_row,
                   long a_col, const float* b, long b_row, long b_col, float beta, float* c,
                   long c_row, long c_col);
  void (*gemm_f64)(const Runtime*, long m, long n, long k, double alpha, const double* a,
                   long a_row, long a_col, const double* b, long b_row, long b_col, double beta,
                   double* c, long c_row, long c_col);
  int threads;
};
struct Frame { const Runtime* rt; const float* in; float* out; const int* index; long bound; };
static void body(void* opaque, long begin, long end, int) {
  const Frame& f = *static_cast<const Frame*>(opaque);
  for (long i = begin; i < end; ++i) {
    int at = f.index[i];
    if (at < 0 || at >= f.bound) { f.rt->fail(f.rt, 3, at, f.bound); at = 0; }
    f.out[i] = f.in[at];
  }
}
extern "C" void gather(const Runtime* rt, const float* in, float* out, const int* index, long n, long bound) {
  Frame frame{rt, in, out, index, bound};
  rt->parallel_for(rt, n, 64, body, &frame);
}
extern "C" void product(const Runtime* rt, const double* a, const double* b, double* c) {
  rt->gemm_f64(rt, 2, 2, 3, 1.0, a, 3, 1, b, 1, 3, 0.0, c, 2, 1);
}
extern "C" int threads(const Runtime* rt) { return rt->threads; }
)";

using Gather = void(const Runtime*, const float*, float*, const int*, long, long);

} // namespace

TEST_CASE("a kernel reaches threads, products and errors through its table", "[jit]") {
  const Module module = build(kernel_text);
  std::vector<float> in(1000), out(1000);
  std::vector<int> index(1000);
  for (int i = 0; i < 1000; ++i) in[std::size_t(i)] = float(i), index[std::size_t(i)] = 999 - i;

  CallRuntime good(3);
  CHECK(function_of<int(const Runtime*)>(module, "threads")(good.table()) == 3);
  function_of<Gather>(module, "gather")(good.table(), in.data(), out.data(), index.data(), 1000,
                                        1000);
  CHECK(!good.failure());
  CHECK(out[0] == 999.0f);
  CHECK(out[999] == 0.0f);

  index[500] = 1200;
  CallRuntime bad(3);
  function_of<Gather>(module, "gather")(bad.table(), in.data(), out.data(), index.data(), 1000,
                                        1000);
  REQUIRE(bad.failure());
  CHECK(bad.failure()->site == 3);
  CHECK(bad.failure()->value == 1200);
  CHECK(bad.failure()->bound == 1000);

  // b is handed over transposed: its rows are the columns of the product's right side.
  const double a[] = {1, 2, 3, 4, 5, 6}, b[] = {1, 0, 1, 0, 1, 0};
  double c[4];
  function_of<void(const Runtime*, const double*, const double*, double*)>(module, "product")(
      good.table(), a, b, c);
  CHECK(c[0] == 4);
  CHECK(c[1] == 2);
  CHECK(c[2] == 10);
  CHECK(c[3] == 5);
}

TEST_CASE("a table for less than one thread is for one", "[jit]") {
  CHECK(CallRuntime(0).table()->threads == 1);
}
