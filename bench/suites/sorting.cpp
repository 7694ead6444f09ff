/// Sorting against the standard library's sort, running folds against copying as many bytes, counts
/// against a loop.
#include "bench/inputs.hpp"
#include "bench/settle.hpp"
#include "bench/suites/suites.hpp"

#include <algorithm>
#include <cstring>
#include <numeric>

#include <fmt/format.h>
#include <kroton/core.hpp>
#include <kroton/ops/cumulative.hpp>
#include <kroton/ops/sorting.hpp>

namespace bench {
namespace {

namespace kt = kroton;

struct Work {
  const char* name;
  std::int64_t rows, columns;
  kt::Expr (*build)(const kt::Expr& x);
  void (*by_hand)(const Work&, const float* x, void* to);
  double of_limit; ///< the bound; 0: none
  bool is_exact;   ///< whether the hand-written code gives the same, and not the same work
};

void sort_rows(const Work& w, const float* x, void* to) {
  auto* const y = static_cast<float*>(to);
  std::copy_n(x, w.rows * w.columns, y);
  for (std::int64_t i = 0; i < w.rows; ++i) std::sort(y + i * w.columns, y + (i + 1) * w.columns);
}

void argsort_rows(const Work& w, const float* x, void* to) {
  auto* const y = static_cast<std::int64_t*>(to);
  for (std::int64_t i = 0; i < w.rows; ++i) {
    const float* const row = x + i * w.columns;
    std::int64_t* const order = y + i * w.columns;
    std::iota(order, order + w.columns, 0);
    std::stable_sort(order, order + w.columns,
                     [row](std::int64_t a, std::int64_t b) { return row[a] < row[b]; });
  }
}

void copy(const Work& w, const float* x, void* to) {
  std::memcpy(to, x, static_cast<std::size_t>(w.rows * w.columns) * sizeof(float));
}

void count(const Work& w, const float* x, void* to) {
  auto* const counts = static_cast<std::int64_t*>(to);
  std::fill_n(counts, 64, 0);
  for (std::int64_t i = 0; i < w.rows * w.columns; ++i)
    ++counts[std::min(static_cast<int>((double{x[i]} + 1) * 32), 63)];
}

const Work works[] = {
    {"sort f32", 1, 9'999'999, [](auto& x) { return kt::sort(x); }, sort_rows, 1, true},
    {"sort f32", 4096, 900, [](auto& x) { return kt::sort(x); }, sort_rows, 1, true},
    {"sort f32", 99'999, 16, [](auto& x) { return kt::sort(x); }, sort_rows, 0, true},
    {"argsort f32", 1, 999'999, [](auto& x) { return kt::argsort(x); }, argsort_rows, 1, true},
    {"cumsum, last axis f32", 1, 9'999'999, [](auto& x) { return kt::cumsum(x); }, copy, 0, false},
    {"cumsum, last axis f32", 4096, 2048, [](auto& x) { return kt::cumsum(x); }, copy, 0, false},
    {"cumsum, first axis f32", 4096, 2048, [](auto& x) { return kt::cumsum(x, 0); }, copy, 0,
     false},
    {"cummax, last axis f32", 4096, 2048, [](auto& x) { return kt::cummax(x); }, copy, 0, false},
    {"histogram f32", 1, 3'999'999, [](auto& x) { return kt::histogram(x, 64, -1.0, 1.0).counts; },
     count, 0, true},
};

Prepared prepare(const Work& work, const Setting& setting) {
  auto x = kt::matrix<float>("x");
  const std::vector<kt::Array> arguments = {inputs<float>({work.rows, work.columns}, 1)};
  const kt::Function f =
      kt::function({x}, work.build(x), {.name = "sorting", .threads = setting.threads});
  const kt::Array into = f(arguments)[0];
  const std::vector<kt::Array> outputs = {into};
  settle(f, arguments, outputs);

  Prepared prepared;
  prepared.checksum = checksum_of(into);
  Bound bound;
  if (work.of_limit > 0) bound.of_limit = work.of_limit;
  prepared.systems.push_back(
      {.name = "kroton", .time = repeat([=] { f.call_into(arguments, outputs); }), .bound = bound});
  kt::Array to = kt::Array::zeros(into.dtype(), into.shape());
  auto by_hand = [=, &work]() mutable {
    work.by_hand(work, arguments[0].data<const float>(), to.raw());
  };
  by_hand();
  if (work.is_exact) require_close(work.name, into, to, 0, 0);
  prepared.systems.push_back({.name = "limit", .time = repeat(by_hand)});
  return prepared;
}

} // namespace

void add_sorting_cases(std::vector<Case>& cases) {
  for (const Work& work : works)
    cases.push_back({"sorting", work.name, fmt::format("{}x{}", work.rows, work.columns),
                     [&work](const Setting& s) { return prepare(work, s); }});
}

} // namespace bench
