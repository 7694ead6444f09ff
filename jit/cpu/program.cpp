/// CpuProgram's calls.
#include "jit/cpu/program.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "lib/data/memory.hpp"
#include "lib/data/overlap.hpp"
#include "lib/ops/table.hpp"
#include "lib/support/error.hpp"
#include "lib/support/match.hpp"
#include "lib/support/saturate.hpp"

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

CpuProgram::CpuProgram(ProgramParts parts, int threads)
    : Program(std::move(parts)), threads_(threads) {
  auto& steps = std::get<std::vector<bound::CpuStep>>(bound_.steps);
  steps_.reserve(steps.size());
  for (bound::CpuStep& step : steps) {
    const int number = static_cast<int>(steps_.size());
    steps_.push_back({number, step.is_fallible, with_code(std::move(step))});
  }
  steps.clear();
  int next = 0;
  const auto add_steps_until = [&](int end) {
    for (; next < end; ++next) parts_.push_back({next, next});
  };
  for (const bound::CpuSequence& s : bound_.sequences) {
    add_steps_until(s.first);
    next = s.first + s.count;
    parts_.push_back({s.first, next - 1, entry_of(s.code), s.first_size});
  }
  add_steps_until(static_cast<int>(steps_.size()));
}

/// Null if the kernel is deferred.
KernelEntry CpuProgram::entry_of(int kernel) const {
  const Code* loaded = code(kernel);
  return loaded ? static_cast<const CpuCode*>(loaded)->entry() : nullptr;
}

CpuProgram::StepCode CpuProgram::with_code(bound::CpuStep step) {
  return support::match(
      std::move(step.what),
      [&](bound::CpuKernel&& kernel) -> StepCode {
        most_arguments_ = std::max(most_arguments_, kernel.arguments.buffers.size() + 1);
        const KernelEntry entry = entry_of(kernel.code);
        return KernelCode{std::move(kernel), entry};
      },
      [&](bound::CpuProduct&& product) -> StepCode { return with_code(std::move(product)); },
      [&](bound::CpuCall&& call) -> StepCode {
        const ir::Op& op = *ops::all()[static_cast<std::size_t>(call.call.op)];
        return CallCode{std::move(call.call), &cpu_function(op), calls_++};
      });
}

CpuProgram::ProductCode CpuProgram::with_code(bound::CpuProduct product) const {
  ProductCode p{std::move(product.product)};
  int possible = 0;
  for (std::size_t i = 0; i < p.schemes.size(); ++i) {
    const std::optional<int>& code = product.code_of_scheme[i];
    if (!code) continue;
    p.codes[i] = code;
    p.schemes[i] = entry_of(*code);
    p.scheme = static_cast<codegen::ContractionScheme>(i);
    ++possible;
  }
  if (possible != 1) p.scheme.reset();
  if (const auto sizes = p.product.known.known_sizes())
    p.work_bytes = codegen::contraction_work_bytes(p.product.known, *p.scheme, *sizes, threads_);
  return p;
}

std::unique_ptr<Program::Frame> CpuProgram::make_frame() const {
  auto frame = std::make_unique<CpuFrame>();
  frame->buffers.resize(bound_.buffers.size());
  frame->slots.resize(bound_.slot_bytes.size());
  frame->arguments.resize(most_arguments_);
  for (const auto& [buffer, value] : constants_)
    frame->buffers[static_cast<std::size_t>(buffer)] =
        static_cast<std::byte*>(const_cast<void*>(value.raw()));
  for_each_call([&](const CallCode& c) { frame->calls.push_back(frame_of(c.call)); });
  prepare(*frame);
  return frame;
}

/// The arrays of a call, whose sizes and memory are not known yet.
CpuProgram::CpuFrame::Call CpuProgram::frame_of(const bound::Call& call) const {
  CpuFrame::Call frame;
  std::size_t sizes = 0;
  for (const auto* arrays : {&call.results, &call.operands})
    for (const bound::CallArray& a : *arrays) sizes += 2 * a.shape.size();
  frame.sizes.resize(sizes);
  std::span<const std::int64_t> rest = frame.sizes;
  const auto take = [&](std::size_t n) {
    const auto taken = rest.first(n);
    rest = rest.subspan(n);
    return taken;
  };
  const auto arrays_of = [&](const std::vector<bound::CallArray>& bound) {
    std::vector<CallArray> arrays;
    for (const bound::CallArray& a : bound) {
      const auto shape = take(a.shape.size()), strides = take(a.shape.size());
      arrays.push_back(
          {bound_.buffers[static_cast<std::size_t>(a.memory.buffer)].dtype, shape, strides});
    }
    return arrays;
  };
  frame.results = arrays_of(call.results);
  frame.operands = arrays_of(call.operands);
  return frame;
}

std::span<const std::int64_t> CpuProgram::numbers_of(const bound::Call& call,
                                                     const CpuFrame& frame) {
  return std::span<const std::int64_t>(frame.step_sizes)
      .subspan(static_cast<std::size_t>(call.arguments.first_size),
               static_cast<std::size_t>(call.arguments.sizes));
}

void CpuProgram::lay_out_call(const CallCode& c, CpuFrame& f) const {
  CpuFrame::Call& frame = f.calls[static_cast<std::size_t>(c.number)];
  auto to = frame.sizes.begin();
  for (const auto* arrays : {&c.call.results, &c.call.operands})
    for (const bound::CallArray& a : *arrays)
      for (const auto* slots : {&a.shape, &a.memory.strides})
        for (int slot : *slots) *to++ = size(f, slot);
  if (c.function->workspace)
    frame.workspace_bytes =
        c.function->workspace({frame.results, frame.operands, numbers_of(c.call, f), threads_});
}

void CpuProgram::lay_out(Frame& frame) const {
  auto& f = static_cast<CpuFrame&>(frame);
  std::size_t total = 0;
  for (std::size_t i = 0; i < bound_.slot_bytes.size(); ++i) {
    f.slots[i] = total;
    // As unsigned numbers the bytes of a slot can be rounded up.
    const auto bytes = static_cast<std::size_t>(size(f, bound_.slot_bytes[i]));
    total = support::saturating_add(total, (bytes + 63) / 64 * 64);
  }
  std::byte* arena = f.arena.reserve(total);
  for (const auto& [buffer, slot] : bound_.temps)
    f.buffers[static_cast<std::size_t>(buffer)] = arena + f.slots[static_cast<std::size_t>(slot)];
  if (calls_ > 0) for_each_call([&](const CallCode& c) { lay_out_call(c, f); });
}

std::vector<Array> CpuProgram::new_outputs(const CpuFrame& frame) const {
  std::vector<Array> results;
  results.reserve(bound_.outputs.size());
  for (const BoundPlan::OutputType& o : bound_.outputs)
    results.push_back(Array::empty(o.dtype, shape_of(o.shape, frame), signature_.where));
  return results;
}

/// An argument that is not dense, copied into the frame.
std::byte* CpuProgram::packed_copy(const Array& argument, CpuFrame& frame) {
  frame.packed.push_back(argument.contiguous(signature_.where));
  packed_arguments_.fetch_add(1, std::memory_order_relaxed);
  return static_cast<std::byte*>(const_cast<void*>(std::as_const(frame.packed.back()).raw()));
}

/// Where output `i` is to be written when `given` are the outputs: the array's own memory, or,
/// where writing it early would change what is still read, memory that is copied to it at the end.
std::byte* CpuProgram::memory_of_given(std::span<const Array> arguments, const Array* given,
                                       std::size_t i, CpuFrame& frame) const {
  const Array& target = given[i];
  check_given(target, i, frame);
  bool is_direct = target.is_contiguous() && target.device() == Device{};
  for (const Array& a : arguments) is_direct = is_direct && !data::may_overlap(target, a);
  if (is_direct) return static_cast<std::byte*>(const_cast<void*>(target.raw()));
  frame.copies.emplace_back(target, Array::empty(target.dtype(), target.shape(), signature_.where));
  return static_cast<std::byte*>(frame.copies.back().second.raw());
}

/// Where a variable's new value is computed; needs the variable's lock.
std::byte* CpuProgram::memory_of_update(BoundUpdate& u) const {
  const Array& now = u.state->value;
  if (u.spare.dtype() != now.dtype() || u.spare.shape() != now.shape())
    u.spare = Array::empty(now.dtype(), now.shape(), signature_.where);
  return static_cast<std::byte*>(u.spare.raw());
}

/// Points every buffer at its memory; needs the variables' locks.
void CpuProgram::find_buffers(std::span<const Array> arguments, const Array* given,
                              std::span<Array> results, CpuFrame& frame) {
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

std::vector<Array> CpuProgram::run(Frame& frame, std::span<const Array> arguments,
                                   const Array* given, const Watcher* watcher) {
  auto& f = static_cast<CpuFrame&>(frame);
  const Cleared on_exit(f.packed, f.copies);
  std::vector<Array> results;
  if (!given) results = new_outputs(f);

  const Locks locks(locks_, Device{});
  find_buffers(arguments, given, results, f);
  CallRuntime runtime(threads_);
  if (watcher) [[unlikely]]
    watch(f, runtime, *watcher);
  else
    for (const Part& p : parts_) run_part(p, f, runtime);

  for (const auto& [target, from] : f.copies) copy_elements(target, from, signature_.where);
  commit_updates();
  return results;
}

/// Runs the steps one by one, those of sequences too.
void CpuProgram::watch(CpuFrame& f, CallRuntime& runtime, const Watcher& watcher) const {
  for (const BoundStep& s : steps_) watch_step(with_loaded_code(s), f, runtime, watcher);
}

/// The step, whose kernels are got if they were deferred.
CpuProgram::BoundStep CpuProgram::with_loaded_code(BoundStep step) const {
  support::match(
      step.code,
      [&](KernelCode& k) {
        if (k.entry) return;
        load_deferred(std::array{k.kernel.code});
        k.entry = entry_of(k.kernel.code);
      },
      [&](ProductCode& p) {
        for (std::size_t i = 0; i < p.schemes.size(); ++i) {
          if (!p.codes[i] || p.schemes[i]) continue;
          load_deferred(std::array{*p.codes[i]});
          p.schemes[i] = entry_of(*p.codes[i]);
        }
      },
      [](CallCode&) {});
  return step;
}

void CpuProgram::watch_step(const BoundStep& s, CpuFrame& f, CallRuntime& runtime,
                            const Watcher& watcher) const {
  const Moment moment{plan().steps[static_cast<std::size_t>(s.number)],
                      [&](int buffer) { return view(buffer, f).copy(); },
                      [&](const ir::DimNode& leaf) { return size_of(leaf, f); }, [] {}};
  watcher.before(moment);
  run_step(s, f, runtime);
  watcher.after(moment);
}

Array CpuProgram::view(int buffer, const CpuFrame& frame) const {
  const BoundPlan::BufferType& t = bound_.buffers[static_cast<std::size_t>(buffer)];
  return Array::view(t.dtype,
                     static_cast<const void*>(frame.buffers[static_cast<std::size_t>(buffer)]),
                     shape_of(t.shape, frame), shape_of(t.strides, frame));
}

void CpuProgram::run_part(const Part& p, CpuFrame& f, CallRuntime& runtime) const {
  const BoundStep& last = steps_[static_cast<std::size_t>(p.last)];
  if (!p.entry) return run_step(last, f, runtime);
  p.entry(runtime.table(), reinterpret_cast<void* const*>(f.buffers.data()),
          f.step_sizes.data() + p.first_size);
  if (last.is_fallible) check_failure(last, runtime);
}

void CpuProgram::run_step(const BoundStep& s, CpuFrame& f, CallRuntime& runtime) const {
  support::match(
      s.code, [&](const KernelCode& k) { run_kernel(k, f, runtime.table()); },
      [&](const ProductCode& p) { run_product(p, f, runtime.table()); },
      [&](const CallCode& c) { run_call(c, s.number, f, runtime.table()); });
  if (s.is_fallible) check_failure(s, runtime);
}

void CpuProgram::check_failure(const BoundStep& s, CallRuntime& runtime) const {
  if (const auto failure = runtime.failure())
    step_failed(s.number, {1, failure->site, failure->value, failure->bound});
}

void CpuProgram::run_kernel(const KernelCode& k, CpuFrame& f, const Runtime* runtime) const {
  const bound::Arguments& arguments = k.kernel.arguments;
  void** to = f.arguments.data();
  for (int b : arguments.buffers) *to++ = f.buffers[static_cast<std::size_t>(b)];
  if (const auto scratch = k.kernel.scratch)
    *to = f.scratch.reserve(support::saturating_mul(static_cast<std::size_t>(size(f, *scratch)),
                                                    static_cast<std::size_t>(threads_)));
  k.entry(runtime, f.arguments.data(), f.step_sizes.data() + arguments.first_size);
}

void CpuProgram::run_call(const CallCode& c, int number, CpuFrame& f,
                          const Runtime* runtime) const {
  CpuFrame::Call& memory = f.calls[static_cast<std::size_t>(c.number)];
  const auto place = [&](std::vector<CallArray>& arrays,
                         const std::vector<bound::CallArray>& bound) {
    for (std::size_t i = 0; i < arrays.size(); ++i) {
      const bound::Operand& o = bound[i].memory;
      arrays[i].data = f.buffers[static_cast<std::size_t>(o.buffer)] +
                       size(f, o.offset) * static_cast<std::int64_t>(item_size(arrays[i].dtype));
    }
  };
  place(memory.results, c.call.results);
  place(memory.operands, c.call.operands);
  CpuCall call{memory.results, memory.operands, numbers_of(c.call, f), threads_, runtime};
  if (memory.workspace_bytes > 0) call.workspace = f.scratch.reserve(memory.workspace_bytes);
  c.function->run(call);
  if (call.failure) step_failed(number, *call.failure);
}

} // namespace kroton::jit
