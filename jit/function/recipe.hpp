#pragma once
/// The immutable inputs of a compilation: `compile` is called once for each version of a function.
///
///   Compiled any = compile(recipe, {});
///   Compiled small = compile(recipe, {.sizes = {{batch, 32}}});
#include <functional>
#include <memory>
#include <string>

#include "jit/compile/kernels.hpp"
#include "jit/bound/plan_key.hpp"
#include "jit/function/stores.hpp"
#include "jit/run/program.hpp"

namespace kroton::jit {

struct Compiled {
  Assumptions assumptions;
  std::shared_ptr<const LazyDerivation> origin;
  std::unique_ptr<Program> program;
  cache::Outcome plan_outcome = cache::Outcome::made;
  std::string plan_level;       ///< which shared level had the plan
  std::string plan_miss_reason; ///< why the plan had to be made
  double compile_ms = 0;        ///< getting all kernels, or a whole plan with its kernels
  double total_ms = 0;
  bool is_background = false; ///< no call waited for it
};

/// What tests put wrong, to prove that Mode::verify finds it.
struct Sabotage {
  const rewrite::RuleSet* rules = nullptr;
  Tamper kernel = {};
};

struct Recipe {
  Signature signature;
  Options options;
  Sabotage sabotage = {};
  /// Open as long as anything may be compiled from this.
  std::shared_ptr<cache::Store> store = store_for(options.cache);

  /// Mode::verify, dumps and tests that put something wrong look at every stage.
  bool is_indexed() const;
  /// Rewrites, plans and renders. Throws UnsupportedError and GivenUp.
  Derivation derive(const Assumptions& assumptions, const Compiling& compiling = {}) const;
  /// The same without texts, for the backend of a device or for the CPU's.
  Derivation plan(const Assumptions& assumptions, bool for_device,
                  const Compiling& compiling = {}) const;
};

/// Throws UnsupportedError, CompileError and GivenUp. The recipe stays, for what is asked about the
/// program later.
Compiled compile(const std::shared_ptr<const Recipe>& recipe, Assumptions assumptions,
                 const Compiling& compiling = {});

} // namespace kroton::jit
