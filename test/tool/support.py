"""What the tests of the command `kroton` share: caches to work on, and ways to run it.

Every test program is called as  TEST.py KROTON MAKE_CACHE  and runs its functions whose names begin
with test_, each with a Tool whose cache is its own. One that fails says so and the others still run.
"""
import inspect
import json
import os
import shutil
import subprocess
import sys
import tempfile
import traceback
from pathlib import Path


class Tool:
    """The command on a cache of four real kernels; `home` has nothing else in it."""

    def __init__(self, program, home, filled):
        self.program, self.home, self.cache = program, Path(home), Path(home) / "cache"
        self.filled = filled  # whole functions too
        shutil.copytree(filled, self.cache)
        self.env = {key: value for key, value in os.environ.items()
                    if not key.startswith(("KROTON_", "XDG_")) and key not in ("NO_COLOR", "LD_LIBRARY_PATH")}
        self.env.update(HOME=str(home), KROTON_CACHE_DIR=str(self.cache), TERM="xterm")
        for entry in self.json("cache", "ls"):  # the tests count kernels alone
            if not entry["tag"].startswith("kernel/"):
                self.path(entry["key"]).unlink()

    def run(self, *arguments, status=0, env=None, **options):
        """The finished process; fails unless it ended with `status`, if that is not None."""
        result = subprocess.run([self.program, *map(str, arguments)], env={**self.env, **(env or {})}, text=True,
                                **{"capture_output": True, "stdin": subprocess.DEVNULL, "timeout": 120, **options})
        assert status in (None, result.returncode), (arguments, result.returncode, result.stdout, result.stderr)
        return result

    def out(self, *arguments, **options):
        """What it printed; fails if it complained."""
        result = self.run(*arguments, **options)
        assert not result.stderr, result.stderr
        return result.stdout

    def json(self, *arguments, **options):
        return json.loads(self.out(*arguments, "--json", **options))

    def error(self, *arguments, status, **options):
        """What it complained of, having printed nothing."""
        result = self.run(*arguments, status=status, **options)
        assert not result.stdout and result.stderr.startswith("kroton: "), (result.stdout, result.stderr)
        return result.stderr

    def keys(self, **options):
        return [entry["key"] for entry in self.json("cache", "ls", "--sort", "key", **options)]

    def path(self, key):
        return self.cache / "v2" / key[:2] / f"{key}.kro"

    def restore_plans(self):
        """Puts the entries of whole functions back; their keys."""
        plans = []
        for file in self.filled.rglob("*.kro"):
            if not self.path(file.stem).exists():
                self.path(file.stem).parent.mkdir(exist_ok=True)
                shutil.copy2(file, self.path(file.stem))
                plans.append(file.stem)
        return plans

    def flip(self, key, at):
        """Changes one byte of an entry."""
        entry = bytearray(self.path(key).read_bytes())
        entry[at] ^= 0x40
        self.path(key).write_bytes(entry)


def main(module):
    """Runs the tests of a module; arguments as above. Returns the exit status."""
    program, make_cache = sys.argv[1:3]
    tests = [f for name, f in inspect.getmembers(module, inspect.isfunction) if name.startswith("test_")]
    failed = 0
    with tempfile.TemporaryDirectory(prefix="kroton-tool-") as directory:
        filled = Path(directory) / "filled"
        subprocess.run([make_cache], env=dict(os.environ, KROTON_CACHE_DIR=str(filled)), check=True)
        for test in tests:
            with tempfile.TemporaryDirectory(prefix=f"{test.__name__}-", dir=directory) as home:
                try:
                    test(Tool(program, home, filled))
                except Exception:
                    failed += 1
                    print(f"FAILED {test.__name__}: {test.__doc__}\n{traceback.format_exc()}")
    print(f"{len(tests) - failed} of {len(tests)} passed")
    return 1 if failed or not tests else 0
