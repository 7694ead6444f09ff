#pragma once
/// Loads and stores that take all components of points, colours or complex numbers, which lie side
/// by side in memory while neighbours in a vector lie apart.
///
///   apart_load(kernel, value, axis)        // component 1 of 3, for a0[i0 * 3 + 1]
///   apart_stores(block, store, axis)       // the stores of all components, in order
///
/// Vectors of whole memory are then loaded and dealt out, or put together and stored.
#include <optional>
#include <vector>

#include "codegen/schedule/facts.hpp"

namespace kroton::codegen {

struct Apart {
  int count = 0;  ///< of components
  int number = 0; ///< of this one
};

/// What a load along `axis` is a component of, if its block loads all of them.
std::optional<Apart> apart_load(const plan::Kernel& k, int value, int axis);

/// The stores of a block that write all components of what `store` writes one of along `axis`, in
/// their order; none if some are missing.
std::vector<const plan::Store*> apart_stores(const plan::Kernel& k, const plan::Block& b,
                                             const plan::Store& store, int axis);

} // namespace kroton::codegen
