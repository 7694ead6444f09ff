/// Program's calls.
#include "jit/program.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "jit/frame.hpp"
#include "lib/data/memory.hpp"
#include "lib/ops/build.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton::jit {

std::byte* Workspace::reserve(std::size_t bytes) {
  if (bytes <= bytes_) return memory_;
  data::give_memory(std::exchange(memory_, nullptr), std::exchange(bytes_, 0));
  memory_ = data::take_memory(bytes);
  if (!memory_)
    support::fail<DeviceError>("memory",
                               {.hint = "use smaller batches, or fewer threads (KROTON_THREADS)"},
                               "no memory for {} bytes of workspace", bytes);
  bytes_ = bytes;
  return memory_;
}

/// Holds the locks of all shared variables that a program touches, in the program's order.
class Program::Locks {
public:
  explicit Locks(const std::vector<Lock>& locks) : locks_(locks) {
    for (const Lock& l : locks_)
      l.is_exclusive ? l.state->mutex.lock() : l.state->mutex.lock_shared();
  }
  ~Locks() {
    for (const Lock& l : locks_)
      l.is_exclusive ? l.state->mutex.unlock() : l.state->mutex.unlock_shared();
  }
  Locks(const Locks&) = delete;
  Locks& operator=(const Locks&) = delete;

private:
  const std::vector<Lock>& locks_;
};

Program::Frame Program::make_frame() const {
  Frame frame;
  frame.sizes = bound_.sizes.initial;
  frame.step_sizes.resize(bound_.step_sizes.size());
  frame.buffers.resize(bound_.buffers.size());
  frame.slots.resize(bound_.slot_bytes.size());
  frame.arguments.resize(most_arguments_);
  for (const auto& [buffer, value] : constants_)
    frame.buffers[static_cast<std::size_t>(buffer)] =
        static_cast<std::byte*>(const_cast<void*>(value.raw()));
  if (bound_.symbols.empty()) { // so that not even its first call allocates
    bound_.sizes.run(frame.sizes.data());
    lay_out(frame);
  }
  return frame;
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
           .hint = fmt::format("a.astype(DType::{})", to_string(inputs[i].dtype()))},
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

} // namespace

std::int64_t Program::read(const BoundPlan::SymbolSource& s,
                           std::span<const Array> arguments) noexcept {
  const Array& a = arguments[static_cast<std::size_t>(s.argument)];
  return s.axis >= 0 ? a.shape()[static_cast<std::size_t>(s.axis)] : value_of(a);
}

bool Program::fits_checks(const Frame& frame, std::span<const Array> arguments) const noexcept {
  for (const BoundPlan::AxisCheck& c : bound_.checks)
    if (arguments[static_cast<std::size_t>(c.argument)].shape()[static_cast<std::size_t>(c.axis)] !=
        frame.sizes[static_cast<std::size_t>(c.slot)])
      return false;
  return true;
}

bool Program::is_solved(const Frame& frame, std::span<const Array> arguments) const noexcept {
  if (!frame.is_solved || !fits_types(arguments)) return false;
  for (const BoundPlan::SymbolSource& s : bound_.symbols)
    if (frame.sizes[static_cast<std::size_t>(s.slot)] != read(s, arguments)) return false;
  return fits_checks(frame, arguments);
}

void Program::solve(Frame& frame, std::span<const Array> arguments) const {
  frame.is_solved = false; // until every check has passed
  for (const BoundPlan::SymbolSource& s : bound_.symbols)
    frame.sizes[static_cast<std::size_t>(s.slot)] = read(s, arguments);
  bound_.sizes.run(frame.sizes.data());
  bool fits = fits_checks(frame, arguments);
  for (const auto& [a, b] : bound_.equal_slots)
    fits = fits &&
           frame.sizes[static_cast<std::size_t>(a)] == frame.sizes[static_cast<std::size_t>(b)];
  if (!fits) explain_mismatch(arguments);
  lay_out(frame);
  frame.is_solved = true;
}

/// What depends on the sizes alone: the arena and the kernels' size arguments.
void Program::lay_out(Frame& frame) const {
  std::size_t total = 0;
  for (std::size_t i = 0; i < bound_.slot_bytes.size(); ++i) {
    frame.slots[i] = total;
    const auto bytes =
        static_cast<std::size_t>(frame.sizes[static_cast<std::size_t>(bound_.slot_bytes[i])]);
    total += (bytes + 63) / 64 * 64;
  }
  std::byte* arena = frame.arena.reserve(total);
  for (const auto& [buffer, slot] : bound_.temps)
    frame.buffers[static_cast<std::size_t>(buffer)] =
        arena + frame.slots[static_cast<std::size_t>(slot)];
  for (std::size_t i = 0; i < bound_.step_sizes.size(); ++i)
    frame.step_sizes[i] = frame.sizes[static_cast<std::size_t>(bound_.step_sizes[i])];
}

/// Finds the first requirement that the arguments' sizes break, in the order of the expression.
void Program::explain_mismatch(std::span<const Array> arguments) const {
  std::unordered_map<Dim, std::int64_t, ir::dims::Hash, ir::dims::Same> value;
  std::unordered_map<Dim, std::pair<std::size_t, std::size_t>, ir::dims::Hash, ir::dims::Same> from;
  const auto& inputs = signature_.inputs;
  auto fail = [&](std::size_t i, const std::vector<Expr>& involved, std::string hint,
                  std::string_view message) {
    support::fail<ShapeError>(
        signature_.name,
        {.place = ir::place_of(signature_.where, involved), .hint = std::move(hint)},
        "argument {} is {}, got {}: {}", i, inputs[i].label(), arguments[i].label(), message);
  };
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    for (std::size_t a = 0; a < inputs[i].shape().size(); ++a) {
      const Dim& d = inputs[i].shape()[a];
      const std::int64_t got = arguments[i].shape()[a];
      if (d.is_static()) {
        if (got != d.value())
          fail(i, {inputs[i]},
               fmt::format("give {} there, or make the input with kroton::dim() in place of {}",
                           d.value(), d.value()),
               fmt::format("axis {} must be {}", a, d.value()));
        continue;
      }
      if (d.node()->kind != ir::DimKind::symbol) continue;
      const auto [it, is_new] = value.emplace(d, got);
      if (is_new)
        from.emplace(d, std::pair{i, a});
      else if (it->second != got) {
        const auto [j, b] = from.at(d);
        fail(i, {inputs[i], inputs[j]},
             fmt::format("all axes called {} have one size in a call; another name, or dim(), sets "
                         "them free",
                         d.to_string()),
             fmt::format("axis {} must be {} like axis {} of {}", a, it->second, b,
                         inputs[j].label()));
      }
    }
  }
  auto size_of = [&](const ir::DimNode& n) -> std::int64_t {
    if (n.kind == ir::DimKind::scalar) {
      for (std::size_t i = 0; i < inputs.size(); ++i) {
        if (inputs[i].node()->attrs.leaf != n.leaf) continue;
        return value_of(arguments[i]);
      }
      return 0;
    }
    for (const auto& [d, v] : value)
      if (d.node().get() == &n || (!n.name.empty() && d.node()->name == n.name)) return v;
    return 0;
  };
  for (const ir::DimCheck& c : plan().graph.checks()) {
    const std::int64_t a = ir::dims::evaluate(c.constraint.a, size_of),
                       b = ir::dims::evaluate(c.constraint.b, size_of);
    if (a == b) continue;
    if (c.constraint.is_assumed) throw AssumptionFailed{};
    const ir::Node& n = *c.culprit.node();
    support::fail<ShapeError>(c.constraint.op.empty() ? n.op->name : c.constraint.op,
                              {.place = ir::place_of(n.where, n.inputs), .hint = c.constraint.hint},
                              "{}; in this call of {} they are {} and {}", c.constraint.what,
                              signature_.name, a, b);
  }
  KROTON_CHECK(false, "sizes of a call of {} do not fit and no requirement says why",
               signature_.name);
  std::abort();
}

Shape Program::shape_of(const std::vector<int>& slots, const Frame& frame) const {
  Shape shape(slots.size());
  for (std::size_t i = 0; i < slots.size(); ++i)
    shape[i] = frame.sizes[static_cast<std::size_t>(slots[i])];
  return shape;
}

std::vector<Array> Program::new_outputs(const Frame& frame) const {
  std::vector<Array> results;
  results.reserve(bound_.outputs.size());
  for (const BoundPlan::OutputType& o : bound_.outputs)
    results.push_back(Array::empty(o.dtype, shape_of(o.shape, frame)));
  return results;
}

/// An argument that is not dense, copied into the frame.
std::byte* Program::packed_copy(const Array& argument, Frame& frame) {
  frame.packed.push_back(argument.contiguous());
  packed_arguments_.fetch_add(1, std::memory_order_relaxed);
  return static_cast<std::byte*>(const_cast<void*>(std::as_const(frame.packed.back()).raw()));
}

/// Where output `i` is to be written when `given` are the outputs: the array's own memory, or,
/// where writing it early would change what is still read, memory that is copied to it at the end.
std::byte* Program::memory_of_given(std::span<const Array> arguments, const Array* given,
                                    std::size_t i, Frame& frame) const {
  const Array& target = given[i];
  const Shape& got = target.shape();
  const BoundPlan::OutputType& wanted = bound_.outputs[i];
  bool fits = target.dtype() == wanted.dtype && got.size() == wanted.shape.size();
  for (std::size_t a = 0; fits && a < got.size(); ++a)
    fits = got[a] == frame.sizes[static_cast<std::size_t>(wanted.shape[a])];
  if (!fits)
    support::fail<ShapeError>(signature_.name,
                              {.place = support::describe(signature_.where),
                               .hint = "allocate it with Array::empty, or let the call make it"},
                              "output {} is {} in this call, the array given is {}", i,
                              Array::empty(wanted.dtype, shape_of(wanted.shape, frame)).label(),
                              target.label());
  if (!target.is_writable())
    support::fail<TypeError>(signature_.name,
                             {.place = support::describe(signature_.where),
                              .hint = "give one that views writable memory and repeats no element"},
                             "the array given for output {}, {}, is read-only", i, target.label());
  bool is_direct = target.is_contiguous();
  for (const Array& a : arguments) is_direct = is_direct && !target.overlaps(a);
  for (std::size_t j = 0; j < i; ++j) is_direct = is_direct && !target.overlaps(given[j]);
  if (is_direct) return static_cast<std::byte*>(const_cast<void*>(target.raw()));
  frame.copies.emplace_back(target, Array::empty(target.dtype(), target.shape()));
  return static_cast<std::byte*>(frame.copies.back().second.raw());
}

/// Where a variable's new value is computed; needs the variable's lock.
std::byte* Program::memory_of_update(BoundUpdate& u) const {
  const Array& now = u.state->value;
  if (u.spare.dtype() != now.dtype() || u.spare.shape() != now.shape())
    u.spare = Array::empty(now.dtype(), now.shape());
  return static_cast<std::byte*>(u.spare.raw());
}

/// Points every buffer at its memory; needs the variables' locks.
void Program::find_buffers(std::span<const Array> arguments, const Array* given,
                           std::span<Array> results, Frame& frame) {
  for (const Source& s : sources_) {
    std::byte*& to = frame.buffers[static_cast<std::size_t>(s.buffer)];
    const auto i = static_cast<std::size_t>(s.index);
    switch (s.kind) {
    case BoundPlan::Source::argument:
      to = arguments[i].is_contiguous()
               ? static_cast<std::byte*>(const_cast<void*>(arguments[i].raw()))
               : packed_copy(arguments[i], frame);
      break;
    case BoundPlan::Source::shared:
      to = static_cast<std::byte*>(s.state->value.raw());
      break;
    case BoundPlan::Source::output:
      to = given ? memory_of_given(arguments, given, i, frame)
                 : static_cast<std::byte*>(results[i].raw());
      break;
    case BoundPlan::Source::update:
      to = memory_of_update(updates_[i]);
      break;
    }
  }
}

namespace {

/// Lets go of what a frame took for one call.
class Cleared {
public:
  explicit Cleared(std::vector<Array>& packed, std::vector<std::pair<Array, Array>>& copies)
      : packed_(packed), copies_(copies) {}
  ~Cleared() {
    packed_.clear();
    copies_.clear();
  }
  Cleared(const Cleared&) = delete;
  Cleared& operator=(const Cleared&) = delete;

private:
  std::vector<Array>& packed_;
  std::vector<std::pair<Array, Array>>& copies_;
};

} // namespace

std::vector<Array> Program::run(Frame& f, std::span<const Array> arguments, const Array* given,
                                const Watcher* watcher) {
  const Cleared on_exit(f.packed, f.copies);
  std::vector<Array> results;
  if (!given) results = new_outputs(f);

  const Locks locks(locks_);
  find_buffers(arguments, given, results, f);
  CallRuntime runtime(threads_);
  for (const BoundStep& s : steps_) {
    if (watcher) [[unlikely]]
      watch_step(s, f, runtime, *watcher);
    else
      run_step(s, f, runtime);
  }

  for (const auto& [target, from] : f.copies) copy_elements(target, from);
  for (BoundUpdate& u : updates_)
    if (u.buffer >= 0) std::swap(u.state->value, u.spare);
  return results;
}

void Program::watch_step(const BoundStep& s, Frame& f, CallRuntime& runtime,
                         const Watcher& watcher) const {
  const Moment moment{plan().steps[static_cast<std::size_t>(s.number)],
                      [&](int buffer) { return view(buffer, f).copy(); },
                      [&](const ir::DimNode& leaf) { return size_of(leaf, f); }};
  watcher.before(moment);
  run_step(s, f, runtime);
  watcher.after(moment);
}

std::int64_t Program::size_of(const ir::DimNode& leaf, const Frame& frame) const {
  for (const BoundPlan::SymbolSource& s : bound_.symbols) {
    const Expr& input = signature_.inputs[static_cast<std::size_t>(s.argument)];
    bool is_it = false;
    if (s.axis < 0) {
      is_it = input.node()->attrs.leaf == leaf.leaf;
    } else {
      const Dim d = plan().graph.canonical(input.shape()[static_cast<std::size_t>(s.axis)]);
      is_it = d.node().get() == &leaf || (!leaf.name.empty() && d.node()->name == leaf.name);
    }
    if (is_it) return frame.sizes[static_cast<std::size_t>(s.slot)];
  }
  return 0;
}

Array Program::view(int buffer, const Frame& frame) const {
  const BoundPlan::BufferType& t = bound_.buffers[static_cast<std::size_t>(buffer)];
  return Array::view(t.dtype,
                     static_cast<const void*>(frame.buffers[static_cast<std::size_t>(buffer)]),
                     shape_of(t.shape, frame), shape_of(t.strides, frame));
}

void Program::run_step(const BoundStep& s, Frame& f, CallRuntime& runtime) const {
  switch (s.kind) {
  case BoundStep::kernel:
    run_kernel(s, f, runtime.table());
    break;
  case BoundStep::contraction:
    run_contraction(s, f, runtime.table());
    break;
  case BoundStep::scatter:
    run_scatter(s, f);
    break;
  }
  if (s.is_fallible)
    if (const auto failure = runtime.failure())
      index_failure(s, failure->site, failure->value, failure->bound);
}

void Program::run_kernel(const BoundStep& s, Frame& f, const Runtime* runtime) const {
  void** to = f.arguments.data();
  for (int b : s.buffers) *to++ = f.buffers[static_cast<std::size_t>(b)];
  if (s.scratch >= 0)
    *to = f.scratch.reserve(static_cast<std::size_t>(f.sizes[static_cast<std::size_t>(s.scratch)]) *
                            static_cast<std::size_t>(threads_));
  s.entry(runtime, f.arguments.data(), f.step_sizes.data() + s.first_size);
}

void Program::run_scatter(const BoundStep& s, Frame& f) const {
  Array out = Array::view(bound_.buffers[static_cast<std::size_t>(s.out)].dtype,
                          static_cast<void*>(f.buffers[static_cast<std::size_t>(s.out)]),
                          view(s.out, f).shape());
  const Array added = view(s.added, f);
  const Array first = view(s.positions[0], f);
  std::vector<const std::int64_t*> positions;
  for (int b : s.positions)
    positions.push_back(
        reinterpret_cast<const std::int64_t*>(f.buffers[static_cast<std::size_t>(b)]));
  std::int64_t width = 1;
  for (std::size_t i = positions.size(); i < out.shape().size(); ++i) width *= out.shape()[i];
  if (out.numel() > 0) std::memset(out.raw(), 0, out.nbytes());
  support::visit_dtype(out.dtype(), [&]<class T>(std::type_identity<T>) {
    T* to = static_cast<T*>(out.raw());
    const T* from = static_cast<const T*>(added.raw());
    for (std::int64_t i = 0; i < first.numel(); ++i) {
      std::int64_t row = 0;
      for (std::size_t p = 0; p < positions.size(); ++p) {
        const std::int64_t n = out.shape()[p],
                           at = positions[p][i] < 0 ? positions[p][i] + n : positions[p][i];
        if (at < 0 || at >= n) index_failure(s, static_cast<int>(p), positions[p][i], n);
        row = row * n + at;
      }
      for (std::int64_t j = 0; j < width; ++j)
        to[row * width + j] = static_cast<T>(to[row * width + j] + from[i * width + j]);
    }
  });
}

void Program::index_failure(const BoundStep& s, int site, long value, long bound) const {
  const plan::Plan& plan = this->plan();
  ir::NodeId node = plan.steps[static_cast<std::size_t>(s.number)].computes.front();
  int axis = site;
  if (s.kind == BoundPlan::Step::kernel) {
    const auto& where =
        plan.kernels[static_cast<std::size_t>(s.code)].sites[static_cast<std::size_t>(site)];
    node = where.first;
    axis = where.second;
  }
  const ir::GraphNode& n = plan.graph[node];
  // index() moves the axes that it indexes to the front; the user's own numbering is below.
  const ir::GraphNode* whole = n.op->has(ir::Trait::gather) ? &plan.graph[n.inputs[0]] : nullptr;
  while (whole && whole->op == &ops::transpose) {
    axis = static_cast<int>(whole->attrs.ints[static_cast<std::size_t>(axis)]);
    whole = &plan.graph[whole->inputs[0]];
  }
  std::string place = support::describe(n.where), of;
  if (whole && !whole->name.empty()) {
    of = fmt::format(" of {} {}", whole->name, whole->type.to_string());
    place += fmt::format("; {} from {}", whole->name, support::describe(whole->where));
  }
  std::string hint = bound == 0 ? "an axis of size 0 has no positions"
                                : fmt::format("positions of an axis of {} run from {} to {}", bound,
                                              -bound, bound - 1);
  support::fail<IndexError>("index", {.place = std::move(place), .hint = std::move(hint)},
                            "position {} is outside axis {}{}, which has size {}, in a call of {}",
                            value, axis, of, bound, signature_.name);
}

} // namespace kroton::jit
