/// A libnvrtc that takes any text and gives back next to nothing, since nothing will run it.
#include <cstddef>

#define KROTON_IDLE extern "C" __attribute__((visibility("default")))

namespace {

int give_size(std::size_t* nbytes) {
  *nbytes = 1;
  return 0;
}

int give_end(char* to) {
  *to = '\0';
  return 0;
}

} // namespace

KROTON_IDLE const char* nvrtcGetErrorString(int) { return "NVRTC_SUCCESS"; }

KROTON_IDLE int nvrtcVersion(int* major, int* minor) {
  *major = 13;
  *minor = 0;
  return 0;
}

KROTON_IDLE int nvrtcGetNumSupportedArchs(int* count) {
  *count = 1;
  return 0;
}

/// That of the driver's device.
KROTON_IDLE int nvrtcGetSupportedArchs(int* architectures) {
  *architectures = 90;
  return 0;
}

KROTON_IDLE int nvrtcCreateProgram(void** program, const char*, const char*, int,
                                   const char* const*, const char* const*) {
  *program = nullptr;
  return 0;
}

KROTON_IDLE int nvrtcDestroyProgram(void**) { return 0; }
KROTON_IDLE int nvrtcCompileProgram(void*, int, const char* const*) { return 0; }
KROTON_IDLE int nvrtcGetProgramLogSize(void*, std::size_t* nbytes) { return give_size(nbytes); }
KROTON_IDLE int nvrtcGetProgramLog(void*, char* to) { return give_end(to); }
KROTON_IDLE int nvrtcGetCUBINSize(void*, std::size_t* nbytes) { return give_size(nbytes); }
KROTON_IDLE int nvrtcGetCUBIN(void*, char* to) { return give_end(to); }
KROTON_IDLE int nvrtcGetPTXSize(void*, std::size_t* nbytes) { return give_size(nbytes); }
KROTON_IDLE int nvrtcGetPTX(void*, char* to) { return give_end(to); }
