#pragma once
/// What compiling an example's functions took, and their generated source as a file.
///
///   examples::write_source(path, {train, evaluate});
///   examples::report_kernels(std::cout, {train, evaluate});   // ends "kernels: 0 compiled, …"
#include <filesystem>
#include <ostream>
#include <vector>

#include <kroton/function.hpp>

namespace examples {

/// Beside the running program: "build/examples/NAME.kernels.cpp".
std::filesystem::path default_source_path();

/// The generated source of all kernels, function by function. Throws kroton::FileError.
void write_source(const std::filesystem::path& path,
                  const std::vector<kroton::Function>& functions);

/// One line a kernel (its title, compiled or where it was found, how long that took), the cache's
/// directory, and last how many distinct kernels were compiled and how many came from the cache.
void report_kernels(std::ostream& out, const std::vector<kroton::Function>& functions);

} // namespace examples
