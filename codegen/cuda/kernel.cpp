#include "codegen/cuda/kernel.hpp"

#include <algorithm>
#include <numeric>

#include "codegen/loop/literal.hpp"
#include "codegen/prelude/prelude.hpp"
#include "codegen/loop/unused.hpp"

namespace kroton::codegen {
namespace dims = ir::dims;

CudaKernel::CudaKernel(const Kernel& kernel, CudaFinish finish)
    : Writer(kernel, {}, "failure"), k_(kernel), finish_(finish) {}

CudaText CudaKernel::finished() {
  const Pruned body = without_unused(take());
  const std::string head =
      header() + prelude_for(prelude_names_in(body.text, Dialect::cuda), Dialect::cuda);
  const int shift = static_cast<int>(std::ranges::count(head, '\n'));
  CudaText text{head + body.text,    head.size(),    {},
                std::move(launches), scratch_bytes_, counts_blocks()};
  for (const auto& [line, node] : lines())
    if (const int now = body.line[static_cast<std::size_t>(line) - 1]; now > 0)
      text.lines.emplace_back(now + shift, node);
  return text;
}

bool CudaKernel::has_outer() const {
  return std::ranges::any_of(k_.reductions, &Reduction::is_outer);
}

std::vector<int> CudaKernel::axes_between(int first, int end) {
  std::vector<int> axes(static_cast<std::size_t>(end - first));
  std::iota(axes.begin(), axes.end(), first);
  return axes;
}

Dim CudaKernel::count(const std::vector<int>& axes) const {
  Dim n(1);
  for (int a : axes) n = dims::mul(n, axis(a));
  return n;
}

std::string CudaKernel::count_text(const std::vector<int>& axes) const {
  std::string text;
  for (int a : axes) text += (text.empty() ? "" : " * ") + dim_text(axis(a));
  return text.empty() ? "1" : text;
}

std::string CudaKernel::positions(const std::vector<int>& axes, std::string from) const {
  std::string text;
  for (std::size_t i = axes.size(); i-- > 1;) {
    const std::string n = dim_text(axis(axes[i])), here = axis_name(axes[i]);
    const std::string rest = i == 1 ? axis_name(axes[0]) : fmt::format("to_{}", axes[i - 1]);
    text +=
        fmt::format("const i64 {0} = whole_quotient({1}, {2}); const i64 {3} = {1} - {0} * {2}; ",
                    rest, from, n, here);
    from = rest;
  }
  if (axes.size() == 1 && axis_name(axes[0]) != from)
    text = fmt::format("const i64 {} = {}; ", axis_name(axes[0]), from);
  if (!text.empty()) text.pop_back();
  return text;
}

void CudaKernel::emit_positions(const std::vector<int>& axes, const std::string& from, int indent) {
  const std::string text = positions(axes, from);
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(';', at), text.size() - 1);
    line(indent, text.substr(at, end + 1 - at));
    at = end + 2;
  }
}

Dim CudaKernel::fitting_lanes(const Dim& length, int each) {
  Dim lanes(1);
  for (int fewer = 1; fewer < 32; fewer *= 2) {
    const Dim is_longer =
        dims::min(Dim(1), dims::max(Dim(0), dims::sub(length, Dim(fewer * each))));
    lanes = dims::add(lanes, dims::mul(Dim(fewer), is_longer));
  }
  return lanes;
}

std::string CudaKernel::parameters() const {
  std::string text;
  const auto add = [&](const std::string& p) { text += (text.empty() ? "" : ", ") + p; };
  for (std::size_t i = 0; i < k_.params.size(); ++i)
    add(fmt::format("global<{}{}> {}", k_.params[i].is_written ? "" : "const ",
                    type_name(k_.params[i].dtype), param_name(static_cast<int>(i))));
  if (!arrays_.empty()) add("global<char> scratch");
  for (const std::string& name : number_names()) add("i64 " + name);
  if (k_.is_fallible()) add("Failure* failure");
  if (counts_blocks()) add("u32* counter");
  return text;
}

std::string CudaKernel::arguments() const {
  std::string text;
  const auto add = [&](const std::string& p) { text += (text.empty() ? "" : ", ") + p; };
  for (std::size_t i = 0; i < k_.params.size(); ++i) add(param_name(static_cast<int>(i)));
  if (!arrays_.empty()) add("scratch");
  for (const std::string& name : number_names()) add(name);
  if (k_.is_fallible()) add("failure");
  if (counts_blocks()) add("counter");
  return text;
}

void CudaKernel::open_entry(const std::string& name, int threads, int blocks) {
  const std::string bounds =
      blocks > 0 ? fmt::format("{}, {}", threads, blocks) : std::to_string(threads);
  line(0, "");
  line(0, fmt::format("extern \"C\" __global__ void __launch_bounds__({}) {}({}) {{", bounds, name,
                      parameters()));
}

std::string CudaKernel::result_type(int r) const {
  return type_name(is_position(r) ? reduction(r).result_dtype : reduction(r).accumulator);
}

std::string CudaKernel::neutral(int r) const {
  return is_position(r) ? literal(DType::i64, 0)
                        : limit(reduction(r).accumulator, reduction(r).op->fold->identity);
}

void CudaKernel::emit_start(int r, const std::string& suffix, int indent) {
  const Reduction& x = reduction(r);
  const auto define = [&](const std::string& type, const std::string& name,
                          const std::string& start) {
    if (suffix.empty()) return line(indent, fmt::format("{} {} = {};", type, name, start));
    line(indent, fmt::format("{} {}[E];", type, name));
    line(indent, fmt::format("for (auto& x : {}) x = {};", name, start));
  };
  define(result_type(r), result_name(r), neutral(r));
  if (is_position(r))
    define(type_name(x.dtype), best_name(r), limit(x.dtype, x.op->fold->identity));
}

void CudaKernel::emit_masked_fold(int r, const std::string& so_far, const std::string& best,
                                  const std::string& mask, int indent) {
  const Reduction& x = reduction(r);
  const Text v = operand(x.value);
  if (is_position(r)) {
    const Text is_better = better(x, atom(best), v);
    line(indent, fmt::format("if ({}) {{",
                             mask.empty() ? is_better.whole()
                                          : spell("{0} && {1}", {atom(mask), is_better}).whole()));
    line(indent + 1, fmt::format("{} = {};", best, v.whole()));
    line(indent + 1, fmt::format("{} = {};", so_far, access_index(x.position).whole()));
    line(indent, "}");
    return;
  }
  const Text next = joined(r, atom(so_far), v);
  line(indent, fmt::format("{}{} = {};", mask.empty() ? "" : fmt::format("if ({}) ", mask), so_far,
                           next.whole()));
}

Text CudaKernel::joined(int r, const Text& a, const Text& b) const {
  return is_stretched(r) ? spell("{0} + {1}", {a, b}) : folded(reduction(r), false, a, b);
}

std::string CudaKernel::combiner(int r) const {
  const Reduction& x = reduction(r);
  const std::string t = type_name(is_position(r) ? x.dtype : x.accumulator);
  const Text a = atom("a"), b = atom("b");
  if (is_position(r))
    return fmt::format("first_of([]({0} a, {0} b) {{ return {1}; }})", t, better(x, a, b).whole());
  return fmt::format("[]({0} a, {0} b) -> {0} {{ return {1}; }}", t, joined(r, a, b).whole());
}

void CudaKernel::emit_combined(int r, const std::string& fold, const std::string& so_far,
                               const std::string& best, int indent) {
  if (!is_position(r))
    return line(indent, fmt::format("{0} = {1}({0}, {2});", so_far, fold, combiner(r)));
  const std::string t = type_name(reduction(r).dtype);
  line(indent, "{");
  line(indent + 1, fmt::format("const auto all = {}(ranked<{}>{{{}, {}}}, {});", fold, t, best,
                               so_far, combiner(r)));
  line(indent + 1, fmt::format("{} = all.value;", best));
  line(indent + 1, fmt::format("{} = all.at;", so_far));
  line(indent, "}");
}

void CudaKernel::plan_scratch(const Dim& most_blocks, bool keeps) {
  std::vector<bool> is_partial(k_.scratch.size(), false), is_other(k_.scratch.size(), false);
  const auto mark = [](std::vector<bool>& marks, const Access& a) {
    if (a.scratch >= 0) marks[static_cast<std::size_t>(a.scratch)] = true;
  };
  for (const Reduction& r : k_.reductions) {
    mark(r.is_outer ? is_partial : is_other, r.array);
    mark(r.is_outer ? is_partial : is_other, r.best);
  }
  for (std::size_t s = 0; s < k_.scratch.size(); ++s)
    if (is_partial[s]) arrays_.push_back({static_cast<int>(s), false});
  for (std::size_t s = 0; s < k_.scratch.size() && keeps; ++s)
    if (!is_partial[s] && !is_other[s]) arrays_.push_back({static_cast<int>(s), true});
  if (has_outer() && !counts_blocks()) scratch_bytes_ = Dim(256);
  for (const Array& a : arrays_) {
    const Scratch& s = k_.scratch[static_cast<std::size_t>(a.scratch)];
    const Dim each = dims::mul(count(s.axes), Dim(static_cast<std::int64_t>(item_size(s.dtype))));
    const Dim lines = dims::floor_div(dims::add(dims::mul(most_blocks, each), Dim(255)), Dim(256));
    scratch_bytes_ = dims::add(scratch_bytes_, dims::mul(lines, Dim(256)));
  }
}

void CudaKernel::emit_scratch(const std::string& blocks, bool has_kept, int indent) {
  if (std::ranges::none_of(arrays_, [&](const Array& a) { return has_kept || !a.is_kept; })) return;
  line(indent, "arena memory{scratch};");
  if (has_outer() && !counts_blocks()) line(indent, "i64* const blocks = memory.take<i64>(1);");
  for (const Array& a : arrays_) {
    if (a.is_kept && !has_kept) continue;
    const Scratch& s = k_.scratch[static_cast<std::size_t>(a.scratch)];
    const std::string n = s.axes.empty() ? "" : " * " + count_text(s.axes);
    line(indent,
         fmt::format("{0}* const {1} = memory.take<{0}>({2}{3}){4};", type_name(s.dtype),
                     scratch_name(a.scratch), blocks, n, a.is_kept ? " + blockIdx.x" + n : ""));
  }
}

std::string CudaKernel::partial(const Access& array, const std::string& block) const {
  const Scratch& s = k_.scratch[static_cast<std::size_t>(array.scratch)];
  if (s.axes.empty()) return fmt::format("{}[{}]", scratch_name(array.scratch), block);
  return fmt::format("{}[{} * {} + {}]", scratch_name(array.scratch), block, count_text(s.axes),
                     access_index(array).whole());
}

void CudaKernel::emit_block(const Block& b, int indent) {
  for (int id : b.values) {
    emit_checks(id, indent);
    const Value& v = value(id);
    const auto place = v.kind == ValueKind::load ? places_.find(element(v.access)) : places_.end();
    if (place == places_.end())
      emit_value(id, indent);
    else if (is_written(v.access))
      // What is read must be read before it is written.
      line(indent, fmt::format("const {} {} = {};", type_name(v.dtype), value_name(id),
                               loaded(v, place->second)));
    else
      override_text(id, loaded(v, place->second));
  }
}

void CudaKernel::emit_block_stores(const Block& b, const std::string& mask, int indent) {
  for (const Store& s : b.stores) {
    note_stored(s.value);
    const auto place = places_.find(element(s.access));
    line(indent,
         fmt::format("{}{} = {};", mask, place == places_.end() ? element(s.access) : place->second,
                     operand(s.value).whole()));
  }
}

Text CudaKernel::masked_load(int id, const std::string& mask) const {
  const Value& v = value(id);
  return guarded(v.access, loaded(v, element(v.access)), literal(v.dtype, 0), mask);
}

void CudaKernel::emit_masked_value(int id, const std::string& mask, int indent) {
  const Value& v = value(id);
  emit_checks(id, indent, mask);
  if (v.kind != ValueKind::load) return emit_value(id, indent);
  if (uses(id) == 0) return;
  line(indent, fmt::format("const {} {} = {};", type_name(v.dtype), value_name(id),
                           masked_load(id, mask).whole()));
  override_text(id, value_name(id));
}

void CudaKernel::emit_block_count(const std::string& blocks, int indent) {
  if (!counts_blocks())
    line(indent, fmt::format("if (blockIdx.x == 0 && threadIdx.x == 0) *blocks = {};", blocks));
}

void CudaKernel::emit_partial_stores(const std::vector<int>& reductions, const std::string& suffix,
                                     const std::string& block, int indent) {
  for (int r : reductions) {
    const Reduction& x = reduction(r);
    line(indent, fmt::format("{} = {}{};", partial(x.array, block), result_name(r), suffix));
    if (is_position(r))
      line(indent, fmt::format("{} = {}{};", partial(x.best, block), best_name(r), suffix));
  }
}

} // namespace kroton::codegen
