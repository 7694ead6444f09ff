#include "cache/bounded_level.hpp"

#include <stdexcept>

#include <fmt/format.h>

#include "cache/bounded_call.hpp"
#include "lib/support/log.hpp"

namespace kroton::cache {

using Clock = std::chrono::steady_clock;

BoundedLevel::BoundedLevel(std::shared_ptr<CacheLevel> level, const Bounds& bounds)
    : level_(std::move(level)), name_(level_->describe()), max_bytes_(bounds.max_bytes),
      is_read_only_(bounds.is_read_only), patience_(bounds.timeout) {}

std::optional<std::string> BoundedLevel::find(std::string_view digest) {
  if (is_off_) return {};
  const auto start = Clock::now();
  auto found = call_within(patience_.left(), [level = level_, digest = std::string(digest)] {
    return level->find(digest);
  });
  const bool is_lost = patience_.is_lost(Clock::now() - start);
  if (!found) give_up();
  if (is_lost)
    switch_off(fmt::format("it has held up look-ups for {} ms", patience_.limit().count()));
  if (*found && (*found)->size() > max_bytes_) throw std::runtime_error("the entry is too long");
  return std::move(*found);
}

void BoundedLevel::publish(std::string_view digest, std::string_view entry) {
  if (is_read_only_ || is_off_) return;
  const auto published =
      call_within(patience_.limit(),
                  [level = level_, digest = std::string(digest), entry = std::string(entry)] {
                    level->publish(digest, entry);
                    return true;
                  });
  if (!published) give_up();
}

void BoundedLevel::give_up() {
  const std::string reason = "it does not answer in time";
  switch_off(reason);
  throw std::runtime_error(reason);
}

void BoundedLevel::switch_off(std::string_view reason) {
  if (!is_off_.exchange(true))
    support::log(support::Area::cache)
        ->warn("{}: switched off for this process: {}", name_, reason);
}

} // namespace kroton::cache
