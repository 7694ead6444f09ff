#include "jit/cuda/doctor.hpp"

#include "jit/cuda/cublaslt.hpp"
#include "jit/cuda/gpu.hpp"
#include "jit/cuda/nvrtc.hpp"
#include "lib/support/error.hpp"

namespace kroton::jit::cuda {
namespace {

constexpr double gibibyte = 1 << 30;

std::string describe(const GpuFacts& gpu) {
  std::string text =
      fmt::format("{}, {}, {} multiprocessors, {:.1f} GiB", gpu.name, gpu.architecture(),
                  gpu.multiprocessors, static_cast<double>(gpu.nbytes) / gibibyte);
  for (const Gpu* used : Gpu::all())
    if (used->facts().index == gpu.index && used->is_lost()) text += "; lost to this process";
  return text;
}

} // namespace

std::vector<std::pair<std::string, std::string>> facts() {
  const std::string no_driver = driver_problem(), no_compiler = nvrtc_problem();
  std::vector<std::pair<std::string, std::string>> list;
  if (no_driver.empty())
    list.emplace_back("CUDA driver", fmt::format("{}, for CUDA {}", driver().shared_library.path(),
                                                 version_text(driver().version)));
  else
    list.emplace_back("CUDA driver", "none: " + no_driver);
  for (int i = 0; no_driver.empty() && i < gpu_count(); ++i)
    list.emplace_back(fmt::format("cuda:{}", i), describe(gpu_facts(i)));
  list.emplace_back("CUDA compiler",
                    no_compiler.empty() ? nvrtc_fingerprint() : "none: " + no_compiler);
  if (no_driver.empty()) list.emplace_back("CUDA products", blaslt_description());
  return list;
}

} // namespace kroton::jit::cuda
