#pragma once
/// One kernel being written as CUDA C++: what all schedules share.
///
///   CudaKernel k(kernel);
///   k.open_entry("kernel", 256); … k.line(0, "}");
///   k.launches.push_back({.entry = "kernel", …});
///   return k.finished();
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "codegen/cuda/cuda.hpp"
#include "codegen/loop/writer.hpp"

namespace kroton::codegen {

class CudaKernel : public Writer {
public:
  /// `finish` says how what follows from all rows is computed.
  explicit CudaKernel(const Kernel& kernel, CudaFinish finish = CudaFinish::none);

  const Kernel& kernel() const { return k_; }
  /// The whole text, once everything is written.
  CudaText finished();
  std::vector<Launch> launches;

  bool has_outer() const;
  CudaFinish finish() const { return finish_; }
  /// Whether the entry finds out which block is the last: that one computes the finish.
  bool counts_blocks() const { return finish_ == CudaFinish::last_block; }
  int last_axis() const { return static_cast<int>(k_.axes.size()) - 1; }
  const Dim& axis(int a) const { return k_.axes[static_cast<std::size_t>(a)]; }
  /// The axes from `first` up to, but not including, `end`.
  static std::vector<int> axes_between(int first, int end);
  std::vector<int> row_axes() const { return axes_between(0, k_.rows); }
  std::vector<int> inner_axes() const { return axes_between(k_.rows, last_axis() + 1); }
  Dim count(const std::vector<int>& axes) const;
  /// The same as text: "n0 * 10".
  std::string count_text(const std::vector<int>& axes) const;
  /// Lines that make the positions on `axes` of the running number `from`, the last axis fastest.
  void emit_positions(const std::vector<int>& axes, const std::string& from, int indent);
  /// The same as statements of one line.
  std::string positions(const std::vector<int>& axes, std::string from) const;

  /// How many lanes the prelude's fitting_team has, up to 32, for rows of `length`.
  static Dim fitting_lanes(const Dim& length, int each);

  /// "global<const f32> a0, global<f32> y0, i64 n0".
  std::string parameters() const;
  std::string arguments() const;
  /// With `blocks`, the compiler leaves registers for so many of them on a multiprocessor.
  void open_entry(const std::string& name, int threads, int blocks = 0);

  bool is_position(int r) const { return reduction(r).op->gives_position(); }
  /// Types of the variable that a reduction folds into, and of that of the best value.
  std::string result_type(int r) const;
  std::string best_name(int r) const { return result_name(r) + "_best"; }
  std::string neutral(int r) const;
  /// Defines the variables that `r` folds into, or arrays of them.
  void emit_start(int r, const std::string& suffix, int indent);
  /// Folds the reduction's value into `so_far` and `best` where `mask` holds (always if empty).
  void emit_masked_fold(int r, const std::string& so_far, const std::string& best,
                        const std::string& mask, int indent);
  /// What two results of `r` that is no position come to.
  Text joined(int r, const Text& a, const Text& b) const;
  /// What folds two results of `r`: "[](f32 a, f32 b) { return maximum_f32(a, b); }".
  std::string combiner(int r) const;
  /// Lines that replace the result of `r`, in `so_far` and `best`, by what `fold` makes of it with
  /// a combiner: "Team::fold".
  void emit_combined(int r, const std::string& fold, const std::string& so_far,
                     const std::string& best, int indent);
  /// Whether the kernel writes what an access reads.
  bool is_written(const Access& a) const { return codegen::is_written(k_, a); }
  bool may_overwrite(const Block& stored, const Block& read) const {
    return codegen::may_overwrite(k_, stored, read);
  }

  /// From here on the element of an access is found at `place`.
  void set_place(const Access& a, std::string place) {
    places_.insert_or_assign(element(a), std::move(place));
  }
  void clear_places() {
    places_.clear();
    clear_overrides();
  }
  /// Values with their checks, and stores, each of them after `mask` ("if (m) ").
  void emit_block(const Block& b, int indent);
  void emit_block_stores(const Block& b, const std::string& mask, int indent);
  /// A value where what does not fulfil `mask` may be outside of arrays. Loads have names and
  /// stand before what depends on the mask, so that many of them can be under way at once.
  void emit_masked_value(int id, const std::string& mask, int indent);
  Text masked_load(int id, const std::string& mask) const;

  /// Scratch memory: for outer reductions, how many blocks there are and what each of them has
  /// folded; with `keeps`, the arrays that rows are kept in too.
  void plan_scratch(const Dim& most_blocks, bool keeps);
  bool has_scratch() const { return !arrays_.empty(); }
  /// Defines its arrays, those that rows are kept in only with `has_kept`; `blocks` is how many
  /// blocks have parts of their own.
  void emit_scratch(const std::string& blocks, bool has_kept, int indent);
  /// The element of an outer reduction's array that a block has, "s1[blockIdx.x * n1 + i1]".
  std::string partial(const Access& array, const std::string& block) const;
  /// Says how many blocks there are, for the finish.
  void emit_block_count(const std::string& blocks, int indent);
  /// Stores what a block has folded: the variables named like the reductions, with a suffix.
  void emit_partial_stores(const std::vector<int>& reductions, const std::string& suffix,
                           const std::string& block, int indent);

private:
  struct Array {
    int scratch;
    bool is_kept; ///< what a block keeps of a row
  };

  const Kernel& k_;
  std::vector<Array> arrays_;
  Dim scratch_bytes_{0};
  const CudaFinish finish_;
  std::map<std::string, std::string> places_; ///< of elements, by their text
};

/// Everything over one axis, or over all axes with the last one contiguous: each thread has
/// elements of its own.
void write_elements(CudaKernel& k, const CudaElements& schedule);
/// Elements that are read along one axis and written along another: through shared memory.
void write_tiles(CudaKernel& k, const CudaTiles& schedule);
/// Rows, each walked by a team of threads.
void write_rows(CudaKernel& k, const CudaRows& schedule);
/// Folds over rows alone: threads have columns, blocks share the rows.
void write_columns(CudaKernel& k, const CudaColumns& schedule);
/// What follows from the results of all rows; with nothing to fold, from the prologue. Launches of
/// their own, if the kernel's finish is some, …
void write_finish(CudaKernel& k);
/// … or, where the kernel counts blocks, what ends its entry: `fold` folds what the threads of a
/// block have, "team<256>::fold".
void write_last_block(CudaKernel& k, const std::string& fold);

} // namespace kroton::codegen
