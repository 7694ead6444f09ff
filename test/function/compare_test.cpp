/// Integers are compared as the numbers they are: u64 with integers that have a sign, and any dtype
/// with literals that it does not hold.
#include <kroton/core.hpp>

#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "lib/ir/eval.hpp"
#include "lib/support/visit_dtype.hpp"
#include "test/support/catch.hpp"

namespace kt = kroton;
using kt::Array;
using kt::DType;
using kt::Expr;

namespace {

using Wide = __int128;

struct Comparison {
  const char* name;
  Expr (*make)(kt::Operand, kt::Operand);
  bool (*holds)(Wide, Wide);
};

const std::vector<Comparison>& comparisons() {
  static const std::vector<Comparison> all = {
      {"==", [](kt::Operand a, kt::Operand b) { return a == b; },
       [](Wide a, Wide b) { return a == b; }},
      {"!=", [](kt::Operand a, kt::Operand b) { return a != b; },
       [](Wide a, Wide b) { return a != b; }},
      {"<", [](kt::Operand a, kt::Operand b) { return a < b; },
       [](Wide a, Wide b) { return a < b; }},
      {"<=", [](kt::Operand a, kt::Operand b) { return a <= b; },
       [](Wide a, Wide b) { return a <= b; }},
      {">", [](kt::Operand a, kt::Operand b) { return a > b; },
       [](Wide a, Wide b) { return a > b; }},
      {">=", [](kt::Operand a, kt::Operand b) { return a >= b; },
       [](Wide a, Wide b) { return a >= b; }},
  };
  return all;
}

/// Values of a dtype at its ends and where f64 rounds, repeated to fill vectors with a rest.
template <class T> std::vector<T> samples() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> values = {Limits::min(),
                           static_cast<T>(Limits::min() + 1),
                           T{0},
                           T{1},
                           static_cast<T>(Limits::max() - 1),
                           Limits::max(),
                           static_cast<T>(Limits::max() / 2 + 1)};
  if constexpr (sizeof(T) == 8)
    for (const std::int64_t v :
         {(std::int64_t{1} << 53) + 1, (std::int64_t{1} << 53), (std::int64_t{1} << 62) + 1,
          std::numeric_limits<std::int64_t>::max()})
      values.push_back(static_cast<T>(v));
  return values;
}

std::vector<Array> evaluated(const std::vector<Expr>& outputs,
                             const std::vector<std::pair<Expr, Array>>& inputs) {
  const kt::ir::Graph g = kt::ir::Graph::capture(outputs);
  kt::ir::Bindings bindings;
  bindings.size_of = [&](const kt::ir::DimNode&) { return inputs[0].second.numel(); };
  for (const auto& [e, value] : inputs)
    if (const auto id = g.find(e); id != kt::ir::no_node) bindings.values.emplace(id, value);
  return kt::ir::evaluate(g, g.outputs(), bindings);
}

constexpr DType integers[] = {DType::i8, DType::i16, DType::i32, DType::i64,
                              DType::u8, DType::u16, DType::u32, DType::u64};

} // namespace

TEST_CASE("integers of any two dtypes are compared exactly", "[function][compare]") {
  for (const DType ta : integers)
    for (const DType tb : integers)
      kt::support::visit_dtype(ta, [&]<class A>(std::type_identity<A>) {
        kt::support::visit_dtype(tb, [&]<class B>(std::type_identity<B>) {
          if constexpr (std::is_integral_v<A> && std::is_integral_v<B> &&
                        !std::is_same_v<A, bool> && !std::is_same_v<B, bool>) {
            std::vector<A> left;
            std::vector<B> right;
            for (A a : samples<A>())
              for (B b : samples<B>()) {
                left.push_back(a);
                right.push_back(b);
              }
            const Expr a = kt::vector<A>("a"), b = kt::vector<B>("b");
            const Array left_array = Array::from(left), right_array = Array::from(right);
            std::vector<Expr> outputs;
            for (const Comparison& c : comparisons()) outputs.push_back(c.make(a, b));
            // All pairs by the evaluator, and those that are special by generated code.
            std::vector<std::vector<Array>> answers = {
                evaluated(outputs, {{a, left_array}, {b, right_array}})};
            const bool is_special = (ta == DType::u64) != (tb == DType::u64) &&
                                    (ta == DType::i64 || tb == DType::i64 || ta == DType::i8);
            if (is_special) {
              answers.push_back(kt::function({a, b}, outputs)({left_array, right_array}));
              answers.push_back(kt::function({a, b}, outputs,
                                             {.mode = kt::Mode::plain})({left_array, right_array}));
            }
            for (const auto& answer : answers)
              for (std::size_t i = 0; i < outputs.size(); ++i)
                for (std::size_t k = 0; k < left.size(); ++k) {
                  const bool wanted = comparisons()[i].holds(left[k], right[k]);
                  if (answer[i].template data<bool>()[k] == wanted) continue;
                  INFO(kt::to_string(ta) << " " << comparisons()[i].name << " " << kt::to_string(tb)
                                         << " of " << +left[k] << " and " << +right[k]);
                  CHECK(answer[i].template data<bool>()[k] == wanted);
                }
          }
        });
      });
}

TEST_CASE("comparisons with literals that the dtype does not hold have the right answer",
          "[function][compare]") {
  struct Value {
    kt::Operand operand;
    Wide value;
  };
  const auto literal = [](auto v) { return Value{kt::Operand(v), Wide(v)}; };
  const std::vector<Value> literals = {
      literal(std::numeric_limits<std::int64_t>::min()),
      literal(std::int64_t{-2147483649}),
      literal(-32769),
      literal(-129),
      literal(-128),
      literal(-1),
      literal(0),
      literal(127),
      literal(128),
      literal(255),
      literal(256),
      literal(65536),
      literal(std::int64_t{4294967296}),
      literal(std::numeric_limits<std::int64_t>::max()),
      literal(std::uint64_t{1} << 63),
      literal(std::numeric_limits<std::uint64_t>::max()),
  };
  for (const DType t : integers)
    kt::support::visit_dtype(t, [&]<class T>(std::type_identity<T>) {
      if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
        const std::vector<T> values = samples<T>();
        const Expr x = kt::vector<T>("x");
        const Array array = Array::from(values);
        std::vector<Expr> outputs;
        std::vector<std::function<bool(Wide)>> wanted;
        for (const Value& l : literals)
          for (const Comparison& c : comparisons()) {
            outputs.push_back(c.make(x, l.operand));
            wanted.push_back([&c, v = l.value](Wide a) { return c.holds(a, v); });
            outputs.push_back(c.make(l.operand, x));
            wanted.push_back([&c, v = l.value](Wide a) { return c.holds(v, a); });
          }
        std::vector<std::vector<Array>> answers = {evaluated(outputs, {{x, array}})};
        // Generated code for a dtype of each kind, all answers counted in one number each.
        if (t == DType::u8 || t == DType::i64) {
          std::vector<Expr> some(outputs.begin(), outputs.begin() + 24);
          some.insert(some.end(), outputs.end() - 24, outputs.end());
          const std::vector<Array> compiled = kt::function({x}, some)({array});
          for (std::size_t i = 0; i < some.size(); ++i)
            CHECK(equal(compiled[i], answers[0][i < 24 ? i : outputs.size() - some.size() + i]));
        }
        for (std::size_t i = 0; i < outputs.size(); ++i)
          for (std::size_t k = 0; k < values.size(); ++k) {
            if (answers[0][i].template data<bool>()[k] == wanted[i](values[k])) continue;
            INFO(kt::to_string(t) << ", comparison " << i << ", of " << +values[k]);
            CHECK(answers[0][i].template data<bool>()[k] == wanted[i](values[k]));
          }
      }
    });
  // Arithmetic with them is refused as before.
  CHECK_THROWS_AS(kt::vector<std::uint8_t>("x") + 256, kt::TypeError);
}

TEST_CASE("what compares u64 with integers that have a sign broadcasts and selects as others do",
          "[function][compare]") {
  const Expr a = kt::matrix<std::int64_t>("a"), b = kt::vector<std::uint64_t>("b");
  const kt::Function f =
      kt::function({a, b}, {kt::where(a < b, 1, 0), kt::sum(kt::cast<std::int64_t>(b <= a))});
  const Array left = Array::from<std::int64_t>({-1, 5, 9007199254740993, 7, -8, 0}, {2, 3});
  const Array right = Array::from<std::uint64_t>({0, 5, 9007199254740992});
  const auto got = f({left, right});
  CHECK(got[0].to_vector<std::int64_t>() == std::vector<std::int64_t>{1, 0, 0, 0, 1, 1});
  CHECK(got[1].item<std::int64_t>() == 3);
}
