#pragma once
/// Counts what a piece of code takes from the heap, in this executable and every library it uses.
///
///   CHECK(allocations_of([&] { f.call_into(arguments, outputs); }) == 0);
#include <cstdint>

namespace kroton::test {

/// How often the calling thread has allocated so far, by malloc, its kin or operator new.
std::uint64_t allocation_count();

template <class F> std::uint64_t allocations_of(F&& f) {
  const std::uint64_t before = allocation_count();
  f();
  return allocation_count() - before;
}

} // namespace kroton::test
