#include <kroton/eager_check.hpp>

#include <optional>
#include <shared_mutex>
#include <unordered_map>

#include "lib/ir/eval.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/params.hpp"

namespace kroton {

/// Each expression is made once more of arrays, its operands' values, whose graph is that one node.
class EagerCheck::State : public ir::Observer {
public:
  State(const std::vector<std::pair<Expr, Array>>& samples, Location where)
      : outer_(ir::observer()) {
    for (const auto& [e, value] : samples) add_sample(e, value, where);
    ir::observer() = this;
  }
  ~State() override { ir::observer() = outer_; }

  void made(const Expr& e) override {
    const Unobserved scope(this);
    learn(e);
    if (outer_) outer_->made(e);
  }

  std::optional<Array> value(const Expr& e) {
    const auto found = known_.find(e.node().get());
    if (found != known_.end()) return value_of(found->second.of_values);
    // A leaf has no operand that would have been made under this check.
    if (!e.node()->op->is(ir::Kind::leaf)) return std::nullopt;
    const Unobserved scope(ir::observer());
    learn(e);
    const auto now = known_.find(e.node().get());
    return now == known_.end() ? std::nullopt : std::optional(value_of(now->second.of_values));
  }

private:
  /// What is made on the way to a value is nobody's expression.
  class Unobserved {
  public:
    explicit Unobserved(ir::Observer* after) : after_(after) { ir::observer() = nullptr; }
    Unobserved(const Unobserved&) = delete;
    Unobserved& operator=(const Unobserved&) = delete;
    ~Unobserved() { ir::observer() = after_; }

  private:
    ir::Observer* const after_;
  };

  /// Kept alive, so that no other node gets its address.
  struct Known {
    Expr expr;
    Expr of_values; ///< an array, or of a node with several results that node of arrays
  };

  void add_sample(const Expr& e, const Array& value, Location where) {
    const ir::Node* n = e.node().get();
    if (n == nullptr || n->op != &ops::input)
      support::fail<GraphError>("eager_check",
                                {.place = support::describe(where),
                                 .hint = "give samples of what vector(), matrix(), tensor() made"},
                                "a sample is given for what is no input");
    if (value.dtype() != e.dtype())
      support::fail<TypeError>("eager_check",
                               {.place = ir::place_of(where, std::span(&e, 1)),
                                .hint = "convert the sample with astype()"},
                               "the sample of {} is {}", e.label(), value.label());
    if (value.rank() != e.rank())
      support::fail<ShapeError>("eager_check", {.place = ir::place_of(where, std::span(&e, 1))},
                                "the sample of {} is {}", e.label(), value.label());
    for (std::size_t a = 0; a < e.shape().size(); ++a) {
      const Dim& d = e.shape()[a];
      const std::int64_t size = value.shape()[a];
      if (d.is_static() && d.value() != size)
        support::fail<ShapeError>("eager_check", {.place = ir::place_of(where, std::span(&e, 1))},
                                  "the sample of {} is {}: axis {} must have {} elements",
                                  e.label(), value.label(), a, d.value());
      if (d.is_static()) continue;
      const auto [it, is_new] = sizes_.emplace(d.node().get(), size);
      if (!is_new && it->second != size)
        support::fail<ShapeError>("eager_check", {.place = ir::place_of(where, std::span(&e, 1))},
                                  "the sample of {} is {}: axis {} must have {} elements, as {} "
                                  "has in another sample",
                                  e.label(), value.label(), a, it->second, d.to_string());
    }
    known_.emplace(n, Known{e, constant(value.copy(), e.name(), e.where())});
    samples_.emplace_back(n->params.leaf(), value.copy());
  }

  void learn(const Expr& e) {
    const ir::Node& n = *e.node();
    if (known_.contains(&n)) return;
    if (n.op == &ops::input) return; // without a sample
    if (n.op == &ops::shared) {
      const auto& state = n.params.as<ops::SharedParams>().state;
      const std::shared_lock reading(state->mutex);
      known_.emplace(&n, Known{e, constant(state->value.copy(), e.name(), e.where())});
      return;
    }
    ir::Exprs operands;
    for (const Expr& input : n.inputs) {
      if (input.node()->op->is(ir::Kind::leaf)) learn(input);
      const auto known = known_.find(input.node().get());
      if (known == known_.end()) return; // of an input without a sample
      operands.push_back(known->second.of_values);
    }
    Expr of_values = ir::make(*n.op, std::move(operands), n.params, n.where);
    if (n.type.is_array()) of_values = constant(evaluated(of_values), e.name(), n.where);
    known_.emplace(&n, Known{e, std::move(of_values)});
  }

  Array evaluated(const Expr& e) const {
    const ir::Graph g = ir::Graph::capture(std::span(&e, 1), ir::Graph::Unify::nothing);
    ir::Bindings bindings;
    bindings.size_of = [&](const ir::DimNode& wanted) { return size_of(wanted); };
    try {
      return ir::evaluate(g, g.outputs(), bindings)[0];
    } catch (const IndexError& error) { // evaluators do not know whose line it is
      ErrorText text = error.text();
      if (text.place.empty()) text.place = ir::place_of(e.where(), {});
      throw IndexError(std::move(text));
    }
  }

  std::int64_t size_of(const ir::DimNode& wanted) const {
    if (wanted.kind == ir::DimKind::scalar)
      for (const auto& [leaf, value] : samples_)
        if (leaf == wanted.leaf.get()) return value.astype(DType::i64).item<std::int64_t>();
    if (const auto found = sizes_.find(&wanted); found != sizes_.end()) return found->second;
    for (const auto& [symbol, size] : sizes_)
      if (!wanted.name.empty() && symbol->name == wanted.name) return size;
    support::fail<GraphError>("eager_check", {.hint = "give a sample of the input that has it"},
                              "no sample tells the size {}", wanted.name);
  }

  static Array value_of(const Expr& of_values) {
    const ir::Node& n = *of_values.node();
    if (n.op == &ops::array) return n.params.as<ops::ArrayParams>().leaf->value.copy();
    const ir::Graph g = ir::Graph::capture(std::span(&of_values, 1), ir::Graph::Unify::nothing);
    return ir::evaluate(g, g.outputs(), {})[0].copy();
  }

  ir::Observer* const outer_;
  std::unordered_map<const ir::Node*, Known> known_;
  std::unordered_map<const ir::DimNode*, std::int64_t> sizes_;
  std::vector<std::pair<const void*, Array>> samples_;
};

EagerCheck::EagerCheck(const std::vector<std::pair<Expr, Array>>& samples, Location where)
    : state_(std::make_unique<State>(samples, where)) {}
EagerCheck::~EagerCheck() = default;

Array EagerCheck::value(const Expr& e, Location where) const {
  if (e.node() == nullptr || !e.node()->type.is_array())
    support::fail<GraphError>("eager_check", {.place = support::describe(where)},
                              "an Expr without a value has none for the samples");
  if (auto value = state_->value(e)) return *value;
  support::fail<GraphError>(
      "eager_check",
      {.place = ir::place_of(where, std::span(&e, 1)),
       .hint = "make it in the scope of the EagerCheck, which has samples of all its inputs"},
      "{} {} has no value for the samples", e.node()->op->name, e.label());
}

} // namespace kroton
