"""Fails on an #include against the arrows between the rooms (docs/architecture.md).

    layering_test.py ROOT      checks the tree
    layering_test.py --self    checks the check, on a made-up tree

    include <- lib <- codegen <- jit          lib/support <- cache <- jit, tools/kroton
    lib: support < data < ir < ops < rewrite < grad < plan; lib/nn and examples see the public API alone
    codegen: schedule < loop; prelude, schedule, loop < cpp < product < program; prelude, schedule, loop < cuda
    jit: compile < bound < run < cpu, cuda < function < report
    LLVM headers only in jit/cpu, CUDA headers only in jit/cuda, and no fmt or spdlog in include
    Kinds of step are told apart by support::match, which does not compile where one is left out
"""
import re
import sys
import tempfile
from pathlib import Path

LIB_ORDER = ["support", "data", "ir", "ops", "rewrite", "grad", "plan"]
LIB = [f"lib/{room}" for room in LIB_ORDER]
CODEGEN = [f"codegen/{room}" for room in ["prelude", "schedule", "loop", "cpp", "product", "program", "cuda"]]
JIT = [f"jit/{room}" for room in ["compile", "bound", "run", "cpu", "cuda", "function", "report"]]
BELOW_JIT = ["include", "cache"] + LIB + CODEGEN

# room -> the rooms it may include, besides itself. The longest matching prefix of a path is its room.
ALLOWED = {
    "include": [],
    **{room: ["include"] + LIB[:i] for i, room in enumerate(LIB)},
    "lib/nn": ["include"],
    "codegen/prelude": ["include"] + LIB,
    "codegen/schedule": ["include"] + LIB,
    "codegen/loop": ["include", "codegen/schedule"] + LIB,
    "codegen/cpp": ["include", "codegen/prelude", "codegen/schedule", "codegen/loop"] + LIB,
    "codegen/product": ["include", "codegen/prelude", "codegen/schedule", "codegen/cpp"] + LIB,
    "codegen/program": ["include", "codegen/prelude", "codegen/schedule", "codegen/cpp", "codegen/product"] + LIB,
    "codegen/cuda": ["include", "codegen/prelude", "codegen/schedule", "codegen/loop"] + LIB,
    "cache": ["include", "lib/support"],
    "tools/kroton": ["include", "lib/support", "cache"],
    **{room: BELOW_JIT + JIT[:i] for i, room in enumerate(JIT)},
    "jit/cuda": BELOW_JIT + JIT[:JIT.index("jit/cpu")],  # beside jit/cpu
    "examples": ["include"],
    "bench": None,  # sees everything, as test does
    "test": None,
}

FOLDERS = sorted({room.split("/")[0] for room in ALLOWED})

# what -> (how its headers are spelt, the rooms that may include it)
OUTSIDE = {
    "LLVM": (r"(llvm|llvm-c|clang|clang-c|lld)/", ["jit/cpu", "test", "bench"]),
    "CUDA": (r"(cuda|cudaTypedefs|cuda_\w+|nvrtc|nvJitLink|nvPTXCompiler|cublas\w*|cudnn\w*)\.h", ["jit/cuda", "test", "bench"]),
    "fmt or spdlog": (r"(fmt|spdlog)/", [*LIB, *CODEGEN, *JIT, "cache", "tools/kroton", "test", "bench"]),
    "I/O, clocks or threads": (r"(fstream|iostream|filesystem|chrono|thread|mutex)$",
                               [room for room in ALLOWED if room not in CODEGEN]),
}

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')
KIND_OF_STEP = re.compile(r"\b(get|get_if|holds_alternative)<\s*(const\s+)?(\w+::)*"
                          r"(KernelStep|ContractionStep|LibraryStep|(Cpu|Device)(Kernel|Product|Call)|(Kernel|Product|Call)Code)\b")
BACKEND_CONDITION = re.compile(r"^\s*#\s*(if|ifdef|ifndef|elif)\b.*(CUDA|LLVM|NVRTC)")
BACKEND_CONDITION_ALLOWED = ["jit/cpu", "jit/cuda", "codegen/prelude", "test"]


def room_of(path):
    """The room of a path relative to the root, None for one outside all rooms."""
    rooms = [room for room in ALLOWED if path == room or path.startswith(room + "/")]
    return max(rooms, key=len, default=None)


def target_of(root, source, quote, name):
    """The tree's own file that an #include names, relative to the root; None for another library's."""
    if name.startswith("kroton/"):
        return "include/" + name
    if quote == '"' and (source.parent / name).exists():
        return (source.parent / name).resolve().relative_to(root).as_posix()
    return name if (root / name).exists() or room_of(name) else None


def problems(root):
    root = Path(root).resolve()
    for source in (f for folder in FOLDERS for f in sorted((root / folder).rglob("*"))):
        path = source.relative_to(root).as_posix()
        room = room_of(path)
        if source.suffix not in (".hpp", ".cpp", ".h", ".cu", ".inc"):
            continue
        if room is None:
            yield f"{path}:1: lies in no room; say in test/layering_test.py what it may include"
            continue
        for number, line in enumerate(source.read_text(errors="replace").splitlines(), 1):
            here = f"{path}:{number}"
            if BACKEND_CONDITION.match(line) and not any(path.startswith(r + "/") for r in BACKEND_CONDITION_ALLOWED):
                yield f"{here}: {room} asks for a backend in the preprocessor: {line.strip()}"
            if KIND_OF_STEP.search(line) and ALLOWED[room] is not None:
                yield f"{here}: a kind of step is asked for alone; visit them all with support::match: {line.strip()}"
            match = INCLUDE.match(line)
            if not match:
                continue
            quote, name = match.groups()
            target = target_of(root, source, quote, name)
            if target is not None:
                to = room_of(target)
                if to is None:
                    if ALLOWED[room] is not None:
                        yield f"{here}: {room} includes {name}, which lies in no room"
                elif to != room and ALLOWED[room] is not None and to not in ALLOWED[room]:
                    yield f"{here}: {room} may not include {to} ({name})"
                continue
            for what, (spelling, rooms) in OUTSIDE.items():
                if re.match(spelling, name) and room not in rooms:
                    yield f"{here}: {room} may not include {what} headers ({name})"


def self_test():
    """Every kind of offence is found, alone, and what is allowed is not reported."""
    fine = {
        "include/kroton/expr.hpp": "#include <kroton/dtype.hpp>\n#include <vector>\n",
        "include/kroton/dtype.hpp": "",
        "lib/support/error.hpp": "#include <fmt/format.h>\n#include <kroton/dtype.hpp>\n",
        "lib/ir/node.hpp": '#include "lib/support/error.hpp"\n',
        "lib/plan/plan.cpp": '#include "lib/ir/node.hpp"\n#include <thread>\n',
        "codegen/cpp/render.cpp": '#include "lib/plan/plan.cpp"\n',
        "cache/store.hpp": '#include "lib/support/error.hpp"\n#include <filesystem>\n',
        "jit/function/function.cpp": '#include "codegen/cpp/render.cpp"\n#include "cache/store.hpp"\n#include "jit/cpu/clang.cpp"\n',
        "jit/cpu/clang.cpp": '#include <clang/Basic/Version.h>\n#if LLVM_VERSION_MAJOR > 20\n#endif\n',
        "jit/cuda/driver.cpp": "#include <cuda.h>\n",
        "tools/kroton/main.cpp": '#include "cache/store.hpp"\n#include <fmt/format.h>\n',
        "examples/demo.cpp": "#include <kroton/expr.hpp>\n#include <iostream>\n",
        "test/all_test.cpp": '#include "jit/cpu/clang.cpp"\n#include <llvm/IR/Module.h>\nauto& c = std::get<LibraryStep>(s.what);\n',
    }
    offences = {
        "include/kroton/bad.hpp": ['#include "lib/ir/node.hpp"', "#include <fmt/format.h>", "#include <spdlog/spdlog.h>",
                                   "#include <llvm/IR/Module.h>", "#include <cuda.h>"],
        "lib/support/bad.cpp": ['#include "lib/ir/node.hpp"', '#include "../ir/node.hpp"'],
        "lib/plan/bad.cpp": ["if (auto* k = std::get_if<KernelStep>(&s.what)) run(*k);",
                             "return std::holds_alternative<const plan::LibraryStep>(s.what);"],
        "lib/ir/bad.cpp": ['#include "lib/plan/plan.cpp"', '# include "codegen/cpp/render.cpp"', "#ifdef KROTON_CUDA"],
        "lib/nn/bad.cpp": ['#include "lib/ir/node.hpp"'],
        "codegen/bad.cpp": [""],
        "codegen/loop/bad.cpp": ['#include "jit/function/function.cpp"', '#include "cache/store.hpp"', "#include <chrono>",
                                 '#include "codegen/cpp/render.cpp"'],
        "cache/bad.cpp": ['#include "lib/ir/node.hpp"', '#include "codegen/cpp/render.cpp"'],
        "jit/bad.cpp": [""],
        "jit/function/bad.cpp": ["#include <llvm/IR/Module.h>", "#include <nvrtc.h>", '#include "examples/demo.cpp"'],
        "jit/run/bad.cpp": ['#include "jit/function/function.cpp"', '#include "jit/cpu/clang.cpp"'],
        "jit/cpu/bad.cpp": ["#include <cuda_runtime.h>", '#include "jit/cuda/driver.cpp"'],
        "jit/cuda/bad.cpp": ["#include <clang/Basic/Version.h>", '#include "jit/cpu/clang.cpp"'],
        "tools/kroton/bad.cpp": ['#include "jit/function/function.cpp"', "#include <llvm/IR/Module.h>"],
        "lib/newroom/bad.cpp": [""],
        "examples/bad.cpp": ['#include "lib/ir/node.hpp"', '#include "jit/run/not_written_yet.hpp"'],
    }
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for path, text in fine.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        assert list(problems(root)) == [], list(problems(root))
        for path, lines in offences.items():
            for line in lines:
                file = root / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text("\n" + line + "\n")
                found = list(problems(root))
                assert len(found) == 1 and re.match(re.escape(path) + ":[12]: ", found[0]), (path, line, found)
                file.unlink()


def main(arguments):
    if arguments == ["--self"]:
        self_test()
        return 0
    found = list(problems(arguments[0]))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
