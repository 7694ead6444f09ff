#pragma once
/// Runs the CUDA text of a plan on the emulator, step by step, without a runtime layer.
///
///   PlanRunner runner(inputs, outputs);
///   std::vector<Array> got = runner.run(arguments, {.order = emulator::Order::reverse});
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "codegen/cuda/contraction.hpp"
#include "jit/function/recipe.hpp"
#include "test/cuda/emulator/module.hpp"

namespace kroton::test {

/// What a kernel reports, as codegen/cuda/cuda.hpp has it.
struct FailureRecord {
  std::int32_t state = 0, site = 0;
  std::int64_t value = 0, bound = 0;
};

class PlanRunner {
public:
  PlanRunner(std::vector<Expr> inputs, std::vector<Expr> outputs, const Options& options = {});

  /// The outputs, then the new values of what is updated; shared variables stay as they are.
  std::vector<Array> run(const std::vector<Array>& arguments, const emulator::Schedule& schedule);

  const plan::Plan& plan() const { return derivation_.plan; }
  const std::vector<codegen::CudaText>& texts(std::size_t step) const { return steps_[step].texts; }
  /// What the last run's kernels reported, the first of them.
  const FailureRecord& failure() const { return failure_; }
  /// The entries that the last run launched.
  const std::vector<std::string>& launched() const { return launched_; }

private:
  struct Memory;
  struct Step {
    std::vector<codegen::CudaText> texts;
    bool clears_results = false;
    std::vector<std::unique_ptr<emulator::Module>> modules; ///< of those that were launched
  };
  std::int64_t size(const Dim& d) const;
  void run_step(std::size_t step, Memory& memory, const emulator::Schedule& schedule);
  void launch(std::size_t step, std::vector<void*>& pointers, Memory& memory,
              const emulator::Schedule& schedule);

  std::vector<Expr> inputs_;
  std::vector<Array> arguments_;
  jit::Derivation derivation_;
  std::vector<Step> steps_;
  FailureRecord failure_;
  std::vector<std::string> launched_;
};

} // namespace kroton::test
