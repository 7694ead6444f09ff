/// NumPy's index language: what each kind of item selects, on the CPU and on emulated devices.
#include <kroton/core.hpp>
#include <kroton/grad.hpp>
#include <kroton/ops/arithmetic.hpp>
#include <kroton/ops/indexing.hpp>
#include <kroton/ops/put.hpp>

#include <algorithm>

#include "test/conformance/arrays.hpp"
#include "test/conformance/oracle.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

/// An array whose elements tell where they stand: 100 i + 10 j + k.
Array numbered(DType t, const Shape& shape) {
  Array a = Array::empty(DType::i64, shape);
  for (std::int64_t i = 0; i < a.numel(); ++i) {
    std::int64_t rest = i, value = 0, place = 1;
    for (std::size_t axis = shape.size(); axis-- > 0; place *= 10) {
      value += rest % shape[axis] * place;
      rest /= shape[axis];
    }
    a.data<std::int64_t>()[i] = value;
  }
  return a.astype(t);
}

struct Selected {
  std::string what;
  Expr value;
  Shape shape;
  std::vector<std::int64_t> elements;
};

/// Of x [3,4,5] with elements ijk, a = [2,0] and b = [[1],[-1]], c = 1, n = 3 and m = 4; what NumPy
/// gives.
std::vector<Selected> selections(const Expr& x, const Expr& a, const Expr& b, const Expr& c,
                                 const Dim& n, const Dim& m) {
  return {
      {"x[..., 0]",
       x[{ellipsis, 0}],
       {3, 4},
       {0, 10, 20, 30, 100, 110, 120, 130, 200, 210, 220, 230}},
      {"x[1, ..., -1]", x[{1, ellipsis, -1}], {4}, {104, 114, 124, 134}},
      {"x[2, 3, ...]", x[{2, 3, ellipsis}], {5}, {230, 231, 232, 233, 234}},
      {"x[..., 1, 2, 3]", x[{ellipsis, 1, 2, 3}], {}, {123}},
      {"x[0, newaxis, 1, :2]", x[{0, newaxis, 1, {{}, 2}}], {1, 2}, {10, 11}},
      {"x[newaxis, 0, 1, newaxis, 2, newaxis]",
       x[{newaxis, 0, 1, newaxis, 2, newaxis}],
       {1, 1, 1},
       {12}},
      {"x[1, 1, newaxis, ..., :1]", x[{1, 1, newaxis, ellipsis, {{}, 1}}], {1, 1}, {110}},
      {"x[a, 1, 2]", x[{a, 1, 2}], {2}, {212, 12}},
      {"x[a, :1, 2]", x[{a, {{}, 1}, 2}], {2, 1}, {202, 2}},
      {"x[:1, a, 2]", x[{{{}, 1}, a, 2}], {1, 2}, {22, 2}},
      {"x[1, :2, a]", x[{1, {{}, 2}, a}], {2, 2}, {102, 112, 100, 110}},
      {"x[:1, a, b]", x[{{{}, 1}, a, b}], {1, 2, 2}, {21, 1, 24, 4}},
      {"x[a, newaxis, 1, 0]", x[{a, newaxis, 1, 0}], {2, 1}, {210, 10}},
      {"x[0, newaxis, a, 0]", x[{0, newaxis, a, 0}], {2, 1}, {20, 0}},
      {"x[b, a, ::4]", x[{b, a, {{}, {}, 4}}], {2, 2, 2}, {120, 124, 100, 104, 220, 224, 200, 204}},
      {"x[c, c, n:]", x[{c, c, {n, {}}}], {2}, {113, 114}},
      {"x[0, 0, -n:]", x[{0, 0, {0 - n, {}}}], {3}, {2, 3, 4}},
      {"x[0, 0, :-n]", x[{0, 0, {{}, 0 - n}}], {2}, {0, 1}},
      {"x[0, 0, n-2:m]", x[{0, 0, {n - 2, m}}], {3}, {1, 2, 3}},
      {"x[0, 0, n:0:-1]", x[{0, 0, {n, 0, -1}}], {3}, {3, 2, 1}},
      {"x[0, 0, :n-5:-1]", x[{0, 0, {{}, n - 5, -1}}], {1}, {4}},
      {"x[0, 0, 7n:]", x[{0, 0, {7 * n, {}}}], {0}, {}},
      {"x[0, 0, :7n]", x[{0, 0, {{}, 7 * n}}], {5}, {0, 1, 2, 3, 4}},
      {"x[0, 0, -7n:m]", x[{0, 0, {-7 * n, m}}], {4}, {0, 1, 2, 3}},
      {"x[0, 0, m:n]", x[{0, 0, {m, n}}], {0}, {}},
      {"take(x, b, 1)[0, ..., 0]", take(x, b, 1)[{0, ellipsis, 0}], {2, 1}, {10, 30}},
      {"take(x, b)", take(x, b), {2, 1}, {1, 234}},
      {"take(x, [99,-99], clip)", take(x, a * 99 - 99, Bounds::clip), {2}, {234, 0}},
      {"take(x, [7,-5], 1, wrap)[0, :, 0]",
       take(x, a * 6 - 5, 1, Bounds::wrap)[{0, {}, 0}],
       {2},
       {30, 30}},
      {"take(x, [7,-5], 2, clip)[0, 0]", take(x, a * 6 - 5, 2, Bounds::clip)[{0, 0}], {2}, {4, 0}},
      {"take_along_axis(x[:2, :, 0], b, 1)",
       take_along_axis(x[{{{}, 2}, {}, 0}], b, 1),
       {2, 1},
       {10, 130}},
      {"take_along_axis(x[0], argmax, 0)",
       take_along_axis(x[0], argmax(x[0], 0, true), 0),
       {1, 5},
       {30, 31, 32, 33, 34}},
      {"take_along_axis(x[newaxis, 0, 0], b, 1)",
       take_along_axis(x[{newaxis, 0, 0}], b, -1),
       {2, 1},
       {1, 4}},
  };
}

using Items = std::vector<IndexItem>;

std::vector<NewDim> as_given(const std::vector<Dim>& shape) { return {shape.begin(), shape.end()}; }

/// Items of every kind, for an array of three axes: positions that occur twice, negative ones,
/// ranges before, between and behind, backwards, of no elements, and numbers on axes of unknown
/// size.
std::vector<std::pair<std::string, Items>> all_items(const Expr& a, const Expr& b, const Expr& c,
                                                     const Dim& n) {
  return {
      {"a", {a}},
      {"a, :, c", {a, {}, c}},
      {"c", {c}},
      {"c, c, c", {c, c, c}},
      {"a, b", {a, b}},
      {"..., b", {ellipsis, b}},
      {":, a", {{}, a}},
      {"1:, a, ::-2", {{1, {}}, a, {{}, {}, -2}}},
      {"b, 1:3, a", {b, {1, 3}, a}},
      {"a, b, a", {a, b, a}},
      {"newaxis, a, newaxis, :2", {newaxis, a, newaxis, {{}, 2}}},
      {"0", {0}},
      {"-1, :, 2", {-1, {}, 2}},
      {"..., ::2", {ellipsis, {{}, {}, 2}}},
      {"::-1, 1, newaxis", {{{}, {}, -1}, 1, newaxis}},
      {":n-2, ..., 1:n", {{{}, n - 2}, ellipsis, {1, n}}},
      {"3:1, a", {{3, 1}, a}},
      {"2:2", {{2, 2}}},
      {"...", {ellipsis}},
      {"", {}},
  };
}

struct Writer {
  std::string what;
  Expr (*at)(Operand, Items, Operand, Location);
  double (*combined)(double old, double v);
};
const Writer writers[] = {
    {"set_at", set_at, [](double, double v) { return v; }},
    {"add_at", add_at, [](double old, double v) { return old + v; }},
    {"max_at", max_at, [](double old, double v) { return std::max(old, v); }},
    {"min_at", min_at, [](double old, double v) { return std::min(old, v); }},
    {"mul_at", mul_at, [](double old, double v) { return old * v; }},
};

} // namespace

TEST_CASE("what is written at items is where they are read", "[conformance][anywhere][indexing]") {
  for (const DType t : {DType::f32, DType::f64, DType::i32, DType::bool_})
    for (const bool is_known : {true, false}) {
      const Expr x = is_known ? tensor(t, {3, 4, 5}, "x") : tensor(t, {dim(), dim(), dim()}, "x");
      const Expr a = tensor(DType::i64, {2}, "a"), b = tensor(DType::i32, {2, 1}, "b"),
                 c = tensor(DType::i8, {}, "c"), like_n = tensor(t, {dim("n")}, "like_n");
      // Each element's number, and values as many as elements are written, from 1 on.
      const Expr numbers = reshape(arange(x.dim(0) * x.dim(1) * x.dim(2)), as_given(x.shape()));
      std::vector<Expr> outputs;
      std::vector<std::pair<std::string, const Writer*>> done;
      for (const auto& [what, items] : all_items(a, b, c, is_known ? Dim(3) : like_n.shape()[0])) {
        const Expr selected = index(numbers, items);
        outputs.push_back(selected);
        Dim count(1);
        for (const Dim& d : selected.shape()) count = Dim(Operand(count) * Operand(d));
        const Expr v =
            reshape(cast(mod(arange(Operand(count)), 7) - 2, t), as_given(selected.shape()));
        for (const Writer& w : writers) {
          if (is_bool(t) && &w != &writers[0] && &w != &writers[2] && &w != &writers[3]) continue;
          outputs.push_back(w.at(x, items, v, Location::current()));
          done.emplace_back(what, &w);
        }
      }
      const Function f = function({x, a, b, c, like_n}, outputs, {.threads = 2});
      Rng rng(3);
      const Array given = moderate(is_float(t) ? DType::i32 : t, {3, 4, 5}, rng).astype(t);
      const auto got = f({given, Array::from<std::int64_t>({-1, 1}),
                          Array::from(std::vector<std::int32_t>{1, 1}, {2, 1}),
                          Array::scalar<std::int8_t>(-2), Array::zeros(t, {3})});
      std::vector<std::int64_t> places;
      for (std::size_t i = 0, k = 0; i < got.size(); ++i) {
        if (got[i].dtype() == DType::i64) {
          places = got[i].to_vector<std::int64_t>();
          continue;
        }
        const auto& [what, w] = done[k++];
        INFO(w->what << " " << what << ", " << to_string(t)
                     << (is_known ? ", known sizes" : ", unknown sizes"));
        std::vector<double> want = given.astype(DType::f64).to_vector<double>();
        for (std::size_t p = 0; p < places.size(); ++p) {
          double v = static_cast<double>(p % 7) - 2;
          if (is_bool(t)) v = v != 0;
          double& to = want[static_cast<std::size_t>(places[p])];
          to = w->combined(to, v);
        }
        CHECK(got[i].dtype() == t);
        CHECK(got[i].shape() == given.shape());
        CHECK(got[i].astype(DType::f64).to_vector<double>() == want);
      }
    }
}

TEST_CASE("indexing has NumPy's meaning", "[conformance][anywhere][indexing]") {
  for (const DType t : {DType::f32, DType::i16}) {
    const DType positions = t == DType::f32 ? DType::i64 : DType::i8;
    for (const bool is_known : {true, false}) {
      const Expr x = is_known ? tensor(t, {3, 4, 5}, "x") : tensor(t, {dim(), dim(), dim()}, "x");
      const Expr a = tensor(positions, {2}, "a"), b = tensor(positions, {2, 1}, "b"),
                 c = tensor(positions, {}, "c"), like_n = tensor(t, {dim("n")}, "like_n"),
                 m = scalar<std::int64_t>("m");
      const std::vector<Selected> all =
          selections(x, a, b, c, is_known ? Dim(3) : like_n.shape()[0], is_known ? Dim(4) : Dim(m));
      std::vector<Expr> outputs;
      for (const Selected& s : all) outputs.push_back(s.value);
      if (!is_known) {
        // Bounds that may be negative.
        outputs.push_back(x[{0, 0, {m - 6, {}}}]);
        outputs.push_back(x[{0, 0, {{}, m - 6, -1}}]);
      }
      const Function f = function({x, a, b, c, like_n, m}, outputs);
      const auto got =
          f({numbered(t, {3, 4, 5}), Array::from<std::int64_t>({2, 0}).astype(positions),
             Array::from(std::vector<std::int64_t>{1, -1}, {2, 1}).astype(positions),
             Array::scalar<std::int64_t>(1).astype(positions), Array::zeros(t, {3}),
             Array::scalar<std::int64_t>(4)});
      for (std::size_t i = 0; i < all.size(); ++i) {
        INFO(all[i].what << (is_known ? ", known sizes, " : ", unknown sizes, ") << to_string(t));
        CHECK(got[i].shape() == all[i].shape);
        CHECK(got[i].dtype() == t);
        CHECK(got[i].astype(DType::i64).to_vector<std::int64_t>() == all[i].elements);
      }
      if (is_known) continue;
      CHECK(got[all.size()].astype(DType::i64).to_vector<std::int64_t>() ==
            std::vector<std::int64_t>{3, 4});
      CHECK(got[all.size() + 1].astype(DType::i64).to_vector<std::int64_t>() ==
            std::vector<std::int64_t>{4});
    }
  }
}

TEST_CASE("masks say where something is written", "[conformance][anywhere][indexing]") {
  for (const bool is_known : {true, false}) {
    const Dim n = is_known ? Dim(2) : dim("n"), m = is_known ? Dim(3) : dim("m");
    const Expr x = tensor(DType::f32, {n, m}, "x"), rows = tensor(DType::bool_, {n}, "rows"),
               columns = tensor(DType::bool_, {m}, "columns"), v = tensor(DType::f32, {m}, "v"),
               one = tensor(DType::f32, {n, 1}, "one");
    // Whether a number is in an axis has to be known beside a mask.
    const IndexItem first = is_known ? IndexItem(0) : IndexItem({}, 1),
                    second = is_known ? IndexItem(1) : IndexItem(1, {});
    const Function f =
        function({x, rows, columns, v, one},
                 {set_at(x, {x > 2.0f}, 0.0f), add_at(x, {rows}, v), mul_at(x, {{}, columns}, one),
                  max_at(x, {ellipsis, columns}, 3), set_at(x, {rows, {1, {}}}, 9.0f),
                  min_at(x, {rows, {{}, {}, -1}}, v), set_at(x, {newaxis, rows, first}, 7.0f),
                  set_at(x, {second, columns}, -1.0f)});
    const auto got =
        f({Array::from(std::vector<float>{1, 2, 3, 4, 5, 6}, {2, 3}),
           Array::from(std::vector<bool>{false, true}, {2}),
           Array::from(std::vector<bool>{true, false, true}, {3}),
           Array::from({4.0f, 20.0f, 30.0f}), Array::from(std::vector<float>{2, 10}, {2, 1})});
    const std::vector<std::vector<float>> want{
        {1, 2, 0, 0, 0, 0}, {1, 2, 3, 8, 25, 36}, {2, 2, 6, 40, 5, 60}, {3, 2, 3, 4, 5, 6},
        {1, 2, 3, 4, 9, 9}, {1, 2, 3, 4, 5, 4},   {1, 2, 3, 7, 5, 6},   {1, 2, 3, -1, 5, -1}};
    for (std::size_t i = 0; i < want.size(); ++i) {
      INFO("output " << i << (is_known ? ", known sizes" : ", unknown sizes"));
      CHECK(got[i].to_vector<float>() == want[i]);
    }
  }
}

TEST_CASE("put_along_axis writes where take_along_axis reads",
          "[conformance][anywhere][indexing]") {
  const Expr x = matrix<std::int32_t>("x"), at = tensor(DType::u8, {x.shape()[0], Dim(2)}, "at");
  const Function f = function({x, at}, {put_along_axis(x, at, 0, 1),
                                        put_along_axis(x, at, take_along_axis(x, at, 1) * 10, 1),
                                        put_along_axis(x, at * 9, 0, -1, Bounds::clip)});
  const auto got = f({Array::from(std::vector<std::int32_t>{1, 2, 3, 4, 5, 6}, {2, 3}),
                      Array::from(std::vector<std::uint8_t>{0, 2, 1, 1}, {2, 2})});
  CHECK(got[0].to_vector<std::int32_t>() == std::vector<std::int32_t>{0, 2, 0, 4, 0, 6});
  CHECK(got[1].to_vector<std::int32_t>() == std::vector<std::int32_t>{10, 2, 30, 4, 50, 6});
  CHECK(got[2].to_vector<std::int32_t>() == std::vector<std::int32_t>{0, 2, 0, 4, 5, 0});
}

TEST_CASE("gradients of what is written at positions, also where they occur twice",
          "[conformance][indexing]") {
  const Expr twice = constant(Array::from<std::int64_t>({1, -2, 1, 0})); // of 3 rows: 1 four times
  const Expr columns = constant(Array::from<std::int64_t>({0, 2, 0, 3}));
  const Array x = Array::from(
                  std::vector<double>{.3, -.7, 1.1, .9, 2., -1.3, .4, .8, -2., 1.7, .6, 1.},
                  {3, 4}),
              v = Array::from(std::vector<double>{.5, 1.2, -.9, 2.5}),
              rows = Array::from(std::vector<double>{.1, -.2, 3., .4, 5., .6, .7, -.8, .9, 1.5, -.4,
                                                     2.2, -1., 1.3, .2, -3.},
                                 {4, 4});
  const auto check = [&](const std::function<Expr(const std::vector<Expr>&)>& written,
                         const Array& values) {
    const auto cost = [&](const std::vector<Expr>& e) { return sum(tanh(written(e)) * 2.0); };
    CHECK(verify_grad(cost, {x, values}, 1e-6).worst <= 1e-6);
    const auto slope = [&](const std::vector<Expr>& e) {
      const Expr g = grad(cost(e), e[0]), h = grad(cost(e), e[1]);
      return sum(g * g) + sum(h * h * 3.0);
    };
    CHECK(verify_grad(slope, {x, values}, 1e-6).worst <= 1e-5);
  };
  for (const Writer& w : writers) {
    INFO(w.what);
    check([&](const auto& e) { return w.at(e[0], {twice}, e[1], Location::current()); }, rows);
    check(
        [&](const auto& e) {
          return w.at(e[0], {twice, columns}, e[1], Location::current());
        },
        v);
    check(
        [&](const auto& e) {
          return w.at(e[0], {{}, columns}, e[1][{{}, 1}][{newaxis, {{}, 3}}][{0, {}, newaxis}],
                      Location::current());
        },
        rows);
    check(
        [&](const auto& e) {
          return w.at(e[0], {{1, {}}, {{}, {}, -2}}, e[1][{{2, {}}}], Location::current());
        },
        v);
    check([&](const auto& e) { return w.at(e[0], {e[0] > 0.5}, e[1][0], Location::current()); }, v);
  }
}

TEST_CASE("the gradient of mul_at is right where elements are 0", "[conformance][indexing]") {
  const Expr x = vector<double>("x"), v = vector<double>("v"), at = vector<std::int64_t>("at");
  const Expr cost = sum(mul_at(x, {at}, v) * (arange(3) + 1));
  const auto got = function({x, v, at}, {grad(cost, x), grad(cost, v)})(
      {Array::from({2.0, 3.0, 0.0}), Array::from({0.0, 5.0, 0.0, 0.0, 7.0, 4.0}),
       Array::from<std::int64_t>({0, 0, 1, 1, 2, 2})});
  CHECK(got[0].to_vector<double>() == std::vector<double>{0, 0, 84});
  CHECK(got[1].to_vector<double>() == std::vector<double>{10, 0, 0, 0, 0, 0});
}

TEST_CASE("rows of a shared table are written where they lie",
          "[conformance][anywhere][indexing]") {
  for (const Writer& w : writers) {
    INFO(w.what);
    const Expr at = vector<std::int32_t>("at"), v = tensor(DType::f32, {at.shape()[0], 2}, "v");
    const Shared table = shared(Array::full<float>({5, 2}, 2), "table");
    const Function f = function({at, v}, std::vector<Expr>{},
                                {.updates = {{table, w.at(table, {at}, v, Location::current())}}});
    CHECK(f.explain().find(", in place [b") != std::string::npos);
    const auto given = [&](std::int32_t last) {
      return std::vector<Array>{Array::from<std::int32_t>({1, -1, last}),
                                Array::from(std::vector<float>{3, 1, 5, 6, 4, 3}, {3, 2})};
    };
    CHECK_THROWS_AS(f(given(5)), IndexError);
    CHECK(table.get().to_vector<float>() == std::vector<float>(10, 2)); // nothing was written
    f(given(1));
    std::vector<float> want(10, 2);
    for (const auto& [row, a, b] : {std::array{1.0, 3.0, 1.0}, {4.0, 5.0, 6.0}, {1.0, 4.0, 3.0}}) {
      float* const to = want.data() + 2 * static_cast<std::size_t>(row);
      to[0] = static_cast<float>(w.combined(to[0], a));
      to[1] = static_cast<float>(w.combined(to[1], b));
    }
    CHECK(table.get().to_vector<float>() == want);
  }
}

TEST_CASE("many positions are written in their order", "[conformance][anywhere][indexing]") {
  constexpr std::int64_t count = 5000, rows = 40, width = 3; // more than a device looks through
  Rng rng(8);
  for (const DType t : {DType::f32, DType::i32}) {
    const Expr at = vector<std::int64_t>("at"), v = tensor(t, {at.shape()[0], width}, "v"),
               x = tensor(t, {dim(), width}, "x");
    std::vector<Expr> outputs;
    for (const Writer& w : writers) outputs.push_back(w.at(x, {at}, v, Location::current()));
    std::vector<std::int64_t> places;
    std::vector<std::int32_t> values, base;
    for (std::int64_t i = 0; i < count; ++i) places.push_back(rng.below(2 * rows) - rows);
    // Products of these are no larger than an f32 counts.
    for (std::int64_t i = 0; i < count * width; ++i) values.push_back(rng.below(2) == 0 ? -1 : 1);
    for (std::int64_t i = 0; i < rows * width; ++i)
      base.push_back(static_cast<std::int32_t>(rng.below(9)) - 4);
    const auto got = function({at, v, x}, outputs)({Array::from(places, {count}),
                                                    Array::from(values, {count, width}).astype(t),
                                                    Array::from(base, {rows, width}).astype(t)});
    for (std::size_t k = 0; k < got.size(); ++k) {
      std::vector<double> want(base.begin(), base.end());
      for (std::size_t i = 0; i < values.size(); ++i) {
        const std::int64_t p = places[i / width];
        double& to = want[static_cast<std::size_t>(p < 0 ? p + rows : p) * width + i % width];
        to = writers[k].combined(to, values[i]);
      }
      INFO(writers[k].what << ", " << to_string(t));
      CHECK(got[k].astype(DType::f64).to_vector<double>() == want);
    }
  }
}

TEST_CASE("threads change no bit of what is written at positions", "[conformance][indexing]") {
  Rng rng(4);
  const Expr at = vector<std::int32_t>("at"), v = tensor(DType::f32, {at.shape()[0], dim()}, "v"),
             x = tensor(DType::f32, {dim(), v.shape()[1]}, "x");
  std::vector<Expr> outputs;
  for (const Writer& w : writers) outputs.push_back(w.at(x, {at}, v, Location::current()));
  for (const auto& [count, rows, width] :
       {std::array<std::int64_t, 3>{70000, 300, 5}, {70000, 900000, 1}, {3000, 700, 40}}) {
    Array places = Array::empty(DType::i32, {count});
    for (std::int64_t i = 0; i < count; ++i)
      places.data<std::int32_t>()[i] = static_cast<std::int32_t>(rng.below(rows) >> rng.below(6));
    const std::vector<Array> arguments{places, moderate(DType::f32, {count, width}, rng),
                                       moderate(DType::f32, {rows, width}, rng)};
    std::vector<std::vector<Array>> results;
    for (const int threads : {1, 2, 5})
      results.push_back(function({at, v, x}, outputs, {.threads = threads})(arguments));
    for (std::size_t k = 1; k < results.size(); ++k)
      for (std::size_t i = 0; i < outputs.size(); ++i)
        CHECK(difference(results[k][i], results[0][i]) == "");
  }
}

TEST_CASE("what cannot be indexed or written says why", "[conformance][indexing]") {
  const Expr x = tensor<float>({3, 4}, "x"), i = vector<std::int64_t>("i"),
             rows = tensor(DType::bool_, {3}, "rows"), d = tensor<double>({4}, "d");
  const auto message = [](auto&& f) {
    try {
      f();
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("nothing thrown");
  };
  using Catch::Matchers::Contains;
  CHECK_THAT(message([&] { x[rows]; }), Contains("depends on its values") && Contains("set_at"));
  CHECK_THAT(message([&] { x[{ellipsis, 0, ellipsis}]; }), Contains("two ellipses"));
  CHECK_THAT(message([&] { x[{0, newaxis, 1, 2}]; }), Contains("3 items"));
  CHECK_THAT(message([&] { set_at(x, {0}, d); }), Contains("set_at: d f64[4] cannot be written"));
  CHECK_THAT(message([&] { set_at(cast(x, DType::i32), {0}, 1.5); }), Contains("cast(v"));
  CHECK_THAT(message([&] { set_at(x, {rows, i}, 1); }), Contains("not known beside a mask"));
  CHECK_THAT(message([&] { set_at(x, {rows}, x); }), Contains("depend on the mask's values"));
  CHECK_THAT(message([&] { set_at(x, {tensor(DType::bool_, {1}, "b")}, 1); }),
             Contains("the mask b bool[1] has 1"));
  CHECK_THAT(message([&] { add_at(x > 0.0f, {0}, true); }), Contains("add_at: takes numbers"));
  CHECK_THAT(message([&] { take(x, d, 0); }), Contains("take: positions must be integers"));
  CHECK_THAT(message([&] { take_along_axis(x, i, 0); }), Contains("take_along_axis: i i64[?]"));
  CHECK_THAT(message([&] { x[{{argmax(i), {}}}]; }), Contains("a size must be known"));
  // Positions are checked in the call: the axis is a's own, and its size is told.
  const Function f = function({x, i}, {set_at(x, {{}, i}, 0.0f), take(x, i, 1)});
  CHECK_THAT(message([&] {
               f({Array::zeros<float>({3, 4}), Array::from<std::int64_t>({0, 9})});
             }),
             Contains("position 9 is outside axis 1") && Contains("size 4"));
  const Expr none = tensor<float>({0}, "none");
  const Function g = function({none, i}, {take(none, i, 0, Bounds::clip)});
  CHECK_THROWS_AS(g({Array::zeros<float>({0}), Array::from<std::int64_t>({0})}), IndexError);
}

} // namespace kroton::test
