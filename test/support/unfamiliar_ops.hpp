#pragma once
/// Rows that the library does not have: what stages make of ops that they were not written for.
///
///   for (const ir::Op* op : unfamiliar_folds())
///     ir::make(*op, {x}, ir::AxesParams{{1}}, Location::current());
#include <algorithm>
#include <numeric>
#include <vector>

#include "lib/ops/basic.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton::test {

/// The input of a reduction as rows of what is reduced; calls `fold` with a row's first element and
/// its length for each element of the result.
template <class F> Array folded_rows(const ir::EvalContext& c, F fold) {
  const Array& a = c.inputs[0];
  const ir::Ints& axes = ir::axes_of(c);
  std::vector<int> order;
  std::int64_t length = 1;
  for (int i = 0; i < a.rank(); ++i)
    if (std::ranges::find(axes, i) == axes.end()) order.push_back(i);
  for (std::int64_t axis : axes) {
    order.push_back(static_cast<int>(axis));
    length *= a.shape()[static_cast<std::size_t>(axis)];
  }
  const Array rows = a.transpose(order).contiguous();
  Array out = Array::empty(c.dtype, Shape(c.shape.begin(), c.shape.end()));
  support::visit_dtype(c.dtype, [&]<class T>(std::type_identity<T>) {
    if constexpr (!std::is_floating_point_v<T> && !std::is_same_v<T, bool>)
      for (std::int64_t i = 0; i < out.numel(); ++i)
        out.data<T>()[i] = fold(std::as_const(rows).data<T>() + i * length, length);
  });
  return out;
}

/// A fold of integers that starts from `identity` and whose text is `Spell`.
template <class Step>
ir::Op unfamiliar_fold(std::string_view name, ir::Identity identity, ir::Spelling (*spell)(DType),
                       Step) {
  return {.name = name,
          .kind = ir::Kind::reduction,
          .dtypes = ir::Dtypes::integral,
          .fold = ir::Fold{.combine = ir::Combine::other, .identity = identity, .spell = spell},
          .params = &ir::params_type<ir::AxesParams>,
          .infer = ops::sum.infer,
          .eval = [](const ir::EvalContext& c) {
            return folded_rows(c, [&]<class T>(const T* row, std::int64_t length) {
              T so_far = Step::start;
              for (std::int64_t j = 0; j < length; ++j)
                so_far = static_cast<T>(Step{}(so_far, row[j]));
              return so_far;
            });
          }};
}

struct Or {
  static constexpr int start = 0;
  auto operator()(auto so_far, auto v) const { return so_far | v; }
};
struct Xor {
  static constexpr int start = 0;
  auto operator()(auto so_far, auto v) const { return so_far ^ v; }
};
struct Times {
  static constexpr int start = 1;
  auto operator()(auto so_far, auto v) const {
    return static_cast<std::uint64_t>(so_far) * static_cast<std::uint64_t>(v);
  }
};
/// The sum of squares: of one element, it is not that element.
struct Squares {
  static constexpr int start = 0;
  auto operator()(auto so_far, auto v) const {
    return static_cast<std::uint64_t>(so_far) +
           static_cast<std::uint64_t>(v) * static_cast<std::uint64_t>(v);
  }
};

inline const ir::Op bits_or = unfamiliar_fold(
    "bits-or", ir::Identity::zero, [](DType) -> ir::Spelling { return "{0} | {1}"; }, Or{});
inline const ir::Op bits_xor = unfamiliar_fold(
    "bits-xor", ir::Identity::zero, [](DType) -> ir::Spelling { return "{0} ^ {1}"; }, Xor{});
/// No fold: its text takes partial results for elements.
inline const ir::Op squares = unfamiliar_fold(
    "squares", ir::Identity::zero, [](DType) -> ir::Spelling { return "{0} + {1} * {1}"; },
    Squares{});

inline const ir::Op product = unfamiliar_fold(
    "product", ir::Identity::one, [](DType) -> ir::Spelling { return "{0} * {1}"; }, Times{});

/// Folds that the library knows nothing of but what their rows say.
inline std::vector<const ir::Op*> unfamiliar_folds() { return {&bits_or, &bits_xor, &product}; }

} // namespace kroton::test
