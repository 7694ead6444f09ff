#pragma once
/// The compiled versions of one function: those for any sizes, and those for certain ones. Each
/// call leases a frame of the version that suits its arguments.
///
///   auto versions = std::make_shared<Versions>(std::move(recipe));
///   const Versions::Leased lease(*versions, arguments);
///   lease->version->program->run(*lease->frame, arguments, given);
///
/// The frame of the last call is reached without a lock; it serves when the sizes are those of that
/// call. Everything else (other sizes, counting how often sizes came, switching to a version that
/// was compiled in the background) goes through `choose`.
#include <array>
#include <atomic>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "jit/function/recipe.hpp"
#include "lib/support/fork.hpp"

namespace kroton::jit {

class Versions : public std::enable_shared_from_this<Versions> {
public:
  /// Compiles the version for any sizes.
  explicit Versions(Recipe recipe);
  Versions(const Versions&) = delete;
  Versions& operator=(const Versions&) = delete;
  ~Versions() { delete last_.load(std::memory_order_acquire); }

  /// The right of one call at a time to a version and a frame of it.
  struct Lease {
    std::shared_ptr<Compiled> version;
    std::unique_ptr<Program::Frame> frame;
    /// No sizes are to be counted and no version is to be compiled for its sizes, as long as
    /// `generation` is the one of the versions.
    bool may_skip_choose = false;
    std::uint32_t generation = 0;
  };

  /// Holds a lease for the length of a call, with the sizes of its arguments solved. Throws what a
  /// call with wrong arguments throws.
  class Leased {
  public:
    Leased(Versions& versions, std::span<const Array> arguments)
        : versions_(versions), lease_(versions.take(arguments)) {}
    ~Leased() { versions_.give(lease_); }
    Leased(const Leased&) = delete;
    Leased& operator=(const Leased&) = delete;
    Lease* operator->() const noexcept { return lease_; }
    Lease& operator*() const noexcept { return *lease_; }

  private:
    Versions& versions_;
    Lease* lease_;
  };

  const Recipe& recipe() const noexcept { return *recipe_; }
  /// The version for any sizes that was compiled first.
  const Compiled& general() const noexcept { return *general_; }
  /// Those for certain sizes, oldest first.
  std::vector<std::shared_ptr<const Compiled>> special() const;
  /// Arguments that were not dense, over all versions.
  std::uint64_t packed_arguments() const;

private:
  /// At most so many versions for certain sizes are kept.
  static constexpr std::size_t most_special = 4;

  struct Entry {
    std::shared_ptr<Compiled> compiled;
    std::vector<std::unique_ptr<Lease>> idle = {}; ///< with room for all
    std::size_t leases = 0;                        ///< ever made
    std::uint64_t last_used = 0;
  };
  /// An axis of an argument whose size is a symbol.
  struct Axis {
    std::size_t argument, axis;
    Dim dim;
  };
  /// Sizes that calls came with.
  struct Observation {
    std::vector<std::int64_t> sizes; ///< one for each axis
    int calls = 0;
    bool is_requested = false; ///< a version was asked for, and perhaps could not be made
    std::uint64_t last_seen = 0;
  };

  Lease* take(std::span<const Array> arguments);
  void give(Lease* lease) noexcept;
  std::unique_ptr<Lease> choose(std::unique_ptr<Lease> last, std::span<const Array> arguments);
  std::unique_ptr<Lease> special_lease(std::span<const Array> arguments);
  std::unique_ptr<Lease> general_lease(std::span<const Array> arguments);
  void make_required();
  std::unique_ptr<Lease> solved(std::unique_ptr<Lease> lease, std::span<const Array> arguments);
  std::unique_ptr<Lease> lease_of(Entry& entry);
  static std::unique_ptr<Lease> new_lease(Entry& entry);
  void put_back(std::unique_ptr<Lease> lease);

  bool is_worth_it(std::span<const Array> arguments) const;
  bool are_sizes(const std::vector<std::int64_t>& sizes, std::span<const Array> arguments) const;
  bool observe(Lease& lease, std::span<const Array> arguments);
  Observation& observation_of(std::span<const Array> arguments);
  int calls_needed() const;
  void make_special(const Assumptions& assumptions, bool is_background);
  void drop_least_useful();

  std::shared_ptr<const Recipe> recipe_;
  Specialize specialize_;
  std::vector<Axis> axes_; ///< empty if there will be no versions for certain sizes
  std::shared_ptr<Compiled> general_;

  std::atomic<Lease*> last_{nullptr};
  std::atomic<std::uint32_t> generation_{0}; ///< changes when a version comes or goes
  mutable support::ForkMutex mutex_;         ///< guards what follows
  std::vector<std::unique_ptr<Entry>> entries_;
  bool has_required_ = false; ///< entry 1 is the version that assumes nothing
  std::array<Observation, 2 * most_special> observations_;
  std::uint64_t clock_ = 0;
  int made_ = 0; ///< versions for certain sizes, ever
  std::uint64_t packed_by_dropped_ = 0;
  support::ProcessMutex making_; ///< held while a call waits for a version of its own
};

} // namespace kroton::jit
