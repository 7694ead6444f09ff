/// The fake libnvrtc: it compiles a text for the CPU, to say what is wrong with it, and gives the
/// text back as what was made of it.
#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>

#include <kroton/error.hpp>

#include "test/cuda/fake/state.hpp"

using namespace kroton::test::fake;

namespace {

/// nvrtcResult
enum class Outcome : int { success = 0, invalid_program = 4, invalid_option = 5, compilation = 6 };

constexpr int architectures[] = {75, 80, 86, 89, 90, 100, 120};

Outcome copied(std::string_view text, char* to) {
  std::ranges::copy(text, to);
  to[text.size()] = '\0';
  return Outcome::success;
}

} // namespace

struct Program {
  std::string source, log;
  Image image;
  std::string cubin, ptx;
};

#define KROTON_NVRTC extern "C" __attribute__((visibility("default"))) Outcome

KROTON_NVRTC nvrtcVersion(int* major, int* minor) {
  *major = 13;
  *minor = 0;
  return Outcome::success;
}

extern "C" __attribute__((visibility("default"))) const char* nvrtcGetErrorString(Outcome outcome) {
  switch (outcome) {
  case Outcome::success:
    return "NVRTC_SUCCESS";
  case Outcome::invalid_program:
    return "NVRTC_ERROR_INVALID_PROGRAM";
  case Outcome::invalid_option:
    return "NVRTC_ERROR_INVALID_OPTION";
  case Outcome::compilation:
    return "NVRTC_ERROR_COMPILATION";
  }
  return "NVRTC_ERROR unknown";
}

KROTON_NVRTC nvrtcGetNumSupportedArchs(int* count) {
  *count = static_cast<int>(std::size(architectures));
  return Outcome::success;
}

KROTON_NVRTC nvrtcGetSupportedArchs(int* archs) {
  std::ranges::copy(architectures, archs);
  return Outcome::success;
}

KROTON_NVRTC nvrtcCreateProgram(Program** program, const char* source, const char*, int,
                                const char* const*, const char* const*) {
  *program = new Program{.source = source, .log = {}, .image = {}, .cubin = {}, .ptx = {}};
  return Outcome::success;
}

KROTON_NVRTC nvrtcDestroyProgram(Program** program) {
  delete *program;
  *program = nullptr;
  return Outcome::success;
}

KROTON_NVRTC nvrtcCompileProgram(Program* program, int count, const char* const* options) {
  const auto told =
      state().call("nvrtcCompileProgram", [] { return kroton::jit::cuda::Result::success; });
  if (told != kroton::jit::cuda::Result::success) {
    program->log = "told to fail";
    return Outcome::compilation;
  }
  Image& image = program->image;
  image.build.has_fma_contraction = true;
  constexpr std::string_view architecture = "--gpu-architecture=sm_";
  for (const std::string_view option : std::span(options, static_cast<std::size_t>(count))) {
    if (option == "--fmad=false" || option == "-fmad=false")
      image.build.has_fma_contraction = false;
    if (option.starts_with(architecture))
      image.capability = std::atoi(option.data() + architecture.size());
    if (!option.starts_with('-')) {
      program->log = "unknown option '" + std::string(option) + "'";
      return Outcome::invalid_option;
    }
  }
  if (std::ranges::find(architectures, image.capability) == std::end(architectures)) {
    program->log = "invalid value for --gpu-architecture";
    return Outcome::invalid_option;
  }
  try {
    module_of(program->source, image.build);
  } catch (const kroton::CompileError& error) {
    program->log = error.what();
    return Outcome::compilation;
  }
  image.text = program->source;
  program->cubin = image.bytes();
  image.is_ptx = true;
  program->ptx = image.bytes();
  return Outcome::success;
}

KROTON_NVRTC nvrtcGetProgramLogSize(Program* program, std::size_t* nbytes) {
  *nbytes = program->log.size() + 1;
  return Outcome::success;
}

KROTON_NVRTC nvrtcGetProgramLog(Program* program, char* log) { return copied(program->log, log); }

KROTON_NVRTC nvrtcGetCUBINSize(Program* program, std::size_t* nbytes) {
  *nbytes = program->cubin.size();
  return Outcome::success;
}

KROTON_NVRTC nvrtcGetCUBIN(Program* program, char* cubin) {
  std::ranges::copy(program->cubin, cubin);
  return Outcome::success;
}

/// Unlike a cubin, PTX is text that ends with a zero, which is counted.
KROTON_NVRTC nvrtcGetPTXSize(Program* program, std::size_t* nbytes) {
  *nbytes = program->ptx.size() + 1;
  return Outcome::success;
}

KROTON_NVRTC nvrtcGetPTX(Program* program, char* ptx) { return copied(program->ptx, ptx); }
