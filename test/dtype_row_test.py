"""A dtype that is added by half is refused by the compiler, also where warnings are no errors.

    dtype_row_test.py ROOT COMPILER...

Compiles the header that turns dtypes into C++ types with copies of <kroton/dtype.hpp> to which a 16-bit float has been
added, each lacking something.
"""
import subprocess
import sys
import tempfile
from pathlib import Path

LAST = "f32, f64 };"
WHOLE_ROW = ('    {DType::f16, DTypeKind::floating, "f16", "float16", "half", 2, DType::f32, 11, -13, 16, "(f16){}f",\n'
             '     "f2", 2},\n')


def with_row(text, row):
    """The header with the enumerator f16 and a row for it."""
    assert text.count(LAST) == 1
    text = text.replace(LAST, "f32, f64, f16 };")
    end = text.index("};", text.index("dtype_rows[] = {"))
    return text[:end] + row + text[end:]


def compiles(compiler, root, header):
    """Whether the header of visits compiles with this <kroton/dtype.hpp>, and what the compiler says."""
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / "kroton").mkdir()
        (Path(directory) / "kroton/dtype.hpp").write_text(header)
        source = Path(directory) / "use.cpp"
        source.write_text('#include "lib/support/dtype.hpp"\n#include "lib/support/visit_dtype.hpp"\n')
        command = [*compiler, "-std=c++20", "-fsyntax-only", "-w", "-I", directory, "-I", str(root), "-I", str(root / "include"),
                   str(source)]
        result = subprocess.run(command, capture_output=True, text=True)
        return result.returncode == 0, result.stderr


def main(root, *compiler):
    root = Path(root)
    text = (root / "include/kroton/dtype.hpp").read_text()
    accepted, errors = compiles(compiler, root, text)
    assert accepted, errors
    cases = {
        "no row": (text.replace(LAST, "f32, f64, f16 };").replace("DType::f64, DTypeKind", "DType::f16, DTypeKind"), "are_complete"),
        "no range of exponents": (with_row(text, WHOLE_ROW.replace("-13, 16", "0, 0")), "are_complete"),
        "no text of constants": (with_row(text, WHOLE_ROW.replace("(f16){}f", "")), "are_complete"),
        "integers as what it computes in": (with_row(text, WHOLE_ROW.replace("DType::f32", "DType::i32")), "are_complete"),
        "no C++ type": (with_row(text, WHOLE_ROW), "each dtype has a C++ type"),
    }
    for what, (header, message) in cases.items():
        accepted, errors = compiles(compiler, root, header)
        assert not accepted, f"a dtype with {what} is accepted"
        assert message in errors, f"a dtype with {what}: {errors}"


if __name__ == "__main__":
    main(*sys.argv[1:])
