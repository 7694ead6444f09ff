#include "lib/plan/known_epilogue.hpp"

#include <numbers>

#include "lib/ops/basic.hpp"
#include "lib/ops/build.hpp"

namespace kroton::plan {
namespace dims = ir::dims;
namespace {

class Matcher {
public:
  Matcher(const Kernel& kernel, int product, const Dim& columns)
      : k_(kernel), product_(product), columns_(columns) {}

  std::optional<KnownEpilogue> run() {
    if (k_.stages.size() != 1 || !k_.finish.empty() || !k_.stages[0].row.stores.empty() ||
        k_.stages[0].loop.stores.size() != 1)
      return std::nullopt;
    const Store& store = k_.stages[0].loop.stores[0];
    KnownEpilogue known;
    const auto row = row_of(store.access);
    if (!row || value(store.value).dtype != k_.params[static_cast<std::size_t>(product_)].dtype)
      return std::nullopt;
    known.out = store.access.param;
    known.out_row = *row;
    int argument = store.value;
    if (is_op(store.value, ops::relu)) {
      known.activation = Activation::relu;
      argument = input(store.value, 0);
    } else if (const auto x = argument_of_gelu(store.value)) {
      known.activation = Activation::gelu;
      argument = *x;
    }
    if (is_product(argument))
      return known.activation == Activation::none ? std::nullopt : std::optional(known);
    if (!find_bias(argument, known)) return std::nullopt;
    return known;
  }

private:
  const Value& value(int id) const { return k_.values[static_cast<std::size_t>(id)]; }
  int input(int id, std::size_t i) const { return value(id).inputs[i]; }
  bool is_op(int id, const ir::Op& op) const {
    return value(id).kind == ValueKind::op && value(id).op == &op;
  }
  bool is_load(int id) const {
    return value(id).kind == ValueKind::load && value(id).access->computed.empty();
  }
  bool is_product(int id) const { return is_load(id) && value(id).access->param == product_; }
  bool is_constant(int id, double wanted) const {
    const Value& v = value(id);
    return (v.kind == ValueKind::literal || v.kind == ValueKind::constant) && is_float(v.dtype) &&
           v.bits == ops::float_bits(v.dtype, wanted);
  }

  /// Loops over rows and columns; those over all elements as one have none.
  bool has_columns() const { return k_.axes.size() == 2 && dims::same(k_.axes[1], columns_); }

  /// The distance of rows, if an access walks its array row by row from its first element.
  std::optional<Dim> row_of(const Access& a) const {
    if (a.param < 0 || !a.computed.empty() || !a.offset.is(0)) return std::nullopt;
    if (k_.axes.size() == 1 && a.terms.size() == 1 && a.terms[0].coefficient.is(1)) return columns_;
    if (!has_columns() || a.terms.size() != 2) return std::nullopt;
    const bool is_row_first = a.terms[0].axis == 0;
    const Term &row = a.terms[is_row_first ? 0 : 1], &column = a.terms[is_row_first ? 1 : 0];
    if (row.axis != 0 || column.axis != 1 || !column.coefficient.is(1)) return std::nullopt;
    return row.coefficient;
  }

  /// The operand beside one that `is_it`, of an op whose two operands may change places.
  template <class F> std::optional<int> beside(int id, const ir::Op& op, F is_it) const {
    if (!is_op(id, op)) return std::nullopt;
    for (std::size_t i : {std::size_t{0}, std::size_t{1}})
      if (is_it(input(id, i))) return input(id, 1 - i);
    return std::nullopt;
  }

  bool find_bias(int id, KnownEpilogue& known) const {
    const auto bias = beside(id, ops::add, [&](int i) { return is_product(i); });
    if (!bias || !is_load(*bias) || !has_columns()) return false;
    const Access& a = *value(*bias).access.get();
    if (a.param < 0 || a.terms.size() != 1 || a.terms[0].axis != 1 || !a.terms[0].coefficient.is(1))
      return false;
    known.bias = a.param;
    known.bias_offset = a.offset;
    return true;
  }

  /// The x of x * sigmoid(x * (c + 0.044715 c * (x * x))) with c = 2 sqrt(2 / pi).
  std::optional<int> argument_of_gelu(int id) const {
    if (!is_op(id, ops::mul)) return std::nullopt;
    for (std::size_t i : {std::size_t{0}, std::size_t{1}}) {
      const int x = input(id, i), other = input(id, 1 - i);
      if (is_op(other, ops::sigmoid) && is_argument_of_sigmoid(input(other, 0), x)) return x;
    }
    return std::nullopt;
  }
  bool is_argument_of_sigmoid(int id, int x) const {
    constexpr double c = 2 * std::numbers::sqrt2 * std::numbers::inv_sqrtpi;
    const auto factor = beside(id, ops::mul, [&](int i) { return i == x; });
    if (!factor) return false;
    const auto cubic = beside(*factor, ops::add, [&](int i) { return is_constant(i, c); });
    if (!cubic) return false;
    const auto square =
        beside(*cubic, ops::mul, [&](int i) { return is_constant(i, 0.044715 * c); });
    return square && is_op(*square, ops::mul) && input(*square, 0) == x && input(*square, 1) == x;
  }

  const Kernel& k_;
  const int product_;
  const Dim& columns_;
};

} // namespace

std::string KnownEpilogue::to_string() const {
  const std::string argument = bias < 0 ? "product" : "product + bias";
  if (activation == Activation::none) return argument;
  return (activation == Activation::relu ? "relu(" : "gelu(") + argument + ")";
}

std::optional<KnownEpilogue> known_epilogue(const Kernel& kernel, int product, const Dim& columns) {
  return Matcher(kernel, product, columns).run();
}

} // namespace kroton::plan
