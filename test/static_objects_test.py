"""No static object of a library is destroyed, nor is its code unloaded, while the process lives.

    static_objects_test.py LIBRARY...

Each library has to have a definition of __cxa_atexit of its own, so it imports none from the C library; and the dynamic linker
must be told never to unload it. See docs/adr/0033-exit.md.
"""
import re
import subprocess
import sys


def problems_of(library):
    text = subprocess.run(["readelf", "-W", "--dynamic", "--dyn-syms", library], check=True,
                          capture_output=True, text=True).stdout
    if re.search(r"\bUND __cxa_atexit\b", text):
        yield "registers destructors of static objects: link static_objects.cpp into it"
    if re.search(r"\b\d+ __cxa_atexit\b", text):
        yield "exports __cxa_atexit, which would be taken for everybody's"
    if "NODELETE" not in text:
        yield "can be unloaded while threads run its code: link it with -z nodelete"


def main(libraries):
    failed = [f"{library}: {problem}" for library in libraries for problem in problems_of(library)]
    print("\n".join(failed) or f"{len(libraries)} libraries, nothing of them goes")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
