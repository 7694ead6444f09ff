#pragma once
/// How many threads have a CPU of their own.
///
///   const Cpus& cpus = process_cpus();
///   pool.start(cpus.count() - 1);
///   log("{}", cpus.describe());            // "a control group's quota of 1.5 of 8 CPUs"
#include <filesystem>
#include <string>

namespace kroton::jit {

struct Cpus {
  int allowed = 1;  ///< those that the process may run on (its affinity mask)
  double quota = 0; ///< how many of them control groups grant it the time of; 0: of all

  /// Enough threads to use the whole quota, and at least one.
  int count() const noexcept;
  std::string describe() const;
};

/// Of this process, now. Quotas are those of version 2 and of version 1 of control groups (cpu.max;
/// cpu.cfs_quota_us), the smallest of the process's group and all groups above it that can be seen.
/// What cannot be read counts as no quota. Below `root` are /proc and the mounted control groups.
Cpus usable_cpus(const std::filesystem::path& root = "/");

/// As it was when this was first asked.
const Cpus& process_cpus();

} // namespace kroton::jit
