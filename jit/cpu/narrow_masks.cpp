#include "jit/cpu/narrow_masks.hpp"

#include <array>
#include <numeric>

#include <llvm/ADT/STLExtras.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InlineAsm.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/IntrinsicInst.h>
#include <llvm/MC/MCSubtargetInfo.h>

namespace kroton::jit {
namespace {

constexpr int narrow = 8, wide = 16; // lanes

bool is_narrow(const llvm::Type* type) {
  const auto* vector = llvm::dyn_cast<llvm::FixedVectorType>(type);
  return vector && vector->getNumElements() == narrow && vector->getScalarSizeInBits() == 8;
}

/// Arguments of llvm.masked.store (value, pointer, alignment, mask) and llvm.masked.load (pointer,
/// alignment, mask, otherwise). Since LLVM 22 the alignment is an attribute of the pointer.
struct Access {
  llvm::IntrinsicInst* call;
  bool is_store;

  llvm::Value* pointer() const { return call->getArgOperand(is_store ? 1 : 0); }
  llvm::Value* mask() const { return call->getArgOperand(call->arg_size() - (is_store ? 1 : 2)); }
  llvm::Value* value() const { return call->getArgOperand(is_store ? 0 : call->arg_size() - 1); }
  llvm::Align alignment() const {
    const unsigned at = is_store ? 1 : 0;
    if (call->arg_size() == 4)
      return llvm::cast<llvm::ConstantInt>(call->getArgOperand(at + 1))->getAlignValue();
    return call->getParamAlign(at).valueOrOne();
  }
};

llvm::Value* widened(llvm::IRBuilder<>& builder, llvm::Value* vector) {
  std::array<int, wide> lanes;
  std::iota(lanes.begin(), lanes.end(), 0);
  std::fill(lanes.begin() + narrow, lanes.end(), llvm::PoisonMaskElem);
  return builder.CreateShuffleVector(vector, lanes);
}

/// The mask with zeros behind it. What assembly gives, if only by name, LLVM cannot see through.
llvm::Value* widened_mask(llvm::IRBuilder<>& builder, llvm::Value* mask) {
  llvm::Type* bits = builder.getInt16Ty();
  llvm::Value* number = builder.CreateZExt(builder.CreateBitCast(mask, builder.getInt8Ty()), bits);
  auto* opaque = llvm::InlineAsm::get(llvm::FunctionType::get(bits, {bits}, false), "", "=r,0",
                                      /*hasSideEffects=*/false);
  return builder.CreateBitCast(builder.CreateCall(opaque, {number}),
                               llvm::FixedVectorType::get(builder.getInt1Ty(), wide));
}

void widen(const Access& access) {
  llvm::IRBuilder<> builder(access.call);
  llvm::Value* mask = widened_mask(builder, access.mask());
  llvm::Value* value = widened(builder, access.value());
  if (access.is_store) {
    builder.CreateMaskedStore(value, access.pointer(), access.alignment(), mask);
  } else {
    llvm::Value* loaded = builder.CreateMaskedLoad(value->getType(), access.pointer(),
                                                   access.alignment(), mask, value);
    std::array<int, narrow> lanes;
    std::iota(lanes.begin(), lanes.end(), 0);
    access.call->replaceAllUsesWith(builder.CreateShuffleVector(loaded, lanes));
  }
  access.call->eraseFromParent();
}

} // namespace

void keep_narrow_masks(llvm::Module& module, const llvm::TargetMachine& machine) {
  if (!machine.getMCSubtargetInfo()->checkFeatures("+avx512bw")) return;
  for (llvm::Function& function : module) {
    std::vector<Access> accesses;
    for (llvm::Instruction& instruction : llvm::instructions(function)) {
      auto* call = llvm::dyn_cast<llvm::IntrinsicInst>(&instruction);
      if (!call) continue;
      const bool is_store = call->getIntrinsicID() == llvm::Intrinsic::masked_store;
      if (!is_store && call->getIntrinsicID() != llvm::Intrinsic::masked_load) continue;
      const Access access{call, is_store};
      if (is_narrow(access.value()->getType()) && !llvm::isa<llvm::Constant>(access.mask()))
        accesses.push_back(access);
    }
    for (const Access& access : accesses) widen(access);
  }
}

} // namespace kroton::jit
