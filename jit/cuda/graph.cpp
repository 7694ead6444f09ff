#include "jit/cuda/graph.hpp"

#include <algorithm>
#include <utility>

#include <kroton/error.hpp>

namespace kroton::jit::cuda {
namespace {

KernelNode node_of(const KernelLaunch& k) {
  return {.function = k.entry,
          .grid_x = k.blocks,
          .grid_y = 1,
          .grid_z = 1,
          .block_x = k.threads,
          .block_y = 1,
          .block_z = 1,
          .shared_bytes = k.shared_bytes,
          .parameters = k.parameters};
}

CopyNode copy_node(Address to, Address from, std::size_t nbytes) {
  return {.from = {.memory_type = memory_of_device, .device = from, .pitch = nbytes, .height = 1},
          .to = {.memory_type = memory_of_device, .device = to, .pitch = nbytes, .height = 1},
          .width_bytes = nbytes,
          .height = 1,
          .depth = 1};
}

SetNode set_node(Address at, std::size_t nbytes) {
  return {.to = at, .element_bytes = 1, .width = nbytes, .height = 1};
}

/// What all sinks into a graph have in common: the first failure ends it, and is told at the end.
class FailingOnce : public Sink {
public:
  Result failure() const noexcept { return failure_; }

protected:
  /// The step continues as if nothing were wrong: what it made is not used.
  template <class Call> Result attempt(Call call) {
    if (failure_ == Result::success) failure_ = call();
    return Result::success;
  }

private:
  Result failure_ = Result::success;
};

} // namespace

CaptureStream::~CaptureStream() {
  if (!stream_) return;
  try {
    const Gpu::Current current(gpu_);
    driver().cuStreamDestroy_v2(stream_);
  } catch (const DeviceError&) {
    // Without its context the device takes nothing back.
  }
}

Result CaptureStream::capture(const std::function<void(Stream)>& work, Graph& graph) {
  const Driver& cu = driver();
  Result result = Result::success;
  if (!stream_) result = cu.cuStreamCreate(&stream_, stream_non_blocking);
  if (result == Result::success) result = cu.cuStreamBeginCapture_v2(stream_, capture_mode_relaxed);
  if (result != Result::success) return result;
  try {
    work(stream_);
  } catch (...) {
    if (end(graph) == Result::success && graph) cu.cuGraphDestroy(std::exchange(graph, nullptr));
    throw;
  }
  return end(graph);
}

/// A capture that the driver does not end ends with its stream: as long as it lasts, no thread may
/// wait for the device.
Result CaptureStream::end(Graph& graph) {
  const Result result = driver().cuStreamEndCapture(stream_, &graph);
  if (result != Result::success) driver().cuStreamDestroy_v2(std::exchange(stream_, nullptr));
  return result;
}

/// Adds nodes, each after the last one.
class StepGraph::Maker final : public FailingOnce {
public:
  explicit Maker(StepGraph& graph) : g_(graph) {}
  /// The next node waits for these.
  void follow(std::vector<GraphNode> nodes) { before_ = std::move(nodes); }
  /// What waits for all work so far waits for these.
  const std::vector<GraphNode>& end() const noexcept { return before_; }

  Result launch(const KernelLaunch& kernel) override {
    const KernelNode node = node_of(kernel);
    return add([&](GraphNode* made) {
      return driver().cuGraphAddKernelNode_v2(made, g_.graph_, before_.data(), before_.size(),
                                              &node);
    });
  }
  Result copy(Address to, Address from, std::size_t nbytes) override {
    const CopyNode node = copy_node(to, from, nbytes);
    return add([&](GraphNode* made) {
      return driver().cuGraphAddMemcpyNode(made, g_.graph_, before_.data(), before_.size(), &node,
                                           g_.gpu_.context());
    });
  }
  Result clear(Address at, std::size_t nbytes) override {
    const SetNode node = set_node(at, nbytes);
    return add([&](GraphNode* made) {
      return driver().cuGraphAddMemsetNode(made, g_.graph_, before_.data(), before_.size(), &node,
                                           g_.gpu_.context());
    });
  }
  Result put(const std::function<void(Stream)>& work) override {
    return add([&](GraphNode* made) {
      Graph child = nullptr;
      Result result = g_.capturing_.capture(work, child);
      if (result == Result::success)
        result = driver().cuGraphAddChildGraphNode(made, g_.graph_, before_.data(), before_.size(),
                                                   child);
      if (child) driver().cuGraphDestroy(child);
      return result;
    });
  }

private:
  template <class Add> Result add(Add add) {
    return attempt([&] {
      GraphNode made = nullptr;
      const Result result = add(&made);
      g_.nodes_.push_back(made);
      before_ = {made};
      return result;
    });
  }

  StepGraph& g_;
  std::vector<GraphNode> before_;
};

/// Gives nodes new arguments, one after the other from `first` on.
class StepGraph::Updater final : public FailingOnce {
public:
  explicit Updater(StepGraph& graph) : g_(graph) {}
  void begin_at(std::size_t node) { next_ = node; }

  Result launch(const KernelLaunch& kernel) override {
    const KernelNode node = node_of(kernel);
    return set([&](GraphNode at) {
      return driver().cuGraphExecKernelNodeSetParams_v2(g_.exec_, at, &node);
    });
  }
  Result copy(Address to, Address from, std::size_t nbytes) override {
    const CopyNode node = copy_node(to, from, nbytes);
    return set([&](GraphNode at) {
      return driver().cuGraphExecMemcpyNodeSetParams(g_.exec_, at, &node, g_.gpu_.context());
    });
  }
  Result clear(Address at, std::size_t nbytes) override {
    const SetNode node = set_node(at, nbytes);
    return set([&](GraphNode it) {
      return driver().cuGraphExecMemsetNodeSetParams(g_.exec_, it, &node, g_.gpu_.context());
    });
  }
  Result put(const std::function<void(Stream)>& work) override {
    return set([&](GraphNode at) {
      Graph child = nullptr;
      Result result = g_.capturing_.capture(work, child);
      if (result == Result::success)
        result = driver().cuGraphExecChildGraphNodeSetParams(g_.exec_, at, child);
      if (child) driver().cuGraphDestroy(child);
      return result;
    });
  }

private:
  template <class Set> Result set(Set set) {
    return attempt([&] { return set(g_.nodes_[next_++]); });
  }

  StepGraph& g_;
  std::size_t next_ = 0;
};

StepGraph::~StepGraph() {
  try {
    const Gpu::Current current(gpu_);
    if (exec_) driver().cuGraphExecDestroy(exec_);
    if (graph_) driver().cuGraphDestroy(graph_);
  } catch (const DeviceError&) {
    // Without its context the device takes nothing back.
  }
}

Result StepGraph::make(const Steps& steps) {
  if (const Result r = driver().cuGraphCreate(&graph_, 0); r != Result::success) return r;
  std::vector<std::vector<Access>> accesses;
  for (std::size_t i = 0; i < steps.count(); ++i) accesses.push_back(steps.accesses(i));
  const Dependencies dependencies = dependencies_of(accesses);
  Maker maker(*this);
  std::vector<std::vector<GraphNode>> ends;
  for (std::size_t i = 0; i < steps.count(); ++i) {
    std::vector<GraphNode> before;
    for (std::size_t d : dependencies[i])
      for (GraphNode node : ends[d])
        if (std::ranges::find(before, node) == before.end()) before.push_back(node);
    maker.follow(std::move(before));
    first_node_.push_back(nodes_.size());
    steps.run(i, maker);
    ends.push_back(maker.end()); // of a step that has nothing to do: what it waits for
  }
  first_node_.push_back(nodes_.size());
  if (maker.failure() != Result::success) return maker.failure();
  return driver().cuGraphInstantiateWithFlags(&exec_, graph_, 0);
}

Result StepGraph::update(const Steps& steps, const std::vector<char>& changed) {
  Updater updater(*this);
  for (std::size_t i = 0; i < steps.count(); ++i) {
    if (!steps.uses(i, changed)) continue;
    updater.begin_at(first_node_[i]);
    steps.run(i, updater);
  }
  return updater.failure();
}

std::size_t StepGraph::nodes_using(const Steps& steps, const std::vector<char>& buffers) const {
  std::size_t count = 0;
  for (std::size_t i = 0; i < steps.count(); ++i)
    if (steps.uses(i, buffers)) count += first_node_[i + 1] - first_node_[i];
  return count;
}

} // namespace kroton::jit::cuda
