"""The cases of bench/suites in other libraries, driven through stdin and stdout.

    peers.py THREADS                                        0: on the GPU
    → numpy 2.4.6, numexpr 2.14.2; missing: torch           once, on starting
    prepare a + 1 f32 1e5
    → numpy 99998.7 numexpr 99998.7                         systems and their results' sums
    round numpy 100
    → 2312345.0                                             nanoseconds for 100 repetitions

The words after `prepare` are a case's name and size; the answer is an empty line for a case that
only Kroton has. A library that is not installed, or that fails at a case, is left out and named on
stderr. Each of the modules below has the cases of a suite.
"""

import sys
import time
import warnings

import compiling
import elementwise
import gpu
import libraries
import network
import products
import rows
import starting
import training

SUITES = (elementwise, rows, training, network, products, compiling, starting)
GPU_SUITES = (gpu,)


def sizes_of(text):
    return [int(float(s)) for s in text.replace("->", "x").split("x")] if text[:1].isdigit() else [text]


def usable(name, systems):
    """The systems that run, with their results' sums."""
    system = "the first system"
    try:
        for system, work in systems:
            result = work()
            yield system, work, libraries.total(result)
    except Exception as error:  # whatever another library throws
        print(f"peers: {name}: {system}, or the one after it, fails: {error}", file=sys.stderr)


def prepare(words):
    """Names, work and sums for a case's name and size."""
    if not libraries.np:
        return []
    name = " ".join(words[:-1])
    for suite in SUITES if libraries.threads else GPU_SUITES:
        systems = suite.systems(name, sizes_of(words[-1]))
        if systems is not None:
            return list(usable(name, systems))
    return []


def time_of(work, repetitions):
    """In nanoseconds; as the work itself tells it where that is not the time of a call."""
    if hasattr(work, "measure"):
        return work.measure(repetitions)
    start = time.perf_counter_ns()
    for _ in range(repetitions):
        work()
    return time.perf_counter_ns() - start


def main():
    warnings.simplefilter("ignore")
    libraries.use_threads(int(sys.argv[1]))
    modules = {name: libraries.optional(name) for name in libraries.NAMES}
    found = ", ".join(f"{name} {module.__version__}" for name, module in modules.items() if module)
    missing = ", ".join(name for name, module in modules.items() if not module)
    # What libraries print themselves must not stand between the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    print((found or "none") + (f"; missing: {missing}" if missing else ""), flush=True, file=answers)

    systems = {}
    for line in sys.stdin:
        command, *words = line.split()
        if command == "prepare":
            prepared = prepare(words)
            systems = {system: work for system, work, _ in prepared}
            print(" ".join(f"{system} {total!r}" for system, _, total in prepared), flush=True, file=answers)
        elif command == "round":
            print(float(time_of(systems[words[0]], int(words[1]))), flush=True, file=answers)


if __name__ == "__main__":
    main()
