#include "jit/cpu/lapack.hpp"

#include <optional>

#include <dlfcn.h>
#include <fmt/format.h>

#include "jit/cpu/numeric_library.hpp"
#include "jit/run/pool.hpp"
#include "lib/support/environment.hpp"
#include "lib/support/log.hpp"

namespace kroton::jit {
namespace {

constexpr const char* variable = "KROTON_LAPACK";

/// Opened by the first call.
const std::optional<NumericLibrary>& lapack() {
  static const std::optional<NumericLibrary> library = [] {
    static constexpr const char* files[] = {"libopenblas.so.0", "libopenblas.so", "libmkl_rt.so.2",
                                            "libmkl_rt.so",     "liblapack.so.3", "liblapack.so"};
    auto found = find_numeric_library({.variable = variable,
                                       .unless_set = "auto",
                                       .files = files,
                                       .symbols = {"dpotrf_", "dtrsm_"}});
    support::log(support::Area::jit)
        ->debug("linear algebra: {}", found ? found->name : "functions of Kroton's own");
    return found;
  }();
  return library;
}

} // namespace

void* find_lapack_routine(const char* name) {
  return lapack() ? dlsym(lapack()->handle, name) : nullptr;
}

std::string lapack_description() {
  const std::string chosen = support::variable(variable);
  if (lapack())
    return fmt::format("{}, {} threads{}", lapack()->name, thread_count(),
                       chosen.empty() ? "" : fmt::format(", because {}={}", variable, chosen));
  if (chosen == "off") return "functions of Kroton's own, because KROTON_LAPACK=off";
  if (!chosen.empty() && chosen != "auto")
    return fmt::format("functions of Kroton's own, because {}={} cannot be used", variable, chosen);
  return "functions of Kroton's own, which are slow for large matrices; install a LAPACK, such as "
         "Debian's libopenblas0";
}

} // namespace kroton::jit
