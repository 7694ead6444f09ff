#include "jit/cuda/call.hpp"

#include <algorithm>
#include <cstring>
#include <string_view>

#include "jit/cuda/transfer.hpp"
#include "lib/support/environment.hpp"
#include "lib/support/error.hpp"
#include "lib/support/match.hpp"

namespace kroton::jit::cuda {
namespace {

/// Where arguments begin that are copied to the device together.
constexpr std::size_t staged_alignment = 256;
/// Host arguments pass through pieces of so many bytes at most.
constexpr std::size_t largest_piece = std::size_t{4} << 20;

/// Whether each launch is waited for, so that a failure can be told of the kernel that it is in.
bool is_each_launch_waited_for() {
  static const bool waits = support::switch_variable("KROTON_CUDA_SYNC", "1");
  return waits;
}

} // namespace

/// At its end, whatever was put on the queue uses the call's memory, also where the call throws.
class CudaProgram::Call::InFlight {
public:
  explicit InFlight(CudaFrame& frame) : f_(frame) {}
  ~InFlight() {
    const Position end = f_.queue.mark();
    for (const Memory* m : f_.reads) m->note_read(end);
    for (Memory* m : f_.writes) m->note_write(end);
    for (const CudaFrame::KnownResult& r : f_.known_results)
      r.memory->know_interval(r.dtype, r.interval);
    f_.reads.clear();
    f_.writes.clear();
    f_.known_results.clear();
    f_.staged.clear();
    f_.alive_until_enqueued.clear();
    f_.copies.clear();
  }
  InFlight(const InFlight&) = delete;
  InFlight& operator=(const InFlight&) = delete;

private:
  CudaFrame& f_;
};

std::vector<Array> CudaProgram::run(Frame& frame, std::span<const Array> arguments,
                                    const Array* given, const Watcher* watcher) {
  const Gpu::Current current(gpu_);
  return Call(*this, static_cast<CudaFrame&>(frame), arguments, given).run(watcher);
}

std::vector<Array> CudaProgram::Call::run(const Watcher* watcher) {
  make_outputs();
  const Locks locks(p_.locks_, {Device::cuda, p_.gpu_.facts().index});
  const InFlight in_flight(f_);
  find_buffers();
  wait_for_memory();
  copy_arguments();
  find_intervals();
  if (watcher)
    run_watched(*watcher);
  else
    run_steps();
  finish();
  find_known_results();
  p_.commit_updates();
  return std::move(results_);
}

void CudaProgram::Call::make_outputs() {
  for (std::size_t i = 0; i < p_.bound_.outputs.size(); ++i) {
    if (given_) {
      p_.check_given(given_[i], i, f_);
      continue;
    }
    const BoundPlan::OutputType& o = p_.bound_.outputs[i];
    results_.push_back(new_array(p_.gpu_, o.dtype, shape_of(o.shape, f_), p_.owner_));
  }
}

/// What output `i` is computed in when outputs were given: the array's own memory, or, where that
/// is the host's or another device's, or writing it early would change what is still read, memory
/// that is copied to it at the end.
Array CudaProgram::Call::given_memory(std::size_t i) const {
  const Array& target = given_[i];
  const Place place = place_of(target);
  bool is_direct = place.memory && &place.memory->gpu() == &p_.gpu_ && place.address != 0;
  for (const Array& a : arguments_) is_direct = is_direct && !target.overlaps(a);
  if (is_direct) return target;
  f_.copies.emplace_back(target, new_array(p_.gpu_, target.dtype(), target.shape(), p_.owner_));
  return f_.copies.back().second;
}

/// Where kernels find the array; its memory is in use until the call's work is done.
Address CudaProgram::Call::use_to_read(const Array& array) {
  const Place place = place_of(array);
  f_.reads.push_back(place.memory);
  return place.address;
}

Address CudaProgram::Call::use_to_write(const Array& array) {
  const Place place = place_of(array);
  f_.writes.push_back(place.memory);
  return place.address;
}

/// Points every buffer at its memory; needs the variables' locks.
void CudaProgram::Call::find_buffers() {
  for (const Source& s : p_.sources_) {
    Address& to = f_.buffers[static_cast<std::size_t>(s.buffer)];
    const auto i = static_cast<std::size_t>(s.index);
    switch (s.kind) {
    case BoundPlan::Source::argument:
      take_argument(arguments_[i], to, s.buffer);
      break;
    case BoundPlan::Source::shared:
      to = s.is_overwritten ? use_to_write(s.state->value) : use_to_read(s.state->value);
      break;
    case BoundPlan::Source::output:
      to = use_to_write(given_ ? given_memory(i) : results_[i]);
      break;
    case BoundPlan::Source::update:
      to = memory_of_update(p_.updates_[i]);
      break;
    }
  }
}

/// Arrays of this device are used where they are, if kernels can; others are copied.
void CudaProgram::Call::take_argument(const Array& argument, Address& to, int buffer) {
  const Place place = place_of(argument);
  if (place.memory && &place.memory->gpu() == &p_.gpu_ && place.address != 0) {
    f_.reads.push_back(place.memory);
    to = place.address;
    return;
  }
  if (!argument.is_contiguous()) p_.packed_arguments_.fetch_add(1, std::memory_order_relaxed);
  if (place.memory || has_exact_memory()) {
    to = use_to_read(f_.alive_until_enqueued.emplace_back(copy_to_gpu(argument, p_.gpu_)));
    return;
  }
  f_.staged.push_back({buffer, argument.contiguous(p_.signature_.where)});
}

/// Where a variable's new value is computed; needs the variable's lock.
Address CudaProgram::Call::memory_of_update(BoundUpdate& u) {
  const Array& now = u.state->value;
  if (u.spare.dtype() != now.dtype() || u.spare.shape() != now.shape() ||
      u.spare.device() != now.device())
    u.spare = new_array(p_.gpu_, now.dtype(), now.shape(), p_.owner_);
  return use_to_write(u.spare);
}

void CudaProgram::Call::wait_for_memory() const {
  for (const Memory* m : f_.reads) m->wait_to_read(f_.queue);
  for (const Memory* m : f_.writes) m->wait_to_write(f_.queue);
}

/// Gathers the host's arguments in pinned memory and copies them to the device, small ones in one
/// go.
void CudaProgram::Call::copy_arguments() {
  std::size_t total = 0;
  for (CudaFrame::Staged& s : f_.staged) {
    s.offset = total;
    total += (s.host.nbytes() + staged_alignment - 1) / staged_alignment * staged_alignment;
  }
  const Address to = f_.staged_memory.reserve(total);
  for (const CudaFrame::Staged& s : f_.staged)
    f_.buffers[static_cast<std::size_t>(s.buffer)] = to + s.offset;
  for (std::size_t at = 0; at < total; at += largest_piece) {
    const std::size_t end = std::min(total, at + largest_piece);
    std::byte* piece = f_.staging.next(end - at);
    for (const CudaFrame::Staged& s : f_.staged) {
      const std::size_t first = std::max(at, s.offset),
                        last = std::min(end, s.offset + s.host.nbytes());
      if (first < last)
        std::memcpy(piece + (first - at),
                    static_cast<const std::byte*>(std::as_const(s.host).raw()) + (first - s.offset),
                    last - first);
    }
    p_.gpu_.check(driver().cuMemcpyHtoDAsync_v2(to + at, piece, end - at, f_.queue.stream()),
                  "copying arguments to the device");
  }
}

// ---- steps

/// A call's steps from `first` to `last`; if somebody will look at their failure records, these are
/// cleared before.
class CudaProgram::Call::Part final : public Steps {
public:
  Part(Call& call, std::size_t first, std::size_t last, bool clears)
      : c_(call), first_(first), count_(last - first), clears_(clears ? 1 : 0) {}

  std::size_t count() const override { return clears_ + count_; }
  void run(std::size_t step, Sink& sink) const override {
    if (step < clears_) return c_.clear_records(sink);
    c_.run_step(first_ + step - clears_, sink);
  }
  std::vector<Access> accesses(std::size_t step) const override;
  bool uses(std::size_t step, const std::vector<char>& buffers) const override;
  bool overlap(const std::vector<char>& buffers) const override;

private:
  const BoundStep& step_of(std::size_t step) const { return c_.p_.steps_[first_ + step - clears_]; }
  Access access(int buffer, bool is_write) const {
    const auto b = static_cast<std::size_t>(buffer);
    return {c_.f_.buffers[b], c_.f_.buffer_bytes[b], is_write};
  }

  Call& c_;
  const std::size_t first_, count_, clears_;
};

std::vector<Access> CudaProgram::Call::Part::accesses(std::size_t step) const {
  const CudaFrame& f = c_.f_;
  if (step < clears_)
    return {{f.records_address, f.record_addresses.size() * sizeof(ir::Failure), true}};
  const BoundStep& s = step_of(step);
  std::vector<Access> all;
  for (int b : s.step->reads) all.push_back(access(b, false));
  for (int b : s.step->writes) all.push_back(access(b, true));
  const auto number = static_cast<std::size_t>(s.number);
  if (f.scratch_bytes[number] > 0)
    all.push_back({f.scratch_addresses[number], f.scratch_bytes[number], true});
  if (s.record)
    all.push_back(
        {f.record_addresses[static_cast<std::size_t>(*s.record)], sizeof(ir::Failure), true});
  return all;
}

bool CudaProgram::Call::Part::uses(std::size_t step, const std::vector<char>& buffers) const {
  if (step < clears_) return false;
  const bound::DeviceStep& s = *step_of(step).step;
  const auto is_one = [&](int b) { return buffers[static_cast<std::size_t>(b)] != 0; };
  return std::ranges::any_of(s.reads, is_one) || std::ranges::any_of(s.writes, is_one);
}

bool CudaProgram::Call::Part::overlap(const std::vector<char>& buffers) const {
  const auto is_written = [&](int b) {
    return c_.p_.is_written_[static_cast<std::size_t>(b)] != 0;
  };
  for (const Source& a : c_.p_.sources_) {
    if (!buffers[static_cast<std::size_t>(a.buffer)]) continue;
    for (const Source& b : c_.p_.sources_)
      if (a.buffer != b.buffer && (is_written(a.buffer) || is_written(b.buffer)) &&
          cuda::overlap(access(a.buffer, true), access(b.buffer, true)))
        return true;
  }
  return false;
}

void CudaProgram::Call::run_steps() {
  const auto run_part = [&](Replays& replays, std::size_t first, std::size_t last) {
    const Part part(*this, first, last, &replays == &f_.until_check);
    if (p_.uses_graphs_ && last - first > 1 && !is_each_launch_waited_for())
      return replays.run(f_.buffers, f_.queue, part);
    OnStream stream(f_.queue.stream());
    for (std::size_t i = 0; i < part.count(); ++i) part.run(i, stream);
  };
  const std::size_t count = p_.steps_.size();
  if (p_.checked_steps_ == 0 || are_positions_in_range()) return run_part(f_.whole, 0, count);
  run_part(f_.until_check, 0, p_.checked_steps_);
  check_records();
  run_part(f_.after_check, p_.checked_steps_, count);
}

void CudaProgram::Call::launch(std::size_t stage, void** parameters, Sink& sink) {
  const CudaFrame::Chosen& c = f_.chosen[stage];
  if (!c.launch) return;
  const auto describe_launch = [&](std::string_view doing) {
    return fmt::format("{} kernel {}, {}, of {}", doing, p_.describe_kernel(c.launch->code),
                       c.launch->entry, p_.signature_.name);
  };
  const Result result = sink.launch({.entry = c.entry,
                                     .blocks = c.blocks,
                                     .threads = static_cast<unsigned>(c.launch->threads),
                                     .shared_bytes = c.shared_bytes,
                                     .parameters = parameters});
  if (result != Result::success) [[unlikely]]
    p_.gpu_.fail(result, describe_launch("launching"));
  if (!is_each_launch_waited_for()) [[likely]]
    return;
  const Result done = driver().cuStreamSynchronize(f_.queue.stream());
  if (done != Result::success) p_.gpu_.fail(done, describe_launch("running"));
}

void CudaProgram::Call::run_step(std::size_t i, Sink& sink) {
  const BoundStep& s = p_.steps_[i];
  const auto launch_stages = [&] {
    void** parameters = f_.parameters.data() + f_.first_parameter[i];
    for (std::size_t k = 0; k < s.stages.size(); ++k) launch(s.first_stage + k, parameters, sink);
  };
  support::match(
      s.step->what, [&](const bound::DeviceKernel&) { launch_stages(); },
      [&](const bound::DeviceProduct& p) { contract(i, p, sink); },
      [&](const bound::DeviceCall& c) {
        if (c.clears_results)
          for (const bound::CallArray& result : c.call.results) clear(result, sink);
        launch_stages();
      });
}

// ---- failures

void CudaProgram::Call::clear_records(Sink& sink) {
  if (p_.records_ == 0) return;
  p_.gpu_.check(sink.clear(f_.records_address, f_.record_addresses.size() * sizeof(ir::Failure)),
                "clearing memory");
}

/// Waits for the steps that can fail, and throws for the first that did.
void CudaProgram::Call::check_records() {
  const std::size_t nbytes = f_.record_addresses.size() * sizeof(ir::Failure);
  p_.gpu_.check(driver().cuMemcpyDtoHAsync_v2(f_.host_failure_records.memory(), f_.records_address,
                                              nbytes, f_.queue.stream()),
                "copying to the host");
  f_.queue.mark();
  f_.queue.synchronize();
  const auto* records = static_cast<const ir::Failure*>(f_.host_failure_records.memory());
  for (const BoundStep& s : p_.steps_)
    if (s.record && records[*s.record].kind != 0) p_.step_failed(s.number, records[*s.record]);
}

// ---- watching

/// A copy of what a buffer holds, after all work so far.
Array CudaProgram::Call::fetched(int buffer) const {
  const BoundPlan::BufferType& t = p_.bound_.buffers[static_cast<std::size_t>(buffer)];
  const Shape shape = shape_of(t.shape, f_), strides = shape_of(t.strides, f_);
  std::int64_t last = 0;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) return Array::empty(t.dtype, shape, p_.signature_.where);
    last += (shape[i] - 1) * strides[i];
  }
  Array host = Array::empty(t.dtype, {last + 1}, p_.signature_.where);
  p_.gpu_.check(driver().cuMemcpyDtoHAsync_v2(host.raw(),
                                              f_.buffers[static_cast<std::size_t>(buffer)],
                                              host.nbytes(), f_.queue.stream()),
                "copying to the host");
  f_.queue.mark();
  f_.queue.synchronize();
  return host.as_strided(shape, strides).copy(p_.signature_.where);
}

void CudaProgram::Call::run_watched(const Watcher& watcher) {
  OnStream stream(f_.queue.stream());
  clear_records(stream);
  for (std::size_t i = 0; i < p_.steps_.size(); ++i) {
    const Moment moment{p_.plan().steps[i], [&](int buffer) { return fetched(buffer); },
                        [&](const ir::DimNode& leaf) { return p_.size_of(leaf, f_); },
                        [&] { f_.queue.synchronize(); }};
    watcher.before(moment);
    run_step(i, stream);
    if (p_.steps_[i].record) check_records();
    watcher.after(moment);
  }
}

/// Copies outputs that could not be written directly.
void CudaProgram::Call::finish() {
  for (const auto& [target, from] : f_.copies) {
    memory_of(from)->note_write(f_.queue.mark());
    copy_elements(target, from, p_.signature_.where);
  }
}

} // namespace kroton::jit::cuda
