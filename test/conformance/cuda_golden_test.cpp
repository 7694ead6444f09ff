/// The CUDA text of the functions that the benchmarks run, as people read it: without the prelude,
/// with the launches. KROTON_UPDATE_GOLDENS=1 writes the files anew; read the difference before it
/// is committed.
#include <cstdlib>
#include <filesystem>

#include <kroton/core.hpp>
#include <kroton/ops/transcendental.hpp>

#include "codegen/cuda/contraction.hpp"
#include "jit/compile/capture.hpp"
#include "jit/function/recipe.hpp"
#include "test/data/source_root.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

namespace kroton::test {
namespace {

/// The comment that it opens with, and its own functions.
std::string without_prelude(const codegen::CudaText& text) {
  std::size_t header = 0;
  while (text.text.compare(header, 2, "//") == 0) header = text.text.find('\n', header) + 1;
  return text.text.substr(0, header) + text.text.substr(text.body);
}

std::string launches_of(const codegen::CudaText& text) {
  std::string all;
  for (const codegen::Launch& l : text.launches) {
    all += fmt::format("// stage {}: {}, {} threads, {} units, {} a block", l.stage, l.entry,
                       l.threads, l.units.to_string(), l.units_per_block);
    if (l.blocks_per_multiprocessor > 0)
      all += fmt::format(", {} blocks a multiprocessor at most", l.blocks_per_multiprocessor);
    if (l.most_blocks > 0) all += fmt::format(", {} blocks at most", l.most_blocks);
    if (!l.shared_bytes.is(0))
      all += fmt::format(", {} bytes of shared memory", l.shared_bytes.to_string());
    if (l.selector_limit != std::numeric_limits<std::int64_t>::max())
      all += fmt::format(", if {} <= {}", l.selector.to_string(), l.selector_limit);
    all += "\n";
  }
  if (!text.scratch_bytes.is(0))
    all += fmt::format("// scratch: {} bytes\n", text.scratch_bytes.to_string());
  return all;
}

void check(const std::string& name, const std::vector<Expr>& inputs,
           const std::vector<Expr>& outputs, std::vector<Update> updates = {}) {
  const Options options{.updates = std::move(updates), .name = name};
  const jit::Recipe recipe{jit::make_signature(inputs, outputs, options, Location::current()),
                           options};
  const jit::Derivation d = recipe.plan({}, true);
  std::string text;
  for (const plan::Step& step : d.plan.steps) {
    const codegen::CudaStep code = codegen::render_cuda_step(d.plan, step);
    const auto add = [&](const codegen::CudaText& t) {
      text += (text.empty() ? "" : "\n") + without_prelude(t) + "\n" + launches_of(t);
    };
    std::ranges::for_each(code.texts, add);
    if (code.epilogue) add(*code.epilogue);
  }
  const auto file =
      std::filesystem::path(source_root) / "test/conformance/golden/cuda" / (name + ".txt");
  if (const char* update = std::getenv("KROTON_UPDATE_GOLDENS"); update && *update == '1')
    write_file(file, text);
  INFO(file.string() << "; KROTON_UPDATE_GOLDENS=1 writes it anew");
  CHECK(text == read_file(file));
}

} // namespace

TEST_CASE("elementwise CUDA kernels read as they did", "[conformance][golden]") {
  const Expr x = vector<float>("x"), y = vector<float>("y");
  check("w1", {x, y}, {2 * x + 3 * y - 1});
  const Expr a = scalar<float>("a"), b = scalar<float>("b"), c = scalar<float>("c");
  check("w2", {a, b, c, x, y}, {tanh(a * x + b) * sigmoid(c * y) + log1p(exp(x))});
  const Expr m = matrix<float>("m");
  check("bias", {m, x}, {relu(m + x)});
  check("transpose", {m}, {transpose(m) * 2});
}

TEST_CASE("CUDA kernels that walk rows read as they did", "[conformance][golden]") {
  const Dim n = dim("n"), m = dim("m");
  const Expr x = tensor(DType::f32, {n, m}, "x"), known = tensor(DType::f32, {n, 1000}, "known");
  check("softmax", {x}, {softmax(x)});
  check("log_softmax_1000", {known}, {log_softmax(known)});
  const Expr scale = vector<float>("scale"), shift = vector<float>("shift");
  const Expr centred = known - expand_dims(mean(known, {1}), {1});
  const Expr spread = sqrt(expand_dims(mean(centred * centred, {1}), {1}) + 1e-5f);
  check("layer_norm_1000", {known, scale, shift}, {centred / spread * scale + shift});
}

TEST_CASE("CUDA kernels that fold matrices read as they did", "[conformance][golden]") {
  const Expr x = tensor(DType::f32, {dim("n"), dim("m")}, "x");
  check("sum_rows", {x}, {sum(x, {1})});
  check("sum_columns", {x}, {sum(x, {0})});
  check("sum_all", {x}, {sum(x)});
  check("argmax_columns", {x}, {argmax(x, 0)});
}

TEST_CASE("the CUDA kernels of softmax regression read as they did", "[conformance][golden]") {
  const Expr x = tensor(DType::f32, {dim("n"), dim("m")}, "x"),
             y = tensor(DType::i32, {dim("n")}, "y");
  const Shared w = shared(Array::zeros<float>({64, 10}), "w"),
               b = shared(Array::zeros<float>({10}), "b");
  const Expr p = softmax(dot(x, w) + b);
  const Expr loss = -mean(index(log(p), {arange(y.dim(0)), y}));
  const auto g = grad(loss, {w, b});
  check("cross_entropy", {x, y}, {argmax(p, 1), loss},
        {{w, w - 0.1f * g[0]}, {b, b - 0.1f * g[1]}});
}

} // namespace kroton::test
