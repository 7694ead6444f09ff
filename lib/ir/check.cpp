#include "lib/ir/check.hpp"

#include <algorithm>
#include <limits>
#include <unordered_map>
#include <unordered_set>

namespace kroton::ir {
namespace {

template <class... Args>
void require_row(bool holds, const Op& op, fmt::format_string<Args...> format, Args&&... args) {
  if (!holds)
    support::fail<InternalError>("ops", {.hint = "see lib/ir/op.hpp"}, "the row of {} {}", op.name,
                                 fmt::format(format, std::forward<Args>(args)...));
}

/// Whether every node of the kind has this many inputs.
bool takes(const Op& op, int inputs) { return op.arity == inputs; }

/// What a reduction's row makes of a row of numbers; they are of a dtype that its op takes.
class Folder {
public:
  explicit Folder(const Op& op)
      : op_(op), dtype_(op.dtypes == Dtypes::boolean    ? DType::bool_
                        : op.dtypes == Dtypes::floating ? DType::f64
                                                        : DType::i64) {}

  /// The row's numbers as one of its dtype has them.
  std::vector<double> samples() const {
    return dtype_ == DType::bool_ ? std::vector<double>{1, 0, 1, 1}
                                  : std::vector<double>{3, -2, 5, 4};
  }
  double operator()(std::span<const double> row) const {
    const Array in = Array::from(row, {static_cast<std::int64_t>(row.size())}).astype(dtype_);
    const DType out = op_.gives_position() ? DType::i64 : dtype_;
    const Params params = AxesParams{{0}};
    const std::function<std::int64_t(const DimNode&)> no_sizes;
    const EvalContext context{.op = op_,
                              .inputs = {&in, 1},
                              .params = params,
                              .dtype = out,
                              .declared = out,
                              .shape = {},
                              .size_of = no_sizes};
    return op_.eval(context).astype(DType::f64).item<double>();
  }
  double identity() const {
    const auto of_dtype = [&](double of_floats, Wide of_others) {
      return is_float(dtype_) ? of_floats : static_cast<double>(of_others);
    };
    constexpr double infinity = std::numeric_limits<double>::infinity();
    const support::Interval all = support::integers_of(dtype_);
    switch (op_.fold->identity) {
    case Identity::zero:
      return 0;
    case Identity::one:
      return 1;
    case Identity::lowest:
      return of_dtype(-infinity, all.low);
    case Identity::highest:
      break;
    }
    return of_dtype(infinity, all.high);
  }

private:
  const Op& op_;
  DType dtype_;
};

class GraphCheck {
public:
  GraphCheck(const Graph& graph, std::string_view after)
      : graph_(graph), after_(after), order_(graph.order()), position_(graph.numel(), absent) {
    for (std::size_t i = 0; i < order_.size(); ++i) position_[at(order_[i])] = static_cast<int>(i);
  }

  void run() {
    for (NodeId id : graph_.outputs()) require_live(id, "an output");
    for (NodeId id : order_) {
      if (rows_.insert(graph_[id].op).second) check_row(*graph_[id].op);
      check_inputs(id);
    }
    for (NodeId id : order_) {
      check_axes(id);
      check_type(id);
      check_unique(id);
    }
  }

private:
  static constexpr int absent = -1;
  static std::size_t at(NodeId id) { return static_cast<std::size_t>(id); }

  template <class... Args>
  void require(bool holds, NodeId id, fmt::format_string<Args...> format, Args&&... args) const {
    if (holds) return;
    const GraphNode& n = graph_[id];
    support::fail<InternalError>("check_graph", {.place = support::describe(n.where)},
                                 "after {}, {} (node {}, {}) {}", after_, n.op->name, id,
                                 n.type.to_string(),
                                 fmt::format(format, std::forward<Args>(args)...));
  }

  void require_live(NodeId id, std::string_view what) const {
    require(graph_[id].replaced_by == no_node, id, "was replaced by node {} and is {} still",
            graph_[id].replaced_by, what);
  }

  void check_inputs(NodeId id) const {
    const GraphNode& n = graph_[id];
    require(n.op->arity < 0 || n.inputs.size() == static_cast<std::size_t>(n.op->arity), id,
            "has {} inputs where its op takes {}", n.inputs.size(), n.op->arity);
    for (NodeId i : n.inputs) {
      require_live(i, "read");
      require(position_[at(i)] < position_[at(id)], id, "depends on itself through node {}", i);
      require(std::ranges::find(graph_[i].users, id) != graph_[i].users.end(), id,
              "reads node {}, which does not have it among its users", i);
    }
  }

  /// Each of `axes` is an axis of the first input, and stands there once.
  void require_axes(NodeId id, std::vector<std::int64_t> axes) const {
    const int rank = graph_[graph_[id].inputs[0]].type.rank();
    std::ranges::sort(axes);
    require(std::ranges::adjacent_find(axes) == axes.end(), id, "names an axis twice in [{}]",
            fmt::join(axes, ","));
    require(axes.empty() || (axes.front() >= 0 && axes.back() < rank), id,
            "names the axes [{}] of an input of {} axes", fmt::join(axes, ","), rank);
  }

  void check_axes(NodeId id) const {
    const GraphNode& n = graph_[id];
    if (!n.op->is_reduction()) return;
    const Ints& axes = axes_of(n);
    require_axes(id, axes);
    require(std::ranges::is_sorted(axes), id, "names the axes [{}], which are not sorted",
            fmt::join(axes, ","));
  }

  void check_type(NodeId id) const {
    const GraphNode& n = graph_[id];
    if (n.is_leaf()) return; // has no inputs that it could disagree with
    support::SmallVector<const Type*, 4> types;
    for (NodeId i : n.inputs) types.push_back(&graph_[i].type);
    std::vector<Constraint> implied;
    InferContext context{*n.op, types, n.params, {}, n.where, implied};
    Type inferred = infer_type(context);
    inferred = graph_.canonical(inferred);
    require(same(inferred, n.type), id, "is inferred to be {}", inferred.to_string());
  }

  void check_unique(NodeId id) {
    const GraphNode& n = graph_[id];
    std::size_t key = hash(n.params) ^ (reinterpret_cast<std::uintptr_t>(n.op) >> 4);
    for (NodeId i : n.inputs) key = (key ^ at(i)) * 0x100000001B3u;
    const auto [first, last] = by_key_.equal_range(key);
    for (auto it = first; it != last; ++it) {
      const GraphNode& other = graph_[it->second];
      require(other.op != n.op || !(other.inputs == n.inputs) || !same(other.params, n.params), id,
              "is equal to node {}", it->second);
    }
    by_key_.emplace(key, id);
  }

  const Graph& graph_;
  std::string_view after_;
  std::vector<NodeId> order_;
  std::vector<int> position_;          ///< of each live node in `order_`
  std::unordered_set<const Op*> rows_; ///< that have been checked
  std::unordered_multimap<std::size_t, NodeId> by_key_;
};

} // namespace

void check_fold(const Op& op) {
  const Folder fold(op);
  const std::vector<double> row = fold.samples();
  for (const double& v : row) {
    const double want = op.gives_position() ? 0 : v, got = fold({&v, 1});
    require_row(got == want, op, "is no fold's: of {} alone it gives {} instead of {}", v, got,
                want);
  }
  if (op.gives_position()) return;
  const std::span<const double> all(row);
  const double halves[] = {fold(all.first(2)), fold(all.last(2))};
  require_row(fold(halves) == fold(all), op,
              "is no fold's: of [{}] it gives {}, of what it gives of both halves {}",
              fmt::join(row, ", "), fold(all), fold(halves));
  const double none = fold({});
  require_row(none == fold.identity(), op,
              "says that its fold starts from {}, and gives {} of no elements", fold.identity(),
              none);
}

void check_row(const Op& op) {
  require_row(!op.name.empty(), op, "has no name");
  require_row(op.infer != nullptr, op, "has no type rule");
  require_row(op.fold.has_value() == op.is_reduction(), op, "{}",
              op.fold ? "says how it folds, and is no reduction" : "does not say how it folds");
  require_row(op.is(Kind::elementwise) || !(op.eval_float || op.eval_int), op,
              "is evaluated element by element, and is not elementwise");
  bool is_called = false; // as a step of its own
  const bool has_text = !op.spelling.text.empty() || op.spell != nullptr;
  switch (op.kind) {
  case Kind::leaf:
  case Kind::generator:
    require_row(takes(op, 0), op, "has inputs");
    break;
  case Kind::elementwise:
    require_row(op.eval || op.eval_float || op.eval_int, op, "has no evaluator");
    require_row(has_text, op, "has no text for kernels");
    break;
  case Kind::reduction:
    require_row(takes(op, 1), op, "takes {} inputs instead of one", op.arity);
    require_row(op.eval != nullptr, op, "has no evaluator");
    check_fold(op);
    break;
  case Kind::movement: // what is behind its first input is no part of the value
    require_row(!takes(op, 0), op, "moves nothing");
    require_row(op.eval != nullptr, op, "has no evaluator");
    break;
  case Kind::random:
    require_row(takes(op, 1), op, "takes {} inputs instead of one", op.arity);
    require_row(op.eval != nullptr, op, "has no evaluator");
    break;
  case Kind::pad:
  case Kind::gather:
    require_row(op.eval != nullptr, op, "has no evaluator");
    break;
  case Kind::scatter:
  case Kind::contraction:
  case Kind::library:
    require_row(op.eval != nullptr, op, "has no evaluator");
    require_row(op.call != nullptr, op, "does not say how its step is called");
    is_called = true;
    break;
  case Kind::several:
    require_row(op.eval_all != nullptr, op, "has no evaluator");
    break;
  case Kind::part:
    require_row(takes(op, 1), op, "takes {} inputs instead of one", op.arity);
    break;
  }
  require_row(op.is(Kind::several) == (op.eval_all != nullptr), op,
              "is evaluated to several results, and has one");
  require_row(is_called || op.call == nullptr, op, "says how its step is called, and has none");
  require_row(op.has(Property::fallible) == (op.fail != nullptr), op, "{}",
              op.fail ? "has an error for what cannot fail" : "has no error for what may fail");
  require_row(op.is(Kind::elementwise) || !has_text, op, "has a text, and no kernel spells it");
}

void check_graph(const Graph& graph, std::string_view after) { GraphCheck(graph, after).run(); }

} // namespace kroton::ir
