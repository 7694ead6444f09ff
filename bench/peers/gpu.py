"""The cases of suite gpu: PyTorch, eager and compiled, and JAX on the same device.

Work is put on the device call by call, and waited for once at the end of a round, as Kroton's is.
"""

import functools
import time

import network
import rows
import training
from libraries import *  # noqa: F403


class OnDevice:
    """Work whose rounds end when the device has done it."""

    def __init__(self, work, wait):
        self.work, self.wait = work, wait

    def __call__(self):
        return self.work()

    def measure(self, repetitions):
        start = time.perf_counter_ns()
        for _ in range(repetitions):
            result = self.work()
        self.wait(result)
        return time.perf_counter_ns() - start


def wait_for_torch(_):
    torch.cuda.synchronize()


def wait_for_jax(result):
    jax.block_until_ready(result)


def graphs(function):
    """With CUDA graphs and the fastest of the kernels that it tries."""
    return torch.compile(function, mode="max-autotune", dynamic=False)


def of_arrays(in_torch, in_jax, arrays):
    """A function in each library, of arrays that lie on the device."""
    if torch and torch.cuda.is_available():
        tensors = [torch.from_numpy(a).cuda() for a in arrays]
        compiled = graphs(in_torch)
        yield "torch", OnDevice(lambda: in_torch(*tensors), wait_for_torch)
        yield "torch.compile", OnDevice(lambda: compiled(*tensors), wait_for_torch)
    if jax:
        placed, jitted = [jax.device_put(a) for a in arrays], jax.jit(in_jax)
        yield "jax", OnDevice(lambda: jitted(*placed), wait_for_jax)


CHAINS = {
    "2x + 3y - 1": lambda m: lambda x, y: 2 * x + 3 * y - 1,
    "activations": lambda m: lambda x, y: m.tanh(1.5 * x + 0.25) * m.sigmoid(-2 * y) + m.log1p(m.exp(x)),
}


class JaxNames:
    """jax.numpy with the sigmoid of jax.nn."""

    def __getattr__(self, name):
        return getattr(jax.nn if name == "sigmoid" else jax.numpy, name)


def over_rows(name, sizes):
    arrays = [inputs(sizes, 1)]
    if name == "layer norm":
        arrays += [inputs(sizes[1:], stream) for stream in (2, 3)]
    means = {f"mean, axis {axis}": functools.partial(lambda axis, x: x.mean(axis), axis) for axis in (0, 1)}
    in_torch = (rows.by_torch_names() | means) if torch else {}
    in_jax = (rows.by_jax_names() | means) if jax else {}
    if name not in (in_torch or in_jax):
        return None
    return of_arrays(in_torch.get(name), in_jax.get(name), arrays)


def product(n):
    multiply = lambda a, b: a @ b
    return of_arrays(multiply, multiply, [inputs((n, n), 1), inputs((n, n), 2)])


def perceptron(rows, features, hidden, classes):
    x, y = inputs((rows, features), 1), labels(rows, classes, 2)
    start = [np.float32(0.05) * inputs((features, hidden), 3), np.zeros(hidden, np.float32)]
    start += [np.float32(0.1) * inputs((hidden, classes), 4), np.zeros(classes, np.float32)]
    if torch and torch.cuda.is_available():
        yield "torch", torch_descent(x, y, start, compiled=False)
        yield "torch.compile", torch_descent(x, y, start, compiled=True)
    if jax:
        yield "jax", jax_descent(x, y, start)


def torch_descent(x, y, start, compiled):
    s, t = torch.from_numpy(x).cuda(), torch.from_numpy(y).cuda()
    parameters = [torch.from_numpy(a).cuda().requires_grad_() for a in start]
    descent = torch.optim.SGD(parameters, lr=0.01)
    scores = training.scores_of(torch)
    return torch_step(lambda: torch.nn.functional.cross_entropy(scores(s, *parameters), t), descent, compiled)


def jax_descent(x, y, start):
    scores = training.scores_of(jax.numpy)

    def loss_of(parameters, x, y):
        return -jax.nn.log_softmax(scores(x, *parameters))[jax.numpy.arange(len(y)), y].mean()

    @functools.partial(jax.jit, donate_argnums=0)
    def step(parameters, x, y):
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y)
        return [p - 0.01 * g for p, g in zip(parameters, gradients)], loss

    placed = [jax.device_put(a) for a in (x, y.astype(np.int32))]
    parameters = [jax.device_put(a) for a in start]

    def work():
        nonlocal parameters
        parameters, loss = step(parameters, *placed)
        return loss

    return OnDevice(work, wait_for_jax)


def network_step(rows):
    x, y = inputs((rows, network.WIDTHS[0]), 1), labels(rows, network.WIDTHS[-1], 2)
    if torch and torch.cuda.is_available():
        yield "torch", torch_network(x, y, compiled=False)
        yield "torch.compile", torch_network(x, y, compiled=True)
    if jax:
        step, start = network.jax_step(), [jax.device_put(a) for a in network.start_values(1)]
        state = (start, [jax.numpy.zeros_like(a) for a in start], jax.random.key(7))
        placed = [jax.device_put(a) for a in (x, y.astype(np.int32))]

        def work():
            nonlocal state
            state, loss = step(state, *placed)
            return loss

        yield "jax", OnDevice(work, wait_for_jax)


def torch_network(x, y, compiled):
    s, t = torch.from_numpy(x).cuda(), torch.from_numpy(y).cuda()
    model = network.torch_model().cuda()
    descent = torch.optim.RMSprop(
        model.parameters(), lr=network.RATE, alpha=network.DECAY, eps=network.EPSILON, capturable=True
    )
    return torch_step(lambda: torch.nn.functional.cross_entropy(model(s), t), descent, compiled)


def torch_step(loss_of, descent, compiled):
    forward = torch.compile(loss_of, mode="max-autotune-no-cudagraphs") if compiled else loss_of

    def step():
        descent.zero_grad(set_to_none=True)
        loss = forward()
        loss.backward()
        descent.step()
        return loss.detach()

    parameters = [p for group in descent.param_groups for p in group["params"]]
    return OnDevice(captured(step, parameters) if compiled else step, wait_for_torch)


def captured(step, parameters):
    """A whole step, updates included, as one CUDA graph; `torch.compile` would leave it in pieces.
    The parameters are those from before."""
    start = [p.detach().clone() for p in parameters]
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        loss = step()
    with torch.no_grad():
        for p, value in zip(parameters, start):
            p.copy_(value)

    def replay():
        graph.replay()
        return loss

    return replay


def systems(name, sizes):
    name = name.removesuffix(" f32")
    if name in CHAINS:
        arrays, chain = [inputs(sizes, stream) for stream in (1, 2)], CHAINS[name]
        return of_arrays(torch and chain(torch), jax and chain(JaxNames()), arrays)
    if name == "product":
        return product(sizes[0])
    if name == "perceptron step":
        return perceptron(*sizes)
    if name == "network step":
        return network_step(*sizes)
    return over_rows(name, sizes) if len(sizes) == 2 else None
