#include "jit/cpu/compiler.hpp"
#include "jit/cpu/plugin_abi.hpp"
#include "jit/cpu/plugin_fingerprint.hpp"
#include "lib/support/error.hpp"
#include "lib/support/fork.hpp"
#include "lib/support/library.hpp"
#include "lib/support/log.hpp"
#include "lib/support/plugin.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <mutex>
#include <utility>

#include <dlfcn.h>
#include <llvm/Config/llvm-config.h>
#include <sys/mman.h>

namespace kroton::jit {
namespace {

constexpr const char* plugin_file = "libkroton-clang.so";
constexpr std::string_view built_with = "clang " LLVM_VERSION_STRING;

/// A copy of the compiler, with all its state. It stays for good.
struct Instance {
  const KrotonClangApi& api;
  std::atomic<int> at_work{0}; ///< threads that compile with it
};

/// The one to compile with. Null before the first compilation, and again once nothing can be asked
/// of it any more: a compilation came to no orderly end, or a fork caught one under way, whose
/// thread and whose locks the child has in no usable state.
std::atomic<Instance*> usable_instance{nullptr};

void retire(Instance& instance) {
  Instance* expected = &instance;
  usable_instance.compare_exchange_strong(expected, nullptr);
}

const support::ForkHandler retires_instance({.in_child = [] {
  Instance* instance = usable_instance.load();
  if (instance && instance->at_work.load() != 0) retire(*instance);
}});

/// What Clang takes, in bytes. Its static objects are made while it is loaded, where nothing can be
/// done about a shortage; a large kernel may need more than most to compile.
constexpr std::size_t memory_to_load = std::size_t{128} << 20;
constexpr std::size_t memory_to_compile = std::size_t{8} << 20;

constexpr std::string_view memory_hint =
    "where memory is limited (ulimit -v, control groups), give it some 200 MiB more to compile "
    "with, or compile beforehand: kroton cache export";

/// Whether the process may still have that much.
bool has_memory(std::size_t nbytes) {
  void* memory =
      ::mmap(nullptr, nbytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return false;
  ::munmap(memory, nbytes);
  return true;
}

/// Another copy of it, if it was loaded before.
const KrotonClangApi* open_plugin(const std::filesystem::path& path, bool was_loaded) {
  constexpr std::string_view reinstall =
      "build and install Kroton again, libkroton.so and the plugin together";
  constexpr std::string_view who_is_trusted =
      "code is loaded only from files and folders that belong to root, to you or to the owner of "
      "libkroton.so, and that nobody else can write to";
  if (!has_memory(memory_to_load))
    support::fail<CompileError>("jit", {.hint = std::string(memory_hint)},
                                "there is not enough memory to load the compiler");
  const support::LoadedLibrary library =
      was_loaded ? support::load_library_again(path) : support::load_library(path);
  if (!library.handle)
    support::fail<CompileError>(
        "jit", {.hint = std::string(library.is_untrusted ? who_is_trusted : reinstall)},
        "the compiler plugin {} cannot be loaded: {}", path.string(), library.problem);
  auto* get = reinterpret_cast<kroton_clang_api_fn*>(dlsym(library.handle, "kroton_clang_api"));
  const KrotonClangApi* api = nullptr;
  if (get) {
    const support::ForkBlocker blocker; // the plugin makes static objects
    api = get();
  }
  if (!api || api->abi_version != kroton_clang_abi_version)
    support::fail<CompileError>("jit", {.hint = std::string(reinstall)},
                                "the compiler plugin {} has interface version {}, expected {}",
                                path.string(), api ? api->abi_version : 0,
                                static_cast<std::uint32_t>(kroton_clang_abi_version));
  if (compiler_fingerprint() != api->fingerprint)
    support::fail<CompileError>("jit", {.hint = std::string(reinstall)},
                                "the compiler plugin {} is {}, expected {}", path.string(),
                                api->fingerprint, compiler_fingerprint());
  return api;
}

Instance& instance() {
  if (auto* known = usable_instance.load(std::memory_order_acquire)) return *known;
  static support::ProcessMutex loading;
  static bool has_loaded = false; // guarded by `loading`
  const std::lock_guard lock(loading);
  if (auto* known = usable_instance.load(std::memory_order_acquire)) return *known;
  const support::PluginPlace place = support::find_plugin(plugin_file);
  if (place.path.empty())
    support::fail<CompileError>(
        "jit",
        {.hint = "set KROTON_PLUGIN_DIR to the folder that holds it, or install Kroton again"},
        "no compiler: {}", place.problem);
  const auto start = std::chrono::steady_clock::now();
  const KrotonClangApi* api = open_plugin(place.path, has_loaded);
  has_loaded = true;
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  support::log(support::Area::jit)
      ->debug("loaded {} ({}) in {:.1f} ms", place.path.string(), api->compiler, took.count());
  auto* made = new Instance{*api};
  usable_instance.store(made, std::memory_order_release);
  return *made;
}

using ResultPtr = std::unique_ptr<KrotonClangResult, void (*)(KrotonClangResult*)>;

ResultPtr run(Instance& compiler, const CompileInput& input, bool wants_assembly) {
  std::vector<const char*> arguments;
  for (const std::string& argument : input.arguments) arguments.push_back(argument.c_str());
  const KrotonClangRequest request{input.source.data(), input.source.size(), arguments.data(),
                                   arguments.size(), wants_assembly};
  if (!has_memory(memory_to_compile))
    support::fail<CompileError>("jit", {.hint = std::string(memory_hint)},
                                "there is not enough memory to compile kernel {}", input.name);
  ++compiler.at_work;
  ResultPtr result(compiler.api.compile(&request), compiler.api.release);
  --compiler.at_work;
  if (result->is_broken) {
    retire(compiler);
    support::fail<CompileError>("jit",
                                {.hint = fmt::format("{}; otherwise KROTON_DUMP=dir keeps the "
                                                     "kernel's source for a report",
                                                     memory_hint)},
                                "the compiler failed on kernel {}: {}", input.name,
                                std::string_view(result->log, result->log_size));
  }
  if (!result->is_ok) {
    std::string_view log(result->log, result->log_size);
    while (log.ends_with('\n')) log.remove_suffix(1);
    support::fail<CompileError>(
        "jit",
        {.hint = "set KROTON_DUMP=dir to keep the kernel's source; generated source that does not "
                 "compile is a bug in Kroton"},
        "kernel {} does not compile:\n{}", input.name, log);
  }
  return result;
}

} // namespace

std::vector<std::string> compile_arguments(const CpuTarget& target, const CodeOptions& options) {
  static constexpr std::array<const char*, 2> contractions{"off", "on"};
  std::vector<std::string> arguments{"-triple",
                                     "x86_64-unknown-linux-gnu",
                                     "-emit-obj",
                                     "-main-file-name",
                                     "kernel.cpp",
                                     "-x",
                                     "c++",
                                     "-std=c++20",
                                     "-O" + std::to_string(options.optimization)};
  const auto add = [&](std::initializer_list<std::string_view> more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
  };
  add({"-target-cpu", target.level, "-tune-cpu", target.tune});
  for (const std::string& feature : target.features) add({"-target-feature", feature});
  // Left to itself LLVM takes 256 bits where the model is said to clock down for more.
  if (target.vector_bytes == 64) add({"-mprefer-vector-width=512"});
  arguments.push_back(std::string("-ffp-contract=") +
                      contractions[static_cast<std::size_t>(options.contraction)]);
  if (options.optimization >= 2) add({"-vectorize-loops", "-vectorize-slp"});
  // No library stands behind a kernel: a loop that fills memory must not become memset.
  add({"-fno-builtin", "-fno-rtti", "-fno-threadsafe-statics", "-fwrapv"});
  // Code that may be anywhere within 2 GiB of its constants, and names that bind at once.
  add({"-mrelocation-model", "pic", "-pic-level", "2", "-mcmodel=small", "-fvisibility=hidden"});
  // What a driver would pass for short, reproducible output and no frame upkeep; debuggers find the
  // frames by tables.
  add({"-mframe-pointer=none", "-funwind-tables=2", "-Qn", "-discard-value-names",
       "-disable-llvm-verifier", "-w"});
  // The compiler must not look for headers, on this disk or any.
  add({"-nostdsysteminc", "-nobuiltininc"});
  return arguments;
}

std::string_view compiler_fingerprint() noexcept { return plugin_fingerprint; }

CompileOutput Compiler::compile(const CompileInput& input) {
  Instance& compiler = instance();
  const auto start = std::chrono::steady_clock::now();
  CompileOutput output;
  const ResultPtr result = run(compiler, input, false);
  const auto* bytes = reinterpret_cast<const std::byte*>(result->output);
  output.object.assign(bytes, bytes + result->output_size);
  output.log.assign(result->log, result->log_size);
  if (input.wants_assembly) {
    const ResultPtr text = run(compiler, input, true);
    output.assembly.assign(text->output, text->output_size);
  }
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  support::log(support::Area::jit)
      ->debug("compiled kernel {} in {:.1f} ms, {} bytes", input.name, took.count(),
              output.object.size());
  return output;
}

Compiler& compiler() {
  static Compiler instance;
  return instance;
}

std::string compiler_description() {
  const support::PluginPlace place = support::find_plugin(plugin_file);
  if (place.path.empty()) return fmt::format("not found: {}", place.problem);
  const Instance* known = usable_instance.load(std::memory_order_acquire);
  return fmt::format("{}, {}", place.path.string(),
                     known ? fmt::format("loaded, {}", known->api.compiler)
                           : fmt::format("not loaded, built with {}", built_with));
}

std::string compiler_problem() {
  try {
    instance();
  } catch (const CompileError& error) {
    return error.what();
  }
  return {};
}

int compilations_under_way() noexcept {
  const Instance* known = usable_instance.load();
  return known ? known->at_work.load() : 0;
}

bool compiler_is_loaded() noexcept { return usable_instance.load(std::memory_order_acquire); }

} // namespace kroton::jit
