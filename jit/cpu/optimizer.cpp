#include "jit/cpu/optimizer.hpp"
#include "jit/cpu/clang_compat.hpp"
#include "jit/cpu/narrow_masks.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <clang/Basic/TargetOptions.h>
#include <llvm/ADT/DenseMap.h>
#include <llvm/ADT/StringExtras.h>
#include <llvm/Analysis/AssumptionCache.h>
#include <llvm/Analysis/TargetLibraryInfo.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/InstrTypes.h>
#include <llvm/IR/LegacyPassManager.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Support/ErrorHandling.h>
#include <llvm/Transforms/Instrumentation/ThreadSanitizer.h>
#include <llvm/Transforms/Scalar/EarlyCSE.h>
#include <llvm/Transforms/Scalar/SROA.h>
#include <llvm/Transforms/Utils/Cloning.h>

namespace kroton::jit {
namespace {

/// What is done to each function that is left once all calls are inlined. Loops of known length
/// (over the registers of a tile) are unrolled early, those around them (over the stages of a
/// transposition) late: until then the arrays that they walk are memory. In between, plain loops
/// are made into vectors; straight code only at the end, since it would take addresses for data.
constexpr std::string_view function_pipeline =
    "simplifycfg,"
    "loop(loop-instsimplify,loop-simplifycfg,loop-rotate<header-duplication>),"
    "loop(loop-deletion,loop-unroll-full),"
    "sroa<modify-cfg>,"
    "early-cse<memssa>,"
    "instcombine<no-verify-fixpoint>,"
    "simplifycfg,"
    "loop-mssa(licm<allowspeculation>),"
    "gvn,"
    "loop(indvars),"
    "loop-vectorize,"
    "loop-unroll<O3>,"
    "sroa<preserve-cfg>,"
    "instcombine<no-verify-fixpoint>,"
    "slp-vectorizer,"
    "vector-combine,"
    "loop-mssa(licm<allowspeculation>),"
    "infer-alignment,"
    "simplifycfg";

/// A kernel calls no library, whatever its functions are called.
llvm::TargetLibraryInfoImpl no_library(const llvm::TargetMachine& machine) {
  llvm::TargetLibraryInfoImpl library(machine.getTargetTriple());
  library.disableAllFunctions();
  return library;
}

struct Analyses {
  llvm::LoopAnalysisManager loops;
  llvm::FunctionAnalysisManager functions;
  llvm::CGSCCAnalysisManager components;
  llvm::ModuleAnalysisManager modules;

  Analyses(llvm::PassBuilder& builder, const llvm::TargetMachine& machine) {
    functions.registerPass([&] { return llvm::TargetLibraryAnalysis(no_library(machine)); });
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(components);
    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.crossRegisterProxies(loops, functions, components, modules);
  }
};

bool is_defined(const llvm::Function* function) { return function && !function->isDeclaration(); }

/// All functions with a body, those that are called before those that call them.
std::vector<llvm::Function*> callees_first(llvm::Module& module) {
  enum class State { entered, left };
  llvm::DenseMap<llvm::Function*, State> states;
  std::vector<llvm::Function*> order, open;
  for (llvm::Function& root : module) {
    if (is_defined(&root)) open.push_back(&root);
    while (!open.empty()) {
      llvm::Function* function = open.back();
      const auto [state, is_new] = states.try_emplace(function, State::entered);
      if (is_new) {
        for (llvm::Instruction& instruction : llvm::instructions(*function))
          if (auto* call = llvm::dyn_cast<llvm::CallBase>(&instruction))
            if (auto* callee = call->getCalledFunction();
                is_defined(callee) && !states.contains(callee))
              open.push_back(callee);
        continue;
      }
      open.pop_back();
      if (state->second == State::entered) order.push_back(function);
      state->second = State::left;
    }
  }
  return order;
}

/// Inlines what `function` calls; callees are finished functions.
void inline_calls(llvm::Function& function, llvm::FunctionAnalysisManager& analyses) {
  llvm::SmallVector<llvm::CallBase*, 32> calls;
  for (llvm::Instruction& instruction : llvm::instructions(function))
    if (auto* call = llvm::dyn_cast<llvm::CallBase>(&instruction))
      if (auto* callee = call->getCalledFunction();
          is_defined(callee) && callee != &function && !call->isNoInline())
        calls.push_back(call);
  const auto assumptions = [&](llvm::Function& of) -> llvm::AssumptionCache& {
    return analyses.getResult<llvm::AssumptionAnalysis>(of);
  };
  for (llvm::CallBase* call : calls) {
    llvm::Function* callee = call->getCalledFunction();
    llvm::InlineFunctionInfo info(assumptions);
    if (llvm::InlineFunction(*call, info).isSuccess())
      llvm::AttributeFuncs::mergeAttributesForInlining(function, *callee);
  }
  if (!calls.empty()) analyses.invalidate(function, llvm::PreservedAnalyses::none());
}

/// Leaves the functions that are called from outside, or by address, or noinline. Each is
/// simplified before it is copied into its callers: what Clang emits for a line of the prelude is
/// ten times the instructions that are left of it.
void inline_all(llvm::Module& module, llvm::FunctionAnalysisManager& analyses) {
  llvm::FunctionPassManager simplify;
  simplify.addPass(llvm::SROAPass(llvm::SROAOptions::ModifyCFG));
  simplify.addPass(llvm::EarlyCSEPass());
  const std::vector<llvm::Function*> order = callees_first(module);
  for (llvm::Function* function : order) {
    inline_calls(*function, analyses);
    analyses.invalidate(*function, simplify.run(*function, analyses));
  }
  for (auto function = order.rbegin(); function != order.rend(); ++function) {
    if (!(*function)->isDiscardableIfUnused() || !(*function)->use_empty()) continue;
    analyses.clear(**function, (*function)->getName());
    (*function)->eraseFromParent();
  }
}

bool is_watched(const llvm::Module& module) {
  return llvm::any_of(module, [](const llvm::Function& function) {
    return function.hasFnAttribute(llvm::Attribute::SanitizeThread);
  });
}

} // namespace

std::unique_ptr<llvm::TargetMachine> make_target_machine(const clang::TargetOptions& options,
                                                         unsigned optimization) {
  llvm::TargetOptions code;
  code.UseInitArray = true; // which the loader knows, and refuses by name
  return clang_compat::make_target_machine(
      llvm::Triple(options.Triple), options.CPU, llvm::join(options.FeaturesAsWritten, ","), code,
      llvm::CodeGenOpt::getLevel(static_cast<int>(optimization))
          .value_or(llvm::CodeGenOptLevel::Aggressive));
}

void optimize(llvm::Module& module, llvm::TargetMachine& machine, unsigned optimization) {
  // Names of CPU and features that stand at functions are parsed at every function by every pass
  // that asks for costs.
  for (llvm::Function& function : module) {
    function.removeFnAttr("target-cpu");
    function.removeFnAttr("target-features");
  }
  llvm::PassBuilder builder(&machine);
  Analyses analyses(builder, machine);
  llvm::ModulePassManager passes;
  if (optimization == 0) {
    passes = builder.buildO0DefaultPipeline(llvm::OptimizationLevel::O0);
  } else {
    inline_all(module, analyses.functions);
    const std::string pipeline =
        "function<eager-inv>(" + std::string(function_pipeline) + "),globaldce";
    llvm::cantFail(builder.parsePassPipeline(passes, pipeline));
  }
  // With -fsanitize=thread a text defines what is called at its accesses to memory.
  if (is_watched(module))
    passes.addPass(llvm::createModuleToFunctionPassAdaptor(llvm::ThreadSanitizerPass()));
  passes.run(module, analyses.modules);
  keep_narrow_masks(module, machine);
}

bool emit(llvm::Module& module, llvm::TargetMachine& machine, llvm::CodeGenFileType type,
          llvm::SmallVectorImpl<char>& out) {
  llvm::legacy::PassManager passes;
  passes.add(new llvm::TargetLibraryInfoWrapperPass(no_library(machine)));
  llvm::raw_svector_ostream stream(out);
  if (machine.addPassesToEmitFile(passes, stream, nullptr, type, /*DisableVerify=*/true))
    return false;
  passes.run(module);
  return true;
}

} // namespace kroton::jit
