#pragma once
/// Sorting by the digits of keys: stable, in time proportional to the number of elements, and on
/// several threads. The order of the result does not depend on how many.
///
///   const auto key = sort_key<std::uint32_t>(x[i], is_descending);
///   sort_line<std::uint32_t>(n, [&](long i) { return key_of(x[i]); }, store, a, b);
///
/// Elements are mapped to unsigned integers, keys, that compare as the elements do. What is sorted
/// are entries: keys, or keys with the positions that they came from.
///
/// A short line is sorted by insertion or by comparisons. A longer one is sorted by its keys'
/// digits, from the lowest (LSD). A line that caches do not hold is first split by its keys'
/// highest bits into pieces that they do hold, which threads share.
#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "jit/run/runtime_abi.hpp"

namespace kroton::jit {

/// The unsigned integer that keys of elements of a dtype are.
template <class T>
using KeyOf = std::conditional_t<
    sizeof(T) == 1, std::uint8_t,
    std::conditional_t<sizeof(T) == 2, std::uint16_t,
                       std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>>>;

/// Keys compare as elements do, NaN being larger than any number. -0 comes before 0.
template <class T> KeyOf<T> key_of(T v) {
  using Key = KeyOf<T>;
  constexpr Key top = static_cast<Key>(Key{1} << (8 * sizeof(T) - 1));
  if constexpr (std::is_same_v<T, bool>) {
    return static_cast<Key>(v);
  } else if constexpr (std::is_floating_point_v<T>) {
    Key bits = std::bit_cast<Key>(v);
    bits = v != v ? static_cast<Key>(bits & ~top) : bits;
    return static_cast<Key>(bits ^ (bits & top ? static_cast<Key>(~Key{0}) : top));
  } else if constexpr (std::is_signed_v<T>) {
    return static_cast<Key>(static_cast<Key>(v) ^ top);
  } else {
    return v;
  }
}

/// The element of a key; of a NaN, a NaN.
template <class T> T element_of(KeyOf<T> key) {
  using Key = KeyOf<T>;
  constexpr Key top = static_cast<Key>(Key{1} << (8 * sizeof(T) - 1));
  if constexpr (std::is_same_v<T, bool>)
    return key != 0;
  else if constexpr (std::is_floating_point_v<T>)
    return std::bit_cast<T>(static_cast<Key>(key ^ (key & top ? top : static_cast<Key>(~Key{0}))));
  else if constexpr (std::is_signed_v<T>)
    return static_cast<T>(static_cast<Key>(key ^ top));
  else
    return key;
}

/// Keys with where they come from; those of equal keys are in order.
template <class K, class P> struct Placed {
  K key;
  P position;

  friend bool operator<(const Placed& a, const Placed& b) {
    return a.key != b.key ? a.key < b.key : a.position < b.position;
  }
};

template <class E> auto key_in(const E& entry) {
  if constexpr (std::is_integral_v<E>)
    return entry;
  else
    return entry.key;
}

namespace radix {

/// Lines up to that long are sorted by comparisons.
constexpr long few = 96;
/// Lines from that length on are split first.
constexpr long many = long{1} << 17;
/// By so many bits.
constexpr int split_bits = 11;
constexpr int digit_bits = 8;
constexpr int most_digits = 8;

/// Sorts `n` entries that are in `a`, whose keys differ from `least` in their lowest `bits` bits
/// alone, and gives each to store(first + i, entry). `b` is of the same length; `target`, if not
/// null, is where store(0, …) writes.
template <class E, class Store>
void sort_entries(E* a, E* b, long n, std::uint64_t least, int bits, const Store& store, long first,
                  const E* target) {
  if (n <= few) {
    if (n <= 24) {
      for (long i = 1; i < n; ++i) {
        const E moved = a[i];
        long j = i;
        for (; j > 0 && moved < a[j - 1]; --j) a[j] = a[j - 1];
        a[j] = moved;
      }
    } else {
      std::sort(a, a + n);
    }
    for (long i = 0; i < n; ++i) store(first + i, a[i]);
    return;
  }
  const int digits = std::max((bits + digit_bits - 1) / digit_bits, 1),
            width = std::max((bits + digits - 1) / digits, 1);
  const std::uint64_t mask = (std::uint64_t{1} << width) - 1;
  std::uint32_t counts[most_digits][std::size_t{1} << digit_bits];
  for (int d = 0; d < digits; ++d) std::memset(counts[d], 0, sizeof(std::uint32_t) << width);
  for (long i = 0; i < n; ++i) {
    std::uint64_t key = static_cast<std::uint64_t>(key_in(a[i])) - least;
    for (int d = 0; d < digits; ++d, key >>= width) ++counts[d][key & mask];
  }
  // Digits in which all keys agree move nothing.
  int moving[most_digits], passes = 0;
  for (int d = 0; d < digits; ++d) {
    const std::uint64_t digit =
        ((static_cast<std::uint64_t>(key_in(a[0])) - least) >> (d * width)) & mask;
    if (counts[d][digit] != static_cast<std::uint32_t>(n)) moving[passes++] = d;
  }
  if (passes == 0) {
    for (long i = 0; i < n; ++i) store(first + i, a[i]);
    return;
  }
  for (int p = 0; p < passes; ++p) {
    std::uint32_t* const to = counts[moving[p]];
    std::uint32_t before = 0;
    for (std::uint64_t v = 0; v <= mask; ++v) {
      const std::uint32_t count = to[v];
      to[v] = before;
      before += count;
    }
    const int shift = moving[p] * width;
    const auto place = [&](const E& e) -> long {
      return to[((static_cast<std::uint64_t>(key_in(e)) - least) >> shift) & mask]++;
    };
    // What is still read must not be stored over.
    const bool is_last = p + 1 == passes && (target == nullptr || a != target + first);
    if (is_last) {
      for (long i = 0; i < n; ++i) {
        const E e = a[i];
        store(first + place(e), e);
      }
    } else {
      for (long i = 0; i < n; ++i) {
        const E e = a[i];
        b[place(e)] = e;
      }
      if (p + 1 == passes)
        for (long i = 0; i < n; ++i) store(first + i, b[i]);
    }
    std::swap(a, b);
  }
}

/// Calls f(begin, end, worker) for a split of [0, n).
template <class F> void parallel(const Runtime* runtime, long n, long grain, const F& f) {
  if (runtime == nullptr) return f(0, n, 0);
  runtime->parallel_for(
      runtime, n, grain,
      [](void* frame, long begin, long end, int worker) {
        (*static_cast<const F*>(frame))(begin, end, worker);
      },
      const_cast<F*>(&f));
}

struct Bounds {
  std::uint64_t least = ~std::uint64_t{0}, most = 0;
  void add(std::uint64_t key) {
    least = std::min(least, key);
    most = std::max(most, key);
  }
};

/// Entries that are in memory.
template <class E> struct Loaded {
  const E* from;
  E operator()(long i) const { return from[i]; }
};

/// Sorts the entries load(0), … load(n - 1): splits them into `a`, by their keys' highest bits,
/// sorts the pieces, and gives each entry to store(origin + i, entry). Both a and b hold n entries,
/// and load may read b.
template <class E, class Load, class Store>
void split_and_sort(const Runtime* runtime, long n, const Load& load, const Store& store,
                    long origin, E* a, E* b, const E* target) {
  constexpr long grain = long{1} << 15;
  const int threads = runtime == nullptr ? 1 : runtime->threads;
  const long chunks = chunk_count(n, grain, threads);
  std::vector<Bounds> of_chunks(static_cast<std::size_t>(chunks));
  parallel(runtime, n, grain, [&](long begin, long end, int worker) {
    auto least = key_in(load(begin)), most = least;
    for (long i = begin; i < end; ++i) {
      const auto key = key_in(load(i));
      least = std::min(least, key);
      most = std::max(most, key);
    }
    of_chunks[static_cast<std::size_t>(worker)] = {least, most};
  });
  Bounds all;
  for (const Bounds& c : of_chunks) {
    all.add(c.least);
    all.add(c.most);
  }
  const std::uint64_t least = all.least;
  const int bits = static_cast<int>(std::bit_width(all.most - least));
  const int shift = std::max(bits - split_bits, 0);
  const std::size_t pieces = static_cast<std::size_t>((all.most - least) >> shift) + 1;
  const auto piece_of = [&](const E& e) {
    return static_cast<std::size_t>((static_cast<std::uint64_t>(key_in(e)) - least) >> shift);
  };
  std::vector<long> places(static_cast<std::size_t>(chunks) * pieces);
  parallel(runtime, n, grain, [&](long begin, long end, int worker) {
    long* const counts = places.data() + static_cast<std::size_t>(worker) * pieces;
    for (long i = begin; i < end; ++i) ++counts[piece_of(load(i))];
  });
  std::vector<long> first(pieces + 1);
  long before = 0;
  for (std::size_t p = 0; p < pieces; ++p) {
    first[p] = before;
    for (long c = 0; c < chunks; ++c) {
      long& place = places[static_cast<std::size_t>(c) * pieces + p];
      const long count = place;
      place = before;
      before += count;
    }
  }
  first[pieces] = before;
  if (shift == 0 && !std::is_same_v<Load, Loaded<E>>) { // pieces are of equal keys
    parallel(runtime, n, grain, [&](long begin, long end, int worker) {
      long* const to = places.data() + static_cast<std::size_t>(worker) * pieces;
      for (long i = begin; i < end; ++i) {
        const E e = load(i);
        store(origin + to[piece_of(e)]++, e);
      }
    });
    return;
  }
  parallel(runtime, n, grain, [&](long begin, long end, int worker) {
    long* const to = places.data() + static_cast<std::size_t>(worker) * pieces;
    for (long i = begin; i < end; ++i) {
      const E e = load(i);
      a[to[piece_of(e)]++] = e;
    }
  });
  // What most entries are in is split again; threads share the rest by numbers of entries.
  const long large = std::max(n / 4, many);
  const auto is_large = [&](std::size_t p) { return shift > 0 && first[p + 1] - first[p] > large; };
  for (std::size_t p = 0; p < pieces; ++p) {
    if (!is_large(p)) continue;
    const long at = first[p];
    split_and_sort<E>(runtime, first[p + 1] - at, Loaded<E>{a + at}, store, origin + at, b + at,
                      a + at, target);
  }
  parallel(runtime, n, grain, [&](long begin, long end, int) {
    // Those whose first entry is in [begin, end).
    auto p = static_cast<std::size_t>(std::lower_bound(first.begin(), first.end(), begin) -
                                      first.begin());
    for (; p < pieces && first[p] < end; ++p) {
      const long at = first[p], count = first[p + 1] - at;
      if (count == 0 || is_large(p)) continue;
      sort_entries<E>(a + at, b + at, count, least + (static_cast<std::uint64_t>(p) << shift),
                      shift, store, origin + at, target);
    }
  });
}

} // namespace radix

/// Sorts the n entries load(0), load(1), …, which stand in the order that equal ones keep, and
/// gives each to store(i, entry). a and b hold n entries each; load may read b. With a runtime,
/// long lines are shared by its threads. `target`: a or b, if store writes entries there.
template <class E, class Load, class Store>
void sort_line(const Runtime* runtime, long n, const Load& load, const Store& store, E* a, E* b,
               const E* target = nullptr) {
  if (n >= radix::many) return radix::split_and_sort<E>(runtime, n, load, store, 0, a, b, target);
  radix::Bounds bounds;
  for (long i = 0; i < n; ++i) {
    a[i] = load(i);
    bounds.add(key_in(a[i]));
  }
  if (n > 0)
    radix::sort_entries<E>(a, b, n, bounds.least,
                           static_cast<int>(std::bit_width(bounds.most - bounds.least)), store, 0,
                           target);
}

} // namespace kroton::jit
