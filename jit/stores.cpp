#include "jit/stores.hpp"

#include <list>
#include <mutex>

#include "jit/cpu/target.hpp"

namespace kroton {
namespace jit {
namespace {

cache::Store::Options for_this_cpu(cache::Store::Options options) {
  options.has_feature = &has_cpu_feature;
  return options;
}

struct Opened {
  explicit Opened(const CacheOptions& given)
      : options(given), store(for_this_cpu(cache::Store::Options::from(given))) {}

  const CacheOptions options;
  cache::Store store;
};

} // namespace

cache::Store& process_store() {
  static cache::Store store(for_this_cpu(cache::Store::Options::from_environment()));
  return store;
}

cache::Store& store_for(const std::optional<CacheOptions>& options) {
  if (!options) return process_store();
  // Never destroyed: functions may be compiled until the very end of the process.
  static auto& stores = *new std::list<Opened>;
  static std::mutex mutex;
  const std::lock_guard lock(mutex);
  for (Opened& opened : stores)
    if (opened.options == *options) return opened.store;
  return stores.emplace_back(*options).store;
}

} // namespace jit

namespace {

CacheStats stats_of(const cache::Store& store) {
  cache::Stats s = store.stats();
  return {store.directory().string(),
          s.hits_memory,
          s.hits_disk,
          s.hits_shared,
          s.misses,
          s.published,
          s.quarantined,
          s.evicted,
          std::move(s.levels)};
}

} // namespace

CacheStats cache_stats() { return stats_of(jit::process_store()); }

CacheStats cache_stats(const CacheOptions& options) { return stats_of(jit::store_for(options)); }

} // namespace kroton
