/// Plans as bytes: whole, damaged, and made up.
#include <kroton/core.hpp>

#include <functional>
#include <stdexcept>

#include "jit/bound/bind.hpp"
#include "jit/compile/capture.hpp"
#include "jit/bound/plan_file.hpp"
#include "jit/function/recipe.hpp"
#include "lib/ops/basic.hpp"
#include "lib/ops/table.hpp"
#include "test/support/catch.hpp"

namespace kroton::jit {
namespace {

struct Sample {
  Recipe recipe;
  Leaves leaves{recipe.signature};
  BoundPlan plan;

  explicit Sample(Signature signature) : recipe{std::move(signature), {}} {
    const Derivation d = recipe.derive({});
    std::vector<BoundPlan::Kernel> kernels;
    for (const KernelText& t : d.texts.kernels)
      kernels.push_back({support::digest_of(*t.text), t.title});
    plan = bind_plan(d, recipe.signature, leaves, std::move(kernels));
  }
  bool fits(const BoundPlan& p) const { return jit::fits(p, recipe.signature, leaves); }
};

/// Ranges as a plan for a device has them: of i, i + 1 and as many positions as i has.
RangeCode ranges_of(const BoundPlan& plan) {
  using Instruction = RangeCode::Instruction;
  const BoundPlan::Source& i = *std::ranges::find_if(plan.sources, [&](const auto& s) {
    return s.kind == BoundPlan::Source::argument &&
           plan.buffers[static_cast<std::size_t>(s.buffer)].dtype == DType::i64;
  });
  const int length = plan.buffers[static_cast<std::size_t>(i.buffer)].shape.at(0);
  const auto row = static_cast<int>(std::ranges::find(ops::all(), &ops::add) - ops::all().begin());
  return {.leaves = {i.buffer},
          .code = {{.kind = Instruction::leaf, .a = 0},
                   {.kind = Instruction::number, .value = 1},
                   {.kind = Instruction::op, .row = row, .a = 0, .b = 1},
                   {.kind = Instruction::count, .a = length}},
          .checks = {{2, length}, {3, length}}};
}

/// All that a plan can hold: products of sizes known and unknown, accumulation, a scatter, folded
/// and large arrays, scalars, sizes from values, updates, a reduction over rows.
Sample everything() {
  const Expr x = matrix<float>("x"), i = vector<std::int64_t>("i");
  const Expr n = kroton::scalar<std::int64_t>("n");
  const Shared w = shared(Array::full<float>({6, 4}, 0.5F), "w");
  const Expr big = constant(Array::full<float>({2000}, 1)),
             small = constant(Array::from(std::vector<float>{1, 2, 3, 4}, {4})) * 3 + 1;
  const Expr cost = sum(tanh(dot(x, w)) * small) + sum(index(x, {i}));
  const std::vector<Expr> g = grad(cost, std::vector<Expr>{x, w});
  Options options{.updates = {{w, w - 0.1F * g[1]}}};
  Sample sample(make_signature({x, i, n}, {cost, g[0], big * 2, dot(x, transpose(x)), arange(n)},
                               options, Location::current()));
  sample.plan.ranges = ranges_of(sample.plan);
  return sample;
}

std::vector<bound::CpuStep>& cpu_steps(BoundPlan& p) {
  return std::get<std::vector<bound::CpuStep>>(p.steps);
}

/// The first step that is a T.
template <class T> T& first(BoundPlan& p) {
  for (bound::CpuStep& s : cpu_steps(p))
    if (T* found = std::get_if<T>(&s.what)) return *found;
  throw std::runtime_error("the sample has no such step");
}

const support::Digest key = support::digest_of("some key");

std::string sealed(std::string content) {
  support::Hasher hasher;
  hasher.add(std::as_bytes(std::span(key.bytes)));
  hasher.add(content);
  const support::Digest seal = hasher.digest();
  return content.append(reinterpret_cast<const char*>(seal.bytes.data()), seal.bytes.size());
}

} // namespace

TEST_CASE("a plan that was written is read back as it was", "[jit][plan]") {
  const Sample s = everything();
  const auto read = read_plan(write_plan(s.plan, key), key);
  REQUIRE(read);
  CHECK(*read == s.plan);
  CHECK(s.fits(*read));
}

TEST_CASE("a plan with any byte changed, or cut anywhere, is refused", "[jit][plan]") {
  const std::string bytes = write_plan(everything().plan, key);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::string damaged = bytes;
    damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
    if (read_plan(damaged, key)) FAIL_CHECK("byte " << i << " was changed, unnoticed");
    if (read_plan(bytes.substr(0, i), key)) FAIL_CHECK("cut to " << i << " bytes, unnoticed");
  }
  CHECK_FALSE(read_plan(bytes + '\0', key));
  CHECK_FALSE(read_plan(bytes, support::digest_of("another key")));
}

TEST_CASE("what a wrong writer would seal is refused, or read for what it says", "[jit][plan]") {
  const Sample s = everything();
  const std::string whole = write_plan(s.plan, key);
  const std::string content = whole.substr(0, whole.size() - key.bytes.size());
  int refused = 0;
  for (std::size_t i = 0; i < content.size(); ++i)
    for (const int change : {0x01, 0x40, 0x80, 0xFF}) {
      std::string changed = content;
      changed[i] = static_cast<char>(changed[i] ^ change);
      const std::string bytes = sealed(std::move(changed));
      const auto read = read_plan(bytes, key);
      if (!read || !s.fits(*read)) ++refused;
      if (read && write_plan(*read, key) != bytes) FAIL_CHECK("byte " << i << " has two spellings");
    }
  CHECK(refused > 0);
  for (std::size_t i = 0; i < content.size(); ++i)
    if (read_plan(sealed(content.substr(0, i)), key)) FAIL_CHECK("cut to " << i << " bytes");
}

TEST_CASE("numbers that lead nowhere do not fit", "[jit][plan]") {
  const Sample s = everything();
  const auto kernel = [](BoundPlan& p) -> bound::CpuKernel& { return first<bound::CpuKernel>(p); };
  const auto product = [](BoundPlan& p) -> bound::CpuProduct& {
    return first<bound::CpuProduct>(p);
  };
  const auto call = [](BoundPlan& p) -> bound::Call& { return first<bound::CpuCall>(p).call; };
  const std::pair<const char*, std::function<void(BoundPlan&)>> changes[] = {
      {"a size's target", [](auto& p) { p.sizes.code.at(0).target = 1 << 20; }},
      {"a size's operand", [](auto& p) { p.sizes.code.at(0).a = -1; }},
      {"a symbol's argument", [](auto& p) { p.symbols.at(0).argument = 3; }},
      {"a symbol's axis", [](auto& p) { p.symbols.at(0).axis = 2; }},
      {"a draw's slot",
       [](auto& p) {
         p.draws.push_back({9999, 0});
       }},
      {"a draw of no program",
       [](auto& p) {
         p.draws.push_back({0, 0});
       }},
      {"a matrix for a number", [](auto& p) { p.symbols.at(0).axis = -1; }},
      {"a buffer's shape", [](auto& p) { p.buffers.at(0).shape = {1 << 20}; }},
      {"a buffer of nothing", [](auto& p) { p.buffers.push_back({}); }},
      {"a buffer in two places", [](auto& p) { p.sources.push_back(p.sources.at(0)); }},
      {"a source's buffer", [](auto& p) { p.sources.at(0).buffer = -1; }},
      {"a source's index", [](auto& p) { p.sources.at(0).index = 99; }},
      {"an array of another shape", [](auto& p) { p.constants.at(0).shape = {7}; }},
      {"an array's bytes",
       [](auto& p) {
         for (auto& c : p.constants) c.bytes += 'x';
       }},
      {"an arena slot", [](auto& p) { p.temps.at(0).second = 1000; }},
      {"a kernel", [&](auto& p) { kernel(p).code = 1000; }},
      {"a kernel's buffer", [&](auto& p) { kernel(p).arguments.buffers.at(0) = 1000; }},
      {"a kernel's sizes", [&](auto& p) { kernel(p).arguments.first_size = 100000; }},
      {"a kernel's scratch", [&](auto& p) { kernel(p).scratch = 1 << 20; }},
      {"a product's scheme", [&](auto& p) { product(p).code_of_scheme = {}; }},
      {"a product's rank", [&](auto& p) { product(p).product.shape.resize(1); }},
      {"a product's vectors", [&](auto& p) { product(p).product.known.vector_bytes = 0; }},
      {"a product's known size",
       [&](auto& p) {
         for (bound::CpuStep& s : cpu_steps(p))
           if (auto* c = std::get_if<bound::CpuProduct>(&s.what); c && c->product.known.known.k)
             ++*c->product.known.known.k;
       }},
      {"a product that adds to something, or no longer does",
       [&](auto& p) {
         auto& addend = product(p).product.addend;
         addend = addend ? std::nullopt : std::optional(bound::Product::Addend{});
       }},
      {"a call's op", [&](auto& p) { call(p).op = 1000; }},
      {"a call of an op that is none", [&](auto& p) { call(p).op = 0; }},
      {"a call without positions", [&](auto& p) { call(p).operands.resize(1); }},
      {"a call without a result", [&](auto& p) { call(p).results.clear(); }},
      {"a call's numbers", [&](auto& p) { --call(p).arguments.sizes; }},
      {"a call's strides", [&](auto& p) { call(p).operands.at(0).memory.strides.clear(); }},
      {"a call's buffer", [&](auto& p) { call(p).operands.at(1).memory.buffer = -1; }},
      {"steps of a device", [](auto& p) { p.steps = std::vector<bound::DeviceStep>(); }},
      {"an output's dtype", [](auto& p) { p.outputs.at(0).dtype = DType::f64; }},
      {"a missing output", [](auto& p) { p.outputs.pop_back(); }},
      {"a range's leaf", [](auto& p) { p.ranges.leaves.at(0) = 1000; }},
      {"a range's leaf of another dtype", [](auto& p) { p.ranges.code.at(0).dtype = DType::i32; }},
      {"a range of floats", [](auto& p) { p.ranges.code.at(1).dtype = DType::f32; }},
      {"a range's operand", [](auto& p) { p.ranges.code.at(2).b = 2; }},
      {"a range's row", [](auto& p) { p.ranges.code.at(2).row = 1000; }},
      {"a row without ranges", [](auto& p) { p.ranges.code.at(2).row = 0; }},
      {"a range's size", [](auto& p) { p.ranges.code.at(3).a = -1; }},
      {"a check's value", [](auto& p) { p.ranges.checks.at(0).value = 4; }},
      {"a check's size", [](auto& p) { p.ranges.checks.at(0).size = -1; }},
  };
  for (const auto& [what, change] : changes) {
    BoundPlan p = s.plan;
    change(p);
    CAPTURE(what);
    REQUIRE_FALSE(p == s.plan);
    CHECK_FALSE(s.fits(p));
  }
}

TEST_CASE("sequences that cannot be are refused", "[jit][plan]") {
  const Expr q = tensor<float>({10}, "q"), d = q - mean(q);
  const Sample s(
      make_signature({q}, {sum(d * d), d / sum(exp(d))}, Options{}, Location::current()));
  REQUIRE(s.plan.sequences.size() == 1);
  REQUIRE(s.plan.sequences[0].count ==
          static_cast<int>(std::get<std::vector<bound::CpuStep>>(s.plan.steps).size()));
  const auto read = read_plan(write_plan(s.plan, key), key);
  REQUIRE(read);
  CHECK(*read == s.plan);
  BoundPlan deferred = s.plan; // as it is kept
  const int text = deferred.sequences[0].code;
  for (std::size_t i = 0; i < deferred.kernels.size(); ++i)
    deferred.kernels[i].is_deferred = static_cast<int>(i) != text;
  CHECK(s.fits(deferred));

  const std::pair<const char*, std::function<void(BoundPlan&)>> changes[] = {
      {"a first step that is not there", [](auto& p) { p.sequences[0].first = -1; }},
      {"a last step that is not there", [](auto& p) { ++p.sequences[0].count; }},
      {"no steps", [](auto& p) { p.sequences[0].count = 0; }},
      {"a step without code", [](auto& p) { --p.sequences[0].count; }},
      {"a kernel that is not there", [](auto& p) { p.sequences[0].code = 1000; }},
      {"a kernel without code", [](auto& p) { p.sequences[0].code = 0; }},
      {"sizes that are not there", [](auto& p) { p.sequences[0].first_size = 1000; }},
      {"a step of two sequences", [](auto& p) { p.sequences.push_back(p.sequences[0]); }},
      {"a failure in the middle", [](auto& p) { cpu_steps(p)[0].is_fallible = true; }},
      {"no sequence for steps without code", [](auto& p) { p.sequences.clear(); }},
  };
  for (const auto& [what, change] : changes) {
    BoundPlan p = deferred;
    change(p);
    CAPTURE(what);
    CHECK_FALSE(s.fits(p));
  }
}

} // namespace kroton::jit
