#pragma once
/// LLVM's part in compiling a kernel: what Clang's front end emitted → optimised → machine code.
///
///   auto machine = make_target_machine(target_options, optimization);
///   optimize(module, *machine, optimization);
///   emit(module, *machine, llvm::CodeGenFileType::ObjectFile, out);
///
/// Clang's own pipeline is for programs: it simplifies each of the prelude's functions at length
/// before it inlines them, then again whatever they were inlined into, and looks for vectors in
/// code that is written in them. A kernel is one or two loops made of a hundred small functions.
/// Part of the plugin alone.
#include <memory>

#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/Module.h>
#include <llvm/Support/CodeGen.h>
#include <llvm/Target/TargetMachine.h>

namespace clang {
class TargetOptions;
}

namespace kroton::jit {

/// For the CPU and the features that the compiler's arguments name; null if LLVM does not know the
/// target. `optimization` is 0 to 3.
std::unique_ptr<llvm::TargetMachine> make_target_machine(const clang::TargetOptions& options,
                                                         unsigned optimization);

/// Inlines every call within the kernel but those of noinline functions, and simplifies what comes
/// out. The functions lose their own names of CPU and features: `machine` has them.
void optimize(llvm::Module& module, llvm::TargetMachine& machine, unsigned optimization);

/// Appends an object or assembly to `out`; false if the target cannot write one. Changes `module`.
bool emit(llvm::Module& module, llvm::TargetMachine& machine, llvm::CodeGenFileType type,
          llvm::SmallVectorImpl<char>& out);

} // namespace kroton::jit
