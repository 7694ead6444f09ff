/// Every kernel of the CUDA dialect that the conformance suite's functions have, through NVRTC for
/// several architectures, without a warning. Many kernels share a program: each in a namespace of
/// its own, after one prelude. Where a program will not do, the kernels at fault are looked for.
#include <atomic>
#include <map>
#include <mutex>
#include <thread>

#include <kroton/random.hpp>
#include <kroton/ops/activation.hpp>
#include <kroton/ops/scatter.hpp>

#include "codegen/cuda/contraction.hpp"
#include "codegen/prelude/prelude.hpp"
#include "jit/compile/capture.hpp"
#include "jit/cuda/nvrtc.hpp"
#include "jit/function/recipe.hpp"
#include "lib/ops/table.hpp"
#include "test/conformance/arrays.hpp"
#include "test/conformance/subjects.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {
namespace {

using codegen::Dialect;

/// A kernel without its prelude.
struct Body {
  std::string functions;
  std::string comment; ///< what it computes
};

/// The functions of kernels, each once.
class Bodies {
public:
  void add(const std::vector<Expr>& inputs, const std::vector<Expr>& outputs, Mode mode,
           std::vector<Update> updates = {}) {
    Options options{.mode = mode};
    options.updates = std::move(updates);
    add(inputs, outputs, options);
  }
  void add(const std::vector<Expr>& inputs, const std::vector<Expr>& outputs,
           const Options& options) {
    const jit::Recipe recipe{jit::make_signature(inputs, outputs, options, Location::current()),
                             options};
    const jit::Derivation d = recipe.plan({}, true);
    for (const plan::Step& s : d.plan.steps) add(codegen::render_cuda_step(d.plan, s));
  }
  void add(const Subject& s, Mode mode) {
    if (s.cases.empty()) return;
    std::vector<Expr> outputs;
    for (const Case& c : s.cases) outputs.push_back(c.expr);
    add(s.inputs, outputs, mode);
  }
  std::vector<Body> all() const {
    std::vector<Body> bodies;
    for (const auto& [functions, comment] : comments_) bodies.push_back({functions, comment});
    return bodies;
  }

private:
  void add(const codegen::CudaStep& step) {
    for (const codegen::CudaText& t : step.texts) add(t);
    if (step.epilogue) add(*step.epilogue);
  }
  /// Entries of several namespaces have the same names: they are no C functions here.
  void add(const codegen::CudaText& text) {
    std::string functions = text.text.substr(text.body);
    constexpr std::string_view c_function = "extern \"C\" ";
    for (std::size_t at = functions.find(c_function); at != functions.npos;
         at = functions.find(c_function, at))
      functions.erase(at, c_function.size());
    std::size_t end = 0;
    while (text.text.compare(end, 2, "//") == 0) end = text.text.find('\n', end) + 1;
    comments_.emplace(std::move(functions), text.text.substr(0, end));
  }

  std::map<std::string, std::string> comments_; ///< by functions
};

/// Whether there is a compiler; says so if there is none.
bool has_nvrtc() {
  const std::string problem = jit::cuda::nvrtc_problem();
  if (!problem.empty()) WARN("skipped: no NVRTC: " << problem);
  return problem.empty();
}

std::string program_of(std::span<const Body> bodies) {
  std::string text;
  for (std::size_t i = 0; i < bodies.size(); ++i)
    text += fmt::format("\nnamespace kernel_{} {{\n{}}}\n", i, bodies[i].functions);
  return codegen::prelude_for(codegen::prelude_names_in(text, Dialect::cuda), Dialect::cuda) + text;
}

/// The errors or warnings that a program has.
std::string complaints(const std::string& program, const std::vector<std::string>& arguments) {
  try {
    return jit::cuda::compile_with_nvrtc(
               {.source = program, .name = "conformance", .arguments = arguments})
        .log;
  } catch (const Error& e) {
    return e.what();
  }
}

/// What is wrong with these kernels, compiled together; halves them until it is known which it is.
std::string problems_of(std::span<const Body> bodies, const std::vector<std::string>& arguments) {
  const std::string together = complaints(program_of(bodies), arguments);
  if (together.empty()) return {};
  if (bodies.size() == 1)
    return fmt::format("{}\n{}{}\n{}\n", arguments.front(), bodies[0].comment, bodies[0].functions,
                       together);
  const std::size_t half = bodies.size() / 2;
  const std::string apart =
      problems_of(bodies.first(half), arguments) + problems_of(bodies.subspan(half), arguments);
  return apart.empty()
             ? fmt::format("{} kernels, none of them alone: {}\n", bodies.size(), together)
             : apart;
}

/// How hard the compiler tries. What it refuses does not depend on it; what it costs does, by far.
enum class Effort : std::uint8_t { as_in_use, little };

std::vector<std::string> arguments_for(std::string_view architecture, Effort effort) {
  static const bool can_hurry = [] { // CUDA 12.9 or later
    std::vector<std::string> arguments = jit::cuda::nvrtc_arguments("sm_90");
    arguments.push_back("--Ofast-compile=mid");
    return complaints("extern \"C\" __global__ void nothing() {}", arguments).empty();
  }();
  std::vector<std::string> arguments = jit::cuda::nvrtc_arguments(architecture);
  if (effort == Effort::little && can_hurry) arguments.push_back("--Ofast-compile=mid");
  return arguments;
}

/// Compiles the kernels on all CPUs, for each architecture.
void check_compiled(const Bodies& kernels, std::span<const std::string_view> architectures,
                    Effort effort) {
  constexpr std::size_t most_of_program = 60;
  const std::vector<Body> bodies = kernels.all();
  std::vector<std::span<const Body>> parts;
  for (std::span<const Body> rest(bodies); !rest.empty();) {
    parts.push_back(rest.first(std::min(rest.size(), most_of_program)));
    rest = rest.subspan(parts.back().size());
  }
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::string problems;
  const auto work = [&] {
    for (std::size_t i; (i = next++) < parts.size() * architectures.size();) {
      const std::string_view architecture = architectures[i % architectures.size()];
      const std::string found =
          problems_of(parts[i / architectures.size()], arguments_for(architecture, effort));
      const std::scoped_lock lock(mutex);
      problems += found;
    }
  };
  std::vector<std::thread> threads;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); ++i)
    threads.emplace_back(work);
  for (std::thread& t : threads) t.join();
  CHECK(bodies.size() > 0);
  CHECK(problems == "");
}

constexpr std::string_view every_architecture[] = {"sm_75", "sm_80", "sm_90", "sm_100"};
constexpr std::string_view one_architecture[] = {"sm_90"};

void add_elementwise(Bodies& bodies, DType t, Mode mode) {
  for (const Operands& o : layouts(t)) {
    std::vector<Expr> outputs;
    for (const Instance& i : instances(o, t)) outputs.push_back(i.expr);
    bodies.add(o.inputs, outputs, mode);
  }
}

void add_others(Bodies& bodies, DType t, Mode mode) {
  for (const Op* op : ops::all()) {
    if (op->is_reduction() && takes(*op, t)) bodies.add(reductions(*op, t), mode);
    if (op->examples && !op->examples(t).empty()) bodies.add(examples(*op, t, true), mode);
  }
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
    // Products with what follows from each of their elements, one of them split along k.
    const Expr w = tensor(DType::f32, {n, dim("hidden")}, "w"),
               s = tensor(DType::f32, {dim("hidden")}, "s"), z = dot(x, w) + s;
    bodies.add({x, w, s}, {tanh(z) * rng.uniform(z.shape(), DType::f32), 1 - tanh(z) * tanh(z)},
               Mode::fast);
    bodies.add({x, w, s}, {gelu(z), dot(transpose(x), z) * w}, Mode::fast);
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

TEST_CASE("a text with several entries is the same machine code each time", "[nvrtc]") {
  if (!has_nvrtc()) return;
  std::string text;
  for (int i = 0; i < 5; ++i)
    text += fmt::format("extern \"C\" __global__ void scale_{0}(float* x, long n) {{\n"
                        "  for (long i = threadIdx.x; i < n; i += {0} + 1) x[i] *= {0}.5f;\n}}\n",
                        i);
  const auto compiled = [&] {
    return jit::cuda::compile_with_nvrtc(
        {.source = text, .name = "scales", .arguments = jit::cuda::nvrtc_arguments("sm_90")});
  };
  const auto first = compiled(), second = compiled();
  CHECK(first.cubin == second.cubin);
  CHECK(first.ptx == second.ptx);
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

TEST_CASE("of many kernels that are compiled together, those at fault are named", "[nvrtc]") {
  if (!has_nvrtc()) return;
  const auto body = [](std::string_view name, std::string_view statement) {
    return Body{fmt::format("__global__ void {}(float* x) {{ {} }}\n", name, statement),
                fmt::format("// {}\n", name)};
  };
  std::vector<Body> bodies;
  for (int i = 0; i < 7; ++i) bodies.push_back(body(fmt::format("good_{}", i), "x[0] = 1;"));
  CHECK(problems_of(bodies, arguments_for("sm_90", Effort::little)) == "");
  bodies[2] = body("refused", "missing();");
  bodies[5] = body("odd", "int unused;");
  const std::string problems = problems_of(bodies, arguments_for("sm_90", Effort::little));
  CHECK(problems.find("// refused") != problems.npos);
  CHECK(problems.find("// odd") != problems.npos);
  CHECK(problems.find("// good") == problems.npos);
  CHECK(problems.find("sm_90") != problems.npos);
}

TEST_CASE("composed functions compile for all devices without a warning", "[nvrtc]") {
  if (!has_nvrtc()) return;
  Bodies bodies;
  add_composed(bodies);
  check_compiled(bodies, every_architecture, Effort::as_in_use);
}

TEST_CASE("scatter-adds compile for a device, in order and in any", "[nvrtc]") {
  if (!has_nvrtc()) return;
  Bodies bodies;
  for (const DType t : {DType::f32, DType::i64, DType::u8})
    for (const Dim& count : {dim("count"), Dim(60), Dim(10000)})
      for (const bool is_deterministic : {true, false}) {
        const Expr x = tensor(t, {count, 8}, "x"), i = tensor(DType::i64, {count}, "i");
        bodies.add({x, i}, {index_add({Dim(100), Dim(8)}, {i}, x), index_add({9, 9, 8}, {i, i}, x)},
                   {.deterministic = is_deterministic});
      }
  check_compiled(bodies, one_architecture, Effort::little);
}

TEST_CASE("every op in every dtype compiles for a device without a warning", "[nvrtc]") {
  if (!has_nvrtc()) return;
  Bodies bodies;
  for (DType t : all_dtypes) {
    add_elementwise(bodies, t, Mode::fast);
    add_others(bodies, t, Mode::fast);
  }
  check_compiled(bodies, one_architecture, Effort::little);
}

TEMPLATE_TEST_CASE_SIG("every op, fused and alone, compiles for all devices without a warning",
                       "[nvrtc][.slow]", ((DType t), t), DType::bool_, DType::i8, DType::i16,
                       DType::i32, DType::i64, DType::u8, DType::u16, DType::u32, DType::u64,
                       DType::f32, DType::f64) {
  if (!has_nvrtc()) return;
  Bodies bodies;
  for (Mode mode : {Mode::fast, Mode::plain}) {
    add_elementwise(bodies, t, mode);
    add_others(bodies, t, mode);
  }
  check_compiled(bodies, every_architecture, Effort::little);
}

} // namespace kroton::test
