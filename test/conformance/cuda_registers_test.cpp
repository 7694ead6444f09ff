/// What ptxas makes of the kernels whose speed is promised: none keeps registers in memory, on any
/// of the architectures, and where several blocks shall run side by side there are registers for
/// them.
#include <regex>

#include <kroton/core.hpp>
#include <kroton/ops/transcendental.hpp>

#include "codegen/cuda/contraction.hpp"
#include "jit/compile/capture.hpp"
#include "jit/cuda/nvrtc.hpp"
#include "jit/function/recipe.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

/// What ptxas says of one entry.
struct Entry {
  std::string name;
  int stack_bytes = -1, spilled_bytes = -1, registers = -1;
};

std::vector<Entry> entries_of(const std::string& text, std::string_view architecture) {
  std::vector<std::string> arguments = jit::cuda::nvrtc_arguments(architecture);
  arguments.push_back("--ptxas-options=-v");
  const std::string log =
      jit::cuda::compile_with_nvrtc({.source = text, .name = "measured", .arguments = arguments})
          .log;
  static const std::regex entry("entry function '(\\w+)'[^']*'[^']*'[^]*?(\\d+) bytes stack frame, "
                                "(\\d+) bytes spill stores, "
                                "(\\d+) bytes spill loads[^]*?Used (\\d+) registers");
  std::vector<Entry> entries;
  for (std::sregex_iterator m(log.begin(), log.end(), entry), end; m != end; ++m)
    entries.push_back(
        {(*m)[1], std::stoi((*m)[2]), std::stoi((*m)[3]) + std::stoi((*m)[4]), std::stoi((*m)[5])});
  INFO(log);
  CHECK(!entries.empty());
  return entries;
}

/// Compiles all kernels of a function; `most_registers` is for each of its entries, but for that
/// whose threads keep 32 elements of rows of any length: 512 of them share a multiprocessor.
void check(const std::vector<Expr>& inputs, const std::vector<Expr>& outputs, int most_registers) {
  const Options options;
  const jit::Recipe recipe{jit::make_signature(inputs, outputs, options, Location::current()),
                           options};
  const jit::Derivation d = recipe.derive({});
  for (const plan::Step& step : d.plan.steps) {
    for (const codegen::CudaText& t : codegen::render_cuda_step(d.plan, step).texts)
      for (std::string_view architecture : {"sm_80", "sm_90", "sm_100"})
        for (const Entry& e : entries_of(t.text, architecture)) {
          INFO(t.text.substr(0, t.text.find('\n')) << ": " << e.name << " for " << architecture);
          CHECK(e.stack_bytes == 0);
          CHECK(e.spilled_bytes == 0);
          CHECK(e.registers <= (e.name == "rows_1024" ? 128 : most_registers));
        }
  }
}

bool has_nvrtc() {
  const std::string problem = jit::cuda::nvrtc_problem();
  if (!problem.empty()) WARN("skipped: no NVRTC: " << problem);
  return problem.empty();
}

} // namespace

TEST_CASE("elementwise kernels and sums have registers for six blocks of 256 threads", "[nvrtc]") {
  if (!has_nvrtc()) return;
  const Expr x = vector<float>("x"), y = vector<float>("y"), m = matrix<float>("m");
  const Expr a = scalar<float>("a"), b = scalar<float>("b"), c = scalar<float>("c");
  check({x, y}, {2 * x + 3 * y - 1}, 40);
  check({a, b, c, x, y}, {tanh(a * x + b) * sigmoid(c * y) + log1p(exp(x))}, 40);
  check({m}, {sum(m)}, 40);
  check({m}, {sum(m, {0})}, 40);
}

TEST_CASE("rows that are kept leave registers for a thousand threads", "[nvrtc]") {
  if (!has_nvrtc()) return;
  const Expr m = matrix<float>("m");
  check({m}, {sum(m, {1})}, 64);
  for (const Dim& n : {dim("n"), Dim(1000), Dim(10'000), Dim(32'768)}) {
    const Expr x = tensor(DType::f32, {dim("rows"), n}, "x"),
               scale = tensor(DType::f32, {n}, "scale");
    const Expr centred = x - expand_dims(mean(x, {1}), {1});
    check({x}, {softmax(x)}, 64);
    check({x}, {log_softmax(x)}, 64);
    check({x, scale},
          {centred / sqrt(expand_dims(mean(centred * centred, {1}), {1}) + 1e-5f) * scale}, 64);
  }
}

} // namespace kroton::test
