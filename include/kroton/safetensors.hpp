#pragma once
/// Arrays by name in one file, and the values of shared variables: the safetensors format, which
/// Python's `safetensors.numpy.load_file` reads.
///
///   kt::save_variables("model.safetensors", {w, b});
///   kt::load_variables("model.safetensors", {w, b});          // in another process, say
///   for (auto& [name, array] : kt::load_safetensors("model.safetensors")) …
#include <string>
#include <utility>
#include <vector>

#include <kroton/array.hpp>
#include <kroton/shared.hpp>

namespace kroton {

using NamedArrays = std::vector<std::pair<std::string, Array>>;

/// Reads all arrays of a file, in the order in which they lie in it. Nothing in a file is executed,
/// and what its header says is checked before memory is asked for. Throws FileError, naming the
/// file and what it holds, for anything that is no such file, for dtypes that Kroton does not have,
/// and for arrays that there is no memory for.
NamedArrays load_safetensors(const std::string& path);

/// Writes arrays in row-major order, in the order given; as for `save_npy`, a regular file has its
/// old content or all of the new. Throws FileError if that fails, GraphError for a name that is
/// given twice, or is empty or `__metadata__`.
void save_safetensors(const std::string& path, const NamedArrays& arrays);

/// The shared variables that expressions read, each once, in the order in which they are come to:
/// `save_variables(path, shared_variables({loss}))`.
std::vector<Shared> shared_variables(const std::vector<Expr>& of);

/// Writes the values of variables under their names. Throws as `save_safetensors` does.
void save_variables(const std::string& path, const std::vector<Shared>& variables,
                    Location where = Location::current());
/// Gives variables the values that a file has under their names; what else it has is left alone.
/// Nothing is changed unless all of them fit. Throws FileError for a name that the file does not
/// have, TypeError or ShapeError for another dtype or shape.
void load_variables(const std::string& path, const std::vector<Shared>& variables,
                    Location where = Location::current());

} // namespace kroton
