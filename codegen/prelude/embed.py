#!/usr/bin/env python3
"""Cuts the prelude's headers into fragments and writes them as a C++ table.

usage: embed.py OUTPUT.cpp INPUT.h…

A fragment opens with `//# name: dependency …` and ends before the next such line. Its declared dependencies
must be exactly the earlier fragments that its text names, so a kernel that takes a fragment with its
dependencies always compiles; anything else stops the build with the file and line at fault.
"""
import re
import sys

marker = re.compile(r"//#\s+(\w+):((?:\s+\w+)*)\s*$")
types = "i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 KROTON_INLINE".split()


def stop(path, line, message):
    sys.exit(f"{path}:{line}: {message}")


def read_fragments(paths):
    fragments = {}
    for path in paths:
        current = None
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                line = line.rstrip()
                if line.startswith("//#"):
                    match = marker.match(line)
                    if not match:
                        stop(path, number, f"expected '//# name: dependency …', got '{line}'")
                    name, needs = match.group(1), match.group(2).split()
                    if name in fragments:
                        stop(path, number, f"fragment {name} is defined twice")
                    for need in needs:
                        if need not in fragments:
                            stop(path, number, f"{name} depends on {need}, which no earlier line defines")
                    current = {"needs": needs, "lines": [], "at": (path, number)}
                    fragments[name] = current
                elif current is not None and not line.startswith("///"):
                    current["lines"].append(line)
    return fragments


def check(name, fragment, fragments):
    text = "\n".join(fragment["lines"])
    words = set(re.findall(r"[A-Za-z_]\w*", text))
    used = {word for word in words if word in fragments and word != name}
    if name != "types" and words & set(types):
        used.add("types")
    declared = set(fragment["needs"])
    # What a dependency brings along may be declared or not; what is used must be reachable.
    reachable, work = set(), list(declared)
    while work:
        need = work.pop()
        if need not in reachable:
            reachable.add(need)
            work += fragments[need]["needs"]
    if used - reachable:
        stop(*fragment["at"], f"{name} uses {' '.join(sorted(used - reachable))} without depending on it")
    if declared - used:
        stop(*fragment["at"], f"{name} depends on {' '.join(sorted(declared - used))} without using it")


def main():
    output, inputs = sys.argv[1], sys.argv[2:]
    fragments = read_fragments(inputs)
    lines = ["// Written by codegen/prelude/embed.py.", '#include "codegen/prelude_table.hpp"', "",
             "namespace kroton::codegen {", "", "const PreludeEntry prelude_table[] = {"]
    for name, fragment in fragments.items():
        check(name, fragment, fragments)
        text = "\n".join(fragment["lines"]).strip("\n")
        lines.append(f'    {{"{name}", "{" ".join(fragment["needs"])}", R"kroton({text}\n)kroton"}},')
    lines += ["};", f"const std::size_t prelude_table_size = {len(fragments)};", "",
              "} // namespace kroton::codegen", ""]
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


main()
