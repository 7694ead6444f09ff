/// A version for certain sizes gives the same bits as the one for any, so that a program's results
/// do not depend on when it was specialised; but sums of products, of which the compiler contracts
/// some into a multiply-add in one and others in the other.
#include <map>

#include <kroton/grad.hpp>
#include <kroton/random.hpp>
#include <kroton/ops/reduction.hpp>
#include <kroton/ops/transcendental.hpp>

#include "test/conformance/compositions.hpp"
#include "test/conformance/oracle.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"
#include "test/support/random_graph.hpp"

namespace kroton::test {
namespace {

Array drawn(const Shape& shape, DType dtype, Rng& rng) {
  Array wide = Array::empty(DType::f64, shape);
  for (std::int64_t i = 0; i < wide.numel(); ++i)
    wide.data<double>()[i] =
        is_float(dtype) ? draw(rng, Values::small) : static_cast<double>(rng.below(4));
  return wide.astype(dtype);
}

/// Arguments for `inputs` whose unknown dims are taken from `sizes` in turn, equal names equal.
std::vector<Array> arguments_of(const std::vector<Expr>& inputs,
                                const std::vector<std::int64_t>& sizes, Rng& rng) {
  std::map<std::string, std::int64_t> named;
  std::vector<Array> arguments;
  for (const Expr& e : inputs) {
    Shape shape;
    for (const Dim& d : e.shape())
      shape.push_back(
          d.is_static()
              ? d.value()
              : named.emplace(d.to_string(), sizes[named.size() % sizes.size()]).first->second);
    arguments.push_back(drawn(shape, e.dtype(), rng));
  }
  return arguments;
}

/// Calls both versions with arguments of each of `calls`' sizes and compares the outputs.
void check_same(const std::vector<Expr>& inputs, const std::vector<Expr>& outputs,
                const std::vector<std::vector<std::int64_t>>& calls, bool contract, Rng& rng) {
  const Options off{.contract = contract, .specialize = Specialize::off},
      immediately{.contract = contract, .specialize = Specialize::immediately};
  const Function any = function(inputs, outputs, off),
                 special = function(inputs, outputs, immediately);
  for (const auto& sizes : calls) {
    CAPTURE(sizes);
    const auto arguments = arguments_of(inputs, sizes, rng);
    std::vector<Array> want;
    try {
      want = any(arguments);
    } catch (const Error&) {
      CHECK_THROWS_AS(special(arguments), Error);
      continue;
    }
    const auto got = special(arguments);
    for (std::size_t i = 0; i < want.size(); ++i) {
      INFO("output " << i << ": " << want[i].label());
      CHECK(difference(got[i], want[i], Tolerance{}) == "");
    }
  }
}

struct Program {
  std::string name;
  std::vector<Expr> inputs, outputs;
};

std::vector<Program> programs(DType t) {
  const Dim m = dim("m"), n = dim("n"), k = dim("k");
  const Expr x = tensor(t, {m, n}, "x"), y = tensor(t, {n, k}, "y"), v = tensor(t, {n}, "v"),
             c = tensor(t, {m, n, k}, "c");
  std::vector<Program> all;
  const auto add = [&](std::string name, std::vector<Expr> inputs, std::vector<Expr> outputs) {
    all.push_back({std::move(name), std::move(inputs), std::move(outputs)});
  };
  add("elementwise", {x, v}, {tanh(2 * x + v) * sigmoid(v) + log1p(exp(x))});
  for (const int axis : {0, 1}) {
    add(fmt::format("reductions over axis {}", axis), {x},
        {sum(x, {axis}), mean(x, {axis}), max(x, {axis}), min(x, {axis}), argmax(x, axis),
         logsumexp(x, {axis})});
    add(fmt::format("softmax over axis {}", axis), {x}, {softmax(x, axis), log_softmax(x, axis)});
  }
  add("reductions over everything", {x}, {sum(x), mean(x), max(x), sum(exp(x) * x)});
  for (const std::vector<int>& axes : {std::vector{0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}})
    add(fmt::format("sum of three axes over [{}]", fmt::join(axes, ",")), {c}, {sum(c * c, axes)});
  const Expr centred = x - expand_dims(mean(x, {1}), {1});
  add("layer norm", {x}, {centred / sqrt(expand_dims(mean(centred * centred, {1}), {1}) + 1e-5)});
  const Expr highest = max(x, {1});
  add("sums of what rows end with", {x},
      {sum(logsumexp(x, {1})), sum(tanh(highest) * highest + exp(2 * highest))});
  add("product", {x, y}, {dot(x, y)});
  add("product of transposes", {x}, {dot(transpose(x), x), dot(x, transpose(x))});
  add("product and vector", {x, v}, {dot(x, v), dot(v, transpose(x))});
  const Expr cost = sum(log_softmax(tanh(dot(x, y)), 1));
  // Known rows of a few vectors are padded between steps.
  const Expr hidden = tanh(dot(x, y) + sum(y, {0}));
  add("layer", {x, y},
      {sum(hidden), sum(hidden, {0}), sum(hidden, {1}), dot(hidden, transpose(y))});
  add("gradient", {x, y}, {cost, grad(cost, x), grad(cost, y)});
  return all;
}

/// What is folded of x[m, n], a case of many: along either axis, along both, and what reads the
/// results.
std::vector<Expr> folded(const Expr& x, std::uint64_t which) {
  const auto along = [](const Expr& e, int axis) { return expand_dims(e, {axis}); };
  switch (which % 8) {
  case 0:
    return {sum(x, {1}), mean(x * x, {1}), argmax(x, 1)};
  case 1:
    return {sum(x, {0}), mean(exp(x), {0}), argmax(x, 0)};
  case 2:
    return {sum(x * x), sum(exp(x)), max(x)};
  case 3:
    return {softmax(x), sum(softmax(x), {0})};
  case 4:
    return {log_softmax(x, 0), sum(logsumexp(x, {1}))};
  case 5: {
    const Expr centred = x - along(mean(x, {1}), 1);
    return {centred / sqrt(along(mean(centred * centred, {1}), 1) + 1e-5), sum(centred, {0})};
  }
  case 6:
    return {sum(tanh(x), {0}), max(x, {0}), sum(tanh(x))};
  default:
    return {sum(x * along(sum(x, {1}), 1), {0}), sum(transpose(x) * 2, {1})};
  }
}

/// What a statistic makes of what an op makes of x[m, n]: a mean, what is left without it, its
/// variance, all of that over one axis or both, and what follows from those sums.
std::vector<Expr> statistics(const Form& form, const Expr& x, const Expr& y,
                             const std::vector<int>& axes) {
  const auto of = [&](DType t) { return cast(y, t); };
  const Expr e = cast(form.apply(x, of), x.dtype());
  std::vector<int> all = axes.empty() ? std::vector<int>{0, 1} : axes;
  Expr n = cast(x.dim(all[0]), x.dtype());
  for (std::size_t i = 1; i < all.size(); ++i) n = n * cast(x.dim(all[i]), x.dtype());
  const Expr centre = sum(e, axes, true) / n, centred = x - centre;
  const Expr variance = sum(centred * centred, axes) / n;
  return {centre, variance, centred / sqrt(expand_dims(variance, all) + 1e-5),
          sum(form.apply(centred, of)), mean(e / n, axes)};
}

/// Numbers drawn in rows: with a bias, and summed.
std::vector<Array> draws(Specialize specialize, const Array& x, const Array& b) {
  Random random(42);
  const Expr xs = tensor(x.dtype(), {dim("m"), dim("n")}, "x"),
             bs = tensor(x.dtype(), {dim("n")}, "b"),
             noisy = exp(xs + bs) * random.uniform(xs.shape(), x.dtype());
  const Function f =
      function({xs, bs}, {noisy, sum(noisy, {1}), sum(noisy, {0})}, {.specialize = specialize});
  return f({x, b});
}

} // namespace

TEST_CASE("specialised random numbers are the general ones", "[conformance][specialize]") {
  Rng rng(6);
  for (const DType t : {DType::f32, DType::f64})
    for (const std::int64_t n : {1, 3, 30, 32, 63, 64, 65, 1000, 3000, 5000}) {
      INFO(n << " columns of " << to_string(t));
      const Array x = drawn({150, n}, t, rng), b = drawn({n}, t, rng);
      const auto any = draws(Specialize::off, x, b), special = draws(Specialize::immediately, x, b);
      for (std::size_t i = 0; i < any.size(); ++i) {
        // An axis that is known to have one element is left out: the rows' sum is then one of a
        // single axis (docs/numerics.md).
        if (i == 2 && n == 1) continue;
        CHECK(difference(special[i], any[i], Tolerance{}) == "");
      }
    }
}

TEST_CASE("specialised results are the general ones", "[conformance][specialize]") {
  for (const DType t : {DType::f32, DType::f64}) {
    Rng rng(5);
    for (const Program& c : programs(t)) {
      INFO(c.name << " of " << to_string(t));
      for (const bool contract : {true, false}) {
        CAPTURE(contract);
        check_same(c.inputs, c.outputs,
                   {{1, 1, 1}, {3, 5, 2}, {32, 30, 10}, {8, 16, 64}, {40, 300, 17}, {150, 9, 3}},
                   contract, rng);
      }
    }
  }
}

TEST_CASE("sums do not depend on whether lengths are known", "[conformance][specialize]") {
  constexpr std::int64_t rows[] = {2, 3, 70, 300};
  constexpr std::int64_t lengths[] = {2,  3,  4,  5,   9,   16,  17,   32,   33,
                                      64, 65, 70, 200, 513, 600, 1000, 1100, 2100};
  for (std::uint64_t seed = 1; seed <= 32; ++seed) {
    Rng rng(seed);
    const std::int64_t m = rows[rng.below(std::size(rows))],
                       n = lengths[rng.below(std::size(lengths))];
    const DType t = seed % 3 == 0 ? DType::f64 : DType::f32;
    INFO("seed " << seed << ": " << m << " x " << n << " of " << to_string(t));
    const Expr any = tensor(t, {dim("m"), dim("n")}, "x"), known = tensor(t, {m, n}, "x");
    const Array x = drawn({m, n}, t, rng);
    const Options options{.specialize = Specialize::off};
    const auto want = function({any}, folded(any, seed), options)({x}),
               got = function({known}, folded(known, seed), options)({x});
    for (std::size_t i = 0; i < want.size(); ++i) {
      INFO("output " << i << ": " << want[i].label());
      CHECK(difference(got[i], want[i], Tolerance{}) == "");
    }
  }
}

/// Statistics of every op, or of every `step`-th, with sizes that are known and that are not.
void check_statistics(std::size_t step) {
  // Axes of 2 to 4 that are declared have no loop, and may have other last bits (docs/numerics.md).
  const std::vector<std::pair<std::int64_t, std::int64_t>> shapes{
      {10, 64}, {7, 5}, {64, 33}, {70, 128}, {6, 600}, {2100, 8}, {200, 256}};
  std::size_t number = 0;
  for (const DType t : {DType::f32, DType::f64})
    for (const Form& form : elementwise_forms(t))
      for (const std::vector<int>& axes : {std::vector<int>{1}, {0}, {}}) {
        if (number++ % step != 0) continue;
        const auto& [m, n] = shapes[number / step % shapes.size()];
        INFO("statistics over [" << fmt::format("{}", fmt::join(axes, ",")) << "] of "
                                 << form.label() << " of " << to_string(t) << ", " << m << " x "
                                 << n);
        const auto outputs = [&](const Expr& x, const Expr& y) {
          return statistics(form, x, y, axes);
        };
        const Expr x = tensor(t, {dim("m"), dim("n")}, "x"), y = tensor(t, x.shape(), "y"),
                   known_x = tensor(t, {m, n}, "x"), known_y = tensor(t, {m, n}, "y");
        Rng rng(number);
        const std::vector<Array> arguments{drawn({m, n}, t, rng), drawn({m, n}, t, rng)};
        const Options options{.specialize = Specialize::off};
        const auto want = function({x, y}, outputs(x, y), options)(arguments),
                   got =
                       function({known_x, known_y}, outputs(known_x, known_y), options)(arguments);
        for (std::size_t i = 0; i < want.size(); ++i) {
          INFO("output " << i << ": " << want[i].label());
          CHECK(difference(got[i], want[i], Tolerance{}) == "");
        }
      }
}

TEST_CASE("the variance of rows does not depend on whether their length is known",
          "[conformance][specialize]") {
  // How many lanes a vector had followed from the work of the kernel, which a division by a known
  // power of two has less of.
  for (const DType t : {DType::f32, DType::f64}) {
    Rng rng(1);
    const auto variance = [](const Expr& x) {
      const Expr centred = x - mean(x, {1}, true);
      return mean(centred * centred, {1});
    };
    const Array x = drawn({10, 64}, t, rng);
    const Expr any = tensor(t, {dim("m"), dim("n")}, "x"), known = tensor(t, {10, 64}, "x");
    const Options options{.specialize = Specialize::off};
    const auto want = function({any}, {variance(any)}, options)({x}),
               got = function({known}, {variance(known)}, options)({x});
    CHECK(difference(got[0], want[0], Tolerance{}) == "");
  }
}

TEST_CASE("statistics of some ops are the same bits specialised", "[conformance][specialize]") {
  check_statistics(11);
}

TEST_CASE("statistics of every op are the same bits specialised",
          "[.slow][conformance][specialize]") {
  check_statistics(1);
}

TEST_CASE("random graphs are the same bits specialised", "[conformance][specialize][fuzz]") {
  for (std::uint64_t seed = 1; seed <= 12; ++seed) {
    INFO("KROTON_FUZZ_SEED=" << seed);
    const RandomGraph r = random_graph(seed, {.nodes = 5 + static_cast<int>(seed % 28),
                                              .dtype = seed % 2 == 0 ? DType::f64 : DType::f32});
    Rng rng(seed ^ 0x5EED);
    check_same(r.inputs, r.outputs, {{3}, {1}, {0}, {37}}, true, rng);
  }
}

} // namespace kroton::test
