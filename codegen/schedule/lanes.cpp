#include "codegen/schedule/lanes.hpp"

#include <algorithm>

#include "lib/ops/arithmetic.hpp"

namespace kroton::codegen {
using namespace plan;

namespace {

class Chooser {
public:
  explicit Chooser(const Kernel& kernel) : k_(kernel) {}

  Lanes run(int vector_bytes) {
    lanes_.axis.assign(k_.values.size(), -1);
    const int last = static_cast<int>(k_.axes.size()) - 1;
    for (const Stage& s : k_.stages)
      if (!mark(s.loop, last, true) || !fits(s, last)) return {};
    for (const Finish& f : k_.finish)
      if (!f.axes.empty() && !mark(f.block, f.axes.back(), false)) return {};
    lanes_.bytes = vector_bytes;
    lanes_.count = vector_bytes / narrowest();
    const Dim& n = k_.axes.back();
    if (is_chain() && (has_inner(k_) || narrowest() == 4) &&
        !(n.is_static() && n.value() <= lanes_.count))
      lanes_.count *= 2;
    // Clang takes masks of fewer lanes apart bit by bit.
    lanes_.count = std::max(lanes_.count, 8);
    find_walks(last);
    find_ends();
    find_drawn_by_rows();
    return std::move(lanes_);
  }

  /// Clang makes good vectors of long flat loops of little work by itself. Explicit ones are for
  /// rows, for folds (whose order is then the same whatever is known of the sizes), for random
  /// numbers, for loops of a few vectors, and for chains, whose functions know better
  /// instructions for vectors.
  bool has_worthwhile_loop() const {
    if (k_.axes.empty()) return false;
    if (has_inner(k_)) return true;
    if (k_.axes.size() == 1 && std::ranges::any_of(k_.values, loops)) return true;
    const Dim& n = k_.axes.back();
    return k_.axes.size() == 1 &&
           (is_chain() || !k_.reductions.empty() ||
            (n.is_static() && n.value() <= largest_literal_dim) ||
            std::ranges::find(k_.values, ValueKind::uniform, &Value::kind) != k_.values.end());
  }

private:
  /// Exact remainders are a loop where quotients are large, of which Clang makes no vectors.
  static bool loops(const Value& v) {
    return is_float(v.dtype) && (v.op == &ops::floor_div || v.op == &ops::mod);
  }
  /// Each operation of a long chain waits for the one before, and the machine looks ahead over
  /// little more than one vector's chain: two registers for each vector keep it busy. Flat loops
  /// of f64 take one: the coefficients of two functions leave no registers for more.
  bool is_chain() const {
    constexpr std::int64_t long_chain = 12;
    return k_.cost >= long_chain;
  }

  /// Follows what sums over the rows add up to what they alone use.
  void find_ends() {
    if (k_.rows != 1 || k_.axes.size() == 1) return;
    count_uses();
    std::vector<bool> is_of_row(k_.values.size(), false);
    for (const Stage& s : k_.stages)
      for (int id : s.row.values) is_of_row[static_cast<std::size_t>(id)] = true;
    for (const Reduction& r : k_.reductions)
      if (r.is_outer && r.kept.empty() && r.reduced.empty() && !r.op->gives_position() &&
          r.op->fold->combine != ir::Combine::other &&
          is_of_row[static_cast<std::size_t>(r.value)] && is_dear(r.value))
        add_end(r.value, is_of_row);
  }
  void add_end(int id, const std::vector<bool>& is_of_row) {
    lanes_.axis[static_cast<std::size_t>(id)] = 0;
    for (int i : value(id).inputs)
      if (is_dear(i))
        add_end(i, is_of_row);
      else if (is_of_row[static_cast<std::size_t>(i)] && value(i).kind != ValueKind::literal &&
               std::ranges::find(lanes_.deferred_inputs, i) == lanes_.deferred_inputs.end())
        lanes_.deferred_inputs.push_back(i);
    lanes_.deferred.push_back(id);
  }
  /// Whether a value that is used once takes, or waits for, an operation of some length.
  bool is_dear(int id) const {
    constexpr int dear = 8;
    const Value& v = value(id);
    return v.kind == ValueKind::op && uses_[static_cast<std::size_t>(id)] == 1 &&
           is_float(v.dtype) && has_vector_form(v) &&
           (v.op->cost >= dear || std::ranges::any_of(v.inputs, [&](int i) { return is_dear(i); }));
  }
  void count_uses() {
    uses_.assign(k_.values.size(), 0);
    const auto use = [&](int id) { ++uses_[static_cast<std::size_t>(id)]; };
    for (const Value& v : k_.values) {
      std::ranges::for_each(v.inputs, use);
      for (const ComputedTerm& t : v.access->computed) use(t.value);
    }
    const auto block = [&](const Block& b) {
      for (const Store& s : b.stores) use(s.value);
    };
    block(k_.prologue);
    for (const Stage& s : k_.stages) {
      block(s.row);
      block(s.loop);
    }
    for (const Finish& f : k_.finish) block(f.block);
    for (const Reduction& r : k_.reductions) use(r.value);
  }

  /// A parameter that moves with the rows is fetched by its first load; later stages find it near.
  void find_walks(int axis) {
    lanes_.is_streaming_load.assign(k_.values.size(), false);
    const Dim& n = k_.axes.back();
    if (fits_caches() || (n.is_static() && n.value() < lanes_.count)) return;
    std::vector<bool> is_near(k_.params.size(), false);
    for (const Stage& s : k_.stages)
      for (int id : s.loop.values) {
        const Value& v = value(id);
        if (v.kind != ValueKind::load || v.access->param < 0) continue;
        const auto param = static_cast<std::size_t>(v.access->param);
        lanes_.is_streaming_load[static_cast<std::size_t>(id)] =
            !is_near[param] && v.access->computed.empty() && step_along(v.access, axis).is(1) &&
            moves(v.access, k_.rows - 1);
        is_near[param] = true;
      }
  }

  void find_drawn_by_rows() {
    constexpr std::int64_t longest_row = 64;
    const Dim& n = k_.axes.back();
    if (k_.axes.size() != 2 || k_.rows != 1 || !n.is_static() || n.value() > longest_row) return;
    for (std::size_t id = 0; id < k_.values.size(); ++id)
      if (k_.values[id].kind == ValueKind::uniform && lanes_.axis[id] >= 0 &&
          step_along(k_.values[id].access, 0).is(n.value()))
        lanes_.drawn_by_rows.push_back(static_cast<int>(id));
  }

  /// Whether what the kernel reads is known to be small.
  bool fits_caches() const {
    constexpr std::int64_t most_elements = std::int64_t{1} << 16;
    std::int64_t n = 1;
    for (const Dim& d : k_.axes) {
      if (!d.is_static()) return false;
      n *= std::min(d.value(), most_elements + 1);
      if (n > most_elements) return false;
    }
    return true;
  }

  const Value& value(int id) const { return k_.values[static_cast<std::size_t>(id)]; }

  bool moves(const Access& a, int axis) const { return !step_along(a, axis).is(0); }

  /// Finds the vectors of a block; false if one cannot be written. `draws`: whether the loop around
  /// it can draw random numbers, which it does in runs.
  bool mark(const Block& b, int axis, bool draws) {
    for (int id : b.values) {
      const Value& v = value(id);
      bool is_vector = false;
      for (int i : v.inputs) is_vector = is_vector || lanes_.axis[static_cast<std::size_t>(i)] >= 0;
      for (const ComputedTerm& t : v.access->computed)
        if (lanes_.axis[static_cast<std::size_t>(t.value)] >= 0) return false;
      switch (v.kind) {
      case ValueKind::index:
      case ValueKind::load:
        is_vector = moves(v.access, axis);
        break;
      case ValueKind::uniform:
        is_vector = step_along(v.access, axis).is(1);
        if (!is_vector || !draws) return false;
        break;
      case ValueKind::result: {
        const Reduction& r = k_.reductions[static_cast<std::size_t>(v.reduction)];
        is_vector = r.has_array() && moves(r.array, axis);
        if (is_vector && r.op->fold->spell(r.dtype).vectors.empty()) return false;
        break;
      }
      case ValueKind::op:
        if (is_vector && !has_vector_form(v)) return false;
        break;
      default:
        break;
      }
      if (is_vector) lanes_.axis[static_cast<std::size_t>(id)] = axis;
    }
    return std::ranges::all_of(b.stores, [&](const Store& s) { return moves(s.access, axis); });
  }

  bool has_vector_form(const Value& v) const {
    return !v.inputs.empty() &&
           !v.op->spelled(value(v.inputs.back()).dtype, v.dtype).vectors.empty();
  }

  /// Whether the stage's folds can be made by vectors: of one result, the prelude has a function
  /// for it; the elements of an array that move with the loop are side by side.
  bool fits(const Stage& s, int axis) const {
    return std::ranges::all_of(s.reductions, [&](int id) {
      const Reduction& r = k_.reductions[static_cast<std::size_t>(id)];
      const bool has_function = r.op->fold->combine != ir::Combine::other;
      if (r.kept.empty()) return has_function;
      if (r.op->fold->spell(r.dtype).vectors.empty()) return false;
      const Dim step = step_along(r.array, axis);
      return step.is(1) || (step.is(0) && has_function);
    });
  }

  /// Bytes of the narrowest number: that decides how many elements are worth a vector.
  int narrowest() const {
    int bytes = 8;
    for (std::size_t i = 0; i < k_.values.size(); ++i)
      if (lanes_.axis[i] >= 0 && !is_bool(k_.values[i].dtype))
        bytes = std::min(bytes, std::max(4, static_cast<int>(item_size(k_.values[i].dtype))));
    return bytes;
  }

  const Kernel& k_;
  Lanes lanes_;
  std::vector<int> uses_;
};

} // namespace

Lanes choose_lanes(const Kernel& kernel, int vector_bytes) {
  Chooser chooser(kernel);
  return chooser.has_worthwhile_loop() ? chooser.run(vector_bytes) : Lanes{};
}

Lanes flat_lanes(const Kernel& kernel, int vector_bytes) {
  return kernel.axes.size() == 1 ? Chooser(kernel).run(vector_bytes) : Lanes{};
}

} // namespace kroton::codegen
