"""Steps of stochastic gradient descent: softmax regression, and a perceptron with a hidden layer."""

from libraries import *  # noqa: F403


def softmax_gradient(scores, y):
    """The mean loss; scores become their gradient. What each row's most likely class is comes too."""
    each = np.arange(len(y))
    predicted = scores.argmax(1)
    scores -= scores.max(1, keepdims=True)
    picked = scores[each, y]
    np.exp(scores, out=scores)
    total = scores.sum(1, keepdims=True)
    scores /= total
    scores[each, y] -= 1
    scores /= np.float32(len(y))
    return np.mean(np.log(total[:, 0]) - picked), predicted


def softmax_gradient_loops(scores, y):
    """The same as loops, for Numba."""
    rows, classes = scores.shape
    predicted = np.empty(rows, np.int64)
    loss, share = np.float32(0), np.float32(1) / np.float32(rows)
    for r in range(rows):
        top, at = scores[r, 0], 0
        for c in range(1, classes):
            if scores[r, c] > top:
                top, at = scores[r, c], c
        predicted[r] = at
        picked, total = scores[r, y[r]] - top, np.float32(0)
        for c in range(classes):
            scores[r, c] = np.exp(scores[r, c] - top)
            total += scores[r, c]
        loss += np.log(total) - picked
        for c in range(classes):
            scores[r, c] *= share / total
        scores[r, y[r]] -= share
    return loss * share, predicted


def logistic(gradient):
    def step(x, y, rate, w, b):
        d = x @ w + b
        loss, predicted = gradient(d, y)
        w -= rate * (x.T @ d)
        b -= rate * d.sum(0)
        return loss

    return step


def perceptron(gradient):
    def step(x, y, rate, w1, b1, w2, b2):
        h = np.tanh(x @ w1 + b1)
        d2 = h @ w2 + b2
        loss, predicted = gradient(d2, y)
        d1 = (d2 @ w2.T) * (np.float32(1) - h * h)
        w2 -= rate * (h.T @ d2)
        b2 -= rate * d2.sum(0)
        w1 -= rate * (x.T @ d1)
        b1 -= rate * d1.sum(0)
        return loss

    return step


def scores_of(module):
    """The scores of a network of any depth, tanh between layers, in a library with @."""

    def scores(x, *parameters):
        for i in range(0, len(parameters), 2):
            x = (module.tanh(x) if i else x) @ parameters[i] + parameters[i + 1]
        return x

    return scores


def descent_by_jax(x, y, start, rate):
    scores = scores_of(jax.numpy)

    def loss_of(parameters, x, y):
        s = scores(x, *parameters)
        return -jax.nn.log_softmax(s)[jax.numpy.arange(len(y)), y].mean(), s.argmax(1)

    @jax.jit
    def step(parameters, x, y):
        (loss, predicted), gradients = jax.value_and_grad(loss_of, has_aux=True)(parameters, x, y)
        return [p - rate * g for p, g in zip(parameters, gradients)], loss, predicted

    placed = [jax.device_put(a) for a in (x, y.astype(np.int32))]
    parameters = [jax.device_put(a) for a in start]

    def work():
        nonlocal parameters
        parameters, loss, _ = step(parameters, *placed)
        return jax.block_until_ready(loss)

    return work


def torch_step(x, y, parameters, rate, compile_loss):
    s, t = torch.from_numpy(x), torch.from_numpy(y)
    descent = torch.optim.SGD(parameters, lr=rate)
    scores = scores_of(torch)

    def loss_of(*parameters):
        result = scores(s, *parameters)
        return torch.nn.functional.cross_entropy(result, t), result.argmax(1)

    loss_of = compile_loss(loss_of)

    def step():
        descent.zero_grad(set_to_none=True)
        loss, _ = loss_of(*parameters)
        loss.backward()
        descent.step()
        return loss.detach()

    return step


def torch_parameters(start):
    return [torch.from_numpy(a.copy()).requires_grad_() for a in start]


def compiled_descent_by_torch(x, y, start, rate):
    return torch_step(x, y, torch_parameters(start), rate, torch.compile)


def descent_by_torch(x, y, start, rate):
    yield "torch", torch_step(x, y, torch_parameters(start), rate, lambda loss_of: loss_of)
    yield "torch.compile", compiled_descent_by_torch(x, y, start, rate)


def descent_by_pytensor(x, y, start, rate):
    math = pytensor.tensor
    xs, ys = math.matrix("x", dtype="float32"), math.vector("y", dtype="int64")
    parameters = [pytensor.shared(a.copy()) for a in start]
    scores = scores_of(math)(xs, *parameters)
    loss = -math.special.log_softmax(scores, axis=1)[math.arange(ys.shape[0]), ys].mean()
    gradients = pytensor.grad(loss, parameters)
    step = pytensor.function(
        [xs, ys], [loss, scores.argmax(1)], updates=[(p, p - np.float32(rate) * g) for p, g in zip(parameters, gradients)]
    )
    step.trust_input = True
    return lambda: step(x, y)[0]


def descent(make_step, start, rows, features, classes, rate):
    x, y = inputs((rows, features), 1), labels(rows, classes, 2)

    def by_arrays(step):
        parameters = [a.copy() for a in start]
        return lambda: step(x, y, np.float32(rate), *parameters)

    yield "numpy", by_arrays(make_step(softmax_gradient))
    if numba:
        yield "numba", by_arrays(numba.njit(make_step(numba.njit(softmax_gradient_loops))))
    if jax:
        yield "jax", descent_by_jax(x, y, start, rate)
    if pytensor:
        yield "pytensor", descent_by_pytensor(x, y, start, rate)
    if torch:
        yield from descent_by_torch(x, y, start, rate)


def systems(name, sizes):
    def weights(shape, stream, scale):
        return np.float32(scale) * inputs(shape, stream)

    if name == "training step f32":
        rows, features, classes = sizes
        start = [weights((features, classes), 3, 0.01), np.zeros(classes, np.float32)]
        return descent(logistic, start, rows, features, classes, 0.1)
    if name == "perceptron step f32":
        rows, features, hidden, classes = sizes
        start = [weights((features, hidden), 3, 0.05), np.zeros(hidden, np.float32)]
        start += [weights((hidden, classes), 4, 0.1), np.zeros(classes, np.float32)]
        return descent(perceptron, start, rows, features, classes, 0.01)
    return None
