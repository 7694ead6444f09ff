#pragma once
/// A list of dims that never changes and that many nodes share: an elementwise op's result has the
/// very list of its input.
///
///   DimList s = std::vector<Dim>{n, 784};
///   DimList t = s;                       // the same dims in memory
///   for (const Dim& d : t) …
#include <initializer_list>
#include <memory>
#include <utility>
#include <vector>

#include <kroton/dim.hpp>

namespace kroton::ir {

class DimList {
public:
  using value_type = Dim;
  using const_iterator = const Dim*;

  DimList() noexcept = default;
  DimList(std::vector<Dim> dims) // NOLINT: wherever dims are expected
      : dims_(dims.empty() ? nullptr : std::make_shared<const std::vector<Dim>>(std::move(dims))) {}
  DimList(std::initializer_list<Dim> dims) : DimList(std::vector<Dim>(dims)) {}

  const std::vector<Dim>& dims() const noexcept {
    static const std::vector<Dim> none;
    return dims_ ? *dims_ : none;
  }
  operator const std::vector<Dim>&() const noexcept { return dims(); } // NOLINT: reads as one

  std::size_t size() const noexcept { return dims_ ? dims_->size() : 0; }
  bool empty() const noexcept { return dims_ == nullptr; }
  const Dim* data() const noexcept { return dims_ ? dims_->data() : nullptr; }
  const Dim* begin() const noexcept { return data(); }
  const Dim* end() const noexcept { return data() + size(); }
  const Dim& operator[](std::size_t i) const noexcept { return (*dims_)[i]; }
  const Dim& front() const noexcept { return dims_->front(); }
  const Dim& back() const noexcept { return dims_->back(); }
  /// The very same dims in memory; false says nothing.
  bool is(const DimList& other) const noexcept { return dims_ == other.dims_; }

private:
  std::shared_ptr<const std::vector<Dim>> dims_; ///< null if there are none
};

} // namespace kroton::ir
