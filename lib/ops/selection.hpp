#pragma once
/// The items of an index, as far as reading and writing treat them alike.
///
///   const auto items = ops::item_for_each_axis("set_at", a, given, where);
#include <optional>
#include <string_view>
#include <vector>

#include <kroton/ops/indexing.hpp>

#include "lib/ir/op.hpp"

namespace kroton::ops {

/// The items of an index with ranges for the axes that are left out: one for each axis of `e`, but
/// for masks, which are for as many as they have, and newaxes, which are for none. Throws
/// ShapeError, as `op`.
std::vector<IndexItem> item_for_each_axis(std::string_view op, const Expr& e,
                                          std::vector<IndexItem> items, Location where);
/// The position from the front that an item names along an axis of `n` elements, if it is a number
/// and there is such a position.
std::optional<std::int64_t> known_position(const IndexItem& item, const Dim& n);
/// The axis of an index's result where the axes of the position arrays begin: where they stand
/// among the items if they are neighbours, else first.
std::size_t axis_of_positions(const std::vector<bool>& is_indexed);
/// The items of take_along_axis and put_along_axis.
std::vector<IndexItem> items_along(std::string_view op, const Expr& a, const Expr& positions,
                                   int axis, Bounds mode, Location where);

} // namespace kroton::ops
