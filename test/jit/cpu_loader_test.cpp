#include "test/jit/cpu_support.hpp"
#include "test/support/catch.hpp"

#include <kroton/error.hpp>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <elf.h>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
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

/// The mappings of the process that are writable and executable at once.
std::string writable_code() {
  std::ifstream file("/proc/self/maps");
  std::string found;
  for (std::string line; std::getline(file, line);)
    if (line.find(" rwx") != line.npos) found += line + "\n";
  return found;
}

using Bytes = std::vector<std::byte>;

Elf64_Ehdr header_of(const Bytes& object) {
  Elf64_Ehdr header;
  std::memcpy(&header, object.data(), sizeof header);
  return header;
}

/// Lets `change` have its way with every section header of an object.
template <class Change> Bytes with_sections(Bytes object, Change change) {
  const Elf64_Ehdr header = header_of(object);
  for (int i = 0; i < header.e_shnum; ++i) {
    std::byte* at =
        object.data() + header.e_shoff + static_cast<std::size_t>(i) * sizeof(Elf64_Shdr);
    Elf64_Shdr section;
    std::memcpy(&section, at, sizeof section);
    change(section);
    std::memcpy(at, &section, sizeof section);
  }
  return object;
}

/// Lets `change` have its way with every symbol of an object.
template <class Change> Bytes with_symbols(Bytes object, Change change) {
  Elf64_Shdr table{};
  with_sections(object, [&](const Elf64_Shdr& s) {
    if (s.sh_type == SHT_SYMTAB) table = s;
  });
  for (std::size_t at = table.sh_offset; at < table.sh_offset + table.sh_size;
       at += sizeof(Elf64_Sym)) {
    Elf64_Sym symbol;
    std::memcpy(&symbol, object.data() + at, sizeof symbol);
    change(symbol);
    std::memcpy(object.data() + at, &symbol, sizeof symbol);
  }
  return object;
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

TEST_CASE("an object with thread-local variables is refused", "[jit]") {
  for (const char* text : {"thread_local int n = 3; extern \"C\" int f() { return ++n; }",
                           "thread_local int n; extern \"C\" int f() { return ++n; }"})
    CHECK_THROWS_AS(Module::load(compile_text(text).object, "local"), CompileError);
}

TEST_CASE("an object that asks for memory to write and run at once is refused", "[jit]") {
  const Bytes object = compile_text("long n = 1; extern \"C\" long f() { return ++n; }").object;
  CHECK_NOTHROW(Module::load(object, "both"));
  for (const Elf64_Xword added : {Elf64_Xword{SHF_WRITE}, Elf64_Xword{SHF_EXECINSTR}}) {
    const Elf64_Xword had = added == SHF_WRITE ? SHF_EXECINSTR : SHF_WRITE;
    const Bytes changed = with_sections(object, [&](Elf64_Shdr& s) {
      if ((s.sh_flags & had) != 0) s.sh_flags |= added;
    });
    REQUIRE(changed != object);
    CHECK_THROWS_WITH(Module::load(changed, "both"), contains("is writable and executable"));
  }
}

TEST_CASE("an object with a function that the linker would have to call is refused", "[jit]") {
  const Bytes object = compile_text("extern \"C\" __attribute__((noinline)) int g() { return 1; }\n"
                                    "using F = int (*)(); extern \"C\" const F address = g;")
                           .object;
  CHECK_NOTHROW(Module::load(object, "indirect"));
  const Bytes changed = with_symbols(object, [](Elf64_Sym& s) {
    if (ELF64_ST_TYPE(s.st_info) == STT_FUNC)
      s.st_info = ELF64_ST_INFO(ELF64_ST_BIND(s.st_info), STT_GNU_IFUNC);
  });
  REQUIRE(changed != object);
  CHECK_THROWS_AS(Module::load(changed, "indirect"), CompileError);
}

TEST_CASE("an object that asks for more memory than code can reach is refused", "[jit]") {
  const Bytes object =
      compile_text("static int counts[8]; extern \"C\" int* address() { return counts; }").object;
  CHECK_NOTHROW(Module::load(object, "counts"));
  for (const std::uint64_t nbytes :
       {std::uint64_t{1} << 31, std::uint64_t{1} << 50, ~std::uint64_t{15}}) {
    const Bytes changed = with_sections(object, [&](Elf64_Shdr& s) {
      if (s.sh_type == SHT_NOBITS) s.sh_size = nbytes;
    });
    REQUIRE(changed != object);
    CHECK_THROWS_AS(Module::load(changed, "counts"), CompileError);
  }
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

TEST_CASE("at no time while modules are linked is a page writable and executable", "[jit]") {
  const auto object = compile_text("long counter = 1; extern const long fixed = 7;\n"
                                   "extern \"C\" long f() { return ++counter; }")
                          .object;
  std::atomic<bool> is_over = false;
  std::atomic<int> loaded = 0;
  std::thread linker([&] {
    while (!is_over) {
      const Module module = Module::load(object, "watched");
      ++loaded;
    }
  });
  for (int looks = 0; looks < 300 || loaded < 300; ++looks) REQUIRE(writable_code().empty());
  is_over = true;
  linker.join();
  CHECK(writable_code().empty());
}

TEST_CASE("objects that are loaded together share pages and nothing else", "[jit]") {
  const auto first = compile_text("long counter = 10; extern const long fixed = 1;\n"
                                  "extern \"C\" long kernel() { return counter += fixed; }")
                         .object;
  const auto second = compile_text("long counter = 20; extern const long fixed = 2;\n"
                                   "extern \"C\" long kernel() { return counter += fixed; }")
                          .object;
  const jit::Object both[] = {{first, "first"}, {second, "second"}};
  std::vector<Module> modules = Module::load(both);
  REQUIRE(modules.size() == 2);
  CHECK(function_of<long()>(modules[0], "kernel")() == 11);
  CHECK(function_of<long()>(modules[1], "kernel")() == 22);
  CHECK(function_of<long()>(modules[0], "kernel")() == 12);
  for (const Module& m : modules) {
    CHECK(permissions_of(m.symbol("kernel")) == "r-xp");
    CHECK(permissions_of(m.symbol("fixed")) == "r--p");
    CHECK(permissions_of(m.symbol("counter")) == "rw-p");
  }
  const auto page = [](const void* at) { return reinterpret_cast<std::uintptr_t>(at) / 4096; };
  CHECK(page(modules[0].symbol("kernel")) == page(modules[1].symbol("kernel")));

  const void* code = modules[1].symbol("kernel");
  modules.erase(modules.begin());
  CHECK(function_of<long()>(modules[0], "kernel")() == 24);
  modules.clear();
  CHECK(permissions_of(code) != "r-xp");
}

TEST_CASE("one object that will not do spoils those that are loaded with it", "[jit]") {
  const auto good = compile_text("extern \"C\" int kernel() { return 1; }").object,
             bad = compile_text("extern \"C\" int puts(const char*);\n"
                                "extern \"C\" int kernel() { return puts(\"\"); }")
                       .object;
  const jit::Object both[] = {{good, "good"}, {bad, "bad"}};
  CHECK_THROWS_WITH(Module::load(both), contains("kernel bad refers to symbols outside"));
  CHECK(Module::load({}).empty());
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
