/// The calls of the cases, as they are written with Kroton.
#include "test/conformance/numpy/cases.hpp"

#include <map>
#include <optional>
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
template <Expr (*f)(Operand, Axes, bool, std::int64_t)>
Es over_axes_with_ddof(const Es& a, const P& p) {
  return {f(a[0], p.axes(), p.flag("keepdims"), p.number("ddof"))};
}
template <Expr (*f)(Operand, int, bool)> Es over_axis(const Es& a, const P& p) {
  return {f(a[0], p.axis(), p.flag("keepdims"))};
}
template <Expr (*f)(Operand, int)> Es along_axis(const Es& a, const P& p) {
  return {f(a[0], p.axis())};
}

Bounds bounds_of(const std::string& mode) {
  return mode == "clip" ? Bounds::clip : mode == "wrap" ? Bounds::wrap : Bounds::raise;
}

/// "1:,None,...,::-2,0", as NumPy writes it between brackets.
std::vector<IndexItem> items_of(const std::string& text) {
  std::vector<IndexItem> items;
  for (std::size_t at = 0; at <= text.size();) {
    const std::string item = text.substr(at, text.find(',', at) - at);
    at += item.size() + 1;
    if (item == "...") {
      items.emplace_back(ellipsis);
    } else if (item == "None") {
      items.emplace_back(newaxis);
    } else if (item.find(':') == item.npos) {
      items.emplace_back(std::stoll(item));
    } else {
      std::optional<std::int64_t> bounds[3];
      std::size_t k = 0, from = 0;
      for (;; ++k) {
        const std::size_t end = std::min(item.find(':', from), item.size());
        if (end > from) bounds[k] = std::stoll(item.substr(from, end - from));
        if (end == item.size()) break;
        from = end + 1;
      }
      items.emplace_back(bounds[0], bounds[1], bounds[2].value_or(1));
    }
  }
  return items;
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

    {"square", of_one<square>},
    {"reciprocal", of_one<reciprocal>},
    {"cbrt", of_one<cbrt>},
    {"exp2", of_one<exp2>},
    {"log2", of_one<log2>},
    {"log10", of_one<log10>},
    {"sin", of_one<sin>},
    {"cos", of_one<cos>},
    {"tan", of_one<tan>},
    {"asin", of_one<asin>},
    {"acos", of_one<acos>},
    {"atan", of_one<atan>},
    {"sinh", of_one<sinh>},
    {"cosh", of_one<cosh>},
    {"asinh", of_one<asinh>},
    {"acosh", of_one<acosh>},
    {"atanh", of_one<atanh>},
    {"deg2rad", of_one<deg2rad>},
    {"rad2deg", of_one<rad2deg>},
    {"ceil", of_one<ceil>},
    {"trunc", of_one<trunc>},
    {"round", of_one<round>},
    {"isnan", of_one<isnan>},
    {"isinf", of_one<isinf>},
    {"isfinite", of_one<isfinite>},
    {"signbit", of_one<signbit>},
    {"erfcx", of_one<erfcx>},
    {"erfinv", of_one<erfinv>},
    {"erfcinv", of_one<erfcinv>},
    {"lgamma", of_one<lgamma>},
    {"digamma", of_one<digamma>},
    {"trigamma", of_one<trigamma>},
    {"logit", of_one<logit>},
    {"atan2", of_two<atan2>},
    {"hypot", of_two<hypot>},
    {"fmod", of_two<fmod>},
    {"copysign", of_two<copysign>},
    {"logaddexp", of_two<logaddexp>},
    {"xlogy", of_two<xlogy>},
    {"xlog1py", of_two<xlog1py>},
    {"bit_and", of_two<bit_and>},
    {"bit_or", of_two<bit_or>},
    {"bit_xor", of_two<bit_xor>},
    {"bit_not", of_one<bit_not>},
    {"popcount", of_one<popcount>},

    // Reductions
    {"sum", over_axes<sum>},
    {"mean", over_axes<mean>},
    {"max", over_axes<max>},
    {"min", over_axes<min>},
    {"argmax", over_axis<argmax>},
    {"argmin", over_axis<argmin>},
    {"prod", over_axes<prod>},
    {"any", over_axes<any>},
    {"all", over_axes<all>},
    {"count_nonzero", over_axes<count_nonzero>},
    {"ptp", over_axes<ptp>},
    {"nansum", over_axes<nansum>},
    {"nanprod", over_axes<nanprod>},
    {"nanmean", over_axes<nanmean>},
    {"nanmax", over_axes<nanmax>},
    {"nanmin", over_axes<nanmin>},
    {"nanvar", over_axes_with_ddof<nanvar>},
    {"nanstd", over_axes_with_ddof<nanstd>},
    {"var", over_axes_with_ddof<var>},
    {"std", over_axes_with_ddof<stddev>},
    {"norm", [](const Es& a, const P& p) -> Es { return {norm(a[0], 2, p.axes())}; }},
    {"median", [](const Es& a, const P& p) -> Es { return {median(a[0], p.axes())}; }},
    {"quantile",
     [](const Es& a, const P& p) -> Es { return {quantile(a[0], p.real("q"), p.axes())}; }},

    // Running folds
    {"cumsum", along_axis<cumsum>},
    {"cumprod", along_axis<cumprod>},
    {"cummax", along_axis<cummax>},
    {"cummin", along_axis<cummin>},
    {"diff", [](const Es& a, const P& p) -> Es { return {diff(a[0], 1, p.axis())}; }},

    // Movement
    {"transpose",
     [](const Es& a, const P& p) -> Es { return {transpose(a[0], p.axes("permutation"))}; }},
    {"reshape",
     [](const Es& a, const P& p) -> Es {
       std::vector<NewDim> shape;
       for (std::int64_t n : p.numbers("shape")) shape.emplace_back(n);
       return {reshape(a[0], shape)};
     }},
    {"ravel", of_one<ravel>},
    {"moveaxis",
     [](const Es& a, const P& p) -> Es {
       return {moveaxis(a[0], p.axes("source"), p.axes("destination"))};
     }},
    {"swapaxes",
     [](const Es& a, const P& p) -> Es {
       return {swapaxes(a[0], p.axes("first")[0], p.axes("second")[0])};
     }},
    {"expand_dims", [](const Es& a, const P& p) -> Es { return {expand_dims(a[0], p.axes())}; }},
    {"squeeze", [](const Es& a, const P& p) -> Es { return {squeeze(a[0], p.axes())}; }, true},
    {"broadcast_to",
     [](const Es& a, const P& p) -> Es {
       std::vector<Dim> shape;
       for (std::int64_t n : p.numbers("shape")) shape.emplace_back(n);
       return {broadcast_to(a[0], shape)};
     },
     true},
    {"concatenate", [](const Es& a, const P& p) -> Es { return {concatenate(a, p.axis())}; }},
    {"stack", [](const Es& a, const P& p) -> Es { return {stack(a, p.axis())}; }},
    {"split",
     [](const Es& a, const P& p) -> Es {
       return p.has("at") ? split_at(a[0], p.numbers("at"), p.axis())
                          : split(a[0], p.number("parts"), p.axis());
     },
     true},
    {"flip", [](const Es& a, const P& p) -> Es { return {flip(a[0], p.axes())}; }},
    {"roll",
     [](const Es& a, const P& p) -> Es { return {roll(a[0], p.number("shift"), p.axis())}; }},
    {"repeat",
     [](const Es& a, const P& p) -> Es { return {repeat(a[0], p.number("repeats"), p.axis())}; }},
    {"tile", [](const Es& a, const P& p) -> Es { return {tile(a[0], p.numbers("reps"))}; }},
    {"pad",
     [](const Es& a, const P& p) -> Es {
       const auto before = p.numbers("before"), after = p.numbers("after");
       std::vector<std::pair<std::int64_t, std::int64_t>> widths;
       for (std::size_t i = 0; i < before.size(); ++i) widths.emplace_back(before[i], after[i]);
       const std::map<std::string, PadMode> modes{{"constant", PadMode::constant},
                                                  {"edge", PadMode::edge},
                                                  {"reflect", PadMode::reflect},
                                                  {"symmetric", PadMode::symmetric},
                                                  {"wrap", PadMode::wrap}};
       return {pad(a[0], widths, modes.at(p.text("mode")))};
     }},
    {"diagonal",
     [](const Es& a, const P& p) -> Es {
       return {diagonal(a[0], p.number("offset"), static_cast<int>(p.number("axis1", 0)),
                        static_cast<int>(p.number("axis2", 1)))};
     }},
    {"trace", [](const Es& a, const P& p) -> Es { return {trace(a[0], p.number("offset"))}; }},
    {"diag", [](const Es& a, const P& p) -> Es { return {diag(a[0], p.number("k"))}; }},
    {"tril", [](const Es& a, const P& p) -> Es { return {tril(a[0], p.number("k"))}; }},
    {"triu", [](const Es& a, const P& p) -> Es { return {triu(a[0], p.number("k"))}; }},
    {"rot90", [](const Es& a, const P& p) -> Es { return {rot90(a[0], p.number("k"))}; }},
    {"getitem", [](const Es& a, const P& p) -> Es { return {index(a[0], items_of(p.text("item")))}; }},

    // Indexing
    {"take",
     [](const Es& a, const P& p) -> Es {
       return {take(a[0], a[1], p.axis(), bounds_of(p.text("mode", "raise")))};
     }},
    {"take_along_axis",
     [](const Es& a, const P& p) -> Es { return {take_along_axis(a[0], a[1], p.axis())}; }},
    {"index",
     [](const Es& a, const P& p) -> Es {
       return {index(a[0], p.text("form") == "both"   ? std::vector<IndexItem>{a[1], a[2]}
                           : p.text("form") == "rows" ? std::vector<IndexItem>{a[1]}
                                                      : std::vector<IndexItem>{Range{}, a[1]})};
     }},
    {"set_at", [](const Es& a, const P&) -> Es { return {set_at(a[0], {a[1]}, a[2])}; }},
    {"add_at", [](const Es& a, const P&) -> Es { return {add_at(a[0], {a[1]}, a[2])}; }},
    {"max_at", [](const Es& a, const P&) -> Es { return {max_at(a[0], {a[1]}, a[2])}; }},
    {"min_at", [](const Es& a, const P&) -> Es { return {min_at(a[0], {a[1]}, a[2])}; }},
    {"mul_at", [](const Es& a, const P&) -> Es { return {mul_at(a[0], {a[1]}, a[2])}; }},

    // Sorting, searching, counting
    {"sort", [](const Es& a, const P& p) -> Es { return {sort(a[0], p.axis())}; }},
    {"argsort", [](const Es& a, const P& p) -> Es { return {argsort(a[0], p.axis())}; }},
    {"searchsorted",
     [](const Es& a, const P& p) -> Es {
       return {searchsorted(a[0], a[1], p.text("side") == "right")};
     }},
    {"digitize",
     [](const Es& a, const P& p) -> Es { return {digitize(a[0], a[1], p.flag("right"))}; }},
    {"bincount",
     [](const Es& a, const P& p) -> Es {
       const Dim size(p.number("size"));
       return {a.size() > 1 ? bincount(a[0], size, a[1]) : bincount(a[0], size)};
     }},
    {"histogram",
     [](const Es& a, const P& p) -> Es {
       return {histogram(a[0], p.number("bins"), p.real("lo"), p.real("hi")).counts};
     }},

    // Products and linear algebra
    {"einsum", [](const Es& a, const P& p) -> Es { return {einsum(p.text("spec"), a)}; }, true},
    {"matmul", of_two<matmul>},
    {"tensordot",
     [](const Es& a, const P& p) -> Es {
       return {p.has("left") ? tensordot(a[0], a[1], p.axes("left"), p.axes("right"))
                             : tensordot(a[0], a[1], static_cast<int>(p.number("axes")))};
     }},
    {"outer", of_two<outer>},
    {"inner", of_two<inner>},
    {"kron", of_two<kron>},
    {"vecdot", [](const Es& a, const P&) -> Es { return {vecdot(a[0], a[1])}; }, true},
    {"matrix_power",
     [](const Es& a, const P& p) -> Es { return {matrix_power(a[0], p.number("n"))}; }},
    {"solve", [](const Es& a, const P&) -> Es { return {solve(a[0], a[1])}; }},
    {"inv", [](const Es& a, const P&) -> Es { return {inv(a[0])}; }},
    {"det", of_one<det>},
    {"slogdet",
     [](const Es& a, const P&) -> Es {
       const auto [sign, logarithm] = slogdet(a[0]);
       return {sign, logarithm};
     }},
    {"cholesky", [](const Es& a, const P&) -> Es { return {cholesky(a[0])}; }},
    {"eigvalsh", [](const Es& a, const P&) -> Es { return {eigvalsh(a[0])}; }},
    {"svdvals", [](const Es& a, const P&) -> Es { return {svdvals(a[0])}; }},
    {"pinv", [](const Es& a, const P&) -> Es { return {pinv(a[0])}; }},
    {"expm", of_one<expm>},
    {"rfft",
     [](const Es& a, const P&) -> Es {
       const Spectrum s = rfft(a[0]);
       return {s.re, s.im};
     }},
    {"fft",
     [](const Es& a, const P&) -> Es {
       const Spectrum s = fft({a[0], a[1]});
       return {s.re, s.im};
     }},
    {"ifft",
     [](const Es& a, const P&) -> Es {
       const Spectrum s = ifft({a[0], a[1]});
       return {s.re, s.im};
     }},
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
