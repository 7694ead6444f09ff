/// Programs whose sizes only calls tell: reads of parts of arrays, in as many kernels as with sizes
/// that are known, and with NumPy's results whatever the sizes.
#include <kroton/core.hpp>
#include <kroton/ops/indexing.hpp>
#include <kroton/ops/cumulative.hpp>

#include "lib/plan/plan.hpp"
#include "lib/rewrite/pipeline.hpp"
#include "test/conformance/close.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"
#include "test/support/temp_dir.hpp"

namespace kroton::test {
namespace {

using Ranges = std::vector<Range>;
using Stencil = std::function<Expr(const std::vector<Expr>&)>;

/// From `first` on, `less` elements fewer than there are, as slices of a stencil are written.
Range tap(std::int64_t first, std::int64_t less, std::int64_t step = 1) {
  const std::int64_t last = less - first;
  return {first, last == 0 ? std::nullopt : std::optional<std::int64_t>(-last), step};
}

Expr sum_of_taps(const Expr& x, std::int64_t side) {
  Expr sum = slice(x, Ranges(static_cast<std::size_t>(x.rank()), tap(0, side - 1)));
  for (std::int64_t k = 1; k < side; ++k)
    sum = sum + slice(x, Ranges(static_cast<std::size_t>(x.rank()), tap(k, side - 1))) *
                    (0.25 * static_cast<double>(k));
  return sum;
}

Expr filtered(const Expr& x, std::int64_t side) {
  Expr sum(nullptr);
  for (std::int64_t r = 0; r < side; ++r)
    for (std::int64_t c = 0; c < side; ++c) {
      const Expr term = slice(x, {tap(r, side - 1), tap(c, side - 1)}) *
                        (0.1 * static_cast<double>(r * side + c + 1));
      sum = r + c == 0 ? term : sum + term;
    }
  return sum;
}

struct Program {
  const char* name;
  std::vector<Shape> shapes; ///< of the inputs in a call
  Stencil make;
};

/// Twice the sum of x's gradient, as a stencil's training would ask for it.
Expr gradient_of(const Expr& e, const Expr& x) { return grad(sum(e * e), x); }

const Program programs[] = {
    {"three taps", {{40}}, [](const auto& in) { return sum_of_taps(in[0], 3); }},
    {"a difference",
     {{40}},
     [](const auto& in) {
       return slice(in[0], {{1, {}}}) - slice(in[0], {{{}, -1}});
     }},
    {"taps from the end",
     {{40}},
     [](const auto& in) {
       return slice(in[0], {{-10, -2}}) + slice(in[0], {{-9, -1}}) * slice(in[0], {{-8, {}}});
     }},
    {"even and odd",
     {{40}},
     [](const auto& in) {
       return slice(in[0], {{0, -1, 2}}) - slice(in[0], {{1, {}, 2}});
     }},
    {"backwards",
     {{40}},
     [](const auto& in) {
       return slice(in[0], {{-2, {}, -1}}) + slice(in[0], {{{}, 0, -1}});
     }},
    {"slices of slices",
     {{40}},
     [](const auto& in) {
       const Expr inner = slice(in[0], {{1, -1}});
       return slice(inner, {{1, {}}}) + slice(inner, {{{}, -1}}) + slice(in[0], {{1, -2}});
     }},
    {"two arrays",
     {{40}, {38}},
     [](const auto& in) {
       return slice(in[0], {{1, -1}}) + in[1] * slice(in[0], {{2, {}}});
     }},
    {"a filter", {{24, 30}}, [](const auto& in) { return filtered(in[0], 3); }},
    {"a filter in f64 of a transpose",
     {{24, 30}},
     [](const auto& in) { return filtered(transpose(in[0]), 4); }},
    {"a cube", {{10, 11, 12}}, [](const auto& in) { return sum_of_taps(in[0], 3); }},
    {"planes",
     {{10, 11, 12}},
     [](const auto& in) {
       return slice(in[0], {{}, tap(0, 2), {}}) + slice(in[0], {{}, tap(1, 2), {}}) -
              slice(in[0], {{}, tap(2, 2), {}});
     }},
    {"a row's mean",
     {{24, 30}},
     [](const auto& in) {
       const Expr e = slice(in[0], {{}, tap(0, 1)}) * slice(in[0], {{}, tap(1, 1)});
       return e - mean(e, {1}, true);
     }},
    {"the gradient of a difference",
     {{40}},
     [](const auto& in) {
       return gradient_of(slice(in[0], {{1, {}}}) - slice(in[0], {{{}, -1}}), in[0]);
     }},
    {"the gradient of three taps",
     {{40}},
     [](const auto& in) { return gradient_of(sum_of_taps(in[0], 3), in[0]); }},
    {"the gradient of every second",
     {{40}},
     [](const auto& in) {
       return gradient_of(slice(in[0], {{0, {}, 2}}), in[0]);
     }},
    {"the gradient of a filter",
     {{24, 30}},
     [](const auto& in) { return gradient_of(filtered(in[0], 2), in[0]); }},
    {"the gradient of a part",
     {{24, 30}},
     [](const auto& in) {
       return gradient_of(slice(in[0], {{2, -3}, {1, {}}}), in[0]);
     }},
};

struct Made {
  std::vector<Expr> inputs;
  Expr output{nullptr};
  std::size_t steps() const {
    ir::Graph g = ir::Graph::capture({&output, 1});
    rewrite::run_pipeline(g, {});
    return plan::make_plan(std::move(g), {.outputs = 1}).steps.size();
  }
};

/// Sizes are those of the program, or unknown; of `some`, every second is known.
enum class Known { all, some, none };
Made made_of(const Program& p, DType t, Known known) {
  Made m;
  for (const Shape& shape : p.shapes) {
    std::vector<Dim> dims;
    for (std::size_t i = 0; i < shape.size(); ++i)
      dims.push_back(known == Known::all || (known == Known::some && i % 2 == 1) ? Dim(shape[i])
                                                                                 : dim());
    m.inputs.push_back(tensor(t, dims, "x"));
  }
  m.output = p.make(m.inputs);
  return m;
}

/// A graph in which every dim stays as it was written, so that nothing here relies on what makes
/// dims equal.
std::vector<Array> evaluated(const std::vector<Expr>& inputs, const std::vector<Array>& arguments,
                             const std::vector<Expr>& outputs) {
  const ir::Graph g = ir::Graph::capture(outputs, ir::Graph::Unify::nothing);
  ir::Bindings bindings;
  for (ir::NodeId id : g.order())
    for (std::size_t i = 0; i < inputs.size(); ++i)
      if (g[id].op == &ops::input && inputs[i].node()->params.leaf() == g[id].params.leaf())
        bindings.values.emplace(id, arguments[i]);
  bindings.size_of = [&](const ir::DimNode& d) { return size_in_call(g, d, inputs, arguments); };
  return ir::evaluate(g, g.outputs(), bindings, ir::Precision::widened);
}

Array random_array(DType t, const Shape& shape, Rng& rng) {
  Array a = Array::empty(DType::f64, shape);
  for (std::int64_t i = 0; i < a.numel(); ++i) a.data<double>()[i] = rng.uniform(-1, 1);
  return a.astype(t);
}

} // namespace

// Each slice used to be a kernel of its own, and each sum of two.
TEST_CASE("reads of unknown sizes take as many steps as those of known ones",
          "[conformance][sizes][anywhere]") {
  for (const Program& p : programs) {
    INFO(p.name);
    const std::size_t known = made_of(p, DType::f32, Known::all).steps();
    CHECK(made_of(p, DType::f32, Known::none).steps() == known);
    CHECK(made_of(p, DType::f32, Known::some).steps() == known);
  }
}

TEST_CASE("reads of unknown sizes equal the evaluator at all sizes",
          "[conformance][sizes][anywhere]") {
  for (const Program& p : programs) {
    Rng rng(3);
    const DType t = p.name[0] == 't' ? DType::f32 : DType::f64;
    const Made m = made_of(p, t, Known::none);
    const Function f = function(m.inputs, m.output, {.specialize = Specialize::off});
    for (std::int64_t size : {40, 2, 0, 1, 3, 17, 4, 5, 0, 9, 10, 7, 6, 2}) {
      std::vector<Array> arguments;
      for (const Shape& shape : p.shapes) {
        Shape now = shape;
        for (std::int64_t& n : now) n = std::max<std::int64_t>(size - (40 - n) % 5, 0);
        if (p.shapes.size() == 2)
          now[0] = &shape == &p.shapes[0] ? size : std::max<std::int64_t>(size - 2, 0);
        arguments.push_back(random_array(t, now, rng));
      }
      INFO(p.name << " at " << size);
      std::vector<Array> got;
      try {
        got = f(arguments);
      } catch (const ShapeError&) {
        // NumPy refuses it, too: slices from the end of what is shorter differ in length.
        CHECK((std::string(p.name) == "taps from the end" && size < 10));
        continue;
      }
      const auto wide = evaluated(m.inputs, arguments, {m.output});
      CHECK(far_apart(got[0], wide[0].astype(t), wide[0], t == DType::f32 ? 1e-5 : 1e-13) == "");
    }
  }
}

namespace {

/// A range that is written for arrays of any length.
Range some_range(Rng& rng) {
  const auto bound = [&]() -> std::optional<std::int64_t> {
    if (rng.below(3) == 0) return std::nullopt;
    return rng.below(9) - 4;
  };
  const std::int64_t step = rng.below(3) == 0 ? rng.below(7) - 3 : 1;
  return {bound(), bound(), step == 0 ? 1 : step};
}

/// Sums of random slices of one array and of another, wherever all lengths may be equal.
void check_random(std::uint64_t seed, const Options& options) {
  Rng rng(seed);
  const int rank = 1 + static_cast<int>(rng.below(2));
  const DType t = rng.below(2) == 0 ? DType::f32 : DType::f64;
  std::vector<Dim> dims, other;
  for (int i = 0; i < rank; ++i) {
    dims.push_back(dim());
    other.push_back(rng.below(2) == 0 ? dims.back() : dim());
  }
  const Expr x = tensor(t, dims, "x"), y = tensor(t, other, "y");
  const auto some_slice = [&](const Expr& e) {
    Ranges ranges;
    for (int i = 0; i < rank; ++i) ranges.push_back(some_range(rng));
    return slice(rng.below(2) == 0 ? e : e * 2, ranges);
  };
  Expr sum = some_slice(x);
  const std::int64_t terms = 1 + rng.below(3);
  for (std::int64_t k = 0; k < terms; ++k) {
    const Expr read = some_slice(rng.below(4) == 0 ? y : x);
    sum = rng.below(2) == 0 ? sum * read : sum - read * 0.5;
  }
  if (rng.below(3) == 0) sum = slice(sum * sum, Ranges{some_range(rng)});
  // An array whose size is a product of those of others.
  const Expr z = tensor(t, {dim()}, "z");
  const Dim count = ir::dims::product(sum.shape());
  const bool is_flat = rng.below(3) == 0;
  if (is_flat) {
    const Expr flat = reshape(rng.below(2) == 0 ? sum : tanh(sum), {-1});
    sum = rng.below(2) == 0 ? flat * z : cumsum(flat, 0) - cumsum(z, 0);
  }
  std::vector<Expr> outputs{sum, kroton::sum(y) + kroton::sum(x)};
  if (rng.below(2) == 0) outputs.push_back(grad(kroton::sum(sum * sum), x));
  std::vector<Expr> inputs{x, y};
  if (is_flat) inputs.push_back(z);
  const Function f = function(inputs, outputs, options);
  for (int call = 0; call < 8; ++call) {
    Shape shape, second;
    for (int i = 0; i < rank; ++i) {
      const std::int64_t n = rng.below(call < 4 ? 5 : 14);
      shape.push_back(n);
      second.push_back(dims[static_cast<std::size_t>(i)].node() ==
                               other[static_cast<std::size_t>(i)].node()
                           ? n
                           : std::max<std::int64_t>(n + rng.below(3) - 1, 0));
    }
    std::vector<Array> arguments{random_array(t, shape, rng), random_array(t, second, rng)};
    INFO("seed " << seed << ", call " << call << ", " << arguments[0].label() << " and "
                 << arguments[1].label());
    const ir::Graph plain = ir::Graph::capture(outputs, ir::Graph::Unify::nothing),
                    g = ir::Graph::capture(outputs, ir::Graph::Unify::required);
    const auto value = [&](const Dim& d) {
      return ir::dims::evaluate(
          d, [&](const ir::DimNode& n) { return size_in_call(plain, n, inputs, arguments); });
    };
    if (is_flat) arguments.push_back(random_array(t, {value(count)}, rng));
    if (!std::ranges::all_of(g.checks(), [&](const ir::DimCheck& c) {
          return value(c.constraint.a) == value(c.constraint.b);
        })) {
      CHECK_THROWS_AS(f(arguments), ShapeError);
      continue;
    }
    const std::vector<Array> got = f(arguments), wide = evaluated(inputs, arguments, outputs);
    for (std::size_t i = 0; i < outputs.size(); ++i)
      CHECK(far_apart(got[i], wide[i].astype(t), wide[i], t == DType::f32 ? 1e-4 : 1e-12) == "");
  }
}

} // namespace

TEST_CASE("random slices of unknown sizes equal the evaluator", "[conformance][sizes][anywhere]") {
  for (std::uint64_t seed = 0; seed < 40; ++seed)
    check_random(seed, {.mode = seed % 8 == 7 ? Mode::plain : Mode::fast,
                        .threads = 1,
                        .specialize = Specialize::off});
}

TEST_CASE("more random slices of unknown sizes equal the evaluator",
          "[.slow][conformance][sizes][anywhere]") {
  for (std::uint64_t seed = 40; seed < 400; ++seed)
    check_random(seed, {.threads = seed % 2 == 0 ? 1 : 2, .specialize = Specialize::off});
}

TEST_CASE("a plan that was kept checks what it takes for granted",
          "[conformance][sizes][anywhere]") {
  const TempDir dir;
  const auto make = [&] {
    const Expr x = vector<double>("x");
    return function({x}, gradient_of(slice(x, {{2, {}}}) - slice(x, {{{}, -2}}), x),
                    {.specialize = Specialize::off,
                     .cache = CacheOptions{.directory = (dir.path() / "own").string()}});
  };
  const auto call = [](const Function& f, std::int64_t n) {
    Array a = Array::empty(DType::f64, {n});
    for (std::int64_t i = 0; i < n; ++i) a.data<double>()[i] = static_cast<double>(i * i);
    return f({a})[0].to_vector<double>();
  };
  const std::vector<double> of_three{-8, 0, 8};
  const Function cold = make();
  CHECK(call(cold, 3) == of_three);
  CHECK(call(cold, 2) == std::vector<double>{0, 0});
  const Function warm = make();
  CHECK(warm.stats().plan_origin != "made");
  CHECK(call(warm, 3) == of_three);
  CHECK(call(warm, 2) == std::vector<double>{0, 0});
  CHECK(call(warm, 0).empty());
  CHECK(call(warm, 3) == of_three);
  CHECK(warm.stats().rewrite_ms == 0); // nothing was planned anew to find that out
}

} // namespace kroton::test
