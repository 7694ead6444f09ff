#include "jit/bind.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"

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
    for (const plan::Step& step : plan_.steps) bound_.steps.push_back(bind_step(step));
    if (is_on_device()) bind_ranges();
    bound_.sizes = table_.code();
    return std::move(bound_);
  }

private:
  void bind_buffers();
  void bind_leaf(int buffer, const ir::GraphNode& n);
  void bind_outputs();
  void bind_sizes();
  void bind_scalars(const Dim& d);
  BoundPlan::Step bind_step(const plan::Step& step);
  void bind_kernel(const plan::KernelStep& kernel, BoundPlan::Step& step);
  void bind_arguments(const plan::KernelStep& kernel, BoundPlan::Step& step);
  bool is_on_device() const { return !texts_.device.empty(); }
  BoundPlan::Launch bind_launch(const DeviceCode::Launch& launch);
  void bind_launches(BoundPlan::Step& step);
  void bind_scatter_launches(BoundPlan::Step& step);
  int slot_of_draw(std::int64_t draw);
  void bind_contraction(const plan::ContractionStep& contraction, BoundPlan::Step& step);
  void bind_ranges();
  ir::NodeId left_in(const plan::Buffer& buffer) const;
  void bind_known_epilogue(const plan::ContractionStep& contraction, BoundPlan::Step& step);
  BoundPlan::Operand bind_operand(const plan::Operand& operand) {
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
  const int leaf = n.attrs.leaf ? leaves_.number_of(n.attrs.leaf.get()) : -1;
  if (n.op == &ops::input) {
    bound_.sources.push_back({BoundPlan::Source::argument, buffer, leaf});
  } else if (n.op == &ops::shared) {
    bound_.sources.push_back({BoundPlan::Source::shared, buffer, leaf});
  } else if (n.op == &ops::array) {
    const Array& value = static_cast<const ir::ArrayLeaf*>(n.attrs.leaf.get())->value;
    BoundPlan::Constant c{buffer, leaf, value.dtype(), value.shape()};
    if (leaf < 0) { // folded from others
      const Array dense = value.contiguous(signature_.where);
      c.bytes.assign(static_cast<const char*>(dense.raw()), dense.nbytes());
    }
    bound_.constants.push_back(std::move(c));
  } else {
    BoundPlan::Constant c{buffer, -1, n.type.dtype};
    c.bytes.assign(reinterpret_cast<const char*>(&n.attrs.bits), item_size(n.type.dtype));
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
    for (const Dim& d : plan_.graph[id].attrs.dims) bind_scalars(d);
    // Kernels count elements of values that are not stored, too: a call checks that an int64 can.
    const auto item = static_cast<std::int64_t>(item_size(type.dtype));
    if (counted.emplace(type.shape.data(), item).second)
      table_.slot(dims::mul(dims::product(type.shape), Dim(item)));
  }
  for (const ir::DimCheck& c : plan_.graph.checks()) {
    const Dim a = plan_.graph.canonical(c.constraint.a), b = plan_.graph.canonical(c.constraint.b);
    bind_scalars(a);
    bind_scalars(b);
    if (!dims::same(a, b)) bound_.equal_slots.emplace_back(table_.slot(a), table_.slot(b));
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

BoundPlan::Step Binder::bind_step(const plan::Step& step) {
  BoundPlan::Step s;
  s.is_fallible = step.is_fallible;
  if (is_on_device()) {
    s.reads = step.reads;
    s.writes = step.writes;
  }
  if (const auto* k = std::get_if<plan::KernelStep>(&step.what)) {
    bind_kernel(*k, s);
  } else if (const auto* c = std::get_if<plan::ContractionStep>(&step.what)) {
    s.kind = BoundPlan::Step::contraction;
    bind_contraction(*c, s);
  } else {
    const auto& scatter = std::get<plan::ScatterStep>(step.what);
    s.kind = BoundPlan::Step::scatter;
    s.out = scatter.out;
    s.added = scatter.added;
    s.positions = scatter.positions;
    if (is_on_device()) bind_scatter_launches(s);
  }
  return s;
}

void Binder::bind_kernel(const plan::KernelStep& k, BoundPlan::Step& s) {
  const plan::Kernel& kernel = plan_.kernels[static_cast<std::size_t>(k.kernel)];
  bind_arguments(k, s);
  if (is_on_device()) return bind_launches(s);
  s.code = k.kernel;
  if (!kernel.scratch.empty()) s.scratch = table_.slot(scratch_offsets(kernel).back());
}

void Binder::bind_arguments(const plan::KernelStep& k, BoundPlan::Step& s) {
  const plan::Kernel& kernel = plan_.kernels[static_cast<std::size_t>(k.kernel)];
  s.buffers = k.buffers;
  s.first_size = static_cast<int>(bound_.step_sizes.size());
  for (const Dim& d : size_arguments(kernel)) bound_.step_sizes.push_back(table_.slot(d));
  for (std::int64_t draw : draw_arguments(kernel)) bound_.step_sizes.push_back(slot_of_draw(draw));
  for (std::uint64_t bits : constant_arguments(kernel))
    bound_.step_sizes.push_back(table_.number_slot(static_cast<std::int64_t>(bits)));
  s.sizes = static_cast<int>(bound_.step_sizes.size()) - s.first_size;
}

BoundPlan::Launch Binder::bind_launch(const DeviceCode::Launch& launch) {
  const codegen::Launch& l = launch.how;
  return {launch.text,
          l.entry,
          l.threads,
          table_.slot(l.units),
          l.units_per_block,
          l.blocks_per_multiprocessor,
          l.most_blocks,
          table_.slot(l.shared_bytes),
          l.always,
          l.stage,
          table_.slot(l.length),
          l.at_most};
}

/// How the step runs that is bound now.
void Binder::bind_launches(BoundPlan::Step& s) {
  const DeviceCode& code = texts_.device[bound_.steps.size()];
  const Dim& scratch = code.scratch_bytes;
  if (!scratch.is_static() || scratch.value() != 0) s.scratch = table_.slot(scratch);
  s.counts_blocks = code.counts_blocks;
  for (const DeviceCode::Launch& l : code.launches) s.launches.push_back(bind_launch(l));
  for (const DeviceCode::Launch& l : code.epilogue) s.epilogue.push_back(bind_launch(l));
}

int Binder::slot_of_draw(std::int64_t draw) {
  const auto [it, is_new] = draw_slots_.try_emplace(draw, -1);
  if (is_new) {
    it->second = table_.own_slot();
    bound_.draws.push_back({it->second, leaves_.number_of_draw(draw)});
  }
  return it->second;
}

/// The arguments that codegen/cuda_contraction.hpp lists.
void Binder::bind_scatter_launches(BoundPlan::Step& s) {
  bind_launches(s);
  s.buffers = {s.out, s.added};
  s.buffers.insert(s.buffers.end(), s.positions.begin(), s.positions.end());
  s.first_size = static_cast<int>(bound_.step_sizes.size());
  const auto& positions = plan_.buffers[static_cast<std::size_t>(s.positions[0])].shape;
  const std::span<const Dim> out = plan_.buffers[static_cast<std::size_t>(s.out)].shape;
  const std::size_t indexed = s.positions.size();
  bound_.step_sizes.push_back(table_.slot(dims::product(positions)));
  bound_.step_sizes.push_back(table_.slot(dims::product(out.subspan(indexed))));
  for (const Dim& d : out.first(indexed)) bound_.step_sizes.push_back(table_.slot(d));
  s.sizes = static_cast<int>(bound_.step_sizes.size()) - s.first_size;
}

void Binder::bind_contraction(const plan::ContractionStep& c, BoundPlan::Step& s) {
  s.product = product_shape(c, texts_.vector_bytes);
  if (is_on_device())
    bind_launches(s);
  else
    s.code_of_scheme =
        std::ranges::find(texts_.products, s.product, &Texts::Product::shape)->of_scheme;
  s.a = bind_operand(c.a);
  s.b = bind_operand(c.b);
  if (c.alpha) s.alpha = bind_operand(*c.alpha);
  s.out = c.out;
  s.so_far = c.c.value_or(-1);
  s.out_row = table_.slot(c.out_row);
  s.shape = table_.slots(c.shape);
  s.k = table_.slot(c.k);
  if (c.epilogue) {
    bind_arguments(c.epilogue->kernel, s);
    s.keeps_product = c.epilogue->keeps_product;
    bind_known_epilogue(c, s);
  }
}

/// Lets a call on a device know whether a position can be out of range before it has run, and what
/// integers it leaves for calls that take its results for positions.
void Binder::bind_ranges() {
  std::vector<ir::NodeId> positions;
  std::vector<Dim> axes;
  const auto add = [&](ir::NodeId id, std::size_t k) {
    const ir::GraphNode& n = plan_.graph[id];
    positions.push_back(n.inputs[k + 1]);
    axes.push_back(n.op->is(ir::Kind::scatter) ? n.attrs.dims[k]
                                               : plan_.graph[n.inputs[0]].type.shape[k]);
  };
  for (const plan::Step& step : plan_.steps) {
    if (const plan::KernelStep* k = step.kernel()) {
      for (const auto& [id, operand] : plan_.kernels[static_cast<std::size_t>(k->kernel)].sites)
        add(id, static_cast<std::size_t>(operand));
    } else if (const auto* s = std::get_if<plan::ScatterStep>(&step.what)) {
      for (std::size_t k = 0; k < s->positions.size(); ++k) add(step.computes.front(), k);
    }
  }
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
void Binder::bind_known_epilogue(const plan::ContractionStep& c, BoundPlan::Step& s) {
  const plan::Epilogue& e = *c.epilogue;
  const plan::Kernel& kernel = plan_.kernels[static_cast<std::size_t>(e.kernel.kernel)];
  const auto known = plan::known_epilogue(kernel, e.product, c.shape.back());
  if (!known || e.keeps_product || c.c) return;
  const auto buffer = [&](int param) { return e.kernel.buffers[static_cast<std::size_t>(param)]; };
  s.known.activation = known->activation;
  if (known->bias >= 0) {
    s.known.bias = buffer(known->bias);
    s.known.bias_offset = table_.slot(known->bias_offset);
  }
  s.known.out = buffer(known->out);
  s.known.out_row = table_.slot(known->out_row);
}

} // namespace

BoundPlan bind_plan(const Derivation& derivation, const Signature& signature, const Leaves& leaves,
                    std::vector<BoundPlan::Kernel> kernels) {
  return Binder(derivation, signature, leaves).bind(std::move(kernels));
}

} // namespace kroton::jit
