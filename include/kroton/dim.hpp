#pragma once
/// The size of one axis: a number, a name, unknown, or computed from others.
///
///   auto n = kt::dim("n");                       // equal names must be equal at run time
///   auto x = kt::tensor<float>({n, 784}, "x");   // f32[n,784]
///   auto y = kt::tensor<int>({n}, "y");          // i32[n]
///   kt::reshape(x, {x.dim(0), 28, 28});          // an expression of a size is a dim
///   kt::sum(y) / n;                              // and a dim a scalar expression of i64
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>

#include <kroton/error.hpp>

namespace kroton {

namespace ir {
struct DimNode;
}

class Expr;

class Dim {
public:
  /// A size known now; throws ShapeError when negative.
  Dim(std::int64_t value,
      Location where = Location::current()); // NOLINT: {64, 784} is how shapes are written
  /// The size that an expression gives: `x.dim(0)`, an integer scalar input, a constant, or sums,
  /// differences, products and `floor_div` of those, computed without wrapping; what is negative
  /// counts as 0. Throws UnsupportedError for any other expression: sizes must
  /// be known before anything is computed.
  Dim(const Expr& size, Location where = Location::current()); // NOLINT

  bool is_static() const noexcept { return node_ == nullptr; }
  /// The size if it is static, else -1.
  std::int64_t value() const noexcept { return value_; }
  bool is(std::int64_t value) const noexcept { return is_static() && value_ == value; }
  /// "784", "n", "?", "(n+1)".
  std::string to_string() const;

  /// Internal: the node of a dim that is not static.
  explicit Dim(std::shared_ptr<const ir::DimNode> node) noexcept
      : value_(-1), node_(std::move(node)) {}
  const std::shared_ptr<const ir::DimNode>& node() const noexcept { return node_; }

private:
  std::int64_t value_;
  std::shared_ptr<const ir::DimNode> node_;
};

/// A named dim: wherever the name appears in one function, the size must be the same.
Dim dim(std::string name);
/// A dim of unknown size, equal to no other until an op requires it.
Dim dim();

/// As `to_string`.
std::ostream& operator<<(std::ostream&, const Dim&);

} // namespace kroton
