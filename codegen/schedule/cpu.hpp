#pragma once
/// How a kernel runs on a CPU, decided before any text is written.
///
///   const CpuSchedule s = schedule_for_cpu(kernel, 64);
///   s.to_string();       // "16 lanes along axis 1, 4 vectors a turn; chunks of 65536 elements …"
///   render(kernel, s);   // codegen/cpp/render.hpp spells it, and decides nothing
///
/// What is decided of the order of sums follows from sizes alone, and is the same whether they are
/// known or not.
#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "codegen/schedule/lanes.hpp"
#include "codegen/schedule/pieces.hpp"

namespace kroton::codegen {

/// A fold that a loop makes in variables of its own, and joins to the result when it ends.
struct LoopFold {
  int reduction = 0;
  std::int64_t parts = 1; ///< partial results; elements are dealt out to them in turn

  bool operator==(const LoopFold&) const = default;
};

/// Elements along another axis that are folded into arrays at once, a vector of neighbours at a
/// time: each array is then read and written once for all of them. But where a row is some vectors
/// long and several rows share a page, in which the machine looks ahead, rows are walked one by
/// one.
struct AtOnce {
  int count = 1;
  /// Lengths of the last axis, from and to, with which rows are walked one by one.
  std::int64_t one_from = 0, one_to = 0;

  bool operator==(const AtOnce&) const = default;
};

/// A loop over the last axis, and what loops around it in a row do.
struct CpuLoop {
  int vectors = 1;          ///< that one turn of the loop takes
  std::int64_t stretch = 0; ///< > 0: it is walked in stretches of so many elements, after each of
                            ///< which partial results are joined to wider ones
  std::vector<LoopFold> folds;
  std::vector<int> runs; ///< random numbers that are drawn for a whole stretch at once
  /// More than one: the stage does nothing but fold along inner axes into arrays over those after
  /// them.
  AtOnce columns_at_once = {};
  /// > 0: sums along an axis into arrays over those after it have parts in f32, each of so many
  /// elements.
  std::int64_t column_stretch = 0;
  Pieces pieces; ///< if there are any, the loop is walked in them
};

/// Another text of a flat loop, for results larger than the caches: it stores past them.
struct Streaming {
  Lanes lanes;
  std::int64_t from = 0; ///< elements of the result
};

/// No loop: scalars alone.
struct ScalarForm {};

/// One loop over all elements.
struct FlatForm {
  CpuLoop loop;
  std::optional<Streaming> streaming;
};

/// A loop over rows, with loops inside.
struct RowForm {
  std::vector<CpuLoop> stages; ///< the innermost loop of each
  /// More than one: rows do nothing but fold into arrays.
  AtOnce rows_at_once = {};
  /// > 0: for so many rows at a time sums over rows have parts in f32, random numbers are drawn and
  /// deferred values are computed (Lanes::deferred).
  std::int64_t stretch = 0;
  std::vector<int> runs; ///< random numbers drawn for a stretch of rows, in stages' order
  std::vector<LoopFold> of_deferred; ///< folds of deferred values
};

/// How the iterations of the outer loop are shared among threads.
struct Chunks {
  std::int64_t elements = 1; ///< the fewest that are worth a chunk of their own
  /// > 0: The result depends on how rows are split: into chunks of so many elements at least, whose
  /// results are joined in their order, whether or not they are worth a thread each.
  std::int64_t ordered_elements = 0;
};

struct CpuSchedule {
  std::size_t axes = 0; ///< of the kernel
  Lanes lanes;
  std::variant<ScalarForm, FlatForm, RowForm> form;
  std::vector<int> rolled; ///< axes of known length whose loops the compiler may not write out
  Chunks chunks;

  /// One line, for people.
  std::string to_string() const;
};

/// The loops of a schedule's form.
std::vector<const CpuLoop*> loops_of(const CpuSchedule& schedule);

/// `vector_bytes` is the width of the target's registers.
CpuSchedule schedule_for_cpu(const plan::Kernel& kernel, int vector_bytes);

} // namespace kroton::codegen
