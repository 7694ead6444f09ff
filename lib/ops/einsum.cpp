/// Einstein's sums: subscripts, the order of products, and the products themselves.
#include <kroton/ops/contraction.hpp>

#include <algorithm>
#include <bit>
#include <limits>
#include <map>
#include <optional>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"
#include "lib/ops/products.hpp"
#include "lib/support/error.hpp"

namespace kroton {
namespace {

using ops::Label;
using ops::Term;
using Labels = std::vector<Label>;

/// What sizes that are not known count as when products are put in order.
constexpr double unknown_size = 100;
/// So many operands have every order tried.
constexpr std::size_t most_tried = 6;
/// Axis i of "..." from the right has this label plus i; letters have their codes.
constexpr Label first_further = 256;

bool has(const Labels& labels, Label l) { return std::ranges::find(labels, l) != labels.end(); }

/// The letters of one operand, or of the result.
struct Subscripts {
  Labels before, behind; ///< "..."
  bool has_ellipsis = false;

  std::size_t letters() const { return before.size() + behind.size(); }
  /// With the labels of so many further axes in place of "...".
  Labels labels(std::size_t further) const {
    Labels all = before;
    for (std::size_t i = further; i-- > 0;) all.push_back(first_further + static_cast<Label>(i));
    all.insert(all.end(), behind.begin(), behind.end());
    return all;
  }
};

class Einsum {
public:
  Einsum(std::string_view text, const std::vector<Expr>& operands, Location where)
      : text_(text), given_(operands), where_(where) {}

  Expr run() {
    for (const Expr& e : given_) detail::require_given(e, "einsum", where_);
    if (given_.empty())
      fail("an operand for each part between commas", "{} has no operands", quoted());
    parse();
    std::vector<Labels> labels_of;
    for (std::size_t i = 0; i < given_.size(); ++i) labels_of.push_back(labels_of_operand(i));
    for (std::size_t i = 0; i < given_.size(); ++i) meet(i, labels_of[i]);
    result_ = labels_of_result(labels_of);

    DType t = given_[0].dtype();
    for (const Expr& e : given_) t = promote(t, e.dtype());
    if (is_bool(t)) t = DType::i64;
    std::vector<Term> terms;
    for (std::size_t i = 0; i < given_.size(); ++i) {
      Expr e = ops::cast_to(given_[i], t, where_);
      if (i == 0 && !constraints_.empty())
        e = ir::make(ops::reshape, {e}, ops::ShapeParams{e.node()->type.shape}, where_,
                     std::move(constraints_));
      terms.push_back(plain_term(e, labels_of[i]));
    }
    return ops::in_order(all_of(std::move(terms)), result_, where_);
  }

private:
  std::string quoted() const { return fmt::format("\"{}\"", text_); }
  template <class... Args>
  [[noreturn]] void fail(std::string hint, fmt::format_string<Args...> format,
                         Args&&... args) const {
    support::fail<ShapeError>("einsum",
                              {.place = ir::place_of(where_, given_), .hint = std::move(hint)},
                              format, std::forward<Args>(args)...);
  }

  // ---- subscripts

  Subscripts parse_part(std::string_view part) const {
    Subscripts s;
    for (std::size_t i = 0; i < part.size(); ++i) {
      const char c = part[i];
      if (c == ' ') continue;
      if (part.substr(i, 3) == "..." && !s.has_ellipsis) {
        s.has_ellipsis = true;
        i += 2;
      } else if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
        (s.has_ellipsis ? s.behind : s.before).push_back(c);
      } else {
        fail(
            "axes are letters, \"...\" stands for further ones, once in a part; \"ij,jk->ik\" is a "
            "matrix product",
            "{} has '{}' at position {}", quoted(), c, part.data() + i - text_.data());
      }
    }
    return s;
  }

  void parse() {
    std::string_view left = text_;
    if (const std::size_t arrow = text_.find("->"); arrow != std::string_view::npos) {
      written_ = parse_part(text_.substr(arrow + 2));
      left = text_.substr(0, arrow);
    }
    for (;;) {
      const std::size_t comma = left.find(',');
      parts_.push_back(parse_part(left.substr(0, comma)));
      if (comma == std::string_view::npos) break;
      left.remove_prefix(comma + 1);
    }
    if (parts_.size() != given_.size())
      fail("an operand for each part between commas", "{} is for {} operands, got {}", quoted(),
           parts_.size(), given_.size());
  }

  Labels labels_of_operand(std::size_t i) {
    const Expr& e = given_[i];
    const Subscripts& s = parts_[i];
    const auto rank = static_cast<std::size_t>(e.rank());
    if (s.letters() > rank || (s.letters() < rank && !s.has_ellipsis))
      fail(s.letters() < rank ? "\"...\" stands for further axes" : "a letter for each axis",
           "{} has {} letters for {}", quoted(), s.letters(), e.label());
    const std::size_t further = rank - s.letters();
    most_further_ = std::max(most_further_, further);
    return s.labels(further);
  }

  Labels labels_of_result(const std::vector<Labels>& of_operands) const {
    if (written_) {
      if (!written_->has_ellipsis && most_further_ > 0)
        fail("write \"...\" in the result too, or sum over them first",
             "{} leaves out the axes of \"...\" in its result", quoted());
      Labels result = written_->labels(written_->has_ellipsis ? most_further_ : 0);
      for (std::size_t i = 0; i < result.size(); ++i) {
        if (!size_.contains(result[i]))
          fail("letters of the result are letters of operands", "{} has '{}' in its result alone",
               quoted(), static_cast<char>(result[i]));
        if (std::ranges::count(result, result[i]) > 1)
          fail("an axis of the result has a letter of its own", "{} has '{}' twice in its result",
               quoted(), static_cast<char>(result[i]));
      }
      return result;
    }
    Subscripts implied;
    std::map<Label, int> times;
    for (const Labels& labels : of_operands)
      for (Label l : labels) ++times[l];
    for (const auto& [l, n] : times)
      if (n == 1 && l < first_further) implied.behind.push_back(l);
    return implied.labels(most_further_);
  }

  /// Notes the sizes that an operand gives to labels.
  void meet(std::size_t operand, const Labels& labels) {
    const Expr& e = given_[operand];
    for (std::size_t axis = 0; axis < labels.size(); ++axis) {
      const Dim& d = e.shape()[axis];
      const auto [found, is_new] = size_.try_emplace(labels[axis], Size{d, operand, axis});
      Size& known = found->second;
      if (is_new || d.is(1) || ir::dims::same(known.dim, d)) continue;
      if (known.dim.is(1)) {
        known = {d, operand, axis};
        continue;
      }
      const Expr& other = given_[known.operand];
      const std::string name = labels[axis] < first_further
                                   ? fmt::format("'{}'", static_cast<char>(labels[axis]))
                                   : std::string("one axis of \"...\"");
      std::string what = fmt::format(
          "{} is two sizes in {}: {} has {} on axis {}, {} has {} on axis {}", name, quoted(),
          other.label(), known.dim.to_string(), known.axis, e.label(), d.to_string(), axis);
      if (known.dim.is_static() && d.is_static()) fail("", "{}", what);
      constraints_.push_back({known.dim, d, std::move(what), false, "", "einsum"});
      if (d.is_static()) known = {d, operand, axis};
    }
  }

  // ---- terms

  Expr without_axis(const Expr& e, std::size_t axis) const {
    std::vector<Dim> shape = e.shape();
    shape.erase(shape.begin() + static_cast<std::ptrdiff_t>(axis));
    return ir::make(ops::reshape, {e}, ops::ShapeParams{std::move(shape)}, where_);
  }

  /// The diagonal of axes i < j, in front.
  Expr diagonal(const Expr& e, std::size_t i, std::size_t j) const {
    std::vector<int> order{static_cast<int>(i), static_cast<int>(j)};
    for (int k = 0; k < e.rank(); ++k)
      if (k != order[0] && k != order[1]) order.push_back(k);
    const Expr front = transpose({e, where_}, order);
    const Dim& n = front.shape()[0];
    const Expr all = arange(Operand(n, where_));
    return index(front, {all, all}, where_);
  }

  /// Each label once: axes of size 1 that broadcast are left out, equal labels are diagonals.
  Term plain_term(Expr e, Labels labels) const {
    for (std::size_t i = labels.size(); i-- > 0;) {
      const bool broadcasts = e.shape()[i].is(1) && !size_.at(labels[i]).dim.is(1);
      if (!broadcasts) continue;
      e = without_axis(e, i);
      labels.erase(labels.begin() + static_cast<std::ptrdiff_t>(i));
    }
    for (std::size_t j = 1; j < labels.size(); ++j) {
      const auto first = std::ranges::find(
          labels.begin(), labels.begin() + static_cast<std::ptrdiff_t>(j), labels[j]);
      const auto i = static_cast<std::size_t>(first - labels.begin());
      if (i == j) continue;
      const Label l = labels[j];
      e = diagonal(e, i, j);
      labels.erase(labels.begin() + static_cast<std::ptrdiff_t>(j));
      labels.erase(labels.begin() + static_cast<std::ptrdiff_t>(i));
      labels.insert(labels.begin(), l);
      j = 0;
    }
    return {std::move(e), std::move(labels)};
  }

  // ---- order of products

  double work_of(const Labels& labels) const {
    double work = 1;
    for (Label l : labels) {
      const Dim& d = size_.at(l).dim;
      work *= d.is_static() ? static_cast<double>(d.value()) : unknown_size;
    }
    return work;
  }
  static Labels together(Labels a, const Labels& b) {
    for (Label l : b)
      if (!has(a, l)) a.push_back(l);
    return a;
  }
  /// The result's labels, then those of the terms that are not among `used`.
  Labels wanted(const std::vector<Term>& terms, std::size_t used) const {
    Labels labels = result_;
    for (std::size_t i = 0; i < terms.size(); ++i)
      if ((used >> i & 1) == 0) labels = together(std::move(labels), terms[i].labels);
    return labels;
  }
  static Labels those_in(const Labels& labels, const Labels& kept) {
    Labels result;
    std::ranges::copy_if(labels, std::back_inserter(result), [&](Label l) { return has(kept, l); });
    return result;
  }

  Term all_of(std::vector<Term> terms) const {
    for (std::size_t i = 0; i < terms.size(); ++i) // what no other has is summed at once
      terms[i] = ops::sum_to_labels(terms[i], wanted(terms, std::size_t{1} << i), where_);
    while (terms.size() > most_tried) multiply_cheapest(terms);
    if (terms.size() == 1) return ops::sum_to_labels(terms[0], result_, where_);
    return best_of(terms);
  }

  /// Multiplies the two terms whose product is smallest beside what they are.
  void multiply_cheapest(std::vector<Term>& terms) const {
    std::size_t left = 0, right = 1;
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < terms.size(); ++i)
      for (std::size_t j = i + 1; j < terms.size(); ++j) {
        const Labels product = together(terms[i].labels, terms[j].labels),
                     kept = those_in(product,
                                     wanted(terms, std::size_t{1} << i | std::size_t{1} << j));
        const double grows = work_of(kept) - work_of(terms[i].labels) - work_of(terms[j].labels);
        if (grows >= least) continue;
        least = grows;
        left = i;
        right = j;
      }
    const Labels kept = wanted(terms, std::size_t{1} << left | std::size_t{1} << right);
    terms[left] = ops::product_of(terms[left], terms[right], kept, where_);
    terms.erase(terms.begin() + static_cast<std::ptrdiff_t>(right));
  }

  /// The product of all, by the order of least work: for each set of terms the best way to split
  /// it in two.
  Term best_of(const std::vector<Term>& terms) const {
    const std::size_t all = (std::size_t{1} << terms.size()) - 1;
    std::vector<double> work(all + 1, 0);
    std::vector<std::size_t> split(all + 1, 0);
    std::vector<Labels> labels(all + 1);
    for (std::size_t set = 1; set <= all; ++set) {
      Labels of_set;
      for (std::size_t i = 0; i < terms.size(); ++i)
        if (set >> i & 1) of_set = together(std::move(of_set), terms[i].labels);
      labels[set] = those_in(of_set, wanted(terms, set));
      if (std::has_single_bit(set)) continue;
      work[set] = std::numeric_limits<double>::infinity();
      for (std::size_t a = (set - 1) & set; a > 0; a = (a - 1) & set) {
        const std::size_t b = set & ~a;
        if (a < b) continue;
        const double w = work[a] + work[b] + work_of(together(labels[a], labels[b]));
        if (w >= work[set]) continue;
        work[set] = w;
        split[set] = a;
      }
    }
    return product_of_set(terms, split, all);
  }

  Term product_of_set(const std::vector<Term>& terms, const std::vector<std::size_t>& split,
                      std::size_t set) const {
    if (std::has_single_bit(set)) return terms[static_cast<std::size_t>(std::countr_zero(set))];
    const std::size_t a = split[set], b = set & ~a;
    return ops::product_of(product_of_set(terms, split, b), product_of_set(terms, split, a),
                           wanted(terms, set), where_);
  }

  struct Size {
    Dim dim;
    std::size_t operand, axis; ///< that it is known from
  };

  const std::string_view text_;
  const std::vector<Expr>& given_;
  const Location where_;
  std::vector<Subscripts> parts_;
  std::optional<Subscripts> written_; ///< of the result, if it is written
  std::size_t most_further_ = 0;
  Labels result_;
  std::map<Label, Size> size_;
  std::vector<ir::Constraint> constraints_;
};

} // namespace

Expr einsum(std::string_view subscripts, std::vector<Expr> operands, Location where) {
  return Einsum(subscripts, operands, where).run();
}

} // namespace kroton
