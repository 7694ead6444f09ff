#include "test/conformance/subjects.hpp"

#include <kroton/ops/contraction.hpp>
#include <kroton/ops/indexing.hpp>

#include "codegen/cuda/library.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/contraction.hpp"
#include "lib/ops/movement.hpp"
#include "lib/ops/table.hpp"
#include "test/conformance/arrays.hpp"
#include "test/support/params.hpp"
#include "test/support/catch.hpp"
#include "test/support/inputs.hpp"

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

/// Whether an op is computed that has no kernels for devices.
bool calls_absent_library(const Expr& e) {
  return std::ranges::any_of(ir::topological_order({&e, 1}), [](const ir::Node* n) {
    return n->op->is(ir::Kind::library) && codegen::cuda_function(*n->op) == nullptr;
  });
}

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
  s.calls = {{{{70}, {9, 33}, {5, 6, 7}}}, {{{1}, {1, 1}, {1, 1, 1}}}, {{{2}, {40, 3}, {2, 1, 9}}}};
  if (!is_position) s.calls.push_back({{{0}, {3, 0}, {2, 0, 4}}});
  return s;
}

Subject examples(const Op& op, DType t, bool for_device) {
  Subject s;
  std::vector<ir::Example::Positions> positions;
  for (const ir::Example& example : op.examples(t)) {
    if (for_device && calls_absent_library(example.expr)) continue;
    for (const Expr& input : inputs_of(example.expr)) {
      const auto is_known = [&](const Expr& e) { return e.is(input); };
      if (std::ranges::none_of(s.inputs, is_known)) s.inputs.push_back(input);
    }
    s.cases.push_back({fmt::format("example {} of {}", s.cases.size(), op.name), example.expr});
    positions.insert(positions.end(), example.positions.begin(), example.positions.end());
  }
  for (auto [n, m, k, l] : {std::array<std::int64_t, 4>{5, 7, 3, 9},
                            {4, 5, 2, 9},
                            {1, 1, 1, 1},
                            {0, 3, 2, 0},
                            {3, 2, 0, 1},
                            {2, 40, 6, 3},
                            {33, 40, 17, 3},
                            {8, 64, 9, 1}}) {
    const Sizes sizes{.by_name = {{"n", n}, {"m", m}, {"k", k}, {"l", l}}};
    Call call;
    for (const Expr& input : s.inputs) {
      Shape& shape = call.shapes.emplace_back();
      for (const Dim& d : input.shape()) shape.push_back(ir::dims::evaluate(d, sizes));
    }
    const bool has_places = std::ranges::all_of(positions, [&](const ir::Example::Positions& p) {
      return ir::dims::evaluate(p.size, sizes) > 0;
    });
    if (!has_places) continue; // positions on an axis without elements
    for (const ir::Example::Positions& p : positions) {
      const std::int64_t size = ir::dims::evaluate(p.size, sizes);
      const auto [range, is_new] = call.ranges.try_emplace(p.input.name(), -size, size);
      REQUIRE((is_new || range->second.second == size));
    }
    s.calls.push_back(std::move(call));
  }
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
