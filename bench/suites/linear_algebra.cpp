/// Contractions of operands in any order of axes beside products of packed ones; many small
/// matrices, and a large system, beside a LAPACK that is called for each.
#include "bench/inputs.hpp"
#include "bench/suites/suites.hpp"

#include <algorithm>
#include <cstddef>
#include <memory>

#include <dlfcn.h>
#include <fmt/format.h>
#include <kroton/core.hpp>
#include <kroton/ops/contraction.hpp>
#include <kroton/ops/linear_algebra.hpp>

namespace bench {
namespace {

namespace kt = kroton;

/// What operands in another order of axes may cost: 0.9 of the speed of packed ones.
constexpr Bound bound{.of_limit = 1 / 0.9};

struct Contraction {
  const char* subscripts;
  kt::Shape a, b;
  std::int64_t m, n, k; ///< of the product of packed operands that is as much work
};
const Contraction contractions[] = {
    {"ji,jk->ik", {512, 512}, {512, 512}, 512, 512, 512},
    {"ji,kj->ik", {512, 512}, {512, 512}, 512, 512, 512},
    {"ij,jk->ki", {512, 512}, {512, 512}, 512, 512, 512},
    {"abcd,cdef->abef", {16, 32, 16, 32}, {16, 32, 16, 32}, 512, 512, 512},
    {"abcd,edfc->aebf", {16, 32, 16, 32}, {16, 32, 32, 16}, 512, 512, 512},
};

std::vector<kt::Dim> dims_of(const kt::Shape& shape) { return {shape.begin(), shape.end()}; }

Prepared prepare_contraction(const Contraction& c, const Setting& setting) {
  const kt::Options options{.name = "contraction", .threads = setting.threads};
  const kt::Expr a = kt::tensor<float>(dims_of(c.a)), b = kt::tensor<float>(dims_of(c.b)),
                 p = kt::tensor<float>({c.m, c.k}), q = kt::tensor<float>({c.k, c.n});
  const kt::Function f = kt::function({a, b}, kt::einsum(c.subscripts, {a, b}), options),
                     g = kt::function({p, q}, kt::matmul(p, q), options);
  const std::vector<kt::Array> in{inputs<float>(c.a, 1), inputs<float>(c.b, 2)},
      packed{inputs<float>({c.m, c.k}, 1), inputs<float>({c.k, c.n}, 2)}, out = f(in),
                                                                          packed_out = g(packed);
  Prepared prepared;
  prepared.systems.push_back(
      {.name = "kroton", .time = repeat([=] { f.call_into(in, out); }), .bound = bound});
  prepared.systems.push_back(
      {.name = "limit", .time = repeat([=] { g.call_into(packed, packed_out); })});
  return prepared;
}

/// The first LAPACK of the machine's; null without one.
void* lapack() {
  static void* const handle = [] {
    void* found = nullptr;
    for (const char* name : {"libopenblas.so.0", "liblapack.so.3", "libmkl_rt.so.2"})
      if (found == nullptr) found = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    return found;
  }();
  return handle;
}

using Potrf = void (*)(const char*, const int*, double*, const int*, int*, std::size_t);
using Gesv = void (*)(const int*, const int*, double*, const int*, int*, double*, const int*, int*);

/// Symmetric positive definite matrices of one order.
kt::Array positive_stack(std::int64_t count, std::int64_t n) {
  kt::Array a = inputs<double>({count, n, n}, 1);
  double* const data = a.data<double>();
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t r = 0; r < n; ++r)
      for (std::int64_t c = 0; c <= r; ++c) {
        double* const m = data + i * n * n;
        m[c * n + r] = m[r * n + c] += r == c ? 2.0 * static_cast<double>(n) : 0;
      }
  return a;
}

struct Stack {
  std::int64_t count, n;
};

Prepared prepare_factors(const Stack& s, const Setting& setting) {
  const kt::Expr a = kt::tensor<double>({s.count, s.n, s.n}, "a");
  const kt::Function f =
      kt::function({a}, kt::cholesky(a), {.name = "factors", .threads = setting.threads});
  const std::vector<kt::Array> in{positive_stack(s.count, s.n)}, out = f(in);
  Prepared prepared;
  prepared.systems.push_back({.name = "kroton", .time = repeat([=] { f.call_into(in, out); })});
  if (!lapack()) return prepared;
  const auto potrf = reinterpret_cast<Potrf>(dlsym(lapack(), "dpotrf_"));
  const auto theirs = std::make_shared<kt::Array>(kt::Array::empty<double>({s.count, s.n, s.n}));
  const auto run = [=] {
    const double* const from = in[0].data<const double>();
    const std::int64_t each = s.n * s.n;
    for (std::int64_t i = 0; i < s.count; ++i) {
      double* const to = theirs->data<double>() + i * each;
      for (std::int64_t r = 0; r < s.n; ++r)
        for (std::int64_t c = 0; c < s.n; ++c)
          to[r * s.n + c] = c <= r ? from[i * each + r * s.n + c] : 0;
      const int n = static_cast<int>(s.n);
      int info = 0;
      potrf("U", &n, to, &n, &info, 1);
    }
  };
  run();
  require_close("Cholesky factors", out[0], *theirs, 1e-10, 1e-10);
  prepared.systems.push_back({.name = "LAPACK", .time = repeat(run), .is_peer = true});
  return prepared;
}

Prepared prepare_solutions(const Stack& s, const Setting& setting) {
  const kt::Expr a = kt::tensor<double>({s.count, s.n, s.n}, "a"),
                 b = kt::tensor<double>({s.count, s.n, 1}, "b");
  const kt::Function f =
      kt::function({a, b}, kt::solve(a, b), {.name = "solutions", .threads = setting.threads});
  const std::vector<kt::Array> in{positive_stack(s.count, s.n),
                                  inputs<double>({s.count, s.n, 1}, 2)},
      out = f(in);
  Prepared prepared;
  prepared.systems.push_back({.name = "kroton", .time = repeat([=] { f.call_into(in, out); })});
  if (!lapack()) return prepared;
  const auto gesv = reinterpret_cast<Gesv>(dlsym(lapack(), "dgesv_"));
  const auto room = std::make_shared<kt::Array>(kt::Array::empty<double>({s.n, s.n})),
             theirs = std::make_shared<kt::Array>(kt::Array::empty<double>({s.count, s.n, 1}));
  const auto pivots = std::make_shared<std::vector<int>>(static_cast<std::size_t>(s.n));
  const auto run = [=] {
    const std::int64_t each = s.n * s.n;
    std::copy_n(in[1].data<const double>(), s.count * s.n, theirs->data<double>());
    for (std::int64_t i = 0; i < s.count; ++i) {
      // The matrices are symmetric, so that rows are columns.
      std::copy_n(in[0].data<const double>() + i * each, each, room->data<double>());
      const int n = static_cast<int>(s.n), one = 1;
      int info = 0;
      gesv(&n, &one, room->data<double>(), &n, pivots->data(), theirs->data<double>() + i * s.n, &n,
           &info);
    }
  };
  run();
  require_close("solutions", out[0], *theirs, 1e-9, 1e-9);
  prepared.systems.push_back({.name = "LAPACK", .time = repeat(run), .is_peer = true});
  return prepared;
}

} // namespace

void add_linear_algebra_cases(std::vector<Case>& cases) {
  for (const Contraction& c : contractions)
    cases.push_back({"linear-algebra", std::string("einsum ") + c.subscripts,
                     fmt::format("{}x{}x{}", c.m, c.n, c.k),
                     [&c](const Setting& setting) { return prepare_contraction(c, setting); }});
  static constexpr Stack stacks[] = {{100'000, 4}, {10'000, 8}, {2'000, 32}, {1, 500}};
  for (const Stack& s : stacks) {
    const std::string size = fmt::format("{} of {}x{}", s.count, s.n, s.n);
    cases.push_back({"linear-algebra", "Cholesky factors", size,
                     [&s](const Setting& setting) { return prepare_factors(s, setting); }});
    cases.push_back({"linear-algebra", "systems", size,
                     [&s](const Setting& setting) { return prepare_solutions(s, setting); }});
  }
}

} // namespace bench
