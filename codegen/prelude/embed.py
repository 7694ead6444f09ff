#!/usr/bin/env python3
"""Cuts the prelude's headers into fragments and writes them as a C++ table.

usage: embed.py OUTPUT.cpp TABLE [-DMACRO…] INPUT.h…

A fragment opens with `//# name: dependency …` and ends before the next such line. Its declared dependencies
must be exactly the earlier fragments that its text names, so a kernel that takes a fragment with its
dependencies always compiles; anything else stops the build with the file and line at fault.

With -D the table is for one compiler whose macros are known, these and no others: of the branches of #if only
the one that it would take is kept, and with it the dependencies that it names. What depends on __CUDA_ARCH__ stays.
"""
import re
import sys

marker = re.compile(r"//#\s+(\w+):((?:\s+\w+)*)\s*$")
types = "i8 i16 i32 i64 u8 u16 u32 u64 f32 f64 KROTON_INLINE".split()


def stop(path, line, message):
    sys.exit(f"{path}:{line}: {message}")


def holds(condition, macros):
    """Whether #if takes a condition made of defined(…), __has_builtin(…), names, numbers, comparisons, && and ||."""
    condition = re.sub(r"defined\((\w+)\)", lambda m: str(int(m[1] in macros)), condition)
    condition = re.sub(r"__has_builtin\(\w+\)|\b[A-Za-z_]\w*", "0", condition)
    return bool(eval(condition.replace("&&", " and ").replace("||", " or ")))


class Branches:
    """The #if and #else around a line."""

    def __init__(self, macros):
        self.macros = macros
        self.open = []  # of each: whether its present branch is kept, whether one was taken (None: all are)

    def takes(self, line):
        """Whether to keep a line."""
        match = re.match(r"\s*#\s*(if|ifdef|elif|else|endif)\b\s*(.*)", line)
        if not match:
            return all(kept for kept, _ in self.open)
        what, condition = match.groups()
        if what in ("if", "ifdef"):
            self.open.append((True, None) if "__CUDA_ARCH__" in condition else (False, False))
        stays = self.open[-1][1] is None
        if what == "endif":
            self.open.pop()
        if stays or what == "endif":
            return stays
        if what == "ifdef":
            condition = f"defined({condition})"
        taken = self.open[-1][1]
        kept = not taken and (what == "else" or holds(condition, self.macros))
        self.open[-1] = (kept, taken or kept)
        return False


def read_fragments(paths, macros):
    fragments = {}
    for path in paths:
        current = None
        branches = Branches(macros)
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
                        if need not in fragments and not macros:
                            stop(path, number, f"{name} depends on {need}, which no earlier line defines")
                    current = {"needs": needs, "lines": [], "at": (path, number)}
                    fragments[name] = current
                elif current is not None and not line.startswith("///") and (not macros or branches.takes(line)):
                    current["lines"].append(line)
    return fragments


def words_of(fragment):
    return set(re.findall(r"[A-Za-z_]\w*", "\n".join(fragment["lines"])))


def check(name, fragment, fragments):
    words = words_of(fragment)
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


def keep_branches(fragments):
    """Drops what is left empty, and dependencies that only other branches name."""
    kept = {name: f for name, f in fragments.items() if any(f["lines"])}
    for name, fragment in kept.items():
        words = words_of(fragment)
        fragment["needs"] = [need for need in fragment["needs"]
                             if need in kept and (need in words or need == "types" and words & set(types))]
    return kept


def main():
    output, table, *rest = sys.argv[1:]
    macros = {argument[2:] for argument in rest if argument.startswith("-D")}
    fragments = read_fragments([path for path in rest if not path.startswith("-D")], macros)
    if macros:
        fragments = keep_branches(fragments)
    lines = ["// Written by codegen/prelude/embed.py.", '#include "codegen/prelude/prelude_table.hpp"', "",
             "namespace kroton::codegen {", "namespace {", "", "constexpr PreludeEntry entries[] = {"]
    for name, fragment in fragments.items():
        check(name, fragment, fragments)
        text = "\n".join(fragment["lines"]).strip("\n")
        lines.append(f'    {{"{name}", "{" ".join(fragment["needs"])}", R"kroton({text}\n)kroton"}},')
    lines += ["};", "", "} // namespace", "", f"const std::span<const PreludeEntry> {table}(entries);", "",
              "} // namespace kroton::codegen", ""]
    with open(output, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))


main()
