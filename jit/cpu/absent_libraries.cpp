/// Stands in for libraries that LLVM's archives refer to and that no kernel needs, so that the
/// plugin is linked without them.
#include <cstdlib>

#if __has_include(<llvm/Plugins/PassPlugin.h>)
#include <llvm/Plugins/PassPlugin.h>
#else
#include <llvm/Passes/PassPlugin.h> // up to LLVM 21
#endif

// NOLINTBEGIN(readability-identifier-naming): the names are theirs

/// Polly, where LLVM was built with it: Clang asks for its passes even to run none. It has none.
llvm::PassPluginLibraryInfo getPollyPluginInfo();
llvm::PassPluginLibraryInfo getPollyPluginInfo() {
  llvm::PassPluginLibraryInfo info{};
  info.APIVersion = LLVM_PLUGIN_API_VERSION;
  info.PluginName = "absent";
  info.RegisterPassBuilderCallbacks = [](llvm::PassBuilder&) {};
  return info;
}

/// Zstandard compresses debugging information, of which kernels have none: these are not called.
#define KROTON_ABSENT(name)                                                                        \
  extern "C" void name();                                                                          \
  void name() { std::abort(); }
KROTON_ABSENT(ZSTD_CCtx_setParameter)
KROTON_ABSENT(ZSTD_compress2)
KROTON_ABSENT(ZSTD_compressBound)
KROTON_ABSENT(ZSTD_createCCtx)
KROTON_ABSENT(ZSTD_decompress)
KROTON_ABSENT(ZSTD_freeCCtx)
KROTON_ABSENT(ZSTD_getErrorName)
KROTON_ABSENT(ZSTD_isError)

// NOLINTEND(readability-identifier-naming)
