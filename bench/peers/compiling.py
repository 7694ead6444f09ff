"""From a definition to the first result, with everything loaded and something else compiled before.

Each repetition is a new function. "Cold" forgets what libraries keep across functions; "warm" lets
them find it again on disk, where they can: Numba keeps no functions that are made in functions, as
these are.
"""

import tempfile

import elementwise
import network
from libraries import *  # noqa: F403


def fresh(make):
    """`make()` gives a new function that has not been compiled; the work compiles and calls it."""
    return lambda: make()()


def forgetful_jax(make, is_warm):
    folder = tempfile.TemporaryDirectory()

    def work():
        jax.clear_caches()
        keep_jax_functions(folder.name if is_warm else None)
        try:
            return make()()
        finally:
            keep_jax_functions(None)

    return work


def forgetful_pytensor(make, is_warm):
    def work():
        with pytensor.config.change_flags(numba__cache=is_warm):
            return make()()

    return work


def forgetful_torch(make, is_warm):
    def work():
        torch._dynamo.reset()
        torch._inductor.config.force_disable_caches = not is_warm
        return make()()

    return work


def bound(step, x, y):
    return lambda: step(x, y)


def activations(is_warm):
    x, y = inputs((1000,), 1), inputs((1000,), 2)
    if numba and not is_warm:

        def by_numba():
            elementwise.loop.cache_clear()
            run, out = elementwise.loop(elementwise.numba_chain, "float32"), np.empty_like(x)
            return lambda: (run(x, y, out), out)[1]

        yield "numba", fresh(by_numba)
    if jax:
        chain = lambda: by_jax(elementwise.activation_chains(jax.numpy, jax.nn.sigmoid), x, y)
        yield "jax", forgetful_jax(chain, is_warm)
    if pytensor:
        yield "pytensor", forgetful_pytensor(lambda: by_pytensor(elementwise.pytensor_activations(), x, y), is_warm)
    if torch:

        def by_torch():
            compiled = torch.compile(elementwise.activation_chains(torch, torch.sigmoid))
            tensors = torch.from_numpy(x), torch.from_numpy(y)
            return lambda: compiled(*tensors)

        yield "torch.compile", forgetful_torch(by_torch, is_warm)


def network_step(is_warm):
    x, y = inputs((32, 16), 1), labels(32, 10, 2)
    if numba and not is_warm:

        def by_numba():
            loops = numba.njit(network.softmax_gradient_loops)
            return bound(network.by_arrays(numba.njit(network.step_with(loops))), x, y)

        yield "numba", fresh(by_numba)
    if jax:
        yield "jax", forgetful_jax(lambda: bound(network.by_jax(), x, y), is_warm)
    if pytensor:
        yield "pytensor", forgetful_pytensor(lambda: bound(network.pytensor_step(), x, y), is_warm)
    if torch:
        tensors = torch.from_numpy(x), torch.from_numpy(y)
        yield "torch.compile", forgetful_torch(lambda: bound(network.by_torch_step(True), *tensors), is_warm)


def systems(name, sizes):
    if name in ("compile, cold", "compile, warm"):
        is_warm = name.endswith("warm")
        if sizes == ["activations"]:
            return activations(is_warm)
        if sizes == ["network"]:
            return network_step(is_warm)
    return None
