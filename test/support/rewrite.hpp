#pragma once
/// CHECK_REWRITE(expr, expected): the pipeline turns `expr` into what it makes of `expected`, and
/// changes `expr` to get there. CHECK_UNCHANGED(expr): no rule fires. A failure prints the graph
/// before, after and expected, and the rules that fired.
#include "lib/rewrite/pipeline.hpp"
#include "test/support/catch.hpp"

namespace kroton::test {

struct Rewritten {
  std::string before, after;
  rewrite::PipelineReport report;

  std::string rules() const {
    std::string text;
    for (const rewrite::Application& a : report.applications)
      text += "  " + std::string(a.rule) + " at " + std::string(a.op) + "\n";
    return text;
  }
};

inline Rewritten rewritten(const std::vector<Expr>& outputs,
                           const rewrite::PipelineOptions& options = {}) {
  ir::Graph g = ir::Graph::capture(outputs);
  Rewritten r;
  r.before = g.to_string();
  r.report = rewrite::run_pipeline(g, options);
  r.after = g.to_string();
  return r;
}

} // namespace kroton::test

#define CHECK_REWRITE(expr, expected)                                                              \
  do {                                                                                             \
    const auto got_ = ::kroton::test::rewritten({expr});                                           \
    const auto want_ = ::kroton::test::rewritten({expected});                                      \
    INFO("before\n"                                                                                \
         << got_.before << "after\n"                                                               \
         << got_.after << "expected\n"                                                             \
         << want_.after << "rules\n"                                                               \
         << got_.rules());                                                                         \
    CHECK(got_.after == want_.after);                                                              \
    CHECK(got_.report.applications.size() > 0);                                                    \
  } while (false)

#define CHECK_UNCHANGED(expr)                                                                      \
  do {                                                                                             \
    const auto got_ = ::kroton::test::rewritten({expr});                                           \
    INFO("before\n" << got_.before << "after\n" << got_.after << "rules\n" << got_.rules());       \
    CHECK(got_.report.applications.empty());                                                       \
  } while (false)
