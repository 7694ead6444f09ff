"""Matrix products; a case's name tells which side is transposed, as in bench/suites/products.cpp."""

from libraries import *  # noqa: F403

ALPHA = -1 / 1024


def product(a, b):
    """a · b into given memory, where the library can."""
    out = np.empty((a.shape[0], b.shape[1]), a.dtype)
    yield "numpy", lambda: np.matmul(a, b, out=out)
    if jax:
        yield "jax", by_jax(lambda a, b: a @ b, a, b)
    if torch:
        left, right, result = torch.from_numpy(a), torch.from_numpy(b), torch.from_numpy(out.copy())
        yield "torch", lambda: torch.mm(left, right, out=result)


def update(a, b):
    """c += alpha a · b."""
    c = np.zeros((a.shape[0], b.shape[1]), a.dtype)
    alpha = a.dtype.type(ALPHA)

    def by_numpy():
        np.add(c, alpha * (a @ b), out=c)
        return c

    yield "numpy", by_numpy
    if torch:
        left, right, result = torch.from_numpy(a), torch.from_numpy(b), torch.zeros(c.shape)
        yield "torch", lambda: result.addmm_(left, right, alpha=ALPHA)


def systems(name, sizes):
    kind, _, dtype = name.rpartition(" ")
    if not any(word in kind for word in ("forward", "backward", "gradient", "update", "square", "one row")):
        return None
    m, n, k = sizes
    dtype = {"f32": "float32", "f64": "float64"}[dtype]
    is_left_transposed = "gradient" in kind or "update" in kind
    a = inputs((k, m), 1, dtype).T if is_left_transposed else inputs((m, k), 1, dtype)
    b = inputs((n, k), 2, dtype).T if "backward" in kind else inputs((k, n), 2, dtype)
    return update(a, b) if "update" in kind else product(a, b)
