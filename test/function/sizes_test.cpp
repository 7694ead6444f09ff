/// Sizes: that every dim is told by some input, and that no product, sum or position of them wraps
/// round. What once went wrong is the comment of each group.
#include <kroton/core.hpp>
#include <kroton/ops/contraction.hpp>
#include <kroton/ops/indexing.hpp>
#include <kroton/ops/scatter.hpp>

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "codegen/product/contraction.hpp"
#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"

namespace kt = kroton;
using kt::Array;
using kt::DType;
using kt::Expr;
using kt::test::message_of;

namespace {

constexpr std::int64_t lowest = std::numeric_limits<std::int64_t>::min();
constexpr std::int64_t highest = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t huge = std::int64_t{1} << 40;

std::string what_function_says(std::vector<Expr> inputs, std::vector<Expr> outputs,
                               kt::Options options = {}) {
  return message_of<kt::GraphError>([&] { kt::function(inputs, outputs, options); });
}

bool begins(const std::string& text, const std::string& with) { return text.starts_with(with); }

} // namespace

// ---- sizes that no input gives: they were 0

TEST_CASE("a size that no input gives is an error of function()", "[function][sizes]") {
  const Expr x = kt::vector<float>("x"), y = kt::vector<float>("y"), s = kt::scalar<float>("s"),
             k = kt::scalar<std::int64_t>("k");
  CHECK(what_function_says({s}, {s / kt::cast<float>(y.dim(0))}) ==
        "function: size i64[] needs the size of y axis 0, which no input gives\n"
        "  at sizes_test.cpp:LINE; size from sizes_test.cpp:LINE\n"
        "  hint: add that input, or take the size from one that is given: x.dim(axis), "
        "x.shape()[axis]");
  CHECK(what_function_says({s}, {kt::sum(kt::broadcast_to(s, {kt::dim("q")}))}) ==
        "function: broadcast-to f32[q] needs the size q, which no input gives\n"
        "  at sizes_test.cpp:LINE; broadcast-to from sizes_test.cpp:LINE\n"
        "  hint: write a number, or make q alone the dim of an input's axis");
  CHECK(what_function_says({s}, {kt::sum(kt::broadcast_to(s, {kt::dim()}))}) ==
        "function: broadcast-to f32[?] needs the size of a dim() without a name, which no input "
        "gives\n"
        "  at sizes_test.cpp:LINE; broadcast-to from sizes_test.cpp:LINE\n"
        "  hint: write a number, or the dim of an input's axis: x.shape()[axis]");
  CHECK(what_function_says({x}, {x + kt::sum(kt::arange(k))}) ==
        "function: iota i64[max(k,0)] needs the value of k, which no input gives\n"
        "  at sizes_test.cpp:LINE; iota from sizes_test.cpp:LINE\n"
        "  hint: add it to the inputs, or write a number in its place");
}

TEST_CASE("a size that no input gives is found wherever it stands", "[function][sizes]") {
  const Expr x = kt::vector<float>("x"), y = kt::vector<float>("y"), s = kt::scalar<float>("s"),
             m = kt::matrix<float>("m");
  const kt::Dim q = kt::dim("q");
  const kt::Shared total = kt::shared(Array::scalar(0.0f), "total");
  const std::string needs = "needs the size of y axis 0, which no input gives";
  const auto found = [](const std::string& text, const std::string& part) {
    INFO(text);
    return text.find(part) != text.npos;
  };
  // Inside products and sums of sizes, in generators, in slices and in random numbers.
  const Expr n = y.dim(0);
  CHECK(found(what_function_says({s}, {s * kt::cast<float>(2 * n + 1)}), needs));
  CHECK(found(what_function_says({s}, {s * kt::sum(kt::cast<float>(kt::arange(n)))}), needs));
  CHECK(found(what_function_says({x}, {kt::sum(x) * kt::cast<float>(n * x.dim(0))}), needs));
  CHECK(found(what_function_says({s}, {kt::broadcast_to(s, {y.shape()[0], 3})}), needs));
  CHECK(found(what_function_says({}, {kt::Random(1).uniform({y.shape()[0]})}), needs));
  CHECK(found(what_function_says({}, {kt::Random(1).normal({q, 2})}), "needs the size q"));
  CHECK(found(what_function_says({s}, {kt::slice(kt::broadcast_to(s, {q}), {{1, -1}})}),
              "needs the size q"));
  CHECK(found(what_function_says({s}, {kt::mean(kt::broadcast_to(s, {q}))}), "needs the size q"));
  // Gradients need the sizes of what they are taken of, even where they do not need its elements.
  CHECK(found(what_function_says({s}, {kt::grad(kt::sum(y) * s, y)}), needs));
  // Updates.
  CHECK(
      found(what_function_says({}, {}, {.updates = {{total, total + kt::cast<float>(n)}}}), needs));
  // An input that says 2 * n does not say n.
  const Expr twice = kt::reshape(m, {-1}), z = kt::tensor<float>({twice.shape()[0]}, "z");
  CHECK(found(what_function_says({z}, {kt::sum(z)}), "needs the size of m axis 0"));
}

TEST_CASE("a size is known that an op requires to be equal to one of an input",
          "[function][sizes]") {
  const Expr x = kt::vector<float>("x"), m = kt::matrix<float>("m"), s = kt::scalar<float>("s"),
             unused = kt::vector<float>("unused"), k = kt::scalar<std::int64_t>("k");
  const kt::Dim q = kt::dim("q");
  const Expr spread = kt::broadcast_to(s, {q});
  const Array three = Array::from({1.0f, 2.0f, 3.0f}), six = Array::zeros<float>({2, 3}),
              two = Array(2.0f);
  CHECK(kt::function({x}, {kt::sum(kt::broadcast_to(x, {q}))})({three})[0].item<float>() == 6);
  CHECK(kt::function({s, x}, {kt::sum(spread * x)})({two, three})[0].item<float>() == 12);
  CHECK(kt::function({s}, {kt::sum(spread + kt::constant(three))})({two})[0].item<float>() == 12);
  // By an input that is not read, and by the value of a scalar.
  CHECK(kt::function({s, unused},
                     {kt::sum(kt::broadcast_to(s, {unused.shape()[0]}))})({two, three})[0]
            .item<float>() == 6);
  CHECK(kt::function({s, k}, {kt::sum(kt::broadcast_to(s, {kt::arange(k).shape()[0]}))})(
            {two, Array(std::int64_t{5})})[0]
            .item<float>() == 10);
  // By a product of sizes.
  const kt::Function product = kt::function({s, m}, {kt::sum(spread + kt::reshape(m, {-1}))});
  CHECK(product({two, six})[0].item<float>() == 12);
  CHECK(product({two, Array::zeros<float>({2, 5})})[0].item<float>() == 20);
  // By the variable that it is the new value of.
  const kt::Shared v = kt::shared(three, "v");
  kt::function({s}, {}, {.updates = {{v, spread}}})({two});
  CHECK(v.get().to_vector<float>() == std::vector<float>{2, 2, 2});
  // What is only assumed does not tell it: index() may take fewer rows than there are.
  const Expr y = kt::vector<std::int64_t>("y");
  CHECK(what_function_says({m, s}, {kt::index(m, {kt::arange(spread.dim(0)), 0})})
            .find("needs the size q") != std::string::npos);
}

// ---- products and sums of sizes: they wrapped round, and memory outside of arrays was read and
// written

namespace {

/// An output of the sizes k and j. Where rewrites leave none of them over, its one element has a
/// value, with 1 for s, whatever the sizes.
struct Sized {
  std::string name;
  std::function<Expr(const kt::Dim& k, const kt::Dim& j)> make;
  std::optional<double> value = {};
};

const Expr& scalar_s() {
  static const Expr s = kt::scalar<double>("s");
  return s;
}

std::vector<Sized> sized() {
  const Expr& s = scalar_s();
  const auto both = [&s](const kt::Dim& k, const kt::Dim& j) {
    return kt::broadcast_to(s, {k, j});
  };
  return {
      {"broadcast_to", both},
      {"sum", [=](auto& k, auto& j) { return kt::sum(both(k, j)); }},
      {"mean", [=](auto& k, auto& j) { return kt::mean(both(k, j)); }, 1},
      {"max", [=](auto& k, auto& j) { return kt::max(both(k, j)); }, 1},
      {"argmax",
       [=](auto& k, auto& j) {
         return kt::cast<double>(kt::argmax(kt::reshape(both(k, j), {-1})));
       },
       0},
      {"reshape", [=](auto& k, auto& j) { return kt::reshape(both(k, j), {-1}) * 2; }},
      {"reshape and read",
       [=](auto& k, auto& j) {
         return kt::index(kt::reshape(both(k, j) * 3, {-1}), {std::int64_t{0}});
       },
       3},
      {"three axes",
       [=](auto& k, auto& j) {
         return kt::broadcast_to(s, {k, 2, j});
       }},
      {"transpose", [=](auto& k, auto& j) { return kt::transpose(both(k, j)) + 1; }},
      {"softmax", [=](auto& k, auto& j) { return kt::softmax(both(k, j)); }},
      {"slice",
       [=](auto& k, auto& j) {
         return kt::slice(kt::exp(both(k, j)), {{{}, {}, 2}, {{}, {}, -1}});
       }},
      {"arange",
       [=](auto& k, auto& j) {
         return kt::arange(kt::broadcast_to(s, {k}).dim(0) * kt::broadcast_to(s, {j}).dim(0));
       }},
      {"outer product",
       [=](auto& k, auto& j) {
         return kt::expand_dims(kt::broadcast_to(s, {k}), {1}) * kt::broadcast_to(s, {j});
       }},
      {"dot",
       [=](auto& k, auto& j) {
         return kt::dot(kt::broadcast_to(s, {k, 2}), kt::broadcast_to(s, {2, j}));
       }},
      {"index_add",
       [=](auto& k, auto& j) {
         return kt::index_add({k, j}, {kt::constant(Array::from({std::int64_t{0}}))},
                              kt::broadcast_to(s, {1, j}));
       }},
      {"uniform",
       [=](auto& k, auto& j) {
         return kt::Random(1).uniform({k, j});
       }},
      {"normal",
       [=](auto& k, auto& j) {
         return kt::Random(1).normal({k, j, 2});
       }},
      {"gradient", [=](auto& k, auto& j) { return kt::grad(kt::sum(kt::exp(both(k, j))), s); }},
  };
}

} // namespace

TEST_CASE("products of sizes that an int64 does not hold are refused by a call",
          "[function][sizes]") {
  const Expr k = kt::scalar<std::int64_t>("k"), j = kt::scalar<std::int64_t>("j");
  const kt::Dim rows = kt::arange(k).shape()[0], columns = kt::arange(j).shape()[0];
  struct Pair {
    std::int64_t k, j;
  };
  // Products of 0, -1, something small, 2^63 and more; and of bytes alone.
  const std::vector<Pair> pairs = {{huge, huge},
                                   {std::int64_t{1} << 32, std::int64_t{1} << 32},
                                   {4294967297, 4294967295},
                                   {highest, 2},
                                   {highest, highest},
                                   {std::int64_t{1} << 31, std::int64_t{1} << 32},
                                   {std::int64_t{1} << 31, std::int64_t{1} << 30}};
  for (const Sized& c : sized()) {
    const kt::Function f = kt::function({scalar_s(), k, j}, {c.make(rows, columns)}, {.name = "f"});
    for (const Pair& p : pairs) {
      INFO(c.name << " with " << p.k << " and " << p.j);
      std::optional<double> got;
      const std::string text = message_of<kt::ShapeError>([&] {
        const Array result = f({Array(1.0), Array(p.k), Array(p.j)})[0];
        if (c.value && result.rank() == 0) got = result.item<double>();
      });
      INFO(text);
      if (got) {
        CHECK(*got == *c.value);
        continue;
      }
      CHECK(text.find("an int64 counts") != text.npos);
      CHECK(text.find(std::to_string(p.k)) != text.npos);
      CHECK(text.find(std::to_string(p.j)) != text.npos);
      CHECK(text.find("\n  at sizes_test.cpp:LINE") != text.npos);
    }
    // The function continues working.
    CHECK(f({Array(1.0), Array(std::int64_t{2}), Array(std::int64_t{3})}).size() == 1);
  }
}

TEST_CASE("a size that is too large is told with its axis and where it comes from",
          "[function][sizes]") {
  const Expr k = kt::scalar<std::int64_t>("k"), u = kt::scalar<std::uint64_t>("u"),
             x = kt::vector<float>("x"), s = kt::scalar<double>("s");
  const kt::Function next = kt::function({k}, {kt::arange(k + 1)}, {.name = "next"});
  CHECK(
      message_of<kt::ShapeError>([&] { next({Array(highest)}); }) ==
      "iota: in this call of next axis 0 of i64[max((k+1),0)] is max((k+1),0), more than an int64 "
      "counts; k is 9223372036854775807\n"
      "  at sizes_test.cpp:LINE\n"
      "  hint: sizes go up to 2^63 - 1, and so do the bytes of an array");
  const kt::Function table =
      kt::function({s, k, x}, {kt::broadcast_to(s, {kt::arange(k).shape()[0], x.shape()[0]})},
                   {.name = "table"});
  CHECK(message_of<kt::ShapeError>([&] {
          table({Array(1.0), Array(highest / 4), Array::zeros<float>({6})});
        }) ==
        "broadcast-to: in this call of table f64[max(k,0),?] is f64[2305843009213693951,6], which "
        "has more bytes than an int64 counts; k is 2305843009213693951, x axis 0 is 6\n"
        "  at sizes_test.cpp:LINE; s from sizes_test.cpp:LINE\n"
        "  hint: sizes go up to 2^63 - 1, and so do the bytes of an array");
  const kt::Function unsigned_size = kt::function({u}, {kt::arange(u)}, {.name = "unsigned_size"});
  CHECK(message_of<kt::ShapeError>([&] { unsigned_size({Array(std::uint64_t{1} << 63)}); }) ==
        "unsigned_size: argument 0 is u u64[], whose value is a size, got 9223372036854775808\n"
        "  at sizes_test.cpp:LINE; u from sizes_test.cpp:LINE\n"
        "  hint: sizes go up to 2^63 - 1");
  // A negative number of elements is none.
  CHECK(next({Array(std::int64_t{-7})})[0].shape() == kt::Shape{0});
  CHECK(kt::function({k}, {kt::arange(k - 5)})({Array(lowest + 6)})[0].shape() == kt::Shape{0});
  // Only the whole is: parts of a sum may be negative.
  const Expr j = kt::scalar<std::int64_t>("j");
  const kt::Function parts = kt::function({k, j}, {kt::arange(k + 5), kt::arange((k - 5) + 9),
                                                   kt::arange(k * j), kt::arange(-3 + k + j)});
  const auto lengths = [&](std::int64_t k_value, std::int64_t j_value) {
    std::vector<std::int64_t> result;
    for (const Array& a : parts({Array(k_value), Array(j_value)})) result.push_back(a.numel());
    return result;
  };
  CHECK(lengths(-3, -2) == std::vector<std::int64_t>{2, 1, 6, 0});
  CHECK(lengths(4, 2) == std::vector<std::int64_t>{9, 8, 8, 3});
  CHECK(lengths(-9, 1) == std::vector<std::int64_t>{0, 0, 0, 0});
}

TEST_CASE("known sizes that an int64 does not hold are refused where they are written",
          "[function][sizes]") {
  const Expr s = kt::scalar<float>("s"), x = kt::vector<float>("x"),
             small = kt::tensor<float>({2, 3}, "small");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::broadcast_to(s, {huge, huge});
        }) == "broadcast-to: f32[1099511627776,1099511627776] has more bytes than an int64 counts\n"
              "  at sizes_test.cpp:LINE; s from sizes_test.cpp:LINE\n"
              "  hint: an array has at most 2^63 - 1 bytes");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::tensor<double>({huge, kt::dim("n"), huge}, "t");
        }) == "tensor: f64[1099511627776,n,1099511627776] has more bytes than an int64 counts\n"
              "  at sizes_test.cpp:LINE\n"
              "  hint: an array has at most 2^63 - 1 bytes");
  for (const auto& make : std::vector<std::function<Expr()>>{
           [&] {
             return kt::reshape(x, {huge, huge, -1});
           },
           [&] {
             return kt::reshape(small, {huge, huge});
           },
           [&] {
             return kt::reshape(x, {std::int64_t{1} << 32, std::int64_t{1} << 32});
           },
           [&] {
             return kt::Random(1).uniform({huge, huge});
           },
           [&] { return kt::one_hot(kt::arange(huge), huge); },
           [&] { return kt::arange(x.dim(0) * huge * huge); },
           [&] { return kt::arange(kt::constant(highest) + 1 + x.dim(0)); },
           [&] { return kt::arange(huge) + kt::expand_dims(kt::arange(huge), {1}); },
           [&] {
             return kt::index_add({huge, huge}, {kt::arange(1)}, kt::broadcast_to(s, {1, huge}));
           },
           [&] {
             return kt::matmul(kt::broadcast_to(s, {huge, 2}), kt::broadcast_to(s, {2, huge}));
           }}) {
    const std::string text = message_of<kt::ShapeError>([&] { make(); });
    INFO(text);
    CHECK(text.find("an int64 counts") != text.npos);
    CHECK(text.find("\n  at sizes_test.cpp:LINE") != text.npos);
  }
}

TEST_CASE("memory that cannot be had is an error that says how much it was", "[function][sizes]") {
  const Expr k = kt::scalar<std::int64_t>("k"), s = kt::scalar<float>("s"),
             w = kt::tensor<float>({4, 3}, "w");
  const kt::Dim rows = kt::arange(k).shape()[0];
  const kt::Function out = kt::function({s, k}, {kt::broadcast_to(s, {rows})}, {.name = "out"});
  for (const std::int64_t n : {huge, std::int64_t{1} << 50, std::int64_t{1} << 60})
    CHECK(message_of<kt::DeviceError>([&] {
            out({Array(1.0f), Array(n)});
          }) == "array: no memory for f32[" + std::to_string(n) + "]: " + std::to_string(4 * n) +
                    " bytes\n  at sizes_test.cpp:LINE");
  // Between steps.
  const Expr u = kt::tensor<float>({4}, "u");
  const kt::Function between = kt::function(
      {s, k, u, w}, {kt::sum(kt::exp(kt::dot(kt::exp(kt::broadcast_to(s, {rows, 4}) * u), w)))});
  for (const std::int64_t n : {huge, std::int64_t{1} << 50, std::int64_t{1} << 58}) {
    const std::string text = message_of<kt::DeviceError>([&] {
      between({Array(1.0f), Array(n), Array::zeros<float>({4}), Array::zeros<float>({4, 3})});
    });
    INFO(text);
    CHECK(begins(text, "memory: no memory for "));
  }
}

TEST_CASE("costs and workspaces of products stop at the largest number", "[function][sizes]") {
  using namespace kt::codegen;
  const ContractionShape shape;
  const auto sizes = [](std::int64_t m, std::int64_t n, std::int64_t k) {
    return ContractionSizes<std::int64_t>{m, n, k, k, 1, n, 1, n};
  };
  constexpr std::int64_t large = std::int64_t{1} << 60;
  CHECK(contraction_work_bytes(shape, ContractionScheme::rows, sizes(1, large, 2), 2) == highest);
  CHECK(contraction_work_bytes(shape, ContractionScheme::rows, sizes(1 << 20, 1, large), 2) ==
        highest); // a result for each part of k
  CHECK(contraction_work_bytes(shape, ContractionScheme::dots, sizes(1 << 20, 4, large), 2) ==
        highest);
  // A product of more multiplications than an int64 counts is no small one.
  CHECK(contraction_scheme(shape, sizes(std::int64_t{1} << 32, 1 << 20, std::int64_t{1} << 32)) ==
        ContractionScheme::packed);
}

// ---- positions at the ends of int64

namespace {

using Position = std::optional<std::int64_t>;

/// Python's slice of [0, n), step by step in numbers that nothing here exceeds.
std::vector<float> expected_slice(std::int64_t n, const Position& start, const Position& stop,
                                  std::int64_t step) {
  using Wide = __int128;
  const Wide low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
  const auto clamped = [&](std::int64_t p) {
    const Wide from_front = p < 0 ? Wide(p) + n : Wide(p);
    return from_front < low ? low : from_front > high ? high : from_front;
  };
  const Wide first = start      ? clamped(*start)
                     : step > 0 ? low
                                : high,
             end = stop       ? clamped(*stop)
                   : step > 0 ? high
                              : low;
  std::vector<float> elements;
  for (Wide i = first; step > 0 ? i < end : i > end; i += step)
    elements.push_back(static_cast<float>(i));
  return elements;
}

std::vector<kt::Range> extreme_ranges() {
  std::vector<kt::Range> ranges;
  for (const std::int64_t step :
       {std::int64_t{1}, std::int64_t{-1}, std::int64_t{2}, std::int64_t{-3},
        (std::int64_t{1} << 20) + 1, -(std::int64_t{1} << 20) - 1, highest, lowest, lowest + 1})
    for (const Position& start : {Position(), Position(lowest), Position(lowest + 1), Position(-2),
                                  Position(0), Position(3), Position(highest)})
      for (const Position& stop : {Position(), Position(lowest), Position(-1), Position(4),
                                   Position(highest - 1), Position(highest)})
        ranges.push_back({start, stop, step});
  return ranges;
}

std::string to_string(const kt::Range& r) {
  const auto part = [](const Position& p) { return p ? std::to_string(*p) : std::string(); };
  return "x[" + part(r.start.number) + ":" + part(r.stop.number) + ":" + std::to_string(r.step) +
         "]";
}

} // namespace

TEST_CASE("slices at the ends of int64 are clamped as Python's are", "[function][sizes]") {
  const std::vector<kt::Range> ranges = extreme_ranges();
  for (const bool is_known : {true, false}) {
    // A second axis, so that rows have a distance that steps are multiplied by.
    const Expr x = is_known ? kt::tensor<float>({5, 3}, "x") : kt::matrix<float>("x");
    Array five = Array::zeros<float>({5, 3});
    for (std::int64_t i = 0; i < 15; ++i) five.data<float>()[i] = static_cast<float>(i / 3);
    const Array none = Array::zeros<float>({0, 3});
    for (std::size_t first = 0; first < ranges.size(); first += 24) {
      const std::size_t count = std::min<std::size_t>(24, ranges.size() - first);
      std::vector<Expr> outputs;
      // A sum of the rows' first elements, weighed by where they stand in the result: one kernel.
      for (std::size_t i = 0; i < count; ++i) {
        const Expr s = kt::slice(x, {ranges[first + i], {0, 1}});
        const Expr weights = kt::cast<float>(kt::arange(s.dim(0)) + 1);
        outputs.push_back(kt::sum(kt::reshape(s, {s.shape()[0]}) * weights) +
                          1000 * kt::cast<float>(s.dim(0)));
      }
      const kt::Function f = kt::function({x}, outputs);
      for (const Array& rows : {five, none}) {
        if (is_known && rows.numel() == 0) continue;
        const std::vector<Array> got = f({rows});
        for (std::size_t i = 0; i < count; ++i) {
          const kt::Range& r = ranges[first + i];
          const auto wanted = expected_slice(rows.dim(0), r.start.number, r.stop.number, r.step);
          float sum = 1000 * static_cast<float>(wanted.size());
          for (std::size_t p = 0; p < wanted.size(); ++p)
            sum += wanted[p] * static_cast<float>(p + 1);
          INFO(to_string(r) << " of " << rows.dim(0) << (is_known ? " known" : ""));
          CHECK(got[i].item<float>() == sum);
          CHECK(rows.slice(0, r.start.number, r.stop.number, r.step).dim(0) ==
                static_cast<std::int64_t>(wanted.size()));
        }
      }
    }
  }
}

TEST_CASE("gradients of slices with long steps reach the elements that were taken",
          "[function][sizes]") {
  const Expr x = kt::vector<float>("x");
  for (const kt::Range& r :
       {kt::Range{1, {}, highest}, kt::Range{-2, {}, lowest}, kt::Range{lowest, highest, 2}}) {
    const auto g = kt::grad(kt::sum(kt::slice(x, {r}) * 3), x);
    std::vector<float> wanted(5, 0);
    for (float taken : expected_slice(5, r.start.number, r.stop.number, r.step))
      wanted[static_cast<std::size_t>(taken)] = 3;
    CHECK(kt::function({x}, g)({Array::zeros<float>({5})})[0].to_vector<float>() == wanted);
  }
}

TEST_CASE("arange counts right at the ends of int64", "[function][sizes]") {
  struct Case {
    std::int64_t start, stop, step;
    std::vector<std::int64_t> wanted;
  };
  for (const Case& c : std::vector<Case>{{highest - 2, highest, 1, {highest - 2, highest - 1}},
                                         {highest - 2, highest, 5, {highest - 2}},
                                         {highest - 2, highest, highest, {highest - 2}},
                                         {lowest, highest, highest, {lowest, -1, highest - 1}},
                                         {highest, lowest, lowest, {highest, -1}},
                                         {highest, lowest, -highest, {highest, 0, -highest}},
                                         {lowest + 3, lowest, -2, {lowest + 3, lowest + 1}},
                                         {lowest, highest, lowest, {}},
                                         {highest, lowest, highest, {}}}) {
    const Expr e = kt::arange(c.start, c.stop, c.step);
    INFO(c.start << " to " << c.stop << " by " << c.step);
    CHECK(kt::function({}, {e})({})[0].to_vector<std::int64_t>() == c.wanted);
    CHECK(Array::arange<std::int64_t>(c.start, c.stop, c.step).to_vector<std::int64_t>() ==
          c.wanted);
  }
  CHECK(message_of<kt::ShapeError>([] { kt::arange(lowest, highest, 1); }) ==
        "arange: from -9223372036854775808 to 9223372036854775807 in steps of 1 are "
        "18446744073709551615 elements, more than an int64 counts\n"
        "  at sizes_test.cpp:LINE\n"
        "  hint: use a longer step, or come less far");
  CHECK(message_of<kt::ShapeError>([] { kt::arange(std::uint64_t{1} << 63); }) ==
        "arange: 9223372036854775808 elements are more than an int64 counts\n"
        "  at sizes_test.cpp:LINE\n"
        "  hint: sizes go up to 2^63 - 1");
  constexpr std::uint64_t top = std::numeric_limits<std::uint64_t>::max();
  CHECK(Array::arange<std::uint64_t>(top - 4, top, 2).to_vector<std::uint64_t>() ==
        std::vector<std::uint64_t>{top - 4, top - 2});
  CHECK(Array::arange<std::int8_t>(-128, 127, 100).to_vector<std::int8_t>() ==
        std::vector<std::int8_t>{-128, -28, 72});
  CHECK(message_of<kt::ShapeError>([] {
          Array::arange<std::uint64_t>(top);
        }).find("more than an int64 counts") != std::string::npos);
}

TEST_CASE("positions at the ends of their dtypes are outside, and do not wrap",
          "[function][sizes]") {
  const Expr x = kt::vector<float>("x");
  const Array three = Array::from({5.0f, 6.0f, 7.0f});
  const auto check = [&]<class T>(std::type_identity<T>, const std::vector<T>& outside) {
    const Expr p = kt::vector<T>("p");
    const kt::Function f = kt::function({x, p}, {kt::index(x, {p})});
    const auto picked = [&](const std::vector<T>& positions) -> std::vector<float> {
      const std::vector<Array> arguments = {three, Array::from(positions)};
      return f(std::span<const Array>(arguments))[0].template to_vector<float>();
    };
    CHECK(picked({2, 0}) == std::vector<float>{7, 5});
    if constexpr (std::is_signed_v<T>) CHECK(picked({-3, -1}) == std::vector<float>{5, 7});
    for (T position : outside)
      CHECK(begins(message_of<kt::IndexError>([&] { picked({position}); }), "index: position "));
  };
  check(std::type_identity<std::int8_t>{}, {-128, 127, -4, 3});
  check(std::type_identity<std::uint8_t>{}, {255, 253, 128, 3});
  check(std::type_identity<std::int32_t>{}, {std::numeric_limits<std::int32_t>::min(), 3});
  check(std::type_identity<std::uint32_t>{}, {std::numeric_limits<std::uint32_t>::max(), 3});
  check(std::type_identity<std::int64_t>{}, {lowest, highest, lowest + 1, -4, 3});
  constexpr std::uint64_t top = std::numeric_limits<std::uint64_t>::max();
  check(std::type_identity<std::uint64_t>{}, {top, top - 1, top - 2, std::uint64_t{1} << 63, 3});
  for (const std::int64_t position : {lowest, highest})
    CHECK(begins(
        message_of<kt::IndexError>([&] { kt::function({x}, {kt::index(x, {position})})({three}); }),
        "index: position "));
}
