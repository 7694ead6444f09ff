/// The calls of the cases, as they are written with Kroton.
#include "test/conformance/numpy/cases.hpp"

#include <unordered_map>

#include <kroton/kroton.hpp>

namespace kroton::test {
namespace {

using Es = std::vector<Expr>;
using P = Parameters;

/// Of functions of one or two arguments, without parameters.
template <Expr (*f)(Operand)> Es of_one(const Es& a, const P&) { return {f(a[0])}; }
template <Expr (*f)(Operand, Operand)> Es of_two(const Es& a, const P&) { return {f(a[0], a[1])}; }
/// Of reductions.
template <Expr (*f)(Operand, Axes, bool)> Es over_axes(const Es& a, const P& p) {
  return {f(a[0], p.axes(), p.flag("keepdims"))};
}
template <Expr (*f)(Operand, int, bool)> Es over_axis(const Es& a, const P& p) {
  return {f(a[0], p.axis(), p.flag("keepdims"))};
}
template <Expr (*f)(Operand, int)> Es along_axis(const Es& a, const P& p) {
  return {f(a[0], p.axis())};
}

const NumpyCall calls[] = {
    // Elementwise
    {"abs", of_one<abs>},
    {"neg", of_one<neg>},
    {"sign", of_one<sign>},
    {"floor", of_one<floor>},
    {"exp", of_one<exp>},
    {"expm1", of_one<expm1>},
    {"log", of_one<log>},
    {"log1p", of_one<log1p>},
    {"sqrt", of_one<sqrt>},
    {"tanh", of_one<tanh>},
    {"erf", of_one<erf>},
    {"erfc", of_one<erfc>},
    {"sigmoid", of_one<sigmoid>},
    {"softplus", of_one<softplus>},
    {"relu", of_one<relu>},
    {"add", [](const Es& a, const P&) -> Es { return {a[0] + a[1]}; }},
    {"sub", [](const Es& a, const P&) -> Es { return {a[0] - a[1]}; }},
    {"mul", [](const Es& a, const P&) -> Es { return {a[0] * a[1]}; }},
    {"div", [](const Es& a, const P&) -> Es { return {a[0] / a[1]}; }},
    {"minimum", of_two<minimum>},
    {"maximum", of_two<maximum>},
    {"equal", [](const Es& a, const P&) -> Es { return {a[0] == a[1]}; }},
    {"not_equal", [](const Es& a, const P&) -> Es { return {a[0] != a[1]}; }},
    {"less", [](const Es& a, const P&) -> Es { return {a[0] < a[1]}; }},
    {"less_equal", [](const Es& a, const P&) -> Es { return {a[0] <= a[1]}; }},
    {"greater", [](const Es& a, const P&) -> Es { return {a[0] > a[1]}; }},
    {"greater_equal", [](const Es& a, const P&) -> Es { return {a[0] >= a[1]}; }},
    {"floor_div", of_two<floor_div>},
    {"mod", of_two<mod>},
    {"pow", of_two<pow>},

    // Reductions
    {"sum", over_axes<sum>},
    {"mean", over_axes<mean>},
    {"max", over_axes<max>},
    {"min", over_axes<min>},
    {"argmax", over_axis<argmax>},
    {"argmin", over_axis<argmin>},
    {"cumsum", along_axis<cumsum>},
};

} // namespace

const NumpyCall* find_numpy_call(std::string_view name) {
  static const auto table = [] {
    std::unordered_map<std::string_view, const NumpyCall*> all;
    for (const NumpyCall& c : calls) all.emplace(c.name, &c);
    return all;
  }();
  const auto found = table.find(name);
  return found == table.end() ? nullptr : found->second;
}

} // namespace kroton::test
