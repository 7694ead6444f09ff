/// What is added at positions: gather's gradient.
#include <algorithm>
#include <type_traits>
#include <utility>

#include <kroton/ops/scatter.hpp>

#include "lib/ir/call.hpp"
#include "lib/ir/extended.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/indexing.hpp"
#include "lib/ops/params.hpp"
#include "lib/ops/positions.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::BatchContext;
using ir::EvalContext;
using ir::Example;
using ir::GradContext;
using ir::InferContext;
using ir::Kind;
using ir::Property;
using ir::Type;

/// Inputs: what is added, then the position arrays.
Type infer_index_add(InferContext& c) {
  const ir::DimList& shape = c.params.as<ShapeParams>().shape;
  const std::size_t k = c.inputs.size() - 1;
  std::vector<Dim> expected = c.in(1).shape;
  expected.insert(expected.end(), shape.begin() + static_cast<std::ptrdiff_t>(k), shape.end());
  if (c.in(0).shape.size() != expected.size())
    c.fail<ShapeError>("what is added has the positions' axes, then the rest of the shape",
                       "expected {} to be added, got {}", ir::dims::to_string(expected),
                       c.label(0));
  for (std::size_t i = 0; i < expected.size(); ++i)
    c.require_equal(
        expected[i], c.in(0).shape[i],
        fmt::format("axis {} of {} should be {}", i, c.label(0), expected[i].to_string()),
        "what is added has the positions' axes, then the rest of the shape");
  return {c.in(0).dtype, shape};
}

/// Adds rows of `from` to where the positions say; each sum is rounded to a V.
template <class V, class From> void add_rows(const EvalContext& c, const From& from, V* to) {
  const std::int64_t n = numel_from(c.shape, c.inputs.size() - 1);
  for_each_row(c, c.shape, [&](std::int64_t row, std::int64_t i) {
    for (std::int64_t j = 0; j < n; ++j)
      to[row * n + j] = static_cast<V>(to[row * n + j] + from[i * n + j]);
  });
}

Array eval_index_add(const EvalContext& c) {
  Array out = Array::zeros(c.dtype, Shape(c.shape.begin(), c.shape.end()));
  if (c.remainder != nullptr) {
    std::vector<long double> sums(static_cast<std::size_t>(out.numel()));
    add_rows(c, ir::Terms<double>(c, 0), sums.data());
    const ir::Results<double> to(c, out);
    for (std::int64_t i = 0; i < out.numel(); ++i) to.set(i, sums[static_cast<std::size_t>(i)]);
    return out;
  }
  const Array added = c.inputs[0].contiguous();
  support::visit_dtype(c.dtype, [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_floating_point_v<T>) {
      std::vector<long double> sums(static_cast<std::size_t>(out.numel()));
      add_rows(c, added.data<T>(), sums.data());
      std::ranges::transform(sums, out.data<T>(),
                             [](long double sum) { return static_cast<T>(sum); });
    } else {
      add_rows(c, added.data<T>(), out.data<T>());
    }
  });
  return out;
}

/// Inputs: the base, the scale, what is added, then the position arrays.
Type infer_index_add_to(InferContext& c) {
  KROTON_CHECK(c.in(1).shape.empty() && c.in(1).dtype == c.in(0).dtype &&
                   c.in(2).dtype == c.in(0).dtype,
               "{} is not a scale of {}", c.in(1).to_string(), c.in(0).to_string());
  const ir::DimList& shape = c.in(0).shape;
  const std::size_t k = c.inputs.size() - 3;
  std::vector<Dim> expected = c.in(3).shape;
  expected.insert(expected.end(), shape.begin() + static_cast<std::ptrdiff_t>(k), shape.end());
  KROTON_CHECK(ir::dims::same(expected, c.in(2).shape), "expected {} to be added, got {}",
               ir::dims::to_string(expected), c.in(2).to_string());
  return c.in(0);
}

/// Elements to which nothing is added stay as they are, but for what a scale that is not finite
/// makes of them.
Array eval_index_add_to(const EvalContext& c) {
  Array out = Array::empty(c.dtype, Shape(c.shape.begin(), c.shape.end()));
  const auto numel = static_cast<std::size_t>(out.numel());
  EvalContext positions = c; // for_each_row skips one input
  positions.inputs = c.inputs.subspan(2);
  const std::int64_t n = numel_from(c.shape, c.inputs.size() - 3);
  support::visit_dtype(c.dtype, [&]<class T>(std::type_identity<T>) {
    using Sum = std::conditional_t<std::is_floating_point_v<T>, long double, std::uint64_t>;
    const ir::Terms<T> base(c, 0), scale(c, 1), added(c, 2);
    std::vector<Sum> sums(numel);
    std::vector<bool> is_added(numel);
    for_each_row(positions, c.shape, [&](std::int64_t row, std::int64_t i) {
      for (std::int64_t j = 0; j < n; ++j) {
        const auto to = static_cast<std::size_t>(row * n + j);
        sums[to] += static_cast<Sum>(added[i * n + j]);
        is_added[to] = true;
      }
    });
    const ir::Results<T> to(c, out);
    for (std::size_t i = 0; i < numel; ++i) {
      const auto at = static_cast<std::int64_t>(i);
      const auto by = static_cast<Sum>(scale[0]), term = by * sums[i],
                 sum = static_cast<Sum>(base[at]) + term;
      to.set(at, is_added[i] || term - term != 0 ? sum : static_cast<Sum>(base[at]));
    }
  });
  return out;
}

/// How many sets of positions there are, how many elements each of them moves, then the size of
/// each axis that is indexed.
std::vector<Dim> numbers_of_index_add(const ir::Graph& graph, ir::NodeId id) {
  const ir::GraphNode& n = graph[id];
  const std::size_t indexed = n.inputs.size() - 1;
  const std::span<const Dim> shape = n.type.shape;
  std::vector<Dim> numbers{ir::dims::product(graph[n.inputs[1]].type.shape),
                           ir::dims::product(shape.subspan(indexed))};
  numbers.insert(numbers.end(), shape.begin(),
                 shape.begin() + static_cast<std::ptrdiff_t>(indexed));
  return numbers;
}

bool index_add_takes(std::span<const ir::CallType> results, std::span<const ir::CallType> operands,
                     std::size_t numbers) {
  const auto is_position = [](const ir::CallType& t) {
    return is_integer(t.dtype) && t.dtype != DType::u64;
  };
  return results.size() == 1 && operands.size() >= 2 && operands[0].dtype == results[0].dtype &&
         operands.size() - 1 <= results[0].rank && numbers == 2 + (operands.size() - 1) &&
         std::ranges::all_of(operands.subspan(1), is_position);
}

std::vector<ir::CheckedPositions> positions_of_index_add(const ir::Graph& graph, ir::NodeId id) {
  const ir::GraphNode& n = graph[id];
  std::vector<ir::CheckedPositions> positions;
  for (std::size_t k = 1; k < n.inputs.size(); ++k) positions.push_back({k, n.type.shape[k - 1]});
  return positions;
}

const ir::LibraryCall call_of_index_add{.operands = {ir::Layout::dense},
                                        .results = {{ir::Layout::dense}},
                                        .numbers = numbers_of_index_add,
                                        .takes = index_add_takes,
                                        .positions = positions_of_index_add};

/// As of index_add.
std::vector<Dim> numbers_of_index_add_to(const ir::Graph& graph, ir::NodeId id) {
  const ir::GraphNode& n = graph[id];
  const std::size_t indexed = n.inputs.size() - 3;
  const std::span<const Dim> shape = n.type.shape;
  std::vector<Dim> numbers{ir::dims::product(graph[n.inputs[3]].type.shape),
                           ir::dims::product(shape.subspan(indexed))};
  numbers.insert(numbers.end(), shape.begin(),
                 shape.begin() + static_cast<std::ptrdiff_t>(indexed));
  return numbers;
}

bool index_add_to_takes(std::span<const ir::CallType> results,
                        std::span<const ir::CallType> operands, std::size_t numbers) {
  return operands.size() >= 4 && operands[0].dtype == results[0].dtype &&
         operands[0].rank == results[0].rank && operands[1].dtype == results[0].dtype &&
         operands[1].rank == 0 && index_add_takes(results, operands.subspan(2), numbers);
}

const ir::LibraryCall call_of_index_add_to{.operands = {ir::Layout::dense},
                                           .results = {{ir::Layout::dense, 0}},
                                           .numbers = numbers_of_index_add_to,
                                           .takes = index_add_to_takes};

Expr batched_index_add(const BatchContext& c) {
  std::vector<Expr> inputs{with_axis(c, 0)};
  add_positions(c, inputs);
  return ir::make(c.op, std::move(inputs),
                  ShapeParams{behind(c.size, c.params.as<ShapeParams>().shape)}, c.where);
}

std::vector<Example> examples_of_index_add(DType t) {
  if (is_bool(t)) return {};
  const Dim n = dim("n"), m = dim("m"), l = dim("l");
  const Expr rows = tensor(DType::i64, {l}, "rows"), columns = tensor(DType::i32, {l}, "columns"),
             g = tensor(t, {l, m}, "g"), h = tensor(t, {l}, "h"), x = tensor(t, {n, m}, "x"),
             of_nine = tensor(DType::i64, {l}, "of_nine");
  const Example::Positions by_row{rows, n}, by_column{columns, m}, by_nine{of_nine, Dim(9)};
  return {{kroton::index_add(x.shape(), {rows}, g), {by_row}},
          {x + kroton::index_add(x.shape(), {rows, columns}, h), {by_row, by_column}},
          {kroton::index_add({Dim(9)}, {of_nine}, h * h), {by_nine}}};
}

/// Where the scale is not 0.
std::vector<Expr> grad_index_add_to(const GradContext& c) {
  std::vector<Expr> found{c.grad}, grads(c.inputs.size(), Expr(nullptr));
  found.insert(found.end(), c.inputs.begin() + 3, c.inputs.end());
  const Expr there = ir::make(gather, std::move(found), {}, c.where);
  grads[0] = c.grad;
  grads[1] = kroton::sum(there * c.inputs[2]);
  grads[2] = there * c.inputs[1];
  return grads;
}

std::vector<Example> examples_of_index_add_to(DType t) {
  if (is_bool(t)) return {};
  const Dim n = dim("n"), m = dim("m"), l = dim("l");
  const Expr rows = tensor(DType::i64, {l}, "rows"), columns = tensor(DType::i64, {l}, "columns"),
             g = tensor(t, {l, m}, "g"), h = tensor(t, {l}, "h"), x = tensor(t, {n, m}, "x"),
             v = tensor(t, {9}, "v"), of_nine = tensor(DType::i64, {l}, "of_nine"),
             scale = tensor(t, {}, "scale");
  const Example::Positions by_row{rows, n}, by_column{columns, m}, by_nine{of_nine, Dim(9)};
  const auto made = [](std::vector<Expr> inputs) {
    return ir::make(index_add_to, std::move(inputs), {}, Location::current());
  };
  return {{made({x, scale, g, rows}), {by_row}},
          {made({x, scale, h, rows, columns}), {by_row, by_column}},
          {made({v, scale, h, of_nine}), {by_nine}}};
}

} // namespace

const Op index_add{.name = "index-add",
                   .arity = -1,
                   .kind = Kind::scatter,
                   .properties = Property::fallible,
                   .dtypes = ir::Dtypes::numeric,
                   .params = &ir::params_type<ShapeParams>,
                   .infer = infer_index_add,
                   .eval = eval_index_add,
                   .batched = batched_index_add,
                   .gradient =
                       [](const GradContext& c) {
                         std::vector<Expr> grads(c.inputs.size(), Expr(nullptr));
                         grads[0] = ir::make(gather, with_first(c.grad, c.inputs), {}, c.where);
                         return grads;
                       },
                   .call = &call_of_index_add,
                   .fail = position_failed,
                   .examples = examples_of_index_add,
                   .doc = "zeros with g added at positions of leading axes; the gradient of index"};
/// Positions are known to be in their axes: rules put the check in front of it. So it cannot fail,
/// and may write to a shared variable in place.
const Op index_add_to{.name = "index-add-to",
                      .arity = -1,
                      .kind = Kind::scatter,
                      .dtypes = ir::Dtypes::numeric,
                      .infer = infer_index_add_to,
                      .eval = eval_index_add_to,
                      .gradient = grad_index_add_to,
                      .call = &call_of_index_add_to,
                      .examples = examples_of_index_add_to,
                      .doc = "a base with scale * g added at positions of leading axes"};

std::span<const Op* const> scatter_rows() {
  static constexpr const Op* rows[] = {&index_add, &index_add_to};
  return rows;
}

} // namespace ops

Expr index_add(std::vector<Dim> shape, std::vector<Expr> positions, Operand g) {
  std::vector<Expr> inputs = ops::aligned(positions, "index_add", g.where);
  const Expr e = ops::to_expr(g);
  if (positions.empty() || positions.size() > shape.size())
    support::fail<ShapeError>("index_add",
                              {.place = ir::place_of(g.where, {&e, 1}),
                               .hint = "give one position array for each leading axis"},
                              "{} position arrays for a shape of {}", positions.size(),
                              ir::dims::to_string(shape));
  inputs.insert(inputs.begin(), e);
  return ir::make(ops::index_add, std::move(inputs), ops::ShapeParams{std::move(shape)}, g.where);
}

} // namespace kroton
