#include "jit/cpu/loader.hpp"
#include "jit/cpu/jitlink_compat.hpp"
#include "lib/support/error.hpp"

#include <optional>
#include <utility>

#include <unistd.h>

namespace kroton::jit {
namespace {

namespace jl = llvm::jitlink;

/// What one link produced; filled by the callbacks of `Context`, which JITLink calls before
/// `link` returns, since every allocation and lookup here completes at once.
struct Outcome {
  std::map<std::string, void*, std::less<>> symbols;
  std::size_t allocation = 0;
  std::string error;
};

/// Lives as long as the process: a Module may be destroyed during static destruction.
jl::InProcessMemoryManager& memory() {
  static auto& manager =
      *new jl::InProcessMemoryManager(static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE)));
  return manager;
}

class Context final : public jl::JITLinkContext {
public:
  explicit Context(Outcome& outcome) : JITLinkContext(nullptr), outcome_(outcome) {}

  jl::JITLinkMemoryManager& getMemoryManager() override { return memory(); }

  void notifyFailed(llvm::Error error) override {
    outcome_.error = llvm::toString(std::move(error));
  }

  /// Only reached for names that JITLink itself adds, since `load` has refused all others.
  void lookup(const LookupMap& names,
              std::unique_ptr<jl::JITLinkAsyncLookupContinuation> next) override {
    if (names.empty()) return next->run(jl::AsyncLookupResult());
    next->run(llvm::make_error<llvm::StringError>("the linker asked for an outside symbol",
                                                  llvm::inconvertibleErrorCode()));
  }

  llvm::Error notifyResolved(jl::LinkGraph& graph) override {
    for (const jl::Symbol* symbol : graph.defined_symbols()) {
      const std::string_view name = jitlink_compat::name_of(*symbol);
      if (name.empty() || symbol->getScope() == jl::Scope::Local) continue;
      outcome_.symbols.emplace(name, symbol->getAddress().toPtr<void*>());
    }
    return llvm::Error::success();
  }

  void notifyFinalized(jl::JITLinkMemoryManager::FinalizedAlloc allocation) override {
    outcome_.allocation = allocation.release().getValue();
  }

  /// Keeps everything: an object holds one kernel, and the compiler dropped what it does not use.
  jl::LinkGraphPassFunction getMarkLivePass(const llvm::Triple&) const override {
    return jl::markAllSymbolsLive;
  }

private:
  Outcome& outcome_;
};

/// The name made by position-independent code for its own table of offsets, which the linker fills.
constexpr std::string_view own_table = "_GLOBAL_OFFSET_TABLE_";

std::string outside_names(const jl::LinkGraph& graph) {
  std::map<std::string_view, int> names; // sorted: the text must not depend on a hash table's order
  for (const jl::Symbol* symbol : const_cast<jl::LinkGraph&>(graph).external_symbols())
    if (auto name = jitlink_compat::name_of(*symbol); name != own_table) names.emplace(name, 0);
  std::string text;
  for (const auto& [name, unused] : names) text += (text.empty() ? "" : ", ") + std::string(name);
  return text;
}

std::string_view name_of(const jl::Section& section) {
  return {section.getName().data(), section.getName().size()};
}

bool runs_at_load(std::string_view section) {
  for (std::string_view prefix :
       {".preinit_array", ".init", ".fini", ".ctors", ".dtors", ".tdata", ".tbss"})
    if (section.starts_with(prefix)) return true;
  return false;
}

/// The linker would map it as it says of itself.
bool is_writable_code(const jl::Section& section) {
  const auto has = [&](llvm::orc::MemProt right) {
    return (static_cast<unsigned>(section.getMemProt()) & static_cast<unsigned>(right)) != 0;
  };
  return has(llvm::orc::MemProt::Write) && has(llvm::orc::MemProt::Exec);
}

} // namespace

Module Module::load(std::span<const std::byte> object, std::string_view name) {
  const llvm::MemoryBufferRef buffer({reinterpret_cast<const char*>(object.data()), object.size()},
                                     {name.data(), name.size()});
  auto graph = jitlink_compat::make_graph(buffer);
  if (!graph)
    support::fail<CompileError>("jit", {.hint = "compile the kernel again"},
                                "kernel {} is not a loadable x86-64 object of {} bytes: {}", name,
                                object.size(), llvm::toString(graph.takeError()));
  if (const std::string outside = outside_names(**graph); !outside.empty())
    support::fail<CompileError>(
        "jit", {.hint = "a kernel may call only what its Runtime argument points at"},
        "kernel {} refers to symbols outside itself: {}", name, outside);
  for (const jl::Section& section : (*graph)->sections()) {
    if (runs_at_load(name_of(section)))
      support::fail<CompileError>(
          "jit", {.hint = "give kernels no static constructors and no thread-local variables"},
          "kernel {} has a section {}, which only a full program loader serves", name,
          name_of(section));
    if (is_writable_code(section))
      support::fail<CompileError>("jit", {.hint = "compile the kernel again"},
                                  "kernel {} has a section {} that is writable and executable",
                                  name, name_of(section));
  }

  Outcome outcome;
  jl::link_ELF_x86_64(std::move(*graph), std::make_unique<Context>(outcome));
  if (!outcome.error.empty())
    support::fail<CompileError>("jit", {.hint = "compile the kernel again"},
                                "kernel {} could not be linked: {}", name, outcome.error);
  Module module{std::string(name)};
  module.symbols_ = std::move(outcome.symbols);
  module.allocation_ = outcome.allocation;
  return module;
}

Module::Module(Module&& other) noexcept
    : name_(std::move(other.name_)), symbols_(std::move(other.symbols_)),
      allocation_(std::exchange(other.allocation_, 0)) {}

Module& Module::operator=(Module&& other) noexcept {
  if (this == &other) return *this;
  free();
  name_ = std::move(other.name_);
  symbols_ = std::move(other.symbols_);
  allocation_ = std::exchange(other.allocation_, 0);
  return *this;
}

Module::~Module() { free(); }

void Module::free() noexcept {
  if (allocation_ == 0) return;
  std::vector<jl::JITLinkMemoryManager::FinalizedAlloc> allocations;
  allocations.emplace_back(llvm::orc::ExecutorAddr(std::exchange(allocation_, 0)));
  llvm::consumeError(memory().deallocate(std::move(allocations)));
}

void* Module::symbol(std::string_view name) const {
  const auto found = symbols_.find(name);
  KROTON_CHECK(found != symbols_.end(), "kernel {} defines no symbol {}", name_, name);
  return found->second;
}

} // namespace kroton::jit
