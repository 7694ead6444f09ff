#pragma once
/// How a matrix product runs on a CUDA device, decided before any text is written.
///
///   const CudaProductSchedule s = schedule_for_cuda(step);
///   for (const CudaProductWay& way : s.ways) …         // each is a text of its own
///   s.ways[0].to_string()         // "an element of c a warp, if n <= 2"
///
/// How sums are split follows from sizes alone: neither from the device, nor from which sizes are
/// known.
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "lib/plan/plan.hpp"

namespace kroton::codegen {

/// What a thread computes: thread_m × thread_n elements of a tile of m × n, from k columns of a at
/// a time.
struct CudaTile {
  int m, n, k, thread_m, thread_n;
  int threads() const { return m / thread_m * (n / thread_n); }

  bool operator==(const CudaTile&) const = default;
};

/// One way of computing a product. Of several the first is taken whose `selector` is
/// at most `selector_limit`.
struct CudaProductWay {
  enum class Kind {
    dots,  ///< an element of c a warp, whose lanes walk along k
    rows,  ///< 32 neighbours in a row of c a block, whose warps share k
    tiles, ///< a tile of c a block
  };
  Kind kind = Kind::tiles;
  CudaTile tile{};   ///< of `tiles`
  int threads = 256; ///< of a block
  Dim units{1};
  std::int64_t units_per_block = 1;
  Dim selector{0};
  std::int64_t selector_limit = 0;

  /// One line, for people.
  std::string to_string() const;
};

struct CudaProductSchedule {
  /// Squares of this side decide, whatever the tiles are, how often k is split: so that there are
  /// about `wanted_blocks` of them, each with at least `fewest_k` of it.
  static constexpr std::int64_t side = 64, wanted_blocks = 256, fewest_k = 128;
  /// A part of k is no longer than this, however many blocks there are; what parts of f32 come to
  /// is added in f64.
  static constexpr std::int64_t longest_part = 65536;
  /// A thread of a tile adds up so many products of f32 before it puts their sum aside; one that
  /// walks along k, before it adds their sum in f64.
  static constexpr std::int64_t most_of_tile = 1024, most_of_thread = 256;

  std::vector<CudaProductWay> ways;
  /// Into how many parts k is split; a launch more adds up what they come to if they are several.
  Dim splits{1};
  bool puts_aside = false; ///< threads of tiles may have more than `most_of_tile` products

  bool is_split() const { return !splits.is(1); }
};

CudaProductSchedule schedule_for_cuda(const plan::ContractionStep& step);

} // namespace kroton::codegen
