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
import scipy
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
    """mpmath's digits where the reference, in f64, is a finite number and not 0."""
    out = np.array(reference, dtype=np.float64)
    for i in range(out.size):
        if np.isfinite(out[i]) and out[i] != 0 and all(np.isfinite(a[i]) for a in arguments):
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
    for dtype in INTS:
        a, b = (v.ravel() for v in np.meshgrid(whole(dtype, 4), whole(dtype, 4)))
        for name, function in [("add", np.add), ("sub", np.subtract), ("mul", np.multiply), ("minimum", np.minimum), ("maximum", np.maximum),
                               ("less", np.less), ("equal", np.equal), ("floor_div", np.floor_divide), ("mod", np.mod)]:
            f.case(name, [a, b], function(a, b))
        for name, function in [("abs", np.abs), ("neg", np.negative), ("sign", np.sign)]:
            f.case(name, [a], function(a))
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
                        if rng.random() < 0.5:
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


FILES = [elementwise, reductions]

if __name__ == "__main__":
    chosen = sys.argv[1:]
    for make in FILES:
        rng = np.random.default_rng(20240229)
        if not chosen or make.__name__ in chosen:
            make()
