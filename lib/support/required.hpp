#pragma once
/// A member without a default: an aggregate that leaves it out does not compile.
///
///   struct Row { Required<Colour> colour; int size = 1; };
///   const Row a{.colour = Colour::red};
///   const Row b{.size = 2};               // error: there is no Required<Colour>()
#include <concepts>
#include <utility>

namespace kroton::support {

template <class T> class Required {
public:
  template <std::convertible_to<T> U>
  constexpr Required(U&& value) : value_(std::forward<U>(value)) {} // NOLINT: as a T is written
  constexpr operator const T&() const { return value_; }            // NOLINT: as a T is read
  friend constexpr bool operator==(const Required& a, const Required& b) = default;
  friend constexpr bool operator==(const Required& a, const T& b) { return a.value_ == b; }

private:
  T value_;
};

} // namespace kroton::support
