#pragma once
/// What the buffers of a plan hold while its steps run, as values of the graph's nodes: what a
/// watched call gives the reference evaluator.
///
///   Contents contents(plan);
///   watcher.before = [&](const Program::Moment& m) { contents.bind(m, bindings); };
///   watcher.after = [&](const Program::Moment& m) { …; contents.finish(m.step); };
#include <map>
#include <vector>

#include "jit/compile/capture.hpp"
#include "jit/run/program.hpp"
#include "lib/ir/eval.hpp"

namespace kroton::jit {

class Contents {
public:
  explicit Contents(const plan::Plan& plan);
  /// Gives `bindings` the sizes of the call and, of what the step reads, what it reads now.
  void bind(const Program::Moment& m, ir::Bindings& bindings) const;
  /// The step has filled its buffers.
  void finish(const plan::Step& step);
  /// What the step has stored of `m.step.computes[number]`, in a buffer of any shape or in part of
  /// one.
  Array result(const Program::Moment& m, std::size_t number) const;

private:
  Shape shape_of(ir::NodeId id, const Program::Moment& m) const;

  const plan::Plan& plan_;
  std::map<int, ir::NodeId> nodes_; ///< by buffer
};

/// "kernel 927f440f8474 (rows)", "a matrix product", "the call of cholesky".
std::string describe_step(const Program& program, const plan::Step& step);

} // namespace kroton::jit
