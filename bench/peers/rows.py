"""Rows and columns of matrices."""

import functools

from libraries import *  # noqa: F403

EPSILON = 1e-5


def by_name(module, softmax, log_softmax, logsumexp, keep):
    """The functions in a library that spells reductions as NumPy does; `keep` keeps the axis."""

    def variance(x):
        centred = x - x.mean(1, **keep)
        return (centred * centred).mean(1, **keep)

    return {
        "softmax": softmax,
        "log-softmax": log_softmax,
        "logsumexp": logsumexp,
        "layer norm": lambda x, gain, shift: (x - x.mean(1, **keep)) / module.sqrt(variance(x) + EPSILON) * gain + shift,
        "mean": lambda x: x.mean(),
        "variance, axis 1": lambda x: variance(x)[:, 0],
        "sum, axis 0": lambda x: x.sum(0),
        "sum, axis 1": lambda x: x.sum(1),
        "max, axis 1": lambda x: x.max(1),
        "argmax, axis 1": lambda x: x.argmax(1),
    }


def by_numpy():
    def shifted(x):
        top = x.max(1, keepdims=True)
        e = np.exp(x - top)
        return top, e, e.sum(1, keepdims=True)

    def softmax(x):
        _, e, total = shifted(x)
        return e / total

    def log_softmax(x):
        top, _, total = shifted(x)
        return x - (top + np.log(total))

    def logsumexp(x):
        top, _, total = shifted(x)
        return (top + np.log(total))[:, 0]

    return by_name(np, softmax, log_softmax, logsumexp, {"keepdims": True})


def by_numba():
    """Loops, as one writes them for Numba."""

    def top_and_total(row):
        top, total = row[0], np.float32(0)
        for v in row:
            top = max(top, v)
        for v in row:
            total += np.exp(v - top)
        return top, total

    top_and_total = numba.njit(top_and_total, fastmath=True)
    mean_of, variance_of = (numba.njit(f, fastmath=True) for f in (lambda row: row.sum() / np.float32(row.size), lambda row, mean: ((row - mean) ** 2).sum() / np.float32(row.size)))

    def softmax(x, out):
        for r in numba.prange(x.shape[0]):
            top, total = top_and_total(x[r])
            for c in range(x.shape[1]):
                out[r, c] = np.exp(x[r, c] - top) / total

    def log_softmax(x, out):
        for r in numba.prange(x.shape[0]):
            top, total = top_and_total(x[r])
            shift = top + np.log(total)
            for c in range(x.shape[1]):
                out[r, c] = x[r, c] - shift

    def logsumexp(x, out):
        for r in numba.prange(x.shape[0]):
            top, total = top_and_total(x[r])
            out[r] = top + np.log(total)

    def layer_norm(x, gain, shift, out):
        for r in numba.prange(x.shape[0]):
            mean = mean_of(x[r])
            scale = np.float32(1) / np.sqrt(variance_of(x[r], mean) + np.float32(EPSILON))
            for c in range(x.shape[1]):
                out[r, c] = (x[r, c] - mean) * scale * gain[c] + shift[c]

    def variance(x, out):
        for r in numba.prange(x.shape[0]):
            out[r] = variance_of(x[r], mean_of(x[r]))

    def column_sums(x, out):
        out[:] = 0
        for r in range(x.shape[0]):
            for c in range(x.shape[1]):
                out[c] += x[r, c]

    def row_sums(x, out):
        for r in numba.prange(x.shape[0]):
            out[r] = x[r].sum()

    def row_maxima(x, out):
        for r in numba.prange(x.shape[0]):
            top = x[r, 0]
            for v in x[r]:
                top = max(top, v)
            out[r] = top

    return {
        "softmax": softmax,
        "log-softmax": log_softmax,
        "logsumexp": logsumexp,
        "layer norm": layer_norm,
        "variance, axis 1": variance,
        "sum, axis 0": column_sums,
        "sum, axis 1": row_sums,
        "max, axis 1": row_maxima,
    }


def by_torch_names():
    table = by_name(torch, lambda x: torch.softmax(x, 1), lambda x: torch.log_softmax(x, 1), lambda x: torch.logsumexp(x, 1), {"keepdim": True})
    layer_norm = torch.nn.functional.layer_norm
    return table | {
        "layer norm": lambda x, gain, shift: layer_norm(x, x.shape[1:], gain, shift, EPSILON),
        "variance, axis 1": lambda x: x.var(1, correction=0),
        "max, axis 1": lambda x: x.amax(1),
    }


def by_jax_names():
    nn = jax.nn
    return by_name(jax.numpy, nn.softmax, nn.log_softmax, lambda x: nn.logsumexp(x, axis=1), {"keepdims": True})


def by_pytensor_names():
    math = pytensor.tensor
    table = by_name(math, lambda x: math.special.softmax(x, axis=1), lambda x: math.special.log_softmax(x, axis=1), lambda x: math.logsumexp(x, axis=1), {"keepdims": True})
    return table | {"mean": lambda x: x.mean(), "argmax, axis 1": lambda x: math.argmax(x, axis=1)}


@functools.lru_cache(maxsize=None)
def tables():
    """Made once, so that what is compiled for one size serves the others."""
    return by_numpy(), numba and by_numba(), jax and by_jax_names(), torch and by_torch_names(), pytensor and by_pytensor_names()


def systems(name, sizes):
    name = name.removesuffix(" f32")
    in_numpy, in_numba, in_jax, in_torch, in_pytensor = tables()
    if name not in in_numpy:
        return None
    arrays = [inputs(sizes, 1)]
    if name == "layer norm":
        arrays += [inputs(sizes[1:], stream) for stream in (2, 3)]
    return all_systems(name, arrays, in_numpy, in_numba, in_jax, in_torch, in_pytensor)


def all_systems(name, arrays, in_numpy, in_numba, in_jax, in_torch, in_pytensor):
    result = in_numpy[name](*arrays)
    yield "numpy", lambda: in_numpy[name](*arrays)
    if in_numba and name in in_numba:
        run, out = njit(in_numba[name]), np.empty_like(result)

        def by_loops():
            run(*arrays, out)
            return out

        yield "numba", by_loops
    if in_jax:
        yield "jax", by_jax(in_jax[name], *arrays)
    if in_pytensor:
        yield "pytensor", by_pytensor(in_pytensor[name], *arrays)
    if in_torch:
        yield from by_torch(in_torch[name], *arrays)
