#pragma once
/// Libraries of numerical routines that the system or the user has: which one is opened, and how.
///
///   static const auto blas = find_numeric_library(
///       {.variable = "KROTON_BLAS", .unless_set = "off", .files = candidates,
///        .symbols = {"cblas_sgemm", "cblas_dgemm"}});
///   if (blas) dlsym(blas->handle, "cblas_sgemm");
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace kroton::jit {

struct NumericLibraryChoice {
  /// The environment variable that says which: a name or an absolute path, `auto` for the first of
  /// `files` that is there, `off` for none.
  const char* variable;
  std::string_view unless_set; ///< `auto` or `off`
  std::span<const char* const> files;
  std::vector<const char*> symbols; ///< that it must have
};

struct NumericLibrary {
  void* handle = nullptr; ///< for dlsym
  std::string name;       ///< the library's file, then what it says of itself
};

/// Opens the library for good, with `thread_count()` threads. Warns of one that the user named and
/// that cannot be used.
std::optional<NumericLibrary> find_numeric_library(const NumericLibraryChoice& choice);

} // namespace kroton::jit
