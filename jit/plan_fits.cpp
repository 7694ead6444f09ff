/// What must hold of a plan that was read, before calls use its numbers unchecked.
#include <algorithm>

#include "jit/plan_file.hpp"
#include "lib/ops/table.hpp"

namespace kroton::jit {
namespace {

bool is_index(int i, std::size_t size) { return i >= 0 && static_cast<std::size_t>(i) < size; }

class Check {
public:
  Check(const BoundPlan& plan, const Signature& signature, const Leaves& leaves, bool on_device)
      : p_(plan), signature_(signature), leaves_(leaves), on_device_(on_device) {}

  bool holds() const {
    using std::ranges::all_of;
    return all_of(p_.sizes.code, [&](const auto& i) { return instruction(i); }) &&
           all_of(p_.symbols, [&](const auto& s) { return symbol(s); }) &&
           all_of(p_.draws,
                  [&](const auto& d) {
                    return slot(d.slot) && is_index(d.number, leaves_.draws());
                  }) &&
           all_of(p_.checks,
                  [&](const auto& c) { return axis(c.argument, c.axis) && slot(c.slot); }) &&
           all_of(p_.equal_slots, [&](const auto& e) { return slot(e.first) && slot(e.second); }) &&
           all_of(p_.buffers, [&](const auto& b) { return buffer_type(b); }) &&
           all_of(p_.sources, [&](const auto& s) { return source(s); }) &&
           all_of(p_.constants, [&](const auto& c) { return constant(c); }) &&
           all_of(p_.temps, [&](const auto& t) { return temp(t); }) &&
           all_of(p_.kernels, [&](const auto& k) { return on_device_ || !k.is_deferred; }) &&
           slots(p_.slot_bytes) && slots(p_.step_sizes) && each_buffer_has_a_place() &&
           all_of(p_.steps, [&](const auto& s) { return step(s); }) && outputs() && ranges();
  }

private:
  bool slot(int s) const { return is_index(s, p_.sizes.initial.size()); }
  bool slots(std::span<const int> list) const {
    return std::ranges::all_of(list, [&](int s) { return slot(s); });
  }
  bool buffer(int b) const { return is_index(b, p_.buffers.size()); }
  bool buffers(std::span<const int> list) const {
    return std::ranges::all_of(list, [&](int b) { return buffer(b); });
  }
  const BoundPlan::BufferType& type(int b) const { return p_.buffers[static_cast<std::size_t>(b)]; }
  bool input(int i) const { return is_index(i, signature_.inputs.size()); }
  const Expr& expr(int i) const { return signature_.inputs[static_cast<std::size_t>(i)]; }
  bool axis(int argument, int a) const {
    return input(argument) && is_index(a, expr(argument).shape().size());
  }

  bool instruction(const SizeCode::Instruction& i) const {
    return i.kind >= ir::DimKind::add && slot(i.target) && slot(i.a) && slot(i.b);
  }
  bool buffer_type(const BoundPlan::BufferType& b) const {
    return slots(b.shape) && slots(b.strides) && b.shape.size() == b.strides.size();
  }
  bool symbol(const BoundPlan::SymbolSource& s) const {
    const bool is_value = s.axis == -1 && input(s.argument) && expr(s.argument).rank() == 0;
    return slot(s.slot) && (is_value || axis(s.argument, s.axis));
  }
  bool source(const BoundPlan::Source& s) const {
    if (!buffer(s.buffer)) return false;
    switch (s.kind) {
    case BoundPlan::Source::argument:
      return input(s.index) && expr(s.index).dtype() == type(s.buffer).dtype;
    case BoundPlan::Source::shared:
      return is_index(s.index, static_cast<std::size_t>(leaves_.size())) &&
             leaves_.shared(s.index) != nullptr;
    case BoundPlan::Source::output:
      return is_index(s.index, signature_.outputs.size());
    case BoundPlan::Source::update:
      return is_index(s.index, signature_.updates.size());
    }
    return false;
  }
  bool constant(const BoundPlan::Constant& c) const {
    if (!buffer(c.buffer) || type(c.buffer).dtype != c.dtype) return false;
    if (c.leaf != -1) {
      if (!is_index(c.leaf, static_cast<std::size_t>(leaves_.size()))) return false;
      const ir::ArrayLeaf* array = leaves_.array(c.leaf);
      return array && array->value.dtype() == c.dtype && array->value.shape() == c.shape;
    }
    std::uint64_t nbytes = item_size(c.dtype);
    for (std::int64_t d : c.shape) {
      if (d < 0 || static_cast<std::uint64_t>(d) > c.bytes.size()) return false;
      nbytes *= static_cast<std::uint64_t>(d);
      if (nbytes > c.bytes.size()) return false;
    }
    return nbytes == c.bytes.size();
  }
  bool temp(const std::pair<int, int>& t) const {
    return buffer(t.first) && is_index(t.second, p_.slot_bytes.size());
  }
  /// Exactly one: a call would read memory from nowhere, or write what is not there to be written.
  bool each_buffer_has_a_place() const {
    std::vector<int> places(p_.buffers.size(), 0);
    for (const auto& s : p_.sources) ++places[static_cast<std::size_t>(s.buffer)];
    for (const auto& c : p_.constants) ++places[static_cast<std::size_t>(c.buffer)];
    for (const auto& t : p_.temps) ++places[static_cast<std::size_t>(t.first)];
    return std::ranges::all_of(places, [](int n) { return n == 1; });
  }

  bool launch(const BoundPlan::Launch& l) const {
    return is_index(l.code, p_.kernels.size()) && slot(l.units) && slot(l.shared_bytes) &&
           slot(l.length) && l.threads > 0 && l.units_per_block > 0;
  }
  /// What a kernel needs, and on a device any step.
  bool code(const BoundPlan::Step& s) const {
    return (on_device_ || is_index(s.code, p_.kernels.size())) && buffers(s.buffers) &&
           buffers(s.reads) && buffers(s.writes) &&
           is_index(s.first_size, p_.step_sizes.size() + 1) &&
           is_index(s.sizes, p_.step_sizes.size() + 1 - static_cast<std::size_t>(s.first_size)) &&
           (s.scratch == -1 || slot(s.scratch)) &&
           std::ranges::all_of(s.launches, [&](const auto& l) { return launch(l); }) &&
           std::ranges::all_of(s.epilogue, [&](const auto& l) { return launch(l); });
  }
  bool step(const BoundPlan::Step& s) const {
    if (on_device_ && !code(s)) return false;
    switch (s.kind) {
    case BoundPlan::Step::kernel:
      return code(s);
    case BoundPlan::Step::contraction:
      return contraction(s);
    case BoundPlan::Step::scatter:
      return scatter(s);
    }
    return false;
  }
  bool operand(const BoundPlan::Operand& o, std::size_t rank) const {
    return buffer(o.buffer) && slot(o.offset) && o.strides.size() == rank && slots(o.strides);
  }
  bool contraction(const BoundPlan::Step& s) const {
    const std::size_t rank = s.shape.size();
    const bool accumulates = s.so_far != -1;
    if (rank < 2 || !slots(s.shape) || !slot(s.k) || !slot(s.out_row) || !operand(s.a, rank) ||
        !operand(s.b, rank) || !buffer(s.out) || type(s.out).dtype != s.product.dtype ||
        accumulates != s.product.accumulates)
      return false;
    if (accumulates && (!buffer(s.so_far) || !buffer(s.alpha.buffer) || !slot(s.alpha.offset)))
      return false;
    if (!known_epilogue(s)) return false;
    const int vector = s.product.vector_bytes;
    return (vector == 16 || vector == 32 || vector == 64) && known_sizes(s) &&
           (on_device_ || schemes(s));
  }
  bool known_epilogue(const BoundPlan::Step& s) const {
    const BoundPlan::Step::Known& k = s.known;
    const auto is_of_product = [&](int b) { return buffer(b) && type(b).dtype == s.product.dtype; };
    if (k.out == -1) return k.bias == -1;
    return is_of_product(k.out) && slot(k.out_row) && !s.keeps_product && s.so_far == -1 &&
           (k.bias == -1 || (is_of_product(k.bias) && slot(k.bias_offset)));
  }
  /// Sizes that the code takes for constants are those that calls come with.
  bool known_sizes(const BoundPlan::Step& s) const {
    const std::size_t rank = s.shape.size();
    const codegen::ContractionSizes<int> at{s.shape[rank - 2],
                                            s.shape[rank - 1],
                                            s.k,
                                            s.a.strides[rank - 2],
                                            s.a.strides[rank - 1],
                                            s.b.strides[rank - 2],
                                            s.b.strides[rank - 1],
                                            s.out_row};
    const auto known = s.product.known.in_order();
    const auto slots = at.in_order();
    for (std::size_t i = 0; i < known.size(); ++i)
      if (known[i] && *known[i] != p_.sizes.initial[static_cast<std::size_t>(slots[i])])
        return false;
    return true;
  }
  /// There is code for each scheme that a call may choose.
  bool schemes(const BoundPlan::Step& s) const {
    std::array<bool, 4> is_possible{};
    for (auto scheme : codegen::possible_schemes(s.product))
      is_possible[static_cast<std::size_t>(scheme)] = true;
    for (std::size_t i = 0; i < is_possible.size(); ++i)
      if (is_possible[i] ? !is_index(s.code_of_scheme[i], p_.kernels.size())
                         : s.code_of_scheme[i] != -1)
        return false;
    return true;
  }
  bool scatter(const BoundPlan::Step& s) const {
    const auto is_position = [&](int b) { return buffer(b) && type(b).dtype == DType::i64; };
    return buffer(s.out) && buffer(s.added) && type(s.out).dtype == type(s.added).dtype &&
           !s.positions.empty() && s.positions.size() <= type(s.out).shape.size() &&
           std::ranges::all_of(s.positions, is_position);
  }
  /// A buffer of integers that is there before any step.
  bool range_leaf(int b) const {
    const auto is_it = [b](const auto& place) { return place.buffer == b; };
    return buffer(b) && !is_float(type(b).dtype) &&
           (std::ranges::any_of(p_.constants, is_it) ||
            std::ranges::any_of(p_.sources, [&](const BoundPlan::Source& s) {
              return is_it(s) &&
                     (s.kind == BoundPlan::Source::argument || s.kind == BoundPlan::Source::shared);
            }));
  }
  /// A buffer that outlives the call.
  bool range_result(int b) const {
    return buffer(b) && std::ranges::any_of(p_.sources, [&](const BoundPlan::Source& s) {
             return s.buffer == b && s.kind != BoundPlan::Source::argument;
           });
  }
  /// Values are computed from earlier ones; this one is number `n`.
  bool range(const RangeCode::Instruction& i, std::size_t n) const {
    using Instruction = RangeCode::Instruction;
    if (is_float(i.dtype)) return false;
    switch (i.kind) {
    case Instruction::any:
    case Instruction::number:
      return true;
    case Instruction::leaf:
      return is_index(i.a, p_.ranges.leaves.size()) &&
             type(p_.ranges.leaves[static_cast<std::size_t>(i.a)]).dtype == i.dtype;
    case Instruction::size:
    case Instruction::count:
      return slot(i.a);
    case Instruction::op: {
      if (!is_index(i.row, ops::all().size())) return false;
      const ir::Op& op = *ops::all()[static_cast<std::size_t>(i.row)];
      return op.range && is_index(i.a, n) && (op.arity < 2 || is_index(i.b, n)) &&
             (op.arity < 3 || is_index(i.c, n));
    }
    case Instruction::total:
    case Instruction::extreme:
      return is_index(i.a, n) && slot(i.b);
    case Instruction::from_front:
      return is_index(i.a, n) && is_index(i.b, n);
    }
    return false;
  }
  bool ranges() const {
    const RangeCode& r = p_.ranges;
    if (!std::ranges::all_of(r.leaves, [&](int b) { return range_leaf(b); })) return false;
    for (std::size_t n = 0; n < r.code.size(); ++n)
      if (!range(r.code[n], n)) return false;
    const auto is_value = [&](int v) { return is_index(v, r.code.size()); };
    return is_index(r.checked_leaves, r.leaves.size() + 1) &&
           std::ranges::all_of(r.checks,
                               [&](const auto& c) { return is_value(c.value) && slot(c.size); }) &&
           std::ranges::all_of(r.results, [&](const RangeCode::Result& x) {
             return is_value(x.value) && range_result(x.buffer) &&
                    type(x.buffer).dtype == r.code[static_cast<std::size_t>(x.value)].dtype;
           });
  }
  bool outputs() const {
    return std::ranges::equal(p_.outputs, signature_.outputs, [&](const auto& o, const Expr& e) {
      return o.dtype == e.dtype() && o.shape.size() == e.shape().size() && slots(o.shape);
    });
  }

  const BoundPlan& p_;
  const Signature& signature_;
  const Leaves& leaves_;
  const bool on_device_;
};

} // namespace

bool fits(const BoundPlan& plan, const Signature& signature, const Leaves& leaves, bool on_device) {
  return Check(plan, signature, leaves, on_device).holds();
}

} // namespace kroton::jit
