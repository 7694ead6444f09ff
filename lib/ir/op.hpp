#pragma once
/// An op is one row: everything that Kroton knows of it. Passes ask rows, never names.
///
///   const Op exp{.name = "exp", .kind = Kind::elementwise, .dtypes = Dtypes::floating,
///                .spelling = "exp_{t}({0})", .eval_float = …, .gradient = …, .domain = {-8, 8}};
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "lib/ir/node.hpp"
#include "lib/support/error.hpp"
#include "lib/support/interval.hpp"
#include "lib/support/required.hpp"

namespace kroton::ir {

/// What an op does with its inputs: every stage decides by this how it treats a node. Stages switch
/// over it without `default`, so that a kind that is added here does not compile until each of them
/// says what it does with it.
enum class Kind : std::uint8_t {
  leaf,        ///< input, shared variable, constant, array: no inputs, a value from outside
  generator,   ///< no inputs; element i is computed from i where it is read: size, iota
  random,      ///< element i is drawn from the state, the only input, and i
  elementwise, ///< out[i] depends on in[i] (broadcast) alone; has eval_float or eval_int
  reduction,   ///< folds the axes of its AxesParams, which leave the shape; has a Fold
  movement,    ///< a view: moves the input's elements without changing them
  pad,         ///< places the input's elements in a larger array; the others are zero
  gather,      ///< reads the first input at the positions in the others
  scatter,     ///< adds the first input up at the positions in the others; elsewhere it is zero
  contraction, ///< sums products of two inputs' elements over an axis
  library,     ///< whole arrays from whole arrays, by a function that no loop of ours is
  several, ///< several results, which are no array but each a part; rules make other ops of them
  part,    ///< one of the results of its input, which has several
};

/// What else is true of an op. A property is here because some stage asks for it.
enum class Property : std::uint8_t {
  none = 0,
  commutative = 1 << 0,
  fallible = 1 << 1,   ///< may fail while running (an index out of range)
  increasing = 1 << 2, ///< of any numbers a <= b: f(a) <= f(b); NaN of NaN alone
  injective = 1 << 3,  ///< different inputs have different results, but for rounding
};
constexpr Property operator|(Property a, Property b) {
  return static_cast<Property>(static_cast<std::uint8_t>(a) | static_cast<std::uint8_t>(b));
}

/// How an op is written in C++ and CUDA C++: {0}, {1}, … stand for the operands, {t} for the dtype
/// that it computes in, {o} for the result's. Functions named in a text are prelude fragments.
struct Spelling {
  std::string_view text = {};
  /// For vectors of elements; empty: it cannot be written for vectors.
  std::string_view vectors = {};
  /// For vectors where the last operand is one number for all of them.
  std::string_view by_number = {};

  constexpr Spelling() = default;
  /// The same text serves vectors.
  constexpr Spelling(const char* all) : Spelling(all, all) {} // NOLINT: a row names its text alone
  constexpr Spelling(std::string_view text, std::string_view vectors)
      : Spelling(text, vectors, vectors) {}
  constexpr Spelling(std::string_view text, std::string_view vectors, std::string_view by_number)
      : text(text), vectors(vectors), by_number(by_number) {}
};

/// The value that a fold starts from, and gives for an empty axis.
enum class Identity : std::uint8_t {
  zero,
  one,
  lowest,  ///< of the dtype; -inf for floats
  highest, ///< of the dtype; inf for floats
};

/// What a fold does, as far as a stage treats it in a way of its own: vector loops have functions
/// for some, sums of f32 are kept in f64, and ranges of integers follow from it.
enum class Combine : std::uint8_t {
  sum,
  maximum, ///< keeps the larger value, or its position
  minimum,
  other, ///< nothing but what the row says is known of it
};

/// How a reduction makes one value of many. Folding is associative, and the identity is neutral:
/// partial results are folded as elements are, in whatever groups they come, and the fold of one
/// element is that element. `check_row` tries it.
struct Fold {
  support::Required<Combine> combine;
  support::Required<Identity> identity;
  /// Folds {1} into {0}, in the dtype of the elements. Of reductions that yield a position: "{1}
  /// takes the place of {0}".
  support::Required<Spelling (*)(DType)> spell;
};

/// Input dtypes that an elementwise op or a reduction computes in; others are promoted or refused.
enum class Dtypes : std::uint8_t {
  any,      ///< all eleven
  numeric,  ///< all but bool, which is refused
  floating, ///< f32 and f64; integers and bool are promoted to f64, as NumPy does
  integral, ///< integers and bool
  boolean,  ///< bool; numbers are refused
};
enum class Result : std::uint8_t { same, boolean, position, cast };

using support::Wide;

struct LibraryCall;
struct FailureContext;

struct InferContext {
  const Op& op;
  std::span<const Type* const> inputs;
  const Params& params;
  std::span<const Expr> exprs; ///< the inputs, for messages; empty inside rewrites
  Location where;
  std::vector<Constraint>& constraints;
  std::string_view written =
      {}; ///< the function that the user called, if it is not named like the op

  const Type& in(std::size_t i) const { return *inputs[i]; }
  std::string label(std::size_t i) const;
  std::string place() const { return place_of(where, exprs); }
  /// Requires two dims to be equal: now if both are known, else at run time. Gives the better known
  /// one.
  Dim require_equal(const Dim& a, const Dim& b, std::string what, std::string_view hint);

  template <class E, class... Args>
  [[noreturn]] void fail(std::string hint, fmt::format_string<Args...> format,
                         Args&&... args) const;
};

/// An op on floats in both precisions that the evaluator has: a function of `const T*`, the inputs.
class FloatEvaluator {
public:
  constexpr FloatEvaluator() = default;
  template <class F> constexpr FloatEvaluator(F f) : rounded_(f), extended_(f) {}

  explicit operator bool() const { return rounded_ != nullptr; }
  double operator()(const double* v) const { return rounded_(v); }
  long double operator()(const long double* v) const { return extended_(v); }

private:
  double (*rounded_)(const double*) = nullptr;
  long double (*extended_)(const long double*) = nullptr;
};

/// One of several results of a node that is evaluated.
struct EvalResult {
  DType dtype;    ///< f64 for every float when evaluating widened
  DType declared; ///< the result's own dtype
  Shape shape;
  Array* remainder; ///< what is missing from it, as EvalContext::remainder
};

struct EvalContext {
  const Op& op;
  std::span<const Array> inputs;
  const Params& params;
  DType dtype;    ///< of the result; f64 for every float when evaluating widened
  DType declared; ///< the node's own dtype
  std::span<const std::int64_t> shape;                        ///< of the result
  const std::function<std::int64_t(const DimNode&)>& size_of; ///< of symbols and scalars
  /// With Precision::widened a float is a pair, the nearest f64 and what remains beyond it:
  /// `inputs` has the first halves and this the second. Of other dtypes it has the inputs
  /// themselves.
  std::span<const Array> remainders = {};
  /// With Precision::widened, the second half of the result, for ops that compute to write. Null
  /// if there is none.
  Array* remainder = nullptr;
  bool flush_denormals = false; ///< results smaller than the smallest normal f64 become 0

  /// Of a node with several results, which `eval_all` gives; `dtype`, `declared`, `shape` and
  /// `remainder` say nothing then.
  std::span<const EvalResult> results = {};

  std::int64_t size(const Dim& d) const { return dims::evaluate(d, size_of); }
  /// The context in which `by`, an op of one result, evaluates result `k` of the same inputs.
  EvalContext of_result(std::size_t k, const Op& by) const;
};

struct GradContext {
  std::span<const Expr> inputs;
  const Params& params;
  const Expr& output;
  /// Of the cost with respect to `output`: of its dtype, broadcasting into its shape. Of an
  /// elementwise op it may be anything where the gradient is known to be 0 (lib/grad/cotangent).
  const Expr& grad;
  Location where;
  /// Of an op with several results: its parts, and the gradient of the cost by each of them, null
  /// where there is none; `output` and `grad` are those of the first part then.
  std::span<const Expr> outputs = {};
  std::span<const Expr> grads = {};
};

/// A node that is to be computed for each element of one more axis, see lib/ops/batch.hpp.
struct BatchContext {
  const Op& op;
  const Params& params;
  std::span<const Expr> inputs; ///< those that have the axis have it in front
  const std::vector<bool>& has_axis;
  const Dim& size; ///< of the axis
  Location where;
};

/// How far a kernel's elements may be from the exact result, of scalars and vectors alike.
struct Accuracy {
  /// In units in the last place of the exact result, denormal ones included; 0.5 is correct
  /// rounding.
  double f32 = 0.5, f64 = 0.5;
  std::string_view method = {}; ///< how it is computed, for docs/numerics.md
};

/// A use of an op on inputs: what tests compile, differentiate and compose.
struct Example {
  /// An input whose elements are positions on an axis of that size, negative ones included.
  struct Positions {
    Expr input;
    Dim size;
  };
  Expr expr;
  std::vector<Positions> positions = {};
};

/// Where tests sample an input: finite values in [lo, hi].
struct Domain {
  double lo = -4, hi = 4;
  bool smooth = true; ///< gradients can be checked by finite differences
};

struct Op {
  std::string_view name;
  int arity = 1; ///< -1: any number
  support::Required<Kind> kind;
  Property properties = Property::none;
  Dtypes dtypes = Dtypes::any;
  Result result = Result::same;
  int cost = 1; ///< scalar operations an element, roughly; 4 and more is worth keeping
  Spelling spelling = {};
  /// Instead of `spelling` where it differs by dtype: given the dtype it computes in and the
  /// result's.
  Spelling (*spell)(DType in, DType out) = nullptr;
  std::optional<Fold> fold = {}; ///< reductions only

  /// The struct of parameters that its nodes have; null: none.
  const ParamsType* params = nullptr;
  Type (*infer)(InferContext&) = nullptr;
  FloatEvaluator eval_float = {};
  Wide (*eval_int)(const Wide*) = nullptr;
  /// Instead of both. Reductions, scatters, contractions, library functions and elementwise ops
  /// that are no casts compute, and write `remainder`; the others move elements, and are called for
  /// the inputs and once more for their remainders.
  Array (*eval)(const EvalContext&) = nullptr;
  /// Instead of all three, of an op with several results: an array for each, and the remainder of
  /// each that has one to be written.
  std::vector<Array> (*eval_all)(const EvalContext&) = nullptr;
  /// The op over one more axis, which is the result's first. Null: elementwise ops and reductions,
  /// which follow from their kind; others cannot be mapped (kt::vmap).
  Expr (*batched)(const BatchContext&) = nullptr;
  /// Elementwise ops on integers and bool: what the result is among before it is wrapped to its
  /// dtype, given what each input is among. Null: nothing is known.
  support::Interval (*range)(const Op&, const support::Interval* inputs) = nullptr;
  /// The contribution to each input's gradient; a null Expr where there is none.
  std::vector<Expr> (*gradient)(const GradContext&) = nullptr;
  /// One per input; the last is repeated for further inputs.
  std::vector<Domain> domain = {};
  /// Of ops that a library computes, and no kernel; see lib/ir/call.hpp. Matrix products have one
  /// too: they are computed by kernels of their own or by a library, as sizes decide.
  const LibraryCall* call = nullptr;
  /// Fallible ops: throws the error of a failure that was met while running.
  void (*fail)(const FailureContext&) = nullptr;
  /// Elementwise ops on floats.
  Accuracy accuracy = {};
  /// Ops that attributes say more of than their inputs do: small uses of every kind, the input's
  /// elements of that dtype as far as the op takes it; its unknown dims have any sizes.
  std::vector<Example> (*examples)(DType) = nullptr;
  /// What it gives, in a line, for docs/ops.md.
  std::string_view doc = {};
  /// The public function that makes it, if that is not named like the op.
  std::string_view function = {};

  bool is(Kind k) const { return kind == k; }
  Spelling spelled(DType in, DType out) const { return spell ? spell(in, out) : spelling; }
  bool has(Property p) const {
    return (static_cast<std::uint8_t>(properties) & static_cast<std::uint8_t>(p)) != 0;
  }
  bool is_reduction() const { return is(Kind::reduction); }
  /// Of a reduction: whether the result is the position of the element that the fold chooses.
  bool gives_position() const { return result == Result::position; }
};

/// The type that the op's row gives. Throws the row's errors, and ShapeError for a type of more
/// bytes than an int64 counts, as far as its dims are known.
Type infer_type(InferContext& context);

/// What `f` gives. A DimOverflow becomes a ShapeError of `op` that says where the user wrote it.
template <class F>
auto with_place(std::string_view op, Location where, std::span<const Expr> involved, F&& f) {
  try {
    return f();
  } catch (const DimOverflow& e) {
    support::fail<ShapeError>(op, {.place = place_of(where, involved), .hint = e.text().hint}, "{}",
                              e.text().message);
  }
}

template <class E, class... Args>
void InferContext::fail(std::string hint, fmt::format_string<Args...> format,
                        Args&&... args) const {
  support::fail<E>(written.empty() ? op.name : written, {.place = place(), .hint = std::move(hint)},
                   format, std::forward<Args>(args)...);
}

} // namespace kroton::ir
