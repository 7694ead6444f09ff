#include "lib/ir/node.hpp"

#include <algorithm>

#include "lib/ir/op.hpp"
#include "lib/support/error.hpp"
#include "lib/support/flat_map.hpp"

namespace kroton {

namespace detail {
void throw_empty(const char* op, Location where) {
  support::fail<GraphError>(
      op, {.place = support::describe(where), .hint = "assign an expression to it first"},
      "an Expr that was made without a value has none yet");
}
} // namespace detail

const ir::Node& Expr::required() const {
  detail::require_given(*this, "Expr", Location{});
  return *node_;
}

DType Expr::dtype() const { return required().type.dtype; }
int Expr::rank() const { return required().type.rank(); }
const std::vector<Dim>& Expr::shape() const { return required().type.shape; }
const std::string& Expr::name() const { return required().name; }
Location Expr::where() const { return required().where; }

std::string Expr::label() const {
  const ir::Node& n = required();
  const std::string type = n.type.to_string();
  return n.name.empty() ? fmt::format("{} {}", n.op->name, type) : n.name + " " + type;
}

namespace ir {

std::string Type::to_string() const {
  if (is_array()) return std::string(kroton::to_string(dtype)) + dims::to_string(shape);
  std::string text;
  for (const Type& part : *parts) text += (text.empty() ? "(" : ", ") + part.to_string();
  return text + ")";
}

Type type_of_parts(std::vector<Type> parts) {
  return {.dtype = DType::bool_,
          .parts = std::make_shared<const std::vector<Type>>(std::move(parts))};
}

bool same(const DimList& a, const DimList& b) { return a.is(b) || dims::same(a.dims(), b.dims()); }

bool same(const Type& a, const Type& b) {
  if (a.is_array() != b.is_array()) return false;
  if (!a.is_array())
    return std::ranges::equal(*a.parts, *b.parts,
                              [](const Type& x, const Type& y) { return same(x, y); });
  return a.dtype == b.dtype && same(a.shape, b.shape);
}

bool is_countable(const Type& type) {
  auto bytes = static_cast<std::int64_t>(item_size(type.dtype));
  for (const Dim& d : type.shape)
    if (d.is_static() && d.value() != 0 && __builtin_mul_overflow(bytes, d.value(), &bytes))
      return false;
  return true;
}

Node::~Node() {
  std::vector<Expr> doomed;
  for (Expr& e : inputs) doomed.push_back(std::move(e));
  while (!doomed.empty()) {
    Expr e = std::move(doomed.back());
    doomed.pop_back();
    if (e.node().use_count() != 1) continue;
    // The last owner may empty the node: nobody else can see it any more.
    auto& rest = const_cast<Node&>(*e.node()).inputs;
    for (Expr& input : rest) doomed.push_back(std::move(input));
    rest.clear();
  }
}

std::shared_ptr<Node> make_node(const Op& op, Exprs inputs, Params params, Location where,
                                std::vector<Constraint> assumed) {
  auto node = std::make_shared<Node>();
  node->constraints = std::move(assumed);
  node->op = &op;
  support::SmallVector<const Type*, 4> types;
  for (const Expr& e : inputs) types.push_back(&e.node()->type);
  InferContext context{op, types, params, inputs, where, node->constraints};
  node->type = infer_type(context);
  node->inputs = std::move(inputs);
  node->params = std::move(params);
  node->where = where;
  return node;
}

Expr make(const Op& op, Exprs inputs, Params params, Location where,
          std::vector<Constraint> assumed) {
  return made(make_node(op, std::move(inputs), std::move(params), where, std::move(assumed)));
}

Expr made(std::shared_ptr<const Node> node) {
  Expr e(std::move(node));
  if (Observer* o = observer()) [[unlikely]]
    o->made(e);
  return e;
}

Observer*& observer() {
  static thread_local Observer* present = nullptr;
  return present;
}

std::vector<const Expr*> topological_handles(std::span<const Expr> roots) {
  std::vector<const Expr*> order;
  support::FlatSet<const Node*> seen;
  struct Frame {
    const Expr* handle;
    std::size_t next;
  };
  std::vector<Frame> stack;
  for (const Expr& root : roots) {
    if (!seen.insert(root.node().get())) continue;
    stack.push_back({&root, 0});
    while (!stack.empty()) {
      Frame& top = stack.back();
      const Exprs& inputs = top.handle->node()->inputs;
      if (top.next < inputs.size()) {
        const Expr& input = inputs[top.next++];
        if (seen.insert(input.node().get())) stack.push_back({&input, 0});
      } else {
        order.push_back(top.handle);
        stack.pop_back();
      }
    }
  }
  return order;
}

std::vector<const Node*> topological_order(std::span<const Expr> roots) {
  const std::vector<const Expr*> handles = topological_handles(roots);
  std::vector<const Node*> order(handles.size());
  std::ranges::transform(handles, order.begin(), [](const Expr* e) { return e->node().get(); });
  return order;
}

std::string place_of(Location where, std::span<const Expr> involved) {
  std::string text = support::describe(where);
  std::vector<std::string> named;
  for (const Expr& e : involved) {
    if (e.name().empty()) continue;
    std::string line = fmt::format("{} from {}", e.name(), support::describe(e.where()));
    if (std::ranges::find(named, line) == named.end()) named.push_back(std::move(line));
  }
  for (std::size_t i = 0; i < named.size(); ++i) text += (i == 0 ? "; " : ", ") + named[i];
  return text;
}

namespace {

std::string_view name_of(const ParamsType* type) { return type ? type->name : "none"; }

} // namespace

std::string InferContext::label(std::size_t i) const {
  return i < exprs.size() ? exprs[i].label() : inputs[i]->to_string();
}

Type infer_type(InferContext& c) {
  KROTON_CHECK(c.params.type() == c.op.params, "{} takes the parameters {}, got {}", c.op.name,
               name_of(c.op.params), name_of(c.params.type()));
  for (const Type* t : c.inputs)
    KROTON_CHECK(t->is_array() != c.op.is(Kind::part), "{} of {}", c.op.name, t->to_string());
  return with_place(c.written.empty() ? c.op.name : c.written, c.where, c.exprs, [&] {
    Type type = c.op.infer(c);
    const auto check = [&](const Type& t) {
      const bool has_type_of_input = std::ranges::any_of(
          c.inputs, [&](const Type* in) { return in->shape.is(t.shape) && in->dtype == t.dtype; });
      if (!has_type_of_input && !is_countable(t))
        c.fail<ShapeError>("an array has at most 2^63 - 1 bytes",
                           "{} has more bytes than an int64 counts", t.to_string());
    };
    if (type.is_array())
      check(type);
    else
      std::ranges::for_each(*type.parts, check);
    return type;
  });
}

Dim InferContext::require_equal(const Dim& a, const Dim& b, std::string what,
                                std::string_view hint) {
  if (dims::same(a, b)) return a;
  if (a.is_static() && b.is_static()) fail<ShapeError>(std::string(hint), "{}", what);
  constraints.push_back({a, b, std::move(what), false, std::string(hint), std::string(written)});
  if (a.is_static() != b.is_static()) return a.is_static() ? a : b;
  const bool b_is_better = a.node()->kind == DimKind::symbol && a.node()->name.empty() &&
                           b.node()->kind == DimKind::symbol && !b.node()->name.empty();
  return b_is_better ? b : a;
}

} // namespace ir
} // namespace kroton
