#include "test/conformance/subjects.hpp"

#include <kroton/ops/contraction.hpp>
#include <kroton/ops/indexing.hpp>
#include <kroton/ops/movement.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/contraction.hpp"
#include "lib/ops/movement.hpp"
#include "lib/ops/table.hpp"
#include "test/conformance/arrays.hpp"
#include "test/support/params.hpp"

namespace kroton::test {

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

namespace {

Location here() { return Location::current(); }

Expr backwards(const Expr& e) { return slice(e, {{{}, {}, -1}, {{}, {}, -1}}); }
Expr inner_part(const Expr& e) { return slice(e, {{1, {}, 2}, {2, -1, 3}}); }

} // namespace

Subject reductions(const Op& op, DType t) {
  const bool is_position = op.gives_position();
  Subject s;
  for (int rank = 1; rank <= 3; ++rank) {
    std::vector<Dim> shape;
    for (int i = 0; i < rank; ++i) shape.push_back(dim());
    const Expr x = tensor(t, shape, fmt::format("x{}", rank));
    s.inputs.push_back(x);
    for (int set = 1; set < (1 << rank); ++set) {
      std::vector<std::int64_t> axes;
      for (int i = 0; i < rank; ++i)
        if (set >> i & 1) axes.push_back(i);
      if (is_position && axes.size() != 1) continue;
      auto add = [&](std::string what, const Expr& from) {
        const Expr r = ir::make(op, {from}, ops::AxesParams{axes}, here());
        s.cases.push_back({fmt::format("{} over axes {:b} of {}", op.name, set, what), r});
        std::vector<Dim> kept = from.shape();
        for (std::int64_t a : axes) kept[static_cast<std::size_t>(a)] = 1;
        if (set % 2 == 0)
          s.cases.push_back({s.cases.back().what + " keeping dims",
                             ir::make(ops::reshape, {r}, ops::ShapeParams{kept}, here())});
      };
      add(fmt::format("rank {}", rank), x);
      if (rank == 3 && set % 3 == 1) add("a transposed array", transpose(x));
      if (rank == 2) add("a reversed array", slice(x, {{{}, {}, -1}, {{}, {}, -1}}));
      if (rank == 2 && set != 1) add("a sliced array", slice(x, {{0, {}, 2}, {0, {}, 2}}));
      if (rank == 1)
        add("a repeated array", broadcast_to(expand_dims(x, {1}), {x.shape()[0], Dim(3)}));
    }
  }
  s.calls = {{{70}, {9, 33}, {5, 6, 7}}, {{1}, {1, 1}, {1, 1, 1}}, {{2}, {40, 3}, {2, 1, 9}}};
  if (!is_position) s.calls.push_back({{0}, {3, 0}, {2, 0, 4}});
  return s;
}

Subject movement(DType t) {
  const Dim n = dim("n"), m = dim("m");
  const Expr x = tensor(t, {n, m}, "x"), c = tensor(t, {4, 6}, "c"), k = tensor(t, {3, 2, 5}, "k"),
             v = tensor(t, {n}, "v"), o = tensor(t, {}, "o");
  Subject s{{x, c, k, v, o}, {}, {}};
  auto add = [&](std::string what, const Expr& e) { s.cases.push_back({std::move(what), e}); };
  add("reshape to one axis", reshape(x, {-1}));
  add("reshape of a static array", reshape(c, {3, 8}));
  add("reshape of a transposed array", reshape(transpose(c), {2, 12}));
  add("reshape of a scalar", reshape(o, {1, 1}));
  add("transpose", transpose(x));
  for (auto p : {std::vector<int>{0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}})
    add(fmt::format("transpose to {}{}{}", p[0], p[1], p[2]), transpose(k, p));
  add("broadcast of a scalar", broadcast_to(o, {n, Dim(3)}));
  add("broadcast of a vector", broadcast_to(v, {Dim(2), n}));
  add("broadcast of a column", broadcast_to(expand_dims(v, {1}), {n, m}));
  add("expand and squeeze", squeeze(expand_dims(x, {0, 2}), {0}));
  const std::vector<std::vector<Range>> slices{
      {{1, {}}},    {{{}, -1}},  {{{}, {}, -1}}, {{-2, {}, -1}}, {{{}, {}, 2}, {1, {}, 3}},
      {{2, 0, -1}}, {{100, {}}}, {{-100, 100}},  {{3, 1}},       {{{}, {}, -2}, {-1, {}, -3}}};
  for (std::size_t i = 0; i < slices.size(); ++i) {
    add(fmt::format("slice {}", i), slice(x, slices[i]));
    add(fmt::format("slice {} of a static array", i), slice(c, slices[i]));
  }
  add("a slice of a slice", slice(slice(x, {{{}, {}, -1}}), {{1, {}, 2}}));
  add("stop-gradient", stop_gradient(x));
  add("copy", ir::make(ops::copy, {transpose(x)}, ops::CopyParams{}, here()));
  if (!is_bool(t)) {
    // Put back among zeros: start 1, step 2.
    add("unslice", ir::make(ops::unslice, {c}, ops::SliceParams{{1, 2}, {2, 1}, {9, 10}}, here()));
    add("unslice backwards",
        ir::make(ops::unslice, {c}, ops::SliceParams{{7, 5}, {-2, -1}, {9, 6}}, here()));
  }
  s.calls = {{{5, 7}, {4, 6}, {3, 2, 5}, {5}, {}},
             {{1, 1}, {4, 6}, {3, 2, 5}, {1}, {}},
             {{0, 3}, {4, 6}, {3, 2, 5}, {0}, {}},
             {{2, 40}, {4, 6}, {3, 2, 5}, {2}, {}}};
  return s;
}

Subject products(DType t) {
  const Dim n = dim("n"), m = dim("m"), k = dim("k"), l = dim("l");
  const Expr a = tensor(t, {n, k}, "a"), b = tensor(t, {k, m}, "b"), bt = tensor(t, {m, k}, "bt"),
             v = tensor(t, {k}, "v"), p = tensor(t, {l, n, k}, "p"), q = tensor(t, {l, k, m}, "q"),
             c = tensor(t, {n, m}, "c"), one = tensor(t, {1, k, 3}, "one"), s0 = tensor(t, {}, "s");
  Subject s{{a, b, bt, v, p, q, c, one, s0}, {}, {}};
  auto add = [&](std::string what, const Expr& e) { s.cases.push_back({std::move(what), e}); };
  add("dot", dot(a, b));
  add("dot with a transposed matrix", dot(a, transpose(bt)));
  add("dot of a reversed matrix", dot(slice(a, {{{}, {}, -1}, {{}, {}, -1}}), b));
  add("transposed product", transpose(dot(transpose(b), transpose(a))));
  add("matrix times vector", dot(a, v));
  add("vector times matrix", dot(v, b));
  add("inner product", dot(v, v));
  add("batched", matmul(p, q));
  add("batched, one side shared", matmul(p, b));
  add("batched, broadcast", matmul(p, one));
  if (is_float(t)) add("gemm", ir::make(ops::gemm, {c, a, b, s0}, {}, here()));
  add("added", c + dot(a, b));
  add("subtracted and scaled", c - dot(a, b) * s0);
  for (auto [N, M, K, L] : {std::array<std::int64_t, 4>{5, 7, 3, 2},
                            {1, 1, 1, 1},
                            {0, 3, 2, 2},
                            {3, 2, 0, 1},
                            {33, 40, 17, 3},
                            {8, 64, 9, 1}})
    s.calls.push_back({{N, K}, {K, M}, {M, K}, {K}, {L, N, K}, {L, K, M}, {N, M}, {1, K, 3}, {}});
  return s;
}

Subject indexing(DType t) {
  const Dim n = dim("n"), m = dim("m"), l = dim("l");
  const Expr x = tensor(t, {n, m}, "x"), i = tensor(DType::i64, {l}, "i"),
             j = tensor(DType::i32, {l}, "j"), k = tensor(DType::i64, {2, 3}, "k"),
             y = tensor(DType::u8, {n}, "y"), cube = tensor(t, {3, 4, 5}, "cube"),
             g = tensor(t, {l, m}, "g"), h = tensor(t, {l}, "h");
  Subject s{{x, i, j, k, y, cube, g, h}, {}, {}};
  auto add = [&](std::string what, const Expr& e) { s.cases.push_back({std::move(what), e}); };
  add("rows", index(x, {i}));
  add("columns", index(x, {Range{}, j}));
  add("elements", index(x, {i, j}));
  add("one of each row", index(x, {arange(x.dim(0)), y}));
  add("a block of positions", index(x, {k}));
  add("a block of columns", index(x, {Range{}, k}));
  add("a row by number", index(x, {std::int64_t{-1}}));
  add("an element by number", index(x, {std::int64_t{0}, std::int64_t{1}}));
  add("rows of a reversed array", index(slice(x, {{{}, {}, -1}, {{}, {}, -1}}), {i}));
  add("columns of a transposed array", index(transpose(x), {Range{}, i}));
  add("ranges and positions", index(cube, {Range{{}, {}, -1}, k, Range{1, {}, 2}}));
  add("positions around a range", index(cube, {k, Range{1, 3}, k}));
  if (!is_bool(t)) {
    add("add to rows", index_add({x.shape()[0], x.shape()[1]}, {i}, g));
    add("add to elements", index_add({x.shape()[0], x.shape()[1]}, {i, j}, h));
    add("add to a vector", index_add({Dim(9)}, {i}, h * h));
  }
  s.calls = {{{4, 5}, {9}, {9}, {2, 3}, {4}, {3, 4, 5}, {9, 5}, {9}},
             {{3, 3}, {1}, {1}, {2, 3}, {3}, {3, 4, 5}, {1, 3}, {1}},
             {{30, 3}, {0}, {0}, {2, 3}, {30}, {3, 4, 5}, {0, 3}, {0}}};
  s.ranges = {{"i", {-3, 3}}, {"j", {-3, 3}}, {"k", {-3, 3}}, {"y", {0, 3}}};
  return s;
}

Subject leaves(DType t) {
  const Expr x = tensor(t, {dim(), dim()}, "x");
  Rng rng(5);
  const Expr baked = constant(moderate(t, {3, 2}, rng)), one = constant(moderate(t, {}, rng));
  Subject s{{x}, {}, {{{4, 5}}, {{0, 1}}}};
  s.cases = {{"the input", x},
             {"an array", baked},
             {"an array, moved", transpose(baked)},
             {"a constant", one},
             {"a constant, repeated", broadcast_to(one, x.shape())},
             {"a size", x.dim(1)},
             {"positions", arange(x.dim(0))},
             {"a range", arange(7, -3, -2)},
             {"shared", kroton::shared(moderate(t, {2, 2}, rng), "w")},
             {"one-hot", one_hot(arange(x.dim(1)) - 1, 4, t)}};
  return s;
}

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

std::vector<Instance> instances(const Operands& o, DType t) {
  std::vector<Instance> all;
  for (const Op* op : ops::all()) {
    if (!op->is(ir::Kind::elementwise) || !takes(*op, t)) continue;
    auto add = [&](std::vector<Expr> v, DType target) {
      all.push_back(
          {op, target,
           ir::make(*op, std::move(v), elementwise_params(*op, target), Location::current())});
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

} // namespace kroton::test
