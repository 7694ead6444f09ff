/// CudaProgram's construction, and what depends on sizes alone.
#include "jit/cuda/program.hpp"

#include <algorithm>
#include <cstring>
#include <map>
#include <string_view>

#include "codegen/cuda/cuda.hpp"
#include "jit/cuda/frame.hpp"
#include "lib/support/environment.hpp"
#include "lib/support/error.hpp"
#include "lib/support/match.hpp"
#include "lib/support/saturate.hpp"

namespace kroton::jit::cuda {
namespace {

using support::saturating_add;

/// Where arrays begin in memory that several share.
constexpr std::size_t alignment = 256;
std::size_t aligned(std::size_t nbytes) { return (nbytes + alignment - 1) / alignment * alignment; }
/// Up to so many bytes of a call nothing shares memory for a part of the call only.
constexpr std::size_t most_bytes_apart = std::size_t{8} << 20;

bool are_graphs_off() {
  static const bool off = support::switch_variable("KROTON_CUDA_GRAPHS", "0");
  return off;
}

} // namespace

CudaProgram::CudaProgram(ProgramParts parts, Gpu& gpu, const Options& options)
    : Program(std::move(parts)), gpu_(gpu), owner_(gpu.pool().owner(signature_.name)),
      uses_graphs_(options.cuda_graphs && !are_graphs_off()),
      allows_tf32_(grants(options.fp, Fp::approx)) {
  const Gpu::Current current(gpu_);
  bind_steps();
  bind_ranges();
  place_constants();
}

CudaProgram::~CudaProgram() = default;

void CudaProgram::bind_steps() {
  is_written_.resize(bound_.buffers.size());
  for (const bound::DeviceStep& step : device_steps()) {
    BoundStep& s = steps_.emplace_back();
    s.step = &step;
    s.number = static_cast<int>(steps_.size()) - 1;
    if (step.is_fallible) {
      s.record = records_++;
      checked_steps_ = steps_.size();
    }
    if (step.counts_blocks) s.counter = counters_++;
    for (int b : step.writes) is_written_[static_cast<std::size_t>(b)] = 1;
    s.first_stage = launches_;
    s.stages = stages_of(step.launches);
    support::match(
        step.what, [](const bound::DeviceKernel&) {},
        [&](const bound::DeviceProduct& p) {
          s.product = products_++;
          if (p.epilogue) s.epilogue = stages_of(p.epilogue->launches);
        },
        [](const bound::DeviceCall&) {});
    launches_ += s.stages.size() + s.epilogue.size();
  }
}

CudaProgram::Stages CudaProgram::stages_of(const std::vector<bound::Launch>& launches) {
  std::map<int, std::vector<const bound::Launch*>> by_number;
  for (const bound::Launch& l : launches) by_number[l.stage].push_back(&l);
  Stages stages;
  for (auto& [number, ways] : by_number) stages.push_back(std::move(ways));
  return stages;
}

void CudaProgram::place_constants() {
  std::vector<std::byte> bytes;
  for (const auto& [buffer, value] : constants_) {
    const Array dense = value.contiguous(signature_.where);
    constant_addresses_.emplace_back(buffer, bytes.size());
    const auto* from = static_cast<const std::byte*>(dense.raw());
    bytes.insert(bytes.end(), from, from + dense.nbytes());
    bytes.resize(aligned(bytes.size()));
  }
  constants_.clear();
  if (bytes.empty()) return;
  constants_memory_ = std::make_unique<Memory>(gpu_, bytes.size(), owner_);
  constants_memory_->fill(bytes.data(), 0, bytes.size());
  for (auto& [buffer, address] : constant_addresses_)
    address += constants_memory_->device_address();
}

std::unique_ptr<Program::Frame> CudaProgram::make_frame() const {
  const Gpu::Current current(gpu_);
  auto frame =
      std::make_unique<CudaFrame>(gpu_, signature_.name, owner_, static_cast<std::size_t>(records_),
                                  static_cast<std::size_t>(counters_));
  CudaFrame& f = *frame;
  f.buffers.resize(bound_.buffers.size());
  for (const auto& [buffer, address] : constant_addresses_)
    f.buffers[static_cast<std::size_t>(buffer)] = address;
  f.products.resize(static_cast<std::size_t>(products_));
  f.buffer_bytes.resize(bound_.buffers.size());
  f.scratch_bytes.resize(steps_.size());
  f.scratch_addresses.resize(steps_.size());
  f.step_sizes.resize(bound_.step_sizes.size());
  f.records_address = f.records.reserve(f.record_addresses.size() * sizeof(ir::Failure));
  for (std::size_t i = 0; i < f.record_addresses.size(); ++i)
    f.record_addresses[i] = f.records_address + i * sizeof(ir::Failure);
  f.clear_counters();
  // Where the values of the kernels' arguments will be is known for good.
  for (const BoundStep& s : steps_) {
    f.first_parameter.push_back(f.parameters.size());
    add_parameters(s, f);
  }
  prepare(f);
  return frame;
}

/// Those that are the same in every launch of a step.
void CudaProgram::add_parameters(const BoundStep& s, CudaFrame& f) const {
  const auto add = [&](const bound::Arguments& arguments, bool has_scratch) {
    for (int b : arguments.buffers) f.parameters.push_back(&f.buffers[static_cast<std::size_t>(b)]);
    if (has_scratch)
      f.parameters.push_back(&f.scratch_addresses[static_cast<std::size_t>(s.number)]);
    for (int i = 0; i < arguments.sizes; ++i)
      f.parameters.push_back(&f.step_sizes[static_cast<std::size_t>(arguments.first_size + i)]);
  };
  const bool has_scratch = s.step->scratch.has_value();
  support::match(
      s.step->what, [&](const bound::DeviceKernel& k) { add(k.arguments, has_scratch); },
      [&](const bound::DeviceProduct& p) {
        // A product has its scratch among arguments of its own.
        if (p.epilogue) add(p.epilogue->arguments, false);
      },
      [&](const bound::DeviceCall& c) { add(c.call.arguments, has_scratch); });
  if (s.record) f.parameters.push_back(&f.record_addresses[static_cast<std::size_t>(*s.record)]);
  if (s.counter) f.parameters.push_back(&f.counter_addresses[static_cast<std::size_t>(*s.counter)]);
}

namespace {

/// Blocks of a launch: see codegen::Launch. 0 if nothing is launched.
std::int64_t blocks_of(const bound::Launch& l, std::int64_t units, const GpuFacts& gpu) {
  if (units == 0 && !l.always) return 0;
  std::int64_t most = gpu.most_blocks;
  if (l.most_blocks > 0) most = std::min(most, l.most_blocks);
  if (l.blocks_per_multiprocessor > 0)
    most = std::min(most, std::int64_t{l.blocks_per_multiprocessor} * gpu.multiprocessors);
  const std::int64_t wanted = units / l.units_per_block + (units % l.units_per_block == 0 ? 0 : 1);
  return std::clamp<std::int64_t>(wanted, 1, std::max<std::int64_t>(most, 1));
}

} // namespace

namespace {

std::size_t most_shared_bytes(const GpuFacts& gpu) {
  return gpu.shared_by_choice - codegen::own_shared_bytes;
}

} // namespace

/// The launch of each stage for the current sizes.
void CudaProgram::choose(const Stages& stages, std::size_t first, const BoundStep& step,
                         CudaFrame& f) const {
  for (const std::vector<const bound::Launch*>& ways : stages) {
    const auto suits = [&](const bound::Launch* l) {
      return size(f, l->selector) <= l->selector_limit &&
             static_cast<std::size_t>(size(f, l->shared_bytes)) <= most_shared_bytes(gpu_.facts());
    };
    const auto way = std::ranges::find_if(ways, suits);
    KROTON_CHECK(way != ways.end(), "no way of launching step {} suits its sizes", step.number);
    const bound::Launch& l = **way;
    CudaFrame::Chosen& chosen = f.chosen[first++];
    const std::int64_t blocks = blocks_of(l, size(f, l.units), gpu_.facts());
    if (blocks > 0)
      chosen = {&l, nullptr, static_cast<unsigned>(blocks),
                static_cast<unsigned>(size(f, l.shared_bytes))};
  }
}

/// Gets the code of the launches that were chosen.
void CudaProgram::load_chosen(CudaFrame& f) const {
  std::vector<int> kernels;
  for (const CudaFrame::Chosen& c : f.chosen)
    if (c.launch) kernels.push_back(c.launch->code);
  load_deferred(kernels);
  for (CudaFrame::Chosen& c : f.chosen) {
    if (!c.launch) continue;
    c.entry = static_cast<const CudaCode*>(code(c.launch->code))->entry(c.launch->entry);
    // Always for the same: another call of the function may want more.
    if (c.shared_bytes + codegen::own_shared_bytes > gpu_.facts().shared_bytes)
      gpu_.check(driver().cuFuncSetAttribute(c.entry, FunctionAttribute::max_dynamic_shared_bytes,
                                             static_cast<int>(most_shared_bytes(gpu_.facts()))),
                 "asking for more shared memory");
  }
}

/// Where each slot of the arena begins.
std::vector<Address> CudaProgram::place_slots(CudaFrame& f) const {
  std::vector<Address> slots;
  std::size_t total = 0;
  for (std::size_t i = 0; i < bound_.slot_bytes.size(); ++i) {
    const auto nbytes = static_cast<std::size_t>(size(f, bound_.slot_bytes[i]));
    if (has_exact_memory()) {
      if (i == f.slots.size()) f.slots.emplace_back(f.queue, owner_);
      slots.push_back(f.slots[i].reserve(nbytes));
    } else {
      slots.push_back(total);
      total = saturating_add(total, aligned(nbytes));
    }
  }
  const Address arena = f.arena.reserve(total);
  for (Address& slot : slots) slot += arena;
  return slots;
}

void CudaProgram::lay_out(Frame& frame) const {
  auto& f = static_cast<CudaFrame&>(frame);
  if (f.laid_out == f.sizes) return; // and graphs of the last call stay right
  const Gpu::Current current(gpu_);
  f.laid_out.clear();
  f.until_check.forget();
  f.after_check.forget();
  f.whole.forget();
  f.chosen.assign(launches_, {});

  for (std::size_t b = 0; b < f.buffer_bytes.size(); ++b)
    f.buffer_bytes[b] = bytes_of(static_cast<int>(b), f);
  for (const BoundStep& s : steps_) {
    std::size_t& scratch = f.scratch_bytes[static_cast<std::size_t>(s.number)];
    scratch = s.step->scratch ? static_cast<std::size_t>(size(f, *s.step->scratch)) : 0;
    const auto choose_own = [&] { choose(s.stages, s.first_stage, s, f); };
    support::match(
        s.step->what, [&](const bound::DeviceKernel&) { choose_own(); },
        [&](const bound::DeviceProduct& p) {
          Product& product = f.products[static_cast<std::size_t>(*s.product)];
          product = product_of(p, f);
          if (!product.by_library) return choose_own();
          scratch = std::max(scratch, product.by_library->workspace_bytes());
          if (!product.has_epilogue) choose(s.epilogue, s.first_stage + s.stages.size(), s, f);
        },
        [&](const bound::DeviceCall&) { choose_own(); });
  }
  load_chosen(f);
  place(f);
  f.laid_out = f.sizes;
}

/// Gives arrays between steps, and what steps work in, their places. As long as all of that is
/// little, each has a place of its own: steps that meet in one alone can then run side by side.
/// What is large keeps the device busy without that.
void CudaProgram::place(CudaFrame& f) const {
  const auto bytes_of_slot = [&](int slot) {
    const int bytes = bound_.slot_bytes[static_cast<std::size_t>(slot)];
    return aligned(static_cast<std::size_t>(size(f, bytes)));
  };
  std::size_t temps = 0, scratch = 0, most_scratch = 0;
  for (const auto& [buffer, slot] : bound_.temps)
    temps = saturating_add(temps, bytes_of_slot(slot));
  for (std::size_t nbytes : f.scratch_bytes) {
    scratch = saturating_add(scratch, aligned(nbytes));
    most_scratch = std::max(most_scratch, nbytes);
  }
  const bool is_apart =
      uses_graphs_ && !has_exact_memory() && saturating_add(temps, scratch) <= most_bytes_apart;
  const std::vector<Address> slots = is_apart ? std::vector<Address>() : place_slots(f);
  Address next = is_apart ? f.arena.reserve(temps) : 0;
  for (const auto& [buffer, slot] : bound_.temps) {
    f.buffers[static_cast<std::size_t>(buffer)] =
        is_apart ? next : slots[static_cast<std::size_t>(slot)];
    next += bytes_of_slot(slot);
  }
  const Address scratch_address = f.scratch.reserve(is_apart ? scratch : most_scratch);
  next = scratch_address;
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    f.scratch_addresses[i] = is_apart ? next : scratch_address;
    next += aligned(f.scratch_bytes[i]);
  }
}

/// From a buffer's first element to the end of its last one.
std::size_t CudaProgram::bytes_of(int buffer, const Frame& f) const {
  const BoundPlan::BufferType& t = bound_.buffers[static_cast<std::size_t>(buffer)];
  std::int64_t last = 0;
  for (std::size_t i = 0; i < t.shape.size(); ++i) {
    const std::int64_t length = size(f, t.shape[i]);
    if (length == 0) return 0;
    last += (length - 1) * size(f, t.strides[i]);
  }
  return static_cast<std::size_t>(last + 1) * item_size(t.dtype);
}

} // namespace kroton::jit::cuda
