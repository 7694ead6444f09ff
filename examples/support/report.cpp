#include "examples/support/report.hpp"

#include <cstdio>
#include <fstream>
#include <map>
#include <string>

namespace examples {
namespace fs = std::filesystem;

fs::path default_source_path() {
  const fs::path program = fs::read_symlink("/proc/self/exe");
  return program.parent_path() / (program.filename().string() + ".kernels.cpp");
}

void write_source(const fs::path& path, const std::vector<kroton::Function>& functions) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  for (const kroton::Function& f : functions)
    out << "// ======== function " << f.name() << "\n\n" << f.source() << '\n';
  out.close();
  if (!out)
    throw kroton::FileError(
        {"source", path.string() + ": cannot be written", "", "--source FILE names another place"});
}

void report_kernels(std::ostream& out, const std::vector<kroton::Function>& functions) {
  char line[160];
  std::map<std::string, bool> is_compiled; // by digest: functions may share a kernel
  double ms = 0;
  out << "kernels            function  got         after\n";
  for (const kroton::Function& f : functions) {
    const kroton::FunctionStats stats = f.stats();
    ms += stats.total_ms;
    for (const kroton::KernelStats& k : stats.per_kernel) {
      is_compiled[k.digest] |= k.is_compiled;
      const std::string got = k.is_compiled ? "compiled" : "from " + k.origin;
      std::snprintf(line, sizeof line, "  %-16s %-9s %-11s %7.2f ms\n", k.title.c_str(),
                    stats.name.c_str(), got.c_str(), k.ms);
      out << line;
    }
  }
  const std::string directory = kroton::cache_stats().directory;
  out << "cache:   " << (directory.empty() ? "in memory only" : directory) << '\n';
  std::size_t compiled = 0;
  for (const auto& [digest, is] : is_compiled) compiled += is;
  std::snprintf(line, sizeof line,
                "kernels: %zu compiled, %zu from the cache; functions ready in %.1f ms\n", compiled,
                is_compiled.size() - compiled, ms);
  out << line << std::flush;
}

} // namespace examples
