/// Arrays of bool whose bytes are not 0 and 1, as other libraries may hand them over: true unless
/// they are 0, in every kernel.
#include <kroton/core.hpp>
#include <kroton/ops/reduction.hpp>

#include <cstring>
#include <utility>
#include <vector>

#include "test/support/catch.hpp"

namespace kt = kroton;
using kt::Array;
using kt::DType;
using kt::Expr;

namespace {

/// n bytes of any kind, and the bools that they mean.
struct Foreign {
  std::vector<unsigned char> bytes;
  Array view, meant;

  Foreign(const kt::Shape& shape, unsigned step) {
    std::int64_t n = 1;
    for (std::int64_t d : shape) n *= d;
    for (std::int64_t i = 0; i < n; ++i) {
      const unsigned any = static_cast<unsigned>(i) * step;
      bytes.push_back(any % 3 == 0 ? 0
                                   : static_cast<unsigned char>(any % 7 == 0 ? 2 : any * 2 | 2));
    }
    view = Array::view(DType::bool_, static_cast<const void*>(bytes.data()), shape);
    meant = Array::empty<bool>(shape);
    for (std::int64_t i = 0; i < n; ++i)
      meant.data<bool>()[i] = bytes[static_cast<std::size_t>(i)] != 0;
  }
};

/// What a function of two arrays of bool may do with them, rank by rank.
std::vector<Expr> uses_of(const Expr& a, const Expr& b) {
  std::vector<Expr> uses{a,
                         !a,
                         a && b,
                         a || b,
                         a == b,
                         a != b,
                         where(a, 2.0f, 3.0f),
                         where(a, b, !b),
                         cast<float>(a),
                         cast<std::int32_t>(a) * 7,
                         cast<std::uint8_t>(a),
                         cast<double>(a) + cast<double>(b),
                         maximum(cast<std::int8_t>(a), cast<std::int8_t>(b)),
                         sum(cast<std::int64_t>(a)),
                         sum(where(a, 1.0f, 0.0f)),
                         max(a),
                         min(a)};
  const int rank = a.rank();
  for (int axis = 0; axis < rank; ++axis) {
    uses.push_back(sum(cast<std::int32_t>(a), {axis}));
    uses.push_back(max(a, {axis}));
    uses.push_back(min(a && b, {axis}));
    uses.push_back(argmax(a, axis));
    uses.push_back(argmin(a, axis));
    uses.push_back(argmax(where(a, 5, 1) + where(b, 1, 0), axis));
  }
  if (rank == 2) {
    uses.push_back(transpose(a));
    uses.push_back(where(transpose(a), 1.0f, 2.0f));
    uses.push_back(where(transpose(a), cast<float>(transpose(b)), 2.0f));
    uses.push_back(dot(cast<float>(a), cast<float>(transpose(b))));
  }
  if (rank >= 1) {
    const Expr positions = kt::constant(Array::from<std::int64_t>({2, 0, 2}));
    uses.push_back(index(a, {positions}));
    uses.push_back(where(index(a, {positions}), 1, 2));
    uses.push_back(index(a, {kt::Range{{}, {}, -1}}));
  }
  return uses;
}

void check(const Foreign& a, const Foreign& b, bool has_known_sizes, kt::Options options) {
  const auto input = [&](const char* name) {
    std::vector<kt::Dim> dims(a.view.shape().begin(), a.view.shape().end());
    if (!has_known_sizes)
      for (kt::Dim& d : dims) d = kt::dim();
    return kt::tensor(DType::bool_, dims, name);
  };
  const Expr x = input("x"), y = input("y");
  const std::vector<Expr> uses = uses_of(x, y);
  options.specialize = kt::Specialize::off;
  const kt::Function f = kt::function({x, y}, uses, options);
  const std::vector<Array> got = f({a.view, b.view}), expected = f({a.meant, b.meant});
  for (std::size_t i = 0; i < uses.size(); ++i) {
    CAPTURE(i, a.view.label(), has_known_sizes, got[i].label());
    const std::size_t nbytes = got[i].nbytes();
    const Array dense = got[i].to_host().is_contiguous() ? got[i].to_host() : got[i].contiguous();
    CHECK(std::memcmp(std::as_const(dense).raw(), expected[i].contiguous().raw(), nbytes) == 0);
  }
}

} // namespace

TEST_CASE("kernels take any byte but 0 for true", "[function][call]") {
  for (const kt::Shape& shape :
       {kt::Shape{}, kt::Shape{3}, kt::Shape{1000}, kt::Shape{5, 7}, kt::Shape{70, 40}})
    for (const bool has_known_sizes : {false, true})
      check(Foreign(shape, 1), Foreign(shape, 5), has_known_sizes, {});
}

TEST_CASE("plain and verified functions take any byte but 0 for true", "[function]") {
  check(Foreign({5, 7}, 1), Foreign({5, 7}, 5), false, {.mode = kt::Mode::plain});
  check(Foreign({5, 7}, 1), Foreign({5, 7}, 5), false, {.mode = kt::Mode::verify});
}

TEST_CASE("arrays of foreign bools may be strided, shared and constant", "[function]") {
  const Foreign a({6, 4}, 1);
  const Array turned = a.view.transpose();
  const auto x = kt::matrix<bool>("x");
  auto w = kt::shared(a.view, "w");
  const kt::Function f = kt::function(
      {x}, {where(x, 1.0f, 0.0f), where(w, 1.0f, 0.0f), where(kt::constant(a.view), 1.0f, 0.0f)});
  const std::vector<Array> got = f({turned});
  CHECK(equal(got[0], a.meant.transpose().astype<float>()));
  CHECK(equal(got[1], a.meant.astype<float>()));
  CHECK(equal(got[2], a.meant.astype<float>()));
  const unsigned char two = 2;
  const auto t = kt::scalar<bool>("t");
  const Array scalar = Array::view(DType::bool_, static_cast<const void*>(&two), {});
  CHECK(kt::function({t}, where(t, 1, 0))({scalar})[0].item<std::int64_t>() == 1);
  CHECK(
      kt::function({t}, where(t == kt::constant(scalar), 1, 0))({scalar})[0].item<std::int64_t>() ==
      1);
}
