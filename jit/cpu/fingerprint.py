"""Writes the header that says which compiler plugin a build has.

    fingerprint.py OUTPUT DEPFILE ROOT LLVM_VERSION SOURCE...

The fingerprint names the version of LLVM and ends in a digest of the plugin's sources and of every
header of Kroton's that they include: whatever may change the code that the plugin makes of a text.
It is part of every kernel's key.
"""
import hashlib
import re
import sys
from pathlib import Path


def with_headers(root, sources):
    """The sources and all that they include in quotes, as paths from the root, sorted."""
    found, left = set(), [Path(source).resolve().relative_to(root) for source in sources]
    while left:
        file = left.pop()
        if file in found or not (root / file).is_file():
            continue
        found.add(file)
        left += map(Path, re.findall(r'^#include "([^"]+)"', (root / file).read_text(), re.MULTILINE))
    return sorted(found)


def main(output, depfile, root, version, *sources):
    root = Path(root).resolve()
    files = with_headers(root, sources)
    digest = hashlib.blake2b(digest_size=8)
    for file in files:
        content = (root / file).read_bytes()
        digest.update(f"{file} {len(content)}\n".encode() + content)
    Path(output).write_text(f"""#pragma once
// Written by jit/cpu/fingerprint.py.
namespace kroton::jit {{
inline constexpr char plugin_fingerprint[] = "clang {version} plugin {digest.hexdigest()}";
}}
""")
    Path(depfile).write_text(f"{output}: {' '.join(str(root / file) for file in files)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
