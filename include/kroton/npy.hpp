#pragma once
/// NumPy's `.npy` files: `kt::save_npy("w.npy", w.get())`, then `np.load("w.npy")`, and back.
#include <string>

#include <kroton/array.hpp>

namespace kroton {

/// Reads a file as `np.save` writes it (format 1.0, 2.0 or 3.0; bool, integers, f32 and f64;
/// little-endian; either memory order): `kt::Array images = kt::load_npy("images.npy")`.
/// A file in Fortran order gives an array with the matching strides; bytes of bools other than 0
/// become 1. Throws FileError, naming the file and what it holds, for anything else, whatever its
/// bytes; also for an array that there is no memory for.
Array load_npy(const std::string& path);

/// Writes `array` in row-major order, format 1.0: `kt::save_npy("w.npy", w.get())`. A regular file
/// appears whole or not at all: it is written beside `path` under a temporary name and then
/// renamed, with the permissions (and the owner, where that is allowed) of the file that was there;
/// other hard links to that keep the old array. A symbolic link is followed and stays. Pipes,
/// devices and the process's own descriptors (`/dev/stdout`) are written to as they are. Throws
/// FileError if that fails, and for a file that the process may not write to.
void save_npy(const std::string& path, const Array& array);

} // namespace kroton
