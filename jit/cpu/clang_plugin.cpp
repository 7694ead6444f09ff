/// libkroton-clang.so: C++ text in memory → x86-64 ELF object in memory, by Clang's own front end.
///
/// Everything the compiler is told comes in as cc1 arguments, so that the caller can put them into
/// a key without loading this module. The only file there is is the kernel: nothing is read from
/// disk, and an #include in a kernel is an error.
#include "jit/cpu/plugin_abi.hpp"
#include "jit/cpu/clang.hpp"
#include "jit/cpu/plugin_fingerprint.hpp"

#include <array>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <string_view>

#include <llvm-c/Core.h>
#include <llvm/Support/ErrorHandling.h>
#include <llvm/Support/TargetSelect.h>

namespace kroton::jit {
namespace {

struct Result : KrotonClangResult {
  ClangOutput text;
};

/// What LLVM would end the process for.
struct FatalError {
  std::array<char, 256> reason{};
};

void throw_fatal_error(void*, const char* reason, bool) {
  FatalError error;
  std::string_view(reason).copy(error.reason.data(), error.reason.size() - 1);
  throw error;
}

void throw_bad_alloc(void*, const char*, bool) { throw std::bad_alloc(); }

void initialize_target() {
  static std::once_flag once;
  std::call_once(once, [] {
    llvm::install_fatal_error_handler(throw_fatal_error);
    llvm::install_bad_alloc_error_handler(throw_bad_alloc);
    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();
    LLVMInitializeX86AsmParser();
  });
}

std::unique_ptr<Result> run(const KrotonClangRequest& request) {
  initialize_target();
  auto result = std::make_unique<Result>();
  result->is_ok = run_clang(request, result->text);
  if (!result->is_ok) result->text.bytes.clear();
  result->output = result->text.bytes.data();
  result->output_size = result->text.bytes.size();
  result->log = result->text.log.data();
  result->log_size = result->text.log.size();
  return result;
}

constexpr std::string_view no_memory = "there is not enough memory";

/// Of which there is always one, even without memory.
KrotonClangResult out_of_memory{.is_ok = 0,
                                .is_broken = 1,
                                .output = nullptr,
                                .output_size = 0,
                                .log = no_memory.data(),
                                .log_size = no_memory.size()};

/// After an exception memory stays behind, and locks may, so this copy of LLVM is not asked again.
KrotonClangResult* compile(const KrotonClangRequest* request) {
  try {
    return run(*request).release();
  } catch (const FatalError& error) {
    try {
      auto result = std::make_unique<Result>();
      result->is_broken = 1;
      result->text.log = error.reason.data();
      result->log = result->text.log.data();
      result->log_size = result->text.log.size();
      return result.release();
    } catch (const std::bad_alloc&) {
      return &out_of_memory;
    }
  } catch (...) { // std::bad_alloc
    return &out_of_memory;
  }
}

/// Of the LLVM in the process, which may be newer than the one whose headers were built against.
std::string running_version() {
  unsigned major = 0, minor = 0, patch = 0;
  LLVMGetVersion(&major, &minor, &patch);
  return "clang " + std::to_string(major) + "." + std::to_string(minor) + "." +
         std::to_string(patch);
}

void release(KrotonClangResult* result) {
  if (result != &out_of_memory) delete static_cast<Result*>(result);
}

} // namespace
} // namespace kroton::jit

extern "C" __attribute__((visibility("default"))) const KrotonClangApi* kroton_clang_api() {
  static const std::string compiler = kroton::jit::running_version();
  static const KrotonClangApi api{kroton_clang_abi_version, compiler.c_str(),
                                  kroton::jit::plugin_fingerprint, kroton::jit::compile,
                                  kroton::jit::release};
  return &api;
}
