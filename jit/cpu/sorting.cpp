/// Sorting, the largest elements, and searching on the CPU. Several lines are shared by threads,
/// each of which sorts whole ones; a single line is sorted by all of them.
#include <algorithm>
#include <cmath>
#include <type_traits>

#include "jit/cpu/library.hpp"
#include "jit/cpu/radix_sort.hpp"
#include "lib/ops/sorting.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton::jit {
namespace {

/// Threads share the lines if each gets so many elements.
constexpr std::int64_t work_of_thread = std::int64_t{1} << 13;

/// Lines, and who sorts them.
struct Lines {
  std::int64_t count, size;
  bool is_descending;

  explicit Lines(const CpuCall& c)
      : count(c.numbers[0]), size(c.numbers[1]), is_descending(c.numbers[2] != 0) {}

  /// Whether all threads work on one line.
  bool are_shared(int threads) const { return size >= radix::many && count < 2 * threads; }
  /// How many lines are sorted at a time.
  std::int64_t at_once(int threads) const {
    return are_shared(threads) ? 1 : std::min<std::int64_t>(std::max(threads, 1), count);
  }
  bool are_few_positions() const { return size <= std::numeric_limits<std::uint32_t>::max(); }
};

/// Calls f(line, slot, runtime to sort it with), `slot` being below at_once.
template <class F> void for_each_line(const CpuCall& c, const Lines& lines, const F& f) {
  if (lines.count == 0 || lines.size == 0) return;
  if (lines.are_shared(c.threads)) {
    for (std::int64_t line = 0; line < lines.count; ++line) f(line, 0, c.runtime);
    return;
  }
  radix::parallel(c.runtime, lines.count, work_of_thread / lines.size + 1,
                  [&](long begin, long end, int worker) {
                    for (long line = begin; line < end; ++line)
                      f(line, worker, static_cast<const Runtime*>(nullptr));
                  });
}

std::size_t bytes_for(const Lines& lines, int threads, std::size_t of_entry) {
  return static_cast<std::size_t>(lines.at_once(threads)) * static_cast<std::size_t>(lines.size) *
         of_entry;
}

std::size_t workspace_of_sort(const CpuCall& c) {
  return bytes_for(Lines(c), c.threads, item_size(c.results[0].dtype));
}

/// Zeros of both signs are equal, so they keep their order; their keys have put -0 first.
template <class T> void restore_zeros(const T* from, T* sorted, std::int64_t n, bool descending) {
  const auto [first, last] =
      descending ? std::equal_range(sorted, sorted + n, T{0},
                                    [](T a, T b) { return a > b || (a != a && b == b); })
                 : std::equal_range(sorted, sorted + n, T{0},
                                    [](T a, T b) { return a < b || (b != b && a == a); });
  if (last - first < 2 || std::signbit(*first) == std::signbit(*(last - 1))) return;
  T* to = first;
  for (std::int64_t i = 0; i < n; ++i)
    if (from[i] == 0) *to++ = from[i];
}

void sort(CpuCall& c) {
  const Lines lines(c);
  support::visit_dtype(c.results[0].dtype, [&]<class T>(std::type_identity<T>) {
    using Key = KeyOf<T>;
    const T* const from = reinterpret_cast<const T*>(c.operands[0].data);
    T* const to = reinterpret_cast<T*>(c.results[0].data);
    auto* const workspace = reinterpret_cast<Key*>(c.workspace);
    const Key flipped = lines.is_descending ? static_cast<Key>(~Key{0}) : Key{0};
    for_each_line(c, lines, [&](std::int64_t line, int slot, const Runtime* runtime) {
      const T* const x = from + line * lines.size;
      T* const y = to + line * lines.size;
      Key* const a = workspace + slot * lines.size;
      sort_line<Key>(
          runtime, lines.size, [=](long i) { return static_cast<Key>(key_of(x[i]) ^ flipped); },
          [=](long i, Key key) { y[i] = element_of<T>(static_cast<Key>(key ^ flipped)); }, a,
          reinterpret_cast<Key*>(y), reinterpret_cast<Key*>(y));
      if constexpr (std::is_floating_point_v<T>)
        restore_zeros(x, y, lines.size, lines.is_descending);
    });
  });
}

/// Calls f with the type of the entries that positions among T are found with.
template <class T, class F> void with_entry(const Lines& lines, F f) {
  if (lines.are_few_positions())
    f(std::type_identity<Placed<KeyOf<T>, std::uint32_t>>());
  else
    f(std::type_identity<Placed<KeyOf<T>, std::uint64_t>>());
}

std::size_t workspace_of_positions(const CpuCall& c) {
  const Lines lines(c);
  std::size_t bytes = 0;
  support::visit_dtype(c.operands[0].dtype, [&]<class T>(std::type_identity<T>) {
    with_entry<T>(lines, [&]<class E>(std::type_identity<E>) { bytes = 2 * sizeof(E); });
  });
  return bytes_for(lines, c.threads, bytes);
}

/// The key of an element among which the positions are found: zeros of both signs are equal.
template <class T> KeyOf<T> key_of_place(T v, KeyOf<T> flipped) {
  if constexpr (std::is_floating_point_v<T>) v = v == 0 ? T{0} : v;
  return static_cast<KeyOf<T>>(key_of(v) ^ flipped);
}

void argsort(CpuCall& c) {
  const Lines lines(c);
  support::visit_dtype(c.operands[0].dtype, [&]<class T>(std::type_identity<T>) {
    with_entry<T>(lines, [&]<class E>(std::type_identity<E>) {
      using Key = KeyOf<T>;
      const T* const from = reinterpret_cast<const T*>(c.operands[0].data);
      auto* const to = reinterpret_cast<std::int64_t*>(c.results[0].data);
      auto* const workspace = reinterpret_cast<E*>(c.workspace);
      const Key flipped = lines.is_descending ? static_cast<Key>(~Key{0}) : Key{0};
      for_each_line(c, lines, [&](std::int64_t line, int slot, const Runtime* runtime) {
        const T* const x = from + line * lines.size;
        std::int64_t* const y = to + line * lines.size;
        E* const a = workspace + 2 * slot * lines.size;
        sort_line<E>(
            runtime, lines.size,
            [=](long i) {
              return E{key_of_place(x[i], flipped), static_cast<decltype(E::position)>(i)};
            },
            [=](long i, const E& e) { y[i] = static_cast<std::int64_t>(e.position); }, a,
            a + lines.size);
      });
    });
  });
}

/// Of each line: keeps the best 2k entries that have been seen, thinned to k whenever they are that
/// many. What is not better than the last of k needs no look.
void argtopk(CpuCall& c) {
  const Lines lines(c);
  const std::int64_t k = c.numbers[3];
  if (k == 0) return;
  support::visit_dtype(c.operands[0].dtype, [&]<class T>(std::type_identity<T>) {
    with_entry<T>(lines, [&]<class E>(std::type_identity<E>) {
      using Key = KeyOf<T>;
      const T* const from = reinterpret_cast<const T*>(c.operands[0].data);
      auto* const to = reinterpret_cast<std::int64_t*>(c.results[0].data);
      auto* const workspace = reinterpret_cast<E*>(c.workspace);
      const Key flipped = lines.is_descending ? static_cast<Key>(~Key{0}) : Key{0};
      for_each_line(c, lines, [&](std::int64_t line, int slot, const Runtime*) {
        const T* const x = from + line * lines.size;
        E* const best = workspace + 2 * slot * lines.size;
        const std::int64_t room = std::min(2 * k, lines.size);
        std::int64_t count = 0;
        Key worst = static_cast<Key>(~Key{0});
        bool is_full = false;
        for (std::int64_t i = 0; i < lines.size; ++i) {
          const Key key = key_of_place(x[i], flipped);
          if (is_full && key >= worst) continue;
          best[count++] = {key, static_cast<decltype(E::position)>(i)};
          if (count < room) continue;
          std::nth_element(best, best + k - 1, best + count);
          count = k;
          worst = best[k - 1].key;
          is_full = true;
        }
        std::nth_element(best, best + k - 1, best + count);
        std::int64_t* const y = to + line * k;
        sort_line<E>(
            nullptr, k, [best](long i) { return best[i]; },
            [y](long i, const E& e) { y[i] = static_cast<std::int64_t>(e.position); },
            best + lines.size, best);
      });
    });
  });
}

/// How many elements are before `v`: by halving, without branches.
template <class T> std::int64_t place_among(const T* sorted, std::int64_t n, T v, bool is_behind) {
  const T* first = sorted;
  const auto is_before = [](T a, T b) {
    if constexpr (std::is_floating_point_v<T>)
      return a < b || (b != b && a == a);
    else
      return a < b;
  };
  while (n > 0) {
    const std::int64_t half = n / 2;
    const bool is_further = is_behind ? !is_before(v, first[half]) : is_before(first[half], v);
    first = is_further ? first + half + 1 : first;
    n = is_further ? n - half - 1 : half;
  }
  return first - sorted;
}

void search(CpuCall& c) {
  constexpr long grain = 1024;
  const std::int64_t lines = c.numbers[0], n = c.numbers[1], each = c.numbers[2];
  const bool is_behind = c.numbers[3] != 0;
  support::visit_dtype(c.operands[0].dtype, [&]<class T>(std::type_identity<T>) {
    const T* const sorted = reinterpret_cast<const T*>(c.operands[0].data);
    const T* const values = reinterpret_cast<const T*>(c.operands[1].data);
    auto* const to = reinterpret_cast<std::int64_t*>(c.results[0].data);
    radix::parallel(c.runtime, lines * each, grain, [&](long begin, long end, int) {
      for (long i = begin; i < end; ++i)
        to[i] = place_among(sorted + i / each * n, n, values[i], is_behind);
    });
  });
}

constexpr CpuFunction functions[] = {{&ops::sort, workspace_of_sort, sort},
                                     {&ops::argsort, workspace_of_positions, argsort},
                                     {&ops::argtopk, workspace_of_positions, argtopk},
                                     {&ops::search_sorted, nullptr, search}};

} // namespace

std::span<const CpuFunction> sorting_functions() { return functions; }

} // namespace kroton::jit
