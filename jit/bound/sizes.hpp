#pragma once
/// Dims as straight-line integer code, run once a call.
///
///   SizeTable table;
///   int rows = table.slot(dim);          // while compiling
///   table.code().run(values);            // values[symbol slots] set: fills the rest, checked
#include <cstdint>
#include <unordered_map>
#include <vector>

#include "lib/ir/dim.hpp"

namespace kroton::jit {

struct SizeCode {
  /// values[target] = values[a] kind values[b]
  struct Instruction {
    ir::DimKind kind = ir::DimKind::add;
    int target = 0, a = 0, b = 0;
    bool operator==(const Instruction&) const = default;
  };
  /// One for each slot: constants in place, zero elsewhere.
  std::vector<std::int64_t> initial;
  std::vector<Instruction> code;

  /// Null, or the first instruction whose result an int64 does not hold; what follows it has not
  /// run then.
  const Instruction* run(std::int64_t* values) const noexcept;
  bool operator==(const SizeCode&) const = default;
};

class SizeTable {
public:
  /// The slot that holds `d`; symbols and scalars get one that `run` does not fill.
  int slot(const Dim& d);
  std::vector<int> slots(std::span<const Dim> dims);
  /// A slot that is no dim's and that `run` does not fill.
  int own_slot() { return add(0); }
  /// The slot of a number that is no size: a constant's bits.
  int number_slot(std::int64_t value);
  const SizeCode& code() const { return code_; }

private:
  int add(std::int64_t value);

  SizeCode code_;
  std::unordered_map<Dim, int, ir::dims::Hash, ir::dims::Same> slots_;
  std::unordered_map<std::int64_t, int> numbers_;
};

} // namespace kroton::jit
