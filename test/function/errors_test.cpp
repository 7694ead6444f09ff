/// What function() and calls refuse, each error with its whole text.
#include <kroton/core.hpp>
#include <kroton/ops/reduction.hpp>

#include <algorithm>
#include <array>
#include <limits>
#include <utility>
#include <vector>

#include <malloc.h>

#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"

namespace kt = kroton;
using kt::Array;
using kt::DType;
using kt::Expr;
using kt::Shared;
using kt::test::message_of;

namespace {

struct Inputs {
  Expr x = kt::matrix<float>("x"), X = kt::matrix<float>("X"), Y = kt::matrix<float>("Y");
  Expr v = kt::vector<float>("v"), a = kt::vector<float>("a"), y = kt::vector<std::int32_t>("y");
  Expr d = kt::scalar<double>("d"), k = kt::scalar<std::int32_t>("k");
  Shared w = kt::shared(Array::zeros<float>({784, 10}), "w"),
         b = kt::shared(Array::zeros<float>({10}), "b");
};

} // namespace

TEST_CASE_METHOD(Inputs, "function() refuses inputs that are missing, doubled or no inputs",
                 "[function][errors]") {
  CHECK(message_of<kt::GraphError>([&] { kt::function({x}, {kt::dot(x, w) + kt::sum(v) * d}); }) ==
        "function: the outputs need an input that is not given: v f32[?] (from "
        "errors_test.cpp:LINE), d f64[] (from errors_test.cpp:LINE)\n"
        "  at errors_test.cpp:LINE\n"
        "  hint: add it to the inputs, or make it a constant or a shared variable");
  CHECK(message_of<kt::GraphError>([&] { kt::function({}, {kt::vector<float>() + 1}); }) ==
        "function: the outputs need an input that is not given: an unnamed input f32[?] (from "
        "errors_test.cpp:LINE)\n"
        "  at errors_test.cpp:LINE\n"
        "  hint: add it to the inputs, or make it a constant or a shared variable");
  CHECK(message_of<kt::GraphError>([&] {
          kt::function({}, {}, {.updates = {{b, b * v}}, .name = "train"});
        }) ==
        "train: the outputs need an input that is not given: v f32[?] (from errors_test.cpp:LINE)\n"
        "  at errors_test.cpp:LINE\n"
        "  hint: add it to the inputs, or make it a constant or a shared variable");
  CHECK(message_of<kt::GraphError>([&] {
          kt::function({x, x}, {x});
        }) == "function: x f32[?,?] is given twice\n"
              "  at errors_test.cpp:LINE; x from errors_test.cpp:LINE\n"
              "  hint: list each input once");
  CHECK(message_of<kt::GraphError>([&] {
          kt::function({x, x + 1}, {x});
        }) == "function: input 1 is no input but add f32[?,?]\n"
              "  at errors_test.cpp:LINE\n"
              "  hint: inputs are made by scalar, vector, matrix or tensor; shared variables need "
              "not be listed");
  CHECK(message_of<kt::GraphError>([&] { kt::function({w}, {w + 1}); }) ==
        "function: input 0 is no input but w f32[784,10]\n"
        "  at errors_test.cpp:LINE; w from errors_test.cpp:LINE\n"
        "  hint: inputs are made by scalar, vector, matrix or tensor; shared variables need not be "
        "listed");
}

TEST_CASE_METHOD(Inputs, "updates have to fit their variables", "[function][errors]") {
  CHECK(message_of<kt::GraphError>([&] {
          kt::function({}, {}, {.updates = {{w, w + 1}, {w, w * 2}}, .name = "train"});
        }) == "train: w f32[784,10] is updated twice\n"
              "  at errors_test.cpp:LINE; w from errors_test.cpp:LINE\n"
              "  hint: combine the two into one new value");
  CHECK(message_of<kt::TypeError>([&] {
          kt::function({}, {}, {.updates = {{w, w + kt::constant(1.0)}}, .name = "train"});
        }) == "train: the update of w f32[784,10] gives add f64[784,10]\n"
              "  at errors_test.cpp:LINE; w from errors_test.cpp:LINE\n"
              "  hint: cast(value, DType::f32)");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::function({}, {}, {.updates = {{w, b}}, .name = "train"});
        }) ==
        "train: the update of w f32[784,10] gives b f32[10]\n"
        "  at errors_test.cpp:LINE; w from errors_test.cpp:LINE, b from errors_test.cpp:LINE\n"
        "  hint: a shared variable keeps its shape");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::function({}, {}, {.updates = {{b, kt::sum(w, {1})}}, .name = "train"});
        }) == "train: the update of b f32[10] gives sum f32[784]\n"
              "  at errors_test.cpp:LINE; b from errors_test.cpp:LINE\n"
              "  hint: a shared variable keeps its shape");
}

TEST_CASE_METHOD(Inputs, "options are checked", "[function][errors][host]") {
  CHECK(message_of<kt::UnsupportedError>([&] { kt::function({a}, {a}, {.target = "z80"}); }) ==
        "target: there is no target \"z80\"\n"
        "  hint: one of host, native, x86-64-v2, x86-64-v3, x86-64-v4, cuda, cuda:1");
  CHECK(message_of<kt::UnsupportedError>([&] { kt::function({a}, {a + 1}, {.threads = -3}); }) ==
        "threads: a function cannot run on -3 threads\n"
        "  hint: 1 keeps to the calling thread, 0 takes KROTON_THREADS or all cores");
}

TEST_CASE_METHOD(Inputs, "a call needs an array of the right dtype and rank for each input",
                 "[function][errors]") {
  const kt::Function f = kt::function({x, y}, {kt::dot(x, w), y + 1}, {.name = "f"});
  CHECK(message_of<kt::ShapeError>([&] {
          f({Array::zeros<float>({1, 784})});
        }) == "f: takes 2 arguments (x f32[?,?], y i32[?]), got 1\n"
              "  at errors_test.cpp:LINE\n"
              "  hint: give one array for each input");
  CHECK(message_of<kt::TypeError>([&] {
          f({Array::zeros<double>({1, 784}), Array::zeros<int>({1})});
        }) == "f: argument 0 is x f32[?,?], got f64[1,784]\n"
              "  at errors_test.cpp:LINE; x from errors_test.cpp:LINE\n"
              "  hint: a.astype(DType::f32), or Options::allow_downcast");
  CHECK(message_of<kt::ShapeError>([&] {
          f({Array::zeros<float>({784}), Array::zeros<int>({1})});
        }) == "f: argument 0 is x f32[?,?], got f32[784]\n"
              "  at errors_test.cpp:LINE; x from errors_test.cpp:LINE\n"
              "  hint: reshape it to 2 axes");
}

TEST_CASE_METHOD(Inputs, "a call's sizes have to fit the inputs' shapes", "[function][errors]") {
  const auto n = kt::dim("n");
  const Expr p = kt::tensor<float>({n, 3}, "p"), q = kt::tensor<float>({n}, "q");
  const kt::Function g = kt::function({p, q}, {kt::sum(p, {1}) + q}, {.name = "g"});
  CHECK(
      message_of<kt::ShapeError>([&] {
        g({Array::zeros<float>({4, 3}), Array::zeros<float>({5})});
      }) ==
      "g: argument 1 is q f32[n], got f32[5]: axis 0 must be 4 like axis 0 of p f32[n,3]\n"
      "  at errors_test.cpp:LINE; q from errors_test.cpp:LINE, p from errors_test.cpp:LINE\n"
      "  hint: all axes called n have one size in a call; another name, or dim(), sets them free");
  CHECK(message_of<kt::ShapeError>([&] {
          g({Array::zeros<float>({4, 2}), Array::zeros<float>({4})});
        }) == "g: argument 0 is p f32[n,3], got f32[4,2]: axis 1 must be 3\n"
              "  at errors_test.cpp:LINE; p from errors_test.cpp:LINE\n"
              "  hint: give 3 there, or make the input with kroton::dim() in place of 3");
}

TEST_CASE_METHOD(Inputs, "a mismatch that only a call can show names the op and both operands",
                 "[function][errors]") {
  const kt::Function f = kt::function({x, y}, {kt::dot(x, w), y + 1}, {.name = "f"});
  const Expr a2 = kt::vector<float>("a2");
  const kt::Function h = kt::function({a, a2}, {kt::exp(a) * a2}, {.name = "h"});
  const kt::Function hd = kt::function({X, Y}, {kt::dot(X, Y)}, {.name = "hd"});
  const kt::Function hr = kt::function({X}, {kt::reshape(X, {3, -1})}, {.name = "hr"});
  const kt::Function hr2 =
      kt::function({X, a}, {kt::reshape(X, {a.shape()[0]}) + a}, {.name = "hr2"});
  const kt::Function hu =
      kt::function({a}, std::vector<Expr>{}, {.updates = {{b, b + a}}, .name = "hu"});
  const kt::Function hu2 =
      kt::function({a}, std::vector<Expr>{}, {.updates = {{b, a * 2}}, .name = "hu2"});
  const kt::Function ho =
      kt::function({k, a}, {kt::cast<float>(kt::arange(k)) + a}, {.name = "ho"});
  CHECK(message_of<kt::ShapeError>([&] {
          f({Array::zeros<float>({600, 100}), Array::zeros<int>({1})});
        }) ==
        "dot: contracted axes differ: x f32[?,?] has ? on axis 1, w f32[784,10] has 784 on axis 0; "
        "in this call of f they are 100 and 784\n"
        "  at errors_test.cpp:LINE; x from errors_test.cpp:LINE, w from errors_test.cpp:LINE\n"
        "  hint: transpose one of them, or swap them");
  CHECK(message_of<kt::ShapeError>([&] {
          h({Array::zeros<float>({4}), Array::zeros<float>({5})});
        }) == "mul: dims differ: exp f32[?] has ? on axis 0, a2 f32[?] has ? on axis 0; in this "
              "call of h they are 4 and 5\n"
              "  at errors_test.cpp:LINE; a2 from errors_test.cpp:LINE\n"
              "  hint: a size is broadcast only if it is known to be 1 when the function is made: "
              "expand_dims(index(a2, {0}), {0}) is a2 with axis 0 of size 1");
  CHECK(message_of<kt::ShapeError>([&] {
          hd({Array::zeros<float>({4, 3}), Array::zeros<float>({5, 2})});
        }) ==
        "dot: contracted axes differ: X f32[?,?] has ? on axis 1, Y f32[?,?] has ? on axis 0; in "
        "this call of hd they are 3 and 5\n"
        "  at errors_test.cpp:LINE; X from errors_test.cpp:LINE, Y from errors_test.cpp:LINE\n"
        "  hint: transpose one of them, or swap them");
  CHECK(message_of<kt::ShapeError>([&] {
          hr({Array::zeros<float>({4, 5})});
        }) == "reshape: X f32[?,?] has ?*? elements, the new shape [3,?*?/3] has ?*?/3*3; in this "
              "call of hr they are 20 and 18\n"
              "  at errors_test.cpp:LINE; X from errors_test.cpp:LINE\n"
              "  hint: the number of elements stays: one dim may be -1, it is computed from the "
              "rest and must come out even");
  CHECK(message_of<kt::ShapeError>([&] {
          hr2({Array::zeros<float>({4, 5}), Array::zeros<float>({3})});
        }) == "reshape: X f32[?,?] has ?*? elements, the new shape [?] has ?; in this call of hr2 "
              "they are 20 and 3\n"
              "  at errors_test.cpp:LINE; X from errors_test.cpp:LINE\n"
              "  hint: the number of elements stays: one dim may be -1, it is computed from the "
              "rest and must come out even");
  CHECK(message_of<kt::ShapeError>([&] { hu({Array::zeros<float>({4})}); }) ==
        "add: dims differ: b f32[10] has 10 on axis 0, a f32[?] has ? on axis 0; in this call of "
        "hu they are 10 and 4\n"
        "  at errors_test.cpp:LINE; b from errors_test.cpp:LINE, a from errors_test.cpp:LINE\n"
        "  hint: a size is broadcast only if it is known to be 1 when the function is made: "
        "expand_dims(index(a, {0}), {0}) is a with axis 0 of size 1");
  CHECK(message_of<kt::ShapeError>([&] { hu2({Array::zeros<float>({4})}); }) ==
        "hu2: the update of b f32[10] gives mul f32[?], which has ? on axis 0; in this call of hu2 "
        "they are 10 and 4\n"
        "  at errors_test.cpp:LINE\n"
        "  hint: a shared variable keeps its shape");
  CHECK(message_of<kt::ShapeError>([&] {
          ho({Array(3), Array::zeros<float>({4})});
        }) == "add: dims differ: cast f32[max(k,0)] has max(k,0) on axis 0, a f32[?] has ? on axis "
              "0; in this call of ho they are 3 and 4\n"
              "  at errors_test.cpp:LINE; a from errors_test.cpp:LINE\n"
              "  hint: a size is broadcast only if it is known to be 1 when the function is made: "
              "expand_dims(index(a, {0}), {0}) is a with axis 0 of size 1");
}

TEST_CASE_METHOD(Inputs, "a position outside its axis is named, with the array",
                 "[function][errors]") {
  const kt::Function hi = kt::function({X, y}, {kt::index(X, {y})}, {.name = "hi"});
  const kt::Function hg =
      kt::function({X, y}, {kt::index(X, {kt::arange(y.dim(0)), y})}, {.name = "hg"});
  CHECK(message_of<kt::IndexError>([&] {
          hi({Array::zeros<float>({4, 3}), Array::from({1, 4, 0})});
        }) ==
        "index: position 4 is outside axis 0 of X f32[?,?], which has size 4, in a call of hi\n"
        "  at errors_test.cpp:LINE; X from errors_test.cpp:LINE\n"
        "  hint: positions of an axis of 4 run from -4 to 3");
  CHECK(message_of<kt::IndexError>([&] {
          hi({Array::zeros<float>({4, 3}), Array::from({1, -5, 0})});
        }) ==
        "index: position -5 is outside axis 0 of X f32[?,?], which has size 4, in a call of hi\n"
        "  at errors_test.cpp:LINE; X from errors_test.cpp:LINE\n"
        "  hint: positions of an axis of 4 run from -4 to 3");
  CHECK(message_of<kt::IndexError>([&] {
          hi({Array::zeros<float>({0, 3}), Array::from({1, -5, 0})});
        }) ==
        "index: position 1 is outside axis 0 of X f32[?,?], which has size 0, in a call of hi\n"
        "  at errors_test.cpp:LINE; X from errors_test.cpp:LINE\n"
        "  hint: an axis of size 0 has no positions");
  CHECK(message_of<kt::IndexError>([&] {
          hg({Array::zeros<float>({4, 3}), Array::from({1, 2, 0, 3})});
        }) ==
        "index: position 3 is outside axis 1 of X f32[?,?], which has size 3, in a call of hg\n"
        "  at errors_test.cpp:LINE; X from errors_test.cpp:LINE\n"
        "  hint: positions of an axis of 3 run from -3 to 2");
  CHECK(message_of<kt::IndexError>([&] {
          hg({Array::zeros<float>({2, 3}), Array::from({1, 2, 0})});
        }) ==
        "index: position 2 is outside axis 0 of X f32[?,?], which has size 2, in a call of hg\n"
        "  at errors_test.cpp:LINE; X from errors_test.cpp:LINE\n"
        "  hint: positions of an axis of 2 run from -2 to 1");
}

TEST_CASE_METHOD(Inputs, "call_into needs arrays that the results fit into", "[function][errors]") {
  const kt::Function hi = kt::function({X, y}, {kt::index(X, {y})}, {.name = "hi"});
  const float ro[3] = {0, 0, 0};
  CHECK(message_of<kt::ShapeError>([&] {
          hi.call_into({Array::zeros<float>({4, 3}), Array::from({1})}, {});
        }) == "hi: has 1 output, got 0 arrays to write\n"
              "  at errors_test.cpp:LINE\n"
              "  hint: give one array for each output");
  CHECK(message_of<kt::ShapeError>([&] {
          hi.call_into({Array::zeros<float>({4, 3}), Array::from({1})},
                       {Array::zeros<float>({1, 3}), Array::zeros<float>({1, 3})});
        }) == "hi: has 1 output, got 2 arrays to write\n"
              "  at errors_test.cpp:LINE\n"
              "  hint: give one array for each output");
  CHECK(message_of<kt::ShapeError>([&] {
          hi.call_into({Array::zeros<float>({4, 3}), Array::from({1})},
                       {Array::zeros<float>({2, 3})});
        }) == "hi: output 0 is f32[1,3] in this call, the array given is f32[2,3]\n"
              "  at errors_test.cpp:LINE\n"
              "  hint: allocate it with Array::empty, or let the call make it");
  CHECK(message_of<kt::TypeError>([&] {
          hi.call_into({Array::zeros<float>({4, 3}), Array::from({1})},
                       {Array::zeros<double>({1, 3})});
        }) == "hi: output 0 is f32, the array given is f64[1,3]\n"
              "  at errors_test.cpp:LINE\n"
              "  hint: give an array of DType::f32, or let the call make it");
  CHECK(message_of<kt::TypeError>([&] {
          hi.call_into({Array::zeros<float>({4, 3}), Array::from({1})}, {Array::view(ro, {1, 3})});
        }) == "hi: the array given for output 0, f32[1,3], is read-only\n"
              "  at errors_test.cpp:LINE\n"
              "  hint: give one that views writable memory and repeats no element");
}

TEST_CASE_METHOD(Inputs, "two outputs need memory of their own", "[function][errors]") {
  const kt::Function f = kt::function({X}, {X + 1, X * 2}, {.name = "f"});
  const Array x = Array::full<float>({2, 3}, 1), one = Array::zeros<float>({2, 3});
  Array both = Array::zeros<float>({2, 6}), more = Array::zeros<float>({4, 3});
  CHECK(message_of<kt::ShapeError>([&] {
          f.call_into({x}, {one, one});
        }) ==
        "f: the arrays given for outputs 0 and 1, f32[2,3] and f32[2,3], have elements in common\n"
        "  at errors_test.cpp:LINE\n"
        "  hint: give each output memory of its own");
  for (const auto& [left, right] : std::vector<std::pair<Array, Array>>{
           {both.slice(1, 0, 3), both.slice(1, 2, 5)},
           {both.slice(1, 0, 3), both.slice(1, 0, 3).slice(0, {}, {}, -1)},
           {both.slice(1, 0, 6, 2), both.slice(1, 3, 6)},
           {more.slice(0, 0, 2), more.slice(0, 1, 3)},
           {more.slice(0, 0, 4, 2), more.slice(0, 2, 4)}})
    CHECK(message_of<kt::ShapeError>([&] {
            f.call_into({x}, {left, right});
          }).starts_with("f: the arrays given for outputs 0 and 1"));
  // Halves, and every other row or column, span the same memory and have nothing in common.
  for (const auto& [left, right] :
       std::vector<std::pair<Array, Array>>{{both.slice(1, 0, 3), both.slice(1, 3, 6)},
                                            {both.slice(1, 0, 6, 2), both.slice(1, 5, {}, -2)},
                                            {more.slice(0, 0, 4, 2), more.slice(0, 3, {}, -2)},
                                            {more.slice(0, 0, 2), more.slice(0, 2, 4)}}) {
    f.call_into({x}, {left, right});
    CHECK(left.to_vector<float>() == std::vector<float>(6, 2));
    CHECK(right.to_vector<float>() == std::vector<float>(6, 2));
  }
}

TEST_CASE_METHOD(Inputs, "an axis that must not be empty is checked by the call",
                 "[function][errors]") {
  const kt::Function last = kt::function({X}, {kt::argmax(X)}, {.name = "last"}),
                     first = kt::function({X}, {kt::argmin(X, 0, true)}, {.name = "first"}),
                     rows = kt::function({X}, {kt::argmax(kt::slice(X, {{2, {}}}), 0)});
  CHECK(message_of<kt::ShapeError>([&] {
          last({Array::zeros<float>({2, 0})});
        }) == "argmax: axis 1 of X f32[?,?] is empty in this call of last\n"
              "  at errors_test.cpp:LINE; X from errors_test.cpp:LINE\n"
              "  hint: there is no position in an empty axis");
  CHECK(message_of<kt::ShapeError>([&] {
          last({Array::zeros<float>({0, 0})});
        }).starts_with("argmax: axis 1 of X f32[?,?] is empty"));
  CHECK(message_of<kt::ShapeError>([&] {
          first({Array::zeros<float>({0, 2})});
        }).starts_with("argmin: axis 0 of X f32[?,?] is empty"));
  CHECK(message_of<kt::ShapeError>([&] {
          rows({Array::zeros<float>({2, 3})});
        }).starts_with("argmax: axis 0 of slice f32["));
  // No position is asked for where there is no row, and others continue as they did.
  CHECK(last({Array::zeros<float>({0, 2})})[0].shape() == kt::Shape{0});
  CHECK(last({Array::zeros<float>({2, 1})})[0].to_vector<std::int64_t>() ==
        std::vector<std::int64_t>{0, 0});
  CHECK(rows({Array::zeros<float>({3, 1})})[0].item<std::int64_t>() == 0);
  // The largest of nothing is the lowest that there is, whether the size is known or not.
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(kt::function({X}, {kt::max(X)})({Array::zeros<float>({2, 0})})[0].item<float>() ==
        -infinity);
  CHECK(kt::function({}, {kt::min(kt::constant(Array::zeros<float>({0})))})({})[0].item<float>() ==
        infinity);
}

TEST_CASE_METHOD(Inputs, "the hint of sizes that are not broadcast is code for these operands",
                 "[function][errors]") {
  const kt::Function f = kt::function({X, Y}, {X * Y}, {.name = "f"}),
                     g = kt::function({X, a}, {X + kt::exp(a)}, {.name = "g"});
  CHECK(message_of<kt::ShapeError>([&] {
          f({Array::zeros<float>({4, 3}), Array::zeros<float>({4, 1})});
        }).ends_with("expand_dims(index(Y, {Range{}, 0}), {1}) is Y with axis 1 of size 1"));
  CHECK(message_of<kt::ShapeError>([&] {
          g({Array::zeros<float>({4, 3}), Array::zeros<float>({1})});
        })
            .ends_with("expand_dims(index(x, {0}), {0}) is x with axis 0 of size 1, x being exp "
                       "f32[?]"));
  // The code does what it says.
  const kt::Function repeated = kt::function(
      {X, Y}, {X * kt::expand_dims(kt::index(Y, {kt::Range{}, std::int64_t{0}}), {1})});
  CHECK(repeated({Array::full<float>({4, 3}, 2), Array::full<float>({4, 1}, 3)})[0]
            .to_vector<float>() == std::vector<float>(12, 6));
  const Expr t = kt::tensor<float>({2, 3, 4}, "t"), u = kt::tensor<float>({3}, "u");
  CHECK(message_of<kt::ShapeError>([&] { t* u; })
            .ends_with("axes are matched from the last; expand_dims(u, {1}) goes along axis 1 of t "
                       "f32[2,3,4]"));
  CHECK(kt::sum(t * kt::expand_dims(u, {1})).rank() == 0);
}

TEST_CASE_METHOD(Inputs, "set keeps dtype and shape", "[function][errors]") {
  CHECK(message_of<kt::TypeError>([&] { b.set(Array::zeros<double>({10})); }) ==
        "set: b f32[10] takes f32, got f64[10]\n"
        "  at errors_test.cpp:LINE; b from errors_test.cpp:LINE\n"
        "  hint: value.astype(DType::f32)");
  CHECK(message_of<kt::ShapeError>([&] { b.set(Array::zeros<float>({11})); }) ==
        "set: b f32[10] keeps its shape, got f32[11]\n"
        "  at errors_test.cpp:LINE; b from errors_test.cpp:LINE\n"
        "  hint: make a new shared variable for another shape");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::shared(Array::zeros<float>({2})).set(Array::zeros<float>({3}));
        }) == "set: shared f32[2] keeps its shape, got f32[3]\n"
              "  at errors_test.cpp:LINE\n"
              "  hint: make a new shared variable for another shape");
}

// Each used to leave room behind for one frame more.
TEST_CASE_METHOD(Inputs, "calls that are refused leave nothing behind", "[function][errors]") {
  const kt::Function f =
      kt::function({v, a}, {kt::sum(v * a)}, {.specialize = kt::Specialize::off});
  const std::array good{Array::zeros<float>({10}), Array::zeros<float>({10})},
      bad{Array::zeros<float>({10}), Array::zeros<float>({20})};
  const auto refuse = [&](std::size_t count) {
    std::size_t refused = 0;
    for (std::size_t i = 0; i < count; ++i) {
      try {
        f(bad);
      } catch (const kt::ShapeError&) {
        ++refused;
      }
    }
    CHECK(refused == count);
  };
  f(good);
  refuse(200);
  const auto before = ::mallinfo2().uordblks;
  constexpr std::size_t count = 20'000;
  refuse(count);
  CHECK(::mallinfo2().uordblks < before + count);
  CHECK(f(good)[0].item<float>() == 0);
}
