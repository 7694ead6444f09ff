/// The rows of library calls, and the functions that the backends have for them.
#include "codegen/cuda/library.hpp"
#include "jit/cpu/library.hpp"
#include "jit/bound/ranges.hpp"
#include "lib/ops/table.hpp"
#include "test/support/catch.hpp"

namespace kroton::jit {
namespace {

/// Whether nothing but its call computes the op.
bool is_called(const ir::Op& op) { return op.is(ir::Kind::library) || op.is(ir::Kind::scatter); }

} // namespace

TEST_CASE("every op that a library call computes has a function for the CPU and a whole row",
          "[jit]") {
  int called = 0;
  for (const ir::Op* op : ops::all()) {
    INFO(op->name);
    CHECK((op->call != nullptr) == (is_called(*op) || op->is(ir::Kind::contraction)));
    if (!op->call) continue;
    CHECK(cpu_function(*op).run);
    if (!is_called(*op)) continue;
    ++called;
    CHECK(op->call->takes);
    CHECK_FALSE(op->call->operands.empty());
    CHECK_FALSE(op->call->results.empty());
  }
  CHECK(called > 0);
}

TEST_CASE("what can fail says how, and nothing else does", "[jit]") {
  for (const ir::Op* op : ops::all()) {
    INFO(op->name);
    CHECK(op->has(ir::Property::fallible) == (op->fail != nullptr));
    if (op->call && op->call->positions) CHECK(op->has(ir::Property::fallible));
  }
}

TEST_CASE("kernels of library calls for CUDA take dense arrays", "[jit][cuda]") {
  for (const ir::Op* op : ops::all()) {
    if (!codegen::cuda_function(*op)) continue;
    INFO(op->name);
    REQUIRE(op->call);
    for (const ir::Layout layout : op->call->operands) CHECK(layout == ir::Layout::dense);
    for (const ir::CallResult& result : op->call->results)
      CHECK(result.layout == ir::Layout::dense);
  }
}

TEST_CASE("a call of which no position is known beforehand is never known not to fail", "[jit]") {
  RangeCode code;
  std::vector<support::Interval> values;
  code.run({}, {}, values);
  CHECK(code.holds({}, values));
  code.is_complete = false;
  CHECK_FALSE(code.holds({}, values));
}

} // namespace kroton::jit
