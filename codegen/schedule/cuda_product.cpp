#include "codegen/schedule/cuda_product.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace kroton::codegen {
namespace dims = ir::dims;
namespace {

constexpr CudaTile large{128, 128, 8, 8, 8}, medium{64, 64, 16, 4, 4}, narrow{64, 16, 16, 4, 1},
    flat{16, 64, 16, 1, 4}, small{16, 16, 32, 1, 1};
/// From this many rows and columns on tiles are large; up to so many, narrow or flat; and up to so
/// many, each element is summed by a warp, or by the warps of a block. Where that makes up to so
/// many blocks, tiles are small, with an element a thread: each multiprocessor has a block or two
/// of them, and larger tiles would leave some without one while a block takes longer.
constexpr std::int64_t large_from = 1024, narrow_to = 16, thin_to = 2,
                       most_small_tiles = CudaProductSchedule::wanted_blocks;

/// a / b, rounded up.
Dim pieces(const Dim& a, std::int64_t b) {
  return dims::floor_div(dims::add(a, Dim(b - 1)), Dim(b));
}

class Decider {
public:
  explicit Decider(const plan::ContractionStep& step)
      : step_(step), m_(step.shape[step.shape.size() - 2]), n_(step.shape.back()),
        batches_(dims::product(std::span<const Dim>(step.shape.begin(), step.shape.end())
                                   .first(step.shape.size() - 2))) {}

  CudaProductSchedule run() {
    find_splits();
    find_ways();
    s_.puts_aside =
        step_.dtype == DType::f32 && !(step_.k.is_static() && step_.k.value() <= s_.most_of_tile);
    return std::move(s_);
  }

private:
  void find_splits() {
    if (step_.shape.size() > 2) return;
    // As splits_of has it.
    const Dim tiles = dims::mul(pieces(m_, s_.side), pieces(n_, s_.side));
    const Dim wanted = dims::floor_div(Dim(s_.wanted_blocks), dims::max(tiles, Dim(1)));
    const Dim most = pieces(step_.k, s_.fewest_k);
    if (most.is_static() && most.value() <= 1) return;
    s_.splits =
        dims::max(pieces(step_.k, s_.longest_part), dims::max(Dim(1), dims::min(wanted, most)));
  }

  CudaProductWay tiled_by(const CudaTile& t, const Dim& length, std::int64_t at_most) const {
    const Dim tiles = dims::mul(pieces(m_, t.m), pieces(n_, t.n));
    return {.kind = CudaProductWay::Kind::tiles,
            .tile = t,
            .threads = t.threads(),
            .units = dims::mul(batches_, dims::mul(tiles, s_.splits)),
            .selector = length,
            .selector_limit = at_most};
  }
  /// The shorter side of c, or the one that is known not to be for large tiles.
  Dim shorter_side() const {
    for (const Dim& d : {m_, n_})
      if (d.is_static() && d.value() < large_from) return d;
    return dims::min(m_, n_);
  }
  Dim small_tiles(const Dim& rows, const Dim& columns) const {
    return dims::mul(batches_, dims::mul(pieces(rows, small.m), pieces(columns, small.n)));
  }
  /// Whether c of so short a side has small tiles, however long that is.
  bool is_small_up_to(std::int64_t shorter, const Dim& longer) const {
    const Dim most = small_tiles(Dim(shorter), longer);
    return most.is_static() && most.value() <= most_small_tiles;
  }
  /// Those that sizes, as far as they are known, leave.
  void find_ways() {
    const Dim rows = dims::mul(batches_, m_);
    const std::array all{
        CudaProductWay{.kind = CudaProductWay::Kind::dots,
                       .units = dims::mul(dims::mul(rows, n_), s_.splits),
                       .units_per_block = 8,
                       .selector = n_,
                       .selector_limit = thin_to},
        CudaProductWay{.kind = CudaProductWay::Kind::rows,
                       .units = dims::mul(dims::mul(rows, pieces(n_, 32)), s_.splits),
                       .selector = m_,
                       .selector_limit = thin_to},
        tiled_by(small, small_tiles(m_, n_), most_small_tiles),
        tiled_by(flat, m_, narrow_to),
        tiled_by(narrow, n_, narrow_to),
        tiled_by(medium, shorter_side(), large_from - 1),
        tiled_by(large, Dim(0), 0),
    };
    for (const CudaProductWay& way : all) {
      if (way.selector.is_static() && way.selector.value() > way.selector_limit) continue;
      if ((way.tile == flat && is_small_up_to(narrow_to, n_)) ||
          (way.tile == narrow && is_small_up_to(narrow_to, m_)))
        continue;
      s_.ways.push_back(way);
      if (way.selector.is_static()) break;
    }
  }

  const plan::ContractionStep& step_;
  const Dim m_, n_, batches_;
  CudaProductSchedule s_;
};

} // namespace

std::string CudaProductWay::to_string() const {
  std::string text;
  switch (kind) {
  case Kind::dots:
    text = "an element of c a warp";
    break;
  case Kind::rows:
    text = "32 neighbours in a row of c a block of 256 threads";
    break;
  case Kind::tiles:
    text = fmt::format(
        "a tile of {} x {} a block of {} threads, {} x {} elements a thread, {} terms at "
        "a time",
        tile.m, tile.n, threads, tile.thread_m, tile.thread_n, tile.k);
    break;
  }
  return selector.is_static()
             ? text
             : fmt::format("{}, if {} <= {}", text, selector.to_string(), selector_limit);
}

CudaProductSchedule schedule_for_cuda(const plan::ContractionStep& step) {
  return Decider(step).run();
}

} // namespace kroton::codegen
