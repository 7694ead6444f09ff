#pragma once
/// The caches of this process: one that the environment describes, and one for each set of options
/// that a function was given.
///
///   cache::Store& store = store_for(options.cache);
#include <optional>

#include <kroton/cache.hpp>

#include "cache/store.hpp"

namespace kroton::jit {

/// Opened from the environment on first use.
cache::Store& process_store();

/// The store for these options, opened on first use and kept until the process ends; without
/// options, the process's.
cache::Store& store_for(const std::optional<CacheOptions>&);

} // namespace kroton::jit
