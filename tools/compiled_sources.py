"""Prints the repository's own sources that a build directory compiles, one to a line.

    compiled_sources.py BUILD
"""
import json
import sys
from pathlib import Path

root = Path(__file__).resolve().parent.parent
build = Path(sys.argv[1]).resolve()
commands = json.loads((build / "compile_commands.json").read_text())
files = {(Path(c["directory"]) / c["file"]).resolve() for c in commands}
for file in sorted(files):
    if file.is_relative_to(root) and not file.is_relative_to(build):
        print(file.relative_to(root))
