#include "cache/store.hpp"

#include <exception>

#include <fmt/format.h>
#include <unistd.h>

#include "cache/entry.hpp"
#include "cache/keyring.hpp"
#include "lib/support/error.hpp"
#include "lib/support/log.hpp"

namespace kroton::cache {

using support::Area;
using support::log;

/// One thread on its way to an artifact, and the others who wait for it.
struct Store::Flight {
  std::promise<Pointer> promise;
  std::shared_future<Pointer> result = promise.get_future().share();
  std::thread::id thread = std::this_thread::get_id();
  pid_t process = ::getpid();
};

std::string_view to_string(Outcome outcome) noexcept {
  switch (outcome) {
  case Outcome::memory:
    return "memory";
  case Outcome::disk:
    return "disk";
  case Outcome::made:
    return "made";
  }
  return "unknown";
}

Store::Store(Options options) : options_(std::move(options)), memory_(options_.max_memory_bytes) {
  if (!options_.memory_only && !options_.directory.empty())
    disk_.emplace(options_.directory, Policy{.has_feature = options_.has_feature});
}

Lookup Store::look_up(const Key& key) {
  const auto start = std::chrono::steady_clock::now();
  const auto arrived = [&](Pointer artifact, Outcome outcome, std::string miss_reason = {}) {
    return Lookup{std::move(artifact), outcome, std::chrono::steady_clock::now() - start,
                  std::move(miss_reason)};
  };
  {
    const std::lock_guard lock(mutex_);
    if (Pointer artifact = memory_.find(key.digest)) {
      ++stats_.hits_memory;
      return arrived(std::move(artifact), Outcome::memory);
    }
  }
  DiskFind found = find_on_disk(key);
  const std::lock_guard lock(mutex_);
  if (!found.artifact) {
    ++stats_.misses;
    return arrived(nullptr, Outcome::made, std::move(found.miss_reason));
  }
  memory_.insert(key.digest, found.artifact);
  return arrived(std::move(found.artifact), Outcome::disk);
}

void Store::publish(const Key& key, Artifact artifact) {
  const auto kept = std::make_shared<const Artifact>(std::move(artifact));
  {
    const std::lock_guard lock(mutex_);
    memory_.insert(key.digest, kept);
  }
  write_to_disk(key, *kept);
}

Lookup Store::get_or_make(const Key& key, const std::function<Artifact()>& make) {
  const auto start = std::chrono::steady_clock::now();
  const auto arrived = [&](Pointer artifact, Outcome outcome, std::string miss_reason = {}) {
    return Lookup{std::move(artifact), outcome, std::chrono::steady_clock::now() - start,
                  std::move(miss_reason)};
  };

  std::shared_ptr<Flight> flight;
  {
    std::unique_lock lock(mutex_);
    if (Pointer artifact = memory_.find(key.digest)) {
      ++stats_.hits_memory;
      return arrived(std::move(artifact), Outcome::memory);
    }
    std::shared_ptr<Flight>& place = flights_[key.digest];
    // A flight that a fork copied from the parent has nobody on board who could land it.
    if (place && place->process == ::getpid()) {
      KROTON_CHECK(place->thread != std::this_thread::get_id(),
                   "making the artifact of key {} asked for that same artifact",
                   key.digest.hex().substr(0, 12));
      const auto result = place->result;
      lock.unlock();
      Pointer artifact = result.get();
      lock.lock();
      ++stats_.hits_memory;
      return arrived(std::move(artifact), Outcome::memory);
    }
    flight = place = std::make_shared<Flight>();
  }

  Pointer artifact;
  DiskTurn turn;
  try {
    turn.found = find_on_disk(key);
    std::string miss_reason = turn.found.miss_reason;
    if (!turn.found.artifact && disk_) {
      try {
        turn = disk_->take_turn(key, options_.max_claim_age);
      } catch (const std::bad_alloc&) {
        turn = {};
      }
      const std::lock_guard lock(mutex_);
      stats_.quarantined += turn.found.quarantined;
      if (turn.found.artifact) {
        ++stats_.hits_disk;
        stats_.bytes_read += turn.found.nbytes;
      }
    }
    if (turn.found.artifact) {
      land(key, flight, turn.found.artifact);
      return arrived(turn.found.artifact, Outcome::disk);
    }
    artifact = std::make_shared<const Artifact>(make());
    turn.found.miss_reason = std::move(miss_reason);
  } catch (...) {
    {
      const std::lock_guard lock(mutex_);
      ++stats_.misses;
      flights_.erase(key.digest);
    }
    flight->promise.set_exception(std::current_exception());
    throw;
  }
  {
    const std::lock_guard lock(mutex_);
    ++stats_.misses;
  }
  // The threads that wait need not wait for the disk as well; the processes do, through the claim.
  land(key, flight, artifact);
  Lookup lookup = arrived(artifact, Outcome::made, std::move(turn.found.miss_reason));
  write_to_disk(key, *artifact);
  return lookup;
}

/// Ends a flight: in one step the artifact is in memory and the flight is gone, so that a thread
/// that asks now finds one of the two.
void Store::land(const Key& key, const std::shared_ptr<Flight>& flight, const Pointer& artifact) {
  {
    const std::lock_guard lock(mutex_);
    flights_.erase(key.digest);
    memory_.insert(key.digest, artifact);
  }
  flight->promise.set_value(artifact);
}

DiskFind Store::find_on_disk(const Key& key) {
  DiskFind found;
  try {
    if (disk_)
      found = disk_->find(key);
    else
      found.miss_reason =
          options_.memory_only_reason.empty() ? "kept in memory only" : options_.memory_only_reason;
  } catch (const std::exception& e) {
    found = {nullptr, fmt::format("cannot read entry: {}", e.what())};
  }
  const std::lock_guard lock(mutex_);
  stats_.quarantined += found.quarantined;
  if (found.artifact) {
    ++stats_.hits_disk;
    stats_.bytes_read += found.nbytes;
  }
  return found;
}

/// The key that signs entries, or null. A key that cannot be used is told of once.
const SigningKey* Store::signing_key() {
  std::call_once(signing_key_once_, [&] {
    if (options_.signing_key.empty()) return;
    LoadedKey loaded = load_signing_key(options_.signing_key);
    if (!loaded.problem.empty())
      log(Area::cache)->warn("entries are not signed: {}", loaded.problem);
    if (loaded.key) signing_key_.emplace(std::move(*loaded.key));
  });
  return signing_key_ ? &*signing_key_ : nullptr;
}

void Store::write_to_disk(const Key& key, const Artifact& artifact) {
  if (!disk_) return;
  DiskPublish published;
  std::uint64_t evicted = 0;
  try {
    published = disk_->publish(key.digest, write_entry(key.record, artifact, signing_key()), true);
    if (published.nbytes > 0) evicted = disk_->sweep(options_.max_bytes, false);
  } catch (const std::exception& e) {
    published.failure = e.what();
  }
  bool is_first_failure = false;
  {
    const std::lock_guard lock(mutex_);
    stats_.bytes_written += published.nbytes;
    stats_.evicted += evicted;
    if (published.nbytes > 0)
      ++stats_.published;
    else
      is_first_failure = !std::exchange(has_warned_, true);
  }
  // A refused directory has been warned about already; a full disk fails for every entry alike.
  if (published.nbytes == 0)
    log(Area::cache)
        ->log(is_first_failure && disk_->refusal().empty() ? spdlog::level::warn
                                                           : spdlog::level::debug,
              "key {} not kept in {}: {}", key.digest.hex().substr(0, 12),
              options_.directory.string(), published.failure);
}

std::uint64_t Store::sweep() {
  if (!disk_) return 0;
  std::uint64_t evicted = 0;
  try {
    evicted = disk_->sweep(options_.max_bytes, true);
  } catch (const std::exception& e) {
    log(Area::cache)->warn("cannot sweep {}: {}", options_.directory.string(), e.what());
  }
  const std::lock_guard lock(mutex_);
  stats_.evicted += evicted;
  return evicted;
}

std::filesystem::path Store::directory() const {
  return disk_ && disk_->refusal().empty() ? options_.directory : std::filesystem::path();
}

Stats Store::stats() const {
  const std::lock_guard lock(mutex_);
  Stats stats = stats_;
  stats.bytes_in_memory = memory_.nbytes();
  return stats;
}

} // namespace kroton::cache
