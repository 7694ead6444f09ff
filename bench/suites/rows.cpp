/// Rows and columns of matrices: softmax and its family, normalisation, reductions.
#include "bench/inputs.hpp"
#include "bench/limit/limit.hpp"
#include "bench/settle.hpp"
#include "bench/suites/suites.hpp"

#include <fmt/format.h>
#include <kroton/core.hpp>
#include <kroton/ops/movement.hpp>
#include <kroton/ops/reduction.hpp>

namespace bench {
namespace {

namespace kt = kroton;

/// One function of a matrix x, and of two rows (gain, shift) if it takes them.
struct Work {
  const char* name;
  std::int64_t rows, columns;
  double of_limit; ///< the bound
  kt::Expr (*build)(const kt::Expr& x, const kt::Expr& gain, const kt::Expr& shift);
  void (*by_hand)(const Work&, const float* x, const float* gain, const float* shift, void* to);
  bool takes_rows = false;
  double rtol = 1e-5, atol = 1e-6;
};

constexpr float epsilon = 1e-5F;

kt::Expr variance(const kt::Expr& x) {
  auto centred = x - kt::mean(x, {1}, true);
  return kt::mean(centred * centred, {1}, true);
}

kt::Expr layer_norm(const kt::Expr& x, const kt::Expr& gain, const kt::Expr& shift) {
  return (x - kt::mean(x, {1}, true)) / kt::sqrt(variance(x) + epsilon) * gain + shift;
}

const Work works[] = {
    {"softmax f32", 4096, 1000, 1.15, [](auto& x, auto&, auto&) { return kt::softmax(x); },
     [](auto& w, auto* x, auto*, auto*, void* to) {
       limits()->softmax_f32(w.rows, w.columns, x, static_cast<float*>(to));
     }},
    {"softmax f32", 128, 10, 1.5, [](auto& x, auto&, auto&) { return kt::softmax(x); },
     [](auto& w, auto* x, auto*, auto*, void* to) {
       limits()->softmax_f32(w.rows, w.columns, x, static_cast<float*>(to));
     }},
    {"log-softmax f32", 4096, 1000, 1.15, [](auto& x, auto&, auto&) { return kt::log_softmax(x); },
     [](auto& w, auto* x, auto*, auto*, void* to) {
       limits()->log_softmax_f32(w.rows, w.columns, x, static_cast<float*>(to));
     }},
    {"logsumexp f32", 4096, 1000, 1.15, [](auto& x, auto&, auto&) { return kt::logsumexp(x); },
     [](auto& w, auto* x, auto*, auto*, void* to) {
       limits()->logsumexp_f32(w.rows, w.columns, x, static_cast<float*>(to));
     }},
    {"layer norm f32", 4096, 1000, 1.15, layer_norm,
     [](auto& w, auto* x, auto* gain, auto* shift, void* to) {
       limits()->layer_norm_f32(w.rows, w.columns, epsilon, gain, shift, x,
                                static_cast<float*>(to));
     },
     true, 1e-4, 1e-5},
    {"mean f32", 4096, 4096, 1.15, [](auto& x, auto&, auto&) { return kt::mean(x); },
     [](auto& w, auto* x, auto*, auto*, void* to) {
       limits()->mean_f32(w.rows * w.columns, x, static_cast<float*>(to));
     }},
    {"variance, axis 1 f32", 4096, 4096, 1.15,
     [](auto& x, auto&, auto&) { return kt::squeeze(variance(x), {1}); },
     [](auto& w, auto* x, auto*, auto*, void* to) {
       limits()->row_variances_f32(w.rows, w.columns, x, static_cast<float*>(to));
     }},
    {"sum, axis 0 f32", 4096, 4096, 1.15, [](auto& x, auto&, auto&) { return kt::sum(x, {0}); },
     [](auto& w, auto* x, auto*, auto*, void* to) {
       limits()->column_sums_f32(w.rows, w.columns, x, static_cast<float*>(to));
     },
     false, 1e-4, 1e-3},
    {"sum, axis 1 f32", 4096, 4096, 1.15, [](auto& x, auto&, auto&) { return kt::sum(x, {1}); },
     [](auto& w, auto* x, auto*, auto*, void* to) {
       limits()->row_sums_f32(w.rows, w.columns, x, static_cast<float*>(to));
     },
     false, 1e-4, 1e-3},
    {"max, axis 1 f32", 4096, 4096, 1.15, [](auto& x, auto&, auto&) { return kt::max(x, {1}); },
     [](auto& w, auto* x, auto*, auto*, void* to) {
       limits()->row_maxima_f32(w.rows, w.columns, x, static_cast<float*>(to));
     }},
    {"argmax, axis 1 f32", 4096, 4096, 1.15, [](auto& x, auto&, auto&) { return kt::argmax(x, 1); },
     [](auto& w, auto* x, auto*, auto*, void* to) {
       limits()->row_argmax_f32(w.rows, w.columns, x, static_cast<std::int64_t*>(to));
     }},
};

Prepared prepare(const Work& work, const Setting& setting) {
  auto x = kt::matrix<float>("x");
  auto gain = kt::vector<float>("gain"), shift = kt::vector<float>("shift");
  std::vector<kt::Expr> parameters = {x};
  std::vector<kt::Array> arguments = {inputs<float>({work.rows, work.columns}, 1)};
  if (work.takes_rows) {
    parameters.insert(parameters.end(), {gain, shift});
    for (const std::uint32_t stream : {2u, 3u})
      arguments.push_back(inputs<float>({work.columns}, stream));
  }
  const kt::Function f = kt::function(parameters, work.build(x, gain, shift),
                                      {.name = "rows", .threads = setting.threads});
  const kt::Array into = f(arguments)[0];
  const std::vector<kt::Array> outputs = {into};
  settle(f, arguments, outputs);

  Prepared prepared;
  prepared.checksum = checksum_of(into);
  // Sums that cancel are as inexact as what went into them is large.
  prepared.checksum->magnitude += checksum_of(arguments[0]).magnitude;
  prepared.systems.push_back({.name = "kroton",
                              .time = repeat([=] { f.call_into(arguments, outputs); }),
                              .bound = {.of_limit = work.of_limit}});
  if (limits()) {
    kt::Array to = kt::Array::zeros(into.dtype(), into.shape());
    auto by_hand = [=, &work]() mutable {
      const auto at = [&](std::size_t i) {
        return i < arguments.size() ? arguments[i].data<const float>() : nullptr;
      };
      work.by_hand(work, at(0), at(1), at(2), to.raw());
    };
    by_hand();
    require_close(work.name, into, to, work.rtol, work.atol);
    prepared.systems.push_back({.name = "limit", .time = repeat(by_hand)});
  }
  return prepared;
}

} // namespace

void add_rows_cases(std::vector<Case>& cases) {
  for (const Work& work : works)
    cases.push_back({"rows", work.name, fmt::format("{}x{}", work.rows, work.columns),
                     [&work](const Setting& s) { return prepare(work, s); }});
}

} // namespace bench
