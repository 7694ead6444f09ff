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
  std::string level;                 ///< "x86-64-v2", "-v3" or "-v4".
  std::string tune;                  ///< The model whose costs the compiler assumes; "generic".
  std::vector<std::string> features; ///< "+avx512fp16", …, beyond the level; sorted.
  int vector_bytes = 16;             ///< Of the widest vector register.
  bool has_fma = false;

  /// "x86-64-v3 tune=generic", one line, the same for equal targets: a field of the key.
  std::string describe() const;

  /// The highest level that this machine has.
  static CpuTarget host();

  /// "x86-64-v2", "x86-64-v3", "x86-64-v4" (or just "v2"…), "native": the host's level with every
  /// feature beyond it, tuned for its model, or "host". Of several names with commas between them,
  /// the first that this machine can run. Empty: $KROTON_TARGET, else "host". Throws
  /// UnsupportedError for anything else, listing these, and for a list of which nothing runs here.
  static CpuTarget parse(std::string_view text);

  /// What a CPU must have to run code for the target, as words: "x86-64-v3 gfni vaes". Tuning is no
  /// part of it.
  std::string requirements() const;

  /// Whether this machine can run code compiled for the target.
  bool runs_here() const;

  bool operator==(const CpuTarget&) const = default;
};

/// Whether this machine has a level ("x86-64-v3") or a feature as LLVM names it ("avx512bf16").
/// False for what is not known. With KROTON_CPU, the machine has that level and those below, if it
/// has them indeed, and nothing else.
bool has_cpu_feature(std::string_view word);

} // namespace kroton::jit
