#include "lib/ir/dim.hpp"

#include <algorithm>
#include <limits>

#include "lib/support/error.hpp"

namespace kroton {

Dim::Dim(std::int64_t value, Location where) : value_(value) {
  if (value < 0) {
    support::fail<ShapeError>(
        "dim",
        {.place = support::describe(where), .hint = "write kroton::dim() for an unknown size"},
        "a size cannot be negative: {}", value);
  }
}

std::string Dim::to_string() const {
  if (is_static()) return std::to_string(value_);
  const ir::DimNode& n = *node_;
  switch (n.kind) {
  case ir::DimKind::symbol:
  case ir::DimKind::scalar:
    return n.name.empty() ? "?" : n.name;
  case ir::DimKind::negative:
    return "-" + n.a.to_string();
  case ir::DimKind::add: {
    const std::string b = n.b.to_string();
    return "(" + n.a.to_string() + (b.starts_with('-') ? b : "+" + b) + ")";
  }
  case ir::DimKind::mul:
    return n.a.to_string() + "*" + n.b.to_string();
  case ir::DimKind::floor_div:
    return n.a.to_string() + "/" + n.b.to_string();
  case ir::DimKind::min:
    return "min(" + n.a.to_string() + "," + n.b.to_string() + ")";
  case ir::DimKind::max:
    return "max(" + n.a.to_string() + "," + n.b.to_string() + ")";
  }
  return "?";
}

Dim dim(std::string name) {
  if (name.empty()) return dim();
  return ir::dims::symbol(std::move(name), {});
}

Dim dim() { return ir::dims::symbol({}, {}); }

namespace ir::dims {

bool apply(DimKind kind, std::int64_t a, std::int64_t b, std::int64_t& to) noexcept {
  switch (kind) {
  case DimKind::add:
    // The lowest int64 has no counterpart above zero, which `negative` would need.
    return !__builtin_add_overflow(a, b, &to) && to != std::numeric_limits<std::int64_t>::min();
  case DimKind::mul:
    return !__builtin_mul_overflow(a, b, &to) && to != std::numeric_limits<std::int64_t>::min();
  case DimKind::floor_div: {
    if (b == 0) {
      to = 0;
      return true;
    }
    const std::int64_t quotient = a / b;
    to = a % b != 0 && (a < 0) != (b < 0) ? quotient - 1 : quotient;
    return true;
  }
  case DimKind::min:
    to = std::min(a, b);
    return true;
  default:
    to = std::max(a, b);
    return true;
  }
}

namespace {

std::size_t mix(std::size_t seed, std::size_t value) {
  return (seed ^ value) * 0x9E3779B97F4A7C15ull + (seed >> 29);
}

std::string_view sign_of(DimKind kind) {
  return kind == DimKind::add ? "+" : kind == DimKind::mul ? "*" : "/";
}

[[noreturn]] void too_large(DimKind kind, std::int64_t a, std::int64_t b) {
  support::fail<DimOverflow>("dim", {.hint = "sizes, and numbers of elements, go up to 2^63 - 1"},
                             "a size of {} {} {} is more than an int64 counts", a, sign_of(kind),
                             b);
}

std::int64_t value_of(DimKind kind, std::int64_t a, std::int64_t b) {
  std::int64_t value = 0;
  if (!apply(kind, a, b, value)) too_large(kind, a, b);
  return value;
}

Dim literal(std::int64_t value) {
  if (value >= 0) return Dim(value);
  auto node = std::make_shared<DimNode>();
  node->kind = DimKind::negative;
  node->a = Dim(-value);
  node->hash = mix(0x51ED27, static_cast<std::size_t>(value));
  return Dim(std::move(node));
}

/// Splits off the constant: true and its value for numbers, negative literals included.
bool constant_of(const Dim& d, std::int64_t& value) {
  if (d.is_static()) {
    value = d.value();
    return true;
  }
  const DimNode& n = *d.node();
  if (n.kind == DimKind::negative) {
    value = -n.a.value();
    return true;
  }
  return false;
}

/// Whether no sizes make it negative; only what its structure says.
bool is_natural(const Dim& d) {
  if (d.is_static()) return true;
  const DimNode& n = *d.node();
  switch (n.kind) {
  case DimKind::symbol:
    return true;
  case DimKind::scalar:
  case DimKind::negative:
    return false;
  case DimKind::max:
    return is_natural(n.a) || is_natural(n.b);
  default:
    return is_natural(n.a) && is_natural(n.b);
  }
}

bool is_commutative(DimKind kind) { return kind != DimKind::floor_div; }

Dim make(DimKind kind, const Dim& a, const Dim& b) {
  auto node = std::make_shared<DimNode>();
  node->kind = kind;
  node->a = a;
  node->b = b;
  const std::size_t both = is_commutative(kind) ? hash(a) + hash(b) : mix(hash(a), hash(b));
  node->hash = mix(static_cast<std::size_t>(kind) + 77, both);
  return Dim(std::move(node));
}

/// Commutative kinds keep constants on the right and otherwise the order they were given in.
Dim make_commutative(DimKind kind, const Dim& a, const Dim& b) {
  std::int64_t ignored = 0;
  return constant_of(a, ignored) ? make(kind, b, a) : make(kind, a, b);
}

void factors(const Dim& d, std::vector<Dim>& out) {
  std::int64_t ignored = 0;
  if (!constant_of(d, ignored) && d.node()->kind == DimKind::mul) {
    factors(d.node()->a, out);
    factors(d.node()->b, out);
  } else {
    out.push_back(d);
  }
}

} // namespace

std::size_t hash(const Dim& d) {
  return d.is_static() ? mix(0x1234567, static_cast<std::size_t>(d.value())) : d.node()->hash;
}

bool same(const Dim& a, const Dim& b) {
  if (a.node() == b.node()) return a.value() == b.value();
  if (!a.node() || !b.node()) return false;
  const DimNode &x = *a.node(), &y = *b.node();
  if (x.hash != y.hash || x.kind != y.kind) return false;
  if (x.kind == DimKind::symbol) return !x.name.empty() && x.name == y.name;
  if (x.kind == DimKind::scalar) return x.leaf == y.leaf;
  if (same(x.a, y.a) && same(x.b, y.b)) return true;
  return is_commutative(x.kind) && same(x.a, y.b) && same(x.b, y.a);
}

bool same(std::span<const Dim> a, std::span<const Dim> b) {
  return std::ranges::equal(a, b, [](const Dim& x, const Dim& y) { return same(x, y); });
}

Dim add(const Dim& a, const Dim& b) {
  std::int64_t x = 0, y = 0;
  const bool a_is_constant = constant_of(a, x), b_is_constant = constant_of(b, y);
  if (a_is_constant && b_is_constant) return literal(value_of(DimKind::add, x, y));
  if (a_is_constant) return add(b, a);
  if (b_is_constant) {
    if (y == 0) return a;
    if (std::int64_t z = 0; a.node()->kind == DimKind::add && constant_of(a.node()->b, z))
      return add(a.node()->a, literal(value_of(DimKind::add, y, z)));
  }
  return make_commutative(DimKind::add, a, b);
}

Dim sub(const Dim& a, const Dim& b) {
  std::int64_t y = 0;
  if (constant_of(b, y)) return add(a, literal(-y));
  if (same(a, b)) return Dim(0);
  return add(a, mul(b, literal(-1)));
}

Dim mul(const Dim& a, const Dim& b) {
  std::int64_t x = 0, y = 0;
  const bool a_is_constant = constant_of(a, x), b_is_constant = constant_of(b, y);
  if (a_is_constant && b_is_constant) return literal(value_of(DimKind::mul, x, y));
  if (a_is_constant) return mul(b, a);
  if (b_is_constant) {
    if (y == 0) return Dim(0);
    if (y == 1) return a;
    if (std::int64_t z = 0; a.node()->kind == DimKind::mul && constant_of(a.node()->b, z))
      return mul(a.node()->a, literal(value_of(DimKind::mul, y, z)));
  } else if (std::int64_t z = 0; a.node()->kind == DimKind::mul && constant_of(a.node()->b, z)) {
    return mul(mul(a.node()->a, b), literal(z));
  }
  return make_commutative(DimKind::mul, a, b);
}

Dim floor_div(const Dim& a, const Dim& b) {
  std::int64_t x = 0, y = 0;
  if (constant_of(b, y) && y == 1) return a;
  if (constant_of(a, x) && constant_of(b, y)) {
    KROTON_CHECK(y > 0, "dim divided by {}", y);
    return literal(value_of(DimKind::floor_div, x, y));
  }
  if (same(a, b)) return Dim(1);
  std::vector<Dim> over, under;
  factors(a, over);
  factors(b, under);
  bool cancelled = false;
  for (auto it = under.begin(); it != under.end();) {
    auto match = std::ranges::find_if(over, [&](const Dim& d) { return same(d, *it); });
    std::int64_t divisor = 0;
    if (match == over.end() && constant_of(*it, divisor)) {
      for (match = over.begin(); match != over.end(); ++match) {
        if (std::int64_t c = 0; constant_of(*match, c) && c % divisor == 0) {
          *match = literal(c / divisor);
          break;
        }
      }
      if (match == over.end()) {
        ++it;
        continue;
      }
    } else if (match == over.end()) {
      ++it;
      continue;
    } else {
      over.erase(match);
    }
    it = under.erase(it);
    cancelled = true;
  }
  if (!cancelled) return make(DimKind::floor_div, a, b);
  return floor_div(product(over), product(under));
}

Dim min(const Dim& a, const Dim& b) {
  std::int64_t x = 0, y = 0;
  if (constant_of(a, x) && constant_of(b, y)) return literal(std::min(x, y));
  if (same(a, b)) return a;
  if (b.is(0) && is_natural(a)) return b;
  return make_commutative(DimKind::min, a, b);
}

Dim max(const Dim& a, const Dim& b) {
  std::int64_t x = 0, y = 0;
  if (constant_of(a, x) && constant_of(b, y)) return literal(std::max(x, y));
  if (same(a, b)) return a;
  if (b.is(0) && is_natural(a)) return a;
  return make_commutative(DimKind::max, a, b);
}

Dim product(std::span<const Dim> shape) {
  Dim result(1);
  for (const Dim& d : shape) result = mul(result, d);
  return result;
}

Dim symbol(std::string name, std::string origin) {
  auto node = std::make_shared<DimNode>();
  node->kind = DimKind::symbol;
  node->hash = name.empty() ? mix(0xABCDEF, reinterpret_cast<std::uintptr_t>(node.get()))
                            : mix(0xFEDCBA, std::hash<std::string>{}(name));
  node->name = std::move(name);
  node->origin = std::move(origin);
  return Dim(std::move(node));
}

Dim scalar(std::shared_ptr<const void> leaf, std::string label) {
  auto node = std::make_shared<DimNode>();
  node->kind = DimKind::scalar;
  node->hash = mix(0xBADA55, reinterpret_cast<std::uintptr_t>(leaf.get()));
  node->leaf = std::move(leaf);
  node->name = std::move(label);
  return Dim(std::move(node));
}

namespace {

/// What does not fit an int64 is told by `overflow(kind, a, b)`, and the value is nothing then.
template <class Overflow>
std::optional<std::int64_t> evaluate_or(const Dim& d,
                                        const std::function<std::int64_t(const DimNode&)>& leaf,
                                        const Overflow& overflow) {
  std::int64_t value = 0;
  if (constant_of(d, value)) return value;
  const DimNode& n = *d.node();
  if (n.kind == DimKind::symbol || n.kind == DimKind::scalar) return leaf(n);
  const auto a = evaluate_or(n.a, leaf, overflow), b = evaluate_or(n.b, leaf, overflow);
  if (!a || !b) return std::nullopt;
  if (apply(n.kind, *a, *b, value)) return value;
  overflow(n.kind, *a, *b);
  return std::nullopt;
}

} // namespace

std::optional<std::int64_t> try_evaluate(const Dim& d,
                                         const std::function<std::int64_t(const DimNode&)>& leaf) {
  return evaluate_or(d, leaf, [](DimKind, std::int64_t, std::int64_t) {});
}

std::int64_t evaluate(const Dim& d, const std::function<std::int64_t(const DimNode&)>& leaf) {
  return *evaluate_or(d, leaf, too_large);
}

Dim combine(DimKind kind, const Dim& a, const Dim& b) {
  switch (kind) {
  case DimKind::add:
    return add(a, b);
  case DimKind::mul:
    return mul(a, b);
  case DimKind::floor_div:
    return floor_div(a, b);
  case DimKind::min:
    return min(a, b);
  default:
    return max(a, b);
  }
}

Dim substitute(const Dim& d, const std::function<Dim(const Dim&)>& leaf) {
  std::int64_t value = 0;
  if (constant_of(d, value)) return d;
  const DimNode& n = *d.node();
  if (n.kind == DimKind::symbol || n.kind == DimKind::scalar) return leaf(d);
  return combine(n.kind, substitute(n.a, leaf), substitute(n.b, leaf));
}

void for_each_leaf(const Dim& d, const std::function<void(const Dim&)>& visit) {
  std::int64_t value = 0;
  if (constant_of(d, value)) return;
  const DimNode& n = *d.node();
  if (n.kind == DimKind::symbol || n.kind == DimKind::scalar) return visit(d);
  for_each_leaf(n.a, visit);
  for_each_leaf(n.b, visit);
}

std::string to_string(std::span<const Dim> shape) {
  std::string text = "[";
  for (const Dim& d : shape) {
    if (text.size() > 1) text += ',';
    text += d.to_string();
  }
  return text + "]";
}

} // namespace ir::dims
} // namespace kroton
