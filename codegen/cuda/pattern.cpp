#include "codegen/cuda/pattern.hpp"

#include "codegen/loop/expression.hpp"
#include "codegen/prelude/prelude.hpp"

namespace kroton::codegen {
namespace dims = ir::dims;

std::string with_values(std::string_view pattern,
                        std::initializer_list<std::pair<std::string_view, std::string>> values) {
  std::string text(pattern);
  for (const auto& [name, value] : values) text = replaced(std::move(text), name, value);
  return text;
}

CudaText with_prelude(std::string header, std::string body) {
  header += prelude_for(prelude_names_in(body, Dialect::cuda), Dialect::cuda);
  CudaText text;
  text.text = header + body;
  text.body = header.size();
  return text;
}

Dim ceil_div(const Dim& a, std::int64_t b) {
  return dims::floor_div(dims::add(a, Dim(b - 1)), Dim(b));
}

} // namespace kroton::codegen
