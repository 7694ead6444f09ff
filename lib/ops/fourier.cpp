/// Fourier transforms, and what is composed of them.
#include <algorithm>
#include <limits>

#include <kroton/ops/fourier.hpp>

#include "lib/ir/call.hpp"
#include "lib/ir/extended.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/batch.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/fourier.hpp"
#include "lib/ops/movement.hpp"
#include "lib/ops/table.hpp"
#include "lib/support/root_of_one.hpp"
#include "lib/support/visit_dtype.hpp"

namespace kroton {
namespace ops {
namespace {

using ir::Dtypes;
using ir::EvalContext;
using ir::GradContext;
using ir::InferContext;
using ir::Kind;
using ir::Layout;
using ir::Type;
using support::ComplexNumber;
using support::root_of_one;

Type infer_fourier(InferContext& c) {
  KROTON_CHECK(c.in(0).dtype == c.in(1).dtype && c.in(0).rank() >= 1 &&
                   ir::dims::same(c.in(0).shape, c.in(1).shape),
               "a transform of {} and {}", c.in(0).to_string(), c.in(1).to_string());
  std::vector<Dim> shape = c.in(0).shape;
  shape.insert(shape.end() - 1, Dim(2));
  return {c.in(0).dtype, std::move(shape)};
}

/// The sums as they are defined. `re(j)` and `im(j)` are line elements; calls to(k, re, im).
template <class Re, class Im, class To>
void transform_line(const std::vector<ComplexNumber>& roots, bool is_inverse, Re re, Im im, To to) {
  const auto n = static_cast<std::int64_t>(roots.size());
  for (std::int64_t k = 0; k < n; ++k) {
    long double a = 0, b = 0;
    std::int64_t at = 0; // j k modulo n
    for (std::int64_t j = 0; j < n; ++j) {
      const ComplexNumber& w = roots[static_cast<std::size_t>(at)];
      const long double x = re(j), y = im(j), s = is_inverse ? -w.im : w.im;
      a += x * w.re - y * s;
      b += x * s + y * w.re;
      at += k;
      if (at >= n) at -= n;
    }
    to(k, a, b);
  }
}

std::vector<ComplexNumber> roots_of_one(std::int64_t n) {
  std::vector<ComplexNumber> roots;
  for (std::int64_t j = 0; j < n; ++j) roots.push_back(root_of_one(j, n));
  return roots;
}

Array eval_fourier(const EvalContext& c) {
  Array out = Array::empty(c.dtype, Shape(c.shape.begin(), c.shape.end()));
  if (out.numel() == 0) return out;
  const bool is_inverse = c.params.as<FourierParams>().is_inverse;
  const std::int64_t n = c.shape.back(), lines = out.numel() / (2 * n);
  const auto roots = roots_of_one(n);
  support::visit_dtype(c.dtype, [&]<class T>(std::type_identity<T>) {
    if constexpr (std::is_floating_point_v<T>) {
      const ir::Terms<T> re(c, 0), im(c, 1);
      const ir::Results<T> to(c, out);
      for (std::int64_t line = 0; line < lines; ++line)
        transform_line(
            roots, is_inverse, [&](std::int64_t j) { return re[line * n + j]; },
            [&](std::int64_t j) { return im[line * n + j]; },
            [&](std::int64_t k, long double a, long double b) {
              to.set(2 * line * n + k, a);
              to.set((2 * line + 1) * n + k, b);
            });
    }
  });
  return out;
}

/// How many lines there are, how long they are, and whether the transform is the inverse.
std::vector<Dim> numbers_of_fourier(const ir::Graph& graph, ir::NodeId id) {
  const ir::GraphNode& n = graph[id];
  const std::span<const Dim> shape = graph[n.inputs[0]].type.shape;
  return {ir::dims::product(shape.first(shape.size() - 1)), shape.back(),
          Dim(n.params.as<FourierParams>().is_inverse ? 1 : 0)};
}

bool takes_fourier(std::span<const ir::CallType> results, std::span<const ir::CallType> operands,
                   std::size_t numbers) {
  return results.size() == 1 && operands.size() == 2 && numbers == 3 &&
         is_float(results[0].dtype) &&
         std::ranges::all_of(operands, [&](const ir::CallType& operand) {
           return operand.dtype == results[0].dtype && operand.rank >= 1 &&
                  operand.rank + 1 == results[0].rank;
         });
}

/// The largest difference, relative to the sum of a line's absolute values.
double error_of_fourier(std::span<const Array> operands, std::span<const Array> results,
                        std::span<const std::int64_t> numbers) {
  const std::int64_t lines = numbers[0], n = numbers[1];
  const Array x = operands[0].astype(DType::f64).contiguous(),
              y = operands[1].astype(DType::f64).contiguous(),
              z = results[0].astype(DType::f64).contiguous();
  const auto roots = roots_of_one(n);
  long double worst = 0;
  for (std::int64_t line = 0; line < lines; ++line) {
    const double *re = x.data<double>() + line * n, *im = y.data<double>() + line * n,
                 *got = z.data<double>() + 2 * line * n;
    long double scale = 0, most = 0;
    for (std::int64_t j = 0; j < n; ++j) scale += std::abs(re[j]) + std::abs(im[j]);
    transform_line(
        roots, numbers[2] != 0, [&](std::int64_t j) { return re[j]; },
        [&](std::int64_t j) { return im[j]; },
        [&](std::int64_t k, long double a, long double b) {
          for (const long double d : {std::abs(got[k] - a), std::abs(got[n + k] - b)})
            most = d > most || d != d ? d : most;
        });
    if (most != 0) worst = std::max(worst, scale == 0 ? most : most / scale);
    if (most != most) return static_cast<double>(most);
  }
  return static_cast<double>(worst);
}

const ir::LibraryCall call_of_fourier{.operands = {Layout::dense},
                                      .results = {{Layout::dense}},
                                      .numbers = numbers_of_fourier,
                                      .takes = takes_fourier,
                                      .backward_error = error_of_fourier};

/// One of both rows of a transform.
Expr row_of(const Expr& packed, std::int64_t row, Location at) {
  std::vector<Range> ranges(static_cast<std::size_t>(packed.rank()));
  ranges[ranges.size() - 2] = {row, row + 1};
  std::vector<Dim> shape = packed.shape();
  shape.erase(shape.end() - 2);
  return ir::make(reshape, {kroton::slice({packed, at}, ranges)}, ShapeParams{std::move(shape)},
                  at);
}

Spectrum transformed(const Expr& re, const Expr& im, bool is_inverse, Location at,
                     std::vector<ir::Constraint> assumed = {}) {
  const Expr packed =
      ir::make(fourier_transform, {re, im}, FourierParams{is_inverse}, at, std::move(assumed));
  return {row_of(packed, 0, at), row_of(packed, 1, at)};
}

/// The matrix of the sums is symmetric: its adjoint is its conjugate, the other direction.
std::vector<Expr> gradient_of_fourier(const GradContext& c) {
  const Expr g = kroton::broadcast_to({c.grad, c.where}, c.output.shape());
  const Spectrum back = transformed(row_of(g, 0, c.where), row_of(g, 1, c.where),
                                    !c.params.as<FourierParams>().is_inverse, c.where);
  return {back.re, back.im};
}

std::vector<ir::Example> examples_of_fourier(DType t) {
  if (!is_float(t)) return {};
  const Dim n = dim("n"), m = dim("m");
  const Expr x = tensor(t, {n, m}, "x"), y = tensor(t, {n, m}, "y");
  // The row itself takes lines without elements, which the functions refuse.
  const Location here = Location::current();
  const Spectrum along = transformed(x, y, false, here), back = transformed(y, x, true, here);
  return {{along.re}, {along.im}, {back.re}, {back.im}};
}

} // namespace

const Op fourier_transform{
    .name = "fourier-transform",
    .arity = 2,
    .kind = Kind::library,
    .dtypes = Dtypes::floating,
    .params = &ir::params_type<FourierParams>,
    .infer = infer_fourier,
    .eval = eval_fourier,
    .batched =
        [](const ir::BatchContext& c) {
          return ir::make(fourier_transform, {with_axis(c, 0), with_axis(c, 1)}, c.params, c.where);
        },
    .gradient = gradient_of_fourier,
    .call = &call_of_fourier,
    .examples = examples_of_fourier,
    .doc = "Fourier transforms of lines of complex numbers, real and imaginary parts in one array",
    .function = "fft"};

std::span<const Op* const> fourier_rows() {
  static constexpr const Op* rows[] = {&fourier_transform};
  return rows;
}

namespace {

std::size_t at_axis(std::int64_t axis) { return static_cast<std::size_t>(axis); }

const Dim& size_along(const Expr& e, std::int64_t axis) { return e.shape()[at_axis(axis)]; }

/// Both parts of one shape and one floating dtype.
Spectrum aligned(std::string_view function, const Spectrum& x, Location at) {
  KROTON_CHECK(x.re.node() && x.im.node(), "{} of a spectrum that lacks a part", function);
  const auto part = [&](bool is_re) {
    return to_floating({kroton::where({integer_constant(DType::bool_, is_re ? 1 : 0, at), at},
                                      {x.re, at}, {x.im, at}),
                        at});
  };
  return {part(true), part(false)};
}

std::int64_t fourier_axis(std::string_view function, const Expr& e, int axis, Location at) {
  if (e.rank() == 0)
    support::fail<ShapeError>(
        function,
        {.place = ir::place_of(at, {&e, 1}), .hint = "give an array with at least one axis"},
        "takes at least one axis, got {}", e.label());
  return normalize_axes(function, {axis}, e, at)[0];
}

Expr scaled(const Expr& e, const Dim& n, bool is_inverse, FourierNorm norm, Location at) {
  const bool is_whole = norm == (is_inverse ? FourierNorm::backward : FourierNorm::forward);
  if (!is_whole && norm != FourierNorm::ortho) return e;
  const Expr length = cast_to(dim_expr(n, at), e.dtype(), at);
  return Operand(e, at) / Operand(is_whole ? length : kroton::sqrt({length, at}), at);
}

/// One axis in another place.
Expr moved(const Expr& e, std::int64_t from, std::int64_t to, Location at) {
  std::vector<int> order;
  for (int i = 0; i < e.rank(); ++i)
    if (i != from) order.push_back(i);
  order.insert(order.begin() + to, static_cast<int>(from));
  return kroton::transpose({e, at}, order);
}

/// Along any axis: that one is moved to the end and back. Refuses a length of 0.
Spectrum along(std::string_view function, const Spectrum& x, const std::string& label,
               std::int64_t axis, bool is_inverse, FourierNorm norm, Location at) {
  constexpr const char* hint = "a transform needs at least one element";
  const Dim& n = size_along(x.re, axis);
  std::vector<ir::Constraint> assumed;
  if (n.is(0))
    support::fail<ShapeError>(function, {.place = ir::place_of(at, {&x.re, 1}), .hint = hint},
                              "axis {} of {} is empty", axis, label);
  // A dim that is its own maximum with 1 is not 0.
  if (!n.is_static())
    assumed.push_back({n, ir::dims::max(n, Dim(1)),
                       fmt::format("axis {} of {} is empty", axis, label), false, hint});
  const auto last = [&](const Expr& e) { return moved(e, axis, e.rank() - 1, at); };
  const Spectrum y = transformed(last(x.re), last(x.im), is_inverse, at, std::move(assumed));
  const auto back = [&](const Expr& e) {
    return scaled(moved(e, e.rank() - 1, axis, at), n, is_inverse, norm, at);
  };
  return {back(y.re), back(y.im)};
}

Spectrum along_axes(std::string_view function, const Spectrum& given, const Axes& axes,
                    bool is_inverse, FourierNorm norm, Location at) {
  Spectrum x = aligned(function, given, at);
  fourier_axis(function, x.re, 0, at);
  for (std::int64_t axis : normalize_axes(function, axes, x.re, at)) {
    x = along(function, x, given.re.label(), axis, is_inverse, norm, at);
  }
  return x;
}

Spectrum along_axis(std::string_view function, const Spectrum& given, int axis, bool is_inverse,
                    FourierNorm norm, Location at) {
  Spectrum x = aligned(function, given, at);
  const std::int64_t one = fourier_axis(function, x.re, axis, at);
  return along(function, x, given.re.label(), one, is_inverse, norm, at);
}

/// The first elements along an axis: `length` of them, which are there.
Expr first_of(const Expr& e, std::int64_t axis, const Dim& length, Location at) {
  std::vector<Range> ranges(static_cast<std::size_t>(e.rank()));
  ranges[at_axis(axis)] = {{}, length};
  return kroton::slice({e, at}, ranges);
}

Dim half(const Dim& n) { return ir::dims::add(ir::dims::floor_div(n, Dim(2)), Dim(1)); }

/// 0, 1, … along an axis of an array.
Operand positions(const Dim& n, Location at) { return {ir::make(iota, {}, SizeParams{n}, at), at}; }

Expr shifted_frequencies(Operand a, const Axes& axes, bool is_inverse, std::string_view function) {
  Expr e = to_expr(a);
  for (std::int64_t axis : normalize_axes(function, axes, e, a.where)) {
    const Dim n = size_along(e, axis), n2 = ir::dims::floor_div(n, Dim(2));
    // The elements from here on come first.
    const Dim from = is_inverse ? n2 : ir::dims::sub(n, n2);
    const Operand moved(positions(n, a.where) + Operand(dim_expr(from, a.where), a.where), a.where),
        end(dim_expr(n, a.where), a.where);
    const Expr at = kroton::where({moved < end, a.where}, moved, {moved - end, a.where});
    std::vector<IndexItem> items(at_axis(axis), IndexItem(Range{}));
    items.emplace_back(at, IndexItem::Here(a.where));
    e = kroton::index({e, a.where}, items, a.where);
  }
  return e;
}

} // namespace
} // namespace ops

Spectrum fft(const Spectrum& x, int axis, FourierNorm norm, Location where) {
  return ops::along_axis("fft", x, axis, false, norm, where);
}
Spectrum fft(Operand x, int axis, FourierNorm norm) {
  return fft({ops::to_floating(x), ops::scalar_constant(DType::f32, 0, x.where)}, axis, norm,
             x.where);
}
Spectrum ifft(const Spectrum& x, int axis, FourierNorm norm, Location where) {
  return ops::along_axis("ifft", x, axis, true, norm, where);
}

Spectrum rfft(Operand x, int axis, FourierNorm norm) {
  const Location at = x.where;
  const Spectrum all =
      ops::along_axis("rfft", {ops::to_floating(x), ops::scalar_constant(DType::f32, 0, at)}, axis,
                      false, norm, at);
  const std::int64_t along = ops::fourier_axis("rfft", all.re, axis, at);
  const Dim length = ops::half(ops::size_along(all.re, along));
  return {ops::first_of(all.re, along, length, at), ops::first_of(all.im, along, length, at)};
}

Expr irfft(const Spectrum& x, std::optional<Dim> n, int axis, FourierNorm norm, Location where) {
  Spectrum s = ops::aligned("irfft", x, where);
  const std::int64_t along = ops::fourier_axis("irfft", s.re, axis, where);
  const Dim given = ops::size_along(s.re, along);
  const Dim length = n ? *n : ir::dims::mul(ir::dims::sub(given, Dim(1)), Dim(2));
  const Dim kept = ir::dims::min(given, ops::half(length));
  // Each element stands for its conjugate at n - k as well, where that is another one: of their sum
  // the real part is twice that of one.
  const Operand k = ops::positions(kept, where);
  const Operand twice(k + k, where);
  const Expr is_alone = Operand(k == Operand(0, where), where) ||
                        Operand(twice == Operand(ops::dim_expr(length, where), where), where);
  Expr weight =
      ops::cast_to(kroton::where({is_alone, where}, {1, where}, {2, where}), s.re.dtype(), where);
  std::vector<Dim> shape(static_cast<std::size_t>(s.re.rank()), Dim(1));
  shape[ops::at_axis(along)] = kept;
  weight = ir::make(ops::reshape, {weight}, ops::ShapeParams{shape}, where);
  const auto filled = [&](const Expr& e) {
    const Expr part = Operand(ops::first_of(e, along, kept, where), where) * Operand(weight, where);
    std::vector<Dim> to = e.node()->type.shape;
    to[ops::at_axis(along)] = length;
    return ir::make(
        ops::unslice, {part},
        ops::SliceParams{std::vector<Dim>(to.size(), Dim(0)), ir::Ints(to.size(), 1), to}, where);
  };
  const Spectrum wide{filled(s.re), filled(s.im)};
  return ops::along("irfft", wide, x.re.label(), along, true, norm, where).re;
}

Spectrum fftn(const Spectrum& x, Axes axes, FourierNorm norm, Location where) {
  return ops::along_axes("fftn", x, axes, false, norm, where);
}
Spectrum ifftn(const Spectrum& x, Axes axes, FourierNorm norm, Location where) {
  return ops::along_axes("ifftn", x, axes, true, norm, where);
}
Spectrum fft2(const Spectrum& x, Axes axes, FourierNorm norm, Location where) {
  return ops::along_axes("fft2", x, axes, false, norm, where);
}
Spectrum ifft2(const Spectrum& x, Axes axes, FourierNorm norm, Location where) {
  return ops::along_axes("ifft2", x, axes, true, norm, where);
}

Expr fftfreq(Dim n, double spacing, Location where) {
  const Operand k = ops::positions(n, where), length(ops::dim_expr(n, where), where);
  const Expr number =
      kroton::where({Operand(k + k, where) < length, where}, k, {k - length, where});
  return Operand(ops::cast_to(number, DType::f64, where), where) /
         Operand(Operand(ops::cast_to(length.expr, DType::f64, where), where) *
                     Operand(spacing, where),
                 where);
}
Expr rfftfreq(Dim n, double spacing, Location where) {
  const Expr k = ops::cast_to(ops::positions(ops::half(n), where).expr, DType::f64, where);
  const Expr length = ops::cast_to(ops::dim_expr(n, where), DType::f64, where);
  return Operand(k, where) / Operand(Operand(length, where) * Operand(spacing, where), where);
}
Expr fftshift(Operand a, Axes axes) { return ops::shifted_frequencies(a, axes, false, "fftshift"); }
Expr ifftshift(Operand a, Axes axes) {
  return ops::shifted_frequencies(a, axes, true, "ifftshift");
}

} // namespace kroton
