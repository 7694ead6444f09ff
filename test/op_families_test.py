"""Adding an op compiles few files again, and every row is listed.

    op_families_test.py ROOT      checks the tree
    op_families_test.py --self    checks the check, on a made-up tree

A family of ops is lib/ops/NAME.cpp with its rows, lib/ops/NAME.hpp with the rows that other files name, and
include/kroton/ops/NAME.hpp with its public functions. A new op changes the second, and the first only if another family names its
row. At most LIMIT source files may include either, directly or through others, beside those that are about all ops and include
kroton/ops.hpp. Each family lists its rows in NAME_rows(), which `ops::all()` is made of.
"""
import re
import sys
import tempfile
from pathlib import Path

LIMIT = 20
# Included almost everywhere, and complete: a new op goes into its family's headers. The others declare no ops.
NO_FAMILY = {"basic", "batch", "build", "params", "range", "table"}
# Without examples, which include all of Kroton as users' programs do.
FOLDERS = ["include", "lib", "codegen", "cache", "jit", "tools", "test", "bench"]

INCLUDE = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]', re.M)
ROW = re.compile(r"^const Op (\w+)\s*[{=]", re.M)
LIST = re.compile(r"(\w+)_rows\(\) \{.*?rows\[\] = \{(.*?)\};", re.S)


def includes(root):
    """What each file of the tree includes of the tree, by path relative to the root."""
    files = [f for folder in FOLDERS for f in (root / folder).rglob("*") if f.suffix in (".hpp", ".cpp", ".h", ".inc", ".cu")]
    paths = {f.relative_to(root).as_posix(): f for f in files}
    graph = {}
    for path, file in paths.items():
        graph[path] = set()
        for name in INCLUDE.findall(file.read_text(errors="replace")):
            for candidate in ("include/" + name, name, (Path(path).parent / name).as_posix()):
                if candidate in paths:
                    graph[path].add(candidate)
    return graph


def sources_with(graph, headers):
    """The source files that include one of the headers, directly or through others."""
    users = {}
    for path, names in graph.items():
        for name in names:
            users.setdefault(name, set()).add(path)
    seen, queue = set(headers), list(headers)
    while queue:
        for user in users.get(queue.pop(), ()):
            if user not in seen:
                seen.add(user)
                queue.append(user)
    return sorted(path for path in seen if path.endswith(".cpp"))


def families(graph):
    headers = [p for p in graph if re.fullmatch(r"(lib|include/kroton)/ops/\w+\.hpp", p)]
    return sorted({Path(p).stem for p in headers} - NO_FAMILY)


def problems(root):
    root = Path(root).resolve()
    graph = includes(root)
    of_all = set(sources_with(graph, ["include/kroton/ops.hpp"]))
    for family in families(graph):
        headers = [h for h in (f"lib/ops/{family}.hpp", f"include/kroton/ops/{family}.hpp") if h in graph]
        for header in headers:
            sources = [source for source in sources_with(graph, [header]) if source not in of_all]
            if len(sources) > LIMIT:
                yield (f"{header}: a new op there compiles {len(sources)} source files again, more than {LIMIT}; "
                       f"include narrower headers in some of them:\n  " + "\n  ".join(sources))
    for source in sorted((root / "lib/ops").glob("*.cpp")):
        text = source.read_text()
        rows = ROW.findall(text)
        listed = [name for family, names in LIST.findall(text) if family == source.stem for name in re.findall(r"&(\w+)", names)]
        for name in sorted(set(rows) ^ set(listed)):
            yield f"lib/ops/{source.name}: {name} is {'not ' if name in rows else ''}listed in {source.stem}_rows() {'' if name in rows else 'but no row '}".rstrip()


def self_test():
    """A header that too many files reach and a row that is not listed are found, and nothing else is."""
    rows = "const Op erf{.name = \"erf\"};\nstd::span<const Op* const> special_rows() {\n  static constexpr const Op* rows[] = {&erf};\n}\n"
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)

        def write(path, text):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)

        write("include/kroton/ops/special.hpp", "#include <kroton/ops/basic.hpp>\n")
        write("include/kroton/ops/basic.hpp", "")
        write("lib/ops/special.hpp", "")
        write("lib/ops/special.cpp", '#include "lib/ops/special.hpp"\n' + rows)
        write("test/wide.hpp", "#include <kroton/ops/special.hpp>\n")
        for i in range(LIMIT):
            write(f"test/user{i}.cpp", '#include "wide.hpp"\n#include <kroton/ops/basic.hpp>\n')
        assert list(problems(root)) == [], list(problems(root))
        write("include/kroton/ops.hpp", "#include <kroton/ops/special.hpp>\n")
        write("test/of_all.cpp", "#include <kroton/ops.hpp>\n")
        assert list(problems(root)) == [], list(problems(root))
        write("test/one_more.cpp", "#include <kroton/ops/special.hpp>\n")
        assert len(list(problems(root))) == 1 and str(LIMIT + 1) in list(problems(root))[0], list(problems(root))
        write("test/one_more.cpp", "#include <kroton/ops/basic.hpp>\n")
        write("lib/ops/special.cpp", rows + "const Op erfc{.name = \"erfc\"};\n")
        assert list(problems(root)) == ["lib/ops/special.cpp: erfc is not listed in special_rows()"], list(problems(root))


def main(arguments):
    if arguments == ["--self"]:
        self_test()
        return 0
    found = list(problems(arguments[0]))
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
