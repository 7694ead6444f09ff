#include "lib/plan/lower.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <unordered_map>

#include "lib/ops/arithmetic.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/random.hpp"
#include "lib/plan/known_positions.hpp"

namespace kroton::plan {
namespace dims = ir::dims;
using ir::Kind;

namespace {

/// Work that a later stage of a row would have to repeat is kept in scratch from this cost on.
constexpr int worth_keeping = 4;

class Lowering {
public:
  Lowering(const Graph& graph, const Group& group, const std::set<NodeId>& stored,
           const Padding& padding, bool splits_reductions)
      : graph_(graph), group_(group), stored_(stored), padding_(padding),
        shares_sums_(splits_reductions), at_(group.unrolled.size(), 0) {
    for (const Member& m : group.members) members_.emplace(m.id, &m);
  }

  Lowered run() {
    kernel_.axes = group_.axes;
    kernel_.rows = group_.rows;
    const bool is_scalar = group_.axes.empty();
    kernel_.stages.resize(static_cast<std::size_t>(is_scalar ? 0 : group_.levels));
    for (const Member& m : group_.members) {
      std::int64_t copies = 1;
      for (int k : m.unrolled) copies *= group_.unrolled[static_cast<std::size_t>(k)];
      kernel_.cost += copies * graph_[m.id].op->cost;
    }

    for (const Member& m : group_.members)
      if (m.site == Site::prologue) for_each_copy(m, [&] { value_in_prologue(m.id); });
    for (int level = 0; level < static_cast<int>(kernel_.stages.size()); ++level)
      lower_stage(level);
    lower_finish();
    kernel_.title = title();
    simplify_loops(kernel_);
    kernel_.values.shrink_to_fit();
    return {std::move(kernel_), std::move(params_)};
  }

private:
  /// A value of a node: where it is computed over unrolled axes, one of several.
  struct Copy {
    NodeId id;
    std::int64_t number;
    auto operator<=>(const Copy&) const = default;
  };
  /// The copy of a member's result where the unrolled axes are at `at_`.
  Copy copy_of(const Member& m) const {
    std::int64_t number = 0;
    for (int k : m.unrolled)
      if (std::ranges::find(m.unrolled_reduced, k) == m.unrolled_reduced.end())
        number = number * group_.unrolled[static_cast<std::size_t>(k)] +
                 at_[static_cast<std::size_t>(k)];
    return {m.id, number};
  }
  /// Calls `f` with the unrolled axes at each position of the given ones.
  template <class F> void for_each_position(const AxisList& unrolled, F f) {
    const std::vector<std::int64_t> before = at_;
    for (int k : unrolled) at_[static_cast<std::size_t>(k)] = 0;
    for (bool is_done = false; !is_done;) {
      f();
      is_done = true;
      for (std::size_t i = unrolled.size(); is_done && i-- > 0;) {
        const auto k = static_cast<std::size_t>(unrolled[i]);
        is_done = ++at_[k] == group_.unrolled[k];
        if (is_done) at_[k] = 0;
      }
    }
    at_ = before;
  }
  /// Calls `f` for each copy of a member's result.
  template <class F> void for_each_copy(const Member& m, F f) {
    AxisList kept;
    std::ranges::set_difference(m.unrolled, m.unrolled_reduced, std::back_inserter(kept));
    for_each_position(kept, f);
  }
  /// Where the unrolled axis that a member's axis stands for is.
  std::int64_t position_of(int axis) const {
    return at_[static_cast<std::size_t>(number_of_unrolled(axis))];
  }

  /// Where values are being put, and the scopes around it that it can see.
  struct Scope {
    enum Kind { prologue, row, inside } kind;
    Block* block;
    std::map<Copy, int>* values;
    Scope* outside;

    /// The scope of `wanted` kind around this one; this one if there is none.
    Scope& enclosing(Kind wanted) {
      for (Scope* s = this; s; s = s->outside)
        if (s->kind == wanted) return *s;
      return *this;
    }
  };

  const Member* find(NodeId id) const {
    const auto it = members_.find(id);
    return it == members_.end() ? nullptr : it->second;
  }

  bool has_inner() const { return group_.rows < static_cast<int>(group_.axes.size()); }

  int add_value(Block& block, Value v) {
    const int id = static_cast<int>(kernel_.values.size());
    kernel_.values.push_back(std::move(v));
    block.values.push_back(id);
    return id;
  }

  int param_of(NodeId node, bool reads) {
    const NodeId storage = storage_of(graph_, node);
    auto [it, is_new] = param_index_.emplace(storage, static_cast<int>(params_.size()));
    if (is_new) {
      params_.push_back(storage);
      kernel_.params.push_back({graph_[storage].type.dtype});
    }
    Param& p = kernel_.params[static_cast<std::size_t>(it->second)];
    (reads ? p.is_read : p.is_written) = true;
    return it->second;
  }

  /// The reader's axes as group axes, turned into terms over the memory of `base`.
  Access access_of(NodeId base, const AxisMaps& maps, const AxisList& reader_axes, bool reads) {
    Access a;
    a.param = param_of(base, reads);
    const auto strides = padding_.strides(base);
    for (std::size_t i = 0; i < maps.size(); ++i) add_axis(a, maps[i], strides[i], reader_axes);
    return a;
  }

  void add_axis(Access& a, const AxisMap& map, const Dim& stride, const AxisList& reader_axes) {
    if (!map.start.is(0)) a.offset = dims::add(a.offset, dims::mul(map.start, stride));
    if (map.axis < 0) return;
    const int axis = reader_axes[static_cast<std::size_t>(map.axis)];
    if (axis == -1) return;
    Dim c = dims::mul(stride, Dim(std::abs(map.step)));
    if (map.step < 0) c = dims::sub(Dim(0), c);
    if (axis < 0) {
      a.offset = dims::add(a.offset, dims::mul(c, Dim(position_of(axis))));
      return;
    }
    // A diagonal moves along two axes of its base at once.
    if (const auto same = std::ranges::find(a.terms, axis, &Term::axis); same != a.terms.end())
      same->coefficient = dims::add(same->coefficient, c);
    else
      a.terms.push_back({axis, std::move(c)});
  }

  /// The element of a member's own result at the current position.
  Access own_element(const Member& m, bool reads) {
    Access a;
    const auto place = place_in_join(graph_, m.id);
    const NodeId storage = place ? place->whole : m.id;
    a.param = param_of(storage, reads);
    AxisList axes;
    const ir::Ints& reduced = ops::reduced_axes(graph_[m.id]);
    for (std::size_t i = 0; i < m.axes.size(); ++i)
      if (std::ranges::find(reduced, static_cast<std::int64_t>(i)) == reduced.end())
        axes.push_back(m.axes[i]);
    const auto strides = padding_.strides(storage);
    for (std::size_t i = 0; place && i < strides.size(); ++i)
      a.offset = dims::add(a.offset, dims::mul(place->starts[i], strides[i]));
    for (std::size_t i = 0; i < axes.size(); ++i)
      if (axes[i] >= 0)
        a.terms.push_back({axes[i], strides[i]});
      else if (axes[i] != -1)
        a.offset = dims::add(a.offset, dims::mul(strides[i], Dim(position_of(axes[i]))));
    return a;
  }

  /// The value of `view` as read by a member with `reader_axes`.
  int read(const View& view, const AxisList& reader_axes, Scope& scope) {
    const ir::GraphNode& n = graph_[view.base];
    if (const Member* m = find(view.base)) return member_value(*m, scope);
    if (n.op == &ops::constant) return literal(n.type.dtype, ops::constant_in(n).bits(), scope);
    if (n.op == &ops::size) {
      Value v{.kind = ValueKind::size,
              .dtype = DType::i64,
              .access = Access{.offset = n.params.as<ops::SizeParams>().size},
              .node = view.base};
      return add_value(*scope.block, std::move(v));
    }
    if (n.op == &ops::iota) {
      Access position;
      add_axis(position, view.axes[0], Dim(1), reader_axes);
      return add_value(
          *scope.block,
          {.kind = ValueKind::index, .dtype = DType::i64, .access = std::move(position)});
    }
    KROTON_CHECK(!n.op->is(Kind::generator), "no kernel makes {} of positions", n.op->name);
    return load(access_of(view.base, view.axes, reader_axes, true), n.type.dtype, view.base, scope);
  }

  /// What a scope has loaded.
  struct Load {
    const void* place;
    Scope::Kind kind;
    int value;
  };
  static bool is_same(const Access& a, const Access& b) {
    return a.param == b.param && dims::same(a.offset, b.offset) &&
           std::ranges::equal(a.terms, b.terms, [](const Term& s, const Term& t) {
             return s.axis == t.axis && dims::same(s.coefficient, t.coefficient);
           });
  }

  /// Loads once in each scope, and as far out as the element stays the same.
  int load(Access access, DType dtype, NodeId node, Scope& scope) {
    auto is_inner = [&](const Term& t) { return t.axis >= group_.rows; };
    Scope* home = &scope;
    if (access.terms.empty())
      home = &scope.enclosing(Scope::prologue);
    else if (has_inner() && std::ranges::none_of(access.terms, is_inner))
      home = &scope.enclosing(Scope::row);
    // Row values stay visible in later stages; what a loop loads is its own.
    const void* place = home->kind == Scope::inside ? static_cast<void*>(home->block) : nullptr;
    for (const Load& l : loads_)
      if (l.place == place && l.kind == home->kind &&
          is_same(kernel_.values[static_cast<std::size_t>(l.value)].access, access))
        return l.value;
    const int id = add_value(
        *home->block,
        {.kind = ValueKind::load, .dtype = dtype, .access = std::move(access), .node = node});
    loads_.push_back({place, home->kind, id});
    return id;
  }

  int literal(DType dtype, std::uint64_t bits, Scope& scope) {
    return add_value(*scope.block, {.kind = ValueKind::literal, .dtype = dtype, .bits = bits});
  }

  /// A member's value in `scope`: known already, a reduction's result, kept in scratch, or
  /// computed here (again, if another stage did too).
  int member_value(const Member& m, Scope& scope) {
    const Copy copy = copy_of(m);
    for (Scope* s = &scope; s; s = s->outside)
      if (const auto it = s->values->find(copy); it != s->values->end()) return it->second;
    if (m.site == Site::prologue && scope.kind != Scope::prologue)
      return member_value(m, scope.enclosing(Scope::prologue));
    const bool is_row_result = m.is_reduction && !m.is_outer;
    if ((is_row_result || (m.is_row_value && has_inner())) && scope.kind == Scope::inside) {
      if (Scope& row = scope.enclosing(Scope::row); &row != &scope) return member_value(m, row);
    }
    int id = 0;
    if (m.is_reduction) {
      Value v{.kind = ValueKind::result,
              .dtype = graph_[m.id].type.dtype,
              .reduction = reduction_index_.at(copy),
              .node = m.id};
      id = add_value(*scope.block, std::move(v));
    } else if (const auto kept = kept_.find(copy); kept != kept_.end()) {
      Value v{.kind = ValueKind::load,
              .dtype = graph_[m.id].type.dtype,
              .access = kept->second,
              .node = m.id};
      if (v.access->param >= 0)
        kernel_.params[static_cast<std::size_t>(v.access->param)].is_read = true;
      id = add_value(*scope.block, std::move(v));
    } else {
      id = compute(m, scope);
    }
    scope.values->emplace(copy, id);
    return id;
  }

  int compute(const Member& m, Scope& scope) {
    const ir::GraphNode& n = graph_[m.id];
    if (!m.unrolled_reduced.empty()) return fold(m, scope);
    switch (n.op->kind) {
    case Kind::elementwise:
      return elementwise(m, scope);
    case Kind::gather:
      return gather(m, scope);
    case Kind::random:
      return uniform(m, scope);
    case Kind::reduction: // of which there is a result already
    case Kind::leaf:
    case Kind::generator:
    case Kind::movement:
    case Kind::pad:
    case Kind::scatter:
    case Kind::contraction:
    case Kind::library:
    case Kind::several:
    case Kind::part:
      break;
    }
    KROTON_CHECK(false, "{} is computed by no kernel", n.op->name);
    return {};
  }

  /// What a reduction reads, folded over the unrolled axes that it reduces.
  int fold(const Member& m, Scope& scope) {
    const Edge edge = elementwise_edges(graph_, m.id)[0];
    std::vector<int> parts;
    for_each_position(m.unrolled_reduced, [&] { parts.push_back(read(edge.view, m.axes, scope)); });
    const ir::GraphNode& n = graph_[m.id];
    // Operands are rounded first, as those of a loop's fold are.
    const auto step = [&](int a, int b) {
      return add_value(*scope.block, {.kind = ValueKind::op,
                                      .dtype = n.type.dtype,
                                      .op = step_of_fold(*n.op),
                                      .inputs = {a, b},
                                      .bits = 1,
                                      .node = m.id});
    };
    // In the order of the loops: along the last axis halves are folded onto each other, as lanes of
    // vectors are.
    int last = -1;
    for (int a : m.axes)
      if (a != -1) last = a;
    const bool is_last =
        last < 0 &&
        std::ranges::find(m.unrolled_reduced, number_of_unrolled(last)) != m.unrolled_reduced.end();
    for (std::size_t i = 1; i < parts.size() && !is_last; ++i) parts[0] = step(parts[0], parts[i]);
    for (std::size_t half = std::bit_ceil(parts.size()) / 2; half > 0 && is_last; half /= 2) {
      for (std::size_t i = half; i < parts.size(); ++i)
        parts[i - half] = step(parts[i - half], parts[i]);
      parts.resize(std::min(parts.size(), half));
    }
    // A sum of negative zeros is a positive one, as that of a loop is.
    if (n.op == &ops::sum && is_float(n.type.dtype))
      return step(parts[0], literal(n.type.dtype, 0, scope));
    return parts[0];
  }

  int elementwise(const Member& m, Scope& scope) {
    const ir::GraphNode& n = graph_[m.id];
    support::SmallVector<int, 2> inputs;
    for (const Edge& e : elementwise_edges(graph_, m.id))
      inputs.push_back(read(e.view, m.axes, scope));
    if (n.op == &ops::copy) return inputs[0];
    return add_value(*scope.block, {.kind = ValueKind::op,
                                    .dtype = n.type.dtype,
                                    .op = n.op,
                                    .inputs = std::move(inputs),
                                    .node = m.id});
  }

  int gather(const Member& m, Scope& scope) {
    const ir::GraphNode& n = graph_[m.id];
    const std::size_t positions = n.inputs.size() - 1;
    const std::size_t position_rank = graph_[n.inputs[1]].type.shape.size();
    const auto& source_shape = graph_[n.inputs[0]].type.shape;
    // The source's trailing axes follow the result's, its leading ones are computed.
    AxisMaps maps(source_shape.size());
    for (std::size_t i = positions; i < maps.size(); ++i)
      if (!source_shape[i].is(1)) maps[i].axis = static_cast<int>(position_rank + i - positions);
    // Markers past the result's axes stand for the computed positions.
    const int marker = static_cast<int>(m.axes.size());
    for (std::size_t i = 0; i < positions; ++i) maps[i].axis = marker + static_cast<int>(i);
    const View source = resolve_view(graph_, n.inputs[0], maps);

    const auto edges = elementwise_edges(graph_, m.id);
    Access read_at;
    read_at.param = param_of(source.base, true);
    const auto strides = padding_.strides(source.base);
    std::vector<bool> is_used(positions, false);
    auto computed = [&](std::size_t k, Dim coefficient) {
      const int site = static_cast<int>(kernel_.sites.size());
      kernel_.sites.emplace_back(m.id, static_cast<int>(k));
      const int value = read(edges[k].view, m.axes, scope);
      read_at.computed.push_back(
          {.value = value,
           .coefficient = std::move(coefficient),
           .bound = source_shape[k],
           .site = site,
           .is_inside = are_cut_off(graph_, edges[k].view, source_shape[k])});
      is_used[k] = true;
    };
    for (std::size_t i = 0; i < source.axes.size(); ++i) {
      const AxisMap& map = source.axes[i];
      if (map.axis < marker) {
        add_axis(read_at, map, strides[i], m.axes);
        continue;
      }
      if (!map.start.is(0))
        read_at.offset = dims::add(read_at.offset, dims::mul(map.start, strides[i]));
      const auto k = static_cast<std::size_t>(map.axis - marker);
      Dim c = dims::mul(strides[i], Dim(std::abs(map.step)));
      if (map.step < 0) c = dims::sub(Dim(0), c);
      if (cover_axis(graph_, edges[k].view, source_shape[k])) {
        add_axis(read_at, {edges[k].view.axes[0].axis, Dim(0), 1}, c, m.axes);
        is_used[k] = true;
      } else {
        computed(k, std::move(c));
      }
    }
    // Positions on axes that do not move (broadcast, or of size 1) are still checked.
    for (std::size_t k = 0; k < positions; ++k)
      if (!is_used[k] && !cover_axis(graph_, edges[k].view, source_shape[k])) computed(k, Dim(0));
    return add_value(*scope.block, {.kind = ValueKind::load,
                                    .dtype = n.type.dtype,
                                    .access = std::move(read_at),
                                    .node = m.id});
  }

  /// Its bits say whether logarithms are taken of the numbers.
  int uniform(const Member& m, Scope& scope) {
    const ir::GraphNode& n = graph_[m.id];
    KROTON_CHECK(n.op == &ops::uniform, "no kernel draws {}", n.op->name);
    const auto& params = n.params.as<ops::UniformParams>();
    const View state = resolve_view(graph_, n.inputs[0], 1);
    Access seed, step;
    seed.param = step.param = param_of(state.base, true);
    step.offset = Dim(1);
    Value v{.kind = ValueKind::uniform,
            .dtype = n.type.dtype,
            .op = n.op,
            .bits = params.is_positive,
            .draw = params.draw.number,
            .node = m.id};
    Access position;
    v.inputs = {load(std::move(seed), DType::u64, ir::no_node, scope),
                load(std::move(step), DType::u64, ir::no_node, scope)};
    const auto strides = dense_strides(n.type.shape);
    for (std::size_t i = 0; i < m.axes.size(); ++i)
      if (m.axes[i] >= 0) position.terms.push_back({m.axes[i], strides[i]});
    v.access = std::move(position);
    return add_value(*scope.block, std::move(v));
  }

  void value_in_prologue(NodeId id) {
    Scope scope{Scope::prologue, &kernel_.prologue, &prologue_values_, nullptr};
    member_value(*find(id), scope);
  }

  /// Where a reduction's array is: the output's own memory, unless chunks of rows have their own or
  /// its elements are wider.
  Access array_of(const Member& m, const Reduction& r) {
    if (r.is_outer || r.array_dtype != r.result_dtype) return scratch_array(r.array_dtype, r.kept);
    Access a = own_element(m, true);
    kernel_.params[static_cast<std::size_t>(a.param)].is_written = true;
    return a;
  }
  Dim row_count() const {
    Dim n(1);
    for (int a = 0; a < group_.rows; ++a)
      n = dims::mul(n, group_.axes[static_cast<std::size_t>(a)]);
    return n;
  }
  bool gives_position(const Member& m) const { return graph_[m.id].op->gives_position(); }
  Access scratch_array(DType dtype, const std::vector<int>& axes) {
    Access a;
    a.scratch = add_scratch(dtype, axes);
    a.terms = scratch_terms(axes);
    return a;
  }
  int add_scratch(DType dtype, std::vector<int> axes) {
    kernel_.scratch.push_back({dtype, std::move(axes)});
    return static_cast<int>(kernel_.scratch.size()) - 1;
  }
  std::vector<Term> scratch_terms(const std::vector<int>& axes) const {
    std::vector<Term> terms(axes.size());
    Dim stride(1);
    for (std::size_t i = axes.size(); i-- > 0;) {
      terms[i] = {axes[i], stride};
      stride = dims::mul(stride, group_.axes[static_cast<std::size_t>(axes[i])]);
    }
    return terms;
  }

  void lower_stage(int level) {
    Stage& stage = kernel_.stages[static_cast<std::size_t>(level)];
    Scope prologue{Scope::prologue, &kernel_.prologue, &prologue_values_, nullptr};
    Scope row{Scope::row, &stage.row, &row_values_, &prologue};
    std::map<Copy, int> loop_values;
    Scope loop{Scope::inside, &stage.loop, &loop_values, &row};
    for (NodeId id : next_stores_[level]) store_row_results(id, row);
    for (const Member& m : group_.members) {
      if (m.site != Site::main || m.level != level) continue;
      if (m.is_reduction)
        for_each_copy(m, [&] { lower_reduction(m, stage, row, loop); });
      else if (stored_.contains(m.id) || is_kept(m)) // others are computed where they are used
        for_each_copy(m, [&] { lower_value(m, m.is_row_value && has_inner() ? row : loop); });
    }
    kept_.insert(later_.begin(), later_.end());
    later_.clear();
  }

  /// Computes what is stored, for others or for a later stage.
  void lower_value(const Member& m, Scope& scope) {
    const int value = member_value(m, scope);
    if (stored_.contains(m.id)) {
      scope.block->stores.push_back({own_element(m, false), value});
      if (scope.kind == Scope::inside) later_[copy_of(m)] = own_element(m, false);
      return;
    }
    std::vector<int> inner;
    for (int a = group_.rows; a < static_cast<int>(group_.axes.size()); ++a) inner.push_back(a);
    const Access a = scratch_array(graph_[m.id].type.dtype, inner);
    scope.block->stores.push_back({a, value});
    later_[copy_of(m)] = a;
  }

  /// An inner value that a later stage reads and that is dear enough not to be computed twice.
  bool is_kept(const Member& m) const {
    if (!has_inner() || m.is_row_value || graph_[m.id].op->cost < worth_keeping) return false;
    return std::ranges::any_of(group_.members, [&](const Member& user) {
      return user.site == Site::main && user.level > m.level &&
             std::ranges::any_of(elementwise_edges(graph_, user.id),
                                 [&](const Edge& e) { return e.view.base == m.id; });
    });
  }

  /// Decides what a reduction is kept in: added one by one in f32, the later of many elements would
  /// be rounded away.
  void widen(const Member& m, Reduction& r) {
    const bool is_sum = r.dtype == DType::f32 && r.op->fold->combine == ir::Combine::sum;
    const bool is_wide = is_sum && !is_short(r) && !(shares_sums_ && is_partial(r));
    r.accumulator = is_wide ? DType::f64 : r.dtype;
    r.array_dtype = gives_position(m) ? r.result_dtype : r.accumulator;
    if (!r.has_array()) return;
    if (is_wide && !shares_sums_ && is_over_columns(r)) {
      if (is_one_block(r))
        r.array_dtype = r.dtype;
      else
        r.block_sum = scratch_array(r.dtype, r.kept);
    }
    r.array = array_of(m, r);
    if (!r.is_outer && r.array.scratch >= 0) r.result = own_element(m, false);
  }
  static bool is_partial(const Reduction& r) { return !r.is_outer && !r.kept.empty(); }
  /// Whether a variable takes all that an inner reduction folds in one stretch.
  bool is_short(const Reduction& r) const {
    if (shares_sums_ || r.is_outer || !r.kept.empty()) return false;
    Dim folded(1);
    for (int a : r.reduced) folded = dims::mul(folded, group_.axes[static_cast<std::size_t>(a)]);
    return folded.is_static() && folded.value() <= longest_stretch;
  }
  /// Whether the array's elements are folded one by one, by loops outside of those over them.
  bool is_over_columns(const Reduction& r) const {
    if (r.kept.empty()) return false;
    if (r.is_outer) return r.reduced.empty();
    return r.reduced.back() < r.kept.front();
  }
  /// Whether all that is folded is one block.
  bool is_one_block(const Reduction& r) const {
    if (!r.is_outer && r.reduced.size() > 1) return false;
    const Dim rows = r.is_outer ? row_count() : group_.axes[static_cast<std::size_t>(r.reduced[0])];
    return rows.is_static() && rows.value() <= longest_row_stretch;
  }

  void lower_reduction(const Member& m, Stage& stage, Scope& row, Scope& loop) {
    const ir::GraphNode& n = graph_[m.id];
    Reduction r;
    r.op = n.op;
    r.is_outer = m.is_outer;
    r.result_dtype = n.type.dtype;
    const Edge edge = elementwise_edges(graph_, m.id)[0];
    const bool over_rows_only = m.domain.size() == static_cast<std::size_t>(group_.rows);
    Scope& scope = over_rows_only && has_inner() ? row : loop;
    r.value = m.unrolled_reduced.empty() ? read(edge.view, m.axes, scope) : fold(m, scope);
    r.dtype = kernel_.values[static_cast<std::size_t>(r.value)].dtype;
    for (int a : m.domain) {
      if (a < group_.rows) continue;
      (std::ranges::find(m.reduced, a) != m.reduced.end() ? r.reduced : r.kept).push_back(a);
    }
    widen(m, r);
    if (n.op->gives_position()) {
      if (r.has_array()) r.best = scratch_array(r.dtype, r.kept);
      std::vector<Dim> sizes;
      for (int a : m.reduced) sizes.push_back(group_.axes[static_cast<std::size_t>(a)]);
      const auto strides = dense_strides(sizes);
      for (std::size_t i = 0; i < m.reduced.size(); ++i)
        r.position.terms.push_back({m.reduced[i], strides[i]});
    }
    const int index = static_cast<int>(kernel_.reductions.size());
    kernel_.reductions.push_back(std::move(r));
    reduction_index_.emplace(copy_of(m), index);
    stage.reductions.push_back(index);
    // A row's result is stored when its stage's loop is done: with the next stage's row values.
    if (!m.is_outer && stored_.contains(m.id) && kernel_.reductions.back().kept.empty()) {
      const auto next = static_cast<std::size_t>(m.level) + 1;
      std::vector<NodeId>& stores =
          next == kernel_.stages.size() ? tail_stores_ : next_stores_[m.level + 1];
      if (stores.empty() || stores.back() != m.id) stores.push_back(m.id);
    }
  }

  void lower_finish() {
    Scope prologue{Scope::prologue, &kernel_.prologue, &prologue_values_, nullptr};
    if (!tail_stores_.empty()) {
      kernel_.stages.emplace_back();
      Scope row{Scope::row, &kernel_.stages.back().row, &row_values_, &prologue};
      for (NodeId id : tail_stores_) store_row_results(id, row);
    }

    // Scalars first: loops over kept axes may read them.
    std::vector<std::vector<int>> domains;
    for (const Member& m : group_.members)
      if (is_finished(m)) {
        std::vector<int> d = kept_axes(m);
        if (std::ranges::find(domains, d) == domains.end()) domains.push_back(std::move(d));
      }
    std::ranges::stable_sort(domains, {}, &std::vector<int>::size);
    std::map<Copy, int> scalars;
    for (const auto& domain : domains) {
      kernel_.finish.push_back({domain, {}});
      std::map<Copy, int> own;
      Scope scalar_scope{Scope::inside, nullptr, &scalars, &prologue};
      Scope scope{Scope::inside, &kernel_.finish.back().block, domain.empty() ? &scalars : &own,
                  domain.empty() ? &prologue : &scalar_scope};
      for (const Member& m : group_.members) {
        if (!is_finished(m) || kept_axes(m) != domain) continue;
        for_each_copy(m, [&] {
          const int value = member_value(m, scope);
          if (stored_.contains(m.id))
            kernel_.finish.back().block.stores.push_back({own_element(m, false), value});
        });
      }
    }
  }

  /// The results of an inner reduction are stored once a row, after the loop that makes them.
  void store_row_results(NodeId id, Scope& row) {
    const Member& m = *find(id);
    for_each_copy(m, [&] {
      const int value = member_value(m, row);
      row.block->stores.push_back({own_element(m, false), value});
    });
  }

  bool is_finished(const Member& m) const {
    return m.site == Site::finish || m.is_outer ||
           (m.site == Site::prologue && stored_.contains(m.id));
  }
  std::vector<int> kept_axes(const Member& m) const {
    std::vector<int> kept;
    std::ranges::set_difference(m.domain, m.reduced, std::back_inserter(kept));
    return kept;
  }

  std::string title() const {
    bool inner = false, outer = false, gather = false;
    for (const Member& m : group_.members) {
      (m.is_outer ? outer : inner) |= graph_[m.id].op->is_reduction();
      gather |= graph_[m.id].op->is(Kind::gather);
    }
    std::string text = inner && outer ? "rows and columns"
                       : inner        ? "row reduction"
                       : outer        ? "reduction"
                       : gather       ? "gather"
                                      : "elementwise";
    return text;
  }

  const Graph& graph_;
  const Group& group_;
  const std::set<NodeId>& stored_;
  const Padding& padding_;
  const bool shares_sums_;
  std::unordered_map<NodeId, const Member*> members_;
  std::vector<std::int64_t> at_; ///< where each unrolled axis is
  Kernel kernel_;
  std::vector<NodeId> params_;
  std::map<NodeId, int> param_index_;
  std::map<Copy, int> prologue_values_, row_values_;
  std::map<Copy, int> reduction_index_;
  std::map<Copy, Access> kept_, later_; ///< inner values that memory holds for later stages
  std::vector<NodeId> tail_stores_;
  std::map<int, std::vector<NodeId>> next_stores_;
  std::vector<Load> loads_;
};

} // namespace

Lowered lower(const Graph& graph, const Group& group, const std::set<NodeId>& stored,
              const Padding& padding, bool splits_reductions) {
  return Lowering(graph, group, stored, padding, splits_reductions).run();
}

} // namespace kroton::plan
