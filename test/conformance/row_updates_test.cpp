/// Shared tables of which a call changes some rows.
#include <kroton/core.hpp>
#include <kroton/ops/scatter.hpp>

#include "lib/ops/indexing.hpp"
#include "test/conformance/arrays.hpp"
#include "test/conformance/close.hpp"
#include "test/support/catch.hpp"
#include "test/support/evaluate.hpp"

namespace kroton::test {
namespace {

/// Whether the call of index-add-to writes to the table's own memory.
bool adds_in_place(const Function& f) {
  const std::string text = f.explain();
  const std::size_t call = text.find("call of index-add-to"), end = text.find('\n', call);
  REQUIRE(call != text.npos);
  return text.substr(call, end - call).find(", in place [b") != text.npos;
}

constexpr std::int64_t height = 60, width = 9;

/// What a call leaves in a table, and what else it computes.
struct Step {
  std::string what;
  Expr value;
  std::vector<Expr> outputs = {};
  bool is_in_place = true;
};

struct Given {
  Expr rows = tensor(DType::i64, {dim("l")}, "rows");
  Expr added, rate;
  explicit Given(DType t)
      : added(tensor(t, {rows.shape()[0], Dim(width)}, "added")), rate(tensor(t, {}, "rate")) {}
  std::vector<Expr> all() const { return {rows, added, rate}; }
};

std::vector<Step> steps(const Given& in, const Shared& table) {
  const Expr w = table;
  const Expr sum_of_rows = index_add(w.shape(), {in.rows}, in.added);
  const Expr found = index(w, {in.rows}), again = index(w, {-1 - in.rows});
  const Expr cost = sum(tanh(found) * in.added);
  return {
      {"a sum is added", w + sum_of_rows},
      {"a sum is subtracted", w - sum_of_rows},
      {"a scaled sum is subtracted", w - 0.25 * sum_of_rows},
      {"a sum is scaled twice", w - in.rate * sum_of_rows / 3.0},
      {"a sum is subtracted from what was computed of the table", w * 0.5 - in.rate * sum_of_rows},
      {"what was computed of the table is an output too",
       w * 0.5 - in.rate * sum_of_rows,
       {w * 0.5},
       false},
      {"the gradient of a lookup", w - in.rate * grad(cost, w), {cost}},
      {"the gradient of two lookups",
       w - in.rate * grad(cost + sum(again * again * found), w),
       {cost}},
      {"the old rows are an output", w - in.rate * sum_of_rows, {found}},
      {"the old table is an output", w - in.rate * sum_of_rows, {w}},
      {"another output is computed of the whole table", w - in.rate * sum_of_rows, {sum(w * w)}},
      {"the new value is an output", w - in.rate * sum_of_rows, {w - in.rate * sum_of_rows}, false},
      {"elements", w + index_add(w.shape(), {in.rows, in.rows - in.rows}, sum(in.added, {1}))},
  };
}

void check(DType t) {
  Rng rng(3);
  const auto values = [&](const Shape& shape) {
    Array a = Array::empty(DType::f64, shape);
    for (std::int64_t i = 0; i < a.numel(); ++i) a.data<double>()[i] = rng.uniform(-1, 1);
    return a.astype(t);
  };
  const Given in(t);
  Shared table = shared(values({height, width}), "table");
  for (const Step& step : steps(in, table)) {
    INFO(step.what << ", " << to_string(t));
    const Function f =
        function(in.all(), step.outputs, {.updates = {{table, step.value}}, .threads = 2});
    CHECK(adds_in_place(f) == step.is_in_place);
    CHECK((f.explain().find("on a copy of") == std::string::npos) == step.is_in_place);
    for (const std::int64_t count :
         {std::int64_t{0}, std::int64_t{1}, std::int64_t{12}, std::int64_t{200}}) {
      Array rows = Array::empty(DType::i64, {count});
      for (std::int64_t i = 0; i < count; ++i)
        rows.data<std::int64_t>()[i] = rng.below(3) == 0
                                           ? -1 - rng.below(height)
                                           : rng.below(height) / (1 + rng.below(2) * 20);
      const std::vector<Array> arguments{rows, values({count, width}), values({})};
      std::vector<Expr> wanted = step.outputs;
      wanted.push_back(step.value);
      const auto want = reference(in.all(), arguments, wanted),
                 wide = reference(in.all(), arguments, wanted, ir::Precision::widened);
      std::vector<Array> got = f(arguments);
      got.push_back(table.get());
      for (std::size_t i = 0; i < want.size(); ++i) {
        INFO(count << " rows, value " << i);
        CHECK(far_apart(got[i], want[i], wide[i], t == DType::f32 ? 1e-6 : 1e-14) == "");
      }
      table.set(values({height, width}));
    }
  }
}

} // namespace

TEST_CASE("a call changes some rows of a shared table where they lie", "[conformance][anywhere]") {
  // It used to clear an array as large as the table, add the rows to it, and walk both.
  for (const DType t : {DType::f32, DType::f64}) check(t);
}

TEST_CASE("a table is as it was if a row is outside of it", "[conformance][anywhere]") {
  const Given in(DType::f32);
  const Shared table = shared(Array::full<float>({height, width}, 2), "table");
  const Function f =
      function(in.all(), std::vector<Expr>{},
               {.updates = {{table, table - in.rate * index_add(Expr(table).shape(), {in.rows},
                                                                in.added)}}});
  const Array added = Array::full<float>({3, width}, 1), rate = Array::scalar<float>(1);
  for (const std::int64_t wrong : {height, -height - 1, std::int64_t{1} << 40})
    CHECK_THROWS_AS(f({Array::from(std::vector<std::int64_t>{0, 1, wrong}, {3}), added, rate}),
                    IndexError);
  for (const float v : table.get().to_vector<float>()) REQUIRE(v == 2);
  f({Array::from(std::vector<std::int64_t>{0, -height, 1}, {3}), added, rate});
  CHECK(table.get().slice(0, 0, 1).to_vector<float>() == std::vector<float>(width, 0));
  CHECK(table.get().slice(0, 1, 2).to_vector<float>() == std::vector<float>(width, 1));
}

TEST_CASE("counts of every dtype are added to a shared table in place", "[conformance][anywhere]") {
  for (const DType t : all_dtypes) {
    if (is_bool(t)) continue;
    INFO(to_string(t));
    const Expr rows = tensor(DType::i32, {dim()}, "rows");
    const Shared table = shared(Array::zeros(t, {7}), "table");
    const Expr ones = broadcast_to(cast(1, t), rows.shape());
    const Function f = function({rows}, std::vector<Expr>{},
                                {.updates = {{table, table + index_add({Dim(7)}, {rows}, ones)}}});
    CHECK(adds_in_place(f));
    const Array given = Array::from(std::vector<std::int32_t>{1, 1, 6, -1, 0}, {5});
    f({given});
    f({given});
    CHECK(table.get().astype(DType::i64).to_vector<std::int64_t>() ==
          std::vector<std::int64_t>{2, 4, 0, 0, 0, 0, 4});
  }
}

TEST_CASE("threads change no bit of what is added at positions", "[conformance]") {
  Rng rng(9);
  for (const DType t : {DType::f32, DType::f64, DType::i16})
    for (const auto& [count, rows, columns] :
         {std::array<std::int64_t, 3>{70000, 300, 5}, {70000, 300000, 1}, {3000, 5000, 40}}) {
      Array at = Array::empty(DType::i32, {count});
      for (std::int64_t i = 0; i < count; ++i)
        at.data<std::int32_t>()[i] = static_cast<std::int32_t>(rng.below(rows) >> rng.below(8));
      const Array added = moderate(t, {count, columns}, rng);
      const Expr p = tensor(DType::i32, {dim()}, "p"), g = tensor(t, {p.shape()[0], dim()}, "g"),
                 base = tensor(t, {Dim(rows), g.shape()[1]}, "base");
      const std::vector<Expr> outputs{index_add(base.shape(), {p}, g),
                                      base - 3 * index_add(base.shape(), {p}, g + g)};
      std::vector<std::vector<Array>> results;
      const std::vector<Array> arguments{at, added, moderate(t, {rows, columns}, rng)};
      for (const int threads : {1, 2, 7})
        results.push_back(function({p, g, base}, outputs, {.threads = threads})(arguments));
      for (std::size_t k = 1; k < results.size(); ++k)
        for (std::size_t i = 0; i < outputs.size(); ++i)
          CHECK(difference(results[k][i], results[0][i]) == "");
    }
}

TEST_CASE("sums for few rows of few elements are made in parts of the positions", "[conformance]") {
  Rng rng(11);
  for (const DType t : {DType::f32, DType::f64, DType::i8, DType::u64})
    for (const auto& [count, rows, columns] :
         {std::array<std::int64_t, 3>{70001, 40, 1}, {30000, 300, 3}, {70000, 8000, 1}}) {
      const Expr p = tensor(count == 70001 ? DType::i64 : DType::i32, {dim()}, "p"),
                 g = tensor(t, {p.shape()[0], dim()}, "g");
      const std::vector<Expr> outputs{index_add({Dim(rows), g.shape()[1]}, {p}, g)};
      Array at = Array::empty(DType::i64, {count});
      for (std::int64_t i = 0; i < count; ++i)
        at.data<std::int64_t>()[i] = rng.below(2 * rows) - rows;
      std::vector<Array> arguments{at.astype(p.dtype()), moderate(t, {count, columns}, rng)};
      const auto want = reference({p, g}, arguments, outputs),
                 wide = reference({p, g}, arguments, outputs, ir::Precision::widened);
      const Function one = function({p, g}, outputs, {.threads = 1}),
                     three = function({p, g}, outputs, {.threads = 3});
      const auto got = one(arguments);
      INFO(to_string(t) << ", " << count << " to " << rows << " of " << columns);
      CHECK(far_apart(got[0], want[0], wide[0], t == DType::f32 ? 1e-6 : 1e-13) == "");
      CHECK(difference(three(arguments)[0], got[0]) == "");
      // Of two that are outside, the first one is named, whichever part finds its own first.
      at.data<std::int64_t>()[count - 1] = 3 * rows;
      at.data<std::int64_t>()[count / 2 + 7] = -2 * rows;
      arguments[0] = at.astype(p.dtype());
      try {
        three(arguments);
        FAIL("no error");
      } catch (const IndexError& e) {
        CHECK_THAT(e.what(), Catch::Matchers::Contains(fmt::format("position {} is", -2 * rows)));
      }
    }
}

TEST_CASE("a table whose own rows are added to it is copied first", "[conformance][anywhere]") {
  const Shared table = shared(Array::from({1.0f, 2.0f, 3.0f}), "table");
  const Expr w = table, rows = tensor(DType::i64, {Dim(3)}, "rows");
  const Function f = function({rows}, std::vector<Expr>{},
                              {.updates = {{table, w - 0.5f * index_add({Dim(3)}, {rows}, w)}}});
  CHECK(!adds_in_place(f));
  CHECK(f.explain().find("of which the call reads other elements too") != std::string::npos);
  f({Array::from<std::int64_t>({2, 0, 2})});
  CHECK(table.get().to_vector<float>() == std::vector<float>{0, 2, 1});
}

} // namespace kroton::test
