/// Gradients of the user's own, checkpoints, and elementwise ops of the user's own.
#include "lib/ops/custom.hpp"

#include <algorithm>
#include <cctype>
#include <deque>
#include <mutex>
#include <optional>
#include <unordered_map>

#include <kroton/custom.hpp>
#include <kroton/grad.hpp>
#include <kroton/vmap.hpp>

#include "lib/ir/check.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/substitute.hpp"
#include "lib/support/digest.hpp"
#include "lib/support/fork.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::BatchContext;
using ir::EvalContext;
using ir::GradContext;
using ir::InferContext;
using ir::Kind;

/// What a mark is told apart by, with the rule that it carries.
struct RuleLeaf : ir::InputLeaf {
  GradientRule rule;
};

struct CustomParams {
  ir::InputIdentity rule = nullptr; ///< a RuleLeaf
  bool is_exact = false;            ///< the rule gives the value's own gradient

  static constexpr std::string_view params_name = "custom-gradient";
  static constexpr auto fields = std::tuple{ir::field("rule", &CustomParams::rule),
                                            ir::field("exact", &CustomParams::is_exact)};
};

ir::Params params_of(GradientRule rule, bool is_exact) {
  auto leaf = std::make_shared<RuleLeaf>();
  leaf->rule = std::move(rule);
  return CustomParams{std::move(leaf), is_exact};
}
const GradientRule& rule_in(const ir::Params& params) {
  return static_cast<const RuleLeaf&>(*params.as<CustomParams>().rule).rule;
}

ir::Type infer_first(InferContext& c) { return c.in(0); }
Array eval_first(const EvalContext& c) { return c.inputs[0]; }

template <class N> bool has_exact_gradient(const N& n) {
  return n.params.template as<CustomParams>().is_exact;
}

/// Of the value, none; of the others, what the rule gives.
std::vector<Expr> grad_custom(const GradContext& c) {
  const std::vector<Expr> inputs(c.inputs.begin() + 1, c.inputs.end());
  // The rule is given a gradient of the result's shape, as users expect it.
  const Expr whole =
      ir::dims::same(c.grad.shape(), c.output.shape())
          ? c.grad
          : ir::make(broadcast_to, {c.grad}, ShapeParams{c.output.node()->type.shape}, c.where);
  std::vector<Expr> made = rule_in(c.params)(inputs, c.output, whole);
  if (made.size() != inputs.size())
    support::fail<GraphError>("custom_gradient",
                              {.place = ir::place_of(c.where, inputs),
                               .hint = "give one for each input, a null Expr where there is none"},
                              "the rule gives {} gradients for {} inputs", made.size(),
                              inputs.size());
  for (std::size_t i = 0; i < made.size(); ++i) {
    if (!made[i].node()) continue;
    const std::vector<Expr> both{inputs[i], made[i]};
    if (made[i].dtype() != inputs[i].dtype())
      support::fail<TypeError>(
          "custom_gradient",
          {.place = ir::place_of(c.where, both),
           .hint = fmt::format("cast it to {}", kroton::to_string(inputs[i].dtype()))},
          "the gradient of {} has its dtype, got {}", inputs[i].label(), made[i].label());
  }
  made.insert(made.begin(), Expr(nullptr));
  return made;
}

/// The rule is mapped as well. Where an input is the same for all elements, their gradients are
/// added up.
Expr batched_custom(const BatchContext& c) {
  const std::vector<bool> has_axis(c.has_axis.begin() + 1, c.has_axis.end());
  const auto mapped = [rule = rule_in(c.params), has_axis,
                       where = c.where](const std::vector<Expr>& inputs, const Expr& output,
                                        const Expr& gradient) {
    std::vector<Expr> arguments(inputs);
    arguments.insert(arguments.end(), {output, gradient});
    MappedAxes axes;
    for (const bool has : has_axis) axes.push_back(has ? std::optional(0) : std::nullopt);
    axes.insert(axes.end(), {0, 0});
    const auto each = [&](const std::vector<Expr>& v) {
      const std::vector<Expr> own(v.begin(), v.end() - 2);
      std::vector<Expr> made = rule(own, v[v.size() - 2], v.back());
      for (std::size_t i = 0; i < made.size() && i < own.size(); ++i)
        if (!made[i].node())
          made[i] = ir::make(broadcast_to, {scalar_constant(own[i].dtype(), 0, where)},
                             ShapeParams{own[i].node()->type.shape}, where);
        else
          made[i] = sum_to(made[i], own[i], where);
      return made;
    };
    std::vector<Expr> made = vmap(each, axes, {}, where)(arguments);
    for (std::size_t i = 0; i < made.size() && i < has_axis.size(); ++i)
      if (!has_axis[i]) made[i] = ir::make(sum, {made[i]}, AxesParams{{0}}, where);
    return made;
  };
  std::vector<Expr> inputs(c.inputs.begin(), c.inputs.end());
  inputs[0] = with_axis(c, 0);
  return ir::make(c.op, std::move(inputs), params_of(mapped, has_exact_gradient(c)), c.where);
}

Expr batched_recompute(const BatchContext& c) {
  return ir::make(c.op, {with_axis(c, 0), c.inputs[1]}, c.params, c.where);
}

} // namespace

const ir::Op custom_gradient{.name = "custom-gradient",
                             .arity = -1,
                             .kind = Kind::movement,
                             .params = &ir::params_type<CustomParams>,
                             .infer = infer_first,
                             .eval = eval_first,
                             .batched = batched_custom,
                             .gradient = grad_custom,
                             .doc = "the first operand, with a gradient of the user's own"};
const ir::Op recompute{.name = "recompute",
                       .arity = 2,
                       .kind = Kind::movement,
                       .infer = infer_first,
                       .eval = eval_first,
                       .batched = batched_recompute,
                       .gradient =
                           [](const GradContext& c) {
                             return std::vector{c.grad, Expr(nullptr)};
                           },
                       .doc = "the first operand, computed again after the second"};

bool passes_tangents(const ir::Node& n) {
  return n.op == &custom_gradient && has_exact_gradient(n);
}

std::vector<Expr> without_custom_gradients(const std::vector<Expr>& all) {
  const std::vector<const Expr*> order = ir::topological_handles(all);
  if (std::ranges::none_of(order, [](const Expr* e) { return e->node()->op == &custom_gradient; }))
    return all;
  std::unordered_map<const ir::Node*, Expr> made;
  for (const Expr* e : order) {
    const ir::Node& n = *e->node();
    if (n.op == &custom_gradient) {
      made.emplace(&n, made.at(n.inputs[0].node().get()));
      continue;
    }
    std::vector<Expr> inputs;
    bool has_changed = false;
    for (const Expr& i : n.inputs) {
      inputs.push_back(made.at(i.node().get()));
      has_changed = has_changed || !inputs.back().is(i);
    }
    if (!has_changed) {
      made.emplace(&n, *e);
      continue;
    }
    // Of the same types as before, so what is required of them is the same as well.
    const auto node = ir::make_node(*n.op, std::move(inputs), n.params, n.where);
    node->constraints = n.constraints;
    node->name = n.name;
    node->is_implied = n.is_implied;
    made.emplace(&n, Expr(node));
  }
  std::vector<Expr> result;
  for (const Expr& e : all) result.push_back(made.at(e.node().get()));
  return result;
}

namespace {

Expr marked(const Expr& value, const std::vector<Expr>& inputs, GradientRule rule, bool is_exact,
            Location where) {
  std::vector<Expr> all{value};
  all.insert(all.end(), inputs.begin(), inputs.end());
  return ir::make(custom_gradient, std::move(all), params_of(std::move(rule), is_exact), where);
}

/// Floating inputs and shared variables that are read apart from `arguments`.
std::vector<Expr> read_besides(const std::vector<Expr>& results,
                               const std::vector<Expr>& arguments) {
  Replacements stops;
  std::vector<Expr> found, stack(results);
  for (const Expr& a : arguments) stops.emplace(a.node().get(), a);
  while (!stack.empty()) {
    const Expr e = stack.back();
    stack.pop_back();
    const ir::Node& n = *e.node();
    if (!stops.emplace(&n, e).second) continue;
    if ((n.op == &input || n.op == &shared) && is_float(e.dtype())) found.push_back(e);
    for (auto i = n.inputs.end(); i != n.inputs.begin();) stack.push_back(*--i);
  }
  return found;
}

} // namespace
} // namespace ops

Expr custom_gradient(const Expr& value, const std::vector<Expr>& inputs, GradientRule rule,
                     Location where) {
  detail::require_given(value, "custom_gradient", where);
  for (const Expr& i : inputs) detail::require_given(i, "custom_gradient", where);
  if (!rule || inputs.empty())
    support::fail<GraphError>(
        "custom_gradient",
        {.place = ir::place_of(where, {&value, 1}), .hint = "stop_gradient(value) has no gradient"},
        "no {} for the gradient of {}", rule ? "inputs" : "rule", value.label());
  return ops::marked(value, inputs, std::move(rule), false, where);
}

Expr grad_clip(const Expr& e, double low, double high, Location where) {
  if (!(low <= high))
    support::fail<GraphError>("grad_clip",
                              {.place = support::describe(where), .hint = "the lower bound first"},
                              "nothing is between {} and {}", low, high);
  const auto clipped = [=](const std::vector<Expr>&, const Expr&, const Expr& g) {
    return std::vector{minimum({maximum({g, where}, {low, where}), where}, {high, where})};
  };
  return custom_gradient(e, {e}, clipped, where);
}

std::vector<Expr> detail::checkpointed(const std::vector<Expr>& results,
                                       const std::vector<Expr>& arguments, Location where) {
  for (const Expr& e : results) detail::require_given(e, "checkpoint", where);
  for (const Expr& e : arguments) detail::require_given(e, "checkpoint", where);
  std::vector<Expr> inputs;
  for (const Expr& e : arguments)
    if (is_float(e.dtype())) inputs.push_back(e);
  const std::vector<Expr> besides = ops::read_besides(results, arguments);
  inputs.insert(inputs.end(), besides.begin(), besides.end());
  std::vector<Expr> marked;
  for (const Expr& result : results) {
    const auto rule = [result, inputs, where](const std::vector<Expr>& now, const Expr&,
                                              const Expr& g) {
      ops::Replacements by;
      std::vector<Expr> again;
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        again.push_back(ir::make(ops::recompute, {now[i], g}, {}, where));
        by.emplace(inputs[i].node().get(), again.back());
      }
      return vjp({ops::replaced(result, by)}, again, {g}, where);
    };
    const bool has_gradient = is_float(result.dtype()) && !inputs.empty();
    marked.push_back(has_gradient ? ops::marked(result, inputs, rule, true, where) : result);
  }
  return marked;
}

// ---- elementwise ops ----------------------------------------------------------------------------

namespace ops {
namespace {

/// A row with what it refers to.
struct UserRow {
  std::string name, text, vectors;
  std::optional<ir::Op> op;
};

/// Both functions, as a row takes them.
struct Functions {
  using Rounded = double (*)(const double*);
  using Extended = long double (*)(const long double*);

  operator Rounded() const { return rounded; }
  operator Extended() const { return extended; }

  Rounded rounded;
  Extended extended;
};

/// The rows of the process, which nodes and functions refer to. A definition that comes again has
/// the row that it had.
class UserRows {
public:
  static UserRows& process() {
    static UserRows all;
    return all;
  }

  const ir::Op& of(const ElementwiseDefinition& d) {
    // What stands for an op in keys is its name, so what it computes is part of that.
    const std::string digest =
        support::digest_of(fmt::format("{}\n{}\n{}", d.arity, d.text, d.vectors)).hex();
    std::string name = fmt::format("{}#{:.12}", d.name, digest);
    const std::lock_guard lock(mutex_);
    for (const UserRow& row : rows_)
      if (row.name == name) return *row.op;
    UserRow& row = rows_.emplace_back();
    row.name = std::move(name);
    row.text = fmt::format("({})", d.text);
    row.vectors = d.vectors.empty() ? "" : fmt::format("({})", d.vectors);
    ir::Op op{.name = row.name,
              .arity = d.arity,
              .kind = Kind::elementwise,
              .dtypes = ir::Dtypes::floating,
              .cost = 8,
              .spelling = ir::Spelling(std::string_view(row.text), std::string_view(row.vectors)),
              .infer = infer_elementwise,
              .eval_float = Functions{d.evaluate.rounded, d.evaluate.extended},
              .doc = "an op of the user's program"};
    row.op.emplace(op);
    ir::check_row(*row.op);
    return *row.op;
  }

private:
  support::ForkMutex mutex_;
  std::deque<UserRow> rows_;
};

bool is_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '-' || c == '_';
  });
}

/// Whether what is in braces are operands and {t}.
bool is_text(std::string_view text, int arity) {
  for (std::size_t at = text.find_first_of("{}"); at != text.npos;
       at = text.find_first_of("{}", at + 3)) {
    if (text[at] != '{' || at + 2 >= text.size() || text[at + 2] != '}') return false;
    if (text[at + 1] != 't' && (text[at + 1] < '0' || text[at + 1] >= '0' + arity)) return false;
  }
  return true;
}

} // namespace
} // namespace ops

ElementwiseOp::ElementwiseOp(ElementwiseDefinition definition, Location where) {
  const auto refuse = [&](std::string hint, std::string_view what, std::string_view got) {
    support::fail<GraphError>("ElementwiseOp",
                              {.place = support::describe(where), .hint = std::move(hint)},
                              "{}: {}", what, got);
  };
  if (!ops::is_name(definition.name))
    refuse("use letters, digits, - and _", "no name of an op", definition.name);
  if (definition.arity < 1 || definition.arity > 3)
    refuse("1, 2 or 3", "no number of operands", std::to_string(definition.arity));
  for (const std::string* text : {&definition.text, &definition.vectors})
    if (!ops::is_text(*text, definition.arity))
      refuse("write operands as {0}, {1}, …, the dtype as {t}, and no other braces",
             "no expression of " + std::to_string(definition.arity) + " operands", *text);
  if (definition.text.empty())
    refuse("write the expression that kernels compute", "no text for", definition.name);
  row_ = &ops::UserRows::process().of(definition);
  gradient_ = std::move(definition.gradient);
}

Expr ElementwiseOp::operator()(const std::vector<Expr>& operands, Location where) const {
  const auto& op = *static_cast<const ir::Op*>(row_);
  if (operands.size() != static_cast<std::size_t>(op.arity))
    support::fail<GraphError>(
        op.name,
        {.place = ir::place_of(where, operands), .hint = "its definition says how many it takes"},
        "takes {} operands, got {}", op.arity, operands.size());
  std::vector<Operand> given;
  for (const Expr& e : operands) given.emplace_back(e, where);
  const Expr made = given.size() == 1   ? ops::elementwise(op, {&given[0]})
                    : given.size() == 2 ? ops::elementwise(op, {&given[0], &given[1]})
                                        : ops::elementwise(op, {&given[0], &given[1], &given[2]});
  if (!gradient_) return made;
  return custom_gradient(made, {made.node()->inputs.begin(), made.node()->inputs.end()}, gradient_,
                         where);
}

} // namespace kroton
