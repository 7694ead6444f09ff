#pragma once
/// A vector that grows without moving what it holds: references stay valid, and growing needs no
/// second copy of everything.
///
///   ChunkedVector<GraphNode> nodes;
///   nodes.push_back(std::move(n));
///   nodes[0];
#include <cstddef>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

namespace kroton::support {

template <class T> class ChunkedVector {
public:
  ChunkedVector() = default;
  ChunkedVector(const ChunkedVector& other) {
    for (std::size_t i = 0; i < other.size(); ++i) push_back(other[i]);
  }
  ChunkedVector(ChunkedVector&& other) noexcept
      : chunks_(std::move(other.chunks_)), size_(std::exchange(other.size_, 0)) {}
  ChunkedVector& operator=(ChunkedVector other) noexcept {
    chunks_.swap(other.chunks_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~ChunkedVector() {
    for (std::size_t i = 0; i < size_; ++i) std::destroy_at(&(*this)[i]);
  }

  std::size_t size() const noexcept { return size_; }
  T& operator[](std::size_t i) noexcept { return *place(i); }
  const T& operator[](std::size_t i) const noexcept { return *place(i); }
  T& push_back(T item) {
    if (size_ == chunks_.size() * chunk) chunks_.push_back(std::make_unique<Chunk>());
    T* const at = std::construct_at(place(size_), std::move(item));
    ++size_;
    return *at;
  }
  /// Keeps the elements `from`, each named once, in that order; frees the others.
  void gather(const std::vector<std::size_t>& from) {
    // Elements are swapped to their places: which is where, and where each has gone.
    std::vector<std::size_t> lies(size_), gone(size_);
    std::iota(lies.begin(), lies.end(), std::size_t{0});
    std::iota(gone.begin(), gone.end(), std::size_t{0});
    for (std::size_t i = 0; i < from.size(); ++i) {
      const std::size_t at = gone[from[i]];
      if (at == i) continue;
      std::swap((*this)[i], (*this)[at]);
      std::swap(lies[i], lies[at]);
      gone[lies[at]] = at;
    }
    while (size_ > from.size()) std::destroy_at(place(--size_));
    chunks_.resize((size_ + chunk - 1) / chunk);
  }

private:
  static constexpr std::size_t chunk = 64;
  struct Chunk {
    alignas(T) std::byte bytes[chunk * sizeof(T)];
  };
  T* place(std::size_t i) const noexcept {
    return reinterpret_cast<T*>(chunks_[i / chunk]->bytes) + i % chunk;
  }

  std::vector<std::unique_ptr<Chunk>> chunks_;
  std::size_t size_ = 0;
};

} // namespace kroton::support
