#include "lib/plan/placement.hpp"

#include <algorithm>

namespace kroton::plan {
namespace dims = ir::dims;

namespace {

bool same_terms(const Access& a, const Access& b) {
  if (!a.computed.empty() || !b.computed.empty() || !dims::same(a.offset, b.offset) ||
      a.terms.size() != b.terms.size())
    return false;
  return std::ranges::all_of(a.terms, [&](const Term& t) {
    return std::ranges::any_of(b.terms, [&](const Term& u) {
      return t.axis == u.axis && dims::same(t.coefficient, u.coefficient);
    });
  });
}

/// True if the store to `out` may land in the memory of `in`: every element of `in` is read at the
/// place and no later than it is written; or all of it before anything is written, in `finish`.
bool may_share(const Kernel& k, int out, int in) {
  for (const Reduction& r : k.reductions)
    if (r.array.param == out || r.array.param == in) return false;
  const Store* store = nullptr;
  int store_block = 0;
  int block_number = 0;
  std::vector<std::pair<int, const Value*>> loads;
  bool ok = true;
  auto block = [&](const Block& b) {
    for (int id : b.values) {
      const Value& v = k.values[static_cast<std::size_t>(id)];
      if (v.kind == ValueKind::load && v.access->param == in) loads.emplace_back(block_number, &v);
    }
    for (const Store& s : b.stores) {
      if (s.access.param == in) ok = false;
      if (s.access.param != out) continue;
      if (store) ok = false;
      store = &s;
      store_block = block_number;
    }
    ++block_number;
  };
  block(k.prologue);
  for (const Stage& s : k.stages) {
    block(s.row);
    block(s.loop);
  }
  const int first_finish = block_number;
  for (const Finish& f : k.finish) block(f.block);
  if (!ok || !store) return false;
  return std::ranges::all_of(loads, [&](const auto& l) {
    const bool is_same = same_terms(l.second->access, store->access);
    if (store_block >= first_finish && l.first < first_finish) return true;
    return l.first <= store_block && is_same;
  });
}

/// Lets parameter `gone` be parameter `stays`.
void merge_params(Kernel& k, std::vector<NodeId>& params, int stays, int gone) {
  auto fix = [&](Access& a) {
    if (a.param == gone) a.param = stays;
    if (a.param > gone) --a.param;
  };
  for (Value& v : k.values)
    if (Access* a = v.access.get()) fix(*a);
  auto block = [&](Block& b) {
    for (Store& s : b.stores) fix(s.access);
  };
  block(k.prologue);
  for (Stage& s : k.stages) {
    block(s.row);
    block(s.loop);
  }
  for (Finish& f : k.finish) block(f.block);
  for (Reduction& r : k.reductions) fix(r.array);
  Param& p = k.params[static_cast<std::size_t>(stays)];
  p.is_read = true;
  p.is_written = true;
  k.params.erase(k.params.begin() + gone);
  params.erase(params.begin() + gone);
}

} // namespace

int Placement::add_buffer(NodeId id, BufferKind kind, int index) {
  const ir::Type& t = plan_.graph[id].type;
  const int b = static_cast<int>(plan_.buffers.size());
  plan_.buffers.push_back({id, kind, index, t.dtype, t.shape, padding_.strides(id)});
  buffer_of_[id] = b;
  return b;
}

void Placement::add_leaf(NodeId id) { add_buffer(id, BufferKind::leaf, -1); }
void Placement::is_output(NodeId id, int index) { output_of_[id] = index; }
void Placement::is_update(NodeId id, NodeId shared, int index) { update_of_[id] = {shared, index}; }

void Placement::is_read(NodeId storage, int step, bool is_fallible) {
  int& last = last_read_.try_emplace(storage, step).first->second;
  last = std::max(last, step);
  if (is_fallible) last_fallible_ = std::max(last_fallible_, step);
}

void Placement::begin_step(int step, bool is_fallible) {
  if (step == 0)
    for (const auto& [id, last] : last_read_) ends_at_[last].push_back(id);
  step_ = step;
  step_is_fallible_ = is_fallible;
}

/// Whether nobody needs what lies in `storage` after this step, so that `by` may take its place.
bool Placement::may_overwrite(NodeId storage, NodeId by) const {
  const auto last = last_read_.find(storage);
  if (last == last_read_.end() || last->second != step_ || overwritten_.contains(storage))
    return false;
  const Buffer& b = plan_.buffers[static_cast<std::size_t>(buffer_of_.at(storage))];
  const ir::Type &old_type = plan_.graph[storage].type, &new_type = plan_.graph[by].type;
  if (old_type.dtype != new_type.dtype ||
      !dims::same(dims::product(old_type.shape), dims::product(new_type.shape)))
    return false;
  const bool is_padded = padding_.has(by);
  if (is_padded != padding_.has(storage) ||
      (is_padded && !dims::same(old_type.shape, new_type.shape)))
    return false;
  if (b.kind == BufferKind::temp) return !output_of_.contains(by) && !update_of_.contains(by);
  // A shared variable's memory takes its own new value once nothing can fail any more.
  const auto update = update_of_.find(by);
  return b.kind == BufferKind::leaf && update != update_of_.end() &&
         update->second.first == storage && !step_is_fallible_ && last_fallible_ <= step_;
}

int Placement::take_slot(const Dim& bytes) {
  auto fits = [&](int s) {
    const Dim& have = plan_.slots[static_cast<std::size_t>(s)];
    return dims::same(have, bytes) ||
           (have.is_static() && bytes.is_static() && bytes.value() <= have.value());
  };
  if (const auto it = std::ranges::find_if(free_slots_, fits); it != free_slots_.end()) {
    const int slot = *it;
    free_slots_.erase(it);
    return slot;
  }
  // Slots of one size share its dims.
  const bool is_same = !plan_.slots.empty() && dims::same(plan_.slots.back(), bytes);
  plan_.slots.push_back(is_same ? plan_.slots.back() : bytes);
  return static_cast<int>(plan_.slots.size()) - 1;
}

int Placement::place_node(NodeId id, std::optional<NodeId> in_place) {
  if (in_place && may_overwrite(*in_place, id)) {
    overwritten_.insert(*in_place);
    const Buffer old = plan_.buffers[static_cast<std::size_t>(buffer_of_.at(*in_place))];
    if (old.kind == BufferKind::temp) {
      // The slot lives on under the new value's name.
      buffer_of_[id] = buffer_of_.at(*in_place);
      return buffer_of_.at(id);
    }
    plan_.buffers[static_cast<std::size_t>(buffer_of_.at(*in_place))].index =
        update_of_.at(id).second;
    buffer_of_[id] = buffer_of_.at(*in_place);
    return buffer_of_.at(id);
  }
  if (const auto it = output_of_.find(id); it != output_of_.end())
    return add_buffer(id, BufferKind::output, it->second);
  if (const auto it = update_of_.find(id); it != update_of_.end())
    return add_buffer(id, BufferKind::update, it->second.second);
  return add_buffer(id, BufferKind::temp, take_slot(padding_.bytes(id)));
}

std::vector<int> Placement::place_kernel(Lowered& lowered, const std::vector<NodeId>& stored,
                                         const std::set<NodeId>& held) {
  for (NodeId id : stored) {
    const auto out = std::ranges::find(lowered.params, id);
    KROTON_CHECK(out != lowered.params.end(), "a kernel does not store {}",
                 plan_.graph[id].op->name);
    const int out_param = static_cast<int>(out - lowered.params.begin());
    std::optional<NodeId> target;
    for (std::size_t p = 0; p < lowered.params.size() && !target; ++p)
      if (static_cast<int>(p) != out_param && lowered.kernel.params[p].is_read &&
          !lowered.kernel.params[p].is_written && !held.contains(lowered.params[p]) &&
          may_overwrite(lowered.params[p], id) &&
          may_share(lowered.kernel, out_param, static_cast<int>(p)))
        target = lowered.params[p];
    place_node(id, target);
    if (target) {
      const int in_param =
          static_cast<int>(std::ranges::find(lowered.params, *target) - lowered.params.begin());
      // The parameter keeps the place of the value that was there first.
      lowered.params[static_cast<std::size_t>(in_param)] = id;
      merge_params(lowered.kernel, lowered.params, in_param, out_param);
    }
  }
  std::vector<int> buffers;
  for (NodeId id : lowered.params) buffers.push_back(buffer_of_.at(id));
  return buffers;
}

void Placement::end_step() {
  for (NodeId id : ends_at_[step_]) {
    const auto b = buffer_of_.find(id);
    if (b == buffer_of_.end() || overwritten_.contains(id)) continue;
    const Buffer& buffer = plan_.buffers[static_cast<std::size_t>(b->second)];
    if (buffer.kind == BufferKind::temp) free_slots_.push_back(buffer.index);
  }
}

} // namespace kroton::plan
