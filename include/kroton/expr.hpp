#pragma once
/// Symbolic expressions: immutable, cheap to copy, remembering where they were written.
///
///   auto x = kt::matrix<float>("x");            // f32[?,?]
///   auto y = kt::exp(2 * x) + 1;                // still f32: literals adapt
///   y.rank();                                   // 2
///   y[{0, kt::Range{1, {}}}];                   // f32[?], as kt::index
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <kroton/array.hpp>
#include <kroton/dim.hpp>
#include <kroton/dtype.hpp>
#include <kroton/error.hpp>

namespace kroton {

namespace ir {
struct Node;
}

struct IndexItem;

/// A value to be computed: a dtype, a shape of dims, and the op and inputs that give it.
class Expr {
public:
  /// Nothing yet, to be assigned to: any other use throws GraphError.
  Expr() noexcept = default;

  DType dtype() const;
  int rank() const;
  const std::vector<Dim>& shape() const;
  /// The size of an axis as a scalar i64 expression, to compute with: `sum(x) / x.dim(0)`; negative
  /// axes count from the end. `shape()[0]` is the same size as a Dim, to give shapes with. Either
  /// is taken where the other is.
  Expr dim(int axis, Location where = Location::current()) const;
  /// As `kroton::index`: `x[i]` is element i (row i of a matrix) for a number or an expression,
  /// `x[Range{1, {}}]` x without its first; `x[{i, j}]` has an item for each of the leading axes,
  /// `{}` being the whole of one and `{1, 5}` a range: `x[{{}, {1, 5}}]`.
  Expr operator[](const IndexItem& item) const;
  Expr operator[](std::initializer_list<IndexItem> items) const;
  /// The name given to an input or shared variable; empty for computed values.
  const std::string& name() const;
  /// "x f32[?,784]".
  std::string label() const;
  /// Where the user wrote it.
  Location where() const;
  /// The expression as indented text, shared parts printed once; `to_dot` gives Graphviz.
  std::string to_string() const;
  std::string to_dot() const;
  /// The value, where the first of each pair has the value of the second:
  /// `(2 * x + y).eval({{x, xs}, {y, 0.5f}})`, `sum(constant(xs)).eval()`. Inputs, shared variables
  /// and computed expressions may be given values. Compiles a function; the last sixteen are kept
  /// for expressions that are evaluated again. Throws as `function` and its calls do.
  Array eval(const std::vector<std::pair<Expr, Array>>& at = {},
             Location where = Location::current()) const;

  /// Internal: the node behind the handle.
  explicit Expr(std::shared_ptr<const ir::Node> node) noexcept : node_(std::move(node)) {}
  const std::shared_ptr<const ir::Node>& node() const noexcept { return node_; }
  /// The same node (not merely an equal one).
  bool is(const Expr& other) const noexcept { return node_ == other.node_; }

private:
  const ir::Node& required() const;

  std::shared_ptr<const ir::Node> node_;
};

/// As a formula and its type: `2 * x + 1 : f32[?]`. Shared and long parts have lines of their own.
std::ostream& operator<<(std::ostream&, const Expr&);

namespace detail {
/// Throws GraphError for an Expr that nothing was assigned to.
[[noreturn]] void throw_empty(const char* op, Location where);
inline void require_given(const Expr& e, const char* op, Location where) {
  if (e.node() == nullptr) [[unlikely]]
    throw_empty(op, where);
}
} // namespace detail

/// A C++ number before it meets an expression. It adapts to the expression's dtype.
struct Literal {
  WeakKind kind;
  double floating = 0;
  std::int64_t integer = 0; ///< also the bits of an unsigned value
  bool is_unsigned = false;
};

/// What every op takes: an expression, a dim or a C++ number, with the place where it was written.
/// Never named by users; conversions to it happen in the call.
struct Operand {
  Operand(const Expr& e, Location at = Location::current()) : expr(e), where(at) { // NOLINT
    detail::require_given(e, "operand", at);
  }
  Operand(const Dim& size, Location at = Location::current()); // NOLINT
  template <class T>
  requires std::is_arithmetic_v<T> Operand(T v, Location at = Location::current())
      : where(at) { // NOLINT
    if constexpr (std::is_same_v<T, bool>)
      literal = {WeakKind::bool_, v ? 1.0 : 0.0, v};
    else if constexpr (std::is_same_v<T, float>)
      literal = {WeakKind::f32, double(v)};
    else if constexpr (std::is_floating_point_v<T>)
      literal = {WeakKind::floating, double(v)};
    else
      literal = {WeakKind::integer, double(v), static_cast<std::int64_t>(v), std::is_unsigned_v<T>};
  }
  bool is_literal() const noexcept { return expr.node() == nullptr; }

  Expr expr;
  Literal literal{};
  Location where;
};

/// An input of any rank: `tensor<float>({64, kt::dim("n")}, "x")` is f32[64,n].
Expr tensor(DType dtype, std::vector<Dim> shape, std::string name = {},
            Location where = Location::current());
template <Element T>
Expr tensor(std::vector<Dim> shape, std::string name = {}, Location where = Location::current()) {
  return tensor(dtype_of<T>, std::move(shape), std::move(name), where);
}
/// An input of rank 0.
template <Element T> Expr scalar(std::string name = {}, Location where = Location::current()) {
  return tensor(dtype_of<T>, {}, std::move(name), where);
}
/// An input of rank 1 and unknown size.
template <Element T> Expr vector(std::string name = {}, Location where = Location::current()) {
  return tensor(dtype_of<T>, {kroton::dim()}, std::move(name), where);
}
/// An input of rank 2 and unknown sizes.
template <Element T> Expr matrix(std::string name = {}, Location where = Location::current()) {
  return tensor(dtype_of<T>, {kroton::dim(), kroton::dim()}, std::move(name), where);
}

/// An array baked into the expression. The data is copied. An array of rank 1 or more is no part of
/// generated code, so equal programs with other arrays share their kernels; a scalar is.
Expr constant(const Array& value, std::string name = {}, Location where = Location::current());
/// A rank-0 constant of dtype T (a plain literal in an expression adapts instead).
template <Element T> Expr constant(T value, Location where = Location::current()) {
  return constant(Array::scalar<T>(value), {}, where);
}

} // namespace kroton
