#pragma once
/// From kernel source to callable code, through the cache.
///
///   std::vector<LoadedKernel> loaded = get_kernels(sources, target, options);
///   loaded[0].entry(runtime, buffers, sizes);
#include <chrono>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cache/store.hpp"
#include "jit/cpu/compiler.hpp"
#include "jit/cpu/loader.hpp"
#include "jit/cpu/target.hpp"
#include "jit/runtime_abi.hpp"
#include "jit/stores.hpp"

namespace kroton::jit {

using KernelEntry = void (*)(const Runtime*, void* const* buffers, const long* sizes);

struct LoadedKernel {
  std::shared_ptr<Module> module; ///< keeps the code alive
  KernelEntry entry = nullptr;
  support::Digest digest;
  std::shared_ptr<const cache::Artifact> artifact = nullptr; ///< if `get_kernels` got it
  cache::Outcome outcome = cache::Outcome::made;
  std::chrono::nanoseconds took{};
  std::string miss_reason;
  std::string level; ///< which shared level had it
};

struct KernelText {
  std::shared_ptr<const std::string> text; ///< equal ones may be one
  std::string title;
};

/// The key of a kernel: everything that the compiler sees.
cache::Key kernel_key(const std::string& text, const CpuTarget& target, const CodeOptions& options);

/// Where kernels are looked for, and how what no cache level has is compiled.
struct Compiling {
  int threads = 0;                             ///< at a time; 0: one for each CPU
  std::function<bool()> is_given_up = nullptr; ///< asked before each compilation
  cache::Store* store = nullptr;               ///< null: the process's
};

/// Thrown when `Compiling::is_given_up` says so.
struct GivenUp {};

/// One LoadedKernel for each text; equal texts share one. Kernels that no cache level has are
/// compiled in parallel. Throws CompileError and GivenUp.
std::vector<LoadedKernel> get_kernels(const std::vector<KernelText>& texts, const CpuTarget& target,
                                      const CodeOptions& options, const Compiling& compiling = {});

/// A kernel as a cache has it.
struct KernelObject {
  support::Digest digest; ///< of its key
  std::string_view bytes;
  std::string_view title;
};

/// The kernels of these objects; those that are in use already are shared, the others linked
/// together. No digest comes twice. Throws CompileError if any of the bytes are no kernel's.
std::vector<LoadedKernel> load_kernels(std::span<const KernelObject> objects);

} // namespace kroton::jit
