#pragma once
/// The C interface between libkroton.so and the compiler plugin, libkroton-clang.so.
///
///   auto* api = reinterpret_cast<kroton_clang_api_fn*>(dlsym(handle, "kroton_clang_api"))();
///   KrotonClangResult* result = api->compile(&request);  …  api->release(result);
///
/// The plugin exports that one symbol and nothing else; no C++ type crosses the border, so the two
/// sides may be built by different compilers. Raise `kroton_clang_abi_version` on any change here.
#include <cstddef>
#include <cstdint>

extern "C" {

enum : std::uint32_t { kroton_clang_abi_version = 5 };

struct KrotonClangRequest {
  const char* source;
  std::size_t source_size;
  const char* const* arguments; ///< The complete cc1 arguments, but for the input's name.
  std::size_t argument_count;
  int wants_assembly; ///< Text instead of an object.
};

struct KrotonClangResult {
  int is_ok;
  /// The compiler came to no orderly end: there was no memory, or it found itself in a state that
  /// it ends a process for. Nothing can be asked of this copy of the plugin any more.
  int is_broken;
  const char* output; ///< The object, or the assembly text; empty when not ok.
  std::size_t output_size;
  const char* log; ///< Diagnostics, as Clang prints them.
  std::size_t log_size;
};

struct KrotonClangApi {
  std::uint32_t abi_version;
  const char* compiler; ///< The LLVM it runs with: "clang 22.1.8".
  /// What it was built from: "clang 22.1.8 plugin 5d41402abc4b2a76". A library of another
  /// fingerprint would file its code under the wrong keys.
  const char* fingerprint;
  /// Never null, never throws; safe to call from any number of threads at once.
  KrotonClangResult* (*compile)(const KrotonClangRequest*);
  void (*release)(KrotonClangResult*);
};

typedef const KrotonClangApi* kroton_clang_api_fn();

} // extern "C"
