#include "bench/start.hpp"

#include "bench/case.hpp"
#include "bench/process.hpp"

#include <sstream>

namespace bench {

namespace fs = std::filesystem;

std::string beside_this(const char* name) {
  return (fs::read_symlink("/proc/self/exe").parent_path() / name).string();
}

Start start(const std::string& mode, const std::string& program, const fs::path& cache,
            const std::string& target) {
  std::vector<std::pair<std::string, std::string>> environment = {
      {"KROTON_CACHE_DIR", cache.string()}};
  if (!target.empty()) environment.emplace_back("KROTON_TARGET", target);
  const auto begin = Clock::now();
  Process helper({beside_this("startup"), mode, program}, environment);
  const auto line = helper.read_line();
  if (!line) throw std::runtime_error("startup " + mode + " ended without a figure");
  Start s;
  std::istringstream(*line) >> s.inner_ns >> s.is_clang_loaded >> s.compiled >> s.resident_kb >>
      s.cpu_ns >> s.context_ns;
  s.process_ns = ns_since(begin);
  return s;
}

} // namespace bench
