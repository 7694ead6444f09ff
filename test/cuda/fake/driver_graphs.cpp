/// The fake libcuda: graphs.
#include "test/cuda/fake/calls.hpp"

#include <algorithm>
#include <cstdio>
#include <random>
#include <span>

#include <fmt/format.h>

using namespace kroton::test::fake;

namespace {

/// Adds a node with this work, if it has any.
Result add_node(GraphNode* node, Graph graph, const GraphNode* before, std::size_t count,
                Work work) {
  if (!state().graphs.contains(graph)) return invalid_handle;
  const auto is_of_graph = [&](GraphNode n) {
    return std::ranges::find(graph->nodes, n, &std::unique_ptr<CUgraphNode_st>::get) !=
           graph->nodes.end();
  };
  const std::span<const GraphNode> all(before, count);
  if (!work || !std::ranges::all_of(all, is_of_graph)) return Result::invalid_value;
  graph->nodes.push_back(
      std::make_unique<CUgraphNode_st>(CUgraphNode_st{std::move(*work), {all.begin(), all.end()}}));
  *node = graph->nodes.back().get();
  return Result::success;
}

/// Gives a node other work of the same kind; the node's graph must still be there.
Result set_node(GraphExec exec, GraphNode node, Work work) {
  if (!state().executables.contains(exec) || !state().is_node(node)) return invalid_handle;
  const auto at = std::ranges::find(exec->nodes, node, &CUgraphExec_st::Node::from);
  if (at == exec->nodes.end() || !work || work->what != at->operation.what)
    return Result::invalid_value;
  at->operation = std::move(*work);
  return Result::success;
}

std::vector<CUgraphExec_st::Node> numbered(const CUgraph_st& graph) {
  std::vector<CUgraphExec_st::Node> nodes;
  for (const auto& node : graph.nodes) {
    std::vector<std::size_t> before;
    for (const CUgraphNode_st* b : node->before)
      before.push_back(static_cast<std::size_t>(
          std::ranges::find(graph.nodes, b, &std::unique_ptr<CUgraphNode_st>::get) -
          graph.nodes.begin()));
    nodes.push_back({node.get(), node->operation, std::move(before)});
  }
  return nodes;
}

/// A graph as one node of another, with its own nodes in their order.
Work child_work(const CUgraph_st& child) {
  std::string what = "graph";
  std::vector<Operation> operations;
  for (const auto& node : child.nodes) {
    what += " " + node->operation.what;
    operations.push_back(node->operation);
  }
  return Operation{what, [operations] {
                     Result r = Result::success;
                     for (const Operation& o : operations)
                       if (r == Result::success) r = o.run();
                     return r;
                   }};
}

Work copy_of(const CopyNode& c) {
  const bool is_line = c.height == 1 && c.depth == 1 && c.from.memory_type == memory_of_device &&
                       c.to.memory_type == memory_of_device && c.from.pitch >= c.width_bytes &&
                       c.to.pitch >= c.width_bytes;
  return is_line ? copy_work(c.to.device, c.from.device, c.width_bytes) : std::nullopt;
}

Work set_of(const SetNode& s) {
  const bool is_line = s.height == 1 && s.element_bytes == 1 && s.value < 256;
  return is_line ? set_work(s.to, static_cast<unsigned char>(s.value), s.width) : std::nullopt;
}

} // namespace

Result cuStreamBeginCapture_v2(Stream stream, int) {
  return call_on("cuStreamBeginCapture_v2", stream, [&](CUctx_st&) {
    if (stream->capture) return Result::stream_capture_unsupported;
    stream->capture = kept(state().graphs, std::make_unique<CUgraph_st>());
    return Result::success;
  });
}

Result cuStreamEndCapture(Stream stream, Graph* graph) {
  return call_on("cuStreamEndCapture", stream, [&](CUctx_st&) {
    if (!stream->capture) return Result::stream_capture_invalidated;
    *graph = std::exchange(stream->capture, nullptr);
    return Result::success;
  });
}

Result cuGraphCreate(Graph* graph, unsigned) {
  return state().call_in_context("cuGraphCreate", [&](CUctx_st&) {
    *graph = kept(state().graphs, std::make_unique<CUgraph_st>());
    return Result::success;
  });
}

Result cuGraphAddKernelNode_v2(GraphNode* node, Graph graph, const GraphNode* before,
                               std::size_t count, const KernelNode* kernel) {
  return state().call_in_context("cuGraphAddKernelNode_v2", [&](CUctx_st& context) {
    return add_node(node, graph, before, count, kernel_work(context, *kernel));
  });
}

Result cuGraphAddMemcpyNode(GraphNode* node, Graph graph, const GraphNode* before,
                            std::size_t count, const CopyNode* copy, Context) {
  return state().call_in_context("cuGraphAddMemcpyNode", [&](CUctx_st&) {
    return add_node(node, graph, before, count, copy_of(*copy));
  });
}

Result cuGraphAddMemsetNode(GraphNode* node, Graph graph, const GraphNode* before,
                            std::size_t count, const SetNode* set, Context) {
  return state().call_in_context("cuGraphAddMemsetNode", [&](CUctx_st&) {
    return add_node(node, graph, before, count, set_of(*set));
  });
}

Result cuGraphAddChildGraphNode(GraphNode* node, Graph graph, const GraphNode* before,
                                std::size_t count, Graph child) {
  return state().call_in_context("cuGraphAddChildGraphNode", [&](CUctx_st&) {
    if (!state().graphs.contains(child)) return invalid_handle;
    return add_node(node, graph, before, count, child_work(*child));
  });
}

Result cuGraphExecKernelNodeSetParams_v2(GraphExec exec, GraphNode node, const KernelNode* kernel) {
  return state().call_in_context("cuGraphExecKernelNodeSetParams_v2", [&](CUctx_st& context) {
    return set_node(exec, node, kernel_work(context, *kernel));
  });
}

Result cuGraphExecMemcpyNodeSetParams(GraphExec exec, GraphNode node, const CopyNode* copy,
                                      Context) {
  return state().call_in_context("cuGraphExecMemcpyNodeSetParams",
                                 [&](CUctx_st&) { return set_node(exec, node, copy_of(*copy)); });
}

Result cuGraphExecMemsetNodeSetParams(GraphExec exec, GraphNode node, const SetNode* set, Context) {
  return state().call_in_context("cuGraphExecMemsetNodeSetParams",
                                 [&](CUctx_st&) { return set_node(exec, node, set_of(*set)); });
}

Result cuGraphExecChildGraphNodeSetParams(GraphExec exec, GraphNode node, Graph child) {
  return state().call_in_context("cuGraphExecChildGraphNodeSetParams", [&](CUctx_st&) {
    if (!state().graphs.contains(child)) return invalid_handle;
    return set_node(exec, node, child_work(*child));
  });
}

Result cuGraphInstantiateWithFlags(GraphExec* exec, Graph graph, unsigned long long) {
  return state().call_in_context("cuGraphInstantiateWithFlags", [&](CUctx_st&) -> Result {
    if (!state().graphs.contains(graph)) return invalid_handle;
    *exec = kept(state().executables,
                 std::make_unique<CUgraphExec_st>(CUgraphExec_st{numbered(*graph)}));
    return Result::success;
  });
}

Result cuGraphLaunch(GraphExec exec, Stream stream) {
  return call_on("cuGraphLaunch", stream, [&](CUctx_st&) -> Result {
    if (!state().executables.contains(exec)) return invalid_handle;
    return state().enqueue(stream,
                           {"graph", [nodes = exec->nodes] { return state().run_graph(nodes); }});
  });
}

Result cuGraphDestroy(Graph graph) {
  return state().call("cuGraphDestroy", [&] {
    return taken(state().graphs, graph) ? Result::success : invalid_handle;
  });
}

Result cuGraphExecDestroy(GraphExec exec) {
  return state().call("cuGraphExecDestroy", [&] {
    return taken(state().executables, exec) ? Result::success : invalid_handle;
  });
}

bool State::is_node(const CUgraphNode_st* node) const {
  return std::ranges::any_of(graphs, [&](const auto& g) {
    return std::ranges::find(g.first->nodes, node, &std::unique_ptr<CUgraphNode_st>::get) !=
           g.first->nodes.end();
  });
}

Result State::run_graph(const std::vector<CUgraphExec_st::Node>& nodes) {
  const std::size_t count = nodes.size();
  std::vector<std::vector<bool>> waits_for(count, std::vector<bool>(count));
  std::vector<std::size_t> length(count, 1);
  last_graph_ = {.nodes = count, .longest_path = 0};
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t b : nodes[i].before) {
      waits_for[i][b] = true;
      for (std::size_t k = 0; k < b; ++k)
        if (waits_for[b][k]) waits_for[i][k] = true;
      length[i] = std::max(length[i], length[b] + 1);
    }
    last_graph_.longest_path = std::max(last_graph_.longest_path, length[i]);
  }
  std::mt19937_64 random(schedule_.seed);
  std::vector<bool> is_done(count);
  std::vector<std::pair<std::size_t, emulator::Footprint>> done;
  while (done.size() < count) {
    std::vector<std::size_t> ready;
    for (std::size_t i = 0; i < count; ++i)
      if (!is_done[i] &&
          std::ranges::all_of(nodes[i].before, [&](std::size_t b) { return is_done[b]; }))
        ready.push_back(i);
    std::size_t next = ready.front();
    if (schedule_.order == emulator::Order::reverse) next = ready.back();
    if (schedule_.order == emulator::Order::random) next = ready[random() % ready.size()];
    emulator::Footprint touched;
    footprint_ = &touched;
    const Result result = nodes[next].operation.run();
    footprint_ = nullptr;
    if (result != Result::success) return result;
    for (const auto& [other, of_other] : done) {
      if (waits_for[next][other] || !touched.conflicts(of_other)) continue;
      fault_ =
          fmt::format("nodes {} ({}) and {} ({}) of a graph touch the same memory, and neither "
                      "waits for the other",
                      std::min(next, other), nodes[std::min(next, other)].operation.what,
                      std::max(next, other), nodes[std::max(next, other)].operation.what);
      std::fprintf(stderr, "fake libcuda: %s\n", fault_.c_str());
      return Result::illegal_address;
    }
    is_done[next] = true;
    done.emplace_back(next, std::move(touched));
  }
  return Result::success;
}

GraphShape State::last_graph() const {
  const std::lock_guard lock(mutex_);
  return last_graph_;
}
