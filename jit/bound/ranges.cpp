#include "jit/bound/ranges.hpp"

#include <algorithm>
#include <ranges>
#include <utility>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/table.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton::jit {

using support::Interval;
using support::Wide;
using Kind = RangeCode::Instruction::Kind;

// ---- in a call

namespace {

Interval from_front(const Interval& position, const Interval& size) {
  if (position.low >= 0) return position;
  const Interval moved{position.low + size.low, std::min<Wide>(position.high, -1) + size.high};
  return position.high < 0 ? moved : support::hull(moved, {0, position.high});
}

} // namespace

void RangeCode::run(std::span<const std::int64_t> sizes, std::span<const Interval> leaf_values,
                    std::vector<Interval>& values) const {
  values.resize(code.size());
  const auto value = [&](int i) { return values[static_cast<std::size_t>(i)]; };
  const auto size = [&](int slot) { return Wide(sizes[static_cast<std::size_t>(slot)]); };
  for (std::size_t n = 0; n < code.size(); ++n) {
    const Instruction& i = code[n];
    const Interval all = support::integers_of(i.dtype);
    Interval& to = values[n];
    switch (i.kind) {
    case Kind::any:
      to = all;
      break;
    case Kind::leaf:
      to = leaf_values[static_cast<std::size_t>(i.a)];
      break;
    case Kind::number:
      to = {i.value, i.value};
      break;
    case Kind::size:
      to = {size(i.a), size(i.a)};
      break;
    case Kind::count:
      to = {0, std::max<Wide>(size(i.a) - 1, 0)};
      break;
    case Kind::op: {
      const ir::Op& op = *ops::all()[static_cast<std::size_t>(i.row)];
      Interval inputs[3];
      const int operands[3] = {i.a, i.b, i.c};
      for (int k = 0; k < op.arity; ++k) inputs[k] = value(operands[k]);
      to = op.range(op, inputs);
      break;
    }
    case Kind::total:
      to = {value(i.a).low * size(i.b), value(i.a).high * size(i.b)};
      break;
    case Kind::extreme:
      to = size(i.b) > 0 ? value(i.a) : all;
      break;
    case Kind::from_front:
      to = from_front(value(i.a), value(i.b));
      break;
    }
    if (!all.contains(to)) to = all; // it may have wrapped
  }
}

bool RangeCode::holds(std::span<const std::int64_t> sizes, std::span<const Interval> values) const {
  return is_complete && std::ranges::all_of(checks, [&](const Check& c) {
           const Wide size = sizes[static_cast<std::size_t>(c.size)];
           return Interval{-size, size - 1}.contains(values[static_cast<std::size_t>(c.value)]);
         });
}

Interval interval_of(DType dtype, const void* elements, std::size_t numel) {
  if (numel == 0) return {};
  return support::visit_dtype(dtype, [&]<class T>(std::type_identity<T>) -> Interval {
    if constexpr (std::is_floating_point_v<T>) {
      KROTON_CHECK(false, "{} is no dtype of integers", to_string(dtype));
      return {};
    } else {
      const T* from = static_cast<const T*>(elements);
      T low = from[0], high = from[0];
      for (std::size_t i = 1; i < numel; ++i) {
        low = std::min(low, from[i]);
        high = std::max(high, from[i]);
      }
      return {low, high};
    }
  });
}

Interval interval_of(const Array& array) {
  const Array dense = array.contiguous(Location{});
  return interval_of(dense.dtype(), std::as_const(dense).raw(),
                     static_cast<std::size_t>(dense.numel()));
}

// ---- while compiling

RangeTable::RangeTable(const ir::Graph& graph, SizeTable& sizes,
                       std::function<int(ir::NodeId)> buffer_of)
    : graph_(graph), sizes_(sizes), buffer_of_(std::move(buffer_of)) {}

std::vector<int> RangeTable::values(std::span<const ir::NodeId> nodes) {
  const std::vector<ir::NodeId> order = graph_.order(nodes);
  std::unordered_map<ir::NodeId, Origin> needed;
  for (ir::NodeId id : nodes) needed.try_emplace(id);
  for (ir::NodeId id : std::views::reverse(order)) {
    const auto it = needed.find(id);
    if (it == needed.end() || known_.contains(id)) continue;
    const ir::GraphNode& n = graph_[id];
    Origin origin = n.is_leaf() ? origin_of_leaf(id, n) : origin_of(n);
    origin.how.dtype = n.type.dtype;
    for (ir::NodeId from : origin.from) needed.try_emplace(from);
    needed[id] = std::move(origin);
  }
  for (ir::NodeId id : order)
    if (const auto it = needed.find(id); it != needed.end() && !known_.contains(id))
      known_.emplace(id, add(it->second));
  std::vector<int> result;
  for (ir::NodeId id : nodes) result.push_back(known_.at(id));
  return result;
}

void RangeTable::check(int value, const Dim& size) {
  code_.checked_leaves = static_cast<int>(code_.leaves.size());
  const RangeCode::Check check{value, sizes_.slot(size)};
  if (std::ranges::find(code_.checks, check) == code_.checks.end()) code_.checks.push_back(check);
}

void RangeTable::result(int buffer, ir::NodeId node) {
  code_.results.push_back({buffer, values({&node, 1})[0]});
}

int RangeTable::add(const Origin& origin) {
  if (origin.is_same) return known_.at(origin.from[0]);
  RangeCode::Instruction i = origin.how;
  int* const operands[] = {&i.a, &i.b, &i.c};
  for (std::size_t k = 0; k < origin.from.size(); ++k) *operands[k] = known_.at(origin.from[k]);
  if (i.kind == Kind::leaf) {
    const auto [leaf, is_new] =
        leaf_of_buffer_.try_emplace(i.a, static_cast<int>(code_.leaves.size()));
    if (is_new) code_.leaves.push_back(i.a);
    i.a = leaf->second;
  }
  code_.code.push_back(i);
  return static_cast<int>(code_.code.size()) - 1;
}

RangeTable::Origin RangeTable::origin_of_leaf(ir::NodeId id, const ir::GraphNode& n) const {
  if (n.op == &ops::constant) {
    const Wide value = ops::int_value(ops::constant_in(n));
    if (!support::integers_of(DType::i64).contains({value, value})) return {};
    return {{.kind = Kind::number, .value = static_cast<std::int64_t>(value)}};
  }
  const int buffer = buffer_of_(id);
  if (buffer < 0) return {};
  return {{.kind = Kind::leaf, .a = buffer}};
}

RangeTable::Origin RangeTable::origin_of(const ir::GraphNode& n) {
  switch (n.op->kind) {
  case ir::Kind::generator:
    if (n.op == &ops::size)
      return {{.kind = Kind::size, .a = sizes_.slot(n.params.as<ops::SizeParams>().size)}};
    if (n.op == &ops::iota)
      return {{.kind = Kind::count, .a = sizes_.slot(n.params.as<ops::SizeParams>().size)}};
    return {};
  case ir::Kind::movement:
  case ir::Kind::gather:
    return {.from = {n.inputs[0]}, .is_same = true};
  case ir::Kind::reduction:
    return origin_of_reduction(n);
  case ir::Kind::elementwise:
    return origin_of_elementwise(n);
  case ir::Kind::leaf: // see origin_of_leaf
  case ir::Kind::random:
  case ir::Kind::pad:
  case ir::Kind::scatter:
  case ir::Kind::contraction:
  case ir::Kind::library:
  case ir::Kind::several:
  case ir::Kind::part:
    break;
  }
  return {};
}

RangeTable::Origin RangeTable::origin_of_elementwise(const ir::GraphNode& n) {
  if (const auto front = from_front(n))
    return {.how = {.kind = Kind::from_front}, .from = {front->first, front->second}};
  const bool is_of_integers =
      std::ranges::none_of(n.inputs, [&](ir::NodeId i) { return is_float(graph_[i].type.dtype); });
  const auto row = std::ranges::find(ops::all(), n.op) - ops::all().begin();
  const bool is_listed = row < std::ssize(ops::all());
  if (!n.op->range || !is_of_integers || !is_listed) return {};
  return {.how = {.kind = Kind::op, .row = static_cast<int>(row)}, .from = n.inputs};
}

RangeTable::Origin RangeTable::origin_of_reduction(const ir::GraphNode& n) {
  Dim count(1);
  for (std::int64_t axis : ops::axes_of(n))
    count = ir::dims::mul(count, graph_[n.inputs[0]].type.shape[static_cast<std::size_t>(axis)]);
  const int slot = sizes_.slot(count);
  if (n.op->gives_position()) return {{.kind = Kind::count, .a = slot}};
  const auto of_input = [&](Kind kind) {
    return Origin{.how = {.kind = kind, .b = slot}, .from = {n.inputs[0]}};
  };
  switch (n.op->fold->combine) {
  case ir::Combine::sum:
    return of_input(Kind::total);
  case ir::Combine::maximum:
  case ir::Combine::minimum:
    return of_input(Kind::extreme);
  case ir::Combine::other:
    break;
  }
  return {};
}

std::optional<std::pair<ir::NodeId, ir::NodeId>>
RangeTable::from_front(const ir::GraphNode& n) const {
  if (n.op != &ops::where) return std::nullopt;
  const ir::NodeId position = n.inputs[2];
  const ir::GraphNode &is_negative = graph_[n.inputs[0]], &moved = graph_[n.inputs[1]];
  if (is_negative.op != &ops::less || is_negative.inputs[0] != position || moved.op != &ops::add)
    return std::nullopt;
  const ir::GraphNode& zero = graph_[is_negative.inputs[1]];
  if (zero.op != &ops::constant || ops::constant_in(zero).bits() != 0) return std::nullopt;
  for (std::size_t side = 0; side < 2; ++side)
    if (moved.inputs[side] == position) return std::pair{position, moved.inputs[1 - side]};
  return std::nullopt;
}

} // namespace kroton::jit
