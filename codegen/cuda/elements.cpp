/// Elementwise kernels, and what folds all elements into one: every thread has elements of its own,
/// windows of 16 bytes where arrays are side by side.
#include <algorithm>

#include "codegen/cuda/kernel.hpp"

namespace kroton::codegen {
namespace dims = ir::dims;
namespace {

class Elements {
public:
  Elements(CudaKernel& k, const CudaElements& schedule) : k_(k), kernel_(k.kernel()), s_(schedule) {
    for (std::size_t i = 0; i < s_.windows.size(); ++i) {
      const std::string& param = k_.param_name(s_.windows[i].access.param);
      names_.push_back(s_.windows[i].is_only_place ? param : fmt::format("{}_{}", param, i));
    }
  }

  void run() {
    if (k_.has_outer()) k_.plan_scratch(Dim(s_.most_blocks), false);
    k_.open_entry("kernel", s_.threads);
    k_.emit_scratch("gridDim.x", false, 1);
    k_.emit_values(kernel_.prologue, 1);
    for (int r : outer()) k_.emit_start(r, "", 1);
    emit_loop();
    emit_results();
    k_.line(0, "}");
    k_.launches.push_back({.entry = "kernel",
                           .threads = s_.threads,
                           .units = k_.count(axes()),
                           .units_per_block = s_.elements_of_block,
                           .blocks_per_multiprocessor = s_.most_blocks_of_multiprocessor,
                           .most_blocks = s_.most_blocks,
                           .always = k_.has_outer()});
  }

private:
  std::vector<int> axes() const { return CudaKernel::axes_between(0, k_.last_axis() + 1); }

  std::vector<int> outer() const {
    std::vector<int> found;
    for (std::size_t r = 0; r < kernel_.reductions.size(); ++r)
      if (kernel_.reductions[r].is_outer) found.push_back(static_cast<int>(r));
    return found;
  }

  std::string fits() const {
    std::vector<std::string> unknown;
    if (s_.width > 1)
      for (const Dim& d : multiples_of_windows(kernel_, s_.windows))
        if (!d.is_static()) unknown.push_back(k_.dim_text(d));
    if (unknown.empty()) return "true";
    return unknown.size() == 1 ? fmt::format("{} % {} == 0", unknown[0], s_.width)
                               : fmt::format("({}) % {} == 0", fmt::join(unknown, " | "), s_.width);
  }

  /// Whether an access walks memory as the loop counts.
  bool is_same_place(const Access& a) const {
    if (!a.offset.is(0) || a.terms.size() != kernel_.axes.size()) return false;
    return std::ranges::all_of(a.terms, [&](const Term& t) {
      return dims::same(t.coefficient,
                        k_.count(CudaKernel::axes_between(t.axis + 1, k_.last_axis() + 1)));
    });
  }

  std::string view(const CudaWindow& w) const {
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
    for (std::size_t i = 0; i < s_.windows.size(); ++i) {
      parameters += ", auto& " + names_[i];
      views += ", " + view(s_.windows[i]);
    }
    emit_place_type();
    k_.line(1,
            fmt::format("{}<{}, {}>({}, {}, {}, [&]({} from, i32 k{}) {{",
                        k_.has_outer() ? "in_fixed_windows" : "in_windows", s_.width, s_.turns,
                        k_.count_text(axes()), fits(), k_.has_inner() ? "place_of" : "same_place{}",
                        k_.has_inner() ? "place" : "i64", parameters));
    emit_element_positions();
    for (std::size_t i = 0; i < s_.windows.size(); ++i)
      k_.set_place(s_.windows[i].access, names_[i] + "[k]");
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
    const std::string fold = fmt::format("team<{}>::fold", s_.threads);
    for (int r : outer()) k_.emit_combined(r, fold, CudaKernel::result_name(r), k_.best_name(r), 1);
    k_.line(1, "if (threadIdx.x == 0) {");
    k_.emit_partial_stores(outer(), "", "blockIdx.x", 2);
    k_.line(1, "}");
    if (k_.counts_blocks()) write_last_block(k_, fold);
  }

  CudaKernel& k_;
  const Kernel& kernel_;
  const CudaElements& s_;
  std::vector<std::string> names_; ///< of the windows
};

} // namespace

void write_elements(CudaKernel& k, const CudaElements& schedule) { Elements(k, schedule).run(); }

} // namespace kroton::codegen
