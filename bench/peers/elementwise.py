"""Elementwise chains of two vectors."""

import functools

from libraries import *  # noqa: F403


def add(n):
    x, y = inputs((n,), 1), inputs((n,), 2)
    out = np.empty_like(x)
    yield "numpy", lambda: np.add(x, y, out=out)
    yield from compiled_chain(lambda c: lambda x, y: x + y, x, y)
    if torch:
        a, b, o = torch.from_numpy(x), torch.from_numpy(y), torch.empty(n)
        yield "torch", lambda: torch.add(a, b, out=o)


# Each chain once, for all libraries: a function of a dtype's constructor, so that constants do not
# widen it.
CHAINS = {
    "2x + 3y - 1": lambda c: lambda x, y: c(2) * x + c(3) * y - c(1),
    "a^2 + b^2 + 2ab": lambda c: lambda a, b: a * a + b * b + c(2) * a * b,
    "2a + 3b": lambda c: lambda a, b: c(2) * a + c(3) * b,
    "a + 1": lambda c: lambda a, b: a + c(1),
    "2a + b^10": lambda c: lambda a, b: c(2) * a + b**10,
}
NUMEXPR = {
    "2x + 3y - 1": "two * x + three * y - one",
    "a^2 + b^2 + 2ab": "x * x + y * y + two * x * y",
    "2a + 3b": "two * x + three * y",
    "a + 1": "x + one",
    "2a + b^10": "two * x + y ** 10",
}


@functools.lru_cache(maxsize=None)
def plain(chain):
    return chain(int)


@functools.lru_cache(maxsize=None)
def loop(chain, dtype):
    element = numba.njit(chain(np.dtype(dtype).type), fastmath=True)

    def run(x, y, out):
        for i in numba.prange(x.size):
            out[i] = element(x[i], y[i])

    return njit(run)


def compiled_chain(chain, x, y):
    """The libraries that compile, all of which take the chain as it is."""
    if numba:
        run, out = loop(chain, x.dtype.name), np.empty_like(x)

        def by_numba():
            run(x, y, out)
            return out

        yield "numba", by_numba
    if jax:
        yield "jax", by_jax(plain(chain), x, y)
    if pytensor:
        yield "pytensor", by_pytensor(plain(chain), x, y)


def polynomial(name, n, dtype):
    x, y = inputs((n,), 1, dtype), inputs((n,), 2, dtype)
    chain = CHAINS[name]
    by_numpy = chain(x.dtype.type)
    yield "numpy", lambda: by_numpy(x, y)
    if ne:
        out = np.empty_like(x)
        names = {"x": x, "y": y} | {k: x.dtype.type(v) for k, v in (("one", 1), ("two", 2), ("three", 3))}
        yield "numexpr", lambda: ne.evaluate(NUMEXPR[name], names, out=out)
    yield from compiled_chain(chain, x, y)
    if torch:
        yield from by_torch(plain(chain), x, y)


def activation_chains(module, sigmoid):
    return lambda x, y: module.tanh(1.5 * x + 0.25) * sigmoid(-2 * y) + module.log1p(module.exp(x))


@functools.lru_cache(maxsize=None)
def torch_activations():
    return activation_chains(torch, torch.sigmoid)


def numba_activations(dtype):
    from math import exp, log1p, tanh

    c = np.dtype(dtype).type
    a, b, two, one = c(1.5), c(0.25), c(2), c(1)
    return lambda x, y: tanh(a * x + b) / (one + exp(two * y)) + log1p(exp(x))


def pytensor_activations():
    return activation_chains(pytensor.tensor, pytensor.tensor.sigmoid)


def activations(n, dtype):
    x, y = inputs((n,), 1, dtype), inputs((n,), 2, dtype)
    yield "numpy", lambda: np.tanh(1.5 * x + 0.25) / (1 + np.exp(2 * y)) + np.log1p(np.exp(x))
    if ne:
        c, out = x.dtype.type, np.empty_like(x)
        names = {"x": x, "y": y, "a": c(1.5), "b": c(0.25), "two": c(2), "one": c(1)}
        text = "tanh(a * x + b) / (one + exp(two * y)) + log1p(exp(x))"
        yield "numexpr", lambda: ne.evaluate(text, names, out=out)
    if numba:
        run, result = loop(numba_chain, dtype), np.empty_like(x)

        def by_numba():
            run(x, y, result)
            return result

        yield "numba", by_numba
    if jax:
        yield "jax", by_jax(activation_chains(jax.numpy, jax.nn.sigmoid), x, y)
    if pytensor:
        yield "pytensor", by_pytensor(pytensor_activations(), x, y)
    if torch:
        yield from by_torch(torch_activations(), x, y)


def numba_chain(c):
    return numba_activations(np.dtype(c).name)


def systems(name, sizes):
    if name == "z = x + y":
        return add(*sizes)
    chain, _, kind = name.rpartition(" ")
    dtype = {"f32": "float32", "f64": "float64"}.get(kind)
    if chain in CHAINS:
        return polynomial(chain, *sizes, dtype)
    if chain == "activations":
        return activations(*sizes, dtype)
    return None
