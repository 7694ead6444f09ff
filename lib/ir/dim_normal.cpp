#include "lib/ir/dim_normal.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace kroton::ir::dims {
namespace {

using Int = std::int64_t;

// Beyond these a dim is taken as it is, so that nothing here can overflow.
constexpr Int largest_number = Int{1} << 40, largest_slope = Int{1} << 16;
constexpr std::size_t most_bends = 8, most_terms = 16;

std::optional<Int> number(const Dim& d) {
  if (d.is_static()) return d.value();
  if (d.node()->kind == DimKind::negative) return -d.node()->a.value();
  return std::nullopt;
}

Dim literal(Int value) { return value >= 0 ? Dim(value) : sub(Dim(0), Dim(-value)); }

Int floor_quotient(Int a, Int b) {
  Int quotient = 0;
  static_cast<void>(apply(DimKind::floor_div, a, b, quotient));
  return quotient;
}

/// slope * x + the sum of bends: change * max(x - at, 0). Between two bends it is linear.
struct Term {
  struct Bend {
    Int at, change;
    bool operator==(const Bend&) const = default;
  };
  Dim x{0};
  bool is_natural = false; ///< x is not negative: all bends are above 0
  Int slope = 0;
  std::vector<Bend> bends = {}; ///< in ascending order

  Int operator()(Int at) const {
    Int value = slope * at;
    for (const Bend& b : bends) value += b.change * std::max<Int>(at - b.at, 0);
    return value;
  }
  Int last_slope() const {
    Int s = slope;
    for (const Bend& b : bends) s += b.change;
    return s;
  }
  bool is_zero() const { return slope == 0 && bends.empty(); }
};

/// A sum of functions of different dims.
struct Sum {
  std::vector<Term> terms = {};
  Int constant = 0;
};

bool is_within_limits(const Sum& s) {
  if (std::abs(s.constant) > largest_number || s.terms.size() > most_terms) return false;
  return std::ranges::all_of(s.terms, [](const Term& t) {
    return std::abs(t.slope) <= largest_slope && t.bends.size() <= most_bends &&
           std::ranges::all_of(t.bends, [](const Term::Bend& b) {
             return std::abs(b.at) <= largest_number && std::abs(b.change) <= largest_slope;
           });
  });
}

/// The least that a term comes to.
std::optional<Int> least_of(const Term& t) {
  if (!t.is_natural || t.last_slope() < 0) return std::nullopt;
  Int least = t(0);
  for (const Term::Bend& b : t.bends) least = std::min(least, t(b.at));
  return least;
}

std::optional<Int> least_of(const Sum& s) {
  Int least = s.constant;
  for (const Term& t : s.terms) {
    const auto own = least_of(t);
    if (!own) return std::nullopt;
    least += *own;
  }
  return least;
}

/// The function of `x` that has the values `f` at `points`, at 0 if x is natural, and is linear
/// between them and beyond.
template <class F> Sum through(const Dim& x, bool is_natural, std::set<Int> points, const F& f) {
  if (is_natural) points.erase(points.begin(), points.lower_bound(0));
  if (is_natural || points.empty()) points.insert(0);
  Sum s;
  Term t{.x = x, .is_natural = is_natural};
  const Int first = *points.begin();
  Int slope = f(first) - f(first - 1);
  if (!is_natural) t.slope = slope;
  for (auto p = points.begin(); p != points.end(); ++p) {
    const auto next = std::next(p);
    const Int here = next == points.end() ? f(*p + 1) - f(*p) : (f(*next) - f(*p)) / (*next - *p);
    if (is_natural && *p == first)
      t.slope = here;
    else if (here != slope)
      t.bends.push_back({*p, here - slope});
    slope = here;
  }
  s.constant = f(first) - t.slope * first;
  if (!t.is_zero()) s.terms.push_back(std::move(t));
  return s;
}

void add_bends(const Term& t, std::set<Int>& points) {
  for (const Term::Bend& b : t.bends) points.insert(b.at);
}

Sum plus(const Sum& a, const Sum& b, Int factor = 1) {
  Sum s = a;
  s.constant += factor * b.constant;
  for (const Term& t : b.terms) {
    const auto own = std::ranges::find_if(s.terms, [&](const Term& o) { return same(o.x, t.x); });
    if (own == s.terms.end()) {
      Term& scaled = s.terms.emplace_back(t);
      scaled.slope *= factor;
      for (Term::Bend& bend : scaled.bends) bend.change *= factor;
      continue;
    }
    std::set<Int> points;
    add_bends(*own, points);
    add_bends(t, points);
    Sum both = through(t.x, t.is_natural, points,
                       [&, o = *own](Int at) { return o(at) + factor * t(at); });
    if (both.terms.empty())
      s.terms.erase(own);
    else
      *own = std::move(both.terms[0]);
  }
  return s;
}

/// Sums of such numbers may not fit an int64 although what they are cut off to does.
bool has_large_number(const Dim& d) {
  if (const auto value = number(d)) return std::abs(*value) > largest_number;
  const DimNode& n = *d.node();
  return n.kind != DimKind::symbol && n.kind != DimKind::scalar &&
         (has_large_number(n.a) || has_large_number(n.b));
}

Dim dim_of(const Sum& s);

Sum sum_of(const Dim& d);

Sum unknown(const Dim& x, bool is_natural) {
  if (const auto value = number(x); value && std::abs(*value) <= largest_number)
    return {.constant = *value};
  return {.terms = {{.x = x, .is_natural = is_natural, .slope = 1}}};
}

/// A sum of several terms, but for its constant, as one unknown.
Sum as_one_unknown(const Sum& s) {
  Sum terms = s;
  terms.constant = 0;
  const auto least = least_of(terms);
  Sum one = unknown(dim_of(terms), least && *least >= 0);
  one.constant = s.constant;
  return one;
}

/// min(s, 0) or max(s, 0) of a function of one dim.
Sum against_zero(DimKind kind, const Sum& s) {
  const auto bounded = [kind](Int v) {
    return kind == DimKind::min ? std::min<Int>(v, 0) : std::max<Int>(v, 0);
  };
  if (s.terms.empty()) return {.constant = bounded(s.constant)};
  const Term& t = s.terms[0];
  const auto f = [&](Int at) { return t(at) + s.constant; };
  std::set<Int> bends;
  add_bends(t, bends);
  if (t.is_natural || bends.empty()) bends.insert(0);
  std::set<Int> points = bends;
  // Where a line from `from` of this slope meets 0, and the whole number after it.
  const auto cross = [&](Int from, Int slope, const auto& is_part) {
    if (slope == 0) return;
    const Int at = from + floor_quotient(-f(from), slope);
    for (const Int p : {at, at + 1})
      if (is_part(p)) points.insert(p);
  };
  for (auto p = bends.begin(); p != bends.end(); ++p) {
    const auto next = std::next(p);
    if (next == bends.end())
      cross(*p, f(*p + 1) - f(*p), [&](Int at) { return at > *p; });
    else
      cross(*p, (f(*next) - f(*p)) / (*next - *p), [&](Int at) { return at > *p && at < *next; });
  }
  const Int first = *bends.begin();
  if (!t.is_natural) cross(first, f(first) - f(first - 1), [&](Int at) { return at < first; });
  return through(t.x, t.is_natural, points, [&](Int at) { return bounded(f(at)); });
}

/// The smaller or the larger of two sums; nothing if that is no sum of functions of one dim each.
std::optional<Sum> extreme(DimKind kind, const Sum& a, const Sum& b) {
  if (a.terms.empty() && !b.terms.empty()) return extreme(kind, b, a);
  const Sum difference = plus(a, b, -1);
  if (!is_within_limits(difference)) return std::nullopt;
  if (difference.terms.size() < 2) return plus(b, against_zero(kind, difference));
  if (!b.terms.empty()) return std::nullopt;
  // What is linear in the unknown is linear in its terms: only its bends are kept as its own.
  Sum bounded = against_zero(kind, as_one_unknown(difference));
  const Int slope = bounded.terms.empty() ? 0 : std::exchange(bounded.terms[0].slope, 0);
  if (!bounded.terms.empty() && bounded.terms[0].is_zero()) bounded.terms.clear();
  Sum linear = difference;
  linear.constant = 0;
  return plus(b, plus(bounded, linear, slope));
}

bool divides(Int d, const Term& t) {
  return t.slope % d == 0 &&
         std::ranges::all_of(t.bends, [d](const Term::Bend& b) { return b.change % d == 0; });
}

/// Rounded down. What `by` divides goes out of the quotient.
Sum quotient(const Sum& s, Int by) {
  Sum out{.constant = floor_quotient(s.constant, by)}, in{.constant = s.constant};
  in.constant -= out.constant * by;
  for (const Term& t : s.terms) {
    Term whole = t, rest = t;
    const bool is_line = t.bends.empty();
    if (!is_line && !divides(by, t)) {
      in.terms.push_back(t);
      continue;
    }
    whole.slope = floor_quotient(t.slope, by);
    rest.slope -= whole.slope * by;
    for (Term::Bend& b : whole.bends) b.change /= by;
    rest.bends.clear();
    if (!whole.is_zero()) out.terms.push_back(whole);
    if (!rest.is_zero()) in.terms.push_back(rest);
  }
  if (in.terms.empty()) return out; // what is left is less than `by`
  // (a / c + k) / d is (a + k * c) / (c * d).
  const Term& only = in.terms[0];
  if (in.terms.size() == 1 && only.bends.empty() && only.slope == 1 && !number(only.x) &&
      only.x.node()->kind == DimKind::floor_div) {
    const auto inner = number(only.x.node()->b);
    if (inner && *inner > 0 && *inner <= largest_slope && by <= largest_slope)
      return plus(out,
                  unknown(normal(floor_div(add(only.x.node()->a, literal(in.constant * *inner)),
                                           Dim(*inner * by))),
                          only.is_natural));
  }
  const auto least = least_of(in);
  return plus(out, unknown(floor_div(dim_of(in), Dim(by)), least && *least >= 0));
}

/// As one unknown, made of the normal forms of its operands.
Sum opaque(DimKind kind, const Sum& a, const Sum& b) {
  const auto x = least_of(a), y = least_of(b);
  const bool are_natural = x && y && *x >= 0 && *y >= 0;
  const bool is_natural = kind == DimKind::max ? (x && *x >= 0) || (y && *y >= 0) : are_natural;
  return unknown(combine(kind, dim_of(a), dim_of(b)), is_natural);
}

Sum combined(DimKind kind, const Sum& a, const Sum& b) {
  switch (kind) {
  case DimKind::add:
    return plus(a, b);
  case DimKind::mul:
    if (a.terms.empty() || b.terms.empty()) {
      const Sum& s = b.terms.empty() ? a : b;
      const Int factor = b.terms.empty() ? b.constant : a.constant;
      if (factor == 0) return {};
      if (std::abs(factor) <= largest_slope) return plus({}, s, factor);
    }
    return opaque(kind, a, b);
  case DimKind::floor_div:
    if (b.terms.empty() && b.constant > 0 && b.constant <= largest_slope)
      return quotient(a, b.constant);
    return opaque(kind, a, b);
  default:
    if (auto s = extreme(kind, a, b)) return *std::move(s);
    return opaque(kind, a, b);
  }
}

Sum sum_of(const Dim& d) {
  if (const auto value = number(d)) return unknown(d, *value > 0);
  const DimNode& n = *d.node();
  if (n.kind == DimKind::symbol || n.kind == DimKind::scalar)
    return unknown(d, n.kind == DimKind::symbol);
  const Sum a = sum_of(n.a), b = sum_of(n.b);
  Sum s = combined(n.kind, a, b);
  return is_within_limits(s) ? s : opaque(n.kind, a, b);
}

Dim line(const Dim& x, Int slope, Int constant) {
  return add(mul(x, literal(slope)), literal(constant));
}

/// With its constant, where the two make a minimum, a maximum or both.
Dim dim_of(const Term& t, Int constant) {
  if (t.bends.empty()) return line(t.x, t.slope, constant);
  const Term::Bend& first = t.bends[0];
  if (t.bends.size() == 1) {
    const Dim before = line(t.x, t.slope, constant),
              after = line(t.x, t.slope + first.change, constant - first.change * first.at);
    const DimKind kind = first.change > 0 ? DimKind::max : DimKind::min;
    return first.change > 0 ? combine(kind, after, before) : combine(kind, before, after);
  }
  if (t.bends.size() == 2 && t.slope == 0 && first.change == 1 && t.bends[1].change == -1)
    return add(min(max(line(t.x, 1, -first.at), Dim(0)), Dim(t.bends[1].at - first.at)),
               literal(constant));
  Dim sum = line(t.x, t.slope, 0);
  for (const Term::Bend& b : t.bends)
    sum = add(sum, mul(max(line(t.x, 1, -b.at), Dim(0)), literal(b.change)));
  return add(sum, literal(constant));
}

/// The sum with linear terms that are a multiple of another term's unknown put into that term, as
/// in n + m - max(n + m - 1, 0), which is min(n + m, 1).
Sum gathered(const Sum& s) {
  const auto is_own = [](const Term& t) {
    return !t.bends.empty() && t.slope == 0 && t.x.node()->kind == DimKind::add;
  };
  const auto own = std::ranges::find_if(s.terms, is_own);
  if (own == s.terms.end()) return s;
  const Sum x = sum_of(own->x);
  if (x.terms.empty() || x.terms[0].slope == 0) return s;
  const auto first =
      std::ranges::find_if(s.terms, [&](const Term& t) { return same(t.x, x.terms[0].x); });
  if (first == s.terms.end() || first->slope % x.terms[0].slope != 0) return s;
  const Int factor = first->slope / x.terms[0].slope;
  Sum rest = plus(s, x, -factor);
  if (rest.terms.size() != 1 || !same(rest.terms[0].x, own->x)) return s;
  rest.terms[0].slope = factor;
  return rest;
}

Dim dim_of(const Sum& given) {
  const Sum s = given.terms.size() > 1 ? gathered(given) : given;
  if (s.terms.empty()) return literal(s.constant);
  if (s.terms.size() == 1) return dim_of(s.terms[0], s.constant);
  Dim sum(0);
  for (const Term& t : s.terms) sum = add(sum, dim_of(t, 0));
  return add(sum, literal(s.constant));
}

} // namespace

Dim normal(const Dim& d) {
  if (number(d) || d.node()->kind == DimKind::symbol || d.node()->kind == DimKind::scalar ||
      has_large_number(d))
    return d;
  return dim_of(sum_of(d));
}

Dim below(const Dim& start, const Dim& size) {
  if (number(start) || has_large_number(start) || has_large_number(size)) return start;
  const Sum s = sum_of(start);
  if (s.terms.size() != 1 || s.terms[0].last_slope() != 0) return start;
  const Term& t = s.terms[0];
  const Dim highest = literal(s.constant + t(t.bends.back().at));
  return same(normal(min(size, highest)), normal(start)) ? highest : start;
}

std::optional<std::int64_t> lower_bound(const Dim& d) {
  return has_large_number(d) ? std::nullopt : least_of(sum_of(d));
}

bool are_different(const Dim& a, const Dim& b) {
  if (has_large_number(a) || has_large_number(b)) return false;
  const Sum x = sum_of(a), y = sum_of(b);
  const auto one = least_of(plus(x, y, -1)), other = least_of(plus(y, x, -1));
  return (one && *one > 0) || (other && *other > 0);
}

std::optional<double> share(const Dim& part, const Dim& whole) {
  if (has_large_number(part) || has_large_number(whole)) return std::nullopt;
  const Sum p = sum_of(part), w = sum_of(whole);
  if (w.terms.empty()) {
    if (!p.terms.empty() || w.constant == 0) return std::nullopt;
    return static_cast<double>(p.constant) / static_cast<double>(w.constant);
  }
  if (p.terms.empty()) return 0;
  if (p.terms.size() != 1 || w.terms.size() != 1 || !same(p.terms[0].x, w.terms[0].x) ||
      w.terms[0].last_slope() <= 0)
    return std::nullopt;
  return static_cast<double>(p.terms[0].last_slope()) /
         static_cast<double>(w.terms[0].last_slope());
}

} // namespace kroton::ir::dims
