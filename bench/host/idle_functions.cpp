/// Every function of libcuda that Kroton knows, doing nothing. Those that hand something out are in
/// idle_driver.cpp and take the place of these.
#include "jit/cuda/driver.hpp"

using namespace kroton::jit::cuda;

#pragma GCC diagnostic ignored "-Wunused-parameter"

#define KROTON_IDLE_FUNCTION(symbol, parameters)                                                   \
  extern "C" __attribute__((weak, visibility("default"))) Result symbol parameters {               \
    return Result::success;                                                                        \
  }
KROTON_CUDA_DRIVER_FUNCTIONS(KROTON_IDLE_FUNCTION)
#undef KROTON_IDLE_FUNCTION
