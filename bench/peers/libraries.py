"""The libraries that stand beside Kroton, and what all cases ask of them.

A case is a generator of (system, work): the name that the table shows, and a function of nothing
that does the work once and gives its result. A library that is not installed is None.
"""

import functools
import importlib

NAMES = ("numpy", "numexpr", "numba", "jax", "torch", "pytensor")


def optional(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


np, ne, numba, jax, torch, pytensor = (optional(name) for name in NAMES)
threads = 1


def use_threads(n):
    global threads
    threads = n
    if n == 0:
        if jax:  # products of f32 as the others have them, not in TF32
            jax.config.update("jax_default_matmul_precision", "float32")
        return
    if ne:
        ne.set_num_threads(n)
    if numba:
        numba.set_num_threads(n)
    if jax:
        jax.config.update("jax_enable_x64", True)
    if torch:
        torch.set_num_threads(n)


def keep_jax_functions(folder):
    """Every compiled function is kept in the folder, or none if that is None."""
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)


def total(result):
    """The sum of a result's elements, wherever it lies."""
    if torch and isinstance(result, torch.Tensor):
        result = result.cpu()
    return float(np.sum(np.asarray(result), dtype="float64"))


def words(shape, stream):
    i = np.arange(int(np.prod(shape)), dtype=np.uint64)
    return ((i * 2654435761 + stream * 1013904223) & 0xFFFFFFFF).reshape(shape)


def inputs(shape, stream, dtype="float32"):
    """As bench/inputs.hpp: spread evenly over [-1, 1)."""
    return (words(shape, stream) / 2147483648.0 - 1.0).astype(dtype)


def labels(n, classes, stream):
    return ((words((n,), stream) >> np.uint64(8)) % classes).astype(np.int64)


def by_jax(function, *arrays):
    """A compiled function's call, waited for."""
    compiled = jax.jit(function)
    placed = [jax.device_put(a) for a in arrays]
    return lambda: jax.block_until_ready(compiled(*placed))


@functools.lru_cache(maxsize=None)
def torch_compiled(function):
    return torch.compile(function, dynamic=True)


def by_torch(function, *arrays):
    """Eager and compiled; one compilation serves every size."""
    tensors = [torch.from_numpy(a) for a in arrays]
    compiled = torch_compiled(function)
    yield "torch", lambda: function(*tensors)
    yield "torch.compile", lambda: compiled(*tensors)


def by_pytensor(function, *arrays):
    """`function` of symbolic tensors, compiled for any size."""
    symbols = [pytensor.tensor.tensor(dtype=a.dtype.name, shape=(None,) * a.ndim) for a in arrays]
    compiled = pytensor.function(symbols, function(*symbols), on_unused_input="ignore")
    compiled.trust_input = True
    return lambda: compiled(*arrays)


def njit(function):
    return numba.njit(function, fastmath=True, parallel=threads > 1)
