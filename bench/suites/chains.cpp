/// Functions of more operations than one loop is good for; a part of suite cliffs.
#include "bench/inputs.hpp"
#include "bench/limit/limit.hpp"
#include "bench/suites/suites.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <memory>

#include <fmt/format.h>
#include <kroton/core.hpp>
#include <kroton/ops/transcendental.hpp>

namespace bench {
namespace {

namespace kt = kroton;

constexpr double most_of_limit = 1.3;

kt::Function compiled(std::vector<kt::Expr> inputs, std::vector<kt::Expr> outputs, const char* name,
                      const Setting& setting) {
  return kt::function(
      std::move(inputs), std::move(outputs),
      {.name = name, .threads = setting.threads, .specialize = kt::Specialize::off});
}

/// Numbers within `reach` of `middle`.
template <class T>
kt::Array around(double middle, double reach, const kt::Shape& shape, std::uint32_t stream) {
  kt::Array a = inputs<T>(shape, stream);
  for (std::int64_t i = 0; i < a.numel(); ++i)
    a.data<T>()[i] = static_cast<T>(middle + reach * std::tanh(a.data<T>()[i]));
  return a;
}

// ---- steps that are written out

struct Escape {
  const char* name;
  kt::DType dtype;
  std::int64_t rows, columns; ///< one row: x and y are one axis; else x is along columns, y rows
};

const Escape escapes[] = {
    {"20 written out steps f64", kt::DType::f64, 1, 1'000'000},
    {"20 written out steps f32", kt::DType::f32, 1000, 1000},
};

/// After how many of 20 steps of z² + c, from z = c = x + iy on, |z| is 2 or more.
kt::Expr escape(const kt::Expr& x, const kt::Expr& y) {
  kt::Expr re = x, im = y, count = 0.0f * (x + y);
  for (int step = 0; step < 20; ++step) {
    const kt::Expr re2 = re * re, im2 = im * im, is_inside = re2 + im2 < 4.0f;
    const kt::Expr both = 2.0f * re * im + y;
    count = count + kt::where(is_inside, 1.0f, 0.0f);
    re = kt::where(is_inside, re2 - im2 + x, re);
    im = kt::where(is_inside, both, im);
  }
  return count;
}

template <class T> Prepared prepare_escape(const Escape& e, const Setting& setting) {
  const bool is_flat = e.rows == 1;
  const kt::Shape of_y = is_flat ? kt::Shape{e.columns} : kt::Shape{e.rows, 1};
  const kt::Expr x = kt::tensor(e.dtype, {is_flat ? kt::dim("n") : kt::Dim(e.columns)}, "x"),
                 y = is_flat ? kt::tensor(e.dtype, {kt::dim("n")}, "y")
                             : kt::tensor(e.dtype, {e.rows, 1}, "y");
  const kt::Function f = compiled({x, y}, {escape(x, y)}, "escape", setting);
  const std::vector<kt::Array> arguments = {inputs<T>({e.columns}, 1), inputs<T>(of_y, 2)};
  const std::vector<kt::Array> outputs = f(arguments);
  Prepared prepared;
  prepared.systems.push_back({.name = "kroton",
                              .time = repeat([=] { f.call_into(arguments, outputs); }),
                              .bound = {.of_limit = most_of_limit}});
  if (!limits()) return prepared;
  const std::shared_ptr<kt::Array> by_hand =
      std::make_shared<kt::Array>(kt::Array::empty<T>(outputs[0].shape()));
  const auto run = [=] {
    const T *const px = arguments[0].data<const T>(), *const py = arguments[1].data<const T>();
    if constexpr (std::is_same_v<T, float>)
      limits()->escape_f32(e.rows, e.columns, px, py, by_hand->data<T>());
    else
      limits()->escape_f64(e.rows, e.columns, px, py, by_hand->data<T>());
  };
  run();
  require_close(e.name, outputs[0], *by_hand, 1e-6, 1e-6);
  prepared.systems.push_back({.name = "limit", .time = repeat(run)});
  return prepared;
}

// ---- a chain, its sum and its gradients

Prepared prepare_logistic(const Setting& setting) {
  constexpr std::int64_t n = 1'000'000;
  const kt::Expr x = kt::vector<float>("x"), b = kt::vector<float>("b");
  kt::Expr z = x;
  for (int step = 0; step < 40; ++step) z = b * z * (1.0f - z);
  const kt::Expr cost = kt::sum(z);
  const kt::Function f =
      compiled({x, b}, {cost, kt::grad(cost, x), kt::grad(cost, b)}, "logistic", setting);
  const std::vector<kt::Array> arguments = {around<float>(0.5, 0.3, {n}, 1),
                                            around<float>(2.9, 0.3, {n}, 2)};
  const std::vector<kt::Array> outputs = f(arguments);
  Prepared prepared;
  prepared.systems.push_back({.name = "kroton",
                              .time = repeat([=] { f.call_into(arguments, outputs); }),
                              .bound = {.of_limit = most_of_limit}});
  if (!limits()) return prepared;
  const auto by_hand = std::make_shared<std::vector<kt::Array>>();
  for (const kt::Array& a : outputs) by_hand->push_back(kt::Array::empty<float>(a.shape()));
  const auto run = [=] {
    limits()->logistic_gradient_f32(n, arguments[0].data<const float>(),
                                    arguments[1].data<const float>(), (*by_hand)[0].data<float>(),
                                    (*by_hand)[1].data<float>(), (*by_hand)[2].data<float>());
  };
  run();
  for (std::size_t i = 0; i < outputs.size(); ++i)
    require_close("logistic gradients", outputs[i], (*by_hand)[i], 1e-2, 1e-4);
  prepared.systems.push_back({.name = "limit", .time = repeat(run)});
  return prepared;
}

// ---- several results that have much in common

/// The distribution function of the normal distribution (Abramowitz and Stegun 26.2.17).
kt::Expr normal_cdf(const kt::Expr& x) {
  const kt::Expr k = 1.0f / (1.0f + 0.2316419f * kt::abs(x));
  const kt::Expr polynomial =
      k * (0.319381530f +
           k * (-0.356563782f + k * (1.781477937f + k * (-1.821255978f + k * 1.330274429f))));
  const kt::Expr tail = 0.3989422804f * kt::exp(-0.5f * x * x) * polynomial;
  return kt::where(x > 0.0f, 1.0f - tail, tail);
}

struct Options {
  const char* name;
  kt::DType dtype;
  kt::Shape shape;
};

const Options options[] = {
    {"options and greeks f64", kt::DType::f64, {100'000}},
    {"options and greeks f32", kt::DType::f32, {500, 200}},
};

/// Prices of options (Black and Scholes), their first derivatives and the second one, all together
/// and in three functions.
template <class T> Prepared prepare_options(const Options& o, const Setting& setting) {
  std::vector<kt::Dim> sizes;
  for (std::size_t i = 0; i < o.shape.size(); ++i) sizes.push_back(kt::dim());
  const auto input = [&](const char* name) { return kt::tensor(o.dtype, sizes, name); };
  const kt::Expr spot = input("spot"), strike = input("strike"), years = input("years"),
                 volatility = input("volatility");
  constexpr float rate = 0.03f;
  const kt::Expr spread = volatility * kt::sqrt(years);
  const kt::Expr d1 =
      (kt::log(spot / strike) + (rate + 0.5f * volatility * volatility) * years) / spread;
  const kt::Expr price =
      spot * normal_cdf(d1) - strike * kt::exp(-rate * years) * normal_cdf(d1 - spread);
  const std::vector<kt::Expr> greeks = kt::grad(kt::sum(price), {spot, years, volatility});
  const kt::Expr gamma = kt::grad(kt::sum(greeks[0]), spot);
  const std::vector<kt::Expr> in = {spot, strike, years, volatility};
  std::vector<kt::Array> arguments;
  for (const double middle : {100.0, 95.0, 1.0, 0.3})
    arguments.push_back(
        around<T>(middle, 0.1 * middle, o.shape, static_cast<std::uint32_t>(arguments.size() + 1)));
  std::vector<kt::Expr> first = greeks, all = greeks;
  first.insert(first.begin(), price);
  all.insert(all.end(), {price, gamma});
  struct Least {
    double all = std::numeric_limits<double>::infinity();
    double pieces[3] = {all, all, all};
  };
  const auto least = std::make_shared<Least>();
  const auto timed = [&](const kt::Function& f, double* best) {
    const std::vector<kt::Array> outputs = f(arguments);
    auto time = repeat([=] { f.call_into(arguments, outputs); });
    return [=](long repetitions) {
      (void)least; // keeps `best`
      const double ns = time(repetitions);
      *best = std::min(*best, ns / static_cast<double>(repetitions));
      return ns;
    };
  };
  Prepared prepared;
  const auto add = [&](const char* name, const std::vector<kt::Expr>& outputs, double* best) {
    prepared.systems.push_back(
        {.name = name, .time = timed(compiled(in, outputs, name, setting), best)});
  };
  add("price", {price}, &least->pieces[0]);
  add("first order", first, &least->pieces[1]);
  add("gamma", {gamma}, &least->pieces[2]);
  add("kroton", all, &least->all);
  prepared.systems.back().remark = [least]() -> std::optional<Remark> {
    const double sum = least->pieces[0] + least->pieces[1] + least->pieces[2];
    const double ratio = least->all / sum;
    return Remark{fmt::format("{:.2f} of the three one by one, {} at most", ratio, most_of_limit),
                  ratio > most_of_limit};
  };
  return prepared;
}

} // namespace

void add_chain_cases(std::vector<Case>& cases) {
  for (const Escape& e : escapes)
    cases.push_back(
        {"cliffs", e.name, fmt::format("{}x{}", e.rows, e.columns), [&e](const Setting& s) {
           return e.dtype == kt::DType::f32 ? prepare_escape<float>(e, s)
                                            : prepare_escape<double>(e, s);
         }});
  cases.push_back(
      {"cliffs", "40 written out steps and gradients f32", "1000000", prepare_logistic});
  for (const Options& o : options)
    cases.push_back(
        {"cliffs", o.name, fmt::format("{}", fmt::join(o.shape, "x")), [&o](const Setting& s) {
           return o.dtype == kt::DType::f32 ? prepare_options<float>(o, s)
                                            : prepare_options<double>(o, s);
         }});
}

} // namespace bench
