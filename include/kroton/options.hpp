#pragma once
/// How a function is compiled.
///
///   kt::function({x}, {y}, {.mode = kt::Mode::verify, .fp = kt::Fp::reassoc | kt::Fp::nsz});
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <kroton/cache.hpp>
#include <kroton/shared.hpp>

namespace kroton {

enum class Mode : std::uint8_t {
  fast,      ///< every rewrite, fused kernels
  plain,     ///< no rewrites but those that code generation needs; one kernel an op: for bisecting
  verify,    ///< as fast, and every call checks each pass and each kernel against the reference
             ///< evaluator
  nan_guard, ///< as fast, and a call whose kernels write a NaN or an infinity that none of their
             ///< operands had throws NumericError: it names the op that made the first one, where
             ///< it was written, and the operands' values
};

/// Floating-point exactness that rewrites may give up, named as LLVM names it. By default
/// only `refine` is granted: results follow IEEE but for contraction (a*b+c in one
/// rounding) and the order of summation in reductions.
enum class Fp : std::uint8_t {
  strict = 0,
  nnan = 1 << 0,    ///< NaNs may be lost
  ninf = 1 << 1,    ///< infinities may be lost
  nsz = 1 << 2,     ///< the sign of zero may be lost
  reassoc = 1 << 3, ///< sums and products may be regrouped
  approx = 1 << 4,  ///< digits may be lost; on a GPU, in products of f32 through TF32
  refine = 1 << 5,  ///< the result may differ where it is at least as accurate
};
constexpr Fp operator|(Fp a, Fp b) {
  return static_cast<Fp>(static_cast<std::uint8_t>(a) | static_cast<std::uint8_t>(b));
}
constexpr Fp operator&(Fp a, Fp b) {
  return static_cast<Fp>(static_cast<std::uint8_t>(a) & static_cast<std::uint8_t>(b));
}
/// True if `granted` covers all of `needed`.
constexpr bool grants(Fp granted, Fp needed) { return (granted & needed) == needed; }

/// When a function gets versions for certain sizes beside the one that takes any. In such a version
/// the sizes of the inputs' axes are constants: loops are unrolled, products sized, checks dropped.
/// A function keeps the four that were useful last. Results do not depend on which one runs, not in
/// a bit. KROTON_SPECIALIZE=0 means `off` for every function.
enum class Specialize : std::uint8_t {
  automatic, ///< after some calls with the same sizes, if one of them is at most 4,096; compiled on
             ///< a thread of low priority, and used as soon as it is ready. In Mode::plain: off
  off,
  immediately, ///< in the first call with new sizes, which waits for it
};

/// What a call leaves behind: `shared` becomes `value`, computed from the old ones.
using Update = std::pair<Shared, Expr>;

struct Options {
  /// A value's dtype and shape are its variable's; each variable at most once.
  std::vector<Update> updates = {};
  /// Used in messages, dumps and `stats()`; not part of the cache key.
  std::string name = "function";
  Mode mode = Mode::fast;
  Fp fp = Fp::refine;
  /// Multiply-add in one rounding where the machine has it.
  bool contract = true;
  /// Calls with the same arguments give the same bits. Without it, floats that `index_add` brings
  /// to one place on a GPU are added in whatever order its threads come, which is faster.
  bool deterministic = true;
  /// "x86-64-v2", "x86-64-v3", "x86-64-v4", "native" (this CPU with all it has), or empty
  /// for $KROTON_TARGET, else the best level of this machine. Of several with commas between them,
  /// the first that this machine can run. Machines of one level share cached kernels.
  /// "cuda" or "cuda:1" is a GPU: outputs are then arrays on the device until they are read, and
  /// shared variables are kept there. See docs/cuda.md.
  std::string target = {};
  /// Threads a call may use; 0: KROTON_THREADS, else all cores. 1: the calling thread alone. The
  /// order of summation in reductions over rows depends on it.
  int threads = 0;
  Specialize specialize = Specialize::automatic;
  /// On a GPU, calls that come again with the same sizes are recorded and launched as one. Off also
  /// with KROTON_CUDA_GRAPHS=0.
  bool cuda_graphs = true;
  /// Where kernels are kept and looked for. Nothing: as the environment says.
  std::optional<CacheOptions> cache = {};
  /// What takes the place of what in outputs and new values, as `substitute` says.
  std::vector<std::pair<Expr, Expr>> givens = {};
  /// Names for the outputs, for `f(x)["loss"]`: one each, or none.
  std::vector<std::string> output_names = {};
  /// Values of inputs: calls may leave those arguments out that all later inputs have values for
  /// too. Of the input's dtype, rank and sizes as far as they are known.
  std::vector<std::pair<Expr, Array>> defaults = {};
  /// Arguments of another dtype are converted to their input's as `Array::astype` does, whatever
  /// digits that loses; otherwise they are a TypeError.
  bool allow_downcast = false;
};

} // namespace kroton
