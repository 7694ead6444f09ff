/// Program's calls.
#include "jit/program.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "jit/cpu/runtime.hpp"
#include "jit/frame.hpp"
#include "lib/ops/build.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton::jit {

std::byte* Workspace::reserve(std::size_t bytes) {
  if (bytes > bytes_) {
    const std::size_t rounded = (bytes + 63) / 64 * 64;
    memory_.reset(std::aligned_alloc(64, rounded));
    bytes_ = memory_ ? rounded : 0;
    if (!memory_)
      support::fail<DeviceError>("memory",
                                 {.hint = "use smaller batches, or fewer threads (KROTON_THREADS)"},
                                 "no memory for {} bytes of workspace", bytes);
  }
  return static_cast<std::byte*>(memory_.get());
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

std::unique_ptr<Program::Frame> Program::take_frame() {
  {
    const std::lock_guard lock(frames_mutex_);
    if (!frames_.empty()) {
      auto frame = std::move(frames_.back());
      frames_.pop_back();
      return frame;
    }
  }
  auto frame = std::make_unique<Frame>();
  frame->sizes = sizes_.initial();
  frame->symbols.resize(symbols_.size());
  frame->buffers.resize(sources_.size());
  frame->slots.resize(slot_bytes_.size());
  return frame;
}

void Program::give_frame(std::unique_ptr<Frame> frame) {
  frame->packed.clear();
  const std::lock_guard lock(frames_mutex_);
  frames_.push_back(std::move(frame));
}

void Program::check_arguments(std::span<const Array> arguments) const {
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
    if (a.dtype() != inputs[i].dtype()) [[unlikely]]
      support::fail<TypeError>(
          signature_.name,
          {.place = ir::place_of(signature_.where, {&inputs[i], 1}),
           .hint = fmt::format("a.astype(DType::{})", to_string(inputs[i].dtype()))},
          "argument {} is {}, got {}", i, inputs[i].label(), a.label());
    if (a.rank() != inputs[i].rank()) [[unlikely]]
      support::fail<ShapeError>(signature_.name,
                                {.place = ir::place_of(signature_.where, {&inputs[i], 1}),
                                 .hint = fmt::format("reshape it to {} axes", inputs[i].rank())},
                                "argument {} is {}, got {}", i, inputs[i].label(), a.label());
  }
}

void Program::solve_sizes(std::span<const Array> arguments, Frame& frame) const {
  bool is_same = frame.is_solved;
  for (std::size_t i = 0; i < symbols_.size(); ++i) {
    const SymbolSource& s = symbols_[i];
    const Array& a = arguments[static_cast<std::size_t>(s.argument)];
    std::int64_t v = 0;
    if (s.axis >= 0)
      v = a.shape()[static_cast<std::size_t>(s.axis)];
    else
      support::visit_dtype(a.dtype(), [&]<class T>(std::type_identity<T>) {
        v = static_cast<std::int64_t>(a.item<T>());
      });
    is_same = is_same && frame.symbols[i] == v;
    frame.symbols[i] = v;
    frame.sizes[static_cast<std::size_t>(s.slot)] = v;
  }
  frame.is_solved = is_same; // until every check has passed
  if (!is_same) sizes_.run(frame.sizes.data());
  for (const AxisCheck& c : checks_)
    if (arguments[static_cast<std::size_t>(c.argument)].shape()[static_cast<std::size_t>(c.axis)] !=
        frame.sizes[static_cast<std::size_t>(c.slot)]) [[unlikely]]
      explain_mismatch(arguments);
  if (is_same) return;
  for (const auto& [a, b] : equal_slots_)
    if (frame.sizes[static_cast<std::size_t>(a)] != frame.sizes[static_cast<std::size_t>(b)])
      explain_mismatch(arguments);
  std::size_t total = 0;
  std::vector<std::size_t> offsets;
  for (int slot : slot_bytes_) {
    offsets.push_back(total);
    total += (static_cast<std::size_t>(frame.sizes[static_cast<std::size_t>(slot)]) + 63) / 64 * 64;
  }
  std::byte* arena = frame.arena.reserve(total);
  for (std::size_t i = 0; i < offsets.size(); ++i) frame.slots[i] = arena + offsets[i];
  frame.is_solved = true;
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
        std::int64_t v = 0;
        support::visit_dtype(arguments[i].dtype(), [&]<class T>(std::type_identity<T>) {
          v = static_cast<std::int64_t>(arguments[i].item<T>());
        });
        return v;
      }
      return 0;
    }
    for (const auto& [d, v] : value)
      if (d.node().get() == &n || (!n.name.empty() && d.node()->name == n.name)) return v;
    return 0;
  };
  for (const ir::DimCheck& c : plan_.graph.checks()) {
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

std::vector<Array> Program::run(std::span<const Array> arguments, const Array* given,
                                const Watcher* watcher) {
  check_arguments(arguments);
  std::unique_ptr<Frame> owned = take_frame();
  struct Return {
    Program* program;
    std::unique_ptr<Frame>* frame;
    ~Return() { program->give_frame(std::move(*frame)); }
  } on_exit{this, &owned};
  Frame& f = *owned;
  solve_sizes(arguments, f);

  std::vector<Array> results;
  std::vector<std::pair<Array, Array>> copy_back; // outputs that could not be written directly
  auto shape_of = [&](const std::vector<int>& slots) {
    Shape shape(slots.size());
    for (std::size_t i = 0; i < slots.size(); ++i)
      shape[i] = f.sizes[static_cast<std::size_t>(slots[i])];
    return shape;
  };
  if (!given) {
    results.reserve(outputs_.size());
    for (const auto& [dtype, shape] : outputs_)
      results.push_back(Array::empty(dtype, shape_of(shape)));
  }

  const Locks locks(locks_);
  for (std::size_t b = 0; b < sources_.size(); ++b) {
    const Source& s = sources_[b];
    switch (s.kind) {
    case Source::argument: {
      const Array& a = arguments[static_cast<std::size_t>(s.index)];
      if (a.is_contiguous()) {
        f.buffers[b] = static_cast<std::byte*>(const_cast<void*>(a.raw()));
      } else {
        f.packed.push_back(a.contiguous());
        f.buffers[b] =
            static_cast<std::byte*>(const_cast<void*>(std::as_const(f.packed.back()).raw()));
        packed_arguments_.fetch_add(1, std::memory_order_relaxed);
      }
      break;
    }
    case Source::shared:
      f.buffers[b] = static_cast<std::byte*>(s.state->value.raw());
      break;
    case Source::constant:
      f.buffers[b] = static_cast<std::byte*>(const_cast<void*>(s.value.raw()));
      break;
    case Source::temp:
      f.buffers[b] = f.slots[static_cast<std::size_t>(s.index)];
      break;
    case Source::update: {
      BoundUpdate& u = updates_[static_cast<std::size_t>(s.index)];
      if (u.spare.dtype() != u.state->value.dtype() || u.spare.shape() != u.state->value.shape())
        u.spare = Array::empty(u.state->value.dtype(), u.state->value.shape());
      f.buffers[b] = static_cast<std::byte*>(u.spare.raw());
      break;
    }
    case Source::output: {
      const auto i = static_cast<std::size_t>(s.index);
      if (!given) {
        f.buffers[b] = static_cast<std::byte*>(results[i].raw());
        break;
      }
      Array target = given[i];
      const Shape& got = target.shape();
      bool fits = target.dtype() == outputs_[i].first && got.size() == outputs_[i].second.size();
      for (std::size_t a = 0; fits && a < got.size(); ++a)
        fits = got[a] == f.sizes[static_cast<std::size_t>(outputs_[i].second[a])];
      if (fits && !target.is_writable())
        support::fail<TypeError>(
            signature_.name,
            {.place = support::describe(signature_.where),
             .hint = "give one that views writable memory and repeats no element"},
            "the array given for output {}, {}, is read-only", i, target.label());
      if (!fits) {
        const Array wanted = Array::empty(outputs_[i].first, shape_of(outputs_[i].second));
        support::fail<ShapeError>(
            signature_.name,
            {.place = support::describe(signature_.where),
             .hint = "allocate it with Array::empty, or let the call make it"},
            "output {} is {} in this call, the array given is {}", i, wanted.label(),
            target.label());
      }
      bool is_direct = target.is_contiguous();
      for (const Array& a : arguments) is_direct = is_direct && !target.overlaps(a);
      for (std::size_t j = 0; j < i; ++j) is_direct = is_direct && !target.overlaps(given[j]);
      if (!is_direct) {
        f.packed.push_back(Array::empty(target.dtype(), target.shape()));
        copy_back.emplace_back(target, f.packed.back());
        f.buffers[b] = static_cast<std::byte*>(f.packed.back().raw());
      } else {
        f.buffers[b] = static_cast<std::byte*>(target.raw());
      }
      break;
    }
    }
  }

  CallRuntime runtime(threads_);
  for (const BoundStep& s : steps_) {
    const Moment moment{*s.step, [&](int buffer) { return view(buffer, f).copy(); },
                        [&](const ir::DimNode& leaf) { return size_of(leaf, f); }};
    if (watcher) watcher->before(moment);
    run_step(s, f, runtime.table());
    if (s.step->is_fallible)
      if (const auto failure = runtime.failure())
        index_failure(s, failure->site, failure->value, failure->bound);
    if (watcher) watcher->after(moment);
  }

  for (auto& [target, from] : copy_back) copy_elements(target, from);
  for (BoundUpdate& u : updates_)
    if (u.buffer >= 0) std::swap(u.state->value, u.spare);
  return results;
}

std::int64_t Program::size_of(const ir::DimNode& leaf, const Frame& frame) const {
  for (const SymbolSource& s : symbols_) {
    const Expr& input = signature_.inputs[static_cast<std::size_t>(s.argument)];
    bool is_it = false;
    if (s.axis < 0) {
      is_it = input.node()->attrs.leaf == leaf.leaf;
    } else {
      const Dim d = plan_.graph.canonical(input.shape()[static_cast<std::size_t>(s.axis)]);
      is_it = d.node().get() == &leaf || (!leaf.name.empty() && d.node()->name == leaf.name);
    }
    if (is_it) return frame.sizes[static_cast<std::size_t>(s.slot)];
  }
  return 0;
}

Array Program::view(int buffer, const Frame& frame) const {
  const Source& s = sources_[static_cast<std::size_t>(buffer)];
  Shape shape;
  for (int slot : s.shape) shape.push_back(frame.sizes[static_cast<std::size_t>(slot)]);
  return Array::view(
      s.dtype, static_cast<const void*>(frame.buffers[static_cast<std::size_t>(buffer)]), shape);
}

void Program::run_step(const BoundStep& s, Frame& f, const Runtime* runtime) const {
  if (std::holds_alternative<plan::ContractionStep>(s.step->what))
    return run_contraction(s, f, runtime);
  if (std::holds_alternative<plan::ScatterStep>(s.step->what)) return run_scatter(s, f);
  f.arguments.clear();
  for (int b : s.buffers) f.arguments.push_back(f.buffers[static_cast<std::size_t>(b)]);
  if (s.scratch >= 0)
    f.arguments.push_back(
        f.scratch.reserve(static_cast<std::size_t>(f.sizes[static_cast<std::size_t>(s.scratch)]) *
                          static_cast<std::size_t>(threads_)));
  f.size_arguments.clear();
  for (int slot : s.sizes) f.size_arguments.push_back(f.sizes[static_cast<std::size_t>(slot)]);
  s.entry(runtime, f.arguments.data(), f.size_arguments.data());
}

void Program::run_scatter(const BoundStep& s, Frame& f) const {
  Array out = Array::view(sources_[static_cast<std::size_t>(s.out)].dtype,
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
  ir::NodeId node = s.step->computes.front();
  int axis = site;
  if (const auto* k = std::get_if<plan::KernelStep>(&s.step->what)) {
    const auto& where =
        plan_.kernels[static_cast<std::size_t>(k->kernel)].sites[static_cast<std::size_t>(site)];
    node = where.first;
    axis = where.second;
  }
  const ir::GraphNode& n = plan_.graph[node];
  // index() moves the axes that it indexes to the front; the user's own numbering is below.
  const ir::GraphNode* whole = n.op->has(ir::Trait::gather) ? &plan_.graph[n.inputs[0]] : nullptr;
  while (whole && whole->op == &ops::transpose) {
    axis = static_cast<int>(whole->attrs.ints[static_cast<std::size_t>(axis)]);
    whole = &plan_.graph[whole->inputs[0]];
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
