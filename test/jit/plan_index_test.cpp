/// Plans in the cache, and the code that stays with them.
#include <kroton/core.hpp>

#include "jit/bound/bind.hpp"
#include "jit/compile/capture.hpp"
#include "jit/bound/plan_index.hpp"
#include "jit/function/backends.hpp"
#include "jit/function/recipe.hpp"
#include "test/support/catch.hpp"

namespace kroton::jit {

TEST_CASE("the code of a plan stays in the process with its artifact", "[jit][plan]") {
  const Expr x = vector<float>("x");
  const Recipe recipe{make_signature({x}, {x + 1.0F, sum(x * x)}, {}, Location::current()), {}};
  const Leaves leaves(recipe.signature);
  const Derivation d = recipe.derive({});
  const auto backend = backend_for({});
  const auto key = cache::KeyBuilder{"plan/1"}.add("graph", "of this test").build();
  const auto code_of = [&](cache::Store& store) {
    const PlanLookup lookup = find_plan(store, key, recipe.signature, leaves, *backend);
    REQUIRE(lookup.found);
    REQUIRE(lookup.found->kernels.size() == d.texts.kernels.size());
    return std::weak_ptr<const Code>(lookup.found->kernels[0].code);
  };

  cache::Store store({.memory_only = true});
  std::weak_ptr<const Code> made;
  {
    const auto kernels = get_kernels(d.texts.kernels, *backend, store);
    std::vector<BoundPlan::Kernel> bound;
    for (const LoadedKernel& k : kernels) bound.push_back({k.digest, "of this test"});
    made = kernels[0].code;
    keep_plan(store, key, bind_plan(d, recipe.signature, leaves, std::move(bound)), kernels,
              *backend);
  }
  CHECK(made.lock());
  CHECK(code_of(store).lock() == made.lock());

  store.publish(key, {{{"plan", "another"}}});
  CHECK_FALSE(made.lock());
}

} // namespace kroton::jit
