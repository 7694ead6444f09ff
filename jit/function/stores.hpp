#pragma once
/// The caches of this process: one that the environment describes, and one for each set of options
/// that a function was given.
///
///   std::shared_ptr<cache::Store> store = store_for(options.cache);
#include <memory>
#include <optional>

#include <kroton/cache.hpp>

#include "cache/store.hpp"

namespace kroton::jit {

/// Opened from the environment on first use, and kept until the process ends.
cache::Store& process_store();

/// The store for these options, opened unless somebody has it: it is closed with the last pointer
/// to it. Without options, the process's.
std::shared_ptr<cache::Store> store_for(const std::optional<CacheOptions>&);

} // namespace kroton::jit
