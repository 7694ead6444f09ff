#include "jit/cpu/numeric_library.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

#include <dlfcn.h>
#include <fmt/format.h>

#include "jit/run/pool.hpp"
#include "lib/support/environment.hpp"
#include "lib/support/library.hpp"
#include "lib/support/log.hpp"

namespace kroton::jit {
namespace {

/// Tells OpenBLAS which kernels suit, while it is being loaded. A release only knows the CPU models
/// of its day and takes later ones for something as old as Prescott: 80 instead of 399 GFLOP/s for
/// Debian 12's 0.3.21 on a Xeon of 2023. A user's own choice is left alone, and the environment is
/// as before once this is destroyed.
class CoreTypeHint {
public:
  CoreTypeHint() {
    const char* type = __builtin_cpu_supports("x86-64-v4")   ? "SkylakeX"
                       : __builtin_cpu_supports("x86-64-v3") ? "Haswell"
                                                             : nullptr;
    is_set_ = type && support::variable(variable).empty() && setenv(variable, type, 0) == 0;
  }
  ~CoreTypeHint() {
    if (is_set_) unsetenv(variable);
  }
  CoreTypeHint(const CoreTypeHint&) = delete;
  CoreTypeHint& operator=(const CoreTypeHint&) = delete;

private:
  static constexpr const char* variable = "OPENBLAS_CORETYPE";
  bool is_set_ = false;
};

struct Attempt {
  std::optional<NumericLibrary> found;
  std::string problem; ///< why there is none
};

Attempt open(const std::string& file, std::span<const char* const> symbols) {
  const support::LoadedLibrary library = support::load_library(file);
  void* const handle = library.handle;
  if (!handle) return {{}, library.problem};
  for (const char* symbol : symbols)
    if (!dlsym(handle, symbol)) return {{}, fmt::format("it has no {}", symbol)};
  using SetThreads = void (*)(int);
  for (const char* name :
       {"openblas_set_num_threads", "bli_thread_set_num_threads", "MKL_Set_Num_Threads"})
    if (auto* set = reinterpret_cast<SetThreads>(dlsym(handle, name))) {
      set(thread_count());
      break;
    }
  NumericLibrary found{handle, file};
  using Text = const char* (*)();
  if (auto* config = reinterpret_cast<Text>(dlsym(handle, "openblas_get_config"))) {
    found.name += std::string(" (") + config();
    if (auto* kernels = reinterpret_cast<Text>(dlsym(handle, "openblas_get_corename")))
      found.name += std::string(", kernels for ") + kernels();
    found.name += ")";
  }
  return {std::move(found), {}};
}

} // namespace

std::optional<NumericLibrary> find_numeric_library(const NumericLibraryChoice& choice) {
  std::string chosen = support::variable(choice.variable);
  if (chosen.empty()) chosen = choice.unless_set;
  if (chosen == "off") return std::nullopt;
  const CoreTypeHint hint;
  if (chosen != "auto") {
    Attempt attempt = open(chosen, choice.symbols);
    if (!attempt.found)
      support::log(support::Area::jit)
          ->warn("{}={} cannot be used: {}", choice.variable, chosen, attempt.problem);
    return std::move(attempt.found);
  }
  for (const char* file : choice.files)
    if (Attempt attempt = open(file, choice.symbols); attempt.found)
      return std::move(attempt.found);
  return std::nullopt;
}

} // namespace kroton::jit
