#pragma once
/// The statements of a kernel's loops, as C++ text: values, stores, folds, and the loops around
/// them, one element or one vector at a time.
///
///   class Renderer : Statements { … emit_stage(stage, 2) … };   // take() is what was written
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "codegen/loop/writer.hpp"
#include "codegen/schedule/cpu.hpp"

namespace kroton::codegen {

class Statements : public Writer {
protected:
  Statements(const Kernel& kernel, CpuSchedule schedule)
      : Writer(kernel, schedule.lanes, "rt"), k_(kernel), schedule_(std::move(schedule)) {}

  const CpuSchedule& schedule() const { return schedule_; }
  void emit_vector_stores(const Block& b, int axis, int indent);
  /// An operand as a vector, whether or not it differs from lane to lane.
  Text vector_operand(int id) const;
  void emit_start(int r, int indent);
  /// Opens a loop inside a row. Clang writes out loops of constant length before it looks for
  /// vectors: a softmax row of 40 then took it a second, and rows of 10 ran slower than in a loop.
  void open_loop(int axis, int indent);
  /// The loop `for (axis from begin to end)` around `body`, which folds in the loop's variables.
  void emit_loop(const CpuLoop& loop, int axis, const std::string& begin, const std::string& end,
                 int indent, const std::function<void(int indent)>& body);
  /// Opens the loop `for (axis from begin to end)`; `folds` makes the number of the vector known.
  void open_vector_loop(int axis, int vectors, const std::string& begin, const std::string& end,
                        bool folds, int indent);
  /// As emit_loop, a vector at a time. `defines`: what the loop folds to is not named before.
  void emit_vector_loop(const std::vector<Stage>& stages, const CpuLoop& loop, int axis,
                        const std::string& begin, const std::string& end, bool defines, int indent);
  /// The parameters of a function of a loop's piece that follow its arrays and sizes; `*this`
  /// writes the piece's body.
  std::string piece_parameters(const Piece& piece) const;
  /// What the function of a piece does; `*this` writes its body.
  void emit_piece_loop(bool folds);
  static std::string piece_name(const Piece& piece) {
    return fmt::format("piece{}", piece.function);
  }
  /// `loop` is the stage's innermost loop; of flat kernels, which have none, it says nothing.
  void emit_stage(const Stage& s, const CpuLoop& loop, int indent);
  /// Folds several rows at once, so that the arrays are read and written once for all of them.
  void emit_column_folds(const AtOnce& rows_at_once, const std::string& begin,
                         const std::string& end, int indent);
  /// Begins the sums of a block (Reduction::block_sum).
  void emit_block_starts(const std::vector<int>& reductions, int indent);
  /// Adds the sums of a block to the arrays.
  void emit_block_ends(const std::vector<int>& reductions, int indent);
  /// Opens the branch for lengths of the last axis with which rows are walked one by one, if they
  /// decide.
  bool open_one_by_one(const AtOnce& at_once, int indent);
  /// Saves what the ends of rows need of row `i0`.
  void emit_saves(int indent);
  /// The ends of the rows from i0_from to i0_to, and their folds.
  void emit_row_ends(const std::vector<LoopFold>& folds, int indent);
  /// Defines an array, on cache lines of its own.
  void emit_array(DType dtype, const std::string& name, std::int64_t length, int indent);
  /// Draws those of the elements from `axis`_from to `axis`_to.
  void emit_run(int id, int axis, int indent);

private:
  /// What a stage does for one element.
  void emit_elements(const Stage& s, int indent);
  /// The loops over a stage's inner axes from `axis` on.
  void emit_inner_loops(const Stage& s, const CpuLoop& loop, int axis, bool is_only_loop,
                        int indent);
  /// Folds `loop.columns_at_once` elements along `axis` at once, into arrays over the axes after
  /// it.
  void emit_inner_columns(const Stage& s, const AtOnce& at_once, int axis, const std::string& begin,
                          const std::string& end, int indent);
  /// Opens a loop along `axis` that takes several elements a turn.
  void open_at_once(const AtOnce& at_once, int axis, const std::string& begin,
                    const std::string& end, int indent);
  /// The body of a loop over columns, of which the elements from `begin` to `end` along `axis` are
  /// folded into arrays, a vector of columns at a time.
  void emit_columns(const Stage& s, int axis, const std::string& begin, const std::string& end,
                    int indent);
  /// For each element that a reduction keeps, what `text` says.
  void for_kept(int r, int indent, const std::function<std::string(const Reduction&)>& text);
  /// Stores what a reduction has in an array that is not its result's memory.
  void emit_result(int r, int indent);
  /// Opens the loop over the stretches of a loop; gives the depth inside it.
  int open_stretches(std::int64_t stretch, int axis, const std::string& begin,
                     const std::string& end, int indent);
  /// What one turn of a vector loop does for a stage.
  void emit_vector_body(const Stage& s, int axis, int indent);
  /// The loop over blocks that calls the pieces of `for (axis from begin to end)`.
  void emit_calls(const Pieces& pieces, int axis, const std::string& begin, const std::string& end,
                  int indent);
  /// `temporaries` are what the arrays of a block are called.
  std::string call_arguments(const Piece& piece, const std::vector<std::string>& temporaries) const;
  /// The array that elements are folded into one by one.
  const Access& folded_array(const Reduction& r) const;
  DType folded_dtype(const Reduction& r) const;
  /// The variables (or array elements) that a reduction folds into.
  std::string accumulator(int r) const;
  std::string best_so_far(int r) const;
  void fold_all(const Stage& s, int indent, bool inside_loop);
  /// The prelude's type that a loop folds `r` into.
  static std::string_view folder(const Reduction& r);
  static std::string lanes_name(int r);
  void emit_lanes_start(const LoopFold& fold, int indent);
  void emit_lanes_fold(int r, int axis, int indent);
  /// An array's elements `so_far` with a vector folded into them, lane by lane.
  Text array_fold(int r, const std::string& so_far) const;
  /// Folds what a loop's lanes hold into the variable or array element of `r`; with `is_new` it is
  /// defined by it.
  void emit_lanes_end(int r, bool is_new, int indent);

  const Kernel& k_;
  const CpuSchedule schedule_;
};

} // namespace kroton::codegen
