/// Mode::nan_guard. After each step its results are looked at; where one has a NaN or an infinity,
/// the reference evaluator computes the step's nodes again, and the way back from that element
/// leads to the node that made it.
#include <cmath>
#include <optional>
#include <unordered_map>

#include "jit/function/function_state.hpp"
#include "jit/report/contents.hpp"
#include "lib/ops/basic.hpp"
#include "lib/support/number_text.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton::jit {
namespace {

/// What is looked for: a NaN before an infinity, since an infinity may be meant.
enum class Wanted : std::uint8_t { nan, any };

bool is_wanted(double v, Wanted wanted) {
  return wanted == Wanted::nan ? std::isnan(v) : !std::isfinite(v);
}

/// The position, in C order, of the first such element of a float array.
std::optional<std::int64_t> first_of(const Array& a, Wanted wanted) {
  if (!is_float(a.dtype())) return std::nullopt;
  const Array dense = a.contiguous();
  return support::visit_float(a.dtype(),
                              [&]<class T>(std::type_identity<T>) -> std::optional<std::int64_t> {
                                const T* from = std::as_const(dense).template data<T>();
                                for (std::int64_t i = 0; i < dense.numel(); ++i)
                                  if (is_wanted(static_cast<double>(from[i]), wanted)) return i;
                                return std::nullopt;
                              });
}

std::vector<std::int64_t> index_of(std::int64_t position, const Shape& shape) {
  std::vector<std::int64_t> index(shape.size());
  for (std::size_t a = shape.size(); a-- > 0; position /= shape[a]) index[a] = position % shape[a];
  return index;
}

/// The position in an operand of `shape` that is broadcast to the result's element `index`.
std::int64_t broadcast_position(const std::vector<std::int64_t>& index, const Shape& shape) {
  std::int64_t position = 0;
  for (std::size_t a = 0; a < shape.size(); ++a)
    position = position * shape[a] + (shape[a] == 1 ? 0 : index[index.size() - shape.size() + a]);
  return position;
}

double element(const Array& a, std::int64_t position) {
  const Array dense = a.contiguous();
  return support::visit_dtype(a.dtype(), [&]<class T>(std::type_identity<T>) {
    return static_cast<double>(std::as_const(dense).template data<T>()[position]);
  });
}

/// The shortest text that reads back as the same number of its dtype.
std::string text_of(double v, DType t) {
  return t == DType::f32 ? support::number_text(static_cast<float>(v)) : support::number_text(v);
}

/// The values of a step's nodes, as the reference evaluator has them.
class Values {
public:
  Values(const ir::Graph& graph, const plan::Step& step, ir::Bindings& bindings) : graph_(graph) {
    bindings.watch = [this](ir::NodeId id, const ir::EvalContext& c, const Array& value) {
      values_.insert_or_assign(id, Node{value, {c.inputs.begin(), c.inputs.end()}});
    };
    results_ = ir::evaluate(graph, step.computes, bindings);
    bindings.watch = nullptr;
  }
  const Array& result(std::size_t i) const { return results_[i]; }

  /// An element of a node, and what its operands are there; operands of a node that is no
  /// elementwise op are as a whole what they are.
  struct Element {
    ir::NodeId node;
    std::int64_t position;
  };
  /// The element that made what is not finite in `from`. Null if none of the step's nodes did: it
  /// was among what the step read, or a constant.
  struct Found {
    std::optional<Element> maker;
    Element end; ///< where the way back ended
  };
  Found maker_of(Element from) const {
    std::optional<Element> of_nan; // of a NaN, out of infinities whose origin is not known yet
    for (Element at = from;;) {
      const auto known = values_.find(at.node);
      if (known == values_.end() || graph_[at.node].is_leaf()) return {of_nan, at};
      const Node& node = known->second;
      const bool is_nan = std::isnan(element(node.value, at.position));
      std::optional<Element> back = operand(at, node, Wanted::nan);
      if (!back) {
        if (is_nan) of_nan = at;
        back = operand(at, node, Wanted::any);
      }
      if (!back) return {at, at};
      at = *back;
    }
  }

  std::vector<std::string> operands_of(Element at) const {
    std::vector<std::string> texts;
    const Node& node = values_.at(at.node);
    const auto index = index_of(at.position, node.value.shape());
    for (std::size_t k = 0; k < node.operands.size(); ++k) {
      const Array& a = node.operands[k];
      const bool has_element = graph_[at.node].op->is(ir::Kind::elementwise) || a.numel() == 1;
      texts.push_back(has_element
                          ? text_of(element(a, broadcast_position(index, a.shape())), a.dtype())
                          : a.label());
    }
    return texts;
  }
  const Array& value(ir::NodeId id) const { return values_.at(id).value; }

private:
  struct Node {
    Array value;
    std::vector<Array> operands;
  };

  /// The element of an operand that has such a value and from which `at` may have it.
  std::optional<Element> operand(Element at, const Node& node, Wanted wanted) const {
    const ir::GraphNode& n = graph_[at.node];
    const bool is_elementwise = n.op->is(ir::Kind::elementwise);
    const auto index = index_of(at.position, node.value.shape());
    for (std::size_t k = 0; k < node.operands.size(); ++k) {
      const Array& a = node.operands[k];
      if (!is_float(a.dtype())) continue;
      if (is_elementwise) {
        if (n.op == &ops::where && k > 0) {
          const bool is_first =
              element(node.operands[0], broadcast_position(index, node.operands[0].shape())) != 0;
          if (is_first != (k == 1)) continue;
        }
        const std::int64_t position = broadcast_position(index, a.shape());
        if (is_wanted(element(a, position), wanted)) return Element{n.inputs[k], position};
      } else if (const auto position = first_of(a, wanted)) {
        return Element{n.inputs[k], *position};
      }
    }
    return std::nullopt;
  }

  const ir::Graph& graph_;
  std::unordered_map<ir::NodeId, Node> values_;
  std::vector<Array> results_;
};

/// Throws if one of the step's nodes, or an argument's NaN, made a result what it is.
void blame(const Signature& s, const Program& program, const plan::Step& step,
           ir::Bindings& bindings, std::size_t result, std::int64_t position, double got) {
  const ir::Graph& graph = program.plan().graph;
  const Values values(graph, step, bindings);
  const auto place = [&](const Location& where) {
    return fmt::format("{}; in {} from {}", support::describe(where), s.name,
                       support::describe(s.where));
  };
  if (std::isfinite(element(values.result(result), position))) {
    const ir::GraphNode& n = graph[step.computes[result]];
    support::fail<NumericError>(
        n.op->name,
        {.place = place(n.where),
         .hint = "numbers near the largest of their dtype: scale them, or compute in f64"},
        "{} gives {} at [{}], where op by op it is {}: a number on the way is too large",
        describe_step(program, step), support::number_text(got),
        fmt::join(index_of(position, values.result(result).shape()), ", "),
        support::number_text(element(values.result(result), position)));
  }
  const Values::Found found = values.maker_of({step.computes[result], position});
  if (found.maker) {
    const ir::GraphNode& n = graph[found.maker->node];
    const Array& value = values.value(found.maker->node);
    support::fail<NumericError>(
        n.op->name,
        {.place = place(n.where),
         .hint = "look at what the operands come from; where(condition, a, b) keeps b where a must "
                 "not be computed"},
        "gives {} at [{}] of {}, of operands that are {} there",
        support::number_text(element(value, found.maker->position)),
        fmt::join(index_of(found.maker->position, value.shape()), ", "), value.label(),
        fmt::join(values.operands_of(*found.maker), ", "));
  }
  // An infinity that was given may be meant, as in masks. A NaN never makes a good result.
  if (!std::isnan(got)) return;
  const ir::GraphNode& n = graph[found.end.node];
  std::string which = n.name.empty() ? std::string(n.op->name) : n.name;
  support::fail<NumericError>(s.name,
                              {.place = place(n.where), .hint = "take the NaN out beforehand"},
                              "{} {} has a NaN, and so has a result that is made of it",
                              n.op == &ops::input    ? "argument"
                              : n.op == &ops::shared ? "shared variable"
                                                     : "the value of",
                              which);
}

} // namespace

std::vector<Array> guarded_call(const Recipe& recipe, Versions::Lease& lease,
                                std::span<const Array> arguments, const Array* given) {
  Program& program = *lease.version->program;
  Contents contents(program.plan());
  ir::Bindings bindings;
  Program::Watcher watcher;
  watcher.before = [&](const Program::Moment& m) { contents.bind(m, bindings); };
  watcher.after = [&](const Program::Moment& m) {
    contents.finish(m.step);
    for (std::size_t i = 0; i < m.step.computes.size(); ++i) {
      const Array value = contents.result(m, i);
      auto position = first_of(value, Wanted::nan);
      if (!position) position = first_of(value, Wanted::any);
      if (position)
        blame(recipe.signature, program, m.step, bindings, i, *position, element(value, *position));
    }
  };
  return program.run(*lease.frame, arguments, given, &watcher);
}

} // namespace kroton::jit
