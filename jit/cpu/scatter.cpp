/// Scatters on the CPU: rows are added to those rows of an array that positions say, or put there.
///
/// Each row of the result is written by one thread, in the order of the positions, so threads
/// change no bit of it: they share the rows, and each looks through all positions for its own.
#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <type_traits>
#include <vector>

#include "jit/cpu/each_level.hpp"
#include "jit/cpu/library.hpp"
#include "lib/ops/indexing.hpp"
#include "lib/ops/put.hpp"
#include "lib/support/flat_map.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton::jit {
namespace {

/// Up to so many rows are added to one row of f32 in f32: few digits are lost.
constexpr std::int64_t most_added_directly = 32;
/// So many positions are made rows of at a time.
constexpr std::int64_t block = 1024;
/// Threads share the work if each gets so many additions.
constexpr std::int64_t work_of_thread = std::int64_t{1} << 15;
/// To find its own among rows that are in the caches costs a thread about as much as to add so many
/// elements; adding to others waits for memory.
constexpr std::int64_t narrow = 4, cached_bytes = std::int64_t{1} << 21;

/// What elements of a T are added up in where digits may be lost otherwise.
template <class T> using Wide = std::conditional_t<std::is_same_v<T, float>, double, T>;

/// Runs `f(begin, end)` for parts of [0, n), on several threads if there is work for them.
template <class F> void share(const CpuCall& c, std::int64_t n, std::int64_t grain, const F& f) {
  const auto body = [](void* given, long begin, long end, int) {
    (*static_cast<const F*>(given))(begin, end);
  };
  c.runtime->parallel_for(c.runtime, n, grain, body, const_cast<F*>(&f));
}

/// Makes rows of positions on the next axis of `size` elements: negative if one is outside it.
template <bool is_first, class P, class Row>
KROTON_INLINED Row add_axis_of(const P* given, std::int64_t count, Row size, Row* rows) {
  using Unsigned = std::make_unsigned_t<Row>; // what is outside may be far outside
  const auto n = static_cast<Unsigned>(size);
  Row outside = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const auto p = static_cast<Row>(given[i]);
    const Row at = static_cast<Row>(static_cast<Unsigned>(p) + (p < 0 ? n : 0));
    outside |= at | static_cast<Row>(n - 1 - static_cast<Unsigned>(at));
    rows[i] =
        is_first ? at
                 : static_cast<Row>(static_cast<Unsigned>(rows[i]) * n + static_cast<Unsigned>(at));
  }
  return outside;
}
KROTON_EACH_LEVEL std::int32_t add_first_axis(const std::int32_t* given, std::int64_t count,
                                              std::int32_t size, std::int32_t* rows) {
  return add_axis_of<true>(given, count, size, rows);
}
KROTON_EACH_LEVEL std::int64_t add_first_axis(const std::int64_t* given, std::int64_t count,
                                              std::int64_t size, std::int64_t* rows) {
  return add_axis_of<true>(given, count, size, rows);
}
template <class P, class Row>
Row add_first_axis(const P* given, std::int64_t count, Row size, Row* rows) {
  return add_axis_of<true>(given, count, size, rows);
}

/// Copies positions; whether all are in front of `size`, and none is counted from the end.
template <class P>
KROTON_INLINED bool copy_rows_of(const P* given, std::int64_t count, P size, P* rows) {
  using Unsigned = std::make_unsigned_t<P>;
  Unsigned most = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    const P p = given[i];
    most = std::max(most, static_cast<Unsigned>(p));
    rows[i] = p;
  }
  return count == 0 || most < static_cast<Unsigned>(size);
}
KROTON_EACH_LEVEL bool copy_rows(const std::int32_t* given, std::int64_t count, std::int32_t size,
                                 std::int32_t* rows) {
  return copy_rows_of(given, count, size, rows);
}
KROTON_EACH_LEVEL bool copy_rows(const std::int64_t* given, std::int64_t count, std::int64_t size,
                                 std::int64_t* rows) {
  return copy_rows_of(given, count, size, rows);
}

/// The rows that sets of positions stand for.
class Positions {
public:
  /// Of arrays of positions, each for an axis of that size.
  Positions(std::span<const CallArray> arrays, std::span<const std::int64_t> sizes)
      : arrays_(arrays), sizes_(sizes) {}

  /// Rows of the positions from `first` on, `count` of them, at most a block. False if one is
  /// outside its axis. They are copied, so that nobody who changes positions during a call makes
  /// memory outside the array be written.
  template <class Row> bool find(std::int64_t first, std::int64_t count, Row* rows) const {
    if (arrays_.size() == 1 && arrays_[0].dtype == dtype_of<Row> &&
        copy_rows(reinterpret_cast<const Row*>(arrays_[0].data) + first, count,
                  static_cast<Row>(sizes_[0]), rows))
      return true;   // as almost always
    Row outside = 0; // negative if one is
    for (std::size_t k = 0; k < arrays_.size(); ++k)
      support::visit_dtype(arrays_[k].dtype, [&]<class P>(std::type_identity<P>) {
        if constexpr (std::is_integral_v<P> && !std::is_same_v<P, bool>)
          outside |= add_axis(k, reinterpret_cast<const P*>(arrays_[k].data) + first, count,
                              static_cast<Row>(sizes_[k]), rows);
      });
    return outside >= 0;
  }

  /// The first of these positions that is outside its axis.
  ir::Failure failure(std::int64_t first, std::int64_t count) const {
    for (std::int64_t i = first; i < first + count; ++i)
      for (std::size_t k = 0; k < arrays_.size(); ++k) {
        const std::int64_t n = sizes_[k], at = position(k, i);
        if (at < -n || at >= n) return {1, static_cast<std::int32_t>(k), at, n};
      }
    return {};
  }

  /// Whether 32 bits hold all rows and positions.
  bool are_short(std::int64_t rows) const {
    const auto is_short = [](const CallArray& a) {
      return item_size(a.dtype) < 4 || a.dtype == DType::i32;
    };
    return rows <= std::numeric_limits<std::int32_t>::max() &&
           std::ranges::all_of(arrays_, is_short);
  }

private:
  template <class P, class Row>
  static Row add_axis(std::size_t k, const P* given, std::int64_t count, Row size, Row* rows) {
    return k == 0 ? add_first_axis(given, count, size, rows)
                  : add_axis_of<false>(given, count, size, rows);
  }

  std::int64_t position(std::size_t k, std::int64_t i) const {
    return support::visit_dtype(arrays_[k].dtype, [&]<class P>(std::type_identity<P>) {
      return static_cast<std::int64_t>(reinterpret_cast<const P*>(arrays_[k].data)[i]);
    });
  }

  std::span<const CallArray> arrays_;
  std::span<const std::int64_t> sizes_;
};

struct OutOfRange {
  ir::Failure failure;
};

/// Which positions the rows of a block are of.
struct Which {
  std::int64_t begin;
  const std::int32_t* own; ///< counted from `begin`; null: one after the other
  std::int64_t operator()(std::int64_t i) const { return begin + (own ? own[i] : i); }
};

/// Rows of `width` elements, `count` of them, added to those of `rows` that positions tell.
struct Scatter {
  std::int64_t count, rows, width;
  Positions positions;

  Scatter(std::span<const std::int64_t> numbers, std::span<const CallArray> arrays)
      : count(numbers[0]), rows(1), width(numbers[1]), positions(arrays, numbers.subspan(2)) {
    for (std::int64_t n : numbers.subspan(2)) rows *= n;
  }

  std::size_t numel() const { return static_cast<std::size_t>(rows * width); }
  /// Whether so many are added that each row may have sums of its own.
  bool are_many() const { return rows <= count; }
  /// Of rows that are counted together.
  std::size_t counters() const { return std::bit_ceil(static_cast<std::size_t>(count)); }

  /// Calls `f(row, i)` for each position `i` whose row is in [first, last). Throws OutOfRange.
  template <class F> void for_each(std::int64_t first, std::int64_t last, const F& f) const {
    for_blocks(first, last, 0, count, [&f](const auto* found, std::int64_t n, const Which& which) {
      for (std::int64_t i = 0; i < n; ++i) f(static_cast<std::int64_t>(found[i]), which(i));
    });
  }

  /// Calls `f(rows, n, which)` for blocks of the positions from `begin` to `end` whose rows are in
  /// [first, last): n of them, `which(i)` being the position of rows[i].
  template <class F>
  void for_blocks(std::int64_t first, std::int64_t last, std::int64_t begin, std::int64_t end,
                  const F& f) const {
    if (positions.are_short(rows))
      for_blocks_as<std::int32_t>(first, last, begin, end, f);
    else
      for_blocks_as<std::int64_t>(first, last, begin, end, f);
  }

  /// Of how many parts of the positions, each with a table of its own, sums are made that few rows
  /// of few elements have: what threads share where rows are no work to share. It depends on sizes
  /// alone, as the order of the sums does.
  std::int64_t parts(std::size_t item) const {
    constexpr std::int64_t most = 8;
    if (width >= narrow || width < 1 || count * width < 2 * work_of_thread ||
        numel() * item > static_cast<std::size_t>(cached_bytes))
      return 1;
    const std::int64_t wanted = std::min(most, count / (4 * std::max<std::int64_t>(rows, 1)));
    return wanted < 2
               ? 1
               : static_cast<std::int64_t>(std::bit_floor(static_cast<std::uint64_t>(wanted)));
  }

  /// Calls `f(first, last)` for parts of the rows, on several threads if that is faster.
  template <class F> void share_rows(const CpuCall& c, std::size_t item, const F& f) const {
    const std::int64_t work = count * std::max<std::int64_t>(width, 1);
    const bool is_shared =
        work >= 2 * work_of_thread &&
        (width >= narrow || numel() * item > static_cast<std::size_t>(cached_bytes));
    if (!is_shared) return f(std::int64_t{0}, rows);
    std::int64_t failed = 0; // the first part that did
    ir::Failure failure;
    const auto parts = [&](std::int64_t begin, std::int64_t end) {
      try {
        f(begin, end);
      } catch (const OutOfRange& e) {
        // All threads that look through all positions find the same.
        if (std::atomic_ref(failed).exchange(1) == 0) failure = e.failure;
      }
    };
    share(c, rows, std::max<std::int64_t>(1, rows * work_of_thread / work), parts);
    if (failed != 0) throw OutOfRange{failure};
  }

private:
  template <class Row, class F>
  void for_blocks_as(std::int64_t first, std::int64_t last, std::int64_t from, std::int64_t end,
                     const F& f) const {
    Row found[block];
    std::int32_t own[block];
    const bool are_all = first == 0 && last == rows;
    for (std::int64_t begin = from; begin < end; begin += block) {
      const std::int64_t n = std::min(block, end - begin);
      if (!positions.find(begin, n, found)) throw OutOfRange{positions.failure(begin, n)};
      if (are_all) {
        f(found, n, Which{begin, nullptr});
        continue;
      }
      std::int64_t owned = 0;
      for (std::int64_t i = 0; i < n; ++i) {
        const Row row = found[i];
        own[owned] = static_cast<std::int32_t>(i);
        found[owned] = row;
        owned += row >= first && row < last;
      }
      f(found, owned, Which{begin, own});
    }
  }
};

/// Of integers, what is left of it after wrapping.
template <class S> S sum_of(S a, S b) {
  if constexpr (std::is_integral_v<S>)
    return static_cast<S>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  else
    return a + b;
}
template <class S> S product_of(S a, S b) {
  if constexpr (std::is_integral_v<S>)
    return static_cast<S>(static_cast<std::uint64_t>(a) * static_cast<std::uint64_t>(b));
  else
    return a * b;
}

template <class S, class T>
KROTON_INLINED void add_row(S* __restrict to, const T* __restrict from, std::int64_t width) {
  for (std::int64_t j = 0; j < width; ++j) to[j] = sum_of<S>(to[j], static_cast<S>(from[j]));
}

/// Asks for the first lines of a row that is soon written.
template <class S> KROTON_INLINED void fetch(const S* row, std::int64_t width) {
  constexpr std::int64_t line = 64 / sizeof(S), most = 8 * line;
  for (std::int64_t j = 0; j < std::min(width, most); j += line)
    __builtin_prefetch(row + j, /*for writing*/ 1);
}
/// So many rows before they are.
constexpr std::int64_t ahead = 4;

/// Adds rows to those of `sums` that `rows` says, n of them.
template <class S, class T, class Row>
KROTON_INLINED void add_block_of(S* __restrict sums, const T* __restrict from, std::int64_t width,
                                 const Row* rows, std::int64_t n, const Which& which) {
  from += which.begin * width;
  if (width == 1 && which.own == nullptr) {
    for (std::int64_t i = 0; i < n; ++i)
      sums[rows[i]] = sum_of<S>(sums[rows[i]], static_cast<S>(from[i]));
    return;
  }
  for (std::int64_t i = 0; i < n; ++i) {
    if (i + ahead < n) fetch(sums + rows[i + ahead] * width, width);
    const std::int64_t at = which.own == nullptr ? i : which.own[i];
    add_row(sums + rows[i] * width, from + at * width, width);
  }
}
template <class S, class T, class Row>
void add_block(S* sums, const T* from, std::int64_t width, const Row* rows, std::int64_t n,
               const Which& which) {
  add_block_of(sums, from, width, rows, n, which);
}
#define KROTON_ADD_BLOCK(S, T, Row)                                                                \
  KROTON_EACH_LEVEL void add_block(S* sums, const T* from, std::int64_t width, const Row* rows,    \
                                   std::int64_t n, const Which& which) {                           \
    add_block_of(sums, from, width, rows, n, which);                                               \
  }
KROTON_ADD_BLOCK(double, float, std::int32_t)
KROTON_ADD_BLOCK(double, float, std::int64_t)
KROTON_ADD_BLOCK(double, double, std::int32_t)
KROTON_ADD_BLOCK(double, double, std::int64_t)
#undef KROTON_ADD_BLOCK

// ---- index_add

/// Adds the rows of positions from `begin` to `end` where they belong, to sums that begin with
/// zeros.
template <class S, class T>
void add_rows(const Scatter& s, S* sums, const T* from, std::int64_t first, std::int64_t last,
              std::int64_t begin, std::int64_t end) {
  s.for_blocks(first, last, begin, end, [&](const auto* rows, std::int64_t n, const Which& which) {
    add_block(sums, from, s.width, rows, n, which);
  });
}

/// Sums of each part of the positions, then of the parts, in their order. Those of the first part
/// are where the result will be, unless it has another type.
template <class S, class T, class Out>
void add_parts(const CpuCall& c, const Scatter& s, S* sums, const T* from, Out* to) {
  const std::int64_t parts = s.parts(sizeof(S)), numel = s.rows * s.width;
  const auto table = [&](std::int64_t k) -> S* {
    if constexpr (std::is_same_v<S, Out>)
      return k == 0 ? to : sums + (k - 1) * numel;
    else
      return sums + k * numel;
  };
  std::int64_t failed = parts; // the first part that did
  std::vector<ir::Failure> failures(static_cast<std::size_t>(parts));
  share(c, parts, 1, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = begin; k < end; ++k) {
      S* const own = table(k);
      std::fill_n(own, numel, S{0});
      try {
        add_rows(s, own, from, 0, s.rows, s.count * k / parts, s.count * (k + 1) / parts);
      } catch (const OutOfRange& e) {
        failures[static_cast<std::size_t>(k)] = e.failure;
      }
    }
  });
  for (std::int64_t k = parts; k-- > 0;)
    if (failures[static_cast<std::size_t>(k)].kind != 0) failed = k;
  if (failed != parts) throw OutOfRange{failures[static_cast<std::size_t>(failed)]};
  share(c, numel, work_of_thread / parts, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t k = 1; k < parts; ++k)
      add_row(table(0) + begin, table(k) + begin, end - begin);
    if constexpr (!std::is_same_v<S, Out>)
      std::transform(sums + begin, sums + end, to + begin,
                     [](S sum) { return static_cast<Out>(sum); });
  });
}

/// Of few rows for many: only those to which many are added have sums in f64.
void add_few_in_f64(const CpuCall& c, const Scatter& s, float* to, const float* from) {
  // How many are added to a row at most: rows that share a counter are taken together.
  auto* const added = reinterpret_cast<std::uint8_t*>(c.workspace);
  std::fill_n(added, s.counters(), std::uint8_t{0});
  const auto added_to = [&](std::int64_t row) -> std::uint8_t& {
    return added[static_cast<std::size_t>(row) & (s.counters() - 1)];
  };
  s.for_each(0, s.rows, [&](std::int64_t row, std::int64_t) {
    std::uint8_t& n = added_to(row);
    if (n <= most_added_directly) ++n;
  });
  s.share_rows(c, sizeof(float), [&](std::int64_t first, std::int64_t last) {
    support::FlatMap<std::int64_t, std::int64_t> places; // of the rows with sums in f64
    std::vector<double> sums;
    s.for_each(first, last, [&](std::int64_t row, std::int64_t i) {
      if (added_to(row) <= most_added_directly)
        return add_row(to + row * s.width, from + i * s.width, s.width);
      const auto place = places.emplace(row, static_cast<std::int64_t>(sums.size()));
      if (place.is_new) sums.resize(sums.size() + static_cast<std::size_t>(s.width));
      add_row(sums.data() + place.value, from + i * s.width, s.width);
    });
    places.for_each([&](std::int64_t row, std::int64_t place) {
      for (std::int64_t j = 0; j < s.width; ++j)
        to[row * s.width + j] = static_cast<float>(sums[static_cast<std::size_t>(place + j)]);
    });
  });
}

Scatter index_add_of(const CpuCall& c) { return {c.numbers, c.operands.subspan(1)}; }

bool is_in_f64(const Scatter& s, DType dtype) {
  return dtype == DType::f32 && s.count > most_added_directly;
}

std::size_t index_add_workspace(const CpuCall& c) {
  const Scatter s = index_add_of(c);
  const DType dtype = c.results[0].dtype;
  const bool is_wide = is_in_f64(s, dtype);
  const std::size_t item = is_wide ? sizeof(double) : item_size(dtype);
  const std::int64_t parts = s.parts(item);
  if (parts > 1) return static_cast<std::size_t>(parts) * s.numel() * item;
  if (!is_wide) return 0;
  return s.are_many() ? s.numel() * sizeof(double) : s.counters();
}

/// Operands: what is added, then the position arrays.
void index_add(CpuCall& c) {
  const Scatter s = index_add_of(c);
  const auto clear = [&](auto* to, std::int64_t first, std::int64_t last) {
    if (last > first && s.width > 0)
      std::memset(to + first * s.width, 0,
                  static_cast<std::size_t>((last - first) * s.width) * sizeof(*to));
  };
  try {
    support::visit_dtype(c.results[0].dtype, [&]<class T>(std::type_identity<T>) {
      T* const to = reinterpret_cast<T*>(c.results[0].data);
      const T* const from = reinterpret_cast<const T*>(c.operands[0].data);
      if (!is_in_f64(s, c.results[0].dtype)) {
        if (s.parts(sizeof(T)) > 1)
          return add_parts(c, s, reinterpret_cast<T*>(c.workspace), from, to);
        return s.share_rows(c, sizeof(T), [&](std::int64_t first, std::int64_t last) {
          clear(to, first, last);
          add_rows(s, to, from, first, last, 0, s.count);
        });
      }
      if constexpr (std::is_same_v<T, float>) {
        if (!s.are_many()) {
          share(c, s.rows, work_of_thread / (s.width + 1) + 1,
                [&](std::int64_t first, std::int64_t last) { clear(to, first, last); });
          return add_few_in_f64(c, s, to, from);
        }
        auto* const sums = reinterpret_cast<double*>(c.workspace);
        if (s.parts(sizeof(double)) > 1) return add_parts(c, s, sums, from, to);
        s.share_rows(c, sizeof(double), [&](std::int64_t first, std::int64_t last) {
          clear(sums, first, last);
          add_rows(s, sums, from, first, last, 0, s.count);
          std::transform(sums + first * s.width, sums + last * s.width, to + first * s.width,
                         [](double sum) { return static_cast<float>(sum); });
        });
      }
    });
  } catch (const OutOfRange& e) {
    c.failure = e.failure;
  }
}

// ---- index_add_to

/// A set of positions, for its row.
struct Place {
  std::int64_t row, from;
};

/// Adds scaled rows, each the only one of its row.
template <class T>
KROTON_INLINED void add_scaled_of(T* __restrict out, T scale, const T* __restrict added,
                                  std::int64_t width, const Place* places, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) {
    if (i + ahead < n) fetch(out + places[i + ahead].row * width, width);
    T* const to = out + places[i].row * width;
    const T* const from = added + places[i].from * width;
    for (std::int64_t j = 0; j < width; ++j)
      to[j] = sum_of<T>(to[j], product_of<T>(scale, from[j]));
  }
}
template <class T>
void add_scaled(T* out, T scale, const T* added, std::int64_t width, const Place* places,
                std::int64_t n) {
  add_scaled_of(out, scale, added, width, places, n);
}
KROTON_EACH_LEVEL void add_scaled(float* out, float scale, const float* added, std::int64_t width,
                                  const Place* places, std::int64_t n) {
  add_scaled_of(out, scale, added, width, places, n);
}
KROTON_EACH_LEVEL void add_scaled(double* out, double scale, const double* added,
                                  std::int64_t width, const Place* places, std::int64_t n) {
  add_scaled_of(out, scale, added, width, places, n);
}

Scatter index_add_to_of(const CpuCall& c) { return {c.numbers, c.operands.subspan(3)}; }

/// The bytes of sums for each row, which `many` have; then those of what tells which rows have any.
std::size_t bytes_of_sums(const Scatter& s, DType dtype) {
  const std::size_t item = dtype == DType::f32 ? sizeof(double) : item_size(dtype);
  return (s.numel() * item + 63) / 64 * 64;
}

/// Of rows that are told apart by some bits alone.
std::size_t marks_of(const Scatter& s) {
  return std::bit_ceil(8 * static_cast<std::size_t>(s.count) + 1);
}

std::size_t index_add_to_workspace(const CpuCall& c) {
  const Scatter s = index_add_to_of(c);
  if (s.are_many()) return bytes_of_sums(s, c.results[0].dtype) + static_cast<std::size_t>(s.rows);
  return 2 * static_cast<std::size_t>(s.count) * sizeof(Place) + marks_of(s);
}

template <class T> class AddTo {
public:
  AddTo(const CpuCall& c, const Scatter& s)
      : c_(c), s_(s), out_(reinterpret_cast<T*>(c.results[0].data)),
        from_(reinterpret_cast<const T*>(c.operands[2].data)),
        scale_(*reinterpret_cast<const T*>(c.operands[1].data)),
        nothing_(product_of<T>(scale_, T{0})) {}

  void run() const {
    if (s_.are_many())
      add_many();
    else
      add_few();
  }

private:
  using Sum = Wide<T>;

  /// What elements become to which nothing is added: what they are, unless the scale is not finite.
  void leave(std::int64_t first, std::int64_t last) const {
    if (nothing_ == nothing_) return;
    for (std::int64_t j = first * s_.width; j < last * s_.width; ++j)
      out_[j] = static_cast<T>(out_[j] + nothing_);
  }

  void put(std::int64_t row, std::int64_t j, Sum sum) const {
    T& to = out_[row * s_.width + j];
    to = static_cast<T>(
        sum_of<Sum>(static_cast<Sum>(to), product_of<Sum>(static_cast<Sum>(scale_), sum)));
  }

  /// Sums for all rows, and then each row's is added to the base's.
  void add_many() const {
    auto* const sums = reinterpret_cast<Sum*>(c_.workspace);
    auto* const has_any =
        reinterpret_cast<bool*>(c_.workspace) + bytes_of_sums(s_, c_.results[0].dtype);
    s_.share_rows(c_, sizeof(Sum), [&](std::int64_t first, std::int64_t last) {
      std::fill(sums + first * s_.width, sums + last * s_.width, Sum{0});
      std::fill(has_any + first, has_any + last, false);
      s_.for_each(first, last, [&](std::int64_t row, std::int64_t i) {
        has_any[row] = true;
        add_row(sums + row * s_.width, from_ + i * s_.width, s_.width);
      });
      for (std::int64_t row = first; row < last; ++row) {
        if (!has_any[row]) leave(row, row + 1);
        for (std::int64_t j = 0; has_any[row] && j < s_.width; ++j)
          put(row, j, sums[row * s_.width + j]);
      }
    });
  }

  /// What belongs to one row is brought together, in its order, and nothing is done for the others.
  void add_few() const {
    const auto [places, alone] = by_row();
    const auto is_first = [&](std::int64_t i) {
      const auto at = static_cast<std::size_t>(i);
      return i == 0 || i == s_.count || places[at].row != places[at - 1].row;
    };
    share(c_, s_.count, work_of_thread / (s_.width + 1) + 1,
          [&, places = places, alone = alone](std::int64_t begin, std::int64_t end) {
            if (begin < alone) {
              const std::int64_t last = std::min(end, alone);
              add_scaled(out_, scale_, from_, s_.width, places.data() + begin, last - begin);
              begin = last;
            }
            while (!is_first(begin)) ++begin;
            while (!is_first(end)) ++end;
            for (std::int64_t i = begin; i < end;) {
              std::int64_t next = i + 1;
              while (!is_first(next)) ++next;
              add_group(
                  places.subspan(static_cast<std::size_t>(i), static_cast<std::size_t>(next - i)));
              i = next;
            }
          });
    if (nothing_ == nothing_) return;
    std::vector<std::int64_t> rows;
    for (const Place& p : places) rows.push_back(p.row);
    std::ranges::sort(rows);
    std::int64_t next = 0;
    for (const std::int64_t row : rows) {
      leave(next, row);
      next = row + 1;
    }
    leave(next, s_.rows);
  }

  struct ByRow {
    std::span<const Place> places; ///< those of a row behind each other in their order
    std::int64_t alone;            ///< so many in front are each the only one of its row
  };
  ByRow by_row() const {
    const auto n = static_cast<std::size_t>(s_.count);
    auto* const all = reinterpret_cast<Place*>(c_.workspace);
    Place* const others = all + n; // rows that have several
    auto* const marks = reinterpret_cast<std::uint8_t*>(others + n);
    const auto mark_of = [&](std::int64_t row) -> std::uint8_t& {
      return marks[static_cast<std::size_t>(row) & (marks_of(s_) - 1)];
    };
    std::fill_n(marks, marks_of(s_), std::uint8_t{0});
    s_.for_each(0, s_.rows, [&](std::int64_t row, std::int64_t i) {
      all[i] = {row, i};
      std::uint8_t& mark = mark_of(row);
      mark = static_cast<std::uint8_t>((mark << 1 | 1) & 3); // 3: more than once
    });
    // Most rows have one, and keep their place; the others are sorted behind them.
    std::size_t kept = 0, left = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (mark_of(all[i].row) == 1)
        all[kept++] = all[i];
      else
        others[left++] = all[i];
    }
    std::sort(others, others + left, [](const Place& a, const Place& b) {
      return a.row != b.row ? a.row < b.row : a.from < b.from;
    });
    std::copy(others, others + left, all + kept);
    return {{all, n}, static_cast<std::int64_t>(kept)};
  }

  /// Adds what belongs to one row.
  void add_group(std::span<const Place> group) const {
    const std::int64_t row = group[0].row;
    if (group.size() == 1) return add_scaled(out_, scale_, from_, s_.width, group.data(), 1);
    constexpr std::int64_t at_once = 64;
    for (std::int64_t first = 0; first < s_.width; first += at_once) {
      const std::int64_t n = std::min(at_once, s_.width - first);
      Sum sums[at_once] = {};
      for (const Place& p : group) add_row(sums, from_ + p.from * s_.width + first, n);
      for (std::int64_t j = 0; j < n; ++j) put(row, first + j, sums[j]);
    }
  }

  const CpuCall& c_;
  const Scatter& s_;
  T* out_;
  const T* from_;
  T scale_, nothing_;
};

/// Operands: the base, whose place the result may take, the scale, what is added, and the position
/// arrays.
void index_add_to(CpuCall& c) {
  copy_unless_in_place(c);
  const Scatter s = index_add_to_of(c);
  try {
    support::visit_dtype(c.results[0].dtype, [&]<class T>(std::type_identity<T>) {
      if constexpr (!std::is_same_v<T, bool>) AddTo<T>(c, s).run();
    });
  } catch (const OutOfRange& e) {
    c.failure = e.failure;
  }
}

// ---- index_set and kin

enum class Put : std::uint8_t { set, multiply, maximum, minimum };

/// What an element becomes at which `v` is put; see lib/ops/put.cpp.
template <Put how, class T> T put(T at, T v) {
  if constexpr (how == Put::set) {
    return v;
  } else if constexpr (how == Put::multiply) {
    return product_of<T>(at, v);
  } else {
    constexpr bool is_largest = how == Put::maximum;
    if constexpr (std::is_floating_point_v<T>) {
      if (at != at || v != v) return at != at ? at : v;
      if (at == v) return std::signbit(at) == is_largest ? v : at;
    }
    return (is_largest ? v > at : v < at) ? v : at;
  }
}

/// Operands: the base, whose place the result may take, what is put, and the position arrays, which
/// are in range.
template <Put how> void index_put(CpuCall& c) {
  copy_unless_in_place(c);
  const Scatter s(c.numbers, c.operands.subspan(2));
  try {
    support::visit_dtype(c.results[0].dtype, [&]<class T>(std::type_identity<T>) {
      T* const to = reinterpret_cast<T*>(c.results[0].data);
      const T* const from = reinterpret_cast<const T*>(c.operands[1].data);
      if constexpr (how != Put::multiply || !std::is_same_v<T, bool>)
        s.share_rows(c, sizeof(T), [&](std::int64_t first, std::int64_t last) {
          s.for_each(first, last, [to, from, width = s.width](std::int64_t row, std::int64_t i) {
            T* const __restrict at = to + row * width;
            const T* const __restrict v = from + i * width;
            for (std::int64_t j = 0; j < width; ++j) at[j] = put<how, T>(at[j], v[j]);
          });
        });
    });
  } catch (const OutOfRange& e) {
    c.failure = e.failure;
  }
}

constexpr CpuFunction functions[] = {{&ops::index_add, index_add_workspace, index_add},
                                     {&ops::index_add_to, index_add_to_workspace, index_add_to},
                                     {&ops::index_set, nullptr, index_put<Put::set>},
                                     {&ops::index_max, nullptr, index_put<Put::maximum>},
                                     {&ops::index_min, nullptr, index_put<Put::minimum>},
                                     {&ops::index_mul, nullptr, index_put<Put::multiply>}};

} // namespace

std::span<const CpuFunction> scatter_functions() { return functions; }

} // namespace kroton::jit
