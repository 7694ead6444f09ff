#include "lib/plan/kernel.hpp"

#include <algorithm>
#include <utility>

namespace kroton::plan {
namespace dims = ir::dims;
namespace {

template <class F> void for_each_axis_list(Kernel& kernel, F f) {
  for (Reduction& r : kernel.reductions) {
    f(r.kept);
    f(r.reduced);
  }
  for (Finish& s : kernel.finish) f(s.axes);
  for (Scratch& s : kernel.scratch) f(s.axes);
}

const Term* find_term(const Access& a, int axis) {
  const auto it = std::ranges::find(a.terms, axis, &Term::axis);
  return it == a.terms.end() ? nullptr : &*it;
}

/// Whether axes `a` and `a + 1` are walked as one by everything.
bool can_merge(Kernel& kernel, int a) {
  bool ok = (a + 1 < kernel.rows) == (a < kernel.rows);
  const Dim& inner_size = kernel.axes[static_cast<std::size_t>(a) + 1];
  for_each_access(kernel, [&](const Access& access) {
    const Term *outer = find_term(access, a), *inner = find_term(access, a + 1);
    if (!outer && !inner) return;
    ok = ok && outer && inner &&
         dims::same(outer->coefficient, dims::mul(inner->coefficient, inner_size));
  });
  for_each_axis_list(kernel, [&](std::vector<int>& axes) {
    ok = ok && (std::ranges::find(axes, a) == axes.end()) ==
                   (std::ranges::find(axes, a + 1) == axes.end());
  });
  return ok;
}

void merge_axes(Kernel& kernel, int a) {
  kernel.axes[static_cast<std::size_t>(a)] = dims::mul(
      kernel.axes[static_cast<std::size_t>(a)], kernel.axes[static_cast<std::size_t>(a) + 1]);
  kernel.axes.erase(kernel.axes.begin() + a + 1);
  if (a + 1 < kernel.rows) --kernel.rows;
  for_each_access(kernel, [&](Access& access) {
    std::erase_if(access.terms,
                  [&](const Term& t) { return t.axis == a && find_term(access, a + 1); });
    for (Term& t : access.terms)
      if (t.axis > a) --t.axis;
  });
  for_each_axis_list(kernel, [&](std::vector<int>& axes) {
    std::erase(axes, a + 1);
    for (int& x : axes)
      if (x > a) --x;
  });
}

} // namespace

void simplify_loops(Kernel& kernel) {
  for (int a = static_cast<int>(kernel.axes.size()) - 2; a >= 0; --a)
    if (can_merge(kernel, a)) merge_axes(kernel, a);
  if (kernel.rows < 2 || kernel.rows < static_cast<int>(kernel.axes.size())) return;
  --kernel.rows;
  for (Reduction& r : kernel.reductions) r.reduced.push_back(kernel.rows);
}

std::vector<Dim> size_arguments(const Kernel& kernel) {
  std::vector<Dim> arguments;
  auto add = [&](const Dim& d) {
    // Negative steps print as minus a size.
    if (!d.is_static() && d.node()->kind == ir::DimKind::negative &&
        d.node()->a.value() <= largest_literal_dim)
      return;
    if (d.is_static() && d.value() <= largest_literal_dim) return;
    if (std::ranges::none_of(arguments, [&](const Dim& x) { return dims::same(x, d); }))
      arguments.push_back(d);
  };
  // The text of a flat loop is the same for every length.
  if (kernel.axes.size() == 1)
    arguments.push_back(kernel.axes[0]);
  else
    for (const Dim& d : kernel.axes) add(d);
  auto add_access = [&](const Access& access) {
    for (const Term& t : access.terms) add(t.coefficient);
    add(access.offset);
    for (const ComputedTerm& t : access.computed) {
      add(t.coefficient);
      add(t.bound);
    }
  };
  for_each_access(kernel, add_access);
  for (const Dim& d : scratch_offsets(kernel)) add(d);
  return arguments;
}

std::vector<std::int64_t> draw_arguments(const Kernel& kernel) {
  std::vector<std::int64_t> draws;
  for (const Value& v : kernel.values)
    if (v.kind == ValueKind::uniform) draws.push_back(v.draw);
  return draws;
}

std::vector<std::uint64_t> constant_arguments(const Kernel& kernel) {
  std::vector<std::uint64_t> bits;
  for (const Value& v : kernel.values)
    if (v.kind == ValueKind::constant) bits.push_back(v.bits);
  return bits;
}

std::vector<Dim> scratch_offsets(const Kernel& kernel) {
  std::vector<Dim> offsets{Dim(0)};
  for (const Scratch& s : kernel.scratch) {
    Dim n(1);
    for (int a : s.axes) n = dims::mul(n, kernel.axes[static_cast<std::size_t>(a)]);
    // Each array starts on cache lines of its own. Loops write whole vectors, of at most 32
    // elements: over the end of the array, and of any of its lines.
    constexpr std::int64_t vector = 256;
    Dim bytes = dims::mul(n, Dim(static_cast<std::int64_t>(item_size(s.dtype))));
    if (s.axes.size() > 1) bytes = dims::add(bytes, Dim(vector));
    const Dim blocks = dims::floor_div(dims::add(bytes, Dim(vector - 1)), Dim(vector));
    offsets.push_back(dims::add(offsets.back(), dims::mul(blocks, Dim(vector))));
  }
  return offsets;
}

std::string Kernel::to_string() const {
  auto access_text = [&](const Access& a) {
    std::string text =
        a.scratch >= 0 ? fmt::format("scratch{}[", a.scratch) : fmt::format("p{}[", a.param);
    bool is_first = true;
    auto plus = [&] { return std::exchange(is_first, false) ? "" : " + "; };
    for (const Term& t : a.terms)
      text += fmt::format("{}{}*i{}", plus(), t.coefficient.to_string(), t.axis);
    for (const ComputedTerm& t : a.computed)
      text += fmt::format("{}{}*checked(%{})", plus(), t.coefficient.to_string(), t.value);
    if (!a.offset.is(0) || is_first) text += fmt::format("{}{}", plus(), a.offset.to_string());
    return text + "]";
  };
  std::string text = fmt::format("{} rows={}\n", title, rows);
  for (std::size_t i = 0; i < axes.size(); ++i)
    text += fmt::format("  axis i{} < {}\n", i, axes[i].to_string());
  auto block = [&](const char* name, const Block& b) {
    if (b.values.empty() && b.stores.empty()) return;
    text += fmt::format("  {}\n", name);
    for (int id : b.values) {
      const Value& v = values[static_cast<std::size_t>(id)];
      std::string what;
      switch (v.kind) {
      case ValueKind::literal:
        what = fmt::format("literal 0x{:x}", v.bits);
        break;
      case ValueKind::constant:
        what = fmt::format("constant 0x{:x}", v.bits);
        break;
      case ValueKind::size:
        what = "size " + v.access->offset.to_string();
        break;
      case ValueKind::index:
        what = "index " + access_text(v.access);
        break;
      case ValueKind::load:
        what = "load " + access_text(v.access);
        break;
      case ValueKind::op:
        what = fmt::format("{} {}", v.op->name, fmt::join(v.inputs, ", "));
        break;
      case ValueKind::uniform:
        what = fmt::format("uniform draw {}", v.draw);
        break;
      case ValueKind::result:
        what = fmt::format("result {}", v.reduction);
        break;
      }
      text += fmt::format("    %{} = {} : {}\n", id, what, kroton::to_string(v.dtype));
    }
    for (const Store& s : b.stores)
      text += fmt::format("    store {} = %{}\n", access_text(s.access), s.value);
  };
  block("prologue", prologue);
  for (std::size_t i = 0; i < stages.size(); ++i) {
    block(fmt::format("stage {} row", i).c_str(), stages[i].row);
    block(fmt::format("stage {} loop", i).c_str(), stages[i].loop);
    for (int r : stages[i].reductions) {
      const Reduction& x = reductions[static_cast<std::size_t>(r)];
      text += fmt::format("    reduction {} = {}{} %{} over [{}] keeping [{}]\n", r,
                          x.is_outer ? "outer " : "", x.op->name, x.value,
                          fmt::join(x.reduced, ","), fmt::join(x.kept, ","));
    }
  }
  for (const Finish& f : finish)
    block(fmt::format("finish [{}]", fmt::join(f.axes, ",")).c_str(), f.block);
  return text;
}

} // namespace kroton::plan
