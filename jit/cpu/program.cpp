/// CpuProgram's calls.
#include "jit/cpu/program.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "lib/data/memory.hpp"
#include "lib/support/error.hpp"
#include "lib/support/flat_map.hpp"
#include "lib/support/saturate.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton::jit {
namespace {

/// Up to so many rows are added to one row of f32 in f32: few digits are lost.
constexpr std::int64_t most_added_directly = 32;

/// Rows of `width` elements, `count` of them, added to those of `rows` that `row_of` tells. `to`
/// holds zeros.
struct Scatter {
  std::int64_t count, rows, width;

  template <class T, class RowOf> void add(T* to, const T* from, const RowOf& row_of) const {
    for (std::int64_t i = 0; i < count; ++i) add_row(to + row_of(i) * width, from + i * width);
  }

  /// Rows to which many are added have sums in f64 until all is added.
  template <class T, class RowOf>
  void add_in_f64(T* to, const T* from, const RowOf& row_of, Workspace& scratch) const {
    if (rows * most_added_directly / 2 <= count) {
      const auto n = static_cast<std::size_t>(rows * width);
      auto* const sums = reinterpret_cast<double*>(scratch.reserve(n * sizeof(double)));
      std::fill_n(sums, n, 0.0);
      for (std::int64_t i = 0; i < count; ++i) add_row(sums + row_of(i) * width, from + i * width);
      std::transform(sums, sums + n, to, [](double sum) { return static_cast<T>(sum); });
      return;
    }
    // How many are added to a row at most: rows that share a counter are taken together.
    const std::size_t counters = std::bit_ceil(static_cast<std::size_t>(count));
    auto* const added = reinterpret_cast<std::uint8_t*>(scratch.reserve(counters));
    std::fill_n(added, counters, std::uint8_t{0});
    const auto added_to = [&](std::int64_t row) -> std::uint8_t& {
      return added[static_cast<std::size_t>(row) & (counters - 1)];
    };
    for (std::int64_t i = 0; i < count; ++i) {
      std::uint8_t& n = added_to(row_of(i));
      if (n <= most_added_directly) ++n;
    }
    support::FlatMap<std::int64_t, std::int64_t> places; // of the rows with sums in f64
    std::vector<double> sums;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t row = row_of(i);
      if (added_to(row) <= most_added_directly) {
        add_row(to + row * width, from + i * width);
        continue;
      }
      const auto place = places.emplace(row, static_cast<std::int64_t>(sums.size()));
      if (place.is_new) sums.resize(sums.size() + static_cast<std::size_t>(width));
      add_row(sums.data() + place.value, from + i * width);
    }
    places.for_each([&](std::int64_t row, std::int64_t place) {
      for (std::int64_t j = 0; j < width; ++j)
        to[row * width + j] = static_cast<T>(sums[static_cast<std::size_t>(place + j)]);
    });
  }

private:
  template <class S, class T> void add_row(S* to, const T* from) const {
    for (std::int64_t j = 0; j < width; ++j)
      to[j] = static_cast<S>(to[j] + static_cast<S>(from[j]));
  }
};

} // namespace

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
  steps_.reserve(bound_.steps.size());
  for (BoundPlan::Step& step : bound_.steps) {
    most_arguments_ = std::max(most_arguments_, step.buffers.size() + 1);
    steps_.push_back(with_code(std::move(step)));
    steps_.back().number = static_cast<int>(steps_.size()) - 1;
  }
  bound_.steps.clear();
}

KernelEntry CpuProgram::entry_of(int kernel) const {
  return static_cast<const CpuCode&>(code(kernel)).entry();
}

CpuProgram::BoundStep CpuProgram::with_code(BoundPlan::Step step) const {
  BoundStep s{std::move(step)};
  if (s.kind == BoundPlan::Step::kernel) s.entry = entry_of(s.code);
  if (s.kind != BoundPlan::Step::contraction) return s;
  int possible = 0;
  for (std::size_t i = 0; i < s.schemes.size(); ++i) {
    if (s.code_of_scheme[i] < 0) continue;
    s.schemes[i] = entry_of(s.code_of_scheme[i]);
    s.scheme = static_cast<codegen::ContractionScheme>(i);
    ++possible;
  }
  if (possible != 1) s.scheme.reset();
  if (const auto sizes = s.product.known_sizes())
    s.work_bytes = codegen::contraction_work_bytes(s.product, *s.scheme, *sizes, threads_);
  return s;
}

std::unique_ptr<Program::Frame> CpuProgram::make_frame() const {
  auto frame = std::make_unique<CpuFrame>();
  frame->buffers.resize(bound_.buffers.size());
  frame->slots.resize(bound_.slot_bytes.size());
  frame->arguments.resize(most_arguments_);
  for (const auto& [buffer, value] : constants_)
    frame->buffers[static_cast<std::size_t>(buffer)] =
        static_cast<std::byte*>(const_cast<void*>(value.raw()));
  prepare(*frame);
  return frame;
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
  for (const Array& a : arguments) is_direct = is_direct && !target.overlaps(a);
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
  for (const BoundStep& s : steps_) {
    if (watcher) [[unlikely]]
      watch_step(s, f, runtime, *watcher);
    else
      run_step(s, f, runtime);
  }

  for (const auto& [target, from] : f.copies) copy_elements(target, from, signature_.where);
  commit_updates();
  return results;
}

void CpuProgram::watch_step(const BoundStep& s, CpuFrame& f, CallRuntime& runtime,
                            const Watcher& watcher) const {
  const Moment moment{plan().steps[static_cast<std::size_t>(s.number)],
                      [&](int buffer) { return view(buffer, f).copy(); },
                      [&](const ir::DimNode& leaf) { return size_of(leaf, f); }};
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

void CpuProgram::run_step(const BoundStep& s, CpuFrame& f, CallRuntime& runtime) const {
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
      index_failure(s.number, failure->site, failure->value, failure->bound);
}

void CpuProgram::run_kernel(const BoundStep& s, CpuFrame& f, const Runtime* runtime) const {
  void** to = f.arguments.data();
  for (int b : s.buffers) *to++ = f.buffers[static_cast<std::size_t>(b)];
  if (s.scratch >= 0)
    *to = f.scratch.reserve(support::saturating_mul(static_cast<std::size_t>(size(f, s.scratch)),
                                                    static_cast<std::size_t>(threads_)));
  s.entry(runtime, f.arguments.data(), f.step_sizes.data() + s.first_size);
}

void CpuProgram::run_scatter(const BoundStep& s, CpuFrame& f) const {
  Array out = Array::view(bound_.buffers[static_cast<std::size_t>(s.out)].dtype,
                          static_cast<void*>(f.buffers[static_cast<std::size_t>(s.out)]),
                          view(s.out, f).shape());
  const Array added = view(s.added, f);
  std::vector<const std::int64_t*> positions;
  for (int b : s.positions)
    positions.push_back(
        reinterpret_cast<const std::int64_t*>(f.buffers[static_cast<std::size_t>(b)]));
  const auto row_of = [&](std::int64_t i) {
    std::int64_t row = 0;
    for (std::size_t p = 0; p < positions.size(); ++p) {
      const std::int64_t n = out.shape()[p],
                         at = positions[p][i] < 0 ? positions[p][i] + n : positions[p][i];
      if (at < 0 || at >= n) index_failure(s.number, static_cast<int>(p), positions[p][i], n);
      row = row * n + at;
    }
    return row;
  };
  Scatter scatter{.count = view(s.positions[0], f).numel(), .rows = 1, .width = 1};
  for (std::size_t i = 0; i < out.shape().size(); ++i)
    (i < positions.size() ? scatter.rows : scatter.width) *= out.shape()[i];
  if (out.numel() > 0) std::memset(out.raw(), 0, out.nbytes());
  support::visit_dtype(out.dtype(), [&]<class T>(std::type_identity<T>) {
    T* to = static_cast<T*>(out.raw());
    const T* from = static_cast<const T*>(added.raw());
    if (std::is_same_v<T, float> && scatter.count > most_added_directly)
      scatter.add_in_f64(to, from, row_of, f.scratch);
    else
      scatter.add(to, from, row_of);
  });
}

} // namespace kroton::jit
