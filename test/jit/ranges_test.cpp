/// Intervals of integers: never too narrow, and as narrow as positions need.
#include <limits>
#include <map>

#include <kroton/core.hpp>
#include <kroton/ops/arithmetic.hpp>

#include "jit/bound/ranges.hpp"
#include "lib/ops/basic.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"
#include "test/support/unfamiliar_ops.hpp"

namespace kroton::jit {
namespace {

using support::Interval;
using test::Rng;

/// An expression's graph and the intervals of some of its nodes, given what its leaves hold.
struct Ranged {
  ir::Graph graph;
  SizeTable sizes;
  RangeTable table;

  explicit Ranged(const std::vector<Expr>& outputs)
      : graph(ir::Graph::capture(outputs)),
        table(graph, sizes, [](ir::NodeId id) { return static_cast<int>(id); }) {}
  Ranged(const Ranged&) = delete;
  Ranged& operator=(const Ranged&) = delete;

  /// `size_values`: of the symbols.
  std::vector<Interval> of(const std::vector<ir::NodeId>& nodes,
                           const std::map<ir::NodeId, Interval>& leaves,
                           const std::vector<ir::DimValue>& size_values = {}) {
    const std::vector<int> numbers = table.values(nodes);
    std::vector<std::int64_t> at = values_of(size_values);
    std::vector<Interval> leaf_values, values, result;
    for (int buffer : table.code().leaves) leaf_values.push_back(leaves.at(buffer));
    table.code().run(at, leaf_values, values);
    for (int n : numbers) result.push_back(values[static_cast<std::size_t>(n)]);
    return result;
  }

private:
  std::vector<std::int64_t> values_of(const std::vector<ir::DimValue>& size_values) {
    std::vector<int> slots;
    for (const ir::DimValue& v : size_values) slots.push_back(sizes.slot(graph.canonical(v.dim)));
    std::vector<std::int64_t> at = sizes.code().initial;
    for (std::size_t i = 0; i < slots.size(); ++i)
      at[static_cast<std::size_t>(slots[i])] = size_values[i].value;
    sizes.code().run(at.data());
    return at;
  }
};

Expr folded(const ir::Op& op, const Expr& e) {
  return ir::make(op, {e}, ir::AxesParams{{0}}, Location::current());
}

/// Expressions on integers over arrays of shape [n,4], [4] and []. Every op's result stays in the
/// pool.
class IntegerExpressions {
public:
  IntegerExpressions(std::uint64_t seed, const Dim& n) : rng_(seed) {
    const std::vector<Dim> shapes[] = {{n, Dim(4)}, {Dim(4)}, {}};
    for (DType t : {DType::i64, DType::i32, DType::u8, DType::u64, DType::i8, DType::bool_})
      pool_.push_back(tensor(t, shapes[rng_.below(3)], "x"));
    pool_.push_back(arange(4));
    for (std::int64_t v : {0, 1, -1, 3, 100}) pool_.push_back(cast(constant(v), DType::i64));
  }

  std::vector<Expr> make(int count) {
    for (int i = 0; i < count; ++i) {
      const Expr e = next();
      if (e.rank() <= 3) pool_.push_back(e);
    }
    return pool_;
  }

private:
  Expr any() {
    return pool_[static_cast<std::size_t>(rng_.below(static_cast<std::int64_t>(pool_.size())))];
  }
  /// One that broadcasts with `a`.
  Expr like(const Expr& a) {
    for (int tries = 0; tries < 8; ++tries)
      if (const Expr b = any(); b.rank() == 0 || ir::dims::same(a.shape(), b.shape())) return b;
    return cast(constant(std::int64_t{2}), DType::i64);
  }
  Expr condition() {
    const Expr a = any();
    const Expr b = like(a);
    switch (rng_.below(4)) {
    case 0:
      return a < b;
    case 1:
      return a >= b;
    case 2:
      return a == b;
    default:
      return cast(a, DType::bool_) && !cast(b, DType::bool_);
    }
  }
  Expr number(const Expr& a) { return is_bool(a.dtype()) ? cast(a, DType::i16) : a; }
  Expr next() {
    const Expr a = number(any());
    const Expr b = number(like(a));
    switch (rng_.below(23)) {
    case 0:
      return a + b;
    case 1:
      return a - b;
    case 2:
      return a * b;
    case 3:
      return floor_div(a, b);
    case 4:
      return mod(a, b);
    case 5:
      return is_float(a.dtype()) ? a : -a;
    case 6:
      return abs(a);
    case 7:
      return sign(a);
    case 8:
      return minimum(a, b);
    case 9:
      return maximum(a, b);
    case 10: {
      const Expr c = condition();
      return where(c, number(like(c)), number(like(c)));
    }
    case 11:
      return where(a < 0, a + b, a);
    case 12:
    case 13: {
      const DType to[] = {DType::i8,  DType::i16, DType::i32,   DType::i64, DType::u8,
                          DType::u32, DType::u64, DType::bool_, DType::f32};
      return cast(a, to[rng_.below(9)]);
    }
    case 14:
      return reshape(a, {-1});
    case 15:
      return transpose(a);
    case 16:
      return a.rank() == 0 ? broadcast_to(a, {Dim(2), Dim(3)}) : slice(a, {Range{0, 1}});
    case 17:
      return a.rank() == 0 ? a : sum(a, {0});
    case 18:
      return a.rank() == 0 ? a : max(a, {0});
    case 19:
      return a.rank() == 0 ? a : min(a, {a.rank() - 1});
    case 20:
      return a.rank() == 0 || is_bool(a.dtype())
                 ? a
                 : folded(*test::unfamiliar_folds()[static_cast<std::size_t>(rng_.below(3))], a);
    case 21:
      return a.rank() == 0 || a.shape().back().is(0) ? a : argmax(a, a.rank() - 1);
    default:
      return index(arange(5) * 3 - 4, {mod(cast(a, DType::i64), 5)});
    }
  }

  Rng rng_;
  std::vector<Expr> pool_;
};

/// Small numbers of the dtype mostly, and its largest and smallest.
Array random_array(DType dtype, const Shape& shape, Rng& rng) {
  const Interval all = support::integers_of(dtype);
  const std::int64_t spread = 1 + rng.below(9);
  const bool has_extremes = rng.below(3) == 0;
  Array wide = Array::empty<std::int64_t>(shape);
  for (std::int64_t i = 0; i < wide.numel(); ++i) {
    const auto choice = rng.below(6);
    wide.data<std::int64_t>()[i] = has_extremes && choice == 0 ? static_cast<std::int64_t>(all.low)
                                   : has_extremes && choice == 1
                                       ? static_cast<std::int64_t>(all.high)
                                       : rng.below(2 * spread) - spread;
  }
  return wide.astype(dtype);
}

} // namespace

TEST_CASE("an interval holds every value that the reference evaluator gives", "[jit][ranges]") {
  int narrow = 0;
  for (std::uint64_t seed = 1; seed <= 400; ++seed) {
    CAPTURE(seed);
    Rng rng(seed);
    const Dim n = dim("n");
    const std::int64_t rows = rng.below(4);
    Ranged r(IntegerExpressions(seed, n).make(25));
    ir::Bindings bindings{.size_of = [&](const ir::DimNode&) { return rows; }};
    std::map<ir::NodeId, Interval> leaves;
    std::vector<ir::NodeId> nodes;
    for (ir::NodeId id : r.graph.order()) {
      const ir::GraphNode& node = r.graph[id];
      if (node.op == &ops::input) {
        Shape shape;
        for (const Dim& d : node.type.shape) shape.push_back(d.is_static() ? d.value() : rows);
        const Array value = random_array(node.type.dtype, shape, rng);
        leaves.emplace(id, interval_of(value));
        bindings.values.emplace(id, value);
      }
      if (!is_float(node.type.dtype)) nodes.push_back(id);
    }
    const std::vector<Interval> intervals = r.of(nodes, leaves, {{n, rows}});
    const std::vector<Array> values = ir::evaluate(r.graph, nodes, bindings);
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      if (intervals[i] != support::integers_of(values[i].dtype())) ++narrow;
      if (values[i].numel() == 0 || intervals[i].contains(interval_of(values[i]))) continue;
      const Interval got = interval_of(values[i]);
      FAIL_CHECK("%" << nodes[i] << " is in " << static_cast<std::int64_t>(got.low) << " … "
                     << static_cast<std::int64_t>(got.high) << ", not in "
                     << static_cast<std::int64_t>(intervals[i].low) << " … "
                     << static_cast<std::int64_t>(intervals[i].high) << " of\n"
                     << r.graph.to_string());
    }
  }
  CHECK(narrow > 1000); // it knows something
}

TEST_CASE("intervals of what makes positions are exact", "[jit][ranges]") {
  const Expr x = vector<std::int32_t>("x"), n = scalar<std::int64_t>("n");
  const Dim rows = x.shape()[0];
  const auto interval = [&](const Expr& e, Interval of_x, Interval of_n) {
    Ranged r({e});
    std::map<ir::NodeId, Interval> leaves;
    for (ir::NodeId id : r.graph.order())
      if (r.graph[id].op == &ops::input)
        leaves.emplace(id, r.graph[id].type.rank() == 0 ? of_n : of_x);
    return r.of(r.graph.outputs(), leaves, {{rows, 6}})[0];
  };
  const Interval small{-3, 4}, two{2, 2};
  const Expr wide = cast(x, DType::i64);
  struct Row {
    Expr e;
    Interval expected;
  };
  const Row rows_of_table[] = {
      {wide, {-3, 4}},
      {wide + n, {-1, 6}},
      {n + arange(10), {2, 11}},
      {wide * -2, {-8, 6}},
      {-wide, {-4, 3}},
      {mod(wide, 3), {0, 2}},
      {mod(wide, 3 - 2 * n), {0, 0}},
      {floor_div(wide, 2), {-2, 2}},
      {minimum(maximum(wide, 0), 3), {0, 3}},
      {where(wide < 0, wide + 7, wide), {0, 6}},
      {where(wide < n, wide, 0), {-3, 4}},
      {argmax(x, 0), {0, 5}},
      {max(x), {-3, 4}},
      {sum(cast(x > 0, DType::i64)), {0, 6}},
      {index(x, {arange(3)}), {-3, 4}},
      {cast(x, DType::u8), {0, 255}},
      {folded(test::product, wide), support::integers_of(DType::i64)},
      {folded(test::bits_xor, wide), support::integers_of(DType::i64)},
      {cast(cast(x, DType::f32), DType::i32), support::integers_of(DType::i32)},
  };
  int at = 0;
  for (const Row& row : rows_of_table) {
    CAPTURE(at++);
    CHECK(interval(row.e, small, two) == row.expected);
  }
}

TEST_CASE("positions are in range from minus the size on", "[jit][ranges]") {
  const Expr x = vector<std::int64_t>("x");
  Ranged r({x});
  const int value = r.table.values(r.graph.outputs())[0];
  r.table.check(value, Dim(7));
  r.table.check(value, Dim(7));
  CHECK(r.table.code().checks.size() == 1);
  const auto& sizes = r.sizes.code().initial;
  const auto holds = [&](Interval i) { return r.table.code().holds(sizes, std::vector{i}); };
  CHECK(holds({-7, 6}));
  CHECK_FALSE(holds({-8, 0}));
  CHECK_FALSE(holds({0, 7}));
}

TEST_CASE("an array's interval is that of its elements", "[jit][ranges]") {
  CHECK(interval_of(Array::from<std::int16_t>({5, -2, 9, 3})) == Interval{-2, 9});
  CHECK(interval_of(Array::from<std::uint64_t>({1, std::numeric_limits<std::uint64_t>::max()})) ==
        Interval{1, support::integers_of(DType::u64).high});
  CHECK(interval_of(Array::zeros<std::int32_t>({0})) == Interval{0, 0});
}

} // namespace kroton::jit
