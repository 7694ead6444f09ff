#pragma once
/// The size of one axis: a number, a name, unknown, or computed from others.
///
///   auto n = kt::dim("n");                       // equal names must be equal at run time
///   auto x = kt::tensor<float>({n, 784}, "x");   // f32[n,784]
///   auto y = kt::tensor<int>({n}, "y");          // i32[n]
#include <cstdint>
#include <memory>
#include <string>

#include <kroton/error.hpp>

namespace kroton {

namespace ir {
struct DimNode;
}

class Dim {
public:
  /// A size known now; throws ShapeError when negative.
  Dim(std::int64_t value,
      Location where = Location::current()); // NOLINT: {64, 784} is how shapes are written

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

} // namespace kroton
