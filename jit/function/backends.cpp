#include "jit/function/backends.hpp"

#include "jit/cpu/backend.hpp"
#include "jit/cuda/backend.hpp"
#include "lib/support/environment.hpp"

namespace kroton::jit {
namespace {

/// What was asked for: an option, or else the environment; empty if neither says.
std::string target_name(const Options& options) {
  if (!options.target.empty()) return options.target;
  return support::variable("KROTON_TARGET");
}

} // namespace

std::shared_ptr<const Backend> backend_for(const Options& options) {
  if (const std::string name = target_name(options); cuda::CudaTarget::is_meant(name))
    return std::make_shared<cuda::CudaBackend>(options, name);
  return std::make_shared<CpuBackend>(options);
}

} // namespace kroton::jit
