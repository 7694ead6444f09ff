/// What a plan's key covers, and what it does not.
#include <kroton/core.hpp>

#include "jit/function/backends.hpp"
#include "jit/compile/capture.hpp"
#include "jit/bound/plan_key.hpp"
#include "test/support/catch.hpp"

namespace kroton::jit {
namespace {

support::Digest key_of(const std::vector<Expr>& inputs, const std::vector<Expr>& outputs,
                       const Options& options = {}, const Assumptions& assumptions = {}) {
  const Signature s = make_signature(inputs, outputs, options, Location::current());
  const Leaves leaves(s);
  return plan_key({s, leaves, options, assumptions, backend_for(options)->describe()}).digest;
}

Expr row(std::vector<float> values) {
  const auto n = static_cast<std::int64_t>(values.size());
  return constant(Array::from(std::move(values), {n}));
}

} // namespace

TEST_CASE("programs that differ in words alone have one key", "[jit][plan]") {
  const auto key = [](const char* name, const char* dim_name, const Options& options) {
    const Expr x = tensor<float>({dim(dim_name), 3}, name);
    const Expr y = tensor<float>({dim(dim_name), 3}, "y");
    return key_of({x, y}, {tanh(x) * 2 + y}, options);
  };
  CHECK(key("x", "n", {}) == key("weights", "batch", {.name = "other", .threads = 1}));
}

TEST_CASE("whatever changes the result changes the key", "[jit][plan]") {
  const Expr x = matrix<float>("x"), y = matrix<float>("y");
  const Expr named = tensor<float>({dim("n"), dim("n")}, "x"),
             free = tensor<float>({dim("n"), dim("m")}, "x"),
             unnamed = tensor<float>({dim(), dim()}, "x");
  const Dim rows = x.shape()[0];
  const Shared w = shared(Array::zeros<float>({2}), "w"), v = shared(Array::zeros<float>({2}), "v");
  const support::Digest all[] = {
      key_of({x, y}, {x + y}),
      key_of({y, x}, {x + y}),
      key_of({x, y}, {x - y}),
      key_of({x, y}, {x + y, x}),
      key_of({x, y}, {x, x + y}),
      key_of({x}, {x + 1.0F}),
      key_of({x}, {x + 2.0F}),
      key_of({x}, {x + x}),
      key_of({x}, {x}),
      key_of({x}, {transpose(x)}),
      key_of({x}, {sum(x, {0})}),
      key_of({x}, {sum(x, {1})}),
      key_of({named}, {named}),
      key_of({free}, {free}),
      key_of({unnamed}, {unnamed}, {.fp = Fp::strict}),
      key_of({x}, {x + row({1})}),
      key_of({x}, {x + row({2})}),
      key_of({x}, {x}, {.mode = Mode::plain}),
      key_of({x}, {x}, {.fp = Fp::reassoc}),
      key_of({x}, {x}, {.contract = false}),
      key_of({x}, {x}, {.deterministic = false}),
      key_of({x}, {x}, {.target = "x86-64-v2"}),
      key_of({x}, {x}, {}, {.unify = ir::Graph::Unify::required}),
      key_of({x}, {x}, {}, {.sizes = {{rows, 4}}}),
      key_of({x}, {x}, {}, {.sizes = {{rows, 5}}}),
      key_of({x}, {x}, {}, {.sizes = {{x.shape()[1], 4}}}),
      key_of({}, {}, {.updates = {{w, v + 1}}}),
      key_of({}, {}, {.updates = {{w, w + 1}}}),
      key_of({}, {}, {.updates = {{w, w + 1}, {v, w + 1}}}),
  };
  for (std::size_t i = 0; i < std::size(all); ++i)
    for (std::size_t j = 0; j < i; ++j) {
      CAPTURE(i, j);
      CHECK(all[i] != all[j]);
    }
}

TEST_CASE("data that decides nothing is no part of a key", "[jit][plan]") {
  const auto with_array = [](float value) {
    const Expr x = vector<float>("x");
    return key_of({x}, {x + constant(Array::full<float>({2000}, value))});
  };
  CHECK(with_array(1) == with_array(2));
  const auto with_shared = [](float value) {
    const Shared w = shared(Array::full<float>({3}, value));
    return key_of({}, {w * 2});
  };
  CHECK(with_shared(1) == with_shared(2));
}

TEST_CASE("draws count by which of them are the same one", "[jit][plan]") {
  Random rng(1);
  const auto key = [](const Expr& a, const Expr& b) { return key_of({}, {a, a + b}); };
  const Expr first = rng.uniform({9}), second = rng.uniform({9}), third = rng.uniform({9});
  CHECK(key(first, second) == key(second, third));
  CHECK(key(second, first) == key(first, second));
  CHECK(key(first, first) != key(first, second));
}

TEST_CASE("the build has an identity", "[jit][plan]") { CHECK(build_id().size() >= 32); }

} // namespace kroton::jit
