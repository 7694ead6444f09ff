#include "test/cuda/fake/state.hpp"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <fmt/format.h>

namespace kroton::test::fake {
namespace {

constexpr std::size_t default_memory = std::size_t{1} << 30;
/// Between allocations is more than a kernel misses by.
constexpr std::size_t guard = 4096;
/// What no value should be made of: a NaN of every width.
constexpr std::byte unwritten{0xff};

/// Of each device: "3" is three of capability 9.0, "8.0,12.0" one of each.
std::vector<int> device_capabilities() {
  const char* text = std::getenv("KROTON_FAKE_DEVICES");
  if (!text || !std::strchr(text, '.'))
    return std::vector<int>(static_cast<std::size_t>(text ? std::atoi(text) : 2),
                            DeviceState{}.capability);
  std::vector<int> capabilities;
  for (const char* at = text; *at != '\0';) {
    char* end = nullptr;
    const long major = std::strtol(at, &end, 10), minor = std::strtol(end + 1, &end, 10);
    capabilities.push_back(static_cast<int>(10 * major + minor));
    at = *end == ',' ? end + 1 : end;
  }
  return capabilities;
}

/// "forward", "reverse", "random" or "random:7".
emulator::Schedule first_schedule() {
  const char* text = std::getenv("KROTON_FAKE_ORDER");
  const std::string_view order = text ? text : "";
  if (order == "reverse") return {.order = emulator::Order::reverse};
  if (!order.starts_with("random")) return {};
  const auto colon = order.find(':');
  return {.order = emulator::Order::random,
          .seed = colon == order.npos ? 1 : std::strtoull(text + colon + 1, nullptr, 10)};
}

template <class Map>
auto block_in(Map& blocks, typename Map::key_type address, std::size_t nbytes) ->
    typename Map::mapped_type* {
  auto after = blocks.upper_bound(address);
  if (after == blocks.begin()) return nullptr;
  auto& block = std::prev(after)->second;
  const auto at = reinterpret_cast<const std::byte*>(address);
  return at + nbytes <= block.begin + block.nbytes ? &block : nullptr;
}

Block make_block(std::size_t nbytes) {
  Block b;
  b.memory = std::make_unique<std::byte[]>(nbytes + 2 * guard + 256);
  const auto address = reinterpret_cast<std::uintptr_t>(b.memory.get()) + guard;
  b.begin = reinterpret_cast<std::byte*>((address + 255) / 256 * 256);
  b.nbytes = nbytes;
  std::fill_n(b.begin, nbytes, unwritten);
  return b;
}

} // namespace

State::State() : memory_bytes(default_memory), schedule_(first_schedule()) {
  for (const int capability : device_capabilities()) {
    DeviceState& device = contexts.emplace_back(std::make_unique<CUctx_st>())->device;
    device.number = static_cast<int>(contexts.size()) - 1;
    device.capability = capability;
  }
}

void State::reset() {
  const std::lock_guard lock(mutex_);
  for (const auto& context : contexts) context->device.lost = Result::success;
  log_.clear();
  injection_ = {};
  failed_call_.clear();
  faults_next_kernel_ = false;
  schedule_ = first_schedule();
  is_deferred_ = false;
  memory_bytes = default_memory;
  driver_version = cuda_version;
  fault_.clear();
}

void State::set_schedule(const emulator::Schedule& schedule) {
  const std::lock_guard lock(mutex_);
  schedule_ = schedule;
}

void State::set_deferred(bool is_deferred) {
  const std::lock_guard lock(mutex_);
  is_deferred_ = is_deferred;
  if (!is_deferred)
    for (const auto& [stream, owned] : streams_) drain(stream);
}

void State::set_memory(std::size_t nbytes) {
  const std::lock_guard lock(mutex_);
  memory_bytes = nbytes;
}

void State::set_driver(int version) {
  const std::lock_guard lock(mutex_);
  driver_version = version;
}

void State::fail(const std::string& function, int nth, int error) {
  const std::lock_guard lock(mutex_);
  injection_ = {function, nth, Result{error}};
  failed_call_.clear();
}

std::string State::failed_call() const {
  const std::lock_guard lock(mutex_);
  return failed_call_;
}

void State::fault_kernel() {
  const std::lock_guard lock(mutex_);
  faults_next_kernel_ = true;
}

Live State::live() const {
  const std::lock_guard lock(mutex_);
  return {.allocations = blocks.size(),
          .host_allocations = pinned.size(),
          .streams = streams_.size(),
          .events = events.size(),
          .graphs = graphs.size(),
          .executables = executables.size(),
          .libraries = libraries.size()};
}

std::vector<std::string> State::log() const {
  const std::lock_guard lock(mutex_);
  return log_;
}

int State::count(const std::string& function) const {
  const std::lock_guard lock(mutex_);
  return static_cast<int>(std::ranges::count_if(log_, [&](const std::string& line) {
    return line.starts_with(function) &&
           (line.size() == function.size() || line[function.size()] == ' ');
  }));
}

std::string State::fault() const {
  const std::lock_guard lock(mutex_);
  return fault_;
}

Result State::begin_call(const char* function) {
  log_.emplace_back(function);
  if (injection_.calls_left == 0 ||
      (!injection_.function.empty() && injection_.function != function))
    return Result::success;
  if (--injection_.calls_left > 0) return Result::success;
  failed_call_ = function;
  return injection_.error;
}

ContextStack& State::context_stack() {
  thread_local ContextStack stack;
  return stack;
}

Result State::enqueue(CUstream_st* stream, Operation operation) {
  if (!is_stream(stream)) return invalid_handle;
  if (stream->capture) {
    auto& nodes = stream->capture->nodes;
    auto node = std::make_unique<CUgraphNode_st>(CUgraphNode_st{std::move(operation), {}});
    if (!nodes.empty()) node->before = {nodes.back().get()};
    nodes.push_back(std::move(node));
    return Result::success;
  }
  stream->queue.push_back(std::move(operation));
  if (!is_deferred_) drain(stream);
  return Result::success;
}

Result State::drain(CUstream_st* stream, std::uint64_t position) {
  if (!is_stream(stream)) return Result::success; // destroyed, which has drained it
  DeviceState& device = stream->context->device;
  while (stream->done < position && !stream->queue.empty()) {
    const Operation next = std::move(stream->queue.front());
    stream->queue.pop_front();
    ++stream->done;
    if (device.lost == Result::success) device.lost = next.run();
  }
  return device.lost;
}

Result State::drain_device(CUctx_st& context) {
  for (const auto& [stream, owned] : streams_)
    if (stream->context == &context) drain(stream);
  return context.device.lost;
}

bool State::is_capturing(const CUctx_st& context) const {
  return std::ranges::any_of(
      streams_, [&](const auto& s) { return s.second->context == &context && s.second->capture; });
}

Result State::allocate(CUctx_st& context, Address& address, std::size_t nbytes) {
  if (nbytes == 0) return Result::invalid_value;
  if (context.device.used + nbytes > memory_bytes) return Result::out_of_memory;
  Block b = make_block(nbytes);
  b.context = &context;
  context.device.used += nbytes;
  context.device.memory.add(b.begin, nbytes);
  address = reinterpret_cast<Address>(b.begin);
  blocks.emplace(address, std::move(b));
  return Result::success;
}

Result State::release(Address address) {
  const auto found = blocks.find(address);
  if (found == blocks.end()) return Result::invalid_value;
  CUctx_st& context = *found->second.context;
  const Result r = drain_device(context);
  context.device.used -= found->second.nbytes;
  context.device.memory.remove(found->second.begin);
  blocks.erase(found);
  return r;
}

Block* State::block_at(Address address, std::size_t nbytes) {
  return block_in(blocks, address, nbytes);
}

Block* State::pinned_at(const void* address, std::size_t nbytes) {
  return block_in(pinned, address, nbytes);
}

Result State::run_kernel(const CUfunc_st& function, const emulator::Grid& grid,
                         const std::vector<std::vector<std::byte>>& arguments, CUctx_st& context) {
  if (std::exchange(faults_next_kernel_, false)) {
    fault_ = "kernel " + function.kernel->name + " was told to fail";
    return Result::illegal_address;
  }
  std::vector<void*> pointers;
  for (const auto& argument : arguments)
    pointers.push_back(const_cast<std::byte*>(argument.data()));
  pointers.push_back(nullptr);
  try {
    emulator::launch(*function.kernel, grid, pointers.data(), context.device.memory, schedule_,
                     footprint_);
  } catch (const emulator::Fault& fault) {
    fault_ = fault.what();
    std::fprintf(stderr, "fake libcuda: %s\n", fault.what());
    return fault.is_misaligned() ? Result::misaligned_address : Result::illegal_address;
  }
  return Result::success;
}

State& state() {
  static State& instance = *new State;
  return instance;
}

std::shared_ptr<const emulator::Module> module_of(const std::string& text,
                                                  const emulator::Build& build) {
  using Key = std::pair<std::string, bool>;
  static constexpr std::size_t most_kept =
      256; // between a compilation and the loading of what it gave
  static std::mutex mutex;
  // As the fake itself, to the end of the process.
  static auto& modules = *new std::map<Key, std::weak_ptr<const emulator::Module>>;
  static auto& kept = *new std::deque<std::shared_ptr<const emulator::Module>>;
  const Key key(text, build.has_fma_contraction);
  {
    const std::lock_guard lock(mutex);
    if (auto found = modules[key].lock()) return found;
  }
  auto made = std::make_shared<const emulator::Module>(text, build);
  const std::lock_guard lock(mutex);
  modules[key] = made;
  kept.push_back(made);
  if (kept.size() > most_kept) kept.pop_front();
  return made;
}

namespace {

constexpr std::string_view image_mark = "emulated-cuda";

} // namespace

std::string Image::bytes() const {
  return fmt::format("{} {} {:03} {} {:016x}\n", image_mark, is_ptx ? "ptx" : "bin", capability,
                     build.has_fma_contraction ? 1 : 0, text.size()) +
         text;
}

std::optional<Image> Image::read(const void* code) {
  const auto* image = static_cast<const char*>(code);
  if (std::strncmp(image, image_mark.data(), image_mark.size()) != 0) return std::nullopt;
  const char* const kind = image + image_mark.size() + 1;
  char* at = nullptr;
  Image read{.is_ptx = std::string_view(kind, 3) == "ptx"};
  read.capability = static_cast<int>(std::strtol(kind + 3, &at, 10));
  read.build.has_fma_contraction = std::strtol(at, &at, 10) == 1;
  const std::size_t text_bytes = std::strtoull(at, &at, 16);
  read.text.assign(at + 1, text_bytes);
  return read;
}

/// PTX is for drivers that know its version, a cubin for all of its major version.
Result Image::loaded(int version) const {
  if (is_ptx) return version < cuda_version ? Result::unsupported_ptx_version : Result::success;
  return version / 1000 < cuda_version / 1000 ? Result::invalid_image : Result::success;
}

/// A cubin is for devices of its major capability and no smaller minor one, PTX for all no older.
Result Image::found_for(const DeviceState& device) const {
  const bool is_same_major = device.capability / 10 == capability / 10;
  return device.capability >= capability && (is_ptx || is_same_major) ? Result::success
                                                                      : Result::no_binary_for_gpu;
}

} // namespace kroton::test::fake
