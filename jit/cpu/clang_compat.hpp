#pragma once
/// Where Clang's API differs between LLVM 19 and 22. Only clang_plugin.cpp and optimizer.cpp
/// include this.
///
/// Each function asks which form the headers have (`requires`) where that can be asked, so that a
/// signature moved by a point release still builds; LLVM_VERSION_MAJOR decides the rest.
#include <memory>
#include <optional>
#include <string>

#include <clang/Basic/Diagnostic.h>
#include <clang/Basic/DiagnosticIDs.h>
#include <clang/Basic/DiagnosticOptions.h>
#include <clang/Basic/FileManager.h>
#include <clang/Basic/SourceManager.h>
#include <clang/Frontend/CompilerInstance.h>
#include <clang/Frontend/TextDiagnosticPrinter.h>
#include <llvm/Config/llvm-config.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/VirtualFileSystem.h>
#include <llvm/Support/raw_ostream.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/TargetParser/Triple.h>

#if LLVM_VERSION_MAJOR < 19 || LLVM_VERSION_MAJOR > 22
#error "Kroton builds with LLVM 19 to 22; choose one with meson setup -Dllvm=22"
#endif

namespace kroton::jit::clang_compat {

/// DiagnosticOptions are reference counted up to LLVM 20 and a plain value since 21.
#if LLVM_VERSION_MAJOR < 21
using DiagnosticOptionsHandle = llvm::IntrusiveRefCntPtr<clang::DiagnosticOptions>;
inline DiagnosticOptionsHandle make_diagnostic_options() { return new clang::DiagnosticOptions; }
inline clang::DiagnosticOptions* as_argument(DiagnosticOptionsHandle& o) { return o.get(); }
#else
using DiagnosticOptionsHandle = std::unique_ptr<clang::DiagnosticOptions>;
inline DiagnosticOptionsHandle make_diagnostic_options() {
  return std::make_unique<clang::DiagnosticOptions>();
}
inline clang::DiagnosticOptions& as_argument(DiagnosticOptionsHandle& o) { return *o; }
#endif

/// An engine that prints to `out`; `options` must outlive it.
inline llvm::IntrusiveRefCntPtr<clang::DiagnosticsEngine>
make_diagnostics(DiagnosticOptionsHandle& options, llvm::raw_ostream& out) {
  llvm::IntrusiveRefCntPtr<clang::DiagnosticIDs> ids(new clang::DiagnosticIDs);
  return llvm::IntrusiveRefCntPtr<clang::DiagnosticsEngine>(new clang::DiagnosticsEngine(
      ids, as_argument(options), new clang::TextDiagnosticPrinter(out, as_argument(options))));
}

template <class Instance, class Engine>
void set_diagnostics(Instance& instance, const Engine& engine) {
  if constexpr (requires { instance.setDiagnostics(engine); })
    instance.setDiagnostics(engine);
  else
    instance.setDiagnostics(engine.get());
}

/// Makes `files` all that the compiler can see.
template <class Instance>
void set_files(Instance& instance, llvm::IntrusiveRefCntPtr<llvm::vfs::FileSystem> files) {
  if constexpr (requires { instance.createFileManager(files); }) {
    instance.createFileManager(files);
  } else {
    instance.setVirtualFileSystem(files);
    instance.createFileManager();
  }
}

/// For position-independent code; null if LLVM does not know the target. Triples were passed as
/// text at first; LLVM 21 and 22 take them as they are.
template <class Registry = llvm::TargetRegistry>
std::unique_ptr<llvm::TargetMachine>
make_target_machine(const llvm::Triple& triple, llvm::StringRef cpu, llvm::StringRef features,
                    const llvm::TargetOptions& options, llvm::CodeGenOptLevel level) {
  const llvm::StringRef text = triple.str();
  const auto look_up = [](const auto& by_triple, const auto& by_text) {
    std::string error;
    if constexpr (requires { Registry::lookupTarget(by_triple, error); })
      return Registry::lookupTarget(by_triple, error);
    else
      return Registry::lookupTarget(by_text, error);
  };
  const auto make = [&](const auto& target, const auto&... rest) {
    if constexpr (requires { target.createTargetMachine(triple, rest...); })
      return target.createTargetMachine(triple, rest...);
    else
      return target.createTargetMachine(text, rest...);
  };
  const auto* target = look_up(triple, text);
  return std::unique_ptr<llvm::TargetMachine>(
      target ? make(*target, cpu, features, options,
                    std::optional<llvm::Reloc::Model>(llvm::Reloc::PIC_),
                    std::optional<llvm::CodeModel::Model>(llvm::CodeModel::Small), level)
             : nullptr);
}

} // namespace kroton::jit::clang_compat
