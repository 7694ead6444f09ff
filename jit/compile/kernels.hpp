#pragma once
/// From kernel source to callable code, through the cache.
///
///   std::vector<LoadedKernel> loaded = get_kernels(texts.kernels, *backend);
///   loaded[0].code;
#include <functional>
#include <span>
#include <vector>

#include "jit/compile/backend.hpp"

namespace kroton::jit {

/// How kernels are compiled that no cache level has.
struct Compiling {
  int threads = 0;                             ///< at a time; 0: one for each CPU
  std::function<bool()> is_given_up = nullptr; ///< asked before each compilation
};

/// Thrown when `Compiling::is_given_up` says so.
struct GivenUp {};

/// One LoadedKernel for each text; equal texts share one. Kernels that no level of the store has
/// are compiled in parallel; those whose texts are all deferred have their digest alone. Throws
/// CompileError and GivenUp.
std::vector<LoadedKernel> get_kernels(const std::vector<KernelText>& texts, const Backend& backend,
                                      cache::Store& store, const Compiling& compiling = {});

/// The kernels of these objects; those that are in use already are shared, the others loaded
/// together. No digest comes twice. Throws CompileError if any of the bytes are no kernel's.
std::vector<LoadedKernel> load_kernels(std::span<const KernelObject> objects,
                                       const Backend& backend);

/// The sections of an artifact that are code, from number `first` on; throws CompileError, naming
/// the kernel, if they are not there.
std::span<const cache::Section> code_of(const cache::Artifact& artifact, std::size_t first,
                                        const Backend& backend, const support::Digest& kernel);

} // namespace kroton::jit
