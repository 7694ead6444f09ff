/// KROTON_DUMP=dir: everything of a function's compilation as files.
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "jit/function/function_state.hpp"
#include "lib/support/file_limit.hpp"
#include "lib/support/log.hpp"

namespace kroton::jit {
namespace {

void write(const std::filesystem::path& path, std::string_view text) {
  const support::FileLimitGuard guard;
  std::ofstream out(path, std::ios::binary);
  out << text;
  out.close();
  if (!out) support::log(support::Area::jit)->warn("KROTON_DUMP: cannot write {}", path.string());
}

std::string file_name(std::string_view name) {
  std::string text;
  for (char c : name)
    text += std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' ? c : '-';
  return text.empty() ? "function" : text;
}

} // namespace

void dump_function(const std::string& directory, const Signature& signature,
                   const Compiled& compiled, const Backend& backend) {
  namespace fs = std::filesystem;
  std::error_code error;
  fs::path folder;
  // A function compiled twice, or two of one name, do not overwrite each other.
  for (int n = 0;; ++n) {
    folder = fs::path(directory) / (n == 0 ? file_name(signature.name)
                                           : fmt::format("{}-{}", file_name(signature.name), n));
    if (!fs::exists(folder, error)) break;
  }
  fs::create_directories(folder, error);
  if (error) {
    support::log(support::Area::jit)
        ->warn("KROTON_DUMP: cannot make {}: {}", folder.string(), error.message());
    return;
  }
  const Derivation& derivation = compiled.origin->get();
  const plan::Plan& plan = derivation.plan;
  const std::vector<KernelText>& texts = derivation.texts.kernels;
  int number = 0;
  for (const auto& [pass, text] : derivation.passes)
    write(folder / fmt::format("{:02}-{}.txt", number++, pass), text);
  write(folder / "graph.dot", plan.graph.to_dot());
  write(folder / "plan.txt", plan.to_string());
  std::string rules;
  for (const rewrite::RuleCount& r : derivation.report.rules)
    rules += fmt::format("{:<32} tries {:>7} hits {:>6} us {:>8.1f}\n", r.rule, r.tries, r.hits,
                         static_cast<double>(r.ns) / 1000);
  write(folder / "rules.txt", rules);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const std::string stem =
        fmt::format("kernel-{:02}-{:.12}", i, compiled.program->kernels()[i].digest.hex());
    if (i < plan.kernels.size()) write(folder / (stem + ".ir.txt"), plan.kernels[i].to_string());
    if (!texts[i].schedule.empty())
      write(folder / (stem + ".schedule.txt"), texts[i].schedule + "\n");
    for (const auto& [end, text] : backend.listings(texts[i])) write(folder / (stem + end), text);
  }
}

} // namespace kroton::jit
