#pragma once
/// CUDA's libraries, opened when they are first needed: none is linked, and a machine may have
/// none.
///
///   Library nvrtc = open_library({.variable = "KROTON_NVRTC",
///                                 .names = {"libnvrtc.so.13", "libnvrtc.so.12"}});
///   if (!nvrtc) complain(nvrtc.problem());
///   auto* version = nvrtc.find<int(int*, int*)>("nvrtcVersion");
#include <string>
#include <vector>

namespace kroton::jit::cuda {

struct LibraryName {
  const char* variable = nullptr;   ///< the environment variable that may name the file
  std::vector<const char*> names{}; ///< best first
};

/// A shared library that stays open for the life of the process.
class Library {
public:
  Library() = default;
  explicit operator bool() const noexcept { return handle_ != nullptr; }

  /// The function of this name and type; null if the library has none.
  template <class Function> Function* find(const char* symbol) const noexcept {
    return reinterpret_cast<Function*>(address(symbol));
  }
  /// The file that the dynamic linker took; empty if there is none.
  const std::string& path() const noexcept { return path_; }
  /// Why there is none: what was looked for, where, and what the dynamic linker said.
  const std::string& problem() const noexcept { return problem_; }

private:
  friend Library open_library(const LibraryName& name);
  void* address(const char* symbol) const noexcept;

  void* handle_ = nullptr;
  std::string path_, problem_;
};

/// Opens the file that the variable names, and nothing else, if it is set. Otherwise the first
/// that there is: where the dynamic linker looks, in /usr/local/cuda/lib64, and in the folders that
/// NVIDIA's pip packages have in the Python environments of this machine.
Library open_library(const LibraryName& name);

} // namespace kroton::jit::cuda
