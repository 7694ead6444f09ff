#pragma once
/// Gradients of one's own, values that are computed again instead of kept, and elementwise ops of
/// one's own.
///
///   kt::Expr y = kt::custom_gradient(kt::floor(x), {x}, [](auto&, auto&, auto& g) {
///     return std::vector<kt::Expr>{g};                       // straight through
///   });
///   kt::Expr h = kt::grad_clip(h, -1, 1);                    // h, whose gradient is clipped
///   auto block = kt::checkpoint([&](const std::vector<kt::Expr>& v) { return layer(v[0]); });
///   kt::Expr z = block({x});                                 // layer(x), computed again for grad
#include <functional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <kroton/expr.hpp>

namespace kroton {

/// The gradient with respect to each of `inputs`, given that with respect to `output`. A null Expr
/// where there is none; otherwise of the input's dtype, and of its shape or summed down to it.
using GradientRule = std::function<std::vector<Expr>(const std::vector<Expr>& inputs,
                                                     const Expr& output, const Expr& gradient)>;

/// `value`, whose gradient is what `rule` says: it passes to `inputs` and to nothing else that
/// `value` is made of. The rule is called by `grad` and what is built on it, with `inputs` and
/// `value`, or with what stands for them (`vmap`, `jvp`), and has to be linear in the gradient that
/// it is given where it is used in forward mode. Throws GraphError, when the gradient is taken, for
/// another number of gradients than inputs.
Expr custom_gradient(const Expr& value, const std::vector<Expr>& inputs, GradientRule rule,
                     Location where = Location::current());

/// `e`, whose gradient is clipped to [low, high] element by element. Throws GraphError unless
/// low <= high.
Expr grad_clip(const Expr& e, double low, double high, Location where = Location::current());

namespace detail {
std::vector<Expr> checkpointed(const std::vector<Expr>& results, const std::vector<Expr>& arguments,
                               Location where);
}

/// What applies `f` and keeps nothing of it for the gradient: what that needs is computed again
/// from the arguments, when the gradient has come to where it is used. So a chain of n such
/// functions needs memory for n arguments and the inside of one.
///
/// `f` returns an Expr or a vector of them; of several results each is computed again for itself.
/// Inputs and shared variables that `f` reads besides its arguments have gradients too; a computed
/// expression that it reads is computed again as well, and no gradient can be taken with respect to
/// it: make it an argument.
template <class F> auto checkpoint(F f, Location where = Location::current()) {
  using Result = std::invoke_result_t<const F&, const std::vector<Expr>&>;
  return [f = std::move(f), where](const std::vector<Expr>& arguments) -> Result {
    if constexpr (std::is_same_v<Result, Expr>)
      return detail::checkpointed({f(arguments)}, arguments, where)[0];
    else
      return detail::checkpointed(f(arguments), arguments, where);
  };
}

/// What an elementwise op gives for its operands, in both precisions that the reference evaluator
/// has: `[](const auto* v) { return v[0] * v[0]; }`.
struct Evaluator {
  template <class F> Evaluator(F f) : rounded(f), extended(f) {} // NOLINT

  double (*rounded)(const double*);
  long double (*extended)(const long double*);
};

/// An elementwise op on f32 and f64, as kernels and the reference evaluator compute it.
///
///   const kt::ElementwiseOp cubed({.name = "cubed", .text = "{0} * {0} * {0}",
///                                  .evaluate = [](const auto* v) { return v[0] * v[0] * v[0]; },
///                                  .gradient = [](auto& v, auto&, auto& g) {
///                                    return std::vector<kt::Expr>{3 * v[0] * v[0] * g};
///                                  }});
///   kt::Expr y = cubed(x);
struct ElementwiseDefinition {
  std::string name; ///< letters, digits, `-` and `_`, for messages and in printed graphs
  int arity = 1;    ///< 1 to 3 operands
  /// An expression of C++ and CUDA C++, in which {0}, {1}, … stand for the operands and {t} for f32
  /// or f64: "exp_{t}({0}) - {1}" calls what kernels have for `exp`.
  std::string text;
  /// The same for vectors of elements; empty: kernels compute element by element.
  std::string vectors = {};
  Evaluator evaluate;
  GradientRule gradient = nullptr; ///< null: it has none
};
class ElementwiseOp {
public:
  /// Throws GraphError for a name, arity or text that is none.
  explicit ElementwiseOp(ElementwiseDefinition definition, Location where = Location::current());

  /// Operands are promoted and broadcast as those of `+` are; integers and bool become f64. Throws
  /// GraphError for another number of operands, TypeError and ShapeError as other ops do. A text
  /// that does not compile is a CompileError of `function`.
  Expr operator()(const std::vector<Expr>& operands, Location where = Location::current()) const;
  Expr operator()(const Expr& a, Location where = Location::current()) const {
    return (*this)(std::vector{a}, where);
  }

private:
  const void* row_; ///< lives as long as the process
  GradientRule gradient_;
};

} // namespace kroton
