/// Distributions that are made of uniform numbers, and of those that rejection samplers draw.
#include <cmath>
#include <numbers>

#include <kroton/ops/activation.hpp>
#include <kroton/ops/arithmetic.hpp>
#include <kroton/ops/contraction.hpp>
#include <kroton/ops/cumulative.hpp>
#include <kroton/ops/linear_algebra.hpp>
#include <kroton/ops/cumulative.hpp>
#include <kroton/ops/transcendental.hpp>
#include <kroton/random.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/variates.hpp"
#include "lib/support/number_text.hpp"

namespace kroton {
namespace {

/// Arithmetic at the user's line.
class At {
public:
  explicit At(Location where) : where_(where) {}
  template <class T> Operand operator()(T v) const { return Operand(v, where_); }

private:
  Location where_;
};

/// A parameter in f64, which broadcasts to `shape`.
Expr parameter(const Operand& p, const std::vector<Dim>& shape) {
  const Expr e =
      cast({p.is_literal() ? constant(p.literal.floating, p.where) : p.expr, p.where}, DType::f64);
  return broadcast_to({e, p.where}, shape);
}

std::vector<Dim> with_last(std::vector<Dim> shape, const Dim& last) {
  shape.push_back(last);
  return shape;
}

/// Weights or concentrations of categories, along the last axis.
const Dim& categories(std::string_view function, const Operand& of) {
  if (of.is_literal() || of.expr.rank() == 0)
    support::fail<ShapeError>(function,
                              {.place = ir::place_of(of.where, {}),
                               .hint = "give one for each category, along the last axis"},
                              "takes an array, got {}",
                              of.is_literal() ? "a number" : of.expr.label());
  return of.expr.shape().back();
}

} // namespace

Expr Random::inside(std::vector<Dim> shape, Location where) {
  const At at(where);
  return at(draw(std::move(shape), DType::f64, where)) + at(0x1p-54);
}

Expr Random::exponential(Operand scale, std::vector<Dim> shape, DType dtype) {
  const At at(scale.where);
  const Expr u = dtype == DType::f32 ? draw(shape, dtype, scale.where, true)
                                     : at(1.0) - at(draw(shape, dtype, scale.where));
  const Expr by = cast({parameter(scale, shape), scale.where}, dtype);
  return at(-log({u, scale.where})) * at(by);
}

Expr Random::laplace(std::vector<Dim> shape, DType dtype, Location where) {
  const At at(where);
  const Expr e = at(inside(std::move(shape), where)) - at(0.5);
  return cast(at(at(-sign(at(e))) * at(log1p(at(at(-2.0) * at(abs(at(e))))))), dtype);
}

Expr Random::cauchy(std::vector<Dim> shape, DType dtype, Location where) {
  const At at(where);
  const Expr e = at(inside(std::move(shape), where)) - at(0.5);
  return cast(at(at(sinpi(at(e))) / at(cospi(at(e)))), dtype);
}

Expr Random::student_t(Operand degrees, std::vector<Dim> shape, DType dtype) {
  const At at(degrees.where);
  const Expr nu = parameter(degrees, shape), u = inside(shape, degrees.where),
             v = draw(shape, DType::f64, degrees.where);
  // R. W. Bailey, "Polar generation of random variates with the t-distribution" (1994).
  const Expr stretched = expm1(at(at(at(-2.0) * at(log(at(u)))) / at(nu)));
  const Expr radius = sqrt(at(at(nu) * at(stretched)));
  return cast(at(at(radius) * at(cospi(at(at(2.0) * at(v))))), dtype);
}

Expr Random::gamma(Operand concentration, std::vector<Dim> shape, DType dtype) {
  const At at(concentration.where);
  const Expr logarithms =
      ir::make(ops::log_gamma_variates,
               {draw(shape, DType::f64, concentration.where), parameter(concentration, shape)}, {},
               concentration.where);
  return cast(at(exp(at(logarithms))), dtype);
}

Expr Random::beta(Operand a, Operand b, std::vector<Dim> shape, DType dtype) {
  const At at(a.where);
  const auto logarithms = [&](const Operand& p) {
    return ir::make(ops::log_gamma_variates,
                    {draw(shape, DType::f64, a.where), parameter(p, shape)}, {}, a.where);
  };
  const Expr of_a = logarithms(a), of_b = logarithms(b);
  return cast(at(sigmoid(at(at(of_a) - at(of_b)))), dtype);
}

Expr Random::dirichlet(Operand concentrations, std::vector<Dim> shape, DType dtype) {
  const At at(concentrations.where);
  shape = with_last(std::move(shape), categories("dirichlet", concentrations));
  const Expr logarithms =
      ir::make(ops::log_gamma_variates,
               {draw(shape, DType::f64, concentrations.where), parameter(concentrations, shape)},
               {}, concentrations.where);
  return cast(at(softmax(at(logarithms))), dtype);
}

Expr Random::multivariate_normal(Operand mean, Operand covariance, std::vector<Dim> shape) {
  const At at(mean.where);
  shape = with_last(std::move(shape), categories("multivariate_normal", mean));
  const DType dtype = mean.expr.dtype() == DType::f32 ? DType::f32 : DType::f64;
  const Expr z = normal(std::move(shape), dtype, 0, 1, mean.where);
  const Expr spread = einsum("...ij,...j->...i", {cholesky(covariance), z}, mean.where);
  return mean + at(spread);
}

Expr Random::integers(Operand low, Operand high, std::vector<Dim> shape) {
  const At at(low.where);
  const auto whole = [&](const Operand& p) {
    const bool is_real =
        p.is_literal() ? p.literal.kind == WeakKind::floating || p.literal.kind == WeakKind::f32
                       : is_float(p.expr.dtype());
    if (is_real)
      support::fail<TypeError>("integers",
                               {.place = ir::place_of(p.where, {}),
                                .hint = "give whole numbers, or cast(x, DType::i64)"},
                               "the ends must be integers, got {}",
                               p.is_literal() ? support::number_text(p.literal.floating)
                                              : p.expr.label());
    return broadcast_to(
        {cast({p.is_literal() ? constant(p.literal.integer, p.where) : p.expr, p.where},
              DType::i64),
         p.where},
        shape);
  };
  const Expr from = whole(low), count = at(whole(high)) - at(from);
  const Expr u = draw(shape, DType::f64, low.where);
  return at(from) + at(cast(at(floor(at(at(u) * at(cast(at(count), DType::f64))))), DType::i64));
}

Expr Random::geometric(Operand p, std::vector<Dim> shape) {
  const At at(p.where);
  const Expr u = at(1.0) - at(draw(shape, DType::f64, p.where));
  const Expr fails = log1p(at(-at(parameter(p, shape))));
  const Expr before = floor(at(at(log(at(u))) / at(fails)));
  return cast(at(at(1.0) + at(before)), DType::i64);
}

Expr Random::poisson(Operand rate, std::vector<Dim> shape) {
  const Expr counts =
      ir::make(ops::poisson_variates, {draw(shape, DType::f64, rate.where), parameter(rate, shape)},
               {}, rate.where);
  return cast({counts, rate.where}, DType::i64);
}

Expr Random::binomial(Operand trials, Operand p, std::vector<Dim> shape) {
  const Expr counts = ir::make(
      ops::binomial_variates,
      {draw(shape, DType::f64, trials.where), parameter(trials, shape), parameter(p, shape)}, {},
      trials.where);
  return cast({counts, trials.where}, DType::i64);
}

Expr Random::multinomial(Operand trials, Operand weights, std::vector<Dim> shape) {
  const Expr counts =
      ir::make(ops::multinomial_variates,
               {draw(shape, DType::f64, trials.where), parameter(trials, shape),
                parameter(weights, with_last(shape, categories("multinomial", weights)))},
               {}, trials.where);
  return cast({counts, trials.where}, DType::i64);
}

Expr Random::categorical(Operand weights, std::vector<Dim> shape) {
  const At at(weights.where);
  const Dim k = categories("categorical", weights);
  const Expr ends = cumsum(at(parameter(weights, with_last(shape, k))), -1);
  const Expr total = max(at(ends), {-1}, true);
  const Expr u = expand_dims(at(draw(std::move(shape), DType::f64, weights.where)), {-1});
  const Expr passed = sum(at(cast(at(at(ends) <= at(at(u) * at(total))), DType::i64)), {-1});
  return minimum(at(passed), Operand(at(k) - at(1), weights.where));
}

Random Random::split(std::uint64_t key, Location where) const {
  // The output function of splitmix64 mixes each half, so that neighbouring seeds and keys are
  // apart.
  const auto mixed = [](std::uint64_t z) {
    z += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  };
  return Random(mixed(mixed(seed_) ^ key), where);
}

} // namespace kroton
