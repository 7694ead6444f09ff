#include "lib/ir/overflow.hpp"

#include <algorithm>
#include <cmath>
#include <ranges>

#include "lib/support/visit_dtype.hpp"

namespace kroton::ir {
namespace {

/// Marks are f64, 0 for no; any other number is yes, so that sums of marks are marks.
Array marks(const Shape& shape, bool is_marked) {
  Array a = Array::zeros(DType::f64, shape);
  if (is_marked) std::ranges::fill(std::span(a.data<double>(), std::size_t(a.numel())), 1.0);
  return a;
}

bool has_marks(const Array& a) {
  const Array dense = a.contiguous();
  return std::ranges::any_of(
      std::span(std::as_const(dense).data<double>(), std::size_t(dense.numel())),
      [](double v) { return v != 0; });
}

/// Whether each element is infinite or NaN.
Array non_finite(const Array& a) {
  Array found = marks(a.shape(), false);
  if (!is_float(a.dtype())) return found;
  const Array dense = a.astype(DType::f64).contiguous();
  for (std::int64_t i = 0; i < found.numel(); ++i)
    found.data<double>()[i] = std::isfinite(std::as_const(dense).data<double>()[i]) ? 0 : 1;
  return found;
}

/// The marks of what an op computes, from those of its inputs.
class Marker {
public:
  Marker(const EvalContext& context, const Array& value, std::vector<Array> of_inputs)
      : context_(context), value_(value), of_inputs_(std::move(of_inputs)) {}

  Array operator()() const {
    const Array none = marks(value_.shape(), false);
    switch (context_.op.kind) {
    case Kind::leaf:
    case Kind::generator:
    case Kind::random:
      return none;
    case Kind::elementwise:
      return elementwise();
    case Kind::reduction:
      return reduction();
    case Kind::movement:
    case Kind::pad:
      return moved(of_inputs_.size());
    case Kind::gather:
    case Kind::scatter:
      if (std::ranges::none_of(of_inputs_ | std::views::drop(1), has_marks)) return moved(1);
      break;
    case Kind::contraction:
    case Kind::library:
    case Kind::several:
    case Kind::part:
      break;
    }
    const auto is_finite = [](const Array& a) { return !has_marks(non_finite(a)); };
    const bool overflows = std::ranges::all_of(context_.inputs, is_finite) && !is_finite(value_);
    return overflows || std::ranges::any_of(of_inputs_, has_marks) ? marks(value_.shape(), true)
                                                                   : none;
  }

private:
  Array elementwise() const {
    const Shape& shape = value_.shape();
    Array result = non_finite(value_);
    double* to = result.data<double>();
    std::vector<Array> infinite, marked;
    for (std::size_t k = 0; k < of_inputs_.size(); ++k) {
      infinite.push_back(non_finite(context_.inputs[k].broadcast_to(shape)));
      marked.push_back(of_inputs_[k].broadcast_to(shape).contiguous());
    }
    for (std::int64_t i = 0; i < result.numel(); ++i) {
      const auto is_set = [&](const Array& a) { return a.data<double>()[i] != 0; };
      const bool overflows = to[i] != 0 && std::ranges::none_of(infinite, is_set);
      to[i] = overflows || std::ranges::any_of(marked, is_set) ? 1 : 0;
    }
    return result;
  }

  Array reduction() const {
    const Array& input = context_.inputs[0];
    const Shape& shape = input.shape();
    std::vector<std::int64_t> strides(shape.size(), 0); // of the result, along the input's axes
    const Ints& axes = context_.params.as<AxesParams>().axes;
    for (std::int64_t axis = input.rank(), stride = 1; axis-- > 0;) {
      if (std::ranges::find(axes, axis) != axes.end()) continue;
      strides[static_cast<std::size_t>(axis)] = stride;
      stride *= input.dim(static_cast<int>(axis));
    }
    const auto any_of_row = [&](const Array& a) {
      Array any = marks(value_.shape(), false);
      const Array dense = a.contiguous();
      for (std::int64_t i = 0; i < dense.numel(); ++i) {
        std::int64_t to = 0, left = i;
        for (std::size_t axis = shape.size(); axis-- > 0; left /= shape[axis])
          to += left % shape[axis] * strides[axis];
        if (std::as_const(dense).data<double>()[i] != 0) any.data<double>()[to] = 1;
      }
      return any;
    };
    const Array infinite = any_of_row(non_finite(input)), marked = any_of_row(of_inputs_[0]);
    Array result = non_finite(value_);
    for (std::int64_t i = 0; i < result.numel(); ++i) {
      double& r = result.data<double>()[i];
      const bool overflows = r != 0 && infinite.data<double>()[i] == 0;
      r = overflows || marked.data<double>()[i] != 0 ? 1 : 0;
    }
    return result;
  }

  /// What the op makes of the marks in place of its first input.
  /// The marks of the first inputs, moved as their elements are.
  Array moved(std::size_t first) const {
    EvalContext c = context_;
    std::vector<Array> inputs(c.inputs.begin(), c.inputs.end());
    std::copy_n(of_inputs_.begin(), first, inputs.begin());
    c.inputs = inputs;
    c.dtype = c.declared = DType::f64;
    return c.op.eval(c);
  }

  const EvalContext& context_;
  const Array& value_;
  std::vector<Array> of_inputs_;
};

} // namespace

std::vector<Array> overflowed(const Graph& graph, std::span<const NodeId> wanted,
                              Bindings bindings) {
  std::unordered_map<NodeId, Array> known;
  // One of several results depends on all that they are computed from.
  const auto marks_of = [&](NodeId id, const Shape& shape) {
    if (const auto found = known.find(id); found != known.end()) return found->second;
    bool is_marked = false;
    if (graph[id].op->is(Kind::part))
      for (NodeId i : graph[graph[id].inputs[0]].inputs)
        if (const auto found = known.find(i); found != known.end())
          is_marked = is_marked || has_marks(found->second);
    return marks(shape, is_marked);
  };
  bindings.watch = [&](NodeId id, const EvalContext& context, const Array& value) {
    std::vector<Array> of_inputs;
    for (std::size_t k = 0; k < context.inputs.size(); ++k)
      of_inputs.push_back(marks_of(graph[id].inputs[k], context.inputs[k].shape()));
    known.insert_or_assign(id, Marker(context, value, std::move(of_inputs))());
  };
  bindings.nudge = 0;
  const std::vector<Array> values = evaluate(graph, wanted, bindings);
  std::vector<Array> results;
  for (std::size_t i = 0; i < wanted.size(); ++i)
    results.push_back(marks_of(wanted[i], values[i].shape()));
  return results;
}

} // namespace kroton::ir
