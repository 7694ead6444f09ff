#!/usr/bin/env python3
"""Writes special_values.inc: what mpmath says that special functions are.

    pip install mpmath; test/grad/special_values.py > test/grad/special_values.inc

A line is {name, a, b, value}, numbers as C++ reads them back exactly; b is 0 for functions of one argument. Arguments are where
methods change, near zeros and poles, and far out.
"""
import mpmath as mp

mp.mp.dps = 60


def row(name, f, a, b=0.0):
    v = f(mp.mpf(a), mp.mpf(b)) if b is not None else f(mp.mpf(a))
    print(f'{{"{name}", {float(a).hex()}, {float(b or 0).hex()}, {float(v).hex()}}},')


def erfcx(x):
    if x > 25:
        return sum((-1) ** k * mp.fac2(2 * k - 1) / (2 * x * x) ** k for k in range(40)) / (x * mp.sqrt(mp.pi))
    with mp.workdps(60 + int(x * x / 2)):
        return mp.exp(x * x) * mp.erfc(x)


def erfcinv(q):
    return mp.findroot(lambda x: mp.log(mp.erfc(x) / q), mp.sqrt(-mp.log(q)) * 0.9) if q < 0.5 else mp.erfinv(1 - q)


near_poles = [-0.5, -1.000001, -1.999, -2.25, -2.4570247382208006, -7.5, -20.3, -171.4]
positive = [1e-300, 1e-5, 0.3, 0.9999999, 1.0000001, 1.4616321449683623, 1.9999999, 2.0000001, 2.999, 3.0, 5.5, 7.999999, 8.0, 8.5, 20.0, 171.6, 1e10, 1e300]
for x in near_poles + positive:
    row("lgamma", lambda v: mp.loggamma(v).real if v > 0 else mp.log(abs(mp.gamma(v))), x, None)
    row("digamma", lambda v: mp.digamma(v), x, None)
    if abs(x) < 1e150 and abs(x) > 1e-150:
        row("trigamma", lambda v: mp.psi(1, v), x, None)
        row("polygamma2", lambda v: mp.psi(2, v), x, None)
        if x != 1e10:
            row("polygamma5", lambda v: mp.psi(5, v), x, None)
for x in [-26.0, -9.3, -2.0, -0.25, -1e-9, 0.0, 1e-9, 0.3, 1.0, 4.0, 15.999, 16.0, 30.0, 800.0]:
    row("erfcx", erfcx, x, None)
for x in [-0.9999999999999, -0.75, -0.5, -1e-10, 1e-300, 0.25, 0.4999, 0.5001, 0.9, 0.999999]:
    row("erfinv", mp.erfinv, x, None)
for q in [1e-300, 1e-100, 1e-17, 1e-16, 1e-9, 0.01, 0.4999, 0.5001, 0.75, 1.25, 1.75]:
    row("erfcinv", lambda v: erfcinv(v) if v < 1 else -erfcinv(2 - v), q, None)
