#pragma once
/// Steps as a CUDA graph, which is launched as one and in which steps that touch different memory
/// run side by side.
///
///   StepGraph graph(gpu, capturing);
///   if (graph.make(steps) == Result::success)
///     gpu.check(graph.launch(stream), "launching a graph");
///   graph.update(steps, changed);   // some buffers have other addresses now
#include <cstddef>
#include <vector>

#include "jit/cuda/dependencies.hpp"
#include "jit/cuda/gpu.hpp"
#include "jit/cuda/sink.hpp"

namespace kroton::jit::cuda {

/// Work in the order in which a single stream would do it.
class Steps {
public:
  Steps() = default;
  Steps(const Steps&) = delete;
  Steps& operator=(const Steps&) = delete;
  virtual ~Steps() = default;

  virtual std::size_t count() const = 0;
  /// For the same sizes a step always puts the same kinds of work into the sink.
  virtual void run(std::size_t step, Sink& sink) const = 0;
  /// All memory that the step touches.
  virtual std::vector<Access> accesses(std::size_t step) const = 0;
  /// Whether it works with one of these buffers, 1 where one is meant.
  virtual bool uses(std::size_t step, const std::vector<char>& buffers) const = 0;
  /// Whether memory of one of these buffers overlaps that of another one, and either is written.
  virtual bool overlap(const std::vector<char>& buffers) const = 0;
};

/// A stream that nothing ever runs on: what libraries put there becomes part of a graph.
class CaptureStream {
public:
  explicit CaptureStream(Gpu& gpu) : gpu_(gpu) {}
  CaptureStream(const CaptureStream&) = delete;
  CaptureStream& operator=(const CaptureStream&) = delete;
  ~CaptureStream();

  /// The graph of what `work` puts on the stream; it is the caller's.
  Result capture(const std::function<void(Stream)>& work, Graph& graph);

private:
  Result end(Graph& graph);

  Gpu& gpu_;
  Stream stream_ = nullptr;
};

/// The device's context must be the thread's in all calls.
class StepGraph {
public:
  StepGraph(Gpu& gpu, CaptureStream& capturing) : gpu_(gpu), capturing_(capturing) {}
  StepGraph(const StepGraph&) = delete;
  StepGraph& operator=(const StepGraph&) = delete;
  ~StepGraph();

  /// Once. The driver's first failure; then the graph cannot be used.
  Result make(const Steps& steps);
  /// Points the work of all steps that use these buffers at where they are now. What was launched
  /// before is not changed. After a failure the graph cannot be used.
  Result update(const Steps& steps, const std::vector<char>& changed);
  Result launch(Stream stream) const { return driver().cuGraphLaunch(exec_, stream); }

  /// Of a graph that was made, and of those of the steps that use the buffers.
  std::size_t nodes() const noexcept { return nodes_.size(); }
  std::size_t nodes_using(const Steps& steps, const std::vector<char>& buffers) const;

private:
  class Maker;
  class Updater;

  Gpu& gpu_;
  CaptureStream& capturing_;
  Graph graph_ = nullptr;
  GraphExec exec_ = nullptr;
  std::vector<GraphNode> nodes_;
  std::vector<std::size_t> first_node_; ///< of each step, then the end
};

} // namespace kroton::jit::cuda
