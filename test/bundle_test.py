"""What `./dev bundle` makes: small, complete, and able to run where there is nothing else.

    bundle_test.py ROOT BUILD

- Every library that a file in it needs is the C library's or in it too, and no run path is absolute.
- Its programs start in a root with nothing but a shell, the C library and /proc, where a mount
  namespace may be made; else with an empty environment.
- It brings the code for the CPU that the bench compares with, and no compiler.
- Without a GPU both scripts say so and end with status 3.
"""
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

GLIBC = re.compile(r"^(ld-linux-x86-64|lib(c|m|dl|rt|pthread|resolv))\.so")
PROGRAMS = ["run-gpu-tests", "run-gpu-bench", "test/test-gpu", "test/test-conformance", "bench/bench", "bench/startup"]
# A driver that is not there, so that the test means the same on machines with a GPU.
NO_DRIVER = {"KROTON_CUDA_DRIVER": "/nonexistent/libcuda.so.1"}


def output_of(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


def is_elf(path):
    return path.is_file() and path.open("rb").read(4) == b"\x7fELF"


def check_libraries(bundle):
    carried = {p.name for p in (bundle / "jit").iterdir()}
    for file in filter(is_elf, bundle.rglob("*")):
        dynamic = output_of("readelf", "-d", str(file))
        for name in re.findall(r"\(NEEDED\).*\[(.*)\]", dynamic):
            assert GLIBC.match(name) or name in carried, f"{file} needs {name}, which is not in the bundle"
        for path in re.findall(r"\((?:RUNPATH|RPATH)\).*\[(.*)\]", dynamic):
            assert path.startswith("$ORIGIN"), f"{file} looks for libraries in {path}"
        assert ".debug_info" not in output_of("readelf", "-S", "-W", str(file)), f"{file} has debug information"


def make_root(folder, bundle):
    """A root with the bundle, a shell, the C library and a place for /proc."""
    shutil.copytree(bundle, folder / "bundle")
    for empty in ["tmp", "proc"]:
        (folder / empty).mkdir()
    files = {"/bin/sh"}
    for program in ["/bin/sh", *map(str, filter(is_elf, bundle.rglob("*")))]:
        for name, path in re.findall(r"(\S+) => (/\S+)", output_of("ldd", program)):
            if GLIBC.match(name):
                files.add(path)
    files.add("/lib64/ld-linux-x86-64.so.2")
    for file in files:
        (folder / file[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, folder / file[1:], follow_symlinks=True)
    return folder


def runner(folder, bundle):
    """A function that runs a program of the bundle with nothing else there, where it sees the bundle,
    and the way it is run."""
    root = make_root(folder, bundle)

    def in_root(program, *arguments, **variables):
        environment = " ".join(f"{name}={value}" for name, value in variables.items())
        enter = f'mount --rbind /proc "$0/proc" && exec env -i {environment} /usr/sbin/chroot "$0" "$@"'
        return subprocess.run(["unshare", "--map-root-user", "--mount", "sh", "-c", enter, str(root), f"/bundle/{program}",
                               *arguments], capture_output=True, text=True)

    def beside(program, *arguments, **variables):
        return subprocess.run([str(bundle / program), *arguments], env={"PATH": "/nonexistent"} | variables,
                              capture_output=True, text=True)

    if in_root("bench/bench", "--help").returncode == 0:
        return in_root, "/bundle", "a root of its own"
    return beside, bundle, "an empty environment"


def main(root, build):
    with tempfile.TemporaryDirectory() as scratch:
        bundle = Path(scratch) / "bundle"
        print(output_of(str(Path(root) / "tools/bundle/make.sh"), build, str(bundle)).strip())
        for program in PROGRAMS:
            assert os.access(bundle / program, os.X_OK), f"{program} is missing"
        check_libraries(bundle)

        run, place, where = runner(Path(scratch) / "root", bundle)
        print(f"running in {where}")
        listed = run("bench/bench", "--suite", "gpu", "--list")
        assert listed.returncode == 0 and "perceptron step f32" in listed.stdout, listed
        listed = run("test/test-conformance", "--list-tests")
        assert "every elementwise op" in listed.stdout, listed
        # Code for the CPU is there already: nothing is compiled, as nothing could be.
        kept = run("bench/bench", "--compile-cpu", KROTON_CACHE_DIR=f"{place}/../tmp/cache", KROTON_CACHE_PATH=f"{place}/cache",
                   KROTON_CACHE_UNSIGNED="path")
        assert kept.returncode == 0, kept
        missing = run("bench/bench", "--compile-cpu", KROTON_CACHE="off")
        assert missing.returncode == 2, missing
        for script in ["run-gpu-tests", "run-gpu-bench"]:
            refused = run(script, **NO_DRIVER)
            assert refused.returncode == 3, refused
            assert "there is no GPU to use: KROTON_CUDA_DRIVER=/nonexistent/libcuda.so.1" in refused.stderr, refused

        # A directory that holds something else stays as it is.
        mine = Path(scratch) / "mine"
        mine.mkdir()
        (mine / "thesis").write_text("years of work")
        refused = subprocess.run([str(Path(root) / "tools/bundle/make.sh"), build, str(mine)], capture_output=True, text=True)
        assert refused.returncode == 1 and "holds something else than a bundle" in refused.stderr, refused
        assert (mine / "thesis").read_text() == "years of work"
    print("ok")


if __name__ == "__main__":
    main(*sys.argv[1:])
