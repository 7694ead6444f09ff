/// Every elementwise op of the table, in every dtype it takes, over operands that are dense,
/// scalars, broadcast, transposed, reversed and sliced: compiled code against the evaluator.
#include <algorithm>

#include "lib/ops/special.hpp"
#include "test/conformance/arrays.hpp"
#include "test/conformance/oracle.hpp"
#include "test/conformance/subjects.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

using ir::Op;

/// Ops that are computed by an approximation may be off by its error, and for f64 by that of the
/// reference, which is the C library's in double precision. The others are the evaluator's bit for
/// bit.
double bound_of(const Op& op, DType t) {
  const double bound = t == DType::f32 ? op.accuracy.f32 : t == DType::f64 ? op.accuracy.f64 : 0;
  if (op.accuracy.method.empty() || bound <= 0.5) return 0;
  return t == DType::f64 ? bound + 1 : bound;
}

void check_call(const Function& f, const Operands& o, const std::vector<Instance>& all,
                const std::vector<Array>& arguments, DType t) {
  std::vector<Expr> outputs;
  for (const Instance& i : all) outputs.push_back(i.expr);
  const auto got = f(arguments);
  const auto want = reference(o.inputs, arguments, outputs);
  const auto exact = reference(o.inputs, arguments, outputs, ir::Precision::widened);
  for (std::size_t i = 0; i < all.size(); ++i) {
    INFO(all[i].label() << " of " << to_string(t) << ", " << o.layout);
    const double bound = bound_of(*all[i].op, t);
    const double near_zeros = t == DType::f64 ? ops::error_near_zeros(*all[i].op) * 0x1p-52 : 0;
    CHECK(difference(
              got[i], want[i],
              {.ulps = bound, .within = near_zeros, .exact = bound > 0 ? &exact[i] : nullptr}) ==
          "");
  }
}

std::vector<Array> arguments_of(const std::vector<Expr>& inputs, const std::vector<Shape>& shapes,
                                Rng& rng) {
  std::vector<Array> arguments;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    arguments.push_back(tricky(inputs[i].dtype(), shapes[i], rng, i == 1 ? 0 : 1));
  return arguments;
}

void check(DType t, Mode mode) {
  Rng rng(static_cast<std::uint64_t>(t) + 1);
  for (const Operands& o : layouts(t)) {
    const auto all = instances(o, t);
    std::vector<Expr> outputs;
    for (const Instance& i : all) outputs.push_back(i.expr);
    const Function f = function(o.inputs, outputs, {.mode = mode});
    const int calls = o.shapes[0].empty() ? 40 : 1;
    for (int i = 0; i < calls; ++i) check_call(f, o, all, arguments_of(o.inputs, o.shapes, rng), t);
    if (o.shapes[0].empty()) continue;

    std::vector<Shape> small = o.shapes;
    for (Shape& s : small)
      for (auto& n : s) n = n == 1 ? 1 : 3;
    check_call(f, o, all, arguments_of(o.inputs, small, rng), t);
    for (Shape& s : small)
      if (s.size() == 2 && o.layout != "transposed")
        s[0] = 0;
      else if (s.size() == 2)
        s[&s == &small[1] ? 1 : 0] = 0;
    check_call(f, o, all, arguments_of(o.inputs, small, rng), t);

    if (o.layout != "dense") continue;
    const auto arguments = arguments_of(o.inputs, o.shapes, rng);
    for (std::size_t k = 1; k < laid_out(arguments[0]).size(); ++k) {
      std::vector<Array> moved;
      for (const Array& a : arguments) moved.push_back(laid_out(a)[k]);
      check_call(f, o, all, moved, t);
    }
  }
}

} // namespace

TEST_CASE("every elementwise op in every dtype and layout, fused, equals the evaluator",
          "[conformance][anywhere][elementwise]") {
  for (DType t : all_dtypes) check(t, Mode::fast);
}

TEST_CASE("every elementwise op in every dtype and layout, alone, equals the evaluator",
          "[conformance][anywhere][elementwise][lengthy]") {
  for (DType t : all_dtypes) check(t, Mode::plain);
}

} // namespace kroton::test
