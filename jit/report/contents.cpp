#include "jit/report/contents.hpp"

#include "lib/plan/view.hpp"
#include "lib/support/match.hpp"

namespace kroton::jit {

Contents::Contents(const plan::Plan& plan) : plan_(plan) {
  for (std::size_t b = 0; b < plan.buffers.size(); ++b)
    if (plan.buffers[b].kind == plan::BufferKind::leaf)
      nodes_[static_cast<int>(b)] = plan.buffers[b].node;
}

void Contents::bind(const Program::Moment& m, ir::Bindings& bindings) const {
  bindings.values.clear();
  bindings.size_of = m.size_of;
  for (int b : m.step.reads) {
    // A kernel that folds into an array reads it too, and nothing is there before it begins.
    const auto known = nodes_.find(b);
    if (known == nodes_.end()) continue;
    // A buffer may be of another shape than the value that now is in it.
    bindings.values.insert_or_assign(known->second, m.value(b).reshape(shape_of(known->second, m)));
  }
}

Shape Contents::shape_of(ir::NodeId id, const Program::Moment& m) const {
  Shape shape;
  for (const Dim& d : plan_.graph[id].type.shape) shape.push_back(ir::dims::evaluate(d, m.size_of));
  return shape;
}

Array Contents::result(const Program::Moment& m, std::size_t number) const {
  const ir::NodeId id = m.step.computes[number];
  const Array stored = m.value(m.step.filled[number]);
  const Shape shape = shape_of(id, m);
  const auto place = plan::place_in_join(plan_.graph, id);
  if (!place) return stored.reshape(shape);
  if (std::ranges::find(shape, 0) != shape.end()) return Array::empty(stored.dtype(), shape);
  std::int64_t first = 0;
  for (std::size_t i = 0; i < shape.size(); ++i)
    first += ir::dims::evaluate(place->starts[i], m.size_of) * stored.strides()[i];
  return stored.as_strided(shape, stored.strides(), first).contiguous();
}

void Contents::finish(const plan::Step& step) {
  for (std::size_t i = 0; i < step.computes.size(); ++i)
    nodes_[step.filled[i]] = plan::stored_in(plan_.graph, step.computes[i]);
}

std::string describe_step(const Program& program, const plan::Step& step) {
  const auto kernel = [&](const plan::KernelStep& k) {
    return "kernel " + program.describe_kernel(k.kernel);
  };
  return support::match(
      step.what, kernel,
      [&](const plan::ContractionStep& c) {
        return c.epilogue ? "a matrix product with " + kernel(c.epilogue->kernel)
                          : std::string("a matrix product");
      },
      [](const plan::LibraryStep& l) { return fmt::format("the call of {}", l.op->name); });
}

} // namespace kroton::jit
