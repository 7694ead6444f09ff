#include <kroton/dtype.hpp>

#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "test/data/message_of.hpp"
#include "test/data/source_root.hpp"
#include "test/support/catch.hpp"

using namespace kroton;
using test::message_of;

namespace {

using Row = std::vector<std::string>;

/// The cells of a Markdown line, without spaces around them.
Row cells(const std::string& line) {
  Row out;
  std::stringstream in(line.substr(1));
  for (std::string cell; std::getline(in, cell, '|');) {
    const auto first = cell.find_first_not_of(' '), last = cell.find_last_not_of(' ');
    out.push_back(first == cell.npos ? "" : cell.substr(first, last - first + 1));
  }
  return out;
}

/// The table of docs/dtypes.md whose first cell is `corner`, with its head, without its rule.
std::vector<Row> table_under(const std::string& corner) {
  std::ifstream in(std::string(test::source_root) + "/docs/dtypes.md");
  REQUIRE(in);
  std::vector<Row> out;
  for (std::string line; std::getline(in, line);) {
    const Row row = line.starts_with("| ") ? cells(line) : Row();
    if ((!row.empty() && row[0] == corner) || (!out.empty() && line.starts_with("|"))) {
      if (!line.starts_with("|--")) out.push_back(cells(line));
    } else if (!out.empty())
      break;
  }
  return out;
}

} // namespace

TEST_CASE("promote is the tables of docs/dtypes.md", "[data]") {
  const auto [corner, rule] = GENERATE(table<const char*, Promotion>(
      {{"standard", Promotion::standard}, {"numpy", Promotion::numpy}}));
  const auto rows = table_under(corner);
  REQUIRE(rows.size() == dtype_count + 1);
  for (int a = 0; a < dtype_count; ++a) {
    const Row& row = rows[static_cast<std::size_t>(a) + 1];
    REQUIRE(row.size() == dtype_count + 1);
    CHECK(row[0] == to_string(static_cast<DType>(a)));
    for (int b = 0; b < dtype_count; ++b) {
      CAPTURE(corner, row[0], rows[0][static_cast<std::size_t>(b) + 1]);
      CHECK(rows[0][static_cast<std::size_t>(b) + 1] == to_string(static_cast<DType>(b)));
      CHECK(to_string(promote(static_cast<DType>(a), static_cast<DType>(b), rule)) ==
            row[static_cast<std::size_t>(b) + 1]);
    }
  }
}

TEST_CASE("promote_weak is the tables of docs/dtypes.md", "[data]") {
  const auto [corner, rule] = GENERATE(table<const char*, Promotion>(
      {{"literal", Promotion::standard}, {"numpy literal", Promotion::numpy}}));
  const auto rows = table_under(corner);
  const std::pair<const char*, WeakKind> kinds[] = {{"bool", WeakKind::bool_},
                                                    {"integer", WeakKind::integer},
                                                    {"double", WeakKind::floating},
                                                    {"float", WeakKind::f32}};
  REQUIRE(rows.size() == std::size(kinds) + 1);
  for (std::size_t kind = 0; kind < std::size(kinds); ++kind) {
    const Row& row = rows[kind + 1];
    REQUIRE(row.size() == dtype_count + 1);
    CHECK(row[0] == kinds[kind].first);
    for (int b = 0; b < dtype_count; ++b) {
      CAPTURE(corner, row[0], b);
      CHECK(to_string(promote_weak(kinds[kind].second, static_cast<DType>(b), rule)) ==
            row[static_cast<std::size_t>(b) + 1]);
    }
  }
}

TEST_CASE("a rule of promotion holds in its scope and on its thread", "[data]") {
  CHECK(current_promotion() == Promotion::standard);
  {
    const UsePromotion outer(Promotion::numpy);
    CHECK(promote(DType::f32, DType::i64) == DType::f64);
    CHECK(dtype_of_weak(WeakKind::f32) == DType::f64);
    std::thread([] { CHECK(current_promotion() == Promotion::standard); }).join();
    {
      const UsePromotion inner(Promotion::standard);
      CHECK(promote(DType::f32, DType::i64) == DType::f32);
    }
    CHECK(current_promotion() == Promotion::numpy);
  }
  CHECK(current_promotion() == Promotion::standard);
}

TEST_CASE("promote is symmetric, and gives no smaller dtype than an operand of the same kind", "[data]") {
  for (int i = 0; i < dtype_count; ++i)
    for (int j = 0; j < dtype_count; ++j) {
      const auto a = static_cast<DType>(i), b = static_cast<DType>(j);
      CAPTURE(i, j);
      CHECK(promote(a, b) == promote(b, a));
      CHECK(promote(promote(a, b), b) == promote(a, b));
      const bool are_alike = is_float(a) == is_float(b);
      if (are_alike) CHECK(item_size(promote(a, b)) >= std::max(item_size(a), item_size(b)));
      CHECK(item_size(promote(a, b, Promotion::numpy)) >= std::max(item_size(a), item_size(b)));
    }
}

TEST_CASE("a dtype's name reads back", "[data]") {
  for (int i = 0; i < dtype_count; ++i)
    CHECK(parse_dtype(to_string(static_cast<DType>(i))) == static_cast<DType>(i));
}

TEST_CASE("dtype_of and item_size agree with C++", "[data]") {
  CHECK(item_size(dtype_of<bool>) == 1);
  CHECK(item_size(dtype_of<std::int8_t>) == 1);
  CHECK(item_size(dtype_of<std::uint16_t>) == 2);
  CHECK(item_size(dtype_of<float>) == 4);
  CHECK(item_size(dtype_of<double>) == 8);
  CHECK(dtype_of<long long> == DType::i64);
  CHECK(dtype_of<unsigned long> == DType::u64);
}

TEST_CASE("parse_dtype names the dtypes there are", "[data][error]") {
  CHECK(message_of<TypeError>([] { parse_dtype("f16"); }) ==
        "parse_dtype: \"f16\" is not a dtype; expected bool, i8, i16, i32, i64, u8, u16, u32, u64, "
        "f32 or f64");
  CHECK(message_of<TypeError>([] { parse_dtype("float32"); }) ==
        "parse_dtype: \"float32\" is not a dtype; expected bool, i8, i16, i32, i64, u8, u16, u32, "
        "u64, f32 or f64\n"
        "  hint: \"float32\" is spelled \"f32\" here");
}
