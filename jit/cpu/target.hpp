#pragma once
/// Which CPU kernels are compiled for.
///
///   CpuTarget target = CpuTarget::host();          // the highest x86-64 level this machine has
///   CpuTarget::parse("x86-64-v3").vector_bytes     // 32
///
/// Levels rather than models are the default, so that machines of one level share cached kernels.
#include <string>
#include <string_view>
#include <vector>

namespace kroton::jit {

struct CpuTarget {
  std::string level;                 ///< "x86-64-v2", "-v3", "-v4", or a model such as "znver5".
  std::string tune;                  ///< The model whose costs the compiler assumes; "generic".
  std::vector<std::string> features; ///< "+avx512fp16", …, beyond the level; sorted.
  int vector_bytes = 16;             ///< Of the widest vector register.
  bool has_fma = false;

  /// "x86-64-v3 tune=generic", one line, the same for equal targets: a field of the key.
  std::string describe() const;

  /// The highest level that this machine has.
  static CpuTarget host();

  /// "x86-64-v2", "x86-64-v3", "x86-64-v4" (or just "v2"…), "native": this very CPU model with
  /// every feature it has, or "host" (also ""). Throws UnsupportedError listing these.
  static CpuTarget parse(std::string_view text);

  /// Whether this machine can run code compiled for the target.
  bool runs_here() const;

  bool operator==(const CpuTarget&) const = default;
};

} // namespace kroton::jit
