#include <algorithm>
#include <ostream>

#include <kroton/array.hpp>

#include "lib/support/error.hpp"
#include "lib/support/number_text.hpp"
#include "lib/support/truth.hpp"

namespace kroton {
namespace {

/// Arrays up to this numel are printed whole; of larger ones each axis shows its ends.
constexpr std::int64_t whole_numel = 1000;
constexpr std::int64_t edge = 3;
/// Elements of the largest text.
constexpr std::int64_t most_shown = 10'000;

std::string element_text(const std::byte* at, DType dtype) {
  const auto read = [&]<class T>(T) { return *reinterpret_cast<const T*>(at); };
  switch (dtype) {
  case DType::bool_:
    return read(support::Truth{}) ? "true" : "false";
  case DType::i8:
    return fmt::format("{}", int{read(std::int8_t{})});
  case DType::i16:
    return fmt::format("{}", read(std::int16_t{}));
  case DType::i32:
    return fmt::format("{}", read(std::int32_t{}));
  case DType::i64:
    return fmt::format("{}", read(std::int64_t{}));
  case DType::u8:
    return fmt::format("{}", int{read(std::uint8_t{})});
  case DType::u16:
    return fmt::format("{}", read(std::uint16_t{}));
  case DType::u32:
    return fmt::format("{}", read(std::uint32_t{}));
  case DType::u64:
    return fmt::format("{}", read(std::uint64_t{}));
  case DType::f32:
    return support::number_text(read(float{}));
  case DType::f64:
    return support::number_text(read(double{}));
  }
  return {};
}

/// The indices of one axis that are shown, so many of its first and of its last; −1 stands for
/// those left out.
std::vector<std::int64_t> shown_indices(std::int64_t dim, std::int64_t first, std::int64_t last) {
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < std::min(dim, first); ++i) out.push_back(i);
  const std::int64_t tail = std::max(first, dim - last);
  if (tail > first) out.push_back(-1);
  for (std::int64_t i = tail; i < dim; ++i) out.push_back(i);
  return out;
}

/// The texts of one array, and how they are put in brackets.
class Printer {
public:
  explicit Printer(const Array& array) : array_(array) {}

  std::string print() {
    if (array_.numel() == 0) return "[]";
    choose_indices();
    // Twice the same way: first for the widest text, then for the text.
    visit([&](const std::string& text) { width_ = std::max(width_, text.size()); },
          [](std::string_view) {});
    std::string out;
    visit([&](const std::string& text) { out += fmt::format("{:>{}}", text, width_); },
          [&](std::string_view text) { out += text; });
    return out;
  }

private:
  /// All of a small array; the ends of each axis of a large one, and of the outer axes less where
  /// there are so many axes that their ends would be too much.
  void choose_indices() {
    const bool is_whole = array_.numel() <= whole_numel;
    for (const std::int64_t dim : array_.shape())
      shown_.push_back(shown_indices(dim, is_whole ? dim : edge, is_whole ? dim : edge));
    for (const auto& [first, last] : {std::pair{1, 1}, std::pair{1, 0}})
      for (std::size_t axis = 0; axis < shown_.size() && is_too_much(); ++axis)
        shown_[axis] = shown_indices(array_.shape()[axis], first, last);
  }

  bool is_too_much() const {
    std::ptrdiff_t count = 1;
    for (const auto& indices : shown_) {
      count *= std::ranges::count_if(indices, [](std::int64_t i) { return i >= 0; });
      if (count > most_shown) return true;
    }
    return false;
  }

  /// Rank is bounded by the array, not by a user's graph, but a loop over an odometer serves any
  /// rank.
  template <class OnElement, class OnText> void visit(OnElement&& on_element, OnText&& on_text) {
    const std::size_t rank = shown_.size();
    std::vector<std::size_t> position(rank, 0);
    on_text(std::string(rank, '['));
    for (;;) {
      std::size_t gap = rank; // the axis along which something is left out here
      std::int64_t offset = 0;
      for (std::size_t axis = 0; axis < rank && gap == rank; ++axis) {
        const std::int64_t i = shown_[axis][position[axis]];
        if (i < 0)
          gap = axis;
        else
          offset += i * array_.strides()[axis];
      }
      if (gap == rank)
        on_element(element_text(static_cast<const std::byte*>(array_.raw()) +
                                    offset * static_cast<std::int64_t>(item_size(array_.dtype())),
                                array_.dtype()));
      else
        on_text("...");
      // Next position; an axis that ends closes a bracket, and the next row opens it again.
      std::size_t axis = gap == rank ? rank : gap + 1, closed = 0;
      while (axis-- > 0) {
        if (++position[axis] < shown_[axis].size()) break;
        position[axis] = 0;
        ++closed;
      }
      const std::size_t depth = gap == rank ? rank : gap + 1;
      on_text(std::string(closed, ']'));
      if (closed == depth) return;
      const std::size_t at = depth - closed - 1;
      if (at + 1 == rank)
        on_text(", ");
      else
        on_text("," + std::string(rank - 1 - at, '\n') + std::string(at + 1, ' ') +
                (shown_[at][position[at]] < 0 ? std::string() : std::string(rank - 1 - at, '[')));
    }
  }

  const Array& array_;
  std::vector<std::vector<std::int64_t>> shown_;
  std::size_t width_ = 0;
};

} // namespace

std::string Array::to_string() const { return Printer(*this).print(); }

std::ostream& operator<<(std::ostream& out, const Array& array) {
  return out << array.label() << ' ' << array.to_string();
}

} // namespace kroton
