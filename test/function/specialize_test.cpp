/// Versions for certain sizes: when they come, how many stay, and that nobody notices but by time.
#include <kroton/core.hpp>

#include <numeric>
#include <thread>

#include <sys/wait.h>
#include <unistd.h>

#include "jit/run/background.hpp"
#include "test/function/allocations.hpp"
#include "test/support/catch.hpp"
#include "test/support/child.hpp"

namespace kt = kroton;
using kt::Array;
using kt::Expr;
using kt::Specialize;
using kt::jit::Background;
using kt::test::contains;

namespace {

Array counting(const kt::Shape& shape) {
  Array a = Array::empty<float>(shape);
  std::iota(a.data<float>(), a.data<float>() + a.numel(), 1.0F);
  return a;
}

/// The row sums of x y, of any sizes.
kt::Function row_sums(kt::Options options) {
  const auto rows = kt::dim("rows");
  auto x = kt::tensor<float>({rows, kt::dim()}, "x"), y = kt::tensor<float>({rows, kt::dim()}, "y");
  options.name = "row sums";
  return kt::function({x, y}, kt::sum(x * y, {1}), options);
}

std::vector<Array> arguments(std::int64_t rows, std::int64_t columns) {
  return {counting({rows, columns}), counting({rows, columns})};
}

std::vector<std::string> sizes_of(const kt::Function& f) {
  std::vector<std::string> sizes;
  for (const kt::VersionStats& v : f.stats().versions) sizes.push_back(v.sizes);
  return sizes;
}

} // namespace

TEST_CASE("a version is compiled at once where that is asked for", "[function][specialize]") {
  const kt::Function f = row_sums({.specialize = Specialize::immediately}),
                     any = row_sums({.specialize = Specialize::off});
  CHECK(f.stats().versions.empty());
  for (const std::int64_t columns : {3, 5, 3})
    CHECK(kt::equal(f(arguments(2, columns))[0], any(arguments(2, columns))[0]));
  REQUIRE(sizes_of(f) == std::vector<std::string>{"rows=2, x axis 1=3, y axis 1=3",
                                                  "rows=2, x axis 1=5, y axis 1=5"});
  const kt::VersionStats version = f.stats().versions[0];
  CHECK(version.kernels >= 1);
  CHECK(version.ms > 0);
  CHECK_FALSE(version.is_background);
  CHECK_THAT(f.explain(), contains("\n  rows=2, x axis 1=3, y axis 1=3: 1 kernel, "));
  CHECK_THAT(f.explain(), contains(" while a call waited"));
  CHECK_THAT(f.source(), contains("==== version for rows=2, x axis 1=5, y axis 1=5"));
  CHECK(f.stats().calls == 3);
}

TEST_CASE("sizes that come again get a version in the background", "[function][specialize]") {
  const kt::Function f = row_sums({});
  const auto in = arguments(4, 7);
  const Array expected = f(in)[0];
  for (int i = 0; i < 2; ++i) CHECK(kt::equal(f(in)[0], expected));
  Background::process().wait();
  CHECK(f.stats().versions.empty());
  CHECK(kt::equal(f(in)[0], expected));
  Background::process().wait();
  REQUIRE(f.stats().versions.size() == 1);
  CHECK(f.stats().versions[0].is_background);
  for (int i = 0; i < 3; ++i) CHECK(kt::equal(f(in)[0], expected));
  // Sizes between which calls alternate count as well.
  for (int i = 0; i < 4; ++i) {
    (void)f(arguments(1, 7));
    (void)f(arguments(9, 9));
  }
  Background::process().wait();
  CHECK(f.stats().versions.size() == 3);
}

TEST_CASE("four versions are kept, those used last", "[function][specialize]") {
  const kt::Function f = row_sums({.specialize = Specialize::immediately});
  for (const std::int64_t rows : {1, 2, 3, 4, 1, 5}) (void)f(arguments(rows, 2));
  std::vector<std::string> kept;
  for (const char* rows : {"1", "3", "4", "5"})
    kept.push_back(std::string("rows=") + rows + ", x axis 1=2, y axis 1=2");
  CHECK(sizes_of(f) == kept);
  CHECK(f(arguments(2, 2))[0].to_vector<float>() == std::vector<float>{5, 25}); // comes again
  CHECK(f.stats().versions.size() == 4);
}

TEST_CASE("nothing is compiled where nothing is gained", "[function][specialize]") {
  SECTION("large sizes") {
    const kt::Function f = row_sums({.specialize = Specialize::immediately});
    for (int i = 0; i < 3; ++i) (void)f(arguments(5000, 4097));
    CHECK(f.stats().versions.empty());
  }
  SECTION("static sizes") {
    auto x = kt::tensor<float>({3}, "x");
    const kt::Function f = kt::function({x}, x + 1, {.specialize = Specialize::immediately});
    for (int i = 0; i < 5; ++i) (void)f({counting({3})});
    CHECK(f.stats().versions.empty());
  }
  SECTION("off, and plain") {
    for (const kt::Options& o :
         {kt::Options{.specialize = Specialize::off}, kt::Options{.mode = kt::Mode::plain}}) {
      const kt::Function f = row_sums(o);
      for (int i = 0; i < 9; ++i) (void)f(arguments(2, 2));
      Background::process().wait();
      CHECK(f.stats().versions.empty());
    }
  }
}

TEST_CASE("a version checks its arguments as the general one does", "[function][specialize]") {
  const kt::Function f = row_sums({.specialize = Specialize::immediately});
  (void)f(arguments(2, 3));
  CHECK_THROWS_WITH(f({counting({2, 3}), counting({3, 3})}),
                    contains("all axes called rows have one size"));
  CHECK_THROWS_WITH(f({counting({2, 3})}), contains("takes 2 arguments"));
  CHECK_THROWS_WITH(f({counting({2, 3}), counting({2, 4})}), contains("axis 1"));
  CHECK_THROWS_AS(f({Array::from({1, 2}, {2, 1}), counting({2, 1})}), kt::TypeError);
  CHECK_THROWS_AS(f.call_into(arguments(2, 3), {{Array::empty<float>({3})}}), kt::ShapeError);
  CHECK(f(arguments(2, 3))[0].to_vector<float>() == std::vector<float>{14, 77});
}

TEST_CASE("a call of a version allocates nothing, the first one too",
          "[function][specialize][host][allocations]") {
  const kt::Function f = row_sums({.threads = 1});
  const auto in = arguments(3, 3);
  const std::vector<Array> out{Array::empty<float>({3})};
  for (int i = 0; i < 4; ++i) f.call_into(in, out);
  Background::process().wait();
  REQUIRE(f.stats().versions.size() == 1);
  for (int i = 0; i < 3; ++i) CHECK(kt::test::allocations_of([&] { f.call_into(in, out); }) == 0);
}

TEST_CASE("updates go on where the version changes", "[function][specialize]") {
  auto x = kt::vector<float>("x");
  auto total = kt::shared(Array::zeros<float>({}), "total");
  const kt::Function f = kt::function({x}, total, {.updates = {{total, total + kt::sum(x)}}});
  for (int i = 0; i < 10; ++i) {
    if (i == 5) Background::process().wait();
    CHECK(f({Array::from({1.0F, 2.0F})})[0].item<float>() == 3.0F * static_cast<float>(i));
  }
  CHECK(f.stats().versions.size() == 1);
  CHECK(total.get().item<float>() == 30);
}

TEST_CASE("a wrong assumption has versions of its own", "[function][specialize]") {
  auto x = kt::tensor<float>({kt::dim("n")}, "x"), y = kt::tensor<float>({kt::dim("m")}, "y");
  const kt::Function f =
      kt::function({x, y}, kt::sum(x) * y, {.specialize = Specialize::immediately});
  CHECK(f({counting({2}), counting({3})})[0].to_vector<float>() == std::vector<float>{3, 6, 9});
  CHECK(f({counting({3}), counting({3})})[0].to_vector<float>() == std::vector<float>{6, 12, 18});
  CHECK(sizes_of(f) == std::vector<std::string>{"n=2, m=3", "n=3, m=3"});
}

TEST_CASE("a scalar that is a size stays free", "[function][specialize]") {
  auto x = kt::vector<float>("x");
  auto n = kt::scalar<std::int64_t>("n");
  const kt::Function f = kt::function({x, n}, kt::sum(x) + kt::cast<float>(kt::arange(n)),
                                      {.specialize = Specialize::immediately});
  for (const std::int64_t count : {1, 3, 2}) {
    const Array out = f({counting({4}), Array::scalar(count)})[0];
    CHECK(out.dim(0) == count);
    CHECK(out.at<float>({count - 1}) == 10.0F + static_cast<float>(count - 1));
  }
  CHECK(f.stats().versions.size() == 1);
}

TEST_CASE("Mode::verify checks the version that runs", "[function][specialize]") {
  const kt::Function f =
      row_sums({.mode = kt::Mode::verify, .specialize = Specialize::immediately});
  for (int i = 0; i < 2; ++i)
    CHECK(f(arguments(2, 3))[0].to_vector<float>() == std::vector<float>{14, 77});
  CHECK(f.stats().versions.size() == 1);
}

TEST_CASE("a function may go while its version is compiled", "[function][specialize]") {
  for (std::int64_t i = 1; i <= 8; ++i) {
    auto x = kt::vector<float>("x");
    const kt::Function f = kt::function({x}, kt::exp(x) * static_cast<float>(i));
    for (int call = 0; call < 4; ++call) (void)f({counting({i})});
  }
  Background::process().wait();
  SUCCEED();
}

TEST_CASE("many threads switch to a version", "[function][specialize]") {
  const kt::Function f = row_sums({.threads = 1});
  std::atomic<int> wrong{0};
  {
    std::vector<std::jthread> all;
    for (int t = 0; t < 4; ++t)
      all.emplace_back([&, t] {
        for (int i = 0; i < 200; ++i) {
          const std::int64_t rows = 1 + (i + t) % 6;
          const auto sums = f(arguments(rows, 2))[0].to_vector<float>();
          if (sums.size() != static_cast<std::size_t>(rows) || sums[0] != 5) ++wrong;
        }
      });
  }
  CHECK(wrong == 0);
  Background::process().wait();
  CHECK(f.stats().versions.size() == 4);
  CHECK(f.stats().calls == 800);
}

TEST_CASE("a child of fork goes on specialising",
          "[function][specialize][host][threads-in-child]") {
  const kt::Function f = row_sums({.threads = 1});
  for (int i = 0; i < 4; ++i) (void)f(arguments(6, 2));
  const pid_t child = fork();
  if (child == 0) {
    for (int i = 0; i < 4; ++i) (void)f(arguments(2, 3));
    Background::process().wait();
    const bool is_right = f(arguments(2, 3))[0].to_vector<float>() == std::vector<float>{14, 77};
    _exit(is_right && !f.stats().versions.empty() ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(status == 0);
  Background::process().wait();
  CHECK(f.stats().versions.size() == 1);
}

TEST_CASE("child: ends while a version is compiled", "[.ends-early]") {
  kt::test::use_given_cache();
  const kt::Function f = row_sums({});
  for (int i = 0; i < 4; ++i) CHECK(f(arguments(2, 3))[0].to_vector<float>()[0] == 14);
}

TEST_CASE("a process may end while a version is compiled", "[function][specialize]") {
  const kt::test::TempDir cache; // empty at first, so that Clang is at work when the child ends
  for (int i = 0; i < 3; ++i) {
    const auto r =
        kt::test::run_child("[.ends-early]", {{"KROTON_TEST_CACHE_DIR", cache.path().string()}});
    CAPTURE(r.output);
    CHECK(r.status == 0);
  }
}

TEST_CASE("child: specialises nothing", "[.never]") {
  const kt::Function f = row_sums({.specialize = Specialize::immediately});
  for (int i = 0; i < 5; ++i) (void)f(arguments(2, 3));
  CHECK(f.stats().versions.empty());
}

TEST_CASE("KROTON_SPECIALIZE=0 switches it off", "[function][specialize]") {
  const auto r = kt::test::run_child("[.never]", {{"KROTON_SPECIALIZE", "0"}});
  CAPTURE(r.output);
  CHECK(r.status == 0);
}
