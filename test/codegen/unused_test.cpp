// Definitions that nothing uses, and what keeps one.
#include "codegen/loop/unused.hpp"
#include "test/support/catch.hpp"

using kroton::codegen::without_unused;

TEST_CASE("a definition goes if nothing after it in its scope has its name", "[codegen]") {
  const auto p = without_unused("{\n"
                                "  const i64 i0 = whole_quotient(j, n1);\n"
                                "  const i64 i1 = j - i0 * n1;\n"
                                "  const i64 i10 = 3;\n"
                                "  y0[i1] = 0;\n"
                                "}\n");
  CHECK(p.text == "{\n"
                  "  const i64 i0 = whole_quotient(j, n1);\n"
                  "  const i64 i1 = j - i0 * n1;\n"
                  "  y0[i1] = 0;\n"
                  "}\n");
  CHECK(p.line == std::vector<int>{1, 2, 3, 0, 4, 5});
}

TEST_CASE("what only an unused definition names goes with it", "[codegen]") {
  CHECK(without_unused("const f32 v0 = a0[0];\nconst f32 v1 = -v0;\ny0[0] = 1;\n").text ==
        "y0[0] = 1;\n");
}

TEST_CASE("a name means its own scope's definition", "[codegen]") {
  CHECK(without_unused("  const i64 i1 = 1;\n}\n{\n  const i64 i1 = 2;\n  y0[i1] = 0;\n").text ==
        "}\n{\n  const i64 i1 = 2;\n  y0[i1] = 0;\n");
}

TEST_CASE("directives end no scope, and checks stay for what they report", "[codegen]") {
  const char* text =
      "  const i64 n = 4;\n#pragma unroll\n  f(n);\n  const i64 p0 = checked(failure, 0, at, 5);\n";
  CHECK(without_unused(text).text == text);
}
