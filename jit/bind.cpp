/// Program's construction: code, sizes and buffers bound to a plan.
#include <algorithm>
#include <map>

#include "codegen/contraction.hpp"
#include "codegen/render.hpp"
#include "jit/frame.hpp"
#include "lib/ops/build.hpp"
#include "lib/support/log.hpp"

namespace kroton::jit {
namespace dims = ir::dims;
using namespace plan;

Program::Program(plan::Plan plan, const Signature& signature, const ProgramOptions& options)
    : plan_(std::move(plan)), signature_(signature), threads_(options.threads),
      vector_bytes_(options.target.vector_bytes) {
  render_and_load(options);
  bind_sources(signature);
  bind_sizes(signature);
  bind_steps();
}

Program::~Program() = default;

void Program::render_and_load(const ProgramOptions& options) {
  for (const Kernel& k : plan_.kernels) {
    codegen::KernelSource source = codegen::render(k, vector_bytes_);
    if (options.tamper) options.tamper(source.text);
    std::vector<std::pair<int, std::string>> notes;
    for (const auto& [line, node] : source.lines) {
      const ir::GraphNode& n = plan_.graph[node];
      notes.emplace_back(line, fmt::format("{} {}, {}", n.op->name, n.type.to_string(),
                                           support::describe(n.where)));
    }
    texts_.push_back({std::move(source.text), k.title});
    notes_.push_back(std::move(notes));
  }
  render_contractions();
  loaded_ = get_kernels(texts_, options.target, options.code, options.compiling);
}

std::vector<int> Program::slots_of(std::span<const Dim> dims) {
  std::vector<int> slots;
  for (const Dim& d : dims) slots.push_back(sizes_.slot(d));
  return slots;
}

namespace {

Array value_of_constant(const ir::GraphNode& n) {
  if (n.op == &ops::array) return static_cast<const ir::ArrayLeaf*>(n.attrs.leaf.get())->value;
  Array scalar = Array::empty(n.type.dtype, {});
  std::memcpy(scalar.raw(), &n.attrs.bits, item_size(n.type.dtype));
  return scalar;
}

} // namespace

void Program::bind_sources(const Signature& signature) {
  std::map<const void*, int> argument_of;
  for (std::size_t i = 0; i < signature.inputs.size(); ++i)
    argument_of[signature.inputs[i].node()->attrs.leaf.get()] = static_cast<int>(i);
  std::map<ir::SharedState*, bool> shared;
  updates_.resize(signature.updates.size());
  for (std::size_t u = 0; u < signature.updates.size(); ++u) {
    updates_[u].state = signature.updates[u].first.state().get();
    shared[updates_[u].state] = true;
  }
  for (const Expr& e : signature.inputs) argument_types_.emplace_back(e.dtype(), e.shape().size());
  for (std::size_t b = 0; b < plan_.buffers.size(); ++b) {
    const Buffer& buffer = plan_.buffers[b];
    const ir::GraphNode& n = plan_.graph[buffer.node];
    buffer_types_.push_back({buffer.dtype, slots_of(buffer.shape), slots_of(buffer.strides)});
    Source s{Source::output, static_cast<int>(b), buffer.index};
    switch (buffer.kind) {
    case BufferKind::output:
      break;
    case BufferKind::update:
      s.kind = Source::update;
      updates_[static_cast<std::size_t>(buffer.index)].buffer = s.buffer;
      break;
    case BufferKind::temp:
      temps_.emplace_back(s.buffer, buffer.index);
      continue;
    case BufferKind::leaf:
      if (n.op == &ops::input) {
        s.kind = Source::argument;
        s.index = argument_of.at(n.attrs.leaf.get());
      } else if (n.op == &ops::shared) {
        s.kind = Source::shared;
        s.state =
            const_cast<ir::SharedState*>(static_cast<const ir::SharedState*>(n.attrs.leaf.get()));
        shared.try_emplace(s.state, false);
      } else {
        constants_.emplace_back(s.buffer, value_of_constant(n));
        continue;
      }
      break;
    }
    sources_.push_back(s);
  }
  // One order for all calls, so that two functions never wait for each other in a circle.
  for (const auto& [state, is_exclusive] : shared) locks_.push_back({state, is_exclusive});
  for (const Dim& bytes : plan_.slots) slot_bytes_.push_back(sizes_.slot(bytes));
  for (const Expr& e : signature.outputs) {
    std::vector<int> shape;
    for (const Dim& d : e.shape()) shape.push_back(sizes_.slot(plan_.graph.canonical(d)));
    outputs_.push_back({e.dtype(), std::move(shape)});
  }
}

void Program::bind_sizes(const Signature& signature) {
  std::map<int, bool> is_bound;
  for (std::size_t i = 0; i < signature.inputs.size(); ++i) {
    const auto& shape = signature.inputs[i].shape();
    for (std::size_t a = 0; a < shape.size(); ++a) {
      const Dim d = plan_.graph.canonical(shape[a]);
      const int slot = sizes_.slot(d);
      const bool is_symbol = !d.is_static() && d.node()->kind == ir::DimKind::symbol;
      if (is_symbol && is_bound.emplace(slot, true).second)
        symbols_.push_back({slot, static_cast<int>(i), static_cast<int>(a)});
      else
        checks_.push_back({static_cast<int>(i), static_cast<int>(a), slot});
    }
  }
  // Scalars whose values are sizes, wherever in a dim they stand.
  auto bind_scalars = [&](const Dim& d) {
    dims::for_each_leaf(d, [&](const Dim& leaf) {
      if (leaf.node()->kind != ir::DimKind::scalar) return;
      const int slot = sizes_.slot(leaf);
      if (!is_bound.emplace(slot, true).second) return;
      for (std::size_t i = 0; i < signature.inputs.size(); ++i)
        if (signature.inputs[i].node()->attrs.leaf == leaf.node()->leaf)
          symbols_.push_back({slot, static_cast<int>(i), -1});
    });
  };
  for (ir::NodeId id : plan_.graph.order()) {
    for (const Dim& d : plan_.graph[id].type.shape) bind_scalars(d);
    for (const Dim& d : plan_.graph[id].attrs.dims) bind_scalars(d);
  }
  for (const ir::DimCheck& c : plan_.graph.checks()) {
    const Dim a = plan_.graph.canonical(c.constraint.a), b = plan_.graph.canonical(c.constraint.b);
    bind_scalars(a);
    bind_scalars(b);
    if (!dims::same(a, b)) equal_slots_.emplace_back(sizes_.slot(a), sizes_.slot(b));
  }
}

Program::BoundOperand Program::bind(const plan::Operand& operand) {
  return {operand.buffer, sizes_.slot(operand.offset), slots_of(operand.strides)};
}

void Program::bind_steps() {
  for (const Step& step : plan_.steps) {
    BoundStep s;
    s.step = &step;
    if (const auto* k = std::get_if<KernelStep>(&step.what)) {
      const Kernel& kernel = plan_.kernels[static_cast<std::size_t>(k->kernel)];
      s.entry = loaded_[static_cast<std::size_t>(k->kernel)].entry;
      s.buffers = k->buffers;
      s.first_size = step_sizes_.size();
      for (const Dim& d : size_arguments(kernel)) step_sizes_.push_back(sizes_.slot(d));
      if (!kernel.scratch.empty()) s.scratch = sizes_.slot(scratch_offsets(kernel).back());
      most_arguments_ = std::max(most_arguments_, s.buffers.size() + 1);
    } else if (const auto* c = std::get_if<ContractionStep>(&step.what)) {
      s.kind = BoundStep::contraction;
      bind_contraction(*c, s);
    } else {
      const auto& sc = std::get<ScatterStep>(step.what);
      s.kind = BoundStep::scatter;
      s.out = sc.out;
      s.added = sc.added;
      s.positions = sc.positions;
    }
    steps_.push_back(std::move(s));
  }
}

} // namespace kroton::jit
