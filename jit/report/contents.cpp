#include "jit/report/contents.hpp"

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
    Shape shape;
    for (const Dim& d : plan_.graph[known->second].type.shape)
      shape.push_back(ir::dims::evaluate(d, m.size_of));
    bindings.values.insert_or_assign(known->second, m.value(b).reshape(shape));
  }
}

void Contents::finish(const plan::Step& step) {
  for (std::size_t i = 0; i < step.computes.size(); ++i) nodes_[step.filled[i]] = step.computes[i];
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
