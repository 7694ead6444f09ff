/// Sorting along the last axis, searching in what is sorted, and what is composed of them.
#include <algorithm>
#include <cmath>
#include <numeric>

#include <kroton/ops/sorting.hpp>

#include "lib/ir/call.hpp"
#include "lib/ir/extended.hpp"
#include "lib/ops/arithmetic.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/indexing.hpp"
#include "lib/ops/params.hpp"
#include "lib/ops/positions.hpp"
#include "lib/ops/sorting.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::EvalContext;
using ir::GradContext;
using ir::InferContext;
using ir::Kind;
using ir::Layout;
using ir::Type;

Type infer_argsort(InferContext& c) { return {DType::i64, c.in(0).shape}; }

Type infer_argtopk(InferContext& c) {
  std::vector<Dim> shape = c.in(0).shape;
  shape.back() = c.params.as<TopParams>().k;
  return {DType::i64, std::move(shape)};
}

/// Values have the leading axes of what is sorted, then any number of axes.
Type infer_search_sorted(InferContext& c) {
  KROTON_CHECK(c.in(0).dtype == c.in(1).dtype && c.in(0).rank() >= 1 &&
                   c.in(1).rank() + 1 >= c.in(0).rank(),
               "{} cannot be searched in {}", c.in(1).to_string(), c.in(0).to_string());
  return {DType::i64, c.in(1).shape};
}

/// NaN is larger than any number.
template <class V> bool is_before(V a, V b) { return a < b || (b != b && a == a); }

/// Calls f(number of the line, the positions of its elements in order) for each line of input 0.
template <class T, class F>
void for_each_sorted_line(const EvalContext& c, const ir::Terms<T>& from, bool is_descending, F f) {
  const std::int64_t n = c.inputs[0].shape().back(), lines = n == 0 ? 0 : c.inputs[0].numel() / n;
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  for (std::int64_t line = 0; line < lines; ++line) {
    std::iota(order.begin(), order.end(), 0);
    std::ranges::stable_sort(order, [&](std::int64_t i, std::int64_t j) {
      const auto a = from[line * n + i], b = from[line * n + j];
      return is_descending ? is_before(b, a) : is_before(a, b);
    });
    f(line, order);
  }
}

Array eval_sort(const EvalContext& c) {
  Array out = Array::empty(c.dtype, Shape(c.shape.begin(), c.shape.end()));
  const bool is_descending = c.params.as<SortParams>().is_descending;
  support::visit_dtype(c.dtype, [&]<class T>(std::type_identity<T>) {
    const ir::Terms<T> from(c, 0);
    const ir::Results<T> to(c, out);
    for_each_sorted_line<T>(c, from, is_descending, [&](std::int64_t line, const auto& order) {
      const auto n = static_cast<std::int64_t>(order.size());
      for (std::int64_t i = 0; i < n; ++i)
        to.set(line * n + i, from[line * n + order[static_cast<std::size_t>(i)]]);
    });
  });
  return out;
}

/// The first positions of each line's order: as many as the result's last axis has.
Array first_positions(const EvalContext& c, bool is_descending) {
  Array out = Array::empty(DType::i64, Shape(c.shape.begin(), c.shape.end()));
  auto* to = out.data<std::int64_t>();
  const std::int64_t k = c.shape.back();
  support::visit_dtype(c.inputs[0].dtype(), [&]<class T>(std::type_identity<T>) {
    const ir::Terms<T> from(c, 0);
    for_each_sorted_line<T>(c, from, is_descending, [&](std::int64_t line, const auto& order) {
      std::copy_n(order.begin(), k, to + line * k);
    });
  });
  return out;
}

Array eval_argsort(const EvalContext& c) {
  return first_positions(c, c.params.as<SortParams>().is_descending);
}
Array eval_argtopk(const EvalContext& c) {
  return first_positions(c, c.params.as<TopParams>().is_descending);
}

Array eval_search_sorted(const EvalContext& c) {
  Array out = Array::empty(DType::i64, Shape(c.shape.begin(), c.shape.end()));
  auto* to = out.data<std::int64_t>();
  const bool is_behind = c.params.as<SearchParams>().is_behind;
  const std::int64_t n = c.inputs[0].shape().back();
  std::int64_t lines = 1;
  for (std::size_t i = 0; i + 1 < c.inputs[0].shape().size(); ++i) lines *= c.inputs[0].shape()[i];
  const std::int64_t each = lines == 0 ? 0 : out.numel() / lines;
  support::visit_dtype(c.inputs[0].dtype(), [&]<class T>(std::type_identity<T>) {
    const ir::Terms<T> sorted(c, 0), values(c, 1);
    for (std::int64_t i = 0; i < out.numel(); ++i) {
      const std::int64_t line = i / each * n;
      const auto v = values[i];
      std::int64_t low = 0, high = n;
      while (low < high) {
        const std::int64_t middle = low + (high - low) / 2;
        const auto there = sorted[line + middle];
        (is_behind ? !is_before(v, there) : is_before(there, v)) ? low = middle + 1 : high = middle;
      }
      to[i] = low;
    }
  });
  return out;
}

/// How many lines there are, how long they are, and which way they are sorted.
std::vector<Dim> numbers_of_sort(const ir::Graph& graph, ir::NodeId id) {
  const ir::GraphNode& n = graph[id];
  const std::span<const Dim> shape = graph[n.inputs[0]].type.shape;
  return {ir::dims::product(shape.first(shape.size() - 1)), shape.back(),
          Dim(n.params.as<SortParams>().is_descending ? 1 : 0)};
}

/// The same, then how many positions are wanted of each.
std::vector<Dim> numbers_of_argtopk(const ir::Graph& graph, ir::NodeId id) {
  const ir::GraphNode& n = graph[id];
  const std::span<const Dim> shape = graph[n.inputs[0]].type.shape;
  return {ir::dims::product(shape.first(shape.size() - 1)), shape.back(),
          Dim(n.params.as<TopParams>().is_descending ? 1 : 0), n.type.shape.back()};
}

/// How many lines there are, how long they are, how many values are searched in each, and whether
/// values go behind equal ones.
std::vector<Dim> numbers_of_search(const ir::Graph& graph, ir::NodeId id) {
  const ir::GraphNode& n = graph[id];
  const std::span<const Dim> lines = graph[n.inputs[0]].type.shape, shape = n.type.shape;
  const std::size_t leading = lines.size() - 1;
  return {ir::dims::product(lines.first(leading)), lines.back(),
          ir::dims::product(shape.subspan(leading)),
          Dim(n.params.as<SearchParams>().is_behind ? 1 : 0)};
}

const ir::LibraryCall call_of_sort{.operands = {Layout::dense},
                                   .results = {{Layout::dense}},
                                   .numbers = numbers_of_sort,
                                   .takes = [](std::span<const ir::CallType> results,
                                               std::span<const ir::CallType> operands,
                                               std::size_t numbers) {
                                     return results.size() == 1 && operands.size() == 1 &&
                                            numbers == 3 && results[0].dtype == operands[0].dtype;
                                   }};

bool gives_positions(std::span<const ir::CallType> results,
                     std::span<const ir::CallType> operands) {
  return results.size() == 1 && operands.size() == 1 && results[0].dtype == DType::i64;
}
const ir::LibraryCall call_of_argsort{.operands = {Layout::dense},
                                      .results = {{Layout::dense}},
                                      .numbers = numbers_of_sort,
                                      .takes = [](std::span<const ir::CallType> results,
                                                  std::span<const ir::CallType> operands,
                                                  std::size_t numbers) {
                                        return gives_positions(results, operands) && numbers == 3;
                                      }};
const ir::LibraryCall call_of_argtopk{.operands = {Layout::dense},
                                      .results = {{Layout::dense}},
                                      .numbers = numbers_of_argtopk,
                                      .takes = [](std::span<const ir::CallType> results,
                                                  std::span<const ir::CallType> operands,
                                                  std::size_t numbers) {
                                        return gives_positions(results, operands) && numbers == 4;
                                      }};
const ir::LibraryCall call_of_search{
    .operands = {Layout::dense},
    .results = {{Layout::dense}},
    .numbers = numbers_of_search,
    .takes = [](std::span<const ir::CallType> results, std::span<const ir::CallType> operands,
                std::size_t numbers) {
      return results.size() == 1 && results[0].dtype == DType::i64 && operands.size() == 2 &&
             operands[0].dtype == operands[1].dtype && numbers == 4;
    }};

std::vector<Expr> no_gradients(const GradContext& c) {
  return std::vector<Expr>(c.inputs.size(), Expr(nullptr));
}

/// Positions of every axis of an array for a lookup along its last axis alone: `positions` for
/// that, the element's own for the others.
std::vector<IndexItem> along_last_axis(const Expr& positions, Location where) {
  std::vector<IndexItem> items;
  const int rank = positions.rank();
  for (int axis = 0; axis + 1 < rank; ++axis) {
    const Dim& size = positions.shape()[static_cast<std::size_t>(axis)];
    std::vector<Dim> shape(static_cast<std::size_t>(rank), Dim(1));
    shape[static_cast<std::size_t>(axis)] = size;
    const Expr own = ir::make(iota, {}, SizeParams{size}, where);
    items.emplace_back(ir::make(reshape, {own}, ShapeParams{std::move(shape)}, where),
                       IndexItem::Here(where));
  }
  items.emplace_back(positions, IndexItem::Here(where));
  return items;
}

Expr taken_along_last(const Expr& e, const Expr& positions, Location where) {
  return kroton::index({e, where}, along_last_axis(positions, where), where);
}

/// Zeros of a shape with `g` added at positions of its axes.
Expr added_at(ir::DimList shape, std::vector<Expr> positions, const Expr& g, Location where) {
  std::vector<Expr> inputs = aligned(positions, "index_add", where);
  inputs.insert(inputs.begin(), g);
  return ir::make(index_add, ir::Exprs(inputs.begin(), inputs.end()), ShapeParams{std::move(shape)},
                  where);
}

/// To where each element was.
std::vector<Expr> gradient_of_sort(const GradContext& c) {
  const Expr order = ir::make(argsort, {c.inputs[0]}, c.params, c.where);
  std::vector<Expr> positions;
  for (const IndexItem& item : along_last_axis(order, c.where))
    positions.push_back(std::get<Expr>(item.item));
  const Expr g = kroton::broadcast_to({c.grad, c.where}, c.output.shape());
  return {added_at(c.inputs[0].node()->type.shape, std::move(positions), g, c.where)};
}

Expr batched_line(const ir::BatchContext& c) {
  return ir::make(c.op, {c.inputs[0]}, c.params, c.where);
}

Expr batched_search(const ir::BatchContext& c) {
  // Values of the axis are more values in one sorted array.
  if (!c.has_axis[0] && c.inputs[0].rank() == 1)
    return ir::make(c.op, {c.inputs[0], c.inputs[1]}, c.params, c.where);
  return ir::make(c.op, {with_axis(c, 0), with_axis(c, 1)}, c.params, c.where);
}

std::vector<ir::Example> examples_of_sort(DType t) {
  const Expr x = tensor(t, {dim("n"), dim("m")}, "x");
  return {{kroton::sort(x)}, {kroton::sort(x, 0, true)}};
}
std::vector<ir::Example> examples_of_argsort(DType t) {
  const Expr x = tensor(t, {dim("n"), dim("m")}, "x");
  return {{kroton::argsort(x)}, {kroton::argsort(x, 0, true)}};
}
std::vector<ir::Example> examples_of_argtopk(DType t) {
  const Expr x = tensor(t, {dim("n"), 7}, "x");
  return {{kroton::topk(x, 3).positions}, {kroton::topk(x, 2, -1, false).positions}};
}
std::vector<ir::Example> examples_of_search(DType t) {
  const Expr x = tensor(t, {dim("n")}, "x"), v = tensor(t, {dim("m"), 2}, "v");
  return {{kroton::searchsorted(kroton::sort(x), v)},
          {kroton::searchsorted(kroton::sort(x), v, true)}};
}

} // namespace

const Op sort{.name = "sort",
              .kind = Kind::library,
              .params = &ir::params_type<SortParams>,
              .infer = [](InferContext& c) { return c.in(0); },
              .eval = eval_sort,
              .batched = batched_line,
              .gradient = gradient_of_sort,
              .call = &call_of_sort,
              .examples = examples_of_sort,
              .doc = "elements along an axis in ascending or descending order, NaN being largest"};
const Op argsort{.name = "argsort",
                 .kind = Kind::library,
                 .params = &ir::params_type<SortParams>,
                 .infer = infer_argsort,
                 .eval = eval_argsort,
                 .batched = batched_line,
                 .gradient = no_gradients,
                 .domain = {{-4, 4, false}},
                 .call = &call_of_argsort,
                 .examples = examples_of_argsort,
                 .doc = "the positions (i64) that sort takes elements from"};
const Op argtopk{.name = "argtopk",
                 .kind = Kind::library,
                 .params = &ir::params_type<TopParams>,
                 .infer = infer_argtopk,
                 .eval = eval_argtopk,
                 .batched = batched_line,
                 .gradient = no_gradients,
                 .domain = {{-4, 4, false}},
                 .call = &call_of_argtopk,
                 .examples = examples_of_argtopk,
                 .doc = "the positions (i64) of the k largest or smallest elements of an axis",
                 .function = "topk"};
const Op search_sorted{.name = "search-sorted",
                       .arity = 2,
                       .kind = Kind::library,
                       .params = &ir::params_type<SearchParams>,
                       .infer = infer_search_sorted,
                       .eval = eval_search_sorted,
                       .batched = batched_search,
                       .gradient = no_gradients,
                       .domain = {{-4, 4, false}},
                       .call = &call_of_search,
                       .examples = examples_of_search,
                       .doc = "where values belong among sorted elements (i64)",
                       .function = "searchsorted"};

std::span<const Op* const> sorting_rows() {
  static constexpr const Op* rows[] = {&sort, &argsort, &argtopk, &search_sorted};
  return rows;
}

namespace {

/// The order of axes that has `axis` last, and the one that undoes it.
struct LastAxis {
  std::vector<int> there, back;
};
LastAxis axis_last(int rank, int axis) {
  LastAxis order;
  for (int i = 0; i < rank; ++i)
    if (i != axis) order.there.push_back(i);
  order.there.push_back(axis);
  order.back.resize(static_cast<std::size_t>(rank));
  for (int i = 0; i < rank; ++i)
    order.back[static_cast<std::size_t>(order.there[static_cast<std::size_t>(i)])] = i;
  return order;
}

/// An operand with one axis last, and results of the same axes put back.
class Lines {
public:
  Lines(std::string_view op, const Operand& a, int axis) : where_(a.where), given_(to_expr(a)) {
    if (given_.rank() == 0)
      support::fail<ShapeError>(op,
                                {.place = ir::place_of(where_, {&given_, 1}),
                                 .hint = "give an array with at least one axis"},
                                "takes at least one axis, got {}", given_.label());
    axis_ = static_cast<int>(normalize_axes(op, {axis}, given_, where_)[0]);
    order_ = axis_last(given_.rank(), axis_);
    lines_ = is_last() ? given_ : kroton::transpose({given_, where_}, order_.there);
  }

  const Expr& given() const { return given_; }
  const Expr& lines() const { return lines_; }
  int axis() const { return axis_; }
  const Dim& size() const { return lines_.shape().back(); }
  Location where() const { return where_; }

  Expr put_back(const Expr& e) const {
    return is_last() ? e : kroton::transpose({e, where_}, order_.back);
  }

private:
  bool is_last() const { return axis_ + 1 == given_.rank(); }

  Location where_;
  Expr given_, lines_{nullptr};
  int axis_ = 0;
  LastAxis order_;
};

/// `op`, a sort, of lines that have a position `kth`, for the public function `name`.
Expr sorted_around(const Op& op, std::string_view name, const Operand& a, std::int64_t kth,
                   int axis) {
  const Lines l(name, a, axis);
  const Dim& n = l.size();
  const std::string message =
      fmt::format("there is no position {} on axis {} of {}", kth, l.axis(), l.given().label());
  constexpr const char* hint = "positions run from 0 up, or from the end down from -1";
  const Dim least(kth < 0 ? -kth : kth + 1);
  std::vector<ir::Constraint> constraints;
  if (n.is_static()) {
    if (n.value() < least.value())
      support::fail<ShapeError>(
          name, {.place = ir::place_of(a.where, {&l.given(), 1}), .hint = hint}, "{}", message);
  } else {
    constraints.push_back({n, ir::dims::max(n, least), message, false, hint, std::string(name)});
  }
  return l.put_back(ir::make(op, {l.lines()}, SortParams{}, a.where, std::move(constraints)));
}

} // namespace
} // namespace ops

Expr sort(Operand a, int axis, bool descending) {
  const ops::Lines l("sort", a, axis);
  return l.put_back(ir::make(ops::sort, {l.lines()}, ops::SortParams{descending}, a.where));
}

Expr argsort(Operand a, int axis, bool descending) {
  const ops::Lines l("argsort", a, axis);
  return l.put_back(ir::make(ops::argsort, {l.lines()}, ops::SortParams{descending}, a.where));
}

SortedAndPositions sort_and_argsort(Operand a, int axis, bool descending) {
  const ops::Lines l("sort_and_argsort", a, axis);
  const Expr order = ir::make(ops::argsort, {l.lines()}, ops::SortParams{descending}, a.where);
  return {l.put_back(ops::taken_along_last(l.lines(), order, a.where)), l.put_back(order)};
}

SortedAndPositions topk(Operand a, Dim k, int axis, bool largest) {
  const ops::Lines l("topk", a, axis);
  const Dim& n = l.size();
  const std::string message =
      fmt::format("k is {}, and axis {} of {} has {} elements", k.to_string(), l.axis(),
                  l.given().label(), n.to_string());
  constexpr const char* hint = "k is at most the size of the axis";
  std::vector<ir::Constraint> constraints;
  if (n.is_static() && k.is_static()) {
    if (k.value() > n.value())
      support::fail<ShapeError>(
          "topk", {.place = ir::place_of(a.where, {&l.given(), 1}), .hint = hint}, "{}", message);
  } else {
    constraints.push_back({k, ir::dims::min(k, n), message, false, hint, "topk"});
  }
  const Expr positions = ir::make(ops::argtopk, {l.lines()}, ops::TopParams{std::move(k), largest},
                                  a.where, std::move(constraints));
  return {l.put_back(ops::taken_along_last(l.lines(), positions, a.where)), l.put_back(positions)};
}

Expr partition(Operand a, std::int64_t kth, int axis) {
  return ops::sorted_around(ops::sort, "partition", a, kth, axis);
}

Expr argpartition(Operand a, std::int64_t kth, int axis) {
  return ops::sorted_around(ops::argsort, "argpartition", a, kth, axis);
}

Expr searchsorted(Operand sorted, Operand values, bool right) {
  const Location at = sorted.where;
  Expr x = ops::to_expr(sorted), v = ops::to_expr(values);
  if (x.rank() != 1)
    support::fail<ShapeError>(
        "searchsorted",
        {.place = ir::place_of(at, {&x, 1}), .hint = "sort(ravel of it) has one axis"},
        "searches in one axis, got {}", x.label());
  if (values.is_literal()) v = ops::to_expr(values, x.dtype());
  const DType t = promote(x.dtype(), v.dtype());
  return ir::make(ops::search_sorted, {ops::cast_to(x, t, at), ops::cast_to(v, t, at)},
                  ops::SearchParams{right}, at);
}

Expr digitize(Operand x, Operand bins, bool right) {
  return searchsorted(std::move(bins), std::move(x), !right);
}

namespace {

/// x as one axis of positions; a negative element becomes `size`, which is outside.
Expr counted_positions(const Operand& x, const Dim& size) {
  const Location at = x.where;
  const Expr e = ops::to_expr(x);
  if (!is_integer(e.dtype()))
    support::fail<TypeError>("bincount",
                             {.place = ir::place_of(at, {&e, 1}), .hint = "cast(x, DType::i64)"},
                             "counts integers, got {}", e.label());
  const Expr wide = ops::cast_to(reshape({e, at}, {-1}), DType::i64, at);
  return where({Operand(wide, at) < Operand(0, at), at}, {ops::dim_expr(size, at), at}, {wide, at});
}

/// Adds in i64 or u64, if not in floats.
Expr counts_of(const Expr& positions, const Expr& weights, Dim size, Location at) {
  const DType t = weights.dtype();
  const DType sum = is_float(t) ? t : is_unsigned_int(t) ? DType::u64 : DType::i64;
  const Expr added = broadcast_to({ops::cast_to(weights, sum, at), at}, {positions.shape()[0]});
  return ops::added_at({std::move(size)}, {positions}, added, at);
}

} // namespace

Expr bincount(Operand x, Dim size) {
  const Expr positions = counted_positions(x, size);
  return counts_of(positions, ops::integer_constant(DType::i64, 1, x.where), std::move(size),
                   x.where);
}

Expr bincount(Operand x, Dim size, Operand weights) {
  const Expr e = ops::to_expr(x), w = ops::to_expr(weights);
  if (e.rank() != w.rank()) {
    const Expr both[] = {e, w};
    support::fail<ShapeError>(
        "bincount",
        {.place = ir::place_of(x.where, both), .hint = "give a weight for each element"},
        "{} has other axes than {}", w.label(), e.label());
  }
  const Expr positions = counted_positions(x, size);
  return counts_of(positions, reshape({w, x.where}, {-1}), std::move(size), x.where);
}

CountsAndEdges histogram(Operand a, std::int64_t bins, Operand low, Operand high) {
  const Location at = a.where;
  const Expr e = ops::to_expr(a);
  if (bins < 1)
    support::fail<ShapeError>("histogram",
                              {.place = ir::place_of(at, {&e, 1}), .hint = "give at least one"},
                              "cannot count in {} bins", bins);
  const Expr x = ops::cast_to(reshape({e, at}, {-1}), DType::f64, at);
  Expr from = ops::cast_to(ops::to_expr(low, DType::f64), DType::f64, at),
       to = ops::cast_to(ops::to_expr(high, DType::f64), DType::f64, at);
  const Expr are_equal = Operand(from, at) == Operand(to, at);
  from = where({are_equal, at}, Operand(from, at) - Operand(0.5, at), {from, at});
  to = where({are_equal, at}, Operand(to, at) + Operand(0.5, at), {to, at});
  const auto count = static_cast<double>(bins);
  const Expr width = Operand(Operand(to, at) - Operand(from, at), at) / Operand(count, at);
  const auto edge = [&](const Expr& number) { // an i64
    const Expr offset = Operand(cast({number, at}, DType::f64), at) * Operand(width, at);
    return where({Operand(number, at) == Operand(bins, at), at}, {to, at},
                 Operand(from, at) + Operand(offset, at));
  };
  const Expr is_inside = Operand(Operand(x, at) >= Operand(from, at), at) &&
                         Operand(Operand(x, at) <= Operand(to, at), at);
  const Expr inside = where({is_inside, at}, {x, at}, {from, at});
  const Expr guess = cast(
      {Operand(Operand(inside, at) - Operand(from, at), at) / Operand(width, at), at}, DType::i64);
  const Expr last = minimum({guess, at}, Operand(bins - 1, at));
  // The quotient is rounded: the element may belong to the bin before or behind.
  const Expr before = Operand(inside, at) < Operand(edge(last), at);
  const Expr next = Operand(last, at) + Operand(1, at);
  const Expr is_behind = Operand(Operand(inside, at) >= Operand(edge(next), at), at) &&
                         Operand(Operand(next, at) < Operand(bins, at), at);
  const Expr position = maximum({where({before, at}, Operand(last, at) - Operand(1, at),
                                       {where({is_behind, at}, {next, at}, {last, at}), at}),
                                 at},
                                Operand(0, at));
  return {ops::added_at({Dim(bins)}, {position}, cast({is_inside, at}, DType::i64), at),
          edge(arange(Operand(bins + 1, at)))};
}

CountsAndEdges histogram(Operand a, std::int64_t bins) {
  const Location at = a.where;
  const Expr e = ops::to_expr(a);
  return histogram({e, at}, bins, {min({e, at}), at}, {max({e, at}), at});
}

Expr quantile(Operand a, double q, Axes axes, Quantile method, bool keepdims) {
  const Location at = a.where;
  Expr e = ops::to_expr(a);
  if (!(q >= 0 && q <= 1))
    support::fail<ShapeError>(
        "quantile", {.place = ir::place_of(at, {&e, 1}), .hint = "fractions are from 0 to 1"},
        "there is no quantile of {}", q);
  if (e.rank() == 0)
    support::fail<ShapeError>(
        "quantile",
        {.place = ir::place_of(at, {&e, 1}), .hint = "give an array with at least one axis"},
        "takes at least one axis, got {}", e.label());
  const bool is_between = method == Quantile::linear || method == Quantile::midpoint;
  if (is_between) e = ops::to_floating({e, at});
  // The axes as one, the last.
  const std::vector<std::int64_t> over = ops::normalize_axes("quantile", axes, e, at);
  std::vector<int> order;
  std::vector<NewDim> shape;
  Dim n(1);
  for (int i = 0; i < e.rank(); ++i)
    if (std::ranges::find(over, i) == over.end()) {
      order.push_back(i);
      shape.emplace_back(e.shape()[static_cast<std::size_t>(i)]);
    }
  const std::size_t kept = order.size();
  for (std::int64_t i : over) {
    order.push_back(static_cast<int>(i));
    n = ir::dims::mul(n, e.shape()[static_cast<std::size_t>(i)]);
  }
  shape.emplace_back(n);
  const Expr lines = reshape({transpose({e, at}, order), at}, shape);
  const Expr sorted = sort({lines, at});
  const auto element = [&](const Expr& position) {
    std::vector<IndexItem> items(kept, IndexItem(Range{}, IndexItem::Here(at)));
    items.emplace_back(position, IndexItem::Here(at));
    return index({sorted, at}, items, at);
  };
  const Expr end = Operand(ops::dim_expr(n, at), at) - Operand(1, at);
  const Expr place = Operand(cast({end, at}, DType::f64), at) * Operand(q, at);
  const Expr first = cast({place, at}, DType::i64);
  const Expr second = minimum({Operand(first, at) + Operand(1, at), at}, {end, at});
  const Expr rest = Operand(place, at) - Operand(cast({first, at}, DType::f64), at);
  const Expr is_between_two = Operand(rest, at) > Operand(0.0, at);
  const auto nearer = [&] {
    const Operand place_of_first(first, at), two(2, at);
    const Expr is_odd =
        Operand(ops::elementwise(ops::mod, {&place_of_first, &two}), at) == Operand(1, at);
    const Expr is_tie = Operand(Operand(rest, at) == Operand(0.5, at), at) && Operand(is_odd, at);
    const Expr is_second = Operand(Operand(rest, at) > Operand(0.5, at), at) || Operand(is_tie, at);
    return element(where({is_second, at}, {second, at}, {first, at}));
  };
  const auto between = [&](const Expr& share) {
    const Expr low = element(first), high = element(second);
    const Expr t = ops::cast_to(share, low.dtype(), at);
    const Expr distance = Operand(high, at) - Operand(low, at);
    // The end that is nearer is exact.
    const Expr from_low = Operand(low, at) + Operand(Operand(distance, at) * Operand(t, at), at);
    const Expr left = Operand(1, at) - Operand(t, at);
    const Expr from_high =
        Operand(high, at) - Operand(Operand(distance, at) * Operand(left, at), at);
    const Expr is_same = Operand(low, at) == Operand(high, at); // infinities too
    return where(
        {is_same, at}, {low, at},
        {where({Operand(t, at) < Operand(0.5, at), at}, {from_low, at}, {from_high, at}), at});
  };
  Expr found = [&] {
    switch (method) {
    case Quantile::linear:
      return between(rest);
    case Quantile::midpoint:
      return between(where({is_between_two, at}, Operand(0.5, at), Operand(0.0, at)));
    case Quantile::lower:
      return element(first);
    case Quantile::higher:
      return element(where({is_between_two, at}, {second, at}, {first, at}));
    case Quantile::nearest:
      break;
    }
    return nearer();
  }();
  if (is_float(found.dtype())) { // NaN is last
    const Expr largest = element(end);
    found = where({Operand(largest, at) == Operand(largest, at), at}, {found, at}, {largest, at});
  }
  return keepdims ? ops::restore_axes(found, over, at) : found;
}

Expr percentile(Operand a, double q, Axes axes, Quantile method, bool keepdims) {
  return quantile(std::move(a), q / 100, std::move(axes), method, keepdims);
}

Expr median(Operand a, Axes axes, bool keepdims) {
  return quantile(std::move(a), 0.5, std::move(axes), Quantile::linear, keepdims);
}

} // namespace kroton
