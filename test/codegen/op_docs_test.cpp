// docs/ops.md and the table of docs/numerics.md are made of the rows of ops and of the public
// headers. KROTON_UPDATE_GOLDENS=1 writes them anew; read the difference before it is committed.
#include <algorithm>
#include <array>
#include <cctype>
#include <cstdlib>
#include <filesystem>
#include <map>
#include <regex>
#include <set>
#include <string>
#include <vector>

#include "lib/ops/special.hpp"
#include "test/codegen/prelude_test_config.hpp"
#include "test/codegen/row_functions.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

namespace kroton::test {
namespace {

const std::filesystem::path root = KROTON_TEST_SOURCE_ROOT;

std::string underscored(std::string_view name) {
  std::string text(name);
  std::ranges::replace(text, '-', '_');
  return text;
}

/// 1.25 as "1.25", 2 as "2.0".
std::string number(double v) {
  std::string text = fmt::format("{}", v);
  return text.find('.') == text.npos ? text + ".0" : text;
}

/// A function that a public header declares.
struct Function {
  std::string type;      ///< of the result: "Expr", "QuotientAndRemainder"
  std::string name;      ///< "exp", "operator+"
  std::string signature; ///< as the table shows it
  std::string doc;       ///< the first sentence of its comment
  int operands = 0;
};

/// "sum(a, Axes axes = {}, bool keepdims = false)", "a + b".
std::string signature_of(const std::string& name, std::string parameters) {
  parameters = std::regex_replace(parameters, std::regex("\\s+"), " ");
  parameters = std::regex_replace(parameters, std::regex("Operand "), "");
  parameters = std::regex_replace(parameters,
                                  std::regex(",? ?Location where = Location::current\\(\\)"), "");
  if (!name.starts_with("operator")) return name + "(" + parameters + ")";
  const std::string sign = name.substr(8);
  const std::size_t comma = parameters.find(", ");
  return comma == parameters.npos
             ? sign + parameters
             : parameters.substr(0, comma) + " " + sign + " " + parameters.substr(comma + 2);
}

std::string first_sentence(std::string text) {
  const std::size_t end = text.find(". ");
  if (end != text.npos) text.resize(end);
  while (!text.empty() && (text.back() == '.' || text.back() == ':' || text.back() == ' '))
    text.pop_back();
  return text;
}

/// What a header declares, in its order.
std::vector<Function> functions_of(const std::string& header) {
  std::vector<Function> functions;
  const std::regex declaration(
      "^([A-Z]\\w+) ([a-z_0-9]+|operator[^(]+)\\(([^;]*)\\);(?: *///< (.*))?");
  std::string comment, pending;
  bool follows = false;
  std::istringstream lines(header);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("/// ")) {
      if (line.find("@") == line.npos) comment += (comment.empty() ? "" : " ") + line.substr(4);
      continue;
    }
    if (line.empty()) follows = false;
    pending += (pending.empty() ? "" : " ") + line;
    const bool is_open = line.find('(') != line.npos && line.find(';') == line.npos;
    if (is_open && std::isupper(static_cast<unsigned char>(line[0])) != 0) continue;
    std::smatch match;
    if (std::regex_search(pending, match, declaration)) {
      const std::string parameters = match[3];
      Function f{match[1], match[2], signature_of(match[2], parameters), first_sentence(comment)};
      if (match[4].matched) f.doc = match[4];
      // What is said of a function holds of those that follow without a line between them.
      if (f.doc.empty() && follows) f.doc = functions.back().doc;
      follows = true;
      for (std::size_t at = parameters.find("Operand "); at != parameters.npos;
           at = parameters.find("Operand ", at + 1))
        ++f.operands;
      functions.push_back(std::move(f));
    }
    pending.clear();
    comment.clear();
  }
  return functions;
}

std::string operands_of(const ir::Op& op) {
  switch (op.dtypes) {
  case ir::Dtypes::any:
    return "all";
  case ir::Dtypes::numeric:
    return "numbers";
  case ir::Dtypes::floating:
    return "floats; integers as f64";
  case ir::Dtypes::integral:
    return "integers, bool";
  case ir::Dtypes::boolean:
    return "bool";
  }
  return "";
}

std::string gradient_of(const ir::Op& op) {
  const bool has_floats = op.result != ir::Result::boolean && op.result != ir::Result::position &&
                          op.dtypes != ir::Dtypes::boolean && op.dtypes != ir::Dtypes::integral;
  if (!op.gradient || !has_floats || op.is(ir::Kind::leaf) || op.is(ir::Kind::generator) ||
      op.is(ir::Kind::random))
    return "no";
  if (op.is(ir::Kind::several)) return "yes"; // of one of the results at least
  // The last domain is that of what the result varies with: of a choice, the alternatives.
  return op.domain.empty() || op.domain.back().smooth ? "yes" : "zero";
}

std::string error_of(const ir::Op& op) {
  const auto is = [&](const std::vector<const ir::Op*>& ops) {
    return std::ranges::find(ops, &op) != ops.end();
  };
  if (!is(float_functions(1)) && !is(float_functions(2))) return "";
  if (op.accuracy.f32 == op.accuracy.f64) return number(op.accuracy.f32);
  return number(op.accuracy.f32) + ", " + number(op.accuracy.f64);
}

/// A cell of a table of Markdown.
std::string cell(std::string text) {
  for (std::size_t at = 0; (at = text.find('|', at)) != text.npos; at += 2)
    text.replace(at, 1, "\\|");
  return text;
}

std::string row_of(const std::string& what, const ir::Op& op, const std::string& doc) {
  return fmt::format("| `{}` | {} | {} | {} | {} |\n", cell(what), operands_of(op), gradient_of(op),
                     error_of(op), cell(doc));
}

/// A section: the rows of some files of lib/ops, and the functions that are defined in them.
struct Family {
  std::string title;
  std::vector<std::string> files;
  std::vector<std::span<const ir::Op* const>> rows;
};

std::vector<Family> families() {
  using namespace ops;
  return {{"Arithmetic", {"arithmetic"}, {arithmetic_rows()}},
          {"Comparisons, logic, choices, conversions", {"logic"}, {logic_rows()}},
          {"Powers, exponentials and logarithms",
           {"powers", "transcendental"},
           {powers_rows(), transcendental_rows()}},
          {"Trigonometric and hyperbolic functions", {"trigonometric"}, {trigonometric_rows()}},
          {"Rounding, and kinds of floats", {"rounding"}, {rounding_rows()}},
          {"Bits", {"bits"}, {bits_rows()}},
          {"Activation functions", {"activation"}, {activation_rows()}},
          {"Special functions", {"special"}, {special_rows()}},
          {"Reductions", {"reduction"}, {reduction_rows()}},
          {"Running folds", {"cumulative"}, {cumulative_rows()}},
          {"Movement", {"movement", "arrangement"}, {movement_rows()}},
          {"Joining and splitting", {"joining"}, {joining_rows()}},
          {"Creation", {"creation"}, {}},
          {"Products", {"contraction", "einsum", "products"}, {contraction_rows()}},
          {"Linear algebra",
           {"linear_algebra", "systems", "decompositions", "matrix_functions"},
           {linear_algebra_rows(), systems_rows(), decompositions_rows()}},
          {"Fourier transforms", {"fourier"}, {fourier_rows()}},
          {"Sorting, searching, counting", {"sorting"}, {sorting_rows()}},
          {"Indexing", {"indexing"}, {indexing_rows()}},
          {"Adding at positions", {"scatter"}, {scatter_rows()}},
          {"Writing at positions", {"put"}, {put_rows()}},
          {"Arrays of parts", {"assemble"}, {assemble_rows()}},
          {"Several results", {"parts"}, {parts_rows()}},
          {"Random numbers", {"random"}, {random_rows(), variates_rows()}},
          {"Leaves", {"leaf"}, {leaf_rows()}}};
}

const ir::Op* row_behind(const Function& f) {
  for (const ir::Op* op : ops::all())
    if ((op->function == f.name && (op->arity == f.operands || !f.name.starts_with("operator"))) ||
        underscored(op->name) == f.name)
      return op;
  return nullptr;
}

constexpr std::string_view introduction = R"(# Operations

Written by the test `op_docs` from the rows of ops (`lib/ops/`) and the public headers (`include/kroton/ops/`);
`KROTON_UPDATE_GOLDENS=1 ./dev test prelude "[docs]"` writes it anew.

- *of*: the dtypes it computes in; others are promoted ([dtypes.md](dtypes.md)) or refused. Nothing stands there for functions that are
  made of others.
- *gradient*: `zero` for what is constant between steps.
- *error*: the largest, in units in the last place of the exact result, of f32 and f64 ([numerics.md](numerics.md)).
)";

/// Sections by family: public functions as their headers have them, then rows without one.
std::string ops_page(std::vector<std::string>& missing) {
  std::vector<std::filesystem::path> headers;
  for (const auto& entry : std::filesystem::directory_iterator(root / "include/kroton/ops"))
    headers.push_back(entry.path());
  std::ranges::sort(headers);
  std::vector<Function> declared;
  for (const std::filesystem::path& header : headers)
    for (Function& f : functions_of(read_file(header))) declared.push_back(std::move(f));
  std::string page(introduction);
  std::vector<bool> is_listed(declared.size(), false);
  std::vector<const ir::Op*> named;
  std::set<const ir::Op*> listed;
  for (const Family& family : families()) {
    std::string source;
    for (const std::string& file : family.files)
      source += read_file(root / "lib/ops" / (file + ".cpp"));
    std::string table;
    for (std::size_t i = 0; i < declared.size(); ++i) {
      const Function& f = declared[i];
      const std::string defined = "\n" + f.type + " " + f.name + "(";
      if (source.find(defined) == source.npos) continue;
      is_listed[i] = true;
      const ir::Op* op = row_behind(f);
      if (op) named.push_back(op);
      table += op ? row_of(f.signature, *op, std::string(op->doc))
                  : fmt::format("| `{}` | | | | {} |\n", cell(f.signature), cell(f.doc));
      if (!op && f.doc.empty()) missing.push_back(f.signature + " has no comment");
    }
    std::vector<const ir::Op*> rows;
    for (const auto& some : family.rows) rows.insert(rows.end(), some.begin(), some.end());
    for (const ir::Op* op : rows) {
      listed.insert(op);
      if (op->doc.empty()) missing.push_back(std::string(op->name) + " has no doc");
      if (std::ranges::find(named, op) == named.end())
        table +=
            row_of(std::string(op->name), *op, std::string(op->doc) + " (made by other functions)");
    }
    page += fmt::format(
        "\n## {}\n\n| function | of | gradient | error | gives |\n|---|---|---|---|---|\n{}",
        family.title, table);
  }
  for (std::size_t i = 0; i < declared.size(); ++i)
    if (!is_listed[i]) missing.push_back(declared[i].signature + " is defined in no family's file");
  for (const ir::Op* op : ops::all())
    if (!listed.contains(op)) missing.push_back(std::string(op->name) + " is in no family");
  return page;
}

/// docs/numerics.md with the rows' table in the place of its own.
std::string numerics_page(const std::string& page) {
  const std::string head = "| function | f32 | f64 | method |\n|---|---|---|---|\n";
  const std::size_t begin = page.find(head);
  REQUIRE(begin != page.npos);
  const std::size_t end = page.find("\n\n", begin);
  std::string table = head;
  for (const ir::Op* op : ops::all())
    if (!op->accuracy.method.empty())
      table +=
          fmt::format("| {} | {} | {} | {} |\n", underscored(op->name), number(op->accuracy.f32),
                      number(op->accuracy.f64), cell(std::string(op->accuracy.method)));
  table.pop_back();
  return page.substr(0, begin) + table + page.substr(end);
}

void check_page(const std::filesystem::path& file, const std::string& text) {
  if (const char* update = std::getenv("KROTON_UPDATE_GOLDENS"); update && *update == '1')
    write_file(file, text);
  INFO(file.string() << "; KROTON_UPDATE_GOLDENS=1 writes it anew");
  CHECK((std::filesystem::exists(file) ? read_file(file) : "") == text);
}

} // namespace

TEST_CASE("docs/ops.md lists every public function and every row", "[codegen][docs]") {
  std::vector<std::string> missing;
  const std::string page = ops_page(missing);
  CHECK(missing == std::vector<std::string>{});
  check_page(root / "docs/ops.md", page);
}

TEST_CASE("docs/numerics.md states the accuracy that rows state", "[codegen][docs]") {
  const auto file = root / "docs/numerics.md";
  check_page(file, numerics_page(read_file(file)));
}

TEST_CASE("only functions of floats say how they are approximated", "[codegen][docs]") {
  for (const ir::Op* op : ops::all()) {
    INFO(op->name);
    CHECK((op->accuracy.method.empty() || error_of(*op) != ""));
  }
}

} // namespace kroton::test
