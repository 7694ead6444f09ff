/// Writing at positions: set_at and kin. Ranges alone are a part that is put into an array, masks
/// are choices, and what positions say is a step that writes rows where they belong.
#include <algorithm>
#include <cmath>
#include <functional>
#include <type_traits>
#include <utility>

#include <kroton/ops/put.hpp>

#include "lib/ir/call.hpp"
#include "lib/ir/extended.hpp"
#include "lib/ops/assemble.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/indexing.hpp"
#include "lib/ops/movement.hpp"
#include "lib/ops/params.hpp"
#include "lib/ops/positions.hpp"
#include "lib/ops/put.hpp"
#include "lib/ops/selection.hpp"
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
using ir::Type;

/// Inputs: the base, what is put, then the position arrays.
constexpr std::size_t first_position = 2;

Type infer_put(InferContext& c) {
  KROTON_CHECK(c.in(1).dtype == c.in(0).dtype, "{} is put into {}", c.in(1).to_string(),
               c.in(0).to_string());
  const ir::DimList& shape = c.in(0).shape;
  const auto k = static_cast<std::ptrdiff_t>(c.inputs.size() - first_position);
  std::vector<Dim> expected = c.in(first_position).shape;
  expected.insert(expected.end(), shape.begin() + k, shape.end());
  KROTON_CHECK(ir::dims::same(expected, c.in(1).shape), "expected {} to be put, got {}",
               ir::dims::to_string(expected), c.in(1).to_string());
  return c.in(0);
}

/// What an element becomes at which `v` is put. NaN stays, and the zeros count as -0 < 0.
template <class V> V put(const Op& op, V at, V v) {
  if (&op == &index_set) return v;
  if (&op == &index_mul) {
    if constexpr (std::is_integral_v<V>)
      return static_cast<V>(static_cast<std::uint64_t>(at) * static_cast<std::uint64_t>(v));
    else
      return at * v;
  }
  if constexpr (std::is_floating_point_v<V>) {
    if (at != at || v != v) return at != at ? at : v;
    if (at == v) return std::signbit(at) == (&op == &index_max) ? v : at;
  }
  return (&op == &index_max ? v > at : v < at) ? v : at;
}

Array eval_put(const EvalContext& c) {
  Array out = Array::empty(c.dtype, Shape(c.shape.begin(), c.shape.end()));
  EvalContext positions = c; // for_each_row skips one input
  positions.inputs = c.inputs.subspan(1);
  const std::int64_t n = numel_from(c.shape, c.inputs.size() - first_position);
  support::visit_dtype(c.dtype, [&]<class T>(std::type_identity<T>) {
    using V = std::conditional_t<std::is_floating_point_v<T>, long double, T>;
    const ir::Terms<T> base(c, 0), values(c, 1);
    std::vector<V> elements;
    for (std::int64_t i = 0; i < out.numel(); ++i) elements.push_back(static_cast<V>(base[i]));
    for_each_row(positions, c.shape, [&](std::int64_t row, std::int64_t i) {
      for (std::int64_t j = 0; j < n; ++j) {
        const auto to = static_cast<std::size_t>(row * n + j);
        elements[to] = put<V>(c.op, elements[to], static_cast<V>(values[i * n + j]));
      }
    });
    const ir::Results<T> to(c, out);
    for (std::int64_t i = 0; i < out.numel(); ++i) to.set(i, elements[static_cast<std::size_t>(i)]);
  });
  return out;
}

/// As of index_add: how many sets of positions, how many elements each of them moves, the axes.
std::vector<Dim> numbers_of_put(const ir::Graph& graph, ir::NodeId id) {
  const ir::GraphNode& n = graph[id];
  const std::size_t indexed = n.inputs.size() - first_position;
  const std::span<const Dim> shape = n.type.shape;
  std::vector<Dim> numbers{ir::dims::product(graph[n.inputs[first_position]].type.shape),
                           ir::dims::product(shape.subspan(indexed))};
  numbers.insert(numbers.end(), shape.begin(),
                 shape.begin() + static_cast<std::ptrdiff_t>(indexed));
  return numbers;
}

bool put_takes(std::span<const ir::CallType> results, std::span<const ir::CallType> operands,
               std::size_t numbers) {
  const auto is_position = [](const ir::CallType& t) {
    return is_integer(t.dtype) && t.dtype != DType::u64;
  };
  return results.size() == 1 && operands.size() > first_position &&
         operands[0].dtype == results[0].dtype && operands[0].rank == results[0].rank &&
         operands[1].dtype == results[0].dtype && numbers == operands.size() &&
         operands.size() - first_position <= results[0].rank &&
         std::ranges::all_of(operands.subspan(first_position), is_position);
}

const ir::LibraryCall call_of_put{.operands = {ir::Layout::dense},
                                  .results = {{ir::Layout::dense, 0}},
                                  .numbers = numbers_of_put,
                                  .takes = put_takes};

Expr batched_put(const BatchContext& c) {
  std::vector<Expr> inputs{with_axis(c, 0), with_axis(c, 1)};
  for (std::size_t i = first_position; i < c.inputs.size(); ++i) inputs.push_back(with_axis(c, i));
  const std::vector<Dim> shape = inputs[first_position].shape();
  const Expr numbers = element_numbers(c, static_cast<int>(shape.size()) - 1);
  inputs.insert(inputs.begin() + first_position,
                ir::make(broadcast_to, {numbers}, ShapeParams{shape}, c.where));
  return ir::make(c.op, std::move(inputs), {}, c.where);
}

/// The elements of `e` at a node's positions.
Expr found(const Expr& e, const GradContext& c) {
  std::vector<Expr> inputs{e};
  inputs.insert(inputs.end(), c.inputs.begin() + first_position, c.inputs.end());
  return ir::make(gather, std::move(inputs), {}, c.where);
}
/// `base` with `values` put at a node's positions.
Expr put_at(const Op& op, const Expr& base, const Expr& values, const GradContext& c) {
  std::vector<Expr> inputs{base, values};
  inputs.insert(inputs.end(), c.inputs.begin() + first_position, c.inputs.end());
  return ir::make(op, std::move(inputs), {}, c.where);
}
/// Zeros with `values` added at a node's positions.
Expr added_at(const Expr& values, const GradContext& c) {
  std::vector<Expr> inputs{values};
  inputs.insert(inputs.end(), c.inputs.begin() + first_position, c.inputs.end());
  return ir::make(index_add, std::move(inputs), ShapeParams{c.inputs[0].node()->type.shape},
                  c.where);
}
Expr filled(DType dtype, double value, const std::vector<Dim>& shape, Location where) {
  const Expr e = is_float(dtype) ? scalar_constant(dtype, value, where)
                                 : integer_constant(dtype, static_cast<std::int64_t>(value), where);
  return shape.empty() ? e : ir::make(broadcast_to, {e}, ShapeParams{shape}, where);
}
/// `grad` as it is in memory, of the base's whole shape: a gradient may broadcast into it.
Expr whole_gradient(const GradContext& c) {
  const ir::DimList& shape = c.inputs[0].node()->type.shape;
  return ir::dims::same(c.grad.shape(), shape)
             ? c.grad
             : ir::make(broadcast_to, {c.grad}, ShapeParams{shape}, c.where);
}

/// Whether each element that is put is the last one that is put where it is.
Expr is_last(const GradContext& c) {
  const std::vector<Dim> puts = c.inputs[first_position].shape();
  const std::size_t axes = c.inputs.size() - first_position;
  std::vector<Dim> rows = c.inputs[0].shape();
  const std::size_t width = rows.size() - axes;
  rows.resize(axes, Dim(1));
  const Expr numbers =
      ir::make(reshape, {ir::make(iota, {}, SizeParams{ir::dims::product(puts)}, c.where)},
               ShapeParams{puts}, c.where);
  const Expr last = put_at(index_set, filled(DType::i64, -1, rows, c.where), numbers, c);
  std::vector<Dim> over_rows = puts;
  over_rows.insert(over_rows.end(), width, Dim(1));
  return ir::make(reshape, {ir::make(equal, {found(last, c), numbers}, {}, c.where)},
                  ShapeParams{std::move(over_rows)}, c.where);
}

std::vector<Expr> grad_set(const GradContext& c) {
  std::vector<Expr> grads(c.inputs.size(), Expr(nullptr));
  const Expr g = whole_gradient(c);
  grads[0] = put_at(index_set, g, filled(g.dtype(), 0, c.inputs[1].shape(), c.where), c);
  grads[1] = kroton::where(is_last(c), found(g, c), 0);
  return grads;
}

/// Those that are equal share the gradient, the base's element among them.
std::vector<Expr> grad_extreme(const GradContext& c) {
  std::vector<Expr> grads(c.inputs.size(), Expr(nullptr));
  const Expr g = whole_gradient(c);
  const Expr is_base = c.inputs[0] == c.output, is_put = c.inputs[1] == found(c.output, c);
  const Expr share =
      g / (kroton::cast(is_base, g.dtype()) + added_at(kroton::cast(is_put, g.dtype()), c));
  grads[0] = kroton::where(is_base, share, 0);
  grads[1] = kroton::where(is_put, found(share, c), 0);
  return grads;
}

/// An element's derivative is the product of all others. That is the quotient of the product of
/// those that are not 0 by it, unless another one is 0.
std::vector<Expr> grad_mul(const GradContext& c) {
  std::vector<Expr> grads(c.inputs.size(), Expr(nullptr));
  const Expr g = whole_gradient(c);
  const Expr& v = c.inputs[1];
  grads[0] = put_at(index_mul, g, v, c);
  const Expr is_zero = v == 0;
  const Expr others = found(g * put_at(index_mul, c.inputs[0], kroton::where(is_zero, 1, v), c), c);
  const Expr zeros = found(added_at(kroton::cast(is_zero, g.dtype()), c), c);
  grads[1] = kroton::where(zeros == kroton::cast(is_zero, g.dtype()),
                           others / kroton::where(is_zero, 1, v), 0);
  return grads;
}

std::vector<Example> examples_of(DType t, const Op& op) {
  if (is_bool(t) && op.dtypes != ir::Dtypes::any) return {};
  const Dim n = dim("n"), m = dim("m"), l = dim("l");
  const Expr rows = tensor(DType::i64, {l}, "rows"), columns = tensor(DType::i64, {l}, "columns"),
             g = tensor(t, {l, m}, "g"), h = tensor(t, {l}, "h"), x = tensor(t, {n, m}, "x"),
             v = tensor(t, {9}, "v"), of_nine = tensor(DType::i64, {l}, "of_nine");
  const Example::Positions by_row{rows, n}, by_column{columns, m}, by_nine{of_nine, Dim(9)};
  const auto written = &op == &index_set   ? kroton::set_at
                       : &op == &index_max ? kroton::max_at
                       : &op == &index_min ? kroton::min_at
                                           : kroton::mul_at;
  const Location here = Location::current();
  return {{written(x, {rows}, g, here), {by_row}},
          {written(x, {rows, columns}, h, here), {by_row, by_column}},
          {written(v, {of_nine}, h, here), {by_nine}}};
}
std::vector<Example> examples_of_set(DType t) { return examples_of(t, index_set); }
std::vector<Example> examples_of_max(DType t) { return examples_of(t, index_max); }
std::vector<Example> examples_of_min(DType t) { return examples_of(t, index_min); }
std::vector<Example> examples_of_mul(DType t) { return examples_of(t, index_mul); }

} // namespace

const Op index_set{.name = "index-set",
                   .arity = -1,
                   .kind = Kind::scatter,
                   .infer = infer_put,
                   .eval = eval_put,
                   .batched = batched_put,
                   .gradient = grad_set,
                   .call = &call_of_put,
                   .examples = examples_of_set,
                   .doc = "a with v at positions; of several at one position the last one stays",
                   .function = "set_at"};
const Op index_max{.name = "index-max",
                   .arity = -1,
                   .kind = Kind::scatter,
                   .infer = infer_put,
                   .eval = eval_put,
                   .batched = batched_put,
                   .gradient = grad_extreme,
                   .call = &call_of_put,
                   .examples = examples_of_max,
                   .doc = "a with the largest of its own and v's elements at positions; NaN stays",
                   .function = "max_at"};
const Op index_min{.name = "index-min",
                   .arity = -1,
                   .kind = Kind::scatter,
                   .infer = infer_put,
                   .eval = eval_put,
                   .batched = batched_put,
                   .gradient = grad_extreme,
                   .call = &call_of_put,
                   .examples = examples_of_min,
                   .doc = "a with the smallest of its own and v's elements at positions; NaN stays",
                   .function = "min_at"};
const Op index_mul{.name = "index-mul",
                   .arity = -1,
                   .kind = Kind::scatter,
                   .dtypes = ir::Dtypes::numeric,
                   .infer = infer_put,
                   .eval = eval_put,
                   .batched = batched_put,
                   .gradient = grad_mul,
                   .domain = {{0.5, 2}},
                   .call = &call_of_put,
                   .examples = examples_of_mul,
                   .doc = "a multiplied by v at positions, one after the other",
                   .function = "mul_at"};

std::span<const Op* const> put_rows() {
  static constexpr const Op* rows[] = {&index_set, &index_max, &index_min, &index_mul};
  return rows;
}

} // namespace ops

namespace {

namespace dims = ir::dims;

/// What is done with the elements that items select.
struct Write {
  std::string_view name;
  const ir::Op* row; ///< null: they are added, which index_add does
  /// Of an element and what is written there, where nothing is written twice.
  Expr (*combined)(const Expr& old, const Expr& value);
};

constexpr std::int64_t longest_step = std::int64_t{1} << 20; // as in slices

bool is_whole(const Range& r) { return !r.start.is_given() && !r.stop.is_given() && r.step == 1; }

Expr shaped(const Expr& e, std::vector<Dim> shape, Location where) {
  if (dims::same(e.shape(), shape)) return e;
  return ir::make(ops::reshape, {e}, ops::ShapeParams{std::move(shape)}, where);
}
Expr spread(const Expr& e, const std::vector<Dim>& shape, Location where) {
  if (dims::same(e.shape(), shape)) return e;
  return broadcast_to({e, where}, shape);
}

/// The elements that ranges select, one range for each axis of `a`.
class Part {
public:
  Part(const Expr& a, const std::vector<Range>& ranges, Location where) : a_(a), where_(where) {
    for (std::size_t i = 0; i < ranges.size(); ++i) {
      const ops::AxisSlice s = ops::axis_slice(ranges[i], a.shape()[i], where);
      window_.starts.push_back(s.start);
      window_.steps.push_back(s.step);
      window_.lengths.push_back(s.length);
      is_all_ = is_all_ && is_whole(ranges[i]);
    }
  }

  const std::vector<Dim>& shape() const { return window_.lengths; }
  Expr read() const {
    return is_all_
               ? a_
               : ir::make(ops::slice, {a_},
                          ops::SliceParams{window_.starts, window_.steps, window_.lengths}, where_);
  }
  /// The whole array with `value`, of as many elements as the part, in the part's place.
  Expr written(const Expr& value, bool adds) const {
    if (is_all_) {
      const Expr v = shaped(value, a_.shape(), where_);
      return adds ? Operand(a_, where_) + Operand(v, where_) : v;
    }
    return ir::make(ops::assemble, {a_, value},
                    ops::AssembleParams{window_.starts, window_.steps, window_.lengths, adds},
                    where_);
  }

private:
  Expr a_;
  ops::Window window_;
  bool is_all_ = true;
  Location where_;
};

/// Items of which one is a mask: v's axes are those of the ranges, and one of size 1 for what the
/// mask selects.
Expr under_mask(const Write& w, const Expr& a, const std::vector<IndexItem>& items, const Expr& v,
                Location where) {
  const auto refuse = [&](std::string_view hint, std::string_view what) {
    support::fail<UnsupportedError>(
        w.name, {.place = ir::place_of(where, {&a, 1}), .hint = std::string(hint)}, "{}", what);
  };
  std::vector<bool> is_indexed;
  std::vector<Range> ranges; // for each axis of a
  std::vector<Dim> over;     // the mask's dims where they are a's axes, 1 elsewhere
  std::vector<std::size_t> mask_axes;
  std::vector<std::optional<std::size_t>> axes; // of a, for each axis of v but the mask's
  const Expr* mask = nullptr;
  for (const IndexItem& item : items) {
    const std::size_t axis = ranges.size();
    const bool is_new = std::holds_alternative<NewAxis>(item.item);
    const Range* range = std::get_if<Range>(&item.item);
    is_indexed.push_back(!is_new && range == nullptr);
    if (is_new) {
      axes.emplace_back();
      continue;
    }
    if (range) {
      axes.emplace_back(axis);
      ranges.push_back(*range);
      over.emplace_back(1);
      continue;
    }
    const Expr* e = std::get_if<Expr>(&item.item);
    if (e && is_bool(e->dtype())) {
      if (mask) refuse("combine masks with &&, or write twice", "two masks among the items");
      mask = e;
      for (const Dim& d : e->shape()) {
        const Dim& own = a.shape()[ranges.size()];
        if (d.is(1) && !own.is(1))
          support::fail<ShapeError>(w.name,
                                    {.place = ir::place_of(where, {e, 1}),
                                     .hint = "a mask has the size of each axis that it is for"},
                                    "axis {} of {} has size {}, the mask {} has 1", ranges.size(),
                                    a.label(), own.to_string(), e->label());
        mask_axes.push_back(ranges.size());
        ranges.emplace_back();
        over.push_back(d);
      }
      continue;
    }
    const auto p = ops::known_position(item, a.shape()[axis]);
    if (!p)
      refuse("write where(mask, v, index(a, {rows})) at the rows",
             "positions that are not known beside a mask");
    ranges.push_back({*p, *p + 1, 1});
    over.emplace_back(1);
  }
  // v without the axis of what the mask selects.
  std::vector<Dim> dims_of_v = v.shape();
  const std::size_t rank = axes.size() + 1, at = ops::axis_of_positions(is_indexed);
  if (dims_of_v.size() > rank)
    support::fail<ShapeError>(w.name,
                              {.place = ir::place_of(where, {&v, 1}),
                               .hint = "v broadcasts to the axes that ranges leave"},
                              "{} for {} axes", v.label(), rank - 1);
  if (dims_of_v.size() >= rank - at) {
    const auto own = dims_of_v.begin() + static_cast<std::ptrdiff_t>(dims_of_v.size() + at - rank);
    if (!own->is(1))
      refuse("give a number, or where(mask, v, a) for a v of a's shape",
             "which of v's elements are written would depend on the mask's values");
    dims_of_v.erase(own);
  }
  std::vector<Dim> shape(ranges.size(), Dim(1));
  for (std::size_t i = 0; i < dims_of_v.size(); ++i)
    if (const auto axis = axes[axes.size() - dims_of_v.size() + i]) shape[*axis] = dims_of_v[i];
  const Part part(a, ranges, where);
  const Expr old = part.read(), value = spread(shaped(v, shape, where), part.shape(), where),
             condition = spread(shaped(*mask, over, where), part.shape(), where);
  return part.written(
      kroton::where({condition, where}, {w.combined(old, value), where}, {old, where}),
      /*adds=*/false);
}

/// Positions of the axes up to the last one that is not taken whole, one array of the shape of what
/// is written for each.
struct Places {
  std::vector<Expr> positions;
  std::vector<bool> is_given; ///< by the user, who may be wrong
};

Places places_of(std::string_view name, const Expr& a, const std::vector<IndexItem>& items,
                 Location where) {
  struct Axis {
    std::size_t in_a;
    const Range* range;
  };
  std::vector<Axis> before, behind; // before and behind the axes of the arrays
  std::vector<Expr> arrays;
  std::vector<std::size_t> indexed;
  std::vector<bool> is_indexed;
  std::size_t axis = 0, reach = 0;
  for (const IndexItem& item : items) {
    const Range* range = std::get_if<Range>(&item.item);
    const bool is_new = std::holds_alternative<NewAxis>(item.item);
    is_indexed.push_back(!range && !is_new);
    if (is_new) continue;
    if (range) {
      if (!is_whole(*range)) reach = axis + 1;
    } else {
      const Expr* e = std::get_if<Expr>(&item.item);
      arrays.push_back(
          e ? *e : ops::integer_constant(DType::i64, std::get<std::int64_t>(item.item), where));
      indexed.push_back(axis);
      reach = axis + 1;
    }
    ++axis;
  }
  // Without arrays there is no place for their axes.
  const std::size_t at = arrays.empty() ? 0 : ops::axis_of_positions(is_indexed);
  axis = 0;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (std::holds_alternative<NewAxis>(items[i].item)) continue;
    const Range* range = std::get_if<Range>(&items[i].item);
    if (range && axis < reach) (i < at ? before : behind).push_back({axis, range});
    ++axis;
  }
  if (!arrays.empty()) arrays = ops::aligned(arrays, name, where);
  std::vector<Dim> shape, block;
  if (!arrays.empty()) block = arrays[0].shape();
  Places places{std::vector<Expr>(reach, Expr(nullptr)), std::vector<bool>(reach, false)};
  const std::size_t rank = before.size() + block.size() + behind.size();
  const auto add_ranges = [&](const std::vector<Axis>& of) {
    for (const Axis& own : of) {
      const ops::AxisSlice s = ops::axis_slice(*own.range, a.shape()[own.in_a], where);
      Expr p = ir::make(ops::iota, {}, ops::SizeParams{s.length}, where);
      if (s.step != 1) p = Operand(p, where) * Operand(s.step, where);
      if (!s.start.is(0)) p = Operand(p, where) + Operand(ops::dim_expr(s.start, where), where);
      std::vector<Dim> along(rank, Dim(1));
      along[shape.size()] = s.length;
      shape.push_back(s.length);
      places.positions[own.in_a] = shaped(p, std::move(along), where);
    }
  };
  add_ranges(before);
  const std::size_t first = shape.size();
  shape.insert(shape.end(), block.begin(), block.end());
  add_ranges(behind);
  std::vector<Dim> along(rank, Dim(1));
  std::ranges::copy(block, along.begin() + static_cast<std::ptrdiff_t>(first));
  for (std::size_t k = 0; k < arrays.size(); ++k) {
    places.positions[indexed[k]] = shaped(arrays[k], along, where);
    places.is_given[indexed[k]] = true;
  }
  for (Expr& p : places.positions) p = spread(p, shape, where);
  return places;
}

/// The same, counted from the front and checked by a step of its own, so that nothing can fail once
/// something was written: a zero is looked up at each, of which there is one in memory.
std::vector<Expr> checked(const Expr& a, Places places, Location where) {
  const std::size_t axes = places.positions.size();
  std::vector<Dim> rows = a.shape();
  rows.resize(axes, Dim(1));
  std::vector<Expr> inputs{ir::make(ops::broadcast_to,
                                    {ops::integer_constant(DType::i64, 0, where)},
                                    ops::ShapeParams{rows}, where)};
  inputs.insert(inputs.end(), places.positions.begin(), places.positions.end());
  Expr zero = ir::make(ops::gather, std::move(inputs), {}, where);
  for (std::size_t k = 0; k < axes; ++k) {
    if (!places.is_given[k]) continue;
    const Operand p(places.positions[k], where), n(ops::dim_expr(rows[k], where), where);
    places.positions[k] = kroton::where(p < Operand(0, where), p + n, p);
    if (zero.node() == nullptr) continue;
    places.positions[k] = Operand(places.positions[k], where) + Operand(zero, where);
    zero = Expr(nullptr);
  }
  return places.positions;
}

Expr written(const Write& w, const Operand& a, std::vector<IndexItem> given, const Operand& v,
             Location where) {
  const Expr e = ops::to_expr(a);
  const bool is_of_numbers = w.row == nullptr || w.row->dtypes == ir::Dtypes::numeric;
  if (is_of_numbers && is_bool(e.dtype()))
    support::fail<TypeError>(
        w.name,
        {.place = ir::place_of(where, {&e, 1}), .hint = "cast(a, DType::i32) counts true as 1"},
        "takes numbers, got {}", e.label());
  const Expr value = ops::written_as(w.name, v, e, e.dtype());
  const std::vector<IndexItem> items = ops::item_for_each_axis(w.name, e, std::move(given), where);
  std::vector<Range> ranges;
  bool has_mask = false, has_positions = false;
  for (const IndexItem& item : items) {
    const Expr* p = std::get_if<Expr>(&item.item);
    has_mask = has_mask || (p && is_bool(p->dtype()));
  }
  if (has_mask) return under_mask(w, e, items, value, where);
  const std::vector<Dim> shape = index({e, where}, items, where).shape(); // what NumPy's rules give
  const Expr all = spread(value, shape, where);
  for (const IndexItem& item : items) {
    if (std::holds_alternative<NewAxis>(item.item)) continue;
    const Dim& n = e.shape()[ranges.size()];
    if (const Range* r = std::get_if<Range>(&item.item)) {
      ranges.push_back(*r);
      const bool is_long = r->step > longest_step || r->step < -longest_step;
      has_positions = has_positions || (is_long && !n.is_static());
    } else if (const auto p = ops::known_position(item, n)) {
      ranges.push_back({*p, *p + 1, 1});
    } else {
      ranges.emplace_back();
      has_positions = true;
    }
  }
  if (!has_positions) {
    const Part part(e, ranges, where);
    if (w.row == nullptr) return part.written(all, /*adds=*/true);
    return part.written(w.combined(shaped(part.read(), shape, where), all), /*adds=*/false);
  }
  Places places = places_of(w.name, e, items, where);
  std::vector<Dim> rows = places.positions[0].shape();
  rows.insert(rows.end(), e.shape().begin() + static_cast<std::ptrdiff_t>(places.positions.size()),
              e.shape().end());
  std::vector<Expr> inputs{shaped(all, std::move(rows), where)};
  if (w.row == nullptr) {
    inputs.insert(inputs.end(), places.positions.begin(), places.positions.end());
    const Expr added =
        ir::make(ops::index_add, std::move(inputs), ops::ShapeParams{e.node()->type.shape}, where);
    return Operand(e, where) + Operand(added, where);
  }
  const std::vector<Expr> positions = checked(e, std::move(places), where);
  inputs.insert(inputs.begin(), e);
  inputs.insert(inputs.end(), positions.begin(), positions.end());
  return ir::make(*w.row, std::move(inputs), {}, where);
}

constexpr Write setting{"set_at", &ops::index_set,
                        [](const Expr&, const Expr& value) { return value; }};
constexpr Write adding{"add_at", nullptr,
                       [](const Expr& old, const Expr& value) { return old + value; }};

} // namespace

Expr set_at(Operand a, std::vector<IndexItem> items, Operand v, Location where) {
  return written(setting, a, std::move(items), v, where);
}
Expr add_at(Operand a, std::vector<IndexItem> items, Operand v, Location where) {
  return written(adding, a, std::move(items), v, where);
}
Expr max_at(Operand a, std::vector<IndexItem> items, Operand v, Location where) {
  return written({"max_at", &ops::index_max,
                  [](const Expr& old, const Expr& value) { return maximum(old, value); }},
                 a, std::move(items), v, where);
}
Expr min_at(Operand a, std::vector<IndexItem> items, Operand v, Location where) {
  return written({"min_at", &ops::index_min,
                  [](const Expr& old, const Expr& value) { return minimum(old, value); }},
                 a, std::move(items), v, where);
}
Expr mul_at(Operand a, std::vector<IndexItem> items, Operand v, Location where) {
  return written(
      {"mul_at", &ops::index_mul, [](const Expr& old, const Expr& value) { return old * value; }},
      a, std::move(items), v, where);
}

Expr put_along_axis(Operand a, Operand positions, Operand v, int axis, Bounds mode) {
  const Location where = positions.where;
  const Expr e = ops::to_expr(a), p = ops::to_expr(positions);
  return written({"put_along_axis", setting.row, setting.combined}, a,
                 ops::items_along("put_along_axis", e, p, axis, mode, where), v, where);
}

} // namespace kroton
