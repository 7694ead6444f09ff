#pragma once
/// The CPU as a target: C++ text, objects by Clang, linked into the process.
#include <kroton/options.hpp>

#include "jit/compile/backend.hpp"
#include "jit/cpu/compiler.hpp"
#include "jit/cpu/loader.hpp"
#include "jit/cpu/target.hpp"
#include "jit/run/runtime_abi.hpp"

namespace kroton::jit {

using KernelEntry = void (*)(const Runtime*, void* const* buffers, const long* sizes);

/// A kernel in this process.
class CpuCode : public Code {
public:
  /// Throws CompileError if the module defines no kernel.
  CpuCode(Module module, std::string_view title);
  KernelEntry entry() const noexcept { return entry_; }

private:
  Module module_;
  KernelEntry entry_;
};

class CpuBackend : public Backend {
public:
  /// Throws UnsupportedError for a target that this machine cannot run, or a count of threads that
  /// cannot be.
  explicit CpuBackend(const Options& options);
  /// Whose steps are a function each.
  CpuBackend(CpuTarget target, const CodeOptions& code, int threads = 1)
      : target_(std::move(target)), code_(code), threads_(threads) {}

  std::string describe() const override { return target_.describe(); }
  std::string requirements() const override { return target_.requirements(); }
  Texts render(const plan::Plan& plan, const Tamper& tamper) const override;
  cache::Key key(const std::string& text) const override;
  cache::Artifact compile(const KernelText& kernel) const override;
  std::span<const std::string_view> code_sections() const override;
  std::vector<std::shared_ptr<const Code>>
  load(std::span<const KernelObject> objects) const override;
  std::vector<std::pair<std::string, std::string>>
  listings(const KernelText& kernel) const override;
  std::unique_ptr<Program> assemble(ProgramParts parts) const override;

private:
  CpuTarget target_;
  CodeOptions code_;
  int threads_;
  bool has_sequences_ = false; ///< see render_texts
};

} // namespace kroton::jit
