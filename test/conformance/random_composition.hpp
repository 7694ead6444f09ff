#pragma once
/// Random compositions of the rows of the table: every op in every other and in every fold, in
/// every dtype, of arrays that are as they are, sliced, turned, repeated and gathered.
///
///   const Composition c = random_composition(seed, {.nodes = 12});
///   c.inputs, c.outputs[0].is_exact
///
/// Elementwise ops and reductions are drawn from `ops::all()`: a new row is composed without being
/// listed. What is rounded is told from what is not: an op with steps (a comparison, a floor, a
/// cast to whole numbers) would make something else of what rewrites round otherwise, and is given
/// exact numbers alone.
#include <algorithm>
#include <optional>
#include <string>
#include <vector>

#include <kroton/ops/scatter.hpp>
#include <kroton/ops/movement.hpp>

#include "lib/ir/dim.hpp"
#include "lib/ops/basic.hpp"
#include "test/conformance/arrays.hpp"
#include "test/conformance/compositions.hpp"
#include "test/support/broadcasts.hpp"
#include "test/support/evaluate.hpp"

namespace kroton::test {

struct CompositionOptions {
  int nodes = 12;
  bool has_unknown_dims = true;
  std::int64_t rows = 5, columns = 33, picks = 7; ///< the sizes where they are known
};

struct Composition {
  struct Output {
    Expr expr{nullptr};
    bool is_exact = true; ///< no rewrite can change a bit of it
  };
  struct Input {
    Expr expr{nullptr};
    std::optional<Dim> positions_of = {}; ///< an axis that the elements are positions on
  };
  std::vector<Input> inputs;
  std::vector<Output> outputs;
};

class Composer {
public:
  Composer(std::uint64_t seed, CompositionOptions options) : rng_(seed), options_(options) {
    n_ = size(options.rows, "n");
    m_ = size(options.columns, "m");
    k_ = size(options.picks, "k");
    add_inputs();
  }

  Composition make() {
    for (int tries = 0; made_ < options_.nodes && tries < 12 * options_.nodes; ++tries)
      if (auto p = step()) {
        pool_.push_back(std::move(*p));
        ++made_;
      }
    for (int i = 0; i < 4; ++i) {
      Piece p = recent();
      if (i % 2 == 0)
        if (auto folded = reduction(p)) p = std::move(*folded);
      composition_.outputs.push_back({p.expr, p.is_exact});
    }
    return composition_;
  }

private:
  struct Piece {
    Expr expr{nullptr};
    bool is_exact = true;
    int bits = 3; ///< of the largest number, as far as it is known
  };

  Dim size(std::int64_t known, const char* name) const {
    return options_.has_unknown_dims ? dim(name) : Dim(known);
  }
  Expr input(DType t, std::vector<Dim> shape, std::optional<Dim> positions_of = {}) {
    Expr e = tensor(t, std::move(shape), fmt::format("x{}", composition_.inputs.size()));
    composition_.inputs.push_back({e, std::move(positions_of)});
    return e;
  }
  void add_inputs() {
    const std::vector<std::vector<Dim>> shapes{{n_, m_}, {n_, m_}, {m_}, {n_, Dim(1)},
                                               {m_, n_}, {n_, m_}, {}};
    for (const auto& shape : shapes) {
      const DType t = any_dtype();
      pool_.push_back(piece(input(t, shape), true, 3));
    }
    of_rows_ = input(DType::i64, {k_}, n_);
    of_columns_ = input(rng_.below(2) == 0 ? DType::i64 : DType::i32, {k_}, m_);
  }

  DType any_dtype() { return all_dtypes[static_cast<std::size_t>(below(std::size(all_dtypes)))]; }
  std::int64_t below(std::size_t n) { return rng_.below(static_cast<std::int64_t>(n)); }
  const Piece& any() { return pool_[static_cast<std::size_t>(below(pool_.size()))]; }
  const Piece& recent() {
    const std::size_t last = std::min<std::size_t>(pool_.size(), 4);
    return pool_[pool_.size() - 1 - static_cast<std::size_t>(below(last))];
  }

  static int digits_of(DType t) {
    return t == DType::f32   ? 22
           : t == DType::f64 ? 50
           : is_bool(t)      ? 1
                             : 8 * static_cast<int>(item_size(t));
  }

  /// As exact as its bits allow. Numbers without a sign have all the bits of their dtype: what is
  /// negative before wraps.
  static Piece piece(Expr e, bool is_exact, int bits) {
    const DType t = e.dtype();
    if (is_unsigned_int(t)) bits = digits_of(t);
    if (!is_float(t)) return {std::move(e), true, std::min(bits, digits_of(t))};
    return {std::move(e), is_exact && bits <= digits_of(t), bits};
  }

  std::optional<Piece> cast_to(const Piece& p, DType t) {
    if (p.expr.dtype() == t) return p;
    if (!p.is_exact && !is_float(t)) return std::nullopt;
    return piece(cast(p.expr, t), p.is_exact, p.bits);
  }
  /// An operand of a dtype for an op with others of `shape`'s.
  std::optional<Piece> operand(DType t, const Expr& beside) {
    for (int tries = 0; tries < 6; ++tries) {
      const Piece& p = tries < 3 ? any() : recent();
      if (broadcasts(p.expr, beside)) return cast_to(p, t);
    }
    return number(t);
  }
  Piece number(DType t) {
    const double values[] = {0, 1, 2, 3, 5, -1, -2};
    return piece(cast(constant(values[below(std::size(values))]), t), true, 3);
  }

  /// Whether an op's result jumps where its operand changes little.
  static bool has_steps(const ir::Op& op, DType target) {
    if (&op == &ops::cast) return !is_float(target);
    return op.result != ir::Result::same ||
           std::ranges::any_of(op.domain, [](const ir::Domain& d) { return !d.smooth; });
  }
  /// The bits of what an op makes of numbers of `bits`, unless it rounds.
  static int bits_of(const ir::Op& op, DType t, int bits) {
    if (op.result == ir::Result::boolean) return 1;
    if (&op == &ops::mul) return 2 * bits;
    if (&op == &ops::where || op.cost <= 2) return bits + 1;
    return is_float(t) ? bits : 64;
  }
  /// Ops of little work compute exactly what they say, as far as there are digits; others round, or
  /// divide by a zero of either sign.
  static bool rounds(const ir::Op& op) { return op.cost > 2; }

  std::optional<Piece> elementwise() {
    const Piece x = recent();
    const DType t = x.expr.dtype();
    const std::vector<Form> forms = elementwise_forms(t);
    Form form = forms[static_cast<std::size_t>(below(forms.size()))];
    if (form.op != &ops::cast && form.result(t) != t && !is_bool(form.result(t)))
      form.target = any_dtype();
    bool is_exact = x.is_exact, fits = true;
    int bits = x.bits;
    std::vector<Expr> taken;
    const Others others = [&](DType wanted) {
      const auto other = operand(wanted, x.expr);
      fits = fits && other &&
             std::ranges::all_of(taken, [&](const Expr& o) { return broadcasts(o, other->expr); });
      if (!fits) return number(wanted).expr;
      taken.push_back(other->expr);
      is_exact = is_exact && other->is_exact;
      bits = std::max(bits, other->bits);
      return other->expr;
    };
    Expr e = form.apply(x.expr, others);
    if (!fits || (has_steps(*form.op, form.target) && !is_exact)) return std::nullopt;
    if (form.op == &ops::cast) return piece(std::move(e), is_exact, bits);
    const bool is_rounded = is_float(t) && rounds(*form.op);
    return piece(std::move(e), is_exact && !is_rounded, bits_of(*form.op, t, bits));
  }

  std::optional<Piece> reduction(const Piece& p) {
    if (p.expr.rank() == 0) return std::nullopt;
    const auto folds = folds_of(p.expr.dtype());
    const ir::Op& op = *folds[static_cast<std::size_t>(below(folds.size()))];
    const bool is_position = op.gives_position();
    if (is_position && !p.is_exact) return std::nullopt;
    std::vector<std::int64_t> axes;
    const auto first = below(static_cast<std::size_t>(p.expr.rank()));
    for (std::int64_t a = 0; a < p.expr.rank(); ++a)
      if (a == first || (!is_position && rng_.below(2) == 0)) axes.push_back(a);
    const bool sums = op.fold->combine == ir::Combine::sum;
    Expr e = folded(op, p.expr, axes);
    if (rng_.below(2) == 0) {
      std::vector<int> kept;
      for (std::int64_t a : axes) kept.push_back(static_cast<int>(a));
      e = expand_dims(e, kept);
    }
    return piece(std::move(e), p.is_exact, is_position ? 8 : p.bits + (sums ? 13 : 0));
  }

  std::optional<Piece> movement(const Piece& p) {
    const Expr& a = p.expr;
    const auto moved = [&](Expr e) { return Piece{std::move(e), p.is_exact, p.bits}; };
    if (a.rank() == 0) return std::nullopt;
    switch (rng_.below(7)) {
    case 0:
      return moved(transpose(a));
    case 1:
      return moved(reshape(a, {-1}));
    case 2:
      return a.rank() < 3 ? std::optional(moved(expand_dims(a, {0}))) : std::nullopt;
    case 3:
      return moved(slice(a, {{{}, {}, -1}}));
    case 4: {
      std::vector<Range> ranges(static_cast<std::size_t>(a.rank() - 1));
      ranges.push_back({{}, {}, -1});
      return moved(slice(a, std::move(ranges)));
    }
    case 5: {
      if (a.rank() > 2) return std::nullopt;
      std::vector<Dim> shape = a.shape();
      shape.insert(shape.begin(), Dim(2));
      return moved(broadcast_to(expand_dims(a, {0}), std::move(shape)));
    }
    default:
      return moved(stop_gradient(a));
    }
  }

  std::optional<Piece> indexing(const Piece& p) {
    const Expr& a = p.expr;
    for (int axis = 0; axis < std::min(a.rank(), 2); ++axis) {
      const Dim& d = a.shape()[static_cast<std::size_t>(axis)];
      const bool is_row = ir::dims::same(d, n_);
      if (!is_row && !ir::dims::same(d, m_)) continue;
      std::vector<IndexItem> items(static_cast<std::size_t>(axis), Range{});
      items.emplace_back(is_row ? of_rows_ : of_columns_);
      if (rng_.below(3) > 0 || is_bool(a.dtype()))
        return Piece{index(a, std::move(items)), p.is_exact, p.bits};
      if (axis > 0) continue;
      const Expr& at = is_row ? of_rows_ : of_columns_;
      return piece(index_add(a.shape(), {at}, index(a, {at})), p.is_exact, p.bits + 7);
    }
    return std::nullopt;
  }

  std::optional<Piece> product(const Piece& a, const Piece& b) {
    if (a.expr.rank() != 2 || b.expr.rank() != 2 || is_bool(a.expr.dtype())) return std::nullopt;
    const auto other = cast_to(b, a.expr.dtype());
    if (!other || !ir::dims::same(a.expr.shape()[0], other->expr.shape()[0])) return std::nullopt;
    return piece(dot(transpose(a.expr), other->expr), a.is_exact && other->is_exact,
                 a.bits + other->bits + 13);
  }

  std::optional<Piece> step() {
    const auto kind = rng_.below(16);
    if (kind < 9) return elementwise();
    if (kind < 11) return reduction(recent());
    if (kind < 13) return movement(recent());
    if (kind < 15) return indexing(rng_.below(2) == 0 ? recent() : any());
    if (rng_.below(2) == 0) return product(recent(), any());
    return Piece{arange(composition_.inputs[0].expr.dim(static_cast<int>(rng_.below(2)))), true, 8};
  }

  Rng rng_;
  CompositionOptions options_;
  Dim n_{1}, m_{1}, k_{1};
  Expr of_rows_{nullptr}, of_columns_{nullptr};
  Composition composition_;
  std::vector<Piece> pool_;
  int made_ = 0;
};

inline Composition random_composition(std::uint64_t seed, CompositionOptions options = {}) {
  return Composer(seed, options).make();
}

} // namespace kroton::test
