/// `kroton::doctor()`: facts that each room knows of itself, one a line.
#include <kroton/function.hpp>

#include <fstream>
#include <vector>

#include <fmt/format.h>

#include "jit/cpu/blas.hpp"
#include "jit/cpu/lapack.hpp"
#include "jit/cpu/compiler.hpp"
#include "jit/cpu/target.hpp"
#include "jit/compile/cpus.hpp"
#include "jit/cuda/doctor.hpp"
#include "jit/compile/kernels.hpp"
#include "jit/function/stores.hpp"
#include "jit/run/pool.hpp"
#include "lib/data/memory.hpp"
#include "lib/support/doctor_abi.hpp"
#include "lib/support/environment.hpp"

namespace kroton {
namespace {

constexpr double mebibyte = 1 << 20;

std::string first_line_of(const char* path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

std::string processor() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

std::string target() {
  const jit::CpuTarget t = jit::CpuTarget::host();
  return fmt::format("{}, vectors of {} bits, {} fused multiply-add", t.describe(),
                     8 * t.vector_bytes, t.has_fma ? "with" : "without");
}

std::string cache_directory() {
  const cache::Store& store = jit::process_store();
  const auto directory = store.directory();
  const cache::Store::Options& o = store.options();
  if (!directory.empty())
    return fmt::format("{}, at most {:.0f} MiB{}", directory.string(),
                       static_cast<double>(o.max_bytes) / mebibyte,
                       store.read_only().empty() ? "" : ", not writable: read only");
  const std::string reason = !o.memory_only_reason.empty() ? o.memory_only_reason
                             : o.directory.empty()         ? "no directory is known"
                                                           : o.directory.string() + " is refused";
  return fmt::format("in memory only ({})", reason);
}

std::string shared_levels() {
  std::string text;
  for (const CacheLevelStats& level : jit::process_store().stats().levels)
    text += (text.empty() ? "" : ", ") + level.level;
  return text.empty() ? "none" : text;
}

std::string kernels_so_far() {
  const cache::Stats s = jit::process_store().stats();
  return fmt::format("{} kernels from memory, {} from disk, {} from shared levels, {} compiled, {} "
                     "set aside as damaged",
                     s.hits_memory, s.hits_disk, s.hits_shared, s.misses, s.quarantined);
}

std::string threads() {
  const std::string wanted = support::variable("KROTON_THREADS");
  return fmt::format("{} ({})", jit::thread_count(),
                     wanted.empty() ? jit::process_cpus().describe()
                                    : fmt::format("KROTON_THREADS={}", wanted));
}

std::string specialisation() {
  return support::variable("KROTON_SPECIALIZE") == "0" ? "off (KROTON_SPECIALIZE=0)"
                                                       : "as Options::specialize says";
}

std::string huge_pages() {
  const std::string mode = first_line_of("/sys/kernel/mm/transparent_hugepage/enabled");
  return mode.empty() ? "none in this kernel"
                      : fmt::format("{}{}", mode,
                                    mode.find("[never]") == mode.npos
                                        ? ""
                                        : "; large arrays are slow to touch for the first time");
}

std::string kept_memory() {
  const data::KeptMemory kept = data::kept_memory();
  return fmt::format("{:.0f} of at most {:.0f} MiB", static_cast<double>(kept.nbytes) / mebibyte,
                     static_cast<double>(kept.limit) / mebibyte);
}

struct Fact {
  std::string what;
  std::string is;
  std::string problem = {}; ///< What is wrong with it; empty if nothing is.
};

std::vector<Fact> facts() {
  std::vector<Fact> list = {
      {"kroton", version()},
      {"processor", processor()},
      {"target", target()},
      {"compiler", jit::compiler_description()},
      {"cache", cache_directory()},
      {"shared levels", shared_levels()},
      {"kernels so far", kernels_so_far()},
      {"threads", threads()},
      {"products", jit::blas_description()},
      {"linear algebra", jit::lapack_description()},
      {"versions for certain sizes", specialisation()},
      {"huge pages", huge_pages()},
      {"memory kept", kept_memory()},
  };
  for (auto& [what, is] : jit::cuda::facts()) list.push_back({std::move(what), std::move(is)});
  return list;
}

} // namespace

std::string doctor() {
  std::string text;
  for (const Fact& fact : facts()) text += fmt::format("{:<28}{}\n", fact.what, fact.is);
  return text;
}

} // namespace kroton

/// What lib/support/doctor_abi.hpp promises. Tries the compiler plugin, which loads Clang.
extern "C" void kroton_doctor(kroton::support::TakeFact take, void* context) {
  for (kroton::Fact& fact : kroton::facts()) {
    if (fact.what == "compiler") fact.problem = kroton::jit::compiler_problem();
    take(context, fact.what.c_str(), fact.is.c_str(), fact.problem.c_str());
  }
}
