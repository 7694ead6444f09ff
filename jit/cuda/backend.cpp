#include "jit/cuda/backend.hpp"

#include <fstream>
#include <ranges>
#include <utility>

#include "jit/cuda/nvrtc.hpp"
#include "jit/cuda/program.hpp"
#include "jit/cuda/texts.hpp"
#include "lib/support/environment.hpp"
#include "lib/support/error.hpp"
#include "lib/support/file_limit.hpp"
#include "lib/support/log.hpp"

namespace kroton::jit::cuda {
namespace {

constexpr std::string_view sections_of_code[] = {"cubin", "ptx"};

/// Part of the keys: bump it when what kernels are handed changes.
constexpr int launch_abi_version = 1;

/// Where texts are kept that debuggers and profilers show; empty: nowhere.
const std::string& source_directory() {
  static const std::string directory = support::variable("KROTON_CUDA_LINEINFO");
  return directory;
}

/// What the compiler is told that the text is called: with line information, the file that it is
/// written to, less its end.
std::string compiled_name(const KernelText& kernel) {
  if (source_directory().empty()) return kernel.title;
  const std::string name =
      fmt::format("{}/{:.16}", source_directory(), support::digest_of(*kernel.text).hex());
  const support::FileLimitGuard guard;
  std::ofstream file(name + ".cu", std::ios::binary);
  file << *kernel.text;
  file.close();
  if (!file)
    support::log(support::Area::jit)->warn("KROTON_CUDA_LINEINFO: cannot write {}.cu", name);
  return name;
}

} // namespace

CudaCode::CudaCode(const KernelObject& object) {
  const cache::Section &cubin = object.sections[0], &ptx = object.sections[1];
  const auto is_taken = [&](Result r) {
    if (r == Result::success || is_about_code(r)) return r == Result::success;
    fail_call(r, fmt::format("loading kernel {}", object.title));
  };
  const auto fail_as_damaged = [&] {
    support::fail<CompileError>("cache", {}, "the code of kernel {} is damaged",
                                object.digest.hex());
  };
  if (cubin.encoding != cache::Encoding::plain) fail_as_damaged();
  const Result of_cubin = load(cubin.bytes.c_str(), object);
  if (is_taken(of_cubin)) return;
  const auto text = cache::content_of(ptx);
  if (!text) fail_as_damaged();
  const Result of_ptx = load(text->c_str(), object);
  if (is_taken(of_ptx)) {
    support::log(support::Area::jit)
        ->debug("kernel {:.12} {}: PTX, as the driver does not take the cubin, {}",
                object.digest.hex(), object.title, cuda::describe(of_cubin));
    return;
  }
  support::fail<CompileError>("cuda",
                              {.hint = "the driver may be older than the compiler that made it"},
                              "the driver does not take the cubin of kernel {}, {}, nor its PTX, "
                              "{}",
                              object.title, cuda::describe(of_cubin), cuda::describe(of_ptx));
}

CudaCode::~CudaCode() { unload(); }

void CudaCode::unload() noexcept {
  if (library_) driver().cuLibraryUnload(std::exchange(library_, nullptr));
}

/// What the driver says of an image and of the functions in it, up to the first failure; nothing
/// stays loaded then.
Result CudaCode::load(const char* image, const KernelObject& object) {
  Result r = driver().cuLibraryLoadData(&library_, image, nullptr, nullptr, 0, nullptr, nullptr, 0);
  EntryPoint function = nullptr;
  for (std::size_t i = 0; r == Result::success && i < object.entries.size(); ++i)
    r = find(object.entries[i], function);
  if (r != Result::success) unload();
  return r;
}

Result CudaCode::find(const std::string& name, EntryPoint& function) const {
  Kernel kernel = nullptr;
  const Result r = driver().cuLibraryGetKernel(&kernel, library_, name.c_str());
  return r == Result::success ? driver().cuKernelGetFunction(&function, kernel) : r;
}

EntryPoint CudaCode::entry(const std::string& name) const {
  EntryPoint function = nullptr;
  check(find(name, function), "finding kernel " + name);
  return function;
}

CudaBackend::CudaBackend(const Options& options, std::string_view target)
    : target_(CudaTarget::parse(target)), options_(options) {
  options_.updates.clear();
  options_.cache.reset();
}

std::string CudaBackend::describe() const {
  return target_.describe() + (source_directory().empty() ? "" : " lineinfo");
}

Texts CudaBackend::render(const plan::Plan& plan, const Tamper& tamper) const {
  return render_for_device(plan, tamper);
}

std::vector<std::string> CudaBackend::arguments_for(const std::string& architecture) const {
  std::vector<std::string> arguments = nvrtc_arguments(architecture);
  if (!source_directory().empty()) arguments.push_back("--generate-line-info");
  return arguments;
}

cache::Key CudaBackend::key_for(const std::string& text, const std::string& architecture) const {
  std::string arguments;
  for (const std::string& a : arguments_for(architecture)) arguments += a + "\n";
  return cache::KeyBuilder{"cuda/1"}
      .add("source", text)
      .add("target", architecture)
      .add("arguments", arguments)
      .add("compiler", nvrtc_fingerprint())
      .add("abi", std::to_string(launch_abi_version))
      .build();
}

cache::Key CudaBackend::key(const std::string& text) const {
  return key_for(text, compiled_architecture());
}

std::string CudaBackend::compiled_architecture() const {
  return architecture_of(nvrtc_capabilities(target_.gpu.capability()).front());
}

std::vector<cache::Key> CudaBackend::other_keys(const std::string& text) const {
  std::vector<cache::Key> keys;
  for (const int c : nvrtc_capabilities(target_.gpu.capability()) | std::views::drop(1))
    if (c / 10 == target_.gpu.capability_major) keys.push_back(key_for(text, architecture_of(c)));
  return keys;
}

cache::Artifact CudaBackend::compile(const KernelText& kernel) const {
  const auto start = std::chrono::steady_clock::now();
  const std::string name = compiled_name(kernel);
  NvrtcOutput out = compile_with_nvrtc(
      {.source = *kernel.text, .name = name, .arguments = arguments_for(compiled_architecture())});
  const auto took = std::chrono::steady_clock::now() - start;
  std::string statistics =
      fmt::format("compile_us {}\ncubin_bytes {}\nptx_bytes {}\nsource_bytes {}\n",
                  std::chrono::duration_cast<std::chrono::microseconds>(took).count(),
                  out.cubin.size(), out.ptx.size(), kernel.text->size());
  return {{{"cubin", std::move(out.cubin)},
           cache::compressed("ptx", out.ptx),
           cache::compressed("source", *kernel.text),
           cache::compressed("log", out.log),
           {"statistics", std::move(statistics)}},
          requirements()};
}

std::span<const std::string_view> CudaBackend::code_sections() const { return sections_of_code; }

std::vector<std::shared_ptr<const Code>>
CudaBackend::load(std::span<const KernelObject> objects) const {
  const Gpu::Current current(Gpu::get(target_.gpu.index));
  std::vector<std::shared_ptr<const Code>> code;
  for (const KernelObject& o : objects) code.push_back(std::make_shared<CudaCode>(o));
  return code;
}

std::vector<std::pair<std::string, std::string>>
CudaBackend::listings(const KernelText& kernel) const {
  NvrtcOutput out = compile_with_nvrtc({.source = *kernel.text,
                                        .name = kernel.title,
                                        .arguments = arguments_for(compiled_architecture())});
  return {{".cu", *kernel.text}, {".ptx", std::move(out.ptx)}, {".log", std::move(out.log)}};
}

std::unique_ptr<Program> CudaBackend::assemble(ProgramParts parts) const {
  return std::make_unique<CudaProgram>(std::move(parts), Gpu::get(target_.gpu.index), options_);
}

} // namespace kroton::jit::cuda
