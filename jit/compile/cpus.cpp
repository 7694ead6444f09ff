#include "jit/compile/cpus.hpp"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <memory>
#include <sstream>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <sched.h>

namespace kroton::jit {
namespace {

namespace fs = std::filesystem;

int affinity() {
  // The kernel refuses a mask with less room than the machine has CPUs.
  for (int room = CPU_SETSIZE; room <= 1 << 20; room *= 2) {
    const std::size_t nbytes = CPU_ALLOC_SIZE(room);
    const std::unique_ptr<cpu_set_t, void (*)(cpu_set_t*)> set(CPU_ALLOC(room),
                                                               [](cpu_set_t* s) { CPU_FREE(s); });
    if (!set) break;
    if (sched_getaffinity(0, nbytes, set.get()) == 0)
      return std::max(CPU_COUNT_S(nbytes, set.get()), 1);
  }
  return 1;
}

std::vector<std::string> split(const std::string& line, char at) {
  std::vector<std::string> parts;
  std::istringstream in(line);
  for (std::string part; std::getline(in, part, at);) parts.push_back(std::move(part));
  return parts;
}

bool contains(const std::string& list, std::string_view word) {
  const auto words = split(list, ',');
  return std::ranges::find(words, word) != words.end();
}

/// The process's group of a hierarchy: its folder, and the mount point that ends the way up.
struct Group {
  fs::path folder, top;
  bool is_version_2 = false;
};

/// "\040" and the like, which stand for spaces in the kernel's list of mounts.
std::string unescaped(const std::string& text) {
  std::string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_escape =
        text[i] == '\\' && i + 3 < text.size() &&
        text.find_first_not_of("01234567", i + 1) > i + 3; // three digits, or more
    plain += is_escape ? static_cast<char>(std::stoi(text.substr(i + 1, 3), nullptr, 8)) : text[i];
    if (is_escape) i += 3;
  }
  return plain;
}

/// The hierarchies that may limit CPUs. A line of mountinfo is "id parent device root mount-point
/// options… - type source options"; a line of cgroup is "hierarchy:controllers:path".
std::vector<Group> groups(const fs::path& root) {
  std::vector<Group> found;
  std::ifstream mounts(root / "proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    const auto end = line.find(" - ");
    const auto before = split(line.substr(0, end), ' ');
    const auto after =
        end == line.npos ? std::vector<std::string>() : split(line.substr(end + 3), ' ');
    if (before.size() < 5 || after.size() < 3) continue;
    const bool is_version_2 = after[0] == "cgroup2";
    if (!is_version_2 && !(after[0] == "cgroup" && contains(after[2], "cpu"))) continue;
    std::ifstream memberships(root / "proc/self/cgroup");
    for (std::string member; std::getline(memberships, member);) {
      const auto first = member.find(':'), second = member.find(':', first + 1);
      if (second == member.npos) continue;
      const std::string controllers = member.substr(first + 1, second - first - 1);
      if (is_version_2 ? !controllers.empty() : !contains(controllers, "cpu")) continue;
      // A container sees the part of the hierarchy below its own group; if the process's group is
      // outside of what is mounted, the top of that is the nearest that can be seen.
      const fs::path top = root / fs::path(unescaped(before[4])).relative_path();
      const fs::path inside =
          fs::path(member.substr(second + 1)).lexically_relative(unescaped(before[3]));
      const bool is_below = !inside.empty() && *inside.begin() != "..";
      found.push_back({is_below && inside != "." ? top / inside : top, top, is_version_2});
    }
  }
  return found;
}

/// CPUs' worth of time that one folder grants; 0: no limit.
double quota_of(const fs::path& folder, bool is_version_2) {
  double quota = 0, period = 0;
  if (is_version_2) {
    std::ifstream(folder / "cpu.max") >> quota >> period; // "max 100000" is no number
  } else {
    std::ifstream(folder / "cpu.cfs_quota_us") >> quota; // -1 for none
    std::ifstream(folder / "cpu.cfs_period_us") >> period;
  }
  return quota > 0 && period > 0 ? quota / period : 0;
}

} // namespace

int Cpus::count() const noexcept {
  if (quota <= 0 || quota >= allowed) return allowed;
  return std::max(1, static_cast<int>(std::ceil(quota)));
}

std::string Cpus::describe() const {
  if (count() == allowed) return "the CPUs this process may run on";
  return fmt::format("a control group's quota of {:.3g} of {} CPUs", quota, allowed);
}

Cpus usable_cpus(const fs::path& root) {
  Cpus cpus{.allowed = affinity()};
  for (const Group& group : groups(root)) {
    for (fs::path folder = group.folder;; folder = folder.parent_path()) {
      const double quota = quota_of(folder, group.is_version_2);
      if (quota > 0) cpus.quota = cpus.quota > 0 ? std::min(cpus.quota, quota) : quota;
      if (folder == group.top || !folder.has_relative_path()) break;
    }
  }
  return cpus;
}

const Cpus& process_cpus() {
  static const Cpus cpus = usable_cpus();
  return cpus;
}

} // namespace kroton::jit
