#pragma once
/// State that functions read and updates change.
///
///   auto w = kt::shared(kt::Array::zeros<float>({784, 10}), "w");
///   w.set(other);              // same dtype and shape
///   kt::Array now = w.get();   // a copy, taken between calls, never in the middle of one
#include <kroton/expr.hpp>

namespace kroton {

namespace ir {
struct SharedState;
}

/// A shared variable; usable wherever an expression is. Copies of the handle are the same variable.
class Shared : public Expr {
public:
  /// None yet, to be assigned to: any other use throws GraphError.
  Shared() noexcept = default;

  /// A copy of the current value. Waits for a running call that updates it.
  Array get() const;
  /// Replaces the value; throws TypeError or ShapeError unless dtype and shape match.
  void set(const Array& value, Location where = Location::current());

  /// Internal.
  Shared(Expr e, std::shared_ptr<ir::SharedState> state)
      : Expr(std::move(e)), state_(std::move(state)) {}
  const std::shared_ptr<ir::SharedState>& state() const noexcept { return state_; }

private:
  std::shared_ptr<ir::SharedState> state_;
};

/// A shared variable holding a copy of `value`; its dtype and shape are fixed from then on.
Shared shared(const Array& value, std::string name = {}, Location where = Location::current());

} // namespace kroton
