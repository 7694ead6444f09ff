#include "lib/grad/pattern.hpp"

#include <algorithm>
#include <memory>
#include <numeric>
#include <optional>
#include <unordered_map>

#include "lib/ir/eval.hpp"
#include "lib/ir/graph.hpp"
#include "lib/ops/assemble.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/indexing.hpp"
#include "lib/ops/movement.hpp"

namespace kroton::reverse {
namespace {

using ir::Kind;
using ir::Node;

std::int64_t count(const Node& n) {
  std::int64_t all = 1;
  for (const Dim& d : n.type.shape) all *= d.value();
  return all;
}

/// The value of an expression that reads no input.
std::vector<std::int64_t> value_of(const Expr& e) {
  const ir::Graph g = ir::Graph::capture({&e, 1});
  ir::Bindings bindings;
  bindings.size_of = [](const ir::DimNode&) -> std::int64_t { return 0; };
  const Array a = ir::evaluate(g, g.outputs(), bindings)[0].astype(DType::i64).contiguous();
  return {a.data<std::int64_t>(), a.data<std::int64_t>() + a.numel()};
}

bool is_closed(const Expr& e) {
  return std::ranges::none_of(ir::topological_order({&e, 1}), [](const Node* n) {
    return n->op == &ops::input || n->op == &ops::shared || n->op->is(Kind::random);
  });
}

/// An f64 array of e's shape: `first`, `first` + 1, … or zeros.
Expr numbers(const ir::DimList& dims, std::int64_t first, std::int64_t step) {
  Shape shape;
  for (const Dim& d : dims) shape.push_back(d.value());
  Array a = Array::empty(DType::f64, shape);
  for (std::int64_t i = 0; i < a.numel(); ++i)
    a.data<double>()[i] = static_cast<double>(first + i * step);
  return constant(a);
}

/// The walk from `wrt` to the output.
class Walk {
public:
  Walk(std::string_view op, const Expr& wrt, Location where) : op_(op), where_(where) {
    require_known(*wrt.node());
    Pattern own(static_cast<std::size_t>(count(*wrt.node())));
    for (std::size_t i = 0; i < own.size(); ++i) own[i] = {static_cast<std::int64_t>(i)};
    patterns_.emplace(wrt.node().get(), std::make_shared<const Pattern>(std::move(own)));
  }

  Pattern run(const Expr& output) {
    require_known(*output.node());
    for (const Expr* e : ir::topological_handles({&output, 1})) {
      const Node& n = *e->node();
      if (patterns_.contains(&n)) continue;
      const bool depends = std::ranges::any_of(
          n.inputs, [&](const Expr& i) { return patterns_.contains(i.node().get()); });
      if (!depends || n.op == &ops::stop_gradient) continue;
      if (n.type.is_array() && !is_float(n.type.dtype)) continue;
      if (n.type.is_array()) require_known(n);
      patterns_.emplace(&n, std::make_shared<const Pattern>(made(n)));
    }
    const auto found = patterns_.find(output.node().get());
    return found == patterns_.end() ? Pattern(static_cast<std::size_t>(count(*output.node())))
                                    : *found->second;
  }

private:
  void require_known(const Node& n) const {
    if (std::ranges::all_of(n.type.shape, [](const Dim& d) { return d.is_static(); })) return;
    support::fail<ShapeError>(op_,
                              {.place = fmt::format("{}; {} from {}", support::describe(where_),
                                                    n.op->name, support::describe(n.where)),
                               .hint = "give inputs known sizes: tensor<double>({100}, \"x\")"},
                              "which elements may be zero depends on sizes, and {} {} has unknown "
                              "ones",
                              n.op->name, n.type.to_string());
  }

  const Pattern* pattern(const Expr& e) const {
    const auto found = patterns_.find(e.node().get());
    return found == patterns_.end() ? nullptr : found->second.get();
  }

  /// Adds, for each element of the result, those of the input's element that `source` says: a
  /// number from 1 on, 0 for none.
  static void add(Pattern& to, const Pattern& from, std::span<const std::int64_t> source) {
    for (std::size_t i = 0; i < to.size(); ++i)
      if (source[i] > 0) add(to[i], from[static_cast<std::size_t>(source[i] - 1)]);
  }
  static void add(std::vector<std::int64_t>& to, const std::vector<std::int64_t>& more) {
    if (to.empty()) {
      to = more;
      return;
    }
    if (std::ranges::includes(to, more)) return;
    std::vector<std::int64_t> both;
    std::ranges::set_union(to, more, std::back_inserter(both));
    to = std::move(both);
  }

  Pattern made(const Node& n) const {
    Pattern result(n.type.is_array() ? static_cast<std::size_t>(count(n)) : 1);
    const auto whole_shape = [&](const Expr& e) {
      return ir::make(ops::broadcast_to, {e}, ops::ShapeParams{n.type.shape}, n.where);
    };
    if (n.op->is(Kind::elementwise)) {
      for (const Expr& i : n.inputs)
        if (const Pattern* p = pattern(i))
          add(result, *p, value_of(whole_shape(numbers(i.node()->type.shape, 1, 1))));
      return result;
    }
    if (n.op->is(Kind::movement) || n.op->is(Kind::pad) || n.op == &ops::assemble) {
      // Each element is one of an input's, or zero: which, the row says of arrays of numbers.
      for (std::size_t k = 0; k < n.inputs.size(); ++k) {
        const Pattern* p = pattern(n.inputs[k]);
        if (!p) continue;
        std::vector<Expr> inputs;
        for (std::size_t i = 0; i < n.inputs.size(); ++i)
          inputs.push_back(numbers(n.inputs[i].node()->type.shape, i == k ? 1 : 0, i == k ? 1 : 0));
        add(result, *p, value_of(ir::make(*n.op, inputs, n.params, n.where)));
        if (n.op->is(Kind::movement)) break; // the others are no part of the value
      }
      return result;
    }
    if (n.op->is_reduction()) {
      if (const Pattern* p = pattern(n.inputs[0])) {
        const Expr one_each =
            ops::restore_axes(numbers(n.type.shape, 0, 1), ir::axes_of(n), n.where);
        const std::vector<std::int64_t> target =
            value_of(ir::make(ops::broadcast_to, {one_each},
                              ops::ShapeParams{n.inputs[0].node()->type.shape}, n.where));
        for (std::size_t i = 0; i < target.size(); ++i)
          add(result[static_cast<std::size_t>(target[i])], (*p)[i]);
      }
      return result;
    }
    const bool has_known_positions =
        std::ranges::all_of(std::span(n.inputs.begin(), n.inputs.end()).subspan(1), is_closed);
    if (n.op == &ops::gather && has_known_positions) {
      std::vector<Expr> inputs(n.inputs.begin(), n.inputs.end());
      inputs[0] = numbers(n.inputs[0].node()->type.shape, 1, 1);
      add(result, *pattern(n.inputs[0]), value_of(ir::make(*n.op, inputs, n.params, n.where)));
      return result;
    }
    if (n.op == &ops::index_add && has_known_positions) {
      // It puts elements where a read at the same positions takes them from.
      std::vector<Expr> inputs(n.inputs.begin(), n.inputs.end());
      inputs[0] = numbers(n.type.shape, 0, 1);
      const std::vector<std::int64_t> target = value_of(ir::make(ops::gather, inputs, {}, n.where));
      const Pattern& p = *pattern(n.inputs[0]);
      for (std::size_t i = 0; i < target.size(); ++i)
        add(result[static_cast<std::size_t>(target[i])], p[i]);
      return result;
    }
    std::vector<std::int64_t> all;
    for (const Expr& i : n.inputs)
      if (const Pattern* p = pattern(i))
        for (const std::vector<std::int64_t>& one : *p) add(all, one);
    std::ranges::fill(result, all);
    return result;
  }

  std::string_view op_;
  Location where_;
  std::unordered_map<const Node*, std::shared_ptr<const Pattern>> patterns_;
};

} // namespace

Pattern pattern_of(std::string_view op, const Expr& output, const Expr& wrt, Location where) {
  return Walk(op, wrt, where).run(output);
}

} // namespace kroton::reverse
