#pragma once
/// One form for all dims that are the same function of the sizes they are made of.
///
///   dims::normal(max((n-1) - min(n, 1), 0))   // max(n-2, 0), the length of slice(v, {{1, -1}})
///   dims::normal((max(n-1, 0) + 1) / 2)       // max(n, 1) / 2
///
/// Exact for all sizes: a function of one size that sums, minima and maxima make is linear between
/// finitely many sizes, which `normal` finds and writes in one way. What it cannot take apart
/// (products and quotients of dims, numbers beyond 2^40) counts as one more unknown.
#include <optional>

#include "lib/ir/dim.hpp"

namespace kroton::ir::dims {

/// Equal functions of one size get equal structure; a sum of such functions of several sizes has
/// each of them once, and its constant last.
Dim normal(const Dim& d);

/// `start` for whoever knows that it is less than `size`, as the first position of a slice is that
/// has elements: min(size, 3) is 3 then.
Dim below(const Dim& start, const Dim& size);

/// What `d` is at least, whatever the sizes; nothing if that is not known.
std::optional<std::int64_t> lower_bound(const Dim& d);

/// Whether no sizes make two dims equal, as far as that is known.
bool are_different(const Dim& a, const Dim& b);

/// Which share of `whole` a `part` of it is where sizes are large; nothing if that depends on
/// which.
std::optional<double> share(const Dim& part, const Dim& whole);

} // namespace kroton::ir::dims
