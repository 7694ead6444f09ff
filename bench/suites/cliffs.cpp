/// Programs beside what was tuned: three of each kind, which differ in shape, in dtype and in how
/// arrays are or are read.
#include "bench/inputs.hpp"
#include "bench/limit/limit.hpp"
#include "bench/settle.hpp"
#include "bench/suites/suites.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include <fmt/format.h>
#include <kroton/core.hpp>
#include <kroton/ops/scatter.hpp>
#include <kroton/ops/movement.hpp>

namespace bench {
namespace {

namespace kt = kroton;

// ---- the gradient of many reads of one array

/// How step t of a recurrence is read.
enum class Reading { numbers, slices, lookups };

struct Recurring {
  const char* name;
  kt::DType dtype;
  std::int64_t batch, steps, features;
  Reading reading;
  bool is_time_first; ///< the array is as [steps, batch, features]
  bool is_known;      ///< its sizes are
};

constexpr double most_of_forward = 4; ///< the bound of a gradient, in forward passes

const Recurring recurrences[] = {
    {"gradient of reads f32", kt::DType::f32, 16, 256, 256, Reading::numbers, false, true},
    {"gradient of reads f64, slices", kt::DType::f64, 8, 64, 100, Reading::slices, false, true},
    {"gradient of reads f32, any size", kt::DType::f32, 4, 128, 30, Reading::lookups, true, false},
};

kt::Expr read(const kt::Expr& xs, const Recurring& r, std::int64_t t) {
  if (r.reading == Reading::slices) return kt::squeeze(kt::slice(xs, {{}, {t, t + 1}}), {1});
  if (r.is_time_first) return kt::index(xs, {t});
  return kt::index(xs, {kt::Range{}, t});
}

/// The sum of the last step's elements.
kt::Expr recur(const kt::Expr& xs, const Recurring& r) {
  kt::Expr h = read(xs, r, 0);
  for (std::int64_t t = 0; t < r.steps; ++t) {
    const kt::Expr u = t == 0 ? h : h + read(xs, r, t);
    h = kt::tanh(u);
  }
  return kt::sum(h);
}

/// What each repetition took at least, for the remark on a gradient.
struct Least {
  double forward = std::numeric_limits<double>::infinity(), gradient = forward;
};

std::function<double(long)> noted(std::function<double(long)> time, std::shared_ptr<Least> least,
                                  double Least::*which) {
  return [=](long repetitions) {
    const double ns = time(repetitions);
    double& so_far = (*least).*which;
    so_far = std::min(so_far, ns / static_cast<double>(repetitions));
    return ns;
  };
}

template <class T> auto gradient_by_hand() {
  if constexpr (std::is_same_v<T, float>)
    return limits()->recurrence_gradient_f32;
  else
    return limits()->recurrence_gradient_f64;
}

/// Steps that leave the gradient of the first one far from what denormals are.
template <class T> kt::Array small(const kt::Shape& shape) {
  kt::Array a = inputs<T>(shape, 1);
  for (std::int64_t i = 0; i < a.numel(); ++i) a.data<T>()[i] *= T(0.02);
  return a;
}

template <class T> Prepared prepare_recurrence(const Recurring& r, const Setting& setting) {
  kt::Shape shape = r.is_time_first ? kt::Shape{r.steps, r.batch, r.features}
                                    : kt::Shape{r.batch, r.steps, r.features};
  std::vector<kt::Dim> dims(shape.begin(), shape.end());
  if (!r.is_known) dims = {kt::dim(), kt::dim(), kt::dim()};
  const kt::Expr x = kt::tensor(r.dtype, dims, "x"), w = kt::tensor(r.dtype, {dims[2]}, "w");
  const kt::Expr cost = recur(x * w, r);
  const auto compiled = [&](const kt::Expr& e, const char* name) {
    return kt::function(
        {x, w}, e, {.name = name, .threads = setting.threads, .specialize = kt::Specialize::off});
  };
  const kt::Function forward = compiled(cost, "forward"), f = compiled(kt::grad(cost, w), "reads");
  const std::vector<kt::Array> arguments = {small<T>(shape), inputs<T>({r.features}, 2)};
  const std::vector<kt::Array> outputs = f(arguments), cost_of = forward(arguments);
  const auto least = std::make_shared<Least>();
  Prepared prepared;
  prepared.systems.push_back({.name = "forward",
                              .time = noted(repeat([=] { forward.call_into(arguments, cost_of); }),
                                            least, &Least::forward)});
  prepared.systems.push_back(
      {.name = "kroton",
       .time = noted(repeat([=] { f.call_into(arguments, outputs); }), least, &Least::gradient),
       .remark = [least]() -> std::optional<Remark> {
         const double ratio = least->gradient / least->forward;
         return Remark{fmt::format("{:.2f} forward passes, {} at most", ratio, most_of_forward),
                       ratio > most_of_forward};
       }});
  if (!limits()) return prepared;
  const std::shared_ptr<kt::Array> gradient =
      std::make_shared<kt::Array>(kt::Array::empty<T>({r.features}));
  const auto kept =
      std::make_shared<std::vector<T>>(static_cast<std::size_t>((r.steps + 1) * r.features));
  const long each = r.features;
  const Recurrence<T> by_hand{.batch = r.batch,
                              .steps = r.steps,
                              .features = r.features,
                              .batch_stride = r.is_time_first ? each : r.steps * each,
                              .step_stride = r.is_time_first ? r.batch * each : each,
                              .x = arguments[0].data<const T>(),
                              .w = arguments[1].data<const T>(),
                              .kept = kept->data(),
                              .gradient = gradient->data<T>()};
  const auto run = [=] {
    (void)gradient, (void)kept;
    gradient_by_hand<T>()(by_hand);
  };
  run();
  require_close(r.name, outputs[0], *gradient, 1e-3, 1e-3);
  prepared.systems.push_back({.name = "limit", .time = repeat(run)});
  return prepared;
}

// ---- an update of a few rows

struct Update {
  const char* name;
  kt::DType dtype;
  std::int64_t height, width, rows;
  bool is_gradient; ///< what is added comes from looking the rows up
  double of_limit;
};

/// Calls of a microsecond; see README.md on what does not count.
constexpr double call_ns = 500;

const Update updates[] = {
    {"update of rows f32", kt::DType::f32, 400'000, 100, 64, false, 1.5},
    {"update of rows f64", kt::DType::f64, 200'000, 64, 1000, false, 1.5},
    {"gradient of rows f32", kt::DType::f32, 400'000, 100, 64, true, 3},
};

template <class T> Prepared prepare_update(const Update& u, const Setting& setting) {
  constexpr T rate = T(0.125);
  const kt::Expr rows = kt::tensor<std::int32_t>({u.rows}, "rows"),
                 g = kt::tensor(u.dtype, {u.rows, u.width}, "g");
  const kt::Array at = labels(u.rows, static_cast<std::uint32_t>(u.height), 3),
                  added = inputs<T>({u.rows, u.width}, 4);
  const kt::Shared table = kt::shared(kt::Array::zeros<T>({u.height, u.width}), "table");
  const kt::Expr w = table;
  // d/dw of sum(w[rows] g) is g at the rows, and costs no more by hand.
  const kt::Expr change = u.is_gradient ? kt::grad(kt::sum(kt::index(w, {rows}) * g), w)
                                        : kt::index_add(w.shape(), {rows}, g);
  const kt::Function f = kt::function(
      {rows, g}, std::vector<kt::Expr>{},
      {.updates = {{table, w - rate * change}}, .name = "update", .threads = setting.threads});
  const std::vector<kt::Array> arguments = {at, added}, outputs;
  f(arguments);
  const kt::Array once = table.get().copy();
  settle(f, arguments, outputs);
  Prepared prepared;
  prepared.systems.push_back({.name = "kroton",
                              .time = repeat([=] { f.call_into(arguments, outputs); }),
                              .bound = {.of_limit = u.of_limit, .aside_ns = call_ns}});
  if (!limits()) return prepared;
  const std::shared_ptr<kt::Array> by_hand =
      std::make_shared<kt::Array>(kt::Array::zeros<T>({u.height, u.width}));
  const auto run = [=] {
    T* const to = by_hand->data<T>();
    const auto* const places = at.data<const std::int32_t>();
    const T* const from = added.data<const T>();
    if constexpr (std::is_same_v<T, float>)
      limits()->subtract_rows_f32(u.rows, u.width, rate, places, from, to);
    else
      limits()->subtract_rows_f64(u.rows, u.width, rate, places, from, to);
  };
  run();
  require_close(u.name, once, *by_hand, 1e-5, 1e-6);
  prepared.systems.push_back({.name = "limit", .time = repeat(run)});
  return prepared;
}

// ---- sums at positions

struct Sums {
  const char* name;
  kt::DType dtype;
  std::int64_t count, rows;
};

const Sums sums[] = {
    {"sums at positions f64", kt::DType::f64, 2'000'000, 256},
    {"sums at positions f64", kt::DType::f64, 2'000'000, 200'000},
    {"sums at positions f32", kt::DType::f32, 2'000'000, 256},
};

template <class T> Prepared prepare_sums(const Sums& s, const Setting& setting) {
  const kt::Expr at = kt::vector<std::int32_t>("at"), g = kt::tensor(s.dtype, {kt::dim()}, "g");
  const kt::Function f = kt::function({at, g}, kt::index_add({s.rows}, {at}, g),
                                      {.name = "sums", .threads = setting.threads});
  const std::vector<kt::Array> arguments = {labels(s.count, static_cast<std::uint32_t>(s.rows), 5),
                                            inputs<T>({s.count}, 6)};
  const std::vector<kt::Array> outputs = f(arguments);
  Prepared prepared;
  prepared.systems.push_back({.name = "kroton",
                              .time = repeat([=] { f.call_into(arguments, outputs); }),
                              .bound = {.of_limit = 1.2}});
  if (!limits()) return prepared;
  const std::shared_ptr<kt::Array> by_hand =
      std::make_shared<kt::Array>(kt::Array::empty<T>({s.rows}));
  const auto run = [=] {
    const auto* const places = arguments[0].data<const std::int32_t>();
    const T* const from = arguments[1].data<const T>();
    if constexpr (std::is_same_v<T, float>)
      limits()->sums_at_f32(s.count, s.rows, places, from, by_hand->data<T>());
    else
      limits()->sums_at_f64(s.count, s.rows, places, from, by_hand->data<T>());
  };
  run();
  require_close(s.name, outputs[0], *by_hand, 1e-3, 1e-2);
  prepared.systems.push_back({.name = "limit", .time = repeat(run)});
  return prepared;
}

} // namespace

void add_cliffs_cases(std::vector<Case>& cases) {
  for (const Recurring& r : recurrences)
    cases.push_back({"cliffs", r.name, fmt::format("{}x{}x{}", r.batch, r.steps, r.features),
                     [&r](const Setting& s) {
                       return r.dtype == kt::DType::f32 ? prepare_recurrence<float>(r, s)
                                                        : prepare_recurrence<double>(r, s);
                     }});
  for (const Update& u : updates)
    cases.push_back({"cliffs", u.name, fmt::format("{} of {}x{}", u.rows, u.height, u.width),
                     [&u](const Setting& s) {
                       return u.dtype == kt::DType::f32 ? prepare_update<float>(u, s)
                                                        : prepare_update<double>(u, s);
                     }});
  for (const Sums& s : sums)
    cases.push_back(
        {"cliffs", s.name, fmt::format("{} to {}", s.count, s.rows), [&s](const Setting& setting) {
           return s.dtype == kt::DType::f32 ? prepare_sums<float>(s, setting)
                                            : prepare_sums<double>(s, setting);
         }});
}

} // namespace bench
