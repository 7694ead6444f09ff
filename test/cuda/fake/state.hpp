#pragma once
/// What the fake libcuda is made of.
#include <array>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "jit/cuda/driver.hpp"
#include "test/cuda/emulator/module.hpp"
#include "test/cuda/fake/control.hpp"

namespace kroton::test::fake {

using jit::cuda::Address;
using jit::cuda::Result;

/// The driver's other answers.
inline constexpr Result invalid_context{201}, invalid_handle{400};

struct DeviceState {
  int number = 0;
  int capability = 90; ///< compute capability: ten times the major number, and the minor one
  std::size_t used = 0;
  Result lost = Result::success; ///< What every call says since a kernel failed.
  emulator::MemoryMap memory;
};

/// Work on a stream.
struct Operation {
  std::string what; ///< Operations of the same kind on the same kernel have the same.
  std::function<Result()> run;
};

/// The version that the fake driver and the fake compiler have, unless a test says otherwise.
inline constexpr int cuda_version = 13000;

/// What the fake libnvrtc makes of a text.
struct Image {
  bool is_ptx = false; ///< else a cubin
  int capability = 90; ///< that it is for
  emulator::Build build;
  std::string text;

  /// Text with its size before it, since a driver is not told the size.
  std::string bytes() const;
  /// Nothing for what is no such image.
  static std::optional<Image> read(const void* code);
  /// What a driver of `version` says when it is given this, and when a device is to run it.
  Result loaded(int version) const;
  Result found_for(const DeviceState& device) const;
};

} // namespace kroton::test::fake

// What the driver's handles point at.
namespace kroton::jit::cuda {

struct CUctx_st {
  test::fake::DeviceState device;
};
struct CUgraphNode_st {
  test::fake::Operation operation;
  std::vector<const CUgraphNode_st*> before;
};
struct CUgraph_st {
  std::vector<std::unique_ptr<CUgraphNode_st>> nodes; ///< Each after those that it waits for.
};
struct CUgraphExec_st {
  /// Copies of a graph's nodes: they wait for others by number.
  struct Node {
    const CUgraphNode_st* from;
    test::fake::Operation operation;
    std::vector<std::size_t> before;
  };
  std::vector<Node> nodes;
};
struct CUstream_st {
  CUctx_st* context;
  std::deque<test::fake::Operation> queue;
  std::uint64_t done = 0; ///< Operations.
  CUgraph_st* capture = nullptr;

  std::uint64_t issued() const { return done + queue.size(); }
};
struct CUevent_st {
  CUctx_st* context;
  CUstream_st* stream = nullptr; ///< Of the last record; null if that is done, or there was none.
  std::uint64_t position = 0;    ///< How many of the stream's operations come before it.
};
struct CUfunc_st {
  const emulator::Kernel* kernel;
  std::size_t dynamic_shared_bytes = 48 * 1024;
};
struct CUkern_st {
  CUfunc_st function;
  const CUlib_st* code;
};
struct CUlib_st {
  test::fake::Image image;
  std::shared_ptr<const emulator::Module> module;
  std::map<std::string, CUkern_st> kernels;
};

} // namespace kroton::jit::cuda

namespace kroton::test::fake {

using jit::cuda::CUctx_st;
using jit::cuda::CUevent_st;
using jit::cuda::CUfunc_st;
using jit::cuda::CUgraph_st;
using jit::cuda::CUgraphExec_st;
using jit::cuda::CUgraphNode_st;
using jit::cuda::CUlib_st;
using jit::cuda::CUstream_st;

/// Memory of a device or pinned memory.
struct Block {
  std::unique_ptr<std::byte[]> memory;
  std::byte* begin = nullptr;
  std::size_t nbytes = 0;
  CUctx_st* context = nullptr; ///< Null for pinned memory.
};

template <class T> using Owned = std::map<T*, std::unique_ptr<T>>;

/// A thread's contexts, the current one last. Nothing destroys it: functions that are globals are
/// called when the thread's other objects are gone.
class ContextStack {
public:
  bool empty() const { return size_ == 0; }
  CUctx_st* back() const { return contexts_[size_ - 1]; }
  void push_back(CUctx_st* context) { contexts_.at(size_++) = context; }
  void pop_back() { --size_; }

private:
  std::array<CUctx_st*, 64> contexts_{};
  std::size_t size_ = 0;
};

/// The nth call from now.
struct Injection {
  std::string function; ///< Empty: any.
  int calls_left = 0;
  Result error = Result::success;
};

class State final : public Control {
public:
  State();

  void reset() override;
  void set_schedule(const emulator::Schedule& schedule) override;
  void set_deferred(bool is_deferred) override;
  void set_memory(std::size_t nbytes) override;
  void set_driver(int version) override;
  void fail(const std::string& function, int nth, int error) override;
  void fail_any(int nth, int error) override { fail("", nth, error); }
  std::string failed_call() const override;
  void fault_kernel() override;
  Live live() const override;
  std::vector<std::string> log() const override;
  int count(const std::string& function) const override;
  std::string fault() const override;
  GraphShape last_graph() const override;

  /// Notes the call and answers it: with the injected error if it is its turn, else with what
  /// `body` returns.
  template <class Body> Result call(const char* function, Body body) {
    const std::lock_guard lock(mutex_);
    if (const Result r = begin_call(function); r != Result::success) return r;
    return body();
  }
  /// As `call`, with the current context. Without one, or if its device is lost, that is the
  /// answer; `is_release` calls do their work all the same.
  template <class Body>
  Result call_in_context(const char* function, Body body, bool is_release = false) {
    return call(function, [&]() -> Result {
      CUctx_st* const context = current();
      if (!context) return invalid_context;
      const Result lost = context->device.lost;
      if (lost != Result::success && !is_release) return lost;
      const Result r = body(*context);
      return lost != Result::success ? lost : r;
    });
  }
  /// Adds to the line of the log that the running call has.
  void note(const std::string& text) { log_.back() += " " + text; }

  static ContextStack& context_stack();
  static CUctx_st* current() { return context_stack().empty() ? nullptr : context_stack().back(); }

  /// Puts work on a stream, or into the graph that it captures.
  Result enqueue(CUstream_st* stream, Operation operation);
  /// Does the stream's first `position` operations, and what they wait for.
  Result drain(CUstream_st* stream, std::uint64_t position);
  Result drain(CUstream_st* stream) { return drain(stream, stream->issued()); }
  Result drain_device(CUctx_st& context);
  bool is_capturing(const CUctx_st& context) const;
  bool is_stream(CUstream_st* stream) const { return streams_.contains(stream); }

  Result allocate(CUctx_st& context, Address& address, std::size_t nbytes);
  Result release(Address address);
  Block* block_at(Address address, std::size_t nbytes);
  Block* pinned_at(const void* address, std::size_t nbytes);
  /// Does the nodes in some order that their edges allow. Two that touch the same memory with no
  /// way from one to the other are a fault.
  Result run_graph(const std::vector<CUgraphExec_st::Node>& nodes);
  /// Work of a graph's node touches memory: what is no kernel says so itself.
  void touch(Address at, std::size_t nbytes, bool is_write) {
    if (footprint_) footprint_->add(at, nbytes, is_write);
  }
  bool is_node(const CUgraphNode_st* node) const;
  Result run_kernel(const CUfunc_st& function, const emulator::Grid& grid,
                    const std::vector<std::vector<std::byte>>& arguments, CUctx_st& context);

  std::vector<std::unique_ptr<CUctx_st>> contexts; ///< One a device.
  std::map<Address, Block> blocks;
  std::map<const void*, Block> pinned;
  Owned<CUstream_st> streams_;
  Owned<CUevent_st> events;
  Owned<CUgraph_st> graphs;
  Owned<CUgraphExec_st> executables;
  Owned<CUlib_st> libraries;
  std::size_t memory_bytes;
  int driver_version = cuda_version;

private:
  Result begin_call(const char* function);

  mutable std::recursive_mutex mutex_;
  std::vector<std::string> log_;
  Injection injection_;
  std::string failed_call_;
  bool faults_next_kernel_ = false;
  emulator::Schedule schedule_;
  bool is_deferred_ = false;
  std::string fault_;
  GraphShape last_graph_;
  emulator::Footprint* footprint_ = nullptr; ///< Of the node that runs.
};

/// The fake itself. It lives to the end of the process: what is torn down last may still call it.
State& state();

/// The module of a text; equal texts are compiled once in a process.
std::shared_ptr<const emulator::Module> module_of(const std::string& text,
                                                  const emulator::Build& build);

} // namespace kroton::test::fake
