#include "test/cuda/fake/control.hpp"
#include "fake_path.hpp" // generated

#include <cstdlib>
#include <stdexcept>
#include <string_view>

#include <dlfcn.h>

namespace kroton::test::fake {
namespace {

constexpr const char* driver_variable = "KROTON_CUDA_DRIVER";

Control& opened() {
  void* const library = dlopen(fake_path, RTLD_NOW | RTLD_LOCAL);
  if (!library) throw std::runtime_error(dlerror());
  return *reinterpret_cast<Control* (*)()>(dlsym(library, "kroton_fake_control"))();
}

} // namespace

Control& control() {
  static Control& found = [&]() -> Control& {
    for (const char* variable : {driver_variable, "KROTON_NVRTC", "KROTON_CUBLASLT"})
      setenv(variable, fake_path, 1);
    return opened();
  }();
  return found;
}

Control* named_control() {
  const char* const named = std::getenv(driver_variable);
  return named && std::string_view(named) == fake_path ? &opened() : nullptr;
}

} // namespace kroton::test::fake
