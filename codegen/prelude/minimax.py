#!/usr/bin/env python3
"""Derives the polynomial coefficients of codegen/prelude (needs mpmath).

Each fit minimises the largest weighted error over an interval by Lawson's iteration. Coefficients are
rounded to the target format one at a time, lowest order first, and the rest is fitted again around
those already rounded. Prints the coefficients and the error that remains after rounding.
"""
import functools
import struct
import sys

import mpmath as mp

mp.mp.dps = 50


def round_f32(value):
    return mp.mpf(struct.unpack("f", struct.pack("f", float(value)))[0])


def round_f64(value):
    return mp.mpf(float(value))


def lawson(f, weight, low, high, powers, rounds=12):
    """The coefficients of `powers` that (nearly) minimise max |weight * (f - p)|.

    Lawson's iteration: least squares on Chebyshev points, each point's weight multiplied by its
    error after every round. Unlike Remez exchange it does not mind a weight that vanishes inside
    the interval, or errors left by coefficients that are already rounded.
    """
    points = [low + (high - low) * (1 - mp.cos(mp.pi * (2 * i + 1) / 240)) / 2 for i in range(120)]
    rows = [([weight(x) * x**p for p in powers], weight(x) * f(x)) for x in points]
    scale = [mp.mpf(1)] * len(points)
    size = len(powers)
    best, best_error = None, None
    for _ in range(rounds):
        system, right = mp.matrix(size, size), mp.matrix(size, 1)
        for (row, value), s in zip(rows, scale):
            for i in range(size):
                right[i] += s * row[i] * value
                for j in range(i, size):
                    system[i, j] += s * row[i] * row[j]
        for i in range(size):
            for j in range(i):
                system[i, j] = system[j, i]
        solution = mp.lu_solve(system, right)
        errors = [abs(value - sum(c * a for c, a in zip(solution, row))) for row, value in rows]
        worst = max(errors)
        if best is None or worst < best_error:
            best, best_error = list(solution), worst
        if worst == 0:
            break
        scale = [max(s * e / worst, mp.mpf(10) ** -20) for s, e in zip(scale, errors)]
    return best


def fit(name, f, weight, low, high, degree, rounding, exact=(), rounds=12):
    """Prints the rounded coefficients of 1, x, …, x^degree; `exact` fixes the first ones. One round, least squares, is
    quick, and within a small factor of minimax."""
    low, high = mp.mpf(low), mp.mpf(high)
    fixed = [mp.mpf(c) for c in exact]
    while len(fixed) <= degree:
        rest = list(range(len(fixed), degree + 1))
        part = list(fixed)
        coefficients = lawson(lambda x: f(x) - sum(c * x**i for i, c in enumerate(part)),
                              weight, low, high, rest, rounds)
        fixed.append(rounding(coefficients[0]))
    points = [low + (high - low) * i / 1500 for i in range(1501)]
    error = max(abs(weight(x) * (f(x) - sum(c * x**i for i, c in enumerate(fixed)))) for x in points)
    print(f"{name}: degree {degree} on [{float(low):.6g}, {float(high):.6g}], "
          f"error 2^{float(mp.log(error, 2)):.1f}")
    for i, c in enumerate(fixed):
        print(f"  c{i} = {float(c).hex()}   {mp.nstr(c, 17)}")
    sys.stdout.flush()


def rational(name, f, weight, low, high, top, bottom):
    """P/Q with Q(0) = 1, interpolating f at Chebyshev nodes: within a small factor of minimax."""
    low, high = mp.mpf(low), mp.mpf(high)
    count = top + bottom + 1
    nodes = [(low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * count))
             for i in range(count)]
    system = mp.matrix(count, count)
    right = mp.matrix(count, 1)
    for row, x in enumerate(nodes):
        for i in range(top + 1):
            system[row, i] = x**i
        for i in range(1, bottom + 1):
            system[row, top + i] = -f(x) * x**i
        right[row] = f(x)
    solution = [round_f64(c) for c in mp.lu_solve(system, right)]
    p, q = solution[:top + 1], [mp.mpf(1)] + solution[top + 1:]
    points = [low + (high - low) * i / 1500 for i in range(1501)]
    value = lambda c, x: sum(a * x**i for i, a in enumerate(c))
    error = max(abs(weight(x) * (f(x) - value(p, x) / value(q, x))) for x in points)
    print(f"{name}: degrees {top}/{bottom} on [{float(low):.6g}, {float(high):.6g}], "
          f"error 2^{float(mp.log(error, 2)):.1f}")
    for letter, part in (("p", p), ("q", q)):
        for i, c in enumerate(part):
            print(f"  {letter}{i} = {float(c).hex()}")
    sys.stdout.flush()


def quotient(name, f, weight, low, high, top, bottom, rounding):
    """P/Q with P(0) = Q(0) = 1, interpolating f at Chebyshev nodes."""
    low, high = mp.mpf(low), mp.mpf(high)
    count = top + bottom
    nodes = [(low + high) / 2 + (high - low) / 2 * mp.cos(mp.pi * (2 * i + 1) / (2 * count)) for i in range(count)]
    system = mp.matrix([[x**i for i in range(1, top + 1)] + [-f(x) * x**i for i in range(1, bottom + 1)] for x in nodes])
    solution = [rounding(c) for c in mp.lu_solve(system, mp.matrix([f(x) - 1 for x in nodes]))]
    p, q = [mp.mpf(1)] + solution[:top], [mp.mpf(1)] + solution[top:]
    value = lambda c, x: sum(a * x**i for i, a in enumerate(c))
    points = [low + (high - low) * i / 1500 for i in range(1501)]
    error = max(abs(weight(x) * (f(x) - value(p, x) / value(q, x))) for x in points)
    print(f"{name}: degrees {top}/{bottom} on [{float(low):.6g}, {float(high):.6g}], "
          f"error 2^{float(mp.log(error, 2)):.1f}")
    for letter, part in (("p", p), ("q", q)):
        for i, c in enumerate(part):
            print(f"  {letter}{i} = {float(c).hex()}")
    sys.stdout.flush()


def table(name, f, low, end, quarters, degree):
    """Prints polynomials of |x| - c for f(|x|) in f32, one a quarter of an octave.

    Entry i is for those x whose exponent's three low bits and significand's two high ones make i. The entry before
    that of `low` is for everything below, with c = 0 and the coefficients 0 and 1; arguments end at `end`. Each other c
    is a float near the middle of its interval where f is nearly a float, so that c0 is as good as exact.
    """
    rows = [[mp.mpf(0)] * quarters for _ in range(degree + 2)]
    first = struct.unpack("I", struct.pack("f", low))[0] >> 21
    last = struct.unpack("I", struct.pack("f", end))[0] >> 21
    edge = lambda i: mp.mpf(struct.unpack("f", struct.pack("I", i << 21))[0])
    worst = mp.mpf(0)
    for i in range(first - 1, last + 1):
        begin, stop = edge(i) if i >= first else mp.mpf(0), min(edge(i + 1), mp.mpf(end))
        if i < first:
            c, fixed = mp.mpf(0), [mp.mpf(0), mp.mpf(1)]
        else:
            middle, step = round_f32((begin + stop) / 2), mp.mpf(2) ** (mp.floor(mp.log(begin, 2)) - 17)
            c = min((middle + k * step for k in range(-400, 401) if begin < middle + k * step < stop),
                    key=lambda x: abs(f(x) - round_f32(f(x))) / f(x))
            fixed = [round_f32(f(c))]
        weight = lambda r: 1 / f(c + r) if c + r > 0 else mp.mpf(0)
        while len(fixed) <= degree:
            part = list(fixed)
            rest = list(range(len(part), degree + 1))
            fixed.append(round_f32(lawson(lambda r: f(c + r) - sum(a * r**p for p, a in enumerate(part)),
                                          weight, begin - c, stop - c, rest)[0]))
        for row, value in zip(rows, [c] + fixed):
            row[i % quarters] = value
        points = [begin - c + (stop - begin) * k / 200 for k in range(1, 201)]
        worst = max([worst] + [abs(weight(r) * (f(c + r) - sum(a * r**p for p, a in enumerate(fixed))))
                               for r in points])
    print(f"{name}: degree {degree} on [0, {end}], error 2^{float(mp.log(worst, 2)):.1f}")
    for letter, row in zip(["c"] + [f"c{p}" for p in range(degree + 1)], rows):
        print(f"  {letter} = {', '.join(float(v).hex() for v in row)}")
    sys.stdout.flush()


def series(terms, x):
    """Σ terms(k) x^k, to more digits than any caller needs."""
    total, k = mp.mpf(0), 0
    while k < 400:
        term = terms(k) * x**k
        total += term
        k += 1
        if k > 4 and abs(term) < mp.mpf(10) ** -45:
            break
    return total


exp_tail = lambda x: series(lambda k: 1 / mp.factorial(k + 2), x)            # (e^x - 1 - x) / x^2
log_tail = lambda x: series(lambda k: (-1) ** k / mp.mpf(k + 3), x)          # (log(1+x) - x + x^2/2) / x^3
atanh_tail = lambda z: series(lambda k: 2 / mp.mpf(2 * k + 3), z)            # (2 atanh(s)/s - 2) / z, z = s^2
atanh_tail2 = lambda z: series(lambda k: 2 / mp.mpf(2 * k + 5), z)           # the same less 2/3, over z again
sin_tail = lambda z: series(lambda k: (-1) ** (k + 1) * mp.pi ** (2 * k + 3) / mp.factorial(2 * k + 3), z)
cos_tail = lambda z: series(lambda k: (-1) ** (k + 1) * mp.pi ** (2 * k + 2) / mp.factorial(2 * k + 2), z)


erf_tail = lambda z: series(lambda k: 2 / mp.sqrt(mp.pi) * (-1) ** k / (mp.factorial(k) * (2 * k + 1)), z) - 1  # erf(x)/x - 1, z = x^2
erfc_argument = lambda a: (mp.mpf(a) - 1.5) / (mp.mpf(a) + 1.5)


def erfc_exponent(t):                                                        # log((2a + 5/8) e^(a^2) erfc(a)), t = erfc_argument(a)
    a = mp.mpf(3) / 2 * (1 + t) / (1 - t)
    with mp.workdps(400):
        return mp.log((2 * a + mp.mpf("0.625")) * mp.exp(a * a) * mp.erfc(a))


def tanh_tail(z):                                                            # (tanh(x)/x - 1) / z, z = x^2
    if z < mp.mpf("1e-12"):
        return mp.mpf(-1) / 3 + 2 * z / 15
    with mp.workdps(80):
        x = mp.sqrt(z)
        return (mp.tanh(x) / x - 1) / z


def softplus_tail(u):                                                       # (log(1+z) - z) / z^2, z = u + 1/2
    z = u + mp.mpf(1) / 2
    return (mp.log1p(z) - z) / z**2 if z > mp.mpf("1e-12") else z / 3 - mp.mpf(1) / 2


def softplus_weight(u):
    z = u + mp.mpf(1) / 2
    return z * z / mp.log1p(z) if z > mp.mpf("1e-12") else z


def expm1_weight(x):
    return abs(x * x / mp.expm1(x)) if x != 0 else mp.mpf(0)


def log1p_weight(x):
    return abs(x**3 / mp.log1p(x)) if x != 0 else mp.mpf(0)


@functools.lru_cache(maxsize=None)
def erfcx(a):                                                                # e^(a^2) erfc(a); from 11 on by its asymptotic series
    if a <= 11:
        with mp.workdps(120):
            return mp.exp(a * a) * mp.erfc(a)
    total = term = mp.mpf(1)
    for k in range(1, 100):
        term *= -(2 * k - 1) / (2 * a * a)
        if abs(term) < mp.mpf(10) ** -45:
            break
        total += term
    return total / (a * mp.sqrt(mp.pi))


def erfcx_scaled(t):                                                         # (a + 4) erfcx(a), t = (a - 4)/(a + 4)
    return erfcx(4 * (1 + t) / (1 - t)) * 8 / (1 - t) if t < 1 else 1 / mp.sqrt(mp.pi)


def erfinv_centre(z):                                                        # erfinv(x) / x, z = x^2
    return mp.erfinv(mp.sqrt(z)) / mp.sqrt(z) if z > 0 else mp.sqrt(mp.pi) / 2


@functools.lru_cache(maxsize=None)
def erfcinv(q):                                                              # by Newton's iteration on log(erfc)
    goal = mp.log(q)
    x = mp.sqrt(max(mp.mpf("0.01"), -goal - mp.log(mp.sqrt(mp.pi * max(1, -goal)))))
    with mp.workdps(60):
        for _ in range(60):
            e = mp.erfc(x)
            step = (mp.log(e) - goal) * e / (2 / mp.sqrt(mp.pi) * mp.exp(-x * x))
            x += step
            if abs(step) < mp.mpf(10) ** -40:
                break
    return +x


# erfcinv(q) - s of s = sqrt(-log(q)), as a function of t = (s - k)/(s + k).
tail_at = lambda k, t: k * (1 + t) / (1 - t)
tail_argument = lambda k, s: (mp.mpf(s) - k) / (mp.mpf(s) + k)
tail_begin = mp.sqrt(mp.log(2)) - mp.mpf("1e-3")


def erfcinv_fit(name, k, begin, end, degree, rounding):
    fit(name, lambda t: erfcinv(mp.exp(-tail_at(k, t) ** 2)) - tail_at(k, t), lambda t: 1 / tail_at(k, t),
        tail_argument(k, begin), tail_argument(k, end), degree, rounding, rounds=1)


lgamma_at = lambda t: mp.sqrt(3) * (1 + t) / (1 - t)


def lgamma_quotient(t):                                                      # lgamma(y) / ((y - 1)(y - 2)), t = (y - sqrt(3))/(y + sqrt(3))
    y = lgamma_at(t)
    with mp.workdps(80):
        return mp.loggamma(y) / ((y - 1) * (y - 2))


lgamma_end = (3 - mp.sqrt(3)) / (3 + mp.sqrt(3))

def root_series(f, first):
    """A function of z = x^2 from one of x; its value at 0 is `first`."""
    def of_square(z):
        with mp.workdps(80):
            return f(mp.sqrt(z)) if z > mp.mpf("1e-30") else mp.mpf(first)
    return of_square


sine_tail = root_series(lambda r: (mp.sin(r) / r - 1) / r**2, -mp.mpf(1) / 6)
cosine_tail = root_series(lambda r: (mp.cos(r) - 1 + r**2 / 2) / r**4, mp.mpf(1) / 24)
sine_weight = root_series(lambda r: r**3 / mp.sin(r), 0)
tan_quotient = root_series(lambda r: mp.tan(r) / r, 1)
asin_tail = root_series(lambda x: (mp.asin(x) / x - 1) / x**2, mp.mpf(1) / 6)
asin_weight = root_series(lambda x: x**3 / mp.asin(x), 0)
atan_tail = root_series(lambda x: (mp.atan(x) / x - 1) / x**2, -mp.mpf(1) / 3)
atan_weight = root_series(lambda x: x**3 / mp.atan(x), 0)
sinh_tail = root_series(lambda x: (mp.sinh(x) / x - 1) / x**2, mp.mpf(1) / 6)
sinh_weight = root_series(lambda x: x**3 / mp.sinh(x), 0)


def log_slope(base, near):                                                   # log_base(1 + f) / f - near
    return lambda f: (mp.log1p(f) / f if f != 0 else mp.mpf(1)) / mp.log(base) - near


half_ln2 = mp.log(2) / 2 * mp.mpf("1.0005")
atanh_end = ((mp.sqrt(2) - 1) / (mp.sqrt(2) + 1)) ** 2 * mp.mpf("1.0005")

fits = {
    "exp_f32": lambda: fit("exp_f32", exp_tail, expm1_weight, -half_ln2, half_ln2, 4, round_f32, [0.5]),
    "exp_f64": lambda: fit("exp_f64", exp_tail, expm1_weight, -half_ln2, half_ln2, 10, round_f64, [0.5]),
    "log_f32": lambda: fit("log_f32", log_tail, log1p_weight, -0.33334, 0.33334, 8, round_f32),
    "log_f64": lambda: fit("log_f64", atanh_tail, lambda z: z / 2, 0, atanh_end, 6, round_f64),
    "softplus_f32": lambda: fit("softplus_f32", softplus_tail, softplus_weight, -0.5, 0.5, 8, round_f32),
    "softplus_f64": lambda: fit("softplus_f64", softplus_tail, softplus_weight, -0.5, 0.5, 20, round_f64),
    "tanh_f32": lambda: fit("tanh_f32", tanh_tail, lambda z: z, 0, 0.55**2, 4, round_f32),
    "tanh_parts_f32": lambda: table("tanh_parts_f32", mp.tanh, 0.125, 9.25, 32, 5),
    "tanh_f64": lambda: rational("tanh_f64", tanh_tail, lambda z: z, 0, 0.55**2, 2, 3),
    "sinpi_f32": lambda: fit("sinpi_f32", sin_tail, lambda z: z / 3, 0, 0.0626, 2, round_f32),
    "cospi_f32": lambda: fit("cospi_f32", cos_tail, lambda z: z, 0, 0.0626, 3, round_f32),
    "sinpi_f64": lambda: fit("sinpi_f64", sin_tail, lambda z: z / 3, 0, 0.0626, 6, round_f64),
    "cospi_f64": lambda: fit("cospi_f64", cos_tail, lambda z: z, 0, 0.0626, 6, round_f64),
    "pow_f32 log2": lambda: fit("pow_f32 log2", lambda z: (2 + z * atanh_tail(z)) / mp.log(2),
                                lambda z: mp.mpf("0.35"), 0, atanh_end, 5, round_f64),
    "pow_f32 exp2": lambda: fit("pow_f32 exp2", lambda x: mp.mpf(2) ** x, lambda x: mp.mpf(2) ** -x,
                                -0.50001, 0.50001, 6, round_f64),
    "pow_f64 log": lambda: fit("pow_f64 log", atanh_tail2, lambda z: z * z / 2, 0, atanh_end, 7, round_f64),
    "erf_f32": lambda: fit("erf_f32", erf_tail, lambda z: 1, 0, 0.2501, 5, round_f32),
    "erf_f64": lambda: fit("erf_f64", erf_tail, lambda z: 1, 0, 0.2501, 9, round_f64),
    "erfc_f32": lambda: fit("erfc_f32", erfc_exponent, lambda t: 1, erfc_argument(0.5), erfc_argument(10.25), 10, round_f32),
    "erfc_f64": lambda: fit("erfc_f64", erfc_exponent, lambda t: 1, erfc_argument(0.5), erfc_argument(27.5), 24, round_f64),
    "erfcx_f32": lambda: fit("erfcx_f32", erfcx_scaled, lambda t: 1 / erfcx_scaled(t), -1, 1, 14, round_f32, rounds=1),
    "erfcx_f64": lambda: fit("erfcx_f64", erfcx_scaled, lambda t: 1 / erfcx_scaled(t), -1, 1, 27, round_f64, rounds=1),
    "erfinv_f32": lambda: fit("erfinv_f32", erfinv_centre, lambda z: 1, 0, 0.25, 7, round_f32, rounds=1),
    "erfinv_f64": lambda: fit("erfinv_f64", erfinv_centre, lambda z: 1, 0, 0.25, 15, round_f64, rounds=1),
    "erfcinv_f32": lambda: erfcinv_fit("erfcinv_f32", 3, tail_begin, 10.3, 16, round_f32),
    "erfcinv_f64": lambda: erfcinv_fit("erfcinv_f64", 3, tail_begin, 6.25, 26, round_f64),
    "erfcinv_f64 far": lambda: erfcinv_fit("erfcinv_f64 far", 12, 6, 27.5, 22, round_f64),
    "lgamma_f64": lambda: fit("lgamma_f64", lgamma_quotient, lambda t: 2, -lgamma_end, lgamma_end, 19, round_f64, rounds=1),
    "log2_f32": lambda: fit("log2_f32", log_slope(2, 1), lambda f: 1 / mp.mpf("1.2"), -0.33334, 0.33334, 9, round_f32),
    "log10_f32": lambda: fit("log10_f32", log_slope(10, mp.mpf("0.5")), lambda f: 1 / mp.mpf("0.37"), -0.33334, 0.33334, 9, round_f32),
    "sin_f32": lambda: fit("sin_f32", sine_tail, sine_weight, 0, 0.79**2, 2, round_f32),
    "cos_f32": lambda: fit("cos_f32", cosine_tail, lambda z: z * z, 0, 0.79**2, 2, round_f32),
    "sin_f64": lambda: fit("sin_f64", sine_tail, sine_weight, 0, 0.79**2, 5, round_f64),
    "cos_f64": lambda: fit("cos_f64", cosine_tail, lambda z: z * z, 0, 0.79**2, 5, round_f64),
    "tan_f32": lambda: quotient("tan_f32", tan_quotient, lambda z: 1 / tan_quotient(z), 0, 0.795**2, 2, 2, round_f32),
    "tan_f64": lambda: quotient("tan_f64", tan_quotient, lambda z: 1 / tan_quotient(z), 0, 0.795**2, 3, 4, round_f64),
    "asin_f32": lambda: fit("asin_f32", asin_tail, asin_weight, 0, 0.2501, 4, round_f32),
    "asin_f64": lambda: fit("asin_f64", asin_tail, asin_weight, 0, 0.2501, 12, round_f64),
    "atan_f32": lambda: fit("atan_f32", atan_tail, atan_weight, 0, 0.1717, 4, round_f32),
    "atan_f64": lambda: fit("atan_f64", atan_tail, atan_weight, 0, 0.1717, 10, round_f64),
    "sinh_f32": lambda: fit("sinh_f32", sinh_tail, sinh_weight, 0, 1.001, 3, round_f32),
    "sinh_f64": lambda: fit("sinh_f64", sinh_tail, sinh_weight, 0, 1.001, 6, round_f64),
    "cbrt": lambda: fit("cbrt", lambda m: m ** (-mp.mpf(1) / 3), lambda m: m ** (mp.mpf(1) / 3), 0.6666, 1.4143, 4, round_f32),
}

if __name__ == "__main__":
    for name in sys.argv[1:] or fits:
        fits[name]()
