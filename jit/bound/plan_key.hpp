#pragma once
/// What a finished plan is kept under: everything that decides it.
///
///   cache::Key key = plan_key({signature, leaves, options, assumptions, backend->describe()});
///
/// The expressions count as they were written, node by node, with leaves and dims by number: not
/// the user's names, not source lines, and no data but that of arrays so small that rewrites fold
/// them.
#include "cache/key.hpp"
#include "jit/bound/leaves.hpp"
#include "lib/ir/graph.hpp"

namespace kroton::jit {

/// What a version takes for granted.
struct Assumptions {
  ir::Graph::Unify unify = ir::Graph::Unify::assumed;
  std::vector<ir::DimValue> sizes = {}; ///< of symbols; empty: any sizes
};

struct PlanInputs {
  const Signature& signature;
  const Leaves& leaves;
  const Options& options;
  const Assumptions& assumptions;
  std::string target; ///< as its backend describes it
};

cache::Key plan_key(const PlanInputs& inputs);

/// Identifies this very build of libkroton.so, in hexadecimal digits, by what the linker wrote into
/// it: rules and planner of another build may make other plans. Empty if the linker wrote nothing.
const std::string& build_id();

} // namespace kroton::jit
