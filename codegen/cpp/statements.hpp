#pragma once
/// The statements of a kernel's loops, as C++ text: values, stores, folds, and the loops around
/// them, one element or one vector at a time.
///
///   class Renderer : Statements { … emit_stage(stage, 2) … };      // out() is what was written so
///   far
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "codegen/loop/writer.hpp"

namespace kroton::codegen {

class Statements : public Writer {
protected:
  Statements(const Kernel& kernel, Lanes lanes)
      : Writer(kernel, std::move(lanes), "rt"), k_(kernel) {}

  void emit_vector_stores(const Block& b, int axis, int indent);
  /// An operand as a vector, whether or not it differs from lane to lane.
  Text vector_operand(int id) const;
  void emit_start(int r, int indent);
  /// Opens a loop inside a row. Clang writes out loops of constant length before it looks for
  /// vectors: a softmax row of 40 then took it a second, and rows of 10 ran slower than in a loop.
  void open_loop(int axis, int indent);
  /// The loop `for (axis from begin to end)` around `body`, in stretches if `s` sums f32 in it.
  void emit_loop(const std::vector<Stage>& stages, int axis, const std::string& begin,
                 const std::string& end, bool is_short, int indent,
                 const std::function<void(int indent)>& body);
  /// Opens the loop `for (axis from begin to end)`; `folds` makes the number of the vector known.
  void open_vector_loop(int axis, int vectors, const std::string& begin, const std::string& end,
                        bool folds, int indent);
  /// As emit_loop, a vector at a time. `defines`: what the loop folds to is not named before.
  void emit_vector_loop(const std::vector<Stage>& stages, int axis, const std::string& begin,
                        const std::string& end, bool is_short, bool defines, int indent);
  void emit_stage(const Stage& s, int indent);
  /// Whether the rows of a matrix do nothing but fold into arrays, lane by lane.
  bool is_column_fold() const;
  /// Folds several rows at once, so that the arrays are read and written once for all of them.
  void emit_column_folds(const std::string& begin, const std::string& end, int indent);
  /// Saves what the ends of rows need of row `i0`.
  void emit_saves(int indent);
  /// The ends of the rows from i0_from to i0_to.
  void emit_row_ends(int indent);
  /// The random numbers that a stage draws many at a time.
  std::vector<int> runs_of(const Stage& s) const;
  /// Whether a stage's own loop draws none.
  bool draws_for_rows_only(const Stage& s) const;
  /// Defines an array, on cache lines of its own.
  void emit_array(DType dtype, const std::string& name, std::int64_t length, int indent);
  /// Draws those of the elements from `axis`_from to `axis`_to.
  void emit_run(int id, int axis, int indent);

private:
  /// Whether stretches of it are folded in a narrower variable first; elements of arrays are not.
  bool is_stretched_variable(int r) const;
  /// The array that elements are folded into one by one.
  const Access& folded_array(const Reduction& r) const;
  DType folded_dtype(const Reduction& r) const;
  /// The variables (or array elements) that a reduction folds into.
  std::string accumulator(int r) const;
  std::string best_so_far(int r) const;
  /// Whether a reduction is folded for each element of the loop, or once a row.
  bool folds_in_loop(int r) const;
  void fold_all(const Stage& s, int indent, bool inside_loop);
  /// Vectors that one turn of a loop takes: folds of little work would wait for each other.
  /// A constant length of less than a turn needs none.
  int vectors_a_turn(const std::vector<Stage>& stages, bool is_whole_axis) const;
  /// Whether the lanes of a vector along `axis` are folded into one number.
  bool folds_lanes(int r, int axis) const;
  /// The prelude's type that a loop folds `r` into.
  static std::string_view folder(const Reduction& r);
  static std::string lanes_name(int r);
  /// `longest`: the most elements that the loop is known to have.
  void emit_lanes_start(int r, int vectors, std::int64_t longest, int indent);
  void emit_lanes_fold(int r, int axis, int indent);
  /// An array's elements `so_far` with a vector folded into them, lane by lane.
  Text array_fold(int r, const std::string& so_far) const;
  /// Folds what a loop's lanes hold into the variable or array element of `r`; with `is_new` it is
  /// defined by it.
  void emit_lanes_end(int r, bool is_new, int indent);
  bool has_stretches(const Stage& s) const;

  const Kernel& k_;
};

} // namespace kroton::codegen
