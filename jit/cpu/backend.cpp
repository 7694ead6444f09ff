#include "jit/cpu/backend.hpp"

#include <cstring>

#include "jit/cpu/program.hpp"
#include "jit/run/pool.hpp"
#include "lib/support/error.hpp"

namespace kroton::jit {
namespace {

CpuTarget target_of(const Options& options) {
  CpuTarget target = CpuTarget::parse(options.target);
  if (!target.runs_here())
    support::fail<UnsupportedError>(
        "target", {.hint = "leave Options::target empty for the best level of this machine"},
        "this machine cannot run code for {}", options.target);
  return target;
}

int threads_of(const Options& options) {
  if (options.threads < 0)
    support::fail<UnsupportedError>(
        "threads", {.hint = "1 keeps to the calling thread, 0 takes KROTON_THREADS or all cores"},
        "a function cannot run on {} threads", options.threads);
  return options.threads > 0 ? options.threads : thread_count();
}

constexpr std::string_view sections_of_code[] = {"object"};

} // namespace

CpuCode::CpuCode(Module module, std::string_view title)
    : module_(std::move(module)), entry_(nullptr) {
  if (!module_.symbols().contains("kernel"))
    support::fail<CompileError>("jit", {}, "the object of kernel {} defines no kernel", title);
  entry_ = reinterpret_cast<KernelEntry>(module_.symbol("kernel"));
}

CpuBackend::CpuBackend(const Options& options)
    : target_(target_of(options)), code_{.contraction = options.contract
                                                            ? Contraction::within_expression
                                                            : Contraction::never},
      threads_(threads_of(options)),
      has_sequences_(options.mode == Mode::fast || options.mode == Mode::nan_guard) {}

Texts CpuBackend::render(const plan::Plan& plan, const Tamper& tamper) const {
  return render_texts(plan, target_.vector_bytes, has_sequences_, tamper);
}

cache::Key CpuBackend::key(const std::string& text) const {
  std::string arguments;
  for (const std::string& a : compile_arguments(target_, code_)) arguments += a + "\n";
  return cache::KeyBuilder{"kernel/1"}
      .add("source", text)
      .add("target", target_.describe())
      .add("arguments", arguments)
      .add("compiler", compiler_fingerprint())
      .add("abi", std::to_string(runtime_abi_version))
      .build();
}

cache::Artifact CpuBackend::compile(const KernelText& kernel) const {
  const auto start = std::chrono::steady_clock::now();
  CompileOutput out = compiler().compile({.source = *kernel.text,
                                          .name = kernel.title,
                                          .arguments = compile_arguments(target_, code_)});
  std::string object(out.object.size(), '\0');
  std::memcpy(object.data(), out.object.data(), out.object.size());
  const auto took = std::chrono::steady_clock::now() - start;
  std::string statistics =
      fmt::format("compile_us {}\nobject_bytes {}\nsource_bytes {}\n",
                  std::chrono::duration_cast<std::chrono::microseconds>(took).count(),
                  object.size(), kernel.text->size());
  return {{{"object", std::move(object)},
           cache::compressed("source", *kernel.text),
           cache::compressed("log", out.log),
           {"statistics", std::move(statistics)}},
          target_.requirements()};
}

std::span<const std::string_view> CpuBackend::code_sections() const { return sections_of_code; }

std::vector<std::shared_ptr<const Code>>
CpuBackend::load(std::span<const KernelObject> objects) const {
  std::vector<Object> linked;
  for (const KernelObject& o : objects) {
    const cache::Section& section = o.sections[0];
    if (section.encoding != cache::Encoding::plain)
      support::fail<CompileError>("cache", {}, "the object of kernel {} is missing",
                                  o.digest.hex());
    linked.push_back({std::as_bytes(std::span(section.bytes)), o.title});
  }
  std::vector<std::shared_ptr<const Code>> code;
  for (Module& module : Module::load(linked)) {
    const std::string_view title = objects[code.size()].title;
    code.push_back(std::make_shared<CpuCode>(std::move(module), title));
  }
  return code;
}

std::vector<std::pair<std::string, std::string>>
CpuBackend::listings(const KernelText& kernel) const {
  CompileOutput out = compiler().compile({.source = *kernel.text,
                                          .name = kernel.title,
                                          .arguments = compile_arguments(target_, code_),
                                          .wants_assembly = true});
  return {{".cpp", *kernel.text}, {".s", std::move(out.assembly)}, {".log", std::move(out.log)}};
}

std::unique_ptr<Program> CpuBackend::assemble(ProgramParts parts) const {
  return std::make_unique<CpuProgram>(std::move(parts), threads_);
}

} // namespace kroton::jit
