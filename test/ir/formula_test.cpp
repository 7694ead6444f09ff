/// What `std::cout << e` prints of an expression.
#include <sstream>

#include <kroton/ops/basic.hpp>
#include <kroton/shared.hpp>

#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

std::string text_of(const Expr& e) {
  std::ostringstream out;
  out << e;
  return out.str();
}

} // namespace

TEST_CASE("an expression is printed as a formula with its type", "[ir][formula]") {
  const Expr x = vector<float>("x"), y = vector<float>("y");
  CHECK(text_of(x) == "x : f32[?]");
  CHECK(text_of(2 * x + 1) == "2 * x + 1 : f32[?]");
  CHECK(text_of((x + y) * x) == "(x + y) * x : f32[?]");
  CHECK(text_of(x - (y - x)) == "x - (y - x) : f32[?]");
  CHECK(text_of(x - y - x) == "x - y - x : f32[?]");
  CHECK(text_of(x / (y * x)) == "x / (y * x) : f32[?]");
  CHECK(text_of(-(x + y)) == "-(x + y) : f32[?]");
  CHECK(text_of(!(x < y) && x >= 0) == "!(x < y) && x >= 0 : bool[?]");
  CHECK(text_of(exp(x * -0.5)) == "exp(x * -0.5) : f32[?]");
  CHECK(text_of(sum(x)) == "sum(x, axes=[0]) : f32[]");
  CHECK(text_of(cast<double>(x)) == "f64(x) : f64[?]");
  CHECK(text_of(where(x > y, x, y)) == "where(x > y, x, y) : f32[?]");
  CHECK(text_of(constant(Array::from({1.0, 2.0})) * vector<double>()) ==
        "array1 * input2 : f64[2]");
}

TEST_CASE("shared parts are named, and so are long ones", "[ir][formula]") {
  const Expr x = vector<float>("x"), h = exp(x);
  CHECK(text_of(h * h + 1) == "t1 = exp(x) : f32[?]\nt1 * t1 + 1 : f32[?]");
  // What operands were converted to is not printed.
  CHECK(text_of(vector<double>("d") * sum(x)) == "d * sum(x, axes=[0]) : f64[?]");
  Expr e = x;
  for (int i = 0; i < 60; ++i) e = e + i;
  const std::string text = text_of(e);
  CHECK(text.starts_with("t1 = x + 0 + 1 + 2"));
  CHECK(text.find('\n') < 140);
}

TEST_CASE("no expression is too long to be printed", "[ir][formula]") {
  Expr e = vector<float>("x");
  for (int i = 0; i < 100'000; ++i) e = exp(e) * e;
  const std::string text = text_of(e);
  CHECK(text.size() < 10'000);
  CHECK(text.find("\n… ") != std::string::npos);
  CHECK(text.starts_with("t1 = exp(x) * x : f32[?]\n"));
}

} // namespace kroton::test
