"""The demo learns, then starts warm: two runs on one cache that was empty.

    demo_test.py PROGRAM

The first run compiles every kernel, the second none; both reach the accuracy that the demo promises,
the same one. The generated source is where the program says.
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

LEAST_ACCURACY = 0.94


def run(program, source, env, *options):
    result = subprocess.run([program, "--source", str(source), *options], env=env, stdin=subprocess.DEVNULL,
                            capture_output=True, text=True)
    assert result.returncode == 0 and not result.stderr, (result.returncode, result.stdout, result.stderr)
    accuracy = float(re.search(r"^test accuracy (\S+)$", result.stdout, re.MULTILINE)[1])
    compiled, found = re.search(r"^kernels: (\d+) compiled, (\d+) from the cache", result.stdout.splitlines()[-1]).groups()
    assert f"source:  {source}\n" in result.stdout, result.stdout
    assert 'extern "C" void kernel(' in source.read_text()
    assert "\r" not in result.stdout and len(result.stdout.splitlines()) < 30, "plain lines, where there is no terminal"
    return accuracy, int(compiled), int(found)


def main(program):
    with tempfile.TemporaryDirectory(prefix="kroton-demo-") as directory:
        source = Path(directory) / "kernels.cpp"
        env = dict(os.environ, KROTON_CACHE_DIR=f"{directory}/cache")
        accuracy, compiled, found = run(program, source, env)
        assert accuracy >= LEAST_ACCURACY, accuracy
        assert compiled > 0 and found == 0, (compiled, found)
        again = run(program, source, env)
        assert again == (accuracy, 0, compiled), (again, accuracy, compiled)

        bad = subprocess.run([program, "--epochs", "none"], env=env, capture_output=True, text=True)
        expected = "logistic_regression: --epochs: expected a whole number from 1 on, got 'none'\n"
        assert (bad.returncode, bad.stdout, bad.stderr) == (2, "", expected), bad


if __name__ == "__main__":
    main(*sys.argv[1:])
