/// Every kernel of the CUDA dialect that the conformance suite's functions have, through NVRTC for
/// several architectures, without a warning. Many kernels share a program: each in a namespace of
/// its own, after one prelude.
#include <atomic>
#include <mutex>
#include <set>
#include <thread>

#include <kroton/random.hpp>

#include "codegen/cuda_contraction.hpp"
#include "codegen/prelude.hpp"
#include "jit/capture.hpp"
#include "jit/cuda/nvrtc.hpp"
#include "jit/recipe.hpp"
#include "test/conformance/arrays.hpp"
#include "test/conformance/subjects.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

using codegen::Dialect;

/// The functions of kernels, each once.
class Bodies {
public:
  void add(const std::vector<Expr>& inputs, const std::vector<Expr>& outputs, Mode mode,
           std::vector<Update> updates = {}) {
    Options options{.mode = mode};
    options.updates = std::move(updates);
    const jit::Recipe recipe{jit::make_signature(inputs, outputs, options, Location::current()),
                             options};
    const jit::Derivation d = recipe.derive({});
    for (const plan::Step& s : d.plan.steps) add(codegen::render_cuda_step(d.plan, s));
  }
  void add(const Subject& s, Mode mode) {
    std::vector<Expr> outputs;
    for (const Case& c : s.cases) outputs.push_back(c.expr);
    add(s.inputs, outputs, mode);
  }
  std::size_t size() const { return bodies_.size(); }

  /// Programs of `most` kernels each.
  std::vector<std::string> programs(std::size_t most) const {
    std::vector<std::string> all;
    std::string bodies;
    std::size_t count = 0;
    const auto close = [&] {
      if (bodies.empty()) return;
      const auto names = codegen::prelude_names_in(bodies, Dialect::cuda);
      all.push_back(codegen::prelude_for(names, Dialect::cuda) + bodies);
      bodies.clear();
    };
    for (const std::string& body : bodies_) {
      bodies += fmt::format("\nnamespace kernel_{} {{\n{}}}\n", count, body);
      if (++count % most == 0) close();
    }
    close();
    return all;
  }

private:
  /// Entries of several namespaces have the same names: they are no C functions here.
  void add(const codegen::CudaText& text) {
    std::string body = text.text.substr(text.body);
    constexpr std::string_view c_function = "extern \"C\" ";
    for (std::size_t at = body.find(c_function); at != body.npos; at = body.find(c_function, at))
      body.erase(at, c_function.size());
    bodies_.insert(std::move(body));
  }

  std::set<std::string> bodies_;
};

/// Whether there is a compiler; says so if there is none.
bool has_nvrtc() {
  const std::string problem = jit::cuda::nvrtc_problem();
  if (!problem.empty()) WARN("skipped: no NVRTC: " << problem);
  return problem.empty();
}

/// Compiles the programs on all CPUs, for each architecture.
void check_compiled(const Bodies& bodies, std::span<const std::string_view> architectures) {
  constexpr std::size_t kernels_of_program = 24;
  const std::vector<std::string> programs = bodies.programs(kernels_of_program);
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::string problems;
  const auto work = [&] {
    for (std::size_t i; (i = next++) < programs.size() * architectures.size();) {
      const std::string& program = programs[i / architectures.size()];
      const std::string_view architecture = architectures[i % architectures.size()];
      std::string problem;
      try {
        problem =
            jit::cuda::compile_with_nvrtc({.source = program,
                                           .name = "conformance",
                                           .arguments = jit::cuda::nvrtc_arguments(architecture)})
                .log;
      } catch (const Error& e) {
        problem = e.what();
      }
      if (problem.empty()) continue;
      const std::scoped_lock lock(mutex);
      problems += fmt::format("for {}:\n{}\n", architecture, problem);
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i)
    threads.emplace_back(work);
  for (std::thread& t : threads) t.join();
  INFO(bodies.size() << " kernels in " << programs.size() << " programs");
  CHECK(problems == "");
}

constexpr std::string_view every_architecture[] = {"sm_80", "sm_90", "sm_100"};

void add_elementwise(Bodies& bodies, DType t, Mode mode) {
  for (const Operands& o : layouts(t)) {
    std::vector<Expr> outputs;
    for (const Instance& i : instances(o, t)) outputs.push_back(i.expr);
    bodies.add(o.inputs, outputs, mode);
  }
}

void add_others(Bodies& bodies, DType t, Mode mode) {
  for (const Op* op : ops::all())
    if (op->has(ir::Trait::reduction) && takes(*op, t)) bodies.add(reductions(*op, t), mode);
  for (const Subject& s : {movement(t), indexing(t), leaves(t)}) bodies.add(s, mode);
  if (!is_bool(t)) bodies.add(products(t), mode);
}

/// Composed functions, with sizes that are known and that are not.
void add_composed(Bodies& bodies) {
  for (const Dim& n : {dim("n"), Dim(1), Dim(10), Dim(100), Dim(1000), Dim(5000), Dim(40000)}) {
    const Expr x = tensor(DType::f32, {dim("rows"), n}, "x"), v = tensor(DType::f32, {n}, "v"),
               y = tensor(DType::i32, {dim("rows")}, "y");
    const Expr p = softmax(x);
    const Expr loss = -mean(index(log_softmax(x), {arange(y.dim(0)), y}));
    const auto g = grad(loss, std::vector<Expr>{x});
    bodies.add({x}, {p}, Mode::fast);
    bodies.add({x, y}, {argmax(p, 1), loss, g[0], sum(g[0], {0})}, Mode::fast);
    const Expr centred = x - expand_dims(mean(x, {1}), {1});
    bodies.add({x, v}, {centred / sqrt(expand_dims(mean(centred * centred, {1}), {1}) + 1e-5f) * v},
               Mode::fast);
    Random rng(1);
    bodies.add({x, v}, {where(rng.uniform(x.shape(), DType::f32) < 0.5f, relu(x + v), 0.0f)},
               Mode::fast);
  }
}

} // namespace

TEST_CASE("NVRTC makes machine code and PTX of a text, and knows its own version", "[nvrtc]") {
  if (!has_nvrtc()) return;
  const std::string text = "extern \"C\" __global__ void zero(float* x) { x[threadIdx.x] = 0; }";
  const auto out = jit::cuda::compile_with_nvrtc(
      {.source = text, .name = "zero", .arguments = jit::cuda::nvrtc_arguments("sm_90")});
  CHECK(out.cubin.starts_with("\x7f"
                              "ELF"));
  CHECK(out.ptx.find(".entry zero(") != std::string::npos);
  CHECK(out.ptx.find(".target sm_90") != std::string::npos);
  CHECK(out.log == "");
  CHECK(jit::cuda::nvrtc_fingerprint().starts_with("NVRTC 1"));
}

TEST_CASE("what NVRTC refuses is an error with its log and the kernel's name", "[nvrtc]") {
  if (!has_nvrtc()) return;
  const std::string text = "extern \"C\" __global__ void broken() { missing(); }";
  try {
    jit::cuda::compile_with_nvrtc(
        {.source = text, .name = "broken", .arguments = jit::cuda::nvrtc_arguments("sm_90")});
    FAIL("no error");
  } catch (const CompileError& e) {
    CHECK(std::string(e.what()).find("NVRTC refused kernel broken") != std::string::npos);
    CHECK(std::string(e.what()).find("missing") != std::string::npos);
  }
}

TEST_CASE("NVRTC's warnings are handed over", "[nvrtc]") {
  if (!has_nvrtc()) return;
  const std::string text = "extern \"C\" __global__ void odd() { int unused; }";
  const auto out = jit::cuda::compile_with_nvrtc(
      {.source = text, .name = "odd", .arguments = jit::cuda::nvrtc_arguments("sm_80")});
  CHECK(out.log.find("unused") != std::string::npos);
}

TEST_CASE("composed functions compile for all devices without a warning", "[nvrtc]") {
  if (!has_nvrtc()) return;
  Bodies bodies;
  add_composed(bodies);
  check_compiled(bodies, every_architecture);
}

TEST_CASE("every op of f32 compiles for a device without a warning", "[nvrtc]") {
  if (!has_nvrtc()) return;
  Bodies bodies;
  add_elementwise(bodies, DType::f32, Mode::fast);
  add_others(bodies, DType::f32, Mode::fast);
  check_compiled(bodies, std::span(every_architecture).subspan(1, 1));
}

TEST_CASE("every op in every dtype, fused and alone, compiles for all devices without a warning",
          "[nvrtc][.slow]") {
  if (!has_nvrtc()) return;
  for (DType t : all_dtypes) {
    Bodies bodies;
    for (Mode mode : {Mode::fast, Mode::plain}) {
      add_elementwise(bodies, t, mode);
      add_others(bodies, t, mode);
    }
    INFO(to_string(t));
    check_compiled(bodies, every_architecture);
  }
}

} // namespace kroton::test
