#pragma once
/// A value that few objects have: a pointer's room where it is the default one.
///
///   Box<Access> access;            // a default Access, nowhere
///   access = Access{.param = 2};
///   access->param;
///   if (Access* a = access.get()) a->param = 3;
#include <memory>
#include <utility>

namespace kroton::support {

template <class T> class Box {
public:
  Box() noexcept = default;
  Box(T value) : value_(std::make_unique<T>(std::move(value))) {} // NOLINT: a value in a box
  Box(const Box& other) : value_(other.value_ ? std::make_unique<T>(*other.value_) : nullptr) {}
  Box(Box&&) noexcept = default;
  Box& operator=(Box other) noexcept {
    value_ = std::move(other.value_);
    return *this;
  }
  ~Box() = default;

  const T& operator*() const noexcept {
    static const T none;
    return value_ ? *value_ : none;
  }
  const T* operator->() const noexcept { return &**this; }
  operator const T&() const noexcept { return **this; } // NOLINT: reads as the value
  /// To change the value in its place; null if it is the default one.
  T* get() noexcept { return value_.get(); }
  const T* get() const noexcept { return value_.get(); }

private:
  std::unique_ptr<T> value_;
};

} // namespace kroton::support
