#include <kroton/array.hpp>

#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>
#include <utility>

#include "lib/data/memory.hpp"
#include "lib/data/strided.hpp"
#include "lib/support/error.hpp"

namespace kroton {
namespace {

using support::describe;
using support::fail;

using data::alignment;

/// Up to here the elements share an allocation with what describes them.
constexpr std::size_t largest_behind = 4096;

[[noreturn]] void out_of_memory(DType dtype, const Shape& shape, std::size_t nbytes,
                                const Location& where) {
  fail<DeviceError>("array", {.place = describe(where)}, "no memory for {}: {} bytes",
                    data::label(dtype, shape), nbytes);
}

std::shared_ptr<void> allocate(DType dtype, const Shape& shape, std::size_t nbytes,
                               const Location& where) {
  std::byte* memory = data::take_memory(nbytes);
  if (memory == nullptr) out_of_memory(dtype, shape, nbytes, where);
  return std::shared_ptr<void>(
      memory, [nbytes](void* p) { data::give_memory(static_cast<std::byte*>(p), nbytes); });
}

/// For `std::allocate_shared`: room for `nbytes` of elements, aligned, behind the object; where
/// they start goes to `elements`.
template <class T> struct WithElements {
  using value_type = T;

  std::size_t nbytes;
  std::byte** elements;

  WithElements(std::size_t bytes, std::byte** start) : nbytes(bytes), elements(start) {}
  template <class U>
  WithElements(const WithElements<U>& other) : nbytes(other.nbytes), elements(other.elements) {}

  T* allocate(std::size_t n) {
    // malloc keeps small blocks at hand, which aligned_alloc does not.
    auto* memory = static_cast<std::byte*>(std::malloc(n * sizeof(T) + alignment - 1 + nbytes));
    if (!memory) throw std::bad_alloc();
    const auto end = reinterpret_cast<std::uintptr_t>(memory + n * sizeof(T));
    *elements = memory + n * sizeof(T) + (alignment - end % alignment) % alignment;
    return reinterpret_cast<T*>(memory);
  }
  void deallocate(T* memory, std::size_t) noexcept { std::free(memory); }
  template <class U> bool operator==(const WithElements<U>&) const { return true; }
};

int checked_axis(const char* op, const Array& a, int axis, const Location& where) {
  const int positive = axis < 0 ? axis + a.rank() : axis;
  if (positive < 0 || positive >= a.rank())
    fail<ShapeError>(op,
                     {.place = describe(where),
                      .hint = a.rank() == 0
                                  ? std::string("a scalar has no axes")
                                  : fmt::format("axes run from {} to {}", -a.rank(), a.rank() - 1)},
                     "{} has no axis {}", a.label(), axis);
  return positive;
}

void check_rank_of_strides(const Shape& shape, const Shape& strides, DType dtype,
                           const Location& where) {
  if (strides.size() != shape.size())
    fail<ShapeError>(
        "view",
        {.place = describe(where), .hint = "give one stride per axis, or none for dense row-major"},
        "{} has rank {}, but there are {} strides: {}", data::label(dtype, shape), shape.size(),
        strides.size(), data::list(strides));
}

} // namespace

namespace data {

std::string list(std::span<const std::int64_t> values) {
  return fmt::format("[{}]", fmt::join(values, ","));
}

std::string label(DType dtype, const Shape& shape) {
  return fmt::format("{}[{}]", kroton::to_string(dtype), fmt::join(shape, ","));
}

std::int64_t checked_numel(DType dtype, const Shape& shape, const Location& where) {
  std::int64_t nonzero = 1;
  bool is_empty = false, overflows = false;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] < 0)
      fail<ShapeError>("array", {.place = describe(where)}, "axis {} of {} has a negative dim",
                       axis, label(dtype, shape));
    if (shape[axis] == 0)
      is_empty = true;
    else
      overflows |= __builtin_mul_overflow(nonzero, shape[axis], &nonzero);
  }
  std::int64_t nbytes = 0;
  overflows |=
      __builtin_mul_overflow(nonzero, static_cast<std::int64_t>(item_size(dtype)), &nbytes);
  if (overflows)
    fail<ShapeError>("array", {.place = describe(where)}, "{} has more bytes than an int64 counts",
                     label(dtype, shape));
  return is_empty ? 0 : nonzero;
}

Shape dense_strides(const Shape& shape) {
  Shape strides(shape.size());
  std::int64_t next = 1;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    strides[axis] = next;
    next *= std::max<std::int64_t>(shape[axis], 1);
  }
  return strides;
}

bool is_dense(const Shape& shape, const Shape& strides) {
  std::int64_t expected = 1;
  bool dense = true;
  for (std::size_t axis = shape.size(); axis-- > 0;) {
    if (shape[axis] == 0) return true;
    // The stride of an axis of size 1 is never used.
    if (shape[axis] != 1) dense &= strides[axis] == expected;
    expected *= shape[axis];
  }
  return dense;
}

std::optional<Extent> extent(const Shape& shape, const Shape& strides) {
  Extent out;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    if (shape[axis] == 0) return Extent{0, -1};
    std::int64_t reach = 0;
    if (__builtin_mul_overflow(shape[axis] - 1, strides[axis], &reach)) return std::nullopt;
    std::int64_t& end = reach < 0 ? out.lowest : out.highest;
    if (__builtin_add_overflow(end, reach, &end)) return std::nullopt;
  }
  return out;
}

bool repeats(const Shape& shape, const Shape& strides) {
  std::int64_t numel = 1;
  bool stays = false;
  for (std::size_t axis = 0; axis < shape.size(); ++axis) {
    numel *= shape[axis];
    stays |= shape[axis] > 1 && strides[axis] == 0;
  }
  const auto reach = extent(shape, strides);
  return numel > 1 && (stays || (reach && reach->highest - reach->lowest + 1 < numel));
}

} // namespace data

namespace detail {

std::int64_t arange_length(double start, double stop, double step, const Location& where) {
  const double n = std::ceil((stop - start) / step);
  if (step == 0 || std::isnan(n) || n >= 9.2e18)
    fail<ShapeError>("arange", {.place = describe(where)},
                     "from {} to {} in steps of {} is not a finite number of elements", start, stop,
                     step);
  return std::max<std::int64_t>(0, static_cast<std::int64_t>(std::max(n, -1.0)));
}

namespace {

/// The same for integers: `distance` is how far `stop` is in the direction of `step`, 0 if it
/// is in the other one.
template <class T>
std::int64_t checked_arange_length(T start, T stop, T step, std::uint64_t distance,
                                   std::uint64_t step_size, const Location& where) {
  if (step == 0)
    fail<ShapeError>("arange", {.place = describe(where)},
                     "from {} to {} in steps of {} is not a finite number of elements", start, stop,
                     step);
  const std::uint64_t n = distance == 0 ? 0 : (distance - 1) / step_size + 1;
  if (n > static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    fail<ShapeError>("arange",
                     {.place = describe(where), .hint = "use a longer step, or come less far"},
                     "from {} to {} in steps of {} are {} elements, more than an int64 counts",
                     start, stop, step, n);
  return static_cast<std::int64_t>(n);
}

} // namespace

std::int64_t arange_length(std::int64_t start, std::int64_t stop, std::int64_t step,
                           const Location& where) {
  // As unsigned numbers neither the distance nor the step's magnitude can overflow.
  const auto u = [](std::int64_t v) { return static_cast<std::uint64_t>(v); };
  const bool is_there = step > 0 ? start < stop : start > stop;
  const std::uint64_t distance = !is_there ? 0 : step > 0 ? u(stop) - u(start) : u(start) - u(stop);
  return checked_arange_length(start, stop, step, distance, step > 0 ? u(step) : 0 - u(step),
                               where);
}

std::int64_t arange_length(std::uint64_t start, std::uint64_t stop, std::uint64_t step,
                           const Location& where) {
  return checked_arange_length(start, stop, step, start < stop ? stop - start : 0, step, where);
}

} // namespace detail

// --- construction
// -----------------------------------------------------------------------------------

Array::Array() {
  static const std::shared_ptr<const detail::ArrayRep> nothing = empty(DType::f32, {0}).rep_;
  rep_ = nothing;
}

Array Array::empty(DType dtype, Shape shape, Location where) {
  const std::int64_t numel = data::checked_numel(dtype, shape, where);
  const std::size_t nbytes = static_cast<std::size_t>(numel) * item_size(dtype);
  std::shared_ptr<detail::ArrayRep> rep;
  if (nbytes <= largest_behind) {
    std::byte* elements = nullptr;
    rep = std::allocate_shared<detail::ArrayRep>(WithElements<detail::ArrayRep>(nbytes, &elements));
    rep->holds_elements = true;
    rep->data = elements;
  } else {
    rep = std::make_shared<detail::ArrayRep>();
    rep->owner = allocate(dtype, shape, nbytes, where);
    rep->data = static_cast<std::byte*>(rep->owner.get());
  }
  rep->dtype = dtype;
  rep->numel = numel;
  rep->strides = data::dense_strides(shape);
  rep->shape = std::move(shape);
  rep->first = rep->data;
  rep->last = rep->first + nbytes;
  return Array(std::move(rep));
}

Array Array::zeros(DType dtype, const Shape& shape, Location where) {
  Array out = empty(dtype, shape, where);
  std::memset(out.rep_->data, 0, out.nbytes());
  return out;
}

Array Array::full(DType dtype, const Shape& shape, const Array& value, Location where) {
  value.require_one_element(where);
  Array out = empty(dtype, shape, where);
  copy_elements(out, value.astype(dtype, where).reshape({}, where).broadcast_to(shape, where),
                where);
  return out;
}

Array Array::copy_of(DType dtype, const void* values, std::size_t count, const Shape& shape,
                     const Location& where) {
  const std::int64_t numel = data::checked_numel(dtype, shape, where);
  if (static_cast<std::size_t>(numel) != count)
    fail<ShapeError>("from", {.place = describe(where)},
                     "{} has {} element{}, but {} value{} given", data::label(dtype, shape), numel,
                     numel == 1 ? "" : "s", count, count == 1 ? " was" : "s were");
  Array out = empty(dtype, shape, where);
  if (count != 0) std::memcpy(out.rep_->data, values, out.nbytes());
  return out;
}

Array Array::view_of(DType dtype, const void* memory, const Shape& shape, const Shape& strides,
                     std::shared_ptr<void> keep_alive, bool is_writable, const Location& where) {
  auto rep = std::make_shared<detail::ArrayRep>();
  rep->dtype = dtype;
  rep->numel = data::checked_numel(dtype, shape, where);
  rep->shape = shape;
  rep->strides = strides.empty() ? data::dense_strides(shape) : strides;
  check_rank_of_strides(shape, rep->strides, dtype, where);
  const auto size = static_cast<std::int64_t>(item_size(dtype));
  const auto reach = data::extent(shape, rep->strides);
  std::int64_t first = 0, last = 0; // in bytes
  if (!reach || __builtin_mul_overflow(reach->lowest, size, &first) ||
      __builtin_add_overflow(reach->highest, 1, &last) || __builtin_mul_overflow(last, size, &last))
    fail<ShapeError>("view", {.place = describe(where)},
                     "strides {} of {} reach beyond what an int64 counts", data::list(strides),
                     data::label(dtype, shape));
  if (memory == nullptr && rep->numel != 0)
    fail<ShapeError>("view", {.place = describe(where)},
                     "a null pointer was given for the elements of {}", data::label(dtype, shape));
  if (reinterpret_cast<std::uintptr_t>(memory) % static_cast<std::uintptr_t>(size) != 0)
    fail<ShapeError>(
        "view", {.place = describe(where), .hint = "copy the elements to memory that is aligned"},
        "the elements of {} must be aligned to {} bytes, and address {} is not",
        data::label(dtype, shape), size, memory);
  // Constness is kept by is_writable instead of by the type.
  rep->data = static_cast<std::byte*>(const_cast<void*>(memory));
  rep->first = rep->data + first;
  rep->last = rep->data + last;
  rep->owner = std::move(keep_alive);
  rep->is_writable = is_writable && !data::repeats(shape, rep->strides);
  rep->is_contiguous = data::is_dense(shape, rep->strides);
  return Array(std::move(rep));
}

Array Array::with(Shape shape, Shape strides, std::byte* memory, bool is_writable) const {
  auto rep = std::make_shared<detail::ArrayRep>(*rep_);
  if (std::exchange(rep->holds_elements, false))
    rep->owner = std::const_pointer_cast<detail::ArrayRep>(rep_);
  rep->numel = 1;
  for (std::int64_t dim : shape) rep->numel *= dim;
  rep->is_contiguous = data::is_dense(shape, strides);
  rep->shape = std::move(shape);
  rep->strides = std::move(strides);
  rep->data = memory;
  rep->is_writable = is_writable;
  return Array(std::move(rep));
}

// --- queries
// ----------------------------------------------------------------------------------------

std::int64_t Array::dim(int axis, Location where) const {
  return rep_->shape[static_cast<std::size_t>(checked_axis("dim", *this, axis, where))];
}

std::string Array::label() const { return data::label(dtype(), shape()); }

bool Array::overlaps(const Array& other) const noexcept {
  if (numel() == 0 || other.numel() == 0 || device() != other.device()) return false;
  const auto span_of = [](const Array& a) {
    const auto data = reinterpret_cast<std::intptr_t>(a.place());
    if (a.is_contiguous()) return std::pair(data, data + static_cast<std::intptr_t>(a.nbytes()));
    // A view that exists has an extent: it was checked when it was made.
    const data::Extent reach = *data::extent(a.shape(), a.strides());
    const auto size = static_cast<std::int64_t>(item_size(a.dtype()));
    return std::pair(data + reach.lowest * size, data + (reach.highest + 1) * size);
  };
  const auto [first, last] = span_of(*this);
  const auto [other_first, other_last] = span_of(other);
  return first < other_last && other_first < last;
}

void Array::wrong_dtype(const char* op, DType asked, const Location& where) const {
  fail<TypeError>(op,
                  {.place = describe(where),
                   .hint = fmt::format("ask for {}, or convert with astype(DType::{})",
                                       row_of(dtype()).cpp_name,
                                       asked == DType::bool_ ? "bool_" : kroton::to_string(asked))},
                  "the array is {}, but {} ({}) was asked for", label(), kroton::to_string(asked),
                  row_of(asked).cpp_name);
}

void Array::not_writable(const char* op, const Location& where) const {
  if (rep_->is_writable)
    fail<TypeError>(
        op,
        {.place = describe(where),
         .hint = "data<const T>() or a const Array reads it; to_host() makes one that can be "
                 "written, and copy_elements() brings that back"},
        "{} lies on {} in memory that another library has too: it cannot be moved to the host",
        label(), kroton::to_string(device()));
  fail<TypeError>(
      op,
      {.place = describe(where),
       .hint = "a const Array or data<const T>() reads it; copy() makes one that can be written"},
      "{} is read-only: it views const memory or repeats its elements", label());
}

void Array::not_one_element(const Location& where) const {
  fail<ShapeError>(
      "item", {.place = describe(where), .hint = "at<T>({i, …}) reads one of several elements"},
      "{} has {} elements, not one", label(), numel());
}

std::ptrdiff_t Array::offset_of(std::span<const std::int64_t> index, const Location& where) const {
  if (index.size() != shape().size())
    fail<IndexError>("at", {.place = describe(where)}, "{} takes {} ind{}, but {} given: {}",
                     label(), rank(), rank() == 1 ? "ex" : "ices",
                     index.size() == 1 ? "1 was" : fmt::format("{} were", index.size()),
                     data::list(index));
  std::int64_t offset = 0;
  for (std::size_t axis = 0; axis < index.size(); ++axis) {
    const std::int64_t dim = shape()[axis];
    const std::int64_t i = index[axis] < 0 ? index[axis] + dim : index[axis];
    if (i < 0 || i >= dim)
      fail<IndexError>("at", {.place = describe(where)},
                       "index {} is outside axis {} of {}, which has {}", index[axis], axis,
                       label(), dim);
    offset += i * strides()[axis];
  }
  return offset * static_cast<std::int64_t>(item_size(dtype()));
}

// --- views
// ------------------------------------------------------------------------------------------

Array Array::transpose(const std::vector<int>& permutation, Location where) const {
  const auto n = static_cast<std::size_t>(rank());
  Shape new_shape(n), new_strides(n);
  std::vector<bool> seen(n);
  bool is_permutation = permutation.size() == n || permutation.empty();
  for (std::size_t axis = 0; axis < n && is_permutation; ++axis) {
    const int asked = permutation.empty() ? rank() - 1 - static_cast<int>(axis) : permutation[axis];
    const auto from = static_cast<std::size_t>(checked_axis("transpose", *this, asked, where));
    is_permutation = !seen[from];
    seen[from] = true;
    new_shape[axis] = shape()[from];
    new_strides[axis] = strides()[from];
  }
  if (!is_permutation)
    fail<ShapeError>("transpose", {.place = describe(where), .hint = "name every axis once"},
                     "[{}] is not a permutation of the {} axes of {}", fmt::join(permutation, ","),
                     n, label());
  return with(std::move(new_shape), std::move(new_strides), rep_->data, rep_->is_writable);
}

Array Array::slice(int axis, std::optional<std::int64_t> start, std::optional<std::int64_t> stop,
                   std::int64_t step, Location where) const {
  const auto at = static_cast<std::size_t>(checked_axis("slice", *this, axis, where));
  if (step == 0)
    fail<ShapeError>("slice", {.place = describe(where)}, "the step along axis {} of {} is 0", axis,
                     label());
  const std::int64_t dim = shape()[at];
  // Python's rules: a negative step runs over [dim − 1, …, 0], whose end is −1.
  const std::int64_t low = step > 0 ? 0 : -1, high = step > 0 ? dim : dim - 1;
  const auto clamp = [&](std::int64_t i) { return std::clamp(i < 0 ? i + dim : i, low, high); };
  const std::int64_t first = start ? clamp(*start) : step > 0 ? low : high;
  const std::int64_t end = stop ? clamp(*stop) : step > 0 ? high : low;
  const std::int64_t count = detail::arange_length(first, end, step, where);
  Shape new_shape = shape(), new_strides = strides();
  new_shape[at] = count;
  if (count > 1) new_strides[at] *= step;
  const std::int64_t offset = count == 0 ? 0 : first * strides()[at];
  return with(std::move(new_shape), std::move(new_strides),
              rep_->data + offset * static_cast<std::int64_t>(item_size(dtype())),
              rep_->is_writable);
}

Array Array::reshape(const Shape& asked, Location where) const {
  Shape new_shape = asked;
  const auto open = std::find(new_shape.begin(), new_shape.end(), -1);
  if (open != new_shape.end()) {
    std::int64_t others = 1;
    bool overflows = false;
    for (auto it = new_shape.begin(); it != new_shape.end(); ++it)
      if (it != open) overflows |= *it < 0 || __builtin_mul_overflow(others, *it, &others);
    if (overflows || others == 0 || numel() % others != 0)
      fail<ShapeError>("reshape", {.place = describe(where)},
                       "no dim in place of -1 gives {} the {} elements of {}", data::list(asked),
                       numel(), label());
    *open = numel() / others;
  }
  const std::int64_t wanted = data::checked_numel(dtype(), new_shape, where);
  if (wanted != numel())
    fail<ShapeError>("reshape", {.place = describe(where)}, "{} has {} elements, but {} has {}",
                     label(), numel(), data::label(dtype(), new_shape), wanted);
  if (const auto new_strides = data::reshaped_strides(shape(), strides(), new_shape))
    return with(std::move(new_shape), *new_strides, rep_->data, rep_->is_writable);
  const Array dense = copy(where);
  return dense.with(new_shape, data::dense_strides(new_shape), dense.rep_->data, true);
}

Array Array::broadcast_to(const Shape& asked, Location where) const {
  data::checked_numel(dtype(), asked, where);
  const std::size_t n = asked.size(), missing = n - std::min(n, shape().size());
  bool fits = shape().size() <= n;
  Shape new_strides(n, 0);
  for (std::size_t axis = missing; axis < n && fits; ++axis) {
    const std::int64_t dim = shape()[axis - missing];
    fits = dim == asked[axis] || dim == 1;
    if (dim == asked[axis]) new_strides[axis] = strides()[axis - missing];
  }
  if (!fits)
    fail<ShapeError>(
        "broadcast_to",
        {.place = describe(where),
         .hint = "axes are matched from the last; each must be equal, or 1 in the array"},
        "{} does not broadcast to {}", label(), data::list(asked));
  return with(asked, std::move(new_strides), rep_->data, asked == shape() && rep_->is_writable);
}

Array Array::as_strided(const Shape& asked, const Shape& asked_strides, std::int64_t offset,
                        Location where) const {
  const std::int64_t count = data::checked_numel(dtype(), asked, where);
  const Shape new_strides = asked_strides.empty() ? data::dense_strides(asked) : asked_strides;
  check_rank_of_strides(asked, new_strides, dtype(), where);
  const auto size = static_cast<std::int64_t>(item_size(dtype()));
  // In elements from element [0, …, 0] of this array.
  const std::int64_t lowest = (rep_->first - rep_->data) / size;
  const std::int64_t highest = (rep_->last - rep_->data) / size - 1;
  const auto reach = data::extent(asked, new_strides);
  std::int64_t from = 0, to = 0;
  const bool fits = reach && !__builtin_add_overflow(reach->lowest, offset, &from) &&
                    !__builtin_add_overflow(reach->highest, offset, &to) && from >= lowest &&
                    to <= highest;
  if (count != 0 && !fits)
    fail<ShapeError>(
        "view",
        {.place = describe(where),
         .hint = "a negative stride needs an offset: of the element with index 0"},
        "{} with strides {} and offset {} reaches {}, but the memory holds elements {} to {}",
        data::label(dtype(), asked), data::list(new_strides), offset,
        reach ? fmt::format("elements {} to {}", from, to) : std::string("too far to count"),
        lowest, highest);
  return with(asked, new_strides, count == 0 ? rep_->data : rep_->data + offset * size,
              rep_->is_writable && !data::repeats(asked, new_strides));
}

Array Array::contiguous(Location where) const { return is_contiguous() ? *this : copy(where); }

Array Array::copy(Location where) const {
  Array out = empty(dtype(), shape(), where);
  copy_elements(out, *this, where);
  return out;
}

void Array::copy_to(Array to, Location where) const { copy_elements(std::move(to), *this, where); }

} // namespace kroton
