/// Where the system has no thread to give, calls go on with what there is.
#include <kroton/core.hpp>

#include <cstddef>
#include <string>

#include <pthread.h>

#include "jit/background.hpp"
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
