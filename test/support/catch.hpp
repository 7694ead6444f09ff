#pragma once
/// Catch2, whichever of its two major versions the system has (Debian 12: 2.13; newer
/// systems: 3.x).
///
///   #include "test/support/catch.hpp"
///   TEST_CASE("promote follows NumPy", "[data]") { CHECK(promote(i32, f32) == f64); }
///   CHECK_THAT(error.what(), kroton::test::contains("axis 1"));
///
/// Tag a test "[.slow]" to keep it out of the fast suite; `./dev test --slow` runs it.
#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#define CATCH_CONFIG_EXTERNAL_INTERFACES // with listeners, which main.cpp and conformance register
#include <catch2/catch.hpp>
#endif

#include <string>

namespace kroton::test {

/// Matches a string that contains `part`; the two versions of Catch2 name this differently.
inline auto contains(const std::string& part) {
#if __has_include(<catch2/catch_all.hpp>)
  return Catch::Matchers::ContainsSubstring(part);
#else
  return Catch::Matchers::Contains(part);
#endif
}

} // namespace kroton::test
