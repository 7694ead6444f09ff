/// Scatter-adds on the CPU: zeros, to whose rows other rows are added, where positions say.
#include <algorithm>
#include <bit>
#include <cstring>
#include <type_traits>
#include <vector>

#include "jit/cpu/library.hpp"
#include "lib/ops/indexing.hpp"
#include "lib/support/flat_map.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton::jit {
namespace {

/// Up to so many rows are added to one row of f32 in f32: few digits are lost.
constexpr std::int64_t most_added_directly = 32;

/// Rows of `width` elements, `count` of them, added to those of `rows` that `row_of` tells.
struct Scatter {
  std::int64_t count, rows, width;

  explicit Scatter(std::span<const std::int64_t> numbers)
      : count(numbers[0]), rows(1), width(numbers[1]) {
    for (std::int64_t n : numbers.subspan(2)) rows *= n;
  }

  bool is_in_f64(DType dtype) const { return dtype == DType::f32 && count > most_added_directly; }
  /// Whether so many are added that each row has sums in f64.
  bool are_all_rows_in_f64() const { return rows * most_added_directly / 2 <= count; }
  /// Of rows that are counted together.
  std::size_t counters() const { return std::bit_ceil(static_cast<std::size_t>(count)); }
  std::size_t workspace(DType dtype) const {
    if (!is_in_f64(dtype)) return 0;
    return are_all_rows_in_f64() ? static_cast<std::size_t>(rows * width) * sizeof(double)
                                 : counters();
  }

  template <class T, class RowOf> void add(T* to, const T* from, const RowOf& row_of) const {
    for (std::int64_t i = 0; i < count; ++i) add_row(to + row_of(i) * width, from + i * width);
  }

  /// Rows to which many are added have sums in f64 until all is added.
  template <class T, class RowOf>
  void add_in_f64(T* to, const T* from, const RowOf& row_of, std::byte* workspace) const {
    if (are_all_rows_in_f64()) {
      const auto n = static_cast<std::size_t>(rows * width);
      auto* const sums = reinterpret_cast<double*>(workspace);
      std::fill_n(sums, n, 0.0);
      for (std::int64_t i = 0; i < count; ++i) add_row(sums + row_of(i) * width, from + i * width);
      std::transform(sums, sums + n, to, [](double sum) { return static_cast<T>(sum); });
      return;
    }
    // How many are added to a row at most: rows that share a counter are taken together.
    auto* const added = reinterpret_cast<std::uint8_t*>(workspace);
    std::fill_n(added, counters(), std::uint8_t{0});
    const auto added_to = [&](std::int64_t row) -> std::uint8_t& {
      return added[static_cast<std::size_t>(row) & (counters() - 1)];
    };
    for (std::int64_t i = 0; i < count; ++i) {
      std::uint8_t& n = added_to(row_of(i));
      if (n <= most_added_directly) ++n;
    }
    support::FlatMap<std::int64_t, std::int64_t> places; // of the rows with sums in f64
    std::vector<double> sums;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t row = row_of(i);
      if (added_to(row) <= most_added_directly) {
        add_row(to + row * width, from + i * width);
        continue;
      }
      const auto place = places.emplace(row, static_cast<std::int64_t>(sums.size()));
      if (place.is_new) sums.resize(sums.size() + static_cast<std::size_t>(width));
      add_row(sums.data() + place.value, from + i * width);
    }
    places.for_each([&](std::int64_t row, std::int64_t place) {
      for (std::int64_t j = 0; j < width; ++j)
        to[row * width + j] = static_cast<T>(sums[static_cast<std::size_t>(place + j)]);
    });
  }

private:
  template <class S, class T> void add_row(S* to, const T* from) const {
    for (std::int64_t j = 0; j < width; ++j)
      to[j] = static_cast<S>(to[j] + static_cast<S>(from[j]));
  }
};

struct OutOfRange {
  ir::Failure failure;
};

std::size_t workspace(const CpuCall& c) { return Scatter(c.numbers).workspace(c.results[0].dtype); }

/// Operands: what is added, then the position arrays.
void run(CpuCall& c) {
  const CallArray& out = c.results[0];
  const Scatter scatter(c.numbers);
  std::vector<const std::int64_t*> positions;
  for (const CallArray& p : c.operands.subspan(1))
    positions.push_back(reinterpret_cast<const std::int64_t*>(p.data));
  const auto row_of = [&](std::int64_t i) {
    std::int64_t row = 0;
    for (std::size_t p = 0; p < positions.size(); ++p) {
      const std::int64_t n = out.shape[p], given = positions[p][i],
                         at = given < 0 ? given + n : given;
      if (at < 0 || at >= n) throw OutOfRange{{1, static_cast<std::int32_t>(p), given, n}};
      row = row * n + at;
    }
    return row;
  };
  try {
    support::visit_dtype(out.dtype, [&]<class T>(std::type_identity<T>) {
      T* to = reinterpret_cast<T*>(out.data);
      const T* from = reinterpret_cast<const T*>(c.operands[0].data);
      const std::int64_t numel = scatter.rows * scatter.width;
      if (numel > 0) std::memset(to, 0, static_cast<std::size_t>(numel) * sizeof(T));
      if (scatter.is_in_f64(out.dtype))
        scatter.add_in_f64(to, from, row_of, c.workspace);
      else
        scatter.add(to, from, row_of);
    });
  } catch (const OutOfRange& e) {
    c.failure = e.failure;
  }
}

constexpr CpuFunction functions[] = {{&ops::index_add, workspace, run}};

} // namespace

std::span<const CpuFunction> scatter_functions() { return functions; }

} // namespace kroton::jit
