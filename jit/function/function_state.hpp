#pragma once
/// What stands behind a Function: its versions, and what is told of them.
#include <atomic>

#include <kroton/function.hpp>

#include "jit/function/versions.hpp"

namespace kroton::jit {

class FunctionState {
public:
  FunctionState(Signature signature, const Options& options, Sabotage sabotage = {});

  std::vector<Array> call(std::span<const Array> arguments, const Array* given);

  const Results::Names& output_names() const { return output_names_; }
  const Signature& signature() const { return versions_->recipe().signature; }
  /// The version for any sizes.
  const Compiled& compiled() const { return versions_->general(); }
  FunctionStats stats() const;
  std::string source() const;
  std::string explain() const;
  std::string explain(std::span<const Array> arguments) const;

private:
  /// The arguments with those that were left out, and in their inputs' dtypes.
  std::vector<Array> completed(std::span<const Array> arguments) const;

  std::shared_ptr<Versions> versions_; ///< shared with background work on them
  Mode mode_;
  bool is_converting_;
  std::vector<Array> defaults_; ///< of the last inputs
  Results::Names output_names_;
  std::atomic<std::uint64_t> calls_{0};
};

/// Mode::verify: runs the call with every pass and every kernel checked against the reference
/// evaluator; throws InternalError naming the first rule or kernel at fault.
std::vector<Array> verified_call(const Recipe& recipe, Versions::Lease& lease,
                                 std::span<const Array> arguments, const Array* given);

/// Mode::nan_guard: runs the call and looks at what each step has written; throws NumericError that
/// names the op which made the first NaN or infinity.
std::vector<Array> guarded_call(const Recipe& recipe, Versions::Lease& lease,
                                std::span<const Array> arguments, const Array* given);

/// KROTON_DUMP: writes graphs, kernels, what they were compiled to and logs of a function under the
/// directory.
void dump_function(const std::string& directory, const Signature& signature,
                   const Compiled& compiled, const Backend& backend);

} // namespace kroton::jit
