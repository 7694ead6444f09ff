#pragma once
/// CUDA C++ that is written as a pattern with names in it.
///
///   std::string body = with_values("{T} sum = 0;", {{"{T}", "f32"}});
///   CudaText text = with_prelude("// sums\n", std::move(body));
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "codegen/cuda/cuda.hpp"

namespace kroton::codegen {

/// The pattern with each name replaced by its value, in the order given.
std::string with_values(std::string_view pattern,
                        std::initializer_list<std::pair<std::string_view, std::string>> values);

/// A text of `header`, the prelude functions that `body` uses, and `body`; without launches.
CudaText with_prelude(std::string header, std::string body);

/// a / b, rounded up.
Dim ceil_div(const Dim& a, std::int64_t b);

} // namespace kroton::codegen
