#include "lib/ops/products.hpp"

#include <algorithm>

#include <kroton/ops/contraction.hpp>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/contraction.hpp"
#include "lib/support/error.hpp"

namespace kroton {
namespace ops {
namespace {

using Labels = std::vector<Label>;

bool has(const Labels& labels, Label l) { return std::ranges::find(labels, l) != labels.end(); }
std::size_t place_of(const Labels& labels, Label l) {
  return static_cast<std::size_t>(std::ranges::find(labels, l) - labels.begin());
}
template <class F> Labels those(const Labels& labels, F f) {
  Labels result;
  std::ranges::copy_if(labels, std::back_inserter(result), f);
  return result;
}

Dim size_of_label(const Term& t, Label l) { return t.value.shape()[place_of(t.labels, l)]; }

Expr reshaped(const Expr& e, std::vector<Dim> shape, Location where) {
  if (ir::dims::same(e.shape(), shape)) return e;
  return ir::make(reshape, {e}, ShapeParams{std::move(shape)}, where);
}

Expr transposed(const Expr& e, std::vector<std::int64_t> order, Location where) {
  if (std::ranges::is_sorted(order)) return e;
  return ir::make(transpose, {e}, OrderParams{std::move(order)}, where);
}

/// Whether they are beside each other among `labels`, in this order.
bool is_run(const Labels& group, const Labels& labels) {
  return std::ranges::search(labels, group).begin() != labels.end() || group.empty();
}

/// The term with an axis for each group of labels: their sizes' product, 1 for none.
Expr grouped(const Term& t, const std::vector<Labels>& groups, Location where) {
  Term merged = t;
  if (!std::ranges::all_of(groups, [&](const Labels& g) { return is_run(g, t.labels); })) {
    Labels order;
    for (const Labels& g : groups) order.insert(order.end(), g.begin(), g.end());
    merged = {in_order(t, order, where), order};
  }
  // Axes become one before they change places: as views of what is in memory.
  std::vector<Dim> shape;
  Labels firsts;
  for (std::size_t i = 0; i < merged.labels.size();) {
    const Labels& group = *std::ranges::find_if(
        groups, [&](const Labels& g) { return !g.empty() && g[0] == merged.labels[i]; });
    firsts.push_back(group[0]);
    Dim size(1);
    for (std::size_t k = 0; k < group.size(); ++k)
      size = ir::dims::mul(size, merged.value.shape()[i++]);
    shape.push_back(std::move(size));
  }
  merged = {reshaped(merged.value, std::move(shape), where), firsts};
  Labels order;
  for (const Labels& g : groups)
    if (!g.empty()) order.push_back(g[0]);
  const Expr turned = in_order(merged, order, where);
  std::vector<Dim> with_ones;
  std::size_t next = 0;
  for (const Labels& g : groups) with_ones.push_back(g.empty() ? Dim(1) : turned.shape()[next++]);
  return reshaped(turned, std::move(with_ones), where);
}

/// The term with an axis for each of `labels`, of size 1 for those that it does not have.
Expr spread(const Term& t, const Labels& labels, Location where) {
  std::vector<Labels> groups;
  for (Label l : labels) groups.push_back(has(t.labels, l) ? Labels{l} : Labels{});
  return grouped(t, groups, where);
}

} // namespace

Expr in_order(const Term& t, const Labels& labels, Location where) {
  KROTON_CHECK(labels.size() == t.labels.size(), "{} axes of {}", labels.size(), t.labels.size());
  std::vector<std::int64_t> order;
  for (Label l : labels) order.push_back(static_cast<std::int64_t>(place_of(t.labels, l)));
  return transposed(t.value, std::move(order), where);
}

Term sum_to_labels(const Term& t, const Labels& kept, Location where) {
  Axes axes;
  for (std::size_t i = 0; i < t.labels.size(); ++i)
    if (!has(kept, t.labels[i])) axes.push_back(static_cast<int>(i));
  if (axes.empty()) return t;
  return {cast_to(kroton::sum({t.value, where}, axes), t.value.dtype(), where),
          those(t.labels, [&](Label l) { return has(kept, l); })};
}

Term product_of(const Term& left, const Term& right, const Labels& kept, Location where) {
  const auto in_both_or = [&](const Term& other) {
    Labels result = kept;
    result.insert(result.end(), other.labels.begin(), other.labels.end());
    return result;
  };
  const Term a = sum_to_labels(left, in_both_or(right), where),
             b = sum_to_labels(right, in_both_or(left), where);
  const auto is_shared = [&](Label l) { return has(a.labels, l) && has(b.labels, l); };
  const auto is_kept = [&](Label l) { return has(kept, l); };
  const Labels batch = those(kept, is_shared),
               m = those(a.labels, [&](Label l) { return !is_shared(l); }),
               n = those(b.labels, [&](Label l) { return !is_shared(l); });
  Labels k = those(a.labels, [&](Label l) { return is_shared(l) && !is_kept(l); });
  const Labels k_of_b = those(b.labels, [&](Label l) { return is_shared(l) && !is_kept(l); });
  if (!is_run(k, a.labels) || (!is_run(k, b.labels) && is_run(k_of_b, a.labels))) k = k_of_b;

  // Elementwise and a sum: one kernel that reads both once.
  if (k.empty() || (m.empty() && n.empty()) || (!batch.empty() && (m.empty() || n.empty()))) {
    Labels all = those(kept, [&](Label l) { return has(a.labels, l) || has(b.labels, l); });
    all.insert(all.end(), k.begin(), k.end());
    const Operand x(spread(a, all, where), where), y(spread(b, all, where), where);
    return sum_to_labels({x * y, all}, kept, where);
  }

  // The result's rows are those whose labels are wanted first.
  const bool is_turned =
      !m.empty() && !n.empty() && place_of(kept, n.front()) < place_of(kept, m.front());
  const Term &first = is_turned ? b : a, &second = is_turned ? a : b;
  const Labels &rows = is_turned ? n : m, &columns = is_turned ? m : n;
  std::vector<Labels> groups_of_first, groups_of_second;
  for (Label l : batch) {
    groups_of_first.push_back({l});
    groups_of_second.push_back({l});
  }
  groups_of_first.insert(groups_of_first.end(), {rows, k});
  groups_of_second.insert(groups_of_second.end(), {k, columns});
  const Expr product = ir::make(
      matmul, {grouped(first, groups_of_first, where), grouped(second, groups_of_second, where)},
      {}, where);
  Labels labels = batch;
  labels.insert(labels.end(), rows.begin(), rows.end());
  labels.insert(labels.end(), columns.begin(), columns.end());
  std::vector<Dim> shape;
  for (Label l : labels) shape.push_back(size_of_label(has(a.labels, l) ? a : b, l));
  return {reshaped(product, std::move(shape), where), std::move(labels)};
}

namespace {

/// Two operands of one dtype, as products have them.
std::pair<Expr, Expr> promoted(const Operand& a, const Operand& b, Location where) {
  const Expr x = to_expr(a), y = to_expr(b);
  DType t = promote(x.dtype(), y.dtype());
  if (is_bool(t)) t = DType::i64;
  return {cast_to(x, t, where), cast_to(y, t, where)};
}

/// Requires axis `i` of a and axis `j` of b to be equal: at once if both are known, else in the
/// call. Gives a, with what is to be checked.
Expr require_equal_axes(std::string_view op, const Expr& a, std::size_t i, const Expr& b,
                        std::size_t j, Location where) {
  const Dim &x = a.shape()[i], &y = b.shape()[j];
  if (ir::dims::same(x, y)) return a;
  const std::vector<Expr> both{a, b};
  std::string what =
      fmt::format("contracted axes differ: {} has {} on axis {}, {} has {} on axis {}", a.label(),
                  x.to_string(), i, b.label(), y.to_string(), j);
  if (x.is_static() && y.is_static())
    support::fail<ShapeError>(op, {.place = ir::place_of(where, both)}, "{}", what);
  return ir::make(reshape, {a}, ShapeParams{a.node()->type.shape}, where,
                  {{x, y, std::move(what), false, "", std::string(op)}});
}

/// Products summed over axis `a_axes[i]` of a with `b_axes[i]` of b.
Expr contract(std::string_view op, const Operand& left, const Operand& right,
              const std::vector<std::int64_t>& a_axes, const std::vector<std::int64_t>& b_axes,
              Location where) {
  auto [a, b] = promoted(left, right, where);
  for (std::size_t i = 0; i < a_axes.size(); ++i)
    a = require_equal_axes(op, a, static_cast<std::size_t>(a_axes[i]), b,
                           static_cast<std::size_t>(b_axes[i]), where);
  Term x{a, {}}, y{b, {}};
  Labels kept;
  for (int i = 0; i < a.rank(); ++i) {
    x.labels.push_back(i);
    if (std::ranges::find(a_axes, i) == a_axes.end()) kept.push_back(i);
  }
  for (int i = 0; i < b.rank(); ++i) {
    const auto pair = std::ranges::find(b_axes, i);
    if (pair == b_axes.end()) {
      y.labels.push_back(a.rank() + i);
      kept.push_back(a.rank() + i);
    } else {
      y.labels.push_back(
          static_cast<Label>(a_axes[static_cast<std::size_t>(pair - b_axes.begin())]));
    }
  }
  return in_order(product_of(x, y, kept, where), kept, where);
}

/// Axes made non-negative, in the order given; refuses those that are none or named twice.
std::vector<std::int64_t> checked_axes(std::string_view op, const Axes& axes, const Expr& e,
                                       Location where) {
  std::vector<std::int64_t> result;
  for (int axis : axes) {
    const int at = axis < 0 ? axis + e.rank() : axis;
    if (at < 0 || at >= e.rank())
      support::fail<ShapeError>(op, {.place = ir::place_of(where, {&e, 1})},
                                "axis {} is none of {}", axis, e.label());
    if (std::ranges::find(result, at) != result.end())
      support::fail<ShapeError>(op, {.place = ir::place_of(where, {&e, 1})},
                                "axis {} of {} is named twice", axis, e.label());
    result.push_back(at);
  }
  return result;
}

} // namespace
} // namespace ops

Expr tensordot(Operand a, Operand b, int axes) {
  const std::vector<Expr> given{ops::to_expr(a), ops::to_expr(b)};
  if (axes < 0 || axes > given[0].rank() || axes > given[1].rank())
    support::fail<ShapeError>("tensordot", {.place = ir::place_of(a.where, given)},
                              "there are no {} last axes of {} with as many first ones of {}", axes,
                              given[0].label(), given[1].label());
  Axes last, first;
  for (int i = 0; i < axes; ++i) {
    last.push_back(given[0].rank() - axes + i);
    first.push_back(i);
  }
  return tensordot(std::move(a), std::move(b), last, first);
}

Expr tensordot(Operand a, Operand b, Axes a_axes, Axes b_axes) {
  const std::vector<Expr> given{ops::to_expr(a), ops::to_expr(b)};
  if (a_axes.size() != b_axes.size())
    support::fail<ShapeError>("tensordot", {.place = ir::place_of(a.where, given)},
                              "{} axes of {} cannot be paired with {} of {}", a_axes.size(),
                              given[0].label(), b_axes.size(), given[1].label());
  return ops::contract("tensordot", a, b, ops::checked_axes("tensordot", a_axes, given[0], a.where),
                       ops::checked_axes("tensordot", b_axes, given[1], a.where), a.where);
}

Expr inner(Operand a, Operand b) {
  const Location at = a.where;
  const auto [x, y] = ops::promoted(a, b, at);
  if (x.rank() == 0 || y.rank() == 0) return Operand(x, at) * Operand(y, at);
  return ops::contract("inner", a, b, {x.rank() - 1}, {y.rank() - 1}, at);
}

Expr outer(Operand a, Operand b) {
  const Location at = a.where;
  const auto [x, y] = ops::promoted(a, b, at);
  const Expr column = reshape({x, at}, {-1, 1}), row = reshape({y, at}, {1, -1});
  return Operand(column, at) * Operand(row, at);
}

Expr kron(Operand a, Operand b) {
  const Location at = a.where;
  const auto [x, y] = ops::promoted(a, b, at);
  const auto rank = static_cast<std::size_t>(std::max(x.rank(), y.rank()));
  // Axis i of the result is axes 2 i and 2 i + 1 of the product.
  std::vector<Dim> of_x(2 * rank, Dim(1)), of_y(2 * rank, Dim(1)), shape;
  for (std::size_t i = 0; i < rank; ++i) {
    const auto axis_of = [&](const Expr& e) {
      const auto r = static_cast<std::size_t>(e.rank());
      return i + r < rank ? Dim(1) : e.shape()[i + r - rank];
    };
    of_x[2 * i] = axis_of(x);
    of_y[2 * i + 1] = axis_of(y);
    shape.push_back(ir::dims::mul(axis_of(x), axis_of(y)));
  }
  const Operand left(ops::reshaped(x, std::move(of_x), at), at),
      right(ops::reshaped(y, std::move(of_y), at), at);
  return ops::reshaped(left * right, std::move(shape), at);
}

Expr vecdot(Operand a, Operand b, int axis) {
  const Location at = a.where;
  const auto [x, y] = ops::promoted(a, b, at);
  for (const Expr* e : {&x, &y}) static_cast<void>(ops::checked_axes("vecdot", axis, *e, at));
  // The axis as the last of both, so that the others broadcast to each other.
  const auto to_end = [&](const Expr& e) {
    std::vector<int> order;
    const int from = axis < 0 ? axis + e.rank() : axis;
    for (int i = 0; i < e.rank(); ++i)
      if (i != from) order.push_back(i);
    order.push_back(from);
    return transpose({e, at}, order);
  };
  Expr left = to_end(x);
  const Expr right = to_end(y);
  left = ops::require_equal_axes("vecdot", left, static_cast<std::size_t>(left.rank() - 1), right,
                                 static_cast<std::size_t>(right.rank() - 1), at);
  return ops::cast_to(sum({Operand(left, at) * Operand(right, at), at}, -1), x.dtype(), at);
}

Expr batched_dot(Operand a, Operand b) {
  const Location at = a.where;
  auto [x, y] = ops::promoted(a, b, at);
  if (x.rank() < 2 || y.rank() < 2) {
    const std::vector<Expr> given{ops::to_expr(a), ops::to_expr(b)};
    support::fail<ShapeError>("batched_dot",
                              {.place = ir::place_of(at, given),
                               .hint = "the first axis is that of the batch; expand_dims adds one"},
                              "takes an axis of batches and one to sum over, got {} and {}",
                              given[0].label(), given[1].label());
  }
  x = ops::require_equal_axes("batched_dot", x, 0, y, 0, at);
  x = ops::require_equal_axes("batched_dot", x, static_cast<std::size_t>(x.rank() - 1), y, 1, at);
  ops::Term left{x, {}}, right{y, {}};
  for (int i = 0; i < x.rank(); ++i) left.labels.push_back(i);
  for (int i = 0; i < y.rank(); ++i)
    right.labels.push_back(i == 0 ? 0 : i == 1 ? x.rank() - 1 : x.rank() + i);
  std::vector<ops::Label> kept(left.labels.begin(), left.labels.end() - 1);
  kept.insert(kept.end(), right.labels.begin() + 2, right.labels.end());
  return ops::in_order(ops::product_of(left, right, kept, at), kept, at);
}

} // namespace kroton
