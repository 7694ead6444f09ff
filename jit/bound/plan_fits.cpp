/// What must hold of a plan that was read, before calls use its numbers unchecked.
#include <algorithm>

#include "jit/bound/plan_file.hpp"
#include "lib/ir/call.hpp"
#include "lib/ops/table.hpp"
#include "lib/support/match.hpp"

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
           all_of(p_.assumed_slots,
                  [&](const auto& e) { return slot(e.first) && slot(e.second); }) &&
           all_of(p_.buffers, [&](const auto& b) { return buffer_type(b); }) &&
           all_of(p_.sources, [&](const auto& s) { return source(s); }) &&
           all_of(p_.constants, [&](const auto& c) { return constant(c); }) &&
           all_of(p_.temps, [&](const auto& t) { return temp(t); }) && slots(p_.slot_bytes) &&
           slots(p_.step_sizes) && each_buffer_has_a_place() && steps() && sequences() &&
           outputs() && ranges();
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

  bool launches(const std::vector<bound::Launch>& list) const {
    return std::ranges::all_of(list, [&](const bound::Launch& l) {
      return is_index(l.code, p_.kernels.size()) && slot(l.units) && slot(l.shared_bytes) &&
             slot(l.selector) && l.threads > 0 && l.units_per_block > 0;
    });
  }
  bool arguments(const bound::Arguments& a) const {
    return buffers(a.buffers) && is_index(a.first_size, p_.step_sizes.size() + 1) &&
           is_index(a.sizes, p_.step_sizes.size() + 1 - static_cast<std::size_t>(a.first_size));
  }
  bool steps() const {
    using std::ranges::all_of;
    return support::match(
        p_.steps,
        [&](const std::vector<bound::CpuStep>& list) {
          return !on_device_ && all_of(list, [&](const auto& s) { return step(s); }) &&
                 have_code(list);
        },
        [&](const std::vector<bound::DeviceStep>& list) {
          return on_device_ && all_of(list, [&](const auto& s) { return step(s); });
        });
  }
  /// One after the other, each of steps that there are.
  bool sequences() const {
    const auto* steps = std::get_if<std::vector<bound::CpuStep>>(&p_.steps);
    if (!steps) return p_.sequences.empty();
    std::size_t end = 0; // of the last one
    for (const bound::CpuSequence& s : p_.sequences) {
      if (s.count < 1 || !is_index(s.first, steps->size()) ||
          static_cast<std::size_t>(s.first) < end ||
          static_cast<std::size_t>(s.count) > steps->size() - static_cast<std::size_t>(s.first) ||
          !has_code(s.code) || !is_index(s.first_size, p_.step_sizes.size() + 1))
        return false;
      end = static_cast<std::size_t>(s.first) + static_cast<std::size_t>(s.count);
      for (std::size_t i = static_cast<std::size_t>(s.first); i + 1 < end; ++i)
        if ((*steps)[i].is_fallible) return false;
    }
    return true;
  }
  bool has_code(int kernel) const {
    return is_index(kernel, p_.kernels.size()) &&
           !p_.kernels[static_cast<std::size_t>(kernel)].is_deferred;
  }
  /// Code is kept of all kernels but those that sequences alone run.
  bool have_code(std::span<const bound::CpuStep> steps) const {
    std::vector<bool> is_inside(steps.size(), false);
    for (const bound::CpuSequence& s : p_.sequences)
      for (int i = s.first; i < s.first + s.count && is_index(i, steps.size()); ++i)
        is_inside[static_cast<std::size_t>(i)] = true;
    for (std::size_t i = 0; i < steps.size(); ++i) {
      if (is_inside[i]) continue;
      const bool has_all = support::match(
          steps[i].what, [&](const bound::CpuKernel& k) { return has_code(k.code); },
          [&](const bound::CpuProduct& x) {
            return std::ranges::all_of(x.code_of_scheme,
                                       [&](const auto& code) { return !code || has_code(*code); });
          },
          [](const bound::CpuCall&) { return true; });
      if (!has_all) return false;
    }
    return true;
  }
  bool step(const bound::CpuStep& s) const {
    return support::match(
        s.what,
        [&](const bound::CpuKernel& k) {
          return is_index(k.code, p_.kernels.size()) && arguments(k.arguments) &&
                 (!k.scratch || slot(*k.scratch));
        },
        [&](const bound::CpuProduct& x) { return product(x.product) && schemes(x); },
        [&](const bound::CpuCall& c) { return call(c.call); });
  }
  bool step(const bound::DeviceStep& s) const {
    const bool fits = support::match(
        s.what, [&](const bound::DeviceKernel& k) { return arguments(k.arguments); },
        [&](const bound::DeviceProduct& x) {
          return product(x.product) && (!x.epilogue || epilogue(*x.epilogue, x.product));
        },
        [&](const bound::DeviceCall& c) { return call(c.call); });
    return fits && launches(s.launches) && (!s.scratch || slot(*s.scratch)) && buffers(s.reads) &&
           buffers(s.writes);
  }
  bool operand(const bound::Operand& o, std::size_t rank) const {
    return buffer(o.buffer) && slot(o.offset) && o.strides.size() == rank && slots(o.strides);
  }
  bool product(const bound::Product& p) const {
    const std::size_t rank = p.shape.size();
    if (rank < 2 || !slots(p.shape) || !slot(p.k) || !slot(p.out_row) || !operand(p.a, rank) ||
        !operand(p.b, rank) || !is_of_product(p.out, p) ||
        p.addend.has_value() != p.known.accumulates)
      return false;
    if (p.addend && (!buffer(p.addend->buffer) || !buffer(p.addend->alpha.buffer) ||
                     !slot(p.addend->alpha.offset)))
      return false;
    const int vector = p.known.vector_bytes;
    return (vector == 16 || vector == 32 || vector == 64) && known_sizes(p);
  }
  bool is_of_product(int b, const bound::Product& p) const {
    return buffer(b) && type(b).dtype == p.known.dtype;
  }
  bool epilogue(const bound::DeviceEpilogue& e, const bound::Product& p) const {
    if (!arguments(e.arguments) || !launches(e.launches)) return false;
    if (!e.known) return true;
    const auto& bias = e.known->bias;
    return is_of_product(e.known->out, p) && slot(e.known->out_row) && !e.keeps_product &&
           !p.addend && (!bias || (is_of_product(bias->buffer, p) && slot(bias->offset)));
  }
  /// Sizes that the code takes for constants are those that calls come with.
  bool known_sizes(const bound::Product& p) const {
    const std::size_t rank = p.shape.size();
    const codegen::ContractionSizes<int> at{p.shape[rank - 2],
                                            p.shape[rank - 1],
                                            p.k,
                                            p.a.strides[rank - 2],
                                            p.a.strides[rank - 1],
                                            p.b.strides[rank - 2],
                                            p.b.strides[rank - 1],
                                            p.out_row};
    const auto known = p.known.known.in_order();
    const auto slots = at.in_order();
    for (std::size_t i = 0; i < known.size(); ++i)
      if (known[i] && *known[i] != p_.sizes.initial[static_cast<std::size_t>(slots[i])])
        return false;
    return true;
  }
  /// There is code for each scheme that a call may choose.
  bool schemes(const bound::CpuProduct& x) const {
    std::array<bool, 4> is_possible{};
    for (auto scheme : codegen::possible_schemes(x.product.known))
      is_possible[static_cast<std::size_t>(scheme)] = true;
    for (std::size_t i = 0; i < is_possible.size(); ++i) {
      const std::optional<int>& code = x.code_of_scheme[i];
      if (code.has_value() != is_possible[i] || (code && !is_index(*code, p_.kernels.size())))
        return false;
    }
    return true;
  }
  bool call_array(const bound::CallArray& a) const {
    return operand(a.memory, a.shape.size()) && slots(a.shape);
  }
  bool call(const bound::Call& c) const {
    const auto is_array = [&](const bound::CallArray& a) { return call_array(a); };
    if (!is_index(c.op, ops::all().size()) || !std::ranges::all_of(c.results, is_array) ||
        !std::ranges::all_of(c.operands, is_array) || !arguments(c.arguments))
      return false;
    const ir::LibraryCall* row = ops::all()[static_cast<std::size_t>(c.op)]->call;
    return row && row->takes &&
           row->takes(types(c.results), types(c.operands),
                      static_cast<std::size_t>(c.arguments.sizes));
  }
  std::vector<ir::CallType> types(const std::vector<bound::CallArray>& arrays) const {
    std::vector<ir::CallType> types;
    for (const auto& a : arrays) types.push_back({type(a.memory.buffer).dtype, a.shape.size()});
    return types;
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
