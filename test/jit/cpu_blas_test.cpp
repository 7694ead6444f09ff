#include "jit/cpu/blas.hpp"
#include "test/support/catch.hpp"

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <sys/wait.h>
#include <unistd.h>
#include <vector>

using namespace kroton::jit;

namespace {

/// A matrix that is in `storage` with the strides of one of the layouts below.
template <class T> struct Laid {
  std::vector<T> storage;
  long row, col, origin;
  T* data() { return storage.data() + origin; }
  T& at(long i, long j) { return storage[std::size_t(origin + i * row + j * col)]; }
};

enum class Layout { rows, columns, padded, strided, reversed };
constexpr Layout layouts[] = {Layout::rows, Layout::columns, Layout::padded, Layout::strided,
                              Layout::reversed};

template <class T> Laid<T> lay(Layout layout, long rows, long cols, unsigned seed) {
  Laid<T> m;
  m.origin = 0;
  switch (layout) {
  case Layout::rows:
    m.row = cols, m.col = 1;
    break;
  case Layout::columns:
    m.row = 1, m.col = rows;
    break;
  case Layout::padded:
    m.row = cols + 3, m.col = 1;
    break;
  case Layout::strided:
    m.row = 2 * cols + 1, m.col = 2;
    break;
  case Layout::reversed:
    m.row = -cols, m.col = 1, m.origin = (rows - 1) * cols;
    break;
  }
  m.storage.resize(std::size_t(2 * (rows + 4) * (cols + 4)));
  std::uint32_t state = seed;
  for (T& value : m.storage) {
    state = state * 1664525u + 1013904223u;
    value = T(std::int32_t(state >> 20)) / T(1024) - T(2);
  }
  return m;
}

template <class T>
void check_product(Layout la, Layout lb, Layout lc, long m, long n, long k, T alpha, T beta) {
  auto a = lay<T>(la, m, k, 1), b = lay<T>(lb, k, n, 2), c = lay<T>(lc, m, n, 3);
  auto expected = c;
  for (long i = 0; i < m; ++i)
    for (long j = 0; j < n; ++j) {
      double sum = 0;
      for (long p = 0; p < k; ++p) sum += double(a.at(i, p)) * double(b.at(p, j));
      expected.at(i, j) =
          T(double(alpha) * sum + (beta == T(0) ? 0.0 : double(beta) * double(c.at(i, j))));
    }
  gemm(m, n, k, alpha, a.data(), a.row, a.col, b.data(), b.row, b.col, beta, c.data(), c.row,
       c.col);
  const double tolerance = (double(k) + 1) * 16 * double(std::numeric_limits<T>::epsilon());
  double worst = 0; // over the padding too: nothing around c may change
  for (std::size_t i = 0; i < c.storage.size(); ++i)
    worst = std::max(worst, std::abs(double(c.storage[i]) - double(expected.storage[i])));
  CAPTURE(int(la), int(lb), int(lc), m, n, k);
  CHECK(worst <= tolerance);
}

template <class T> void check_all_layouts() {
  for (Layout la : layouts)
    for (Layout lb : layouts)
      for (Layout lc : layouts) check_product<T>(la, lb, lc, 7, 5, 9, T(0.5), T(2));
  for (long m : {1L, 3L})
    for (long n : {1L, 4L})
      for (long k : {0L, 1L, 6L})
        for (Layout layout : layouts) check_product<T>(layout, layout, layout, m, n, k, T(1), T(0));
  check_product<T>(Layout::rows, Layout::columns, Layout::rows, 130, 70, 600, T(1), T(1));
}

} // namespace

/// Runs this executable's case of that name with KROTON_BLAS set, in a process of its own: the
/// choice is made once a process. Returns its exit status.
int run_with_blas(const char* choice, const char* test_case) {
  char self[4096] = {};
  REQUIRE(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
  const pid_t child = fork();
  if (child == 0) {
    setenv("KROTON_BLAS", choice, 1);
    for (const char* name : {"KROTON_TEST_RESULTS", "KROTON_TEST_PATTERN"}) unsetenv(name);
    if (!freopen("/dev/null", "w", stdout) || !freopen("/dev/null", "w", stderr)) _exit(126);
    execl(self, self, test_case, nullptr);
    _exit(127);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

TEST_CASE("products agree with the naive ones for every layout", "[jit]") {
  check_all_layouts<float>();
  check_all_layouts<double>();
}

TEST_CASE("with beta zero, what c held does not matter", "[jit]") {
  const float a = 2, b = 3;
  float c = std::nanf("");
  gemm(1, 1, 1, 1.0f, &a, 1, 1, &b, 1, 1, 0.0f, &c, 1, 1);
  CHECK(c == 6.0f);
  c = std::nanf("");
  gemm(1, 1, 0, 1.0f, &a, 1, 1, &b, 1, 1, 0.0f, &c, 1, 1);
  CHECK(c == 0.0f);
}

TEST_CASE("no library is used unless one is named", "[jit]") {
  if (std::getenv("KROTON_BLAS")) return;
  CHECK(blas() == nullptr);
  CHECK(blas_description().starts_with("generated code"));
}

TEST_CASE("a library that is named is used", "[.blas]") {
  check_all_layouts<float>();
  check_all_layouts<double>();
  const bool is_found = blas() != nullptr;
  CHECK(blas_description().starts_with("generated code") == !is_found);
  CHECK((blas_description().find("KROTON_BLAS=auto") != std::string::npos));
}

TEST_CASE("KROTON_BLAS=auto takes the first library that is found", "[jit]") {
  CHECK(run_with_blas("auto", "a library that is named is used") == 0);
}

TEST_CASE("a library that is not there is told and done without", "[.missing]") {
  CHECK(blas() == nullptr);
  CHECK(blas_description().find("cannot be used") != std::string::npos);
}

TEST_CASE("KROTON_BLAS may name what does not exist", "[jit]") {
  CHECK(run_with_blas("/nonexistent/libblas.so",
                      "a library that is not there is told and done without") == 0);
}

TEST_CASE("the environment is as it was after the search", "[jit]") {
  const bool had = std::getenv("OPENBLAS_CORETYPE") != nullptr;
  blas();
  CHECK((std::getenv("OPENBLAS_CORETYPE") != nullptr) == had);
}
