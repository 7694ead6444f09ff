/// How kernels run on a CPU, as it is decided: no text is written here.
#include "codegen/schedule/cpu.hpp"

#include <cstdlib>
#include <set>

#include <kroton/core.hpp>
#include <kroton/ops/transcendental.hpp>
#include <kroton/random.hpp>

#include "lib/plan/plan.hpp"
#include "test/support/catch.hpp"

using namespace kroton;
using namespace kroton::codegen;

namespace {

plan::Kernel kernel_of(const std::vector<Expr>& outputs) {
  plan::Plan p = plan::make_plan(ir::Graph::capture(outputs),
                                 {.outputs = outputs.size(), .walks_pieces = true});
  REQUIRE(p.kernels.size() == 1);
  return p.kernels[0];
}

struct Decision {
  const char* what;
  std::vector<Expr> outputs;
  int vector_bytes;
  const char* schedule;
};

} // namespace

TEST_CASE("how kernels run on a CPU", "[schedule]") {
  const Expr v = vector<float>("v"), w = vector<float>("w"), d = vector<double>("d"),
             m = matrix<float>("m"), s = scalar<float>("s"),
             rows = tensor<float>({128, 10}, "rows"), some = tensor<float>({100}, "some"),
             wide = tensor<float>({64, 5000}, "wide"), at = vector<std::int64_t>("at"),
             y = vector<std::int64_t>("y"), cube = tensor<float>({dim(), dim(), dim()}, "cube");
  Random rng(1);
  const Decision decisions[] = {
      {"scalars", {s * 2 + 1}, 32, "scalars, no loop"},
      {"a long flat loop of little work",
       {v * 2 + w},
       32,
       "a plain loop along axis 0; from 4194304 elements on 8 lanes that store past the caches; "
       "chunks of at least 65536 elements in parallel"},
      {"the same where its length is known",
       {some * 2 + 1},
       32,
       "8 lanes along axis 0, 2 vectors a turn; chunks of at least 65536 elements in parallel"},
      {"a chain",
       {log1p(exp(v)) * tanh(v)},
       32,
       "16 lanes along axis 0; chunks of at least 13107 elements in parallel"},
      {"a chain of f64",
       {log1p(exp(d)) * tanh(d)},
       64,
       "8 lanes along axis 0; chunks of at least 13107 elements in parallel"},
      {"a sum of everything",
       {sum(v)},
       32,
       "8 lanes along axis 0, 4 vectors a turn, 32 partial results, stretches of 4096; chunks of "
       "at least 8192 elements joined in order, in parallel above 65536"},
      {"a sum of everything, twice as wide",
       {sum(v)},
       64,
       "16 lanes along axis 0, 4 vectors a turn, 64 partial results, stretches of 4096; chunks of "
       "at least 8192 elements joined in order, in parallel above 65536"},
      {"the largest of everything",
       {max(v)},
       64,
       "16 lanes along axis 0, 4 vectors a turn, 4 partial results; chunks of at least 65536 "
       "elements in parallel"},
      {"the position of the largest",
       {argmax(m, 1)},
       64,
       "16 lanes along axis 1, stage 0: 4 vectors a turn, 4 partial results; chunks of at least "
       "65536 elements in parallel"},
      {"a row each",
       {softmax(m)},
       32,
       "16 lanes along axis 1, stage 0: 4 vectors a turn, 4 partial results, stage 1: 2 vectors a "
       "turn, 32 partial results, stretches of 4096, stage 2: 2 vectors a turn; chunks of at least "
       "21845 elements in parallel"},
      {"short rows",
       {softmax(rows)},
       64,
       "16 lanes along axis 1, stage 1: 16 partial results; chunks of at least 21845 elements in "
       "parallel"},
      {"long rows of known length",
       {sum(wide, {1})},
       64,
       "16 lanes along axis 1, stage 0: 4 vectors a turn, 64 partial results, stretches of 4096; "
       "chunks of at least 65536 elements in parallel"},
      {"columns",
       {sum(m, {0})},
       32,
       "8 lanes along axis 1, 8 rows at once, one of 32 to 1023 columns; blocks of 64 rows; "
       "chunks of at least 8192 elements "
       "joined in order, in parallel above 65536"},
      {"columns of SSE",
       {sum(m, {0})},
       16,
       "8 lanes along axis 1, 8 rows at once, one of 16 to 1023 columns; blocks of 64 rows; "
       "chunks of at least 8192 elements "
       "joined in order, in parallel above 65536"},
      {"narrow columns",
       {sum(rows, {0})},
       32,
       "8 lanes along axis 1, 8 rows at once; blocks of 64 rows; chunks of at least 8192 elements "
       "joined in order, in parallel above 65536"},
      {"columns of some vectors",
       {sum(tensor<float>({4000, 100}, "x"), {0})},
       32,
       "8 lanes along axis 1, 4 vectors a turn; blocks of 64 rows; chunks of at least "
       "8192 elements joined in order, in parallel above 65536"},
      {"a middle axis",
       {sum(cube, {1})},
       32,
       "8 lanes along axis 2, 4 vectors a turn, 8 rows of columns at once, one of 32 to 1023 "
       "columns, columns in stretches of 64; chunks of at least 65536 elements in parallel"},
      {"the largest along a middle axis",
       {max(cube, {1})},
       32,
       "8 lanes along axis 2, 4 vectors a turn, 8 rows of columns at once, one of 32 to 1023 "
       "columns; chunks of at least 65536 elements in parallel"},
      {"a logarithm that ends each row",
       {sum(log(sum(exp(rows), {1})))},
       64,
       "16 lanes along axis 1, stage 0: 16 partial results; blocks of 64 rows, ends of rows "
       "computed after each; chunks of at least 8192 elements joined in order, in parallel above "
       "21845"},
      {"rows that are taken",
       {index(m, {at})},
       32,
       "8 lanes along axis 1, 2 vectors a turn; chunks of at least 65536 elements in parallel"},
      {"elements that are taken",
       {index(v, {at}) * 2},
       32,
       "a plain loop along axis 0; chunks of at least 65536 elements in parallel"},
      {"random numbers",
       {v * rng.uniform(std::vector<Dim>{v.shape()[0]})},
       32,
       "16 lanes along axis 0, stretches of 1024, random numbers drawn for each; chunks of at "
       "least 21845 elements in parallel"},
      {"random numbers in short rows",
       {softmax(rows * rng.uniform(std::vector<Dim>{128, 10}))},
       32,
       "16 lanes along axis 1, stage 1: 16 partial results; blocks of 64 rows, random numbers "
       "drawn for each; chunks of at least 10922 elements in parallel"},
  };
  for (const Decision& decision : decisions) {
    INFO(decision.what);
    CHECK(schedule_for_cpu(kernel_of(decision.outputs), decision.vector_bytes).to_string() ==
          decision.schedule);
  }
}

TEST_CASE("how sums are split does not depend on what is known of sizes", "[schedule]") {
  const auto flat = [](const Expr& e, int bytes) {
    const CpuSchedule s = schedule_for_cpu(kernel_of({e}), bytes);
    return std::pair(std::get<FlatForm>(s.form).loop, s.chunks.ordered_elements);
  };
  const auto of_row = [](const Expr& e, int bytes) {
    const CpuSchedule s = schedule_for_cpu(kernel_of({e}), bytes);
    return std::get<RowForm>(s.form).stages.at(0);
  };
  const Expr any = vector<float>("any"), known = tensor<float>({100000}, "known"),
             rows = matrix<float>("rows"), known_rows = tensor<float>({7, 100000}, "known_rows");
  for (int bytes : {16, 32, 64}) {
    const auto [loop, chunks] = flat(sum(any), bytes);
    const auto [known_loop, known_chunks] = flat(sum(known), bytes);
    CHECK(loop.folds == known_loop.folds);
    CHECK(loop.stretch == known_loop.stretch);
    CHECK(chunks == known_chunks);
    // The work beside it changes how many vectors a turn takes, and nothing else.
    const auto [busy, busy_chunks] = flat(sum(log1p(exp(any))), bytes);
    CHECK(busy.vectors < loop.vectors);
    CHECK(busy.stretch == loop.stretch);
    CHECK(busy.folds[0].parts == loop.folds[0].parts);
    CHECK(busy_chunks == chunks);
    const CpuLoop row = of_row(sum(rows, {1}), bytes),
                  known_row = of_row(sum(known_rows, {1}), bytes);
    CHECK(row.folds == known_row.folds);
    CHECK(row.stretch == known_row.stretch);
  }
}

namespace {

/// b x (1 - x), so many times.
Expr logistic(Expr x, const Expr& b, int times) {
  for (int i = 0; i < times; ++i) x = b * x * (1.0f - x);
  return x;
}

const Pieces& pieces_of(const CpuSchedule& s) {
  for (const CpuLoop* loop : loops_of(s))
    if (!loop->pieces.pieces.empty()) return loop->pieces;
  FAIL("no loop is walked in pieces");
  std::abort();
}

} // namespace

TEST_CASE("long chains are walked in pieces, alike ones by one function", "[schedule]") {
  const Expr x = vector<float>("x"), b = vector<float>("b");
  const CpuSchedule s = schedule_for_cpu(kernel_of({logistic(x, b, 200)}), 64);
  const Pieces& pieces = pieces_of(s);
  CHECK(pieces.pieces.size() > 5);
  CHECK(pieces.temporaries.size() <= 2);
  int functions = 0;
  for (const Piece& p : pieces.pieces) functions = std::max(functions, p.function + 1);
  CHECK(functions <= 3);
  CHECK(s.to_string().find(fmt::format("in {} pieces ({} function", pieces.pieces.size(),
                                       functions)) != std::string::npos);
  CHECK(schedule_for_cpu(kernel_of({logistic(x, b, 20)}), 64).to_string().find("pieces") ==
        std::string::npos);
}

TEST_CASE("pieces that differ in constants are one function", "[schedule]") {
  Expr x = vector<float>("x");
  const Expr b = vector<float>("b");
  for (int i = 0; i < 60; ++i) x = tanh(x * b + (0.11f + 0.01f * static_cast<float>(i)));
  const CpuSchedule s = schedule_for_cpu(kernel_of({x}), 64);
  std::set<int> functions;
  for (const Piece& p : pieces_of(s).pieces) functions.insert(p.function);
  CHECK(functions.size() <= 3);
}

TEST_CASE("temporaries of pieces stay in the caches, however many there are", "[schedule]") {
  Expr x = vector<double>("x");
  const Expr b = vector<double>("b");
  for (int i = 0; i < 200; ++i) x = tanh(x * b);
  const CpuSchedule s = schedule_for_cpu(kernel_of({grad(sum(x), b)}), 64);
  const Pieces& pieces = pieces_of(s);
  CHECK(pieces.temporaries.size() > 200);
  CHECK(pieces.block * 8 * static_cast<std::int64_t>(pieces.temporaries.size()) <= 256 << 10);
  CHECK(pieces.block % s.lanes.count == 0);
}

TEST_CASE("where chains are cut does not depend on what is known of sizes", "[schedule]") {
  const auto shape_of = [](const std::vector<Dim>& shape) {
    const Expr x = tensor<float>(shape, "x"), b = tensor<float>({shape.back()}, "b");
    const Expr e = logistic(x, b, 100);
    const CpuSchedule s = schedule_for_cpu(kernel_of({e, sum(e)}), 64);
    std::vector<std::size_t> values;
    for (const Piece& p : pieces_of(s).pieces) values.push_back(p.body.values.size());
    return std::pair(values, pieces_of(s).block);
  };
  CHECK(shape_of({dim(), dim()}) == shape_of({50, 300}));
  CHECK(shape_of({dim()}) == shape_of({5000}));
}
