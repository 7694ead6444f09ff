/// Functions of matrices that are composed of products and systems.
#include <kroton/ops/linear_algebra.hpp>

#include <cmath>
#include <limits>
#include <span>

#include "lib/ops/assemble.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/matrices.hpp"

namespace kroton {
namespace {

/// A diagonal Padé approximant of the exponential, good to the dtype's precision for matrices whose
/// norm is at most `largest`: Higham, "The scaling and squaring method for the matrix exponential
/// revisited" (2005), table 2.3.
struct Pade {
  double largest;
  std::span<const double> coefficients; ///< of powers 0, 1, …, an even number of them
};
constexpr double degree_7[] = {17297280, 8648640, 1995840, 277200, 25200, 1512, 56, 1};
constexpr double degree_13[] = {64764752532480000,
                                32382376266240000,
                                7771770303897600,
                                1187353796428800,
                                129060195264000,
                                10559470521600,
                                670442572800,
                                33522128640,
                                1323241920,
                                40840800,
                                960960,
                                16380,
                                182,
                                1};
Pade pade_of(DType t) {
  return t == DType::f32 ? Pade{3.925724783138660, degree_7} : Pade{5.371920351148152, degree_13};
}
constexpr int most_squarings = 16;

} // namespace

Expr expm(Operand a) {
  const Location at = a.where;
  const Expr x = ops::require_square("expm", ops::to_floating(a), at);
  const auto op = [&](const Expr& e) { return Operand(e, at); };
  const auto number = [&](double v) { return Operand(v, at); };
  const auto product = [&](const Expr& l, const Expr& r) { return ops::product(l, r, at); };
  const Pade pade = pade_of(x.dtype());
  const Expr norm = max(op(sum(op(abs(op(x))), {-2}, true)), {-1}, true);
  const auto exceeds = [&](int doublings) {
    return op(op(norm) > number(std::ldexp(pade.largest, doublings)));
  };
  Expr scale = ops::scalar_constant(x.dtype(), 1, at);
  for (int i = 0; i < most_squarings; ++i)
    scale = where(exceeds(i), number(std::ldexp(1.0, -i - 1)), op(scale));
  const Expr scaled = op(x) * op(scale), square = product(scaled, scaled);

  // Even and odd powers by Horner's rule in the square.
  const Expr one = matrix_power(op(x), 0);
  const auto& c = pade.coefficients;
  std::size_t k = c.size() - 2;
  Expr even = op(one) * number(c[k]), odd = op(one) * number(c[k + 1]);
  while (k > 0) {
    k -= 2;
    even = op(product(square, even)) + op(op(one) * number(c[k]));
    odd = op(product(square, odd)) + op(op(one) * number(c[k + 1]));
  }
  odd = product(scaled, odd);
  Expr power = solve(op(op(even) - op(odd)), op(op(even) + op(odd)), {.on_error = OnError::nan});
  for (int i = 0; i < most_squarings; ++i)
    power = where(exceeds(i), op(product(power, power)), op(power));
  return where(exceeds(most_squarings), number(std::numeric_limits<double>::quiet_NaN()),
               op(power));
}

Expr block_diag(std::vector<Expr> blocks, Location where) {
  for (const Expr& e : blocks) detail::require_given(e, "block_diag", where);
  if (blocks.empty())
    support::fail<ShapeError>("block_diag", {.place = support::describe(where)},
                              "takes at least one matrix");
  DType t = blocks[0].dtype();
  for (const Expr& e : blocks) t = promote(t, e.dtype());
  Dim rows(0), cols(0);
  std::vector<ops::Part> parts;
  for (const Expr& e : blocks) {
    if (e.rank() > 2)
      support::fail<ShapeError>(
          "block_diag",
          {.place = ir::place_of(where, blocks), .hint = "vmap(…) maps over leading axes"},
          "takes matrices, got {}", e.label());
    std::vector<Dim> shape = e.shape(); // a vector is a row
    while (shape.size() < 2) shape.insert(shape.begin(), Dim(1));
    parts.push_back({ops::cast_to(e, t, where), {{rows, cols}, ir::Ints(2, 1), shape}});
    rows = ir::dims::add(rows, shape[0]);
    cols = ir::dims::add(cols, shape[1]);
  }
  return ops::assemble_parts({rows, cols}, std::move(parts), where);
}

} // namespace kroton
