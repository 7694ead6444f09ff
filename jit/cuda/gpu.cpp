#include "jit/cuda/gpu.hpp"

#include <algorithm>
#include <map>
#include <utility>

#include "lib/support/error.hpp"
#include "lib/support/fork.hpp"
#include "lib/support/log.hpp"

namespace kroton::jit::cuda {
namespace {

/// The devices in use. Never destroyed, as the driver may go first.
struct Gpus {
  support::ProcessMutex opening; ///< held while one is
  support::ForkMutex mutex;      ///< of what follows
  std::map<int, Gpu*> by_index;  ///< null while it is being opened
  bool is_forked = false;        ///< they were the parent's
};

Gpus& gpus() {
  static Gpus& instance = *new Gpus;
  return instance;
}

const support::ForkHandler
    notes_fork({.in_child = [] { gpus().is_forked = !gpus().by_index.empty(); }});

int attribute(DeviceNumber device, DeviceAttribute which) {
  int value = 0;
  check(driver().cuDeviceGetAttribute(&value, which, device), "asking a device for an attribute");
  return value;
}

} // namespace

std::string architecture_of(int capability) { return fmt::format("sm_{}", capability); }

std::string GpuFacts::architecture() const { return architecture_of(capability()); }

int gpu_count() {
  int count = 0;
  check(driver().cuDeviceGetCount(&count), "counting devices");
  return count;
}

GpuFacts gpu_facts(int index) {
  const Driver& cu = driver();
  if (const int count = gpu_count(); index < 0 || index >= count)
    support::fail<DeviceError>(
        "cuda",
        {.hint = fmt::format("{}; CUDA_VISIBLE_DEVICES limits what a process sees",
                             count == 1 ? "the only one is cuda:0"
                                        : fmt::format("they are cuda:0 to cuda:{}", count - 1))},
        "there is no device cuda:{}", index);
  GpuFacts f{.index = index};
  check(cu.cuDeviceGet(&f.number, index), "asking for a device");
  char name[256] = {};
  check(cu.cuDeviceGetName(name, sizeof name - 1, f.number), "asking a device for its name");
  f.name = name;
  check(cu.cuDeviceTotalMem_v2(&f.nbytes, f.number), "asking a device for its memory");
  f.capability_major = attribute(f.number, DeviceAttribute::capability_major);
  f.capability_minor = attribute(f.number, DeviceAttribute::capability_minor);
  f.multiprocessors = attribute(f.number, DeviceAttribute::multiprocessors);
  f.most_blocks = attribute(f.number, DeviceAttribute::max_grid_x);
  const auto bytes = [&](DeviceAttribute which) {
    return static_cast<std::size_t>(attribute(f.number, which));
  };
  f.shared_bytes = bytes(DeviceAttribute::max_shared_bytes_per_block);
  f.shared_by_choice = bytes(DeviceAttribute::max_shared_bytes_per_block_by_choice);
  return f;
}

bool Gpu::is_forked() noexcept { return gpus().is_forked; }

void Gpu::refuse_in_child(int index) {
  if (!is_forked()) return;
  support::fail<DeviceError>("cuda",
                             {.hint = "fork before the first function is compiled for a device, "
                                      "or start a new program"},
                             "cuda:{} was in use when this process was forked; CUDA does not "
                             "work in the child then",
                             index);
}

Gpu& Gpu::get(int index) {
  Gpus& all = gpus();
  const auto find = [&] {
    const std::lock_guard lock(all.mutex);
    return all.is_forked ? nullptr : all.by_index[index];
  };
  if (Gpu* known = find()) return *known;
  refuse_in_child(index);
  const std::lock_guard opening(all.opening);
  if (Gpu* known = find()) return *known;
  auto* gpu = new Gpu(gpu_facts(index));
  const std::lock_guard lock(all.mutex);
  all.by_index[index] = gpu;
  return *gpu;
}

std::vector<Gpu*> Gpu::all() {
  Gpus& known = gpus();
  const std::lock_guard lock(known.mutex);
  std::vector<Gpu*> list;
  for (const auto& [index, gpu] : known.by_index)
    if (gpu) list.push_back(gpu);
  return list;
}

Gpu::Gpu(GpuFacts facts) : facts_(std::move(facts)), pool_(*this) {
  cuda::check(driver().cuDevicePrimaryCtxRetain(&context_, facts_.number), "making a context");
  copies_ = std::make_unique<Queue>(*this);
  copies_->set_user("copies");
  support::log(support::Area::jit)
      ->debug("cuda:{}: {}, {}, {} multiprocessors, {} MiB", facts_.index, facts_.name,
              facts_.architecture(), facts_.multiprocessors, facts_.nbytes >> 20);
}

Gpu::Current::Current(Gpu& gpu) {
  refuse_in_child(gpu.facts_.index);
  Context now = nullptr;
  gpu.check(driver().cuCtxGetCurrent(&now), "asking for the context");
  if (now == gpu.context()) return;
  if (!now && gpu.facts().index == 0) {
    gpu.check(driver().cuCtxSetCurrent(gpu.context()), "entering the context");
    return;
  }
  gpu.check(driver().cuCtxPushCurrent_v2(gpu.context()), "entering the context");
  is_pushed_ = true;
}

Gpu::Current::~Current() {
  Context popped = nullptr;
  if (is_pushed_) driver().cuCtxPopCurrent_v2(&popped);
}

Queue& Gpu::take_queue(std::string user) {
  Queue* queue = nullptr;
  {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) {
      queue = &queues_.emplace_back(*this);
      idle_.reserve(queues_.size()); // so that giving one back cannot fail
    } else {
      queue = idle_.back();
      idle_.pop_back();
    }
  }
  queue->set_user(std::move(user));
  return *queue;
}

void Gpu::give_queue(Queue& queue) noexcept {
  const std::lock_guard lock(mutex_);
  idle_.push_back(&queue);
}

void Gpu::synchronize() {
  std::vector<Queue*> busy;
  {
    const std::lock_guard lock(mutex_);
    for (Queue& q : queues_)
      if (q.is_busy()) busy.push_back(&q);
  }
  for (Queue* q : busy) q->synchronize();
}

/// "train, predict": whose work is not known to be done.
std::string Gpu::busy_users() const {
  std::vector<std::string> users;
  for (const Queue& q : queues_)
    if (q.is_busy() && std::ranges::find(users, q.user()) == users.end()) users.push_back(q.user());
  return fmt::format("{}", fmt::join(users, ", "));
}

void Gpu::fail(Result result, std::string_view what) {
  std::string why;
  {
    const std::lock_guard lock(mutex_);
    if (is_sticky(result) && lost_.empty()) {
      const std::string users = busy_users();
      lost_ = fmt::format("{}{}", describe(result),
                          users.empty() ? "" : fmt::format(", met while running {}", users));
      is_lost_.store(true, std::memory_order_release);
    }
    if (is_sticky(result)) why = lost_;
  }
  if (why.empty())
    support::fail<DeviceError>("cuda", {}, "cuda:{}: {}: {}", facts_.index, what, describe(result));
  support::fail<DeviceError>(
      "cuda",
      {.hint = "the device is lost to this process; KROTON_CUDA_SYNC=1 waits for each kernel and "
               "names the one that fails"},
      "cuda:{}: {}: {}", facts_.index, what, why);
}

} // namespace kroton::jit::cuda
