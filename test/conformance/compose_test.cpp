/// Ops of the table in each other and in folds, in every dtype, of operands that are in memory as
/// they are, sliced and gathered, in loops of single elements and of vectors: compiled, against the
/// evaluator. Tests take samples of all compositions, which grow with the square of the table.
///
/// What one op makes of another's text is what is tested here, so that each composition has a
/// source of its own: an expression that two outputs share is a variable in their kernel.
#include <chrono>
#include <cstdlib>

#include <kroton/ops/reduction.hpp>

#include "lib/ops/basic.hpp"
#include "test/conformance/arrays.hpp"
#include "test/conformance/close.hpp"
#include "test/conformance/compositions.hpp"
#include "test/conformance/oracle.hpp"
#include "test/conformance/random_composition.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"
#include "test/support/random_graph.hpp"

namespace kroton::test {
namespace {

/// Compositions that are compiled as one function.
constexpr std::size_t batch = 14;

enum class Layout : std::uint8_t { plain, known, sliced, rows, columns };
constexpr Layout all_layouts[] = {Layout::plain, Layout::known, Layout::sliced, Layout::rows,
                                  Layout::columns};

std::string_view name_of(Layout l) {
  switch (l) {
  case Layout::plain:
    return "plain";
  case Layout::known:
    return "of known size";
  case Layout::sliced:
    return "sliced";
  case Layout::rows:
    return "with gathered rows";
  case Layout::columns:
    return "with gathered columns";
  }
  return "";
}

/// A function that is being put together: sources of one dtype, and what is made of them.
class Batch {
public:
  Batch(DType t, Layout layout) : t_(t), layout_(layout) {
    if (layout == Layout::rows || layout == Layout::columns)
      positions_ = input(DType::i64, {layout == Layout::rows ? rows_ : columns_});
  }

  /// A matrix that no other composition reads.
  Expr source() {
    switch (layout_) {
    case Layout::sliced:
      return slice(input(t_, {Dim(2 * rows + 1), Dim(columns + 2)}), {{1, {}, 2}, {1, -1}});
    case Layout::rows:
      return index(input(t_, {Dim(rows + 3), columns_}), {*positions_});
    case Layout::columns:
      return index(input(t_, {rows_, Dim(columns + 3)}), {Range{}, *positions_});
    default:
      return input(t_, {rows_, columns_});
    }
  }
  /// What fills the other places of ops.
  Others others() {
    return [this](DType t) {
      auto [it, is_new] = others_.try_emplace(t, nullptr);
      if (is_new) it->second = input(t, {rows_, columns_});
      return it->second;
    };
  }
  void add(std::string what, const Expr& e) {
    what_.push_back(std::move(what));
    outputs_.push_back(e);
    if (outputs_.size() == batch) check();
  }
  void check() {
    if (outputs_.empty()) return;
    const Function f = function(inputs_, outputs_);
    Rng rng(outputs_.size() + static_cast<std::uint64_t>(t_));
    std::vector<Array> arguments;
    for (const Expr& e : inputs_) arguments.push_back(argument(e, rng));
    const std::vector<Array> got = f(arguments), want = reference(inputs_, arguments, outputs_),
                             wide = reference(inputs_, arguments, outputs_, ir::Precision::flushed);
    for (std::size_t i = 0; i < want.size(); ++i) {
      INFO(what_[i] << " of " << to_string(t_) << " " << name_of(layout_));
      CHECK(far_apart(got[i], want[i], wide[i],
                      want[i].dtype() == DType::f64 && t_ != DType::f32 ? 1e-9 : 1e-4) == "");
    }
    inputs_.clear();
    outputs_.clear();
    what_.clear();
    others_.clear();
    if (positions_) inputs_.push_back(*positions_);
  }

private:
  /// More than two vectors of bytes, and no multiple of any.
  static constexpr std::int64_t rows = 5, columns = 133;

  Expr input(DType t, std::vector<Dim> shape) {
    inputs_.push_back(tensor(t, std::move(shape), fmt::format("x{}", inputs_.size())));
    return inputs_.back();
  }
  /// Whole numbers are small ones, so that equal ones meet; positions are within every axis.
  Array argument(const Expr& e, Rng& rng) const {
    Shape shape;
    for (const Dim& d : e.shape())
      shape.push_back(d.is_static() ? d.value() : ir::dims::same(d, rows_) ? rows : columns);
    if (!positions_ || e.node() != positions_->node()) return moderate(e.dtype(), shape, rng);
    Array at = Array::empty(DType::i64, shape);
    for (std::int64_t i = 0; i < at.numel(); ++i)
      at.data<std::int64_t>()[i] = rng.below(2 * rows) - rows;
    return at;
  }

  DType t_;
  Layout layout_;
  Dim rows_ = layout_ == Layout::known || layout_ == Layout::sliced ? Dim(rows) : dim("n"),
      columns_ = layout_ == Layout::known || layout_ == Layout::sliced ? Dim(columns) : dim("m");
  std::vector<Expr> inputs_, outputs_;
  std::vector<std::string> what_;
  std::map<DType, Expr> others_;
  std::optional<Expr> positions_;
};

/// Takes `wanted` of all compositions, evenly spread and other ones for each dtype and layout:
/// their number grows with the square of the number of ops, and a test's time must not.
class Sample {
public:
  Sample(std::size_t all, std::size_t wanted, DType t, Layout layout)
      : step_(std::max<std::size_t>(1, all / wanted)),
        at_((static_cast<std::size_t>(t) * 7 + static_cast<std::size_t>(layout) * 3) % step_) {}
  bool takes_next() { return at_++ % step_ == 0; }

private:
  std::size_t step_, at_;
};

void check_folds(DType t, Layout layout, std::size_t wanted) {
  Batch b(t, layout);
  const std::vector<std::int64_t> all_axes[] = {{0}, {1}, {0, 1}};
  const std::vector<Form> forms = elementwise_forms(t);
  std::size_t all = 0;
  for (const Form& inner : forms) all += folds_of(inner.result(t)).size() * std::size(all_axes);
  Sample sample(all, wanted, t, layout);
  for (const Form& inner : forms) {
    const DType made = inner.result(t);
    for (const Op* fold : folds_of(made))
      for (const std::vector<std::int64_t>& axes : all_axes) {
        if (fold->gives_position() && axes.size() > 1) continue;
        if (!sample.takes_next()) continue;
        const Expr e = inner.apply(b.source(), b.others());
        b.add(fmt::format("{} over [{}] of {}", fold->name, fmt::join(axes, ","), inner.label()),
              folded(*fold, e, axes));
      }
  }
  b.check();
}

/// A row's result, what is made of it, and that folded over the rows.
void check_results_of_rows(DType t, Layout layout, std::size_t wanted) {
  Batch b(t, layout);
  std::size_t all = 0;
  for (const Op* first : folds_of(t)) {
    const DType result = result_of(*first, t);
    for (const Form& inner : elementwise_forms(result))
      all += folds_of(inner.result(result)).size();
  }
  Sample sample(all, wanted, t, layout);
  for (const Op* first : folds_of(t)) {
    const DType result = result_of(*first, t);
    for (const Form& inner : elementwise_forms(result)) {
      const auto made = [&] {
        const Expr row = folded(*first, b.source(), {1});
        return inner.apply(row,
                           [&](DType other) { return folded(ops::max, b.others()(other), {1}); });
      };
      for (const Op* fold : folds_of(inner.result(result))) {
        if (!sample.takes_next()) continue;
        b.add(fmt::format("{} of {} of {} over rows", fold->name, inner.label(), first->name),
              folded(*fold, made(), {0}));
      }
    }
  }
  b.check();
}

void check_ops(DType t, Layout layout, std::size_t wanted) {
  Batch b(t, layout);
  const std::vector<Form> forms = elementwise_forms(t);
  std::size_t all = 0;
  for (const Form& inner : forms) all += elementwise_forms(inner.result(t)).size();
  Sample sample(all, wanted, t, layout);
  for (const Form& inner : forms) {
    const DType made = inner.result(t);
    for (const Form& outer : elementwise_forms(made)) {
      if (!sample.takes_next()) continue;
      b.add(fmt::format("{} of {}", outer.label(), inner.label()),
            outer.apply(inner.apply(b.source(), b.others()), b.others()));
    }
  }
  b.check();
}

template <class Check> void for_all(Check check) {
  for (DType t : all_dtypes)
    for (Layout l : all_layouts) check(t, l);
}

/// Calls of a composition with sizes of its unknown dims, the first one with those that are known.
constexpr std::int64_t all_sizes[][3] = {{5, 33, 7}, {1, 1, 1}, {38, 5, 2}, {3, 131, 40}};

std::vector<Array> arguments_of(const Composition& c, const std::int64_t (&sizes)[3], Rng& rng) {
  const auto size_of = [&](const Dim& d) {
    return d.is_static() ? d.value() : sizes[std::string_view("nmk").find(d.to_string())];
  };
  std::vector<Array> arguments;
  for (const Composition::Input& input : c.inputs) {
    Shape shape;
    for (const Dim& d : input.expr.shape()) shape.push_back(size_of(d));
    Array a = moderate(DType::i64, shape, rng);
    if (input.positions_of)
      for (std::int64_t i = 0, n = size_of(*input.positions_of); i < a.numel(); ++i)
        a.data<std::int64_t>()[i] = rng.below(2 * n) - n;
    arguments.push_back(a.astype(input.expr.dtype()));
  }
  return arguments;
}

std::string off(const Composition::Output& o, const Array& got, const Array& want,
                const Array& wide) {
  if (o.is_exact) return difference(got, want, {.checks_zero_sign = false});
  return far_apart(got, want, wide, got.dtype() == DType::f64 ? 1e-7 : 1e-3);
}

void check_random(std::uint64_t seed, const std::string& target) {
  const bool is_unknown = seed % 2 == 0;
  const Composition c = random_composition(
      seed, {.nodes = 4 + static_cast<int>(seed % 14), .has_unknown_dims = is_unknown});
  std::vector<Expr> inputs, outputs;
  for (const auto& i : c.inputs) inputs.push_back(i.expr);
  for (const auto& o : c.outputs) outputs.push_back(o.expr);
  INFO("KROTON_FUZZ_SEED=" << seed << " replays this, for " << target << "\n"
                           << ir::Graph::capture(outputs).to_string());
  std::vector<Function> ways{function(inputs, outputs, {.target = target}),
                             function(inputs, outputs, {.mode = Mode::plain, .target = target})};
  if (seed % 4 == 1)
    ways.push_back(function(inputs, outputs, {.mode = Mode::verify, .target = target}));
  Rng rng(seed ^ 0xC0FFEE);
  for (const auto& sizes : all_sizes) {
    INFO("n, m, k = " << fmt::format("{}", fmt::join(sizes, ", ")));
    const auto arguments = arguments_of(c, sizes, rng);
    const auto want = reference(inputs, arguments, outputs),
               wide = reference(inputs, arguments, outputs, ir::Precision::flushed);
    for (std::size_t way = 0; way < ways.size(); ++way) {
      const auto got = ways[way](arguments);
      for (std::size_t i = 0; i < want.size(); ++i) {
        INFO((way == 0 ? "fast" : way == 1 ? "plain" : "verify") << ", output " << i);
        REQUIRE(off(c.outputs[i], got[i], want[i], wide[i]) == "");
      }
    }
    if (!is_unknown) break;
  }
}

std::uint64_t number_variable(const char* variable, std::uint64_t otherwise) {
  const char* text = std::getenv(variable);
  return text ? std::strtoull(text, nullptr, 0) : otherwise;
}

/// As many as the environment says, or until so many seconds have passed.
void check_randoms(std::uint64_t first, std::uint64_t count) {
  if (const auto seed = replayed_seed()) {
    for (const std::string target : {"", "x86-64-v3"}) check_random(*seed, target);
    return;
  }
  const auto end = std::chrono::steady_clock::now() +
                   std::chrono::seconds(number_variable("KROTON_FUZZ_SECONDS", 1'000'000));
  count = number_variable("KROTON_FUZZ_COUNT", count);
  for (std::uint64_t k = 0; k < count && std::chrono::steady_clock::now() < end; ++k) {
    const std::uint64_t seed = first + k;
    check_random(seed, seed % 3 == 0 && !std::getenv("KROTON_TARGET") ? "x86-64-v3" : "");
  }
}

} // namespace

TEST_CASE("random compositions equal the evaluator", "[conformance][anywhere][compose][fuzz]") {
  check_randoms(1, 24);
}

TEST_CASE("thousands of random compositions equal the evaluator",
          "[.slow][conformance][anywhere][compose][fuzz]") {
  check_randoms(number_variable("KROTON_FUZZ_FIRST", 1000), 3000);
}

TEST_CASE("folds of ops, some in each dtype and layout, equal the evaluator",
          "[conformance][anywhere][compose]") {
  for_all([](DType t, Layout l) { check_folds(t, l, 28); });
}

TEST_CASE("what is made of rows' results, folded again, equals the evaluator",
          "[conformance][anywhere][compose]") {
  for_all([](DType t, Layout l) { check_results_of_rows(t, l, 16); });
}

TEST_CASE("ops in ops, some in each dtype and layout, equal the evaluator",
          "[conformance][anywhere][compose]") {
  for_all([](DType t, Layout l) { check_ops(t, l, 12); });
}

TEST_CASE("a thousand folds of ops in each dtype and layout equal the evaluator",
          "[.slow][conformance][anywhere][compose]") {
  for_all([](DType t, Layout l) { check_folds(t, l, 1000); });
}

TEST_CASE("hundreds of things made of rows' results, folded again, equal the evaluator",
          "[.slow][conformance][anywhere][compose]") {
  for_all([](DType t, Layout l) { check_results_of_rows(t, l, 600); });
}

TEST_CASE("hundreds of ops in ops in each dtype and layout equal the evaluator",
          "[.slow][conformance][anywhere][compose]") {
  for_all([](DType t, Layout l) { check_ops(t, l, 400); });
}

TEST_CASE("masks of eight lanes store eight bytes", "[conformance][anywhere][compose]") {
  // With AVX-512 and few mask registers left, LLVM stored sixteen: positions of the largest bool of
  // columns were those of the last row (see jit/cpu/narrow_masks.hpp).
  const Expr x = matrix<bool>("x");
  const Function f = function({x}, {argmax(x == x, 0), argmin(x && !x, 0), max(x || !x, {0})});
  for (std::int64_t n : {1, 7, 8, 9, 31, 32, 33, 63, 64, 65, 100}) {
    INFO("n = " << n);
    const auto got = f({Array::zeros(DType::bool_, {5, n})});
    CHECK(equal(got[0], Array::zeros<std::int64_t>({n})));
    CHECK(equal(got[1], Array::zeros<std::int64_t>({n})));
    CHECK(equal(got[2], Array::full<bool>({n}, true)));
  }
}

} // namespace kroton::test
