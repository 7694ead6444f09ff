/// Calls: what they write, allocate and leave behind.
#include <kroton/core.hpp>

#include <cmath>
#include <fstream>
#include <numeric>
#include <thread>

#include "test/function/allocations.hpp"
#include "test/support/catch.hpp"
#include "test/support/child.hpp"

namespace kt = kroton;
using kt::Array;
using kt::DType;
using kt::Expr;
using kt::test::allocations_of;

namespace {

using Floats = std::vector<float>;

Array counting(const kt::Shape& shape) {
  Array a = Array::empty<float>(shape);
  std::iota(a.data<float>(), a.data<float>() + a.numel(), 1.0f);
  return a;
}

} // namespace

TEST_CASE("a hot loop allocates nothing", "[function][call][host][allocations]") {
  REQUIRE(allocations_of([] { Array::zeros<float>({100}); }) >= 2); // the counter counts
  SECTION("elementwise") {
    auto x = kt::vector<float>("x"), y = kt::vector<float>("y");
    const kt::Function f = kt::function({x, y}, kt::exp(2 * x) + y, {.threads = 1});
    const std::vector<Array> in{counting({100}), counting({100})}, out{Array::empty<float>({100})};
    f.call_into(in, out);
    CHECK(allocations_of([&] { f.call_into(in, out); }) == 0);
  }
  SECTION("several kernels with temporaries") {
    auto x = kt::matrix<float>("x");
    const Expr h = kt::tanh(kt::dot(x, kt::transpose(x)));
    const kt::Function f =
        kt::function({x}, {kt::softmax(h), kt::argmax(h, 1), kt::mean(h)}, {.threads = 1});
    const std::vector<Array> in{counting({6, 4})},
        out{Array::empty<float>({6, 6}), Array::empty<std::int64_t>({6}), Array::empty<float>({})};
    f.call_into(in, out);
    CHECK(allocations_of([&] { f.call_into(in, out); }) == 0);
  }
  SECTION("updates and gathers") {
    auto x = kt::matrix<float>("x");
    auto y = kt::vector<std::int32_t>("y");
    auto w = kt::shared(Array::zeros<float>({4, 3}), "w");
    auto p = kt::softmax(kt::dot(x, w));
    auto loss = -kt::mean(kt::index(kt::log(p), {kt::arange(y.dim(0)), y}));
    const kt::Function f =
        kt::function({x, y}, loss, {.updates = {{w, w - 0.1f * kt::grad(loss, w)}}, .threads = 1});
    const std::vector<Array> in{counting({5, 4}), Array::from({0, 1, 2, 1, 0})},
        out{Array::empty<float>({})};
    f.call_into(in, out);
    f.call_into(in, out);
    CHECK(allocations_of([&] { f.call_into(in, out); }) == 0);
  }
  SECTION("rows that are added to a table, some of them twice") {
    auto table = kt::shared(Array::zeros<float>({50, 3}), "table");
    auto rows = kt::vector<std::int32_t>("rows");
    auto g = kt::matrix<float>("g");
    const Expr cost = kt::sum(kt::index(table, {rows}) * g);
    const kt::Function f =
        kt::function({rows, g}, std::vector<Expr>{},
                     {.updates = {{table, table - 0.1f * kt::grad(cost, table)}}, .threads = 1});
    REQUIRE(f.explain().find("call of index-add-to") != std::string::npos);
    const std::vector<Array> in{Array::from({1, 7, 1, 49}), counting({4, 3})}, out{};
    f.call_into(in, out);
    f.call_into(in, out);
    CHECK(allocations_of([&] { f.call_into(in, out); }) == 0);
  }
  SECTION("the gradient of many large reads") {
    auto x = kt::tensor<float>({40, 9000}, "x");
    Expr cost = kt::constant(0.0f);
    for (std::int64_t i = 0; i < 40; ++i) cost = cost + kt::sum(kt::exp(kt::index(x, {i})));
    const kt::Function f = kt::function({x}, kt::grad(cost, x), {.threads = 2});
    const std::vector<Array> in{Array::zeros<float>({40, 9000})},
        out{Array::empty<float>({40, 9000})};
    f.call_into(in, out);
    f.call_into(in, out);
    CHECK(allocations_of([&] { f.call_into(in, out); }) == 0);
    CHECK(out[0].at<float>({39, 8999}) == 1);
  }
  SECTION("random numbers") {
    kt::Random rng(1);
    auto x = kt::vector<float>("x");
    const kt::Function f =
        kt::function({x}, x * rng.bernoulli(0.5, x.shape(), DType::f32), {.threads = 1});
    const std::vector<Array> in{counting({50})}, out{Array::empty<float>({50})};
    f.call_into(in, out);
    f.call_into(in, out);
    CHECK(allocations_of([&] { f.call_into(in, out); }) == 0);
  }
}

TEST_CASE("outputs may overlap arguments", "[function][call]") {
  auto x = kt::vector<float>("x");
  const kt::Function backwards = kt::function({x}, {kt::slice(x, {{{}, {}, -1}}), x + 1});
  Floats memory{1, 2, 3, 4, 5, 6};
  const Array all = Array::view(memory);
  Array sum = Array::empty<float>({6});
  backwards.call_into({all}, {all, sum});
  CHECK(memory == Floats{6, 5, 4, 3, 2, 1});
  CHECK(sum.to_vector<float>() == Floats{2, 3, 4, 5, 6, 7}); // of the argument as it was

  const kt::Function running =
      kt::function({x}, kt::slice(x, {{1, {}}}) + kt::slice(x, {{{}, -1}}));
  memory = {1, 2, 3, 4, 5, 6};
  running.call_into({all}, {all.slice(0, 1)});
  CHECK(memory == Floats{1, 3, 5, 7, 9, 11});
}

TEST_CASE("arguments and outputs may have any strides", "[function][call]") {
  auto x = kt::matrix<float>("x"), y = kt::matrix<float>("y");
  const kt::Function f =
      kt::function({x, y}, {x - 2 * y, kt::sum(x, {1}), kt::dot(x, kt::transpose(y))});
  const Array a = counting({4, 6}), b = counting({6, 4}).transpose();
  const Array dense_a = a.slice(1, {}, {}, -1).copy(), dense_b = b.copy();
  const auto expected = f({dense_a, dense_b});
  const auto got = f({a.slice(1, {}, {}, -1), b});
  for (std::size_t i = 0; i < 3; ++i) CHECK(kt::equal(got[i], expected[i]));
  CHECK(f.stats().packed_arguments == 2);

  Array wide = Array::zeros<float>({6, 8}), column = Array::zeros<float>({4, 3}),
        reversed = Array::zeros<float>({4, 4});
  f.call_into({a.slice(1, {}, {}, -1), b},
              {wide.slice(1, 0, {}, 2).transpose(), column.slice(1, 1, 2).reshape({4}),
               reversed.slice(0, {}, {}, -1)});
  CHECK(kt::equal(wide.slice(1, 0, {}, 2).transpose().copy(), expected[0]));
  CHECK(kt::equal(column.slice(1, 1, 2).reshape({4}).copy(), expected[1]));
  CHECK(kt::equal(reversed.slice(0, {}, {}, -1).copy(), expected[2]));
  for (std::int64_t i = 0; i < 6; ++i) CHECK(wide.at<float>({i, 1}) == 0); // gaps are left alone

  const Array repeated = Array::from({2.0f}).broadcast_to({4, 6});
  CHECK(kt::equal(f({repeated, dense_b})[0], f({repeated.copy(), dense_b})[0]));
}

TEST_CASE("empty arrays go through", "[function][call]") {
  auto x = kt::matrix<float>("x"), y = kt::matrix<float>("y");
  const kt::Function f =
      kt::function({x, y}, {kt::exp(x), kt::sum(x), kt::sum(x, {0}), kt::dot(x, y), kt::softmax(x),
                            kt::mean(x), kt::max(x, {1})});
  auto out = f({Array::zeros<float>({0, 3}), Array::zeros<float>({3, 2})});
  CHECK(out[0].shape() == kt::Shape{0, 3});
  CHECK(out[1].item<float>() == 0);
  CHECK(out[2].to_vector<float>() == Floats{0, 0, 0});
  CHECK(out[3].shape() == kt::Shape{0, 2});
  CHECK(out[4].shape() == kt::Shape{0, 3});
  CHECK(std::isnan(out[5].item<float>()));
  CHECK(out[6].numel() == 0);
  out = f({Array::zeros<float>({2, 0}), Array::zeros<float>({0, 3})});
  CHECK(out[3].to_vector<float>() == Floats{0, 0, 0, 0, 0, 0}); // sums of nothing
  CHECK(out[6].to_vector<float>() == Floats{-INFINITY, -INFINITY});

  const kt::Function nothing = kt::function({}, std::vector<Expr>{});
  CHECK(nothing({}).empty());
  nothing.call_into({}, {});
  CHECK(kt::function({x}, std::vector<Expr>{})({Array::zeros<float>({1, 1})})
            .empty()); // an input that is not needed
}

TEST_CASE("sizes may change from call to call", "[function][call]") {
  auto x = kt::matrix<float>("x");
  const kt::Function f = kt::function({x}, kt::softmax(kt::dot(x, kt::transpose(x))));
  const kt::Function plain =
      kt::function({x}, kt::softmax(kt::dot(x, kt::transpose(x))), {.mode = kt::Mode::plain});
  for (const std::int64_t n : {3, 100, 1, 0, 64, 3, 257, 2}) {
    const Array a = Array::full<float>({n, n + 1}, 0.25f);
    CHECK(kt::all_close(f({a})[0], plain({a})[0]));
  }
}

TEST_CASE("an output may be an input, a constant, or given twice", "[function][call]") {
  auto x = kt::vector<float>("x");
  auto w = kt::shared(Array::from({1.0f, 2.0f}), "w");
  const Expr y = x * 2;
  const kt::Function f =
      kt::function({x}, {x, y, y, kt::constant(7), w, kt::constant(Array::from({1, 2})), x});
  const Array in = Array::from({3.0f, 4.0f});
  auto out = f({in});
  CHECK(out[0].to_vector<float>() == Floats{3, 4});
  CHECK(out[1].to_vector<float>() == Floats{6, 8});
  CHECK(out[2].to_vector<float>() == Floats{6, 8});
  CHECK(out[3].item<int>() == 7);
  CHECK(out[4].to_vector<float>() == Floats{1, 2});
  CHECK(out[5].to_vector<int>() == std::vector<int>{1, 2});
  // They are the caller's own: writing one changes nothing else.
  for (Array& o : out) CHECK(!o.overlaps(in));
  out[1].at<float>({0}) = out[4].at<float>({0}) = 100;
  CHECK(out[2].at<float>({0}) == 6);
  CHECK(w.get().at<float>({0}) == 1);
  CHECK(f({in})[4].at<float>({0}) == 1);
}

TEST_CASE("a scalar input may be a size", "[function][call]") {
  auto n = kt::scalar<std::int32_t>("n");
  auto x = kt::vector<float>("x");
  const kt::Function f = kt::function({n}, {kt::arange(n), kt::sum(kt::arange(n + 2))});
  for (const int k : {5, 0, 1, 1000, -3}) {
    const auto out = f({k});
    CHECK(out[0].numel() == std::max(k, 0));
    const std::int64_t m = std::max(k, 0) + 2;
    if (k >= 0) CHECK(out[1].item<std::int64_t>() == m * (m - 1) / 2);
  }
  const kt::Function g = kt::function({n, x}, x * kt::cast<float>(kt::arange(n)));
  CHECK(g({3, counting({3})})[0].to_vector<float>() == Floats{0, 2, 6});
  CHECK_THROWS_AS(g({4, counting({3})}), kt::ShapeError);
  CHECK_THROWS_AS(g({4, counting({3})}), kt::ShapeError); // the second time as the first
  CHECK(g({2, counting({2})})[0].to_vector<float>() == Floats{0, 2});
}

TEST_CASE("a call that breaks what a program was compiled for falls back", "[function][call]") {
  auto p = kt::matrix<float>("p");
  auto y = kt::vector<std::int32_t>("y");
  const kt::Function f =
      kt::function({p, y}, {kt::index(p, {kt::arange(y.dim(0)), y}),
                            kt::grad(kt::sum(kt::index(p, {kt::arange(y.dim(0)), y})), p)});
  const Array a = counting({4, 3});
  auto out = f({a, Array::from({2, 0, 1, 1})});
  CHECK(out[0].to_vector<float>() == Floats{3, 4, 8, 11});
  out = f({a, Array::from({2, 0})}); // NumPy: p[arange(2), y]
  CHECK(out[0].to_vector<float>() == Floats{3, 4});
  CHECK(out[1].to_vector<float>() == Floats{0, 0, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0});
  CHECK_THROWS_AS(f({a, Array::from({0, 0, 0, 0, 0})}), kt::IndexError); // row 4 of 4
  out = f({a, Array::from({2, 0, 1, -3})});
  CHECK(out[0].to_vector<float>() == Floats{3, 4, 8, 10});
  out = f({a, Array::zeros<std::int32_t>({0})});
  CHECK(out[0].numel() == 0);
  CHECK(out[1].to_vector<float>() == Floats(12, 0.0f));
}

TEST_CASE("new values are computed from the old ones and appear together", "[function][update]") {
  auto a = kt::shared(counting({3}), "a"), b = kt::shared(Array::zeros<float>({3}), "b");
  const kt::Function swap = kt::function({}, {a, b}, {.updates = {{a, b}, {b, a}}});
  const auto out = swap({});
  CHECK(out[0].to_vector<float>() == Floats{1, 2, 3}); // outputs see the old values
  CHECK(a.get().to_vector<float>() == Floats{0, 0, 0});
  CHECK(b.get().to_vector<float>() == Floats{1, 2, 3});
  swap({});
  CHECK(a.get().to_vector<float>() == Floats{1, 2, 3});

  const kt::Function chain = kt::function({}, a + b, {.updates = {{a, a + 1}, {b, a * 10}}});
  CHECK(chain({})[0].to_vector<float>() == Floats{1, 2, 3});
  CHECK(a.get().to_vector<float>() == Floats{2, 3, 4});
  CHECK(b.get().to_vector<float>() == Floats{10, 20, 30});

  // The new value may be read as an output, and be another variable's as well.
  const Expr next = a * 2;
  const kt::Function same = kt::function({}, next, {.updates = {{a, next}, {b, next}}});
  CHECK(same({})[0].to_vector<float>() == Floats{4, 6, 8});
  CHECK(a.get().to_vector<float>() == Floats{4, 6, 8});
  CHECK(b.get().to_vector<float>() == Floats{4, 6, 8});
  kt::function({}, std::vector<Expr>{}, {.updates = {{a, a + 1}}})({});
  CHECK(b.get().to_vector<float>() == Floats{4, 6, 8}); // they do not share memory
}

TEST_CASE("updates in place do not disturb other readers of the old value", "[function][update]") {
  auto x = kt::matrix<float>("x");
  auto w = kt::shared(counting({3, 2}), "w");
  const kt::Function f =
      kt::function({x}, {kt::dot(kt::transpose(x), x), kt::sum(w), w},
                   {.updates = {{w, w - 0.5f * kt::dot(x, kt::constant(counting({4, 2})))}}});
  const auto out = f({Array::full<float>({3, 4}, 1)});
  CHECK(out[1].item<float>() == 21);
  CHECK(out[2].to_vector<float>() == Floats{1, 2, 3, 4, 5, 6});
  CHECK(w.get().to_vector<float>() == Floats{-7, -8, -5, -6, -3, -4});
  const Array before = w.get();
  f({Array::full<float>({3, 4}, 1)});
  CHECK(before.to_vector<float>() == Floats{-7, -8, -5, -6, -3, -4}); // get() copies
}

TEST_CASE("a failed call applies no update", "[function][update]") {
  auto x = kt::matrix<float>("x");
  auto y = kt::vector<std::int32_t>("y");
  auto w = kt::shared(counting({4, 2}), "w"), n = kt::shared(Array::scalar(0), "n"),
       v = kt::shared(counting({3}), "v");
  kt::Random rng(3);
  const Expr product = kt::dot(kt::transpose(x), x);
  // The product is added to w in place, and the gather comes first, last, or between.
  const std::vector<std::pair<kt::Shared, Expr>> updates{
      {w, w + 2.0f * kt::dot(kt::transpose(x), kt::slice(x, {{}, {0, 2}}))},
      {n, n + 1},
      {v, v * 2 + 1}};
  const Expr noise = rng.uniform({3});
  for (const bool depends : {false, true}) {
    const Expr gathered = kt::index(x, {y});
    const Expr out = depends ? kt::sum(gathered) + kt::sum(w) : kt::sum(gathered);
    const kt::Function f =
        kt::function({x, y}, {out, kt::sum(product), noise}, {.updates = updates});
    const Array in = counting({5, 4}), w_before = w.get(), v_before = v.get(), n_before = n.get(),
                state_before = rng.state().get();
    for (int i = 0; i < 2; ++i) {
      CHECK_THROWS_AS(f({in, Array::from({0, 5})}), kt::IndexError);
      CHECK(kt::equal(w.get(), w_before));
      CHECK(kt::equal(v.get(), v_before));
      CHECK(kt::equal(n.get(), n_before));
      CHECK(kt::equal(rng.state().get(), state_before));
    }
    f({in, Array::from({0, 4})});
    CHECK(n.get().item<int>() == n_before.item<int>() + 1);
    CHECK(v.get().at<float>({0}) == 2 * v_before.at<float>({0}) + 1);
    CHECK(!kt::equal(w.get(), w_before));
    CHECK(!kt::equal(rng.state().get(), state_before));
  }
}

TEST_CASE("a bad output array fails before anything is written", "[function][update]") {
  auto x = kt::vector<float>("x");
  auto n = kt::shared(Array::scalar(0), "n");
  const kt::Function f = kt::function({x}, {x + 1, kt::sum(x)}, {.updates = {{n, n + 1}}});
  Array first = Array::zeros<float>({2});
  CHECK_THROWS_AS(f.call_into({counting({2})}, {first, Array::zeros<float>({1})}), kt::ShapeError);
  CHECK(first.to_vector<float>() == Floats{0, 0});
  CHECK(n.get().item<int>() == 0);
}

TEST_CASE("get and set from other threads see whole values", "[function][update]") {
  constexpr std::int64_t size = 10'000;
  auto a = kt::shared(Array::zeros<float>({size}), "a");
  const kt::Function f = kt::function({}, std::vector<Expr>{}, {.updates = {{a, a + 1}}});
  std::atomic<bool> is_done{false};
  std::atomic<int> torn{0};
  std::thread reader([&] {
    while (!is_done) {
      const auto v = a.get().to_vector<float>();
      if (std::ranges::count(v, v[0]) != size) ++torn;
    }
  });
  std::thread writer([&] {
    for (int i = 0; i < 50; ++i) a.set(Array::full<float>({size}, 1000.0f * static_cast<float>(i)));
  });
  for (int i = 0; i < 300; ++i) f({});
  writer.join();
  is_done = true;
  reader.join();
  CHECK(torn == 0);
}

TEST_CASE("set takes a copy, of any strides", "[function][update]") {
  auto w = kt::shared(Array::zeros<float>({2, 3}), "w");
  Array value = counting({3, 2});
  w.set(value.transpose());
  value.at<float>({0, 0}) = 100;
  CHECK(w.get().to_vector<float>() == Floats{1, 3, 5, 2, 4, 6});
  CHECK(kt::function({}, w * 1)({})[0].to_vector<float>() == Floats{1, 3, 5, 2, 4, 6});
}

TEST_CASE("random streams advance by themselves and can be replayed", "[function][random]") {
  kt::Random rng(42);
  auto x = kt::vector<float>("x");
  const kt::Function f = kt::function(
      {x}, {x + rng.uniform(x.shape()), rng.normal({3}, DType::f64), rng.bernoulli(0.5, {20})});
  const Array zeros = Array::zeros<float>({1000});
  const Array start = rng.state().get();
  const auto first = f({zeros}), second = f({zeros});
  CHECK(!kt::equal(first[0], second[0]));
  CHECK(!kt::equal(first[1], second[1]));
  rng.state().get();
  kt::Shared state = rng.state();
  state.set(start);
  const auto again = f({zeros});
  for (std::size_t i = 0; i < 3; ++i) CHECK(kt::equal(again[i], first[i]));
  // Another function of the stream continues where this one stopped.
  const Array after_one = f({zeros})[0];
  CHECK(kt::equal(after_one, second[0]));
  // An explicit update takes the place of the stream's own.
  state.set(start);
  const kt::Function frozen = kt::function({}, rng.uniform({4}), {.updates = {{state, state}}});
  CHECK(kt::equal(frozen({})[0], frozen({})[0]));
}

TEST_CASE("a random stream is the same for any number of threads", "[function][random]") {
  constexpr std::int64_t size = 300'001;
  std::vector<Array> results;
  for (const int threads : {1, 2, 4}) {
    kt::Random rng(7);
    auto x = kt::vector<float>("x");
    const kt::Function f =
        kt::function({x}, kt::tanh(x + rng.normal(x.shape())), {.threads = threads});
    f({Array::zeros<float>({size})});
    results.push_back(f({Array::zeros<float>({size})})[0]);
  }
  CHECK(kt::equal(results[0], results[1]));
  CHECK(kt::equal(results[0], results[2]));
}

TEST_CASE("copies of a Function share its code and outlive it", "[function][call]") {
  auto x = kt::vector<float>("x");
  std::vector<kt::Function> copies;
  {
    const kt::Function f = kt::function({x}, x * 3, {.name = "thrice"});
    copies = {f, f};
  }
  copies.erase(copies.begin());
  CHECK(copies[0]({counting({2})})[0].to_vector<float>() == Floats{3, 6});
  CHECK(copies[0].name() == "thrice");
  CHECK(copies[0].stats().calls == 1);
}

namespace {

std::int64_t resident_bytes() {
  std::ifstream in("/proc/self/statm");
  std::int64_t pages = 0, resident = 0;
  in >> pages >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

} // namespace

TEST_CASE("a Function frees its code when it dies", "[function][call][host]") {
  auto round = [] {
    auto x = kt::matrix<float>("x");
    const kt::Function f =
        kt::function({x}, {kt::softmax(kt::dot(x, kt::transpose(x))), kt::exp(x) * 1.5f});
    f({Array::full<float>({8, 8}, 0.5f)});
  };
  for (int i = 0; i < 100; ++i) round();
  const std::int64_t before = resident_bytes();
  for (int i = 0; i < 500; ++i) round();
  // Code that stayed would be a page or more for each of three kernels and each round: 6 MB.
  CHECK(resident_bytes() - before < (1 << 20));
}

namespace {

/// A user's globals are destroyed after main, in the reverse order of their making, which may be
/// before or after that of Kroton's own statics.
struct Globals {
  std::optional<kt::Function> function;
  std::optional<kt::Shared> variable;
  ~Globals() {
    if (!function) return;
    const auto out = (*function)({Array::from({1.0f, 2.0f})});
    if (out[0].to_vector<float>() != Floats{11, 22} || variable->get().item<float>() != 11)
      _exit(3);
  }
} globals;

} // namespace

TEST_CASE("child: global functions are called while the process ends", "[.globals]") {
  auto x = kt::vector<float>("x");
  globals.variable = kt::shared(Array::scalar(10.0f), "n");
  globals.function = kt::function({x}, x * (*globals.variable + 1),
                                  {.updates = {{*globals.variable, *globals.variable + 1}}});
}

TEST_CASE("Functions and Shareds may be globals", "[function][call]") {
  CHECK(kt::test::run_child("[.globals]").status == 0);
}
