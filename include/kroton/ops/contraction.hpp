#pragma once
/// Products of arrays that sum over axes.
///
///   auto y = kt::matmul(x, w);                        // f32[b,n,k] with f32[k,m] is f32[b,n,m]
///   auto s = kt::einsum("bqd,bkd->bqk", {q, k});      // queries times keys, batch by batch
///   auto t = kt::tensordot(a, b, {1, 0}, {0, 1});     // pairs of axes by number
///
/// Operands are promoted to one dtype, bool to i64; integers wrap, as in matmul. All throw
/// ShapeError for shapes that do not fit: at once where that can be told, else when the function
/// is called.
#include <string_view>

#include <kroton/ops/basic.hpp>

namespace kroton {

/// The matrix product of the last two axes; leading axes are batches and broadcast:
/// f32[b,n,k] with f32[k,m] is f32[b,n,m].
Expr matmul(Operand a, Operand b);

/// Einstein's sum, as numpy.einsum: a letter for each axis of each operand, "->" and the letters of
/// the result. Axes with one letter are of one size and run together: in an operand that has it
/// twice along its diagonal, and summed over if the result does not have it. `...` stands for
/// further axes, which broadcast; without "->" the result has those, then the letters that occur
/// once, in alphabetical order. An axis known to be 1 broadcasts to a letter's size.
///
///   kt::einsum("ij,jk", {a, b});          // a matrix product
///   kt::einsum("...ii", {a});             // traces
///   kt::einsum("ni,ij,nj->n", {x, m, y}); // a quadratic form for each row
///
/// Any number of operands: pairs are multiplied in the order of least work for the sizes that are
/// known (the best of all orders for up to six, else greedily, sizes that are not known counting as
/// 100). Throws ShapeError for subscripts that mean nothing.
Expr einsum(std::string_view subscripts, std::vector<Expr> operands,
            Location where = Location::current());

/// Products summed over pairs of axes, as numpy.tensordot: the last `axes` of a with the first of
/// b, or each of `a_axes` with the one of `b_axes` in the same place. The result has the other axes
/// of a, then those of b; with no axes at all it is every product.
Expr tensordot(Operand a, Operand b, int axes = 2);
Expr tensordot(Operand a, Operand b, Axes a_axes, Axes b_axes);

/// Products summed over the last axes of both, as numpy.inner: f32[n,k] with f32[m,k] is f32[n,m].
/// With a scalar it multiplies.
Expr inner(Operand a, Operand b);
/// Every element of a times every one of b, as numpy.outer: both are taken as vectors, [n] and [m],
/// and the result is [n,m].
Expr outer(Operand a, Operand b);
/// Kronecker's product, as numpy.kron: each element of a times the whole of b, [n*p,m*q] of [n,m]
/// and [p,q]. The one of lower rank gets leading axes of size 1.
Expr kron(Operand a, Operand b);
/// sum(a * b, axis), the other axes broadcasting, as numpy.vecdot; integers are summed in the dtype
/// that they promote to.
Expr vecdot(Operand a, Operand b, int axis = -1);
/// A product for each element of the first axis of both: the last axis of a with the second of b,
/// as Theano's batched_dot. [b,n,k] with [b,k,m] is [b,n,m]; of [b,k] with [b,k] it is [b].
Expr batched_dot(Operand a, Operand b);

} // namespace kroton
