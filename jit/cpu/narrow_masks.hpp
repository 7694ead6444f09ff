#pragma once
/// Keeps LLVM from compiling masked accesses to eight bytes wrongly for AVX-512.
///
///   keep_narrow_masks(module, machine);      // after all passes that make vectors
///
/// AVX-512 has masked accesses to 16 bytes and more, so a mask of 8 lanes is given 8 more of zeros.
/// LLVM (19 to 22) does that with KMOVB from one mask register to another, which it also takes for
/// a plain copy: when it runs out of mask registers it leaves the instruction out and uses the old
/// register as it is. Its upper lanes are not zeros, and eight bytes behind the accessed ones are
/// overwritten. Here such a mask goes through a general register, and the access has 16 lanes, so
/// that there is nothing left to leave out.
#include <llvm/IR/Module.h>
#include <llvm/Target/TargetMachine.h>

namespace kroton::jit {

void keep_narrow_masks(llvm::Module& module, const llvm::TargetMachine& machine);

} // namespace kroton::jit
