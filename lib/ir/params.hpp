#pragma once
/// What a node's op is parameterised by: a struct of named fields, whose list of fields is all that
/// equality, hashing, the keys of plans, the substitution of dims and printing know of it.
///
///   struct AxesParams {
///     std::vector<std::int64_t> axes;
///     static constexpr auto fields = std::tuple{field("axes", &AxesParams::axes)};
///   };
///   const Op sum{.name = "sum", .params = &ir::params_type<AxesParams>, …};
///
///   Expr e = make(ops::sum, {x}, AxesParams{{0, 2}}, where);
///   e.node()->params.as<AxesParams>().axes;
///
/// A struct with a member that is not in its list does not compile, and a field has one of the
/// types that FieldVisitor and FieldEditor know. Each of their implementations says what it does
/// with each type, so a new type of field cannot be left out of the key of a plan.
#include <array>
#include <concepts>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <tuple>
#include <utility>
#include <vector>

#include "lib/ir/dim.hpp"
#include "lib/ir/dim_list.hpp"
#include <kroton/dtype.hpp>

namespace kroton::ir {

struct InputLeaf;
struct SharedState;
struct ArrayLeaf;

/// A number of any dtype.
struct Scalar {
  DType dtype = DType::bool_;
  /// As it is in memory, zeros behind it; numbers of 16 bytes have two words.
  std::array<std::uint64_t, 2> words = {};

  /// Of a number of at most 8 bytes.
  std::uint64_t bits() const { return words[0]; }
  friend bool operator==(const Scalar&, const Scalar&) = default;
};
inline Scalar scalar_of(DType dtype, std::uint64_t bits) { return {dtype, {bits, 0}}; }

/// Which of the draws of a random stream: what decides the code is whether two are the same.
struct Draw {
  std::int64_t number = 0;
  friend bool operator==(const Draw&, const Draw&) = default;
};

using Ints = std::vector<std::int64_t>;
/// What a leaf stands for. Two are equal if they are the same object.
using InputIdentity = std::shared_ptr<const InputLeaf>;
using SharedIdentity = std::shared_ptr<const SharedState>;
using ArrayIdentity = std::shared_ptr<const ArrayLeaf>;

/// Reads the fields of any struct of parameters.
class FieldVisitor {
public:
  virtual ~FieldVisitor() = default;
  virtual void visit(std::string_view name, const bool& value) = 0;
  virtual void visit(std::string_view name, const std::int64_t& value) = 0;
  virtual void visit(std::string_view name, const Ints& value) = 0;
  virtual void visit(std::string_view name, const DType& value) = 0;
  virtual void visit(std::string_view name, const Scalar& value) = 0;
  virtual void visit(std::string_view name, const Draw& value) = 0;
  virtual void visit(std::string_view name, const Dim& value) = 0;
  virtual void visit(std::string_view name, const DimList& value) = 0;
  virtual void visit(std::string_view name, const InputIdentity& value) = 0;
  virtual void visit(std::string_view name, const SharedIdentity& value) = 0;
  virtual void visit(std::string_view name, const ArrayIdentity& value) = 0;
};

/// Changes the fields of a copy of any struct of parameters.
class FieldEditor {
public:
  virtual ~FieldEditor() = default;
  virtual void edit(bool& value) = 0;
  virtual void edit(std::int64_t& value) = 0;
  virtual void edit(Ints& value) = 0;
  virtual void edit(DType& value) = 0;
  virtual void edit(Scalar& value) = 0;
  virtual void edit(Draw& value) = 0;
  virtual void edit(Dim& value) = 0;
  virtual void edit(DimList& value) = 0;
  virtual void edit(InputIdentity& value) = 0;
  virtual void edit(SharedIdentity& value) = 0;
  virtual void edit(ArrayIdentity& value) = 0;
};

template <class T, class M> struct Field {
  std::string_view name;
  M T::*member;
};
template <class T, class M> constexpr Field<T, M> field(std::string_view name, M T::*member) {
  return {name, member};
}

template <class T>
concept ParamsStruct = requires {
  std::tuple_size<decltype(T::fields)>::value;
};

class Params;
struct ParamsType;

namespace detail {

struct AnyMember {
  template <class M> operator M() const;
};
template <class T, class... Members> consteval std::size_t count_members() {
  if constexpr (requires { T{Members{}..., AnyMember{}}; })
    return count_members<T, Members..., AnyMember>();
  else
    return sizeof...(Members);
}

/// What all structs of parameters have in common once they are part of a node.
struct ParamsHead {
  const ParamsType* type;
  std::size_t hash;
  const void* leaf; ///< the first identity among the fields, else null
  bool has_unknown_dims;
};
template <class T> struct Held : ParamsHead {
  Held(ParamsHead head, T given) : ParamsHead(head), value(std::move(given)) {}
  T value;
};

bool same_field(const Dim& a, const Dim& b);
bool same_field(const DimList& a, const DimList& b);
template <std::equality_comparable M> bool same_field(const M& a, const M& b) { return a == b; }

std::size_t hash_field(const Ints& value);
std::size_t hash_field(const Scalar& value);
std::size_t hash_field(const Dim& value);
std::size_t hash_field(const DimList& value);
inline std::size_t hash_field(bool value) { return value ? 1 : 0; }
inline std::size_t hash_field(std::int64_t value) { return static_cast<std::size_t>(value); }
inline std::size_t hash_field(DType value) { return static_cast<std::size_t>(value); }
inline std::size_t hash_field(Draw value) { return static_cast<std::size_t>(value.number); }
template <class L> std::size_t hash_field(const std::shared_ptr<const L>& value) {
  return reinterpret_cast<std::uintptr_t>(value.get()) >> 4;
}

template <class M> const void* leaf_in(const M&) { return nullptr; }
template <class L> const void* leaf_in(const std::shared_ptr<const L>& value) {
  return value.get();
}
template <class M> bool is_unknown(const M&) { return false; }
inline bool is_unknown(const Dim& value) { return !value.is_static(); }
bool is_unknown(const DimList& value);

} // namespace detail

/// A struct of parameters as rows and nodes name it.
struct ParamsType {
  std::string_view name;
  Params (*initial)(); ///< every field as its default
  bool (*are_same)(const detail::ParamsHead&, const detail::ParamsHead&);
  void (*visit)(const detail::ParamsHead&, FieldVisitor&);
  Params (*edited)(const detail::ParamsHead&, FieldEditor&);
};

/// The parameters of one node: nothing, or a struct that never changes and that nodes share.
class Params {
public:
  Params() noexcept = default;
  template <ParamsStruct T> Params(T value); // NOLINT: wherever parameters are expected

  /// Null if there are none.
  const ParamsType* type() const noexcept { return held_ ? held_->type : nullptr; }
  template <ParamsStruct T> const T& as() const;
  void visit(FieldVisitor& visitor) const {
    if (held_) held_->type->visit(*held_, visitor);
  }
  /// A copy in which `editor` has seen every field.
  Params edited(FieldEditor& editor) const {
    return held_ ? held_->type->edited(*held_, editor) : *this;
  }
  /// What an input, a shared variable or an array is told apart by; null for all others.
  const void* leaf() const noexcept { return held_ ? held_->leaf : nullptr; }
  bool has_unknown_dims() const noexcept { return held_ && held_->has_unknown_dims; }

  friend bool same(const Params& a, const Params& b) {
    return a.held_ == b.held_ || (a.type() == b.type() && a.held_->hash == b.held_->hash &&
                                  a.held_->type->are_same(*a.held_, *b.held_));
  }
  friend std::size_t hash(const Params& p) { return p.held_ ? p.held_->hash : 0; }

private:
  std::shared_ptr<const detail::ParamsHead> held_;
};

/// Of an op that takes one result of a node with several: which one.
struct PartParams {
  std::int64_t index = 0;

  static constexpr std::string_view params_name = "part";
  static constexpr auto fields = std::tuple{field("index", &PartParams::index)};
};
/// Of a node, or the context of one, with these.
template <class N> std::size_t part_of(const N& part) {
  return static_cast<std::size_t>(part.params.template as<PartParams>().index);
}

/// Calls `visit` with each dim in the fields, in their order.
void for_each_dim(const Params& params, const std::function<void(const Dim&)>& visit);

namespace detail {

[[noreturn]] void fail_type(const ParamsType* got, const ParamsType& expected);

template <class T> const T& value_in(const ParamsHead& head) {
  return static_cast<const Held<T>&>(head).value;
}

template <class T> struct TypeOf {
  static_assert(count_members<T>() == std::tuple_size_v<decltype(T::fields)>,
                "each member is a field");

  static Params initial() { return T{}; }
  static bool are_same(const ParamsHead& a, const ParamsHead& b) {
    return std::apply(
        [&](const auto&... f) {
          return (same_field(value_in<T>(a).*f.member, value_in<T>(b).*f.member) && ...);
        },
        T::fields);
  }
  static void visit(const ParamsHead& head, FieldVisitor& visitor) {
    std::apply([&](const auto&... f) { (visitor.visit(f.name, value_in<T>(head).*f.member), ...); },
               T::fields);
  }
  static Params edited(const ParamsHead& head, FieldEditor& editor) {
    T copy = value_in<T>(head);
    std::apply([&](const auto&... f) { (editor.edit(copy.*f.member), ...); }, T::fields);
    return copy;
  }
};

} // namespace detail

template <ParamsStruct T>
inline constexpr ParamsType params_type{T::params_name, detail::TypeOf<T>::initial,
                                        detail::TypeOf<T>::are_same, detail::TypeOf<T>::visit,
                                        detail::TypeOf<T>::edited};

template <ParamsStruct T> Params::Params(T value) {
  detail::ParamsHead head{&params_type<T>, 0, nullptr, false};
  std::apply(
      [&](const auto&... f) {
        ((head.hash = (head.hash ^ detail::hash_field(value.*f.member)) * 0x9E3779B97F4A7C15ull),
         ...);
        ((head.leaf = head.leaf ? head.leaf : detail::leaf_in(value.*f.member)), ...);
        ((head.has_unknown_dims = head.has_unknown_dims || detail::is_unknown(value.*f.member)),
         ...);
      },
      T::fields);
  held_ = std::make_shared<const detail::Held<T>>(head, std::move(value));
}

template <ParamsStruct T> const T& Params::as() const {
  if (type() != &params_type<T>) detail::fail_type(type(), params_type<T>);
  return detail::value_in<T>(*held_);
}

/// Of every reduction: the axes that leave the shape, in ascending order.
struct AxesParams {
  Ints axes = {};

  static constexpr std::string_view params_name = "axes";
  static constexpr auto fields = std::tuple{field("axes", &AxesParams::axes)};
};

/// Of a node, or the context of one, whose op is a reduction.
template <class N> const Ints& axes_of(const N& reduction) {
  return reduction.params.template as<AxesParams>().axes;
}

/// The same; no axes for any other op.
template <class N> const Ints& reduced_axes(const N& node) {
  static const Ints none;
  return node.params.type() == &params_type<AxesParams> ? axes_of(node) : none;
}

} // namespace kroton::ir
