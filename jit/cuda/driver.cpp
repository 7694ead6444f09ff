#include "jit/cuda/driver.hpp"

#include <algorithm>

#include "lib/support/error.hpp"
#include "lib/support/log.hpp"

namespace kroton::jit::cuda {
namespace {

constexpr const char* wanted = "use a machine with an NVIDIA GPU and a driver for CUDA 12.0 or "
                               "newer, or the target \"host\"; kroton doctor tells what is found";

/// The first function that the library has not; null if it has all.
const char* fill(Driver& d) {
  const char* missing = nullptr;
#define KROTON_CUDA_FIND(symbol, parameters)                                                       \
  d.symbol = d.shared_library.find<Result parameters>(#symbol);                                    \
  if (!d.symbol && !missing) missing = #symbol;
  KROTON_CUDA_DRIVER_FUNCTIONS(KROTON_CUDA_FIND)
#undef KROTON_CUDA_FIND
  return missing;
}

std::string text_of(const Driver& d, Result result) {
  const char *name = nullptr, *text = nullptr;
  if (d.cuGetErrorName) d.cuGetErrorName(result, &name);
  if (d.cuGetErrorString) d.cuGetErrorString(result, &text);
  return fmt::format("{} ({})", name ? name : fmt::format("error {}", static_cast<int>(result)),
                     text ? text : "unknown to this driver");
}

/// A driver that is ready, or why there is none.
struct Opened {
  Driver driver;
  std::string problem;

  Opened() { problem = open(); }

private:
  std::string open() {
    driver.shared_library =
        open_library({.variable = "KROTON_CUDA_DRIVER", .names = {"libcuda.so.1"}});
    if (!driver.shared_library) return driver.shared_library.problem();
    const std::string& path = driver.shared_library.path();
    if (const auto get_version = driver.shared_library.find<Result(int*)>("cuDriverGetVersion"))
      get_version(&driver.version);
    const char* missing = fill(driver);
    if (driver.version < oldest_driver || missing)
      return fmt::format("{} is a driver for CUDA {}{}; CUDA {} or newer is needed", path,
                         version_text(driver.version),
                         missing ? fmt::format(", without {}", missing) : "",
                         version_text(oldest_driver));
    if (const Result r = driver.cuInit(0); r != Result::success)
      return fmt::format("{}: cuInit: {}", path, text_of(driver, r));
    int devices = 0;
    if (const Result r = driver.cuDeviceGetCount(&devices); r != Result::success)
      return fmt::format("{}: cuDeviceGetCount: {}", path, text_of(driver, r));
    if (devices == 0) return fmt::format("{}: there is no device", path);
    support::log(support::Area::jit)
        ->debug("cuda: {}, CUDA {}, {} devices", path, version_text(driver.version), devices);
    return {};
  }
};

const Opened& opened() {
  static const Opened instance;
  return instance;
}

} // namespace

std::string version_text(int version) {
  return fmt::format("{}.{}", version / 1000, version % 1000 / 10);
}

const Driver& driver() {
  const Opened& o = opened();
  if (!o.problem.empty()) [[unlikely]]
    support::fail<DeviceError>("cuda", {.hint = wanted}, "{}", o.problem);
  return o.driver;
}

std::string driver_problem() { return opened().problem; }

std::vector<const char*> suited(std::vector<const char*> names) {
  constexpr int first_of_13 = 13000;
  if (driver_problem().empty() && opened().driver.version < first_of_13)
    std::ranges::stable_partition(names, [](std::string_view n) { return !n.ends_with(".13"); });
  return names;
}

std::string describe(Result result) { return text_of(opened().driver, result); }

void fail_call(Result result, std::string_view what) {
  support::fail<DeviceError>(
      "cuda",
      {.hint = is_sticky(result) ? "the device's context is lost: this process can use it no more"
                                 : ""},
      "{}: {}", what, describe(result));
}

bool is_sticky(Result r) noexcept {
  switch (r) {
  case Result::illegal_address:
  case Result::launch_timeout:
  case Result::assertion:
  case Result::hardware_stack_error:
  case Result::illegal_instruction:
  case Result::misaligned_address:
  case Result::invalid_address_space:
  case Result::invalid_program_counter:
  case Result::launch_failed:
    return true;
  default:
    return false;
  }
}

bool is_about_code(Result r) noexcept {
  switch (r) {
  case Result::invalid_image:
  case Result::no_binary_for_gpu:
  case Result::invalid_ptx:
  case Result::jit_compiler_not_found:
  case Result::unsupported_ptx_version:
  case Result::jit_compilation_disabled:
  case Result::not_found: // a function that it should have
    return true;
  default:
    return false;
  }
}

} // namespace kroton::jit::cuda
