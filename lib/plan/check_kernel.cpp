#include <algorithm>

#include "lib/plan/check.hpp"
#include "lib/support/error.hpp"

namespace kroton::plan {
namespace {

std::size_t at(int i) { return static_cast<std::size_t>(i); }

class KernelCheck {
public:
  explicit KernelCheck(const Kernel& kernel)
      : k_(kernel), is_defined_(kernel.values.size()), is_visible_(kernel.values.size()),
        stage_of_(kernel.reductions.size(), none), is_read_(kernel.params.size()),
        is_written_(kernel.params.size()), is_site_used_(kernel.sites.size()) {}

  void run() {
    const int rank = static_cast<int>(k_.axes.size());
    require(rank == 0 ? k_.rows == 0 && k_.stages.empty() : k_.rows >= 1 && k_.rows <= rank,
            "has {} row axes of {} axes, and {} stages", k_.rows, rank, k_.stages.size());
    for (const Scratch& s : k_.scratch)
      for (int a : s.axes) require(is_inner(a), "has a scratch array along axis {}", a);

    check({Place::prologue, {}}, k_.prologue);
    std::vector<int> rows, all;
    for (int a = 0; a < rank; ++a) {
      if (a < k_.rows) rows.push_back(a);
      all.push_back(a);
    }
    for (std::size_t s = 0; s < k_.stages.size(); ++s) check_stage(static_cast<int>(s), rows, all);
    for (const Stage& s : k_.stages) hide(s.row);
    for (const Finish& f : k_.finish) {
      for (int a : f.axes) require(a >= 0 && a < rank, "has a finish along axis {}", a);
      check({Place::finish, f.axes}, f.block);
      if (!f.axes.empty()) hide(f.block);
    }
    for (std::size_t i = 0; i < is_defined_.size(); ++i)
      require(is_defined_[i] || k_.values[i].kind == ValueKind::literal,
              "has the value %{}, which no block computes", i);
    for (std::size_t r = 0; r < stage_of_.size(); ++r)
      require(stage_of_[r] != none, "has the reduction {}, which no stage folds", r);
    for (std::size_t s = 0; s < is_site_used_.size(); ++s)
      require(is_site_used_[s], "has the failure site {}, which no position reports to", s);
    for (std::size_t p = 0; p < k_.params.size(); ++p) {
      require(k_.params[p].is_read == is_read_[p], "{} parameter {}, which says otherwise",
              is_read_[p] ? "reads" : "does not read", p);
      require(k_.params[p].is_written == is_written_[p], "{} parameter {}, which says otherwise",
              is_written_[p] ? "writes" : "does not write", p);
    }
  }

private:
  enum class Place : std::uint8_t { prologue, row, loop, finish };
  /// A block's place, and the axes whose loops are around it.
  struct Scope {
    Place place;
    std::vector<int> axes;
    int stage = none;
  };
  static constexpr int none = -1;

  template <class... Args>
  void require(bool holds, fmt::format_string<Args...> format, Args&&... args) const {
    if (!holds)
      support::fail<InternalError>("check_kernel", {}, "the {} kernel {}", k_.title,
                                   fmt::format(format, std::forward<Args>(args)...));
  }
  static std::string label(int id, const Value& v) {
    return v.op ? fmt::format("%{} ({})", id, v.op->name) : fmt::format("%{}", id);
  }

  bool is_inner(int axis) const {
    return axis >= k_.rows && axis < static_cast<int>(k_.axes.size());
  }
  void hide(const Block& b) {
    for (int id : b.values) is_visible_[at(id)] = false;
  }
  /// Whether a value may be read here.
  bool sees(int id) const { return id >= 0 && at(id) < is_visible_.size() && is_visible_[at(id)]; }

  void check_stage(int stage, const std::vector<int>& rows, const std::vector<int>& all) {
    const Stage& s = k_.stages[at(stage)];
    check({Place::row, rows, stage}, s.row);
    check({Place::loop, all, stage}, s.loop);
    for (int r : s.reductions) {
      require(r >= 0 && at(r) < stage_of_.size(), "folds the reduction {}, which it does not have",
              r);
      require(stage_of_[at(r)] == none, "folds the reduction {} in two stages", r);
      check_reduction(r);
    }
    for (int r : s.reductions) stage_of_[at(r)] = stage;
    hide(s.loop);
  }

  void check(const Scope& scope, const Block& b) {
    for (int id : b.values) {
      require(id >= 0 && at(id) < is_defined_.size(), "computes %{}, which it does not have", id);
      require(!is_defined_[at(id)], "computes %{} in two places", id);
      check_value(scope, id);
      is_defined_[at(id)] = is_visible_[at(id)] = true;
    }
    for (const Store& s : b.stores) {
      require(sees(s.value), "stores %{} where it is not in scope", s.value);
      const DType dtype = k_.values[at(s.value)].dtype;
      check_access(scope.axes, s.access, dtype, fmt::format("a store of %{}", s.value));
      require(s.access.computed.empty(), "stores %{} at a computed position", s.value);
      if (s.access.param >= 0) is_written_[at(s.access.param)] = true;
    }
  }

  void check_value(const Scope& scope, int id) {
    const Value& v = k_.values[at(id)];
    for (int i : v.inputs)
      require(sees(i), "computes {} from %{}, which is not in scope", label(id, v), i);
    switch (v.kind) {
    case ValueKind::literal:
    case ValueKind::constant:
    case ValueKind::size:
      break;
    case ValueKind::index:
      check_axes(scope.axes, v.access, label(id, v));
      break;
    case ValueKind::load:
      check_access(scope.axes, v.access, v.dtype, "the load " + label(id, v));
      if (v.access->param >= 0) is_read_[at(v.access->param)] = true;
      break;
    case ValueKind::op:
      check_op(id, v);
      break;
    case ValueKind::uniform:
      require(v.op && v.op->is(ir::Kind::random) && v.inputs.size() == 2,
              "draws {} from {} values instead of a seed and a step", label(id, v),
              v.inputs.size());
      check_axes(scope.axes, v.access, label(id, v));
      break;
    case ValueKind::result:
      check_result(scope, id, v);
      break;
    }
  }

  void check_op(int id, const Value& v) const {
    require(v.op != nullptr, "computes %{} by no op", id);
    require(v.op->is(ir::Kind::elementwise), "computes {}, which is not elementwise", label(id, v));
    require(v.op->arity < 0 || v.inputs.size() == at(v.op->arity),
            "computes {} of {} values instead of {}", label(id, v), v.inputs.size(), v.op->arity);
    const DType in = v.inputs.empty() ? v.dtype : k_.values[at(v.inputs.back())].dtype;
    switch (v.op->result) {
    case ir::Result::same:
      require(v.dtype == in, "computes {} : {} of {}", label(id, v), kroton::to_string(v.dtype),
              kroton::to_string(in));
      break;
    case ir::Result::boolean:
      require(is_bool(v.dtype), "computes {} : {} instead of bool", label(id, v),
              kroton::to_string(v.dtype));
      break;
    case ir::Result::position:
    case ir::Result::cast:
      break;
    }
  }

  void check_result(const Scope& scope, int id, const Value& v) const {
    require(v.reduction >= 0 && at(v.reduction) < stage_of_.size(),
            "reads the reduction {} in %{}, which it does not have", v.reduction, id);
    const Reduction& r = k_.reductions[at(v.reduction)];
    require(v.dtype == r.result_dtype, "reads the reduction {}, which gives {}, as {} in %{}",
            v.reduction, kroton::to_string(r.result_dtype), kroton::to_string(v.dtype), id);
    const int folded_in = stage_of_[at(v.reduction)];
    if (r.is_outer)
      require(scope.place == Place::finish,
              "reads the reduction {} over all rows in %{}, before they are done", v.reduction, id);
    else
      require(scope.stage != none && folded_in != none && folded_in < scope.stage,
              "reads the reduction {} in %{}, where it is not folded yet", v.reduction, id);
  }

  void check_reduction(int number) {
    const Reduction& r = k_.reductions[at(number)];
    require(r.op && r.op->is_reduction() && r.op->fold, "folds the reduction {} by no fold",
            number);
    const auto name = [&] { return fmt::format("the reduction {} ({})", number, r.op->name); };
    require(sees(r.value), "folds %{} in {}, where it is not in scope", r.value, name());
    require(k_.values[at(r.value)].dtype == r.dtype, "folds {} values in {}, which is of {}",
            kroton::to_string(k_.values[at(r.value)].dtype), name(), kroton::to_string(r.dtype));
    const DType given = r.op->gives_position() ? DType::i64 : r.dtype;
    require(r.result_dtype == given, "says that {} gives {} instead of {}", name(),
            kroton::to_string(r.result_dtype), kroton::to_string(given));
    for (const std::vector<int>* axes : {&r.kept, &r.reduced})
      for (int a : *axes)
        require(is_inner(a), "has axis {} in {}, which is no inner one", a, name());
    for (int a : r.kept)
      require(std::ranges::find(r.reduced, a) == r.reduced.end(), "keeps and reduces axis {} in {}",
              a, name());
    if (!r.has_array()) return;
    require(r.array.param < 0 || !r.is_outer, "shares the array of {} between chunks of rows",
            name());
    std::vector<int> axes = r.kept;
    for (int a = 0; a < k_.rows && !r.is_outer; ++a) axes.push_back(a);
    check_access(axes, r.array, r.array_dtype, "the array of " + name());
    if (r.has_block_sum()) check_access(r.kept, r.block_sum, r.dtype, "the part of " + name());
    if (r.has_result()) {
      require(r.array.scratch >= 0 && !r.is_outer, "stores {} besides its array", name());
      check_access(axes, r.result, r.result_dtype, "the result of " + name());
      is_written_[at(r.result.param)] = true;
    }
    if (r.op->gives_position()) check_access(r.kept, r.best, r.dtype, "the best of " + name());
    if (r.array.param >= 0) is_read_[at(r.array.param)] = is_written_[at(r.array.param)] = true;
  }

  /// `axes` are those whose loops are around the access.
  void check_access(const std::vector<int>& axes, const Access& a, DType dtype,
                    const std::string& what) {
    require((a.param >= 0) != (a.scratch >= 0) && at(a.param + 1) <= k_.params.size() &&
                at(a.scratch + 1) <= k_.scratch.size(),
            "has {} in parameter {}, scratch array {}", what, a.param, a.scratch);
    const DType stored =
        a.param >= 0 ? k_.params[at(a.param)].dtype : k_.scratch[at(a.scratch)].dtype;
    require(stored == dtype, "has {}, of {}, in an array of {}", what, kroton::to_string(dtype),
            kroton::to_string(stored));
    check_axes(axes, a, what);
    for (const ComputedTerm& t : a.computed) {
      require(sees(t.value), "has {} at the position %{}, which is not in scope", what, t.value);
      require(t.site >= 0 && at(t.site) < is_site_used_.size() && !is_site_used_[at(t.site)],
              "has {} with the failure site {}, which it does not have or has given away", what,
              t.site);
      is_site_used_[at(t.site)] = true;
    }
  }

  void check_axes(const std::vector<int>& axes, const Access& a, const std::string& what) const {
    for (std::size_t i = 0; i < a.terms.size(); ++i) {
      const int axis = a.terms[i].axis;
      require(std::ranges::find(axes, axis) != axes.end(),
              "has {} along axis {}, whose loop is not around it", what, axis);
      for (std::size_t j = 0; j < i; ++j)
        require(a.terms[j].axis != axis, "has {} along axis {} twice", what, axis);
    }
  }

  const Kernel& k_;
  std::vector<bool> is_defined_, is_visible_; ///< of each value
  std::vector<int> stage_of_;                 ///< of each reduction that has been folded
  std::vector<bool> is_read_, is_written_;    ///< of each parameter
  std::vector<bool> is_site_used_;
};

} // namespace

void check_kernel(const Kernel& kernel) { KernelCheck(kernel).run(); }

} // namespace kroton::plan
