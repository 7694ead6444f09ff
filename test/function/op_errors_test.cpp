/// What ops and grad refuse when an expression is written, each error with its whole text.
/// Literals that do not fit are in promotion_test.cpp.
#include <kroton/kroton.hpp>

#include <algorithm>

#include "test/data/message_of.hpp"
#include "test/support/catch.hpp"

namespace kt = kroton;
using kt::Array;
using kt::DType;
using kt::Expr;
using kt::Shared;
using kt::test::contains;
using kt::test::message_of;

namespace {

struct Inputs {
  Expr x = kt::matrix<float>("x"), X = kt::matrix<float>("X"), Y = kt::matrix<float>("Y");
  Expr v = kt::vector<float>("v"), a = kt::vector<float>("a"), y = kt::vector<std::int32_t>("y");
  Expr d = kt::scalar<double>("d"), k = kt::scalar<std::int32_t>("k");
  Shared w = kt::shared(Array::zeros<float>({784, 10}), "w"),
         b = kt::shared(Array::zeros<float>({10}), "b");
  Expr s = kt::tensor<float>({2, 3}, "s"), c = kt::tensor<float>({4, 5}, "c"),
       t3 = kt::tensor<float>({2, 3, 4}, "t3");
  Expr flag = kt::vector<bool>("flag");
  kt::Random rng{1};
};

} // namespace

TEST_CASE_METHOD(Inputs, "elementwise ops", "[function][errors]") {
  CHECK(message_of<kt::ShapeError>([&] { s + c; }) ==
        "add: dims differ: s f32[2,3] has 2 on axis 0, c f32[4,5] has 4 on axis 0\n"
        "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE, c from "
        "op_errors_test.cpp:LINE\n"
        "  hint: axes are matched from the last, and only a size of 1 is broadcast: expand_dims "
        "inserts one");
  CHECK(message_of<kt::ShapeError>([&] { s + kt::sum(c, {0}); }) ==
        "add: dims differ: s f32[2,3] has 3 on axis 1, sum f32[5] has 5 on axis 0\n"
        "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
        "  hint: axes are matched from the last, and only a size of 1 is broadcast: expand_dims "
        "inserts one");
  CHECK(message_of<kt::TypeError>([&] { flag + flag; }) ==
        "add: takes numbers, got flag bool[?], flag bool[?]\n"
        "  at op_errors_test.cpp:LINE; flag from op_errors_test.cpp:LINE\n"
        "  hint: cast(x, DType::i32) counts true as 1");
  CHECK(message_of<kt::TypeError>([&] { -flag; }) ==
        "neg: takes numbers, got flag bool[?]\n"
        "  at op_errors_test.cpp:LINE; flag from op_errors_test.cpp:LINE\n"
        "  hint: cast(x, DType::i32) counts true as 1");
  CHECK(message_of<kt::TypeError>([&] { (v > 0) && v; }) ==
        "logical-and: takes bool, got greater bool[?], v f32[?]\n"
        "  at op_errors_test.cpp:LINE; v from op_errors_test.cpp:LINE\n"
        "  hint: compare first, as in x != 0");
  CHECK(message_of<kt::TypeError>([&] { !v; }) ==
        "logical-not: takes bool, got v f32[?]\n"
        "  at op_errors_test.cpp:LINE; v from op_errors_test.cpp:LINE\n"
        "  hint: compare first, as in x != 0");
  CHECK(message_of<kt::TypeError>([&] { kt::where(v, v, v); }) ==
        "where: the condition must be bool, got v f32[?]\n"
        "  at op_errors_test.cpp:LINE; v from op_errors_test.cpp:LINE\n"
        "  hint: compare first, as in where(x > 0, …)");
}

TEST_CASE_METHOD(Inputs, "products", "[function][errors]") {
  CHECK(
      message_of<kt::ShapeError>([&] { kt::dot(w, kt::tensor<float>({784}, "xx")); }) ==
      "dot: contracted axes differ: w f32[784,10] has 10 on axis 1, xx f32[784] has 784 on axis 0\n"
      "  at op_errors_test.cpp:LINE; w from op_errors_test.cpp:LINE, xx from "
      "op_errors_test.cpp:LINE\n"
      "  hint: dot(xx, w) or dot(transpose(w), xx)");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::dot(kt::tensor<float>({784}, "xx"), kt::tensor<float>({10, 784}, "ww"));
        }) == "dot: contracted axes differ: xx f32[784] has 784 on axis 0, ww f32[10,784] has 10 "
              "on axis 0\n"
              "  at op_errors_test.cpp:LINE; xx from op_errors_test.cpp:LINE, ww from "
              "op_errors_test.cpp:LINE\n"
              "  hint: dot(ww, xx)");
  CHECK(message_of<kt::ShapeError>([&] { kt::dot(s, c); }) ==
        "dot: contracted axes differ: s f32[2,3] has 3 on axis 1, c f32[4,5] has 4 on axis 0\n"
        "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE, c from "
        "op_errors_test.cpp:LINE\n"
        "  hint: transpose one of them, or swap them");
  CHECK(message_of<kt::ShapeError>([&] { kt::dot(t3, s); }) ==
        "dot: takes ranks up to 2, got t3 f32[2,3,4] and s f32[2,3]\n"
        "  at op_errors_test.cpp:LINE; t3 from op_errors_test.cpp:LINE, s from "
        "op_errors_test.cpp:LINE\n"
        "  hint: matmul treats leading axes as batches");
  CHECK(message_of<kt::ShapeError>([&] { kt::matmul(v, d); }) ==
        "matmul: takes at least one axis, got v f32[?] and d f64[]\n"
        "  at op_errors_test.cpp:LINE; v from op_errors_test.cpp:LINE, d from "
        "op_errors_test.cpp:LINE\n"
        "  hint: use * to multiply by a scalar");
  CHECK(message_of<kt::ShapeError>([&] { kt::matmul(t3, t3); }) ==
        "matmul: contracted axes differ: t3 f32[2,3,4] has 4 on axis 2, t3 f32[2,3,4] has 3 on "
        "axis 1\n"
        "  at op_errors_test.cpp:LINE; t3 from op_errors_test.cpp:LINE\n"
        "  hint: transpose one of them, or swap them");
  CHECK(message_of<kt::ShapeError>([&] { kt::matmul(t3, kt::tensor<float>({5}, "k")); }) ==
        "matmul: contracted axes differ: t3 f32[2,3,4] has 4 on axis 2, k f32[5] has 5 on axis 0\n"
        "  at op_errors_test.cpp:LINE; t3 from op_errors_test.cpp:LINE, k from "
        "op_errors_test.cpp:LINE\n"
        "  hint: transpose one of them, or swap them");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::matmul(t3, kt::tensor<float>({3, 4, 2}, "m"));
        }) == "matmul: batch dims differ: t3 f32[2,3,4] has 2 on axis 0, m f32[3,4,2] has 3\n"
              "  at op_errors_test.cpp:LINE; t3 from op_errors_test.cpp:LINE, m from "
              "op_errors_test.cpp:LINE\n"
              "  hint: only a dim known to be 1 is broadcast");
}

TEST_CASE_METHOD(Inputs, "reshape", "[function][errors]") {
  CHECK(message_of<kt::ShapeError>([&] {
          kt::reshape(s, {4, 2});
        }) == "reshape: s f32[2,3] has 6 elements, the new shape [4,2] has 8\n"
              "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
              "  hint: the number of elements stays: one dim may be -1, it is computed from the "
              "rest and must come out even");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::reshape(s, {4, -1});
        }) == "reshape: 6 elements of s f32[2,3] do not divide by 4\n"
              "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
              "  hint: name every dim, or change the ones that are known");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::reshape(s, {-1, -1});
        }) == "reshape: more than one dim is computed: -1\n"
              "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
              "  hint: one dim may be -1, it is computed from the rest");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::reshape(s, {-2, 3});
        }) == "reshape: a size cannot be negative: -2\n"
              "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
              "  hint: one dim may be -1, it is computed from the rest");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::reshape(s, {0, -1});
        }) == "reshape: 6 elements of s f32[2,3] do not divide by 0\n"
              "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
              "  hint: name every dim, or change the ones that are known");
}

TEST_CASE_METHOD(Inputs, "transpose and broadcast_to", "[function][errors]") {
  CHECK(message_of<kt::ShapeError>([&] {
          kt::transpose(s, {0, 0});
        }) == "transpose: [0,0] is no permutation of the 2 axes of s f32[2,3]\n"
              "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
              "  hint: name each axis once, or none to reverse them");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::transpose(s, {0, 1, 2});
        }) == "transpose: [0,1,2] is no permutation of the 2 axes of s f32[2,3]\n"
              "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
              "  hint: name each axis once, or none to reverse them");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::transpose(s, {0, -3});
        }) == "transpose: [0,-3] is no permutation of the 2 axes of s f32[2,3]\n"
              "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
              "  hint: name each axis once, or none to reverse them");
  CHECK(message_of<kt::ShapeError>([&] { kt::broadcast_to(s, {3}); }) ==
        "broadcast-to: s f32[2,3] has more axes than [3]\n"
        "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
        "  hint: squeeze drops axes of size 1");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::broadcast_to(s, {5, 2, 4});
        }) == "broadcast-to: axis 1 of s f32[2,3] has 3, which cannot become 4 of [5,2,4]\n"
              "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
              "  hint: only a dim known to be 1 is broadcast");
}

TEST_CASE_METHOD(Inputs, "expand_dims, squeeze and slice", "[function][errors]") {
  CHECK(message_of<kt::ShapeError>([&] { kt::expand_dims(s, {4}); }) ==
        "expand_dims: cannot insert axis 4 into s f32[2,3]\n"
        "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
        "  hint: axes of the result run from -3 to 2, each once");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::expand_dims(s, {0, 0});
        }) == "expand_dims: cannot insert axis 0 into s f32[2,3]\n"
              "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
              "  hint: axes of the result run from -4 to 3, each once");
  CHECK(message_of<kt::ShapeError>([&] { kt::squeeze(s, {0}); }) ==
        "squeeze: axis 0 of s f32[2,3] has size 2\n"
        "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
        "  hint: only axes known to have size 1 can go");
  CHECK(message_of<kt::ShapeError>([&] { kt::squeeze(s, {2}); }) ==
        "squeeze: axis 2 of s f32[2,3], which has 2 axes\n"
        "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
        "  hint: axes run from -2 to 1");
  CHECK(message_of<kt::ShapeError>([&] { kt::squeeze(x, {0}); }) ==
        "squeeze: axis 0 of x f32[?,?] has size ?\n"
        "  at op_errors_test.cpp:LINE; x from op_errors_test.cpp:LINE\n"
        "  hint: only axes known to have size 1 can go");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::slice(v, {{0, 1}, {0, 1}});
        }) == "slice: 2 ranges for v f32[?]\n"
              "  at op_errors_test.cpp:LINE; v from op_errors_test.cpp:LINE\n"
              "  hint: give at most one range for each axis");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::slice(v, {{0, 5, 0}});
        }) == "slice: the step of axis 0 is 0\n"
              "  at op_errors_test.cpp:LINE; v from op_errors_test.cpp:LINE\n"
              "  hint: use a step of 1, or -1 to go backwards");
}

TEST_CASE_METHOD(Inputs, "axes of reductions", "[function][errors]") {
  CHECK(message_of<kt::ShapeError>([&] { kt::sum(s, {2}); }) ==
        "sum: axis 2 of s f32[2,3], which has 2 axes\n"
        "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
        "  hint: axes run from -2 to 1");
  CHECK(message_of<kt::ShapeError>([&] { kt::sum(d, {0}); }) ==
        "sum: axis 0 of d f64[], which has 0 axes\n"
        "  at op_errors_test.cpp:LINE; d from op_errors_test.cpp:LINE\n"
        "  hint: a scalar has no axes");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::sum(s, {0, -2});
        }) == "sum: [0,-2] names an axis of s f32[2,3] twice\n"
              "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
              "  hint: name each axis once; negative ones count from the end");
  CHECK(message_of<kt::ShapeError>([&] { kt::mean(s, {2}); }) ==
        "mean: axis 2 of s f32[2,3], which has 2 axes\n"
        "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
        "  hint: axes run from -2 to 1");
  CHECK(message_of<kt::ShapeError>([&] { kt::softmax(s, 2); }) ==
        "softmax: axis 2 of s f32[2,3], which has 2 axes\n"
        "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
        "  hint: axes run from -2 to 1");
  CHECK(message_of<kt::ShapeError>([&] { kt::softmax(d); }) ==
        "softmax: axis -1 of d f64[], which has 0 axes\n"
        "  at op_errors_test.cpp:LINE; d from op_errors_test.cpp:LINE\n"
        "  hint: a scalar has no axes");
  CHECK(message_of<kt::ShapeError>([&] { kt::log_softmax(s, 2); }) ==
        "log_softmax: axis 2 of s f32[2,3], which has 2 axes\n"
        "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
        "  hint: axes run from -2 to 1");
  CHECK(message_of<kt::ShapeError>([&] { kt::logsumexp(s, {2}); }) ==
        "logsumexp: axis 2 of s f32[2,3], which has 2 axes\n"
        "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
        "  hint: axes run from -2 to 1");
  CHECK(message_of<kt::ShapeError>([&] { kt::argmax(d); }) ==
        "argmax: needs an axis, got d f64[]\n"
        "  at op_errors_test.cpp:LINE; d from op_errors_test.cpp:LINE\n"
        "  hint: give an array with at least one axis");
  CHECK(message_of<kt::ShapeError>([&] { kt::argmax(kt::tensor<float>({0}, "e")); }) ==
        "argmax: axis 0 of e f32[0] is empty\n"
        "  at op_errors_test.cpp:LINE; e from op_errors_test.cpp:LINE\n"
        "  hint: there is no position in an empty axis");
  CHECK(message_of<kt::ShapeError>([&] { kt::argmax(s, 2); }) ==
        "argmax: axis 2 of s f32[2,3], which has 2 axes\n"
        "  at op_errors_test.cpp:LINE; s from op_errors_test.cpp:LINE\n"
        "  hint: axes run from -2 to 1");
}

TEST_CASE_METHOD(Inputs, "indexing", "[function][errors]") {
  CHECK(message_of<kt::ShapeError>([&] {
          kt::index(v, {y, y});
        }) == "index: 2 items for v f32[?]\n"
              "  at op_errors_test.cpp:LINE; v from op_errors_test.cpp:LINE\n"
              "  hint: give at most one item for each axis");
  CHECK(message_of<kt::TypeError>([&] { kt::index(x, {v}); }) ==
        "index: positions must be integers, got v f32[?]\n"
        "  at op_errors_test.cpp:LINE; v from op_errors_test.cpp:LINE\n"
        "  hint: cast(p, DType::i64); to select by a mask, use where");
  CHECK(message_of<kt::UnsupportedError>([&] { kt::index(x, {flag}); }) ==
        "index: the size of what the mask flag bool[?] selects depends on its values\n"
        "  at op_errors_test.cpp:LINE; flag from op_errors_test.cpp:LINE\n"
        "  hint: where(mask, a, 0) keeps the shape, and set_at(a, {mask}, v) writes where it "
        "holds");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::index(x, {kt::tensor<int>({2}, "i"), kt::tensor<int>({3}, "j")});
        }) ==
        "index: dims differ: i i32[2] has 2 on axis 0, j i32[3] has 3 on axis 0\n"
        "  at op_errors_test.cpp:LINE; i from op_errors_test.cpp:LINE, j from "
        "op_errors_test.cpp:LINE\n"
        "  hint: axes are matched from the last, and only a size of 1 is broadcast: expand_dims "
        "inserts one");
  CHECK(message_of<kt::ShapeError>([&] { kt::index_add({3}, {}, v); }) ==
        "index_add: 0 position arrays for a shape of [3]\n"
        "  at op_errors_test.cpp:LINE; v from op_errors_test.cpp:LINE\n"
        "  hint: give one position array for each leading axis");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::index_add({3, 4}, {y}, v);
        }) == "index-add: expected [?,4] to be added, got v f32[?]\n"
              "  at op_errors_test.cpp:LINE; v from op_errors_test.cpp:LINE\n"
              "  hint: what is added has the positions' axes, then the rest of the shape");
  CHECK(message_of<kt::TypeError>([&] { kt::index_add({3}, {v}, v); }) ==
        "index_add: positions must be integers, got v f32[?]\n"
        "  at op_errors_test.cpp:LINE; v from op_errors_test.cpp:LINE\n"
        "  hint: cast(p, DType::i64); to select by a mask, use where");
}

TEST_CASE_METHOD(Inputs, "arange and one_hot", "[function][errors]") {
  CHECK(message_of<kt::TypeError>([&] { kt::arange(2.5); }) ==
        "arange: takes an integer, got 2.5\n"
        "  at op_errors_test.cpp:LINE\n"
        "  hint: give the number of elements");
  CHECK(message_of<kt::UnsupportedError>([&] { kt::arange(kt::sum(y)); }) ==
        "arange: a size must be known before anything is computed, got sum i64[]\n"
        "  at op_errors_test.cpp:LINE\n"
        "  hint: use x.dim(axis), a number, or an integer scalar input, and + - * of them");
  CHECK(message_of<kt::UnsupportedError>([&] { kt::arange(y); }) ==
        "arange: a size must be known before anything is computed, got y i32[?]\n"
        "  at op_errors_test.cpp:LINE; y from op_errors_test.cpp:LINE\n"
        "  hint: use x.dim(axis), a number, or an integer scalar input, and + - * of them");
  CHECK(message_of<kt::UnsupportedError>([&] { kt::arange(d); }) ==
        "arange: a size must be known before anything is computed, got d f64[]\n"
        "  at op_errors_test.cpp:LINE; d from op_errors_test.cpp:LINE\n"
        "  hint: use x.dim(axis), a number, or an integer scalar input, and + - * of them");
  CHECK(message_of<kt::ShapeError>([&] { kt::arange(0, 3, 0); }) ==
        "arange: the step is 0\n"
        "  at op_errors_test.cpp:LINE\n"
        "  hint: use a step of 1, or -1 to go down");
  CHECK(message_of<kt::TypeError>([&] { kt::one_hot(v, 3); }) ==
        "one_hot: labels must be integers, got v f32[?]\n"
        "  at op_errors_test.cpp:LINE; v from op_errors_test.cpp:LINE\n"
        "  hint: cast(labels, DType::i64)");
  CHECK(kt::one_hot(y, v.dim(0)).shape()[1].node() == v.shape()[0].node());
  CHECK_THAT(message_of<kt::GraphError>([&] { kt::index_add({v.dim(0)}, {Expr()}, v); }),
             contains("index_add: an Expr that was made without a value has none yet"));
  CHECK(message_of<kt::ShapeError>([&] { kt::one_hot(y, -3); }) ==
        "one_hot: cannot make -3 classes\n"
        "  at op_errors_test.cpp:LINE; y from op_errors_test.cpp:LINE\n"
        "  hint: give the number of classes, at least the largest label + 1");
}

TEST_CASE_METHOD(Inputs, "random numbers", "[function][errors]") {
  CHECK(message_of<kt::TypeError>([&] { rng.bernoulli(1.5, {3}); }) ==
        "bernoulli: p is 1.5\n"
        "  at op_errors_test.cpp:LINE\n"
        "  hint: give a probability between 0 and 1");
  CHECK(message_of<kt::TypeError>([&] { rng.uniform({3}, DType::i32); }) ==
        "random: draws f32 or f64, not i32\n"
        "  at op_errors_test.cpp:LINE\n"
        "  hint: cast the result");
  CHECK(message_of<kt::TypeError>([&] { rng.normal({3}, DType::i32); }) ==
        "random: draws f32 or f64, not i32\n"
        "  at op_errors_test.cpp:LINE\n"
        "  hint: cast the result");
  const double inf = std::numeric_limits<double>::infinity();
  CHECK(message_of<kt::TypeError>([&] { rng.uniform({3}, DType::f32, 3, 1); }) ==
        "uniform: cannot draw from [3, 1)\n"
        "  at op_errors_test.cpp:LINE\n"
        "  hint: low must not be above high, and high - low must be finite in f32");
  for (const auto& [low, high] :
       {std::pair(-inf, 0.0), {0.0, inf}, {inf - inf, 1.0}, {-3e38, 3e38}})
    CHECK_THROWS_AS(rng.uniform({3}, DType::f32, low, high), kt::TypeError);
  CHECK_NOTHROW(rng.uniform({3}, DType::f64, -3e38, 3e38));
  CHECK(message_of<kt::TypeError>([&] { rng.normal({3}, DType::f32, 0, -1); }) ==
        "normal: the mean is 0, the standard deviation -1\n"
        "  at op_errors_test.cpp:LINE\n"
        "  hint: both must be finite in f32, and the standard deviation not negative");
  for (const auto& [mean, stddev] :
       {std::pair(inf, 1.0), {0.0, inf}, {0.0, inf - inf}, {1e39, 1.0}})
    CHECK_THROWS_AS(rng.normal({3}, DType::f32, mean, stddev), kt::TypeError);
}

TEST_CASE_METHOD(Inputs, "dims", "[function][errors]") {
  CHECK(message_of<kt::ShapeError>([&] { x.dim(2); }) ==
        "dim: axis 2 of x f32[?,?], which has 2 axes\n"
        "  at op_errors_test.cpp:LINE; x from op_errors_test.cpp:LINE\n"
        "  hint: axes run from -2 to 1");
  CHECK(message_of<kt::ShapeError>([&] { kt::Dim(-3); }) ==
        "dim: a size cannot be negative: -3\n"
        "  at op_errors_test.cpp:LINE\n"
        "  hint: write kroton::dim() for an unknown size");
  CHECK(message_of<kt::ShapeError>([&] { kt::tensor<float>({-3}, "z"); }) ==
        "dim: a size cannot be negative: -3\n"
        "  at op_errors_test.cpp:LINE\n"
        "  hint: write kroton::dim() for an unknown size");
}

TEST_CASE_METHOD(Inputs, "grad", "[function][errors]") {
  CHECK(message_of<kt::ShapeError>([&] { kt::grad(v * 2, v); }) ==
        "grad: the cost must be a scalar, got mul f32[?]\n"
        "  at op_errors_test.cpp:LINE\n"
        "  hint: sum(cost) or mean(cost) first; vjp takes a gradient of its shape to start from");
  CHECK(message_of<kt::TypeError>([&] { kt::grad(kt::sum(y), v); }) ==
        "grad: the cost must be floating, got sum i64[]\n"
        "  at op_errors_test.cpp:LINE\n"
        "  hint: cast it to f32 or f64");
  CHECK(
      message_of<kt::TypeError>([&] { kt::grad(kt::sum(v), y); }) ==
      "grad: cannot differentiate with respect to y i32[?]\n"
      "  at op_errors_test.cpp:LINE; y from op_errors_test.cpp:LINE\n"
      "  hint: only floating expressions have gradients: cast it to f32 or f64 before it is used");
  CHECK(message_of<kt::GraphError>([&] {
          kt::grad(kt::sum(v), {v, b});
        }) == "grad: the cost sum f32[] does not depend on b f32[10]\n"
              "  at op_errors_test.cpp:LINE; b from op_errors_test.cpp:LINE\n"
              "  hint: leave it out of wrt, or use it in the cost, or ask for zeros: "
              "{.disconnected = Disconnected::zero}");
  CHECK(
      message_of<kt::GraphError>([&] { kt::grad(kt::sum(kt::stop_gradient(v)), v); }) ==
      "grad: the cost sum f32[] does not depend on v f32[?]\n"
      "  at op_errors_test.cpp:LINE; v from op_errors_test.cpp:LINE\n"
      "  hint: no gradient passes through stop_gradient, consider_constant, integers, comparisons "
      "or positions: leave it out of wrt, or ask for zeros: {.disconnected = Disconnected::zero}");
  CHECK(
      message_of<kt::GraphError>([&] { kt::grad(kt::sum(kt::cast<float>(v > 0)), v); }) ==
      "grad: the cost sum f32[] does not depend on v f32[?]\n"
      "  at op_errors_test.cpp:LINE; v from op_errors_test.cpp:LINE\n"
      "  hint: no gradient passes through stop_gradient, consider_constant, integers, comparisons "
      "or positions: leave it out of wrt, or ask for zeros: {.disconnected = Disconnected::zero}");
  CHECK(message_of<kt::UnsupportedError>([&] { kt::grad(kt::sum(kt::mod(v, 2)), v); }) ==
        "grad: mod f32[?] has no gradient\n"
        "  at op_errors_test.cpp:LINE; v from op_errors_test.cpp:LINE\n"
        "  hint: stop_gradient(…) treats it as a constant");
}

TEST_CASE_METHOD(Inputs, "verify_grad", "[function][errors]") {
  CHECK(message_of<kt::GraphError>([&] {
          kt::verify_grad([](auto& a) { return kt::sum(kt::abs(a[0])); },
                          {Array::from({0.000001})});
        }) == "verify_grad: argument 0, position 0: grad says 1, finite differences say "
              "0.10000000000000005\n"
              "  at op_errors_test.cpp:LINE\n"
              "  hint: a kink or a rounded op near the point makes finite differences fail too: "
              "move the point");
  CHECK(message_of<kt::ShapeError>([&] {
          kt::verify_grad([&](auto& a) { return a[0] * kt::vector<double>("free"); },
                          {Array::from({0.000001})});
        }) == "verify_grad: the result mul f64[?] has an unknown size\n"
              "  at op_errors_test.cpp:LINE\n"
              "  hint: let f use the arguments' sizes only");
}
