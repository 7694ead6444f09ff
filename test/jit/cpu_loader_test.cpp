#include "test/jit/cpu_support.hpp"
#include "test/support/catch.hpp"

#include <kroton/error.hpp>

#include <cstdint>
#include <fstream>
#include <sstream>
#include <string>
#include <unistd.h>
#include <vector>

using namespace kroton;
using namespace kroton::test;
using jit::Module;

namespace {

/// Pages of memory that the process holds.
long resident_pages() {
  std::ifstream file("/proc/self/statm");
  long total = 0, resident = 0;
  file >> total >> resident;
  return resident;
}

/// The permissions of the mapping that holds an address, such as "r-xp".
std::string permissions_of(const void* address) {
  std::ifstream file("/proc/self/maps");
  for (std::string line; std::getline(file, line);) {
    std::uintptr_t begin = 0, end = 0;
    char dash = 0;
    std::string permissions;
    std::istringstream(line) >> std::hex >> begin >> dash >> end >> permissions;
    const auto at = reinterpret_cast<std::uintptr_t>(address);
    if (begin <= at && at < end) return permissions;
  }
  return "unmapped";
}

} // namespace

TEST_CASE("an object that calls outside is refused by name", "[jit]") {
  const auto object =
      compile_text("extern \"C\" int puts(const char*); extern \"C\" float expf(float);\n"
                   "extern \"C\" float f(float x) { puts(\"\"); return expf(x); }")
          .object;
  CHECK_THROWS_WITH(Module::load(object, "softmax_1"),
                    "jit: kernel softmax_1 refers to symbols outside itself: expf, puts\n"
                    "  hint: a kernel may call only what its Runtime argument points at");
  CHECK_THROWS_AS(Module::load(object, "softmax_1"), CompileError);
}

TEST_CASE("an object that wants code run at load time is refused", "[jit]") {
  const auto object =
      compile_text("int seed(int x) { return x * 3; } volatile int s = 2; int start = seed(s);\n"
                   "extern \"C\" int f() { return start; }")
          .object;
  CHECK_THROWS_WITH(Module::load(object, "late"),
                    contains("kernel late has a section .init_array"));
}

TEST_CASE("bytes that are no object are refused", "[jit]") {
  CHECK_THROWS_AS(Module::load({}, "empty"), CompileError);
  const std::vector<std::byte> noise(4096, std::byte{0x5a});
  CHECK_THROWS_WITH(Module::load(noise, "noise"),
                    contains("kernel noise is not a loadable x86-64 object"));
}

TEST_CASE("a shortened object is refused or loads, but does no harm", "[jit]") {
  const auto object = compile_text(elementwise_text).object;
  int refused = 0;
  for (std::size_t size = 1; size < object.size(); size += 41) {
    try {
      Module::load({object.data(), size}, "short");
    } catch (const CompileError&) {
      ++refused;
    }
  }
  CHECK(refused > 0);
}

TEST_CASE("constants, tables and calls between functions are linked", "[jit]") {
  const Module module = build(R"(
static const double table[5] = {1.5, 2.5, 3.5, 4.5, 5.5};
double scale = 2.0;
long counter;
__attribute__((noinline)) double helper(int i) { return table[i] * scale; }
extern "C" double f(int i) { ++counter; return helper(i); }
extern "C" long count() { return counter; }
using Fn = double (*)(int);
static const Fn table_of_code[2] = {helper, f};
extern "C" double via(int which, int i) { return table_of_code[which](i); }
)");
  CHECK(function_of<double(int)>(module, "f")(3) == 9.0);
  CHECK(function_of<double(int)>(module, "f")(0) == 3.0);
  CHECK(function_of<double(int, int)>(module, "via")(1, 4) == 11.0);
  CHECK(function_of<long()>(module, "count")() == 3);
  CHECK(*static_cast<double*>(module.symbol("scale")) == 2.0);
  CHECK_THROWS_AS(module.symbol("absent"), InternalError);
}

TEST_CASE("no page is writable and executable at once", "[jit]") {
  const Module module = build("long counter = 1; extern const long fixed = 7;\n"
                              "extern \"C\" long f() { return ++counter; }");
  CHECK(permissions_of(module.symbol("f")) == "r-xp");
  CHECK(permissions_of(module.symbol("counter")) == "rw-p");
  CHECK(permissions_of(module.symbol("fixed")) == "r--p");
}

TEST_CASE("a module moves, and its code with it", "[jit]") {
  Module first = build("extern \"C\" int f() { return 1; }");
  Module second = build("extern \"C\" int f() { return 2; }");
  auto* code = function_of<int()>(second, "f");
  first = std::move(second);
  CHECK(function_of<int()>(first, "f") == code);
  CHECK(code() == 2);
  const Module third = std::move(first);
  CHECK(function_of<int()>(third, "f")() == 2);
}

TEST_CASE("loading and freeing over and over keeps memory level", "[jit]") {
  const auto object = compile_text(elementwise_text).object;
  const auto round = [&](int count) {
    for (int i = 0; i < count; ++i) {
      const Module module = Module::load(object, "round");
      REQUIRE(module.symbol("z") != nullptr);
    }
  };
  round(200);
  const void* freed = nullptr;
  {
    const Module module = Module::load(object, "round");
    freed = module.symbol("z");
  }
  CHECK(permissions_of(freed) != "r-xp");
  const long before = resident_pages();
  round(2000);
  CHECK((resident_pages() - before) * sysconf(_SC_PAGESIZE) < 512 * 1024);
}
