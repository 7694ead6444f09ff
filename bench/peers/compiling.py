"""From a definition to the first result, with everything loaded and something else compiled before.

Each repetition is a new function, so that nothing but what a library keeps across functions
(for torch.compile its cache on disk, in "warm") is found again.
"""

import elementwise
import network
from libraries import *  # noqa: F403


def fresh(make):
    """`make()` gives a new function that has not been compiled; the work compiles and calls it."""
    make()()
    return lambda: make()()


def forget_torch(is_warm):
    torch._dynamo.reset()
    torch._inductor.config.force_disable_caches = not is_warm


def activations(is_warm):
    x, y = inputs((1000,), 1), inputs((1000,), 2)
    if numba and not is_warm:

        def by_numba():
            elementwise.loop.cache_clear()
            run, out = elementwise.loop(elementwise.numba_chain, "float32"), np.empty_like(x)
            return lambda: (run(x, y, out), out)[1]

        yield "numba", fresh(by_numba)
    if jax and not is_warm:
        yield "jax", fresh(lambda: by_jax(elementwise.activation_chains(jax.numpy, jax.nn.sigmoid), x, y))
    if pytensor and not is_warm:
        yield "pytensor", fresh(lambda: by_pytensor(elementwise.pytensor_activations(), x, y))
    if torch:

        def by_torch():
            forget_torch(is_warm)
            compiled = torch.compile(elementwise.activation_chains(torch, torch.sigmoid))
            tensors = torch.from_numpy(x), torch.from_numpy(y)
            return lambda: compiled(*tensors)

        yield "torch.compile", fresh(by_torch)


def network_step(is_warm):
    x, y = inputs((32, 16), 1), labels(32, 10, 2)
    if numba and not is_warm:
        loops = network.softmax_gradient_loops
        yield "numba", fresh(lambda: bound(network.by_arrays(numba.njit(network.step_with(numba.njit(loops)))), x, y))
    if jax and not is_warm:
        yield "jax", fresh(lambda: bound(network.by_jax(), x, y))
    if pytensor and not is_warm:
        yield "pytensor", fresh(lambda: bound(network.pytensor_step(), x, y))
    if torch:

        def by_torch():
            forget_torch(is_warm)
            return bound(network.by_torch_step(True), torch.from_numpy(x), torch.from_numpy(y))

        yield "torch.compile", fresh(by_torch)


def bound(step, x, y):
    return lambda: step(x, y)


def systems(name, sizes):
    if name in ("compile, cold", "compile, warm"):
        is_warm = name.endswith("warm")
        if sizes == ["activations"]:
            return activations(is_warm)
        if sizes == ["network"]:
            return network_step(is_warm)
    return None
