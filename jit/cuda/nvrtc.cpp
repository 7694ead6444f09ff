#include "jit/cuda/nvrtc.hpp"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>

#include <kroton/error.hpp>

#include "jit/cuda/driver.hpp"
#include "lib/support/error.hpp"

namespace kroton::jit::cuda {
namespace {

/// The part of NVRTC's C interface that is used here; it is the same since CUDA 12.0. All functions
/// return nvrtcResult, 0 for success, but one.
struct Nvrtc {
  using Program = struct _nvrtcProgram*;

  Library shared_library =
      open_library({.variable = "KROTON_NVRTC",
                    .names = suited({"libnvrtc.so.13", "libnvrtc.so.12", "libnvrtc.so"})});
  const char* (*error_string)(int) = nullptr;
  int (*version)(int* major, int* minor) = nullptr;
  int (*create)(Program*, const char* source, const char* name, int headers, const char* const*,
                const char* const*) = nullptr;
  int (*destroy)(Program*) = nullptr;
  int (*compile)(Program, int count, const char* const* arguments) = nullptr;
  int (*log_size)(Program, std::size_t*) = nullptr;
  int (*log)(Program, char*) = nullptr;
  int (*cubin_size)(Program, std::size_t*) = nullptr;
  int (*cubin)(Program, char*) = nullptr;
  int (*ptx_size)(Program, std::size_t*) = nullptr;
  int (*ptx)(Program, char*) = nullptr;
  int (*architecture_count)(int*) = nullptr;
  int (*architectures)(int*) = nullptr;
  std::string problem;

  Nvrtc() {
    problem = shared_library.problem();
    find(error_string, "nvrtcGetErrorString");
    find(version, "nvrtcVersion");
    find(create, "nvrtcCreateProgram");
    find(destroy, "nvrtcDestroyProgram");
    find(compile, "nvrtcCompileProgram");
    find(log_size, "nvrtcGetProgramLogSize");
    find(log, "nvrtcGetProgramLog");
    find(cubin_size, "nvrtcGetCUBINSize");
    find(cubin, "nvrtcGetCUBIN");
    find(ptx_size, "nvrtcGetPTXSize");
    find(ptx, "nvrtcGetPTX");
    find(architecture_count, "nvrtcGetNumSupportedArchs");
    find(architectures, "nvrtcGetSupportedArchs");
  }

private:
  template <class F> void find(F*& function, const char* symbol) {
    function = shared_library.find<F>(symbol);
    if (!function && problem.empty())
      problem =
          fmt::format("{} has no {}: CUDA 12.0 or later is wanted", shared_library.path(), symbol);
  }
};

const Nvrtc& opened() {
  static const Nvrtc nvrtc;
  return nvrtc;
}

const Nvrtc& nvrtc() {
  const Nvrtc& n = opened();
  if (!n.problem.empty())
    support::fail<DeviceError>(
        "cuda", {.hint = "install CUDA 12 or 13, or its package nvidia-cuda-nvrtc from PyPI"},
        "NVRTC cannot be used: {}", n.problem);
  return n;
}

struct Version {
  int major = 0, minor = 0;
};

Version version_of(const Nvrtc& n) {
  Version v;
  n.version(&v.major, &v.minor);
  return v;
}

/// A program of NVRTC's, which knows its text and what became of it.
class NvrtcProgram {
public:
  NvrtcProgram(const Nvrtc& nvrtc, const NvrtcInput& input) : nvrtc_(nvrtc), name_(input.name) {
    const std::string file = fmt::format("{}.cu", input.name);
    check(nvrtc_.create(&program_, input.source.c_str(), file.c_str(), 0, nullptr, nullptr));
  }
  ~NvrtcProgram() { nvrtc_.destroy(&program_); }
  NvrtcProgram(const NvrtcProgram&) = delete;
  NvrtcProgram& operator=(const NvrtcProgram&) = delete;

  void compile(const std::vector<std::string>& arguments) {
    std::vector<const char*> texts;
    for (const std::string& a : arguments) texts.push_back(a.c_str());
    const int result = nvrtc_.compile(program_, static_cast<int>(texts.size()), texts.data());
    if (result != 0)
      support::fail<CompileError>(
          "cuda", {.hint = "this is a bug in Kroton; KROTON_DUMP keeps the text"},
          "NVRTC refused kernel {}: {}\n{}", name_, nvrtc_.error_string(result), log());
  }
  std::string log() const { return text(nvrtc_.log_size, nvrtc_.log); }
  std::string ptx() const { return text(nvrtc_.ptx_size, nvrtc_.ptx); }
  std::string cubin() const { return bytes(nvrtc_.cubin_size, nvrtc_.cubin); }

private:
  using Size = int (*)(Nvrtc::Program, std::size_t*);
  using Get = int (*)(Nvrtc::Program, char*);

  void check(int result) const {
    if (result != 0)
      support::fail<CompileError>("cuda", {}, "NVRTC failed for kernel {}: {}", name_,
                                  nvrtc_.error_string(result));
  }
  std::string bytes(Size size, Get get) const {
    std::size_t n = 0;
    check(size(program_, &n));
    std::string all(n, '\0');
    if (n > 0) check(get(program_, all.data()));
    return all;
  }
  /// Without the zero byte that ends it.
  std::string text(Size size, Get get) const {
    std::string all = bytes(size, get);
    while (!all.empty() && all.back() == '\0') all.pop_back();
    return all;
  }

  const Nvrtc& nvrtc_;
  std::string name_;
  Nvrtc::Program program_ = nullptr;
};

} // namespace

NvrtcOutput compile_with_nvrtc(const NvrtcInput& input) {
  NvrtcProgram program(nvrtc(), input);
  program.compile(input.arguments);
  return {program.cubin(), program.ptx(), program.log()};
}

std::vector<std::string> nvrtc_arguments(std::string_view architecture) {
  std::vector<std::string> arguments{
      fmt::format("--gpu-architecture={}", architecture), "--std=c++20", "--fmad=false",
      "-default-device", "--diag-suppress=186"}; // 186: what is generic compares u64 with 0
  // The code is the same whatever the number of threads is; 0 is as many as there are CPUs.
  if (version_of(nvrtc()).major >= 13) arguments.push_back("--split-compile=0");
  return arguments;
}

std::vector<int> nvrtc_capabilities(int most) {
  const Nvrtc& n = nvrtc();
  int count = 0;
  n.architecture_count(&count);
  std::vector<int> known(static_cast<std::size_t>(count));
  n.architectures(known.data());
  std::erase_if(known, [&](int c) { return c > most; });
  std::ranges::sort(known, std::greater{});
  if (known.empty())
    support::fail<DeviceError>("cuda", {.hint = "use an older NVRTC, or a newer device"},
                               "{} makes no code for devices as old as sm_{}", nvrtc_fingerprint(),
                               most);
  return known;
}

std::string nvrtc_fingerprint() {
  const Nvrtc& n = nvrtc();
  const auto [major, minor] = version_of(n);
  std::error_code ignored;
  const auto file = std::filesystem::canonical(n.shared_library.path(), ignored);
  return fmt::format("NVRTC {}.{} {} {} bytes", major, minor, file.filename().string(),
                     std::filesystem::file_size(file, ignored));
}

std::string nvrtc_problem() { return opened().problem; }

} // namespace kroton::jit::cuda
