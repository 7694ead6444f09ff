#pragma once
/// The loop IR: one kernel, for any target.
///
///   prologue                      scalars that no row changes
///   for rows:                     the row axes, in parallel chunks
///     stage 0: row values; for inner axes: values, stores, reductions
///     stage 1: …                  may use what stage 0 reduced
///   finish: for kept axes: …      once, from what was reduced over the rows
///
/// Values are numbered; each is computed in one block and used only where that block's loop
/// variables and results are in scope. Sizes and strides are dims: numbers, or arguments.
#include <string>
#include <vector>

#include "lib/ir/graph.hpp"
#include "lib/support/box.hpp"

namespace kroton::plan {

struct Param {
  DType dtype = DType::f32;
  bool is_read = false;
  bool is_written = false;
};

/// A dim times a loop variable.
struct Term {
  int axis = 0;
  Dim coefficient{1};
};

/// A computed position: coefficient * value, where 0 <= value < bound is checked (negative
/// values count from the end first), unless it is known.
struct ComputedTerm {
  int value = 0;
  Dim coefficient{1};
  Dim bound{0};
  int site = 0;           ///< the number that a failure is reported with
  bool is_inside = false; ///< nothing is to be checked
};

/// An element of a parameter, or of a scratch array.
struct Access {
  int param = -1; ///< or
  int scratch = -1;
  std::vector<Term> terms; ///< one for each axis at most
  Dim offset{0};
  std::vector<ComputedTerm> computed;
};

enum class ValueKind : std::uint8_t {
  literal,  ///< bits, written in the text
  size,     ///< a dim: the offset of access
  index,    ///< offset + terms of access
  load,     ///< access
  op,       ///< an elementwise op on inputs
  uniform,  ///< random: inputs are seed and step, access the position; which draw is an argument
  result,   ///< of a reduction
  constant, ///< bits, as a literal's, that the kernel is passed; see share_constants
};

struct Value {
  ValueKind kind = ValueKind::op;
  DType dtype = DType::f32;
  const ir::Op* op = nullptr;
  support::SmallVector<int, 2> inputs = {};
  std::uint64_t bits = 0;
  support::Box<Access> access = {};
  int reduction = -1;
  std::int64_t draw = 0;
  ir::NodeId node = ir::no_node; ///< the graph node it is, if any
};

struct Store {
  Access access = {};
  int value = 0;
};

/// Folds `value` over loops. The result of an inner reduction that keeps no axis is a variable;
/// others are in `array`: the output itself, or scratch that each chunk of rows has its own of.
struct Reduction {
  const ir::Op* op = nullptr;
  DType dtype = DType::f32; ///< of what is folded
  /// What the running result is kept in: f64 for sums of f32 that are one variable. Stretches of at
  /// most `longest_stretch` elements are folded in `dtype` first, so that loops stay full vectors.
  DType accumulator = DType::f32;
  DType result_dtype = DType::f32;
  int value = 0;
  bool is_outer = false;    ///< over all rows
  std::vector<int> kept;    ///< inner axes that stay
  std::vector<int> reduced; ///< inner axes that go
  Access array;
  DType array_dtype = DType::f32; ///< of its elements
  /// Sums of f32 over more rows than a block (or, of inner reductions, over more elements of the
  /// last axis before the kept ones): the sum of the current block, in `dtype`, which is added to
  /// the f64 `array` when the block ends.
  Access block_sum = {};
  /// Of an inner reduction whose `array` is wider than the result: where the result is stored when
  /// the stage's loop is done. The array is the result's own memory otherwise.
  Access result = {};
  Access best;     ///< arg-reductions: the value at the position so far
  Access position; ///< arg-reductions: the running position along the reduced axis

  bool has_array() const { return is_outer || !kept.empty(); }
  bool has_block_sum() const { return block_sum.scratch >= 0; }
  bool has_result() const { return result.param >= 0; }
};

/// The most elements that a sum of f32 folds in f32.
inline constexpr std::int64_t longest_stretch = 4096;
/// The most rows that a sum over rows folds in f32, one after the other.
inline constexpr std::int64_t longest_row_stretch = 64;

struct Block {
  std::vector<int> values;
  std::vector<Store> stores;
};

struct Stage {
  Block row;                   ///< once a row, before the loop
  Block loop;                  ///< for each element of the inner axes
  std::vector<int> reductions; ///< folded in the loop (or once a row when there are no inner axes)
};

struct Finish {
  std::vector<int> axes; ///< looped over
  Block block;
};

/// A working array that each chunk of rows has its own of.
struct Scratch {
  DType dtype = DType::f32;
  std::vector<int> axes; ///< inner axes it spans
};

struct Kernel {
  std::string title; ///< "elementwise", "row reduction", … for people
  std::vector<Dim> axes;
  int rows = 0;
  std::vector<Param> params;
  std::vector<Scratch> scratch;
  std::vector<Value> values;
  std::vector<Reduction> reductions;
  Block prologue;
  std::vector<Stage> stages;
  std::vector<Finish> finish;
  /// Failure sites: the node and operand that a computed position belongs to.
  std::vector<std::pair<ir::NodeId, int>> sites;
  std::int64_t cost = 1; ///< scalar operations for one element of the widest domain

  bool is_fallible() const { return !sites.empty(); }
  std::string to_string() const;
};

/// Merges neighbouring axes that every access walks as one, so that loops are long; splits the
/// last row axis off as an inner loop where rows would need several loop variables.
void simplify_loops(Kernel&);

/// Dims that are written as numbers in the text: small ones help the compiler, large ones would
/// make a kernel of every size. The length of a flat loop is an argument always.
inline constexpr std::int64_t largest_literal_dim = 4096;

/// The dims a kernel is passed at run time, each once, in order of first use.
std::vector<Dim> size_arguments(const Kernel&);

/// The draws of a kernel's random values, one for each in their order. They are arguments too, so
/// that models made of the same stream one after the other have the same text.
std::vector<std::int64_t> draw_arguments(const Kernel&);

/// The bits of a kernel's constants (ValueKind::constant) in their order, each widened to 64.
std::vector<std::uint64_t> constant_arguments(const Kernel&);

/// Calls `f` with every block, outer ones first.
template <class K, class F> void for_each_block(K& kernel, F f) {
  f(kernel.prologue);
  for (auto& s : kernel.stages) {
    f(s.row);
    f(s.loop);
  }
  for (auto& s : kernel.finish) f(s.block);
}

/// Calls `f` with every access, reductions' and scratch arrays' own included.
template <class K, class F> void for_each_access(K& kernel, F f) {
  for (auto& v : kernel.values)
    if (auto* access = v.access.get()) f(*access);
  for_each_block(kernel, [&](auto& b) {
    for (auto& s : b.stores) f(s.access);
  });
  for (auto& r : kernel.reductions) {
    f(r.array);
    f(r.block_sum);
    f(r.result);
    f(r.best);
    f(r.position);
  }
}

/// Where each scratch array starts in a chunk's scratch memory, in bytes; the last entry is the
/// total.
std::vector<Dim> scratch_offsets(const Kernel&);

} // namespace kroton::plan
