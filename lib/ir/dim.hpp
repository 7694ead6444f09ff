#pragma once
/// Arithmetic on dims: what shape rules compute and what a call evaluates.
///
///   Dim rows = dims::mul(batch, steps);             // kept as a small normalised tree
///   dims::evaluate(rows, [](const DimNode& symbol) { return …; });
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <kroton/dim.hpp>

namespace kroton::ir {

/// A size that an int64 does not hold. `with_place` (op.hpp) adds the op and where the user wrote
/// it.
struct DimOverflow : ShapeError {
  using ShapeError::ShapeError;
};

enum class DimKind : std::uint8_t {
  symbol,   ///< a named size, or the unknown size of one axis of one input
  scalar,   ///< the value of an integer scalar input, read on the host when called
  negative, ///< a number below zero, as inside n + (-1): minus its `a`
  add,
  mul,
  floor_div,
  min,
  max,
};

/// A dim that is not a number. Equal structure means equal size; symbols are equal by
/// name, or by identity when they have none.
struct DimNode {
  DimKind kind;
  std::string name;                 ///< symbol: its name, or empty
  std::string origin;               ///< symbol: "x axis 0", for messages
  std::shared_ptr<const void> leaf; ///< scalar: the input it reads
  Dim a{0}, b{0};
  std::size_t hash = 0;
};

namespace dims {

bool same(const Dim& a, const Dim& b);
std::size_t hash(const Dim& d);

// All throw DimOverflow where numbers that are known exceed an int64.
Dim add(const Dim& a, const Dim& b);
Dim sub(const Dim& a, const Dim& b);
Dim mul(const Dim& a, const Dim& b);
/// Rounds down; cancels factors (n*m / m is n).
Dim floor_div(const Dim& a, const Dim& b);
Dim min(const Dim& a, const Dim& b);
Dim max(const Dim& a, const Dim& b);
/// `a kind b`, by the function of that kind above.
Dim combine(DimKind kind, const Dim& a, const Dim& b);
Dim product(std::span<const Dim> shape);

Dim symbol(std::string name, std::string origin);
Dim scalar(std::shared_ptr<const void> leaf, std::string label);

/// `a kind b` for the kinds of two operands; false where an int64 does not hold it. A quotient by 0
/// is 0.
[[nodiscard]] bool apply(DimKind kind, std::int64_t a, std::int64_t b, std::int64_t& to) noexcept;

/// The value of `d` given that of each symbol and scalar; nothing where an int64 does not hold it.
std::optional<std::int64_t> try_evaluate(const Dim& d,
                                         const std::function<std::int64_t(const DimNode&)>& leaf);
/// The same; throws DimOverflow where an int64 does not hold it.
std::int64_t evaluate(const Dim& d, const std::function<std::int64_t(const DimNode&)>& leaf);
/// `d` with every symbol and scalar replaced.
Dim substitute(const Dim& d, const std::function<Dim(const Dim&)>& leaf);
/// Calls `visit` for each symbol and scalar in `d`, left to right.
void for_each_leaf(const Dim& d, const std::function<void(const Dim&)>& visit);

/// "[?,784]".
std::string to_string(std::span<const Dim> shape);
bool same(std::span<const Dim> a, std::span<const Dim> b);

struct Same {
  bool operator()(const Dim& a, const Dim& b) const { return same(a, b); }
};
struct Hash {
  std::size_t operator()(const Dim& d) const { return hash(d); }
};

} // namespace dims
} // namespace kroton::ir
