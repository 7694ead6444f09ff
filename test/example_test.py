"""A program of examples/ prints what the end of its source says.

    example_test.py PROGRAM SOURCE

Comment lines after "// prints:", as in the programs of README.md (readme_test.py): "..." stands for any text, and alone for any lines.
"""
import subprocess
import sys
from pathlib import Path

from readme_test import expected_output, same


def main(program, source):
    expected = expected_output(Path(source).read_text())
    if not expected:
        print(f"{source} does not say what it prints")
        return 1
    ran = subprocess.run([program], capture_output=True, text=True)
    print(ran.stdout + ran.stderr, end="")
    if ran.returncode:
        print(f"exits with {ran.returncode}")
        return 1
    if not same(expected, ran.stdout):
        print("expected:\n" + "\n".join(expected))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
