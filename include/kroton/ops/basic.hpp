#pragma once
/// The operations that most programs use.
///
///   auto p = kt::softmax(kt::dot(x, w) + b);         // over the last axis
///   auto n = kt::sqrt(kt::sum(x * x, {1}, true));    // f32[?,1]
///
/// Elementwise ops promote dtypes (docs/dtypes.md: a float keeps its dtype beside integers) and
/// broadcast dims that are known to be 1; a dim of unknown size never broadcasts, a mismatch is a
/// ShapeError.
/// Axes may be negative, counting from the end.
///
/// All throw TypeError for a dtype that they do not take (bool + bool is refused, logic takes bool
/// alone, positions are integers) and ShapeError for shapes or axes that do not fit: at once
/// where that can be told, else when the function is called.
///
/// This list is complete: most files include it, so an addition would compile them all again. A new
/// op is declared in the header of its family, beside this one.
#include <concepts>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include <kroton/expr.hpp>
#include <kroton/shared.hpp>

namespace kroton {

/// @name Arithmetic. `/` is true division: integers give f64. Integer overflow wraps.
/// @{
Expr operator+(Operand a, Operand b);
Expr operator-(Operand a, Operand b);
Expr operator*(Operand a, Operand b);
Expr operator/(Operand a, Operand b);
Expr operator-(Operand a);
/// `a += b` is `a = a + b`: what `a` stood for before stays as it was. A shared variable is changed
/// by an update of a function instead.
Expr& operator+=(Expr& a, Operand b);
Expr& operator-=(Expr& a, Operand b);
Expr& operator*=(Expr& a, Operand b);
Expr& operator/=(Expr& a, Operand b);
Shared& operator+=(Shared& a, Operand b) = delete;
Shared& operator-=(Shared& a, Operand b) = delete;
Shared& operator*=(Shared& a, Operand b) = delete;
Shared& operator/=(Shared& a, Operand b) = delete;
Expr abs(Operand a);
/// The smaller, or larger; NaN if either is NaN.
Expr minimum(Operand a, Operand b);
Expr maximum(Operand a, Operand b);
/// @}

/// @name Comparison and logic: bool results. Integers are compared as the numbers they are, of any
/// two dtypes and with any literal: `u8 < 256` is true.
/// @{
Expr operator==(Operand a, Operand b);
Expr operator!=(Operand a, Operand b);
Expr operator<(Operand a, Operand b);
Expr operator<=(Operand a, Operand b);
Expr operator>(Operand a, Operand b);
Expr operator>=(Operand a, Operand b);
Expr operator&&(Operand a, Operand b);
Expr operator||(Operand a, Operand b);
Expr operator!(Operand a);
/// a where `condition` holds, else b.
Expr where(Operand condition, Operand a, Operand b);
/// @}

/// Converts each element. Float to integer rounds towards zero and saturates, NaN gives 0.
Expr cast(Operand a, DType dtype);
template <Element T> Expr cast(Operand a) { return cast(a, dtype_of<T>); }

/// @name Transcendental functions; error bounds are in docs/numerics.md.
/// @{
Expr exp(Operand a);
Expr log(Operand a);
Expr sqrt(Operand a);
Expr tanh(Operand a);
Expr sigmoid(Operand a); ///< 1 / (1 + e^-a)
Expr relu(Operand a);    ///< max(a, 0)
/// @}

/// Some axes, or one: `sum(x, {0, 1})`, `sum(x, -1)`. Negative ones count from the end.
struct Axes : std::vector<int> {
  Axes() = default;
  Axes(std::initializer_list<int> axes) : vector(axes) {}           // NOLINT
  Axes(std::vector<int> axes) noexcept : vector(std::move(axes)) {} // NOLINT
  template <std::integral T>
  requires(!std::same_as<T, bool>) Axes(T axis) : vector{static_cast<int>(axis)} {} // NOLINT
};

/// @name Reductions over `axes` (all of them when empty); `keepdims` leaves dims of 1.
/// @{
/// Integers and bool are summed in i64 (u64 for unsigned).
Expr sum(Operand a, Axes axes = {}, bool keepdims = false);
/// Integers and bool give f64. The mean of nothing is NaN.
Expr mean(Operand a, Axes axes = {}, bool keepdims = false);
/// NaN if any element is NaN. Of an empty axis: -inf or the dtype's lowest (min: the reverse).
Expr max(Operand a, Axes axes = {}, bool keepdims = false);
Expr min(Operand a, Axes axes = {}, bool keepdims = false);
/// The position (i64) of the first largest element along one axis; a NaN counts as largest. Throws
/// ShapeError for an empty axis, when the function is called if the size is not known before.
Expr argmax(Operand a, int axis = -1, bool keepdims = false);
/// exp(a) / sum(exp(a)) along one axis, without overflow; integers give f64. The shape is a's.
Expr softmax(Operand a, int axis = -1);
/// log(softmax(a)), accurate where softmax underflows.
Expr log_softmax(Operand a, int axis = -1);
/// @}

/// @name Movement
/// @{
/// A dim asked of `reshape`: a size, a Dim, or -1 for "whatever is left".
struct NewDim {
  NewDim(std::int64_t size)
      : dim(size < 0 ? 0 : size), is_rest(size == -1), given(size) {}                  // NOLINT
  NewDim(Dim d) : dim(std::move(d)) {}                                                 // NOLINT
  NewDim(const Expr& size, Location where = Location::current()) : dim(size, where) {} // NOLINT
  Dim dim;
  bool is_rest = false;
  std::int64_t given = 0;
};
/// The same elements in row-major order under another shape; one dim may be -1:
/// `reshape(x, {x.dim(0), -1})` makes an f32[n,3,4] an f32[n,12].
Expr reshape(Operand a, std::vector<NewDim> shape);
/// Axis i of the result is axis `permutation[i]` of a; without one the axes are reversed.
Expr transpose(Operand a, std::vector<int> permutation = {});
/// Repeats dims of 1 (and adds leading axes) until the shape is `shape`.
Expr broadcast_to(Operand a, std::vector<Dim> shape);
/// Inserts an axis of size 1 before each of `axes` of the result.
Expr expand_dims(Operand a, Axes axes);

/// Where a range begins or ends: a number, or a size that is known before anything is computed: a
/// Dim, `x.dim(0)`, an integer scalar input, sums, differences, products and `floor_div` of those.
/// Negative ones count from the end. None at all means "to the end".
struct Bound {
  Bound() = default;
  Bound(std::nullopt_t) {}                                          // NOLINT
  Bound(std::optional<std::int64_t> position) : number(position) {} // NOLINT
  template <std::integral T>
  requires(!std::same_as<T, bool>) Bound(T position) // NOLINT
      : number(static_cast<std::int64_t>(position)) {}
  Bound(const Dim& position, Location where = Location::current()) // NOLINT
      : size(Operand(position, where).expr) {}
  Bound(const Expr& position, Location where = Location::current()) : size(position) { // NOLINT
    detail::require_given(position, "slice", where);
  }
  bool is_given() const { return number || size.node() != nullptr; }

  std::optional<std::int64_t> number = {};
  Expr size = {}; ///< where there is no number
};
/// start:stop:step of one axis, as Python slices: negative positions count from the end,
/// out-of-range ones are clamped, missing ones mean "to the end".
struct Range {
  Bound start = {}, stop = {};
  std::int64_t step = 1;
};
/// `slice(x, {{1, {}}, {{}, {}, -1}})` is x[1:, ::-1]; axes not named are kept whole.
Expr slice(Operand a, std::vector<Range> ranges);
/// @}

/// NumPy's dot for ranks up to 2: inner product, matrix times vector, matrix product
/// (f32[n,k] with f32[k,m] is f32[n,m]); with a scalar it multiplies.
Expr dot(Operand a, Operand b);

/// @name Indexing
/// @{
/// An axis of size 1 where it stands among the items of an index: `x[{newaxis, i}]`.
inline constexpr struct NewAxis {
} newaxis;
/// Ranges over all axes that no item of an index is for: `x[{ellipsis, 0}]`.
inline constexpr struct Ellipsis {
} ellipsis;
/// One item of an index: an integer expression or number, a dim, a Range, which `{}` and
/// `{start, stop}` are too, newaxis, or ellipsis.
struct IndexItem {
  /// No braces stand for it, so that `{1, {}}` is a range and nothing else.
  struct Here {
    explicit Here(Location at) : where(at) {}
    Location where;
  };
  IndexItem(Range range = {}, Here at = Here(Location::current())) // NOLINT
      : item(std::move(range)), where(at.where) {}
  IndexItem(const Expr& position, Here at = Here(Location::current())) // NOLINT
      : item(position), where(at.where) {
    detail::require_given(position, "index", where);
  }
  IndexItem(const Dim& position, Here at = Here(Location::current())) // NOLINT
      : item(Operand(position, at.where).expr), where(at.where) {}
  template <std::integral T>
  requires(!std::same_as<T, bool>)
      IndexItem(T position, Here at = Here(Location::current())) // NOLINT
      : item(static_cast<std::int64_t>(position)), where(at.where) {}
  IndexItem(Bound start, Bound stop, std::int64_t step = 1, Here at = Here(Location::current()))
      : item(Range{std::move(start), std::move(stop), step}), where(at.where) {}
  IndexItem(NewAxis, Here at = Here(Location::current())) // NOLINT
      : item(NewAxis{}), where(at.where) {}
  IndexItem(Ellipsis, Here at = Here(Location::current())) // NOLINT
      : item(Ellipsis{}), where(at.where) {}

  std::variant<Range, Expr, std::int64_t, NewAxis, Ellipsis> item;
  Location where;
};
/// NumPy's a[i, j, …], which `a[{i, j}]` writes too: integer arrays broadcast together, ranges
/// slice, `newaxis` inserts an axis, `ellipsis` stands for the axes that no item is for. The axes
/// of the integer arrays are where the arrays stand if these are neighbours, else in front.
/// Negative positions count from the end; one outside its axis raises IndexError when the function
/// is called. Positions have any integer dtype. A mask (bool) is refused, as the result's size
/// would depend on its values; what is written under a mask: set_at and kin, in ops/put.hpp.
Expr index(Operand a, std::vector<IndexItem> items, Location where = Location::current());
/// 0, 1, … n-1 as i64, nothing for a negative n. n is a number, a size (`x.dim(0)`), an integer
/// scalar input, or a sum, difference, product or floor_div of those, which is computed without
/// wrapping. The second form counts from `start` by `step` to before `stop`. Both throw ShapeError
/// for more elements than an int64 counts.
Expr arange(Operand n);
Expr arange(std::int64_t start, std::int64_t stop, std::int64_t step = 1,
            Location where = Location::current());
/// @}

} // namespace kroton
