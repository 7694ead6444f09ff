#pragma once
/// Memory for the code of many objects that are linked together: one mapping, in which all code
/// is first, then all constants, then all data, so that three system calls do for all of them.
///
///   CodeMemory memory;
///   for (auto& graph : graphs) link_ELF_x86_64(std::move(graph), context_of(memory));
///   std::shared_ptr<CodeMapping> mapping = memory.place();
///   mapping->seal();                              // unless a link has failed
///
/// JITLink asks for memory and continues when it gets it. Here every graph waits at that point
/// until all have asked, and `place` lays them out and lets them continue.
#include <array>
#include <memory>
#include <vector>

#include "jit/cpu/jitlink_compat.hpp"

namespace kroton::jit {

/// Pages of code, of constants and of data, unmapped when it dies. None of them is ever writable
/// and executable.
class CodeMapping {
public:
  /// Where code, constants and data begin, in whole pages, and where data ends.
  using Bounds = std::array<std::size_t, 4>;

  /// Maps pages that are writable and not executable. Throws CompileError.
  explicit CodeMapping(const Bounds& bounds);
  CodeMapping(const CodeMapping&) = delete;
  CodeMapping& operator=(const CodeMapping&) = delete;
  ~CodeMapping();

  char* begin() const noexcept { return begin_; }
  /// Makes code executable, and code and constants read-only. Throws CompileError.
  void seal();

private:
  Bounds bounds_;
  char* begin_ = nullptr;
};

/// For one set of graphs; used by one thread.
class CodeMemory final : public llvm::jitlink::JITLinkMemoryManager {
public:
  /// Places every graph that has asked and lets its link continue to the end. Throws CompileError
  /// when there is no memory; a link that fails tells its context.
  std::shared_ptr<CodeMapping> place();

  void allocate(const llvm::jitlink::JITLinkDylib*, llvm::jitlink::LinkGraph& graph,
                OnAllocatedFunction go_on) override;
  /// Nothing: a mapping lives as long as the modules that share it.
  void deallocate(std::vector<FinalizedAlloc> allocations, OnDeallocatedFunction done) override;

private:
  struct Waiting {
    llvm::jitlink::BasicLayout layout;
    OnAllocatedFunction go_on;
  };
  std::vector<Waiting> waiting_;
};

} // namespace kroton::jit
