#include "test/cuda/fake/control.hpp"
#include "fake_path.hpp" // generated

#include <cstdlib>
#include <stdexcept>

#include <dlfcn.h>

namespace kroton::test::fake {

Control& control() {
  static Control& found = [&]() -> Control& {
    for (const char* variable : {"KROTON_CUDA_DRIVER", "KROTON_NVRTC", "KROTON_CUBLASLT"})
      setenv(variable, fake_path, 1);
    void* const library = dlopen(fake_path, RTLD_NOW | RTLD_LOCAL);
    if (!library) throw std::runtime_error(dlerror());
    return *reinterpret_cast<Control* (*)()>(dlsym(library, "kroton_fake_control"))();
  }();
  return found;
}

} // namespace kroton::test::fake
