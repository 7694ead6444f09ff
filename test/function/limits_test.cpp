/// Where the system has no thread to give or little memory, calls continue with what there is.
#include <kroton/core.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <new>
#include <string>

#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include "jit/run/background.hpp"
#include "test/support/catch.hpp"
#include "test/support/child.hpp"

namespace kt = kroton;
using kt::Array;
using kt::jit::Background;

namespace {

/// From here on no thread can be started: its stack would be larger than the address space.
void give_no_threads() {
  pthread_attr_t attributes;
  REQUIRE(pthread_attr_init(&attributes) == 0);
  REQUIRE(pthread_attr_setstacksize(&attributes, std::size_t{1} << 47) == 0);
  REQUIRE(pthread_setattr_default_np(&attributes) == 0);
}

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + 1)) ++n;
  return n;
}

std::size_t address_space() {
  std::size_t pages = 0;
  std::FILE* file = std::fopen("/proc/self/statm", "r");
  REQUIRE(file);
  const int read = std::fscanf(file, "%zu", &pages);
  std::fclose(file);
  REQUIRE(read == 1);
  return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

void limit_address_space(std::size_t nbytes) {
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_AS, &limit) == 0);
  limit.rlim_cur = std::min<rlim_t>(nbytes, limit.rlim_max);
  REQUIRE(::setrlimit(RLIMIT_AS, &limit) == 0);
}

/// Of several kernels, with rows enough for several threads.
kt::Function several_kernels() {
  auto x = kt::matrix<float>("x");
  return kt::function({x}, {kt::sum(kt::softmax(x)), kt::sum(kt::dot(kt::transpose(x), x))});
}

void check_several_kernels(const kt::Function& f) {
  const auto out = f({Array::full<float>({20'000, 8}, 0.5F)});
  CHECK(out[0].item<float>() == 20'000);
  CHECK(out[1].item<float>() == 20'000 * 8 * 8 / 4);
}

/// Functions of which none has the others' kernels.
kt::Function of_rows(kt::Expr (*fold)(const kt::Expr&)) {
  auto x = kt::matrix<float>("x");
  return kt::function({x}, fold(x), {.threads = 1});
}
kt::Expr sums(const kt::Expr& x) { return kt::sum(x, {1}); }
kt::Expr squares(const kt::Expr& x) { return kt::sum(x * x, {1}); }
kt::Expr cubes(const kt::Expr& x) { return kt::sum(x * x * x, {1}); }

/// All of them are the same of ones.
bool is_right(const kt::Function& f) {
  return kt::equal(f({Array::full<float>({5, 4}, 1)})[0], Array::full<float>({5}, 4));
}

} // namespace

TEST_CASE("child: compiles and calls without threads", "[.no-threads]") {
  give_no_threads();
  const kt::Function f = several_kernels();
  CHECK(f.stats().compiled >= 2);
  for (int i = 0; i < 8; ++i) check_several_kernels(f);
  const kt::Function g = of_rows(sums);
  for (int i = 0; i < 8; ++i) CHECK(is_right(g));
  Background::process().wait();
  CHECK(g.stats().versions.empty());
}

TEST_CASE("without threads the calling thread compiles and calls alone, and a warning says so",
          "[function][limits]") {
  const auto r = kt::test::run_child("[.no-threads]", {{"KROTON_THREADS", "4"}});
  CAPTURE(r.output);
  CHECK(r.status == 0);
  CHECK(count(r.output, "no thread to give") == 1);
}

TEST_CASE("child: compiles with little memory", "[.little-memory]") {
  kt::test::use_given_cache();
  const kt::Function f = of_rows(sums);
  for (int i = 0; i < 2; ++i) CHECK(is_right(f));
  const auto more =
      static_cast<std::size_t>(std::strtod(std::getenv("KROTON_TEST_MIB"), nullptr) * (1 << 20));
  if (more == 0) return; // it is the cache that is wanted
  limit_address_space(address_space() + more);
  bool are_right = true;
  for (int i = 0; i < 8; ++i) are_right = are_right && is_right(f);
  Background::process().wait();
  are_right = are_right && is_right(f);
  const bool has_version = !f.stats().versions.empty();
  std::string why;
  try {
    are_right = is_right(of_rows(squares)) && are_right;
  } catch (const kt::CompileError& error) {
    why = error.what();
  } catch (const std::bad_alloc&) {
    why = "bad_alloc";
  }
  limit_address_space(RLIM_INFINITY);
  CHECK(are_right);
  CHECK(is_right(of_rows(cubes)));
  std::printf("version=%d function=%s\n", has_version, why.c_str());
}

TEST_CASE("a compilation for which there is no memory ends no process",
          "[function][limits][memory]") {
  const auto run = [](int mib, const std::filesystem::path& cache) {
    return kt::test::run_child("[.little-memory]", {{"KROTON_TEST_MIB", std::to_string(mib)},
                                                    {"KROTON_TEST_CACHE_DIR", cache.string()}});
  };
  const kt::test::TempDir warm; // so that the function itself compiles nothing
  REQUIRE(run(0, warm.path()).status == 0);
  std::size_t without = 0, with = 0;
  for (int mib = 8; mib <= 256; mib += 8) {
    const kt::test::TempDir cache;
    std::filesystem::copy(warm.path(), cache.path(), std::filesystem::copy_options::recursive);
    const auto r = run(mib, cache.path());
    CAPTURE(mib, r.output);
    CHECK(r.status == 0);
    without += count(r.output, "version=0");
    with += count(r.output, "version=1 function=\n");
  }
  CHECK(without > 0); // the sweep reaches from too little to enough
  CHECK(with > 0);
}
