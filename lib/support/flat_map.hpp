#pragma once
/// A hash map in one array, for keys that are pointers or numbers. Nothing is ever taken out.
///
///   FlatMap<const Node*, int> number;
///   auto [value, is_new] = number.emplace(node, 1);
///   if (const int* n = number.find(node)) …
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

namespace kroton::support {

template <class Key, class Value> class FlatMap {
public:
  struct Emplaced {
    Value& value; ///< valid until the next key is added
    bool is_new;
  };

  std::size_t size() const noexcept { return size_; }
  void reserve(std::size_t n) {
    std::size_t wanted = least_slots;
    while (wanted < n + n / 2) wanted *= 2;
    if (wanted > slots_.size()) rehash(wanted);
  }
  const Value* find(const Key& key) const noexcept {
    if (slots_.empty()) return nullptr;
    const Slot& s = slots_[place_of(key)];
    return s.is_used ? &s.value : nullptr;
  }
  Value* find(const Key& key) noexcept {
    return const_cast<Value*>(std::as_const(*this).find(key));
  }
  bool contains(const Key& key) const noexcept { return find(key) != nullptr; }
  /// The value of `key`: `value` if it had none.
  Emplaced emplace(const Key& key, Value value = {}) {
    if (3 * (size_ + 1) > 2 * slots_.size())
      rehash(slots_.empty() ? least_slots : 2 * slots_.size());
    Slot& s = slots_[place_of(key)];
    if (s.is_used) return {s.value, false};
    s = {key, std::move(value), true};
    ++size_;
    return {s.value, true};
  }
  /// Calls `f(key, value)` for each, in no order that means anything.
  template <class F> void for_each(F f) {
    for (Slot& s : slots_)
      if (s.is_used) f(std::as_const(s.key), s.value);
  }

private:
  static constexpr std::size_t least_slots = 16;
  struct Slot {
    Key key{};
    [[no_unique_address]] Value value{};
    bool is_used = false;
  };
  /// Where `key` is or would be.
  std::size_t place_of(const Key& key) const noexcept {
    const std::size_t mask = slots_.size() - 1;
    const std::uint64_t mixed = std::hash<Key>{}(key)*0x9E3779B97F4A7C15ull;
    std::size_t at = static_cast<std::size_t>(mixed >> 32) & mask;
    while (slots_[at].is_used && slots_[at].key != key) at = (at + 1) & mask;
    return at;
  }
  void rehash(std::size_t n) {
    std::vector<Slot> old(n);
    old.swap(slots_);
    for (Slot& s : old)
      if (s.is_used) slots_[place_of(s.key)] = std::move(s);
  }

  std::vector<Slot> slots_; ///< a power of two
  std::size_t size_ = 0;
};

template <class Key> class FlatSet {
public:
  bool contains(const Key& key) const noexcept { return map_.contains(key); }
  /// False if it was there.
  bool insert(const Key& key) { return map_.emplace(key).is_new; }

private:
  struct Nothing {};
  FlatMap<Key, Nothing> map_;
};

} // namespace kroton::support
