#include "jit/function/stores.hpp"

#include <algorithm>
#include <list>
#include <mutex>
#include <utility>
#include <vector>

#include "jit/cpu/target.hpp"
#include "lib/support/fork.hpp"

namespace kroton {
namespace jit {
namespace {

cache::Store::Options for_this_cpu(cache::Store::Options options) {
  options.has_feature = &has_cpu_feature;
  return options;
}

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

/// What two stores with the same options have seen, one after the other.
CacheStats sum(const CacheStats& before, CacheStats now) {
  for (const auto count : {&CacheStats::hits_memory, &CacheStats::hits_disk,
                           &CacheStats::hits_shared, &CacheStats::misses, &CacheStats::published,
                           &CacheStats::quarantined, &CacheStats::evicted})
    now.*count += before.*count;
  for (std::size_t i = 0; i < std::min(now.levels.size(), before.levels.size()); ++i)
    for (const auto count : {&CacheLevelStats::hits, &CacheLevelStats::misses,
                             &CacheLevelStats::refused, &CacheLevelStats::failed})
      now.levels[i].*count += before.levels[i].*count;
  return now;
}

/// Options, compared without keeping the user's own levels alive.
class Wanted {
public:
  explicit Wanted(const CacheOptions& options)
      : options_(options), levels_(options.levels.begin(), options.levels.end()) {
    options_.levels.clear();
  }

  bool operator==(const Wanted& other) const {
    const auto is_same = [](const auto& a, const auto& b) {
      return !a.owner_before(b) && !b.owner_before(a);
    };
    return options_ == other.options_ && std::ranges::equal(levels_, other.levels_, is_same);
  }

private:
  CacheOptions options_;
  std::vector<std::weak_ptr<CacheLevel>> levels_;
};

/// The stores that functions have been given options for. Of those that are closed, it remembers
/// what the last few have seen.
class Stores {
public:
  /// Never destroyed: functions may be compiled until the very end of the process.
  static Stores& process() {
    static auto& instance = *new Stores;
    return instance;
  }

  std::shared_ptr<cache::Store> get(const CacheOptions& options) {
    Wanted wanted(options);
    if (auto store = find(wanted)) return store;
    // Opened without the lock: a file system may take its time. Where two threads do so at once,
    // the first one's is kept.
    auto made = std::make_unique<cache::Store>(for_this_cpu(cache::Store::Options::from(options)));
    const std::lock_guard lock(mutex_);
    Known& known = entry_of(wanted);
    if (auto store = known.store.lock()) return store;
    const std::shared_ptr<cache::Store> store(
        made.release(), [wanted = std::move(wanted)](cache::Store* closed) {
          Stores::process().close(wanted, std::unique_ptr<cache::Store>(closed));
        });
    known.store = store;
    return store;
  }

  CacheStats stats(const CacheOptions& options) {
    const auto store = get(options);
    CacheStats now = stats_of(*store);
    const std::lock_guard lock(mutex_);
    return sum(entry_of(Wanted(options)).before, std::move(now));
  }

private:
  static constexpr std::size_t most_closed = 64;

  struct Known {
    Wanted wanted;
    std::weak_ptr<cache::Store> store;
    CacheStats before = {}; ///< What stores with these options have seen that are closed.
  };

  std::shared_ptr<cache::Store> find(const Wanted& wanted) {
    const std::lock_guard lock(mutex_);
    for (const Known& known : known_)
      if (known.wanted == wanted) return known.store.lock();
    return nullptr;
  }

  /// With the lock held.
  Known& entry_of(const Wanted& wanted) {
    for (Known& known : known_)
      if (known.wanted == wanted) return known;
    return known_.emplace_back(wanted);
  }

  void close(const Wanted& wanted, std::unique_ptr<cache::Store> store) {
    CacheStats seen = stats_of(*store);
    store.reset();
    const std::lock_guard lock(mutex_);
    Known& closed = entry_of(wanted);
    closed.before = sum(closed.before, std::move(seen));
    // To the end of the list, where those are that were closed last.
    const auto at = std::ranges::find_if(known_, [&](const Known& k) { return &k == &closed; });
    known_.splice(known_.end(), known_, at);
    const auto is_closed = [](const Known& k) { return k.store.expired(); };
    if (std::ranges::count_if(known_, is_closed) > static_cast<std::ptrdiff_t>(most_closed))
      known_.erase(std::ranges::find_if(known_, is_closed));
  }

  support::ForkMutex mutex_;
  std::list<Known> known_;
};

} // namespace

cache::Store& process_store() {
  static cache::Store store(for_this_cpu(cache::Store::Options::from_environment()));
  return store;
}

std::shared_ptr<cache::Store> store_for(const std::optional<CacheOptions>& options) {
  if (options) return Stores::process().get(*options);
  return {std::shared_ptr<void>(), &process_store()};
}

} // namespace jit

CacheStats cache_stats() { return jit::stats_of(jit::process_store()); }

CacheStats cache_stats(const CacheOptions& options) {
  return jit::Stores::process().stats(options);
}

} // namespace kroton
