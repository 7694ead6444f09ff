/// Functions that are found whole in the cache.
#include <kroton/core.hpp>

#include <cstdio>

#include "test/support/catch.hpp"
#include "test/support/child.hpp"

namespace kt = kroton;
using kt::Array;
using kt::Expr;
using kt::test::contains;
using kt::test::run_child;
using kt::test::TempDir;

namespace {

const Expr x = kt::matrix<float>("x"), y = kt::matrix<float>("y");
const Expr at = kt::vector<std::int64_t>("at");

/// Two kernels and a product; needs equal shapes of x and y, and can fail.
kt::Function make(kt::Options options = {}) {
  return kt::function({x, y, at},
                      {kt::softmax(kt::dot(x + y, kt::transpose(x))), kt::index(y, {at})},
                      std::move(options));
}

std::vector<Array> arguments(std::int64_t rows_of_y = 3, std::int64_t position = 1) {
  Array xs = Array::empty<float>({3, 4});
  for (int i = 0; i < 12; ++i) xs.data<float>()[i] = 0.25F * static_cast<float>(i % 5);
  return {xs, Array::full<float>({rows_of_y, 4}, 0.5F), Array::full<std::int64_t>({2}, position)};
}

template <class E> std::string message_of(const kt::Function& f, const std::vector<Array>& with) {
  try {
    (void)f(with);
  } catch (const E& error) {
    return error.what();
  }
  return "no error";
}

void print(const std::vector<Array>& results) {
  for (const Array& a : results)
    for (const float v : a.to_vector<float>()) std::printf("%a ", static_cast<double>(v));
  std::printf("\n");
}

/// The part of a child's output between two words.
std::string between(const std::string& text, const std::string& from, const std::string& to) {
  const auto begin = text.find(from);
  return begin == text.npos ? "" : text.substr(begin, text.find(to, begin) - begin);
}

} // namespace

TEST_CASE("child: all that a function tells", "[.plan-child]") {
  kt::test::use_given_cache();
  const kt::Function f = make({.name = "told"});
  std::printf("<<plan %s compiled %d rewrite %d>>\n", f.stats().plan_origin.c_str(),
              f.stats().compiled, f.stats().rewrite_ms > 0);
  std::printf("<<calls\n");
  print(f(arguments()));
  std::printf("%s\n", message_of<kt::IndexError>(f, arguments(3, 7)).c_str());
  std::printf("%s\n", message_of<kt::ShapeError>(f, arguments(2)).c_str());
  std::printf(">>\n<<story\n%s\n%s\n%s\n>>\n", f.source().c_str(), f.graph().c_str(),
              between(f.explain(), "rules fired", "\nkernels").c_str());
}

TEST_CASE("a function from the cache computes, fails and tells as the one that was made",
          "[function][cache][plan]") {
  const TempDir dir;
  const kt::test::Environment with_cache{{"KROTON_TEST_CACHE_DIR", dir.path().string()}};
  const auto cold = run_child("[.plan-child]", with_cache),
             warm = run_child("[.plan-child]", with_cache);
  CAPTURE(cold.output, warm.output);
  CHECK(cold.status == 0);
  CHECK(warm.status == 0);
  CHECK_THAT(cold.output, contains("<<plan made compiled "));
  CHECK_THAT(cold.output, contains("rewrite 1>>"));
  CHECK_THAT(warm.output, contains("<<plan disk compiled 0 rewrite 0>>"));
  const std::string calls = between(cold.output, "<<calls", ">>");
  CHECK_THAT(calls, contains("position 7 is outside axis 0 of y"));
  CHECK_THAT(calls, contains("plan_test.cpp:"));
  CHECK(between(warm.output, "<<calls", ">>") == calls);
  CHECK_THAT(cold.output, contains("optimised graph"));
  CHECK(between(warm.output, "<<story", ">>") == between(cold.output, "<<story", ">>"));
}

TEST_CASE("a function made twice in a process is planned once", "[function][cache][plan]") {
  const kt::Function first = make(), second = make({.name = "other", .threads = 1});
  CHECK(second.stats().plan_origin == "memory");
  CHECK(second.stats().rewrite_ms == 0);
  CHECK(second.stats().kernels == first.stats().kernels);
  (void)second.graph();
  CHECK(second.stats().rewrite_ms > 0);
  const auto a = first(arguments()), b = second(arguments());
  for (std::size_t i = 0; i < a.size(); ++i) CHECK(kt::equal(a[i], b[i]));
}

TEST_CASE("plans bind the data of the program at hand", "[function][cache][plan]") {
  const auto run = [](float in_large, float in_small, float in_shared) {
    const kt::Shared w = kt::shared(Array::full<float>({2000}, in_shared));
    const Expr large = kt::constant(Array::full<float>({2000}, in_large)),
               small = kt::constant(Array::full<float>({1}, in_small)) * 2;
    const kt::Function f = kt::function({}, {large + small}, {.updates = {{w, w + large}}});
    const float sum = f(std::vector<Array>{})[0].data<float>()[1999];
    return std::pair(sum, w.get().data<float>()[1999]);
  };
  CHECK(run(1, 2, 3) == std::pair(5.0F, 4.0F));
  CHECK(run(10, 2, 30) == std::pair(14.0F, 40.0F));
  CHECK(run(10, 3, 30) == std::pair(16.0F, 40.0F));
}

TEST_CASE("models made of one stream one after the other share a plan, and draw their own numbers",
          "[function][cache][plan]") {
  kt::Random rng(5);
  const auto make_model = [&](const kt::Options& options = {}) {
    const Expr noise = rng.normal(x.shape()), kept = rng.bernoulli(0.75, x.shape(), kt::DType::f32);
    return kt::function({x}, {kept * x + noise, kt::sum(noise, {0})}, options);
  };
  const Array start = rng.state().get();
  const auto results = [&](const kt::Function& f) {
    kt::Shared state = rng.state();
    state.set(start);
    return f(std::vector<Array>{arguments()[0]});
  };
  const kt::Function first = make_model(), second = make_model();
  CHECK(second.stats().plan_origin == "memory");
  CHECK(second.source() == first.source());
  const auto a = results(first), b = results(second);
  for (std::size_t i = 0; i < a.size(); ++i) {
    CHECK_FALSE(kt::equal(a[i], b[i]));
    CHECK(kt::equal(results(first)[i], a[i]));
  }
  // The third model's draws, checked against the reference evaluator.
  CHECK_NOTHROW(results(make_model({.mode = kt::Mode::verify})));
}

TEST_CASE("functions that check every stage take no plan from the cache",
          "[function][cache][plan]") {
  for (int i = 0; i < 2; ++i) {
    const kt::Function f = make({.mode = kt::Mode::verify});
    CHECK(f.stats().plan_origin == "made");
    (void)f(arguments());
  }
}
