"""The cases of bench/suites in other libraries, driven through stdin and stdout.

    peers.py THREADS
    → numpy 1.26.4, numexpr 2.10.2; missing: torch          once, on starting
    prepare linear f32 1e5
    → numpy -99998.7 numexpr -99998.7                       systems and their results' sums
    round numpy 100
    → 2312345.0                                             nanoseconds for 100 repetitions

The words after `prepare` are a case's name and size. A library that is not installed is skipped.
Each case writes into memory of its own where the library can, as ours does.
"""

import importlib
import sys
import time


def optional(name):
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


np, ne, torch, jax = (optional(name) for name in ("numpy", "numexpr", "torch", "jax"))


def inputs(shape, stream, dtype="float32"):
    """As bench/inputs.hpp."""
    i = np.arange(int(np.prod(shape)), dtype=np.uint64)
    word = (i * 2654435761 + stream * 1013904223) & 0xFFFFFFFF
    return (word / 2147483648.0 - 1.0).astype(dtype).reshape(shape)


def labels(n, classes, stream):
    i = np.arange(n, dtype=np.uint64)
    word = (i * 2654435761 + stream * 1013904223) & 0xFFFFFFFF
    return ((word >> np.uint64(8)) % classes).astype(np.int64)


def by_jax(function, *arguments):
    """A compiled function's call, waited for."""
    compiled = jax.jit(function)
    placed = [jax.device_put(a) for a in arguments]
    return lambda: compiled(*placed).block_until_ready()


def add(n):
    x, y = inputs((n,), 1), inputs((n,), 2)
    out = np.empty_like(x)
    yield "numpy", lambda: np.add(x, y, out=out)
    if jax:
        yield "jax", by_jax(lambda x, y: x + y, x, y)
    if torch:
        a, b, o = torch.from_numpy(x), torch.from_numpy(y), torch.empty(n)
        yield "torch", lambda: torch.add(a, b, out=o)


def linear(n, dtype):
    x, y = inputs((n,), 1, dtype), inputs((n,), 2, dtype)
    out, scratch = np.empty_like(x), np.empty_like(x)
    two, three, one = (x.dtype.type(v) for v in (2, 3, 1))

    def by_numpy():
        np.multiply(x, two, out=out)
        np.multiply(y, three, out=scratch)
        np.add(out, scratch, out=out)
        return np.subtract(out, one, out=out)

    yield "numpy", by_numpy
    if ne:
        names = {"x": x, "y": y, "two": two, "three": three, "one": one}
        yield "numexpr", lambda: ne.evaluate("two * x + three * y - one", names, out=out)
    if jax:
        yield "jax", by_jax(lambda x, y: 2 * x + 3 * y - 1, x, y)
    if torch:
        a, b, o = torch.from_numpy(x), torch.from_numpy(y), torch.empty(n, dtype=getattr(torch, dtype))
        yield "torch", lambda: torch.mul(a, 2, out=o).add_(b, alpha=3).sub_(1)


def activations(n):
    x, y = inputs((n,), 1), inputs((n,), 2)
    out = np.empty_like(x)
    a, b, c, one = (np.float32(v) for v in (1.5, 0.25, -2, 1))
    yield "numpy", lambda: np.tanh(a * x + b) / (one + np.exp(-c * y)) + np.log1p(np.exp(x))
    if ne:
        names = {"x": x, "y": y, "a": a, "b": b, "c": c, "one": one}
        text = "tanh(a * x + b) / (one + exp(-c * y)) + log1p(exp(x))"
        yield "numexpr", lambda: ne.evaluate(text, names, out=out)
    if jax:
        chain = lambda x, y: jax.numpy.tanh(1.5 * x + 0.25) * jax.nn.sigmoid(-2 * y) + jax.numpy.log1p(jax.numpy.exp(x))
        yield "jax", by_jax(chain, x, y)
    if torch:
        s, t = torch.from_numpy(x), torch.from_numpy(y)
        yield "torch", lambda: torch.tanh(1.5 * s + 0.25) * torch.sigmoid(-2 * t) + torch.nn.functional.softplus(s)


def softmax(rows, columns):
    x = inputs((rows, columns), 1)
    out = np.empty_like(x)

    def by_numpy():
        np.subtract(x, x.max(axis=1, keepdims=True), out=out)
        np.exp(out, out=out)
        return np.divide(out, out.sum(axis=1, keepdims=True), out=out)

    yield "numpy", by_numpy
    if jax:
        yield "jax", by_jax(jax.nn.softmax, x)
    if torch:
        t = torch.from_numpy(x)
        yield "torch", lambda: torch.softmax(t, 1)


def training_step(rows, features, classes):
    x, y = inputs((rows, features), 1), labels(rows, classes, 2)
    start = np.float32(0.01) * inputs((features, classes), 3)

    w, b, each, rate = start.copy(), np.zeros(classes, np.float32), np.arange(rows), np.float32(0.1)

    def by_numpy():
        nonlocal w, b
        scores = x @ w + b
        e = np.exp(scores - scores.max(axis=1, keepdims=True))
        p = e / e.sum(axis=1, keepdims=True)
        p.argmax(axis=1)
        loss = -np.log(p[each, y]).mean()
        p[each, y] -= np.float32(1)
        p *= np.float32(1 / rows)
        w -= rate * (x.T @ p)
        b -= rate * p.sum(axis=0)
        return loss

    yield "numpy", by_numpy
    if jax:

        def loss_of(parameters, x, y):
            scores = x @ parameters[0] + parameters[1]
            picked = jax.nn.log_softmax(scores)[jax.numpy.arange(rows), y]
            return -picked.mean(), scores.argmax(axis=1)

        @jax.jit
        def step(parameters, x, y):
            (loss, predicted), gradients = jax.value_and_grad(loss_of, has_aux=True)(parameters, x, y)
            return [p - 0.1 * g for p, g in zip(parameters, gradients)], loss, predicted

        placed = [jax.device_put(a) for a in (x, y.astype(np.int32))]
        parameters = [jax.device_put(a) for a in (start, np.zeros(classes, np.float32))]

        def by_jax_step():
            nonlocal parameters
            parameters, loss, _ = step(parameters, *placed)
            return jax.block_until_ready(loss)

        yield "jax", by_jax_step
    if torch:
        s, t = torch.from_numpy(x), torch.from_numpy(y)
        v = torch.from_numpy(start.copy()).requires_grad_()
        c = torch.zeros(classes, requires_grad=True)
        descent = torch.optim.SGD([v, c], lr=0.1)

        def by_torch():
            descent.zero_grad(set_to_none=True)
            scores = s @ v + c
            scores.argmax(1)
            loss = torch.nn.functional.cross_entropy(scores, t)
            loss.backward()
            descent.step()
            return loss.detach()

        yield "torch", by_torch


def systems_of(words):
    """Names and work for a case's name and size; none for cases that only Kroton has."""
    *name, size = words
    name = " ".join(name)
    sizes = [int(float(s)) for s in size.replace("->", "x").split("x")] if size[:1].isdigit() else []
    if not np:
        return []
    if name == "z = x + y":
        return add(*sizes)
    if name in ("linear f32", "linear f64"):
        return linear(*sizes, "float" + name[-2:])
    if name == "activations f32":
        return activations(*sizes)
    if name == "softmax f32":
        return softmax(*sizes)
    if name == "training step f32":
        return training_step(*sizes)
    return []


def main():
    threads = int(sys.argv[1])
    if ne:
        ne.set_num_threads(threads)
    if jax:
        jax.config.update("jax_enable_x64", True)
    if torch:
        torch.set_num_threads(threads)
    known = {"numpy": np, "numexpr": ne, "jax": jax, "torch": torch}
    found = ", ".join(f"{name} {module.__version__}" for name, module in known.items() if module)
    missing = ", ".join(name for name, module in known.items() if not module)
    print((found or "none") + (f"; missing: {missing}" if missing else ""), flush=True)

    systems = {}
    for line in sys.stdin:
        command, *words = line.split()
        if command == "prepare":
            systems = dict(systems_of(words))
            sums = (f"{name} {float(np.sum(np.asarray(work()), dtype='float64'))!r}" for name, work in systems.items())
            print(" ".join(sums), flush=True)
        elif command == "round":
            work, repetitions = systems[words[0]], int(words[1])
            start = time.perf_counter_ns()
            for _ in range(repetitions):
                work()
            print(float(time.perf_counter_ns() - start), flush=True)


if __name__ == "__main__":
    main()
