#pragma once
/// `kt::Array`: concrete data, as functions take and return it.
///
///   kt::Array a = kt::Array::from({1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f}, {2, 3});
///   a.label();                                     // "f32[2,3]"
///   a.transpose().at<float>({2, 0});               // 3
///   std::vector<float> mine(6);
///   kt::Array b = kt::Array::view(mine, {2, 3});   // no copy; `mine` must outlive b
///   kt::copy_elements(b, a);
///
/// An Array is a handle: copying one, and every view made by `transpose`, `slice`, `reshape` or
/// `broadcast_to`, shares the elements; `copy()` makes dense ones of its own. Handles may be copied
/// and read from many threads; writing elements that another thread uses needs its own lock.
/// A moved-from Array may only be assigned to or destroyed.
///
/// Elements may also be on a device (`device()`), as those of functions compiled for one do. Such
/// an array is used like any other. The first read fetches all its memory to the host, and that
/// serves until the memory is written again. The first access that may write (`at`, `data` or `raw`
/// of a handle that is not const) moves the memory to the host for good: whatever views it is an
/// array of the host's from then on, and `to_device` makes one on the device again.
#include <concepts>
#include <initializer_list>
#include <iosfwd>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include <kroton/device.hpp>
#include <kroton/dtype.hpp>
#include <kroton/error.hpp>

namespace kroton {

/// Sizes of the axes, outermost first; also used for strides.
using Shape = std::vector<std::int64_t>;

namespace data {
class DeviceMemory;
}

namespace detail {

struct ArrayAccess;

/// What a handle points to. It never changes once made, so that handles copy without locks and
/// without allocating.
struct ArrayRep {
  DType dtype = DType::f32;
  bool is_writable = true;
  bool is_contiguous = true;
  std::int64_t numel = 0;
  Shape shape;
  Shape strides;
  std::byte* data = nullptr; ///< Element [0, …, 0]; an address on the device, if there is a …
  data::DeviceMemory* device_memory = nullptr; ///< … which `owner` keeps; it knows who has it now.
  std::shared_ptr<void> owner; ///< Keeps the memory alive; null for memory of the caller's, and …
  bool holds_elements = false; ///< … for elements that are behind this, in one allocation.
  std::byte* first = nullptr;  ///< The memory known to be valid is [first, last).
  std::byte* last = nullptr;
};

/// Elements in `start, start + step, …` before `stop`; throws ShapeError for a step of 0 and the
/// like.
std::int64_t arange_length(double start, double stop, double step, const Location&);
std::int64_t arange_length(std::int64_t start, std::int64_t stop, std::int64_t step,
                           const Location&);
std::int64_t arange_length(std::uint64_t start, std::uint64_t stop, std::uint64_t step,
                           const Location&);

/// Of elements one behind the other. What <ranges> has for it would be a tenth of the time that
/// files which include this take to compile.
template <class R> using ElementOf = std::remove_cvref_t<decltype(*std::data(std::declval<R&>()))>;
template <class R>
concept ElementRange = Element<ElementOf<R>> && requires(R& range) {
  { std::size(range) } -> std::convertible_to<std::size_t>;
};
/// Whether the memory of a range outlives the argument that it is given as.
template <class R>
inline constexpr bool is_borrowed =
    std::is_lvalue_reference_v<R> || std::ranges::enable_borrowed_range<std::remove_cvref_t<R>>;

} // namespace detail

class Array {
public:
  /// An `f32[0]` array.
  Array();

  /// A scalar, so that literals can be arguments: `f({x, 0.5f})` passes an `f32[]`.
  /// The dtype is the literal's own; nothing is converted.
  template <Element T>
  Array(T value, Location where = Location::current()) : Array(scalar(value, where)) {}

  // --- made with memory of their own: dense, row-major, aligned to 64 bytes ----------------------

  /// An array whose elements are not set yet: `Array::empty<float>({600, 784})`.
  /// Throws ShapeError for a negative dim or a numel that overflows, DeviceError when memory is
  /// short.
  template <Element T> static Array empty(Shape shape, Location where = Location::current()) {
    return empty(dtype_of<T>, std::move(shape), where);
  }
  static Array empty(DType dtype, Shape shape, Location where = Location::current());

  /// All elements 0: `Array::zeros<float>({784, 10})`, `Array::zeros(DType::f32, {784, 10})`.
  template <Element T>
  static Array zeros(const Shape& shape, Location where = Location::current()) {
    return zeros(dtype_of<T>, shape, where);
  }
  static Array zeros(DType dtype, const Shape& shape, Location where = Location::current());

  /// All elements `value`: `Array::full<float>({3}, 0.5f)`.
  template <Element T>
  static Array full(const Shape& shape, std::type_identity_t<T> value,
                    Location where = Location::current()) {
    Array out = empty<T>(shape, where);
    T* to = static_cast<T*>(out.raw());
    for (std::int64_t i = 0; i < out.numel(); ++i) to[i] = value;
    return out;
  }
  /// The same with a dtype known at run time: `Array::full(DType::i64, {3}, 7)`; `value` is a
  /// scalar, cast to `dtype` as `astype` does.
  static Array full(DType dtype, const Shape& shape, const Array& value,
                    Location where = Location::current());

  /// 0, 1, …, n − 1: `Array::arange<std::int32_t>(4)` is `[0, 1, 2, 3]`.
  template <Element T>
  requires(!std::same_as<T, bool>) static Array
      arange(std::type_identity_t<T> n, Location where = Location::current()) {
    return arange<T>(T{0}, n, T{1}, where);
  }
  /// start, start + step, … up to but not including stop: `Array::arange<float>(1, 2, 0.25f)`.
  /// Throws ShapeError for a step of 0; a step away from `stop` gives no elements.
  template <Element T>
  requires(!std::same_as<T, bool>) static Array
      arange(std::type_identity_t<T> start, std::type_identity_t<T> stop,
             std::type_identity_t<T> step = T{1}, Location where = Location::current()) {
    using Wide = std::conditional_t<
        std::floating_point<T>, double,
        std::conditional_t<std::unsigned_integral<T>, std::uint64_t, std::int64_t>>;
    // Unsigned, because i * step may pass through values that only wrapping brings back.
    using Sum = std::conditional_t<std::floating_point<T>, double, std::uint64_t>;
    const std::int64_t n = detail::arange_length(static_cast<Wide>(start), static_cast<Wide>(stop),
                                                 static_cast<Wide>(step), where);
    Array out = empty<T>({n}, where);
    T* to = static_cast<T*>(out.raw());
    for (std::int64_t i = 0; i < n; ++i)
      to[i] =
          static_cast<T>(static_cast<Sum>(start) + static_cast<Sum>(i) * static_cast<Sum>(step));
    return out;
  }

  /// A rank-0 array: `Array::scalar(0.1f)` is an `f32[]`.
  template <Element T> static Array scalar(T value, Location where = Location::current()) {
    return full<T>({}, value, where);
  }

  /// A copy of `values`, in row-major order: `Array::from({1, 2, 3, 4, 5, 6}, {2, 3})`.
  /// Throws ShapeError if the shape does not hold exactly that many.
  template <Element T>
  static Array from(std::initializer_list<T> values, const Shape& shape,
                    Location where = Location::current()) {
    return copy_of(dtype_of<T>, values.begin(), values.size(), shape, where);
  }
  template <Element T>
  static Array from(std::span<const T> values, const Shape& shape,
                    Location where = Location::current()) {
    return copy_of(dtype_of<T>, values.data(), values.size(), shape, where);
  }
  template <detail::ElementRange R>
  static Array from(const R& values, const Shape& shape, Location where = Location::current()) {
    return copy_of(dtype_of<detail::ElementOf<const R>>, std::data(values), std::size(values),
                   shape, where);
  }
  template <std::same_as<std::vector<bool>> R>
  static Array from(const R& values, const Shape& shape, Location where = Location::current()) {
    const std::unique_ptr<bool[]> dense(new bool[values.size() + 1]);
    for (std::size_t i = 0; i < values.size(); ++i) dense[i] = values[i];
    return copy_of(DType::bool_, dense.get(), values.size(), shape, where);
  }

  /// The same with one axis: `Array::from({1.0, 2.0})` is an `f64[2]`.
  template <Element T>
  static Array from(std::initializer_list<T> values, Location where = Location::current()) {
    return from(values, {static_cast<std::int64_t>(values.size())}, where);
  }
  template <Element T>
  static Array from(std::span<const T> values, Location where = Location::current()) {
    return from(values, {static_cast<std::int64_t>(values.size())}, where);
  }
  template <class R>
  requires(detail::ElementRange<R> || std::same_as<R, std::vector<bool>>) static Array
      from(const R& values, Location where = Location::current()) {
    return from(values, {static_cast<std::int64_t>(std::size(values))}, where);
  }

  // --- made of memory of the caller's: nothing is copied
  // ------------------------------------------

  /// A view of memory that the caller keeps alive, or that `keep_alive` does. Strides are in
  /// elements, may be negative or 0, and default to dense row-major; `data` is element [0, …, 0].
  ///
  ///   float* rows = …;                                    // 4 rows of 10, of which 8 are used
  ///   auto a = Array::view(rows, {4, 8}, {10, 1});        // f32[4,8]
  ///
  /// A view of const elements is read-only. Throws ShapeError as `empty` does, and if the strides
  /// do not match the shape's rank.
  template <class T>
  requires Element<std::remove_const_t<T>>
  static Array view(T* data, const Shape& shape, const Shape& strides = {},
                    std::shared_ptr<void> keep_alive = nullptr,
                    Location where = Location::current()) {
    return view_of(dtype_of<std::remove_const_t<T>>, data, shape, strides, std::move(keep_alive),
                   !std::is_const_v<T>, where);
  }
  /// A view of a vector, array or span, from element `offset` on. It is checked to stay inside:
  ///
  ///   std::vector<float> v(6);
  ///   auto backwards = Array::view(v, {6}, {-1}, 5);
  template <class R>
  requires(detail::ElementRange<R>&& detail::is_borrowed<R> &&
           !std::is_array_v<std::remove_reference_t<R>>) static Array
      view(R&& memory, const Shape& shape, const Shape& strides = {}, std::int64_t offset = 0,
           Location where = Location::current()) {
    return view(memory, where).as_strided(shape, strides, offset, where);
  }
  /// The same with one axis: `Array::view(v)`.
  template <class R>
  requires(detail::ElementRange<R>&& detail::is_borrowed<R> &&
           !std::is_array_v<std::remove_reference_t<R>>) static Array
      view(R&& memory, Location where = Location::current()) {
    return view(std::data(memory), {static_cast<std::int64_t>(std::size(memory))}, {}, nullptr,
                where);
  }
  /// The same with a dtype known at run time; `data` must be aligned to an element.
  static Array view(DType dtype, void* data, const Shape& shape, const Shape& strides = {},
                    std::shared_ptr<void> keep_alive = nullptr,
                    Location where = Location::current()) {
    return view_of(dtype, data, shape, strides, std::move(keep_alive), true, where);
  }
  static Array view(DType dtype, const void* data, const Shape& shape, const Shape& strides = {},
                    std::shared_ptr<void> keep_alive = nullptr,
                    Location where = Location::current()) {
    return view_of(dtype, data, shape, strides, std::move(keep_alive), false, where);
  }

  // --- what it is
  // ---------------------------------------------------------------------------------

  /// `a.shape() == kt::Shape{2, 3}`.
  const Shape& shape() const noexcept { return rep_->shape; }
  /// In elements: a dense `f32[2,3]` has `{3, 1}`, its transpose `{1, 3}`.
  const Shape& strides() const noexcept { return rep_->strides; }
  /// The size of one axis; negative axes count from the end: `a.dim(-1) == 3`.
  /// Throws ShapeError for an axis that the array does not have.
  std::int64_t dim(int axis, Location where = Location::current()) const;
  /// The number of axes; 0 for a scalar: `Array::scalar(1).rank() == 0`.
  int rank() const noexcept { return static_cast<int>(rep_->shape.size()); }
  /// The number of elements; 1 for a scalar: `Array::zeros<float>({2, 3}).numel() == 6`.
  std::int64_t numel() const noexcept { return rep_->numel; }
  /// The bytes of its elements, gaps between them not counted: 24 for an `f32[2,3]`.
  std::size_t nbytes() const noexcept {
    return static_cast<std::size_t>(numel()) * item_size(dtype());
  }
  /// `Array::from({1.0f}).dtype() == DType::f32`.
  DType dtype() const noexcept { return rep_->dtype; }
  /// Whether the elements are in row-major order with no gaps: false for
  /// `Array::zeros<float>({2, 3}).transpose()`.
  bool is_contiguous() const noexcept { return rep_->is_contiguous; }
  /// False for a view of const memory and for a `broadcast_to`, whose elements repeat:
  /// `!Array::view(const_pointer, {3}).is_writable()`.
  bool is_writable() const noexcept { return rep_->is_writable; }
  /// Where the elements are: `Array().device() == Device{}`, the host.
  Device device() const noexcept {
    if (rep_->device_memory != nullptr) [[unlikely]]
      return memory_device();
    return {};
  }
  /// Whether the memory spanned by both intersects, so that writing one may change the other. The
  /// even and the odd columns of a matrix count as overlapping: `a.overlaps(a.transpose())`.
  bool overlaps(const Array& other) const noexcept;
  /// Dtype and shape: `f32[2,3]`, `i64[]`.
  std::string label() const;
  /// The elements as NumPy prints them, long axes shortened: `[[1, 2], [3, 4]]` on two lines. Never
  /// more than 10,000 elements: of arrays with many axes the outer ones show less of their ends.
  std::string to_string() const;

  // --- its elements
  // -------------------------------------------------------------------------------

  /// The value of an array with one element: `loss.item<float>()`.
  /// Throws TypeError for another dtype, ShapeError for another numel.
  template <Element T> T item(Location where = Location::current()) const {
    require_one_element(where);
    require_dtype("item", dtype_of<T>, where);
    if constexpr (std::same_as<T, bool>)
      return *host_data() != std::byte{0};
    else
      return *reinterpret_cast<const T*>(host_data());
  }

  /// Element [0, …, 0]; the others are at `strides()`: `float* p = a.data<float>()`. Throws
  /// TypeError for another dtype, and for an array that is read-only unless a const is asked for,
  /// which `a.data<const float>()` does, as any const Array does. Of an array on a device a const
  /// is fetched; anything else moves it to the host, which TypeError refuses while another library
  /// has the memory too. DeviceError where the device fails.
  template <class T>
  requires Element<std::remove_const_t<T>> T* data(Location where = Location::current()) {
    require_dtype("data", dtype_of<std::remove_const_t<T>>, where);
    if constexpr (std::is_const_v<T>)
      return reinterpret_cast<T*>(host_data());
    else
      return reinterpret_cast<T*>(writable_data("data", where));
  }
  template <class T>
  requires Element<std::remove_const_t<T>>
  const T* data(Location where = Location::current()) const {
    require_dtype("data", dtype_of<std::remove_const_t<T>>, where);
    return reinterpret_cast<const T*>(host_data());
  }

  /// As `data`, of any dtype: `std::memcpy(a.raw(), source, a.nbytes())` if `a.is_contiguous()`.
  void* raw(Location where = Location::current()) { return writable_data("raw", where); }
  const void* raw() const { return host_data(); }

  /// One element, to read or write: `a.at<float>({1, 2}) = 7`. Negative indices count from the end.
  /// Throws IndexError outside the shape, TypeError as `data` does.
  template <class T>
  requires Element<std::remove_const_t<T>> T& at(std::initializer_list<std::int64_t> index,
                                                 Location where = Location::current()) {
    require_dtype("at", dtype_of<std::remove_const_t<T>>, where);
    const std::ptrdiff_t offset = offset_of({index.begin(), index.size()}, where);
    if constexpr (std::is_const_v<T>)
      return *reinterpret_cast<T*>(host_data() + offset);
    else
      return *reinterpret_cast<T*>(writable_data("at", where) + offset);
  }
  template <class T>
  requires Element<std::remove_const_t<T>>
  const T& at(std::initializer_list<std::int64_t> index,
              Location where = Location::current()) const {
    require_dtype("at", dtype_of<std::remove_const_t<T>>, where);
    const std::ptrdiff_t offset = offset_of({index.begin(), index.size()}, where);
    return *reinterpret_cast<const T*>(host_data() + offset);
  }
  /// The same with an index made at run time: `a.at<float>(std::span<const std::int64_t>(index))`.
  template <Element T>
  const T& at(std::span<const std::int64_t> index, Location where = Location::current()) const {
    require_dtype("at", dtype_of<T>, where);
    const std::ptrdiff_t offset = offset_of(index, where);
    return *reinterpret_cast<const T*>(host_data() + offset);
  }

  /// All elements in row-major order, whatever the strides: `a.to_vector<float>()`.
  /// Converts nothing; throws TypeError for another dtype.
  template <Element T> std::vector<T> to_vector(Location where = Location::current()) const {
    require_dtype("to_vector", dtype_of<T>, where);
    const Array dense = std::same_as<T, bool> ? copy(where) : contiguous(where);
    const T* from = reinterpret_cast<const T*>(dense.host_data());
    return std::vector<T>(from, from + numel());
  }

  // --- views: they share the elements
  // -------------------------------------------------------------

  /// The axes in another order: axis i of the result is axis `permutation[i]`; all of them reversed
  /// if none is given: `a.transpose({0, 2, 1})`. Throws ShapeError unless each axis occurs once.
  Array transpose(const std::vector<int>& permutation = {},
                  Location where = Location::current()) const;
  /// Python's `a[start:stop:step]` along one axis: `a.slice(1, 2, 5)`, `a.slice(0, -2)`; both ends
  /// are clamped, nothing means "as far as it goes": `a.slice(0, {}, {}, -1)` is a reversed.
  Array slice(int axis, std::optional<std::int64_t> start, std::optional<std::int64_t> stop = {},
              std::int64_t step = 1, Location where = Location::current()) const;
  /// The same elements in row-major order under another shape; one dim may be −1, then it is
  /// computed: `a.reshape({-1, 784})`. Copies, to host memory, if no strides could say it.
  Array reshape(const Shape& shape, Location where = Location::current()) const;
  /// NumPy's broadcasting: axes of size 1, and axes missing on the left, repeat. The result is
  /// read-only: `bias.broadcast_to({600, 10})`.
  Array broadcast_to(const Shape& shape, Location where = Location::current()) const;
  /// Any view of the same memory; `offset` counts from element [0, …, 0]:
  /// `v.as_strided({3, 2}, {1, 1})` are v's windows of two. Throws ShapeError if it reaches
  /// outside.
  Array as_strided(const Shape& shape, const Shape& strides = {}, std::int64_t offset = 0,
                   Location where = Location::current()) const;
  /// Itself if contiguous, else a dense copy in host memory: `a.transpose().contiguous()`.
  Array contiguous(Location where = Location::current()) const;

  // --- copies
  // -------------------------------------------------------------------------------------

  /// Itself if it is in host memory, else a dense copy there, fetched from the device anew:
  /// `f({x})[0].to_host()`. Throws DeviceError if that fails.
  Array to_host(Location where = Location::current()) const;
  /// A dense copy with host memory of its own: `Array snapshot = w.copy()`.
  Array copy(Location where = Location::current()) const;
  /// A dense copy cast to `dtype`: `labels.astype(DType::f32)`. Integers wrap; floats become
  /// integers by truncation, saturating at the ends, with nan giving 0; anything not 0 is true.
  Array astype(DType dtype, Location where = Location::current()) const;
  template <Element T> Array astype(Location where = Location::current()) const {
    return astype(dtype_of<T>, where);
  }
  /// Writes all elements into `to`, of the same shape and dtype: `a.copy_to(buffer)`.
  void copy_to(Array to, Location where = Location::current()) const;

private:
  friend struct detail::ArrayAccess;

  explicit Array(std::shared_ptr<const detail::ArrayRep> rep) noexcept : rep_(std::move(rep)) {}

  static Array copy_of(DType, const void* values, std::size_t count, const Shape&, const Location&);
  static Array view_of(DType, const void* data, const Shape&, const Shape& strides,
                       std::shared_ptr<void> keep_alive, bool is_writable, const Location&);
  void require_dtype(const char* op, DType asked, const Location& where) const {
    if (asked != rep_->dtype) [[unlikely]]
      wrong_dtype(op, asked, where);
  }
  /// Element [0, …, 0] in host memory, to read.
  const std::byte* host_data() const {
    if (rep_->device_memory != nullptr) [[unlikely]]
      return mirrored_data();
    return rep_->data;
  }
  std::byte* writable_data(const char* op, const Location& where) const {
    if (!rep_->is_writable || rep_->device_memory != nullptr) [[unlikely]]
      return moved_data(op, where);
    return rep_->data;
  }
  void require_one_element(const Location& where) const {
    if (rep_->numel != 1) [[unlikely]]
      not_one_element(where);
  }
  [[noreturn]] void wrong_dtype(const char* op, DType asked, const Location&) const;
  [[noreturn]] void not_writable(const char* op, const Location&) const;
  [[noreturn]] void not_one_element(const Location&) const;
  const std::byte* mirrored_data() const;
  std::byte* moved_data(const char* op, const Location& where) const;
  Device memory_device() const noexcept;
  /// Element [0, …, 0] on `device()`.
  const std::byte* place() const noexcept {
    if (rep_->device_memory != nullptr) [[unlikely]]
      return memory_place();
    return rep_->data;
  }
  const std::byte* memory_place() const noexcept;
  /// In bytes from element [0, …, 0].
  std::ptrdiff_t offset_of(std::span<const std::int64_t> index, const Location&) const;
  Array with(Shape shape, Shape strides, std::byte* data, bool is_writable) const;

  std::shared_ptr<const detail::ArrayRep> rep_;
};

/// Copies all elements of `from` into `to`, of the same dtype and shape, with any strides:
/// `copy_elements(batch, images.slice(0, 0, 600))`. Where both overlap, the result is as if `from`
/// had been copied first. Either may be on a device; for copies on devices and between them the
/// host does not wait. Throws TypeError or ShapeError if they differ or `to` is read-only,
/// DeviceError if a device fails.
void copy_elements(Array to, const Array& from, Location where = Location::current());

/// Whether both have the same dtype, shape and elements, bit for bit (so nan equals itself, and
/// 0.0 differs from −0.0): `equal(a, a.copy())`.
bool equal(const Array& a, const Array& b);

/// Whether both have the same shape and `|a − b| <= atol + rtol · |b|` for every element, of any
/// dtypes; nan is close to nothing, infinities are close to themselves: `all_close(p, q, 1e-4)`.
bool all_close(const Array& a, const Array& b, double rtol = 1e-5, double atol = 1e-8);

/// `f32[2,2] [[1, 2],\n [3, 4]]`: label and elements, for test reports and debugging.
std::ostream& operator<<(std::ostream&, const Array&);

} // namespace kroton
