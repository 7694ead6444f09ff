/// Program's construction: a bound plan, its code and its memory put together.
#include <cstring>
#include <map>

#include "jit/frame.hpp"
#include "lib/support/error.hpp"

namespace kroton::jit {

Program::Program(BoundPlan bound, std::vector<LoadedKernel> kernels, const Signature& signature,
                 const Leaves& leaves, int threads, std::shared_ptr<const Origin> origin)
    : bound_(std::move(bound)), loaded_(std::move(kernels)), signature_(signature),
      threads_(threads), origin_(std::move(origin)) {
  for (const Expr& e : signature.inputs) argument_types_.emplace_back(e.dtype(), e.shape().size());
  bind_memory(signature, leaves);
  for (const BoundPlan::Draw& d : bound_.draws)
    bound_.sizes.initial[static_cast<std::size_t>(d.slot)] = leaves.draw(d.number);
  steps_.reserve(bound_.steps.size());
  for (BoundPlan::Step& step : bound_.steps) {
    most_arguments_ = std::max(most_arguments_, step.buffers.size() + 1);
    steps_.push_back(with_code(std::move(step)));
    steps_.back().number = static_cast<int>(steps_.size()) - 1;
  }
  bound_.steps.clear();
}

Program::~Program() = default;

namespace {

Array value_of(const BoundPlan::Constant& c, const Leaves& leaves) {
  if (c.leaf >= 0) return leaves.array(c.leaf)->value;
  Array value = Array::empty(c.dtype, c.shape);
  std::memcpy(value.raw(), c.bytes.data(), c.bytes.size());
  return value;
}

} // namespace

void Program::bind_memory(const Signature& signature, const Leaves& leaves) {
  std::map<ir::SharedState*, bool> is_updated;
  updates_.resize(signature.updates.size());
  for (std::size_t u = 0; u < updates_.size(); ++u) {
    updates_[u].state = signature.updates[u].first.state().get();
    is_updated[updates_[u].state] = true;
  }
  for (const BoundPlan::Source& s : bound_.sources) {
    Source& source = sources_.emplace_back(Source{s.kind, s.buffer, s.index});
    if (s.kind == BoundPlan::Source::update)
      updates_[static_cast<std::size_t>(s.index)].buffer = s.buffer;
    if (s.kind != BoundPlan::Source::shared) continue;
    source.state = leaves.shared(s.index);
    is_updated.try_emplace(source.state, false);
  }
  for (const BoundPlan::Constant& c : bound_.constants)
    constants_.emplace_back(c.buffer, value_of(c, leaves));
  // One order for all calls, so that two functions never wait for each other in a circle.
  for (const auto& [state, is_exclusive] : is_updated) locks_.push_back({state, is_exclusive});
}

Program::BoundStep Program::with_code(BoundPlan::Step step) const {
  BoundStep s{std::move(step)};
  if (s.kind == BoundPlan::Step::kernel) s.entry = loaded_[static_cast<std::size_t>(s.code)].entry;
  if (s.kind != BoundPlan::Step::contraction) return s;
  int possible = 0;
  for (std::size_t i = 0; i < s.schemes.size(); ++i) {
    if (s.code_of_scheme[i] < 0) continue;
    s.schemes[i] = loaded_[static_cast<std::size_t>(s.code_of_scheme[i])].entry;
    s.scheme = static_cast<codegen::ContractionScheme>(i);
    ++possible;
  }
  if (possible != 1) s.scheme.reset();
  if (const auto sizes = s.product.known_sizes())
    s.work_bytes = codegen::contraction_work_bytes(s.product, *s.scheme, *sizes, threads_);
  return s;
}

} // namespace kroton::jit
