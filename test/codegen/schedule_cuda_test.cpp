/// How kernels run on a CUDA device, as it is decided: no text is written here.
#include "codegen/schedule/cuda.hpp"

#include <kroton/core.hpp>
#include <kroton/ops/transcendental.hpp>

#include "codegen/schedule/cuda_product.hpp"
#include "lib/plan/plan.hpp"
#include "test/support/catch.hpp"

using namespace kroton;
using namespace kroton::codegen;

namespace {

plan::Kernel kernel_of(const std::vector<Expr>& outputs) {
  plan::Plan p = plan::make_plan(ir::Graph::capture(outputs),
                                 {.outputs = outputs.size(), .splits_reductions = true});
  REQUIRE(p.kernels.size() == 1);
  return p.kernels[0];
}

template <class Form> Form form_of(const Expr& e) {
  const CudaSchedule s = schedule_for_cuda(kernel_of({e}));
  REQUIRE(std::holds_alternative<Form>(s.form));
  return std::get<Form>(s.form);
}

struct Decision {
  const char* what;
  std::vector<Expr> outputs;
  const char* schedule;
};

} // namespace

TEST_CASE("how kernels run on a CUDA device", "[schedule]") {
  const Expr v = vector<float>("v"), w = vector<float>("w"), b = vector<bool>("b"),
             m = matrix<float>("m"), s = scalar<float>("s"), odd = tensor<float>({64, 7}, "odd"),
             even = tensor<float>({64, 8}, "even"), short_rows = tensor<float>({128, 10}, "short"),
             thousand = tensor<float>({64, 1000}, "thousand"),
             long_rows = tensor<float>({64, 33000}, "long"), at = vector<std::int64_t>("at");
  const Decision decisions[] = {
      {"scalars", {s * 2 + 1}, "no loop; then scalars by one block"},
      {"a flat loop",
       {v * 2 + w},
       "4 neighbours a thread at a time, 2 times; 2048 elements a block of 256 threads"},
      {"a flat loop over bools",
       {!b},
       "8 neighbours a thread at a time, 2 times; 4096 elements a block of 256 threads"},
      {"a chain",
       {log1p(exp(v)) * tanh(v) + sigmoid(w)},
       "4 neighbours a thread at a time; 1024 elements a block of 256 threads"},
      {"a bias",
       {m + v},
       "4 neighbours a thread at a time, 2 times; 2048 elements a block of 256 threads"},
      {"rows that windows reach over",
       {odd + tensor<float>({7}, "c")},
       "an element a thread at a time; 256 elements a block of 256 threads"},
      {"rows that they do not",
       {even + tensor<float>({8}, "c")},
       "4 neighbours a thread at a time, 2 times; 2048 elements a block of 256 threads"},
      {"a transpose",
       {transpose(m) * 2},
       "squares of 32 x 32 of axis 0 and the last through shared memory, for 1 load"},
      {"a sum of everything",
       {sum(v)},
       "4 neighbours a thread at a time, 2 times; 2048 elements a block of 256 threads, at most "
       "1024 blocks; the last block ends the fold"},
      {"elements that are taken",
       {index(v, {at}) * 2},
       "2 neighbours a thread at a time, 2 times; 1024 elements a block of 256 threads"},
      {"columns",
       {sum(m, {0})},
       "4 columns a thread, up to 128 a block, 4 rows at once; rows shared by at most 2048 blocks; "
       "then what was folded, a launch"},
      {"columns that no window reaches over",
       {sum(odd, {0})},
       "4 columns a thread, up to 128 a block, 2 rows at once; rows shared by at most 2048 blocks; "
       "then what was folded, a launch"},
      {"positions in columns",
       {argmax(m, 0)},
       "4 columns a thread, up to 128 a block, 4 rows at once; rows shared by at most 2048 blocks; "
       "then what was folded, a launch"},
      {"rows of any length",
       {softmax(m)},
       "rows of up to 64 elements by up to 16 threads with 4 elements each in registers; rows of "
       "up to 1024 elements by 32 threads with 32 elements each in registers; rows of up to 2048 "
       "elements by 128 threads with 16 elements each in registers; rows of up to 65536 elements "
       "by 512 threads with 16 elements each in registers, the others in shared memory; others by "
       "512 threads, in memory 4 elements at a time"},
      {"short rows", {softmax(short_rows)}, "rows by 4 threads with 3 elements each in registers"},
      {"rows of a thousand",
       {softmax(thousand)},
       "rows by 32 threads with 32 elements each in registers"},
      {"rows that registers cannot hold",
       {softmax(long_rows)},
       "rows of up to 65536 elements by 512 threads with 16 elements each in registers, the others "
       "in shared memory; others by 512 threads, in memory 4 elements at a time"},
      {"a row's sum",
       {sum(m, {1})},
       "rows of up to 64 elements by up to 16 threads with 4 elements each in registers; rows of "
       "up to 1024 elements by 32 threads with 32 elements each in registers; rows of up to 2048 "
       "elements by 128 threads with 16 elements each in registers; others by 512 threads, in "
       "memory 8 elements at a time"},
      {"rows and a sum over all of them",
       {sum(log(sum(exp(short_rows), {1})))},
       "rows by 4 threads with 3 elements each in registers; the last block ends the fold"},
  };
  for (const Decision& d : decisions) {
    INFO(d.what);
    CHECK(schedule_for_cuda(kernel_of(d.outputs)).to_string() == d.schedule);
  }
}

TEST_CASE("how many threads walk a row follows from its length alone", "[schedule]") {
  const CudaRows any = form_of<CudaRows>(softmax(matrix<float>("m")));
  for (std::int64_t length : {2, 3, 10, 64, 65, 1000, 1024, 1025, 2048}) {
    INFO(length);
    const CudaRows known = form_of<CudaRows>(softmax(tensor<float>({64, length}, "x")));
    REQUIRE(known.is_known);
    const CudaTeam& team = known.ways.at(0).team;
    const auto way =
        std::ranges::find_if(any.ways, [&](const CudaRows::Way& w) { return length <= w.at_most; });
    REQUIRE(way != any.ways.end());
    if (way->team.fits)
      CHECK(team.threads <= way->team.threads);
    else
      CHECK(team.threads == way->team.threads);
    CHECK(team.length() >= length);
  }
}

TEST_CASE("what is folded at once is dealt out alike, whatever is known of it", "[schedule]") {
  const CudaElements any = form_of<CudaElements>(sum(vector<float>("v"))),
                     known = form_of<CudaElements>(sum(tensor<float>({1000}, "k"))),
                     busy = form_of<CudaElements>(sum(log1p(exp(vector<float>("v")))));
  for (const CudaElements* e : {&known, &busy}) {
    CHECK(e->elements_of_block == any.elements_of_block);
    CHECK(e->most_blocks == any.most_blocks);
  }
}

TEST_CASE("what a row's stages share is kept, each array as long as it is needed", "[schedule]") {
  const CudaRows rows = form_of<CudaRows>(softmax(matrix<float>("m")));
  REQUIRE(!rows.kept.empty());
  for (const CudaKept& kept : rows.kept) {
    CHECK(kept.first < kept.last);
    REQUIRE(kept.array < rows.shared_arrays.size());
    CHECK(rows.shared_arrays[kept.array].dtype == kept.dtype);
  }
  CHECK(rows.is_shared);
  CHECK(std::ranges::count(rows.ways, false, &CudaRows::Way::keeps) == 1);
  CHECK_FALSE(rows.ways.back().keeps);
}

TEST_CASE("how matrix products run on a CUDA device", "[schedule]") {
  const Dim m = dim("m"), n = dim("n"), k = dim("k");
  struct Product {
    const char* what;
    std::vector<Dim> shape;
    Dim k;
    bool is_split, puts_aside;
    std::vector<std::string> ways;
  };
  const std::string by_dots = "an element of c a warp",
                    by_rows = "32 neighbours in a row of c a block of 256 threads",
                    small = "a tile of 16 x 16 a block of 256 threads, 1 x 1 elements a thread, 32 "
                            "terms at a time",
                    narrow =
                        "a tile of 64 x 16 a block of 256 threads, 4 x 1 elements a thread, 16 "
                        "terms at a time",
                    medium =
                        "a tile of 64 x 64 a block of 256 threads, 4 x 4 elements a thread, 16 "
                        "terms at a time",
                    large =
                        "a tile of 128 x 128 a block of 256 threads, 8 x 8 elements a thread, 8 "
                        "terms at a time";
  const Product products[] = {
      {"known, small", {64, 64}, 64, false, false, {small}},
      {"known, a long k", {64, 64}, 100000, true, true, {small}},
      {"known, thin", {1000, 2}, 64, false, false, {by_dots}},
      {"known, flat", {1, 1000}, 64, false, false, {by_rows}},
      {"known, medium", {1000, 1000}, 512, false, false, {medium}},
      {"known, large", {4096, 4096}, 4096, false, true, {large}},
      {"a batch", {8, 64, 64}, 100000, false, true, {small}},
      {"narrow, any number of rows",
       {m, 10},
       64,
       false,
       false,
       {by_rows + ", if m <= 2", small + ", if ", narrow}},
  };
  for (const Product& p : products) {
    INFO(p.what);
    plan::ContractionStep step;
    step.shape = p.shape;
    step.k = p.k;
    const CudaProductSchedule s = schedule_for_cuda(step);
    CHECK(s.is_split() == p.is_split);
    CHECK(s.puts_aside == p.puts_aside);
    REQUIRE(s.ways.size() == p.ways.size());
    for (std::size_t i = 0; i < p.ways.size(); ++i)
      CHECK_THAT(s.ways[i].to_string(), Catch::StartsWith(p.ways[i]));
  }
  plan::ContractionStep any;
  any.shape = std::vector<Dim>{m, n};
  any.k = k;
  CHECK(schedule_for_cuda(any).ways.size() == 7);
}
