#pragma once
/// Clang's part in compiling a kernel: C++ text to an object or assembly.
///
///   ClangOutput output;
///   if (run_clang(request, output)) …; // output.bytes is the object
///
/// Compiled without exceptions, like LLVM itself, and like everything that it calls: an exception
/// from one of LLVM's error handlers, or from operator new, passes through without running a
/// destructor. What LLVM was in the middle of building is no object that could be destroyed.
#include <string>

#include <llvm/ADT/SmallVector.h>

#include "jit/cpu/plugin_abi.hpp"

namespace kroton::jit {

struct ClangOutput {
  llvm::SmallVector<char, 0> bytes;
  std::string log; ///< diagnostics, as Clang prints them
};

/// False if Clang or LLVM finds a mistake in the text, which `output.log` then tells. The target
/// must be initialised.
bool run_clang(const KrotonClangRequest& request, ClangOutput& output);

} // namespace kroton::jit
