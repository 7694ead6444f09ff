"""Compiles and runs the programs of README.md, or of another page.

    readme_test.py PAGE BUILD CXX

A ```cpp block with a main function is a program: it must compile against the build tree with
warnings as errors and exit with 0. Where it ends with comment lines after "// prints:", its output
must be those lines; "..." in one stands for any text, since timings differ, and alone for any lines.

    std::cout << f({a})[0].item<float>() << '\n';
    }
    // prints:
    // 42
"""
import os
import re
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

SKIPPED = 77


def programs(text):
    """(line number, source) of each block that is a whole program."""
    for match in re.finditer(r"^```(?:cpp|c\+\+)[^\n]*\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        if re.search(r"\bint\s+main\s*\(", match[1]):
            yield text.count("\n", 0, match.start(1)) + 1, match[1]


def expected_output(source):
    """The lines after "// prints:", None where a program does not say."""
    match = re.search(r"^\s*//\s*prints:[ ]*(.*)\n((?:\s*//.*\n)*)", source, re.MULTILINE)
    if not match:
        return None
    lines = [match[1]] if match[1] else []
    return lines + [re.sub(r"^\s*// ?", "", line) for line in match[2].splitlines()]


def same(expected, printed):
    pattern = ""
    for line in expected:
        any_text = ".*".join(map(re.escape, line.rstrip().split("...")))
        pattern += r"(?:.*\n)*?" if line.strip() == "..." else any_text + r"\n"
    return re.fullmatch(pattern, "".join(line.rstrip() + "\n" for line in printed.splitlines())) is not None


def self_test():
    text = 'a\n```cpp\nint f();\n```\n```cpp\nint main() {}\n// prints:\n//   1 ms...\n// 2\n```\n'
    (line, source), = programs(text)
    assert line == 6 and expected_output(source) == ["  1 ms...", "2"], (line, expected_output(source))
    assert same(["a 1...ms", "b"], "a 123 ms\nb\n") and not same(["a"], "a\nb\n") and not same(["a"], "b\n")
    assert same(["...", "a", " ...", "c"], "0\n1\na\nc\n") and same(["a", "..."], "a\nb\nc\n") and same(["..."], "")
    assert not same(["...", "a"], "a\nb\n") and not same(["a", "...", "c"], "a\nb\n") and not same(["a"], "")
    assert expected_output("int main() {}\n") is None


def main(readme, build, *cxx):
    self_test()
    readme = Path(readme)
    if not readme.exists():
        print(f"there is no {readme}")
        return SKIPPED
    blocks = list(programs(readme.read_text()))
    if not blocks:
        print(f"{readme} shows no program")
        return 1

    env = dict(os.environ, PKG_CONFIG_PATH=str(Path(build).resolve() / "meson-uninstalled"))
    flags = shlex.split(subprocess.run(["pkg-config", "--cflags", "--libs", "kroton"], env=env, check=True,
                                       capture_output=True, text=True).stdout)
    failed = 0
    for line, source in blocks:
        with tempfile.TemporaryDirectory(prefix="kroton-readme-") as directory:
            file = Path(directory) / "program.cpp"
            file.write_text(f'#line {line} "{readme.name}"\n{source}')
            env["KROTON_CACHE_DIR"] = f"{directory}/cache"
            compiled = subprocess.run([*cxx, "-std=c++20", "-Wall", "-Wextra", "-Werror", "-o", f"{directory}/program",
                                       str(file), *flags], capture_output=True, text=True)
            if compiled.returncode != 0:
                print(f"{readme.name}:{line}: does not compile\n{compiled.stderr}")
                failed += 1
                continue
            ran = subprocess.run([f"{directory}/program"], cwd=directory, env=env, stdin=subprocess.DEVNULL,
                                 capture_output=True, text=True)
            expected = expected_output(source)
            if ran.returncode != 0:
                print(f"{readme.name}:{line}: ended with {ran.returncode}\n{ran.stdout}{ran.stderr}")
                failed += 1
            elif expected is not None and not same(expected, ran.stdout):
                print(f"{readme.name}:{line}: printed\n{ran.stdout}instead of\n" + "\n".join(expected))
                failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
