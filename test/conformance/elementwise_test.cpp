/// Every elementwise op of the table, in every dtype it takes, over operands that are dense,
/// scalars, broadcast, transposed, reversed and sliced: compiled code against the evaluator.
#include "test/codegen/prelude_bounds.hpp"
#include "test/conformance/arrays.hpp"
#include "test/conformance/oracle.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

using ir::Op;

bool takes(const Op& op, DType t) {
  switch (op.dtypes) {
  case ir::Dtypes::any:
    return true;
  case ir::Dtypes::numeric:
    return !is_bool(t);
  case ir::Dtypes::floating:
    return is_float(t);
  case ir::Dtypes::integral:
    return !is_float(t);
  case ir::Dtypes::boolean:
    return is_bool(t);
  }
  return false;
}

/// Where the operands of one op come from.
struct Operands {
  std::string layout;
  std::vector<Expr> inputs;
  Expr condition, a, b;
  std::vector<Shape> shapes; ///< of the inputs, for a call
};

Expr backwards(const Expr& e) { return slice(e, {{{}, {}, -1}, {{}, {}, -1}}); }
Expr inner_part(const Expr& e) { return slice(e, {{1, {}, 2}, {2, -1, 3}}); }

std::vector<Operands> layouts(DType t) {
  const Dim n = dim("n"), m = dim("m");
  const Expr k0 = tensor(DType::bool_, {}, "k"), a0 = tensor(t, {}, "a"), b0 = tensor(t, {}, "b");
  const Expr k = tensor(DType::bool_, {n, m}, "k"), a = tensor(t, {n, m}, "a"),
             b = tensor(t, {n, m}, "b"), turned = tensor(t, {m, n}, "a"),
             column = tensor(t, {n, Dim(1)}, "a"), row = tensor(t, {m}, "b");
  const Shape big{28, 29};
  return {
      {"dense", {k, a, b}, k, a, b, {big, big, big}},
      {"scalar", {k0, a0, b0}, k0, a0, b0, {{}, {}, {}}},
      {"broadcast", {k, column, row}, k, column, row, {{9, 30}, {9, 1}, {30}}},
      {"transposed", {k, turned, b}, k, transpose(turned), b, {{27, 28}, {28, 27}, {27, 28}}},
      {"reversed", {k, a, b}, backwards(k), backwards(a), b, {big, big, big}},
      {"sliced", {k, a, b}, inner_part(k), inner_part(a), inner_part(b), {big, big, big}},
  };
}

struct Instance {
  const Op* op;
  DType target; ///< of a cast
  Expr expr;
  std::string label() const {
    return std::string(op->name) +
           (op == &ops::cast ? " to " + std::string(to_string(target)) : "");
  }
};

std::vector<Instance> instances(const Operands& o, DType t) {
  std::vector<Instance> all;
  for (const Op* op : ops::all()) {
    if (!op->has(ir::Trait::elementwise) || !takes(*op, t)) continue;
    auto add = [&](std::vector<Expr> v, DType target) {
      all.push_back(
          {op, target, ir::make(*op, std::move(v), {.dtype = target}, Location::current())});
    };
    if (op == &ops::cast)
      for (DType target : all_dtypes) add({o.a}, target);
    else if (op == &ops::where)
      add({o.condition, o.a, o.b}, DType::bool_);
    else if (op->arity == 1)
      add({o.a}, DType::bool_);
    else
      add({o.a, o.b}, DType::bool_);
  }
  return all;
}

/// The reference is the C library's in double precision; its own error counts for f64.
double bound_of(const Op& op, DType t) {
  const double bound = prelude_bound(fmt::format("{}_{}", op.name, to_string(t)));
  return bound > 0.5 && t == DType::f64 ? bound + 1 : bound > 0.5 ? bound : 0;
}

/// Whole quotients of floats lose digits beyond the significand: nothing is promised there.
bool is_exempt(const Op& op, DType t, double a, double b) {
  if (!is_float(t) || (&op != &ops::mod && &op != &ops::floor_div)) return false;
  return std::fabs(a / b) >= (t == DType::f32 ? 0x1p24 : 0x1p53) && std::isfinite(a) && b != 0;
}

/// `got`, with what is exempt taken from `want`.
Array promised(const Instance& i, DType t, const Operands& o, const std::vector<Array>& arguments,
               const Array& got, const Array& want) {
  if (!is_float(t) || (i.op != &ops::mod && i.op != &ops::floor_div)) return got;
  // Both operands in the result's shape.
  const auto ab =
      reference(o.inputs, arguments, {where(o.b == o.b, o.a, o.a), where(o.a == o.a, o.b, o.b)});
  Array result = got.copy();
  support::visit_dtype(t, [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_floating_point_v<T>)
      for (std::int64_t k = 0; k < got.numel(); ++k)
        if (is_exempt(*i.op, t, ab[0].template data<T>()[k], ab[1].template data<T>()[k]))
          result.data<T>()[k] = want.template data<T>()[k];
  });
  return result;
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
    const Array kept = promised(all[i], t, o, arguments, got[i], want[i]);
    CHECK(difference(kept, want[i], {.ulps = bound, .exact = bound > 0 ? &exact[i] : nullptr}) ==
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
          "[conformance][anywhere]") {
  for (DType t : all_dtypes) check(t, Mode::fast);
}

TEST_CASE("every elementwise op in every dtype and layout, alone, equals the evaluator",
          "[conformance][anywhere]") {
  for (DType t : all_dtypes) check(t, Mode::plain);
}

} // namespace kroton::test
