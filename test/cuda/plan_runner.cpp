#include "test/cuda/plan_runner.hpp"

#include <cstring>
#include <stdexcept>
#include <utility>

#include "jit/compile/capture.hpp"
#include "lib/ir/dim.hpp"
#include "lib/ops/basic.hpp"
#include "lib/support/match.hpp"
#include "test/conformance/oracle.hpp"

namespace kroton::test {
namespace dims = ir::dims;

/// The memory of one run: of each buffer, those of the arena by slot.
struct PlanRunner::Memory {
  std::vector<std::unique_ptr<std::vector<std::max_align_t>>> blocks;
  std::vector<void*> buffers;
  std::map<int, void*> slots;
  emulator::MemoryMap map;

  void* add(std::size_t nbytes) {
    blocks.push_back(
        std::make_unique<std::vector<std::max_align_t>>(nbytes / sizeof(std::max_align_t) + 1));
    map.add(blocks.back()->data(), nbytes);
    return blocks.back()->data();
  }
};

namespace {

/// Planned for a device, without texts.
jit::Derivation derivation_of(const std::vector<Expr>& inputs, const std::vector<Expr>& outputs,
                              const Options& options) {
  const jit::Recipe recipe{jit::make_signature(inputs, outputs, options, Location::current()),
                           options};
  return recipe.plan({}, true);
}

/// What a leaf holds, dense.
Array value_of(const ir::GraphNode& n, const std::vector<Expr>& inputs,
               const std::vector<Array>& arguments) {
  if (n.op == &ops::shared) return n.params.as<ops::SharedParams>().state->value;
  if (n.op == &ops::array) return n.params.as<ops::ArrayParams>().leaf->value;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    if (inputs[i].node()->params.leaf() == n.params.leaf()) return arguments[i];
  Array scalar = Array::empty(n.type.dtype, {});
  std::memcpy(scalar.raw(), ops::constant_in(n).words.data(), item_size(n.type.dtype));
  return scalar;
}

} // namespace

PlanRunner::PlanRunner(std::vector<Expr> inputs, std::vector<Expr> outputs, const Options& options)
    : inputs_(std::move(inputs)), derivation_(derivation_of(inputs_, outputs, options)) {
  for (const plan::Step& s : plan().steps) {
    Step& step = steps_.emplace_back();
    codegen::CudaStep code = codegen::render_cuda_step(plan(), s);
    step.texts = std::move(code.texts);
    step.clears_results = code.clears_results;
    step.modules.resize(step.texts.size());
  }
}

std::int64_t PlanRunner::size(const Dim& d) const {
  return dims::evaluate(
      d, [&](const ir::DimNode& n) { return size_in_call(plan().graph, n, inputs_, arguments_); });
}

std::vector<Array> PlanRunner::run(const std::vector<Array>& arguments,
                                   const emulator::Schedule& schedule) {
  arguments_ = arguments;
  failure_ = {};
  launched_.clear();
  Memory memory;
  for (const plan::Buffer& b : plan().buffers) {
    std::size_t nbytes = item_size(b.dtype);
    for (const Dim& d : b.shape) nbytes *= static_cast<std::size_t>(size(d));
    if (!b.shape.empty())
      nbytes = std::max(nbytes, static_cast<std::size_t>(size(b.shape[0]) * size(b.strides[0])) *
                                    item_size(b.dtype));
    void*& place = b.kind == plan::BufferKind::temp ? memory.slots[b.index]
                                                    : memory.buffers.emplace_back(nullptr);
    if (!place)
      place = memory.add(
          b.kind == plan::BufferKind::temp
              ? static_cast<std::size_t>(size(plan().slots[static_cast<std::size_t>(b.index)]))
              : nbytes);
    if (b.kind == plan::BufferKind::temp) memory.buffers.push_back(place);
    if (b.kind != plan::BufferKind::leaf) continue;
    const Array value = value_of(plan().graph[b.node], inputs_, arguments_).contiguous();
    std::memcpy(place, std::as_const(value).raw(), nbytes);
  }
  for (std::size_t i = 0; i < plan().steps.size(); ++i) run_step(i, memory, schedule);

  std::map<int, Array> results;
  const auto take = [&](int number, std::size_t buffer) {
    const plan::Buffer& b = plan().buffers[buffer];
    Shape shape;
    for (const Dim& d : b.shape) shape.push_back(size(d));
    Array a = Array::empty(b.dtype, shape);
    std::memcpy(a.raw(), memory.buffers[buffer],
                static_cast<std::size_t>(a.numel()) * item_size(b.dtype));
    results.insert_or_assign(number, std::move(a));
  };
  constexpr int updates = 1 << 20;
  for (std::size_t i = 0; i < plan().buffers.size(); ++i) {
    const plan::Buffer& b = plan().buffers[i];
    if (b.kind == plan::BufferKind::output) take(b.index, i);
    if (b.kind == plan::BufferKind::update || (b.kind == plan::BufferKind::leaf && b.index >= 0))
      take(updates + b.index, i);
  }
  std::vector<Array> all;
  for (auto& [number, array] : results) all.push_back(std::move(array));
  return all;
}

void PlanRunner::run_step(std::size_t step, Memory& memory, const emulator::Schedule& schedule) {
  const plan::Step& s = plan().steps[step];
  const Dim& scratch_bytes = steps_[step].texts.front().scratch_bytes;
  const bool counts_blocks = steps_[step].texts.front().counts_blocks;
  std::vector<void*> pointers;
  std::vector<std::int64_t> numbers;
  const auto buffer = [&](int b) { return memory.buffers[static_cast<std::size_t>(b)]; };
  const auto add_scratch = [&] {
    if (!scratch_bytes.is(0))
      pointers.push_back(memory.add(static_cast<std::size_t>(size(scratch_bytes))));
  };
  bool reports = false;
  std::vector<void*> pointers_after;
  std::vector<std::int64_t> numbers_after;
  if (const plan::KernelStep* k = s.kernel()) {
    const plan::Kernel& kernel = plan().kernels[static_cast<std::size_t>(k->kernel)];
    for (int b : k->buffers) pointers_after.push_back(buffer(b));
    for (const Dim& d : plan::size_arguments(kernel)) numbers_after.push_back(size(d));
    for (std::int64_t d : plan::draw_arguments(kernel)) numbers_after.push_back(d);
    for (std::uint64_t bits : plan::constant_arguments(kernel))
      numbers_after.push_back(static_cast<std::int64_t>(bits));
    reports = kernel.is_fallible();
  }
  const auto add_kernel = [&](const plan::KernelStep&) {
    pointers = std::exchange(pointers_after, {});
    add_scratch();
  };
  const auto add_contraction = [&](const plan::ContractionStep& contraction) {
    const plan::ContractionStep* c = &contraction;
    const std::size_t rank = c->shape.size();
    const auto item = item_size(c->dtype);
    const auto operand = [&](const plan::Operand& o) {
      return static_cast<std::byte*>(buffer(o.buffer)) +
             static_cast<std::size_t>(size(o.offset)) * item;
    };
    std::int64_t batches = 1;
    for (std::size_t i = 0; i + 2 < rank; ++i) batches *= size(c->shape[i]);
    const std::int64_t m = size(c->shape[rank - 2]), row = size(c->out_row);
    if (c->c && *c->c != c->out)
      std::memcpy(buffer(c->out), buffer(*c->c),
                  static_cast<std::size_t>(batches * m * row) * item);
    pointers = {operand(c->a), operand(c->b), buffer(c->out)};
    if (c->c) pointers.push_back(operand(*c->alpha));
    add_scratch();
    // One batch axis at most, in these tests.
    const auto batch_stride = [&](const plan::Operand& o) {
      return rank > 2 ? size(o.strides[rank - 3]) : 0;
    };
    numbers = {m,
               size(c->shape[rank - 1]),
               size(c->k),
               size(c->a.strides[rank - 2]),
               size(c->a.strides[rank - 1]),
               size(c->b.strides[rank - 2]),
               size(c->b.strides[rank - 1]),
               row,
               batches,
               batch_stride(c->a),
               batch_stride(c->b),
               m * row};
    if (c->epilogue) numbers.push_back(0); // products before
  };
  const auto add_call = [&](const plan::LibraryStep& call) {
    for (const plan::CallArray& r : call.results) {
      const plan::Buffer& b = plan().buffers[static_cast<std::size_t>(r.memory.buffer)];
      std::size_t nbytes = item_size(b.dtype);
      for (const Dim& d : r.shape) nbytes *= static_cast<std::size_t>(size(d));
      if (steps_[step].clears_results) std::memset(buffer(r.memory.buffer), 0, nbytes);
      pointers.push_back(buffer(r.memory.buffer));
    }
    for (const plan::CallArray& o : call.operands) pointers.push_back(buffer(o.memory.buffer));
    for (const Dim& d : call.numbers) numbers.push_back(size(d));
    add_scratch();
    reports = s.is_fallible;
  };
  support::match(s.what, add_kernel, add_contraction, add_call);

  void* record = &failure_;
  std::vector<void*> arguments;
  for (void*& p : pointers) arguments.push_back(static_cast<void*>(&p));
  for (std::int64_t& n : numbers) arguments.push_back(&n);
  for (void*& p : pointers_after) arguments.push_back(static_cast<void*>(&p));
  for (std::int64_t& n : numbers_after) arguments.push_back(&n);
  if (reports) {
    arguments.push_back(static_cast<void*>(&record));
    memory.map.add(&failure_, sizeof failure_);
  }
  std::uint32_t blocks_come = 0;
  void* counter = &blocks_come;
  if (counts_blocks) {
    arguments.push_back(static_cast<void*>(&counter));
    memory.map.add(&blocks_come, sizeof blocks_come);
  }
  launch(step, arguments, memory, schedule);
  if (counts_blocks) memory.map.remove(&blocks_come);
  if (blocks_come != 0) throw std::runtime_error("a launch leaves its counter of blocks behind");
  if (reports) memory.map.remove(&failure_);
}

void PlanRunner::launch(std::size_t step, std::vector<void*>& arguments, Memory& memory,
                        const emulator::Schedule& schedule) {
  constexpr std::int64_t most_shared = 227 * 1024 - codegen::own_shared_bytes;
  Step& s = steps_[step];
  int done = -1;
  for (std::size_t i = 0; i < s.texts.size(); ++i)
    for (const codegen::Launch& l : s.texts[i].launches) {
      if (l.stage <= done || size(l.selector) > l.selector_limit ||
          size(l.shared_bytes) > most_shared)
        continue;
      done = l.stage;
      const std::int64_t units = size(l.units);
      if (units == 0 && !l.always) continue;
      std::int64_t blocks =
          std::max<std::int64_t>(1, (units + l.units_per_block - 1) / l.units_per_block);
      if (l.most_blocks > 0) blocks = std::min(blocks, l.most_blocks);
      launched_.push_back(l.entry);
      auto& module = s.modules[i];
      if (!module) module = std::make_unique<emulator::Module>(s.texts[i].text);
      emulator::launch(module->kernel(l.entry),
                       {.blocks = {static_cast<unsigned>(blocks)},
                        .threads = {static_cast<unsigned>(l.threads)},
                        .shared_bytes = static_cast<std::size_t>(size(l.shared_bytes))},
                       arguments.data(), memory.map, schedule);
    }
}

} // namespace kroton::test
