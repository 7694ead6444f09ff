/// libkroton-clang.so: C++ text in memory → x86-64 ELF object in memory, by Clang's own front end.
///
/// Everything the compiler is told comes in as cc1 arguments, so that the caller can put them into
/// a key without loading this module. The only file there is is the kernel: nothing is read from
/// disk, and an #include in a kernel is an error.
#include "jit/cpu/plugin_abi.hpp"
#include "jit/cpu/clang_compat.hpp"
#include "jit/cpu/plugin_fingerprint.hpp"
#include "jit/cpu/optimizer.hpp"

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include <clang/CodeGen/CodeGenAction.h>
#include <clang/Frontend/CompilerInvocation.h>
#include <llvm-c/Core.h>
#include <llvm/ADT/SmallVector.h>
#include <llvm/IR/DiagnosticInfo.h>
#include <llvm/IR/DiagnosticPrinter.h>
#include <llvm/IR/LLVMContext.h>
#include <llvm/IR/Module.h>
#include <llvm/Object/ObjectFile.h>
#include <llvm/Support/MemoryBuffer.h>
#include <llvm/Support/TargetSelect.h>

namespace kroton::jit {
namespace {

/// The only name a kernel's text ever has: the object records it, and objects must not differ by
/// it.
constexpr const char* input_name = "kernel.cpp";

struct Result : KrotonClangResult {
  llvm::SmallVector<char, 0> output_bytes;
  std::string log_text;
};

void initialize_target() {
  static std::once_flag once;
  std::call_once(once, [] {
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();
  });
}

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
         Result& result) {
  result.log_text.clear();
  result.output_bytes.clear();
  llvm::raw_string_ostream log(result.log_text);
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
  return emit(*module, *machine, type, result.output_bytes) && !errors.has_error;
}

KrotonClangResult* compile(const KrotonClangRequest* request) {
  initialize_target();
  auto result = std::make_unique<Result>();
  std::string source(request->source, request->source_size);
  result->is_ok = run(*request, source, false, *result);
  if (result->is_ok &&
      needs_memory_functions({result->output_bytes.data(), result->output_bytes.size()})) {
    source += memory_functions;
    result->is_ok = run(*request, source, false, *result);
  }
  if (result->is_ok && request->wants_assembly)
    result->is_ok = run(*request, source, true, *result);
  if (!result->is_ok) result->output_bytes.clear();
  result->output = result->output_bytes.data();
  result->output_size = result->output_bytes.size();
  result->log = result->log_text.data();
  result->log_size = result->log_text.size();
  return result.release();
}

/// Of the LLVM in the process, which may be newer than the one whose headers were built against.
std::string running_version() {
  unsigned major = 0, minor = 0, patch = 0;
  LLVMGetVersion(&major, &minor, &patch);
  return "clang " + std::to_string(major) + "." + std::to_string(minor) + "." +
         std::to_string(patch);
}

void release(KrotonClangResult* result) { delete static_cast<Result*>(result); }

} // namespace
} // namespace kroton::jit

extern "C" __attribute__((visibility("default"))) const KrotonClangApi* kroton_clang_api() {
  static const std::string compiler = kroton::jit::running_version();
  static const KrotonClangApi api{kroton_clang_abi_version, compiler.c_str(),
                                  kroton::jit::plugin_fingerprint, kroton::jit::compile,
                                  kroton::jit::release};
  return &api;
}
