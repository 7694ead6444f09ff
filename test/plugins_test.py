"""Nobody but root, the user and the owner of libkroton.so can choose what code Kroton loads.

    plugins_test.py ROOT BUILD CXX

A library that leaves a mark when it is loaded is planted where another user of the machine might
place it, beside an installed prefix and a program that compiles a function.
"""
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = r"""
#include <kroton/kroton.hpp>
#include <iostream>
#include <unistd.h>
namespace kt = kroton;
int main(int count, char** words) {
  if (::geteuid() != ::getuid())
    std::cout << "effective user " << ::geteuid() << ", as of " << ::getuid() << '\n';
  if (count > 1 && ::chdir(words[1]) != 0) return 2;
  try {
    auto x = kt::matrix<float>("x");
    kt::Function f = kt::function({x}, dot(x, x));
    const auto ones = kt::Array::from(std::vector<float>(256 * 256, 1), {256, 256});
    std::cout << "computed " << f({ones})[0].to_vector<float>()[0] << '\n';
  } catch (const kt::Error& e) {
    std::cout << e.what() << '\n';
  }
}
"""

PLANTED = r"""
#include <fcntl.h>
#include <unistd.h>
__attribute__((constructor)) static void leave_mark() { ::close(::open(MARK, O_CREAT | O_WRONLY, 0666)); }
"""

OTHER, THIRD = 12345, 12346  # users that need not exist


def run(command, **options):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=120, **options)


def must_run(command, **options):
    result = run(command, **options)
    if result.returncode != 0:
        sys.exit(f"failed ({result.returncode}): {shlex.join(map(str, command))}\n{result.stdout}")
    return result.stdout


class Scene:
    """A copy of the installed prefix, a program beside it, and a library that nobody should load."""

    def __init__(self, made, folder):
        self.made, self.folder = made, folder
        self.prefix = folder / "prefix"
        shutil.copytree(made.prefix, self.prefix, symlinks=True)
        self.libdir = self.prefix / made.libdir
        self.libkroton = (self.libdir / "libkroton.so").resolve()
        self.plugins = self.libdir / "kroton"
        self.compiler = self.plugins / "libkroton-clang.so"
        self.http = self.plugins / "libkroton-http.so"
        made.mark.unlink(missing_ok=True)

    def plant(self, path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        shutil.copy(self.made.planted, path)

    def start(self, command, cwd=None, library_path=None, user=None, executable=None, **env):
        env = {**os.environ, "LD_LIBRARY_PATH": str(library_path or self.libdir), "KROTON_CACHE": "off", **env}
        who = {} if user is None else {"user": user, "group": user, "extra_groups": []}
        return run(command, cwd=cwd or self.folder, env=env, executable=executable, **who).stdout

    def compute(self, *words, **options):
        printed = self.start([str(self.made.program), *map(str, words)], **options)
        assert not self.made.mark.exists(), f"the planted library was loaded: {printed}"
        return printed

    def is_fine(self, *words, **options):
        printed = self.compute(*words, **options)
        assert "computed 256" in printed, printed

    def is_refused(self, *reasons, **options):
        printed = self.compute(**options)
        assert "computed" not in printed and all(str(reason) in printed for reason in reasons), printed

    def ask_server(self, **options):
        printed = self.start([str(self.prefix / "bin/kroton"), "cache", "serve-check", "http://127.0.0.1:1"], **options)
        assert not self.made.mark.exists(), f"the planted library was loaded: {printed}"
        return printed


def test_what_looks_like_a_build_tree_around_an_installed_prefix_is_none(scene):
    (scene.folder / "meson-private").mkdir()
    for file in ["jit/cpu/libkroton-clang.so", "cache/libkroton-http.so"]:
        scene.plant(scene.folder / file)
    scene.is_fine()
    assert "connect" in scene.ask_server()
    scene.compiler.unlink()
    scene.is_refused(f"no compiler: libkroton-clang.so is in none of {scene.plugins}")


def test_a_relative_library_path_means_what_it_meant_when_the_library_was_loaded(scene):
    elsewhere = scene.folder / "elsewhere"
    for folder in ["kroton", ".", "../jit/cpu"]:
        scene.plant(elsewhere / scene.made.libdir / folder / "libkroton-clang.so")
    scene.is_fine(elsewhere, cwd=scene.prefix, library_path=scene.made.libdir)


def test_a_made_up_name_does_not_lead_the_command_to_other_plugins(scene):
    for folder in ["bin", "bin/kroton", f"{scene.made.libdir}/kroton"]:
        scene.plant(scene.folder / "elsewhere" / folder / "libkroton-http.so")
    real = str(scene.prefix / "bin/kroton")
    command = [str(scene.folder / "elsewhere/bin/kroton.exe"), "cache", "serve-check", "http://127.0.0.1:1"]
    printed = scene.start(command, executable=real)
    assert not scene.made.mark.exists() and "connect" in printed, printed


def test_what_others_can_write_to_is_refused(scene):
    for path in [scene.compiler, scene.plugins]:
        mode = path.stat().st_mode
        for others in [0o020, 0o002]:
            path.chmod(mode | others)
            scene.is_refused("cannot be loaded", f"{path} is writable by others", "chmod go-w", "nobody else can write to")
        path.chmod(mode)
    scene.is_fine()
    scene.http.chmod(0o777)
    assert f"{scene.http} is writable by others" in scene.ask_server()


def test_a_group_that_can_replace_the_library_may_write_to_the_plugin(scene):
    for path in [scene.libkroton, scene.compiler, scene.plugins]:
        path.chmod(path.stat().st_mode | 0o020)
    scene.is_fine()
    scene.compiler.chmod(0o777)
    scene.is_refused(f"{scene.compiler} is writable by others")


def test_links_are_followed_to_what_can_be_trusted_alone(scene):
    safe, open_to_all = scene.folder / "safe", scene.folder / "open"
    for folder in [safe, open_to_all]:
        folder.mkdir()
        shutil.copy(scene.compiler, folder / "real.so")
    scene.compiler.unlink()
    scene.compiler.symlink_to("../" * len(scene.plugins.relative_to(scene.folder).parts) + "safe/real.so")
    scene.is_fine()
    open_to_all.chmod(0o777)
    scene.compiler.unlink()
    scene.compiler.symlink_to(open_to_all / "real.so")
    scene.is_refused(f"{open_to_all} is writable by others")
    # A way through such a folder is none either, wherever it leads.
    (open_to_all / "link").symlink_to(safe / "real.so")
    scene.compiler.unlink()
    scene.compiler.symlink_to(open_to_all / "link")
    scene.is_refused(f"{open_to_all} is writable by others")
    scene.compiler.unlink()
    scene.compiler.symlink_to(scene.compiler)
    scene.is_refused("libkroton-clang.so is in none of")


def test_a_folder_above_counts_and_the_sticky_bit_protects_it(scene):
    above = scene.folder / "above"
    chosen = above / "plugins"
    chosen.mkdir(parents=True)
    shutil.copy(scene.compiler, chosen)
    above.chmod(0o777)
    scene.is_refused(f"{above} is writable by others", KROTON_PLUGIN_DIR=str(chosen))
    above.chmod(0o1777)
    scene.is_fine(KROTON_PLUGIN_DIR=str(chosen))
    chosen.chmod(0o1777)
    scene.is_refused(f"{chosen} is writable by others", KROTON_PLUGIN_DIR=str(chosen))


def test_relative_names_are_refused(scene):
    for file in ["libkroton-clang.so", "libplanted.so"]:
        scene.plant(scene.folder / file)
    for chosen in [".", "here"]:
        scene.is_refused(f"KROTON_PLUGIN_DIR={chosen} is a relative path", KROTON_PLUGIN_DIR=chosen)
    printed = scene.compute(KROTON_BLAS="./libplanted.so")
    assert "KROTON_BLAS=./libplanted.so cannot be used" in printed and "relative path" in printed, printed
    for variable in ["KROTON_CUDA_DRIVER", "KROTON_NVRTC"]:
        scene.start([str(scene.prefix / "bin/kroton"), "doctor"], **{variable: "./libplanted.so"})
        assert not scene.made.mark.exists()
    scene.is_refused("./libplanted.so is a relative path", KROTON_TARGET="cuda", KROTON_CUDA_DRIVER="./libplanted.so")


def test_a_named_library_that_others_can_write_to_is_refused(scene):
    library = scene.folder / "libplanted.so"
    scene.plant(library)
    library.chmod(0o777)
    printed = scene.compute(KROTON_BLAS=str(library))
    assert f"{library} is writable by others" in printed and "computed 256" in printed, printed
    scene.is_refused(f"{library} is writable by others", KROTON_TARGET="cuda", KROTON_CUDA_DRIVER=str(library))


def needs_other_users(test):
    test.needs_other_users = True
    return test


@needs_other_users
def test_what_belongs_to_another_user_is_refused(scene):
    for path in [scene.compiler, scene.plugins]:
        os.chown(path, OTHER, OTHER)
        scene.is_refused("cannot be loaded", f"{path} belongs to user {OTHER}", "chown")
        scene.is_refused(f"{path} belongs to user {OTHER}", user=THIRD)
        os.chown(path, 0, 0)
    os.chown(scene.http, OTHER, OTHER)
    assert f"{scene.http} belongs to user {OTHER}" in scene.ask_server()
    scene.is_fine(user=THIRD)


@needs_other_users
def test_a_user_may_use_what_is_theirs_and_what_the_owner_of_the_library_brings(scene):
    os.chown(scene.compiler, OTHER, OTHER)
    scene.is_fine(user=OTHER)
    for path in [scene.prefix, *scene.prefix.rglob("*")]:
        os.chown(path, OTHER, OTHER, follow_symlinks=False)
    scene.is_fine()
    scene.is_fine(user=THIRD)
    os.chown(scene.compiler, THIRD, THIRD)
    scene.is_refused(f"{scene.compiler} belongs to user {THIRD}")


@needs_other_users
def test_a_link_of_another_user_is_refused(scene):
    real = scene.folder / "real.so"
    shutil.move(scene.compiler, real)
    scene.compiler.symlink_to(real)
    scene.is_fine()
    os.chown(scene.compiler, OTHER, OTHER, follow_symlinks=False)
    scene.is_refused(f"{scene.compiler} belongs to user {OTHER}")


@needs_other_users
def test_named_libraries_of_another_user_are_refused(scene):
    library = scene.folder / "theirs" / "libplanted.so"
    scene.plant(library)
    os.chown(library.parent, OTHER, OTHER)
    printed = scene.compute(KROTON_BLAS=str(library))
    assert f"{library.parent} belongs to user {OTHER}" in printed and "computed 256" in printed, printed
    scene.is_refused(f"{library.parent} belongs to user {OTHER}", KROTON_TARGET="cuda", KROTON_CUDA_DRIVER=str(library))
    chosen = scene.folder / "chosen"
    scene.plant(chosen / "libkroton-clang.so")
    os.chown(chosen / "libkroton-clang.so", OTHER, OTHER)
    scene.is_refused(f"{chosen}/libkroton-clang.so belongs to user {OTHER}", KROTON_PLUGIN_DIR=str(chosen))


@needs_other_users
def test_a_setuid_program_reads_no_environment(scene):
    """Whoever starts it chooses no code, no cache, no keys and no files that are written."""
    theirs = scene.folder / "theirs"
    for file in ["plugins/libkroton-clang.so", "blas.so"]:
        scene.plant(theirs / file)
    for folder in ["cache", "home", "config", "dump", "lineinfo"]:
        (theirs / folder).mkdir()
        (theirs / folder).chmod(0o777)
    for path in theirs.rglob("*.so"):
        os.chown(path, OTHER, OTHER)
    variables = dict(
        KROTON_PLUGIN_DIR=theirs / "plugins", KROTON_BLAS=theirs / "blas.so", KROTON_CACHE_DIR=theirs / "cache",
        KROTON_CACHE="on", HOME=theirs / "home", XDG_CACHE_HOME=theirs / "home", KROTON_CONFIG_DIR=theirs / "config",
        KROTON_DUMP=theirs / "dump", KROTON_CUDA_LINEINFO=theirs / "lineinfo", KROTON_TARGET="no such target",
        KROTON_LOG="trace", KROTON_CUDA_DRIVER=theirs / "blas.so", KROTON_SIGNING_KEY=theirs / "key")
    program = scene.folder / "setuid"
    shutil.copy(scene.made.program, program)
    os.chown(program, OTHER, OTHER)
    program.chmod(0o4755)
    # The dynamic linker reads no LD_LIBRARY_PATH there either.
    (scene.made.scratch / "lib").unlink(missing_ok=True)
    (scene.made.scratch / "lib").symlink_to(scene.libdir)
    printed = scene.start([str(program)], user=THIRD, **{name: str(value) for name, value in variables.items()})
    assert "effective user 12345, as of 12346" in printed, f"no setuid programs here: {printed}"
    assert not scene.made.mark.exists(), f"the planted library was loaded: {printed}"
    left = [path for path in theirs.rglob("*") if path.is_file() and path.suffix != ".so"]
    assert not left and "computed 256" in printed and "trace" not in printed and "no such target" not in printed, (left, printed)
    assert "has more rights than whoever started it" in printed, printed


class Made:
    """What all scenes copy: the installed prefix, the program, the planted library."""

    def __init__(self, build, cxx, scratch):
        stage = scratch / "stage"
        must_run(["meson", "install", "-C", str(build), "--no-rebuild", "--quiet", "--destdir", str(stage)])
        plugin, = stage.rglob("libkroton-clang.so")
        command, = stage.rglob("bin/kroton")
        self.prefix = command.parent.parent
        self.libdir = plugin.parent.parent.relative_to(self.prefix)
        self.scratch, self.mark = scratch, scratch / "mark"
        self.planted, self.program = scratch / "planted.so", scratch / "program"
        planted, program = scratch / "planted.cpp", scratch / "program.cpp"
        planted.write_text(PLANTED)
        program.write_text(PROGRAM)
        must_run([*cxx, "-shared", "-fPIC", f'-DMARK="{self.mark}"', str(planted), "-o", str(self.planted)])
        must_run([*cxx, "-std=c++20", str(program), "-o", str(self.program), f"-I{self.prefix}/include",
                  f"-L{self.prefix / self.libdir}", "-lkroton", f"-Wl,-rpath,{scratch / 'lib'}"])


def main(build, *cxx):
    is_root = os.geteuid() == 0
    tests = [test for name, test in globals().items() if name.startswith("test_")]
    with tempfile.TemporaryDirectory(prefix="kroton-plugins-") as directory:
        scratch = Path(directory).resolve()
        scratch.chmod(0o755)
        made = Made(Path(build).resolve(), cxx, scratch)
        for number, test in enumerate(tests):
            if hasattr(test, "needs_other_users") and not is_root:
                print(f"skipped: {test.__name__}: only root can give files to another user")
                continue
            folder = scratch / str(number)
            folder.mkdir(mode=0o755)
            test(Scene(made, folder))
            shutil.rmtree(folder)  # each has a copy of the compiler, 80 MB
            print(f"passed: {test.__name__}")


if __name__ == "__main__":
    main(*sys.argv[2:])
