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
  case Outcome::shared:
    return "shared";
  case Outcome::made:
    return "made";
  }
  return "unknown";
}

Store::Store(Options options)
    : options_(std::move(options)),
      shared_(options_.memory_only ? std::vector<SharedLevel>{} : options_.shared,
              options_.has_feature, options_.config),
      memory_(options_.max_memory_bytes) {
  if (!options_.memory_only && !options_.directory.empty())
    disk_.emplace(options_.directory, Policy{.has_feature = options_.has_feature});
}

/// What a look-up that began at `start` ends with.
Lookup Store::arrived(Clock::time_point start, Below found) {
  return {std::move(found.artifact), found.outcome, Clock::now() - start,
          std::move(found.miss_reason), std::move(found.level)};
}

Lookup Store::look_up(const Key& key) {
  const auto start = Clock::now();
  {
    const std::lock_guard lock(mutex_);
    if (Pointer artifact = memory_.find(key.digest)) {
      ++stats_.hits_memory;
      return arrived(start, {std::move(artifact), Outcome::memory, {}, {}});
    }
  }
  Below found = find_below(key, true);
  const std::lock_guard lock(mutex_);
  if (found.artifact)
    memory_.insert(key.digest, found.artifact);
  else
    ++stats_.misses;
  return arrived(start, std::move(found));
}

void Store::publish(const Key& key, Artifact artifact) {
  publish(key, std::make_shared<const Artifact>(std::move(artifact)));
}

void Store::publish(const Key& key, const Pointer& artifact) {
  {
    const std::lock_guard lock(mutex_);
    memory_.insert(key.digest, artifact);
  }
  publish_below(key, *artifact);
}

Lookup Store::get_or_make(const Key& key, const std::function<Artifact()>& make,
                          const Lookup* missed) {
  const auto start = Clock::now();

  std::shared_ptr<Flight> flight;
  {
    std::unique_lock lock(mutex_);
    if (Pointer artifact = memory_.find(key.digest)) {
      ++stats_.hits_memory;
      return arrived(start, {std::move(artifact), Outcome::memory, {}, {}});
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
      return arrived(start, {std::move(artifact), Outcome::memory, {}, {}});
    }
    flight = place = std::make_shared<Flight>();
  }

  Below found;
  std::unique_ptr<Claim> claim; // until the artifact is published
  CrashNotes crashes;
  try {
    found = find_below(key, !missed);
    if (missed && !found.artifact) found.miss_reason = missed->miss_reason;
    found = wait_or_claim(key, std::move(found), claim, crashes);
    if (!found.artifact)
      found.artifact = std::make_shared<const Artifact>(make_safely(key, make, crashes));
  } catch (...) {
    {
      const std::lock_guard lock(mutex_);
      ++stats_.misses;
      flights_.erase(key.digest);
    }
    flight->promise.set_exception(std::current_exception());
    throw;
  }
  // The threads that wait need not wait for the disk as well; the processes do, through the claim.
  const Pointer artifact = found.artifact;
  land(key, flight, artifact);
  Lookup lookup = arrived(start, std::move(found));
  if (lookup.outcome != Outcome::made) return lookup;
  {
    const std::lock_guard lock(mutex_);
    ++stats_.misses;
  }
  publish_below(key, *artifact);
  return lookup;
}

Lookup Store::replace(const Key& key, const std::function<Artifact()>& make, std::string reason) {
  const auto start = Clock::now();
  const auto artifact = std::make_shared<const Artifact>(make());
  const auto took = Clock::now() - start;
  {
    const std::lock_guard lock(mutex_);
    ++stats_.misses;
  }
  publish(key, artifact);
  return {artifact, Outcome::made, took, std::move(reason), {}};
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

/// The user's directory, then the shared levels, of which a hit is kept in the directory.
Store::Below Store::find_below(const Key& key, bool asks_shared) {
  DiskFind found = find_on_disk(key);
  if (found.artifact) return {std::move(found.artifact), Outcome::disk, {}, {}};
  Below below{nullptr, Outcome::made, std::move(found.miss_reason), {}};
  if (!asks_shared || shared_.empty()) return below;
  SharedFind shared;
  try {
    shared = shared_.find(key);
  } catch (const std::exception& e) {
    shared.miss_reason = e.what();
  }
  if (!shared.artifact) {
    if (!shared.miss_reason.empty()) below.miss_reason += "; " + shared.miss_reason;
    return below;
  }
  write_to_disk(key.digest, shared.entry, false);
  const std::lock_guard lock(mutex_);
  ++stats_.hits_shared;
  return {std::move(shared.artifact), Outcome::shared, {}, std::move(shared.level)};
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
  note(found);
  return found;
}

/// After a miss: what another process that is making the artifact publishes, or a claim to make it
/// here. A hit is passed on as it is.
Store::Below Store::wait_or_claim(const Key& key, Below missed, std::unique_ptr<Claim>& claim,
                                  CrashNotes& crashes) {
  if (missed.artifact || !disk_) return missed;
  DiskTurn turn;
  try {
    turn = disk_->take_turn(key, options_.max_claim_age);
  } catch (const std::bad_alloc&) {
    return missed;
  }
  note(turn.found);
  if (turn.found.artifact) return {std::move(turn.found.artifact), Outcome::disk, {}, {}};
  claim = std::move(turn.claim);
  crashes = std::move(turn.crashes);
  return missed;
}

/// What `make` returns, unless it is known, or turns out in a child, that making it ends a process.
Artifact Store::make_safely(const Key& key, const std::function<Artifact()>& make,
                            const CrashNotes& crashes) {
  constexpr std::chrono::seconds most{30};
  if (crashes.deaths == 0 && crashes.verdict.empty()) return make();
  Trial trial{{}, crashes.verdict};
  if (trial.verdict.empty() && crashes.deaths >= suspicious_deaths) {
    log(Area::cache)
        ->info(
            "key {:.12}: {} processes have ended while they were making it; trying it in a child",
            key.digest.hex(), crashes.deaths);
    trial = try_in_child(make, most);
    if (!trial.verdict.empty()) disk_->note_crash(key, trial.verdict);
  }
  if (!trial.verdict.empty())
    support::fail<CompileError>(
        "cache",
        {.hint = "please report it with the expression; kroton cache clear --crashed lets it be "
                 "tried again"},
        "key {:.12} is not compiled: a process that tried died of it ({})", key.digest.hex(),
        trial.verdict);
  Artifact artifact = trial.artifact ? std::move(*trial.artifact) : make();
  disk_->forget_crashes(key);
  return artifact;
}

void Store::note(const DiskFind& found) {
  const std::lock_guard lock(mutex_);
  stats_.quarantined += found.quarantined;
  if (!found.artifact) return;
  ++stats_.hits_disk;
  stats_.bytes_read += found.nbytes;
}

/// The key that signs entries, or null. A key that cannot be used is told of when it is read.
const SigningKey* Store::signing_key() {
  const auto& key = signing_key_.get([&]() -> std::optional<SigningKey> {
    if (options_.signing_key.empty()) return {};
    LoadedKey loaded = load_signing_key(options_.signing_key);
    if (!loaded.problem.empty())
      log(Area::cache)->warn("entries are not signed: {}", loaded.problem);
    return std::move(loaded.key);
  });
  return key ? &*key : nullptr;
}

/// Writes what was made here to every level that keeps entries.
void Store::publish_below(const Key& key, const Artifact& artifact) {
  if (!disk_ && shared_.empty()) return;
  std::string entry;
  try {
    entry = write_entry(key.record, artifact, signing_key());
  } catch (const std::bad_alloc&) {
    return; // there is no memory for a copy, and the artifact itself is there
  }
  write_to_disk(key.digest, entry, true);
  shared_.publish(key.digest, entry);
}

void Store::write_to_disk(const support::Digest& digest, std::string_view entry, bool is_durable) {
  if (!disk_) return;
  DiskPublish published;
  try {
    published = disk_->publish(digest, entry, is_durable);
    if (published.nbytes > 0) disk_->sweep_if_due(options_.max_bytes);
  } catch (const std::exception& e) {
    published.failure = e.what();
  }
  bool is_first_failure = false;
  {
    const std::lock_guard lock(mutex_);
    stats_.bytes_written += published.nbytes;
    if (published.nbytes > 0)
      ++stats_.published;
    else
      is_first_failure = !std::exchange(has_warned_, true);
  }
  // A directory that is refused, or only read, has been warned about already; a full disk fails for
  // every entry alike.
  const bool is_news = is_first_failure && disk_->refusal().empty() && disk_->read_only().empty();
  if (published.nbytes == 0)
    log(Area::cache)
        ->log(is_news ? spdlog::level::warn : spdlog::level::debug, "key {} not kept in {}: {}",
              digest.hex().substr(0, 12), options_.directory.string(), published.failure);
}

std::uint64_t Store::sweep() {
  if (!disk_) return 0;
  try {
    return disk_->sweep(options_.max_bytes);
  } catch (const std::exception& e) {
    log(Area::cache)->warn("cannot sweep {}: {}", options_.directory.string(), e.what());
    return 0;
  }
}

std::filesystem::path Store::directory() const {
  return disk_ && disk_->refusal().empty() ? options_.directory : std::filesystem::path();
}

Stats Store::stats() const {
  const std::lock_guard lock(mutex_);
  Stats stats = stats_;
  stats.bytes_in_memory = memory_.nbytes();
  if (disk_) stats.evicted = disk_->evicted();
  stats.levels = shared_.stats();
  return stats;
}

} // namespace kroton::cache
