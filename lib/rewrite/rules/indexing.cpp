/// Gather and its gradient: moved to where one element a row is read, turned into selections that
/// fuse, and the ops without a kernel taken apart.
///
/// A position outside its axis must still raise IndexError: rules may drop a gather or an index_add
/// only where the position counts the axis (arange), or another live gather checks it.
#include <algorithm>

#include <kroton/ops/indexing.hpp>
#include <kroton/ops/scatter.hpp>

#include "lib/ir/dim_normal.hpp"
#include "lib/ops/arithmetic.hpp"
#include "lib/ops/assemble.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/indexing.hpp"
#include "lib/ops/movement.hpp"
#include "lib/rewrite/dsl.hpp"
#include "lib/rewrite/rules/facts.hpp"
#include "lib/rewrite/rules/rules.hpp"
#include "lib/rewrite/rules/scaled.hpp"

namespace kroton::rewrite::rules {
namespace {

using namespace dsl;
namespace dims = ir::dims;

bool is_same_dim(const Dim& l, const Dim& r) { return dims::same(l, r); }

/// True if gathering reads no more elements than the gathered axes have.
bool is_not_larger(const Site& s, NodeId gathered) {
  const ir::GraphNode& n = s.node(gathered);
  const auto& from = s.type(n.inputs[0]).shape;
  const auto& positions = s.type(n.inputs[1]);
  if (positions.rank() == 0) return true;
  for (std::size_t k = 1; k < n.inputs.size(); ++k)
    if (is_iota_of(s.graph(), n.inputs[k], from[k - 1])) return true;
  const Dim after = dims::product(positions.shape);
  const Dim before = dims::product(std::span(from).first(n.inputs.size() - 1));
  return after.is_static() && before.is_static() && after.value() <= before.value();
}

/// What `positions` read of an operand that broadcasts into shape `whole`; no_node if a position
/// would go unread (`must_read_all`) that is not known to be in its axis.
NodeId gather_operand(Site& s, NodeId operand, const std::vector<Dim>& whole,
                      std::span<const NodeId> positions, bool must_read_all) {
  const std::vector<Dim> shape = s.type(operand).shape;
  const std::size_t missing = whole.size() - shape.size();
  ir::NodeIds inputs{ir::no_node}; // the source, which is made last
  std::vector<Dim> kept;
  for (std::size_t axis = 0; axis < whole.size(); ++axis) {
    if (axis >= positions.size()) {
      if (axis >= missing) kept.push_back(shape[axis - missing]);
    } else if (axis >= missing && is_same_dim(shape[axis - missing], whole[axis])) {
      inputs.push_back(positions[axis]);
      kept.push_back(whole[axis]);
    } else if (must_read_all && !is_iota_of(s.graph(), positions[axis], whole[axis])) {
      return ir::no_node;
    }
  }
  const NodeId source = s.reshape(operand, std::move(kept));
  if (inputs.size() == 1) return source;
  inputs.front() = source;
  return s.make(ops::gather, std::move(inputs));
}

/// gather(f(a, b), p) is f(gather(a, p), gather(b, p)). Every axis of f's result comes from some
/// operand, whose gather keeps checking the position.
NodeId gather_elementwise(Site& s) {
  const ir::GraphNode& root = s.node(s.root());
  const ir::GraphNode& inner = s.node(root.inputs[0]);
  if (!inner.op->is(ir::Kind::elementwise) || !is_not_larger(s, s.root())) return ir::no_node;
  const auto positions = std::span(root.inputs).subspan(1);
  ir::NodeIds inputs;
  for (NodeId i : inner.inputs)
    inputs.push_back(gather_operand(s, i, inner.type.shape, positions, false));
  return s.make(*inner.op, std::move(inputs), inner.params);
}

NodeId gather_broadcast(Site& s) {
  const ir::GraphNode& root = s.node(s.root());
  const NodeId source = s.node(root.inputs[0]).inputs[0];
  const std::vector<Dim> whole = s.type(root.inputs[0]).shape;
  const NodeId read = gather_operand(s, source, whole, std::span(root.inputs).subspan(1), true);
  return read == ir::no_node ? read : s.broadcast(read, root.type.shape);
}

/// Position 0, 1, … of the first axis alone: everything, in order.
NodeId gather_all(Site& s) {
  const ir::GraphNode& n = s.node(s.root());
  if (n.inputs.size() != 2 || !is_iota_of(s.graph(), n.inputs[1], s.type(n.inputs[0]).shape[0]))
    return ir::no_node;
  return n.inputs[0];
}

/// True if a live gather other than `except` checks `position` against an axis of `size`.
bool is_checked(const Site& s, NodeId position, const Dim& size, NodeId except = ir::no_node) {
  for (NodeId user : s.node(position).users) {
    const ir::GraphNode& u = s.node(user);
    if (user == except || u.op != &ops::gather || s.uses(user) == 0) continue;
    for (std::size_t k = 1; k < u.inputs.size(); ++k)
      if (u.inputs[k] == position && is_same_dim(s.type(u.inputs[0]).shape[k - 1], size))
        return true;
  }
  return false;
}

NodeId size_of(Site& s, const Dim& d) {
  return d.is_static() ? s.number(d.value()) : s.make(ops::size, {}, ops::SizeParams{d});
}

/// 0 … size-1.
NodeId counted(Site& s, const Dim& size) { return s.make(ops::iota, {}, ops::SizeParams{size}); }

/// The position counted from the front, if there is one.
NodeId counted_from_front(Site& s, NodeId position, const Dim& size) {
  const NodeId zero = s.number(0);
  return s.make(ops::where, {s.make(ops::less, {position, zero}),
                             s.make(ops::add, {position, size_of(s, size)}), position});
}

/// The same, and checked.
NodeId from_front(Site& s, NodeId position, const Dim& size) {
  return is_checked(s, position, size) ? counted_from_front(s, position, size)
                                       : s.make(ops::gather, {counted(s, size), position});
}

/// `id` of rank 1 as axis `axis` of an array of rank `rank`.
NodeId along(Site& s, NodeId id, std::size_t axis, std::size_t rank) {
  std::vector<Dim> shape(rank, Dim(1));
  shape[axis] = s.type(id).shape[0];
  return s.reshape(id, std::move(shape));
}

/// index_add at rows 0, 1, … adds to each row once: g where the other axes are at their
/// positions, else 0.
NodeId index_add_rows(Site& s) {
  const ir::GraphNode& n = s.node(s.root());
  const std::vector<Dim> shape = n.type.shape;
  const std::size_t k = n.inputs.size() - 1;
  if (s.type(n.inputs[1]).rank() != 1 || !is_iota_of(s.graph(), n.inputs[1], shape[0]))
    return ir::no_node;
  NodeId here = ir::no_node;
  for (std::size_t axis = 1; axis < k; ++axis) {
    const NodeId own = along(s, counted(s, shape[axis]), axis, shape.size());
    const NodeId wanted = along(s, from_front(s, n.inputs[axis + 1], shape[axis]), 0, shape.size());
    const NodeId is_here = s.make(ops::equal, {own, wanted});
    here = here == ir::no_node ? is_here : s.make(ops::logical_and, {here, is_here});
  }
  if (here == ir::no_node) return n.inputs[0];
  std::vector<Dim> added(shape);
  for (std::size_t axis = 1; axis < k; ++axis) added[axis] = Dim(1);
  const NodeId zero = s.constant(0, n.type.dtype);
  return s.make(ops::where, {here, s.reshape(n.inputs[0], std::move(added)), zero});
}

/// The position that the one-hot condition `i == p` selects along `axis`; no_node if it is none.
NodeId selected_position(const Site& s, NodeId condition, std::int64_t axis, int rank,
                         const Dim& size) {
  const ir::GraphNode& n = s.node(condition);
  if (n.op != &ops::equal) return ir::no_node;
  for (std::size_t side = 0; side < 2; ++side) {
    const NodeId counted = n.inputs[side], other = n.inputs[1 - side];
    const auto& shape = s.type(counted).shape;
    const auto missing = rank - static_cast<int>(shape.size());
    const bool is_on_axis =
        axis >= missing && is_same_dim(shape[static_cast<std::size_t>(axis - missing)], size);
    if (is_on_axis && is_iota_of(s.graph(), behind_views(s.graph(), counted), size) &&
        is_constant_along(s.graph(), other, std::span(&axis, 1), rank))
      return behind_views(s.graph(), other);
  }
  return ir::no_node;
}

/// sum(where(i == p, v, 0)) over i is v, if p is known to be one of the i.
NodeId sum_one_hot(Site& s) {
  const ir::GraphNode& root = s.node(s.root());
  const ir::GraphNode& select = s.node(root.inputs[0]);
  const ir::Ints& axes = ops::axes_of(root);
  if (axes.size() != 1) return ir::no_node;
  const int rank = select.type.rank();
  const std::int64_t axis = axes[0];
  const Dim size = select.type.shape[static_cast<std::size_t>(axis)];
  const ir::GraphNode* zero = constant_behind(s.graph(), select.inputs[2]);
  if (!zero || ops::float_value(ops::constant_in(*zero)) != 0) return ir::no_node;
  const NodeId v = select.inputs[1];
  if (!is_constant_along(s.graph(), v, axes, rank)) return ir::no_node;
  const NodeId p = selected_position(s, select.inputs[0], axis, rank, size);
  if (p == ir::no_node) return ir::no_node;
  const ir::GraphNode& position = s.node(p);
  if (position.op == &ops::gather) {
    // A gather from 0, 1, … is in range, but must stay for its check.
    if (!is_iota_of(s.graph(), position.inputs[0], size) || s.uses(root.inputs[0]) < 2)
      return ir::no_node;
  } else if (position.op != &ops::where || !is_checked(s, position.inputs[2], size)) {
    return ir::no_node;
  } else {
    // where(p < 0, p + size, p)
    const ir::GraphNode &is_negative = s.node(position.inputs[0]),
                        &moved = s.node(position.inputs[1]);
    const NodeId raw = position.inputs[2];
    if (is_negative.op != &ops::less || is_negative.inputs[0] != raw ||
        !is_constant(s.graph(), is_negative.inputs[1], 0))
      return ir::no_node;
    if (moved.op != &ops::add || (moved.inputs[0] != raw && moved.inputs[1] != raw))
      return ir::no_node;
    const NodeId by = moved.inputs[0] == raw ? moved.inputs[1] : moved.inputs[0];
    const bool is_size =
        s.node(by).op == &ops::size
            ? is_same_dim(s.node(by).params.as<ops::SizeParams>().size, size)
            : size.is_static() && is_constant(s.graph(), by, static_cast<double>(size.value()));
    if (!is_size) return ir::no_node;
  }
  NodeId value = v;
  while (s.node(value).op == &ops::broadcast_to && s.type(value).rank() == rank)
    value = s.node(value).inputs[0];
  std::vector<Dim> shape = s.type(value).shape;
  const auto lacking = rank - static_cast<int>(shape.size());
  if (axis >= lacking) shape.erase(shape.begin() + (axis - lacking));
  return s.broadcast(s.reshape(value, std::move(shape)), root.type.shape);
}

/// unslice has no kernel. Where the slice is not empty, each element reads the one it came from, or
/// is 0; else (positions of an empty axis cannot be read) the elements are added to zeros.
NodeId take_unslice_apart(Site& s) {
  const ir::GraphNode& n = s.node(s.root());
  const NodeId x = n.inputs[0];
  const std::vector<Dim> shape = n.type.shape, part = s.type(x).shape;
  const std::size_t rank = shape.size();
  const auto& [starts, steps, whole] = n.params.as<ops::SliceParams>();
  auto is_whole = [&](std::size_t i) {
    return steps[i] == 1 && starts[i].is(0) && is_same_dim(part[i], shape[i]);
  };
  std::size_t k = rank;
  while (k > 0 && is_whole(k - 1)) --k;
  if (k == 0) return x;

  bool is_never_empty = true;
  for (std::size_t i = 0; i < k; ++i)
    is_never_empty = is_never_empty && (is_whole(i) || s.is_positive(part[i]));
  ir::NodeIds inputs{x};
  if (!is_never_empty) {
    const std::vector<Dim> positions(part.begin(), part.begin() + static_cast<std::ptrdiff_t>(k));
    for (std::size_t i = 0; i < k; ++i) {
      NodeId p = counted(s, part[i]);
      if (steps[i] != 1) p = s.make(ops::mul, {p, s.number(steps[i])});
      if (!starts[i].is(0)) p = s.make(ops::add, {p, size_of(s, starts[i])});
      inputs.push_back(s.broadcast(along(s, p, i, k), positions));
    }
    return s.make(ops::index_add, std::move(inputs), ops::ShapeParams{whole});
  }

  NodeId is_inside = ir::no_node;
  const std::vector<Dim> positions(shape.begin(), shape.begin() + static_cast<std::ptrdiff_t>(k));
  for (std::size_t i = 0; i < k; ++i) {
    NodeId p = counted(s, shape[i]);
    if (!is_whole(i)) {
      const std::int64_t step = steps[i];
      const NodeId last = size_of(s, dims::sub(part[i], Dim(1)));
      const Dim start = dims::below(starts[i], shape[i]); // of a part that has elements
      if (!start.is(0)) p = s.make(ops::sub, {p, size_of(s, start)});
      NodeId hits = ir::no_node;
      if (step != 1) {
        hits = s.make(ops::equal, {s.make(ops::mod, {p, s.number(step)}), s.number(0)});
        p = s.make(ops::floor_div, {p, s.number(step)});
      }
      NodeId is_here = s.make(ops::logical_and, {s.make(ops::greater_equal, {p, s.number(0)}),
                                                 s.make(ops::less_equal, {p, last})});
      if (hits != ir::no_node) is_here = s.make(ops::logical_and, {is_here, hits});
      is_here = along(s, is_here, i, rank);
      is_inside =
          is_inside == ir::no_node ? is_here : s.make(ops::logical_and, {is_inside, is_here});
      p = s.make(ops::minimum, {s.make(ops::maximum, {p, s.number(0)}), last});
    }
    inputs.push_back(s.broadcast(along(s, p, i, k), positions));
  }
  const NodeId zero = s.constant(0, n.type.dtype);
  return s.make(ops::where, {is_inside, s.make(ops::gather, std::move(inputs)), zero});
}

/// Positions are taken as they are, of any dtype that an i64 holds.
NodeId drop_casts_of_positions(Site& s) {
  ir::NodeIds inputs = s.node(s.root()).inputs;
  bool has_changed = false;
  for (std::size_t k = 1; k < inputs.size(); ++k) {
    const ir::GraphNode& n = s.node(inputs[k]);
    if (n.op != &ops::cast) continue;
    const DType from = s.type(n.inputs[0]).dtype;
    if (!is_integer(from) || from == DType::u64) continue;
    inputs[k] = n.inputs[0];
    has_changed = true;
  }
  return has_changed ? s.make(ops::index_add, std::move(inputs), s.node(s.root()).params)
                     : ir::no_node;
}

/// The position counted from the front, and checked by a step of its own: a zero is looked up where
/// it says, of which there is one in memory.
NodeId checked_position(Site& s, NodeId position, const Dim& size) {
  if (is_iota_of(s.graph(), behind_views(s.graph(), position), size)) return position;
  if (s.type(position).dtype != DType::i64)
    position = s.make(ops::cast, {position}, ops::CastParams{DType::i64});
  const NodeId zeros = s.broadcast(s.number(0), {size});
  return s.make(ops::add,
                {s.make(ops::gather, {zeros, position}), counted_from_front(s, position, size)});
}

/// base + alpha * index_add(g): g is added to the base, whose memory the result may take. Positions
/// are checked before, so that nothing can fail once something was written.
NodeId add_to(Site& s, NodeId base, NodeId added, bool is_subtracted) {
  const ir::Type type = s.type(s.root());
  if (!dims::same(s.type(base).shape, type.shape) || !dims::same(s.type(added).shape, type.shape) ||
      constant_behind(s.graph(), base))
    return ir::no_node;
  const Scaled found = peel(s, added, ops::index_add);
  if (found.node == ir::no_node) return ir::no_node;
  const ir::NodeIds from = s.node(found.node).inputs;
  if (is_iota_of(s.graph(), from[1], type.shape[0])) return ir::no_node; // see index_add_rows
  if (!is_float(type.dtype) && found.alpha != ir::no_node) return ir::no_node;
  ir::NodeIds inputs{base, factor_of(s, found, type.dtype, is_subtracted), from[0]};
  for (std::size_t k = 1; k < from.size(); ++k)
    inputs.push_back(checked_position(s, from[k], type.shape[k - 1]));
  return s.make(ops::index_add_to, std::move(inputs));
}
NodeId add_lookups(Site& s) { return add_to(s, s["x"], s["y"], false); }
NodeId subtract_lookups(Site& s) { return add_to(s, s["x"], s["y"], true); }

/// Parts are read by each element of the result, instead of written to their places, where that is
/// less work: where they are few, and cover much, of which large sizes decide. A step of its own
/// writes each part, reads it, and reads and writes its place; reading looks at each part for each
/// element.
NodeId take_assemble_apart(Site& s) {
  constexpr double reading = 1.5, writing = 4; // what an element costs
  const ir::GraphNode& n = s.node(s.root());
  const ir::DimList shape = n.type.shape;
  const std::size_t parts = n.inputs.size() - 1, rank = shape.size();
  const ir::GraphNode* zero = constant_behind(s.graph(), n.inputs[0]);
  if (!zero || ops::float_value(ops::constant_in(*zero)) != 0) return ir::no_node;
  std::vector<ops::Window> windows;
  double covered = 0;
  for (std::size_t k = 0; k < parts; ++k) {
    const ops::Window& w =
        windows.emplace_back(ops::window_of(n.params.as<ops::AssembleParams>(), k, rank));
    double share = 1;
    for (std::size_t i = 0; i < rank; ++i) {
      const auto of_axis = dims::share(w.lengths[i], shape[i]);
      if (!of_axis || w.lengths[i].is(0)) return ir::no_node;
      share *= *of_axis;
    }
    covered += share;
  }
  if (reading * static_cast<double>(parts) > 1 + writing * covered) return ir::no_node;
  for (const ops::Window& w : windows)
    if (!std::ranges::all_of(w.lengths, [&](const Dim& d) { return s.is_positive(d); }))
      return ir::no_node;
  NodeId sum = ir::no_node;
  const ir::NodeIds inputs = n.inputs;
  for (std::size_t k = 0; k < parts; ++k) {
    const ops::Window& w = windows[k];
    const NodeId part = s.make(ops::unslice, {s.reshape(inputs[k + 1], w.lengths)},
                               ops::SliceParams{w.starts, w.steps, shape});
    sum = sum == ir::no_node ? part : s.make(ops::add, {sum, part});
  }
  return sum;
}

/// The gradients of two slices of x[10], and of four that are short.
Expr assemble_example() {
  const Expr g = tensor<float>({8}, "g");
  return ops::assemble_parts({Dim(10)},
                             {{g, {{Dim(0)}, {1}, {Dim(8)}}}, {g, {{Dim(2)}, {1}, {Dim(8)}}}},
                             Location::current());
}
Expr assemble_near_miss() {
  const Expr g = tensor<float>({1}, "g");
  std::vector<ops::Part> parts;
  for (std::int64_t i = 0; i < 4; ++i) parts.push_back({g, {{Dim(i)}, {1}, {Dim(1)}}});
  return ops::assemble_parts({Dim(10)}, std::move(parts), Location::current());
}

/// The gradient of a slice of x[10] that goes down.
Expr unslice_example() {
  const Expr g = tensor<float>({4}, "g");
  return ir::make(ops::unslice, {g}, ops::SliceParams{{Dim(8)}, {-2}, {Dim(10)}},
                  Location::current());
}

Expr labels() { return tensor<std::int64_t>({3}, "y"); }

/// An update of some rows of a table.
struct Rows {
  Expr table = tensor<float>({5, 4}, "table"), rows = labels(), g = tensor<float>({3, 4}, "g"),
       rate = kroton::scalar<float>("rate");
  Expr added() const { return kroton::index_add({Dim(5), Dim(4)}, {rows}, g); }
};
Expr matrix34(const char* name) { return tensor<float>({3, 4}, name); }
Expr pick(const Expr& e) { return kroton::index(e, {kroton::arange(3), labels()}); }

Expr index_add_example() {
  const Expr position = labels();
  return kroton::index_add({Dim(3), Dim(4)}, {kroton::arange(3), position},
                           tensor<float>({3}, "g"));
}
Expr index_add_near_miss() {
  return kroton::index_add({Dim(3), Dim(4)}, {labels(), labels()}, tensor<float>({3}, "g"));
}

Expr one_hot_sum_example() {
  const Expr position = labels(), v = tensor<float>({3, 1}, "v");
  const Expr front = kroton::where(position < 0, position + 4, position);
  const Expr selected = kroton::where(kroton::arange(4) == kroton::reshape(front, {3, 1}), v, 0.0);
  return kroton::sum(selected, {1}) * kroton::index(matrix34("x"), {kroton::arange(3), position});
}
Expr unchecked_one_hot_sum() {
  return kroton::sum(kroton::where(kroton::arange(4) == kroton::reshape(labels(), {3, 1}),
                                   tensor<float>({3, 1}, "v"), 0.0),
                     {1});
}

} // namespace

const RuleSet& indexing() {
  static const RuleSet set{
      "indexing",
      {
          rule("gather-elementwise", any(ops::gather, {any(ir::Kind::elementwise)}),
               gather_elementwise)
              .on([] {
                return pick(matrix34("x") - kroton::log(tensor<float>({3, 1}, "s")));
              })
              .but_not([] {
                return kroton::index(kroton::exp(tensor<float>({4}, "x")),
                                     {tensor<std::int64_t>({9}, "p")});
              }),
          rule("gather-broadcast", any(ops::gather, {any(ops::broadcast_to, {x})}),
               gather_broadcast)
              .on([] {
                return kroton::index(kroton::broadcast_to(tensor<float>({1, 4}, "x"), {3, 4}),
                                     {kroton::arange(3), labels()});
              })
              .but_not([] {
                return pick(kroton::broadcast_to(tensor<float>({3, 1}, "x"), {3, 4}));
              }),
          rule("gather-all", any(ops::gather, {x, any(ops::iota, {})}), gather_all)
              .on([] { return kroton::index(matrix34("x"), {kroton::arange(3)}); })
              .but_not([] { return kroton::index(matrix34("x"), {kroton::arange(2)}); }),
          rule("index-add-rows", any(ops::index_add, {x, any(ops::iota, {})}), index_add_rows)
              .with(Liberty::summation)
              .on(index_add_example)
              .but_not(index_add_near_miss),
          rule("sum-one-hot", any(ops::sum, {any(ops::where, {})}), sum_one_hot)
              .with(Liberty::summation)
              .on(one_hot_sum_example)
              .but_not(unchecked_one_hot_sum),
          rule("index-add-casts", any(ops::index_add, {}), drop_casts_of_positions)
              .on([] {
                return kroton::index_add({Dim(5)}, {tensor<std::int32_t>({3}, "p")},
                                         tensor<float>({3}, "g"));
              })
              .but_not(
                  [] { return kroton::index_add({Dim(5)}, {labels()}, tensor<float>({3}, "g")); }),
          rule("add-lookups", x + y, add_lookups)
              .with(Liberty::contraction)
              .on([] {
                const Rows r;
                return r.table + r.added();
              })
              .but_not([] {
                const Rows r;
                const Expr added = r.added();
                return (r.table + added) * added;
              }),
          rule("subtract-lookups", x - y, subtract_lookups)
              .with(Liberty::contraction)
              .on([] {
                const Rows r;
                return r.table - r.rate * r.added();
              })
              .but_not([] {
                const Rows r;
                return r.table - r.table * r.added();
              }),
          rule("assemble-few", any(ops::assemble, {}), take_assemble_apart)
              .with(Liberty::summation)
              .on(assemble_example)
              .but_not(assemble_near_miss),
          rule("unslice", any(ops::unslice, {x}), take_unslice_apart)
              .needed()
              .with(Liberty::summation)
              .on(unslice_example),
      }};
  return set;
}

} // namespace kroton::rewrite::rules
