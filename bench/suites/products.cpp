/// Matrix products: those of the networks, squares, and the best library on the machine beside
/// them; products with long sums and few results, and code by hand beside those.
#include "bench/inputs.hpp"
#include "bench/libraries.hpp"
#include "bench/limit/limit.hpp"
#include "bench/suites/suites.hpp"

#include <algorithm>
#include <memory>

#include <fmt/format.h>
#include <kroton/core.hpp>

namespace bench {
namespace {

namespace kt = kroton;

struct Shape {
  const char* name;
  std::int64_t m, n, k;
  bool is_a_transposed = false, is_b_transposed = false;
  bool accumulates = false; ///< c -= a·b / 1024 in place
};

/// The issue asks for 0.9 times the library's speed.
constexpr Bound bound{.of_limit = 1 / 0.9};
constexpr double alpha = -1.0 / 1024;

constexpr Shape shapes[] = {
    {"network forward 1", 32, 30, 16},
    {"network forward 2", 32, 30, 30},
    {"network forward 3", 32, 10, 30},
    {"network backward 3", 32, 30, 10, false, true},
    {"network backward 2", 32, 30, 30, false, true},
    {"network gradient 3", 30, 10, 32, true},
    {"network gradient 2", 30, 30, 32, true},
    {"network gradient 1", 16, 30, 32, true},
    {"network forward 2", 1024, 30, 30},
    {"network gradient 2", 30, 30, 1024, true},
    {"logistic forward", 600, 10, 784},
    {"logistic update", 784, 10, 600, true, false, true},
    {"logistic forward", 32, 10, 784},
    {"logistic update", 784, 10, 32, true, false, true},
    {"perceptron forward", 60, 500, 784},
    {"perceptron update", 784, 500, 60, true, false, true},
    {"perceptron backward", 60, 500, 10, false, true},
    {"one row", 1, 500, 784},
    {"square", 64, 64, 64},
    {"square", 96, 96, 96},
    {"square", 128, 128, 128},
    {"square", 192, 192, 192},
    {"square", 256, 256, 256},
    {"square", 384, 384, 384},
    {"square", 512, 512, 512},
    {"square", 1024, 1024, 1024},
    {"square", 2048, 2048, 2048},
};

/// The work, timed, with the shortest time kept for the remark.
template <class Work> System timed(std::string name, const Shape& s, std::string note, Work work) {
  const auto best = std::make_shared<double>(0);
  const double flops = 2.0 * static_cast<double>(s.m * s.n * s.k);
  auto time = [run = repeat(std::move(work)), best, flops](long repetitions) mutable {
    const double ns = run(repetitions);
    *best = std::max(*best, flops * static_cast<double>(repetitions) / ns);
    return ns;
  };
  System system{.name = std::move(name), .time = std::move(time)};
  system.remark = [best, note = std::move(note)]() -> std::optional<Remark> {
    return Remark{fmt::format("{:.0f} GFLOP/s{}{}", *best, note.empty() ? "" : ", ", note)};
  };
  return system;
}

/// A function of a and b, or of those with an updated c, whose dims are known or not.
struct Ours {
  kt::Function f;
  std::optional<kt::Shared> c = {}; ///< if it accumulates
};

template <class T> Ours ours(const Shape& s, const Setting& setting, bool has_known_dims) {
  const auto dims = [&](std::int64_t rows, std::int64_t cols) {
    return has_known_dims ? std::vector<kt::Dim>{rows, cols}
                          : std::vector<kt::Dim>{kt::dim(), kt::dim()};
  };
  const kt::DType t = kt::dtype_of<T>;
  const kt::Expr a = s.is_a_transposed ? kt::tensor(t, dims(s.k, s.m))
                                       : kt::tensor(t, dims(s.m, s.k)),
                 b = s.is_b_transposed ? kt::tensor(t, dims(s.n, s.k))
                                       : kt::tensor(t, dims(s.k, s.n));
  const kt::Expr ab =
      kt::dot(s.is_a_transposed ? kt::transpose(a) : a, s.is_b_transposed ? kt::transpose(b) : b);
  if (!s.accumulates)
    return {kt::function(
        {a, b}, ab,
        {.name = "product", .threads = setting.threads, .specialize = kt::Specialize::off})};
  const kt::Shared c = kt::shared(kt::Array::zeros<T>({s.m, s.n}), "c");
  return {kt::function({a, b}, {},
                       {.updates = {{c, c + static_cast<T>(alpha) * ab}},
                        .name = "product",
                        .threads = setting.threads,
                        .specialize = kt::Specialize::off}),
          c};
}

template <class T> auto call_of(const Library& library) {
  if constexpr (std::is_same_v<T, float>)
    return library.f32;
  else
    return library.f64;
}

/// The fastest library at this product, if there is one.
template <class T> std::optional<Library> best_library(const Product<T>& p, int threads) {
  std::optional<Library> best;
  double least = 0;
  for (const Library& library : libraries(threads)) {
    const auto call = call_of<T>(library);
    if (!call) continue;
    call(p);
    const double ns_each = 1 + 2.0 * static_cast<double>(p.m * p.n * p.k) / 200;
    const long calls = std::max(1l, static_cast<long>(2e6 / ns_each));
    double ns = 1e300;
    for (int round = 0; round < 5; ++round) {
      const auto start = Clock::now();
      for (long i = 0; i < calls; ++i) call(p);
      ns = std::min(ns, ns_since(start) / static_cast<double>(calls));
    }
    if (best && ns >= least) continue;
    best = library;
    least = ns;
  }
  return best;
}

template <class T> Prepared product(const Setting& setting, const Shape& s) {
  const kt::Array a = s.is_a_transposed ? inputs<T>({s.k, s.m}, 1) : inputs<T>({s.m, s.k}, 1),
                  b = s.is_b_transposed ? inputs<T>({s.n, s.k}, 2) : inputs<T>({s.k, s.n}, 2);
  const std::vector<kt::Array> arguments = {a, b};
  Prepared prepared;
  const auto add = [&](const char* name, bool has_known_dims) {
    const Ours o = ours<T>(s, setting, has_known_dims);
    std::vector<kt::Array> outputs;
    if (!s.accumulates) outputs.push_back(kt::Array::zeros<T>({s.m, s.n}));
    o.f.call_into(arguments, outputs);
    prepared.systems.push_back(
        timed(name, s, "", [f = o.f, arguments, outputs] { f.call_into(arguments, outputs); }));
    return o.c ? o.c->get() : outputs[0];
  };
  const kt::Array result = add("kroton", true);
  prepared.checksum = checksum_of(result);
  prepared.systems.back().bound = bound;
  require_close("product of any sizes", add("kroton any", false), result, 0, 0);

  kt::Array c = kt::Array::zeros<T>({s.m, s.n});
  Product<T> p{s.m,
               s.n,
               s.k,
               s.is_a_transposed,
               s.is_b_transposed,
               s.accumulates ? static_cast<T>(alpha) : T(1),
               s.accumulates,
               a.data<const T>(),
               b.data<const T>(),
               c.data<T>()};
  const std::optional<Library> best = best_library(p, setting.threads);
  if (!best) return prepared;
  std::ranges::fill_n(p.c, c.numel(), T(0));
  const auto call = call_of<T>(*best);
  call(p);
  require_close("product", result, c, 1e-4, 1e-4 * static_cast<double>(s.k));
  prepared.systems.push_back(timed("limit", s, best->name, [call, p, a, b, c] { call(p); }));
  return prepared;
}

/// Sums so long that memory bounds them.
struct LongShape {
  const char* name;
  std::int64_t m, n, k;
  double of_limit;
};
/// The bounds are of the code by hand, which one thread computes and which is made for these m and
/// n.
constexpr LongShape long_shapes[] = {{"dot", 1, 1, 10'000'000, 1.25},
                                     {"few rows times a vector", 4, 1, 4'000'000, 1.5},
                                     {"a vector times few columns", 1, 4, 4'000'000, 2},
                                     {"columns times columns", 4, 4, 4'000'000, 2}};
Prepared long_product(const Setting& setting, const LongShape& s) {
  const bool has_columns = s.n > 1; // then a is as k × m
  const kt::Array a = has_columns ? inputs<float>({s.k, s.m}, 1) : inputs<float>({s.m, s.k}, 1),
                  b = inputs<float>({s.k, s.n}, 2);
  const std::vector<kt::Array> arguments = {a, b};
  Prepared prepared;
  const auto add = [&](const char* name, bool has_known_dims) {
    const auto dims = [&](const kt::Array& of) {
      return has_known_dims ? std::vector<kt::Dim>{of.shape()[0], of.shape()[1]}
                            : std::vector<kt::Dim>{kt::dim(), of.shape()[1]};
    };
    const kt::Expr x = has_columns
                           ? kt::tensor<float>(dims(a))
                           : kt::tensor<float>({s.m, has_known_dims ? kt::Dim(s.k) : kt::dim()}),
                   y = kt::tensor<float>(dims(b));
    const kt::Function f = kt::function(
        {x, y}, kt::dot(has_columns ? kt::transpose(x) : x, y),
        {.name = "product", .threads = setting.threads, .specialize = kt::Specialize::off});
    std::vector<kt::Array> outputs{kt::Array::zeros<float>({s.m, s.n})};
    f.call_into(arguments, outputs);
    prepared.systems.push_back({.name = name, .time = repeat([f, arguments, outputs] {
                                                f.call_into(arguments, outputs);
                                              })});
    return outputs[0];
  };
  const kt::Array result = add("kroton", true);
  prepared.checksum = checksum_of(result);
  prepared.systems.back().bound = {.of_limit = s.of_limit};
  require_close("product of any length", add("kroton any", false), result, 0, 0);
  prepared.systems.back().bound = {.of_limit = s.of_limit};
  if (!limits()) return prepared;
  const kt::Array c = kt::Array::zeros<float>({s.m, s.n});
  const auto by_hand = [s, a, b, c] {
    limits()->long_product_f32(s.m, s.n, s.k, a.data<const float>(), b.data<const float>(),
                               kt::Array(c).data<float>());
  };
  by_hand();
  require_close("long product", result, c, 1e-4, 1e-6 * static_cast<double>(s.k));
  prepared.systems.push_back({.name = "limit", .time = repeat(by_hand)});
  return prepared;
}

} // namespace

void add_product_cases(std::vector<Case>& cases) {
  for (const LongShape& s : long_shapes)
    cases.push_back({.suite = "products",
                     .name = fmt::format("{} f32", s.name),
                     .size = fmt::format("{}x{}x{:.0e}", s.m, s.n, static_cast<double>(s.k)),
                     .prepare = [s](const Setting& setting) { return long_product(setting, s); }});
  for (const Shape& s : shapes) {
    const std::string size = fmt::format("{}x{}x{}", s.m, s.n, s.k);
    const bool is_compute_bound = s.m * s.n * s.k >= std::int64_t{512} * 512 * 512;
    cases.push_back({.suite = "products",
                     .name = fmt::format("{} f32", s.name),
                     .size = size,
                     .prepare = [s](const Setting& setting) { return product<float>(setting, s); },
                     .is_compute_bound = is_compute_bound});
    if (s.m == s.n)
      cases.push_back(
          {.suite = "products",
           .name = fmt::format("{} f64", s.name),
           .size = size,
           .prepare = [s](const Setting& setting) { return product<double>(setting, s); },
           .is_compute_bound = is_compute_bound});
  }
}

} // namespace bench
