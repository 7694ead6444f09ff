#include "jit/versions.hpp"

#include <algorithm>
#include <exception>

#include "jit/background.hpp"
#include "lib/support/environment.hpp"
#include "lib/support/log.hpp"

namespace kroton::jit {
namespace {

/// Calls with the same sizes after which a version for them is compiled.
constexpr int calls_before_first = 4;

bool is_switched_off() {
  static const bool off = support::switch_variable("KROTON_SPECIALIZE", "0");
  return off;
}

Specialize effective(const Options& options) {
  if (is_switched_off()) return Specialize::off;
  if (options.mode == Mode::plain && options.specialize == Specialize::automatic)
    return Specialize::off;
  return options.specialize;
}

bool is_symbol(const Dim& d) { return !d.is_static() && d.node()->kind == ir::DimKind::symbol; }

} // namespace

Versions::Versions(Recipe recipe)
    : recipe_(std::make_shared<const Recipe>(std::move(recipe))),
      specialize_(effective(recipe_->options)),
      general_(std::make_shared<Compiled>(compile(recipe_, {}))) {
  entries_.push_back(std::make_unique<Entry>(general_));
  if (specialize_ == Specialize::off) return;
  const auto& inputs = recipe_->signature.inputs;
  for (std::size_t i = 0; i < inputs.size(); ++i)
    for (std::size_t a = 0; a < inputs[i].shape().size(); ++a)
      if (const Dim& d = inputs[i].shape()[a]; is_symbol(d)) axes_.push_back({i, a, d});
  for (Observation& o : observations_) o.sizes.resize(axes_.size());
}

// ---- a call's way to its seat
// ---------------------------------------------------------------------

Versions::Seat* Versions::take(std::span<const Array> arguments) {
  std::unique_ptr<Seat> last(last_.exchange(nullptr, std::memory_order_acquire));
  if (last && last->is_settled && last->generation == generation_.load(std::memory_order_relaxed) &&
      last->version->program->is_solved(*last->frame, arguments)) [[likely]]
    return last.release();
  return choose(std::move(last), arguments).release();
}

void Versions::give(Seat* seat) noexcept {
  if (Seat* before = last_.exchange(seat, std::memory_order_acq_rel)) {
    const std::lock_guard lock(mutex_);
    put_back(std::unique_ptr<Seat>(before));
  }
}

std::unique_ptr<Versions::Seat> Versions::choose(std::unique_ptr<Seat> last,
                                                 std::span<const Array> arguments) {
  if (last) {
    const std::lock_guard lock(mutex_);
    put_back(std::move(last));
  }
  general_->program->check_arguments(arguments);
  if (auto special = special_seat(arguments)) return special;
  auto seat = general_seat(arguments);
  if (!observe(*seat, arguments)) return seat;

  Assumptions assumptions{seat->version->assumptions.unify, {}};
  for (const Axis& a : axes_)
    assumptions.sizes.push_back({a.dim, arguments[a.argument].shape()[a.axis]});
  if (specialize_ == Specialize::automatic) {
    Background::process().add([weak = weak_from_this(), assumptions = std::move(assumptions)] {
      if (const auto self = weak.lock()) self->make_special(assumptions, true);
    });
    return seat;
  }
  const std::lock_guard lock(making_);
  make_special(assumptions, false);
  auto special = special_seat(arguments);
  if (!special) return seat;
  const std::lock_guard lists(mutex_);
  put_back(std::move(seat));
  return special;
}

/// A seat of the version for these sizes; null if there is none.
std::unique_ptr<Versions::Seat> Versions::special_seat(std::span<const Array> arguments) {
  if (axes_.empty()) return nullptr;
  std::unique_ptr<Seat> seat;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& entry : entries_) {
      const auto& sizes = entry->compiled->assumptions.sizes;
      const auto has_size = [&](const Axis& a) {
        return sizes[static_cast<std::size_t>(&a - axes_.data())].value ==
               arguments[a.argument].shape()[a.axis];
      };
      if (!sizes.empty() && std::ranges::all_of(axes_, has_size)) seat = seat_of(*entry);
    }
  }
  if (!seat) return nullptr;
  try {
    seat = solved(std::move(seat), arguments);
  } catch (const AssumptionFailed&) { // about the value of a scalar
    return nullptr;
  }
  seat->is_settled = true;
  return seat;
}

/// The seat, with the sizes of these arguments. It is put back if they do not fit, so that no
/// refused call makes room for a seat more.
std::unique_ptr<Versions::Seat> Versions::solved(std::unique_ptr<Seat> seat,
                                                 std::span<const Array> arguments) {
  try {
    seat->version->program->solve(*seat->frame, arguments);
  } catch (...) {
    const std::lock_guard lock(mutex_);
    put_back(std::move(seat));
    throw;
  }
  return seat;
}

/// A seat of the version for any sizes, or, if these break what it assumes, of the one that assumes
/// nothing.
std::unique_ptr<Versions::Seat> Versions::general_seat(std::span<const Array> arguments) {
  const auto seat_of_entry = [&](std::size_t entry) {
    std::unique_ptr<Seat> seat;
    {
      const std::lock_guard lock(mutex_);
      seat = seat_of(*entries_[entry]);
    }
    return solved(std::move(seat), arguments);
  };
  try {
    return seat_of_entry(0);
  } catch (const AssumptionFailed&) {
    std::call_once(required_once_, [this] { make_required(); });
    return seat_of_entry(1);
  }
}

/// Entry 1 is the version that assumes nothing, once it is there.
void Versions::make_required() {
  auto compiled =
      std::make_shared<Compiled>(compile(recipe_, {.unify = ir::Graph::Unify::required}));
  const std::lock_guard lock(mutex_);
  entries_.insert(entries_.begin() + 1, std::make_unique<Entry>(std::move(compiled)));
}

/// Needs the lock.
std::unique_ptr<Versions::Seat> Versions::seat_of(Entry& entry) {
  entry.last_used = ++clock_;
  std::unique_ptr<Seat> seat;
  if (entry.idle.empty()) {
    seat = new_seat(entry);
  } else {
    seat = std::move(entry.idle.back());
    entry.idle.pop_back();
  }
  seat->generation = generation_.load(std::memory_order_relaxed);
  return seat;
}

/// Makes the room too that the seat needs when it is put back.
std::unique_ptr<Versions::Seat> Versions::new_seat(Entry& entry) {
  entry.idle.reserve(++entry.seats);
  return std::make_unique<Seat>(entry.compiled, entry.compiled->program->make_frame());
}

/// Needs the lock. The seat of a version that was dropped goes, and with the last one the version.
void Versions::put_back(std::unique_ptr<Seat> seat) {
  for (const auto& entry : entries_) {
    if (entry->compiled != seat->version) continue;
    entry->last_used = ++clock_;
    entry->idle.push_back(std::move(seat));
    return;
  }
}

// ---- versions for certain sizes
// -------------------------------------------------------------------

bool Versions::is_worth_it(std::span<const Array> arguments) const {
  return std::ranges::any_of(axes_, [&](const Axis& a) {
    return arguments[a.argument].shape()[a.axis] <= plan::largest_literal_dim;
  });
}

bool Versions::are_sizes(const std::vector<std::int64_t>& sizes,
                         std::span<const Array> arguments) const {
  for (std::size_t i = 0; i < axes_.size(); ++i)
    if (sizes[i] != arguments[axes_[i].argument].shape()[axes_[i].axis]) return false;
  return true;
}

/// Counts a call; true when it is time for a version for its sizes.
bool Versions::observe(Seat& seat, std::span<const Array> arguments) {
  seat.is_settled = !is_worth_it(arguments);
  if (seat.is_settled) return false;
  const std::lock_guard lock(mutex_);
  Observation& seen = observation_of(arguments);
  seen.last_seen = ++clock_;
  seat.is_settled =
      std::exchange(seen.is_requested, seen.is_requested || ++seen.calls >= calls_needed());
  return !seat.is_settled && seen.is_requested;
}

/// That of the arguments' sizes; if there is none, a new one in the place of the oldest.
Versions::Observation& Versions::observation_of(std::span<const Array> arguments) {
  for (Observation& o : observations_)
    if (o.calls > 0 && are_sizes(o.sizes, arguments)) return o;
  Observation& o = *std::ranges::min_element(observations_, {}, &Observation::last_seen);
  for (std::size_t i = 0; i < axes_.size(); ++i)
    o.sizes[i] = arguments[axes_[i].argument].shape()[axes_[i].axis];
  o.calls = 0;
  o.is_requested = false;
  return o;
}

/// Once versions take each other's places, each further one has to be twice as worth it.
int Versions::calls_needed() const {
  if (specialize_ == Specialize::immediately) return 1;
  const int replaced = std::max(0, made_ - static_cast<int>(most_special));
  return calls_before_first << std::min(replaced, 20);
}

void Versions::make_special(const Assumptions& assumptions, bool is_background) {
  Compiling compiling;
  if (is_background)
    compiling = {.threads = 1, .is_given_up = [] { return Background::process().is_stopping(); }};
  std::unique_ptr<Entry> entry;
  try {
    auto made = std::make_shared<Compiled>(compile(recipe_, assumptions, compiling));
    made->is_background = is_background;
    entry = std::make_unique<Entry>(std::move(made));
    entry->idle.push_back(new_seat(*entry));
  } catch (const GivenUp&) {
    return;
  } catch (const std::exception& error) {
    support::log(support::Area::jit)
        ->warn("{} goes on without a version for certain sizes: {}", recipe_->signature.name,
               error.what());
    return;
  }
  const std::lock_guard lock(mutex_);
  entry->last_used = ++clock_;
  entries_.push_back(std::move(entry));
  ++made_;
  drop_least_useful();
  generation_.fetch_add(1, std::memory_order_relaxed);
}

/// Needs the lock. Sizes whose version goes are counted from the start again.
void Versions::drop_least_useful() {
  const auto is_special = [](const auto& e) { return !e->compiled->assumptions.sizes.empty(); };
  const auto first = std::ranges::find_if(entries_, is_special);
  if (static_cast<std::size_t>(entries_.end() - first) <= most_special) return;
  const auto least = std::ranges::min_element(first, entries_.end(), {},
                                              [](const auto& e) { return e->last_used; });
  const Compiled& gone = *(*least)->compiled;
  packed_by_dropped_ += gone.program->packed_arguments();
  for (Observation& o : observations_)
    if (std::ranges::equal(o.sizes, gone.assumptions.sizes, {}, {}, &ir::DimValue::value))
      o = {std::move(o.sizes)};
  entries_.erase(least);
}

std::vector<std::shared_ptr<const Compiled>> Versions::special() const {
  const std::lock_guard lock(mutex_);
  std::vector<std::shared_ptr<const Compiled>> result;
  for (const auto& e : entries_)
    if (!e->compiled->assumptions.sizes.empty()) result.push_back(e->compiled);
  return result;
}

std::uint64_t Versions::packed_arguments() const {
  const std::lock_guard lock(mutex_);
  std::uint64_t sum = packed_by_dropped_;
  for (const auto& e : entries_) sum += e->compiled->program->packed_arguments();
  return sum;
}

} // namespace kroton::jit
