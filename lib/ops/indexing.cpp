/// Gather, and what is composed of it.
#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include <kroton/ops/arithmetic.hpp>
#include <kroton/ops/indexing.hpp>

#include "lib/ops/arithmetic.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/indexing.hpp"
#include "lib/ops/params.hpp"
#include "lib/ops/positions.hpp"
#include "lib/ops/selection.hpp"
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
    const auto p = ops::known_position(items[i], e.shape()[i]);
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

/// Makes each newaxis a range over an axis of size 1 that `e` then has.
Expr with_new_axes(const Expr& e, std::vector<IndexItem>& items, Location where) {
  std::vector<Dim> shape;
  auto next = e.shape().begin();
  bool has_new = false;
  for (IndexItem& item : items) {
    if (!std::holds_alternative<NewAxis>(item.item)) {
      shape.push_back(*next++);
      continue;
    }
    has_new = true;
    shape.emplace_back(1);
    item.item = Range{};
  }
  return has_new ? ir::make(ops::reshape, {e}, ops::ShapeParams{std::move(shape)}, where) : e;
}

} // namespace

std::optional<std::int64_t> ops::known_position(const IndexItem& item, const Dim& n) {
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

std::vector<IndexItem> ops::item_for_each_axis(std::string_view op, const Expr& e,
                                               std::vector<IndexItem> items, Location where) {
  const auto fail = [&](std::string hint, std::string got) {
    support::fail<ShapeError>(op, {.place = ir::place_of(where, {&e, 1}), .hint = std::move(hint)},
                              "{} for {}", got, e.label());
  };
  const auto is_mask = [](const IndexItem& item) {
    const Expr* p = std::get_if<Expr>(&item.item);
    return p && is_bool(p->dtype());
  };
  std::size_t axes = 0, left_out = items.size(), ellipses = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (std::holds_alternative<Ellipsis>(items[i].item)) {
      left_out = i;
      ++ellipses;
    } else if (is_mask(items[i])) {
      axes += static_cast<std::size_t>(std::get<Expr>(items[i].item).rank());
    } else if (!std::holds_alternative<NewAxis>(items[i].item)) {
      ++axes;
    }
  }
  const auto rank = static_cast<std::size_t>(e.rank());
  if (ellipses > 1) fail("one ellipsis stands for all axes that are left", "two ellipses");
  if (axes > rank) fail("give at most one item for each axis", fmt::format("{} items", axes));
  const auto at = items.begin() + static_cast<std::ptrdiff_t>(left_out);
  const auto behind = ellipses == 0 ? at : items.erase(at);
  items.insert(behind, rank - axes, IndexItem(Range{}, IndexItem::Here(where)));
  return items;
}

std::size_t ops::axis_of_positions(const std::vector<bool>& is_indexed) {
  const auto first = std::ranges::find(is_indexed, true);
  const auto end = std::find(is_indexed.rbegin(), is_indexed.rend(), true).base();
  const bool are_neighbours = std::find(first, end, false) == end;
  return are_neighbours ? static_cast<std::size_t>(first - is_indexed.begin()) : 0;
}

Expr index(Operand a, std::vector<IndexItem> given, Location where) {
  Expr e = ops::to_expr(a);
  std::vector<IndexItem> items = ops::item_for_each_axis("index", e, std::move(given), where);
  for (const IndexItem& item : items)
    if (const Expr* p = std::get_if<Expr>(&item.item); p && is_bool(p->dtype()))
      support::fail<UnsupportedError>(
          "index",
          {.place = ir::place_of(where, {p, 1}),
           .hint = "where(mask, a, 0) keeps the shape, and set_at(a, {mask}, v) writes where it "
                   "holds"},
          "the size of what the mask {} selects depends on its values", p->label());
  e = with_new_axes(e, items, where);
  e = without_known_positions(e, items, where);
  std::vector<Range> ranges;
  std::vector<Expr> positions;
  std::vector<std::int64_t> indexed, kept;
  std::vector<bool> is_indexed;
  for (std::size_t i = 0; i < items.size(); ++i) {
    const IndexItem& item = items[i];
    const Range* r = std::get_if<Range>(&item.item);
    is_indexed.push_back(r == nullptr);
    ranges.push_back(r ? *r : Range{});
    (r ? kept : indexed).push_back(static_cast<std::int64_t>(i));
    if (r) continue;
    const Expr* p = std::get_if<Expr>(&item.item);
    positions.push_back(
        p ? *p : ops::integer_constant(DType::i64, std::get<std::int64_t>(item.item), where));
  }
  const bool has_ranges = std::ranges::any_of(ranges, [](const Range& r) {
    return r.start.is_given() || r.stop.is_given() || r.step != 1;
  });
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
  const int before = static_cast<int>(ops::axis_of_positions(is_indexed));
  if (before == 0 || position_rank == 0) return result;
  std::vector<int> back;
  for (int i = 0; i < before; ++i) back.push_back(position_rank + i);
  for (int i = 0; i < position_rank; ++i) back.push_back(i);
  for (int i = position_rank + before; i < result.rank(); ++i) back.push_back(i);
  return transpose({result, where}, back);
}

namespace {

/// Positions of an axis of `n` elements, each brought to one that there is.
Expr within(const Expr& positions, const Dim& n, Bounds mode, std::string_view op, Location where) {
  if (!is_integer(positions.dtype()))
    support::fail<TypeError>(
        op, {.place = ir::place_of(where, {&positions, 1}), .hint = "cast(p, DType::i64)"},
        "positions must be integers, got {}", positions.label());
  if (mode == Bounds::raise) return positions;
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  const Operand size(ops::dim_expr(n, where), where);
  if (mode == Bounds::clip) {
    Expr p =
        positions.dtype() == DType::u64 ? minimum({positions, where}, {most, where}) : positions;
    p = ops::cast_to(p, DType::i64, where);
    return maximum({minimum({p, where}, size - Operand(1, where)), where}, {0, where});
  }
  if (positions.dtype() != DType::u64)
    return mod({ops::cast_to(positions, DType::i64, where), where}, size);
  return ops::cast_to(mod({positions, where}, {ops::cast_to(size.expr, DType::u64, where), where}),
                      DType::i64, where);
}

} // namespace

Expr take(Operand a, Operand positions, int axis, Bounds mode) {
  const Location where = positions.where;
  const Expr e = ops::to_expr(a), p = ops::to_expr(positions);
  const auto at = static_cast<std::size_t>(ops::normalize_axes("take", axis, e, where)[0]);
  std::vector<IndexItem> items(at, IndexItem(Range{}, IndexItem::Here(where)));
  items.emplace_back(within(p, e.shape()[at], mode, "take", where), IndexItem::Here(where));
  return index({e, where}, std::move(items), where);
}

Expr take(Operand a, Operand positions, Bounds mode) {
  const Expr e = ops::to_expr(a);
  return take(reshape({e, a.where}, {-1}), std::move(positions), 0, mode);
}

std::vector<IndexItem> ops::items_along(std::string_view op, const Expr& a, const Expr& positions,
                                        int axis, Bounds mode, Location where) {
  const auto at = static_cast<std::size_t>(ops::normalize_axes(op, axis, a, where)[0]);
  const auto rank = static_cast<std::size_t>(a.rank());
  if (positions.rank() != a.rank()) {
    const Expr both[] = {positions, a};
    support::fail<ShapeError>(
        op,
        {.place = ir::place_of(where, both),
         .hint = "positions have a's axes; expand_dims inserts one of size 1"},
        "{} for {}", positions.label(), a.label());
  }
  std::vector<IndexItem> items;
  for (std::size_t i = 0; i < rank; ++i) {
    if (i == at) {
      items.emplace_back(within(positions, a.shape()[at], mode, op, where), IndexItem::Here(where));
      continue;
    }
    // Where a has one row for many, that one is read again and again.
    if (a.shape()[i].is(1)) {
      items.emplace_back(integer_constant(DType::i64, 0, where), IndexItem::Here(where));
      continue;
    }
    std::vector<Dim> shape(rank, Dim(1));
    shape[i] = a.shape()[i];
    const Expr own = ir::make(ops::iota, {}, ops::SizeParams{shape[i]}, where);
    items.emplace_back(ir::make(ops::reshape, {own}, ops::ShapeParams{std::move(shape)}, where),
                       IndexItem::Here(where));
  }
  return items;
}

Expr take_along_axis(Operand a, Operand positions, int axis, Bounds mode) {
  const Location where = positions.where;
  const Expr e = ops::to_expr(a), p = ops::to_expr(positions);
  return index({e, where}, ops::items_along("take_along_axis", e, p, axis, mode, where), where);
}

Expr Expr::operator[](const IndexItem& item) const {
  return index({*this, item.where}, {item}, item.where);
}

Expr Expr::operator[](std::initializer_list<IndexItem> items) const {
  const Location at = items.size() == 0 ? Location{} : items.begin()->where;
  return index({*this, at}, items, at);
}

} // namespace kroton
