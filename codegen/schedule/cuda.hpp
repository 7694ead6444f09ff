#pragma once
/// How a kernel runs on a CUDA device, decided before any text is written.
///
///   const CudaSchedule s = schedule_for_cuda(kernel);
///   s.to_string()          // "each row by 32 threads with 8 elements each in registers; …"
///   render_cuda(kernel, s) // codegen/cuda/cuda.hpp spells it, and decides nothing
///
/// How sums are split follows from sizes alone: neither from the device, nor from which sizes are
/// known.
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "codegen/schedule/facts.hpp"

namespace kroton::codegen {

/// No loop: the finish is all there is.
struct CudaScalars {};

/// One array as a loop over elements sees it: neighbours of a thread are read or written at once.
struct CudaWindow {
  plan::Access access;
  bool is_read = false, is_written = false;
  bool is_only_place = false; ///< the loop uses no other element of the parameter at a time
};

/// Each thread has elements of its own.
struct CudaElements {
  static constexpr int threads = 256; ///< of a block
  int width = 1;                      ///< neighbours that a thread has at a time
  int turns = 1;                      ///< how often, one after the other
  std::vector<CudaWindow> windows = {};
  std::int64_t elements_of_block = 0;
  std::int64_t most_blocks = 0;          ///< > 0: and no more blocks than that
  int most_blocks_of_multiprocessor = 0; ///< > 0: and no more for each multiprocessor
};

/// What must be a multiple of a window's width, so that none reaches over the end of a row.
std::vector<Dim> multiples_of_windows(const plan::Kernel& kernel,
                                      std::span<const CudaWindow> windows);

/// A block moves squares through shared memory: what is read along another axis than it is
/// written.
struct CudaTiles {
  static constexpr int threads = 256, side = 32;
  int across = 0;               ///< the axis, with the last one, of the squares
  std::vector<int> turned = {}; ///< the loads along it
};

/// Folds over rows alone: a thread has neighbouring columns, a team of up to a warp has a row, a
/// block's teams and the blocks share the rows.
struct CudaColumns {
  static constexpr int threads = 256;
  static constexpr int columns = 4;         ///< of a thread
  static constexpr int tile = 32 * columns; ///< the most columns of a block
  /// Rows of a thread that are worth a block, and the blocks that the largest devices can use.
  static constexpr int fewest_rows = 8;
  static constexpr std::int64_t most_blocks = 2048;
  /// Rows that a thread has under way: where it reads its columns at once, and where it does not.
  static constexpr int rows_at_once = 4, slow_rows_at_once = 2;
  std::vector<int> windows = {};    ///< loads of neighbours
  bool reads_windows = false;       ///< at once, where `multiples` allow it
  std::vector<Dim> multiples = {};  ///< of `columns`, so that no window reaches over a row's end
  int blocks_of_multiprocessor = 0; ///< > 0: registers are left for so many
};

/// How many threads walk a row, and how many elements each has. What a thread has, and in which
/// order, follows from the number of threads alone.
struct CudaTeam {
  int threads = 32, elements = 8;
  int at_a_time = 0; ///< > 0: of those that are kept in shared memory
  bool fits = false; ///< as many lanes as the row's length asks for, and at most `threads`
  std::int64_t length() const { return std::int64_t{threads} * elements; }
  int block() const { return threads <= 32 ? 256 : threads; }

  bool operator==(const CudaTeam&) const = default;
};

/// What a row's threads keep of it from one stage to a later one.
struct CudaKept {
  plan::Access access;
  DType dtype = DType::f32;
  int first = 0, last = 0; ///< stages
  bool is_loaded = false;  ///< and not computed
  std::size_t array = 0;   ///< of shared memory
};

/// An array of shared memory, of what is kept in it up to a stage.
struct CudaSharedArray {
  DType dtype = DType::f32;
  int last = 0;
};

/// Rows, each walked by a team of threads: a part of a warp, a warp, or a block.
struct CudaRows {
  static constexpr std::int64_t unbounded = std::numeric_limits<std::int64_t>::max();
  /// The most blocks where each has memory of its own in scratch.
  static constexpr std::int64_t most_blocks = 512;

  /// One way to walk the rows, for rows of at most so many elements. Where there are several, the
  /// first that a row fits into is taken.
  struct Way {
    CudaTeam team;
    std::int64_t at_most = unbounded;
    bool keeps = false; ///< rows are kept in registers (and shared memory); else walked in memory
    int blocks_of_multiprocessor = 1; ///< registers are left for so many
  };
  std::vector<Way> ways = {};
  std::vector<CudaKept> kept = {};
  std::vector<CudaSharedArray> shared_arrays = {};
  bool is_shared = false; ///< a way keeps parts of rows in shared memory
  bool is_known = false;  ///< the length is, and registers hold a row: there is one way
};

/// What follows from the results of all rows.
enum class CudaFinish {
  none,
  last_block,        ///< scalars: the last block of the launch continues with them
  scalars,           ///< a launch of one block
  arrays,            ///< a launch of many blocks; scalars, if there are any, by one of them
  arrays_and_scalars ///< scalars after that in a launch of their own: they overwrite what others
                     ///< read
};

struct CudaSchedule {
  std::variant<CudaScalars, CudaElements, CudaTiles, CudaColumns, CudaRows> form;
  CudaFinish finish = CudaFinish::none;

  /// One line, for people.
  std::string to_string() const;
};

CudaSchedule schedule_for_cuda(const plan::Kernel& kernel);

} // namespace kroton::codegen
