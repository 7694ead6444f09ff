/// Made-up trees of /proc and of control groups; the affinity is this process's own.
#include "jit/compile/cpus.hpp"
#include "test/support/catch.hpp"
#include "test/support/temp_dir.hpp"

#include <cmath>
#include <sched.h>

using namespace kroton::jit;
using kroton::test::TempDir;
namespace fs = std::filesystem;

namespace {

struct Machine {
  TempDir dir;

  void put(const std::string& file, const std::string& text) const {
    fs::create_directories((dir.path() / file).parent_path());
    kroton::test::write_file(dir.path() / file, text);
  }
  void mount(const std::string& lines) const {
    put("proc/self/mountinfo", "22 1 0:20 / /proc rw - proc proc rw\n" + lines);
  }
  Cpus cpus() const { return usable_cpus(dir.path()); }
};

const std::string version_2 =
    "30 22 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";

} // namespace

TEST_CASE("without control groups every CPU of the affinity mask has a thread", "[jit]") {
  const Machine empty;
  cpu_set_t set;
  REQUIRE(sched_getaffinity(0, sizeof set, &set) == 0);
  CHECK(empty.cpus().allowed == CPU_COUNT(&set));
  CHECK(empty.cpus().quota == 0);
  CHECK(empty.cpus().count() == CPU_COUNT(&set));
  CHECK(empty.cpus().describe() == "the CPUs this process may run on");
}

TEST_CASE("a quota of version 2 limits the threads, from whatever group above it comes", "[jit]") {
  const Machine machine;
  machine.mount(version_2);
  machine.put("proc/self/cgroup", "0::/batch/job 7/step\n");
  CHECK(machine.cpus().quota == 0);
  machine.put("sys/fs/cgroup/batch/job 7/step/cpu.max", "max 100000\n");
  CHECK(machine.cpus().quota == 0);
  machine.put("sys/fs/cgroup/batch/job 7/cpu.max", "250000 100000\n");
  CHECK(machine.cpus().quota == 2.5);
  machine.put("sys/fs/cgroup/batch/cpu.max", "50000 20000\n");
  CHECK(machine.cpus().quota == 2.5);
  machine.put("sys/fs/cgroup/batch/job 7/step/cpu.max", "150000 100000\n");
  CHECK(machine.cpus().quota == 1.5);
  machine.put("sys/fs/cgroup/cpu.max", "10000 20000\n"); // as a container sees its own group
  CHECK(machine.cpus().quota == 0.5);
}

TEST_CASE("a quota of version 1 limits the threads", "[jit]") {
  const Machine machine;
  machine.mount("31 22 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
                "32 22 0:28 / /sys/fs/cgroup/cpu\\040time rw - cgroup cgroup rw,cpu,cpuacct\n"
                "33 22 0:29 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n");
  machine.put("proc/self/cgroup", "9:memory:/a\n4:cpu,cpuacct:/a/b\n3:cpuset:/\n0::/\n");
  const std::string top = "sys/fs/cgroup/cpu time/";
  machine.put(top + "a/b/cpu.cfs_quota_us", "-1\n");
  machine.put(top + "a/b/cpu.cfs_period_us", "100000\n");
  CHECK(machine.cpus().quota == 0);
  machine.put(top + "a/cpu.cfs_quota_us", "300000\n");
  machine.put(top + "a/cpu.cfs_period_us", "100000\n");
  CHECK(machine.cpus().quota == 3);
  machine.put("sys/fs/cgroup/memory/a/cpu.cfs_quota_us", "100000\n");
  machine.put("sys/fs/cgroup/memory/a/cpu.cfs_period_us", "100000\n");
  CHECK(machine.cpus().quota == 3);
}

TEST_CASE("a container sees a part of the hierarchy as the whole", "[jit]") {
  const Machine machine;
  machine.mount("32 22 0:28 /docker/abc /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n");
  machine.put("sys/fs/cgroup/cpu/cpu.cfs_quota_us", "200000\n");
  machine.put("sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  machine.put("sys/fs/cgroup/cpu/inner/cpu.cfs_quota_us", "100000\n");
  machine.put("sys/fs/cgroup/cpu/inner/cpu.cfs_period_us", "100000\n");
  for (const auto& [group, quota] :
       {std::pair("/docker/abc", 2.0), {"/docker/abc/inner", 1.0}, {"/docker/other", 2.0}}) {
    machine.put("proc/self/cgroup", "4:cpu:" + std::string(group) + "\n");
    CHECK(machine.cpus().quota == quota);
  }
  machine.mount(version_2);
  machine.put("sys/fs/cgroup/cpu.max", "400000 100000\n");
  machine.put("proc/self/cgroup", "0::/../../elsewhere\n");
  CHECK(machine.cpus().quota == 4);
}

TEST_CASE("threads are as many as use the whole quota, at least one and at most the CPUs",
          "[jit]") {
  CHECK(Cpus{.allowed = 8, .quota = 1.5}.count() == 2);
  CHECK(Cpus{.allowed = 8, .quota = 2}.count() == 2);
  CHECK(Cpus{.allowed = 8, .quota = 0.1}.count() == 1);
  CHECK(Cpus{.allowed = 8, .quota = 7.5}.count() == 8);
  CHECK(Cpus{.allowed = 2, .quota = 6}.count() == 2);
  CHECK(Cpus{.allowed = 8, .quota = 1.5}.describe() == "a control group's quota of 1.5 of 8 CPUs");
  CHECK(Cpus{.allowed = 2, .quota = 6}.describe() == "the CPUs this process may run on");
}

TEST_CASE("what is no list of control groups limits nothing", "[jit]") {
  const Machine machine;
  for (const char* text :
       {"", "x", "::", "0::\n", "4:cpu\n", "4:cpu:\n", "\n\n0::relative/../..\n"})
    for (const char* mounts : {"a b c - cgroup2\n", "30 22 0:26 / /sys\\9\\04 rw - cgroup2 c rw\n",
                               " - \n", "1 2 3 4 5 - cgroup c cpu\n"})
      for (const char* limit : {"", "max", "-5 10", "nan inf", "1e999 1", "100000 0"}) {
        machine.mount(mounts);
        machine.put("proc/self/cgroup", text);
        machine.put("5/cpu.max", limit);
        CHECK(machine.cpus().count() >= 1);
      }
}
