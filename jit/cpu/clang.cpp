#include "jit/cpu/clang.hpp"

#include "jit/cpu/clang_compat.hpp"
#include "jit/cpu/optimizer.hpp"

#include <memory>
#include <string_view>
#include <vector>

#include <clang/CodeGen/CodeGenAction.h>
#include <clang/Frontend/CompilerInvocation.h>
#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>
#include <llvm/Object/ObjectFile.h>
#include <llvm/Support/MemoryBuffer.h>

namespace kroton::jit {
namespace {

/// The only name a kernel's text ever has: the object records it, and objects must not differ by
/// it.
constexpr const char* input_name = "kernel.cpp";

/// The back end turns the copying and clearing of large objects into calls of these, -fno-builtin
/// or not, and takes it that somebody provides them. A kernel that needs one gets its own.
constexpr std::string_view memory_functions = R"(
extern "C" void* memset(void* to, int value, unsigned long n) {
  char* out = static_cast<char*>(to);
  for (unsigned long i = 0; i < n; ++i) out[i] = static_cast<char>(value);
  return to;
}
extern "C" void* memcpy(void* __restrict to, const void* __restrict from, unsigned long n) {
  char* __restrict out = static_cast<char*>(to);
  const char* __restrict in = static_cast<const char*>(from);
  for (unsigned long i = 0; i < n; ++i) out[i] = in[i];
  return to;
}
extern "C" void* memmove(void* to, const void* from, unsigned long n) {
  char* out = static_cast<char*>(to);
  const char* in = static_cast<const char*>(from);
  if (out <= in) for (unsigned long i = 0; i < n; ++i) out[i] = in[i];
  else for (unsigned long i = n; i > 0; --i) out[i - 1] = in[i - 1];
  return to;
}
)";

bool needs_memory_functions(llvm::StringRef object) {
  auto file = llvm::object::ObjectFile::createObjectFile(llvm::MemoryBufferRef(object, input_name));
  if (!file) {
    llvm::consumeError(file.takeError());
    return false;
  }
  for (const llvm::object::SymbolRef& symbol : (*file)->symbols()) {
    auto flags = symbol.getFlags();
    auto name = symbol.getName();
    if (!flags || !name) {
      llvm::consumeError(flags.takeError());
      llvm::consumeError(name.takeError());
      continue;
    }
    if (*flags & llvm::object::SymbolRef::SF_Undefined &&
        (*name == "memset" || *name == "memcpy" || *name == "memmove"))
      return true;
  }
  return false;
}

/// What LLVM finds wrong after the front end, such as a text that takes more registers than there
/// are. Left to itself it ends the process.
struct LlvmErrors {
  llvm::raw_ostream& log;
  bool has_error = false;

  static void add(const llvm::DiagnosticInfo* info, void* to) {
    if (info->getSeverity() != llvm::DS_Error) return;
    auto& errors = *static_cast<LlvmErrors*>(to);
    errors.has_error = true;
    llvm::DiagnosticPrinterRawOStream printer(errors.log);
    info->print(printer);
    errors.log << '\n';
  }
};

/// The front end: text to a module as Clang emits it, not yet optimised; null if it refuses.
std::unique_ptr<llvm::Module> parse(clang::CompilerInstance& instance, std::string_view source,
                                    llvm::LLVMContext& context) {
  llvm::IntrusiveRefCntPtr<llvm::vfs::InMemoryFileSystem> files(new llvm::vfs::InMemoryFileSystem);
  if (files->setCurrentWorkingDirectory("/")) return nullptr;
  files->addFile(input_name, 0, llvm::MemoryBuffer::getMemBuffer({source.data(), source.size()}));
  clang_compat::set_files(instance, files);
  // "1 error generated." would go to the program's stderr.
  instance.setVerboseOutputStream(std::make_unique<llvm::raw_null_ostream>());
  instance.getCodeGenOpts().DisableLLVMPasses = true;
  clang::EmitLLVMOnlyAction action(&context);
  if (!instance.ExecuteAction(action)) return nullptr;
  return action.takeModule();
}

bool run(const KrotonClangRequest& request, std::string_view source, bool wants_assembly,
         ClangOutput& output) {
  output.log.clear();
  output.bytes.clear();
  llvm::raw_string_ostream log(output.log);
  auto options = clang_compat::make_diagnostic_options();
  options->ShowPresumedLoc = true; // a text may say by #line which lines are the user's
  auto diagnostics = clang_compat::make_diagnostics(options, log);

  std::vector<const char*> arguments(request.arguments, request.arguments + request.argument_count);
  arguments.push_back(input_name);

  llvm::LLVMContext context;
  clang::CompilerInstance instance;
  if (!clang::CompilerInvocation::CreateFromArgs(instance.getInvocation(), arguments, *diagnostics))
    return false;
  clang_compat::set_diagnostics(instance, diagnostics);
  const auto module = parse(instance, source, context);
  if (!module || diagnostics->hasErrorOccurred()) return false;

  LlvmErrors errors{log};
  context.setDiagnosticHandlerCallBack(LlvmErrors::add, &errors);
  const unsigned optimization = instance.getCodeGenOpts().OptimizationLevel;
  const auto machine = make_target_machine(instance.getTargetOpts(), optimization);
  if (!machine) return false;
  optimize(*module, *machine, optimization);
  const auto type =
      wants_assembly ? llvm::CodeGenFileType::AssemblyFile : llvm::CodeGenFileType::ObjectFile;
  return emit(*module, *machine, type, output.bytes) && !errors.has_error;
}

} // namespace

bool run_clang(const KrotonClangRequest& request, ClangOutput& output) {
  std::string source(request.source, request.source_size);
  if (!run(request, source, false, output)) return false;
  if (needs_memory_functions({output.bytes.data(), output.bytes.size()})) {
    source += memory_functions;
    if (!run(request, source, false, output)) return false;
  }
  return !request.wants_assembly || run(request, source, true, output);
}

} // namespace kroton::jit
