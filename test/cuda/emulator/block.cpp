#include "test/cuda/emulator/block.hpp"
#include "test/cuda/emulator/warp.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include <fmt/format.h>

namespace kroton::emulator {
namespace {

constexpr std::size_t warp_size = 32;
/// Shared memory that nothing has been written to: a NaN of every width, and a number that stands
/// out.
constexpr std::byte unwritten{0xff};

/// Stacks that no thread stands on. Launches run one at a time.
std::vector<std::unique_ptr<Fiber>>& spare_fibers() {
  static auto& spare = *new std::vector<std::unique_ptr<Fiber>>; // functions may be called at exit
  return spare;
}

std::string text_of(Index3 i) { return fmt::format("({},{},{})", i.x, i.y, i.z); }

const char* verb_of(Access kind) {
  return kind == Access::read ? "reads" : kind == Access::write ? "writes" : "updates";
}

} // namespace

/// The block whose threads run.
static Block* running_block = nullptr;

struct Block::Calls {
  static void access(const void* address, unsigned long nbytes, Access kind) {
    running_block->check(reinterpret_cast<std::uintptr_t>(address), nbytes, kind);
  }
  static void misaligned(const void* address, unsigned long alignment, const char* type, int line) {
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    const Range* range = running_block->range_at(at);
    running_block->is_misaligned_ = true;
    running_block->fail(fmt::format(
        "line {}: an access {} at {} is misaligned: not at a multiple of {} bytes", line, type,
        range ? fmt::format("{} + {} bytes", running_block->name_of(*range), at - range->begin())
              : "no array",
        alignment));
  }
  static void out_of_bounds(long index, const char* type, int line) {
    running_block->fail(fmt::format("line {}: index {} is outside of {}", line, index, type));
  }
  static void shared_array(void* begin, unsigned long nbytes, const char* name) {
    running_block->declare_shared(static_cast<std::byte*>(begin), nbytes, name);
  }
  static void* dynamic_shared(const char* name) {
    Block& b = *running_block;
    b.declare_shared(b.dynamic_shared_.data() + 128, b.grid_.shared_bytes, name);
    return b.dynamic_shared_.data() + 128;
  }
  static int barrier(BarrierOp op, int predicate, int line) {
    Thread& t = *running_block->running_;
    t.barrier_op = op;
    t.value = static_cast<std::uint64_t>(predicate);
    t.line = line;
    running_block->wait(Status::at_barrier);
    return static_cast<int>(t.result);
  }
  static unsigned long warp(WarpOp op, unsigned mask, unsigned long value, int argument, int width,
                            int line) {
    Thread& t = *running_block->running_;
    t.warp_op = op;
    t.mask = mask;
    t.value = value;
    t.argument = argument;
    t.width = width;
    t.line = line;
    running_block->wait(Status::at_warp_op);
    return t.result;
  }
  static void fence() { running_block->races_.fence(); }
  static void* move(void* to, const void* from, unsigned long n) {
    return std::memmove(to, from, n);
  }
  static void* set(void* to, int value, unsigned long n) { return std::memset(to, value, n); }
  static float fma_f32(float a, float b, float c) { return std::fma(a, b, c); }
  static double fma_f64(double a, double b, double c) { return std::fma(a, b, c); }

  static constexpr Table table{.access = access,
                               .misaligned = misaligned,
                               .out_of_bounds = out_of_bounds,
                               .shared_array = shared_array,
                               .dynamic_shared = dynamic_shared,
                               .barrier = barrier,
                               .warp = warp,
                               .fence = fence,
                               .move = move,
                               .set = set,
                               .fma_f32 = fma_f32,
                               .fma_f64 = fma_f64};

  /// What each thread's fiber runs.
  static void thread(void* block) {
    const Block& b = *static_cast<Block*>(block);
    b.kernel_.call(b.arguments_);
  }
};

Block::Block(const Kernel& kernel, const Grid& grid, void** arguments, MemoryMap& memory,
             RaceDetector& races, Order order, std::mt19937_64& random)
    : kernel_(kernel), grid_(grid), arguments_(arguments), memory_(memory), races_(races),
      order_(order), random_(random), dynamic_shared_(grid.shared_bytes + 256) {
  const Dim3 n = grid.threads;
  threads_.resize(std::size_t{n.x} * n.y * n.z);
  warp_intervals_.resize((threads_.size() + warp_size - 1) / warp_size);
  for (std::size_t i = 0; i < threads_.size(); ++i) {
    const auto number = static_cast<unsigned>(i);
    threads_[i].number = static_cast<std::uint16_t>(i);
    threads_[i].index = {number % n.x, number / n.x % n.y, number / n.x / n.y};
  }
  State& state = *kernel.state;
  state.table = Calls::table;
  state.block_dim = {n.x, n.y, n.z};
  state.grid_dim = {grid.blocks.x, grid.blocks.y, grid.blocks.z};
}

void Block::run(Index3 block) {
  running_block = this;
  kernel_.state->block = block;
  races_.begin_block();
  last_range_ = nullptr;
  std::ranges::fill(warp_intervals_, 0);
  for (const auto& array : shared_) array->is_declared = false;
  for (Thread& t : threads_) t.status = Status::ready;
  for (;;) {
    for (const std::uint32_t i :
         in_order(static_cast<std::uint32_t>(threads_.size()), order_, random_))
      if (threads_[i].status == Status::ready) run_thread(threads_[i]);
    if (resolve_warps() || resolve_barrier()) continue;
    if (std::ranges::all_of(threads_, [](auto& t) { return t.status == Status::finished; })) return;
    fail_stuck();
  }
}

void Block::run_thread(Thread& thread) {
  const bool is_new = !thread.fiber;
  if (is_new) {
    auto& spare = spare_fibers();
    if (spare.empty()) spare.push_back(std::make_unique<Fiber>());
    thread.fiber = std::move(spare.back());
    spare.pop_back();
  }
  State& state = *kernel_.state;
  state.thread = thread.index;
  state.stack_begin = reinterpret_cast<unsigned long>(thread.fiber->stack());
  state.stack_bytes = Fiber::stack_bytes;
  running_ = &thread;
  if (is_new)
    thread.fiber->start(Calls::thread, this);
  else
    thread.fiber->resume();
  if (!fault_.empty()) throw_fault();
  if (!thread.fiber->is_finished()) return;
  thread.status = Status::finished;
  spare_fibers().push_back(std::move(thread.fiber));
}

bool Block::resolve_warps() {
  bool is_any_complete = false;
  for (std::size_t first = 0; first < threads_.size(); first += warp_size) {
    const std::span warp(&threads_[first], std::min(warp_size, threads_.size() - first));
    try {
      if (!complete_operations(warp)) continue;
    } catch (const WarpError& error) {
      running_ = &error.thread();
      fault_ = error.what();
      throw_fault();
    }
    is_any_complete = true;
    // A shuffle orders no memory.
    if (std::ranges::any_of(
            warp, [](auto& t) { return t.status == Status::ready && t.warp_op == WarpOp::sync; }))
      ++warp_intervals_[first / warp_size];
  }
  return is_any_complete;
}

/// Exited threads count as missing: __syncthreads is for all threads of the block, or for none.
bool Block::resolve_barrier() {
  const Thread& first = threads_.front();
  for (const Thread& t : threads_)
    if (t.status != Status::at_barrier || t.line != first.line || t.barrier_op != first.barrier_op)
      return false;
  const auto count = std::ranges::count_if(threads_, [](auto& t) { return t.value != 0; });
  const bool holds_for_all = count == static_cast<std::ptrdiff_t>(threads_.size());
  for (Thread& t : threads_) {
    t.result = t.barrier_op == BarrierOp::all   ? holds_for_all
               : t.barrier_op == BarrierOp::any ? count > 0
                                                : static_cast<std::uint64_t>(count);
    t.status = Status::ready;
  }
  races_.barrier();
  return true;
}

/// No thread can continue.
void Block::fail_stuck() {
  const auto what = [](const Thread& t) {
    return t.status == Status::finished ? std::string("has finished")
           : t.status == Status::at_barrier
               ? fmt::format("waits at __syncthreads (line {})", t.line)
               : "waits at " + describe(t);
  };
  const auto waiting =
      std::ranges::find_if(threads_, [](auto& t) { return t.status != Status::finished; });
  const auto other =
      std::ranges::find_if(threads_, [&](auto& t) { return what(t) != what(*waiting); });
  running_ = &*waiting;
  fault_ = what(*waiting) + ", and never goes on";
  if (other != threads_.end())
    fault_ += fmt::format(": thread {} {}", text_of(other->index), what(*other));
  throw_fault();
}

void Block::throw_fault() {
  for (Thread& t : threads_)
    if (t.fiber) spare_fibers().push_back(std::move(t.fiber));
  throw Fault(fmt::format("kernel {}, block {}, thread {}: {}", kernel_.name,
                          text_of(kernel_.state->block), text_of(running_->index), fault_),
              is_misaligned_);
}

void Block::fail(std::string what) {
  fault_ = std::move(what);
  running_->fiber->suspend();
}

void Block::wait(Status status) {
  running_->status = status;
  running_->fiber->suspend();
}

Range* Block::range_at(std::uintptr_t at) {
  if (last_range_ && at >= last_range_->begin() && at < last_range_->end()) return last_range_;
  for (const auto& array : shared_)
    if (array->is_declared && at >= array->range.begin() && at < array->range.end())
      return last_range_ = &array->range;
  return last_range_ = memory_.find(at);
}

bool Block::is_shared(const Range& range) const {
  return std::ranges::any_of(shared_, [&](const auto& array) { return &array->range == &range; });
}

std::string Block::name_of(const Range& range) const {
  if (is_shared(range)) return "shared array " + range.name();
  for (std::size_t i = 0; i < kernel_.parameter_bytes.size(); ++i) {
    if (kernel_.parameter_bytes[i] != sizeof(void*)) continue;
    std::uintptr_t value = 0;
    std::memcpy(&value, arguments_[i], sizeof value);
    if (value >= range.begin() && value < range.end())
      return value == range.begin() ? fmt::format("argument {}", i)
                                    : fmt::format("the memory of argument {}", i);
  }
  return range.name().empty() ? "memory that is no argument" : range.name();
}

/// "reads 4 bytes at argument 2 + 4096 bytes (element 1024), 0 bytes past its 4096"
std::string Block::outside(std::uintptr_t at, std::size_t nbytes, Access kind) const {
  const std::string what = fmt::format("{} {} bytes ", verb_of(kind), nbytes);
  const Range* nearest = memory_.nearest(at);
  const auto distance = [&](const Range& r) {
    return at < r.begin() ? r.begin() - at : at - std::min(at, r.end());
  };
  for (const auto& array : shared_)
    if (array->is_declared && (!nearest || distance(array->range) < distance(*nearest)))
      nearest = &array->range;
  if (!nearest || distance(*nearest) > (std::size_t{1} << 30))
    return what + fmt::format("at {:#x}, where nothing is", at);
  const auto offset = static_cast<std::ptrdiff_t>(at - nearest->begin());
  return what +
         fmt::format(
             "outside of {}: at byte {}, element {} if all are of that size, of its {} bytes",
             name_of(*nearest), offset, offset / static_cast<std::ptrdiff_t>(nbytes),
             nearest->nbytes());
}

std::string Block::problem_of(std::uintptr_t at, std::size_t nbytes, Access kind) {
  Range* range = range_at(at);
  if (!range || !range->holds(at, nbytes)) {
    const bool is_constant = at >= kernel_.code_begin && at + nbytes <= kernel_.code_end;
    return kind == Access::read && is_constant ? "" : outside(at, nbytes, kind);
  }
  std::string problem;
  const bool is_of_block = is_shared(*range);
  if (kind == Access::read && is_of_block && !races_.is_written_by_block(*range, at))
    problem = "nothing has been written to";
  else
    problem = races_.see(*range, at, nbytes, kind,
                         {.thread = running_->number,
                          .warp_interval = warp_intervals_[running_->number / warp_size],
                          .is_shared = is_of_block});
  if (problem.empty()) return {};
  return fmt::format("{} {} bytes of {} at byte {} (element {}), which {}", verb_of(kind), nbytes,
                     name_of(*range), at - range->begin(), (at - range->begin()) / nbytes, problem);
}

/// A thread that fails stays where it is for good: nothing may be left on its stack that owns
/// memory.
void Block::check(std::uintptr_t at, std::size_t nbytes, Access kind) {
  if (std::string problem = problem_of(at, nbytes, kind); !problem.empty())
    fail(std::move(problem));
}

void Block::declare_shared(std::byte* begin, std::size_t nbytes, const char* name) {
  const auto at = reinterpret_cast<std::uintptr_t>(begin);
  auto found = std::ranges::find_if(shared_, [&](auto& a) { return a->range.begin() == at; });
  if (found == shared_.end()) {
    shared_.push_back(std::make_unique<SharedArray>(SharedArray{Range(at, nbytes, name)}));
    found = std::prev(shared_.end());
  }
  if ((*found)->is_declared) return;
  (*found)->is_declared = true;
  std::fill_n(begin, nbytes, unwritten);
}

} // namespace kroton::emulator
