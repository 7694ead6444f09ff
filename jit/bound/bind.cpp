#include "jit/bound/bind.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/support/match.hpp"

namespace kroton::jit {
namespace {

namespace dims = ir::dims;

class Binder {
public:
  Binder(const Derivation& derivation, const Signature& signature, const Leaves& leaves)
      : plan_(derivation.plan), texts_(derivation.texts), signature_(signature), leaves_(leaves) {}

  BoundPlan bind(std::vector<BoundPlan::Kernel> kernels) {
    bound_.kernels = std::move(kernels);
    bind_buffers();
    bind_outputs();
    bind_sizes();
    if (texts_.device)
      bind_device_steps(*texts_.device);
    else
      bind_cpu_steps();
    bound_.sizes = table_.code();
    return std::move(bound_);
  }

private:
  void bind_buffers();
  void bind_leaf(int buffer, const ir::GraphNode& n);
  void bind_outputs();
  void bind_sizes();
  void bind_scalars(const Dim& d);
  void bind_cpu_steps();
  void bind_device_steps(const std::vector<DeviceCode>& code);
  bound::Arguments arguments_of(const plan::KernelStep& kernel);
  std::vector<bound::Launch> launches_of(const std::vector<DeviceCode::Launch>& launches);
  int slot_of_draw(std::int64_t draw);
  bound::CpuKernel cpu_kernel(const plan::KernelStep& kernel);
  bound::Product product_of(const plan::ContractionStep& contraction);
  bound::DeviceEpilogue epilogue_of(const plan::ContractionStep& contraction,
                                    const DeviceCode& code);
  std::optional<bound::DeviceEpilogue::Known>
  known_epilogue_of(const plan::ContractionStep& contraction);
  bound::Call call_of(const plan::LibraryStep& step);
  std::vector<bound::CallArray> arrays_of(const std::vector<plan::CallArray>& arrays);
  void bind_ranges();
  ir::NodeId left_in(const plan::Buffer& buffer) const;
  bound::Operand bind_operand(const plan::Operand& operand) {
    return {operand.buffer, table_.slot(operand.offset), table_.slots(operand.strides)};
  }

  const plan::Plan& plan_;
  const Texts& texts_;
  const Signature& signature_;
  const Leaves& leaves_;
  SizeTable table_;
  std::map<int, bool> has_symbol_source_; ///< by slot
  std::map<std::int64_t, int> draw_slots_;
  BoundPlan bound_;
};

void Binder::bind_buffers() {
  using plan::BufferKind;
  for (std::size_t b = 0; b < plan_.buffers.size(); ++b) {
    const plan::Buffer& buffer = plan_.buffers[b];
    const int number = static_cast<int>(b);
    bound_.buffers.push_back(
        {buffer.dtype, table_.slots(buffer.shape), table_.slots(buffer.strides)});
    switch (buffer.kind) {
    case BufferKind::output:
      bound_.sources.push_back({BoundPlan::Source::output, number, buffer.index});
      break;
    case BufferKind::update:
      bound_.sources.push_back({BoundPlan::Source::update, number, buffer.index});
      break;
    case BufferKind::temp:
      bound_.temps.emplace_back(number, buffer.index);
      break;
    case BufferKind::leaf:
      bind_leaf(number, plan_.graph[buffer.node]);
      break;
    }
  }
  for (const Dim& bytes : plan_.slots) bound_.slot_bytes.push_back(table_.slot(bytes));
}

void Binder::bind_leaf(int buffer, const ir::GraphNode& n) {
  const int leaf = n.params.leaf() ? leaves_.number_of(n.params.leaf()) : -1;
  if (n.op == &ops::input) {
    bound_.sources.push_back({BoundPlan::Source::argument, buffer, leaf});
  } else if (n.op == &ops::shared) {
    bound_.sources.push_back({BoundPlan::Source::shared, buffer, leaf});
  } else if (n.op == &ops::array) {
    const Array& value = n.params.as<ops::ArrayParams>().leaf->value;
    BoundPlan::Constant c{buffer, leaf, value.dtype(), value.shape()};
    if (leaf < 0) { // folded from others
      const Array dense = value.contiguous(signature_.where);
      c.bytes.assign(static_cast<const char*>(dense.raw()), dense.nbytes());
    }
    bound_.constants.push_back(std::move(c));
  } else {
    BoundPlan::Constant c{buffer, -1, n.type.dtype};
    c.bytes.assign(reinterpret_cast<const char*>(ops::constant_in(n).words.data()),
                   item_size(n.type.dtype));
    bound_.constants.push_back(std::move(c));
  }
}

void Binder::bind_outputs() {
  for (const Expr& e : signature_.outputs) {
    std::vector<int> shape;
    for (const Dim& d : e.shape()) shape.push_back(table_.slot(plan_.graph.canonical(d)));
    bound_.outputs.push_back({e.dtype(), std::move(shape)});
  }
}

void Binder::bind_sizes() {
  for (std::size_t i = 0; i < signature_.inputs.size(); ++i) {
    const auto& shape = signature_.inputs[i].shape();
    for (std::size_t a = 0; a < shape.size(); ++a) {
      const Dim d = plan_.graph.canonical(shape[a]);
      const int slot = table_.slot(d);
      const bool is_symbol = !d.is_static() && d.node()->kind == ir::DimKind::symbol;
      if (is_symbol && has_symbol_source_.emplace(slot, true).second)
        bound_.symbols.push_back({slot, static_cast<int>(i), static_cast<int>(a)});
      else
        bound_.checks.push_back({static_cast<int>(i), static_cast<int>(a), slot});
    }
  }
  std::set<std::pair<const Dim*, std::int64_t>> counted;
  for (ir::NodeId id : plan_.graph.order()) {
    const ir::Type& type = plan_.graph[id].type;
    for (const Dim& d : type.shape) bind_scalars(d);
    ir::for_each_dim(plan_.graph[id].params, [&](const Dim& d) { bind_scalars(d); });
    // Kernels count elements of values that are not stored, too: a call checks that an int64 can.
    const auto item = static_cast<std::int64_t>(item_size(type.dtype));
    if (counted.emplace(type.shape.data(), item).second)
      table_.slot(dims::mul(dims::product(type.shape), Dim(item)));
  }
  for (const ir::DimCheck& c : plan_.graph.checks()) {
    const Dim a = plan_.graph.in_sizes(c.constraint.a), b = plan_.graph.in_sizes(c.constraint.b);
    bind_scalars(a);
    bind_scalars(b);
    if (dims::same(a, b)) continue;
    auto& slots = c.constraint.is_assumed ? bound_.assumed_slots : bound_.equal_slots;
    slots.emplace_back(table_.slot(a), table_.slot(b));
  }
}

/// Scalars whose values are sizes, wherever in a dim they stand.
void Binder::bind_scalars(const Dim& d) {
  dims::for_each_leaf(d, [&](const Dim& leaf) {
    if (leaf.node()->kind != ir::DimKind::scalar) return;
    const int slot = table_.slot(leaf);
    if (!has_symbol_source_.emplace(slot, true).second) return;
    const int argument = leaves_.number_of(leaf.node()->leaf.get());
    if (argument >= 0 && argument < static_cast<int>(signature_.inputs.size()))
      bound_.symbols.push_back({slot, argument, -1});
  });
}

void Binder::bind_cpu_steps() {
  auto& steps = bound_.steps.emplace<std::vector<bound::CpuStep>>();
  for (const plan::Step& step : plan_.steps) {
    bound::CpuStep& s = steps.emplace_back(bound::CpuStep{step.is_fallible});
    support::match(
        step.what, [&](const plan::KernelStep& k) { s.what = cpu_kernel(k); },
        [&](const plan::ContractionStep& c) {
          bound::CpuProduct product{product_of(c)};
          const auto text =
              std::ranges::find(texts_.products, product.product.known, &Texts::Product::shape);
          product.code_of_scheme = text->of_scheme;
          s.what = std::move(product);
        },
        [&](const plan::LibraryStep& l) { s.what = bound::CpuCall{call_of(l)}; });
  }
  for (const Texts::Sequence& q : texts_.sequences) {
    const auto first = static_cast<int>(bound_.step_sizes.size());
    for (std::int64_t draw : q.draws) bound_.step_sizes.push_back(slot_of_draw(draw));
    bound_.sequences.push_back({q.steps.first, q.steps.count, q.text, first});
  }
}

void Binder::bind_device_steps(const std::vector<DeviceCode>& code) {
  auto& steps = bound_.steps.emplace<std::vector<bound::DeviceStep>>();
  for (const plan::Step& step : plan_.steps) {
    const DeviceCode& c = code[steps.size()];
    bound::DeviceStep& s = steps.emplace_back();
    s.is_fallible = step.is_fallible;
    s.reads = step.reads;
    s.writes = step.writes;
    const Dim& scratch = c.scratch_bytes;
    if (!scratch.is_static() || scratch.value() != 0) s.scratch = table_.slot(scratch);
    s.counts_blocks = c.counts_blocks;
    s.launches = launches_of(c.launches);
    support::match(
        step.what,
        [&](const plan::KernelStep& k) { s.what = bound::DeviceKernel{arguments_of(k)}; },
        [&](const plan::ContractionStep& p) {
          bound::DeviceProduct product{product_of(p)};
          if (p.epilogue) product.epilogue = epilogue_of(p, c);
          s.what = std::move(product);
        },
        [&](const plan::LibraryStep& l) {
          s.what = bound::DeviceCall{call_of(l), c.clears_results};
        });
  }
  bind_ranges();
}

bound::CpuKernel Binder::cpu_kernel(const plan::KernelStep& k) {
  const plan::Kernel& kernel = plan_.kernels[static_cast<std::size_t>(k.kernel)];
  bound::CpuKernel bound{k.kernel, arguments_of(k)};
  if (!kernel.scratch.empty()) bound.scratch = table_.slot(scratch_offsets(kernel).back());
  return bound;
}

bound::Arguments Binder::arguments_of(const plan::KernelStep& k) {
  const plan::Kernel& kernel = plan_.kernels[static_cast<std::size_t>(k.kernel)];
  const auto first = static_cast<int>(bound_.step_sizes.size());
  for (const Dim& d : size_arguments(kernel)) bound_.step_sizes.push_back(table_.slot(d));
  for (std::int64_t draw : draw_arguments(kernel)) bound_.step_sizes.push_back(slot_of_draw(draw));
  for (std::uint64_t bits : constant_arguments(kernel))
    bound_.step_sizes.push_back(table_.number_slot(static_cast<std::int64_t>(bits)));
  return {k.buffers, first, static_cast<int>(bound_.step_sizes.size()) - first};
}

std::vector<bound::Launch> Binder::launches_of(const std::vector<DeviceCode::Launch>& launches) {
  std::vector<bound::Launch> bound;
  for (const DeviceCode::Launch& launch : launches) {
    const codegen::Launch& l = launch.how;
    bound.push_back({launch.text, l.entry, l.threads, table_.slot(l.units), l.units_per_block,
                     l.blocks_per_multiprocessor, l.most_blocks, table_.slot(l.shared_bytes),
                     l.always, l.stage, table_.slot(l.selector), l.selector_limit});
  }
  return bound;
}

int Binder::slot_of_draw(std::int64_t draw) {
  const auto [it, is_new] = draw_slots_.try_emplace(draw, -1);
  if (is_new) {
    it->second = table_.own_slot();
    bound_.draws.push_back({it->second, leaves_.number_of_draw(draw)});
  }
  return it->second;
}

bound::Call Binder::call_of(const plan::LibraryStep& step) {
  const auto rows = ops::all();
  bound::Call call{static_cast<int>(std::ranges::find(rows, step.op) - rows.begin()),
                   arrays_of(step.results), arrays_of(step.operands)};
  for (const auto* arrays : {&call.results, &call.operands})
    for (const bound::CallArray& a : *arrays) call.arguments.buffers.push_back(a.memory.buffer);
  call.arguments.first_size = static_cast<int>(bound_.step_sizes.size());
  call.arguments.sizes = static_cast<int>(step.numbers.size());
  for (const Dim& d : step.numbers) bound_.step_sizes.push_back(table_.slot(d));
  return call;
}

std::vector<bound::CallArray> Binder::arrays_of(const std::vector<plan::CallArray>& arrays) {
  std::vector<bound::CallArray> bound;
  for (const plan::CallArray& a : arrays)
    bound.push_back({bind_operand(a.memory), table_.slots(a.shape)});
  return bound;
}

bound::Product Binder::product_of(const plan::ContractionStep& c) {
  bound::Product p{.known = codegen::product_shape(c, texts_.vector_bytes),
                   .a = bind_operand(c.a),
                   .b = bind_operand(c.b)};
  if (c.c) p.addend = {*c.c, bind_operand(*c.alpha)};
  p.out = c.out;
  p.out_row = table_.slot(c.out_row);
  p.shape = table_.slots(c.shape);
  p.k = table_.slot(c.k);
  return p;
}

bound::DeviceEpilogue Binder::epilogue_of(const plan::ContractionStep& c, const DeviceCode& code) {
  return {arguments_of(c.epilogue->kernel), launches_of(code.epilogue), c.epilogue->keeps_product,
          known_epilogue_of(c)};
}

/// Lets a call on a device know whether a position can be out of range before it has run, and what
/// integers it leaves for calls that take its results for positions.
void Binder::bind_ranges() {
  std::vector<ir::NodeId> positions;
  std::vector<Dim> axes;
  bool is_known_beforehand = true;
  const auto add_kernel = [&](const plan::KernelStep& k) {
    for (const auto& [id, operand] : plan_.kernels[static_cast<std::size_t>(k.kernel)].sites) {
      const ir::NodeIds& inputs = plan_.graph[id].inputs;
      positions.push_back(inputs[static_cast<std::size_t>(operand) + 1]);
      axes.push_back(plan_.graph[inputs[0]].type.shape[static_cast<std::size_t>(operand)]);
    }
  };
  for (const plan::Step& step : plan_.steps)
    support::match(
        step.what, add_kernel,
        [&](const plan::ContractionStep& c) {
          if (c.epilogue) add_kernel(c.epilogue->kernel);
        },
        [&](const plan::LibraryStep& l) {
          const ir::NodeId id = step.computes.front();
          if (!step.is_fallible) return;
          if (!l.op->call->positions) {
            is_known_beforehand = false;
            return;
          }
          for (const ir::CheckedPositions& p : l.op->call->positions(plan_.graph, id)) {
            positions.push_back(plan_.graph[id].inputs[p.operand]);
            axes.push_back(p.axis);
          }
        });
  std::map<ir::NodeId, int> buffers;
  for (std::size_t b = 0; b < plan_.buffers.size(); ++b)
    if (plan_.buffers[b].kind == plan::BufferKind::leaf)
      buffers.emplace(plan_.buffers[b].node, static_cast<int>(b));
  RangeTable ranges(plan_.graph, table_, [&](ir::NodeId id) {
    const auto it = buffers.find(id);
    return it == buffers.end() ? -1 : it->second;
  });
  const std::vector<int> values = ranges.values(positions);
  for (std::size_t i = 0; i < values.size(); ++i) ranges.check(values[i], axes[i]);
  for (std::size_t b = 0; b < plan_.buffers.size(); ++b)
    if (const ir::NodeId id = left_in(plan_.buffers[b]); id != ir::no_node)
      ranges.result(static_cast<int>(b), id);
  bound_.ranges = ranges.code();
  bound_.ranges.is_complete = is_known_beforehand;
}

/// The node whose integers a call leaves in a buffer for later calls; no_node if there is none.
ir::NodeId Binder::left_in(const plan::Buffer& buffer) const {
  using plan::BufferKind;
  if (is_float(buffer.dtype)) return ir::no_node;
  if (buffer.kind == BufferKind::output || buffer.kind == BufferKind::update) return buffer.node;
  if (buffer.kind != BufferKind::leaf || buffer.index < 0) return ir::no_node;
  return plan_.graph.outputs()[signature_.outputs.size() + static_cast<std::size_t>(buffer.index)];
}

/// What the library would not store, or would have to add up with something, it is not asked for.
std::optional<bound::DeviceEpilogue::Known>
Binder::known_epilogue_of(const plan::ContractionStep& c) {
  const plan::Epilogue& e = *c.epilogue;
  const plan::Kernel& kernel = plan_.kernels[static_cast<std::size_t>(e.kernel.kernel)];
  const auto known = plan::known_epilogue(kernel, e.product, c.shape.back());
  if (!known || e.keeps_product || c.c) return std::nullopt;
  const auto buffer = [&](int param) { return e.kernel.buffers[static_cast<std::size_t>(param)]; };
  bound::DeviceEpilogue::Known bound{.activation = known->activation};
  if (known->bias >= 0) bound.bias = {buffer(known->bias), table_.slot(known->bias_offset)};
  bound.out = buffer(known->out);
  bound.out_row = table_.slot(known->out_row);
  return bound;
}

} // namespace

BoundPlan bind_plan(const Derivation& derivation, const Signature& signature, const Leaves& leaves,
                    std::vector<BoundPlan::Kernel> kernels) {
  return Binder(derivation, signature, leaves).bind(std::move(kernels));
}

} // namespace kroton::jit
