#pragma once
/// The compiled versions of one function: those for any sizes, and those for certain ones. Calls
/// borrow a frame of the version that suits their arguments.
///
///   auto versions = std::make_shared<Versions>(std::move(recipe));
///   const Versions::Borrowed seat(*versions, arguments);
///   seat->version->program->run(*seat->frame, arguments, given);
///
/// The frame of the last call is reached without a lock; it serves when the sizes are those of that
/// call. Everything else (other sizes, counting how often sizes came, switching to a version that
/// was compiled in the background) goes through `choose`.
#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "jit/recipe.hpp"

namespace kroton::jit {

class Versions : public std::enable_shared_from_this<Versions> {
public:
  /// Compiles the version for any sizes.
  explicit Versions(Recipe recipe);
  Versions(const Versions&) = delete;
  Versions& operator=(const Versions&) = delete;
  ~Versions() { delete last_.load(std::memory_order_acquire); }

  /// What one call at a time uses.
  struct Seat {
    std::shared_ptr<Compiled> version;
    std::unique_ptr<Program::Frame> frame;
    bool is_settled = false;      ///< nothing is to be counted or compiled for its sizes …
    std::uint32_t generation = 0; ///< … unless versions have come or gone since
  };

  /// A seat for the length of a call, solved for its arguments. Throws what a call with wrong
  /// arguments throws.
  class Borrowed {
  public:
    Borrowed(Versions& versions, std::span<const Array> arguments)
        : versions_(versions), seat_(versions.take(arguments)) {}
    ~Borrowed() { versions_.give(seat_); }
    Borrowed(const Borrowed&) = delete;
    Borrowed& operator=(const Borrowed&) = delete;
    Seat* operator->() const noexcept { return seat_; }
    Seat& operator*() const noexcept { return *seat_; }

  private:
    Versions& versions_;
    Seat* seat_;
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
    std::vector<std::unique_ptr<Seat>> idle = {}; ///< with room for all
    std::size_t seats = 0;                        ///< ever made
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

  Seat* take(std::span<const Array> arguments);
  void give(Seat* seat) noexcept;
  std::unique_ptr<Seat> choose(std::unique_ptr<Seat> last, std::span<const Array> arguments);
  std::unique_ptr<Seat> special_seat(std::span<const Array> arguments);
  std::unique_ptr<Seat> general_seat(std::span<const Array> arguments);
  void make_required();
  std::unique_ptr<Seat> solved(std::unique_ptr<Seat> seat, std::span<const Array> arguments);
  std::unique_ptr<Seat> seat_of(Entry& entry);
  static std::unique_ptr<Seat> new_seat(Entry& entry);
  void put_back(std::unique_ptr<Seat> seat);

  bool is_worth_it(std::span<const Array> arguments) const;
  bool are_sizes(const std::vector<std::int64_t>& sizes, std::span<const Array> arguments) const;
  bool observe(Seat& seat, std::span<const Array> arguments);
  Observation& observation_of(std::span<const Array> arguments);
  int calls_needed() const;
  void make_special(const Assumptions& assumptions, bool is_background);
  void drop_least_useful();

  std::shared_ptr<const Recipe> recipe_;
  Specialize specialize_;
  std::vector<Axis> axes_; ///< empty if there will be no versions for certain sizes
  std::shared_ptr<Compiled> general_;
  std::once_flag required_once_;

  std::atomic<Seat*> last_{nullptr};
  std::atomic<std::uint32_t> generation_{0}; ///< changes when a version comes or goes
  mutable std::mutex mutex_;                 ///< guards what follows
  std::vector<std::unique_ptr<Entry>> entries_;
  std::array<Observation, 2 * most_special> observations_;
  std::uint64_t clock_ = 0;
  int made_ = 0; ///< versions for certain sizes, ever
  std::uint64_t packed_by_dropped_ = 0;
  std::mutex making_; ///< held while a call waits for a version of its own
};

} // namespace kroton::jit
