#pragma once
/// Dims as straight-line integer code, run once a call.
///
///   SizeTable table;
///   int rows = table.slot(dim);          // while compiling
///   table.run(values);                   // values[symbol slots] set: fills the rest
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "lib/ir/dim.hpp"

namespace kroton::jit {

class SizeTable {
public:
  /// The slot that holds `d`; symbols and scalars get one that `run` does not fill.
  int slot(const Dim& d);
  std::size_t numel() const { return initial_.size(); }
  /// Starting values: constants in place, zero elsewhere.
  const std::vector<std::int64_t>& initial() const { return initial_; }
  void run(std::int64_t* values) const;

private:
  struct Instruction {
    ir::DimKind kind;
    int target, a, b;
  };
  int add(std::int64_t value);

  std::vector<std::int64_t> initial_;
  std::vector<Instruction> code_;
  std::unordered_map<Dim, int, ir::dims::Hash, ir::dims::Same> slots_;
};

} // namespace kroton::jit
