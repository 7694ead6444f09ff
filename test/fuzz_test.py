"""Runs libFuzzer on everything that reads bytes from elsewhere: entries, bundles, plans, objects.

    fuzz_test.py ROOT BUILD KROTON MAKE_CACHE SECONDS

The targets are built with Clang and the sanitizers, and start from real entries, a real bundle, real
plans and real objects. SECONDS is for all targets together. Without a Clang that has libFuzzer the test is skipped (77).
"""
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

SUPPORT = ["lib/support/digest.cpp", "lib/support/error.cpp"]
ENTRY = ["cache/artifact.cpp", "cache/entry.cpp", "cache/key.cpp", "cache/sign.cpp"]
TARGETS = {  # name -> what is compiled besides test/fuzz/NAME.cpp, what is linked
    "entry": (SUPPORT + ENTRY, ["-lfmt", "-lsodium", "-lz"]),
    "bundle": (SUPPORT + ["cache/bundle.cpp"], ["-lfmt", "-lsodium"]),
    "plan": (SUPPORT + ["jit/bound/plan_file.cpp"], ["-lfmt", "-lsodium"]),
    "object": (["tools/kroton/elf.cpp", "tools/kroton/disassemble.cpp"], ["-lfmt", "-lZydis"]),
}
FLAGS = ["-std=c++20", "-O1", "-g1", "-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=all", "-w"]


def find_clang(scratch):
    """The newest Clang that builds a fuzzer, or None."""
    empty = scratch / "empty.cpp"
    empty.write_text('extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }\n')
    for name in ("clang++-22", "clang++-21", "clang++-20", "clang++-19", "clang++"):
        try:
            if subprocess.run([name, *FLAGS, empty, "-o", scratch / "empty"], capture_output=True).returncode == 0:
                return name
        except FileNotFoundError:
            continue
    return None


def fill_corpora(scratch, tool, make_cache):
    """Real inputs for each target to start from."""
    env = dict(os.environ, KROTON_CACHE_DIR=str(scratch / "cache"))
    subprocess.run([make_cache], env=env, check=True)
    for name in TARGETS:
        (scratch / name).mkdir()
    subprocess.run([tool, "cache", "export", scratch / "bundle" / "all"], env=env, check=True, capture_output=True)
    for path in (scratch / "cache").rglob("*.kro"):
        entry = path.read_bytes()
        (scratch / "entry" / path.name).write_bytes(entry)
        plan = re.search(rb"\x04\x00{7}(.{8})\1plan", entry, re.DOTALL)  # a plain section of that name
        if plan:
            (scratch / "plan" / path.name).write_bytes(entry[plan.end():][:int.from_bytes(plan[1], "little")])
        at = entry.find(b"\x7fELF")
        if at >= 0:  # what follows the object is as good as any other damage
            (scratch / "object" / path.name).write_bytes(entry[at:])


def main(root, build, tool, make_cache, seconds):
    root = Path(root)
    with tempfile.TemporaryDirectory(prefix="kroton-fuzz-") as directory:
        scratch = Path(directory)
        clang = find_clang(scratch)
        if clang is None:
            print("no Clang here has libFuzzer (libclang-rt-N-dev)")
            return 77
        fill_corpora(scratch, tool, make_cache)
        failed = 0
        for name, (sources, libraries) in TARGETS.items():
            program = scratch / f"fuzz-{name}"
            subprocess.run([clang, *FLAGS, "-I", root, "-I", root / "include", root / "test/fuzz" / f"{name}.cpp",
                            *[root / source for source in sources], *libraries, "-o", program], check=True)
            found = subprocess.run([program, scratch / name, f"-max_total_time={int(seconds) // len(TARGETS)}",
                                    "-max_len=65536", "-rss_limit_mb=1024", "-timeout=10", "-print_final_stats=1",
                                    f"-artifact_prefix={build}/fuzz-{name}-"], capture_output=True, text=True)
            print(f"{name}: {found.stderr.splitlines()[-6:]}")
            if found.returncode != 0:
                failed += 1
                print(found.stderr[-4000:])
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
