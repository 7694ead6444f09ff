#pragma once
/// Finds nodes by the hash of what they are: how a graph merges equal ones.
///
///   NodeTable table;
///   table.insert(key, id);
///   NodeId twin = table.find(key, [&](NodeId other) { return equal(other, id); });
///   table.erase(key, id);
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kroton::ir {

using NodeId = std::int32_t;
inline constexpr NodeId no_node = -1;

class NodeTable {
public:
  void insert(std::size_t key, NodeId id) {
    if (2 * (used_ + 1) > slots_.size()) rehash();
    std::size_t at = home(key);
    while (slots_[at].id >= 0) at = next(at);
    used_ += slots_[at].id == never ? 1 : 0;
    slots_[at] = {short_key(key), id};
    ++live_;
  }
  /// Some node of that key that `is_it` accepts; no_node if there is none.
  template <class F> NodeId find(std::size_t key, F is_it) const {
    if (slots_.empty()) return no_node;
    for (std::size_t at = home(key); slots_[at].id != never; at = next(at))
      if (slots_[at].id >= 0 && slots_[at].key == short_key(key) && is_it(slots_[at].id))
        return slots_[at].id;
    return no_node;
  }
  /// Nothing happens if `id` is not there under that key.
  void erase(std::size_t key, NodeId id) {
    if (slots_.empty()) return;
    for (std::size_t at = home(key); slots_[at].id != never; at = next(at))
      if (slots_[at].id == id) {
        slots_[at].id = gone;
        --live_;
        return;
      }
  }

private:
  static constexpr NodeId never = -1, gone = -2;
  static constexpr std::size_t least_slots = 16;
  struct Slot {
    std::uint32_t key = 0;
    NodeId id = never;
  };
  static std::uint32_t short_key(std::size_t key) {
    return static_cast<std::uint32_t>((key * 0x9E3779B97F4A7C15ull) >> 32);
  }
  std::size_t home(std::size_t key) const { return short_key(key) & (slots_.size() - 1); }
  std::size_t next(std::size_t at) const { return (at + 1) & (slots_.size() - 1); }
  /// Drops what was erased, and makes room for as many nodes again as there are.
  void rehash() {
    std::size_t n = least_slots;
    while (n < 4 * (live_ + 1)) n *= 2;
    std::vector<Slot> old(n);
    old.swap(slots_);
    for (const Slot& s : old) {
      if (s.id < 0) continue;
      std::size_t at = s.key & (n - 1);
      while (slots_[at].id >= 0) at = next(at);
      slots_[at] = s;
    }
    used_ = live_;
  }

  std::vector<Slot> slots_;         ///< a power of two, at most half of them used
  std::size_t used_ = 0, live_ = 0; ///< `used_` counts what was erased, too
};

} // namespace kroton::ir
