#pragma once
/// How the rooms throw: `fail<ShapeError>("dot", {.place = …, .hint = …}, "axes differ: {}", d)`.
#include <fmt/format.h>
#include <kroton/error.hpp>

namespace kroton::support {

struct Context {
  std::string place = {};
  std::string hint = {};
};

template <class E, class... Args>
[[noreturn]] void fail(std::string_view op, Context context, fmt::format_string<Args...> format,
                       Args&&... args) {
  throw E(ErrorText{std::string(op), fmt::format(format, std::forward<Args>(args)...),
                    std::move(context.place), std::move(context.hint)});
}

/// "train.cpp:41"; empty for an unknown location.
std::string describe(const Location&);

[[noreturn]] void broken_promise(const char* condition, const char* file, int line,
                                 std::string detail);

} // namespace kroton::support

/// Guards Kroton's own promises (never a user's mistake); stays on in release builds.
#define KROTON_CHECK(condition, ...)                                                               \
  (static_cast<bool>(condition) ? void(0)                                                          \
                                : ::kroton::support::broken_promise(                               \
                                      #condition, __FILE__, __LINE__, ::fmt::format(__VA_ARGS__)))
