#pragma once
/// Functions on the device under test: that of KROTON_TARGET, else the first. On a machine without
/// one, a driver that executes kernels on the CPU stands in for it (test/cuda).
///
///   kt::Function f = on_gpu({x}, {exp(x)});
///   CHECK(against_reference({x}, {xs}, {exp(x)}, {.ulps = 1.25}) == "");
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <kroton/core.hpp>

#include "test/conformance/oracle.hpp"

namespace kroton::test {

inline Device gpu() {
  const char* target = std::getenv("KROTON_TARGET");
  const bool is_named = target && std::string_view(target).starts_with("cuda");
  return parse_device(is_named ? target : "cuda");
}

inline Function on_gpu(const std::vector<Expr>& inputs, const std::vector<Expr>& outputs,
                       Options options = {}) {
  options.target = to_string(gpu());
  return function(inputs, outputs, options);
}

/// Where the device's results differ from the reference evaluator's; empty if nowhere.
inline std::string against_reference(const std::vector<Expr>& inputs,
                                     const std::vector<Array>& arguments,
                                     const std::vector<Expr>& outputs,
                                     const Tolerance& tolerance = {}) {
  const std::vector<Array> want = reference(inputs, arguments, outputs);
  const std::vector<Array> got = on_gpu(inputs, outputs)(arguments);
  for (std::size_t i = 0; i < want.size(); ++i)
    if (const std::string text = difference(got[i], want[i], tolerance); !text.empty())
      return fmt::format("output {}: {}", i, text);
  return {};
}

} // namespace kroton::test
