#!/usr/bin/env python3
"""Writes the cases that Kroton's results are compared with: what NumPy, SciPy and mpmath give.

    pip install numpy scipy mpmath; test/conformance/numpy/cases.py     # writes the *.txt files beside it

A case is a call, its arguments and its results:

    sum axes=0 keepdims=1           the name in calls.cpp, and parameters
     f32 2,3 : 1 2 3 4 5 6          an argument: dtype, shape, elements in C order
    ulp 2                           how far results may be: units in the last place (default: 0),
    within 1e-6                     or this much
    = f32 1,3 : 5 7 9               a result

Numbers have as many digits as their dtype needs; results of f32 have twelve, so that the error of a kernel is
counted from the exact value. `@0` stands for an argument that a line `@0 dtype shape : …` has given before.

Elementwise functions are evaluated at hard arguments: zeros of both signs, infinities, NaN, denormals, the edges
of domains, large and small magnitudes, and random ones. NumPy and SciPy say what is given where a result is not a finite number;
mpmath says the digits of the others.
"""
import sys
from pathlib import Path

import mpmath as mp
import numpy as np
import scipy.linalg
import scipy.special as sp

mp.mp.prec = 200
np.seterr(all="ignore")
HERE = Path(__file__).resolve().parent
NAMES = {"float32": "f32", "float64": "f64", "bool": "bool", **{f"{k}int{b}": f"{k or 'i'}{b}" for k in ("u", "") for b in (8, 16, 32, 64)}}
FLOATS = [np.float32, np.float64]
INTS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64]


def number(v, digits=None):
    if isinstance(v, (bool, np.bool_)):
        return str(int(v))
    if isinstance(v, (int, np.integer)):
        return str(int(v))
    if np.isnan(v):
        return "nan"
    if digits:
        text = f"{float(v):.{digits}g}"
    else:
        text = repr(float(v)) if isinstance(v, (float, np.float64)) else str(v)
    return text[:-2] if text.endswith(".0") else text


def array(a, digits=None):
    a = np.asarray(a)
    shape = ",".join(map(str, a.shape)) or "-"
    return f"{NAMES[a.dtype.name]} {shape} : " + " ".join(number(v, digits) for v in a.ravel())


class File:
    """The cases of one area. An array that several cases are called with is written once."""

    def __init__(self, name):
        self.path, self.cases, self.uses = HERE / f"{name}.txt", [], {}

    def case(self, call, arguments, results, ulp=0, within=0, exact=None, **parameters):
        """`results`: an array or a tuple of arrays; `exact`: the same with more digits than their dtype has."""
        words = [call]
        for key, value in parameters.items():
            if value is None:
                continue
            if isinstance(value, (tuple, list)):
                value = ",".join(map(str, value))
            elif isinstance(value, bool):
                value = int(value)
            words.append(f"{key}={value}")
        texts = [array(a) for a in arguments]
        for text in texts:
            self.uses[text] = self.uses.get(text, 0) + 1
        after = []
        if ulp:
            after.append(f"ulp {ulp:g}")
        if within:
            after.append(f"within {within:.3g}")
        if not isinstance(results, tuple):
            results, exact = (results,), exact if exact is None else (exact,)
        for k, r in enumerate(results):
            r = np.asarray(r)
            if exact is not None and r.dtype == np.float32:
                after.append("= f32" + array(np.asarray(exact[k], np.float64), 12)[3:])
            else:
                after.append("= " + array(r))
        self.cases.append((" ".join(words), texts, after))

    def write(self):
        lines, names = [f"# Written by cases.py with NumPy {np.__version__}, SciPy {scipy.__version__}, mpmath {mp.__version__}."], {}
        for call, texts, after in self.cases:
            for text in texts:
                if self.uses[text] > 1 and text not in names:
                    names[text] = f"@{len(names)}"
                    lines.append(f"{names[text]} {text}")
            lines += [call] + [f" {names.get(text, text)}" for text in texts] + after
        self.path.write_text("\n".join(lines) + "\n")
        print(f"{self.path.name}: {len(self.cases)} cases, {self.path.stat().st_size // 1024} KiB")


# ---------------------------------------------------------------- arguments

rng = np.random.default_rng(20240229)


def hard(dtype, domain, n=40):
    """Hard arguments of a domain: "real", "positive", "unit" for [-1, 1], "half" for (0, 1), "above" for [1, inf), "small"
    for moderate ones, or a range (lo, hi)."""
    f = np.finfo(dtype)
    edges = [0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.0, 0.5, -0.5, f.tiny, -f.tiny, f.max, -f.max, float(f.eps), 1 + float(f.eps),
             1 - float(f.epsneg), 2.0, -2.0]
    if domain == "real":
        more = np.concatenate([rng.uniform(-10, 10, n // 2), rng.choice([-1, 1], n // 2) * 10 ** rng.uniform(-12, 6, n // 2), [1e10, -1e15, 3e25, 1.5, 2.5, -2.5, 0.49999997]])
    elif domain == "positive":
        more = np.concatenate([rng.uniform(0, 4, n // 2), 10 ** rng.uniform(-30, 30, n // 2)])
    elif domain == "unit":
        more = np.concatenate([rng.uniform(-1, 1, n // 2), rng.choice([-1, 1], n // 4) * 10 ** rng.uniform(-10, 0, n // 4), 1 - 10 ** rng.uniform(-6, 0, n // 4)])
    elif domain == "half":
        more = np.concatenate([rng.uniform(0, 1, n // 2), 10 ** rng.uniform(-20, 0, n // 4), 1 - 10 ** rng.uniform(-6, 0, n // 4)])
    elif domain == "above":
        more = np.concatenate([1 + 10 ** rng.uniform(-6, 1, n // 2), 10 ** rng.uniform(0, 30, n // 2)])
    elif domain == "small":
        more = np.concatenate([rng.uniform(-5, 5, n // 2), rng.choice([-1, 1], n // 4) * 10 ** rng.uniform(-8, 0, n // 4), rng.uniform(-30, 30, n // 4)])
    else:
        more = rng.uniform(*domain, n)
    return np.concatenate([np.asarray(edges), more]).astype(dtype)


def grid(dtype, n=64, domains=("small", "small")):
    """Pairs: every hard edge with every other, and random ones."""
    f = np.finfo(dtype)
    edges = np.asarray([0.0, -0.0, np.inf, -np.inf, np.nan, 1.0, -1.5, float(f.tiny), float(f.max)])
    a, b = [x.ravel() for x in np.meshgrid(edges, edges)]
    more = [hard(dtype, d, 2 * n)[18:18 + n] for d in domains]
    return np.concatenate([a, more[0]]).astype(dtype), np.concatenate([b, more[1]]).astype(dtype)


def exactly(function, arguments, reference):
    """mpmath's digits where the reference, in f64, is a finite number and not 0; mpmath knows no -0."""
    out = np.array(reference, dtype=np.float64)
    for i in range(out.size):
        if np.isfinite(out[i]) and out[i] != 0 and all(np.isfinite(a[i]) and (a[i] != 0 or len(arguments) == 1) for a in arguments):
            v = function(*(mp.mpf(float(a[i])) for a in arguments))
            out[i] = float(v)
    return out


def whole(dtype, n=24):
    i = np.iinfo(dtype)
    edges = [0, 1, 2, 3, 7, i.max, i.max - 1, i.min, i.min + 1] + ([-1, -2, -7] if i.min < 0 else [])
    return np.concatenate([np.asarray(edges, dtype), rng.integers(max(i.min, -100), min(i.max, 100), n).astype(dtype)])


# ---------------------------------------------------------------- elementwise

SQRT_PI = mp.sqrt(mp.pi)
# name, domain, NumPy's or SciPy's function, mpmath's, ulps (f32, f64; None: as the op's row says)
UNARY = [
    ("exp", "real", np.exp, mp.exp, None),
    ("expm1", "real", np.expm1, mp.expm1, None),
    ("log", "positive", np.log, mp.log, None),
    ("log1p", "real", np.log1p, mp.log1p, None),
    ("sqrt", "positive", np.sqrt, mp.sqrt, None),
    ("tanh", "small", np.tanh, mp.tanh, None),
    ("erf", "small", sp.erf, mp.erf, None),
    ("erfc", "small", sp.erfc, mp.erfc, None),
    ("sigmoid", "small", sp.expit, lambda x: 1 / (1 + mp.exp(-x)), None),
    ("softplus", "small", lambda x: np.logaddexp(x, 0), lambda x: mp.log1p(mp.exp(x)), None),
    ("relu", "real", lambda x: np.where(np.isnan(x), x, np.maximum(x, 0)), lambda x: max(x, mp.mpf(0)), (0, 0)),
    ("abs", "real", np.abs, abs, (0, 0)),
    ("neg", "real", np.negative, lambda x: -x, (0, 0)),
    ("sign", "real", lambda x: np.where(x == 0, x, np.sign(x)), mp.sign, (0, 0)),  # zeros keep their sign
    ("floor", "real", np.floor, mp.floor, (0, 0)),
    ("ceil", "real", np.ceil, mp.ceil, (0, 0)),
    ("trunc", "real", np.trunc, lambda x: mp.floor(x) if x > 0 else mp.ceil(x), (0, 0)),
    ("round", "real", np.round, mp.nint, (0, 0)),
    ("square", "small", np.square, lambda x: x * x, (0.5, 0.5)),
    ("reciprocal", "real", np.reciprocal, lambda x: 1 / x, (0.5, 0.5)),
    ("cbrt", "real", np.cbrt, lambda x: mp.sign(x) * mp.cbrt(abs(x)), None),
    ("exp2", "small", np.exp2, lambda x: mp.power(2, x), None),
    ("log2", "positive", np.log2, lambda x: mp.log(x, 2), None),
    ("log10", "positive", np.log10, mp.log10, None),
    ("sin", "real", np.sin, mp.sin, None),
    ("cos", "real", np.cos, mp.cos, None),
    ("tan", "real", np.tan, mp.tan, None),
    ("asin", "unit", np.arcsin, mp.asin, None),
    ("acos", "unit", np.arccos, mp.acos, None),
    ("atan", "real", np.arctan, mp.atan, None),
    ("sinh", "small", np.sinh, mp.sinh, None),
    ("cosh", "small", np.cosh, mp.cosh, None),
    ("asinh", "real", np.arcsinh, mp.asinh, None),
    ("acosh", "above", np.arccosh, mp.acosh, None),
    ("atanh", "unit", np.arctanh, mp.atanh, None),
    ("deg2rad", "real", np.deg2rad, lambda x: x * mp.pi / 180, (2, 2)),
    ("rad2deg", "real", np.rad2deg, lambda x: x * 180 / mp.pi, (2, 2)),
    ("erfcx", (-5, 12), sp.erfcx, lambda x: mp.exp(x * x) * mp.erfc(x) if abs(x) < 100 else 1 / (x * mp.sqrt(mp.pi)), None),
    ("erfinv", "unit", lambda x: np.where(x == 0, x, sp.erfinv(x)), mp.erfinv, None),
    ("logit", "half", sp.logit, lambda x: mp.log(x) - mp.log1p(-x), None),
]


def elementwise():
    f = File("elementwise")
    for dtype in FLOATS:
        domains = {}
        for name, domain, reference, exact, ulps in UNARY:
            x = domains[domain] = domains[domain] if domain in domains else hard(dtype, domain)
            wide = exactly(exact, [x], reference(x.astype(np.float64)))
            ulp = -1 if ulps is None else ulps[dtype == np.float64]
            f.case(name, [x], wide.astype(dtype), ulp=ulp, exact=wide)
        for name, function in [("isnan", np.isnan), ("isinf", np.isinf), ("isfinite", np.isfinite), ("signbit", np.signbit)]:
            x = domains["real"][~np.isnan(domains["real"])] if name == "signbit" else domains["real"]
            f.case(name, [x], function(x))
        a, b = grid(dtype)
        same_zero = ~((a == 0) & (b == 0) & (np.signbit(a) != np.signbit(b)))  # which of them is smaller is not said
        for name, function in [("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("div", np.divide), ("minimum", np.minimum),
                               ("maximum", np.maximum), ("equal", np.equal), ("not_equal", np.not_equal), ("less", np.less),
                               ("less_equal", np.less_equal), ("greater", np.greater), ("greater_equal", np.greater_equal),
                               ("floor_div", np.floor_divide), ("mod", np.mod)]:
            x, y = (a[same_zero], b[same_zero]) if name in ("minimum", "maximum") else (a, b)
            f.case(name, [x, y], function(x, y), ulp=-1 if name in ("floor_div", "mod") else 0)
        wide = exactly(lambda x, y: mp.power(x, y), [a, b], np.power(a.astype(np.float64), b.astype(np.float64)))
        f.case("pow", [a, b], wide.astype(dtype), ulp=-1, exact=wide)
        for name, function, exact in [("atan2", np.arctan2, mp.atan2), ("hypot", np.hypot, mp.hypot), ("xlogy", sp.xlogy, lambda x, y: x * mp.log(y))]:
            wide = exactly(exact, [a, b], function(a.astype(np.float64), b.astype(np.float64)))
            f.case(name, [a, b], wide.astype(dtype), ulp=-1, exact=wide)
        f.case("fmod", [a, b], np.fmod(a, b), ulp=-1)
        numbers = ~np.isnan(b)
        f.case("copysign", [a[numbers], b[numbers]], np.copysign(a, b)[numbers])
    for dtype in INTS:
        a, b = (v.ravel() for v in np.meshgrid(whole(dtype, 4), whole(dtype, 4)))
        for name, function in [("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("minimum", np.minimum), ("maximum", np.maximum),
                               ("less", np.less), ("equal", np.equal), ("floor_div", np.floor_divide), ("mod", np.mod)]:
            f.case(name, [a, b], function(a, b))
        for name, function in [("abs", np.abs), ("neg", np.negative), ("sign", np.sign)]:
            f.case(name, [a], function(a))
        for name, function in [("bit_and", np.bitwise_and), ("bit_or", np.bitwise_or), ("bit_xor", np.bitwise_xor)]:
            f.case(name, [a, b], function(a, b))
        f.case("bit_not", [a], np.bitwise_not(a))
    f.write()


# ---------------------------------------------------------------- reductions

SHAPES = [(7,), (3, 5), (2, 3, 4), (1, 6), (4, 1, 3)]


def sample(dtype, shape):
    if dtype == np.bool_:
        return rng.random(shape) < 0.5
    if np.issubdtype(dtype, np.integer):
        return rng.integers(-9 if np.iinfo(dtype).min < 0 else 0, 9, shape).astype(dtype)
    return np.round(rng.normal(size=shape) * 4, 3).astype(dtype)


def axes_of(rank):
    yield None
    for a in range(rank):
        yield (a,)
        yield (a - rank,)
    if rank > 1:
        yield (0, rank - 1)


def reductions():
    f = File("reductions")
    several = [("sum", np.sum, 4), ("mean", np.mean, 4), ("max", np.max, 0), ("min", np.min, 0)]
    one = [("argmax", np.argmax, 0), ("argmin", np.argmin, 0), ("cumsum", np.cumsum, 8)]
    for dtype in [np.float32, np.float64, np.bool_, np.int8, np.int32, np.int64, np.uint8, np.uint32]:
        is_float = np.issubdtype(dtype, np.floating)
        for shape in SHAPES if is_float else SHAPES[1:3]:
            a = sample(dtype, shape)
            for name, function, ulp in several:
                for axes in axes_of(len(shape)):
                    for keepdims in (False, True):
                        if rng.random() < 0.7:
                            continue
                        # The mean of f32 is wanted with the digits that the dtype has.
                        wide = function(a.astype(np.float64), axis=axes, keepdims=keepdims)
                        got = function(a, axis=axes, keepdims=keepdims)
                        if name in ("max", "min") or not is_float:
                            f.case(name, [a], got, axes=axes, keepdims=keepdims, ulp=1 if name == "mean" else 0)
                        else:
                            f.case(name, [a], got.astype(dtype), within=ulp * np.finfo(dtype).eps * float(function(np.abs(a), axis=axes).max()), exact=wide, axes=axes, keepdims=keepdims)
            if dtype == np.bool_:
                continue
            for name, function, ulp in one:
                for axis in range(-1, len(shape)):
                    wide = function(a.astype(np.float64) if is_float else a, axis=axis)
                    got = function(a, axis=axis)
                    f.case(name, [a], got, within=ulp * np.finfo(dtype).eps * float(np.abs(a).sum()) if is_float and ulp else 0, exact=wide if is_float and ulp else None, axis=axis)
    for dtype in FLOATS:
        a = sample(dtype, (3, 4))
        a[1, 2] = np.nan
        a[0, 1] = np.inf
        a[2, 3] = a[2, 1] = 20
        for name, function, _ in several[2:]:
            f.case(name, [a], function(a, axis=1), axes=(1,))
        for name, function, _ in one[:2]:
            for axis in (0, 1):
                f.case(name, [a], function(a, axis=axis), axis=axis)
    f.write()


# ---------------------------------------------------------------- moments, folds, what leaves NaN out


def of_floats(f, name, a, wide, factor=4.0, exact_dtype=None, **parameters):
    """A case whose digits are compared: within `factor` units in the last place of the largest result."""
    wide = np.asarray(wide)
    finite = np.abs(wide[np.isfinite(wide)])
    scale = float(finite.max()) if finite.size else 0.0
    eps = float(np.finfo(a[0].dtype if np.issubdtype(a[0].dtype, np.floating) else np.float64).eps)
    f.case(name, a, wide.astype(exact_dtype or a[0].dtype), within=factor * eps * max(scale, 1e-30), exact=wide, **parameters)


def moments():
    f = File("moments")
    for dtype in FLOATS:
        for shape in [(5,), (3, 4), (2, 3, 4)]:
            a = sample(dtype, shape)
            w = a.astype(np.float64)
            for axes in axes_of(len(shape)):
                for name, function in [("prod", np.prod), ("ptp", np.ptp), ("norm", None), ("var", np.var), ("std", np.std)]:
                    if name == "norm":
                        wide = np.sqrt((w * w).sum(axis=axes))
                        of_floats(f, name, [a], wide, axes=axes)
                        continue
                    if name == "ptp" and axes is not None and len(axes) > 1:
                        continue
                    of_floats(f, name, [a], function(w, axis=axes), 8, axes=axes)
                for ddof in (1,):
                    n = w.size if axes is None else int(np.prod([shape[k] for k in axes]))
                    if n > 1:
                        of_floats(f, "var", [a], np.var(w, axis=axes, ddof=ddof), 8, axes=axes, ddof=ddof)
                        of_floats(f, "std", [a], np.std(w, axis=axes, ddof=ddof, keepdims=True), 8, axes=axes, ddof=ddof, keepdims=True)
            for axis in range(len(shape)):
                for q in (0.0, 0.25, 0.5, 0.9, 1.0):
                    of_floats(f, "quantile", [a], np.quantile(w, q, axis=axis), 4, axes=(axis,), q=q)
                of_floats(f, "median", [a], np.median(w, axis=axis), 4, axes=(axis,))
                of_floats(f, "cumprod", [a], np.cumprod(w, axis=axis), 8, axis=axis)
                of_floats(f, "cummax", [a], np.maximum.accumulate(w, axis=axis), 0, axis=axis)
                of_floats(f, "cummin", [a], np.minimum.accumulate(w, axis=axis), 0, axis=axis)
                of_floats(f, "diff", [a], np.diff(w, axis=axis), 4, axis=axis)
        a = sample(dtype, (4, 5))
        for k in ((0, 1), (2, 3), (2, 4), (3, 0)):
            a[k] = np.nan
        w = a.astype(np.float64)
        for name, function in [("nansum", np.nansum), ("nanmean", np.nanmean), ("nanmax", np.nanmax), ("nanmin", np.nanmin), ("nanprod", np.nanprod),
                               ("nanvar", np.nanvar), ("nanstd", np.nanstd)]:
            for axes in (None, (0,), (1,)):
                of_floats(f, name, [a], function(w, axis=axes), 8, axes=axes)
    for dtype in [np.bool_, np.int8, np.int64, np.uint16, np.float32]:
        a = sample(dtype, (3, 4))
        a[1] = 0
        a[:, 2] = 1
        for axes in axes_of(2):
            f.case("any", [a], np.any(a, axis=axes), axes=axes)
            f.case("all", [a], np.all(a, axis=axes), axes=axes)
            f.case("count_nonzero", [a], np.count_nonzero(a, axis=axes), axes=axes)
            if dtype != np.float32:
                f.case("prod", [a], np.prod(a, axis=axes), axes=axes)
    f.write()


# ---------------------------------------------------------------- movement, creation, joining


def movement():
    f = File("movement")
    for dtype in [np.float32, np.int64, np.bool_]:
        a, b, c = sample(dtype, (2, 3, 4)), sample(dtype, (2, 3, 4)), sample(dtype, (2, 1, 4))
        m, v = sample(dtype, (3, 5)), sample(dtype, (6,))
        f.case("transpose", [a], a.T)
        for p in ((0, 2, 1), (2, 0, 1), (1, 2, 0)):
            f.case("transpose", [a], a.transpose(p), permutation=p)
        for shape in ((6, 4), (24,), (2, 12), (4, 3, 2, 1), (-1, 4), (3, -1)):
            f.case("reshape", [a], a.reshape(shape), shape=shape)
        f.case("ravel", [a], a.ravel())
        for s, d in ((0, 2), (2, 0), (1, -1), (-1, 0)):
            f.case("moveaxis", [a], np.moveaxis(a, s, d), source=s, destination=d)
            f.case("swapaxes", [a], np.swapaxes(a, s, d), first=s, second=d)
        for axes in ((0,), (1,), (3,), (0, 2), (-1,)):
            f.case("expand_dims", [a], np.expand_dims(a, axes), axes=axes)
        f.case("squeeze", [c], np.squeeze(c))
        f.case("squeeze", [c], np.squeeze(c, 1), axes=(1,))
        for axis in (0, 1, 2, -1):
            f.case("concatenate", [a, b], np.concatenate([a, b], axis), axis=axis)
            f.case("stack", [a, b, a], np.stack([a, b, a], axis), axis=axis)
            f.case("flip", [a], np.flip(a, axis), axes=(axis,))
            f.case("repeat", [a], np.repeat(a, 3, axis), repeats=3, axis=axis)
            for shift in (1, -1, 5, 0):
                f.case("roll", [a], np.roll(a, shift, axis), shift=shift, axis=axis)
        f.case("concatenate", [a, c, b], np.concatenate([a, c, b], 1), axis=1)
        f.case("flip", [a], np.flip(a))
        for reps in ((2,), (2, 1, 3), (1, 2), (2, 1, 1, 2)):
            f.case("tile", [a], np.tile(a, reps), reps=reps)
        for mode in ("constant", "edge", "reflect", "symmetric", "wrap"):
            f.case("pad", [m], np.pad(m, ((1, 2), (0, 1)), mode), before=(1, 0), after=(2, 1), mode=mode)
            f.case("pad", [v], np.pad(v, (3, 2), mode), before=(3,), after=(2,), mode=mode)
        for k in (-2, -1, 0, 1, 3):
            f.case("diagonal", [m], np.diagonal(m, k), offset=k)
            f.case("diag", [m], np.diag(m, k), k=k)
            f.case("diag", [v], np.diag(v, k), k=k)
            f.case("tril", [m], np.tril(m, k), k=k)
            f.case("triu", [m], np.triu(m, k), k=k)
            if dtype != np.bool_:
                f.case("trace", [m], np.trace(m, k), offset=k, **({"within": 1e-5} if dtype == np.float32 else {}))
        f.case("diagonal", [a], np.diagonal(a, 0, 0, 2), offset=0, axis1=0, axis2=2)
        for k in (1, 2, 3):
            f.case("rot90", [m], np.rot90(m, k), k=k)
        f.case("broadcast_to", [c], np.broadcast_to(c, (2, 3, 4)), shape=(2, 3, 4))
        for parts in (2, 3):
            f.case("split", [v], tuple(np.split(v, parts)), parts=parts, axis=0)
        f.case("split", [a], tuple(np.split(a, [1, 3], 2)), at=(1, 3), axis=2)
        for item in ("1:,:,::2", "::-1", ":,-1:0:-1", "...,1", "1", "-1,...,::-2", "None,1:", ":,None,2", "0,1:1"):
            f.case("getitem", [a], a[eval(f"np.s_[{item}]")], item=item)
    f.write()


# ---------------------------------------------------------------- indexing, sorting, searching


def indexing():
    f = File("indexing")
    for dtype in [np.float32, np.int32, np.bool_]:
        a, v = sample(dtype, (4, 5)), sample(dtype, (7,))
        i, j = np.asarray([0, -1, 2, 2, 3]), np.asarray([[1, -2], [0, 4]])
        for axis in (0, 1, -1):
            f.case("take", [a, i], np.take(a, i, axis), axis=axis)
            f.case("take", [a, j % 4], np.take(a, j % 4, axis), axis=axis)
            for mode in ("wrap", "clip"):
                f.case("take", [a, i * 3 + 1], np.take(a, i * 3 + 1, axis, mode=mode), axis=axis, mode=mode)
        i2 = rng.integers(0, 4, (4, 3))
        f.case("take_along_axis", [a, i2], np.take_along_axis(a, i2, 1), axis=1)
        f.case("take_along_axis", [a, i2[:, :1]], np.take_along_axis(a, i2[:, :1], 1), axis=1)
        i0 = rng.integers(0, 4, (2, 5))
        f.case("take_along_axis", [a, i0], np.take_along_axis(a, i0, 0), axis=0)
        f.case("index", [a, i, i], a[i % 4, i], form="both")
        f.case("index", [a, i], a[i], form="rows")
        f.case("index", [a, i], a[:, i], form="columns")
        f.case("index", [a, j], a[:, j], form="columns")
        for name, ufunc in [("add_at", np.add), ("max_at", np.maximum), ("min_at", np.minimum), ("mul_at", np.multiply), ("set_at", None)]:
            if dtype == np.bool_ and name != "set_at":
                continue
            u = sample(dtype, (5, 5))
            r = a.copy()
            if ufunc is None:
                r[i] = u
            else:
                ufunc.at(r, i, u)
            f.case(name, [a, i, u], r, form="rows", **({"within": 1e-4} if dtype == np.float32 else {}))
    f.write()


def sorting():
    f = File("sorting")
    for dtype in [np.float32, np.float64, *INTS, np.bool_]:
        is_float = np.issubdtype(dtype, np.floating)
        a, v = sample(dtype, (4, 6)), sample(dtype, (9,))
        if is_float:
            v[3], v[7], v[1], v[2] = np.nan, np.inf, -np.inf, -0.0
            a[1, 2] = a[1, 4] = np.nan
        for axis in (0, 1, -1):
            f.case("sort", [a], np.sort(a, axis), axis=axis)
            f.case("argsort", [a], np.argsort(a, axis, stable=True), axis=axis)
        f.case("sort", [v], np.sort(v), axis=-1)
        f.case("argsort", [v], np.argsort(v, stable=True), axis=-1)
        if dtype == np.bool_:
            continue
        edges, x = np.unique(sample(dtype, (6,))), sample(dtype, (3, 4))
        for side in ("left", "right"):
            f.case("searchsorted", [edges, x], np.searchsorted(edges, x, side), side=side)
        for right in (False, True):
            f.case("digitize", [x, edges], np.digitize(x, edges, right), right=right)
    i = np.asarray([0, 3, 1, 3, 3, 0])
    f.case("bincount", [i], np.bincount(i, minlength=6), size=6)
    w = np.asarray([1.5, 2.0, -1.0, 0.25, 4.0, 8.0])
    f.case("bincount", [i, w], np.bincount(i, w, 5), size=5)
    x = sample(np.float64, (50,))
    for bins in (1, 4, 10):
        f.case("histogram", [x], np.histogram(x, bins, (-5, 5))[0], bins=bins, lo=-5, hi=5)
    f.write()


# ---------------------------------------------------------------- products and linear algebra

EINSUMS = [("ij,jk->ik", (3, 4), (4, 5)), ("ij,jk", (3, 4), (4, 5)), ("ij,kj->ik", (3, 4), (5, 4)), ("ji,jk->ki", (4, 3), (4, 5)), ("ij->ji", (3, 4)), ("ii", (4, 4)),
           ("ii->i", (4, 4)), ("ij->", (3, 4)), ("ij->j", (3, 4)), ("i,j->ij", (3,), (4,)), ("i,i", (5,), (5,)), ("bij,bjk->bik", (2, 3, 4), (2, 4, 5)),
           ("bhqd,bhkd->bhqk", (2, 3, 4, 5), (2, 3, 6, 5)), ("ij,ij->ij", (3, 4), (3, 4)), ("...ij,...jk->...ik", (2, 3, 4), (4, 5)), ("abc,cd->abd", (2, 3, 4), (4, 5)),
           ("abcd,cb->ad", (2, 3, 4, 5), (4, 3)), ("ij,jk,kl->il", (3, 4), (4, 5), (5, 2)), ("ij,jk,kl,lm->im", (2, 3), (3, 4), (4, 5), (5, 2)), ("ij,i->ij", (3, 4), (3,)),
           ("i...,i->...", (3, 2, 4), (3,)), ("iij->j", (3, 3, 4)), ("ab,cd->", (2, 3), (4, 5)), ("abc,abd->cd", (2, 3, 4), (2, 3, 5)), ("i,ij,j", (3,), (3, 4), (4,)),
           ("...->...", (2, 3)), ("...i->...", (2, 3)), ("ba", (2, 3))]


def products():
    f = File("products")
    for dtype in [np.float32, np.float64, np.int64]:
        def case(name, a, wide, **parameters):
            if dtype == np.int64:
                f.case(name, a, np.asarray(wide).astype(np.int64), **parameters)
            else:
                of_floats(f, name, a, wide, 16, **parameters)
        for spec, *shapes in EINSUMS:
            a = [sample(dtype, s) for s in shapes]
            case("einsum", a, np.einsum(spec, *(x.astype(np.float64) for x in a)), spec=spec)
        for sa, sb in [((4,), (4,)), ((3, 4), (4,)), ((4,), (4, 5)), ((3, 4), (4, 5)), ((2, 3, 4), (4, 5)), ((2, 3, 4), (2, 4, 5)), ((5, 1, 3, 4), (2, 4, 2))]:
            a, b = sample(dtype, sa), sample(dtype, sb)
            case("matmul", [a, b], np.matmul(a.astype(float), b.astype(float)))
        a, b, u, v = sample(dtype, (2, 3, 4)), sample(dtype, (3, 4, 5)), sample(dtype, (3,)), sample(dtype, (4,))
        for n in (0, 1, 2):
            x = sample(dtype, (2, 4, 3)) if n == 1 else a
            y = b if n == 2 else sample(dtype, (3, 2)) if n == 1 else sample(dtype, (2, 2))
            case("tensordot", [x, y], np.tensordot(x.astype(float), y.astype(float), n), axes=n)
        case("tensordot", [a, b], np.tensordot(a.astype(float), b.astype(float), ([2, 1], [1, 0])), left=(2, 1), right=(1, 0))
        case("outer", [u, v], np.outer(u, v).astype(float))
        c = sample(dtype, (5, 4))
        case("inner", [a, c], np.inner(a.astype(float), c.astype(float)))
        case("kron", [a[0], c], np.kron(a[0].astype(float), c.astype(float)))
        case("vecdot", [a, a[:1]], np.vecdot(a.astype(float), a[:1].astype(float)))
        m = sample(dtype, (3, 3))
        for n in (0, 1, 2, 3, 5):
            case("matrix_power", [m], np.linalg.matrix_power(m.astype(float), n), n=n)
    f.write()


def linear_algebra():
    f = File("linear_algebra")
    for dtype in FLOATS:
        for shape in [(1, 1), (2, 2), (3, 3), (2, 4, 4), (9, 9), (17, 17)]:
            n = shape[-1]
            a = (rng.normal(size=shape) + 2 * n * np.eye(n)).astype(dtype)
            w = a.astype(np.float64)
            spd = (w @ np.swapaxes(w, -1, -2) / n).astype(dtype)
            b = rng.normal(size=(*shape[:-1], 3)).astype(dtype)
            of_floats(f, "solve", [a, b], np.linalg.solve(w, b.astype(np.float64)), 200)
            of_floats(f, "inv", [a], np.linalg.inv(w), 200)
            of_floats(f, "det", [a], np.linalg.det(w), 200)
            sign, logabs = np.linalg.slogdet(w)
            f.case("slogdet", [a], (sign.astype(dtype), logabs.astype(dtype)), within=200 * np.finfo(dtype).eps * max(1, float(np.abs(logabs).max())), exact=(sign, logabs))
            of_floats(f, "cholesky", [spd], np.linalg.cholesky(spd.astype(np.float64)), 200)
            of_floats(f, "eigvalsh", [spd], np.linalg.eigvalsh(spd.astype(np.float64)), 200)
            rect = rng.normal(size=(*shape[:-2], n + 2, n)).astype(dtype)
            of_floats(f, "svdvals", [rect], np.linalg.svd(rect.astype(np.float64), compute_uv=False), 200)
            of_floats(f, "pinv", [rect], np.linalg.pinv(rect.astype(np.float64)), 2000)
            small = (w / (4 * n)).astype(dtype)
            of_floats(f, "expm", [small], scipy.linalg.expm(small.astype(np.float64)), 200)
    f.write()


def fourier():
    f = File("fourier")
    for dtype in FLOATS:
        for n in (1, 2, 3, 4, 7, 12, 16, 17, 30, 97):
            x, z = rng.normal(size=(2, n)).astype(dtype), rng.normal(size=(2, n)).astype(dtype)
            w, v = x.astype(np.float64), z.astype(np.float64)
            for name, a, y in [("rfft", [x], np.fft.rfft(w)), ("fft", [x, z], np.fft.fft(w + 1j * v)), ("ifft", [x, z], np.fft.ifft(w + 1j * v))]:
                within = 16 * float(np.finfo(dtype).eps) * float(np.abs(y).max())
                f.case(name, a, (y.real.astype(dtype), y.imag.astype(dtype)), within=within, exact=(y.real, y.imag))
    f.write()


FILES = [elementwise, reductions, moments, movement, indexing, sorting, products, linear_algebra, fourier]

if __name__ == "__main__":
    chosen = sys.argv[1:]
    for make in FILES:
        rng = np.random.default_rng(20240229)
        if not chosen or make.__name__ in chosen:
            make()
