/// vmap: a function traced with one element, then each of its ops replaced by the op over one more
/// axis.
#include <kroton/vmap.hpp>

#include <algorithm>
#include <unordered_map>

#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/params.hpp"

namespace kroton {
namespace {

using ir::Node;
using ir::place_of;

/// What stands for a node of the traced function.
struct Value {
  Expr expr;
  bool has_axis = false;
};

/// An argument that is mapped over, with the axis in front.
struct MappedArgument {
  Expr whole;
  Expr element; ///< what the function is given
};

/// `axis` of an argument, not negative.
std::size_t checked_axis(const Expr& argument, int axis, std::size_t number, Location where) {
  const int rank = argument.rank();
  if (axis < -rank || axis >= rank)
    support::fail<ShapeError>(
        "vmap",
        {.place = place_of(where, {&argument, 1}),
         .hint = rank == 0 ? "a scalar has none to map over: give std::nullopt as its axis, and it "
                             "is the same for every element"
                           : fmt::format("axes run from {} to {}", -rank, rank - 1)},
        "axis {} of argument {}, {}, which has {} axes", axis, number, argument.label(), rank);
  return static_cast<std::size_t>(axis < 0 ? axis + rank : axis);
}

/// `e` with one axis moved.
Expr moved(const Expr& e, std::size_t from, std::size_t to, Location where) {
  if (from == to) return e;
  ir::Ints order;
  for (std::size_t i = 0; i < e.shape().size(); ++i)
    if (i != from) order.push_back(static_cast<std::int64_t>(i));
  order.insert(order.begin() + static_cast<std::ptrdiff_t>(to), static_cast<std::int64_t>(from));
  return ir::make(ops::transpose, {e}, ops::OrderParams{std::move(order)}, where);
}

/// An input for one element of `whole`.
Expr element_of(const Expr& whole, const Expr& argument) {
  const std::vector<Dim>& shape = whole.shape();
  return tensor(whole.dtype(), {shape.begin() + 1, shape.end()}, argument.name(), argument.where());
}

/// The walk from a function's results back to its arguments.
class Mapping {
public:
  Mapping(Dim size, Location where) : size_(std::move(size)), where_(where) {}

  void add(const MappedArgument& argument) {
    values_.insert_or_assign(argument.element.node().get(), Value{argument.whole, true});
    elements_.push_back(argument.element);
  }

  void run(const std::vector<Expr>& results) {
    for (const Expr* e : ir::topological_handles(results)) {
      const Node& n = *e->node();
      if (values_.contains(&n)) continue;
      check_sizes(n);
      values_.emplace(&n, value_of(*e));
    }
  }

  /// A result with the axis at `axis`.
  Expr result(const Expr& e, int axis, std::size_t number) const {
    const Value& v = values_.at(e.node().get());
    const int rank = e.rank() + 1;
    if (axis < -rank || axis >= rank)
      support::fail<ShapeError>("vmap",
                                {.place = place_of(where_, {&e, 1}),
                                 .hint = fmt::format("axes run from {} to {}", -rank, rank - 1)},
                                "axis {} for result {}, {}, which has {} axes with the mapped one",
                                axis, number, e.label(), rank);
    const Expr whole = v.has_axis
                           ? v.expr
                           : ir::make(ops::broadcast_to, {e},
                                      ops::ShapeParams{ops::behind(size_, e.shape())}, where_);
    return moved(whole, 0, static_cast<std::size_t>(axis < 0 ? axis + rank : axis), where_);
  }

private:
  Value value_of(const Expr& e) const {
    const Node& n = *e.node();
    std::vector<Expr> inputs;
    std::vector<bool> has_axis;
    for (const Expr& i : n.inputs) {
      const Value& v = values_.at(i.node().get());
      inputs.push_back(v.expr);
      has_axis.push_back(v.has_axis);
    }
    if (std::ranges::find(has_axis, true) == has_axis.end()) return {e, false};
    const ir::BatchContext context{.op = *n.op,
                                   .params = n.params,
                                   .inputs = inputs,
                                   .has_axis = has_axis,
                                   .size = size_,
                                   .where = n.where};
    return {ops::batched(context), true};
  }

  /// A size that is the value of a mapped argument would differ from element to element.
  void check_sizes(const Node& n) const {
    ir::for_each_dim(n.params, [&](const Dim& d) {
      ir::dims::for_each_leaf(d, [&](const Dim& leaf) {
        for (const Expr& element : elements_)
          if (leaf.node()->leaf && leaf.node()->leaf.get() == element.node()->params.leaf())
            support::fail<UnsupportedError>(
                "vmap",
                {.place = place_of(n.where, {&element, 1}),
                 .hint = "take the size from an argument that is not mapped over"},
                "a size of {} is computed from {}, and so could differ from element to element",
                n.op->name, element.label());
      });
    });
  }

  Dim size_;
  Location where_;
  std::unordered_map<const Node*, Value> values_;
  std::vector<Expr> elements_;
};

/// Mapped axes are one size, or may be; what is not known is checked when a function is called.
Expr with_size_of_first(const Expr& whole, const Expr& first, std::size_t number, Location where) {
  const Dim &own = whole.shape()[0], &other = first.shape()[0];
  if (ir::dims::same(own, other)) return whole;
  const std::string what =
      fmt::format("mapped axes differ: {} has {}, argument {}, {}, has {}", first.label(),
                  other.to_string(), number, whole.label(), own.to_string());
  const std::string hint =
      "give std::nullopt as the axis of an argument that is the same for every element";
  if (own.is_static() && other.is_static()) {
    const std::vector<Expr> both{first, whole};
    support::fail<ShapeError>("vmap", {.place = place_of(where, both), .hint = hint}, "{}", what);
  }
  return ir::make(ops::reshape, {whole}, ops::ShapeParams{whole.node()->type.shape}, where,
                  {{.a = own, .b = other, .what = what, .hint = hint, .op = "vmap"}});
}

} // namespace

std::vector<Expr>
detail::map_over(const std::function<std::vector<Expr>(const std::vector<Expr>&)>& f,
                 const MappedAxes& in_axes, const std::vector<int>& out_axes,
                 const std::vector<Expr>& arguments, Location where) {
  for (const Expr& argument : arguments) detail::require_given(argument, "vmap", where);
  if (in_axes.size() > arguments.size())
    support::fail<ShapeError>(
        "vmap", {.place = place_of(where, arguments), .hint = "give one axis an argument at most"},
        "{} axes for {} arguments", in_axes.size(), arguments.size());
  std::vector<Expr> given;
  std::vector<MappedArgument> mapped;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const Expr& argument = arguments[i];
    const std::optional<int> axis = i < in_axes.size() ? in_axes[i] : std::optional<int>(0);
    if (!axis) {
      given.push_back(argument);
      continue;
    }
    Expr whole = moved(argument, checked_axis(argument, *axis, i, where), 0, where);
    if (!mapped.empty()) whole = with_size_of_first(whole, mapped[0].whole, i, where);
    given.push_back(element_of(whole, argument));
    mapped.push_back({whole, given.back()});
  }
  if (mapped.empty())
    support::fail<ShapeError>(
        "vmap",
        {.place = place_of(where, arguments),
         .hint = "map over at least one argument, or call the function itself"},
        "no argument is mapped over");
  const std::vector<Expr> results = f(given);
  for (const Expr& result : results) detail::require_given(result, "vmap", where);
  if (out_axes.size() > results.size())
    support::fail<ShapeError>(
        "vmap", {.place = place_of(where, results), .hint = "give one axis a result at most"},
        "{} axes for {} results", out_axes.size(), results.size());
  Mapping mapping(mapped[0].whole.shape()[0], where);
  for (const MappedArgument& m : mapped) mapping.add(m);
  mapping.run(results);
  std::vector<Expr> whole;
  for (std::size_t i = 0; i < results.size(); ++i)
    whole.push_back(mapping.result(results[i], i < out_axes.size() ? out_axes[i] : 0, i));
  return whole;
}

} // namespace kroton
