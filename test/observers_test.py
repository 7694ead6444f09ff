"""Debuggers, profilers and unwinders see generated code.

    observers_test.py BUILD CXX

A program is interrupted again and again while a kernel runs. What it was doing then has to be known: to the interface of GDB
(and to GDB itself, where it is installed), to perf by its map, and, where it is asked for, to backtrace().
"""
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PROGRAM = r"""
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <elf.h>
#include <execinfo.h>
#include <kroton/kroton.hpp>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

namespace kt = kroton;

struct Entry { Entry *next, *previous; const char* file; std::uint64_t size; };
extern "C" struct { std::uint32_t version, action; Entry *relevant, *first; } __jit_debug_descriptor;

namespace {

volatile std::uintptr_t in_kernel = 0;
volatile int longest = 0;

/// The function of the kernels that an address is in, as a debugger would find it.
const char* function_at(std::uintptr_t pc) {
  for (const Entry* e = __jit_debug_descriptor.first; e; e = e->next) {
    Elf64_Ehdr h;
    std::memcpy(&h, e->file, sizeof h);
    const auto section = [&](unsigned i) {
      Elf64_Shdr s;
      std::memcpy(&s, e->file + h.e_shoff + i * sizeof s, sizeof s);
      return s;
    };
    for (unsigned i = 0; i < h.e_shnum; ++i) {
      const Elf64_Shdr symbols = section(i);
      if (symbols.sh_type != SHT_SYMTAB) continue;
      for (std::uint64_t k = 0; k < symbols.sh_size / sizeof(Elf64_Sym); ++k) {
        Elf64_Sym s;
        std::memcpy(&s, e->file + symbols.sh_offset + k * sizeof s, sizeof s);
        if (ELF64_ST_TYPE(s.st_info) != STT_FUNC || s.st_shndx >= h.e_shnum) continue;
        const std::uintptr_t begin = section(s.st_shndx).sh_addr + s.st_value;
        if (pc >= begin && pc < begin + s.st_size)
          return e->file + section(symbols.sh_link).sh_offset + s.st_name;
      }
    }
  }
  return nullptr;
}

void look(int, siginfo_t*, void* context) {
  const auto pc = static_cast<std::uintptr_t>(
      static_cast<ucontext_t*>(context)->uc_mcontext.gregs[REG_RIP]);
  if (!function_at(pc)) return;
  in_kernel = pc;
  void* frames[64];
  const int depth = backtrace(frames, 64);
  if (depth > longest) longest = depth;
}

} // namespace

int main() {
  void* warm[4];
  backtrace(warm, 4); // loads what it needs outside of a handler
  struct sigaction action {};
  action.sa_sigaction = look;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  sigaction(SIGPROF, &action, nullptr);
  const kt::Expr x = kt::vector<float>("x");
  const kt::Function f = kt::function({x}, kt::sum(kt::exp(kt::tanh(x) * x)), {.threads = 1});
  const kt::Array ones = kt::Array::full<float>({1000000}, 1);
  f(ones);
  const itimerval every{{0, 2000}, {0, 2000}};
  setitimer(ITIMER_PROF, &every, nullptr);
  for (int i = 0; i < 10000 && (in_kernel == 0 || i < 200); ++i) f(ones);
  setitimer(ITIMER_PROF, nullptr, nullptr);
  std::printf("%d %lx %s %d\n", getpid(), static_cast<unsigned long>(in_kernel),
              in_kernel ? function_at(in_kernel) : "none", longest);
}
"""


def main(build, *cxx):
    build = Path(build).resolve()
    with tempfile.TemporaryDirectory(prefix="kroton-observers-") as directory:
        scratch = Path(directory)
        env = dict(os.environ, PKG_CONFIG_PATH=str(build / "meson-uninstalled"), KROTON_CACHE_DIR=str(scratch / "cache"))
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "kroton"], env=env, check=True, capture_output=True,
                               text=True).stdout
        (scratch / "program.cpp").write_text(PROGRAM)
        program = scratch / "program"
        subprocess.run([*cxx, "-std=c++20", str(scratch / "program.cpp"), "-o", str(program), *shlex.split(flags)], check=True)

        def run(**more):
            printed = subprocess.run([program], env=dict(env, **more), check=True, capture_output=True, text=True).stdout
            pid, pc, name, depth = printed.split()
            assert name != "none", "no signal came while a kernel ran, or the interface of GDB does not know its code"
            return int(pid), int(pc, 16), name, int(depth)

        run()
        pid, pc, name, depth = run(KROTON_PERF_MAP="1", KROTON_UNWIND="1")
        path = Path(f"/tmp/perf-{pid}.map")
        try:
            lines = [re.fullmatch(r"([0-9a-f]+) ([0-9a-f]+) kroton: (\S+) \((.+)\)", line) for line in path.read_text().splitlines()]
            assert lines and all(lines), path.read_text()
            found = [m[3] for m in lines if int(m[1], 16) <= pc < int(m[1], 16) + int(m[2], 16)]
            assert found == [name], (found, name)
            assert path.stat().st_mode & 0o777 == 0o600
        finally:
            path.unlink(missing_ok=True)
        # The handler, the kernel, the library, main and what calls main.
        assert depth >= 7, f"backtrace() stops in the kernel: {depth} frames"

        if gdb := shutil.which("gdb"):
            told = subprocess.run([gdb, "-batch", "-nx", "-ex", "set debuginfod enabled off", "-ex", "handle SIGPROF stop nopass",
                                   "-ex", "run", *[word for _ in range(30) for word in ("-ex", "bt", "-ex", "continue")],
                                   "-ex", "kill", str(program)], env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL).stdout
            if "SIGPROF" in told: # where a debugger may trace at all
                stacks = [s for s in told.split("received signal SIGPROF") if re.search(r"#0 .* in (rows|elements|chunk|kernel)", s)]
                assert any(re.search(r"#\d+ .* in main", s) for s in stacks), told


if __name__ == "__main__":
    main(*sys.argv[1:])
