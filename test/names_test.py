"""A page that says for names of another library what to write with Kroton is whole, and all that it says compiles.

    names_test.py PAGE NAMES BUILD CXX

Rows of the page's tables: in the first column names in backticks, in the second what to write, in backticks, or nothing
where there is nothing; then a third says why or what to do instead.

    | `sum`, `add.reduce` | `sum(a, 1)` | integers in i64 |

Each line of NAMES is in the first column of one row, but for names in no table that the page lists under "Not here". What the
second column shows is compiled as expressions, after the declarations of the page's first ```cpp block.
"""
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

CODE = re.compile(r"`` (.+?) ``|`([^`]+)`")


def codes(cell):
    return [a or b for a, b in CODE.findall(cell)]


def rows(text):
    """(line number, names, what to write, whether anything stands in the third column) of each row of a table."""
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("|"):
            continue
        cells = [c.strip().replace("\\|", "|") for c in re.split(r"(?<!\\)\|", line)[1:-1]]
        if len(cells) == 3 and not set(cells[0]) <= set("-: ") and codes(cells[0]):
            yield number, codes(cells[0]), codes(cells[1]), bool(cells[2])


def not_here(text):
    match = re.search(r"^## Not here\n(.*)", text, re.MULTILINE | re.DOTALL)
    return [name for line in (match[1].splitlines() if match else []) if not line.startswith("|") for name in codes(line)]


def problems(text, names):
    found, absent = {}, not_here(text)
    for number, given, code, has_note in rows(text):
        if not code and not has_note:
            yield f"line {number}: {given[0]} has neither code nor a reason"
        for name in given:
            if name in found:
                yield f"line {number}: {name} has a row already, in line {found[name]}"
            found[name] = number
    for name in names:
        if name not in found and name not in absent:
            yield f"{name} has no row"
        if name in found and name in absent:
            yield f"{name} has a row and is under 'Not here'"
    for name in sorted({*found, *absent} - set(names)):
        yield f"{name} is in no list of names (test/names/names.py)"


def program(page, text):
    declarations = re.search(r"^```cpp\n(.*?)^```", text, re.MULTILINE | re.DOTALL)[1]
    source = f"#include <kroton/kroton.hpp>\n#include <cmath>\nusing namespace kroton;\nint main() {{\n{declarations}"
    for number, _, code, _ in rows(text):
        source += "".join(f'#line {number} "{page}"\n  static_cast<void>({c});\n' for c in code)
    return source + "}\n"


def self_test():
    text = ("```cpp\n  int a = 1;\n```\n| x | y | z |\n|---|---|---|\n| `f`, `g` | `a + 1`, `a \\| 1` | |\n| `h` | | no such thing |\n| `k` | | |\n"
            "## Not here\n`m`, `n`\n")
    assert [r[1:] for r in rows(text)] == [(["f", "g"], ["a + 1", "a | 1"], False), (["h"], [], True), (["k"], [], False)], list(rows(text))
    assert not_here(text) == ["m", "n"]
    assert list(problems(text, ["f", "g", "h", "k", "m", "n", "o"])) == ["line 8: k has neither code nor a reason", "o has no row"]
    assert list(problems(text.replace("`k` | |", "`f` | |"), ["f", "g", "h", "m"]))[1:] == [
        "line 8: f has a row already, in line 6", "n is in no list of names (test/names/names.py)"]
    assert "static_cast<void>(a | 1);" in program("p", text)


def main(page, names, build, *cxx):
    self_test()
    text = Path(page).read_text()
    wrong = list(problems(text, Path(names).read_text().split()))
    for problem in wrong:
        print(f"{Path(page).name}: {problem}")
    env = dict(os.environ, PKG_CONFIG_PATH=str(Path(build).resolve() / "meson-uninstalled"))
    flags = shlex.split(subprocess.run(["pkg-config", "--cflags", "kroton"], env=env, check=True, capture_output=True, text=True).stdout)
    with tempfile.TemporaryDirectory(prefix="kroton-names-") as directory:
        file = Path(directory) / "page.cpp"
        file.write_text(program(Path(page).name, text))
        compiled = subprocess.run([*cxx, "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", *flags, str(file)], capture_output=True, text=True)
    if compiled.returncode:
        print(compiled.stderr)
    print(f"{sum(1 for _ in rows(text))} rows, {len(wrong)} problems")
    return 1 if wrong or compiled.returncode else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
