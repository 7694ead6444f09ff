"""A program outside the tree builds and runs against the build tree, then against an installed prefix.

    consumer_test.py ROOT BUILD CXX

The program compiles a function, which needs the compiler plugin; the mapped files of its process
show that library and plugin came from the place under test and not from the other one. Another
one, under the thread sanitizer, is told of no races in a Kroton that is not.
"""
import json
import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = r"""
#include <kroton/kroton.hpp>
#include <fstream>
#include <iostream>
namespace kt = kroton;
int main() {
  auto x = kt::vector<float>("x"), y = kt::vector<float>("y");
  kt::Function f = kt::function({x, y}, {x + y});
  std::vector<float> a{1, 2, 3}, b{10, 20, 30};
  for (float v : f({kt::Array::from(a, {3}), kt::Array::from(b, {3})})[0].to_vector<float>()) std::cout << v << ' ';
  std::cout << '\n';
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);)
    if (auto at = line.find('/'); line.find("libkroton", at) != std::string::npos) std::cout << line.substr(at) << '\n';
}
"""


THREADS = r"""
#include <kroton/kroton.hpp>
#include <iostream>
#include <thread>
namespace kt = kroton;
int main() {
  auto x = kt::matrix<float>("x");
  const auto f = kt::function({x}, {kt::mean(x), kt::softmax(x)});
  std::vector<float> sums(4);
  std::vector<std::jthread> threads;
  for (std::size_t t = 0; t < sums.size(); ++t)
    threads.emplace_back([&f, &sum = sums[t]] {
      for (std::int64_t i = 0; i < 40; ++i) { // in between, versions for these sizes are compiled
        const auto ones = kt::Array::full<float>({100 + i / 10, 300}, 1);
        sum += f({ones})[0].item<float>();
        auto y = kt::vector<float>("y");
        if (i % 10 == 0) sum += kt::function({y}, kt::sum(y))({kt::Array::full<float>({1}, 0)})[0].item<float>();
      }
    });
  threads.clear();
  for (float sum : sums) std::cout << sum << ' ';
}
"""


def run(command, **options):
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, **options)
    if result.returncode != 0:
        sys.exit(f"failed ({result.returncode}): {shlex.join(map(str, command))}\n{result.stdout}{result.stderr}")
    return result.stdout


def check(place, pkgconfig, cxx, scratch):
    """Builds and runs the program with the flags that pkg-config finds in the folder `pkgconfig`."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    env = dict(os.environ, PKG_CONFIG_PATH=str(pkgconfig), KROTON_CACHE_DIR=str(folder / "cache"))
    source = folder / "consumer.cpp"
    source.write_text(PROGRAM)
    flags = shlex.split(run(["pkg-config", "--cflags", "--libs", "kroton"], env=env))
    included = [Path(flag[2:]) for flag in flags if flag.startswith("-I")]
    assert not any((path / "lib").exists() or (path / "codegen").exists() for path in included), included
    assert not any(flag.startswith("-std") for flag in flags), flags
    program = folder / "consumer"
    run([*cxx, "-std=c++20", str(source), "-o", str(program), *flags], cwd=folder)
    printed = run([str(program)], cwd=folder, env=env).splitlines()

    assert printed[0].split() == ["11", "22", "33"], printed
    mapped = {Path(line) for line in printed[1:]}
    assert any("libkroton-clang" in path.name for path in mapped), f"no compiler plugin among {mapped}"
    for path in mapped:
        assert path.is_relative_to(place), f"{path} does not come from {place}"


def check_command(stage, scratch):
    """The installed command, called by its bare name, finds the library and the plugins beside it."""
    found = [path for path in stage.rglob("bin/kroton") if path.is_file()]
    assert len(found) == 1, f"one command is expected in the installed tree, found {found}"
    env = dict(os.environ, PATH=f"{found[0].parent}:{os.environ['PATH']}", KROTON_CACHE_DIR=str(scratch / "command"))
    report = run(["kroton", "doctor"], cwd=scratch, env=env)
    assert str(stage) in report, report
    asked = subprocess.run(["kroton", "cache", "serve-check", "http://127.0.0.1:1"], cwd=scratch, env=env,
                           capture_output=True, text=True)
    assert asked.returncode == 1 and "connect" in asked.stdout, (asked.stdout, asked.stderr)


def check_thread_sanitizer(stage, pkgconfig, cxx, scratch):
    """With the suppressions that are installed, a program under the thread sanitizer hears nothing of Kroton."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    found = list(stage.rglob("share/kroton/thread_sanitizer.txt"))
    assert len(found) == 1, f"one file of suppressions is expected in the installed tree, found {found}"
    env = dict(os.environ, PKG_CONFIG_PATH=str(pkgconfig), KROTON_CACHE_DIR=str(folder / "cache"),
               TSAN_OPTIONS=f"suppressions={found[0]}")
    source = folder / "threads.cpp"
    source.write_text(THREADS)
    flags = shlex.split(run(["pkg-config", "--cflags", "--libs", "kroton"], env=env))
    program = folder / "threads"
    run([*cxx, "-std=c++20", "-fsanitize=thread", str(source), "-o", str(program), *flags], cwd=folder)
    for _ in ("compiled", "found in the cache"):
        printed = run([str(program)], cwd=folder, env=env)
        assert printed.split() == ["40"] * 4, printed


CMAKE = """
cmake_minimum_required(VERSION 3.16)
project(consumer CXX)
find_package(Kroton 0.1 REQUIRED)
add_executable(consumer consumer.cpp)
target_link_libraries(consumer Kroton::kroton)
"""

SUBPROJECT = """
project('consumer', 'cpp', default_options: 'cpp_std=c++20')
executable('consumer', 'consumer.cpp', dependencies: dependency('kroton', fallback: 'kroton'))
"""


def check_cmake(stage, scratch):
    """find_package(Kroton), from the installed tree wherever it was moved to."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    (folder / "consumer.cpp").write_text(PROGRAM)
    (folder / "CMakeLists.txt").write_text(CMAKE)
    config = list(stage.rglob("KrotonConfig.cmake"))
    assert len(config) == 1, f"one KrotonConfig.cmake is expected in the installed tree, found {config}"
    run(["cmake", "-S", folder, "-B", folder / "build", f"-DKroton_DIR={config[0].parent}"])
    run(["cmake", "--build", folder / "build"])
    env = dict(os.environ, KROTON_CACHE_DIR=str(folder / "cache"))
    assert run([folder / "build/consumer"], env=env).split()[:3] == ["11", "22", "33"]


def check_subproject(root, build, scratch):
    """As a subproject of Meson's it is found by its name and brings neither tests nor examples."""
    folder = Path(tempfile.mkdtemp(dir=scratch))
    (folder / "consumer.cpp").write_text(PROGRAM)
    (folder / "meson.build").write_text(SUBPROJECT)
    (folder / "subprojects").mkdir()
    (folder / "subprojects/kroton").symlink_to(root)
    options = json.loads(run(["meson", "introspect", "--buildoptions", build]))
    llvm = next(option["value"] for option in options if option["name"] == "llvm")
    run(["meson", "setup", folder / "build", folder, f"-Dkroton:llvm={llvm}"])
    targets = json.loads(run(["meson", "introspect", "--targets", folder / "build"]))
    names = {target["name"] for target in targets}
    assert {"consumer", "kroton", "kroton-clang"} <= names, names
    assert not any(name.startswith(("test-", "bench")) or name == "mlp" for name in names), names


def main(root, build, *cxx):
    root, build = Path(root), Path(build).resolve()
    with tempfile.TemporaryDirectory(prefix="kroton-consumer-") as directory:
        scratch = Path(directory).resolve()
        check(build, build / "meson-uninstalled", cxx, scratch)

        stage = scratch / "stage"
        run(["meson", "install", "-C", str(build), "--no-rebuild", "--quiet", "--destdir", str(stage)])
        found = list(stage.rglob("kroton.pc"))
        assert len(found) == 1, f"one kroton.pc is expected in the installed tree, found {found}"
        check(stage, found[0].parent, cxx, scratch)
        check_thread_sanitizer(stage, found[0].parent, cxx, scratch)
        check_command(stage, scratch)
        check_cmake(stage, scratch)
        check_subproject(root.resolve(), build, scratch)


if __name__ == "__main__":
    main(*sys.argv[1:])
