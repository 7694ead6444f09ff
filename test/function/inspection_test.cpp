/// What a Function and the environment's switches show of a compilation.
#include <kroton/core.hpp>

#include <map>
#include <regex>

#include "test/support/catch.hpp"
#include "test/support/child.hpp"

namespace kt = kroton;
namespace fs = std::filesystem;
using kt::Array;
using kt::Expr;
using kt::test::contains;
using kt::test::read_file;
using kt::test::run_child;
using kt::test::TempDir;

namespace {

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t n = 0;
  for (auto at = text.find(part); at != text.npos; at = text.find(part, at + part.size())) ++n;
  return n;
}

kt::Function softmax_of_product() {
  auto x = kt::matrix<float>("x"), w = kt::matrix<float>("w");
  return kt::function({x, w}, {kt::softmax(kt::dot(x, w)), 1 * kt::log(1 + x)},
                      {.name = "two outputs"});
}

} // namespace

TEST_CASE("doctor tells what was found and chosen", "[function][inspection]") {
  (void)kt::function({}, kt::constant(1.0F) + 1)({});
  const std::string text = kt::doctor();
  CAPTURE(text);
  for (const char* what : {"kroton ", "target ", "compiler ", "cache ", "threads ", "products ",
                           "huge pages ", "memory kept "})
    CHECK_THAT("\n" + text, contains(std::string("\n") + what));
  CHECK_THAT(text, contains(kt::version()));
  CHECK_THAT(text, contains("libkroton-clang.so"));
  CHECK_THAT(text, contains(kt::cache_stats().directory));
}

TEST_CASE("source maps lines to the user's lines", "[function][inspection]") {
  const int line_of_x = __LINE__ + 1;
  auto x = kt::vector<float>("x");
  const Expr e = kt::exp(x);
  const Expr y = kt::tanh(e * x);
  const Expr m = kt::matrix<float>("m");
  const std::string source =
      kt::function({x, m}, {y, e, kt::exp(kt::dot(m, kt::transpose(m)))}).source();
  CAPTURE(source);
  CHECK_THAT(source, contains("// ---- kernel "));
  const std::regex note("//   line ([0-9]+): ([a-z-]+) f32\\[\\?\\], inspection_test.cpp:([0-9]+)");
  std::vector<std::string> lines{""};
  for (const char c : source)
    if (c == '\n')
      lines.emplace_back();
    else
      lines.back() += c;
  int notes = 0;
  for (auto it = std::sregex_iterator(source.begin(), source.end(), note);
       it != std::sregex_iterator(); ++it, ++notes) {
    const auto line = static_cast<std::size_t>(std::stoi((*it)[1]));
    REQUIRE(line <= lines.size());
    CAPTURE((*it)[0].str(), lines[line - 1]);
    const int user = std::stoi((*it)[3]);
    CHECK(user >= line_of_x);
    CHECK(user <= line_of_x + 2);
    if ((*it)[2] == "exp") {
      CHECK(user == line_of_x + 1);
      CHECK_THAT(lines[line - 1], contains("exp_f32("));
    }
  }
  CHECK(notes >= 2);
  // Functions of the prelude are printed once, though two kernels use them.
  const auto kernels = source.find("// ---- kernel ");
  REQUIRE(source.find("// ---- kernel ", kernels + 1) != source.npos);
  CHECK(source.find("KROTON_INLINE F exp_f32(") < kernels);
  CHECK(source.find("exp_f32(", kernels) != source.npos);
  CHECK(source.find("KROTON_INLINE F exp_f32(", kernels) == source.npos);
  CHECK(source.find("#include") == source.npos);
}

TEST_CASE("equal programs have equal source, whatever their names", "[function][inspection]") {
  auto make = [](const char* input, const char* name) {
    auto x = kt::matrix<float>(input);
    return kt::function({x}, kt::softmax(2 * x), {.name = name});
  };
  const auto a = make("x", "one"), b = make("other", "two");
  CHECK(a.stats().per_kernel[0].digest == b.stats().per_kernel[0].digest);
}

TEST_CASE("explain tells the story of a compilation", "[function][inspection]") {
  const std::string text = softmax_of_product().explain();
  CAPTURE(text);
  std::size_t last = 0;
  for (const char* section :
       {"function two outputs (inspection_test.cpp:", "\nrules fired\n", "\noptimised graph\n",
        "\nfusion groups\n", "\nkernels\n", "\ntimes: rewrite "}) {
    const auto at = text.find(section);
    CAPTURE(section);
    REQUIRE(at != text.npos);
    CHECK(at >= last);
    last = at;
  }
  CHECK_THAT(text, contains("log-one-plus") || contains("log1p")); // the rule by its name
  const auto f = softmax_of_product();
  for (const auto& k : f.stats().per_kernel)
    CHECK_THAT(f.explain(), contains(k.digest.substr(0, 12)));
  CHECK_THAT(text, contains(" lanes along axis 1, "));
}

TEST_CASE("graphs are printed as text and as Graphviz", "[function][inspection]") {
  const auto f = softmax_of_product();
  const std::string text = f.graph(), dot = f.graph_dot();
  CAPTURE(text, dot);
  CHECK_THAT(text, contains("input x : f32[?,?]"));
  CHECK(text.rfind("  return %") != text.npos);
  // Every value is defined before it is used.
  std::map<std::string, bool> defined;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    const std::regex name("%[0-9]+");
    auto it = std::sregex_iterator(line.begin(), line.end(), name);
    const bool is_definition = line.find(" = ") != line.npos;
    const std::string target = is_definition ? (it++)->str() : "";
    for (; it != std::sregex_iterator(); ++it) CHECK(defined[it->str()]);
    if (is_definition) defined[target] = true;
  }
  CHECK(dot.starts_with("digraph kroton {"));
  CHECK(dot.ends_with("}\n"));
  CHECK(count(dot, "{") == count(dot, "}"));
  CHECK(count(dot, "\"") % 2 == 0);
  const std::regex edge("\n  (n[0-9]+) -> ([a-z]+[0-9]+);");
  for (auto it = std::sregex_iterator(dot.begin(), dot.end(), edge); it != std::sregex_iterator();
       ++it) {
    CHECK_THAT(dot, contains("  " + (*it)[1].str() + " [label="));
    CHECK_THAT(dot, contains("  " + (*it)[2].str() + " [label="));
  }
  CHECK(count(dot, "label=\"output ") == 2);
}

TEST_CASE("names with quotes do not break Graphviz", "[function][inspection]") {
  const Expr x = kt::vector<float>("a \"b\" \\ c");
  const std::string dot = (x + 1).to_dot();
  CAPTURE(dot);
  CHECK_THAT(dot, contains("a \\\"b\\\" \\\\ c"));
}

TEST_CASE("child: dumps", "[.dump]") {
  softmax_of_product()({Array::full<float>({2, 3}, 1), Array::full<float>({3, 4}, 1)});
}

TEST_CASE("KROTON_DUMP keeps everything of a compilation", "[function][inspection][host]") {
  const TempDir dir;
  for (const char* folder :
       {"two-outputs", "two-outputs-1"}) { // a second one does not overwrite it
    const auto r = run_child("[.dump]", {{"KROTON_DUMP", (dir.path() / "made").string()}});
    CAPTURE(r.output);
    REQUIRE(r.status == 0);
    const fs::path out = dir.path() / "made" / folder;
    REQUIRE(fs::is_directory(out));
    std::map<std::string, int> kinds;
    for (const auto& item : fs::directory_iterator(out)) {
      const std::string name = item.path().filename().string();
      kinds[name.starts_with("kernel-") ? "kernel" + item.path().extension().string() : name] += 1;
      if (name.ends_with(".cpp")) CHECK_THAT(read_file(item.path()), contains("extern \"C\""));
      if (name.ends_with(".s")) CHECK_THAT(read_file(item.path()), contains("kernel:"));
    }
    CHECK(kinds["00-capture.txt"] == 1);
    CHECK(kinds.size() > 6);
    CHECK(kinds["graph.dot"] == 1);
    CHECK(kinds["plan.txt"] == 1);
    CHECK(kinds["rules.txt"] == 1);
    CHECK(kinds["kernel.cpp"] >= 2);
    CHECK(kinds["kernel.s"] == kinds["kernel.cpp"]);
    CHECK(kinds["kernel.log"] == kinds["kernel.cpp"]);
  }
  // A place that cannot be written is reported, and the program continues.
  const auto r = run_child("[.dump]", {{"KROTON_DUMP", "/proc/nowhere"}});
  CHECK(r.status == 0);
  CHECK_THAT(r.output, contains("KROTON_DUMP: cannot make /proc/nowhere"));
}

TEST_CASE("KROTON_LOG chooses level and areas", "[function][inspection]") {
  auto log = [](const char* setting) {
    return run_child("[.dump]", {{"KROTON_LOG", setting}}).output;
  };
  const std::string none = run_child("[.dump]").output, all = log("debug"), one = log("debug,jit"),
                    two = log("debug,jit,plan"), quiet = log("off");
  CHECK(count(none, "kroton.") == 0);
  CHECK(count(log(""), "kroton.") == 0);
  for (const char* area : {"rewrite", "plan", "jit"})
    CHECK(count(all, std::string("kroton.") + area + ": ") > 0);
  CHECK(count(one, "D kroton.jit: ") == count(one, "kroton."));
  CHECK(count(one, "D kroton.jit: ") > 0);
  CHECK(count(two, "kroton.plan: ") > 0);
  CHECK(count(two, "kroton.rewrite: ") == 0);
  CHECK(count(quiet, "kroton.") == 0);
  // Words that it does not know are told of, and silence nothing.
  const std::string unknown = log("debugg,jit,jitt");
  CHECK_THAT(unknown, contains("W kroton.log: KROTON_LOG=debugg,jit,jitt: debugg, jitt is not "
                               "known and has no effect; use a level (trace, debug, "));
  CHECK(count(unknown, "kroton.") == 1);
}

TEST_CASE("stats count calls, kernels and copies", "[function][inspection]") {
  const auto f = softmax_of_product();
  auto s = f.stats();
  CHECK(s.name == "two outputs");
  CHECK(s.kernels == static_cast<int>(s.per_kernel.size()));
  CHECK(s.compiled + s.loaded_from_cache == s.kernels);
  CHECK(s.calls == 0);
  CHECK(s.total_ms >= s.rewrite_ms + s.plan_ms + s.compile_ms - 0.01);
  for (const auto& k : s.per_kernel) {
    CHECK(k.is_compiled == (k.origin == "compiled"));
    CHECK(k.is_compiled == !k.miss_reason.empty());
    CHECK(k.digest.size() == 64);
    CHECK(!k.title.empty());
    CHECK(k.ms >= 0);
  }
  const Array x = Array::full<float>({2, 3}, 1), w = Array::full<float>({4, 3}, 1);
  f({x, w.transpose()});
  f({x, w.transpose().copy()});
  CHECK_THROWS(f({x}));
  s = f.stats();
  CHECK(s.calls == 3);
  CHECK(s.packed_arguments == 1);
  CHECK(std::string(kt::version()).find('.') != std::string::npos);
}
