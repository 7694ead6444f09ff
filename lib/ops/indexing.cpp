/// Gather and its gradient, and what is composed of them.
#include <algorithm>
#include <limits>
#include <type_traits>
#include <utility>

#include "lib/ir/call.hpp"
#include "lib/ir/extended.hpp"
#include <kroton/ops/indexing.hpp>

#include "lib/ops/arithmetic.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/indexing.hpp"
#include "lib/support/number_text.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::BatchContext;
using ir::EvalContext;
using ir::GradContext;
using ir::InferContext;
using ir::Kind;
using ir::Property;
using ir::Type;

/// Inputs: the array, then k position arrays of one shape S; the result is S + the array's axes
/// from k on.
Type infer_gather(InferContext& c) {
  std::vector<Dim> shape = c.in(1).shape;
  const auto k = static_cast<std::ptrdiff_t>(c.inputs.size() - 1);
  shape.insert(shape.end(), c.in(0).shape.begin() + k, c.in(0).shape.end());
  return {c.in(0).dtype, std::move(shape)};
}

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

/// Calls `f(row of the indexed array, position number)` for every set of positions.
template <class F>
void for_each_row(const EvalContext& c, std::span<const std::int64_t> shape, F f) {
  std::vector<Array> positions;
  for (const Array& p : c.inputs.subspan(1)) positions.push_back(p.astype(DType::i64).contiguous());
  for (std::int64_t i = 0; i < positions[0].numel(); ++i) {
    std::int64_t row = 0;
    for (std::size_t k = 0; k < positions.size(); ++k) {
      std::int64_t p = positions[k].data<std::int64_t>()[i];
      const std::int64_t n = shape[k];
      if (p < -n || p >= n)
        support::fail<IndexError>(
            "index",
            {.hint = fmt::format("positions of an axis of {} run from {} to {}", n, -n, n - 1)},
            "position {} is outside axis {}, which has size {}", p, k, n);
      row = row * n + (p < 0 ? p + n : p);
    }
    f(row, i);
  }
}

std::int64_t numel_from(std::span<const std::int64_t> shape, std::size_t k) {
  std::int64_t n = 1;
  for (std::size_t i = k; i < shape.size(); ++i) n *= shape[i];
  return n;
}

Array eval_gather(const EvalContext& c) {
  const Array from = c.inputs[0].contiguous();
  Array out = Array::empty(c.dtype, Shape(c.shape.begin(), c.shape.end()));
  const std::size_t bytes =
      static_cast<std::size_t>(numel_from(from.shape(), c.inputs.size() - 1)) * item_size(c.dtype);
  auto* to = static_cast<std::byte*>(out.raw());
  for_each_row(c, from.shape(), [&](std::int64_t row, std::int64_t i) {
    std::memcpy(to + static_cast<std::size_t>(i) * bytes,
                static_cast<const std::byte*>(std::as_const(from).raw()) +
                    static_cast<std::size_t>(row) * bytes,
                bytes);
  });
  return out;
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

std::vector<Expr> with_first(const Expr& first, std::span<const Expr> inputs) {
  std::vector<Expr> all{first};
  all.insert(all.end(), inputs.begin() + 1, inputs.end());
  return all;
}

/// Throws IndexError for a position that is outside its axis; the failure's site is the number of
/// the position array.
void position_failed(const ir::FailureContext& c) {
  const ir::GraphNode& n = c.graph[c.node];
  auto axis = static_cast<std::size_t>(c.failure.site);
  // index() moves the axes that it indexes to the front; the user's own numbering is below.
  const ir::GraphNode* whole = n.op == &gather ? &c.graph[n.inputs[0]] : nullptr;
  while (whole && whole->op == &transpose) {
    axis = static_cast<std::size_t>(whole->params.as<OrderParams>().order[axis]);
    whole = &c.graph[whole->inputs[0]];
  }
  std::string place = support::describe(n.where), of;
  if (whole && !whole->name.empty()) {
    of = fmt::format(" of {} {}", whole->name, whole->type.to_string());
    place += fmt::format("; {} from {}", whole->name, support::describe(whole->where));
  }
  const std::int64_t size = c.failure.bound;
  std::string hint = size == 0 ? "an axis of size 0 has no positions"
                               : fmt::format("positions of an axis of {} run from {} to {}", size,
                                             -size, size - 1);
  support::fail<IndexError>("index", {.place = std::move(place), .hint = std::move(hint)},
                            "position {} is outside axis {}{}, which has size {}, in a call of {}",
                            c.failure.value, axis, of, size, c.function);
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

bool are_positions_mapped(const BatchContext& c) {
  return std::find(c.has_axis.begin() + 1, c.has_axis.end(), true) != c.has_axis.end();
}

/// Position arrays of one shape that say which element of the axis, and then the op's own.
void add_positions(const BatchContext& c, std::vector<Expr>& inputs) {
  const std::size_t first = inputs.size();
  for (std::size_t i = 1; i < c.inputs.size(); ++i) inputs.push_back(with_axis(c, i));
  const std::vector<Dim> shape = inputs[first].shape();
  const Expr numbers = element_numbers(c, static_cast<int>(shape.size()) - 1);
  inputs.insert(inputs.begin() + static_cast<std::ptrdiff_t>(first),
                ir::make(broadcast_to, {numbers}, ShapeParams{shape}, c.where));
}

Expr batched_gather(const BatchContext& c) {
  std::vector<Expr> inputs{c.inputs[0]};
  if (!c.has_axis[0]) {
    for (std::size_t i = 1; i < c.inputs.size(); ++i) inputs.push_back(with_axis(c, i));
    return ir::make(c.op, std::move(inputs), {}, c.where);
  }
  if (are_positions_mapped(c)) {
    add_positions(c, inputs);
    return ir::make(c.op, std::move(inputs), {}, c.where);
  }
  // The same positions for all: the axis is one that is not indexed, behind those that are.
  const auto indexed = static_cast<std::int64_t>(c.inputs.size()) - 1;
  const auto axes = static_cast<std::int64_t>(c.inputs[0].rank());
  const auto position_axes = static_cast<std::int64_t>(c.inputs[1].rank());
  ir::Ints to_back, to_front;
  for (std::int64_t i = 1; i <= indexed; ++i) to_back.push_back(i);
  to_back.push_back(0);
  for (std::int64_t i = indexed + 1; i < axes; ++i) to_back.push_back(i);
  inputs[0] = ir::make(transpose, {c.inputs[0]}, OrderParams{std::move(to_back)}, c.where);
  inputs.insert(inputs.end(), c.inputs.begin() + 1, c.inputs.end());
  const Expr found = ir::make(c.op, std::move(inputs), {}, c.where);
  to_front.push_back(position_axes);
  for (std::int64_t i = 0; i < found.rank(); ++i)
    if (i != position_axes) to_front.push_back(i);
  return ir::make(transpose, {found}, OrderParams{std::move(to_front)}, c.where);
}

Expr batched_index_add(const BatchContext& c) {
  std::vector<Expr> inputs{with_axis(c, 0)};
  add_positions(c, inputs);
  return ir::make(c.op, std::move(inputs),
                  ShapeParams{behind(c.size, c.params.as<ShapeParams>().shape)}, c.where);
}

using ir::Example;

std::vector<Example> examples_of_gather(DType t) {
  const Dim n = dim("n"), m = dim("m"), l = dim("l");
  const Expr x = tensor(t, {n, m}, "x"), rows = tensor(DType::i64, {l}, "rows"),
             columns = tensor(DType::i32, {l}, "columns"),
             block = tensor(DType::i64, {2, 3}, "block"),
             of_each = tensor(DType::i8, {n}, "of_each"), cube = tensor(t, {3, 4, 5}, "cube"),
             of_cube = tensor(DType::i64, {2, 3}, "of_cube");
  const Example::Positions by_row{rows, n}, by_column{columns, m}, by_block{block, n},
      by_each{of_each, m}, by_cube{of_cube, Dim(3)};
  const Range backwards{{}, {}, -1};
  return {{index(x, {rows}), {by_row}},
          {index(x, {Range{}, columns}), {by_column}},
          {index(x, {rows, columns}), {by_row, by_column}},
          {index(x, {arange(x.dim(0)), of_each}), {by_each}},
          {index(x, {block}), {by_block}},
          {index(x, {Range{}, kroton::cast(columns, DType::i64)}), {by_column}},
          {index(kroton::slice(x, {backwards, backwards}), {rows}), {by_row}},
          {index(kroton::transpose(x), {Range{}, rows}), {by_row}},
          {index(cube, {std::int64_t{-1}, std::int64_t{0}})},
          {index(cube, {backwards, of_cube, Range{1, {}, 2}}), {by_cube}},
          {index(cube, {of_cube, Range{1, 3}, of_cube}), {by_cube}}};
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

const Op gather{.name = "gather",
                .arity = -1,
                .kind = Kind::gather,
                .properties = Property::fallible,
                .infer = infer_gather,
                .eval = eval_gather,
                .batched = batched_gather,
                .gradient =
                    [](const GradContext& c) {
                      std::vector<Expr> grads(c.inputs.size(), Expr(nullptr));
                      grads[0] = ir::make(index_add, with_first(c.grad, c.inputs),
                                          ShapeParams{c.inputs[0].node()->type.shape}, c.where);
                      return grads;
                    },
                .fail = position_failed,
                .examples = examples_of_gather,
                .doc =
                    "the elements at positions of leading axes, negative ones counted from the end",
                .function = "index"};
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

namespace {

/// Position arrays as i64 of one common shape.
std::vector<Expr> aligned(const std::vector<Expr>& positions, std::string_view op, Location where) {
  std::vector<const ir::Type*> types;
  for (const Expr& p : positions) {
    if (!is_integer(p.dtype()))
      support::fail<TypeError>(op,
                               {.place = ir::place_of(where, positions),
                                .hint = "cast(p, DType::i64); to select by a mask, use where"},
                               "positions must be integers, got {}", p.label());
    types.push_back(&p.node()->type);
  }
  std::vector<ir::Constraint> constraints;
  const ir::Params none;
  ir::InferContext context{gather, types, none, positions, where, constraints, op};
  const auto shape = broadcast_shapes(context);
  std::vector<Expr> result;
  for (const Expr& p : positions) {
    detail::require_given(p, std::string(op).c_str(), where);
    // What an i64 does not hold is outside every axis, and must not wrap to a position inside.
    constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
    Expr e = p.dtype() == DType::u64 ? kroton::minimum({p, where}, {most, where}) : p;
    e = cast_to(e, DType::i64, where);
    if (!ir::dims::same(e.shape(), shape))
      e = ir::make(broadcast_to, {e}, ShapeParams{shape}, where);
    result.push_back(std::move(e));
  }
  return result;
}

} // namespace
std::span<const Op* const> indexing_rows() {
  static constexpr const Op* rows[] = {&gather, &index_add, &index_add_to};
  return rows;
}

} // namespace ops

Expr arange(Operand n) {
  if (n.is_literal() && n.literal.kind != WeakKind::integer)
    support::fail<TypeError>(
        "arange", {.place = support::describe(n.where), .hint = "give the number of elements"},
        "takes an integer, got {}", support::number_text(n.literal.floating));
  if (n.is_literal()) {
    const std::int64_t length = n.literal.integer;
    if (n.literal.is_unsigned && length < 0)
      support::fail<ShapeError>(
          "arange", {.place = support::describe(n.where), .hint = "sizes go up to 2^63 - 1"},
          "{} elements are more than an int64 counts", static_cast<std::uint64_t>(length));
    return ir::make(ops::iota, {}, ops::SizeParams{Dim(std::max<std::int64_t>(length, 0))},
                    n.where);
  }
  return ir::make(ops::iota, {}, ops::SizeParams{ops::size_of("arange", n.expr, n.where)}, n.where);
}

Expr arange(std::int64_t start, std::int64_t stop, std::int64_t step, Location where) {
  if (step == 0)
    support::fail<ShapeError>(
        "arange", {.place = support::describe(where), .hint = "use a step of 1, or -1 to go down"},
        "the step is 0");
  const Dim length(detail::arange_length(start, stop, step, where));
  const Expr i = ir::make(ops::iota, {}, ops::SizeParams{length}, where);
  // A product that wraps is brought back by the sum: each element is between start and stop.
  return Operand(start, where) + Operand(Operand(i, where) * Operand(step, where), where);
}

Expr one_hot(Operand labels, std::int64_t classes, DType dtype) {
  if (classes < 0) {
    const Expr e = ops::to_expr(labels);
    support::fail<ShapeError>(
        "one_hot",
        {.place = ir::place_of(labels.where, {&e, 1}),
         .hint = "give the number of classes, at least the largest label + 1"},
        "cannot make {} classes", classes);
  }
  return one_hot(std::move(labels), Dim(classes), dtype);
}

Expr one_hot(Operand labels, Dim classes, DType dtype) {
  const Location at = labels.where;
  const Expr e = ops::to_expr(labels);
  if (!is_integer(e.dtype()))
    support::fail<TypeError>(
        "one_hot", {.place = ir::place_of(at, {&e, 1}), .hint = "cast(labels, DType::i64)"},
        "labels must be integers, got {}", e.label());
  const Expr position = ir::make(ops::iota, {}, ops::SizeParams{std::move(classes)}, at);
  const Expr column = expand_dims({ops::cast_to(e, DType::i64, at), at}, {-1});
  return cast({Operand(column, at) == Operand(position, at), at}, dtype);
}

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

namespace {

/// The position from the front that an item names along an axis of `n` elements, if it is a number
/// and there is such a position.
std::optional<std::int64_t> known_position(const IndexItem& item, const Dim& n) {
  if (!n.is_static()) return std::nullopt;
  ir::Wide p = 0;
  if (const Expr* e = std::get_if<Expr>(&item.item)) {
    if (e->node()->op != &ops::constant || !is_integer(e->dtype())) return std::nullopt;
    p = ops::int_value(ops::constant_in(*e->node()));
  } else if (const std::int64_t* number = std::get_if<std::int64_t>(&item.item)) {
    p = *number;
  } else {
    return std::nullopt;
  }
  const ir::Wide size = n.value();
  if (p < -size || p >= size) return std::nullopt; // an error, but only once it is called
  return static_cast<std::int64_t>(p < 0 ? p + size : p);
}

/// Takes the axes away whose position is a number, as slices, which nothing has to look up: what is
/// left of `e`, for which `items` are then the items. Where arrays say positions, numbers have a
/// say in where those arrays' axes go, and stay.
Expr without_known_positions(const Expr& e, std::vector<IndexItem>& items, Location where) {
  const auto is_array = [](const IndexItem& item) {
    const Expr* p = std::get_if<Expr>(&item.item);
    return p && p->rank() > 0;
  };
  if (std::ranges::any_of(items, is_array)) return e;
  std::vector<Range> ranges;
  std::vector<IndexItem> left;
  std::vector<bool> is_kept(static_cast<std::size_t>(e.rank()), true);
  for (std::size_t i = 0; i < items.size(); ++i) {
    const Range* range = std::get_if<Range>(&items[i].item);
    const auto p = known_position(items[i], e.shape()[i]);
    ranges.push_back(range ? *range : p ? Range{*p, *p + 1} : Range{});
    is_kept[i] = !p;
    if (!p) left.push_back(range ? IndexItem(Range{}) : items[i]);
  }
  if (left.size() == items.size()) return e;
  const Expr taken = slice({e, where}, std::move(ranges));
  std::vector<Dim> shape;
  for (std::size_t i = 0; i < is_kept.size(); ++i)
    if (is_kept[i]) shape.push_back(taken.shape()[i]);
  items = std::move(left);
  return ir::make(ops::reshape, {taken}, ops::ShapeParams{std::move(shape)}, where);
}

} // namespace

Expr index(Operand a, std::vector<IndexItem> items, Location where) {
  Expr e = ops::to_expr(a);
  if (static_cast<int>(items.size()) > e.rank())
    support::fail<ShapeError>(
        "index",
        {.place = ir::place_of(where, {&e, 1}), .hint = "give at most one item for each axis"},
        "{} items for {}", items.size(), e.label());
  e = without_known_positions(e, items, where);
  std::vector<Range> ranges;
  std::vector<Expr> positions;
  std::vector<std::int64_t> indexed, kept;
  for (std::size_t i = 0; i < static_cast<std::size_t>(e.rank()); ++i) {
    const IndexItem item = i < items.size() ? items[i] : IndexItem(Range{});
    if (const Range* r = std::get_if<Range>(&item.item)) {
      ranges.push_back(*r);
      kept.push_back(static_cast<std::int64_t>(i));
      continue;
    }
    ranges.push_back({});
    indexed.push_back(static_cast<std::int64_t>(i));
    const Expr* p = std::get_if<Expr>(&item.item);
    positions.push_back(
        p ? *p : ops::integer_constant(DType::i64, std::get<std::int64_t>(item.item), where));
  }
  const bool has_ranges =
      std::ranges::any_of(ranges, [](const Range& r) { return r.start || r.stop || r.step != 1; });
  if (has_ranges) e = slice({e, where}, ranges);
  if (positions.empty()) return e;
  std::vector<int> order(indexed.begin(), indexed.end());
  order.insert(order.end(), kept.begin(), kept.end());
  if (!std::ranges::is_sorted(order)) e = transpose({e, where}, order);
  std::vector<Expr> inputs = ops::aligned(positions, "index", where);
  const int position_rank = inputs[0].rank();
  // index(p, {arange(n), y}) almost always takes one element of every row.
  std::vector<ir::Constraint> assumed;
  for (std::size_t k = 0; k < positions.size(); ++k)
    if (positions[k].node()->op == &ops::iota)
      assumed.push_back(
          {positions[k].shape()[0], e.shape()[k], "positions that cover their axis", true});
  inputs.insert(inputs.begin(), e);
  Expr result = ir::make(ops::gather, std::move(inputs), {}, where, std::move(assumed));
  // NumPy puts the positions' axes where the indexed axes stood if those were neighbours, else
  // first.
  const bool are_neighbours =
      indexed.back() - indexed.front() + 1 == static_cast<std::int64_t>(indexed.size());
  const int before = static_cast<int>(indexed.front());
  if (!are_neighbours || before == 0 || position_rank == 0) return result;
  std::vector<int> back;
  for (int i = 0; i < before; ++i) back.push_back(position_rank + i);
  for (int i = 0; i < position_rank; ++i) back.push_back(i);
  for (int i = position_rank + before; i < result.rank(); ++i) back.push_back(i);
  return transpose({result, where}, back);
}

Expr Expr::operator[](const IndexItem& item) const {
  return index({*this, item.where}, {item}, item.where);
}

Expr Expr::operator[](std::initializer_list<IndexItem> items) const {
  const Location at = items.size() == 0 ? Location{} : items.begin()->where;
  return index({*this, at}, items, at);
}

} // namespace kroton
