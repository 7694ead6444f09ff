/// How programs may be written: numbers and sizes in expressions, empty handles, indexing, calls.
#include <sstream>

#include <kroton/core.hpp>

#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"

using namespace kroton;
using test::contains;
using test::message_of;

namespace {

template <class T> std::string printed(const T& value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

template <class E>
concept IsAddedTo = requires(E& e) {
  e += 1;
};
template <class T>
concept IsAxis = requires(const Expr& e, T axis) {
  sum(e, axis);
};

Array floats(std::initializer_list<float> values) { return Array::from(values); }

} // namespace

TEST_CASE("numbers count as what they are written as, where nothing else says", "[function]") {
  const Expr x = vector<float>("x"), y = vector<double>("y"), i = vector<int>("i"), c = x > 0.f;
  CHECK(where(c, 1.f, -1.f).dtype() == DType::f32);
  CHECK(where(c, 1.0, -1.0).dtype() == DType::f64);
  CHECK(where(c, 1.f, -1.0).dtype() == DType::f32);
  CHECK(where(c, -1.0, 1.f).dtype() == DType::f32);
  CHECK(where(c, 1.f, 0).dtype() == DType::f32);
  CHECK(where(c, 1, true).dtype() == DType::i64);
  CHECK(where(c, x, 0.0).dtype() == DType::f32);
  CHECK((0.1 * x).dtype() == DType::f32);
  CHECK((0.1f * y).dtype() == DType::f64);
  CHECK((0.5f * i).dtype() == DType::f32);
  CHECK((0.5 * i).dtype() == DType::f64);
  CHECK((2 * x).dtype() == DType::f32);
  CHECK(kroton::exp(1.f).dtype() == DType::f32);
  CHECK(kroton::exp(1.0).dtype() == DType::f64);
  CHECK(maximum(c, 1.f).dtype() == DType::f32);
}

TEST_CASE("a float keeps its dtype beside integers", "[function]") {
  const Expr x = vector<float>("x"), m = matrix<float>("m"),
             k = tensor<std::int64_t>({x.dim(0), 2}, "k");
  CHECK((x * arange(x.dim(0))).dtype() == DType::f32);
  CHECK((sum(x) / x.dim(0)).dtype() == DType::f32);
  CHECK(dot(m, k).dtype() == DType::f32);
  CHECK(maximum(x, arange(x.dim(0))).dtype() == DType::f32);
  const Function f = function({x}, x * arange(x.dim(0)));
  const Array result = f(floats({1, 2, 3}));
  CHECK(result.to_vector<float>() == std::vector<float>{0, 2, 6});

  const UsePromotion rule(Promotion::numpy);
  CHECK((x * arange(x.dim(0))).dtype() == DType::f64);
  CHECK(where(x > 0, 1.f, -1.f).dtype() == DType::f64);
  CHECK((0.5f * arange(3)).dtype() == DType::f64);
  CHECK(dot(m, k).dtype() == DType::f64);
}

TEST_CASE("explain() says where an expression widened, and why", "[function]") {
  const Expr x = vector<float>("x"), y = vector<double>("y"), i = vector<int>("i");
  const auto told = [](const Expr& e, std::vector<Expr> inputs) {
    return function(std::move(inputs), e, {.specialize = Specialize::off}).explain();
  };
  CHECK_THAT(told(x * y, {x, y}), contains("mul gives f64 at spelling_test.cpp:") &&
                                      contains("x f32[?] meets y f64[?]"));
  CHECK_THAT(told(where(x > 0, 1.0, -1.0), {x}),
             contains("where gives f64") && contains("write 1.f for f32"));
  CHECK_THAT(told(0.5 * i, {i}),
             contains("mul gives f64") && contains("i i32[?] meets a number that counts as f64"));
  CHECK_THAT(told(i / 2, {i}), contains("div gives f64") && contains("i i32[?] is an integer"));
  CHECK_THAT(told(exp(i), {i}), contains("exp gives f64"));
  for (const Expr& narrow : {x * 0.5, cast(x, DType::f64) * 2, x * i, where(x > 0, 1.f, -1.f)}) {
    INFO(narrow);
    CHECK_THAT(told(narrow, {x, i}), !contains("widened"));
  }
  CHECK_THAT(told(cast(x, DType::f64) * y, {x, y}), !contains("widened"));
  const UsePromotion rule(Promotion::numpy);
  CHECK_THAT(told(x * i, {x, i}), contains("under NumPy's promotion"));
}

TEST_CASE("a size is a dim and an expression, whichever is asked for", "[function]") {
  const Expr x = matrix<float>("x");
  const Dim n = x.shape()[0];
  const Function f = function({x}, {reshape(x, {x.dim(0) * x.dim(1)}),
                                    broadcast_to(1.f, {x.dim(1), n}), sum(x) / n, index(x, {n - 1}),
                                    arange(n), n + 1, broadcast_to(0.f, {x.dim(0)})});
  const auto out = f(Array::from({1.f, 2.f, 3.f, 4.f, 5.f, 6.f}, {3, 2}));
  CHECK(out[0].shape() == Shape{6});
  CHECK(out[1].shape() == Shape{2, 3});
  CHECK(out[2].item<float>() == 7);
  CHECK(out[3].to_vector<float>() == std::vector<float>{5, 6});
  CHECK(out[4].shape() == Shape{3});
  CHECK(out[5].item<std::int64_t>() == 4);
  CHECK(out[6].shape() == Shape{3});

  const Expr y = tensor<float>({x.dim(0), 4}, "y");
  CHECK(y.shape()[0].node() == n.node());
  CHECK_THAT(message_of([&] { return reshape(x, {cast(sum(x), DType::i64)}); }),
             contains("a size must be known before anything is computed"));
}

TEST_CASE("handles may be empty, and say so when they are used", "[function]") {
  const Expr none, x = vector<float>("x");
  const auto says = [](auto use) {
    CHECK_THAT(message_of(use), contains("an Expr that was made without a value has none yet") &&
                                    contains("assign an expression to it first"));
  };
  says([&] { return none + 1; });
  says([&] { return exp(none); });
  says([&] { return x * none; });
  says([&] { return where(x > 0, none, x); });
  says([&] { return none.rank(); });
  says([&] { return none.shape(); });
  says([&] { return none.label(); });
  says([&] { return none.to_string(); });
  says([&] { return none.dim(0); });
  says([&] { return none[0]; });
  says([&] { return x[none]; });
  says([&] { return index(x, {none}); });
  says([&] { return reshape(x, {none}); });
  says([&] { return broadcast_to(x, {none}); });
  says([&] { return arange(none); });
  says([&] { return grad(none, x); });
  says([&] { return grad(sum(x), none); });
  says([&] { return function({x}, none); });
  says([&] { return function({none}, x); });
  says([&] { return function({x}, {x, none}); });
  says([&] { return vmap([](const auto& v) { return v[0]; })({none}); });
  says([&] { return vmap([&](const auto&) { return none; })({x}); });
  const Shared nothing;
  says([&] { return nothing.get(); });
  says([&] { return function({x}, x, {.updates = {{nothing, x}}}); });
  Shared w = shared(Array::zeros<float>({2}));
  says([&] { return function({x}, x, {.updates = {{w, none}}}); });
  CHECK_THAT(message_of([&] { return x * none; }), contains("spelling_test.cpp:"));

  const Function f;
  for (const std::string& message :
       {message_of([&] { return f(floats({1})); }), message_of([&] { return f.name(); }),
        message_of([&] { return f.stats(); }), message_of([&] { return f.explain(); }),
        message_of([&] { f.call_into({}, {}); })})
    CHECK_THAT(message, contains("a Function that was made without a value has none yet"));
}

TEST_CASE("x[i] and x[{…}] are index", "[function]") {
  const Expr x = matrix<float>("x"), i = scalar<int>("i");
  const Function f = function({x, i}, {x[0], x[i], x[-1][1], x[{0, i}], x[{{}, 1}], x[{{1, {}}, 0}],
                                       x[Range{0, {}, 2}], x[{{{}, {}, -1}, i}], x[{i, {0, 2}}]});
  const auto out = f(Array::arange<float>(12).reshape({4, 3}), 2);
  const std::vector<std::vector<float>> want{
      {0, 1, 2}, {6, 7, 8},          {10},          {2},   {1, 4, 7, 10},
      {3, 6, 9}, {0, 1, 2, 6, 7, 8}, {11, 8, 5, 2}, {6, 7}};
  REQUIRE(out.size() == want.size());
  for (std::size_t k = 0; k < want.size(); ++k) {
    CAPTURE(k);
    CHECK(out[k].to_vector<float>() == want[k]);
  }
  CHECK_THAT(message_of([&] {
               return x[{0, 0, 0}];
             }),
             contains("3 items for") && contains("spelling_test.cpp:"));
}

TEST_CASE("expressions are added to in place of their handles alone", "[function]") {
  const Expr x = vector<float>("x");
  Expr y = x;
  const Expr before = y;
  y += 1;
  y *= x;
  y -= x;
  y /= 2.f;
  const Array out = function({x}, y)(floats({1, 2}));
  CHECK(out.to_vector<float>() == std::vector<float>{0.5f, 2});
  CHECK(before.is(x));
  static_assert(IsAddedTo<Expr> && !IsAddedTo<Shared>);
}

TEST_CASE("axes are one or several", "[function]") {
  const Expr x = tensor<float>({2, 3, 4}, "x");
  CHECK(sum(x, 1).rank() == 2);
  CHECK(sum(x, -1, true).rank() == 3);
  CHECK(sum(x, {0, 1}).rank() == 1);
  CHECK(sum(x).rank() == 0);
  CHECK(sum(x, {}).rank() == 0);
  CHECK(max(x, std::vector<int>{0}).rank() == 2);
  CHECK(expand_dims(x, 0).rank() == 4);
  static_assert(IsAxis<int> && IsAxis<std::size_t> && !IsAxis<bool> && !IsAxis<float>);
}

TEST_CASE("arrays and numbers are given directly, and one result is what it is", "[function]") {
  const Expr x = vector<float>("x"), a = scalar<float>("a");
  const Function f = function({x, a}, sum(a * x)), g = function({x}, {x + 1, sum(x)}),
                 none = function({}, constant(3.5f));
  const Array xs = floats({1, 2, 3});
  const float total = f(xs, 2.f);
  CHECK(total == 12);
  float last = 0;
  last = f(xs, 1.f);
  CHECK(last == 6);
  const Array as_array = f(xs, 2.f);
  CHECK(as_array.label() == "f32[]");
  CHECK(f({xs, 2.f})[0].item<float>() == 12);
  const std::vector<Array> arguments{xs, Array(3.f)};
  CHECK(static_cast<float>(f(arguments)) == 18);
  const std::vector<Array> as_vector = g(xs);
  CHECK(as_vector.size() == 2);
  CHECK(static_cast<float>(none()) == 3.5f);
  CHECK(g(g(xs)[0])[1].item<float>() == 9); // an element of the results is an argument

  CHECK_THAT(message_of([&] { return static_cast<float>(g(xs)); }),
             contains("2 results where one was expected"));
  // A conversion has no place of its own, and names none of the product's.
  const std::string other = message_of([&] { return static_cast<double>(f(xs, 2.f)); });
  CHECK_THAT(other, contains("f32[]") && !contains("function.hpp"));
  CHECK_THAT(message_of([&] { return f(xs); }), contains("2"));

  std::vector<Array> out{Array::empty<float>({})};
  f.call_into({xs, 2.f}, out);
  CHECK(out[0].item<float>() == 12);
  f.call_into(arguments, {out[0]});
  CHECK(out[0].item<float>() == 18);
  f.call_into(arguments, out);
  f.call_into({xs, 1.f}, {out[0]});
  CHECK(out[0].item<float>() == 6);
}

TEST_CASE("everything prints", "[function]") {
  const Expr x = tensor<float>({dim("n"), 2}, "x");
  CHECK(printed(x.shape()[0]) == "n");
  CHECK(printed(DType::f32) == "f32");
  CHECK_THAT(printed(x + 1), contains("x + 1"));
  const Function f = function({x}, {sum(x, 1), x}, {.name = "step"});
  CHECK(printed(f) == "step(x f32[n,2]) -> (f32[n], f32[n,2])");
  CHECK(printed(f(Array::full<float>({1, 2}, 1.f))) == "f32[1] [2]\nf32[1,2] [[1, 1]]");
}

TEST_CASE("explain(arguments) measures the steps of a call", "[function]") {
  const Expr x = matrix<float>("x");
  Shared w = shared(Array::zeros<float>({}), "w");
  const Function f = function({x}, {dot(x, x), sum(exp(x), 1)}, {.updates = {{w, w + sum(x)}}});
  const Array xs = Array::full<float>({64, 64}, 0.5f);
  const std::string text = f.explain({xs});
  CHECK_THAT(text, contains("measured, median of") && contains("product") && contains("kernel"));
  CHECK_THAT(text, contains("524 k")); // 2 * 64^3 operations of the product
  CHECK(w.get().item<float>() == 0);
  CHECK_THAT(message_of([&] { return f.explain({Array(1.f)}); }), contains("x"));
}
