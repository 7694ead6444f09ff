#pragma once
/// What stands behind a Function: the program for the sizes that are expected and, once a call
/// needs it, the one that assumes nothing.
#include <atomic>
#include <mutex>

#include <kroton/function.hpp>

#include "jit/program.hpp"
#include "lib/rewrite/pipeline.hpp"

namespace kroton::jit {

struct Compiled {
  ir::Graph::Unify unify = ir::Graph::Unify::assumed;
  std::unique_ptr<Program> program;
  rewrite::PipelineReport report;
  std::vector<std::pair<std::string, std::string>>
      passes; ///< name and graph text after it, if dumped
  double rewrite_ms = 0, plan_ms = 0, compile_ms = 0;
};

/// What tests put wrong, to prove that Mode::verify finds it.
struct Sabotage {
  const rewrite::RuleSet* rules = nullptr;
  std::function<void(std::string& text)> kernel = {};
};

class FunctionState {
public:
  FunctionState(Signature signature, const Options& options, Sabotage sabotage = {});

  std::vector<Array> call(std::span<const Array> arguments, const Array* given);

  const Signature& signature() const { return signature_; }
  const Options& options() const { return options_; }
  const Compiled& compiled() const { return compiled_; }
  FunctionStats stats() const;
  std::string source() const;
  std::string explain() const;

private:
  Compiled compile(ir::Graph::Unify unify) const;

  Signature signature_;
  Options options_;
  Sabotage sabotage_;
  Compiled compiled_; ///< assumes what is worth assuming
  std::once_flag general_once_;
  std::optional<Compiled> general_; ///< assumes nothing; made when a call needs it
  double total_ms_ = 0;
  std::atomic<std::uint64_t> calls_{0};
};

/// Mode::verify: runs the call with every pass and every kernel checked against the reference
/// evaluator; throws InternalError naming the first rule or kernel at fault.
std::vector<Array> verified_call(const Signature& signature, const Options& options,
                                 const Sabotage& sabotage, const Compiled& compiled,
                                 std::span<const Array> arguments, const Array* given);

/// KROTON_DUMP: writes graphs, kernels, assembly and logs of a function under the directory.
void dump_function(const std::string& directory, const Signature& signature,
                   const Compiled& compiled, const ProgramOptions& options);

} // namespace kroton::jit
