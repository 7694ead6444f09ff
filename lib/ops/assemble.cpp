/// Assemble: parts, each put into its window of an array or added to what is there.
#include <algorithm>
#include <limits>
#include <numeric>
#include <type_traits>

#include "lib/ops/assemble.hpp"

#include "lib/ir/call.hpp"
#include "lib/ir/dim_normal.hpp"
#include "lib/ir/extended.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/build.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton::ops {
namespace {

using ir::BatchContext;
using ir::EvalContext;
using ir::GradContext;
using ir::InferContext;
using ir::Kind;
using ir::Type;
namespace dims = ir::dims;

/// Inputs: the base, then the parts.
Type infer_assemble(InferContext& c) {
  const auto& p = c.params.as<AssembleParams>();
  const std::size_t rank = c.in(0).shape.size(), parts = c.inputs.size() - 1;
  KROTON_CHECK(p.starts.size() == rank * parts && p.steps.size() == rank * parts &&
                   p.lengths.size() == rank * parts,
               "{} parts of rank {} have {} windows", parts, rank, p.starts.size());
  for (std::size_t k = 0; k < parts; ++k) {
    const Type& part = c.in(k + 1);
    KROTON_CHECK(part.dtype == c.in(0).dtype, "a part of another dtype, {}", part.to_string());
    const Dim expected = dims::product(std::span<const Dim>(p.lengths).subspan(k * rank, rank));
    c.require_equal(expected, dims::product(part.shape),
                    fmt::format("part {} should have {} elements, got {}", k, expected.to_string(),
                                c.label(k + 1)),
                    "a part has as many elements as its window");
  }
  return c.in(0);
}

/// A window in an array, with numbers for dims.
struct Places {
  std::int64_t first = 0, count = 1;
  Shape lengths, strides;

  Places(const Window& w, std::span<const std::int64_t> shape, const EvalContext& c)
      : lengths(shape.size()), strides(shape.size()) {
    std::int64_t stride = 1;
    for (std::size_t i = shape.size(); i-- > 0; stride *= shape[i]) {
      lengths[i] = c.size(w.lengths[i]);
      strides[i] = stride * w.steps[i];
      count *= lengths[i];
      if (lengths[i] > 0) first += c.size(w.starts[i]) * stride;
    }
  }
  /// Where the array has element `i` of the window.
  std::int64_t at(std::int64_t i) const {
    std::int64_t place = first;
    for (std::size_t axis = lengths.size(); axis-- > 0; i /= lengths[axis])
      place += i % lengths[axis] * strides[axis];
    return place;
  }
};

/// What elements of a T are added up in.
template <class T> struct SumOf {
  using Type = std::conditional_t<std::is_floating_point_v<T>, long double, T>;
};
template <> struct SumOf<bool> { using Type = unsigned char; };

Array eval_assemble(const EvalContext& c) {
  const auto& p = c.params.as<AssembleParams>();
  Array out = Array::empty(c.dtype, Shape(c.shape.begin(), c.shape.end()));
  support::visit_dtype(c.dtype, [&]<class T>(std::type_identity<T>) {
    using Sum = typename SumOf<T>::Type;
    const ir::Terms<T> base(c, 0);
    std::vector<Sum> sums(static_cast<std::size_t>(out.numel()));
    for (std::size_t i = 0; i < sums.size(); ++i)
      sums[i] = static_cast<Sum>(base[static_cast<std::int64_t>(i)]);
    for (std::size_t k = 1; k < c.inputs.size(); ++k) {
      const ir::Terms<T> from(c, k);
      const Places places(window_of(p, k - 1, c.shape.size()), c.shape, c);
      for (std::int64_t i = 0; i < places.count; ++i) {
        Sum& to = sums[static_cast<std::size_t>(places.at(i))];
        const Sum term = static_cast<Sum>(from[i]);
        if (!p.adds)
          to = term;
        else if constexpr (std::is_same_v<T, bool>)
          to |= term;
        else if constexpr (std::is_integral_v<T>) // wraps
          to = static_cast<Sum>(static_cast<std::uint64_t>(to) + static_cast<std::uint64_t>(term));
        else
          to += term;
      }
    }
    const ir::Results<T> to(c, out);
    for (std::size_t i = 0; i < sums.size(); ++i) to.set(static_cast<std::int64_t>(i), sums[i]);
  });
  return out;
}

/// The parameters of parts in `windows`.
AssembleParams params_of(std::span<const Window> windows, bool adds) {
  std::vector<Dim> starts, lengths;
  ir::Ints steps;
  for (const Window& w : windows) {
    starts.insert(starts.end(), w.starts.begin(), w.starts.end());
    steps.insert(steps.end(), w.steps.begin(), w.steps.end());
    lengths.insert(lengths.end(), w.lengths.begin(), w.lengths.end());
  }
  return {std::move(starts), std::move(steps), std::move(lengths), adds};
}

std::vector<Window> windows_of(const AssembleParams& p, std::size_t parts, std::size_t rank) {
  std::vector<Window> windows;
  for (std::size_t k = 0; k < parts; ++k) windows.push_back(window_of(p, k, rank));
  return windows;
}

Expr broadcast(const Expr& e, const ir::DimList& shape, Location where) {
  return ir::make(broadcast_to, {e}, ShapeParams{shape}, where);
}

Expr batched_assemble(const BatchContext& c) {
  const auto& p = c.params.as<AssembleParams>();
  const std::size_t rank = c.inputs[0].shape().size() - (c.has_axis[0] ? 1 : 0);
  std::vector<Window> windows = windows_of(p, c.inputs.size() - 1, rank);
  std::vector<Expr> inputs{with_axis(c, 0)};
  for (std::size_t k = 0; k < windows.size(); ++k) {
    Window& w = windows[k];
    w.starts.insert(w.starts.begin(), Dim(0));
    w.steps.insert(w.steps.begin(), 1);
    w.lengths.insert(w.lengths.begin(), c.size);
    inputs.push_back(with_axis(c, k + 1));
  }
  return ir::make(assemble, std::move(inputs), params_of(windows, p.adds), c.where);
}

/// Each part's gradient is its window of the result's; the base's is all of it, but for what parts
/// took the place of.
std::vector<Expr> grad_assemble(const GradContext& c) {
  const auto& p = c.params.as<AssembleParams>();
  const ir::DimList& shape = c.output.node()->type.shape;
  const Expr g =
      dims::same(c.grad.node()->type.shape, shape) ? c.grad : broadcast(c.grad, shape, c.where);
  const std::vector<Window> windows = windows_of(p, c.inputs.size() - 1, shape.size());
  std::vector<Expr> grads{g}, covered{g};
  for (std::size_t k = 0; k < windows.size(); ++k) {
    const Window& w = windows[k];
    const Expr part = ir::make(slice, {g}, SliceParams{w.starts, w.steps, w.lengths}, c.where);
    const ir::DimList& own = c.inputs[k + 1].node()->type.shape;
    grads.push_back(
        dims::same(w.lengths, own) ? part : ir::make(reshape, {part}, ShapeParams{own}, c.where));
    if (!p.adds) covered.push_back(broadcast(scalar_constant(g.dtype(), 0, c.where), own, c.where));
  }
  if (!p.adds) grads[0] = ir::make(assemble, std::move(covered), c.params, c.where);
  return grads;
}

/// How many elements the base has, whether no two windows have one in common (0 or 1), and whether
/// parts are added; then for each
/// part where its window begins, and for each axis how long it is and how far its elements are
/// apart: elements of the base.
std::vector<Dim> numbers_of_assemble(const ir::Graph& graph, ir::NodeId id) {
  const ir::GraphNode& n = graph[id];
  const auto& p = n.params.as<AssembleParams>();
  const std::span<const Dim> shape = n.type.shape;
  const std::size_t rank = shape.size();
  std::vector<Dim> strides(rank, Dim(1));
  for (std::size_t i = rank; i-- > 1;) strides[i - 1] = dims::mul(strides[i], shape[i]);
  const std::vector<Window> windows = windows_of(p, n.inputs.size() - 1, rank);
  std::vector<Dim> numbers{dims::product(shape), Dim(!p.adds || are_disjoint(windows) ? 1 : 0),
                           Dim(p.adds ? 1 : 0)};
  for (const Window& w : windows) {
    const std::size_t first = numbers.size();
    numbers.emplace_back(0);
    for (std::size_t i = 0; i < rank; ++i) {
      numbers[first] = dims::add(numbers[first], dims::mul(w.starts[i], strides[i]));
      numbers.push_back(w.lengths[i]);
      const Dim apart = dims::mul(strides[i], Dim(std::abs(w.steps[i])));
      numbers.push_back(w.steps[i] < 0 ? dims::sub(Dim(0), apart) : apart);
    }
  }
  return numbers;
}

bool assemble_takes(std::span<const ir::CallType> results, std::span<const ir::CallType> operands,
                    std::size_t numbers) {
  const auto is_alike = [&](const ir::CallType& t) { return t.dtype == results[0].dtype; };
  return results.size() == 1 && operands.size() >= 2 && operands[0].rank == results[0].rank &&
         numbers == 3 + (operands.size() - 1) * (1 + 2 * results[0].rank) &&
         std::ranges::all_of(operands, is_alike);
}

const ir::LibraryCall call_of_assemble{.operands = {ir::Layout::dense},
                                       .results = {{ir::Layout::dense, 0}},
                                       .numbers = numbers_of_assemble,
                                       .takes = assemble_takes};

// ---- which windows are apart

/// The first and the last position of a window along an axis.
struct Extent {
  std::int64_t first, last;
};

/// Nothing if the positions are not known, or there are none.
std::optional<Extent> extent_of(const Window& w, std::size_t axis) {
  if (!w.starts[axis].is_static() || !w.lengths[axis].is_static() || w.lengths[axis].is(0))
    return std::nullopt;
  const std::int64_t start = w.starts[axis].value(),
                     end = start + (w.lengths[axis].value() - 1) * w.steps[axis];
  return Extent{std::min(start, end), std::max(start, end)};
}

bool is_empty(const Window& w) {
  return std::ranges::any_of(w.lengths, [](const Dim& d) { return d.is(0); });
}

/// Whether each window ends before the next begins along an axis.
bool are_in_line(std::span<const Window> windows, std::size_t axis) {
  std::vector<Extent> extents;
  for (const Window& w : windows) {
    const auto extent = extent_of(w, axis);
    if (!extent) return false;
    extents.push_back(*extent);
  }
  std::ranges::sort(extents, {}, &Extent::first);
  for (std::size_t i = 1; i < extents.size(); ++i)
    if (extents[i].first <= extents[i - 1].last) return false;
  return true;
}

/// Whether the last position of a window that goes up is known to be before the first of another.
bool ends_before(const Window& a, const Window& b, std::size_t axis) {
  const Dim last =
      dims::add(a.starts[axis], dims::mul(dims::sub(a.lengths[axis], Dim(1)), Dim(a.steps[axis])));
  const auto between = dims::lower_bound(dims::sub(b.starts[axis], last));
  return between && *between > 0;
}

/// Whether two windows have no position along an axis in common.
bool are_apart(const Window& a, const Window& b, std::size_t axis) {
  const auto x = extent_of(a, axis), y = extent_of(b, axis);
  if (x && y && (x->last < y->first || y->last < x->first)) return true;
  if (a.steps[axis] > 0 && b.steps[axis] > 0 &&
      (ends_before(a, b, axis) || ends_before(b, a, axis)))
    return true;
  if (!a.starts[axis].is_static() || !b.starts[axis].is_static()) return false;
  // Both go in steps, and never meet.
  const std::int64_t step = std::gcd(a.steps[axis], b.steps[axis]);
  return (a.starts[axis].value() - b.starts[axis].value()) % step != 0;
}

/// Parts beside each other and on each other, backwards, moved, of no elements, and of any number.
std::vector<ir::Example> examples_of_assemble(DType t) {
  const Location here = Location::current();
  const Dim n = dim("n"), m = dim("m");
  const Expr c = tensor(t, {6, 8}, "c"), a = tensor(t, {2, 3}, "a"), v = tensor(t, {4}, "v"),
             o = tensor(t, {}, "o"), x = tensor(t, {3, n}, "x"), row = tensor(t, {n}, "row"),
             y = tensor(t, {n, m}, "y");
  const Expr turned = ir::make(transpose, {a}, OrderParams{{1, 0}}, here),
             nothing = ir::make(slice, {a}, SliceParams{{2, 0}, {1, 1}, {0, 3}}, here);
  std::vector<ir::Example> examples;
  const auto add = [&](const Expr& base, const std::vector<Part>& parts, bool adds) {
    std::vector<Expr> inputs{base};
    std::vector<Window> windows;
    for (const Part& p : parts) {
      inputs.push_back(p.value);
      windows.push_back(p.window);
    }
    examples.push_back({ir::make(assemble, std::move(inputs), params_of(windows, adds), here)});
  };
  const auto row_at = [&](std::int64_t i) { return Window{{i, 0}, {1, 1}, {1, n}}; };
  for (const bool adds : {false, true}) {
    add(c,
        {{a, {{0, 1}, {1, 1}, {2, 3}}},
         {a, {{2, 1}, {1, 1}, {2, 3}}},
         {a, {{0, 4}, {1, 1}, {2, 3}}}},
        adds);
    add(c, {{a, {{5, 7}, {-2, -3}, {2, 3}}}, {a, {{4, 7}, {-2, -3}, {2, 3}}}}, adds);
    add(c,
        {{v, {{1, 0}, {1, 1}, {4, 1}}},
         {v, {{0, 1}, {3, 4}, {2, 2}}},
         {o, {{5, 7}, {1, 1}, {1, 1}}}},
        adds);
    add(c, {{turned, {{0, 0}, {1, 1}, {3, 2}}}, {nothing, {{6, 0}, {1, 1}, {0, 3}}}}, adds);
    add(x, {{row, row_at(2)}, {row, row_at(0)}}, adds);
    add(y, {{y, {{0, 0}, {1, 1}, {n, m}}}}, adds);
    add(v, {{v, {{3}, {-1}, {4}}}}, adds);
    add(o, {{o, {}}}, adds);
  }
  add(c,
      {{a, {{0, 1}, {1, 1}, {2, 3}}},
       {a, {{1, 2}, {1, 1}, {2, 3}}},
       {c, {{5, 7}, {-1, -1}, {6, 8}}}},
      true);
  add(x, {{row, row_at(1)}, {row, row_at(1)}}, true);
  return examples;
}

/// Any two of more windows are not looked at one by one.
constexpr std::size_t most_compared = 4 * most_parts;

} // namespace

Window window_of(const AssembleParams& p, std::size_t part, std::size_t rank) {
  const std::size_t first = part * rank;
  const auto dims_from = [&](std::span<const Dim> all) {
    const auto own = all.subspan(first, rank);
    return std::vector<Dim>(own.begin(), own.end());
  };
  const auto steps = std::span(p.steps).subspan(first, rank);
  return {dims_from(p.starts), {steps.begin(), steps.end()}, dims_from(p.lengths)};
}

bool are_disjoint(std::span<const Window> all) {
  std::vector<Window> windows;
  for (const Window& w : all)
    if (!is_empty(w)) windows.push_back(w);
  if (windows.size() < 2) return true;
  const std::size_t rank = windows[0].starts.size();
  for (std::size_t axis = 0; axis < rank; ++axis)
    if (are_in_line(windows, axis)) return true;
  if (windows.size() > most_compared) return false;
  for (std::size_t i = 0; i < windows.size(); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      bool is_apart = false;
      for (std::size_t axis = 0; axis < rank && !is_apart; ++axis)
        is_apart = are_apart(windows[i], windows[j], axis);
      if (!is_apart) return false;
    }
  return true;
}

const Op assemble{.name = "assemble",
                  .arity = -1,
                  .kind = Kind::scatter,
                  .params = &ir::params_type<AssembleParams>,
                  .infer = infer_assemble,
                  .eval = eval_assemble,
                  .batched = batched_assemble,
                  .gradient = grad_assemble,
                  .call = &call_of_assemble,
                  .examples = examples_of_assemble,
                  .doc = "an array with parts put into, or added to, windows of its elements"};

std::span<const Op* const> assemble_rows() {
  static constexpr const Op* rows[] = {&assemble};
  return rows;
}

namespace {

Expr assembled(Expr base, std::span<const Part> parts, bool adds, Location where) {
  while (!parts.empty()) {
    const auto now = parts.first(std::min(parts.size(), most_parts));
    std::vector<Expr> inputs{std::move(base)};
    std::vector<Window> windows;
    for (const Part& p : now) {
      inputs.push_back(p.value);
      windows.push_back(p.window);
    }
    base = ir::make(assemble, std::move(inputs), params_of(windows, adds), where);
    parts = parts.subspan(now.size());
  }
  return base;
}

Expr zeros(DType dtype, const ir::DimList& shape, Location where) {
  const Expr zero =
      is_float(dtype) ? scalar_constant(dtype, 0, where) : integer_constant(dtype, 0, where);
  return shape.empty() ? zero : broadcast(zero, shape, where);
}

} // namespace

Expr assemble_parts(const std::vector<Dim>& shape, std::vector<Part> parts, Location where) {
  std::vector<Window> windows;
  for (const Part& p : parts) windows.push_back(p.window);
  return assembled(zeros(parts[0].value.dtype(), shape, where), parts, !are_disjoint(windows),
                   where);
}

Expr join_first(const std::vector<Expr>& arrays, Location where) {
  std::vector<Dim> shape = arrays[0].shape();
  Dim all(0);
  std::vector<Part> parts;
  for (const Expr& e : arrays) {
    Window w{std::vector<Dim>(shape.size(), Dim(0)), ir::Ints(shape.size(), 1), e.shape()};
    w.starts[0] = all;
    all = dims::normal(dims::add(all, w.lengths[0]));
    parts.push_back({e, std::move(w)});
  }
  shape[0] = all;
  return assembled(zeros(arrays[0].dtype(), shape, where), parts, /*adds=*/false, where);
}

} // namespace kroton::ops
