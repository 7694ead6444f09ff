#include "test/jit/cpu_support.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

#include <kroton/error.hpp>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <span>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <vector>

using namespace kroton;
using namespace kroton::test;
using jit::CodeOptions;
using jit::compile_arguments;
using jit::CpuTarget;

TEST_CASE("text becomes code that can be called", "[jit]") {
  const jit::Module module = build(elementwise_text);
  std::vector<float> x(37), y(37), out(37, -7.0f);
  for (std::size_t i = 0; i < x.size(); ++i) x[i] = float(i), y[i] = 0.5f * float(i);
  function_of<void(const float*, const float*, float*, long)>(module, "z")(x.data(), y.data(),
                                                                           out.data(), 36);
  for (std::size_t i = 0; i < 36; ++i) CHECK(out[i] == 2.0f * x[i] + 3.0f * y[i] - 1.0f);
  CHECK(out[36] == -7.0f);
}

TEST_CASE("the same text and arguments give the same bytes", "[jit]") {
  CHECK(compile_text(elementwise_text).object == compile_text(elementwise_text).object);
}

TEST_CASE("many threads compile at once", "[jit]") {
  constexpr int threads = 4, each = 3;
  std::array<std::array<int, each>, threads> got{};
  std::vector<std::thread> workers;
  for (int t = 0; t < threads; ++t)
    workers.emplace_back([&, t] {
      for (int i = 0; i < each; ++i) {
        const std::string text =
            "extern \"C\" int f(int x) { return x + " + std::to_string(100 * t + i) + "; }";
        const jit::Module module = build(text);
        got[std::size_t(t)][std::size_t(i)] = function_of<int(int)>(module, "f")(1);
      }
    });
  for (std::thread& worker : workers) worker.join();
  for (int t = 0; t < threads; ++t)
    for (int i = 0; i < each; ++i) CHECK(got[std::size_t(t)][std::size_t(i)] == 100 * t + i + 1);
}

TEST_CASE("a syntax error carries the compiler's words and the kernel's name", "[jit]") {
  try {
    compile_text("extern \"C\" int f() { return 3 }\n");
    FAIL("the text compiled");
  } catch (const CompileError& error) {
    CHECK(std::string(error.what()) ==
          "jit: kernel probe does not compile:\n"
          "kernel.cpp:1:30: error: expected ';' after return statement\n"
          "    1 | extern \"C\" int f() { return 3 }\n"
          "      |                              ^\n"
          "      |                              ;\n"
          "  hint: set KROTON_DUMP=dir to keep the kernel's source; generated source that does not "
          "compile is a bug in Kroton");
  }
}

TEST_CASE("kernels see no header", "[jit]") {
  CHECK_THROWS_AS(compile_text("#include <cmath>\n"), CompileError);
  CHECK_THROWS_AS(compile_text("#include \"/etc/hostname\"\n"), CompileError);
  CHECK_THROWS_AS(compile_text("#include <immintrin.h>\n"), CompileError);
}

TEST_CASE("an unknown argument is an error, not ignored", "[jit]") {
  auto arguments = compile_arguments(CpuTarget::host());
  arguments.push_back("-no-such-argument");
  CHECK_THROWS_WITH(
      jit::compiler().compile({.source = "", .name = "probe", .arguments = arguments}),
      contains("-no-such-argument"));
}

TEST_CASE("every level compiles, and the assembly shows its registers", "[jit]") {
  const std::array<std::array<std::string, 2>, 3> levels{
      {{"x86-64-v2", "%xmm"}, {"x86-64-v3", "%ymm"}, {"x86-64-v4", "%zmm"}}};
  for (const auto& [level, widest] : levels) {
    const auto out =
        jit::compiler().compile({.source = elementwise_text,
                                 .name = "probe",
                                 .arguments = compile_arguments(CpuTarget::parse(level)),
                                 .wants_assembly = true});
    CAPTURE(level);
    CHECK_THAT(out.assembly, contains(widest));
    CHECK(!out.object.empty());
    CHECK(out.log.empty());
    CHECK((out.assembly.find("vfmadd") != std::string::npos) == (level != "x86-64-v2"));
  }
}

TEST_CASE("contraction follows the options", "[jit]") {
  const auto assembly = [](jit::Contraction contraction) {
    return jit::compiler()
        .compile({.source = elementwise_text,
                  .name = "probe",
                  .arguments = compile_arguments(CpuTarget::parse("v3"),
                                                 {.contraction = contraction, .optimization = 3}),
                  .wants_assembly = true})
        .assembly;
  };
  CHECK(assembly(jit::Contraction::never).find("vfm") == std::string::npos);
  CHECK(assembly(jit::Contraction::within_expression).find("vfm") != std::string::npos);
}

TEST_CASE("functions of a text are inlined wherever they are called, noinline ones nowhere",
          "[jit]") {
  const auto out = jit::compiler().compile({.source = R"(
static int twice(int x) { return x * 2; }
template <class T> static T quadruple(T x) { return twice(twice(x)); }
[[gnu::noinline]] static int apart(int x) { return x ^ 5; }
extern "C" int f(int x) { return quadruple(apart(x)) + quadruple(x); }
)",
                                            .name = "probe",
                                            .arguments = compile_arguments(CpuTarget::host()),
                                            .wants_assembly = true});
  CHECK_THAT(out.assembly, contains("apart"));
  CHECK(out.assembly.find("twice") == std::string::npos);
  CHECK(out.assembly.find("quadruple") == std::string::npos);
}

TEST_CASE("functions that call each other compile", "[jit]") {
  const jit::Module module = build(R"(
static bool is_odd(int n);
static bool is_even(int n) { return n == 0 || is_odd(n - 1); }
static bool is_odd(int n) { return n != 0 && is_even(n - 1); }
extern "C" int f(int n) { return is_even(n); }
)");
  CHECK(function_of<int(int)>(module, "f")(10) == 1);
  CHECK(function_of<int(int)>(module, "f")(7) == 0);
}

TEST_CASE("every optimization level compiles", "[jit]") {
  for (int level = 0; level <= 3; ++level) {
    const auto out = jit::compiler().compile(
        {.source = elementwise_text,
         .name = "probe",
         .arguments = compile_arguments(CpuTarget::host(), {.optimization = level})});
    const jit::Module module = jit::Module::load(out.object, "probe");
    std::vector<float> x(5, 1.0f), z(5);
    function_of<void(const float*, const float*, float*, long)>(module, "z")(x.data(), x.data(),
                                                                             z.data(), 5);
    CHECK(z[4] == 4.0f);
  }
}

TEST_CASE("what goes wrong after the front end is an error too", "[jit]") {
  CHECK_THROWS_WITH(compile_text("extern \"C\" void f() { asm(\"no_such_instruction\"); }\n"),
                    contains("no_such_instruction"));
}

TEST_CASE("loops that fill or copy memory stay loops", "[jit]") {
  const jit::Module module = build(R"(
extern "C" void fill(char* out, long n) { for (long i = 0; i < n; ++i) out[i] = 0; }
extern "C" void copy(float* __restrict out, const float* __restrict in, long n) {
  for (long i = 0; i < n; ++i) out[i] = in[i];
}
extern "C" void shift(float* out, const float* in, long n) { for (long i = 0; i < n; ++i) out[i] = in[i]; }
)");
  std::array<char, 100> bytes;
  bytes.fill('x');
  function_of<void(char*, long)>(module, "fill")(bytes.data(), 99);
  CHECK(bytes[98] == 0);
  CHECK(bytes[99] == 'x');
}

TEST_CASE("kernels that copy or clear large objects bring what that takes", "[jit]") {
  const jit::Module module = build(R"(
struct Large { int v[600]; };
extern "C" void copy(Large* to, const Large* from) { *to = *from; }
extern "C" int histogram(const int* in, long n) {
  int counts[400] = {};
  for (long i = 0; i < n; ++i) ++counts[in[i]];
  return counts[7];
}
)");
  std::vector<int> from(600), to(600, -1);
  for (int i = 0; i < 600; ++i) from[std::size_t(i)] = i % 100;
  function_of<void(int*, const int*)>(module, "copy")(to.data(), from.data());
  CHECK(to == from);
  CHECK(function_of<int(const int*, long)>(module, "histogram")(from.data(), 600) == 6);
}

TEST_CASE("arguments differ where the code could", "[jit]") {
  const auto v3 = compile_arguments(CpuTarget::parse("v3"));
  CHECK(v3 == compile_arguments(CpuTarget::parse("x86-64-v3")));
  CHECK(v3 != compile_arguments(CpuTarget::parse("v4")));
  CHECK(v3 != compile_arguments(CpuTarget::parse("v3"), {.contraction = jit::Contraction::never}));
  CHECK(v3 != compile_arguments(CpuTarget::parse("v3"), {.optimization = 1}));
}

namespace {

/// Runs `body` in a child, whose compiler has not been loaded if this process's has not.
int exit_code_of(int (*body)()) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

} // namespace

TEST_CASE("a forked child compiles and loads", "[jit]") {
  CHECK(exit_code_of([] {
          return function_of<int()>(build("extern \"C\" int f() { return 42; }"), "f")();
        }) == 42);
}

namespace {

/// Runs the hidden test cases of `tag` in a new process, where no compiler has been loaded.
int run_afresh(const char* tag, std::initializer_list<std::array<std::string, 2>> environment) {
  char self[4096] = {};
  REQUIRE(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
  const pid_t child = fork();
  if (child == 0) {
    for (const char* name : {"KROTON_TEST_RESULTS", "KROTON_TEST_PATTERN"}) unsetenv(name);
    for (const auto& [name, value] : environment) setenv(name.c_str(), value.c_str(), 1);
    if (!freopen("/dev/null", "w", stdout)) _exit(126);
    execl(self, self, tag, nullptr);
    _exit(127);
  }
  int status = -1;
  waitpid(child, &status, 0);
  return status;
}

/// The plugin that this process has loaded.
std::string path_of_plugin() {
  std::ifstream file("/proc/self/maps");
  for (std::string line; std::getline(file, line);)
    if (line.ends_with("/libkroton-clang.so")) return line.substr(line.find('/'));
  return {};
}

bool maps_contain(const char* name) {
  std::ifstream file("/proc/self/maps");
  for (std::string line; std::getline(file, line);)
    if (line.find(name) != std::string::npos) return true;
  return false;
}

} // namespace

TEST_CASE("child: loading needs no compiler, and one may come later", "[.warm-start]") {
  const std::string bytes = read_file(std::getenv("KROTON_TEST_OBJECT"));
  const auto object = std::as_bytes(std::span(bytes));
  const auto call = [&] { return function_of<int()>(jit::Module::load(object, "warm"), "f")(); };
  CHECK(call() == 42);
  compile_arguments(CpuTarget::parse("native"));
  jit::compiler_fingerprint();
  CHECK(!jit::compiler_is_loaded());
  CHECK(!maps_contain("libkroton-clang"));
  // Both copies of LLVM are now at work, each on its own.
  CHECK(function_of<int()>(build("extern \"C\" int f() { return 43; }"), "f")() == 43);
  CHECK(jit::compiler_is_loaded());
  CHECK(maps_contain("libkroton-clang"));
  CHECK(call() == 42);
}

TEST_CASE("a warm start loads code without the compiler", "[jit]") {
  const TempDir dir;
  const auto object = compile_text("extern \"C\" int f() { return 42; }").object;
  const auto file = dir.path() / "object";
  write_file(file, {reinterpret_cast<const char*>(object.data()), object.size()});
  CHECK(run_afresh("[.warm-start]", {{"KROTON_TEST_OBJECT", file.string()}}) == 0);
}

TEST_CASE("child: a missing plugin is named, with where it was looked for", "[.no-plugin]") {
  CHECK_THROWS_WITH(
      compile_text(""),
      "jit: no compiler: libkroton-clang.so is in none of /nowhere\n"
      "  hint: set KROTON_PLUGIN_DIR to the folder that holds it, or install Kroton again");
  CHECK_THROWS_AS(compile_text(""), CompileError);
  CHECK(!jit::compiler_is_loaded());
}

TEST_CASE("child: a plugin that is none is refused", "[.bad-plugin]") {
  CHECK_THROWS_WITH(compile_text(""), contains("libkroton-clang.so cannot be loaded"));
}

TEST_CASE("child: a plugin of another build is refused", "[.other-plugin]") {
  CHECK_THROWS_WITH(compile_text(""),
                    contains("expected " + std::string(jit::compiler_fingerprint())));
}

TEST_CASE("a plugin that was built from other sources is refused", "[jit]") {
  compile_text("");
  std::string bytes = read_file(path_of_plugin());
  const std::string fingerprint(jit::compiler_fingerprint());
  const auto at = bytes.find(fingerprint);
  REQUIRE(at != bytes.npos);
  char& last = bytes[at + fingerprint.size() - 1];
  last = last == '0' ? '1' : '0';
  const TempDir dir;
  write_file(dir.path() / "libkroton-clang.so", bytes);
  CHECK(run_afresh("[.other-plugin]", {{"KROTON_PLUGIN_DIR", dir.path().string()}}) == 0);
}

TEST_CASE("without a usable plugin the error says what to do", "[jit]") {
  CHECK(run_afresh("[.no-plugin]", {{"KROTON_PLUGIN_DIR", "/nowhere"}}) == 0);
  const TempDir dir;
  write_file(dir.path() / "libkroton-clang.so", "no shared object");
  CHECK(run_afresh("[.bad-plugin]", {{"KROTON_PLUGIN_DIR", dir.path().string()}}) == 0);
}

TEST_CASE("the fingerprint names the compiler", "[jit]") {
  const std::string fingerprint(jit::compiler_fingerprint());
  CHECK_THAT(fingerprint, Catch::Matchers::StartsWith("clang "));
  const auto digest = fingerprint.substr(fingerprint.rfind(' ') + 1);
  CHECK((digest.size() == 16 && digest.find_first_not_of("0123456789abcdef") == digest.npos));
  CHECK_THAT(fingerprint, contains(" plugin "));
}
