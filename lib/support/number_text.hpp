#pragma once
/// Floats as people read them: the shortest text that reads back as the same number, and "nan"
/// whatever the sign bit of a NaN, which differs between machines and means nothing.
///
///   number_text(0.1f)   // "0.1"
///   number_text(-0.0)   // "-0"
#include <string>

#include <fmt/format.h>

namespace kroton::support {

template <class F> std::string number_text(F v) { return v != v ? "nan" : fmt::format("{}", v); }

} // namespace kroton::support
