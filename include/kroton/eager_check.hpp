#pragma once
/// Expressions that are evaluated on sample values while they are built, so that a mistake is met
/// on the line that makes it.
///
///   auto x = kt::matrix<float>("x"), w = kt::matrix<float>("w");
///   kt::EagerCheck check({{x, xs}, {w, ws}});          // xs f32[32,784], ws f32[10,784]
///   kt::Expr y = kt::dot(x, w);                        // ShapeError here: 784 and 10 differ
///   std::cout << check.value(kt::tanh(y));
#include <memory>
#include <utility>
#include <vector>

#include <kroton/array.hpp>
#include <kroton/expr.hpp>

namespace kroton {

/// While it lives, each expression that this thread makes is evaluated at once by the reference
/// evaluator: sizes that only a call would tell are those of the samples, so that shapes that do
/// not fit, positions out of range and the like throw where they are written, naming actual sizes.
/// Shared variables have their present values. An expression of an input without a sample is left
/// alone. Those in one another's scope are asked innermost first. Slow: for samples of a few
/// thousand elements.
class EagerCheck {
public:
  /// `samples`: inputs and what they are. Throws TypeError or ShapeError for one that its input
  /// would not take, GraphError for what is no input.
  explicit EagerCheck(const std::vector<std::pair<Expr, Array>>& samples,
                      Location where = Location::current());
  ~EagerCheck();
  EagerCheck(const EagerCheck&) = delete;
  EagerCheck& operator=(const EagerCheck&) = delete;

  /// What `e` is for the samples. Throws GraphError if it was made before this, by another thread,
  /// or of an input without a sample.
  Array value(const Expr& e, Location where = Location::current()) const;

private:
  class State;
  std::unique_ptr<State> state_;
};

} // namespace kroton
