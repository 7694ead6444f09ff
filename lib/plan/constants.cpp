#include "lib/plan/constants.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "lib/ops/arithmetic.hpp"
#include "lib/ops/build.hpp"
#include "lib/support/digest.hpp"

namespace kroton::plan {
namespace dims = ir::dims;
namespace {

/// Whether compilers treat a value differently from its neighbours: multiplied by 1 it is gone,
/// divided by 2 it becomes a product.
bool is_special(DType dtype, std::uint64_t bits) {
  if (is_bool(dtype)) return true;
  if (!is_float(dtype)) {
    const ir::Wide v = ops::int_value(dtype, bits);
    return -2 <= v && v <= 2;
  }
  const double v = ops::float_value(dtype, bits);
  return !std::isfinite(v) || v == 0 || std::fabs(v) == 0.5 || std::fabs(v) == 1 ||
         std::fabs(v) == 2;
}

/// Whether an op's second operand decides what code it is computed by.
bool is_steered(const ir::Op* op) {
  return op == &ops::pow || op == &ops::floor_div || op == &ops::mod;
}

std::size_t at(int i) { return static_cast<std::size_t>(i); }

/// Calls `f` with every mention of a value.
template <class F> void for_each_use(Kernel& kernel, F f) {
  for (Value& v : kernel.values) {
    for (int& i : v.inputs) f(i);
    if (Access* access = v.access.get())
      for (ComputedTerm& t : access->computed) f(t.value);
  }
  for_each_block(kernel, [&](Block& b) {
    for (Store& s : b.stores) f(s.value);
  });
  for (Reduction& r : kernel.reductions) f(r.value);
}

/// Of each value: whether it is a literal that may be an argument.
std::vector<bool> find_candidates(const Kernel& kernel) {
  std::vector<bool> may_be(kernel.values.size());
  for (std::size_t i = 0; i < may_be.size(); ++i) {
    const Value& v = kernel.values[i];
    may_be[i] = v.kind == ValueKind::literal && !is_special(v.dtype, v.bits);
  }
  for (const Value& v : kernel.values)
    if (v.kind == ValueKind::op && is_steered(v.op)) may_be[at(v.inputs[1])] = false;
  return may_be;
}

/// Whether an offset may be an argument; larger ones are anyway, as sizes are.
bool may_be_passed(const Dim& offset) {
  return offset.is_static() && offset.value() > 0 && offset.value() <= largest_literal_dim;
}

/// Calls `f` with the offset of every load and store that may be an argument.
template <class F> void for_each_offset(Kernel& kernel, F f) {
  const auto add = [&](Access& a) {
    if (a.param >= 0 && may_be_passed(a.offset)) f(a.offset);
  };
  for (Value& v : kernel.values)
    if (Access* a = v.access.get(); a && v.kind == ValueKind::load) add(*a);
  for_each_block(kernel, [&](Block& b) {
    for (Store& s : b.stores) add(s.access);
  });
}

template <class T>
concept Numeric = std::is_arithmetic_v<T> || std::is_enum_v<T>;

/// What a kernel is but for its candidates and for names: dims, too, are numbered as they come.
class Form {
public:
  Form(const Kernel& kernel, const std::vector<bool>& may_be_argument)
      : k_(kernel), may_be_(may_be_argument) {}

  support::Digest digest() {
    put(k_.title);
    put(k_.rows, k_.cost, k_.sites.size());
    if (k_.axes.size() == 1)
      number(k_.axes[0]);
    else
      list(k_.axes, [&](const Dim& d) { put(d); });
    list(k_.params, [&](const Param& p) { put(p.dtype, p.is_read, p.is_written); });
    list(k_.scratch, [&](const Scratch& s) {
      put(s.dtype);
      put(s.axes);
    });
    for (std::size_t i = 0; i < k_.values.size(); ++i) put(k_.values[i], may_be_[i]);
    list(k_.reductions, [&](const Reduction& r) { put(r); });
    put(k_.prologue);
    list(k_.stages, [&](const Stage& s) {
      put(s.row);
      put(s.loop);
      put(s.reductions);
    });
    list(k_.finish, [&](const Finish& f) {
      put(f.axes);
      put(f.block);
    });
    return hasher_.digest();
  }

private:
  template <Numeric... T> void put(T... numbers) {
    const std::int64_t all[] = {static_cast<std::int64_t>(numbers)...};
    hasher_.add(std::as_bytes(std::span(all)));
  }
  void put(std::string_view text) {
    put(text.size());
    hasher_.add(text);
  }
  template <class Range, class F> void list(const Range& all, F each) {
    put(all.size());
    for (const auto& x : all) each(x);
  }
  void put(const std::vector<int>& numbers) {
    list(numbers, [&](int n) { put(n); });
  }
  void put(const Dim& d) {
    if (d.is_static() && d.value() <= largest_literal_dim) return put(0, d.value());
    number(d);
    if (!d.is_static() && d.node()->kind == ir::DimKind::negative) put(d.node()->a);
  }
  void number(const Dim& d) {
    put(1, dims_.try_emplace(d, static_cast<int>(dims_.size())).first->second);
  }
  /// `may_pass`: an offset that may be an argument is left out.
  void put(const Access& a, bool may_pass) {
    put(a.param, a.scratch);
    list(a.terms, [&](const Term& t) {
      put(t.axis);
      put(t.coefficient);
    });
    if (may_pass && a.param >= 0 && may_be_passed(a.offset))
      put(2);
    else
      put(a.offset);
    list(a.computed, [&](const ComputedTerm& t) {
      put(t.value, t.site, t.is_inside);
      put(t.coefficient);
      put(t.bound);
    });
  }
  void put(const Value& v, bool may_be_argument) {
    put(v.kind, v.dtype, v.reduction, may_be_argument, may_be_argument ? 0 : v.bits);
    put(v.op ? v.op->name : std::string_view{});
    list(v.inputs, [&](int i) { put(i); });
    put(*v.access, v.kind == ValueKind::load);
  }
  void put(const Reduction& r) {
    put(r.op->name);
    put(r.dtype, r.accumulator, r.result_dtype, r.array_dtype, r.value, r.is_outer);
    put(r.kept);
    put(r.reduced);
    for (const Access* a : {&r.array, &r.block_sum, &r.result, &r.best, &r.position})
      put(*a, false);
  }
  void put(const Block& b) {
    put(b.values);
    list(b.stores, [&](const Store& s) {
      put(s.access, true);
      put(s.value);
    });
  }

  const Kernel& k_;
  const std::vector<bool>& may_be_;
  support::Hasher hasher_;
  std::unordered_map<Dim, int, dims::Hash, dims::Same> dims_;
};

/// Lets uses of a literal be uses of `argument`, which may be itself.
void make_argument(Kernel& kernel, int literal, int argument) {
  for_each_block(kernel, [&](Block& b) { std::erase(b.values, literal); });
  if (literal == argument) {
    kernel.values[at(literal)].kind = ValueKind::constant;
    kernel.prologue.values.insert(kernel.prologue.values.begin(), literal);
    return;
  }
  for_each_use(kernel, [&](int& id) {
    if (id == literal) id = argument;
  });
}

/// A dim that is `value` and that the text has no number for: a quotient that nothing has worked
/// out. Those of different `argument` are never the same.
Dim passed(std::int64_t value, std::int64_t argument) {
  auto node = std::make_shared<ir::DimNode>();
  node->kind = ir::DimKind::floor_div;
  node->a = Dim(value * (argument + 1));
  node->b = Dim(argument + 1);
  node->hash = dims::hash(node->a) * 31 + dims::hash(node->b);
  return Dim(std::move(node));
}

/// Lets `alike` have arguments for the offsets in which they differ.
void share_offsets(std::span<Kernel> kernels, std::span<const int> alike) {
  std::vector<std::vector<Dim*>> offsets; ///< of each kernel, in the same order
  for (int k : alike) {
    std::vector<Dim*>& all = offsets.emplace_back();
    for_each_offset(kernels[at(k)], [&](Dim& d) { all.push_back(&d); });
  }
  std::map<std::vector<std::int64_t>, std::int64_t> arguments; ///< numbered, by the offsets of each
  for (std::size_t i = 0; i < offsets.front().size(); ++i) {
    std::vector<std::int64_t> values;
    for (const std::vector<Dim*>& of_kernel : offsets) values.push_back(of_kernel[i]->value());
    if (std::ranges::adjacent_find(values, std::not_equal_to{}) == values.end()) continue;
    const auto number = static_cast<std::int64_t>(arguments.size());
    const std::int64_t argument = arguments.try_emplace(values, number).first->second;
    for (std::size_t k = 0; k < alike.size(); ++k) *offsets[k][i] = passed(values[k], argument);
  }
}

/// Lets `alike`, equal but for the bits of `candidates` and for offsets, have arguments for the
/// constants in which they differ.
void share_literals(std::span<Kernel> kernels, std::span<const int> alike,
                    const std::vector<bool>& candidates) {
  std::map<std::pair<DType, std::vector<std::uint64_t>>, int> arguments; ///< by their bits in each
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    if (!candidates[i]) continue;
    std::vector<std::uint64_t> bits;
    for (int k : alike) bits.push_back(kernels[at(k)].values[i].bits);
    if (std::ranges::adjacent_find(bits, std::not_equal_to{}) == bits.end()) continue;
    const int id = static_cast<int>(i);
    const DType dtype = kernels[at(alike[0])].values[i].dtype;
    const int argument = arguments.try_emplace({dtype, std::move(bits)}, id).first->second;
    for (int k : alike) make_argument(kernels[at(k)], id, argument);
  }
}

} // namespace

void share_constants(std::span<Kernel> kernels) {
  struct Alike {
    std::vector<int> kernels;
    std::vector<bool> candidates;
  };
  std::unordered_map<support::Digest, Alike, support::DigestHash> forms;
  for (std::size_t k = 0; k < kernels.size(); ++k) {
    std::vector<bool> candidates = find_candidates(kernels[k]);
    bool has_any = std::ranges::find(candidates, true) != candidates.end();
    for_each_offset(kernels[k], [&](const Dim&) { has_any = true; });
    if (!has_any) continue;
    Alike& alike = forms[Form(kernels[k], candidates).digest()];
    alike.kernels.push_back(static_cast<int>(k));
    alike.candidates = std::move(candidates);
  }
  // Each form is by itself, so their order does not matter.
  for (const auto& [form, alike] : forms) {
    if (alike.kernels.size() == 1) continue;
    share_literals(kernels, alike.kernels, alike.candidates);
    share_offsets(kernels, alike.kernels);
  }
}

} // namespace kroton::plan
