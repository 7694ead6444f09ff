#pragma once
/// What a function is compiled from, as often as a version of it is wanted.
///
///   Compiled any = recipe.compile({});
///   Compiled small = recipe.compile({.sizes = {{batch, 32}}});
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "jit/program.hpp"
#include "lib/rewrite/pipeline.hpp"

namespace kroton::jit {

/// What a version takes for granted.
struct Assumptions {
  ir::Graph::Unify unify = ir::Graph::Unify::assumed;
  std::vector<ir::DimValue> sizes = {}; ///< of symbols; empty: any sizes
};

struct Compiled {
  Assumptions assumptions;
  std::unique_ptr<Program> program;
  rewrite::PipelineReport report;
  std::vector<std::pair<std::string, std::string>>
      passes; ///< name and graph text after it, if dumped
  double rewrite_ms = 0, plan_ms = 0, compile_ms = 0, total_ms = 0;
  bool is_background = false; ///< no call waited for it
};

/// What tests put wrong, to prove that Mode::verify finds it.
struct Sabotage {
  const rewrite::RuleSet* rules = nullptr;
  std::function<void(std::string& text)> kernel = {};
};

struct Recipe {
  Signature signature;
  Options options;
  Sabotage sabotage = {};

  /// Throws UnsupportedError, CompileError and GivenUp.
  Compiled compile(Assumptions assumptions, const Compiling& compiling = {}) const;
};

} // namespace kroton::jit
