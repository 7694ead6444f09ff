"""The network 16-30-30-10: tanh, dropout, softmax, cross-entropy, RMSProp (examples/network)."""

from libraries import *  # noqa: F403
from training import scores_of, softmax_gradient, softmax_gradient_loops

WIDTHS = (16, 30, 30, 10)
DROP = (0.001, 0.01)
RATE, DECAY, EPSILON = 0.001, 0.9, 1e-8
EPOCH_ROWS, EPOCH_BATCH = 107546, 32


def uniform_at(i, stream):
    """As network::uniform, of an array of positions: SplitMix64."""
    with np.errstate(over="ignore"):
        z = np.uint64(stream << 40) + (i + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z ^ (z >> np.uint64(31))) >> np.uint64(11)) * 2.0**-53


def uniform(count, stream):
    return uniform_at(np.arange(count, dtype=np.uint64), stream)


def start_values(seed):
    """As network::start_values."""
    values = []
    for layer, (rows, columns) in enumerate(zip(WIDTHS, WIDTHS[1:])):
        spread = np.sqrt(6 / (rows + columns))
        w = spread * (2 * uniform(rows * columns, 3 * seed + layer) - 1)
        values += [w.astype(np.float32).reshape(rows, columns), np.zeros(columns, np.float32)]
    return values


def step_with(gradient):
    """A step on arrays, which are updated in place."""
    rate, decay, rest, epsilon = (np.float32(v) for v in (RATE, DECAY, 1 - DECAY, EPSILON))
    one, (drop1, drop2) = np.float32(1), DROP
    scale1, scale2 = (np.float32(1 / (1 - p)) for p in DROP)

    def update(w, s, g):
        s *= decay
        s += rest * g * g
        w -= rate * g / (np.sqrt(s) + epsilon)

    if gradient is not softmax_gradient:
        update = numba.njit(update)

    def step(x, y, w1, b1, w2, b2, w3, b3, s1, c1, s2, c2, s3, c3):
        rows = x.shape[0]
        t1 = np.tanh(x @ w1 + b1)
        m1 = (np.random.random((rows, 30)) >= drop1).astype(np.float32) * scale1
        h1 = t1 * m1
        t2 = np.tanh(h1 @ w2 + b2)
        m2 = (np.random.random((rows, 30)) >= drop2).astype(np.float32) * scale2
        h2 = t2 * m2
        d3 = h2 @ w3 + b3
        loss, predicted = gradient(d3, y)
        d2 = (d3 @ w3.T) * m2 * (one - t2 * t2)
        d1 = (d2 @ w2.T) * m1 * (one - t1 * t1)
        update(w3, s3, h2.T @ d3)
        update(b3, c3, d3.sum(0))
        update(w2, s2, h1.T @ d2)
        update(b2, c2, d2.sum(0))
        update(w1, s1, x.T @ d1)
        update(b1, c1, d1.sum(0))
        return loss

    return step


def by_arrays(step):
    state = start_values(1)
    state += [np.zeros_like(a) for a in state]
    return lambda x, y: step(x, y, *state)


def jax_step():
    def scores(parameters, x, key):
        for i in range(3):
            x = x @ parameters[2 * i] + parameters[2 * i + 1]
            if i < 2:
                kept = jax.random.bernoulli(jax.random.fold_in(key, i), 1 - DROP[i], x.shape)
                x = jax.numpy.where(kept, jax.numpy.tanh(x) / (1 - DROP[i]), 0)
        return x

    def loss_of(parameters, x, y, key):
        return -jax.nn.log_softmax(scores(parameters, x, key))[jax.numpy.arange(x.shape[0]), y].mean()

    @jax.jit
    def step(state, x, y):
        parameters, squares, key = state
        key, used = jax.random.split(key)
        loss, gradients = jax.value_and_grad(loss_of)(parameters, x, y, used)
        squares = [DECAY * s + (1 - DECAY) * g * g for s, g in zip(squares, gradients)]
        root = jax.numpy.sqrt
        parameters = [p - RATE * g / (root(s) + EPSILON) for p, g, s in zip(parameters, gradients, squares)]
        return (parameters, squares, key), loss

    return step


def by_jax():
    step = jax_step()
    start = [jax.device_put(a) for a in start_values(1)]
    state = (start, [jax.numpy.zeros_like(a) for a in start], jax.random.key(7))

    def work(x, y):
        nonlocal state
        state, loss = step(state, x, y)
        return jax.block_until_ready(loss)

    return work


def torch_model(drop=DROP):
    """The network with the weights to start from."""
    layers = []
    start = start_values(1)
    for i in range(3):
        linear = torch.nn.Linear(*WIDTHS[i : i + 2])
        with torch.no_grad():
            linear.weight.copy_(torch.from_numpy(start[2 * i].T.copy()))
            linear.bias.zero_()
        layers += [linear] + ([torch.nn.Tanh(), torch.nn.Dropout(drop[i])] if i < 2 else [])
    return torch.nn.Sequential(*layers)


def by_torch_step(compiled):
    model = torch_model()
    descent = torch.optim.RMSprop(model.parameters(), lr=RATE, alpha=DECAY, eps=EPSILON)

    def loss_of(x, y):
        return torch.nn.functional.cross_entropy(model(x), y)

    forward = torch.compile(loss_of) if compiled else loss_of

    def work(x, y):
        descent.zero_grad(set_to_none=True)
        loss = forward(x, y)
        loss.backward()
        descent.step()
        return loss.detach()

    return work


def pytensor_step():
    math = pytensor.tensor
    x, y = math.matrix("x", dtype="float32"), math.vector("y", dtype="int64")
    random = math.random.utils.RandomStream(7)
    parameters = [pytensor.shared(a) for a in start_values(1)]
    squares = [pytensor.shared(np.zeros_like(p.get_value())) for p in parameters]
    h = x
    for i in range(3):
        h = h @ parameters[2 * i] + parameters[2 * i + 1]
        if i < 2:
            kept = random.uniform(0, 1, size=(x.shape[0], WIDTHS[i + 1])) >= DROP[i]
            h = math.tanh(h) * kept.astype("float32") * np.float32(1 / (1 - DROP[i]))
    loss = -math.special.log_softmax(h, axis=1)[math.arange(y.shape[0]), y].mean()
    updates = []
    for p, s, g in zip(parameters, squares, pytensor.grad(loss, parameters)):
        square = np.float32(DECAY) * s + np.float32(1 - DECAY) * g * g
        updates += [(s, square), (p, p - np.float32(RATE) * g / (math.sqrt(square) + np.float32(EPSILON)))]
    step = pytensor.function([x, y], loss, updates=updates)
    step.trust_input = True
    return step


def steps():
    """A function of (rows, labels) for each library, and what makes the arrays into its own."""
    same = lambda a: a
    yield "numpy", by_arrays(step_with(softmax_gradient)), same
    if numba:
        yield "numba", by_arrays(numba.njit(step_with(numba.njit(softmax_gradient_loops)))), same
    if jax:
        yield "jax", by_jax(), jax.device_put
    if pytensor:
        yield "pytensor", pytensor_step(), same
    if torch:
        yield "torch", by_torch_step(False), torch.from_numpy
        yield "torch.compile", by_torch_step(True), torch.from_numpy


def one_step(rows):
    x, y = inputs((rows, WIDTHS[0]), 1), labels(rows, WIDTHS[-1], 2)
    for system, step, own in steps():
        yield system, (lambda step, x, y: lambda: step(x, y))(step, own(x), own(y))


def one_epoch():
    x, y = inputs((EPOCH_ROWS, WIDTHS[0]), 1), labels(EPOCH_ROWS, WIDTHS[-1], 2)

    def epoch(step, x, y):
        def work():
            for begin in range(0, EPOCH_ROWS, EPOCH_BATCH):
                loss = step(x[begin : begin + EPOCH_BATCH], y[begin : begin + EPOCH_BATCH])
            return loss

        return work

    for system, step, own in steps():
        yield system, epoch(step, own(x), own(y))


def systems(name, sizes):
    if name == "network step f32":
        return one_step(*sizes)
    if name == "network epoch f32":
        return one_epoch()
    return None
