/// Elementwise kernels, and what folds all elements into one: every thread has elements of its own,
/// windows of 16 bytes where arrays lie side by side.
#include <algorithm>

#include "codegen/cuda/kernel.hpp"

namespace kroton::codegen {
namespace dims = ir::dims;
namespace {

constexpr int threads = 256;
/// What is folded in windows, whatever their place allows and is known of it, so that the order is
/// a matter of the number of elements alone: so many neighbours of a thread, twice at a time.
/// Blocks whose results are folded afterwards: enough for the largest devices at full load.
constexpr int folded_elements = 4;
constexpr std::int64_t elements_of_folding_block = 2 * folded_elements * threads;
constexpr std::int64_t most_folding_blocks = 1024;
/// Work from which on the memory waits for the threads: one window under way is enough then …
constexpr std::int64_t much_work = 24;
/// … and from which on the text would be too long with several elements a turn.
constexpr std::int64_t too_much_work = 160;
/// Blocks of a multiprocessor beyond which threads take several windows: what each does once is
/// little beside them then, and the last blocks to run are few among many.
constexpr int most_blocks_of_multiprocessor = 128;

/// One array as the loop sees it.
struct Window {
  Access access;
  std::string name;
  bool is_read = false, is_written = false;
};

class Elements {
public:
  explicit Elements(CudaKernel& k) : k_(k), kernel_(k.kernel()) {}

  void run() {
    find_windows();
    if (kernel_.cost > too_much_work || windows_.empty())
      width_ = 1;
    else
      width_ = k_.has_outer() ? folded_width() : widest();
    turns_ = kernel_.cost > much_work || width_ == 1 || windows_.size() > 6 ? 1 : 2;
    k_.count_blocks_for_scalars();
    if (k_.has_outer()) k_.plan_scratch(Dim(most_folding_blocks), false);
    k_.open_entry("kernel", threads);
    k_.emit_scratch("gridDim.x", false, 1);
    k_.emit_values(kernel_.prologue, 1);
    for (int r : outer()) k_.emit_start(r, "", 1);
    emit_loop();
    emit_results();
    k_.line(0, "}");
    Launch launch{.entry = "kernel",
                  .threads = threads,
                  .units = k_.count(axes()),
                  .units_per_block = std::int64_t{threads} * width_ * turns_};
    if (k_.has_outer()) {
      launch.units_per_block = elements_of_folding_block;
      launch.most_blocks = most_folding_blocks;
      launch.always = true;
    } else {
      launch.blocks_per_multiprocessor = most_blocks_of_multiprocessor;
    }
    k_.launches.push_back(std::move(launch));
  }

private:
  std::vector<int> axes() const { return CudaKernel::axes_between(0, k_.last_axis() + 1); }

  std::vector<int> outer() const {
    std::vector<int> found;
    for (std::size_t r = 0; r < kernel_.reductions.size(); ++r)
      if (kernel_.reductions[r].is_outer) found.push_back(static_cast<int>(r));
    return found;
  }

  template <class F> void for_each_access(F f) const {
    const auto block = [&](const Block& b) {
      for (int id : b.values)
        if (k_.value(id).kind == ValueKind::load) f(*k_.value(id).access.get(), false);
      for (const Store& s : b.stores) f(s.access, true);
    };
    for (const Stage& s : kernel_.stages) {
      block(s.row);
      block(s.loop);
    }
  }

  bool can_be_window(const Access& a) const {
    return a.param >= 0 && a.computed.empty() && step_along(a, k_.last_axis()).is(1);
  }

  void find_windows() {
    for_each_access([&](const Access& a, bool is_store) {
      if (!can_be_window(a)) return;
      const std::string text = k_.element(a);
      auto it =
          std::ranges::find(windows_, text, [&](const Window& w) { return k_.element(w.access); });
      if (it == windows_.end()) it = windows_.insert(it, Window{a, {}});
      (is_store ? it->is_written : it->is_read) = true;
    });
    // What is written is read in the same order by the same thread, or not through windows.
    std::erase_if(windows_, [&](const Window& w) {
      return k_.is_written(w.access) && !has_one_place(w.access);
    });
    for (std::size_t i = 0; i < windows_.size(); ++i) {
      const std::string& param = k_.param_name(windows_[i].access.param);
      windows_[i].name = has_one_place(windows_[i].access) ? param : fmt::format("{}_{}", param, i);
    }
  }

  /// Whether the loop uses one element of a parameter at a time.
  bool has_one_place(const Access& wanted) const {
    bool is_only = true;
    for_each_access([&](const Access& a, bool) {
      is_only = is_only && (a.param != wanted.param || k_.element(a) == k_.element(wanted));
    });
    return is_only;
  }

  /// Elements of the widest windows that all arrays and rows, as far as they are known, allow.
  int widest() const {
    std::size_t bytes = 2;
    for (const Window& w : windows_)
      bytes = std::max(bytes,
                       item_size(kernel_.params[static_cast<std::size_t>(w.access.param)].dtype));
    int width = static_cast<int>(16 / bytes);
    for (const Dim& d : row_dims())
      while (d.is_static() && d.value() % width != 0) width /= 2;
    return width;
  }

  /// 1 if windows are known to reach over the ends of rows.
  int folded_width() const {
    const auto ends_in_window = [](const Dim& d) {
      return d.is_static() && d.value() % folded_elements != 0;
    };
    return std::ranges::any_of(row_dims(), ends_in_window) ? 1 : folded_elements;
  }

  /// What must be a multiple of a window, so that none reaches over the end of a row.
  std::vector<Dim> row_dims() const {
    std::vector<Dim> found;
    const auto add = [&](const Dim& d) {
      if (std::ranges::none_of(found, [&](const Dim& x) { return dims::same(x, d); }))
        found.push_back(d);
    };
    if (k_.has_inner()) add(k_.axis(k_.last_axis()));
    for (const Window& w : windows_) {
      if (!w.access.offset.is(0)) add(w.access.offset);
      for (const Term& t : w.access.terms)
        if (t.axis != k_.last_axis()) add(t.coefficient);
    }
    return found;
  }

  std::string fits() const {
    std::vector<std::string> unknown;
    if (width_ > 1)
      for (const Dim& d : row_dims())
        if (!d.is_static()) unknown.push_back(k_.dim_text(d));
    if (unknown.empty()) return "true";
    return unknown.size() == 1 ? fmt::format("{} % {} == 0", unknown[0], width_)
                               : fmt::format("({}) % {} == 0", fmt::join(unknown, " | "), width_);
  }

  /// Whether an access walks memory as the loop counts.
  bool is_same_place(const Access& a) const {
    if (!a.offset.is(0) || a.terms.size() != kernel_.axes.size()) return false;
    return std::ranges::all_of(a.terms, [&](const Term& t) {
      return dims::same(t.coefficient,
                        k_.count(CudaKernel::axes_between(t.axis + 1, k_.last_axis() + 1)));
    });
  }

  std::string view(const Window& w) const {
    const std::string kind = w.is_read && w.is_written ? "updated"
                             : w.is_written            ? "written"
                                                       : "read";
    const std::string& param = k_.param_name(w.access.param);
    if (is_same_place(w.access)) return fmt::format("{}({})", kind, param);
    if (!k_.has_inner())
      return fmt::format("{}({}, [=](i64 {}) {{ return {}; }})", kind, param,
                         CudaKernel::axis_name(0), k_.access_index(w.access).whole());
    const std::string index = k_.access_index(w.access).whole();
    std::string used;
    for (const Term& t : w.access.terms)
      used += fmt::format("const i64 {0} = from.{0}; ", CudaKernel::axis_name(t.axis));
    if (index == CudaKernel::axis_name(k_.last_axis()))
      return fmt::format("{}({}, [=](place from) {{ return from.{}; }})", kind, param, index);
    return fmt::format("{}({}, [=](place from) {{ {}return {}; }})", kind, param, used, index);
  }

  /// What a window's place is: the running number itself, or positions on several axes.
  void emit_place_type() {
    if (!k_.has_inner()) return;
    std::vector<std::string> names;
    for (int a : axes()) names.push_back(CudaKernel::axis_name(a));
    k_.line(1, "struct place {");
    k_.line(2, fmt::format("i64 {};", fmt::join(names, ", ")));
    k_.line(1, "};");
    k_.line(1, "const auto place_of = [=](i64 j) {");
    k_.emit_positions(axes(), "j", 2);
    k_.line(2, fmt::format("return place{{{}}};", fmt::join(names, ", ")));
    k_.line(1, "};");
  }

  /// The positions of element k of the windows.
  void emit_element_positions() {
    if (!k_.has_inner())
      return k_.line(2, fmt::format("const i64 {} = from + k;", CudaKernel::axis_name(0)));
    for (int a : axes())
      k_.line(2, fmt::format("const i64 {0} = from.{0}{1};", CudaKernel::axis_name(a),
                             a == k_.last_axis() ? " + k" : ""));
  }

  void emit_loop() {
    std::string parameters, views;
    for (const Window& w : windows_) {
      parameters += ", auto& " + w.name;
      views += ", " + view(w);
    }
    emit_place_type();
    k_.line(1,
            fmt::format("{}<{}, {}>({}, {}, {}, [&]({} from, i32 k{}) {{",
                        k_.has_outer() ? "in_fixed_windows" : "in_windows", width_, turns_,
                        k_.count_text(axes()), fits(), k_.has_inner() ? "place_of" : "same_place{}",
                        k_.has_inner() ? "place" : "i64", parameters));
    emit_element_positions();
    for (const Window& w : windows_) k_.set_place(w.access, w.name + "[k]");
    for (const Stage& s : kernel_.stages) emit_stage(s);
    k_.clear_places();
    k_.line(1, "}" + views + ");");
  }

  void emit_stage(const Stage& s) {
    k_.emit_block(s.row, 2);
    k_.emit_block_stores(s.row, "", 2);
    k_.emit_block(s.loop, 2);
    for (int r : s.reductions) {
      if (!k_.reduction(r).is_outer) k_.emit_start(r, "", 2);
      k_.emit_masked_fold(r, CudaKernel::result_name(r), k_.best_name(r), "", 2);
    }
    k_.emit_block_stores(s.loop, "", 2);
  }

  void emit_results() {
    if (!k_.has_outer()) return;
    k_.emit_block_count("gridDim.x", 1);
    for (int r : outer())
      k_.emit_combined(r, fmt::format("team<{}>::fold", threads), CudaKernel::result_name(r),
                       k_.best_name(r), 1);
    k_.line(1, "if (threadIdx.x == 0) {");
    k_.emit_partial_stores(outer(), "", "blockIdx.x", 2);
    k_.line(1, "}");
    if (k_.counts_blocks()) write_last_block(k_, fmt::format("team<{}>::fold", threads));
  }

  CudaKernel& k_;
  const Kernel& kernel_;
  std::vector<Window> windows_;
  int width_ = 1, turns_ = 1;
};

} // namespace

bool is_for_elements(const CudaKernel& k) {
  constexpr int little_work = 8; // that may be done again for each element of a row
  if (!k.has_inner()) return true;
  int row_cost = 0;
  for (const Stage& s : k.kernel().stages) {
    if (!s.row.stores.empty()) return false;
    for (int id : s.row.values)
      if (k.value(id).op) row_cost += k.value(id).op->cost;
  }
  return k.kernel().reductions.empty() && row_cost <= little_work;
}

void write_elements(CudaKernel& k) { Elements(k).run(); }

} // namespace kroton::codegen
