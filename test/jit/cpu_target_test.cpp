#include "jit/cpu/target.hpp"
#include "test/jit/cpu_support.hpp"
#include "test/support/catch.hpp"
#include "test/support/child.hpp"

#include <kroton/error.hpp>

#include <string>

using namespace kroton;
using namespace kroton::test;
using jit::CpuTarget;

TEST_CASE("a level says how wide vectors are", "[jit]") {
  CHECK(CpuTarget::parse("x86-64-v2").vector_bytes == 16);
  CHECK(CpuTarget::parse("v3").vector_bytes == 32);
  CHECK(CpuTarget::parse("v4").vector_bytes == 64);
  CHECK(!CpuTarget::parse("v2").has_fma);
  CHECK(CpuTarget::parse("v3").has_fma);
  CHECK(CpuTarget::parse("v3").describe() == "x86-64-v3 tune=generic");
}

TEST_CASE("the host runs its own level and those below", "[jit]") {
  const CpuTarget host = CpuTarget::host();
  CHECK(host.runs_here());
  CHECK(CpuTarget::parse("") == host);
  CHECK(CpuTarget::parse("host") == host);
  CHECK(CpuTarget::parse("v2").runs_here());
  CpuTarget alien = host;
  alien.features = {"+no-such-feature"};
  CHECK(!alien.runs_here());
}

TEST_CASE("native names the model and its features, and compiles", "[jit]") {
  const CpuTarget native = CpuTarget::parse("native");
  CHECK(native.runs_here());
  CHECK(native.vector_bytes >= CpuTarget::host().vector_bytes);
  CHECK(!native.features.empty());
  const jit::Module module = build(elementwise_text, native);
  const float x = 1, y = 2;
  float out = 0;
  function_of<void(const float*, const float*, float*, long)>(module, "z")(&x, &y, &out, 1);
  CHECK(out == 7.0f);
}

TEST_CASE("an unknown target lists the known ones", "[jit]") {
  CHECK_THROWS_WITH(CpuTarget::parse("x86-64-v9"),
                    "target: there is no target \"x86-64-v9\"\n"
                    "  hint: one of host, native, x86-64-v2, x86-64-v3, x86-64-v4, cuda, cuda:1");
  CHECK_THROWS_AS(CpuTarget::parse("v1"), UnsupportedError);
}

TEST_CASE("requirements are words that this CPU can be asked for", "[jit]") {
  CHECK(CpuTarget::parse("v3").requirements() == "x86-64-v3");
  const CpuTarget native = CpuTarget::parse("native");
  CHECK(native.level == CpuTarget::host().level);
  CHECK_THAT(native.requirements(), contains(native.level + " "));
  CHECK_THAT(native.requirements(), !contains("+") && !contains(native.tune));
  CHECK(jit::has_cpu_feature("x86-64-v2"));
  CHECK(jit::has_cpu_feature("sse4.2"));
  for (const char* word : {"", "v2", "x86-64", "x86-64-v9", "no-such-feature", "+sse4.2"})
    CHECK_FALSE(jit::has_cpu_feature(word));
}

TEST_CASE("child: this CPU is taken for an older one", "[.older-cpu]") {
  CHECK(CpuTarget::host().level == "x86-64-v2");
  CHECK(CpuTarget::parse("native").requirements() == "x86-64-v2");
  CHECK(CpuTarget::parse("v2").runs_here());
  CHECK_FALSE(CpuTarget::parse("v3").runs_here());
  CHECK(CpuTarget::parse("v4,v3,v2").level == "x86-64-v2");
  CHECK_THROWS_AS(CpuTarget::parse("v4,v3"), UnsupportedError);
  CHECK_FALSE(jit::has_cpu_feature("x86-64-v3"));
  CHECK_FALSE(jit::has_cpu_feature("sse4.2"));
}

TEST_CASE("KROTON_CPU takes the CPU for one of a lower level, never of a higher", "[jit]") {
  CHECK(run_child("[.older-cpu]", {{"KROTON_CPU", "x86-64-v2"}}).status == 0);
}

TEST_CASE("of several targets the first that runs here is taken", "[jit]") {
  CHECK(CpuTarget::parse("v2,v3").level == "x86-64-v2");
  CHECK(CpuTarget::parse("x86-64-v2,").level == "x86-64-v2");
  CHECK_THROWS_AS(CpuTarget::parse("v9,v2"), UnsupportedError);
  CHECK_THROWS_AS(CpuTarget::parse(","), UnsupportedError);
}
