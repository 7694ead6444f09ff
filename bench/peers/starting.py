"""Whole starts of libraries that keep compiled functions on disk, everything kept there by a start before.

As a program, one start, measured from its inside:

    starting.py LIBRARY PROGRAM FOLDER THREADS
    → 412345678                        nanoseconds from the end of the imports to the first result

Each start imports its own library alone, so imports stand in functions here.
"""

import functools
import os
import subprocess
import sys
import tempfile
import time

LIBRARIES = ("jax", "torch")
NAMES = {"jax": "jax", "torch": "torch.compile"}


@functools.lru_cache(maxsize=None)
def folder_of(library, program):
    """Where the starts of a program keep what they compile."""
    return tempfile.TemporaryDirectory()


class Start:
    """Work that is a process of its own: `measure` tells the time of its part that a case is about."""

    def __init__(self, library, program, threads, is_whole):
        folder = folder_of(library, program).name
        self.command = [sys.executable, __file__, library, program, folder, str(threads)]
        self.is_whole = is_whole

    def __call__(self):
        return self.measure(1)

    def measure(self, repetitions):
        return sum(self.once() for _ in range(repetitions))

    def once(self):
        begin = time.perf_counter_ns()
        process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        inner, whole = process.stdout.readline(), time.perf_counter_ns() - begin
        _, errors = process.communicate()
        if process.returncode:
            raise RuntimeError(errors)
        return whole if self.is_whole else int(inner)


def systems(name, sizes):
    if name not in ("main to result", "process to result") or sizes[0] not in ("regression", "network"):
        return None
    import libraries

    return (
        (NAMES[library], Start(library, sizes[0], libraries.threads, name.startswith("process")))
        for library in LIBRARIES
        if getattr(libraries, library)
    )


def first_result(library, program):
    import libraries
    import network
    import training

    if program == "regression":
        x, y = libraries.inputs((600, 784), 1), libraries.labels(600, 10, 2)
        start = [libraries.np.zeros((784, 10), "float32"), libraries.np.zeros(10, "float32")]
        if library == "jax":
            return training.descent_by_jax(x, y, start, 0.1)()
        return training.compiled_descent_by_torch(x, y, start, 0.1)()
    x, y = libraries.inputs((32, 16), 1), libraries.labels(32, 10, 2)
    if library == "jax":
        return network.by_jax()(*map(libraries.jax.device_put, (x, y)))
    return network.by_torch_step(True)(*map(libraries.torch.from_numpy, (x, y)))


def main(library, program, folder, threads):
    os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
    for other in ("numexpr", "numba", "pytensor", *LIBRARIES):
        if other != library:
            sys.modules[other] = None  # importing it fails, as if it were not installed
    import libraries

    libraries.use_threads(int(threads))
    if library == "jax":
        libraries.keep_jax_functions(folder)
    begin = time.perf_counter_ns()
    first_result(library, program)
    print(time.perf_counter_ns() - begin, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
