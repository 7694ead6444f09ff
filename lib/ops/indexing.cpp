/// Gather, and what is composed of it.
#include <algorithm>
#include <cstring>
#include <utility>

#include <kroton/ops/indexing.hpp>

#include "lib/ops/arithmetic.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/indexing.hpp"
#include "lib/ops/params.hpp"
#include "lib/ops/positions.hpp"
#include "lib/support/error.hpp"
#include "lib/support/number_text.hpp"

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
std::span<const Op* const> indexing_rows() {
  static constexpr const Op* rows[] = {&gather};
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
