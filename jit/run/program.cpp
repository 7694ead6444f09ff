/// What all programs have in common: their memory bound, arguments, sizes, errors.
#include "jit/run/program.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include <kroton/devices.hpp>

#include "lib/data/strided.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/support/log.hpp"
#include "lib/support/match.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton::jit {

Program::Program(ProgramParts parts)
    : bound_(std::move(parts.bound)), signature_(parts.signature), origin_(std::move(parts.origin)),
      get_(std::move(parts.get)), loaded_(std::move(parts.kernels)) {
  for (const Expr& e : signature_.inputs) argument_types_.emplace_back(e.dtype(), e.shape().size());
  bind_memory(parts.leaves);
  for (const BoundPlan::Draw& d : bound_.draws)
    bound_.sizes.initial[static_cast<std::size_t>(d.slot)] = parts.leaves.draw(d.number);
}

namespace {

Array constant_of(const BoundPlan::Constant& c, const Leaves& leaves, const Location& where) {
  if (c.leaf >= 0) return leaves.array(c.leaf)->value;
  Array value = Array::empty(c.dtype, c.shape, where);
  std::memcpy(value.raw(), c.bytes.data(), c.bytes.size());
  return value;
}

} // namespace

void Program::bind_memory(const Leaves& leaves) {
  std::map<ir::SharedState*, bool> is_updated;
  updates_.resize(signature_.updates.size());
  for (std::size_t u = 0; u < updates_.size(); ++u) {
    updates_[u].state = signature_.updates[u].first.state().get();
    is_updated[updates_[u].state] = true;
  }
  for (const BoundPlan::Source& s : bound_.sources) {
    Source& source = sources_.emplace_back(Source{s.kind, s.buffer, s.index});
    if (s.kind == BoundPlan::Source::update)
      updates_[static_cast<std::size_t>(s.index)].buffer = s.buffer;
    if (s.kind != BoundPlan::Source::shared) continue;
    source.state = leaves.shared(s.index);
    is_updated.try_emplace(source.state, false);
  }
  for (const BoundUpdate& u : updates_)
    for (Source& s : sources_)
      if (u.buffer < 0 && s.state == u.state) s.is_overwritten = true;
  for (const BoundPlan::Constant& c : bound_.constants)
    constants_.emplace_back(c.buffer, constant_of(c, leaves, signature_.where));
  // One order for all calls, so that two functions never wait for each other in a circle.
  for (const auto& [state, is_exclusive] : is_updated) locks_.push_back({state, is_exclusive});
}

void Program::prepare(Frame& frame) const {
  frame.sizes = bound_.sizes.initial;
  frame.step_sizes.resize(bound_.step_sizes.size());
  if (!bound_.symbols.empty()) return;
  // Numbers were added up and multiplied, and checked, when the plan was made.
  const auto* overflow = bound_.sizes.run(frame.sizes.data());
  KROTON_CHECK(!overflow, "sizes of {} that are known do not fit an int64", signature_.name);
  arrange(frame);
}

void Program::arrange(Frame& frame) const {
  for (std::size_t i = 0; i < bound_.step_sizes.size(); ++i)
    frame.step_sizes[i] = size(frame, bound_.step_sizes[i]);
  lay_out(frame);
}

void Program::load_deferred(std::span<const int> kernels) const {
  const auto missing = [&] {
    const std::lock_guard lock(loading_);
    std::vector<std::size_t> numbers;
    for (int k : kernels)
      if (const auto i = static_cast<std::size_t>(k); !loaded_[i].code) numbers.push_back(i);
    return numbers;
  };
  if (missing().empty()) return;
  const std::lock_guard one_at_a_time(getting_);
  const std::vector<std::size_t> numbers = missing(); // another call may have got them
  std::vector<KernelText> wanted;
  for (std::size_t i : numbers) {
    wanted.push_back(texts().kernels[i]);
    wanted.back().is_deferred = false;
    support::log(support::Area::jit)
        ->debug("{}: the sizes of a call want kernel {}", signature_.name,
                describe_kernel(static_cast<int>(i)));
  }
  std::vector<LoadedKernel> got = get_(wanted);
  const std::lock_guard lock(loading_);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    got[i].artifact.reset();
    loaded_[numbers[i]] = std::move(got[i]);
  }
}

std::string Program::describe_kernel(int kernel) const {
  const BoundPlan::Kernel& k = bound_.kernels[static_cast<std::size_t>(kernel)];
  return fmt::format("{:.12} ({})", k.digest.hex(), k.title);
}

bool Program::fits_types(std::span<const Array> arguments) const noexcept {
  bool fits = arguments.size() == argument_types_.size();
  for (std::size_t i = 0; fits && i < arguments.size(); ++i)
    fits = arguments[i].dtype() == argument_types_[i].first &&
           arguments[i].shape().size() == argument_types_[i].second;
  return fits;
}

void Program::check_arguments(std::span<const Array> arguments) const {
  if (!fits_types(arguments)) [[unlikely]]
    refuse_arguments(arguments);
}

void Program::refuse_arguments(std::span<const Array> arguments) const {
  const auto& inputs = signature_.inputs;
  if (arguments.size() != inputs.size()) {
    std::string names;
    for (const Expr& e : inputs) names += (names.empty() ? "" : ", ") + e.label();
    support::fail<ShapeError>(
        signature_.name,
        {.place = support::describe(signature_.where), .hint = "give one array for each input"},
        "takes {} argument{} ({}), got {}", inputs.size(), inputs.size() == 1 ? "" : "s", names,
        arguments.size());
  }
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const Array& a = arguments[i];
    if (a.dtype() != inputs[i].dtype())
      support::fail<TypeError>(
          signature_.name,
          {.place = ir::place_of(signature_.where, {&inputs[i], 1}),
           .hint = fmt::format("a.astype(DType::{}), or Options::allow_downcast",
                               to_string(inputs[i].dtype()))},
          "argument {} is {}, got {}", i, inputs[i].label(), a.label());
    if (a.rank() != inputs[i].rank())
      support::fail<ShapeError>(signature_.name,
                                {.place = ir::place_of(signature_.where, {&inputs[i], 1}),
                                 .hint = fmt::format("reshape it to {} axes", inputs[i].rank())},
                                "argument {} is {}, got {}", i, inputs[i].label(), a.label());
  }
  KROTON_CHECK(false, "nothing is wrong with the arguments of {}", signature_.name);
  std::abort();
}

namespace {

/// The value of an integer scalar.
std::int64_t value_of(const Array& a) {
  std::int64_t v = 0;
  support::visit_dtype(a.dtype(), [&]<class T>(std::type_identity<T>) {
    v = static_cast<std::int64_t>(*static_cast<const T*>(a.raw()));
  });
  return v;
}

std::int64_t read(const BoundPlan::SymbolSource& s, std::span<const Array> arguments) {
  const Array& a = arguments[static_cast<std::size_t>(s.argument)];
  return s.axis >= 0 ? a.shape()[static_cast<std::size_t>(s.axis)] : value_of(a);
}

} // namespace

/// A scalar that is a size has to fit an int64, as sizes do.
void Program::check_scalar(const BoundPlan::SymbolSource& s,
                           std::span<const Array> arguments) const {
  const Array& a = arguments[static_cast<std::size_t>(s.argument)];
  if (a.dtype() != DType::u64 || value_of(a) >= 0) return;
  const Expr& input = signature_.inputs[static_cast<std::size_t>(s.argument)];
  support::fail<ShapeError>(
      signature_.name,
      {.place = ir::place_of(signature_.where, {&input, 1}), .hint = "sizes go up to 2^63 - 1"},
      "argument {} is {}, whose value is a size, got {}", s.argument, input.label(),
      a.item<std::uint64_t>());
}

bool Program::fits_checks(const Frame& frame, std::span<const Array> arguments) const {
  for (const BoundPlan::AxisCheck& c : bound_.checks)
    if (arguments[static_cast<std::size_t>(c.argument)].shape()[static_cast<std::size_t>(c.axis)] !=
        frame.sizes[static_cast<std::size_t>(c.slot)])
      return false;
  return true;
}

bool Program::is_solved(const Frame& frame, std::span<const Array> arguments) const {
  if (!frame.is_solved || !fits_types(arguments)) return false;
  for (const BoundPlan::SymbolSource& s : bound_.symbols)
    if (frame.sizes[static_cast<std::size_t>(s.slot)] != read(s, arguments)) return false;
  return fits_checks(frame, arguments);
}

void Program::solve(Frame& frame, std::span<const Array> arguments) const {
  frame.is_solved = false; // until every check has passed
  for (const BoundPlan::SymbolSource& s : bound_.symbols) {
    if (s.axis < 0) check_scalar(s, arguments);
    frame.sizes[static_cast<std::size_t>(s.slot)] = read(s, arguments);
  }
  const SizeCode::Instruction* overflow = bound_.sizes.run(frame.sizes.data());
  bool fits = !overflow && fits_checks(frame, arguments);
  const auto are_equal = [&](const std::pair<int, int>& slots) {
    return frame.sizes[static_cast<std::size_t>(slots.first)] ==
           frame.sizes[static_cast<std::size_t>(slots.second)];
  };
  fits = fits && std::ranges::all_of(bound_.equal_slots, are_equal);
  if (!fits) [[unlikely]]
    refuse_sizes(frame, arguments, overflow);
  if (!std::ranges::all_of(bound_.assumed_slots, are_equal)) [[unlikely]]
    throw AssumptionFailed{};
  arrange(frame);
  frame.is_solved = true;
}

/// Finds the first requirement that the arguments' sizes break, in the order of the expression.
class Program::Refusal {
public:
  Refusal(const Program& program, std::span<const Array> arguments)
      : p_(program), inputs_(program.signature_.inputs), arguments_(arguments) {}

  [[noreturn]] void run(const Frame& frame, const SizeCode::Instruction* overflow) {
    check_symbols();
    check_computed_axes();
    check_constraints();
    if (overflow) {
      check_counts();
      const std::int64_t a = size(frame, overflow->a), b = size(frame, overflow->b);
      support::fail<ShapeError>(p_.signature_.name,
                                {.place = support::describe(p_.signature_.where), .hint = hint},
                                "a size of this call is {} {} {}, more than an int64 counts", a,
                                overflow->kind == ir::DimKind::mul ? "*" : "+", b);
    }
    KROTON_CHECK(false, "sizes of a call of {} do not fit and no requirement says why",
                 p_.signature_.name);
    std::abort();
  }

private:
  using DimMap =
      std::unordered_map<Dim, std::pair<std::size_t, std::size_t>, ir::dims::Hash, ir::dims::Same>;
  static constexpr const char* hint = "sizes go up to 2^63 - 1, and so do the bytes of an array";

  [[noreturn]] void fail(std::size_t i, const std::vector<Expr>& involved, std::string hint,
                         std::string_view message) const {
    support::fail<ShapeError>(
        p_.signature_.name,
        {.place = ir::place_of(p_.signature_.where, involved), .hint = std::move(hint)},
        "argument {} is {}, got {}: {}", i, inputs_[i].label(), arguments_[i].label(), message);
  }

  /// Axes of a known size, and those that have the size of another.
  void check_symbols() {
    for (std::size_t i = 0; i < inputs_.size(); ++i) {
      for (std::size_t a = 0; a < inputs_[i].shape().size(); ++a) {
        const Dim& d = inputs_[i].shape()[a];
        const std::int64_t got = arguments_[i].shape()[a];
        if (d.is_static()) {
          if (got != d.value())
            fail(i, {inputs_[i]},
                 fmt::format("give {} there, or make the input with kroton::dim() in place of {}",
                             d.value(), d.value()),
                 fmt::format("axis {} must be {}", a, d.value()));
          continue;
        }
        if (d.node()->kind != ir::DimKind::symbol) continue;
        const auto [it, is_new] = from_.emplace(d, std::pair{i, a});
        const auto [j, b] = it->second;
        const std::int64_t first = size_at(it->second);
        if (!is_new && first != got)
          fail(i, {inputs_[i], inputs_[j]},
               fmt::format(
                   "all axes called {} have one size in a call; another name, or dim(), sets "
                   "them free",
                   d.to_string()),
               fmt::format("axis {} must be {} like axis {} of {}", a, first, b,
                           inputs_[j].label()));
      }
    }
  }

  /// Axes whose size is computed from others.
  void check_computed_axes() const {
    for (std::size_t i = 0; i < inputs_.size(); ++i)
      for (std::size_t a = 0; a < inputs_[i].shape().size(); ++a) {
        const Dim& d = inputs_[i].shape()[a];
        const auto wanted = value_of_dim(d);
        if (wanted && *wanted != arguments_[i].shape()[a])
          fail(i, {inputs_[i]}, "give an array of that size",
               fmt::format("axis {} must be {}, which is {}", a, *wanted, d.to_string()));
      }
  }

  void check_constraints() const {
    bool is_assumption_broken = false;
    for (const ir::DimCheck& c : p_.plan().graph.checks()) {
      const auto a = value_of_dim(c.constraint.a), b = value_of_dim(c.constraint.b);
      if (!a || !b || *a == *b) continue;
      if (c.constraint.is_assumed) {
        is_assumption_broken = true;
        continue;
      }
      const ir::Node& n = *c.culprit.node();
      const bool is_about_one =
          ir::dims::same(c.constraint.b, ir::dims::max(c.constraint.a, Dim(1)));
      support::fail<ShapeError>(
          c.constraint.op.empty() ? n.op->name : c.constraint.op,
          {.place = ir::place_of(n.where, n.inputs), .hint = c.constraint.hint},
          "{}{} in this call of {}{}", c.constraint.what, is_about_one ? "" : ";",
          p_.signature_.name, is_about_one ? "" : fmt::format(" they are {} and {}", *a, *b));
    }
    if (is_assumption_broken) throw AssumptionFailed{};
  }

  /// Sizes of the user's expressions, and their arrays' bytes.
  void check_counts() const {
    for (const ir::Node* n : p_.signature_.order) {
      const ir::DimList& shape = n->type.shape;
      std::int64_t bytes = static_cast<std::int64_t>(item_size(n->type.dtype));
      std::vector<std::int64_t> values;
      bool is_empty = false, fits = true;
      for (std::size_t axis = 0; axis < shape.size(); ++axis) {
        const auto v = value_of_dim(shape[axis]);
        if (!v)
          refuse(*n, fmt::format("axis {} of {} is {}, more than an int64 counts", axis,
                                 n->type.to_string(), shape[axis].to_string()));
        values.push_back(*v);
        is_empty = is_empty || *v == 0;
        if (*v != 0) fits = fits && !__builtin_mul_overflow(bytes, *v, &bytes);
      }
      if (!fits)
        refuse(*n,
               fmt::format("{} is {}[{}], which has more bytes than an int64 counts",
                           n->type.to_string(), to_string(n->type.dtype), fmt::join(values, ",")));
      ir::for_each_dim(n->params, [&](const Dim& d) {
        if (!value_of_dim(d))
          refuse(*n, fmt::format("a size of {} is {}, more than an int64 counts",
                                 n->type.to_string(), d.to_string()));
      });
    }
  }

  [[noreturn]] void refuse(const ir::Node& n, std::string what) const {
    std::string sizes;
    std::vector<Dim> told;
    const auto tell = [&](const Dim& leaf) {
      if (std::ranges::any_of(told, [&](const Dim& d) { return ir::dims::same(d, leaf); })) return;
      told.push_back(leaf);
      const ir::DimNode& node = *leaf.node();
      sizes += fmt::format("{} {} is {}", sizes.empty() ? ";" : ",",
                           node.name.empty() ? node.origin.empty() ? "?" : node.origin : node.name,
                           value_of_leaf(leaf));
    };
    for (const Dim& d : n.type.shape) ir::dims::for_each_leaf(d, tell);
    support::fail<ShapeError>(n.op->name, {.place = ir::place_of(n.where, n.inputs), .hint = hint},
                              "in this call of {} {}{}", p_.signature_.name, what, sizes);
  }

  /// Nothing where an int64 does not hold it.
  std::optional<std::int64_t> value_of_dim(const Dim& d) const {
    std::unordered_map<const ir::DimNode*, std::int64_t> leaves;
    ir::dims::for_each_leaf(
        d, [&](const Dim& leaf) { leaves.emplace(leaf.node().get(), value_of_leaf(leaf)); });
    return ir::dims::try_evaluate(d, [&](const ir::DimNode& n) { return leaves.at(&n); });
  }
  /// Of a symbol or a scalar.
  std::int64_t value_of_leaf(const Dim& leaf) const {
    if (leaf.node()->kind == ir::DimKind::scalar) {
      for (std::size_t i = 0; i < inputs_.size(); ++i)
        if (inputs_[i].node()->params.leaf() == leaf.node()->leaf.get())
          return value_of(arguments_[i]);
      return 0;
    }
    if (const auto own = from_.find(leaf); own != from_.end()) return size_at(own->second);
    // It is no input's, but equal to one that is.
    const ir::Graph& graph = p_.plan().graph;
    const Dim stands_for = graph.canonical(leaf);
    for (const auto& [d, place] : from_)
      if (ir::dims::same(graph.canonical(d), stands_for)) return size_at(place);
    return ir::dims::same(stands_for, leaf) ? 0 : value_of_dim(stands_for).value_or(0);
  }
  std::int64_t size_at(const std::pair<std::size_t, std::size_t>& place) const {
    return arguments_[place.first].shape()[place.second];
  }

  const Program& p_;
  const std::vector<Expr>& inputs_;
  const std::span<const Array> arguments_;
  DimMap from_; ///< the argument and axis that a symbol's size is read from
};

void Program::refuse_sizes(const Frame& frame, std::span<const Array> arguments,
                           const SizeCode::Instruction* overflow) const {
  Refusal(*this, arguments).run(frame, overflow);
}

Shape Program::shape_of(const std::vector<int>& slots, const Frame& frame) {
  Shape shape(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i)
    shape[i] = frame.sizes[static_cast<std::size_t>(slots[i])];
  return shape;
}

void Program::check_given(const Array& target, std::size_t i, const Frame& frame) const {
  const Shape& got = target.shape();
  const BoundPlan::OutputType& wanted = bound_.outputs[i];
  if (target.dtype() != wanted.dtype)
    support::fail<TypeError>(
        signature_.name,
        {.place = support::describe(signature_.where),
         .hint = fmt::format("give an array of DType::{}, or let the call make it",
                             to_string(wanted.dtype))},
        "output {} is {}, the array given is {}", i, to_string(wanted.dtype), target.label());
  bool fits = got.size() == wanted.shape.size();
  for (std::size_t a = 0; fits && a < got.size(); ++a)
    fits = got[a] == frame.sizes[static_cast<std::size_t>(wanted.shape[a])];
  if (!fits)
    support::fail<ShapeError>(signature_.name,
                              {.place = support::describe(signature_.where),
                               .hint = "allocate it with Array::empty, or let the call make it"},
                              "output {} is {} in this call, the array given is {}", i,
                              data::label(wanted.dtype, shape_of(wanted.shape, frame)),
                              target.label());
  if (!target.is_writable())
    support::fail<TypeError>(signature_.name,
                             {.place = support::describe(signature_.where),
                              .hint = "give one that views writable memory and repeats no element"},
                             "the array given for output {}, {}, is read-only", i, target.label());
}

/// One of them may have no value, which nothing but `set` gives it.
void Program::Locks::check_whole() {
  try {
    for (const Lock& l : locks_) ir::check_whole(*l.state);
  } catch (...) {
    unlock();
    throw;
  }
}

void Program::Locks::move_values(Device device) {
  unlock();
  are_all_exclusive_ = true;
  lock();
  try {
    for (const Lock& l : locks_)
      if (Array& value = l.state->value; value.device() != device)
        value = device.kind == Device::cpu ? value.to_host(Location{}) : to_device(value, device);
  } catch (...) {
    unlock();
    throw;
  }
}

void Program::commit_updates() {
  for (BoundUpdate& u : updates_)
    if (u.buffer >= 0) std::swap(u.state->value, u.spare);
}

std::int64_t Program::size_of(const ir::DimNode& leaf, const Frame& frame) const {
  for (const BoundPlan::SymbolSource& s : bound_.symbols) {
    const Expr& input = signature_.inputs[static_cast<std::size_t>(s.argument)];
    bool is_it = false;
    if (s.axis < 0) {
      is_it = input.node()->params.leaf() == leaf.leaf.get();
    } else {
      const Dim d = plan().graph.canonical(input.shape()[static_cast<std::size_t>(s.axis)]);
      is_it = d.node().get() == &leaf || (!leaf.name.empty() && d.node()->name == leaf.name);
    }
    if (is_it) return frame.sizes[static_cast<std::size_t>(s.slot)];
  }
  return 0;
}

void Program::step_failed(int number, ir::Failure failure) const {
  const plan::Plan& plan = this->plan();
  const plan::Step& step = plan.steps[static_cast<std::size_t>(number)];
  ir::NodeId node = ir::no_node;
  const auto of_kernel = [&](const plan::KernelStep& k) {
    const auto& [id, operand] = plan.kernels[static_cast<std::size_t>(k.kernel)]
                                    .sites[static_cast<std::size_t>(failure.site)];
    node = id;
    failure.site = operand;
  };
  support::match(
      step.what, of_kernel, [&](const plan::ContractionStep& c) { of_kernel(c.epilogue->kernel); },
      [&](const plan::LibraryStep&) { node = step.computes.front(); });
  const ir::Op& op = *plan.graph[node].op;
  KROTON_CHECK(op.fail, "{} cannot fail", op.name);
  op.fail({plan.graph, node, failure, signature_.name});
  KROTON_CHECK(false, "a failure of {} is no error", op.name);
  std::abort();
}

} // namespace kroton::jit
