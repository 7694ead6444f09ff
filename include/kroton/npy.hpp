#pragma once
/// NumPy's `.npy` files: `kt::save_npy("w.npy", w.get())`, then `np.load("w.npy")`, and back.
#include <filesystem>

#include <kroton/array.hpp>

namespace kroton {

/// Reads a file as `np.save` writes it (format 1.0, 2.0 or 3.0; bool, integers, f32 and f64;
/// little-endian; either memory order): `kt::Array images = kt::load_npy("images.npy")`.
/// A file in Fortran order gives an array with the matching strides. Throws FileError, naming the
/// file and what it holds, for anything else.
Array load_npy(const std::filesystem::path& path);

/// Writes `array` in row-major order, format 1.0: `kt::save_npy("w.npy", w.get())`. The file
/// appears whole or not at all: it is written beside `path` under a temporary name and then
/// renamed. Throws FileError if that fails.
void save_npy(const std::filesystem::path& path, const Array& array);

} // namespace kroton
