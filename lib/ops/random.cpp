/// Uniform random numbers from Philox4x32-10, and the distributions made of them.
#include <kroton/random.hpp>

#include <array>
#include <cmath>
#include <limits>

#include <kroton/ops/transcendental.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/random.hpp"
#include "lib/ops/transcendental.hpp"
#include "lib/support/number_text.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::EvalContext;
using ir::InferContext;
using ir::Kind;
using ir::Type;

using Words = std::array<std::uint32_t, 4>;

/// Ten rounds of Philox4x32; constants from Salmon, Moraes, Dror and Shaw, "Parallel random
/// numbers: as easy as 1, 2, 3" (2011).
Words philox(Words counter, std::uint32_t k0, std::uint32_t k1) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = 0xD2511F53ull * counter[0], b = 0xCD9E8D57ull * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ k0, static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ k1,
               static_cast<std::uint32_t>(a)};
    k0 += 0x9E3779B9u;
    k1 += 0xBB67AE85u;
  }
  return counter;
}

/// Input: the state u64[2].
Type infer_uniform(InferContext& c) {
  const UniformParams& p = c.params.as<UniformParams>();
  return {p.dtype, p.shape};
}

/// f32: 24 bits of word e % 4 of block e / 4; positive ones the middle of one of 2^31
/// equal parts of (0, 1). f64: the upper 27 and 26 bits of words 2 (e % 2) and the next of block e
/// / 2.
Array eval_uniform(const EvalContext& c) {
  const UniformParams& p = c.params.as<UniformParams>();
  const Array state = c.inputs[0].contiguous();
  const std::uint64_t seed = state.data<std::uint64_t>()[0], step = state.data<std::uint64_t>()[1];
  Array out = Array::empty(c.dtype, Shape(c.shape.begin(), c.shape.end()));
  const auto block = [&](std::uint64_t b) {
    return philox({static_cast<std::uint32_t>(b), static_cast<std::uint32_t>(p.draw.number),
                   static_cast<std::uint32_t>(step), static_cast<std::uint32_t>(step >> 32)},
                  static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32));
  };
  for (std::int64_t e = 0; e < out.numel(); ++e) {
    const auto i = static_cast<std::uint64_t>(e);
    double u = 0;
    if (c.declared == DType::f32 && p.is_positive) {
      u = static_cast<float>(block(i / 4)[i % 4] >> 1) * 0x1p-31f + 0x1p-32f;
    } else if (c.declared == DType::f32) {
      u = (block(i / 4)[i % 4] >> 8) * 0x1p-24;
    } else {
      const Words w = block(i / 2);
      u = ((w[2 * (i % 2)] >> 5) * 0x1p26 + (w[2 * (i % 2) + 1] >> 6)) * 0x1p-53;
    }
    support::visit_float(c.dtype, [&]<class T>(std::type_identity<T>) {
      out.template data<T>()[e] = static_cast<T>(u);
    });
  }
  return out;
}

std::vector<ir::Example> examples_of_uniform(DType t) {
  if (t != DType::f32 && t != DType::f64) return {};
  const Expr x = tensor(t, {dim("n"), dim("m")}, "x");
  Random rng(42);
  return {{rng.uniform({7, 30}, t)},
          {x + rng.uniform(x.shape(), t)},
          {x + kroton::transpose(rng.uniform({x.shape()[1], x.shape()[0]}, t))}};
}

} // namespace

const Op uniform{.name = "uniform",
                 .arity = 1,
                 .kind = Kind::random,
                 .cost = 20,
                 .params = &ir::params_type<UniformParams>,
                 .infer = infer_uniform,
                 .eval = eval_uniform,
                 .gradient = [](const ir::GradContext&) { return std::vector{Expr(nullptr)}; },
                 .examples = examples_of_uniform,
                 .doc = "numbers drawn evenly from [0, 1)"};

std::span<const Op* const> random_rows() {
  static constexpr const Op* rows[] = {&uniform};
  return rows;
}

} // namespace ops

Random::Random(std::uint64_t seed, Location where)
    : seed_(seed),
      state_(kroton::shared(Array::from({seed, std::uint64_t{0}}, {2}), "random state", where)) {
  const Array one_call = Array::from({std::uint64_t{0}, std::uint64_t{1}}, {2});
  state_.state()->step = constant(one_call, {}, where).node();
}

namespace {

/// True if `v` is a finite number of the dtype.
bool is_finite(double v, DType dtype) {
  return support::visit_float(
      dtype, [&]<class T>(std::type_identity<T>) { return std::isfinite(static_cast<T>(v)); });
}

/// True if a product of `span` with the largest number below 1 that is drawn, added to `low`, may
/// be rounded to `high` or more.
template <class T> bool reaches(T low, T span, T high) {
  const T largest = 1 - std::numeric_limits<T>::epsilon() / 2;
  return largest * span + low >= high || std::fma(largest, span, low) >= high;
}

} // namespace

Expr Random::draw(std::vector<Dim> shape, DType dtype, Location where, bool is_for_logarithm) {
  if (dtype != DType::f32 && dtype != DType::f64)
    support::fail<TypeError>("random",
                             {.place = support::describe(where), .hint = "cast the result"},
                             "draws f32 or f64, not {}", to_string(dtype));
  return ir::make(ops::uniform, {state_},
                  ops::UniformParams{{draws_++}, std::move(shape), dtype, is_for_logarithm}, where);
}

Expr Random::uniform(std::vector<Dim> shape, DType dtype, double low, double high, Location where) {
  const Expr u = draw(std::move(shape), dtype, where);
  if (!(low <= high) || !is_finite(low, dtype) || !is_finite(high - low, dtype))
    support::fail<TypeError>(
        "uniform",
        {.place = support::describe(where),
         .hint = fmt::format("low must not be above high, and high - low must be finite in {}",
                             to_string(dtype))},
        "cannot draw from [{}, {})", support::number_text(low), support::number_text(high));
  if (low == 0 && high == 1) return u;
  const Expr scaled =
      Operand(Operand(u, where) * Operand(high - low, where), where) + Operand(low, where);
  // Rounding may reach `high`: then the largest number below it stands for what did.
  return support::visit_float(dtype, [&]<class T>(std::type_identity<T>) {
    const T start = static_cast<T>(low), end = static_cast<T>(high);
    if (start == end || !reaches(start, static_cast<T>(high - low), end)) return scaled;
    return minimum({scaled, where}, {std::nextafter(end, start), where});
  });
}

Expr Random::normal(std::vector<Dim> shape, DType dtype, double mean, double stddev,
                    Location where) {
  const bool is_f32 = dtype == DType::f32;
  // u in (0, 1], so that the logarithm is finite; small numbers make the tails. An f32 draw in [0,
  // 1) has none below 2^-24, which would end them at 5.8.
  const Expr u = draw(shape, dtype, where, is_f32), v = draw(std::move(shape), dtype, where);
  if (!(stddev >= 0) || !is_finite(stddev, dtype) || !is_finite(mean, dtype))
    support::fail<TypeError>("normal",
                             {.place = support::describe(where),
                              .hint = fmt::format("both must be finite in {}, and the standard "
                                                  "deviation not negative",
                                                  to_string(dtype))},
                             "the mean is {}, the standard deviation {}",
                             support::number_text(mean), support::number_text(stddev));
  const Expr logarithm = is_f32 ? log({u, where}) : log1p({-Operand(u, where), where});
  const Expr radius = sqrt({Operand(-2.0, where) * Operand(logarithm, where), where});
  const Expr z = Operand(radius, where) *
                 Operand(cospi({Operand(2.0, where) * Operand(v, where), where}), where);
  if (mean == 0 && stddev == 1) return z;
  return Operand(Operand(z, where) * Operand(stddev, where), where) + Operand(mean, where);
}

Expr Random::bernoulli(double p, std::vector<Dim> shape, DType dtype, Location where) {
  if (!(p >= 0 && p <= 1))
    support::fail<TypeError>(
        "bernoulli",
        {.place = support::describe(where), .hint = "give a probability between 0 and 1"},
        "p is {}", support::number_text(p));
  const Expr u = draw(std::move(shape), DType::f32, where);
  return cast({Operand(u, where) < Operand(p, where), where}, dtype);
}

} // namespace kroton
