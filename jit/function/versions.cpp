#include "jit/function/versions.hpp"

#include <algorithm>
#include <exception>
#include <mutex>
#include <new>

#include "jit/run/background.hpp"
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

// ---- how a call gets its lease ------------------------------------------------------------------

Versions::Lease* Versions::take(std::span<const Array> arguments) {
  std::unique_ptr<Lease> last(last_.exchange(nullptr, std::memory_order_acquire));
  if (last && last->may_skip_choose &&
      last->generation == generation_.load(std::memory_order_relaxed) &&
      last->version->program->is_solved(*last->frame, arguments)) [[likely]]
    return last.release();
  return choose(std::move(last), arguments).release();
}

void Versions::give(Lease* lease) noexcept {
  if (Lease* before = last_.exchange(lease, std::memory_order_acq_rel)) {
    const std::lock_guard lock(mutex_);
    put_back(std::unique_ptr<Lease>(before));
  }
}

std::unique_ptr<Versions::Lease> Versions::choose(std::unique_ptr<Lease> last,
                                                  std::span<const Array> arguments) {
  if (last) {
    const std::lock_guard lock(mutex_);
    put_back(std::move(last));
  }
  general_->program->check_arguments(arguments);
  if (auto special = special_lease(arguments)) return special;
  auto lease = general_lease(arguments);
  if (!observe(*lease, arguments)) return lease;

  Assumptions assumptions{lease->version->assumptions.unify, {}};
  for (const Axis& a : axes_)
    assumptions.sizes.push_back({a.dim, arguments[a.argument].shape()[a.axis]});
  if (specialize_ == Specialize::automatic) {
    try {
      Background::process().add([weak = weak_from_this(), assumptions = std::move(assumptions)] {
        if (const auto self = weak.lock()) self->make_special(assumptions, true);
      });
    } catch (const std::bad_alloc&) { // the call itself can continue
    }
    return lease;
  }
  const std::lock_guard lock(making_);
  make_special(assumptions, false);
  auto special = special_lease(arguments);
  if (!special) return lease;
  const std::lock_guard lists(mutex_);
  put_back(std::move(lease));
  return special;
}

/// A lease of the version for these sizes; null if there is none.
std::unique_ptr<Versions::Lease> Versions::special_lease(std::span<const Array> arguments) {
  if (axes_.empty()) return nullptr;
  std::unique_ptr<Lease> lease;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& entry : entries_) {
      const auto& sizes = entry->compiled->assumptions.sizes;
      const auto has_size = [&](const Axis& a) {
        return sizes[static_cast<std::size_t>(&a - axes_.data())].value ==
               arguments[a.argument].shape()[a.axis];
      };
      if (!sizes.empty() && std::ranges::all_of(axes_, has_size)) lease = lease_of(*entry);
    }
  }
  if (!lease) return nullptr;
  try {
    lease = solved(std::move(lease), arguments);
  } catch (const AssumptionFailed&) { // about the value of a scalar
    return nullptr;
  }
  lease->may_skip_choose = true;
  return lease;
}

/// The lease, with the sizes of these arguments. It is put back if they do not fit, so that no
/// refused call makes room for a lease more.
std::unique_ptr<Versions::Lease> Versions::solved(std::unique_ptr<Lease> lease,
                                                  std::span<const Array> arguments) {
  try {
    lease->version->program->solve(*lease->frame, arguments);
  } catch (...) {
    const std::lock_guard lock(mutex_);
    put_back(std::move(lease));
    throw;
  }
  return lease;
}

/// A lease of the version for any sizes, or, if these break what it assumes, of the one that
/// assumes nothing.
std::unique_ptr<Versions::Lease> Versions::general_lease(std::span<const Array> arguments) {
  const auto lease_of_entry = [&](std::size_t entry) {
    std::unique_ptr<Lease> lease;
    {
      const std::lock_guard lock(mutex_);
      lease = lease_of(*entries_[entry]);
    }
    return solved(std::move(lease), arguments);
  };
  try {
    return lease_of_entry(0);
  } catch (const AssumptionFailed&) {
    make_required();
    return lease_of_entry(1);
  }
}

/// Unless it is there.
void Versions::make_required() {
  const std::lock_guard making(making_);
  {
    const std::lock_guard lock(mutex_);
    if (has_required_) return;
  }
  auto compiled =
      std::make_shared<Compiled>(compile(recipe_, {.unify = ir::Graph::Unify::required}));
  const std::lock_guard lock(mutex_);
  entries_.insert(entries_.begin() + 1, std::make_unique<Entry>(std::move(compiled)));
  has_required_ = true;
}

/// Needs the lock.
std::unique_ptr<Versions::Lease> Versions::lease_of(Entry& entry) {
  entry.last_used = ++clock_;
  std::unique_ptr<Lease> lease;
  if (entry.idle.empty()) {
    lease = new_lease(entry);
  } else {
    lease = std::move(entry.idle.back());
    entry.idle.pop_back();
  }
  lease->generation = generation_.load(std::memory_order_relaxed);
  return lease;
}

/// Makes the room too that the lease needs when it is put back.
std::unique_ptr<Versions::Lease> Versions::new_lease(Entry& entry) {
  entry.idle.reserve(++entry.leases);
  return std::make_unique<Lease>(entry.compiled, entry.compiled->program->make_frame());
}

/// Needs the lock. The lease of a version that was dropped goes, and with the last one the version.
void Versions::put_back(std::unique_ptr<Lease> lease) {
  for (const auto& entry : entries_) {
    if (entry->compiled != lease->version) continue;
    entry->last_used = ++clock_;
    entry->idle.push_back(std::move(lease));
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
bool Versions::observe(Lease& lease, std::span<const Array> arguments) {
  lease.may_skip_choose = !is_worth_it(arguments);
  if (lease.may_skip_choose) return false;
  const std::lock_guard lock(mutex_);
  Observation& seen = observation_of(arguments);
  seen.last_seen = ++clock_;
  lease.may_skip_choose =
      std::exchange(seen.is_requested, seen.is_requested || ++seen.calls >= calls_needed());
  return !lease.may_skip_choose && seen.is_requested;
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
    entry->idle.push_back(new_lease(*entry));
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
