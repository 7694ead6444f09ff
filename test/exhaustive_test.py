"""A kind of step, or of op, that a place does not know is refused by the compiler there.

    exhaustive_test.py ROOT COMPILER...

Compiles uses of `support::match` and switches over `ir::Kind` that lack an alternative, or hide one, with the flag that the build has.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

MATCH = """
#include "lib/support/match.hpp"
struct Circle {}; struct Square {}; struct Triangle {};
int sides(const std::variant<Circle, Square, Triangle>& shape) { return kroton::support::match(shape, %s); }
"""
SWITCH = """
#include "lib/ir/op.hpp"
using kroton::ir::Kind;
int number(Kind kind) { switch (kind) { %s } return -1; }
"""


def compiles(compiler, root, text):
    with tempfile.TemporaryDirectory() as directory:
        source = Path(directory) / "use.cpp"
        source.write_text(text)
        result = subprocess.run([*compiler, "-std=c++20", "-fsyntax-only", "-Werror=switch", "-I", str(root), "-I",
                                 str(root / "include"), str(source)], capture_output=True, text=True)
        return result.returncode == 0, result.stderr


def main(root, *compiler):
    root = Path(root)
    circle, square, triangle = "[](Circle) { return 0; }", "[](Square) { return 4; }", "[](Triangle) { return 3; }"
    text = (root / "lib/ir/op.hpp").read_text()
    begin = text.index("enum class Kind : std::uint8_t {")
    kinds = [line.split(",")[0].strip() for line in text[begin:text.index("};", begin)].splitlines()[1:]]
    assert len(kinds) > 10 and "library" in kinds, kinds
    cases = [f"case Kind::{kind}: return {i};" for i, kind in enumerate(kinds)]
    for what, source, is_accepted, message in (
            ("all alternatives", MATCH % ", ".join((circle, square, triangle)), True, ""),
            ("no triangle", MATCH % ", ".join((circle, square)), False, "Triangle"),
            ("anything", MATCH % f"{circle}, [](const auto&) {{ return 1; }}", False, "name the alternatives"),
            ("all kinds", SWITCH % " ".join(cases), True, ""),
            ("no library", SWITCH % " ".join(case for case in cases if "library" not in case), False, "library")):
        accepted, errors = compiles(compiler, root, source)
        assert accepted == is_accepted, f"{what}: {errors}"
        assert message in errors, f"{what}: {errors}"


if __name__ == "__main__":
    main(*sys.argv[1:])
