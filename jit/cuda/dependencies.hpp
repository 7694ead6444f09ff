#pragma once
/// Which steps must wait for which, told from the memory that they touch.
///
///   Dependencies d = dependencies_of(accesses_of_steps);    // d[3] = {1, 2}
#include <cstddef>
#include <span>
#include <vector>

#include "jit/cuda/driver.hpp"

namespace kroton::jit::cuda {

struct Access {
  Address begin = 0;
  std::size_t nbytes = 0;
  bool is_write = false;
};

bool overlap(const Access& a, const Access& b) noexcept;

/// For each step the earlier ones that it waits for, less those that these wait for anyway.
using Dependencies = std::vector<std::vector<std::size_t>>;

/// Of steps that may run side by side unless one writes what the other reads or writes. Steps that
/// hardly could, and steps without end, get a chain: drivers launch one in a time that hardly
/// depends on its length.
Dependencies dependencies_of(std::span<const std::vector<Access>> steps);

/// Steps on the longest way through them.
std::size_t longest_path(const Dependencies& dependencies);

} // namespace kroton::jit::cuda
