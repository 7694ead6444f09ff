#include "codegen/cuda/epilogue.hpp"

#include <algorithm>

#include "codegen/cuda/kernel.hpp"

namespace kroton::codegen {
namespace dims = ir::dims;
namespace {

/// Lines that make the kernel's positions of `row` and `column`: its last axis is a row's, or all
/// of it is walked as one.
void emit_positions(CudaKernel& k, const Dim& columns) {
  const std::vector<int> axes = CudaKernel::axes_between(0, k.last_axis() + 1);
  if (axes.size() > 1 && dims::same(k.axis(k.last_axis()), columns)) {
    k.line(1, fmt::format("const i64 {} = column;", CudaKernel::axis_name(k.last_axis())));
    k.emit_positions(CudaKernel::axes_between(0, k.last_axis()), "row", 1);
    return;
  }
  k.line(1, "const i64 element = row * n + column;");
  k.emit_positions(axes, "element", 1);
}

} // namespace

CudaEpilogue::CudaEpilogue(const plan::Kernel& kernel, int product, const Dim& columns,
                           const std::string& type) {
  CudaKernel k(kernel);
  header = k.header();
  parameters = k.parameters();
  arguments = k.arguments();
  k.line(0, "");
  k.line(0, "/// What follows from an element of the product. Rows of all products are counted.");
  k.line(0, fmt::format("KROTON_INLINE void epilogue({} value, i64 row, i64 column, i64 n, {}) {{",
                        type, parameters));
  emit_positions(k, columns);
  for (std::size_t id = 0; id < kernel.values.size(); ++id) {
    const Value& v = kernel.values[id];
    if (v.kind == ValueKind::load && v.access->param == product)
      k.override_text(static_cast<int>(id), "value");
  }
  k.emit_block(kernel.prologue, 1);
  for (const Stage& s : kernel.stages) {
    k.emit_block(s.row, 1);
    k.emit_block(s.loop, 1);
    k.emit_block_stores(s.loop, "", 1);
  }
  k.line(0, "}");
  CudaText text = k.finished();
  definition = text.text.substr(text.body);
  const auto above = std::count(text.text.begin(),
                                text.text.begin() + static_cast<std::ptrdiff_t>(text.body), '\n');
  for (const auto& [line, node] : text.lines)
    lines.emplace_back(line - static_cast<int>(above), node);
}

} // namespace kroton::codegen
