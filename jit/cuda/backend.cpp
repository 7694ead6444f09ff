#include "jit/cuda/backend.hpp"

#include <cstdlib>
#include <fstream>

#include "codegen/cuda.hpp"
#include "codegen/cuda_contraction.hpp"
#include "jit/cuda/nvrtc.hpp"
#include "jit/cuda/program.hpp"
#include "lib/support/error.hpp"
#include "lib/support/log.hpp"

namespace kroton::jit::cuda {
namespace {

constexpr std::string_view sections_of_code[] = {"cubin", "ptx"};

/// Part of the keys: bump it when what kernels are handed changes.
constexpr int launch_abi_version = 1;

/// The major and minor capabilities of devices whose code runs on newer ones of the same major.
constexpr std::pair<int, int> capabilities[] = {{7, 5}, {8, 0},  {8, 6},  {8, 7},  {8, 9},
                                                {9, 0}, {10, 0}, {10, 3}, {12, 0}, {12, 1}};

/// Where texts are kept that debuggers and profilers show; empty: nowhere.
const std::string& source_directory() {
  static const std::string directory = [] {
    const char* text = std::getenv("KROTON_CUDA_LINEINFO");
    return std::string(text ? text : "");
  }();
  return directory;
}

/// What the compiler is told that the text is called: with line information, the file that it is
/// written to, less its end.
std::string compiled_name(const KernelText& kernel) {
  if (source_directory().empty()) return kernel.title;
  const std::string name =
      fmt::format("{}/{:.16}", source_directory(), support::digest_of(*kernel.text).hex());
  std::ofstream file(name + ".cu", std::ios::binary);
  file << *kernel.text;
  if (!file)
    support::log(support::Area::jit)->warn("KROTON_CUDA_LINEINFO: cannot write {}.cu", name);
  return name;
}

std::string title_of_step(const plan::Plan& plan, const plan::Step& step) {
  const bool is_product = std::holds_alternative<plan::ContractionStep>(step.what);
  if (const plan::KernelStep* k = step.kernel())
    return (is_product ? "contraction, " : "") +
           plan.kernels[static_cast<std::size_t>(k->kernel)].title;
  return is_product ? "contraction" : "scatter";
}

} // namespace

CudaCode::CudaCode(std::string_view cubin, const std::string& ptx, std::string_view title) {
  const auto load = [&](const char* code) {
    return driver().cuLibraryLoadData(&library_, code, nullptr, nullptr, 0, nullptr, nullptr, 0);
  };
  const Result of_cubin = load(cubin.data());
  if (of_cubin == Result::success) return;
  const Result of_ptx = load(ptx.c_str());
  if (of_ptx != Result::success)
    support::fail<CompileError>("cuda",
                                {.hint = "the driver may be older than the compiler that made it"},
                                "the driver does not take the cubin of kernel {}, {}, nor its PTX, "
                                "{}",
                                title, cuda::describe(of_cubin), cuda::describe(of_ptx));
}

CudaCode::~CudaCode() { driver().cuLibraryUnload(library_); }

EntryPoint CudaCode::entry(const std::string& name) const {
  Kernel kernel = nullptr;
  EntryPoint function = nullptr;
  check(driver().cuLibraryGetKernel(&kernel, library_, name.c_str()), "finding kernel " + name);
  check(driver().cuKernelGetFunction(&function, kernel), "loading kernel " + name);
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

/// Texts of the plan's kernels come first, in their order, as those of any target do.
Texts CudaBackend::render(const plan::Plan& plan, const Tamper& tamper) const {
  Texts texts;
  SharedTexts shared;
  texts.device.resize(plan.steps.size());
  texts.of_step.resize(plan.steps.size());
  texts.kernels.resize(plan.kernels.size());
  texts.notes.resize(plan.kernels.size());
  for (std::size_t i = 0; i < plan.steps.size(); ++i) {
    const plan::Step& step = plan.steps[i];
    codegen::CudaText code = codegen::render_cuda_step(plan, step);
    const plan::KernelStep* k = step.kernel();
    if (tamper && k) tamper(code.text);
    const std::size_t at = k ? static_cast<std::size_t>(k->kernel) : texts.kernels.size();
    if (!k) {
      texts.kernels.emplace_back();
      texts.notes.emplace_back();
    }
    texts.kernels[at] = {shared.share(std::move(code.text)), title_of_step(plan, step)};
    texts.notes[at] = notes_of(code.lines, plan.graph);
    texts.of_step[i] = static_cast<int>(at);
    texts.device[i] = {std::move(code.launches), std::move(code.epilogue), code.scratch_bytes};
  }
  return texts;
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
  return key_for(text, target_.architecture());
}

std::vector<cache::Key> CudaBackend::other_keys(const std::string& text) const {
  std::vector<cache::Key> keys;
  for (auto c = std::rbegin(capabilities); c != std::rend(capabilities); ++c)
    if (c->first == target_.gpu.capability_major && c->second < target_.gpu.capability_minor)
      keys.push_back(key_for(text, fmt::format("sm_{}{}", c->first, c->second)));
  return keys;
}

cache::Artifact CudaBackend::compile(const KernelText& kernel) const {
  const auto start = std::chrono::steady_clock::now();
  const std::string name = compiled_name(kernel);
  NvrtcOutput out = compile_with_nvrtc(
      {.source = *kernel.text, .name = name, .arguments = arguments_for(target_.architecture())});
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
  std::vector<std::shared_ptr<const Code>> code;
  for (const KernelObject& o : objects) {
    const auto ptx = cache::content_of(o.sections[1]);
    if (o.sections[0].encoding != cache::Encoding::plain || !ptx)
      support::fail<CompileError>("cache", {}, "the code of kernel {} is damaged", o.digest.hex());
    code.push_back(std::make_shared<CudaCode>(o.sections[0].bytes, *ptx, o.title));
  }
  return code;
}

std::vector<std::pair<std::string, std::string>>
CudaBackend::listings(const KernelText& kernel) const {
  NvrtcOutput out = compile_with_nvrtc({.source = *kernel.text,
                                        .name = kernel.title,
                                        .arguments = arguments_for(target_.architecture())});
  return {{".cu", *kernel.text}, {".ptx", std::move(out.ptx)}, {".log", std::move(out.log)}};
}

std::unique_ptr<Program> CudaBackend::assemble(ProgramParts parts) const {
  return std::make_unique<CudaProgram>(std::move(parts), Gpu::get(target_.gpu.index), options_);
}

} // namespace kroton::jit::cuda
