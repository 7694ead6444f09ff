#pragma once
/// A vector whose first `N` elements are in the object itself: graphs have many short lists.
///
///   SmallVector<int, 4> axes{0, 1};   // no allocation up to four
///   axes.push_back(2);
#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <new>
#include <ranges>
#include <utility>

namespace kroton::support {

template <class T, std::uint32_t N> class SmallVector {
  static_assert(N > 0 && alignof(T) <= alignof(std::max_align_t));

public:
  using value_type = T;
  using iterator = T*;
  using const_iterator = const T*;

  SmallVector() noexcept {}
  explicit SmallVector(std::size_t n, const T& value = T()) {
    reserve(n);
    std::uninitialized_fill_n(data(), n, value);
    size_ = static_cast<std::uint32_t>(n);
  }
  SmallVector(std::initializer_list<T> items) : SmallVector(items.begin(), items.end()) {}
  template <std::forward_iterator I> SmallVector(I first, I last) {
    const auto n = static_cast<std::size_t>(std::distance(first, last));
    reserve(n);
    std::uninitialized_copy(first, last, data());
    size_ = static_cast<std::uint32_t>(n);
  }
  template <std::ranges::forward_range R>
  requires(!std::same_as<std::remove_cvref_t<R>, SmallVector>)
      SmallVector(R&& range) // NOLINT: a list is a list
      : SmallVector(std::ranges::begin(range), std::ranges::end(range)) {}
  SmallVector(const SmallVector& other) : SmallVector(other.begin(), other.end()) {}
  SmallVector(SmallVector&& other) noexcept { take(other); }
  SmallVector& operator=(const SmallVector& other) {
    if (this != &other) *this = SmallVector(other);
    return *this;
  }
  SmallVector& operator=(SmallVector&& other) noexcept {
    if (this == &other) return *this;
    release();
    take(other);
    return *this;
  }
  ~SmallVector() { release(); }

  T* data() noexcept { return is_inline() ? reinterpret_cast<T*>(inline_) : heap_; }
  const T* data() const noexcept {
    return is_inline() ? reinterpret_cast<const T*>(inline_) : heap_;
  }
  std::size_t size() const noexcept { return size_; }
  std::size_t capacity() const noexcept { return capacity_; }
  bool empty() const noexcept { return size_ == 0; }
  T* begin() noexcept { return data(); }
  T* end() noexcept { return data() + size_; }
  const T* begin() const noexcept { return data(); }
  const T* end() const noexcept { return data() + size_; }
  T& operator[](std::size_t i) noexcept { return data()[i]; }
  const T& operator[](std::size_t i) const noexcept { return data()[i]; }
  T& front() noexcept { return data()[0]; }
  const T& front() const noexcept { return data()[0]; }
  T& back() noexcept { return data()[size_ - 1]; }
  const T& back() const noexcept { return data()[size_ - 1]; }

  template <class... Args> T& emplace_back(Args&&... args) {
    if (size_ == capacity_) {
      T item(std::forward<Args>(args)...); // the arguments may be in what is about to move
      reserve(2 * static_cast<std::size_t>(capacity_));
      return *std::construct_at(data() + size_++, std::move(item));
    }
    return *std::construct_at(data() + size_++, std::forward<Args>(args)...);
  }
  void push_back(const T& item) { emplace_back(item); }
  void push_back(T&& item) { emplace_back(std::move(item)); }
  void pop_back() noexcept { std::destroy_at(data() + --size_); }
  void erase(const T* at) {
    T* const here = begin() + (at - begin());
    std::move(here + 1, end(), here);
    pop_back();
  }
  void clear() noexcept {
    std::destroy_n(data(), size_);
    size_ = 0;
  }
  void reserve(std::size_t n) {
    if (n <= capacity_) return;
    T* const wider = std::allocator<T>().allocate(n);
    std::uninitialized_move_n(data(), size_, wider);
    std::destroy_n(data(), size_);
    free_heap();
    heap_ = wider;
    capacity_ = static_cast<std::uint32_t>(n);
  }

  friend bool operator==(const SmallVector& a, const SmallVector& b) {
    return std::ranges::equal(a, b);
  }

private:
  bool is_inline() const noexcept { return capacity_ == N; }
  void free_heap() noexcept {
    if (!is_inline()) std::allocator<T>().deallocate(heap_, capacity_);
  }
  void release() noexcept {
    std::destroy_n(data(), size_);
    free_heap();
    size_ = 0;
    capacity_ = N;
  }
  /// Into an empty vector without memory of its own; leaves `other` so.
  void take(SmallVector& other) noexcept {
    if (other.is_inline()) {
      std::uninitialized_move_n(other.data(), other.size_, data());
      size_ = other.size_;
      other.clear();
      return;
    }
    heap_ = other.heap_;
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, N);
  }

  std::uint32_t size_ = 0, capacity_ = N; ///< more than `N`: on the heap
  union {
    alignas(T) std::byte inline_[N * sizeof(T)];
    T* heap_;
  };
};

} // namespace kroton::support
