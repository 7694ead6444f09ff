/// The text of generated kernels, as people read it. KROTON_UPDATE_GOLDENS=1 writes the files anew;
/// read the difference before it is committed.
#include <cstdlib>
#include <filesystem>

#include <kroton/core.hpp>

#include "jit/compile/capture.hpp"
#include "jit/function/function_state.hpp"
#include "test/data/source_root.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

namespace kroton::test {
namespace {

/// A kernel without the prelude and the runtime's table, which have tests of their own: the comment
/// that it opens with, and what follows the table.
std::string without_prelude(const std::string& text) {
  std::size_t header = 0;
  while (text.compare(header, 2, "//") == 0) header = text.find('\n', header) + 1;
  const std::size_t table = text.find("struct Runtime {");
  const std::size_t body = text.find("\n};\n", table);
  REQUIRE(table != std::string::npos);
  REQUIRE(body != std::string::npos);
  return text.substr(0, header) + text.substr(body + 4);
}

void check(const std::string& name, const std::vector<Expr>& inputs,
           const std::vector<Expr>& outputs, std::vector<Update> updates = {}) {
  // The text depends on how wide the target's vectors are.
  const Options options{.updates = std::move(updates), .name = name, .target = "x86-64-v3"};
  const jit::FunctionState f(jit::make_signature(inputs, outputs, options, Location::current()),
                             options);
  std::string text;
  for (std::size_t i = 0; i < f.compiled().program->plan().kernels.size(); ++i)
    text += (text.empty() ? "" : "\n") +
            without_prelude(*f.compiled().program->texts().kernels[i].text);
  const auto file =
      std::filesystem::path(source_root) / "test/conformance/golden" / (name + ".cpp.txt");
  if (const char* update = std::getenv("KROTON_UPDATE_GOLDENS"); update && *update == '1')
    write_file(file, text);
  INFO(file.string() << "; KROTON_UPDATE_GOLDENS=1 writes it anew");
  CHECK(text == read_file(file));
}

} // namespace

TEST_CASE("an elementwise kernel reads as it did", "[conformance][golden]") {
  const Expr x = matrix<float>("x"), y = vector<float>("y");
  check("elementwise", {x, y}, {exp(x) * 2 + y, where(x > y, x, -0.1f)});
}

TEST_CASE("a softmax over rows reads as it did", "[conformance][golden]") {
  const Expr x = matrix<float>("x");
  check("softmax", {x}, {softmax(x)});
}

TEST_CASE("a sum of columns with what follows it reads as it did", "[conformance][golden]") {
  const Expr x = matrix<double>("x");
  check("columns", {x}, {mean(x, {0}), sqrt(sum(x * x, {0}))});
}

TEST_CASE("a gather reads as it did", "[conformance][golden]") {
  const Expr x = matrix<float>("x"), y = vector<std::int32_t>("y");
  check("gather", {x, y}, {index(x, {y}) * 2});
}

TEST_CASE("the kernels of softmax regression read as they did", "[conformance][golden]") {
  const Expr x = matrix<float>("x"), y = vector<std::int32_t>("y");
  const Shared w = shared(Array::zeros<float>({64, 10}), "w"),
               b = shared(Array::zeros<float>({10}), "b");
  const Expr p = softmax(dot(x, w) + b);
  const Expr loss = -mean(index(log(p), {arange(y.dim(0)), y}));
  const auto g = grad(loss, {w, b});
  check("train", {x, y}, {argmax(p, 1), loss}, {{w, w - 0.1f * g[0]}, {b, b - 0.1f * g[1]}});
}

} // namespace kroton::test
